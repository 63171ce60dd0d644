use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use std::io::Write;

use bytes::Bytes;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderValue, Response};
use manyhands_bridge as bridge;
use manyhands_metainfo::{AssetPath, Digest};
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::reserved;

/// The files that a web server's module reads. What is taken back is gone before the call returns; what is given
/// may take a moment.
#[derive(Debug)]
pub(crate) struct Handout {
    /// `<state>/nginx`
    dir: PathBuf,
    wanted: Mutex<HashSet<AssetPath>>,
    /// Held while a file is put in its place or taken away.
    placing: Mutex<()>,
    wake: Notify,
}

/// One asset, as it is handed out.
struct Published {
    json: Vec<u8>,
    sha256: Digest,
}

impl Handout {
    /// Makes the directories below the state directory, and empties them.
    pub(crate) fn open(state: &Path) -> io::Result<Self> {
        let dir = state.join("nginx");
        let published = state.join(bridge::Published::DIR);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o750).create(&published)?;
        for entry in fs::read_dir(&published)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(Self { dir, wanted: Mutex::default(), placing: Mutex::default(), wake: Notify::new() })
    }

    /// Has an asset that is shown handed out.
    pub(crate) fn give(&self, path: &AssetPath) {
        lock(&self.wanted).insert(path.clone());
        self.wake.notify_one();
    }

    /// Takes an asset back.
    pub(crate) fn take_back(&self, path: &AssetPath) {
        lock(&self.wanted).remove(path);
        let _placing = lock(&self.placing);
        let _ = fs::remove_file(self.place(path));
    }

    /// Hands out what is to be, as it comes.
    pub(super) async fn run(&self, engine: &Engine) {
        loop {
            self.wake.notified().await;
            let paths: Vec<AssetPath> = lock(&self.wanted).drain().collect();
            for path in paths {
                let Some(published) = Published::of(engine, &path) else { continue };
                let _placing = lock(&self.placing);
                // Taken back, or another version, while it was made.
                if !engine.is_shown(&path, &published.sha256) {
                    continue;
                }
                if let Err(error) = replace(&self.place(&path), &published.json) {
                    let place = self.place(&path);
                    tracing::error!(%error, place = %place.display(), "nginx can't be told of an asset");
                }
            }
        }
    }

    /// Puts a document in its place.
    pub(super) fn put(&self, name: &str, json: &[u8]) -> io::Result<()> {
        replace(&self.file(name), json)
    }

    /// Where a document is; its name begins with the directory's.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.parent().unwrap_or(&self.dir).join(name)
    }

    fn place(&self, path: &AssetPath) -> PathBuf {
        self.file(bridge::Published::DIR).join(bridge::Published::file_name_of(path))
    }
}

impl Published {
    /// Everything of an asset that is asked for; `None` where it is not ready any more.
    fn of(engine: &Engine, path: &AssetPath) -> Option<Self> {
        let ready = engine.ready(path)?;
        let sha256 = ready.record.hashes.sha256;
        let forms = reserved::forms(engine, &ready).map(form);
        let infohash = ready.info_hash;
        let file = engine.file_of(path);
        let published = bridge::Published::new(path.clone(), infohash, file, forms);
        Some(Self { json: published.to_json(), sha256 })
    }
}

fn form(mut response: Response<Bytes>) -> bridge::Form {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let field = |(name, value): (&http::HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let fields = response.headers().iter().filter_map(field).collect();
    bridge::Form { fields, body: response.into_body().into() }
}

/// Writes beside the place and renames: a reader meets the old, the new or none. Not synced: after a power cut all
/// of it is handed out anew.
fn replace(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = place.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o640);
    options.open(&new)?.write_all(bytes)?;
    fs::rename(&new, place)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
