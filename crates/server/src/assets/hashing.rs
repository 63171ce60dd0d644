//! The hash workers: threads of their own, cancelled between two chunks.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use manyhands_catalog::Failure;
use manyhands_metainfo::{FileIdentity, HashError, Hasher, Hashes, piece_length};
use tokio::sync::mpsc;

const CHUNK: usize = 256 << 10;

/// What a worker is told while it works, and what it tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    cancelled: Arc<AtomicBool>,
    hashed: Arc<AtomicU64>,
}

impl Control {
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Bytes hashed so far.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    fn advance(&self, bytes: usize) -> Result<(), Failure> {
        self.hashed.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.cancelled.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
    }
}

/// Hashes a file through one handle, and only if it is the same file before and after.
pub(crate) fn file(
    path: &Path,
    identity: &FileIdentity,
    control: &Control,
) -> Result<Hashes, Failure> {
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let same = |file: &File| {
        let meta = file.metadata().map_err(|error| unreadable(path, &error))?;
        let now = FileIdentity::from_metadata(&meta);
        if now == *identity { Ok(()) } else { Err(Failure::Changed) }
    };
    same(&file)?;
    let mut hasher = Hasher::new(identity.size, piece_length(identity.size));
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = file.read(&mut buffer).map_err(|error| unreadable(path, &error))?;
        if read == 0 {
            break;
        }
        let chunk = buffer.get(..read).unwrap_or_default();
        hasher.update(chunk).map_err(|_: HashError| Failure::Changed)?;
        control.advance(read)?;
    }
    same(&file)?;
    hasher.finish().map_err(|_: HashError| Failure::Changed)
}

/// Hashes a body that arrives in chunks.
pub(crate) fn stream(
    length: u64,
    mut chunks: mpsc::Receiver<Bytes>,
    control: &Control,
) -> Result<Hashes, Failure> {
    let mut hasher = Hasher::new(length, piece_length(length));
    while let Some(chunk) = chunks.blocking_recv() {
        hasher.update(&chunk).map_err(|_: HashError| Failure::Unreadable)?;
        control.advance(chunk.len())?;
    }
    // An aborted transfer and a short one look alike from here: both are too short.
    hasher.finish().map_err(|_: HashError| Failure::Interrupted)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    tracing::warn!(path = %path.display(), %error, "cannot read a file to hash it");
    Failure::Unreadable
}
