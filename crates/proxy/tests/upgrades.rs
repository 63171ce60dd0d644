//! Foreign upgrades are tunnelled: both ways, with back-pressure and half-close.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{answering, body, config, fields, origin, proxy, proxy_with, read_head, soon, status};
use manyhands_proxy::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn echo(mut socket: TcpStream) {
    read_head(&mut socket).await;
    socket.write_all(AGREE.as_bytes()).await.unwrap();
    let (mut read, mut write) = socket.split();
    tokio::io::copy(&mut read, &mut write).await.ok();
    write.shutdown().await.ok();
}

async fn open(client: &mut TcpStream) {
    client.write_all(ASK.as_bytes()).await.unwrap();
    let head = String::from_utf8(soon(read_head(client)).await).unwrap();
    assert_eq!(status(&head), "101", "{head}");
    for line in ["connection: upgrade", "upgrade: websocket"] {
        assert!(fields(&head).iter().any(|field| field == line), "{head}");
    }
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
}

#[tokio::test]
async fn what_goes_in_comes_back_and_each_half_closes_alone() {
    let origin = origin(echo).await;
    let proxy = proxy(origin).await;
    let mut client = proxy.connect().await;
    open(&mut client).await;
    // Bytes that would be two lengths in a request are none of the proxy's business any more.
    let text = "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(text.as_bytes()).await.unwrap();
    let mut back = vec![0; text.len()];
    soon(client.read_exact(&mut back)).await.unwrap();
    assert_eq!(back, text.as_bytes());

    let data: Vec<u8> = (0..4_000_000_u32).map(|at| (at % 251) as u8).collect();
    let (mut read, mut write) = client.split();
    let send = async {
        write.write_all(&data).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut all = Vec::new();
    let (_, read) = soon(async { tokio::join!(send, read.read_to_end(&mut all)) }).await;
    read.unwrap();
    assert!(all == data);
}

#[tokio::test]
async fn a_slow_reader_slows_the_writer_down() {
    let (written, mut progress) = mpsc::unbounded_channel();
    let origin = origin(move |mut socket| {
        let written = written.clone();
        async move {
            read_head(&mut socket).await;
            socket.write_all(AGREE.as_bytes()).await.unwrap();
            let block = vec![7; 1 << 20];
            for count in 1.. {
                if socket.write_all(&block).await.is_err() {
                    break;
                }
                written.send(count).unwrap();
            }
        }
    })
    .await;
    let proxy = proxy(origin).await;
    let mut client = proxy.connect().await;
    open(&mut client).await;
    let mut most = 0;
    while let Ok(Some(count)) =
        tokio::time::timeout(std::time::Duration::from_millis(300), progress.recv()).await
    {
        most = count;
        assert!(count < 64, "the proxy takes everything");
    }
    let mut some = vec![0; 32 << 20];
    soon(client.read_exact(&mut some)).await.unwrap();
    let more = soon(progress.recv()).await.unwrap();
    assert!(more > most);
}

#[tokio::test]
async fn the_end_of_the_origin_is_the_end_of_the_tunnel() {
    let origin = origin(|mut socket| async move {
        read_head(&mut socket).await;
        socket.write_all(AGREE.as_bytes()).await.unwrap();
        socket.write_all(b"bye").await.unwrap();
    })
    .await;
    let proxy = proxy(origin).await;
    let mut client = proxy.connect().await;
    open(&mut client).await;
    let mut rest = [0; 3];
    soon(client.read_exact(&mut rest)).await.unwrap();
    assert_eq!(&rest, b"bye");
    let mut end = [0; 1];
    assert_eq!(soon(client.read(&mut end)).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn the_handshake_crosses_untouched() {
    let (origin, asked) = answering(AGREE).await;
    let proxy = proxy(origin).await;
    let mut client = proxy.connect().await;
    open(&mut client).await;
    let request = asked.one();
    for line in [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version: 13",
    ] {
        assert!(fields(&request).iter().any(|field| field == line), "{request}");
    }
}

#[tokio::test]
async fn a_refusal_is_an_ordinary_answer() {
    let (origin, _) =
        answering("HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nContent-Length: 2\r\n\r\nno")
            .await;
    let proxy = proxy(origin).await;
    let answer = proxy.exchange(&ASK.replace("Upgrade\r\n", "Upgrade, close\r\n")).await;
    assert_eq!((status(&answer), body(&answer)), ("426", "no"), "{answer}");
}

#[tokio::test]
async fn http2_is_not_smuggled_through() {
    let (origin, asked) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let proxy = proxy(origin).await;
    let ask = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade, HTTP2-Settings\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    assert_eq!(status(&proxy.exchange(ask).await), "200");
    let request = asked.one().to_lowercase();
    assert!(!request.contains("h2c") && !request.contains("http2-settings"), "{request}");
}

#[tokio::test]
async fn a_tunnel_counts_as_a_connection() {
    let origin = origin(echo).await;
    let options = ServeOptions::default().with_max_connections(1);
    let proxy = proxy_with(config(origin), options).await;
    let mut first = proxy.connect().await;
    open(&mut first).await;
    let mut second = proxy.connect().await;
    second.write_all(ASK.as_bytes()).await.unwrap();
    let short = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(short, second.read_u8()).await.is_err(), "served at once");
    drop(first);
    assert_eq!(soon(second.read_u8()).await.unwrap(), b'H');
}
