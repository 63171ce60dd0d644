//! The pieces of a layout, read and hashed on all cores.
//!
//! Each thread has one buffer and at most one open file, and takes the next few pieces when it has
//! done its last: so all of them read close to one another, which a disk likes, and memory does not
//! depend on the files. Positioned reads and no memory map: a file that is cut short under a map kills
//! the process.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::Duration;

use manyhands_metainfo::{FileIdentity, Layout, PieceHasher, PieceHashes, PieceKind};

/// Fits the second-level cache beside what else is there: the copy out of the page cache is hashed
/// before it leaves it.
pub(super) const BUFFER: usize = 128 << 10;
/// Bytes that a thread takes at a time, or one piece where pieces are longer.
const RUN: u64 = 4 << 20;
/// How often the caller hears of progress while nothing is ready.
const TICK: Duration = Duration::from_millis(100);
/// Finished pieces that may wait for the caller.
const WAITING: usize = 256;

/// Where a file of the layout is, and what it was when it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) identity: FileIdentity,
}

/// Why a piece has no hashes.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Index of the file.
    pub(super) file: usize,
    pub(super) kind: TroubleKind,
}

#[derive(Debug)]
pub(super) enum TroubleKind {
    /// There is no place for it.
    Absent,
    /// It is not the file that was found, or shorter.
    Changed,
    Read(io::Error),
}

/// What the caller is told.
#[derive(Debug)]
pub(super) enum News {
    Piece(u64, Result<PieceHashes, Trouble>),
    /// Time has passed; nothing is ready.
    Tick,
}

/// Hashes all pieces, in no order, and hands each to `take` on the calling thread, with the bytes
/// read so far. `take` ends it by `Break`.
///
/// `places`: one a file of the layout.
pub(super) fn hash_pieces(
    layout: &Layout,
    places: &[Option<Place<'_>>],
    kind: PieceKind,
    mut take: impl FnMut(News, u64) -> ControlFlow<()>,
) {
    let work = Work {
        layout,
        places,
        kind,
        next: AtomicU64::new(0),
        read: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
    };
    let run = (RUN / u64::from(layout.piece_length()).max(1)).max(1);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let most = usize::try_from(layout.pieces().div_ceil(run)).unwrap_or(usize::MAX);
    std::thread::scope(|scope| {
        let (news, receiver) = mpsc::sync_channel(WAITING);
        for _ in 0..cores.min(most) {
            let (work, news) = (&work, news.clone());
            scope.spawn(move || Worker::new(work).run(run, &news));
        }
        drop(news);
        loop {
            let news = match receiver.recv_timeout(TICK) {
                Ok((piece, result)) => News::Piece(piece, result),
                Err(RecvTimeoutError::Timeout) => News::Tick,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if take(news, work.read.load(Ordering::Relaxed)).is_break() {
                // Who waits to send gets an error, who reads looks at the flag.
                work.stopped.store(true, Ordering::Relaxed);
                break;
            }
        }
        drop(receiver);
    });
}

struct Work<'a> {
    layout: &'a Layout,
    places: &'a [Option<Place<'a>>],
    kind: PieceKind,
    next: AtomicU64,
    read: AtomicU64,
    stopped: AtomicBool,
}

impl Work<'_> {
    fn take(&self, run: u64) -> Option<Range<u64>> {
        let start = self.next.fetch_add(run, Ordering::Relaxed);
        let end = start.saturating_add(run).min(self.layout.pieces());
        (start < end).then_some(start..end)
    }
}

struct Worker<'a> {
    work: &'a Work<'a>,
    hasher: PieceHasher,
    buffer: Vec<u8>,
    open: Option<(usize, File)>,
}

impl<'a> Worker<'a> {
    fn new(work: &'a Work<'a>) -> Self {
        let hasher = PieceHasher::new(work.kind, work.layout.piece_length());
        Self { work, hasher, buffer: vec![0; BUFFER], open: None }
    }

    fn run(mut self, run: u64, news: &SyncSender<(u64, Result<PieceHashes, Trouble>)>) {
        while let Some(pieces) = self.work.take(run) {
            for piece in pieces {
                let result = self.piece(piece);
                if result.is_err() {
                    self.hasher.reset();
                }
                if self.work.stopped.load(Ordering::Relaxed) || news.send((piece, result)).is_err()
                {
                    return;
                }
            }
        }
    }

    fn piece(&mut self, piece: u64) -> Result<PieceHashes, Trouble> {
        let layout = self.work.layout;
        let mut whole_file = false;
        for span in layout.spans(piece) {
            let Some(file) = span.file else {
                self.hasher.pad(span.length);
                continue;
            };
            let piece_length = u64::from(layout.piece_length());
            whole_file = layout.files().get(file).is_some_and(|file| file.length <= piece_length);
            self.span(file, span.offset, span.length).map_err(|kind| Trouble { file, kind })?;
        }
        Ok(self.hasher.finish(whole_file))
    }

    fn span(&mut self, file: usize, mut offset: u64, length: u64) -> Result<(), TroubleKind> {
        let open = match self.open.take() {
            Some((index, open)) if index == file => open,
            _ => {
                let place = self.work.places.get(file).copied().flatten();
                open_same(&place.ok_or(TroubleKind::Absent)?)?
            }
        };
        let mut left = length;
        while left > 0 && !self.work.stopped.load(Ordering::Relaxed) {
            let step = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let chunk = self.buffer.get_mut(..step).unwrap_or_default();
            open.read_exact_at(chunk, offset).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => TroubleKind::Changed,
                _ => TroubleKind::Read(error),
            })?;
            self.hasher.update(chunk);
            offset += step as u64;
            left -= step as u64;
            self.work.read.fetch_add(step as u64, Ordering::Relaxed);
        }
        self.open = Some((file, open));
        Ok(())
    }
}

/// Opens the file that was found, and nothing that took its place: `O_NONBLOCK`, lest that be a FIFO.
fn open_same(place: &Place<'_>) -> Result<File, TroubleKind> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let open = File::options().read(true).custom_flags(flags).open(place.path);
    let open = open.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => TroubleKind::Changed,
        _ => TroubleKind::Read(error),
    })?;
    let metadata = open.metadata().map_err(TroubleKind::Read)?;
    if FileIdentity::from_metadata(&metadata) == place.identity {
        Ok(open)
    } else {
        Err(TroubleKind::Changed)
    }
}

/// Whether the path still leads to the file that was found, as it was.
pub(super) fn is_unchanged(place: &Place<'_>) -> bool {
    let now = std::fs::metadata(place.path).map(|metadata| FileIdentity::from_metadata(&metadata));
    now.is_ok_and(|now| now == place.identity)
}
