//! `manyhands mirror` as a process: killed at any moment, on disks that fill up or turn read-only, before visitors who
//! mean no good.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use manyhands_testkit::{Client, FeedSite, binary, content, until};
use serde_json::Value;

const UNIT: usize = 65_536;

/// A mirror as a child, killed (as by `kill -9`) when dropped.
struct Mirror {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
    said: Arc<Mutex<String>>,
}

fn command(before: &[&str], dir: &Path, site: &FeedSite, more: &[&str]) -> Command {
    let mut words: Vec<OsString> = before.iter().map(Into::into).collect();
    words.push(binary().into());
    let mut command = Command::new(words.remove(0));
    command.args(words).arg("mirror").arg(site.url()).arg("--dir").arg(dir);
    command.args(["--listen", "127.0.0.1:0"]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Mirror {
    fn start(dir: &Path, site: &FeedSite, more: &[&str]) -> Self {
        Self::start_within(&[], dir, site, more)
    }

    /// `before` is a command that runs another.
    fn start_within(before: &[&str], dir: &Path, site: &FeedSite, more: &[&str]) -> Self {
        let mut child = command(before, dir, site, more).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let mut error = String::new();
            errors.read_line(&mut error).unwrap();
            let _ = child.kill();
            panic!("did not start: {line}{error}");
        };
        let address = address.parse().unwrap();
        for stream in [Box::new(out) as Box<dyn BufRead + Send>, Box::new(errors)] {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in stream.lines().map_while(Result::ok) {
                    *said.lock().unwrap() += &(line + "\n");
                }
            });
        }
        Self { child, address, dir: dir.to_owned(), said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The only site's part of `--status --json`.
    fn site(&self) -> Option<Value> {
        let mut command = Command::new(binary());
        let asked = command.args(["mirror", "--status", "--json", "--dir"]).arg(&self.dir).output();
        let asked = asked.unwrap();
        let status: Value = serde_json::from_slice(&asked.stdout).ok()?;
        Some(status["sites"][0].clone())
    }

    fn number(&self, member: &str) -> u64 {
        self.site().and_then(|site| site[member].as_u64()).unwrap_or(0)
    }

    async fn whole(&self, count: u64) {
        until("files are whole", async || (self.number("whole") == count).then_some(())).await;
    }

    /// Has the feed looked at.
    fn look(&self) {
        signal(&self.child, "HUP");
    }

    async fn client(&self) -> Client {
        Client::connect(self.address, "mirror.example").await.unwrap()
    }

    /// Data files of the only site.
    fn data(&self) -> PathBuf {
        let sites = fs::read_dir(self.dir.join("sites")).unwrap();
        sites.map(|site| site.unwrap().path().join("data")).next().unwrap()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(done.unwrap().success());
}

/// Units whose bits say that they are there, each compared with what it should be.
fn verified_units(data: &Path, root: &str, bytes: &[u8]) -> Vec<usize> {
    if let Ok(whole) = fs::read(data.join(root)) {
        assert!(whole == bytes, "a whole file is not what it should be");
        return (0..bytes.len().div_ceil(UNIT)).collect();
    }
    // The bits first: a mirror that runs goes on writing.
    let have = fs::read(data.join(format!("{root}.have"))).unwrap_or_default();
    let Ok(part) = fs::read(data.join(format!("{root}.part"))) else { return Vec::new() };
    let has =
        |unit: &usize| have.get(unit / 8).is_some_and(|byte| byte & (0x80 >> (unit % 8)) != 0);
    let units: Vec<_> = (0..bytes.len().div_ceil(UNIT)).filter(has).collect();
    for unit in &units {
        let span = unit * UNIT..bytes.len().min((unit + 1) * UNIT);
        assert!(part[span.clone()] == bytes[span], "unit {unit} was never verified");
    }
    units
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_cost_no_verified_unit_and_never_serve_another() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("mirror");
    let site = FeedSite::start().await;
    // No two units alike.
    let mut bytes = content(1, 64 * 1024 * 1024 + 77);
    for (unit, chunk) in bytes.chunks_mut(UNIT).enumerate() {
        let number = (unit as u64).to_be_bytes();
        let at = number.len().min(chunk.len());
        chunk[..at].copy_from_slice(&number[..at]);
    }
    let root = site.put("/big.zip", bytes.clone(), 1).to_string();
    let path = format!("/{}/big.zip", site.address);
    let mut before = Vec::new();
    for round in 0..20 {
        site.asked();
        let mirror = Mirror::start(&dir, &site, &["--rate", "12MB"]);
        // What is served is what it should be, or nothing.
        let mut client = mirror.client().await;
        for unit in [0, 1, 31, 32, 128, 255, 500, 1023] {
            let (start, end) = (unit * UNIT, (unit + 1) * UNIT);
            let range = format!("bytes={start}-{}", end - 1);
            let answer = client.get(&path, &[("range", &range)]).await.unwrap();
            match answer.status {
                206 => assert!(answer.body == bytes[start..end], "unit {unit}"),
                status => assert_eq!(status, 404, "unit {unit}"),
            }
            assert!(answer.status == 206 || !before.contains(&unit), "unit {unit} was verified");
        }
        // In the middle of the next batch, and of the one after it.
        let goal = mirror.number("heldBytes") + 1_000_000 * (1 + round % 2);
        until("it has more", async || {
            let held = mirror.number("heldBytes");
            (held >= goal || held == bytes.len() as u64).then_some(())
        })
        .await;
        let asked = site.asked();
        drop(mirror);
        for range in asked.iter().filter_map(|asked| asked.strip_prefix("GET /big.zip bytes=")) {
            let (first, last) = range.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            let again = before.iter().find(|unit| (first / UNIT..=last / UNIT).contains(unit));
            assert_eq!(again, None, "fetched again: {range}");
        }
        let data = fs::read_dir(dir.join("sites")).unwrap().next().unwrap().unwrap().path();
        let after = verified_units(&data.join("data"), &root, &bytes);
        assert!(before.iter().all(|unit| after.contains(unit)), "verified units were lost");
        before = after;
    }
    let mirror = Mirror::start(&dir, &site, &[]);
    mirror.whole(1).await;
    let answer = mirror.client().await.get(&path, &[]).await.unwrap();
    assert!(answer.status == 200 && answer.body == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_ends_answers_under_way_and_files() {
    let top = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let root = site.put("/a.zip", content(1, 16 * 1024 * 1024), 1).to_string();
    let mirror = Mirror::start(&top.path().join("mirror"), &site, &[]);
    mirror.whole(1).await;
    let path = format!("/{}/a.zip", site.address);
    // Takes in little: most of the answer is still to come when the purge does.
    let mut slow = Client::connect_narrow(mirror.address, "mirror.example").await.unwrap();
    slow.ask("GET", &path, &[]).await.unwrap();
    site.remove("/a.zip", true);
    mirror.look();
    until("it is gone from the disk", async || (!mirror.data().join(&root).exists()).then_some(()))
        .await;
    assert_eq!(mirror.client().await.get(&path, &[]).await.unwrap().status, 404);
    assert!(slow.answer().await.is_err(), "an answer under way went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_order_when_told_and_says_why_when_it_can_not_begin() {
    let top = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    site.put("/a.zip", content(1, 100_000), 1);
    let dir = top.path().join("mirror");
    let mut mirror = Mirror::start(&dir, &site, &["--name", "A library"]);
    until("all is said", async || {
        let said = mirror.said();
        let all = ["manyhands mirrors approve", "all 1 files that it carries are here"];
        all.iter().all(|words| said.contains(words)).then_some(())
    })
    .await;
    let text = Command::new(binary()).args(["mirror", "--status", "--dir"]).arg(&dir).output();
    let text = String::from_utf8(text.unwrap().stdout).unwrap();
    assert!(text.contains("A library") && text.contains("carried 1 of 1"), "{text}");
    // A second one on the same directory.
    let second = command(&[], &dir, &site, &[]).output().unwrap();
    let error = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(error.contains("another process uses") && error.lines().count() == 1, "{error}");
    signal(&mirror.child, "TERM");
    assert_eq!(mirror.child.wait().unwrap().code(), Some(0), "{}", mirror.said());
    let asked = Command::new(binary()).args(["mirror", "--status", "--dir"]).arg(&dir).output();
    let asked = asked.unwrap();
    assert_eq!(asked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&asked.stderr).contains("no mirror runs"));
    // The next one needs no URL.
    let mut again = Command::new(binary());
    again.args(["mirror", "--listen", "127.0.0.1:0", "--dir"]).arg(&dir).stdout(Stdio::piped());
    let mut again = again.spawn().unwrap();
    let mut lines = BufReader::new(again.stdout.take().unwrap()).lines();
    let site = lines.find_map(|line| line.ok().filter(|line| line.starts_with(&site.url())));
    signal(&again, "INT");
    assert_eq!(again.wait().unwrap().code(), Some(0));
    assert!(site.is_some());
}

/// A mirror on a file system of its own of some size, in a mount namespace that ends with it. `None` where the
/// system does not allow that.
fn on_tmpfs(dir: &Path, size: &str, site: &FeedSite, more: &[&str]) -> Option<Mirror> {
    let may = Command::new("unshare").args(["-rm", "true"]).output();
    if !may.is_ok_and(|done| done.status.success()) {
        eprintln!("not tested: no namespaces here");
        return None;
    }
    fs::create_dir_all(dir).unwrap();
    let mount =
        format!("mount -t tmpfs -o size={size} tmpfs '{}' && exec \"$0\" \"$@\"", dir.display());
    let mut mirror = Mirror::start_within(&["unshare", "-rm", "sh", "-c", &mount], dir, site, more);
    // As it is seen from outside.
    let root = PathBuf::from(format!("/proc/{}/root", mirror.child.id()));
    mirror.dir = root.join(dir.strip_prefix("/").unwrap());
    Some(mirror)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_gets_over() {
    let top = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let small = content(1, 1_000_000);
    site.put("/small.zip", small.clone(), 1_000);
    let dir = top.path().join("m");
    let Some(mirror) = on_tmpfs(&dir, "12m", &site, &[]) else { return };
    mirror.whole(1).await;
    // Somebody else's file takes the room.
    let ballast = mirror.dir.join("ballast");
    fs::write(&ballast, vec![0; 8_000_000]).unwrap();
    let large = content(2, 6_000_000);
    let root = site.put("/large.zip", large.clone(), 1).to_string();
    mirror.look();
    until("it says so", async || {
        let troubles = mirror.site()?["troubles"].to_string();
        troubles.contains("is full").then_some(())
    })
    .await;
    let (path, other) =
        (format!("/{}/small.zip", site.address), format!("/{}/large.zip", site.address));
    let mut client = mirror.client().await;
    assert!(client.get(&path, &[]).await.unwrap().body == small);
    assert_eq!(client.get(&other, &[]).await.unwrap().status, 404);
    verified_units(&mirror.data(), &root, &large);
    fs::remove_file(ballast).unwrap();
    mirror.whole(2).await;
    assert!(client.get(&other, &[]).await.unwrap().body == large);
    until("all is well", async || {
        (mirror.site()?["troubles"].as_array()?.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_said_serves_on_and_gets_over() {
    let top = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let (kept, purged) = (content(1, 1_000_000), content(2, 1_000_000));
    site.put("/kept.zip", kept.clone(), 2);
    site.put("/purged.zip", purged, 1);
    let dir = top.path().join("m");
    let Some(mirror) = on_tmpfs(&dir, "16m", &site, &[]) else { return };
    mirror.whole(2).await;
    let remount = |how: &str| {
        let pid = mirror.child.id().to_string();
        let done = Command::new("nsenter")
            .args(["-t", &pid, "-U", "-m", "--preserve-credentials", "mount", "-o"])
            .arg(format!("remount,{how}"))
            .arg(&dir)
            .status();
        assert!(done.unwrap().success(), "remount {how}");
    };
    remount("ro");
    site.put("/new.zip", content(3, 1_000_000), 5);
    site.remove("/purged.zip", true);
    mirror.look();
    until("it says so", async || {
        let troubles = mirror.site()?["troubles"].to_string();
        troubles.contains("read-only").then_some(())
    })
    .await;
    let of = |name: &str| format!("/{}/{name}.zip", site.address);
    let mut client = mirror.client().await;
    assert!(client.get(&of("kept"), &[]).await.unwrap().body == kept);
    assert_eq!(client.get(&of("purged"), &[]).await.unwrap().status, 404, "not deleted, and gone");
    remount("rw");
    until("it goes on", async || {
        mirror.look();
        let answer = mirror.client().await.get(&of("new"), &[]).await;
        (answer.ok()?.status == 200).then_some(())
    })
    .await;
    assert_eq!(mirror.number("chosen"), 2);
    until("what was purged is deleted", async || {
        mirror.look();
        let left = fs::read_dir(mirror.data()).unwrap().count();
        // Two files, and the digests of each.
        (left == 4).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_visitors_cost_little_and_hold_up_nobody() {
    let top = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let bytes = content(1, 8 * 1024 * 1024);
    site.put("/a.zip", bytes.clone(), 1);
    let mirror = Mirror::start(&top.path().join("mirror"), &site, &[]);
    mirror.whole(1).await;
    let path = format!("/{}/a.zip", site.address);
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{}/status", mirror.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    };
    let before = resident();
    let mut held = Vec::new();
    for number in 0..300 {
        let mut client = Client::connect_narrow(mirror.address, "mirror.example").await.unwrap();
        match number % 4 {
            // Asks and reads nothing.
            0 | 1 => client.ask("GET", &path, &[]).await.unwrap(),
            // Never ends its request.
            2 => client.send(b"GET /a HTTP/1.1\r\nhost: a\r\nx: ").await.unwrap(),
            _ => client.send(&[0xff; 4096]).await.unwrap(),
        }
        held.push(client);
    }
    for target in
        ["/%", "/%00", "/..%2f..%2fetc/passwd", "*", "http://[", "/a?b#c", &"/x".repeat(5_000)]
    {
        let mut client = mirror.client().await;
        let text = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        // Refused at once, as a request or with it the connection.
        let _ = client.send(text.as_bytes()).await;
        if let Ok(answer) = client.answer().await {
            assert!((400..500).contains(&answer.status), "{target}: {}", answer.status);
        }
    }
    for range in [
        "bytes=0-0,".repeat(5_000),
        "bytes=99999999999999999999-".to_owned(),
        "bytes=-0".to_owned(),
    ] {
        let mut client = mirror.client().await;
        if let Ok(answer) = client.get(&path, &[("range", &range)]).await {
            assert!([200, 416, 431].contains(&answer.status), "{}", answer.status);
        }
    }
    let answer = mirror.client().await.get(&path, &[]).await.unwrap();
    assert!(answer.status == 200 && answer.body == bytes);
    let grown = resident().saturating_sub(before);
    // A chunk each for those who read nothing, and what the allocator keeps.
    assert!(grown < 160, "{grown} MiB for 300 connections");
    drop(held);
    assert!(!mirror.said().contains("panicked"), "{}", mirror.said());
}
