#!/usr/bin/env python3
"""Makes metainfo.json from other programs' answers, so that ours are checked against strangers.

Needs mktorrent (Debian package), the Python package libtorrent (2.x) and, in the directory named
by NODE_DIR, the npm package create-torrent:

    npm --prefix "$NODE_DIR" install create-torrent
    NODE_DIR=... python3 -W ignore tests/vectors/metainfo.py > tests/vectors/metainfo.json

Info-hashes must agree among all three programs; roots and unit digests come from libtorrent.
"""
import base64
import hashlib
import json
import os
import subprocess
import tempfile

import libtorrent as lt

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
    torrent = lt.create_torrent(storage, piece_length, flags)
    torrent.set_creation_date(0)
    lt.set_piece_hashes(torrent, directory)
    return torrent.generate()


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


def foreign_torrents(directory):
    name = "foreign.bin"
    with open(os.path.join(directory, name), "wb") as file:
        file.write(data(100_000))
    folder = os.path.join(directory, "folder")
    os.mkdir(folder)
    for part in ("a", "b"):
        with open(os.path.join(folder, part), "wb") as file:
            file.write(data(70_000))
    v1 = lt.bencode(create(directory, name, 32768, lt.create_torrent.v1_only))
    accepted = {
        "mktorrent": mktorrent(directory, name, 32768),
        "create-torrent": create_torrent_js(directory, name, 32768),
        "libtorrent v1": v1,
    }
    refused = {
        "mktorrent, two files": mktorrent(directory, "folder", 32768),
        "libtorrent v2": lt.bencode(create(directory, name, 32768, lt.create_torrent.v2_only)),
        "libtorrent hybrid": lt.bencode(create(directory, name, 32768, 0)),
    }
    return [{"program": program, "accepted": ok, "torrent": base64.b64encode(torrent).decode(),
             "infohash": info_hash(torrent)}
            for ok, group in ((True, accepted), (False, refused))
            for program, torrent in group.items()]


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
        },
        "files": files,
        "torrents": torrents,
    }, indent=1, ensure_ascii=False))


main()
