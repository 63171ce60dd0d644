//! What the tests of this folder share: an origin that says exactly what a test wants, and the command.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part, and a test may fail"
)]

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it stands on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// In order, names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// First and last byte of a `Range: bytes=a-b`.
    pub(crate) fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self.field("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    }
}

/// A head without its blank line, and a body.
pub(crate) struct Answer(pub(crate) String, pub(crate) Vec<u8>);

impl Answer {
    /// `fields`: one a line.
    pub(crate) fn new(status: &str, fields: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for field in fields.lines().map(str::trim).filter(|field| !field.is_empty()) {
            head.push_str(&format!("{field}\r\n"));
        }
        let lower = head.to_lowercase();
        if !lower.contains("content-length:") && !lower.contains("transfer-encoding:") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        Self(head, body)
    }

    /// A file as a good server sends it: ranges, If-Range, HEAD. `fields` come with every answer.
    pub(crate) fn file(asked: &Asked, fields: &str, etag: &str, bytes: &[u8]) -> Self {
        let fields = format!("{fields}\n{etag}\nAccept-Ranges: bytes");
        let tag = etag.split_once(": ").map(|(_, tag)| tag);
        let same = asked.field("if-range").is_none_or(|wanted| Some(wanted) == tag);
        match asked.range().filter(|_| same) {
            Some((first, last)) => {
                let range = format!("Content-Range: bytes {first}-{last}/{}", bytes.len());
                let part = bytes.get(first..=last).unwrap();
                Self::new("206 Partial Content", &format!("{fields}\n{range}"), part)
            }
            None => Self::new("200 OK", &fields, bytes),
        }
    }
}

/// Listens on loopback and answers every request by `answer`.
pub(crate) async fn origin<F>(answer: F) -> SocketAddr
where
    F: Fn(&Asked) -> Answer + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let Some(asked) = read(&mut socket).await else { return };
                let Answer(head, body) = answer(&asked);
                let is_head = asked.method == "HEAD";
                socket.write_all(format!("{head}\r\n").as_bytes()).await.ok();
                if !is_head {
                    socket.write_all(&body).await.ok();
                }
                socket.shutdown().await.ok();
            });
        }
    });
    address
}

async fn read(socket: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let fields: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut asked = Asked { method, target, fields, body: String::new() };
    let length: usize = asked.field("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

/// What `origin` was asked, for origins that keep a log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    pub(crate) fn push(&self, asked: &Asked) {
        self.0.lock().unwrap().push(asked.clone());
    }

    pub(crate) fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap().clone()
    }
}

/// Stands in front of `site` and copies each request but for the lines that `keep` refuses; answers too.
pub(crate) async fn in_front<F>(site: SocketAddr, keep: F) -> SocketAddr
where
    F: Fn(&str) -> bool + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let keep = Arc::new(keep);
    tokio::spawn(async move {
        loop {
            let (mut visitor, _) = listener.accept().await.unwrap();
            let keep = Arc::clone(&keep);
            tokio::spawn(async move {
                let mut behind = TcpStream::connect(site).await.unwrap();
                copy_head(&mut visitor, &mut behind, &*keep, site).await?;
                copy_head(&mut behind, &mut visitor, &*keep, site).await?;
                tokio::io::copy_bidirectional(&mut visitor, &mut behind).await.ok()
            });
        }
    });
    address
}

async fn copy_head(
    from: &mut TcpStream,
    to: &mut TcpStream,
    keep: &(dyn Fn(&str) -> bool + Send + Sync),
    site: SocketAddr,
) -> Option<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(from.read_u8().await.ok()?);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut copied = String::new();
    for line in head.lines().filter(|line| !line.is_empty()) {
        let lower = line.to_lowercase();
        if lower.starts_with("host:") {
            copied.push_str(&format!("Host: {site}\r\n"));
        } else if keep(&lower) {
            copied.push_str(&format!("{line}\r\n"));
        }
    }
    to.write_all(format!("{copied}\r\n").as_bytes()).await.ok()
}

/// Runs the command in `directory`, without the environment's settings.
pub(crate) async fn manyhands(directory: &std::path::Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands"));
    command.current_dir(directory).args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MANYHANDS_")) {
        command.env_remove(name);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}
