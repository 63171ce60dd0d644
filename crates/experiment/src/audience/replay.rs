//! The log, played again: from its lines to the visitors of each file.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::FixedState;

use super::agent::Agent;
use super::assumptions::{Assumptions, CASES, Case};
use super::file::{File, Files, Sums};
use super::forecast::{self, Forecast};
use super::line::{Entry, Malformed, address};
use super::mirror::{Hours, Mirrors};
use super::swarm::{Session, Swarm};
use super::transfer::{Transfer, Transfers};

/// How far behind the newest line the crowds are kept, in seconds: a line comes when its answer ends, which may be
/// hours after it began.
const LAG: f64 = 6.0 * 3_600.0;
/// Events to come that all crowds together may have.
const MAX_WAITING: usize = 600_000;
/// Verdicts that are remembered. A power of two.
const VERDICTS: usize = 1 << 17;
/// Programs that are remembered. A power of two.
const AGENTS: usize = 1 << 12;

/// What the site's rules say of one answer. Whoever serves the site has them; a log tells only a part of what they
/// look at.
pub trait Rules {
    /// The path of the file it is of, in its one spelling, if it may be shared.
    ///
    /// # Errors
    /// Why it may not.
    fn judge(&mut self, answer: &Answer<'_>) -> Result<Box<str>, Left>;

    /// Whether a file of this length may be shared.
    ///
    /// # Errors
    /// Why it may not.
    fn weigh(&self, length: u64) -> Result<(), Left>;

    /// The address prefix that stands for a network, as a number.
    fn prefix(&self, address: IpAddr) -> u64;
}

/// What a log tells of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The site, where the log names it.
    pub host: Option<&'a str>,
    /// As sent.
    pub method: &'a str,
    /// Whether the request had credentials.
    pub authenticated: bool,
    /// Path and query.
    pub target: &'a str,
    /// Status code.
    pub status: u16,
    /// `Content-Type`, where the log has it.
    pub content_type: Option<&'a str>,
}

/// Why an answer stays with the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// A stable name.
    pub name: &'static str,
    /// One sentence.
    pub sentence: &'static str,
}

/// Requests and octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// How many requests.
    pub requests: u64,
    /// What was sent to answer them.
    pub octets: u64,
}

impl Count {
    pub(super) fn add(&mut self, octets: u64) {
        self.requests += 1;
        self.octets = self.octets.saturating_add(octets);
    }
}

/// What was counted on the way; exact, whatever the size of the log.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) all: Count,
    pub(super) malformed: HashMap<Malformed, u64, FixedState>,
    /// In milliseconds since the epoch.
    pub(super) period: Option<(i64, i64)>,
    pub(super) left: Vec<(Left, Count)>,
    pub(super) browsers: Count,
    pub(super) tools: Count,
    pub(super) robots: Count,
    pub(super) unknown: Count,
    /// Of files that may be shared, without an address to tell visitors by.
    pub(super) nameless: Count,
    /// Of files that may be shared, with and without a duration.
    pub(super) timed: u64,
    /// The prefix most requests for files come from, if one has the most, and how many at least.
    pub(super) commonest: (u64, u64),
    lead: u64,
    /// Transfers that began before what was already played.
    pub(super) late: u64,
    /// Transfers for which no place was left.
    pub(super) crowded_out: u64,
    /// Files that were forgotten and had to be added up.
    pub(super) forgotten: Sums,
}

impl Tally {
    /// Adds to a reason's count, and says which it is.
    fn leave(&mut self, left: Left, octets: u64) -> u16 {
        let at = self.left.iter().position(|(known, _)| *known == left);
        let at = at.unwrap_or_else(|| {
            self.left.push((left, Count::default()));
            self.left.len() - 1
        });
        self.left[at].1.add(octets);
        // There are as many reasons as the rules have.
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// Boyer and Moore's vote: a prefix with more than half of all is found with two numbers.
    fn vote(&mut self, prefix: u64) {
        if self.lead == 0 {
            (self.commonest, self.lead) = ((prefix, 1), 1);
        } else if self.commonest.0 == prefix {
            self.commonest.1 += 1;
            self.lead += 1;
        } else {
            self.lead -= 1;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    File(u64),
    Left(u16),
}

/// Plays a log again. Takes its lines one by one, keeps what a bounded memory holds, and says at the end what
/// sharing would have saved.
#[derive(Debug)]
pub struct Replay<R> {
    rules: R,
    assumptions: Assumptions,
    cases: [Case; CASES],
    mirrors: Mirrors,
    hasher: FixedState,
    verdicts: Box<[Option<(u64, Verdict)>]>,
    agents: Box<[Option<(u64, Agent)>]>,
    files: Files,
    transfers: Transfers,
    ended: Vec<Transfer>,
    swarms: HashMap<u64, Swarm, FixedState>,
    waiting: usize,
    /// In seconds since the epoch: what lies before has been played.
    played: f64,
    hours: Hours,
    tally: Tally,
}

impl<R: Rules> Replay<R> {
    /// A replay of nothing yet.
    pub fn new(rules: R, assumptions: Assumptions, mirrors: Mirrors) -> Self {
        Self {
            rules,
            cases: assumptions.cases(),
            mirrors,
            hasher: FixedState::with_seed(assumptions.seed),
            verdicts: vec![None; VERDICTS].into(),
            agents: vec![None; AGENTS].into(),
            files: Files::new(),
            transfers: Transfers::new(assumptions.gap),
            ended: Vec::new(),
            swarms: HashMap::default(),
            waiting: 0,
            played: f64::MIN,
            hours: Hours::default(),
            tally: Tally::default(),
            assumptions,
        }
    }

    /// Counts a line that could not be read.
    pub fn reject(&mut self, malformed: Malformed) {
        *self.tally.malformed.entry(malformed).or_default() += 1;
    }

    /// Takes one line. Lines need not be in order, see [`Replay::settle`].
    pub fn accept(&mut self, entry: &Entry<'_>) {
        let octets = entry.octets;
        let end = entry.start.saturating_add(entry.duration.unwrap_or(0));
        self.tally.all.add(octets);
        let (from, to) = self.tally.period.unwrap_or((entry.start, end));
        self.tally.period = Some((from.min(entry.start), to.max(end)));

        let Some(key) = self.file(entry) else { return };
        self.hours.add(end, octets);
        self.tally.timed += u64::from(entry.duration.is_some());
        let address = address(entry.address);
        let prefix = address.map(|address| self.rules.prefix(address));
        let hashed = prefix.map(|prefix| self.hasher.hash_one(prefix) as u32);
        if let Some(prefix) = prefix {
            self.tally.vote(prefix);
        }
        let Some(file) = self.files.get_mut(key) else { return };
        file.note(octets, end, hashed, &self.assumptions);
        if entry.status == 200 {
            file.length = file.length.max(octets);
        }
        let agent = self.agent(entry.agent.as_deref());
        let count = match agent {
            Agent::Browser => &mut self.tally.browsers,
            Agent::Tool => &mut self.tally.tools,
            Agent::Robot => &mut self.tally.robots,
            Agent::Unknown => &mut self.tally.unknown,
        };
        count.add(octets);
        if matches!(agent, Agent::Tool | Agent::Robot) || octets == 0 {
            return;
        }
        let Some(prefix) = hashed else {
            self.tally.nameless.add(octets);
            return;
        };
        let visitor = self.hasher.hash_one((address, entry.agent.as_deref()));
        let part = Transfer {
            file: key,
            prefix,
            coin: self.coin(visitor),
            start: entry.start,
            end,
            octets,
            timed: entry.duration.is_some(),
        };
        self.transfers.add(visitor, part, &mut self.ended);
        self.join();
    }

    /// Says that no line to come is of an answer that ended before `now`, in milliseconds since the epoch, or hardly
    /// any: what lies long before can be played and forgotten.
    pub fn settle(&mut self, now: i64) {
        self.transfers.settle(now, &mut self.ended);
        self.join();
        let now = now as f64 / 1e3;
        if now - LAG > self.played + LAG / 4.0 {
            self.play(now - LAG);
        }
        let mut lag = LAG;
        while self.waiting > MAX_WAITING && lag > 1.0 {
            lag /= 2.0;
            self.play(now - lag);
        }
    }

    /// What sharing would have saved; `top` files are named.
    pub fn finish(mut self, top: usize) -> Forecast {
        self.transfers.finish(&mut self.ended);
        self.join();
        self.play(f64::INFINITY);
        forecast::of(forecast::Found {
            rules: &self.rules,
            assumptions: self.assumptions,
            mirrors: self.mirrors,
            cut: self.transfers.overflows,
            forgotten: self.files.forgotten,
            files: self.files.into_files(),
            hours: self.hours,
            tally: self.tally,
            top,
        })
    }

    /// The file that an answer is of, if it may be shared.
    fn file(&mut self, entry: &Entry<'_>) -> Option<u64> {
        let key = self.hasher.hash_one((
            entry.target.as_ref(),
            entry.method,
            (entry.status, entry.authenticated),
            entry.host.as_deref(),
            entry.content_type,
        ));
        let slot = key as usize % VERDICTS;
        match self.verdicts[slot] {
            Some((known, Verdict::Left(left))) if known == key => {
                self.tally.left[usize::from(left)].1.add(entry.octets);
                return None;
            }
            Some((known, Verdict::File(file)))
                if known == key && self.files.get_mut(file).is_some() =>
            {
                return Some(file);
            }
            _ => {}
        }
        let verdict = self.judge(entry);
        self.verdicts[slot] = Some((key, verdict));
        match verdict {
            Verdict::File(file) => Some(file),
            Verdict::Left(_) => None,
        }
    }

    fn judge(&mut self, entry: &Entry<'_>) -> Verdict {
        let host = entry.host.as_deref().map(String::from_utf8_lossy);
        let answer = Answer {
            host: host.as_deref(),
            method: &String::from_utf8_lossy(entry.method),
            target: &String::from_utf8_lossy(&entry.target),
            authenticated: entry.authenticated,
            status: entry.status,
            content_type: entry.content_type.and_then(|it| std::str::from_utf8(it).ok()),
        };
        match self.rules.judge(&answer) {
            Err(left) => Verdict::Left(self.tally.leave(left, entry.octets)),
            Ok(path) => {
                let host = host.as_deref().unwrap_or_default();
                let name: Box<str> =
                    if host.is_empty() { path } else { [host, &path].concat().into() };
                let key = self.hasher.hash_one(&name);
                if self.files.get_mut(key).is_none() {
                    let Self { files, swarms, rules, tally, .. } = self;
                    files.insert(
                        key,
                        name,
                        |key| swarms.contains_key(&key),
                        |file| {
                            forget(rules, tally, file);
                        },
                    );
                }
                Verdict::File(key)
            }
        }
    }

    fn agent(&mut self, agent: Option<&[u8]>) -> Agent {
        let key = self.hasher.hash_one(agent);
        let slot = &mut self.agents[key as usize % AGENTS];
        match slot {
            Some((known, agent)) if *known == key => *agent,
            _ => slot.insert((key, Agent::of(agent))).1,
        }
    }

    /// Who takes part: the same visitor each time.
    fn coin(&self, visitor: u64) -> f32 {
        // Not the bits that tables go by; 2^24 values are exact, and fine enough.
        let bits = self.hasher.hash_one((visitor, "takes part")) >> 40;
        bits as f32 / 16_777_216.0
    }

    /// Sends transfers that are over to the crowds of their files.
    fn join(&mut self) {
        let mut ended = std::mem::take(&mut self.ended);
        for transfer in ended.drain(..) {
            self.join_one(&transfer);
        }
        self.ended = ended;
    }

    fn join_one(&mut self, transfer: &Transfer) {
        let Some(file) = self.files.get_mut(transfer.file) else { return };
        file.length = file.length.max(transfer.octets);
        let Some(hot) = file.hot.filter(|_| self.rules.weigh(file.length).is_ok()) else { return };
        let start = transfer.start as f64 / 1e3;
        let lasted = (transfer.end - transfer.start) as f64 / 1e3;
        let wanted = transfer.octets as f64;
        // Before its file is hashed nobody takes part.
        let hot = hot as f64 / 1e3;
        let mut spans = self.cases.map(|case| match transfer.timed {
            true => lasted.max(1e-3),
            false => lasted.max(wanted / case.downlink),
        });
        for (span, case) in spans.iter_mut().zip(&self.cases) {
            if start < hot + case.hashing {
                *span = 0.0;
            }
        }
        if spans == [0.0; CASES] {
            return;
        }
        if self.waiting >= MAX_WAITING + MAX_WAITING / 4 {
            self.tally.crowded_out += 1;
            return;
        }
        for (transfers, share) in file.sums.transfers.iter_mut().zip(self.assumptions.participation)
        {
            *transfers += u64::from(f64::from(transfer.coin) < share);
        }
        self.tally.late += u64::from(start < self.played);
        let session = Session {
            start,
            spans,
            wanted,
            whole: (wanted / file.length.max(1) as f64).min(1.0),
            prefix: transfer.prefix,
            coin: transfer.coin,
        };
        let swarm = self.swarms.entry(transfer.file).or_default();
        let before = swarm.waiting();
        swarm.join(&session, &self.cases);
        self.waiting += swarm.waiting() - before;
    }

    fn play(&mut self, until: f64) {
        self.played = self.played.max(until);
        self.waiting = 0;
        let Self { swarms, files, cases, waiting, .. } = self;
        swarms.retain(|key, swarm| {
            if let Some(file) = files.get_mut(*key) {
                swarm.advance(until, cases, &mut file.sums.brought);
            }
            let still = swarm.waiting();
            *waiting += still;
            still > 0
        });
    }
}

/// Adds up a file that goes.
fn forget(rules: &impl Rules, tally: &mut Tally, file: &File) {
    match rules.weigh(file.length) {
        Ok(()) => tally.forgotten.add(&file.sums),
        Err(left) => small(tally, left, file),
    }
}

/// Moves the count of a file that was found out to be of the wrong size.
pub(super) fn small(tally: &mut Tally, left: Left, file: &File) {
    let at = tally.left.iter().position(|(known, _)| *known == left);
    let at = at.unwrap_or_else(|| {
        tally.left.push((left, Count::default()));
        tally.left.len() - 1
    });
    let count = &mut tally.left[at].1;
    count.requests += file.sums.requests;
    count.octets = count.octets.saturating_add(file.sums.octets);
}
