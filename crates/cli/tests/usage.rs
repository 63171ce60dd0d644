//! Bad input gets one clear line and the exit code that scripts rely on.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

fn manyhands(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands"));
    command.current_dir(dir).args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MANYHANDS_")) {
        command.env_remove(name);
    }
    command.output().unwrap()
}

/// Fails with exit code 1 and exactly one line on stderr, which holds all of `words`.
fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    let output = manyhands(dir, args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{args:?}: {stderr}");
    assert!(stderr.starts_with("manyhands: "), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?} does not say {word:?}: {stderr}");
    }
}

#[test]
fn a_missing_directory() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &["serve", "nowhere"], &["nowhere"]);
    fs::write(dir.path().join("file"), "").unwrap();
    refused(dir.path(), &["serve", "file"], &["file"]);
}

#[test]
fn a_port_in_use() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("site")).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(
        dir.path(),
        &["serve", "site", "--listen", &address],
        &[&address, "in use", "--listen"],
    );
    refused(dir.path(), &["serve", "site", "--listen", "nonsense"], &["nonsense", "--listen"]);
}

#[test]
fn an_unreachable_upstream() {
    let dir = tempfile::tempdir().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = format!("http://{gone}");
    let args = ["proxy", "--upstream", &upstream, "--listen", "127.0.0.1:0"];
    refused(dir.path(), &args, &[&gone.to_string(), "--upstream"]);
    for bad in ["example", "ftp://127.0.0.1", "http://", "http://127.0.0.1/path"] {
        let args = ["proxy", "--upstream", bad, "--listen", "127.0.0.1:0"];
        refused(dir.path(), &args, &[bad]);
    }
}

#[test]
fn a_malformed_configuration() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("site")).unwrap();
    for (text, words) in [
        ("[swarm]\nfloor = 1\n", &["bad.toml:2", "floor"][..]),
        ("[swarm]\nlan = maybe\n", &["bad.toml:2"]),
        ("[site]\norigin = \"example.org\"\n", &["bad.toml:2", "origin", "https://example.org"]),
        ("\n[policy]\nslack = 0.5\n", &["bad.toml:3", "slack", "0.5"]),
        ("[listen]\ntrusted = [\"all\"]\n", &["bad.toml:2", "trusted", "all"]),
        ("[assets]\ntypes = [\"text/html\"]\n", &["bad.toml:2", "types", "text/html"]),
    ] {
        fs::write(dir.path().join("bad.toml"), text).unwrap();
        let args = ["serve", "site", "--listen", "127.0.0.1:0", "--config", "bad.toml"];
        refused(dir.path(), &args, words);
    }
    refused(dir.path(), &["serve", "site", "--config", "none.toml"], &["none.toml"]);
}

#[test]
fn keys_do_not_lie_where_they_can_be_downloaded() {
    let dir = tempfile::tempdir().unwrap();
    refused(
        dir.path(),
        &["serve", ".", "--listen", "127.0.0.1:0"],
        &["manyhands-state", "--state"],
    );
}

#[test]
fn off_loopback_the_origin_must_be_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("site")).unwrap();
    refused(
        dir.path(),
        &["serve", "site", "--listen", "0.0.0.0:0"],
        &["[site] origin", "https://example.org"],
    );
}

#[test]
fn a_certificate_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("site")).unwrap();
    fs::write(dir.path().join("cert.pem"), "nothing").unwrap();
    fs::write(dir.path().join("key.pem"), "nothing").unwrap();
    let tls = [
        "serve",
        "site",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        "cert.pem",
        "--tls-key",
        "key.pem",
    ];
    refused(dir.path(), &tls, &["cert.pem"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["serve"][..],
        &["nonsense"],
        &["proxy"],
        &["serve", "a", "--demo"],
        &["serve", "a", "--tls-cert", "x"],
    ] {
        assert_eq!(manyhands(dir.path(), args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn the_printed_defaults_pass_their_own_check() {
    let dir = tempfile::tempdir().unwrap();
    let printed = manyhands(dir.path(), &["config", "default"]);
    assert_eq!(printed.status.code(), Some(0));
    fs::write(dir.path().join("manyhands.toml"), printed.stdout).unwrap();
    let checked = manyhands(dir.path(), &["config", "check", "manyhands.toml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
}
