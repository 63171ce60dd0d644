//! Upstreams that never end, lie, drop, contradict themselves or answer what nobody asked: visitors get what the site
//! alone would have sent them, nothing wrong is published, no job stays, no memory either.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use manyhands_testkit::{Asked, Client, Expected, Server, Versions, origin, soon, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LENGTH: usize = 2_500_001;
/// What the process may grow, whatever comes.
const GROWTH: u64 = 64 << 20;

static VERSIONS: LazyLock<Versions> = LazyLock::new(|| Versions::new(1, 2, LENGTH));

fn content(version: u32) -> &'static [u8] {
    VERSIONS.content(version)
}

/// Requests for the rest of something that broke off.
static RESTS: AtomicU64 = AtomicU64::new(0);

/// Is this the proxy itself, which asks to hash? It names an address that is nobody's.
fn is_anonymous(asked: &Asked) -> bool {
    asked.header("x-forwarded-for").is_some_and(|chain| chain.contains("192.0.2.1"))
}

/// A head of an eligible answer, without its empty line.
fn head(status: &str, version: u32, more: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\netag: \"v{version}\"\r\ncontent-type: application/zip\r\n{more}\r\n"
    )
}

struct Answering(TcpStream);

impl Answering {
    async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.write_all(bytes).await.ok()
    }

    async fn text(&mut self, head: &str) -> Option<()> {
        self.send(format!("{head}\r\n").as_bytes()).await
    }

    /// The whole of a version.
    async fn whole(mut self, version: u32) -> Option<TcpStream> {
        self.text(&head("200 OK", version, &format!("content-length: {LENGTH}"))).await?;
        self.send(content(version)).await?;
        Some(self.0)
    }

    /// What a good server answers to this request.
    async fn good(mut self, asked: &Asked, version: u32) -> Option<TcpStream> {
        let current = asked.header("if-range").is_none_or(|tag| tag == format!("\"v{version}\""));
        let Some((first, last)) = asked.range(LENGTH as u64).filter(|_| current) else {
            return self.whole(version).await;
        };
        let size = last - first + 1;
        let more =
            format!("content-range: bytes {first}-{last}/{LENGTH}\r\ncontent-length: {size}");
        self.text(&head("206 Part", version, &more)).await?;
        let (first, last) = (usize::try_from(first).unwrap(), usize::try_from(last).unwrap());
        self.send(&content(version)[first..=last]).await?;
        Some(self.0)
    }

    /// A part of the whole, then the connection is cut.
    async fn cut(mut self, version: u32) -> Option<TcpStream> {
        self.text(&head("200 OK", version, &format!("content-length: {LENGTH}"))).await?;
        self.send(&content(version)[..LENGTH * 4 / 5]).await?;
        None
    }
}

/// Answers by the name of the file asked for, which says who gets the odd answer: everybody (`all-`), only the proxy
/// when it asks by itself (`own-`, `part-`), or only its requests for the rest of what broke off (`rest-`).
async fn misbehave(asked: Asked, socket: TcpStream) -> Option<TcpStream> {
    let (whom, what) = asked.target.trim_start_matches('/').split_once('-')?;
    let what = what.trim_end_matches(".zip").to_owned();
    let mut answering = Answering(socket);
    let first = asked.range(LENGTH as u64).map_or(0, |(first, _)| first);
    match whom {
        "all" => {}
        _ if !is_anonymous(&asked) => return answering.good(&asked, 1).await,
        "rest" if asked.header("range").is_none() => return answering.cut(1).await,
        "rest" if first == 0 => return answering.good(&asked, 1).await,
        "rest" => {
            RESTS.fetch_add(1, Ordering::Relaxed);
        }
        _ => {}
    }
    let length = format!("content-length: {LENGTH}");
    match what.as_str() {
        "endless-chunked" | "endless-plain" => {
            let chunked = what == "endless-chunked";
            let framing = if chunked { "transfer-encoding: chunked" } else { "connection: close" };
            answering.text(&head("200 OK", 1, framing)).await?;
            let chunk = vec![b'e'; 65_536];
            loop {
                if chunked {
                    answering.send(b"10000\r\n").await?;
                }
                answering.send(&chunk).await?;
                if chunked {
                    answering.send(b"\r\n").await?;
                }
            }
        }
        "drip" => {
            answering.text(&head("200 OK", 1, &length)).await?;
            for byte in content(1) {
                answering.send(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        }
        "silence" => {
            answering.text(&head("200 OK", 1, &length)).await?;
            std::future::pending().await
        }
        "shorter" => answering.cut(1).await,
        "longer" => {
            answering.text(&head("200 OK", 1, &length)).await?;
            answering.send(content(1)).await?;
            answering.send(&content(2)[..50_000]).await?;
            None
        }
        "endless-head" => {
            answering.send(b"HTTP/1.1 200 OK\r\netag: \"v1\"\r\n").await?;
            loop {
                answering.send(format!("x-more: {}\r\n", "x".repeat(1_000)).as_bytes()).await?;
            }
        }
        "redirect" => {
            answering
                .text("HTTP/1.1 302 Found\r\nlocation: /own-good.zip\r\ncontent-length: 0\r\n")
                .await?;
            Some(answering.0)
        }
        "refused" => {
            answering.text("HTTP/1.1 403 No\r\ncontent-length: 0\r\n").await?;
            Some(answering.0)
        }
        "broken" => {
            answering.text("HTTP/1.1 500 No\r\ncontent-length: 0\r\n").await?;
            Some(answering.0)
        }
        "garbage" => {
            answering.send(b"220 ready\r\n\r\n").await?;
            None
        }
        "coded" => {
            answering
                .text(&head("200 OK", 1, &format!("content-encoding: gzip\r\n{length}")))
                .await?;
            answering.send(content(1)).await?;
            Some(answering.0)
        }
        "coded-part" => {
            let size = LENGTH as u64 - first;
            let more = format!(
                "content-encoding: br\r\ncontent-range: bytes {first}-{}/{LENGTH}\r\ncontent-length: {size}",
                LENGTH - 1
            );
            answering.text(&head("206 Part", 1, &more)).await?;
            answering.send(&content(1)[usize::try_from(first).unwrap()..]).await?;
            Some(answering.0)
        }
        "other-version" => answering.good(&asked, 2).await,
        // The whole, and the right one, though a part was asked for.
        "whole" => answering.whole(1).await,
        // Parts that are not the one asked for, or not of this file, under its tag.
        "other-place" | "other-length" | "other-end" | "other-tag" | "two-places" | "no-place" => {
            let first = if what == "other-place" { first / 2 } else { first };
            let last = LENGTH as u64 - if what == "other-end" { 1_000 } else { 1 };
            let complete = if what == "other-length" { LENGTH + 1 } else { LENGTH };
            let place = format!("content-range: bytes {first}-{last}/{complete}\r\n");
            let places = match what.as_str() {
                "two-places" => place.repeat(2),
                "no-place" => String::new(),
                _ => place,
            };
            let version = if what == "other-tag" { 2 } else { 1 };
            let more = format!("{places}content-length: {}", last - first + 1);
            answering.text(&head("206 Part", version, &more)).await?;
            // Whatever the head says, the bytes are another version's.
            let (first, last) = (usize::try_from(first).unwrap(), usize::try_from(last).unwrap());
            answering.send(&content(2)[first..=last]).await?;
            Some(answering.0)
        }
        _ => answering.good(&asked, 1).await,
    }
}

const SETTINGS: &str = "\
    [assets]\nmin_size = 1\n\
    [admission]\nrequests = 1\nprefixes = 0\njobs = 8\ndeadline = 2\n";

/// What a visitor alone with that upstream would get: the body's start, and whether it ends as it should.
fn expected_of_visitor(name: &str) -> (u16, Option<&'static [u8]>, bool) {
    match name.strip_prefix("all-").unwrap_or("good") {
        "endless-chunked" | "endless-plain" => (200, None, false),
        "drip" | "silence" => (200, Some(content(1)), false),
        "shorter" => (200, Some(content(1)), false),
        "longer" | "good" | "coded" => (200, Some(content(1)), true),
        "other-version" => (200, Some(content(2)), true),
        "endless-head" | "garbage" => (502, None, true),
        "redirect" => (302, None, true),
        "refused" => (403, None, true),
        "broken" => (500, None, true),
        other => panic!("{other}"),
    }
}

/// Reads as a visitor does, up to so many bytes.
async fn visit(mut client: Client, name: &str, enough: usize) {
    let (status, body, whole) = expected_of_visitor(name);
    client.ask("GET", &format!("/{name}.zip"), &[]).await.unwrap();
    let answer = soon(name, client.head(false)).await.unwrap();
    assert_eq!(answer.status, status, "{name}");
    let mut received = Vec::new();
    let ended = loop {
        if received.len() >= enough {
            break false;
        }
        match soon(name, client.part()).await {
            Ok(Some(part)) => received.extend_from_slice(&part),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    if let Some(body) = body {
        assert!(body.starts_with(&received), "{name}: other bytes than the site's");
        assert!(!whole || received.len() == body.len(), "{name}: {} bytes", received.len());
    }
    assert_eq!(ended, whole, "{name}");
}

/// Asks for so little that the proxy has to ask for the file itself.
async fn glance(mut client: Client, name: &str) {
    let asking = client.get(&format!("/{name}.zip"), &[("range", "bytes=0-9")]).await;
    let answer = asking.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (206, &content(1)[..10]), "{name}");
}

/// Whatever is published of a file is true of the one version that its tag stands for.
async fn look(server: &Server, name: &str, roots: &HashMap<String, u32>) -> bool {
    let answer = server.reserved(&format!("manifest/{name}.zip")).await;
    if answer.status != 200 {
        return false;
    }
    let manifest = answer.json();
    let version = roots.get(manifest["root"].as_str().unwrap());
    let version = version.unwrap_or_else(|| panic!("{name}: a manifest of no version"));
    assert_eq!(manifest["etag"], format!("\"v{version}\""), "{name}");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_are_unharmed_and_nothing_wrong_is_published() {
    let top = tempfile::tempdir().unwrap();
    let upstream = origin(misbehave).await;
    let server = Server::proxy(upstream, &top.path().join("state"), SETTINGS);
    let roots: HashMap<String, u32> =
        [1, 2].map(|version| (Expected::of(content(version)).root_text(), version)).into();
    visit(server.connect().await, "own-good", usize::MAX).await;
    until("a good upstream is shared", async || {
        look(&server, "own-good", &roots).await.then_some(())
    })
    .await;
    let before = server.memory().resident;

    let all = [
        "endless-chunked",
        "endless-plain",
        "drip",
        "silence",
        "shorter",
        "longer",
        "endless-head",
        "redirect",
        "refused",
        "broken",
        "garbage",
        "coded",
        "other-version",
    ];
    let own = [
        "endless-chunked",
        "endless-plain",
        "drip",
        "silence",
        "shorter",
        "longer",
        "endless-head",
        "redirect",
        "refused",
        "broken",
        "garbage",
        "coded",
        "coded-part",
        "other-version",
        "whole",
        "other-place",
        "other-length",
        "other-end",
        "other-tag",
        "two-places",
        "no-place",
    ];
    let named = |whom: &str, what: &[&str]| -> Vec<String> {
        what.iter().map(|what| format!("{whom}-{what}")).collect()
    };
    let names =
        [named("all", &all), named("own", &own), named("part", &own), named("rest", &own)].concat();
    let mut visits = Vec::new();
    for name in &names {
        let (client, name) = (server.connect().await, name.clone());
        visits.push(tokio::spawn(async move {
            if name.starts_with("part-") || name.starts_with("rest-") {
                return glance(client, &name).await;
            }
            // The slow ones are left after a while, the endless ones after some 20 MB.
            let enough = match name.as_str() {
                "all-drip" => 20,
                "all-silence" => 0,
                _ => 20_000_000,
            };
            visit(client, &name, enough).await;
        }));
    }
    for visit in visits {
        visit.await.unwrap();
    }
    until("every job ends", async || {
        for name in &names {
            look(&server, name, &roots).await;
        }
        (server.pending().await == 0).then_some(())
    })
    .await;
    let mut published = Vec::new();
    for name in &names {
        if look(&server, name, &roots).await {
            published.push(name.as_str());
        }
    }
    let memory = server.memory();
    let rests = RESTS.load(Ordering::Relaxed);
    println!("published: {published:?}; {rests} requests for a rest; {before} -> {memory:?}");
    assert!(memory.peak - before < GROWTH, "{before} {memory:?}");
    assert!(rests > 0, "nobody asked for a rest");
    // These lead nowhere. What a visitor got whole needs no more than a good head to be confirmed.
    let no_head = ["endless", "redirect", "refused", "broken", "garbage", "coded"];
    let no_body = ["drip", "silence", "shorter"];
    for name in published {
        let headless = no_head.iter().any(|what| name.contains(what)) && !name.starts_with("rest-");
        let hollow = no_body.iter().any(|what| name.contains(what)) && name.starts_with("part-");
        assert!(!headless && !hollow, "{name}");
    }
    // Visitors are served as ever.
    visit(server.connect().await, "own-good", usize::MAX).await;
}

/// An upstream that drops every answer somewhere, and counts what the proxy's own requests were sent.
struct Dropping {
    content: Vec<u8>,
    sent: AtomicU64,
    drops: AtomicU64,
    dice: Mutex<StdRng>,
}

impl Dropping {
    async fn answer(self: Arc<Self>, asked: Asked, socket: TcpStream) -> Option<TcpStream> {
        let length = self.content.len();
        let (first, last) = asked.range(length as u64).unwrap_or((0, length as u64 - 1));
        let (first, last) = (usize::try_from(first).unwrap(), usize::try_from(last).unwrap());
        let size = last - first + 1;
        let status = match asked.header("range") {
            Some(_) => format!("206 Part\r\ncontent-range: bytes {first}-{last}/{length}"),
            None => "200 OK".to_owned(),
        };
        let mut answering = Answering(socket);
        answering.text(&head(&status, 1, &format!("content-length: {size}"))).await?;
        // A twelfth of the file to a sixth, or all that is left.
        let some = length / 12 + self.dice.lock().unwrap().random_range(0..length / 12);
        let some = some.min(size);
        answering.send(&self.content[first..first + some]).await?;
        if is_anonymous(&asked) {
            self.sent.fetch_add(some as u64, Ordering::Relaxed);
            self.drops.fetch_add(u64::from(some < size), Ordering::Relaxed);
        }
        (some == size).then_some(answering.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_drops_goes_on_where_it_dropped() {
    let top = tempfile::tempdir().unwrap();
    let content = Versions::new(1, 1, 24 << 20).content(1).to_vec();
    let expected = Expected::of(&content);
    let dropping = Arc::new(Dropping {
        content,
        sent: AtomicU64::new(0),
        drops: AtomicU64::new(0),
        dice: Mutex::new(StdRng::seed_from_u64(9)),
    });
    let upstream = {
        let dropping = dropping.clone();
        origin(move |asked, socket| dropping.clone().answer(asked, socket)).await
    };
    let settings = SETTINGS.replace("deadline = 2\n", "");
    let server = Server::proxy(upstream, &top.path().join("state"), &settings);
    let answer = server.get("/a.zip", &[("range", "bytes=0-9")]).await;
    assert_eq!(answer.status, 206);
    let manifest = until("the file is shared in the end", async || {
        let answer = server.reserved("manifest/a.zip").await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!(manifest["root"], expected.root_text());
    let (sent, drops) =
        (dropping.sent.load(Ordering::Relaxed), dropping.drops.load(Ordering::Relaxed));
    println!("{drops} drops, {sent} bytes for a file of {}", expected.length);
    assert!(drops >= 5, "{drops}");
    assert!(sent * 10 < expected.length * 13, "{sent} bytes for a file of {}", expected.length);
}
