//! All logs as one: rotated ones one after another, those of several machines side by side, by the times in them.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::bail;
use indicatif::ProgressBar;
use manyhands_experiment::audience::{LineParser, Lines, Replay, Rules};

use super::source::{Chunks, Source};

/// Logs that are read at once; each has buffers of its own.
const MAX_OPEN: usize = 8;
/// Octets of lines that are read before it is looked whether the next log begins.
const A_LITTLE: usize = 16 << 10;
/// Lines without a single one that can be read, after which a log is taken for something else.
const HOPELESS: u64 = 10_000;
/// Times that a log's clock goes by: the earlier of the last two, so that a lone wrong one does not move it.
const TIMES: usize = 2;
/// Lines that could not be read and are kept to be shown, and how much of each.
const SAMPLES: usize = 5;
const SAMPLE: usize = 200;

/// What the replay does not know: lines that could not be read, as they were.
#[derive(Debug, Default)]
pub(super) struct Samples(pub(super) Vec<String>);

/// One log that is being read.
struct Open {
    source: Source,
    chunks: Chunks,
    /// The chunk at hand, and how much of it has been read.
    chunk: Vec<u8>,
    at: usize,
    lines: Lines,
    parser: LineParser,
    times: [i64; TIMES],
    read: u64,
    malformed: u64,
}

impl Open {
    fn new(source: Source, first: i64, position: &Arc<AtomicU64>) -> Self {
        Self {
            chunks: source.start(position),
            source,
            chunk: Vec::new(),
            at: 0,
            lines: Lines::default(),
            parser: LineParser::default(),
            times: [first; TIMES],
            read: 0,
            malformed: 0,
        }
    }

    fn clock(&self) -> i64 {
        self.times.iter().copied().min().unwrap_or(i64::MIN)
    }

    fn line<R: Rules>(&mut self, line: &[u8], replay: &mut Replay<R>, samples: &mut Samples) {
        match self.parser.parse(line) {
            Ok(entry) => {
                self.times[self.read as usize % TIMES] =
                    entry.start.saturating_add(entry.duration.unwrap_or(0));
                self.read += 1;
                replay.accept(&entry);
            }
            Err(malformed) => {
                self.malformed += 1;
                replay.reject(malformed);
                if samples.0.len() < SAMPLES {
                    let shown = &line[..line.len().min(SAMPLE)];
                    samples.0.push(format!("{malformed}: {}", String::from_utf8_lossy(shown)));
                }
            }
        }
    }

    /// The lines in the next `most` octets and the rest of the last of them; `false` at the end.
    fn advance<R: Rules>(
        &mut self,
        most: usize,
        replay: &mut Replay<R>,
        samples: &mut Samples,
    ) -> anyhow::Result<bool> {
        if self.at == self.chunk.len() {
            self.chunks.give_back(std::mem::take(&mut self.chunk));
            self.at = 0;
            match self.chunks.next()? {
                Some(chunk) => self.chunk = chunk,
                None => {
                    let lines = std::mem::take(&mut self.lines);
                    lines.finish(|line| self.line(line, replay, samples));
                    return self.is_a_log(false);
                }
            }
        }
        let rest = &self.chunk[self.at..];
        let most = most.min(rest.len());
        let length = memchr::memchr(b'\n', &rest[most..]).map_or(rest.len(), |end| most + end + 1);
        // Taken out, so that their lines can be handed to `self`.
        let (chunk, mut lines) = (std::mem::take(&mut self.chunk), std::mem::take(&mut self.lines));
        lines.push(&chunk[self.at..self.at + length], |line| self.line(line, replay, samples));
        self.at += length;
        (self.chunk, self.lines) = (chunk, lines);
        self.is_a_log(true)
    }

    /// Hands `more` on, unless this is something else than a log.
    fn is_a_log(&self, more: bool) -> anyhow::Result<bool> {
        if self.read == 0 && (self.malformed > HOPELESS || (!more && self.malformed > 0)) {
            bail!(
                "{}: not one of {} lines is of an access log in Common, Combined or JSON form; give `log_format combined` \
                 of nginx, `combined` of Apache, or JSON as docs/estimate.md has it",
                self.source.name(),
                self.malformed
            );
        }
        Ok(more)
    }
}

/// Reads all of them into the replay.
pub(super) fn read<R: Rules>(
    sources: Vec<Source>,
    replay: &mut Replay<R>,
    bar: &ProgressBar,
) -> anyhow::Result<Samples> {
    let mut waiting = Vec::new();
    for source in sources {
        // What can't be looked into beforehand comes first.
        waiting.push((source.first()?.unwrap_or(i64::MIN), source));
    }
    // The earliest last, where it is taken from.
    waiting.sort_by_key(|(first, _)| Reverse(*first));
    let (mut open, mut samples): (Vec<Open>, _) = (Vec::new(), Samples::default());
    let position = Arc::new(AtomicU64::new(0));
    loop {
        let clock = open.iter().map(Open::clock).min();
        while open.len() < MAX_OPEN
            && let Some((first, source)) =
                waiting.pop_if(|(first, _)| open.is_empty() || clock >= Some(*first))
        {
            open.push(Open::new(source, first, &position));
        }
        // The one that is furthest behind.
        let next = (0..open.len()).min_by_key(|at| open[*at].clock());
        let Some(next) = next else { return Ok(samples) };
        // Line by line where there are several, so that they come as one; a little at a time where the next may
        // begin.
        let most = match (open.len(), waiting.is_empty()) {
            (1, true) => usize::MAX,
            (1, false) => A_LITTLE,
            _ => 0,
        };
        if !open[next].advance(most, replay, &mut samples)? {
            open.swap_remove(next);
        }
        let at = position.load(Ordering::Relaxed);
        if at != bar.position() {
            bar.set_position(at);
        }
        if let Some(clock) = open.iter().map(Open::clock).min() {
            replay.settle(clock);
        }
    }
}
