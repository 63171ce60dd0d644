"""Torrents of files and directories in plain Python, from the text of BEP 3, 47 and 52 alone: slow, short, without any library.

It shares nothing with the Rust crate, so that the two check one another; metainfo.py checks it against libtorrent besides.
"""
import hashlib

BLOCK = 16384
ZERO = bytes(32)


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    pairs = {key.encode() if isinstance(key, str) else key: item for key, item in value.items()}
    return b"d" + b"".join(bencode(key) + bencode(pairs[key]) for key in sorted(pairs)) + b"e"


def layers(content):
    """All layers of the tree of a file, leaves first, each as wide as its power of two."""
    blocks = [content[at:at + BLOCK] for at in range(0, len(content), BLOCK)]
    layer = [hashlib.sha256(block).digest() for block in blocks]
    while len(layer) & (len(layer) - 1):
        layer.append(ZERO)
    found = [layer]
    while len(layer) > 1:
        layer = [hashlib.sha256(layer[at] + layer[at + 1]).digest() for at in range(0, len(layer), 2)]
        found.append(layer)
    return found


def tree(content, piece_length):
    """(pieces root, piece layer or none) of a file that is not empty."""
    found = layers(content)
    if len(content) <= piece_length:
        return found[-1][0], None
    layer = found[(piece_length // BLOCK).bit_length() - 1]
    return found[-1][0], b"".join(layer[:-(-len(content) // piece_length)])


def torrent(name, files, piece_length, hybrid=False, single=False, update_url=None):
    """The info dictionary and the piece layers of files: [(path as list of str, bytes)], in any order."""
    files = sorted(files, key=lambda file: [part.encode() for part in file[0]])
    info = {"name": name, "piece length": piece_length}
    if update_url:
        info["update-url"] = update_url
    entries, stream, file_tree, piece_layers = [], b"", {}, {}
    for index, (path, content) in enumerate(files):
        entries.append({"length": len(content), "path": path})
        stream += content
        if not hybrid:
            continue
        gap = -len(stream) % piece_length
        if gap and index < len(files) - 1:
            entries.append({"attr": "p", "length": gap, "path": [".pad", str(gap)]})
            stream += bytes(gap)
        properties = {"length": len(content)}
        if content:
            properties["pieces root"], layer = tree(content, piece_length)
            if layer:
                piece_layers[properties["pieces root"]] = layer
        folder = file_tree
        for part in [name] if single else path:
            folder = folder.setdefault(part, {})
        folder[""] = properties
    pieces = [stream[at:at + piece_length] for at in range(0, len(stream), piece_length)]
    info["pieces"] = b"".join(hashlib.sha1(piece).digest() for piece in pieces)
    if single:
        info["length"] = len(stream)
    else:
        info["files"] = entries
    if not hybrid:
        return {"info": info}
    return {"info": info | {"file tree": file_tree, "meta version": 2}, "piece layers": piece_layers}


def info_hashes(metainfo):
    """(v1, v2) in hexadecimal; v2 is None where there is version 1 only."""
    info = bencode(metainfo["info"])
    v2 = hashlib.sha256(info).hexdigest() if "meta version" in metainfo["info"] else None
    return hashlib.sha1(info).hexdigest(), v2
