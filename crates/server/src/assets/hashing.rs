//! The hash workers: threads of their own, not those of the host's runtime, cancelled between two chunks.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use manyhands_catalog::Failure;
use manyhands_metainfo::{FileIdentity, HashError, Hasher, Hashes, piece_length};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

const CHUNK: usize = 256 << 10;
/// A body must bring this much in this time, or its job is given up: one visitor who reads slowly, or
/// not at all, must not keep a worker from everybody else.
const PACE: u64 = 1 << 20;
const PACE_TIME: Duration = Duration::from_secs(30);

/// What a worker is told while it works, and what it tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    cancelled: CancellationToken,
    hashed: Arc<AtomicU64>,
}

impl Control {
    pub(crate) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Bytes hashed so far.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    fn advance(&self, bytes: usize) -> Result<(), Failure> {
        self.hashed.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.cancelled.is_cancelled() {
            Err(Failure::Dropped { progress: false })
        } else {
            Ok(())
        }
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

/// Hashes a body that arrives in chunks. Blocks; `runtime` is where its time runs.
pub(crate) fn stream(
    length: u64,
    mut chunks: mpsc::Receiver<Bytes>,
    control: &Control,
    runtime: &Handle,
) -> Result<Hashes, Failure> {
    let mut hasher = Hasher::new(length, piece_length(length));
    let (mut paced, mut deadline) = (0, Instant::now() + PACE_TIME);
    while let Some(chunk) = runtime.block_on(next(&mut chunks, deadline, control))? {
        hasher.update(&chunk).map_err(|_: HashError| Failure::Unreadable)?;
        control.advance(chunk.len())?;
        if hasher.position() - paced >= PACE {
            (paced, deadline) = (hasher.position(), Instant::now() + PACE_TIME);
        }
    }
    // An aborted transfer and a short one look alike from here: both are too short.
    hasher.finish().map_err(|_: HashError| Failure::Dropped { progress: false })
}

async fn next(
    chunks: &mut mpsc::Receiver<Bytes>,
    deadline: Instant,
    control: &Control,
) -> Result<Option<Bytes>, Failure> {
    tokio::select! {
        chunk = timeout_at(deadline, chunks.recv()) => chunk.map_err(|_| Failure::Dropped { progress: false }),
        () = control.cancelled.cancelled() => Err(Failure::Dropped { progress: false }),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    tracing::warn!(path = %path.display(), %error, "cannot read a file to hash it");
    Failure::Unreadable
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the worker on a thread of its own beside a runtime whose time stands still.
    async fn worker(chunks: mpsc::Receiver<Bytes>, control: &Control) -> Result<Hashes, Failure> {
        let (control, runtime) = (control.clone(), Handle::current());
        let (done, result) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = done.send(stream(4 << 20, chunks, &control, &runtime));
        });
        result.await.unwrap()
    }

    #[tokio::test]
    async fn a_whole_body_is_hashed_and_a_short_one_is_not() {
        for (bodies, whole) in [(4, true), (3, false)] {
            let (feed, chunks) = mpsc::channel(8);
            for _ in 0..bodies {
                feed.send(Bytes::from(vec![7; 1 << 20])).await.unwrap();
            }
            drop(feed);
            assert_eq!(worker(chunks, &Control::default()).await.is_ok(), whole);
        }
    }

    #[tokio::test]
    async fn cancelling_wakes_a_worker_that_waits() {
        let (feed, chunks) = mpsc::channel(8);
        let control = Control::default();
        control.cancel();
        assert_eq!(
            worker(chunks, &control).await.unwrap_err(),
            Failure::Dropped { progress: false }
        );
        assert!(feed.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_drips_is_given_up() {
        let (feed, chunks) = mpsc::channel(8);
        let drip = async {
            // Ten bytes every ten seconds, until nobody takes them any more.
            while feed.send(Bytes::from_static(&[7; 10])).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        };
        let control = Control::default();
        let (result, ()) = tokio::join!(worker(chunks, &control), drip);
        assert_eq!(result.unwrap_err(), Failure::Dropped { progress: false });
        assert!(control.hashed() < PACE);
    }
}
