//! Where lines come from: files and the standard input, plain or compressed, each read by a thread of its own.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use anyhow::{Context, anyhow, bail};
use flate2::bufread::MultiGzDecoder;
use manyhands_experiment::audience::{LineParser, Lines};

/// Octets read at a time.
const CHUNK: usize = 256 << 10;
/// Chunks that wait to be looked at.
const WAITING: usize = 2;
/// The greatest window of a zstd stream, as a power of two: 32 MiB, four times that of `zstd -19`. Decoding takes
/// as much memory.
const ZSTD_WINDOW: u32 = 25;
/// The beginning of a log that is looked at to know its time.
const BEGINNING: u64 = 1 << 20;

/// One log.
#[derive(Clone, Debug)]
pub(super) struct Source {
    path: PathBuf,
}

impl Source {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// As messages have it.
    pub(super) fn name(&self) -> String {
        match self.is_stdin() {
            true => "the standard input".to_owned(),
            false => format!("{:?}", self.path),
        }
    }

    /// Octets of the file as it is, where there is such a number.
    pub(super) fn size(&self) -> Option<u64> {
        let metadata = std::fs::metadata(&self.path).ok().filter(std::fs::Metadata::is_file);
        metadata.filter(|_| !self.is_stdin()).map(|metadata| metadata.len())
    }

    /// The time of its first line that can be read. `None`: there is none near its beginning, or it can be read only
    /// once.
    pub(super) fn first(&self) -> anyhow::Result<Option<i64>> {
        if self.size().is_none() {
            self.exists()?;
            return Ok(None);
        }
        let (mut parser, mut lines, mut first) = (LineParser::default(), Lines::default(), None);
        let mut reader = self.open(&Arc::default())?.take(BEGINNING);
        let mut chunk = vec![0; CHUNK];
        while first.is_none() {
            let length = reader.read(&mut chunk).map_err(|error| self.unreadable(error))?;
            if length == 0 {
                break;
            }
            lines.push(&chunk[..length], |line| {
                if first.is_none() {
                    first = parser.parse(line).ok().map(|entry| entry.start);
                }
            });
        }
        lines.finish(|line| {
            if first.is_none() {
                first = parser.parse(line).ok().map(|entry| entry.start);
            }
        });
        Ok(first)
    }

    fn exists(&self) -> anyhow::Result<()> {
        if self.is_stdin() {
            return Ok(());
        }
        let metadata = std::fs::metadata(&self.path);
        match metadata.with_context(|| format!("cannot read {}", self.name()))?.is_dir() {
            true => bail!("{} is a directory; name the logs in it", self.name()),
            false => Ok(()),
        }
    }

    /// Starts reading. `position` is moved by what is read of the file as it is.
    pub(super) fn start(&self, position: &Arc<AtomicU64>) -> Chunks {
        let (full, chunks) = sync_channel(WAITING);
        let (back, empty) = channel();
        let (source, position) = (self.clone(), Arc::clone(position));
        thread::spawn(move || source.pour(&position, &full, &empty));
        Chunks { chunks, back }
    }

    /// Until the end, an error, or until nobody looks any more.
    fn pour(
        &self,
        position: &Arc<AtomicU64>,
        full: &SyncSender<anyhow::Result<Vec<u8>>>,
        empty: &Receiver<Vec<u8>>,
    ) {
        let mut reader = match self.open(position) {
            Ok(reader) => reader,
            Err(error) => return drop(full.send(Err(error))),
        };
        loop {
            let mut chunk = empty.try_recv().unwrap_or_default();
            chunk.resize(CHUNK, 0);
            match reader.read(&mut chunk) {
                Ok(0) => return,
                Ok(length) => {
                    chunk.truncate(length);
                    if full.send(Ok(chunk)).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return drop(full.send(Err(self.unreadable(error)))),
            }
        }
    }

    fn open(&self, position: &Arc<AtomicU64>) -> anyhow::Result<Box<dyn Read>> {
        self.exists()?;
        let input: Box<dyn Read> = match self.is_stdin() {
            true => Box::new(io::stdin()),
            false => Box::new(
                File::open(&self.path).with_context(|| format!("cannot read {}", self.name()))?,
            ),
        };
        let mut input = Counted { input, position: Arc::clone(position) };
        // A pipe may give its first octets one by one.
        let mut magic = Vec::new();
        let read = (&mut input).take(6).read_to_end(&mut magic);
        read.map_err(|error| self.unreadable(error))?;
        let whole = Cursor::new(magic.clone()).chain(input);
        Ok(match *magic {
            [0x1f, 0x8b, ..] => {
                Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, whole)))
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let decoder = zstd::stream::read::Decoder::new(whole).and_then(|mut decoder| {
                    decoder.window_log_max(ZSTD_WINDOW)?;
                    Ok(decoder)
                });
                Box::new(decoder.map_err(|error| self.unreadable(error))?)
            }
            [b'B', b'Z', b'h', ..] => bail!(self.other("bzip2", "bzcat")),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => bail!(self.other("xz", "xzcat")),
            _ => Box::new(whole),
        })
    }

    fn other(&self, format: &str, program: &str) -> String {
        let name = self.name();
        format!(
            "{name} is compressed by {format}, which is not read here; use {program} LOG | manyhands estimate -"
        )
    }

    fn unreadable(&self, error: io::Error) -> anyhow::Error {
        let damaged = matches!(
            error.kind(),
            io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::Other
        );
        let remedy = match damaged {
            true => " (damaged, cut off, or still being written? leave it out)",
            false => "",
        };
        anyhow!(error).context(format!("cannot read {} to its end{remedy}", self.name()))
    }
}

/// What a source says, chunk by chunk.
pub(super) struct Chunks {
    chunks: Receiver<anyhow::Result<Vec<u8>>>,
    back: Sender<Vec<u8>>,
}

impl Chunks {
    /// `None` at the end.
    pub(super) fn next(&self) -> anyhow::Result<Option<Vec<u8>>> {
        self.chunks.recv().ok().transpose()
    }

    /// The memory of a chunk, to be filled again.
    pub(super) fn give_back(&self, chunk: Vec<u8>) {
        // A reader at its end needs none.
        let _ = self.back.send(chunk);
    }
}

struct Counted<R> {
    input: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.position.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
