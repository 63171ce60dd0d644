//! An answer that broke off never looks complete; a client that left is not worked for.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::io::ErrorKind;
use std::time::Duration;

use common::{answering, body, config, origin, proxy, proxy_with, read_head, soon, status};
use manyhands_proxy::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const LENGTH: usize = 65_536;

/// What a client makes of an answer: `Some` when it is complete by the rules of its framing.
async fn complete(socket: &mut TcpStream, request: &str) -> Option<Vec<u8>> {
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let clean = soon(socket.read_to_end(&mut bytes)).await.is_ok();
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    let at = text.find("\r\n\r\n")? + 4;
    if !text.starts_with("http/1.1 200") && !text.starts_with("http/1.0 200") {
        return None;
    }
    let (head, rest) = (&text[..at], &bytes[at..]);
    if let Some((_, length)) = head.split_once("content-length: ") {
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        return (rest.len() == length).then(|| rest.to_vec());
    }
    if head.contains("transfer-encoding: chunked") {
        return rest.ends_with(b"0\r\n\r\n").then(|| rest.to_vec());
    }
    clean.then(|| rest.to_vec())
}

fn chunked(data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in data.chunks(1000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cut_anywhere_is_never_complete() {
    let data: Vec<u8> = (0..LENGTH).map(|at| b'a' + (at % 26) as u8).collect();
    let counted =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").into_bytes(), data.clone()];
    let chunked =
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), chunked(&data)];
    for answer in [counted.concat(), chunked.concat()] {
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let end = answer.len();
        let mut cuts: Vec<usize> = (0..40).map(|step| head + step * (end - head) / 40).collect();
        cuts.extend([
            0,
            1,
            head - 1,
            head + 1,
            head + 2,
            end - 1,
            end - 2,
            end - 3,
            end - 5,
            end - 7,
        ]);
        for cut in cuts {
            let (origin, _) = answering(&answer[..cut]).await;
            let proxy = proxy(origin).await;
            for version in ["1.1", "1.0"] {
                let request =
                    format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n");
                let got = complete(&mut proxy.connect().await, &request).await;
                assert_eq!(got, None, "HTTP/{version} cut at {cut} of {end}");
            }
        }
        let (origin, _) = answering(answer.as_slice()).await;
        let proxy = proxy(origin).await;
        let got = complete(&mut proxy.connect().await, "GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
        assert_eq!(got.unwrap(), data);
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_request() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst"] {
        let (gone, mut left) = mpsc::unbounded_channel();
        let origin = origin(move |mut socket| {
            let gone = gone.clone();
            async move {
                read_head(&mut socket).await;
                socket.write_all(answer.as_bytes()).await.unwrap();
                gone.send("asked").unwrap();
                let mut rest = Vec::new();
                socket.read_to_end(&mut rest).await.ok();
                gone.send("gone").unwrap();
            }
        })
        .await;
        let proxy = proxy(origin).await;
        let mut client = proxy.connect().await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(soon(left.recv()).await, Some("asked"));
        if !answer.is_empty() {
            read_head(&mut client).await;
        }
        drop(client);
        assert_eq!(soon(left.recv()).await, Some("gone"));
    }
}

#[tokio::test]
async fn a_client_that_breaks_off_its_upload_breaks_it_off_upstream() {
    let (got, mut seen) = mpsc::unbounded_channel();
    let origin = origin(move |mut socket| {
        let got = got.clone();
        async move {
            let mut all = Vec::new();
            socket.read_to_end(&mut all).await.ok();
            got.send(String::from_utf8_lossy(&all).into_owned()).unwrap();
        }
    })
    .await;
    let proxy = proxy(origin).await;
    let mut client = proxy.connect().await;
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await
        .unwrap();
    drop(client);
    let upload = soon(seen.recv()).await.unwrap();
    assert!(!upload.contains("\r\n0\r\n"), "{upload}");
}

#[tokio::test]
async fn whose_fault_it_is() {
    // Nobody there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = proxy(nobody).await.exchange(get).await;
    assert_eq!(status(&answer), "502");
    assert_eq!(body(&answer), "502 Bad Gateway: the upstream could not be reached\n");

    // Somebody who takes the connection and says nothing.
    let silent = origin(|mut socket| async move {
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.ok();
    })
    .await;
    let short = Duration::from_millis(100);
    let proxy =
        proxy_with(config(silent).with_first_byte_timeout(short), ServeOptions::default()).await;
    let answer = proxy.exchange(get).await;
    assert_eq!(status(&answer), "504");
    assert!(body(&answer).contains("did not answer in time"), "{answer}");

    // The client promises a body and does not send it.
    let promise = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
    let answer = proxy.exchange(promise).await;
    assert_eq!(status(&answer), "408", "{answer}");

    // TLS is part of reaching the upstream.
    let url = format!("https://{silent}");
    let config = manyhands_proxy::UpstreamConfig::new(url)
        .with_connect_timeout(short)
        .with_extra_roots(Some(authority()));
    let proxy = proxy_with(config, ServeOptions::default()).await;
    assert_eq!(status(&proxy.exchange(get).await), "504");
}

fn authority() -> std::path::PathBuf {
    let file = std::env::temp_dir().join(format!("manyhands-authority-{}.pem", std::process::id()));
    let certificate = rcgen::generate_simple_self_signed(["a.example".into()]).unwrap();
    std::fs::write(&file, certificate.cert.pem()).unwrap();
    file
}

#[tokio::test]
async fn an_answer_that_stalls_is_aborted() {
    let origin = origin(|mut socket| async move {
        read_head(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\nfirst").await.unwrap();
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.ok();
    })
    .await;
    let config = config(origin).with_idle_timeout(Duration::from_millis(100));
    let proxy = proxy_with(config, ServeOptions::default()).await;
    let mut client = proxy.connect().await;
    client.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let error = soon(client.read_to_end(&mut bytes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
