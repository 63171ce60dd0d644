#!/usr/bin/env python3
"""Makes metainfo.json from other programs' answers, so that ours are checked against strangers.

Needs mktorrent and transmission-cli (Debian packages), the Python package libtorrent (2.x, also a Debian package:
python3-libtorrent) and, in the directory named by NODE_DIR, the npm package create-torrent:

    npm --prefix "$NODE_DIR" install create-torrent
    NODE_DIR=... python3 -W ignore tests/vectors/metainfo.py > tests/vectors/metainfo.json

Info-hashes must agree among all three programs; roots and unit digests come from libtorrent. Directories and hybrids come
from bep52.py, which is plain Python, and must agree with libtorrent and the others wherever these make the same choices.
"""
import base64
import hashlib
import json
import os
import subprocess
import tempfile

import libtorrent as lt

import bep52

UNIT = 65536
MIB = 1 << 20
RULE = "(i * 31 + (i >> 8) * 7 + (i >> 16) * 13) & 255"
ROWS = [bytes((j * 31 + c) & 255 for j in range(256)) for c in range(256)]


def data(length):
    """Byte i is RULE; (i * 31) & 255 depends on the low byte of i alone, which makes it quick."""
    rows = (ROWS[(row * 7 + (row >> 8) * 13) & 255] for row in range((length + 255) // 256))
    return b"".join(rows)[:length]


def create(directory, name, piece_length, flags):
    storage = lt.file_storage()
    lt.add_files(storage, os.path.join(directory, name))
    return generated(lt.create_torrent(storage, piece_length, flags), directory)


def generated(torrent, directory):
    lt.set_piece_hashes(torrent, directory)
    metainfo = torrent.generate()
    metainfo.pop(b"creation date", None)
    return metainfo


def info_hash(torrent):
    return hashlib.sha1(lt.bencode(lt.bdecode(torrent)[b"info"])).hexdigest()


def mktorrent(directory, name, piece_length):
    out = os.path.join(directory, "out.torrent")
    if os.path.exists(out):
        os.remove(out)
    exponent = str(piece_length.bit_length() - 1)
    subprocess.run(["mktorrent", "-d", "-l", exponent, "-a", "http://t.example/announce",
                    "-o", out, os.path.join(directory, name)],
                   check=True, stdout=subprocess.DEVNULL)
    return open(out, "rb").read()


def create_torrent_js(directory, name, piece_length):
    script = """
      import createTorrent from 'create-torrent'
      const [path, pieceLength] = process.argv.slice(1)
      createTorrent(path, { pieceLength: Number(pieceLength), creationDate: 1000, createdBy: 'x',
        announceList: [['ws://t.example/1'], ['ws://t.example/2']], urlList: ['http://w.example/f'] },
        (error, torrent) => { if (error) throw error; process.stdout.write(torrent) })
    """
    return subprocess.run(["node", "--input-type=module", "-e", script,
                           os.path.join(directory, name), str(piece_length)],
                          check=True, stdout=subprocess.PIPE, cwd=os.environ["NODE_DIR"]).stdout


def describe(directory, name, length, piece_length):
    content = data(length)
    with open(os.path.join(directory, name), "wb") as file:
        file.write(content)
    entry = {"name": name, "length": length, "pieceLength": piece_length}
    sha256 = hashlib.sha256(content).hexdigest()
    if length == 0:
        # libtorrent makes no torrent of an empty file.
        entry["infohash"] = info_hash(create_torrent_js(directory, name, piece_length))
        return entry | {"root": "00" * 32, "sha256": sha256, "units": []}

    hashes = {
        "mktorrent": info_hash(mktorrent(directory, name, piece_length)),
        "create-torrent": info_hash(create_torrent_js(directory, name, piece_length)),
        "libtorrent": info_hash(lt.bencode(create(directory, name, piece_length,
                                                  lt.create_torrent.v1_only))),
    }
    assert len(set(hashes.values())) == 1, (name, hashes)
    v2 = create(directory, name, UNIT, lt.create_torrent.v2_only)
    (leaf,) = v2[b"info"][b"file tree"].values()
    root = leaf[b""][b"pieces root"]
    layer = v2.get(b"piece layers", {}).get(root, root)
    units = [layer[i:i + 32].hex() for i in range(0, len(layer), 32)]
    entry |= {"infohash": hashes["mktorrent"], "root": root.hex(), "sha256": sha256}
    if length <= 4 * MIB:
        return entry | {"units": units}
    pages = [layer[i:i + 32 * 1024] for i in range(0, len(layer), 32 * 1024)]
    return entry | {"pages": [hashlib.sha256(page).hexdigest() for page in pages]}


def seeded(length, seed):
    """The content of a file in a directory: no two are alike."""
    return bytes((byte + seed) & 255 for byte in data(length))


# Order: "a" is a folder, so a/z comes before a-b and a.b, which a sort of whole paths would put first. The last file ends
# with a piece of any length up to 256 KiB, so that programs that pad after it agree with those that do not.
TREE = [(["b"], 70_000, 3), (["a.b", "c"], 1, 4), (["a-b"], 65_536, 5), (["a", "z"], 262_144, 6), (["a", "Y", "deep", "er"], 300_001, 7),
        (["Ünï cödé", "日本 & <co>.txt"], 16_385, 8), (["a0"], 65_535, 9), (["zz"], 524_288, 10)]
# Empty files: at the start, behind a file that ends within a piece, alone in a folder, at the end.
EMPTY = [(["0"], 0, 0), (["a"], 5, 1), (["b"], 0, 0), (["c", "d"], 0, 0), (["e"], 131_072, 2), (["f"], 0, 0)]
# The same content twice, longer than a piece: one layer for both.
ALIKE = [(["one"], 200_000, 1), (["two"], 200_000, 1), (["short"], 40_000, 1), (["also short"], 40_000, 1)]


def write(directory, files):
    os.mkdir(directory)
    for path, length, seed in files:
        target = os.path.join(directory, *path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(seeded(length, seed))


def libtorrent_hashes(directory, name, files, piece_length, flags):
    """Version 1 has the order given; in hybrids libtorrent sorts by itself."""
    storage = lt.file_storage()
    for path, length, _ in sorted(files, key=lambda file: [part.encode() for part in file[0]]):
        storage.add_file("/".join([name, *path]), length)
    made = generated(lt.create_torrent(storage, piece_length, flags), directory)
    hashes = lt.torrent_info(lt.bdecode(lt.bencode(made))).info_hashes()
    return str(hashes.v1), str(hashes.v2) if hashes.has_v2() else None


def describe_torrent(directory, name, files, piece_length, hybrid, update_url=None):
    """One directory, or a single file where there is one without a path."""
    single = files[0][0] == []
    contents = [(path, seeded(length, seed)) for path, length, seed in files]
    metainfo = bep52.torrent(name, contents, piece_length, hybrid, single, update_url)
    hashes, bytes_ = bep52.info_hashes(metainfo), bep52.bencode(metainfo)

    loaded = lt.torrent_info(lt.bdecode(bytes_))
    assert str(loaded.info_hashes().v1) == hashes[0], name
    assert not hybrid or str(loaded.info_hashes().v2) == hashes[1], name
    shown = [(loaded.files().file_path(i), loaded.files().file_size(i)) for i in range(loaded.num_files())
             if not loaded.files().file_flags(i) & lt.file_storage.flag_pad_file]
    assert sorted(shown) == sorted(("/".join([name, *path]), length) for path, length, _ in files), (name, shown)
    if not update_url:
        folder = os.path.join(directory, f"{name}-{piece_length}-{hybrid}")
        os.mkdir(folder)
        if single:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(contents[0][1])
        else:
            write(os.path.join(folder, name), files)
        agrees = [libtorrent_hashes(folder, name, files, piece_length, flags) == hashes
                  for flags in ((0, lt.create_torrent.canonical_files_no_tail_padding) if hybrid else (lt.create_torrent.v1_only,))]
        # One flag pads after the last file, the other puts the pad behind empty files. BEP 52 leaves both open; each case is
        # made so that at least one is what we do.
        assert any(agrees), (name, piece_length, hybrid)
        if not hybrid and not single:
            assert info_hash(create_torrent_js(folder, name, piece_length)) != "", name
    entry = {"name": name, "pieceLength": piece_length, "hybrid": hybrid, "single": single}
    if update_url:
        entry["updateUrl"] = update_url
    return entry | {"files": [{"path": path, "length": length, "seed": seed} for path, length, seed in files],
                    "infohash": hashes[0], "infohashV2": hashes[1], "torrentSha256": hashlib.sha256(bytes_).hexdigest()}


def own_torrents(directory):
    cases = [("tree", TREE), ("empty", EMPTY), ("alike", ALIKE[:2] + ALIKE[2:]), ("lonely", [(["only"], 100_000, 1)])]
    torrents = [describe_torrent(directory, name, files, piece_length, hybrid)
                for name, files in cases for piece_length, hybrid in ((16384, False), (262144, False), (65536, True), (262144, True))]
    for length in (1, 16384, 16385, 65536, 65537, 131072, 262144, 262145, 524289, MIB + 1):
        torrents += [describe_torrent(directory, f"hybrid-{length}.bin", [([], length, 0)], piece_length, True)
                     for piece_length in (65536, 262144)]
    url = "https://example.org/update?a=b"
    torrents.append(describe_torrent(directory, "updated", TREE[:3], 65536, True, url))
    torrents.append(describe_torrent(directory, "updated", TREE[:3], 65536, False, url))
    torrents.append(describe_torrent(directory, "updated.bin", [([], 70_000, 0)], 65536, False, url))
    return torrents


def transmission_create(directory, name):
    out = os.path.join(directory, "transmission.torrent")
    subprocess.run(["transmission-create", "-o", out, os.path.join(directory, name)], check=True, stdout=subprocess.DEVNULL)
    metainfo = lt.bdecode(open(out, "rb").read())
    metainfo.pop(b"creation date")
    return lt.bencode(metainfo)


def foreign_torrents(directory):
    name, single = "foreign.bin", [([], 100_000, 0)]
    with open(os.path.join(directory, name), "wb") as file:
        file.write(data(100_000))
    folder = [(["a"], 70_000, 0), (["b"], 70_000, 0)]
    write(os.path.join(directory, "folder"), folder)
    write(os.path.join(directory, "tree"), TREE)
    write(os.path.join(directory, "alike"), ALIKE)
    write(os.path.join(directory, "empty"), EMPTY)
    kinds = lt.create_torrent
    libtorrent = lambda name, piece_length, flags: lt.bencode(create(directory, name, piece_length, flags))
    torrents = [
        ("mktorrent", single, mktorrent(directory, name, 32768)),
        ("create-torrent", single, create_torrent_js(directory, name, 32768)),
        ("libtorrent v1", single, libtorrent(name, 32768, kinds.v1_only)),
        ("libtorrent v2", single, libtorrent(name, 32768, kinds.v2_only)),
        ("libtorrent hybrid", single, libtorrent(name, 32768, 0)),
        ("mktorrent, two files", folder, mktorrent(directory, "folder", 32768)),
        ("mktorrent, tree", TREE, mktorrent(directory, "tree", 65536)),
        ("create-torrent, tree", TREE, create_torrent_js(directory, "tree", 65536)),
        ("transmission-create, tree", TREE, transmission_create(directory, "tree")),
        ("libtorrent v1, tree", TREE, libtorrent("tree", 65536, kinds.v1_only)),
        ("libtorrent v2, tree", TREE, libtorrent("tree", 65536, kinds.v2_only)),
        ("libtorrent v2, small pieces", TREE, libtorrent("tree", 16384, kinds.v2_only)),
        ("libtorrent hybrid, tree", TREE, libtorrent("tree", 65536, 0)),
        ("libtorrent hybrid, small pieces", TREE, libtorrent("tree", 16384, 0)),
        ("libtorrent hybrid, alike and padded at the end", ALIKE, libtorrent("alike", 65536, 0)),
        ("libtorrent hybrid, empty files", EMPTY, libtorrent("empty", 65536, 0)),
        ("libtorrent hybrid, empty files before pads", EMPTY, libtorrent("empty", 65536, kinds.canonical_files_no_tail_padding)),
        ("libtorrent v1 with pads", TREE, libtorrent("tree", 65536, kinds.v1_only | kinds.canonical_files)),
    ]
    described = []
    for program, files, torrent in torrents:
        info = lt.bdecode(torrent)[b"info"]
        described.append({
            "program": program, "torrent": base64.b64encode(torrent).decode(),
            "infohash": info_hash(torrent) if b"pieces" in info else None,
            "infohashV2": hashlib.sha256(lt.bencode(info)).hexdigest() if b"meta version" in info else None,
            "files": [{"path": path, "length": length, "seed": seed} for path, length, seed in files]})
    return described


def main():
    lengths = [0, 1, 255, 16383, 16384, 16385, 32768, 32769, 49152, 49153, 65535, 65536, 65537,
               81920, 81921, 131071, 131072, 131073, 196608, 196609, 262143, 262144, 262145,
               327680, MIB - 1, MIB, MIB + 1, 3 * MIB + 12345]
    with tempfile.TemporaryDirectory() as directory:
        files = [describe(directory, f"file-{length}.bin", length, piece_length)
                 for length in lengths for piece_length in (32768, 262144)]
        files.append(describe(directory, "ünï cödé (1) & 日本.zip", 300_000, 262144))
        files.append(describe(directory, "a'b%20c~[x].tar.gz", 300_000, 65536))
        files.append(describe(directory, "pages.bin", 64 * MIB + 1, 262144))
        own = own_torrents(directory)
        torrents = foreign_torrents(directory)
    print(json.dumps({
        "about": "Hashes of generated files, as other programs compute them. Made by metainfo.py.",
        "data": {
            "rule": RULE,
            "meaning": "Byte i of every file, counted from 0, is the value of the rule; integer arithmetic.",
        },
        "unit": UNIT,
        "leaf": 16384,
        "tree": [
            "A leaf is SHA-256 of 16384 bytes of the file, the last leaf of what is left.",
            "A node is SHA-256 of the 32 bytes of its left child followed by those of its right child.",
            "A unit is the node over the 4 leaves of 65536 bytes; leaves beyond the end are 32 zero bytes.",
            "Exception: in a file of one unit the leaves are filled up only to the next power of two (1, 2 or 4), so that the unit is the root: for at most 16384 bytes simply SHA-256 of the file.",
            "The root is the node over all units, filled up to a power of two with the node over 4 leaves of 32 zero bytes. An empty file has no units and a root of 32 zero bytes.",
        ],
        "fields": {
            "infohash": "SHA-1 of the bencoded info dictionary {length, name, piece length, pieces}; agreed by mktorrent, create-torrent and libtorrent",
            "root": "BEP 52 pieces root, from libtorrent",
            "sha256": "SHA-256 of the whole file",
            "units": "the digests of all units, from libtorrent; left out of large files",
            "pages": "large files only: SHA-256 of each page of at most 1024 raw 32-byte unit digests",
            "directories": "torrents as we make them, from bep52.py, read by libtorrent and, where choices agree, made alike by it; torrentSha256 is that of the whole .torrent file, without trackers and web seeds",
            "torrents": "torrents as other programs make them",
            "seed": "added to every byte of the file, modulo 256",
        },
        "files": files,
        "directories": own,
        "torrents": torrents,
    }, indent=1, ensure_ascii=False))


main()
