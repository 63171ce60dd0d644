//! What the daemon is told: events, which wait here in a queue, and counts, which wait in the shared memory.

use std::collections::HashMap;
use std::path::Path;

use foldhash::quality::RandomState;
use manyhands_bridge::{self as bridge, Event, MAX_DATAGRAM, Report};
use manyhands_experiment::TrafficField;
use manyhands_page::Reason;

use crate::counters::{Counters, DrainTerms, Unit, UnitCounts};
use crate::socket::Socket;

/// Most different events that wait.
const MOST_EVENTS: usize = 512;
/// What surrounds an event in a report.
const OF_EVENT: usize = 32;
/// Units in one datagram: none is longer than 250 bytes.
const MOST_UNITS: usize = 200;
/// How many times the counters are looked at between two thorough looks.
const THOROUGH: u32 = 300;

/// What waits, and the way out.
#[derive(Debug)]
pub(crate) struct Reporter {
    socket: Socket,
    events: HashMap<Event, Waiting, RandomState>,
    /// By reason, in the order of [`Reason::ALL`].
    passed: [u64; Reason::ALL.len()],
    tagged: u64,
    asked: u64,
    looks: u32,
}

/// How often an event came, and where among others it belongs.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    times: u64,
    place: u64,
    guess: bool,
}

/// What the counts are of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Period {
    /// Milliseconds since the epoch.
    pub(crate) now: u64,
    pub(crate) experiment: u64,
    pub(crate) block: Option<u64>,
}

impl Reporter {
    pub(crate) fn new(place: &Path) -> Self {
        Self {
            socket: Socket::new(place),
            events: HashMap::default(),
            passed: [0; Reason::ALL.len()],
            tagged: 0,
            asked: 0,
            looks: 0,
        }
    }

    /// Takes note of an event, once more if it is there already.
    pub(crate) fn note(&mut self, event: Event) {
        self.put(event, false);
    }

    /// As [`Reporter::note`], for one that may be of no use to the daemon, and so gives way to any other: whoever
    /// scans a site for files that are not there makes thousands of them.
    pub(crate) fn guess(&mut self, event: Event) {
        self.put(event, true);
    }

    /// Takes note of an answer that went out as it came.
    pub(crate) fn passed(&mut self, reason: Reason) {
        self.passed[reason as usize] += 1;
    }

    /// Takes note of a page that got its tag.
    pub(crate) fn tagged(&mut self) {
        self.tagged += 1;
    }

    fn put(&mut self, event: Event, guess: bool) {
        self.asked += 1;
        let (place, is_doubt) =
            (self.asked, matches!(event, Event::Doubt { .. } | Event::Suspicion { .. }));
        if let Some(waiting) = self.events.get_mut(&event) {
            waiting.times += 1;
            // What is doubted is not to be shown before an answer that came later.
            if is_doubt {
                waiting.place = place;
            }
            return;
        }
        if self.events.len() >= MOST_EVENTS {
            let least = self.events.iter().find(|(_, waiting)| waiting.guess && !guess);
            let Some(least) = least.map(|(event, _)| event.clone()) else { return };
            self.events.remove(&least);
        }
        self.events.insert(event, Waiting { times: 1, place, guess });
    }

    /// Sends what can be sent now; the rest waits for the next time.
    pub(crate) fn send(&mut self, counters: Option<&Counters<'_>>, period: Period) {
        if !self.socket.is_open() || !self.send_events() {
            return;
        }
        if let Some(counters) = counters {
            self.send_counts(counters, period);
        }
    }

    /// `false` when something is left.
    fn send_events(&mut self) -> bool {
        // What is too long is nothing that waiting would help.
        let fits = |(event, _): &(Event, Waiting)| size(event) <= MAX_DATAGRAM / 2;
        let mut waiting: Vec<_> = self.events.drain().filter(fits).collect();
        waiting.sort_unstable_by_key(|(_, waiting)| waiting.place);
        let mut rest = waiting.into_iter().peekable();
        while rest.peek().is_some() || self.passed.iter().any(|times| *times > 0) || self.tagged > 0
        {
            let passed = Reason::ALL.iter().zip(self.passed).filter(|(_, times)| *times > 0);
            let passed = passed.map(|(reason, times)| (reason.name().to_owned(), times)).collect();
            let mut report = Report { passed, tagged: self.tagged, ..Report::default() };
            let (mut bytes, mut sent) = (report.to_json().len(), Vec::new());
            while let Some((event, waiting)) = rest.next_if(|(event, _)| {
                bytes += size(event);
                bytes <= MAX_DATAGRAM
            }) {
                report.events.push((event.clone(), waiting.times));
                sent.push((event, waiting));
            }
            if !self.socket.send(&report.to_json()) {
                self.events.extend(sent.into_iter().chain(rest));
                return false;
            }
            self.passed.fill(0);
            self.tagged = 0;
        }
        true
    }

    fn send_counts(&mut self, counters: &Counters<'_>, period: Period) {
        let Period { now, experiment, block } = period;
        self.looks += 1;
        let thorough = self.looks % THOROUGH == 1;
        let Some(mut drain) = counters.drain(DrainTerms { now, experiment, block, thorough })
        else {
            return;
        };
        let traffic = drain.traffic();
        let mut units = drain.units(MOST_UNITS);
        let mut report = Report { traffic, experiment, ..Report::default() };
        while report.traffic != [0; TrafficField::COUNT] || !units.is_empty() {
            report.units = units.iter().map(told).collect();
            if !self.socket.send(&report.to_json()) {
                drain.give_back_traffic(&report.traffic);
                drain.give_back(&units);
                return;
            }
            report.traffic = [0; TrafficField::COUNT];
            units = drain.units(MOST_UNITS);
        }
    }
}

/// What an event takes in a report, in bytes.
fn size(event: &Event) -> usize {
    serde_json::to_vec(event).map_or(MAX_DATAGRAM, |json| json.len()) + OF_EVENT
}

fn told(counts: &UnitCounts) -> bridge::UnitCounts {
    let UnitCounts { unit, block, sums } = *counts;
    let hex = |digest: [u8; 16]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let of = match unit {
        Unit::Asset(digest) => bridge::Unit::Asset(hex(digest)),
        Unit::Bucket(bucket) => bridge::Unit::Bucket(bucket.number()),
        Unit::Rest(arm) => bridge::Unit::Rest(arm.name().to_owned()),
    };
    bridge::UnitCounts { of, block, cells: sums }
}
