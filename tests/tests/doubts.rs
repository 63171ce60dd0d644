//! What visitors with a cookie, or of a range, get may say that a file is not what it was: the site is then
//! asked as nobody.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use manyhands_metainfo::Hashes;
use manyhands_testkit::{Asked, Site, content, origin, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LENGTH: usize = 2 << 20;

/// What the site makes of `/a.zip`.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Public(u8),
    /// For those with a cookie only.
    Members,
    /// The same for everybody, but a login answers with fields of its own.
    PublicWithLogins,
}

struct Origin {
    state: Mutex<State>,
    asked: Mutex<usize>,
}

impl Origin {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let site = Arc::new(Self { state: Mutex::new(State::Public(1)), asked: Mutex::new(0) });
        let served = Arc::clone(&site);
        let address = origin(move |asked, socket| Arc::clone(&served).answer(asked, socket)).await;
        (site, address)
    }

    async fn answer(self: Arc<Self>, asked: Asked, mut socket: TcpStream) -> Option<TcpStream> {
        *self.asked.lock().unwrap() += 1;
        let cookie = asked.header("cookie").is_some();
        let state = *self.state.lock().unwrap();
        let (version, fields) = match state {
            State::Public(version) => (version, ""),
            State::Members if cookie => (1, "cache-control: private\r\n"),
            State::PublicWithLogins if cookie => (1, "cache-control: private\r\n"),
            State::PublicWithLogins => (1, ""),
            State::Members => {
                socket
                    .write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
                    .await
                    .ok()?;
                return Some(socket);
            }
        };
        let part = asked.range(LENGTH as u64);
        let (first, last) = part.unwrap_or((0, LENGTH as u64 - 1));
        let status = if part.is_some() { "206 Partial Content" } else { "200 OK" };
        let range = match part {
            Some(_) => format!("content-range: bytes {first}-{last}/{LENGTH}\r\n"),
            None => String::new(),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/zip\r\netag: \"v{version}\"\r\n\
             content-length: {}\r\n{range}{fields}\r\n",
            last - first + 1
        );
        socket.write_all(head.as_bytes()).await.ok()?;
        let body = content(version, LENGTH);
        socket.write_all(&body[first as usize..=last as usize]).await.ok()?;
        Some(socket)
    }

    fn becomes(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }
}

async fn shared() -> (Arc<Origin>, Site) {
    let (origin, address) = Origin::start().await;
    let site = Site::proxy(address, |_| {}).await;
    site.get("/a.zip", &[]).await;
    assert!(until("the manifest", || site.manifest("/a.zip")).await.1["etag"] == "\"v1\"");
    (origin, site)
}

async fn manifest(site: &Site) -> StatusCode {
    site.get("/.well-known/manyhands/manifest/a.zip", &[]).await.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_turned_private_is_found_out_by_visitors_with_cookies() {
    let (origin, site) = shared().await;
    origin.becomes(State::Members);
    assert_eq!(site.get("/a.zip", &[("cookie", "session=1")]).await.status(), 200);
    let hidden = || async { (manifest(&site).await == StatusCode::NOT_FOUND).then_some(()) };
    until("the manifest is gone", hidden).await;
    origin.becomes(State::Public(1));
    site.get("/a.zip", &[]).await;
    assert_eq!(manifest(&site).await, StatusCode::OK, "and comes back with the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_is_found_out_by_visitors_with_cookies() {
    let (origin, site) = shared().await;
    origin.becomes(State::Public(2));
    site.get("/a.zip", &[("cookie", "session=1"), ("range", "bytes=0-9")]).await;
    let gone = || async { (manifest(&site).await == StatusCode::NOT_FOUND).then_some(()) };
    until("the old manifest is gone", gone).await;
    site.get("/a.zip", &[]).await;
    let (_, new) = until("the new manifest", || site.manifest("/a.zip")).await;
    assert_eq!(new["root"], Hashes::of(&content(2, LENGTH), 0).0.root.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_needs_a_login_says_so_at_once() {
    let (origin, site) = shared().await;
    origin.becomes(State::Members);
    assert_eq!(site.get("/a.zip", &[("range", "bytes=0-9")]).await.status(), 401);
    assert_eq!(manifest(&site).await, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_visitors_own_answers_change_nothing_for_the_others_and_cost_one_question() {
    let (origin, site) = shared().await;
    origin.becomes(State::PublicWithLogins);
    let before = *origin.asked.lock().unwrap();
    for _ in 0..5 {
        site.get("/a.zip", &[("cookie", "session=1")]).await;
    }
    let asked = || async { (*origin.asked.lock().unwrap() == before + 6).then_some(()) };
    until("the site is asked as nobody", asked).await;
    for _ in 0..5 {
        site.get("/a.zip", &[("cookie", "session=1")]).await;
    }
    assert_eq!(manifest(&site).await, StatusCode::OK);
    assert_eq!(*origin.asked.lock().unwrap(), before + 11);
    // Answers that anybody can provoke say nothing of the file.
    for fields in [[("connection", "host")], [("connection", "a b")]] {
        site.get("/a.zip", &fields).await;
    }
    assert_eq!(manifest(&site).await, StatusCode::OK);
}
