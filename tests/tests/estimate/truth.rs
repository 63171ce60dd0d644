//! What sharing saves in a world, found out the slow way: every visitor, every MiB, second by second.
//!
//! Written apart from the model that is tested, and unlike it: there is no fluid, no average and no formula. Who takes
//! part is drawn anew, pairs connect or do not, a piece comes from a peer that has it and has upload left, or from the
//! site, which each asks first for the pieces that are its own by rendezvous hashing.

use std::collections::HashSet;

use super::world::{BROWSER, Random, Visit, World};

const SPAN: u64 = 1 << 20;

/// How the visitors of this world are, in seconds and octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    /// Octets a second.
    pub(crate) uplink: f64,
    /// Share of pairs that can connect.
    pub(crate) connect: f64,
    /// Until the first piece from a peer.
    pub(crate) delay: f64,
    /// After a transfer.
    pub(crate) tail: f64,
    /// A download may take so many times its time.
    pub(crate) slack: f64,
    pub(crate) min_prefixes: usize,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            uplink: 10e6 / 8.0,
            connect: 0.8,
            delay: 2.0,
            tail: 45.0,
            slack: 1.25,
            min_prefixes: 10,
        }
    }
}

struct Browser<'a> {
    visit: &'a Visit,
    id: u64,
    has: Vec<bool>,
    missing: usize,
    /// Octets it may still take and give in this second.
    takes: f64,
    gives: f64,
    given: f64,
    received: f64,
    finished: Option<f64>,
}

impl Browser<'_> {
    fn span(&self, index: usize) -> f64 {
        (self.visit.wanted - (index as u64 * SPAN)).min(SPAN) as f64
    }

    fn is_there(&self, now: f64, tail: f64) -> bool {
        self.visit.start <= now && self.finished.is_none_or(|at| now < at + tail)
    }

    /// Slower than its slack allows.
    fn is_behind(&self, now: f64, slack: f64) -> bool {
        self.received < self.visit.rate / slack * (now + 1.0 - self.visit.start)
    }
}

/// Octets that the site need not send when this share of browsers takes part.
pub(crate) fn saved(world: &World, participation: f64, nature: &Nature, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let takes_part: Vec<_> = world
        .visits
        .iter()
        .map(|visit| random.unit() < participation && visit.agent == BROWSER)
        .collect();
    (0..world.files.len())
        .map(|file| {
            let visits = world.visits.iter().zip(&takes_part);
            let visits = visits.filter(|(visit, takes)| visit.file == file && **takes);
            let mut visits: Vec<_> = visits.map(|(visit, _)| visit).collect();
            visits.sort_by(|a, b| a.start.total_cmp(&b.start));
            of_file(&visits, nature, &mut random)
        })
        .sum()
}

fn of_file(visits: &[&Visit], nature: &Nature, random: &mut Random) -> u64 {
    let mut to_come = visits.iter().peekable();
    let (mut there, mut from_peers): (Vec<Browser<'_>>, f64) = (Vec::new(), 0.0);
    let mut now = match visits.first() {
        Some(first) => first.start.floor(),
        None => return 0,
    };
    loop {
        while let Some(visit) = to_come.next_if(|visit| visit.start < now + 1.0) {
            let spans = visit.wanted.div_ceil(SPAN) as usize;
            there.push(Browser {
                visit,
                id: random.next(),
                has: vec![false; spans],
                missing: spans,
                takes: 0.0,
                gives: 0.0,
                given: 0.0,
                received: 0.0,
                finished: None,
            });
        }
        there.retain(|browser| browser.is_there(now.max(browser.visit.start), nature.tail));
        if there.is_empty() {
            match to_come.peek() {
                Some(visit) => now = visit.start.floor(),
                None => return from_peers as u64,
            }
            continue;
        }
        from_peers += second(&mut there, now, nature, random);
        now += 1.0;
    }
}

/// What comes from peers within a second.
fn second(there: &mut [Browser<'_>], now: f64, nature: &Nature, random: &mut Random) -> f64 {
    let prefixes: HashSet<_> = there.iter().map(|browser| browser.visit.address >> 8).collect();
    let meet = prefixes.len() >= nature.min_prefixes;
    for browser in there.iter_mut() {
        // What was not used is kept for a few pieces: a second's share may be less than one.
        browser.takes =
            (browser.takes + browser.visit.rate).min(browser.visit.rate + 4.0 * SPAN as f64);
        browser.gives = (browser.gives + nature.uplink).min(nature.uplink + 2.0 * SPAN as f64);
    }
    let mut from_peers = 0.0;
    let mut order: Vec<_> = (0..there.len()).filter(|at| there[*at].missing > 0).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at + 1));
    }
    let mut busy = true;
    // By turns, so that nobody takes all there is to give.
    while busy {
        busy = false;
        for &at in &order {
            let connected = meet && now >= there[at].visit.start + nature.delay;
            if there[at].missing == 0 {
                continue;
            }
            let from = random.below(there[at].has.len());
            if connected
                && let Some((span, peer)) = from_a_peer(there, at, from, nature)
                && there[at].takes >= there[at].span(span)
            {
                let octets = there[at].span(span);
                there[peer].gives -= octets;
                there[peer].given += octets;
                from_peers += octets;
                take(&mut there[at], span, now);
                busy = true;
                continue;
            }
            let behind = there[at].is_behind(now, nature.slack);
            if (!connected || behind)
                && let Some(span) = from_the_site(there, at, from, connected)
                && there[at].takes >= there[at].span(span)
            {
                take(&mut there[at], span, now);
                busy = true;
            }
        }
    }
    from_peers
}

fn take(browser: &mut Browser<'_>, span: usize, now: f64) {
    let octets = browser.span(span);
    browser.has[span] = true;
    browser.missing -= 1;
    browser.takes -= octets;
    browser.received += octets;
    if browser.missing == 0 {
        browser.finished = Some(now + 1.0);
    }
}

/// A piece that somebody has, is connected, and can give.
fn from_a_peer(
    there: &[Browser<'_>],
    at: usize,
    from: usize,
    nature: &Nature,
) -> Option<(usize, usize)> {
    let me = &there[at];
    let giving: Vec<_> = (0..there.len())
        .filter(|peer| {
            let it = &there[*peer];
            *peer != at
                && it.gives >= SPAN as f64
                && it.given < 2.0 * it.received
                && connects(me.id, it.id, nature.connect)
        })
        .collect();
    let spans = me.has.len();
    (0..spans).map(|step| (from + step) % spans).filter(|span| !me.has[*span]).find_map(|span| {
        let first = hash(me.id, span as u64) as usize % giving.len().max(1);
        let mut peers = (0..giving.len()).map(|step| giving[(first + step) % giving.len()]);
        peers.find(|peer| there[*peer].has.get(span) == Some(&true)).map(|peer| (span, peer))
    })
}

/// A piece of its own by rendezvous hashing; else one that nobody has; else any.
fn from_the_site(there: &[Browser<'_>], at: usize, from: usize, connected: bool) -> Option<usize> {
    let me = &there[at];
    let spans = me.has.len();
    let missing = || (0..spans).map(|step| (from + step) % spans).filter(|span| !me.has[*span]);
    if !connected {
        // Alone, in order.
        return (0..spans).find(|span| !me.has[*span]);
    }
    let own = |span: &usize| {
        let score = |id| hash(id, *span as u64);
        there.iter().filter(|it| it.missing > 0).all(|it| score(it.id) <= score(me.id))
    };
    let nobodys = |span: &usize| there.iter().all(|it| it.has.get(*span) != Some(&true));
    missing().find(own).or_else(|| missing().find(nobodys)).or_else(|| missing().next())
}

fn connects(a: u64, b: u64, share: f64) -> bool {
    let (a, b) = (a.min(b), a.max(b));
    (hash(a, b) >> 11) as f64 / (1_u64 << 53) as f64 <= share
}

fn hash(a: u64, b: u64) -> u64 {
    Random::new(a ^ b.wrapping_mul(0xff51_afd7_ed55_8ccd)).next()
}
