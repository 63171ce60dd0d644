//! Nothing that was read of an asset before it was purged goes into what is published of it afterwards.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use manyhands_metainfo::Hashes;
use manyhands_testkit::{Asked, Site, content, origin, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LENGTH: usize = 8 << 20;

/// A site with one file and no validators, so that only its length tells one version from the next.
#[derive(Default)]
struct Origin {
    version: AtomicU8,
    /// Bytes after which the next answers break off, the next one last.
    breaks: Mutex<Vec<usize>>,
    ranges: Mutex<Vec<String>>,
}

impl Origin {
    async fn answer(self: Arc<Self>, asked: Asked, mut socket: TcpStream) -> Option<TcpStream> {
        let file = content(self.version.load(Ordering::SeqCst), LENGTH);
        let part = asked.range(LENGTH as u64);
        let (first, last) = part.unwrap_or((0, LENGTH as u64 - 1));
        let mut body = &file[first as usize..=last as usize];
        let (status, range) = match part {
            Some(_) => {
                ("206 Partial Content", format!("content-range: bytes {first}-{last}/{LENGTH}\r\n"))
            }
            None => ("200 OK", String::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/zip\r\nconnection: close\r\n\
             content-length: {}\r\n{range}\r\n",
            body.len()
        );
        self.ranges.lock().unwrap().extend(asked.header("range").map(str::to_owned));
        if let Some(at) = self.breaks.lock().unwrap().pop() {
            body = &body[..at];
        }
        socket.write_all(head.as_bytes()).await.ok()?;
        socket.write_all(body).await.ok()?;
        None
    }
}

/// What lies aside below a state directory.
fn aside(state: &Path) -> Vec<PathBuf> {
    let sites = std::fs::read_dir(state.join("assets")).unwrap();
    let files = sites.flat_map(|site| std::fs::read_dir(site.unwrap().path()).unwrap());
    let files = files.map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|it| it == "part" || it == "new")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_aside_is_purged_with_the_asset() {
    for (query, purged) in [("path=/a.zip", 1), ("path=/*", 1), ("path=/a*&path=/a.zip", 1)] {
        let site = Arc::new(Origin::default());
        // A visitor's answer breaks off, and so does ours for the rest of it.
        *site.breaks.lock().unwrap() = vec![0, (5 << 20) + 5];
        let served = Arc::clone(&site);
        let address = origin(move |asked, socket| Arc::clone(&served).answer(asked, socket)).await;
        let mut state = None;
        let proxy = Site::proxy(address, |config| {
            config.assets.immutable = vec!["/".to_owned()];
            state = Some(config.state.dir.clone());
        })
        .await;
        let state = state.unwrap();
        assert!(proxy.try_get("/a.zip").await.is_none());
        until("the second failure", || async {
            let status = proxy.get("/.well-known/manyhands/status.json", &[]).await;
            let status: serde_json::Value = serde_json::from_slice(status.body()).unwrap();
            (status["counts"]["refused"] == 1).then_some(())
        })
        .await;
        assert_eq!(*site.ranges.lock().unwrap(), ["bytes=5242880-"]);
        assert_eq!(aside(&state).len(), 2, "{:?}", aside(&state));

        // The operator puts another file there, and says so.
        site.version.store(1, Ordering::SeqCst);
        let purge = format!("/.well-known/manyhands/purge?{query}");
        let done = proxy.ask("POST", &purge, &[("content-type", "application/json")]).await;
        assert_eq!(done.body(), &format!("{{\"purged\": {purged}}}\n"));
        assert!(aside(&state).is_empty(), "{:?}", aside(&state));

        // A visitor asks for a part: the rest is fetched, where nothing was put aside from the start.
        proxy.get("/a.zip", &[("range", "bytes=0-9")]).await;
        let manifest = until("the manifest", || async { Some(proxy.manifest("/a.zip").await?.1) });
        let root = Hashes::of(&content(1, LENGTH), 0).0.root.to_string();
        assert_eq!(manifest.await["root"], root);
    }
}
