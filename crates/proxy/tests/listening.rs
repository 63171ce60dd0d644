//! Slow and silent clients, full houses, stopping.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::Duration;

use common::{answering, body, config, origin, proxy_with, read_head, soon, status};
use manyhands_proxy::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SHORT: Duration = Duration::from_millis(100);

async fn ended(socket: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    soon(socket.read_to_end(&mut rest)).await.ok();
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let (origin, asked) = answering(OK).await;
    let options = ServeOptions::default().with_header_timeout(SHORT);
    let proxy = proxy_with(config(origin), options).await;
    for sent in ["", "G", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: "] {
        let mut socket = proxy.connect().await;
        socket.write_all(sent.as_bytes()).await.unwrap();
        ended(&mut socket).await;
    }
    // A byte now and then does not buy more time.
    let socket = proxy.connect().await;
    let (mut read, mut write) = socket.into_split();
    let drip = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        write.write_all(b"GET / HTTP/1.1\r\nX: ").await.ok();
        loop {
            ticks.tick().await;
            if write.write_all(b"x").await.is_err() {
                break;
            }
        }
    });
    let mut rest = Vec::new();
    soon(read.read_to_end(&mut rest)).await.ok();
    drop(read);
    drip.abort();
    assert!(asked.all().is_empty());
}

#[tokio::test]
async fn a_resting_connection_is_closed_later_than_a_slow_head() {
    let (origin, _) = answering(OK).await;
    let options = ServeOptions::default()
        .with_header_timeout(SHORT)
        .with_idle_timeout(Duration::from_millis(600));
    let proxy = proxy_with(config(origin), options).await;
    let mut socket = proxy.connect().await;
    let mut answer = [0; 2];
    for _ in 0..2 {
        socket.write_all(GET).await.unwrap();
        read_head(&mut socket).await;
        socket.read_exact(&mut answer).await.unwrap();
        // Three times the patience for a head.
        let rest = tokio::time::timeout(SHORT * 3, socket.read_u8()).await;
        assert!(rest.is_err(), "closed too early");
    }
    ended(&mut socket).await;
}

#[tokio::test]
async fn a_slow_answer_is_not_a_resting_connection() {
    let origin = origin(|mut socket| async move {
        read_head(&mut socket).await;
        tokio::time::sleep(SHORT * 4).await;
        socket.write_all(OK.as_bytes()).await.ok();
        socket.shutdown().await.ok();
    })
    .await;
    let options = ServeOptions::default().with_header_timeout(SHORT).with_idle_timeout(SHORT);
    let proxy = proxy_with(config(origin), options).await;
    let mut socket = proxy.connect().await;
    socket.write_all(GET).await.unwrap();
    let answer = ended(&mut socket).await;
    assert_eq!((status(&answer), body(&answer)), ("200", "ok"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let (gone, mut left) = mpsc::unbounded_channel();
    let origin = origin(move |mut socket| {
        let gone = gone.clone();
        async move {
            read_head(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok();
            while socket.write_all(&[7; 65_536]).await.is_ok() {}
            gone.send(()).unwrap();
        }
    })
    .await;
    let options = ServeOptions::default().with_write_timeout(SHORT);
    let proxy = proxy_with(config(origin), options).await;
    let mut socket = proxy.connect().await;
    socket.write_all(GET).await.unwrap();
    soon(left.recv()).await.unwrap();
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let (origin, asked) = answering(OK).await;
    let proxy = proxy_with(config(origin), ServeOptions::default()).await;
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert_eq!(status(&proxy.exchange(&many).await), "431");
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(100_000));
    assert_eq!(status(&proxy.exchange(&long).await), "431");
    assert!(asked.all().is_empty());
}

#[tokio::test]
async fn more_clients_than_allowed_wait_for_their_turn() {
    let (origin, _) = answering(OK).await;
    let options = ServeOptions::default().with_max_connections(1);
    let proxy = proxy_with(config(origin), options).await;
    let mut first = proxy.connect().await;
    first.write_all(GET).await.unwrap();
    read_head(&mut first).await;
    let mut second = proxy.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(tokio::time::timeout(SHORT, second.read_u8()).await.is_err(), "served at once");
    drop(first);
    assert_eq!(status(&ended(&mut second).await), "200");
}

#[tokio::test]
async fn stopping_ends_what_is_under_way_and_takes_nothing_new() {
    let (asked, mut waiting) = mpsc::unbounded_channel();
    let (go, _) = tokio::sync::broadcast::channel(1);
    let gate = go.clone();
    let origin = origin(move |mut socket| {
        let (asked, mut gate) = (asked.clone(), gate.subscribe());
        async move {
            read_head(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi").await.unwrap();
            asked.send(()).unwrap();
            gate.recv().await.unwrap();
            socket.write_all(b"ne").await.unwrap();
        }
    })
    .await;
    let mut proxy = proxy_with(config(origin), ServeOptions::default()).await;
    let mut busy = proxy.connect().await;
    busy.write_all(GET).await.unwrap();
    soon(waiting.recv()).await.unwrap();
    let mut resting = proxy.connect().await;
    proxy.stop();
    ended(&mut resting).await;
    assert!(TcpStream::connect(proxy.address).await.is_err());
    assert!(!proxy.serving.is_finished());
    go.send(()).unwrap();
    assert_eq!(body(&ended(&mut busy).await), "fine");
    soon(&mut proxy.serving).await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_forever() {
    let origin = origin(|mut socket| async move {
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.ok();
    })
    .await;
    let options = ServeOptions::default().with_drain_timeout(SHORT);
    let mut proxy = proxy_with(config(origin), options).await;
    let mut busy = proxy.connect().await;
    busy.write_all(GET).await.unwrap();
    proxy.stop();
    soon(&mut proxy.serving).await.unwrap();
    ended(&mut busy).await;
}
