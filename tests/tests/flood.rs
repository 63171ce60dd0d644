//! A flood of distinct addresses must cost the proxy neither memory nor the attention that a popular file deserves.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use manyhands_testkit::{Asked, Client, Memory, Server, origin, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Connections that send at full speed.
const SENDERS: u64 = 8;
/// Requests on the way on each of them.
const PIPELINE: u64 = 16;

/// Most that may wait for a hash worker or be with one: a full queue, the one worker, and eight answers that are hashed
/// as they pass.
const PENDING: u64 = 1_000 + 1 + 8;
/// Most that the process may grow under the flood.
const GROWTH: u64 = 64 << 20;
/// Most answers to the flood before a file that became popular in the midst of it is shared.
const OVERTAKEN: u64 = 20_000;

/// Small files are files here, and the client in front says who asks.
const SETTINGS: &str = "\
    [assets]\nmin_size = 1\n\
    [listen]\ntrusted = [\"127.0.0.1\"]\n";

/// What is behind any address, and is eligible: little for the flood, much for the popular file.
async fn upstream(asked: Asked, mut socket: TcpStream) -> Option<TcpStream> {
    let length: usize = if asked.target.starts_with("/hot") { 3 << 20 } else { 100 };
    let (first, last) = asked.range(length as u64).unwrap_or((0, length as u64 - 1));
    let size = usize::try_from(last - first + 1).unwrap();
    let status = match asked.header("range") {
        Some(_) => format!("206 Part\r\ncontent-range: bytes {first}-{last}/{length}"),
        None => "200 OK".to_owned(),
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\netag: \"1\"\r\ncontent-type: application/zip\r\ncontent-length: {size}\r\n\r\n"
    )
    .into_bytes();
    answer.resize(answer.len() + size, b'z');
    socket.write_all(&answer).await.ok()?;
    Some(socket)
}

/// One of several networks.
fn visitor(number: u64) -> String {
    format!("198.18.{}.{}", number % 200, 1 + number % 250)
}

struct Flood {
    server: Arc<Server>,
    /// Addresses asked for so far.
    next: AtomicU64,
    /// Answers that came.
    answers: AtomicU64,
    stop: AtomicBool,
}

/// What was seen while the flood went on.
#[derive(Debug)]
#[allow(dead_code, reason = "printed")]
struct Seen {
    addresses: u64,
    took: Duration,
    before: Memory,
    after: Memory,
    most_pending: u64,
    /// From the request that made the popular file hot until it was shared: time, and answers to the flood.
    asked: Duration,
    overtaken: u64,
}

impl Flood {
    /// Asks for address after address, each `times` times and from as many networks: at least so many, and until told
    /// to stop.
    async fn send(self: &Arc<Self>, addresses: u64, times: u64) {
        let tasks: Vec<_> = (0..SENDERS)
            .map(|_| {
                let flood = self.clone();
                tokio::spawn(async move {
                    let mut client = flood.server.connect().await;
                    loop {
                        let first = flood.next.fetch_add(PIPELINE, Ordering::Relaxed);
                        if first >= addresses && flood.stop.load(Ordering::Relaxed) {
                            return;
                        }
                        for time in 0..times {
                            flood.some(&mut client, first, time).await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn some(&self, client: &mut Client, first: u64, time: u64) {
        let requests: String = (first..first + PIPELINE)
            .map(|number| {
                format!(
                    "GET /flood/{number}/file.zip HTTP/1.1\r\nhost: 127.0.0.1:1\r\n\
                     x-forwarded-for: {}\r\n\r\n",
                    visitor(number + time)
                )
            })
            .collect();
        client.send(requests.as_bytes()).await.unwrap();
        for _ in 0..PIPELINE {
            let answer = client.answer().await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, 100));
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Looks at the queue until told to stop.
    async fn watch(self: Arc<Self>) -> u64 {
        let mut most = 0;
        while !self.stop.load(Ordering::Relaxed) {
            most = most.max(self.server.pending().await);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        most
    }

    /// How long it takes from the request that makes `/hot/N.zip` hot to its torrent, and how much of the flood is
    /// answered meanwhile.
    async fn heat(&self, number: u64, requests: u64) -> (Duration, u64) {
        let path = format!("/hot/{number}.zip");
        let mut client = self.server.connect().await;
        for request in 0..requests {
            let visitor = visitor(request);
            let fields = [("x-forwarded-for", visitor.as_str()), ("range", "bytes=0-9")];
            assert_eq!(client.get(&path, &fields).await.unwrap().status, 206);
        }
        let answers = || self.answers.load(Ordering::Relaxed);
        let (hot, before) = (Instant::now(), answers());
        until("the popular file is shared", async || {
            let manifest = self.server.reserved(&format!("manifest{path}")).await;
            let torrent = self.server.reserved(&format!("torrent{path}")).await;
            (manifest.status == 200 && torrent.status == 200).then_some(())
        })
        .await;
        (hot.elapsed(), answers() - before)
    }
}

/// Runs a flood with a popular file in the midst of it, asked for `popular` times.
async fn flood(addresses: u64, times: u64, popular: u64) -> Seen {
    let top = tempfile::tempdir().unwrap();
    let upstream = origin(upstream).await;
    let server = Server::proxy(upstream, &top.path().join("state"), SETTINGS);
    let flood = Arc::new(Flood {
        server: Arc::new(server),
        next: AtomicU64::new(0),
        answers: AtomicU64::new(0),
        stop: AtomicBool::new(true),
    });
    // Connections, threads and code are there before the first look: they are no growth.
    flood.send(500, 1).await;
    flood.heat(0, popular).await;
    let before = flood.server.memory();

    let began = Instant::now();
    flood.stop.store(false, Ordering::Relaxed);
    let watching = tokio::spawn(flood.clone().watch());
    let sending = tokio::spawn({
        let flood = flood.clone();
        async move { flood.send(addresses, times).await }
    });
    while flood.next.load(Ordering::Relaxed) < addresses / 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (asked, overtaken) = flood.heat(1, popular).await;
    flood.stop.store(true, Ordering::Relaxed);
    sending.await.unwrap();
    let seen = Seen {
        addresses: flood.next.load(Ordering::Relaxed),
        took: began.elapsed(),
        before,
        after: flood.server.memory(),
        most_pending: watching.await.unwrap(),
        asked,
        overtaken,
    };
    println!("each address {times} times: {seen:?}");
    assert!(seen.overtaken < OVERTAKEN, "{seen:?}");
    assert!(seen.most_pending <= PENDING, "{seen:?}");
    assert!(seen.after.peak - seen.before.resident < GROWTH, "{seen:?}");
    seen
}

const SOON: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn addresses_asked_for_once_cost_nothing() {
    flood(100_000, 1, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_asked_for_often_wait_behind_a_popular_one() {
    flood(4_000, 3, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes"]
async fn a_million_addresses_cost_nothing() {
    let seen = flood(1_000_000, 1, 3).await;
    assert!(seen.asked < SOON, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute"]
async fn twenty_thousand_hot_addresses_wait_behind_a_popular_one() {
    let seen = flood(20_000, 3, 20).await;
    assert!(seen.asked < SOON, "{seen:?}");
}
