//! `manyhands estimate`: what it reads, what it prints, and one line for each bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

fn run_with(dir: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands"));
    command.current_dir(dir).arg("estimate").args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MANYHANDS_")) {
        command.env_remove(name);
    }
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // A command that does not read closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn done(dir: &Path, args: &[&str]) -> String {
    let output = run_with(dir, args, b"");
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(dir: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&done(dir, &[args, &["--json"]].concat())).unwrap()
}

/// Exit code 1 and exactly one line on stderr, which holds all of `words`.
fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    let output = run_with(dir, args, b"");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert_eq!(stderr.trim_end_matches('\n').lines().count(), 1, "{args:?}: {stderr}");
    assert!(stderr.starts_with("manyhands: "), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?} does not say {word:?}: {stderr}");
    }
}

fn line(second: usize, address: &str, target: &str, status: u16, octets: u64) -> String {
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!(
        "{address} - - [13/Oct/2026:{hour:02}:{minute:02}:{second:02} +0000] \"GET {target} HTTP/1.1\" {status} {octets} \"-\" \
         \"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\" 60.000\n"
    )
}

/// A crowd that comes for one file: a visitor of another network every second.
fn crowd() -> Vec<String> {
    let visitor = |n: usize| {
        let address = format!("10.0.{n}.1");
        line(3_600 + n, &address, "/pub/a.iso", 200, 100_000_000)
    };
    (0..250).map(visitor).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_answer_comes_first_and_nothing_else_is_said() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), crowd().concat()).unwrap();
    let printed = done(dir.path(), &["log"]);
    let first = printed.lines().next().unwrap();
    assert!(first.starts_with("Visitors would have carried between "), "{first}");
    assert!(first.contains("% of what you sent") && first.ends_with("of 25.00 GB."), "{first}");
    for words in ["/pub/a.iso", "Taken for granted", "[upload] rate", "30 %", "60 %", "100 %"] {
        assert!(printed.contains(words), "no {words}: {printed}");
    }
    let again = done(dir.path(), &["log"]);
    assert_eq!(printed, again, "the same log gives another answer");
}

#[test]
fn json_is_stable() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), crowd().concat()).unwrap();
    let json = json_of(dir.path(), &["log", "--price-per-gb", "2", "--currency", "USD"]);
    assert_eq!(json["v"], 1);
    assert_eq!(json["log"]["requests"], 250);
    assert_eq!(json["log"]["octets"], 25_000_000_000_u64);
    assert_eq!(json["period"]["from"], 1_791_853_140.0);
    assert_eq!(json["period"]["to"], 1_791_853_449.0);
    assert_eq!(json["eligible"]["ofAll"], 1.0);
    assert_eq!(json["eligible"]["timed"], 1.0);
    assert_eq!(json["audience"]["browsers"]["requests"], 250);
    assert_eq!(json["files"][0]["path"], "/pub/a.iso");
    assert_eq!(json["assumptions"]["minPrefixes"], 10);
    assert_eq!(json["money"]["currency"], "USD");
    assert_eq!(json["money"]["sent"], 50.0);
    let levels: Vec<_> = json["sharing"].as_array().unwrap().iter().collect();
    let saved = |at: usize, of: &str| levels[at]["saved"][of].as_u64().unwrap();
    assert_eq!(levels.len(), 3);
    for at in 0..3 {
        assert!(0 < saved(at, "low") && saved(at, "low") < saved(at, "likely"));
        assert!(saved(at, "likely") < saved(at, "high"));
        assert!(at == 0 || saved(at - 1, "likely") < saved(at, "likely"));
    }
    assert!(saved(2, "high") > 15_000_000_000);
    // No request had a cookie or a name; the mirror carries all but its own copy.
    assert_eq!(json["mirrors"]["files"], 1);
    assert_eq!(json["mirrors"]["saved"]["high"], 24_900_000_000_u64);
}

#[test]
fn compressed_logs_and_the_standard_input_give_the_same_answer() {
    let dir = tempfile::tempdir().unwrap();
    let log = crowd().concat();
    let half = log.len() / 2;
    fs::write(dir.path().join("log"), &log).unwrap();
    // Two members, as of logs that were put together, cut in the middle of a line.
    let members = [gzip(&log[..half]), gzip(&log[half..])].concat();
    fs::write(dir.path().join("log.gz"), &members).unwrap();
    let zstd = zstd::encode_all(log.as_bytes(), 1).unwrap();
    fs::write(dir.path().join("log.zst"), &zstd).unwrap();
    let plain = done(dir.path(), &["log", "--json"]);
    assert_eq!(done(dir.path(), &["log.gz", "--json"]), plain);
    assert_eq!(done(dir.path(), &["log.zst", "--json"]), plain);
    for input in [log.as_bytes(), &members, &zstd] {
        let output = run_with(dir.path(), &["-", "--json"], input);
        assert_eq!(text(&output.stdout), plain);
    }
}

#[test]
fn several_logs_are_one_in_whatever_order_they_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let lines = crowd();
    fs::write(dir.path().join("whole"), lines.concat()).unwrap();
    let whole = done(dir.path(), &["whole", "--json"]);
    // Rotated.
    fs::write(dir.path().join("log"), lines[150..].concat()).unwrap();
    fs::write(dir.path().join("log.1.gz"), gzip(&lines[50..150].concat())).unwrap();
    fs::write(dir.path().join("log.2"), lines[..50].concat()).unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    assert_eq!(done(dir.path(), &["log", "log.1.gz", "log.2", "empty", "--json"]), whole);
    // Of two machines.
    let of = |machine: usize| lines.iter().skip(machine).step_by(2).cloned().collect::<String>();
    fs::write(dir.path().join("a"), of(0)).unwrap();
    fs::write(dir.path().join("b"), of(1)).unwrap();
    let merged: Value = serde_json::from_str(&done(dir.path(), &["b", "a", "--json"])).unwrap();
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(merged["log"], whole["log"]);
    // Which of two lines of a second comes first may move the moment at which the file is hot by seconds.
    let saved = |json: &Value| json["sharing"][2]["ofAll"]["likely"].as_f64().unwrap();
    assert!((saved(&merged) - saved(&whole)).abs() < 0.02, "{merged} {whole}");
}

#[test]
fn the_rules_are_those_of_the_site() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        line(0, "10.0.0.1", "/pub/a.iso", 200, 5_000_000),
        line(1, "10.0.0.1", "/pub/a.iso?sig=1", 200, 1),
        line(2, "10.0.0.1", "/pub/a.iso?v=1", 200, 2),
        line(3, "10.0.0.1", "/pub/small.iso", 200, 3),
        line(4, "10.0.0.1", "/pub/page.html", 200, 4),
        line(5, "10.0.0.1", "/private/a.iso", 200, 6_000_000),
        line(6, "10.0.0.1", "/pub/a.iso", 404, 5),
        line(7, "10.0.0.1", "/pub/huge.iso", 200, 5_000_000_000),
        line(8, "10.0.0.1 - frank", "/pub/a.iso", 200, 7).replace("frank - -", "- frank"),
        line(9, "10.0.0.1", "/.well-known/manyhands/client.js", 200, 8),
    ];
    fs::write(dir.path().join("log"), lines.concat()).unwrap();
    let left = |args: &[&str]| {
        let json = json_of(dir.path(), &[&["log"], args].concat());
        let left = json["left"].as_array().unwrap().iter();
        let mut left: Vec<_> = left
            .map(|it| (it["reason"].as_str().unwrap().to_owned(), it["octets"].as_u64().unwrap()))
            .collect();
        left.sort();
        (json["eligible"]["octets"].as_u64().unwrap(), left)
    };
    let named = |left: &[(&str, u64)]| {
        left.iter().map(|(name, octets)| ((*name).to_owned(), *octets)).collect::<Vec<_>>()
    };
    let usual = [
        ("authorization", 7),
        ("extension", 4),
        ("query", 2),
        ("reserved", 8),
        ("signed_url", 1),
        ("status", 5),
        ("too_large", 5_000_000_000),
        ("too_small", 3),
    ];
    assert_eq!(left(&[]), (11_000_000, named(&usual)));
    fs::write(
        dir.path().join("manyhands.toml"),
        "[assets]\nexclude = [\"/private/\"]\nqueries = [\"v\"]\nmin_size = 3\ntypes = [\"application/x-iso9660-image\"]\n",
    )
    .unwrap();
    let configured = [
        ("authorization", 7),
        ("excluded", 6_000_000),
        ("extension", 4),
        ("reserved", 8),
        ("signed_url", 1),
        ("status", 5),
        ("too_large", 5_000_000_000),
    ];
    assert_eq!(left(&["--config", "manyhands.toml"]), (5_000_005, named(&configured)));
}

#[test]
fn another_host_is_another_site_once_an_origin_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    let lines = ["example.org:443", "example.org:8443", "other.example:443"]
        .map(|host| format!("{host} {}", line(0, "10.0.0.1", "/a.iso", 200, 5_000_000)));
    fs::write(dir.path().join("log"), lines.concat()).unwrap();
    assert_eq!(json_of(dir.path(), &["log"])["eligible"]["files"], 2);
    for origin in ["https://example.org", "https://example.org:8443"] {
        fs::write(dir.path().join("c.toml"), format!("[site]\norigin = \"{origin}\"\n")).unwrap();
        let json = json_of(dir.path(), &["log", "--config", "c.toml"]);
        assert_eq!(json["eligible"]["files"], 1, "{origin}");
        assert_eq!(json["files"][0]["path"], "example.org/a.iso", "{origin}");
        assert_eq!(json["left"][0]["reason"], "another_site", "{origin}");
    }
}

#[test]
fn what_can_not_be_read_is_counted_and_shown_without_orders_to_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let log = [&crowd()[0], "nonsense \x1b[2J\n", "{\"a\":\n", &crowd()[1]].concat();
    fs::write(dir.path().join("log"), log).unwrap();
    let json = json_of(dir.path(), &["log"]);
    assert_eq!(json["log"]["malformed"], 2);
    assert_eq!(json["log"]["requests"], 2);
    let output = run_with(dir.path(), &["log", "--verbose"], b"");
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("no time that can be read: nonsense \u{fffd}[2J"), "{said}");
    assert!(text(&output.stdout).contains("2 lines could not be read"));
}

#[test]
fn an_estimate_of_nothing_says_why() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("alone"), line(0, "10.0.0.1", "/a.iso", 200, 5_000_000)).unwrap();
    let printed = done(dir.path(), &["alone"]);
    assert!(printed.starts_with("Visitors would have carried nothing"), "{printed}");
    assert!(printed.contains("[swarm] min_prefixes"), "{printed}");
    fs::write(dir.path().join("pages"), line(0, "10.0.0.1", "/a.html", 200, 5_000)).unwrap();
    assert!(done(dir.path(), &["pages"]).contains("No file may be shared"));
}

#[test]
fn bad_input_is_one_line_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("words", b"these are\nno log lines\n");
    write("empty", b"");
    write("log.xz", b"\xfd7zXZ\0.....");
    write("log.bz2", b"BZh91AY");
    let cut = gzip(&crowd().concat());
    write("cut.gz", &cut[..cut.len() / 2]);
    let wide = zstd::encode_all(&crowd().concat().into_bytes()[..], 1).unwrap();
    write("cut.zst", &wide[..wide.len() / 2]);
    fs::create_dir(dir.path().join("dir")).unwrap();
    refused(dir.path(), &["words"], &["words", "2 lines", "combined", "docs/estimate.md"]);
    refused(dir.path(), &["empty"], &["empty", "give logs"]);
    refused(dir.path(), &["nowhere"], &["nowhere"]);
    refused(dir.path(), &["dir"], &["directory", "name the logs"]);
    refused(dir.path(), &["log.xz"], &["xz", "xzcat"]);
    refused(dir.path(), &["log.bz2"], &["bzip2", "bzcat"]);
    refused(dir.path(), &["cut.gz"], &["cut.gz", "leave it out"]);
    refused(dir.path(), &["cut.zst"], &["cut.zst", "leave it out"]);
    refused(dir.path(), &["-", "-"], &["standard input", "once"]);
    refused(dir.path(), &["words", "--config", "none.toml"], &["none.toml"]);
    for args in [
        &[][..],
        &["log", "--uplink", "0"],
        &["log", "--price-per-gb", "x"],
        &["log", "--currency", "EUR"],
        &["log", "--mirror-budget", "20XB"],
    ] {
        assert_eq!(run_with(dir.path(), args, b"").status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn what_is_taken_for_granted_can_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), crowd().concat()).unwrap();
    let likely = |args: &[&str]| {
        let json = json_of(dir.path(), &[&["log"], args].concat());
        json["sharing"][1]["saved"]["likely"].as_u64().unwrap()
    };
    let usual = likely(&[]);
    assert!(likely(&["--uplink", "2"]) < usual);
    fs::write(dir.path().join("c.toml"), "[upload]\nrate = 1000000\n").unwrap();
    assert!(likely(&["--config", "c.toml"]) < usual);
    fs::write(dir.path().join("c.toml"), "[swarm]\nmin_prefixes = 200\n").unwrap();
    assert_eq!(likely(&["--config", "c.toml"]), 0);
    let held = json_of(dir.path(), &["log", "--mirror-budget", "99MB"])["mirrors"]["files"].clone();
    assert_eq!(held, 0);
}
