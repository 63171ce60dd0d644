#!/usr/bin/env python3
"""Writes the seeds of the fuzz corpus: one small file a case, made of the shared vectors and of the samples that unit tests use.

Run from anywhere; it overwrites the seeds and leaves alone what fuzzing has added. Input formats: see the targets in src/.
"""
import base64, hashlib, json, pathlib, re, struct, zlib

FUZZ = pathlib.Path(__file__).parent
ROOT = FUZZ.parent.parent


def put(target, name, data):
    folder = FUZZ / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def vectors(name):
    return json.loads((ROOT / "tests/vectors" / f"{name}.json").read_text())


def rust_strings(path, start, end=None):
    """The string literals of a Rust source between two marks."""
    source = (ROOT / path).read_text().split(start, 1)[1]
    if end:
        source = source.split(end, 1)[0]
    for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', source, re.S):
        literal = re.sub(r"\\\n\s*", "", literal)
        literal = re.sub(r"\\u\{([0-9a-f]+)\}", lambda m: chr(int(m[1], 16)), literal)
        escapes = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", '"': '"', "\\": "\\"}
        yield re.sub(r'\\([rnt0"\\])', lambda m: escapes[m[1]], literal)


def heads():
    seen = {}
    for case in vectors("page")["cases"]:
        request, response = case["request"], case["response"]
        lines = lambda head: "".join(f"{name}: {value}\n" for name, value in head.get("headers", []))
        text = f"{request['method']} {request['target']}\n{lines(request)}\n{response['status']}\n{lines(response)}"
        decision = case["decision"] if isinstance(case["decision"], str) else next(iter(case["decision"]))
        seen[decision] = seen.get(decision, 0) + 1
        if seen[decision] <= 3:
            put("head", case["name"], text)
        for name, value in response.get("headers", []):
            if name == "content-security-policy":
                put("csp", case["name"], value)


def pages():
    odd = rust_strings("crates/page/tests/injection.rs", "const DOCUMENTS: &[&str] = &[", "\n];")
    for number, page in enumerate(odd):
        if number % 3 == 0:
            put("injected_tree", f"odd {number}", page.replace("@", ""))
            put("injector", f"odd {number}", page.replace("@", "|").replace("><", ">|<", 1))
    put("injector", "nobody", "")


def tracker():
    compact = lambda message: json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    shapes, descriptions = {}, set()
    for transcript in vectors("tracker")["transcripts"]:
        visitors, lines, seconds = {}, [], 0
        for step in transcript["steps"]:
            if step["at"] // 1000 > seconds:
                lines.append(f"~{step['at'] // 1000 - seconds}")
                seconds = step["at"] // 1000
            name = step.get("connect", step.get("from", step.get("disconnect")))
            visitor = visitors.setdefault(name, len(visitors) % 10) if name is not None else None
            if "connect" in step:
                lines.append(f"+{visitor}")
            elif "disconnect" in step:
                lines.append(f"-{visitor}")
            elif "withdraw" in step:
                lines.append("!")
            elif "from" in step:
                message = dict(step.get("message", {}))
                if message.get("info_hash") == transcript["issued"][0]:
                    message["info_hash"] = "a" * 20
                lines.append(f"{visitor}{compact(message) if message else step.get('text', '')}")
            for message in [step.get("message")] + [effect.get("message") for effect in step.get("expect", [])]:
                if isinstance(message, dict) and len(shapes) < 24:
                    shapes.setdefault(" ".join(sorted(message)), message)
        put("swarms", transcript["name"], "\n".join(lines) + "\n")
    for number, message in enumerate(shapes.values()):
        put("tracker_message", f"{message.get('action', 'failure')} {number}", compact(message))
    for number, text in enumerate(rust_strings("crates/protocol/src/sdp/samples.rs", "SAMPLES: &[Sample] = &[")):
        if text.startswith("v=0"):
            put("sdp", f"agent {number}", text)


def stun():
    header = lambda length: struct.pack(">HHI", 1, length, 0x2112A442) + b"abcdefghijkl"
    attribute = lambda kind, value: struct.pack(">HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)
    put("stun", "plain", header(0))
    put("stun", "username and software", header(24) + attribute(0x0006, b"a:bcd") + attribute(0x8022, b"agent 1"))
    put("stun", "unknown attributes", header(16) + attribute(0x0003, b"\0\0\0\6") + attribute(0x7FFF, b"1234"))
    head = header(8)
    put("stun", "fingerprint", head + attribute(0x8028, struct.pack(">I", zlib.crc32(head) ^ 0x5354554E)))


def wire():
    greeting = b"\x13BitTorrent protocol" + bytes([0, 0, 0, 0, 0, 0x10, 0, 4]) + b"h" * 20 + b"-MH0100-abcdefghijkl"
    frame = lambda kind, body=b"": struct.pack(">IB", 1 + len(body), kind) + body
    request = struct.pack(">III", 1, 16384, 16384)
    extended = lambda number, body, tail=b"": frame(20, bytes([number]) + bencode(body) + tail)
    put("wire", "greeting", greeting)
    put("wire", "a seed", greeting + frame(14) + frame(1) + b"\0" * 4 + frame(7, request[:8] + b"data") + frame(4, request[:4]))
    put("wire", "a leech", greeting + frame(5, b"\xa0") + frame(2) + frame(6, request) + frame(8, request) + frame(16, request) + frame(9, b"\x1a\xe1") + frame(3) + frame(0))
    put("wire", "extensions", greeting + extended(0, {"m": {"ut_metadata": 2, "lt_donthave": 7, "ut_pex": 1}, "metadata_size": 31, "reqq": 250, "v": "x 1"})
        + extended(1, {"msg_type": 0, "piece": 0}) + extended(1, {"msg_type": 1, "piece": 0, "total_size": 4}, b"abcd") + extended(1, {"msg_type": 2, "piece": 1})
        + frame(20, b"\x02" + request[:4]) + frame(20, b"\x09junk") + frame(99, b"x"))
    put("wire", "too long", greeting + struct.pack(">I", 1 << 20))


def bencode(value):
    if isinstance(value, bool) or value is None:
        raise TypeError(value)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def metainfo():
    paths = ["/", "/a/b%20c.zip", "/a/./b/../c%7e.iso", "/%E4%B8%AD/\u4e2d.tar.gz", "/a%252e/..;x/b:@!$&'()*+,;=", "/dir/", "/a//b", "/%2f", "/..", "/\\"]
    for number, path in enumerate(paths):
        put("asset_path", f"path {number}", path)
    info = {"length": 5, "name": "hello.txt", "piece length": 262144, "pieces": hashlib.sha1(b"hello").digest()}
    put("torrent", "plain", bencode({"info": info}))
    extras = {"announce": "wss://t.example/", "announce-list": [["wss://t.example/"], ["udp://u.example:1"]], "url-list": ["https://example.org/hello.txt"]}
    put("torrent", "web seed and trackers", bencode({**extras, "info": {**info, "private": 1}, "creation date": 1, "x": [{"y": []}]}))
    put("torrent", "empty file", bencode({"info": {**info, "length": 0, "pieces": b""}, "url-list": ""}))
    put("torrent", "several files", bencode({"info": {"files": [{"length": 5, "path": ["a"]}], "name": "d"}}))
    for torrent in vectors("metainfo")["torrents"]:
        put("torrent", torrent["program"], base64.b64decode(torrent["torrent"]))
    link = {"attr": "l", "path": ["x"], "symlink path": ["a"]}
    put("torrent", "pads and links", bencode({"info": {**{key: info[key] for key in ("name", "piece length", "pieces")}, "files": [
        {"attr": "p", "length": 1}, {"length": 2, "path": ["a"], "path.utf-8": ["b"]}, link, {"attr": "p", "length": 2, "path": [".pad", "2"]}]}}))
    put("torrent", "version 2", bencode({"info": {"meta version": 2, "file tree": {}, "name": "d"}}))

    digest = hashlib.sha256(b"hello").digest()
    record = {"path": "/hello.txt", "content_type": "text/plain", "length": 5, "piece_length": 262144, "pieces": info["pieces"],
              "pages": digest, "root": digest.hex(), "sha256": digest.hex()}
    identity = {"device": 1, "inode": 2, "size": 5, "mtime_ns": -1, "ctime_ns": 1790000000123456789}
    put("record", "fetched", bencode({**record, "version": {"validator": {"Etag": '"v1"'}, "length": 5, "file": []}}))
    put("record", "local", bencode({**record, "version": {"validator": {"LastModified": "Sun, 06 Nov 1994 08:49:37 GMT"}, "length": 5, "file": [identity]}}))

    state = hashlib.sha256().digest() + bytes(8)  # of the right length: eight words and the number of blocks
    progress = {"version": {"validator": {"Etag": '"v1"'}, "length": 1000000, "file": []}, "digests_file": "a.new", "piece_length": 262144, "position": 262144,
                "pieces": hashlib.sha1(b"").digest(), "page": digest * 4, "pages": b"", "whole": state + bytes(1)}
    put("progress", "a quarter", bencode(progress))

    manifest = {"v": 1, "path": "/hello.txt", "length": 5, "type": "text/plain", "etag": '"v1"', "infohash": hashlib.sha1(bencode(info)).hexdigest(),
                "pieceLength": 262144, "root": digest.hex(), "unit": 65536, "digests": base64.b64encode(digest).decode()}
    put("manifest", "tagged", json.dumps(manifest))
    put("manifest", "without a tag", json.dumps({**manifest, "etag": None}))
    put("manifest", "a later version", json.dumps({"v": 2}))


def config():
    default = ROOT / "crates/cli/src/default.toml"
    text = re.sub(r"(?m)^#.*\n", "", default.read_text())
    put("config", "default", '[site]\norigin = "https://example.org"\n' + text.split("[site]\n", 1)[1])
    put("config", "small", '[site]\norigin = "http://localhost:8080"\n[listen]\ntrusted = ["10.0.0.0/8", "::1"]\n[policy]\nslack = 1.0\n')
    put("config", "assets", '[site]\norigin = "https://example.org"\n[assets]\ntypes = ["video/*", "application/zip"]\nmin_size = 1\nmax_size = 9\n')


def access_logs():
    source = (ROOT / "crates/experiment/src/audience/line/tests.rs").read_text()
    combined = re.findall(r'r#"([^{].*?\[13/Oct/2026.*?)"#', source)
    put("access_log", "combined", b"\x07" + "\n".join(line for line in combined if "{" not in line).encode())
    for number, line in enumerate(re.findall(r'r#"(\{".*?\})"#', source)):
        put("access_log", f"json {number}", b"\xff" + line.encode() + b"\r\n")
    visit = '10.0.{}.1 - - [13/Oct/2026:13:{:02}:36 +0000] "GET /a.iso HTTP/1.1" 200 90000000 "-" "Mozilla/5.0" 50.000\n'
    put("access_log", "a crowd", b"\x20" + "".join(visit.format(n, n // 4) for n in range(40)).encode())


def bridge():
    lease = {"v": 1, "sharing": True, "suffixes": False, "policy": {"origin": "https://example.org", "types": ["video/*"], "exclude": ["/private/"]},
             "preload": ["/a%20b.iso"], "experiment": None, "records": "assets/0123456789abcdef"}
    put("lease", "plain", json.dumps(lease))
    for design in ({"kind": "crossover", "holdout": 1000, "hours": 6}, {"kind": "visitors", "hours": 6}):
        experiment = {"design": design, "salt": "00ff", "origin": "https://example.org"}
        put("lease", design["kind"], json.dumps({**lease, "experiment": experiment}))
    put("lease", "climbs", json.dumps({**lease, "records": "assets/../../x"}))
    put("lease", "a later version", json.dumps({"v": 2}))

    form = {"fields": [["content-type", "text/plain; charset=utf-8"], ["etag", '"00"']], "body": base64.b64encode(b"d4:infoe").decode()}
    forms = {name: form for name in ("manifest", "torrent", "magnet", "meta4", "sha256")}
    put("published", "an asset", json.dumps({"v": 1, "path": "/a%20b.iso", "infohash": "07" * 20, **forms}))
    put("published", "swarms", json.dumps({"v": 1, "swarms": {"07" * 20: [3, 4], "08" * 20: [0, 1]}}))

    identity = {"device": 1, "inode": 2, "size": 5, "mtime_ns": -1, "ctime_ns": 1790000000123456789}
    version = {"validator": {"Etag": '"v1"'}, "length": 5, "file": identity}
    path, visitor = {"path": "/a.iso"}, {"bucket": 9, "network": "192.0.2.0"}
    events = [
        {"answer": {**path, "version": version, "content_type": "video/mp4", "demand": True, "preload": False, "file": "/srv/a.iso", "network": None}},
        {"doubt": path}, {"suspicion": {**path, "version": None}}, {"demand": {**path, **visitor, "robot": False}},
        {"page": {**visitor, "network": "2001:db8:1::", "robot": True}}, {"failed": {**path, "bucket": None}},
    ]
    units = [{"of": of, "block": 8, "cells": [1] * 7} for of in ({"asset": "07" * 16}, {"bucket": 9}, {"rest": "p2p"})]
    report = {"v": 1, "events": [[event, 3] for event in events], "passed": {"status": 4}, "tagged": 5, "traffic": [6] * 9, "experiment": 7, "units": units}
    put("report", "of everything", json.dumps(report))
    put("report", "of nothing", json.dumps({**report, "events": [], "passed": {}, "units": []}))


def mirrors():
    for number, text in enumerate(["https://mirror.example/", "https://[2001:db8::1]:4443/pub/a%20b/", "http://127.0.0.1:8080/", "https://example.org", "mirror.example:6881", "https://127.1/"]):
        put("mirror_address", f"address {number}", text)
    announce = {"v": 1, "name": "A library", "contact": None, "http": "https://mirror.example/example.org/", "tcp": "mirror.example:6881", "webrtc": True,
                "budget": 20000000000, "holdings": base64.b64encode(bytes(range(16))).decode()}
    put("mirror_announce", "of two assets", json.dumps(announce))
    put("mirror_announce", "of nothing", json.dumps({**announce, "http": None, "tcp": None, "holdings": ""}))
    put("mirror_announce", "answer", json.dumps({"v": 1, "state": "approved", "reason": None, "token": "abc", "tracker": "wss://example.org/tracker", "next": 300}))
    put("mirror_announce", "banned", json.dumps({"v": 1, "state": "banned", "reason": "a byte was wrong", "token": None, "tracker": None, "next": 3600}))
    # RFC 8032, section 7.1, test 1: a key; the signature is of another text.
    key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    put("mirror_authorization", "a header", f"Manyhands-Mirror key={key},time=1790000000,signature={'07' * 64}")
    put("mirror_doubt", "a unit", json.dumps({"v": 1, "mirror": "https://mirror.example/", "path": "/a%20b.iso", "unit": 3}))
    asset = {"path": "/a/b.iso", "length": 1, "etag": '"x"', "infohash": "07" * 20, "root": "07" * 32, "pieceLength": 262144, "type": "text/plain", "demand": 3, "copies": 2}
    page = {"v": 1, "site": "https://example.org", "prefix": "/.well-known/manyhands/", "sequence": 9, "made": 1790000000, "expires": 1790086400, "page": 0, "pages": 1,
            "assets": [asset, {**asset, "path": "/c", "etag": None}], "purged": [{"path": "/x", "at": 1790000000}]}
    put("mirror_feed", "a page", json.dumps(page))
    put("mirror_feed", "an envelope", json.dumps({"v": 1, "key": key, "signature": "07" * 64, "signed": json.dumps(page)}))


for make in (heads, pages, tracker, stun, wire, metainfo, config, access_logs, bridge, mirrors):
    make()
