//! Assets behind a proxy: hashed from what passes by, and the rest of what breaks off asked for by Range.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use manyhands_metainfo::Hashes;
use manyhands_testkit::{Asked, Site, content, origin, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LENGTH: usize = 6 << 20;

/// What one request of an asset got: its Range and If-Range, and the bytes sent.
type Sent = (Option<String>, Option<String>, usize);

/// A site with one file, `/a.zip`.
struct Origin {
    file: Vec<u8>,
    ranges: bool,
    /// Bytes after which the next answers break off, the next one last.
    breaks: Mutex<Vec<usize>>,
    sent: Mutex<Vec<Sent>>,
    /// Where the file has a byte of the visitor's own; nowhere beyond its end.
    own: AtomicUsize,
}

impl Origin {
    async fn start(ranges: bool, breaks: &[usize]) -> (Arc<Self>, SocketAddr) {
        let breaks = Mutex::new(breaks.iter().rev().copied().collect());
        let file = content(1, LENGTH);
        let site = Arc::new(Self {
            file,
            ranges,
            breaks,
            sent: Mutex::default(),
            own: AtomicUsize::new(usize::MAX),
        });
        let served = Arc::clone(&site);
        let address = origin(move |asked, socket| Arc::clone(&served).answer(asked, socket)).await;
        (site, address)
    }

    async fn answer(self: Arc<Self>, asked: Asked, mut socket: TcpStream) -> Option<TcpStream> {
        let part = asked.range(LENGTH as u64).filter(|_| self.ranges);
        let (first, last) = part.unwrap_or((0, LENGTH as u64 - 1));
        let mut file = self.file.clone();
        if let Some(byte) = file.get_mut(self.own.load(Relaxed)) {
            *byte = asked.header("user-agent").map_or(0, |agent| agent.as_bytes()[0]);
        }
        let mut body = &file[first as usize..=last as usize];
        let (status, range) = match part {
            Some(_) => {
                ("206 Partial Content", format!("content-range: bytes {first}-{last}/{LENGTH}\r\n"))
            }
            None => ("200 OK", String::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/zip\r\netag: \"v1\"\r\nconnection: close\r\n\
             content-length: {}\r\n{range}\r\n",
            body.len()
        );
        // Short parts confirm what a visitor got; they are not what these tests break.
        if body.len() > 64 << 10
            && let Some(at) = self.breaks.lock().unwrap().pop()
        {
            body = &body[..at];
        }
        let field = |name| asked.header(name).map(str::to_owned);
        let number = {
            let mut sent = self.sent.lock().unwrap();
            sent.push((field("range"), field("if-range"), 0));
            sent.len() - 1
        };
        socket.write_all(head.as_bytes()).await.ok()?;
        for chunk in body.chunks(64 << 10) {
            socket.write_all(chunk).await.ok()?;
            self.sent.lock().unwrap()[number].2 += chunk.len();
        }
        None
    }

    fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// Waits for the manifest without asking for the asset, and sees that it is right.
    async fn is_ready(&self, site: &Site) {
        let manifest = until("the manifest", || async { Some(site.manifest("/a.zip").await?.1) });
        assert_eq!(manifest.await["root"], Hashes::of(&self.file, 0).0.root.to_string());
    }
}

fn sent(range: Option<&str>, bytes: usize) -> Sent {
    (range.map(str::to_owned), range.map(|_| "\"v1\"".to_owned()), bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_visitor_downloads_is_not_asked_for_again() {
    let (origin, address) = Origin::start(true, &[]).await;
    let site = Site::proxy(address, |_| {}).await;
    assert_eq!(site.get("/a.zip", &[]).await.body().len(), LENGTH);
    origin.is_ready(&site).await;
    let end = 64 << 10;
    assert_eq!(
        origin.sent(),
        [
            sent(None, LENGTH),
            sent(Some("bytes=0-65535"), end),
            sent(Some("bytes=6225920-6291455"), end),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_made_anew_for_each_visitor_is_not_shared() {
    // Of one name, tag and length, but with the visitor's own bytes at one end.
    for at in [10, LENGTH - 10] {
        let (origin, address) = Origin::start(true, &[]).await;
        origin.own.store(at, Relaxed);
        let site = Site::proxy(address, |_| {}).await;
        assert_eq!(site.get("/a.zip", &[("user-agent", "Alice")]).await.body().len(), LENGTH);
        assert!(site.manifest("/a.zip").await.is_none(), "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_goes_on_by_range() {
    // The visitor's own answer first, then one of ours: each goes on at the last MiB that came whole.
    let (origin, address) = Origin::start(true, &[(3 << 20) + 5, 2 << 20]).await;
    let site = Site::proxy(address, |_| {}).await;
    assert!(site.try_get("/a.zip").await.is_none(), "a body that broke off must not look whole");
    origin.is_ready(&site).await;
    assert_eq!(
        origin.sent(),
        [
            sent(None, (3 << 20) + 5),
            sent(Some("bytes=3145728-"), 2 << 20),
            sent(Some("bytes=5242880-"), 1 << 20),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_without_ranges_is_read_from_its_start_again() {
    let (origin, address) = Origin::start(false, &[3 << 20]).await;
    let site = Site::proxy(address, |_| {}).await;
    assert!(site.try_get("/a.zip").await.is_none());
    origin.is_ready(&site).await;
    assert_eq!(origin.sent(), [sent(None, 3 << 20), sent(Some("bytes=3145728-"), LENGTH)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_lists_is_ready_before_the_first_visitor() {
    let (origin, address) = Origin::start(true, &[]).await;
    let listed = |config: &mut manyhands_testkit::Config| {
        config.assets.preload = vec!["/a.zip".to_owned()];
    };
    let site = Site::proxy(address, listed).await;
    site.layer.engine().wake();
    origin.is_ready(&site).await;
    let first = (Some("bytes=0-0".to_owned()), None, 1);
    assert_eq!(origin.sent(), [first, sent(None, LENGTH)]);
}
