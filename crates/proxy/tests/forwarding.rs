//! What crosses the proxy in both directions, byte by byte on raw sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{
    answering, body, config, fields, origin, proxy, proxy_with, read_request, soon, status,
};
use http::HeaderValue;
use manyhands_proxy::{HostPolicy, ServeOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_request_crosses_without_the_fields_of_its_connection() {
    let (origin, asked) = answering(OK).await;
    let proxy = proxy(origin).await;
    let answer = proxy
        .exchange(
            "GET /a%2Fb?c=d HTTP/1.1\r\nHost: example.org\r\nConnection: close, X-Private\r\n\
             X-Private: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\n\
             Proxy-Authorization: Basic eA==\r\nTE: gzip\r\nUpgrade: h2c\r\nCookie: a=1\r\n\
             X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nForwarded: for=9.9.9.9\r\n\
             X-Real-IP: 9.9.9.9\r\nX_Forwarded_For: 9.9.9.9\r\nAccept: a\r\nAccept: b\r\n\r\n",
        )
        .await;
    assert_eq!(status(&answer), "200");
    assert_eq!(body(&answer), "ok");
    let request = asked.one();
    assert!(request.starts_with("GET /a%2Fb?c=d HTTP/1.1\r\n"), "{request}");
    assert_eq!(
        fields(&request),
        [
            "accept: a",
            "accept: b",
            "cookie: a=1",
            "host: example.org",
            "via: 1.1 manyhands",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: example.org",
            "x-forwarded-proto: http",
        ]
    );
}

#[tokio::test]
async fn a_trusted_peer_is_believed() {
    let (origin, asked) = answering(OK).await;
    let config = config(origin)
        .with_trusted(vec!["127.0.0.0/8".parse().unwrap()])
        .with_via(None)
        .with_host(HostPolicy::Fixed(HeaderValue::from_static("inner")));
    let proxy = proxy_with(config, ServeOptions::default()).await;
    proxy
        .exchange(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 9.9.9.9\r\n\
             X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n\r\n",
        )
        .await;
    assert_eq!(
        fields(&asked.one()),
        [
            "host: inner",
            "x-forwarded-for: 9.9.9.9, 8.8.8.8, 127.0.0.1",
            "x-forwarded-host: b",
            "x-forwarded-proto: https",
        ]
    );
}

#[tokio::test]
async fn an_answer_crosses_without_the_fields_of_its_connection() {
    let (origin, _) = answering(
        "HTTP/1.1 203 Whatever\r\nConnection: close, X-Private\r\nX-Private: 1\r\n\
         Keep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nServer: it\r\n\
         Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nETag: \"x\"\r\nContent-Length: 4\r\n\r\nbody",
    )
    .await;
    let answer = proxy(origin).await.exchange(&get("close")).await;
    assert_eq!(status(&answer), "203");
    assert_eq!(
        fields(&answer),
        [
            "connection: close",
            "content-length: 4",
            "etag: \"x\"",
            "server: it",
            "set-cookie: a=1",
            "set-cookie: b=2",
            "via: 1.1 manyhands",
        ]
    );
    assert_eq!(body(&answer), "body");
}

fn get(connection: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n")
}

/// Each ends with 400 and a closed connection, and the origin never hears of it, nor of what follows.
#[tokio::test]
async fn requests_that_could_mean_two_things_reach_nobody() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let heads = [
        "Host: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked",
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6",
        "Host: a\r\nTransfer-Encoding: chunked\r\nContent-length: 0",
        "Host: a\r\nContent-Length: 0\r\nTransfer-Encoding: xchunked",
        "Host: a\r\nTransfer-Encoding: gzip, chunked",
        "Host: a\r\nTransfer-Encoding: chunked, identity",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Host: a\r\nTransfer-Encoding: \x0bchunked",
        "Host: a\r\nTransfer-Encoding : chunked",
        "Host: a\r\nTransfer-Encoding:\r\n chunked",
        "Host: a\r\nContent-Length: 0\r\nContent-Length: 0",
        "Host: a\r\nContent-Length: 0\r\nContent-Length: 6",
        "Host: a\r\nContent-Length: 0, 0",
        "Host: a\r\nContent-Length: +0",
        "Host: a\r\nContent-Length: -1",
        "Host: a\r\nContent-Length: 0x0",
        "Host: a\r\nContent-Length: 99999999999999999999",
        "Host: a\r\nContent-Length : 0",
        "Host: a\r\nX: a\r\n b",
        "Host: a\r\nX: a\0b",
        "Host: a\r\nX: a\rb",
        "Host: a\r\nX y: b",
        "Host: a\r\n: b",
        "Host: a\r\nHost: a",
        "Host: a\r\nHost: b",
        "Host: a b",
        "Host: a/b",
        "Host: u@a",
        "Host: ",
        "X: no host",
        "Host: a\r\nConnection: host",
        "Host: a\r\nAuthorization: x\r\nConnection: authorization",
        "Host: a\r\nCookie: x\r\nConnection: close, COOKIE",
        "Host: a\r\nConnection: x-forwarded-for",
        "Host: a\r\nContent-Length: 0\r\nConnection: content-length",
    ];
    for head in heads {
        for before in ["", "GET /first HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let (origin, asked) = answering(OK).await;
            let proxy = proxy(origin).await;
            let request =
                format!("{before}POST /bad HTTP/1.1\r\n{head}\r\n\r\n0\r\n\r\n{smuggled}");
            let answer = proxy.exchange(&request).await;
            let answers: Vec<_> = answer.match_indices("HTTP/1.1 ").collect();
            assert_eq!(answers.len(), 1 + usize::from(!before.is_empty()), "{head}\n{answer}");
            let last = &answer[answers.last().unwrap().0..];
            assert_eq!(status(last), "400", "{head}\n{answer}");
            let lines: Vec<_> =
                asked.all().iter().map(|asked| asked.lines().next().unwrap().to_owned()).collect();
            let expected = if before.is_empty() { vec![] } else { vec!["GET /first HTTP/1.1"] };
            assert_eq!(lines, expected, "{head}");
        }
    }
}

#[tokio::test]
async fn request_targets() {
    for (target, host, expected) in [
        ("http://a/x", "a", "200"),
        ("http://A/x", "a", "200"),
        ("http://b/x", "a", "400"),
        ("http://a:81/x", "a", "400"),
        ("//b/x", "a", "200"),
        ("/x y", "a", "400"),
        ("x", "a", "400"),
        ("http://u:p@a/x", "a", "400"),
    ] {
        let (origin, asked) = answering(OK).await;
        let proxy = proxy(origin).await;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&proxy.exchange(&request).await), expected, "{target}");
        assert_eq!(asked.all().len(), usize::from(expected == "200"), "{target}");
        if expected == "200" {
            let line = asked.one().lines().next().unwrap().to_owned();
            assert!(line == "GET /x HTTP/1.1" || line == "GET //b/x HTTP/1.1", "{line}");
        }
    }
    for method in ["CONNECT", "TRACE"] {
        let (origin, asked) = answering(OK).await;
        let target = if method == "CONNECT" { "a:443" } else { "/" };
        let request = format!("{method} {target} HTTP/1.1\r\nHost: a:443\r\n\r\n");
        let answer = proxy(origin).await.exchange(&request).await;
        assert_eq!(status(&answer), "405", "{answer}");
        assert!(asked.all().is_empty());
    }
}

#[tokio::test]
async fn bodies_and_trailers_cross_both_ways() {
    let (origin, asked) = answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
    )
    .await;
    let proxy = proxy(origin).await;
    let answer = proxy
        .exchange(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\n\
             Trailer: X-Check, Authorization\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\nX-Check: 9\r\nAuthorization: x\r\n\r\n",
        )
        .await;
    let request = asked.one();
    assert!(fields(&request).contains(&"te: trailers".to_owned()), "{request}");
    assert!(request.ends_with("3\r\nabc\r\n0\r\nx-check: 9\r\n\r\n"), "{request}");
    assert!(answer.ends_with("5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn answers_without_a_body_keep_their_headers() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: \"x\"\r\n\r\n"),
        ("HEAD", "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (
            "GET",
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-0/9\r\nContent-Length: 1\r\n\r\nx",
        ),
        (
            "GET",
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n",
        ),
    ] {
        let (origin, _) = answering(head).await;
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = proxy(origin).await.exchange(&request).await;
        assert_eq!(status(&answer), status(head), "{head}");
        assert_eq!(body(&answer), body(head), "{head}");
        for line in fields(head).iter().filter(|line| !line.starts_with("transfer-encoding")) {
            assert!(fields(&answer).contains(line), "{line} {answer}");
        }
    }
}

#[tokio::test]
async fn interim_answers_are_dropped_and_the_client_is_told_to_continue_here() {
    let (origin, asked) = answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let proxy = proxy(origin).await;
    let mut socket = proxy.connect().await;
    socket
        .write_all(
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n\
              Content-Length: 3\r\n\r\n",
        )
        .await
        .unwrap();
    let told = soon(common::read_head(&mut socket)).await;
    assert_eq!(told, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"abc").await.unwrap();
    let mut rest = String::new();
    soon(socket.read_to_string(&mut rest)).await.unwrap();
    assert_eq!((status(&rest), body(&rest)), ("200", "ok"));
    let request = asked.one();
    assert!(!request.to_lowercase().contains("expect"), "{request}");
    assert!(request.ends_with("\r\n\r\nabc"), "{request}");
}

#[tokio::test]
async fn answers_that_cannot_be_passed_on() {
    for head in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "nonsense\r\n\r\n",
        "",
    ] {
        let (origin, _) = answering(head).await;
        let answer = proxy(origin).await.exchange(&get("close")).await;
        assert_eq!(status(&answer), "502", "{head}\n{answer}");
        assert_eq!(body(&answer).lines().count(), 1, "{answer}");
    }
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let (origin, _) = answering(huge).await;
    assert_eq!(status(&proxy(origin).await.exchange(&get("close")).await), "502");

    // The coding wins and the length goes.
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let (origin, _) = answering(both).await;
    let answer = proxy(origin).await.exchange(&get("close")).await;
    assert!(!answer.to_lowercase().contains("content-length"), "{answer}");
    assert!(answer.ends_with("2\r\nok\r\n0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_kept_connection_that_closes_just_then_costs_no_visitor_an_error() {
    // Answers once, and closes when it is asked again, without a word.
    let origin = origin(|mut socket| async move {
        read_request(&mut socket).await;
        socket.write_all(OK.as_bytes()).await.unwrap();
        read_request(&mut socket).await;
    })
    .await;
    let proxy = proxy(origin).await;
    let mut socket = proxy.connect().await;
    for _ in 0..5 {
        socket.write_all(get("keep-alive").as_bytes()).await.unwrap();
        let head = soon(common::read_head(&mut socket)).await;
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        let mut two = [0; 2];
        socket.read_exact(&mut two).await.unwrap();
    }
    // What may not be repeated is not.
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let answer = proxy
            .exchange(
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
            )
            .await;
        statuses.push(status(&answer).to_owned());
    }
    assert!(statuses.contains(&"502".to_owned()), "{statuses:?}");
}

#[tokio::test]
async fn a_body_that_the_origin_does_not_read_is_no_other_visitors_answer() {
    // Reads heads only, as many small servers do with GET, and answers each with its first line.
    let origin = origin(|mut socket| async move {
        loop {
            let head = String::from_utf8(common::read_head(&mut socket).await).unwrap();
            let Some(line) = head.lines().next() else { return };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len());
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let proxy = proxy(origin).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = smuggled.len();
    for method in ["GET", "DELETE"] {
        let asked = format!("{method} /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let mut attacker = proxy.connect().await;
        attacker.write_all(format!("{asked}{smuggled}").as_bytes()).await.unwrap();
        soon(common::read_head(&mut attacker)).await;
        for turn in 0..3 {
            let victim =
                format!("GET /victim{turn} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = proxy.exchange(&victim).await;
            assert_eq!(body(&answer), format!("GET /victim{turn} HTTP/1.1"), "{method}");
        }
    }
}

#[tokio::test]
async fn old_clients_get_old_answers() {
    let (origin, _) =
        answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            .await;
    let answer = proxy(origin).await.exchange("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert_eq!(body(&answer), "ok");

    let (origin, asked) = answering("HTTP/1.0 200 OK\r\n\r\nold").await;
    let answer = proxy(origin).await.exchange(&get("close")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("3\r\nold\r\n0\r\n\r\n"), "{answer}");
    assert!(asked.one().starts_with("GET / HTTP/1.1"));
}

#[tokio::test]
async fn a_proxy_in_front_of_itself_says_so() {
    let listener = manyhands_proxy::Listener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_address().unwrap();
    let upstream = manyhands_proxy::Upstream::new(config(own)).unwrap();
    let proxy = common::serving(listener, upstream, ServeOptions::default());
    let answer = proxy.exchange(&get("close")).await;
    assert_eq!(status(&answer), "508", "{answer}");
    assert!(body(&answer).contains("the proxy itself"));
}
