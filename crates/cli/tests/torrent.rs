//! `manyhands torrent`: what it prints, what it writes, and one line for each bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn run_with(dir: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_manyhands"))
        .current_dir(dir)
        .arg("torrent")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn run(dir: &Path, args: &[&str]) -> Output {
    run_with(dir, args, b"")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Exit code 0; what it printed.
fn done(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(dir: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&done(dir, args)).unwrap()
}

/// Exit code 1 and exactly one line on stderr, which holds all of `words`.
fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    one_line(&run(dir, args), args, words);
}

fn one_line(output: &Output, args: &[&str], words: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert_eq!(stderr.trim_end_matches('\n').lines().count(), 1, "{args:?}: {stderr}");
    assert!(stderr.starts_with("manyhands: "), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?} does not say {word:?}: {stderr}");
    }
}

/// A directory with `file`, 300,000 bytes, and `tree/{a,b/c}`.
fn work() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), [7; 300_000]).unwrap();
    fs::create_dir_all(dir.path().join("tree/b")).unwrap();
    fs::write(dir.path().join("tree/a"), "a").unwrap();
    fs::write(dir.path().join("tree/b/c"), [8; 300_000]).unwrap();
    dir
}

/// Nothing but these is in a directory: no half-written file, no torrent that was not asked for.
fn holds(dir: &Path, names: &[&str]) {
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names);
}

#[test]
fn create_writes_a_torrent_and_prints_its_magnet() {
    let work = work();
    let dir = work.path();
    let printed = done(dir, &["create", "file"]);
    holds(dir, &["file", "file.torrent", "tree"]);
    // As mktorrent 1.1 makes it, with pieces of 256 KiB.
    let infohash = "892b364c52f38c97759bb96e83a294102d6389b9";
    assert!(printed.contains(&format!("magnet:?xt=urn:btih:{infohash}&dn=file&xl=300000")));
    let shown = json_of(dir, &["show", "file.torrent", "--json"]);
    assert_eq!(shown["infohash"], infohash);
    assert!(done(dir, &["show", "file.torrent"]).contains(infohash));
}

#[test]
fn json_is_stable() {
    let work = work();
    let dir = work.path();
    let url = "https://example.org/";
    let created = json_of(
        dir,
        &[
            "create",
            "tree",
            "--json",
            "--hybrid",
            "--private",
            "--piece-length",
            "64KiB",
            "--web-seed",
            url,
            "--tracker",
            "udp://a.example:6969,https://b.example/announce",
            "--tracker",
            "wss://c.example",
            "--update-url",
            "https://example.org/latest.torrent",
            "--comment",
            "für alle",
        ],
    );
    let trackers =
        json!([["udp://a.example:6969", "https://b.example/announce"], ["wss://c.example"]]);
    for (key, value) in [
        ("torrent", json!("tree.torrent")),
        ("leftOut", json!([])),
        ("name", json!("tree")),
        ("length", json!(300_001)),
        ("pieceLength", json!(65_536)),
        ("pieces", json!(6)),
        ("private", json!(true)),
        ("comment", json!("für alle")),
        ("updateUrl", json!("https://example.org/latest.torrent")),
        ("trackers", trackers),
        ("webSeeds", json!([url])),
    ] {
        assert_eq!(created[key], value, "{key}");
    }
    let files: Vec<_> = created["files"].as_array().unwrap().iter().collect();
    assert_eq!((&files[0]["path"], &files[0]["length"]), (&json!("a"), &json!(1)));
    assert_eq!((&files[1]["path"], &files[1]["length"]), (&json!("b/c"), &json!(300_000)));
    // SHA-256 of "a": the root of a file of one block.
    let root = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    assert_eq!(files[0]["piecesRoot"], root);

    // What show says is what create said, less what is not in the torrent.
    let mut expected = created.clone();
    for key in ["torrent", "leftOut"] {
        expected.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(json_of(dir, &["show", "tree.torrent", "--json"]), expected);

    let verified = json_of(dir, &["verify", "tree.torrent", "tree", "--json"]);
    let whole = |path: &str, length: u64| json!({"path": path, "length": length, "state": "whole", "damaged": []});
    let files = json!([whole("a", 1), whole("b/c", 300_000)]);
    let none = json!([]);
    let report = json!({"whole": true, "pieces": 6, "bad": none, "missing": none, "files": files, "extra": none});
    assert_eq!(verified, report);
}

#[test]
fn the_info_hash_depends_on_files_name_and_piece_length_alone() {
    let work = work();
    let dir = work.path();
    let infohash = |args: &[&str]| {
        let args = [&["create", "--force", "--json", "-o", "x.torrent"], args].concat();
        json_of(dir, &args)["infohash"].as_str().unwrap().to_owned()
    };
    let plain = infohash(&["tree"]);
    assert_eq!(
        plain,
        infohash(&[
            "tree/",
            "--web-seed",
            "http://e.org/",
            "--tracker",
            "ws://t",
            "--comment",
            "x"
        ])
    );
    assert_eq!(plain, infohash(&["tree/b/..", "--piece-length", "262144"]));
    for other in [
        &["tree", "--name", "other"][..],
        &["tree", "--piece-length", "16KiB"],
        &["tree", "--private"],
        &["tree", "--update-url", "http://e.org/x"],
        &["tree", "--hybrid"],
        &["tree/b"],
    ] {
        assert_ne!(plain, infohash(other), "{other:?}");
    }
}

#[test]
fn the_standard_streams() {
    let work = work();
    let dir = work.path();
    let bytes = fs::read(dir.join("file")).unwrap();
    let args = ["create", "-", "--name", "file", "-o", "-", "--piece-length", "256KiB"];
    let piped = run_with(dir, &args, &bytes);
    assert_eq!(piped.status.code(), Some(0), "{}", text(&piped.stderr));
    assert!(text(&piped.stderr).contains("magnet:?"));
    done(dir, &["create", "file"]);
    assert_eq!(piped.stdout, fs::read(dir.join("file.torrent")).unwrap());
    let shown = run_with(dir, &["show", "-"], &piped.stdout);
    assert_eq!(text(&shown.stdout), done(dir, &["show", "file.torrent"]));
    let verified = run_with(dir, &["verify", "-", "file"], &piped.stdout);
    assert_eq!(verified.status.code(), Some(0));
    holds(dir, &["file", "file.torrent", "tree"]);

    let one_mebibyte = run_with(dir, &["create", "-", "--name", "x", "-o", "-"], &bytes);
    let shown = run_with(dir, &["show", "-", "--json"], &one_mebibyte.stdout);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["pieceLength"], 1_048_576);

    for (args, word) in [
        (&["create", "-", "-o", "-"][..], "--name"),
        (&["create", "file", "-o", "-", "--json"], "--json"),
    ] {
        one_line(&run_with(dir, args, &bytes), args, &[word]);
    }
    let args = ["create", "-", "--name", "x"];
    one_line(&run_with(dir, &args, b""), &args, &["nothing to share"]);
}

#[test]
fn nothing_is_overwritten_without_force() {
    let work = work();
    let dir = work.path();
    fs::write(dir.join("file.torrent"), "mine").unwrap();
    refused(dir, &["create", "file"], &["file.torrent", "--force", "-o"]);
    symlink("nowhere", dir.join("dangling")).unwrap();
    refused(dir, &["create", "file", "-o", "dangling"], &["dangling", "--force"]);
    assert_eq!(fs::read(dir.join("file.torrent")).unwrap(), b"mine");
    done(dir, &["create", "file", "--force"]);
    done(dir, &["verify", "file.torrent", "file"]);
    holds(dir, &["dangling", "file", "file.torrent", "tree"]);
}

#[test]
fn an_output_that_cannot_be_is_known_before_any_hashing() {
    let work = work();
    let dir = work.path();
    refused(dir, &["create", "file", "-o", "tree"], &["tree", "directory"]);
    refused(dir, &["create", "file", "-o", "none/x.torrent"], &["none"]);
    refused(dir, &["create", "file", "-o", "file/x.torrent"], &["file"]);
    refused(dir, &["create", "file", "-o", ".."], &["names no file"]);
    // A torrent in its own directory would be wrong as it is written.
    fs::write(dir.join("tree/old.torrent"), "old").unwrap();
    refused(dir, &["create", "tree", "--force", "-o", "tree/old.torrent"], &["itself", "-o"]);
    let long = "n".repeat(255);
    fs::write(dir.join(&long), "x").unwrap();
    refused(dir, &["create", &long], &["255", "-o"]);
    done(dir, &["create", &long, "-o", "long.torrent"]);
}

#[test]
fn bad_paths() {
    let work = work();
    let dir = work.path();
    refused(dir, &["create", "nowhere"], &["nowhere", "No such file"]);
    refused(dir, &["create", "/dev/null"], &["/dev/null", "device"]);
    fs::create_dir(dir.join("hollow")).unwrap();
    refused(dir, &["create", "hollow"], &["no file"]);
    fs::write(dir.join("empty"), "").unwrap();
    refused(dir, &["create", "empty"], &["nothing to share"]);
    refused(dir, &["create", "file", "--name", "a/b"], &["a/b", "name"]);
    refused(dir, &["create", "file", "--name", ""], &["name"]);
    refused(dir, &["create", "file", "--name", ".."], &["name"]);

    fs::write(dir.join("tree/line\nbreak"), "x").unwrap();
    refused(dir, &["create", "tree"], &["line\\nbreak"]);
    fs::remove_file(dir.join("tree/line\nbreak")).unwrap();
    let latin = dir.join("tree").join(std::ffi::OsStr::from_bytes(b"gr\xfc\xdfe"));
    fs::write(&latin, "x").unwrap();
    refused(dir, &["create", "tree"], &["UTF-8", "rename"]);
    fs::remove_file(latin).unwrap();
    symlink("../file", dir.join("tree/out")).unwrap();
    refused(dir, &["create", "tree"], &["tree/out", "leads out", "copy"]);
    fs::remove_file(dir.join("tree/out")).unwrap();
    fs::write(dir.join("tree/A"), "x").unwrap();
    refused(dir, &["create", "tree"], &["\"A\"", "\"a\"", "case"]);
    fs::remove_file(dir.join("tree/A")).unwrap();
    holds(&dir.join("tree"), &["a", "b"]);
}

#[test]
fn bad_options() {
    let work = work();
    let dir = work.path();
    for length in ["x", "", "1kB", "100GiB", "100000", "8KiB", "32MiB", "0"] {
        refused(dir, &["create", "file", "--piece-length", length], &["piece"]);
    }
    refused(dir, &["create", "file", "--hybrid", "--piece-length", "16KiB"], &["hybrid", "64 KiB"]);
    for (option, url) in [
        ("--web-seed", "ftp://e.org/x"),
        ("--web-seed", "e.org/x"),
        ("--web-seed", "https://e.org/a b"),
        ("--web-seed", "https://me:pw@e.org/x"),
        ("--tracker", "magnet:?x"),
        ("--tracker", "udp://t.example"),
        ("--tracker", "ws://a.example,,ws://b.example"),
        ("--update-url", "wss://e.org"),
    ] {
        refused(dir, &["create", "file", option, url], &[option]);
    }
    refused(
        dir,
        &["create", "tree", "--web-seed", "http://e.org/tree"],
        &["--web-seed", "tree", "slash"],
    );
    done(dir, &["create", "tree", "--web-seed", "http://e.org/"]);
    holds(dir, &["file", "tree", "tree.torrent"]);
}

#[test]
fn hidden_names_stay_out_and_are_told() {
    let work = work();
    let dir = work.path();
    fs::write(dir.join("tree/.env"), "secret").unwrap();
    let output = run(dir, &["create", "tree"]);
    assert!(
        text(&output.stderr).contains("tree/.env (hidden; --hidden"),
        "{}",
        text(&output.stderr)
    );
    assert!(!done(dir, &["show", "tree.torrent"]).contains(".env"));
    let told = json_of(dir, &["create", "tree", "--force", "--json"]);
    assert_eq!(told["leftOut"], json!([{"path": "tree/.env", "why": "hidden"}]));
    done(dir, &["create", "tree", "--force", "--hidden"]);
    assert!(done(dir, &["show", "tree.torrent"]).contains(".env"));
}

#[test]
fn verify_says_what_is_wrong_and_exits_with_1() {
    let work = work();
    let dir = work.path();
    done(dir, &["create", "tree"]);
    assert!(done(dir, &["verify", "tree.torrent", "tree"]).contains("whole"));
    done(dir, &["verify", "tree.torrent", "."]);
    fs::write(dir.join("tree/b/c"), [9; 300_000]).unwrap();
    fs::remove_file(dir.join("tree/a")).unwrap();
    fs::write(dir.join("tree/new"), "x").unwrap();
    let args = ["verify", "tree.torrent", "tree"];
    let output = run(dir, &args);
    one_line(&output, &args, &["2 pieces", "1 are wrong", "1 not there", "2 of 2 files"]);
    let stdout = text(&output.stdout);
    for line in [
        "missing    a: pieces 0",
        "damaged    b/c: pieces 0-1",
        "extra      tree/new",
        "bad pieces 1",
        "missing pieces 0",
    ] {
        assert!(stdout.lines().any(|printed| printed == line), "{line}: {stdout}");
    }
    let output = run(dir, &["verify", "tree.torrent", "tree", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["bad"], &report["missing"]), (&json!([1]), &json!([0])));
    assert_eq!(report["extra"], json!(["tree/new"]));
    assert_eq!(report["files"][0]["state"], "missing");
    refused(dir, &["verify", "tree.torrent", "nowhere"], &["nowhere", "2 not there"]);
}

#[test]
fn what_is_no_torrent_is_said_to_be_none() {
    let work = work();
    let dir = work.path();
    for command in [&["show", "file"][..], &["verify", "file", "tree"]] {
        refused(dir, command, &["file", "not a torrent"]);
    }
    refused(dir, &["show", "none.torrent"], &["none.torrent", "No such file"]);
    refused(dir, &["show", "tree"], &["tree"]);
    refused(dir, &["show", "/dev/zero"], &["64 MiB"]);
}

#[test]
fn a_torrent_of_a_stranger_does_not_reach_the_terminal_raw() {
    let work = work();
    let dir = work.path();
    done(dir, &["create", "file", "--comment", "\u{1b}[2J\nname evil"]);
    let shown = done(dir, &["show", "file.torrent"]);
    assert!(!shown.contains('\u{1b}') && !shown.lines().any(|line| line.starts_with("name evil")));
    let raw = json_of(dir, &["show", "file.torrent", "--json"]);
    assert_eq!(raw["comment"], "\u{1b}[2J\nname evil");

    // Nor in JSON, which would let U+009B and marks of direction stand.
    let comment = "\u{9b}2J\u{7f}\u{61c}\u{202e}\u{2028}";
    done(dir, &["create", "file", "--force", "--comment", comment]);
    let shown = done(dir, &["show", "file.torrent", "--json"]);
    assert!(shown.contains(r"\u009b2J\u007f\u061c\u202e\u2028"), "{shown}");
    assert!(!shown.contains(['\u{9b}', '\u{7f}', '\u{61c}', '\u{202e}', '\u{2028}']), "{shown}");
    let raw: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(raw["comment"], comment);
}

#[test]
fn wrong_usage_exits_with_2() {
    let work = work();
    for args in
        [&[][..], &["create"], &["show"], &["verify", "x"], &["create", "file", "--nonsense"]]
    {
        assert_eq!(run(work.path(), args).status.code(), Some(2), "{args:?}");
    }
}
