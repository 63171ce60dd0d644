//! What the tests of this folder share: an origin that says exactly what a test wants, the proxy in
//! front of it, and a client of raw bytes.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part, and a test may fail"
)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use manyhands_proxy::{Listener, ServeOptions, Upstream, UpstreamConfig, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A hang is a failure.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("hangs")
}

/// Calls `handle` for every connection.
pub(crate) async fn origin<H, F>(handle: H) -> SocketAddr
where
    H: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(handle(socket));
        }
    });
    address
}

/// An origin that gives every request the same bytes, then closes; and what it was asked.
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let (log, answer) = (asked.clone(), answer.into());
    let address = origin(move |mut socket| {
        let (log, answer) = (log.clone(), answer.clone());
        async move {
            let request = read_request(&mut socket).await;
            if request.is_empty() {
                return;
            }
            log.0.lock().unwrap().push(request);
            socket.write_all(&answer).await.ok();
            socket.shutdown().await.ok();
        }
    })
    .await;
    (address, asked)
}

#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The only request, with its lines sorted after the first.
    pub(crate) fn one(&self) -> String {
        let all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().next().unwrap()
    }
}

/// The next request, head and body, as it stands on the wire.
pub(crate) async fn read_request(socket: &mut TcpStream) -> String {
    let mut bytes = read_head(socket).await;
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    if head.contains("transfer-encoding: chunked") {
        while !bytes.ends_with(b"\r\n\r\n") || !contains_last_chunk(&bytes) {
            match socket.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(_) => break,
            }
        }
    } else if let Some((_, rest)) = head.split_once("content-length: ") {
        let length: usize = rest.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        if socket.read_exact(&mut body).await.is_ok() {
            bytes.extend(body);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn contains_last_chunk(bytes: &[u8]) -> bool {
    bytes.windows(5).any(|window| window == b"\r\n0\r\n")
}

pub(crate) async fn read_head(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    bytes
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<()>,
}

impl Proxy {
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends the bytes and reads until the connection ends.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon(socket.read_to_end(&mut answer)).await.ok();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

pub(crate) fn config(origin: SocketAddr) -> UpstreamConfig {
    UpstreamConfig::new(format!("http://{origin}"))
}

pub(crate) async fn proxy(origin: SocketAddr) -> Proxy {
    proxy_with(config(origin), ServeOptions::default()).await
}

pub(crate) async fn proxy_with(config: UpstreamConfig, options: ServeOptions) -> Proxy {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    serving(listener, Upstream::new(config).unwrap(), options)
}

pub(crate) fn serving(listener: Listener, upstream: Upstream, options: ServeOptions) -> Proxy {
    let address = listener.local_address().unwrap();
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(listener, upstream, options, |_, _| {}, async {
        stopped.await.ok();
    }));
    Proxy { address, stop: Some(stop), serving }
}

/// The lines of a head, lower case, sorted, without the `date`.
pub(crate) fn fields(message: &str) -> Vec<String> {
    let head = message.split("\r\n\r\n").next().unwrap();
    let mut lines: Vec<String> = head
        .lines()
        .skip(1)
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            format!("{}:{value}", name.to_lowercase())
        })
        .filter(|line| !line.starts_with("date:"))
        .collect();
    lines.sort_unstable();
    lines
}

pub(crate) fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default()
}

pub(crate) fn status(message: &str) -> &str {
    message.split(' ').nth(1).unwrap_or("none")
}
