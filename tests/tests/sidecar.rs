//! `manyhands sidecar`, with the test in nginx's place: what it hands out, what it is told, and what it does when it is
//! hurt.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::SystemTime;

use manyhands_bridge::{
    Event, HOLDS, Lease, Network, Published, Report, Unit, UnitCounts, events_socket,
};
use manyhands_experiment::UnitField;
use manyhands_metainfo::{AssetPath, Digest, FileIdentity, Validator, Version};
use manyhands_testkit::{Asked, binary, content, experiment, origin, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const ORIGIN: &str = "http://127.0.0.1:1";
const LENGTH: usize = 2_000_000;
const FORWARDED: &str = "X-Forwarded-For: 192.0.2.7";

/// The process, killed when dropped, and its directory.
struct Sidecar {
    dir: tempfile::TempDir,
    child: Child,
}

impl Sidecar {
    fn start(settings: &str, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("manyhands.toml"), settings).unwrap();
        let child = Self::spawn(dir.path(), more);
        Self { dir, child }
    }

    fn command(dir: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("sidecar")
            .arg("--socket")
            .arg(dir.join("socket"))
            .arg("--state")
            .arg(dir.join("state"))
            .arg("--config")
            .arg(dir.join("manyhands.toml"))
            .args(["--origin", ORIGIN])
            .args(more);
        command
    }

    fn spawn(dir: &Path, more: &[&str]) -> Child {
        let log = fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
        let mut child =
            Self::command(dir, more).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = fs::read_to_string(dir.join("log")).unwrap();
        assert!(line.starts_with("listening on "), "{line}{log}");
        child
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn lease(&self) -> Option<Lease> {
        let json = fs::read(self.path("state").join(Lease::FILE)).ok()?;
        Some(Lease::from_json(&json).unwrap())
    }

    /// Whether a module would go by the lease.
    fn holds(&self) -> bool {
        let renewed = fs::metadata(self.path("state").join(Lease::FILE)).unwrap().modified();
        SystemTime::now().duration_since(renewed.unwrap()).is_ok_and(|age| age < HOLDS)
    }

    async fn until_it_holds(&self, so: bool) {
        until("the lease", || async {
            (self.lease().is_some() && self.holds() == so).then_some(())
        })
        .await;
    }

    /// What is handed out of an asset.
    fn published(&self, path: &str) -> Option<Published> {
        let name = Published::file_name_of(&AssetPath::parse(path).unwrap());
        let json = fs::read(self.path("state").join(Published::DIR).join(name)).ok()?;
        Some(Published::from_json(&json).unwrap())
    }

    async fn until_published(&self, path: &str) -> Published {
        until("the asset to be handed out", || async { self.published(path) }).await
    }

    fn send(&self, bytes: &[u8]) {
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(bytes, events_socket(&self.socket())).unwrap();
    }

    fn tell(&self, report: &Report) {
        self.send(&report.to_json());
    }

    /// Status line, header fields and body of the answer.
    fn ask(&self, method: &str, below: &str, fields: &[&str]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let request = format!(
            "{method} /.well-known/manyhands/{below} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             {fields}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The same as the operator, who has the key.
    fn ask_with_key(&self, method: &str, below: &str) -> String {
        let key = fs::read_to_string(self.path("state/operator.key")).unwrap();
        let key = format!("Authorization: Bearer {}", key.trim());
        self.ask(method, below, &[FORWARDED, &key, "Content-Type: application/json"])
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

fn version(file: Option<&Path>) -> Version {
    let file = file.map(|file| FileIdentity::from_metadata(&fs::metadata(file).unwrap()));
    Version { validator: Validator::Etag("\"v1\"".to_owned()), length: LENGTH as u64, file }
}

/// So many answers with an asset, to as many networks.
fn answers(path: &str, version: &Version, file: Option<&Path>) -> Report {
    let event = |network: u8| {
        let answer = Event::Answer {
            path: AssetPath::parse(path).unwrap(),
            version: version.clone(),
            content_type: "application/zip".to_owned(),
            demand: true,
            preload: false,
            file: file.map(Path::to_owned),
            network: Some(Network::from(std::net::IpAddr::from([192, 0, network, 7]))),
        };
        (answer, 2)
    };
    Report { events: vec![event(1), event(2)], ..Report::default() }
}

/// A sidecar that has hashed a file which nginx named.
async fn with_a_file(settings: &str) -> (Sidecar, PathBuf) {
    let sidecar = Sidecar::start(settings, &[]);
    let file = sidecar.path("a.zip");
    fs::write(&file, content(0, LENGTH)).unwrap();
    sidecar.tell(&answers("/a.zip", &version(Some(&file)), Some(&file)));
    sidecar.until_published("/a.zip").await;
    (sidecar, file)
}

#[tokio::test]
async fn the_lease_holds_as_long_as_the_daemon_answers() {
    let mut sidecar = Sidecar::start("", &[]);
    sidecar.until_it_holds(true).await;
    let lease = sidecar.lease().unwrap();
    assert_eq!(lease.policy.origin.as_deref(), Some(ORIGIN));
    assert!(lease.sharing && lease.experiment.is_none() && !lease.suffixes);
    assert!(sidecar.path("state").join(&lease.records).is_dir());

    sidecar.signal(Signal::STOP);
    sidecar.until_it_holds(false).await;
    sidecar.signal(Signal::CONT);
    sidecar.until_it_holds(true).await;

    // Nobody can reach it any more, though it runs.
    fs::rename(sidecar.socket(), sidecar.path("elsewhere")).unwrap();
    sidecar.until_it_holds(false).await;
    assert!(sidecar.log().contains("the lease is not renewed"), "{}", sidecar.log());
    fs::rename(sidecar.path("elsewhere"), sidecar.socket()).unwrap();
    sidecar.until_it_holds(true).await;

    sidecar.child.kill().unwrap();
    sidecar.until_it_holds(false).await;
}

#[tokio::test]
async fn the_kill_switch_is_in_the_next_lease() {
    let sidecar = Sidecar::start("[site]\nsuffixes = true\n", &[]);
    sidecar.until_it_holds(true).await;
    for on in [false, true] {
        let to = if on { "on" } else { "off" };
        let answer = sidecar.ask_with_key("POST", &format!("switch?sharing={to}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        until("the switch", || async {
            let lease = sidecar.lease().unwrap();
            (lease.sharing == on && lease.suffixes).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_file_that_nginx_names_is_hashed_and_handed_out_in_every_form() {
    let (sidecar, file) = with_a_file("").await;
    let published = sidecar.published("/a.zip").unwrap();
    let sha256 = Digest::of(&content(0, LENGTH)).to_string();
    assert_eq!(published.sha256.body, format!("{sha256}  a.zip\n").as_bytes());
    let identity = FileIdentity::from_metadata(&fs::metadata(&file).unwrap());
    assert_eq!(published.file, Some((file, identity)));
    for (form, below) in [
        (&published.torrent, "torrent/a.zip"),
        (&published.magnet, "magnet/a.zip"),
        (&published.meta4, "meta4/a.zip"),
        (&published.sha256, "sha256/a.zip"),
        (&published.manifest, "manifest/a.zip"),
    ] {
        let answer = sidecar.ask("HEAD", below, &[FORWARDED]);
        let fields = answer.lines().skip(1).take_while(|line| !line.is_empty());
        // What goes with the connection, and what changes by the minute: nginx names no mirrors, so that browsers go by site.json.
        let of_now =
            ["date", "content-length", "connection", "manyhands-swarm", "manyhands-mirrors"];
        let mut asked: Vec<_> = fields
            .map(|line| line.split_once(": ").unwrap())
            .filter(|(name, _)| !of_now.contains(name))
            .collect();
        let mut handed: Vec<_> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        asked.sort_unstable();
        handed.sort_unstable();
        assert_eq!(handed, asked, "{below}");
        assert!(answer.contains(&format!("content-length: {}\r\n", form.body.len())), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_so_any_more_is_taken_back() {
    let (sidecar, file) = with_a_file("").await;
    let path = || AssetPath::parse("/a.zip").unwrap();
    let doubt = Event::Doubt { path: path() };
    sidecar.tell(&Report { events: vec![(doubt, 1)], ..Report::default() });
    until("doubt", || async { sidecar.published("/a.zip").is_none().then_some(()) }).await;
    sidecar.tell(&answers("/a.zip", &version(Some(&file)), Some(&file)));
    sidecar.until_published("/a.zip").await;

    let purged = sidecar.ask_with_key("POST", "purge?path=/a.zip");
    assert_eq!(body(&purged), "{\"purged\": 1}\n");
    assert!(sidecar.published("/a.zip").is_none(), "before the answer");
    sidecar.tell(&answers("/a.zip", &version(Some(&file)), Some(&file)));
    let before = sidecar.until_published("/a.zip").await;

    fs::write(&file, content(1, LENGTH)).unwrap();
    sidecar.tell(&answers("/a.zip", &version(Some(&file)), Some(&file)));
    until("the new version", || async {
        sidecar.published("/a.zip").filter(|now| now.infohash != before.infohash)
    })
    .await;
}

#[tokio::test]
async fn a_file_it_can_not_read_is_asked_for_through_nginx_as_nobody() {
    let nginx = origin(has_a_zip).await;
    let sidecar = Sidecar::start("", &["--through", &format!("http://{nginx}")]);
    let missing = sidecar.path("nobody/may/read.zip");
    let of_nginx = Version {
        file: Some(FileIdentity {
            device: 1,
            inode: 2,
            size: LENGTH as u64,
            mtime_ns: 3,
            ctime_ns: 4,
        }),
        ..version(None)
    };
    sidecar.tell(&answers("/a.zip", &of_nginx, Some(&missing)));
    let published = sidecar.until_published("/a.zip").await;
    assert_eq!(published.file, None);
    let sha256 = Digest::of(&content(0, LENGTH)).to_string();
    assert_eq!(published.sha256.body, format!("{sha256}  a.zip\n").as_bytes());
}

#[tokio::test]
async fn what_workers_counted_is_written_to_the_octet_and_other_experiments_are_not() {
    let (sidecar, _file) = with_a_file(&experiment("a salt of ours")).await;
    sidecar.until_it_holds(true).await;
    let of = sidecar.lease().unwrap().experiment.unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let block = of.design.block(now).0;
    let key = Digest::of(b"/a.zip").to_string()[..32].to_owned();
    let mut cells = [0; UnitField::COUNT];
    cells[UnitField::Requests as usize] = 3;
    cells[UnitField::OriginBytes as usize] = 1_000_001;
    let unit = |of: Unit, block| UnitCounts { of, block, cells };
    let report = |experiment, units| Report { experiment, units, ..Report::default() };
    let asset = || Unit::Asset(key.clone());
    for times in 0..3 {
        let stranger = Unit::Asset("0".repeat(32));
        // One of a block that is still to come, one of an asset that nobody knows.
        let units = vec![unit(asset(), block), unit(asset(), block + 1), unit(stranger, block)];
        sidecar.tell(&report(of.id(), units));
        sidecar.tell(&report(of.id() + times + 1, vec![unit(asset(), block)]));
    }
    let path = || AssetPath::parse("/a.zip").unwrap();
    let network = Some(Network::from(std::net::IpAddr::from([192, 0, 2, 7])));
    let demand = Event::Demand { path: path(), bucket: None, network, robot: false };
    let robot = Event::Demand { path: path(), bucket: None, network, robot: true };
    let failed = Event::Failed { path: path(), bucket: None };
    let events = vec![(demand, 1), (robot, 5), (failed, 2)];
    sidecar.tell(&Report { events, ..Report::default() });
    let counted = until("the sums to be written", || async {
        let answer = sidecar.ask_with_key("GET", "experiment.csv");
        let mut lines = body(&answer).lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next()?;
        let rows: Vec<_> = lines.collect();
        assert!(rows.len() <= 1, "{answer}");
        let row = rows.first()?;
        let of = |name: &str| row[names.iter().position(|it| *it == name).unwrap()].to_owned();
        (of("failed") == "2")
            .then(|| ["unit", "requests", "origin_bytes", "demand", "demand_bytes"].map(of))
    })
    .await;
    assert_eq!(counted, ["/a.zip", "9", "3000003", "1", "2000000"]);
}

#[tokio::test]
async fn junk_is_thrown_away() {
    let sidecar = Sidecar::start("", &[]);
    let version =
        format!("{{\"v\":2,{}", &String::from_utf8(Report::default().to_json()).unwrap()[7..]);
    for junk in
        [&b""[..], b"{", b"\xff\xff", b"[]", b"{\"v\":1}", version.as_bytes(), &[b' '; 70_000]]
    {
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(junk, events_socket(&sidecar.socket())).unwrap();
    }
    let mut passed = Report::default();
    passed.passed.insert("no_such_reason".to_owned(), 1);
    passed.passed.insert("status".to_owned(), 4);
    sidecar.tell(&passed);
    until("the report after them", || async {
        let status = sidecar.ask_with_key("GET", "status.json");
        let status: Value = serde_json::from_str(body(&status)).unwrap();
        let passed = status["passed_through"].as_array().unwrap();
        let of = passed.iter().find(|it| it["reason"] == "status")?;
        (of["answers"] == 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_through_nginx_is_no_operator() {
    let sidecar = Sidecar::start("[listen]\ntrusted = [\"192.0.2.0/24\"]\n", &[]);
    for fields in
        [&[][..], &[FORWARDED], &["X-Forwarded-For: 127.0.0.1"], &["X-Forwarded-For: ::1"]]
    {
        // A browser is asked for the key.
        let refusals =
            [("status.json", 403), ("dashboard", 401), ("experiment.json", 403), ("metrics", 403)];
        for (below, status) in refusals {
            let answer = sidecar.ask("GET", below, fields);
            let refusal = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&refusal), "{fields:?} {below}: {answer}");
        }
    }
    assert!(sidecar.ask_with_key("GET", "status.json").starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_part_of_the_site_may_ask_in_another_way() {
    let sidecar = Sidecar::start("[consent]\nmode = \"notice\"\n", &[]);
    let consent = |field: &str| {
        let answer = sidecar.ask("GET", "site.json", &[FORWARDED, field]);
        let site: Value = serde_json::from_str(body(&answer)).unwrap();
        site["consent"].as_str().unwrap().to_owned()
    };
    for (field, expected) in [
        ("X-None: x", "notice"),
        ("Manyhands-Consent: ask", "ask"),
        ("Manyhands-Consent: external", "external"),
        ("Manyhands-Consent: ", "notice"),
        ("Manyhands-Consent: ASK", "notice"),
        ("Manyhands-Consent: ask", "ask"),
    ] {
        assert_eq!(consent(field), expected, "{field}");
    }
}

#[tokio::test]
async fn what_can_not_work_is_one_line() {
    let sidecar = Sidecar::start("", &[]);
    let refused = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let state = sidecar.path("other");
    let mut other = Command::new(binary());
    other.args(["sidecar", "--origin", ORIGIN, "--socket"]).arg(sidecar.socket());
    assert!(refused(other.arg("--state").arg(&state)).contains("another process does"));
    let mut nowhere = Command::new(binary());
    nowhere.args(["sidecar", "--socket"]).arg(sidecar.path("s")).arg("--state").arg(&state);
    assert!(refused(&mut nowhere).contains("[site] origin"));
    let mut through = Command::new(binary());
    through.args(["sidecar", "--origin", ORIGIN, "--through", "nonsense", "--socket"]);
    through.arg(sidecar.path("s")).arg("--state").arg(&state);
    assert!(refused(&mut through).contains("--through"));
}

#[tokio::test]
async fn what_a_killed_one_left_behind_is_replaced() {
    let (mut sidecar, file) = with_a_file("").await;
    sidecar.child.kill().unwrap();
    sidecar.child.wait().unwrap();
    assert!(sidecar.socket().exists() && sidecar.published("/a.zip").is_some());
    sidecar.child = Sidecar::spawn(sidecar.dir.path(), &[]);
    assert!(sidecar.published("/a.zip").is_none(), "not confirmed yet");
    sidecar.tell(&answers("/a.zip", &version(Some(&file)), Some(&file)));
    sidecar.until_published("/a.zip").await;
    sidecar.signal(Signal::TERM);
    assert!(sidecar.child.wait().unwrap().success());
    assert!(!sidecar.socket().exists() && !events_socket(&sidecar.socket()).exists());
}

/// An origin that has one file.
async fn has_a_zip(asked: Asked, mut socket: TcpStream) -> Option<TcpStream> {
    assert!(asked.header("cookie").is_none() && asked.header("authorization").is_none());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nETag: \"v1\"\r\nContent-Length: {LENGTH}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.ok()?;
    socket.write_all(&content(0, LENGTH)).await.ok()?;
    Some(socket)
}

#[tokio::test]
async fn what_is_listed_is_asked_for_until_nginx_is_there() {
    // Starting, as far as the sidecar can tell: it answers, but not for the site.
    let (started, starting) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let starting = Arc::new(starting);
    let (up, tries) = (Arc::clone(&started), Arc::clone(&starting));
    let nginx = origin(move |asked: Asked, mut socket: TcpStream| {
        let (up, tries) = (Arc::clone(&up), Arc::clone(&tries));
        async move {
            if up.load(Relaxed) {
                return has_a_zip(asked, socket).await;
            }
            tries.fetch_add(1, Relaxed);
            let busy = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
            socket.write_all(busy.as_bytes()).await.ok()?;
            Some(socket)
        }
    })
    .await;
    let settings = "[assets]\npreload = [\"/a.zip\"]\n";
    let sidecar = Sidecar::start(settings, &["--through", &format!("http://{nginx}")]);
    until("the first try", || async { (starting.load(Relaxed) > 0).then_some(()) }).await;
    assert!(sidecar.published("/a.zip").is_none());
    started.store(true, Relaxed);
    sidecar.until_published("/a.zip").await;
}
