//! The hash workers: threads of their own, not those of the host's runtime, cancelled between two chunks.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use manyhands_catalog::Failure;
use manyhands_metainfo::FileIdentity;
use rustix::fs::OFlags;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::control::Control;
use super::work::Work;

const CHUNK: usize = 256 << 10;

/// How slowly a body may come: at least so much in this time, or it is given up. One visitor who reads
/// slowly, or not at all, must not keep a worker from everybody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    bytes: u64,
    time: Duration,
}

impl Pace {
    /// For bodies that can be had in this way only.
    pub(crate) const PATIENT: Self = Self { bytes: 1 << 20, time: Duration::from_secs(30) };
    /// For a visitor's body where the site could be asked for the rest.
    pub(crate) const BRISK: Self = Self { bytes: 8 << 20, time: Duration::from_secs(2) };
}

/// Hashes a file through one handle, and only if it is the same file before and after.
pub(crate) fn file(
    path: &Path,
    identity: &FileIdentity,
    work: &mut Work,
    control: &Control,
) -> Result<(), Failure> {
    let file = open(path).map_err(|error| unreadable(path, &error))?;
    let same = |file: &File| {
        let meta = file.metadata().map_err(|error| unreadable(path, &error))?;
        let now = FileIdentity::from_metadata(&meta);
        if now == *identity { Ok(()) } else { Err(Failure::Changed) }
    };
    same(&file)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match file.read_at(&mut buffer, work.position()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(path, &error)),
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        work.take(chunk).map_err(|failure| match failure {
            // Longer than it was a moment ago.
            Failure::Unreadable if work.is_whole() => Failure::Changed,
            other => other,
        })?;
        control.advance(read)?;
    }
    same(&file)?;
    if work.is_whole() { Ok(()) } else { Err(Failure::Changed) }
}

/// A pipe put in the file's place must not keep a worker waiting for somebody to write to it.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Hashes a body that arrives in chunks, from where the work stands. Blocks; `runtime` is where its time
/// runs.
pub(crate) fn stream(
    mut chunks: mpsc::Receiver<Bytes>,
    pace: Pace,
    work: &mut Work,
    control: &Control,
    runtime: &Handle,
) -> Result<(), Failure> {
    let (mut paced, mut deadline) = (work.position(), Instant::now() + pace.time);
    loop {
        let chunk = match runtime.block_on(next(&mut chunks, deadline, control)) {
            Next::Chunk(chunk) => chunk,
            Next::End if work.is_whole() => return Ok(()),
            // An aborted transfer and a short one look alike from here.
            Next::End | Next::Late => return Err(Failure::Dropped { progress: false }),
            Next::Cancelled => return Err(Failure::Changed),
        };
        work.take(&chunk)?;
        control.advance(chunk.len())?;
        if work.position() - paced >= pace.bytes {
            (paced, deadline) = (work.position(), Instant::now() + pace.time);
        }
    }
}

enum Next {
    Chunk(Bytes),
    End,
    Late,
    Cancelled,
}

async fn next(chunks: &mut mpsc::Receiver<Bytes>, deadline: Instant, control: &Control) -> Next {
    tokio::select! {
        biased;
        () = control.cancelled() => Next::Cancelled,
        chunk = timeout_at(deadline, chunks.recv()) => match chunk {
            Ok(Some(chunk)) => Next::Chunk(chunk),
            Ok(None) => Next::End,
            Err(_) => Next::Late,
        },
    }
}

/// Gives way to visitors: this thread gets what time the others leave.
pub(crate) fn yield_to_visitors() {
    if let Err(error) = rustix::process::nice(19) {
        tracing::debug!(%error, "cannot lower the priority of a hash worker");
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    tracing::warn!(path = %path.display(), %error, "cannot read a file to hash it");
    Failure::Unreadable
}

#[cfg(test)]
mod tests {
    use manyhands_metainfo::{AssetPath, Hashes, Validator, Version};

    use super::*;
    use crate::assets::Store;

    const LENGTH: u64 = 4 << 20;

    struct Bench {
        store: Store,
        path: AssetPath,
        version: Version,
        control: Control,
        _state: tempfile::TempDir,
    }

    fn bench(length: u64) -> Bench {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path(), "https://example.org").unwrap();
        let path = AssetPath::parse("/a.zip").unwrap();
        let validator = Validator::Etag("\"v\"".to_owned());
        let version = Version { validator, length, file: None };
        let control = Control::new(path.clone(), length, None);
        Bench { store, path, version, control, _state: state }
    }

    impl Bench {
        fn work(&self) -> Work {
            self.store.work(&self.path, &self.version).unwrap()
        }

        /// Runs a worker on a thread of its own beside a runtime whose time may stand still.
        async fn run(&self, chunks: mpsc::Receiver<Bytes>) -> (Work, Result<(), Failure>) {
            let (mut work, control, runtime) =
                (self.work(), self.control.clone(), Handle::current());
            let (done, result) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || {
                let result = stream(chunks, Pace::PATIENT, &mut work, &control, &runtime);
                let _ = done.send((work, result));
            });
            result.await.unwrap()
        }
    }

    async fn feed(pieces: u64) -> mpsc::Receiver<Bytes> {
        let (feed, chunks) = mpsc::channel(64);
        for _ in 0..pieces {
            feed.send(Bytes::from(vec![7; 1 << 20])).await.unwrap();
        }
        chunks
    }

    #[tokio::test]
    async fn a_whole_body_is_hashed_and_a_short_or_long_one_is_not() {
        for (pieces, expected) in [
            (4, Ok(())),
            (3, Err(Failure::Dropped { progress: false })),
            (5, Err(Failure::Unreadable)),
        ] {
            let bench = bench(LENGTH);
            assert_eq!(bench.run(feed(pieces).await).await.1, expected, "{pieces} MiB");
        }
    }

    #[tokio::test]
    async fn a_body_that_broke_off_goes_on_where_it_was_remembered() {
        let bench = bench(40 << 20);
        let (work, result) = bench.run(feed(37).await).await;
        assert_eq!(result, Err(Failure::Dropped { progress: false }));
        assert_eq!(work.put_aside(), 37 << 20);
        assert_eq!(bench.work().position(), 37 << 20);
        let (work, result) = bench.run(feed(3).await).await;
        assert_eq!(result, Ok(()));
        let written = work.finish(bench.path.clone(), "application/zip".to_owned()).unwrap();
        assert_eq!(written.record.hashes, Hashes::of(&vec![7; 40 << 20], 0).0);
        bench.store.put(&written.place, &bench.path).unwrap();
        assert_eq!(bench.work().position(), 0);
        assert_eq!(bench.store.load(&bench.path).unwrap().record, written.record);
    }

    #[tokio::test]
    async fn another_version_starts_over() {
        let bench = bench(40 << 20);
        assert_eq!(bench.run(feed(20).await).await.0.put_aside(), 20 << 20);
        let mut other = bench.version.clone();
        other.validator = Validator::Etag("\"w\"".to_owned());
        assert_eq!(bench.store.work(&bench.path, &other).unwrap().position(), 0);
    }

    #[tokio::test]
    async fn cancelling_wakes_a_worker_that_waits() {
        let (feed, chunks) = mpsc::channel(8);
        let bench = bench(LENGTH);
        bench.control.cancel();
        assert_eq!(bench.run(chunks).await.1, Err(Failure::Changed));
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
        let bench = bench(LENGTH);
        let ((_, result), ()) = tokio::join!(bench.run(chunks), drip);
        assert_eq!(result, Err(Failure::Dropped { progress: false }));
        assert!(bench.control.position() < Pace::PATIENT.bytes);
    }

    #[test]
    fn a_file_is_hashed_only_if_it_stays_as_it_is() {
        let bench = bench(LENGTH);
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a.zip");
        std::fs::write(&place, vec![7; 4 << 20]).unwrap();
        let identity = FileIdentity::from_metadata(&std::fs::metadata(&place).unwrap());
        let hash =
            |identity: &FileIdentity| file(&place, identity, &mut bench.work(), &bench.control);
        assert_eq!(hash(&identity), Ok(()));
        for (change, identity) in [
            ("another file", FileIdentity { inode: 0, ..identity }),
            ("touched", FileIdentity { ctime_ns: identity.ctime_ns - 1, ..identity }),
        ] {
            assert_eq!(hash(&identity), Err(Failure::Changed), "{change}");
        }
        std::fs::remove_file(&place).unwrap();
        assert_eq!(hash(&identity), Err(Failure::Unreadable));
        // A pipe that nobody writes to: opening it would wait for ever.
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &place, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(hash(&identity), Err(Failure::Changed));
    }
}
