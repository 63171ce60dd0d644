//! The visitors of one file, as a fluid: who is there, what they want, what they could give, and so how much of
//! it comes from one another.
//!
//! Between two events (somebody joins, has all, leaves) nothing changes, so that share times demand times time
//! is what peers bring. With `n` downloading and no copy among those who stayed, one copy must still come from the
//! site and `n - 1` need not: rendezvous hashing splits the site's work among all. Who stayed with a copy saves
//! that one, too. Uplinks bound both. That nobody gives more than twice what it got needs no term: within a crowd as
//! much is given as is got.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use foldhash::fast::FixedState;

use super::assumptions::{CASES, Case, LEVELS};

/// One transfer of a browser, in seconds and octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) start: f64,
    /// How long it took, case by case: a log without durations leaves it open. 0: takes no part.
    pub(super) spans: [f64; CASES],
    pub(super) wanted: f64,
    /// Share of the file that it wanted.
    pub(super) whole: f64,
    /// Hashed, to be told from others.
    pub(super) prefix: u32,
    /// Takes part wherever more than this share of browsers does.
    pub(super) coin: f32,
}

/// All that go on or are to come, once a case.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    crowds: [Crowd; CASES],
}

impl Swarm {
    /// Somebody comes. In any order; what lies before [`Swarm::advance`] happens at once.
    pub(super) fn join(&mut self, session: &Session, cases: &[Case; CASES]) {
        for ((crowd, case), span) in self.crowds.iter_mut().zip(cases).zip(session.spans) {
            crowd.join(session, span, case);
        }
    }

    /// Lets time pass up to a moment; what peers brought, by case and level, is added to `brought`.
    pub(super) fn advance(
        &mut self,
        until: f64,
        cases: &[Case; CASES],
        brought: &mut [[f64; LEVELS]; CASES],
    ) {
        for ((crowd, case), brought) in self.crowds.iter_mut().zip(cases).zip(brought) {
            crowd.advance(until, case, brought);
        }
    }

    /// Events to come.
    pub(super) fn waiting(&self) -> usize {
        self.crowds.iter().map(|crowd| crowd.events.len()).sum()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// Is there, and not yet connected.
    Arrives,
    /// Downloads, and can give what it gets.
    Downloads,
    /// Has what it wanted.
    Finishes,
    Leaves,
}

/// Something that happens to one session. Small: a busy site has many.
#[derive(Clone, Copy, Debug)]
struct Event {
    at: f64,
    wanted: f32,
    span: f32,
    whole: f32,
    prefix: u32,
    level: u8,
    what: What,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Sums do not depend on the order of what happens at one moment.
        self.at.total_cmp(&other.at)
    }
}

/// Who is there, at one level of participation.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    prefixes: usize,
    downloading: u32,
    stayed: u32,
    /// Octets a second that are wanted.
    demand: f64,
    /// Octets that those who download could give while one second's worth is downloaded, and those who stayed.
    given_by_downloading: f64,
    given_by_stayed: f64,
    /// Copies among those who stayed.
    copies: f64,
}

impl Level {
    /// Octets a second that peers bring.
    fn rate(&self, case: &Case) -> f64 {
        if self.prefixes < case.min_prefixes.max(1) || self.downloading == 0 {
            return 0.0;
        }
        let n = f64::from(self.downloading);
        let others = self.given_by_downloading * (n - 1.0) / n + self.given_by_stayed;
        let to_be_had = 1.0 - (1.0 - self.copies).max(0.0) / n;
        let affordable = others * case.connect;
        case.efficiency * (to_be_had * self.demand).min(affordable)
    }
}

#[derive(Debug, Default)]
struct Crowd {
    now: f64,
    events: BinaryHeap<Reverse<Event>>,
    levels: [Level; LEVELS],
    /// How many of each prefix are there, by level.
    prefixes: HashMap<u32, [u32; LEVELS], FixedState>,
}

impl Crowd {
    fn join(&mut self, session: &Session, span: f64, case: &Case) {
        // In this case it does not take part.
        if span <= 0.0 {
            return;
        }
        // The levels are nested: from this one on.
        let level = case.participation.iter().position(|share| f64::from(session.coin) < *share);
        let Some(level) = level else { return };
        let start = session.start.max(self.now);
        // A copy that came too fast for peers can still be given on.
        let staying = span <= case.delay;
        if staying && case.tail == 0.0 {
            return;
        }
        self.events.push(Reverse(Event {
            at: start,
            wanted: session.wanted as f32,
            span: span as f32,
            whole: session.whole as f32,
            prefix: session.prefix,
            // There are three.
            level: level as u8,
            what: What::Arrives,
        }));
    }

    fn advance(&mut self, until: f64, case: &Case, brought: &mut [f64; LEVELS]) {
        while let Some(Reverse(event)) = self.events.peek().copied() {
            if event.at > until {
                break;
            }
            self.events.pop();
            self.pass(event.at, case, brought);
            self.happen(event, case);
        }
        if self.events.is_empty() {
            // Nobody is there: what rounding left goes, and so does the memory.
            self.levels = [Level::default(); LEVELS];
            self.prefixes = HashMap::default();
        }
        if until.is_finite() {
            self.pass(until, case, brought);
        }
    }

    fn pass(&mut self, until: f64, case: &Case, brought: &mut [f64; LEVELS]) {
        let time = until - self.now;
        if time > 0.0 {
            for (level, brought) in self.levels.iter().zip(brought) {
                *brought += level.rate(case) * time;
            }
            self.now = until;
        }
    }

    fn happen(&mut self, event: Event, case: &Case) {
        let (wanted, span) = (f64::from(event.wanted), f64::from(event.span));
        let (demand, whole) = (wanted / span.max(1e-3), f64::from(event.whole));
        // Slack makes a download longer, and so there is more time to give; connecting takes none of what it adds.
        let stretch = (case.slack * span - case.delay) / (span - case.delay).max(1e-3);
        let gives_meanwhile = case.uplink * stretch;
        let gives_then = case.uplink * case.slack;
        let next = |after: f64, what| Reverse(Event { at: event.at + after, what, ..event });
        match event.what {
            What::Arrives => {
                self.count(event, true);
                match span > case.delay {
                    true => self.events.push(next(case.delay, What::Downloads)),
                    false => self.events.push(next(span, What::Finishes)),
                }
            }
            What::Downloads => {
                for level in &mut self.levels[usize::from(event.level)..] {
                    level.downloading += 1;
                    level.demand += demand;
                    level.given_by_downloading += gives_meanwhile;
                }
                self.events.push(next(span - case.delay, What::Finishes));
            }
            What::Finishes => {
                for level in &mut self.levels[usize::from(event.level)..] {
                    if span > case.delay {
                        level.downloading -= 1;
                        level.demand -= demand;
                        level.given_by_downloading -= gives_meanwhile;
                    }
                    level.stayed += 1;
                    level.given_by_stayed += gives_then;
                    level.copies += whole;
                    level.without_rounding();
                }
                match case.tail > 0.0 {
                    true => self.events.push(next(case.tail, What::Leaves)),
                    false => self.happen(Event { what: What::Leaves, ..event }, case),
                }
            }
            What::Leaves => {
                self.count(event, false);
                for level in &mut self.levels[usize::from(event.level)..] {
                    level.stayed -= 1;
                    level.given_by_stayed -= gives_then;
                    level.copies -= whole;
                    level.without_rounding();
                }
            }
        }
    }

    fn count(&mut self, event: Event, comes: bool) {
        let there = self.prefixes.entry(event.prefix).or_default();
        for (there, level) in there.iter_mut().zip(&mut self.levels).skip(event.level.into()) {
            if comes {
                *there += 1;
                level.prefixes += usize::from(*there == 1);
            } else {
                *there -= 1;
                level.prefixes -= usize::from(*there == 0);
            }
        }
        if *there == [0; LEVELS] {
            self.prefixes.remove(&event.prefix);
        }
    }
}

impl Level {
    /// Sums of nobody are nothing.
    fn without_rounding(&mut self) {
        if self.downloading == 0 {
            (self.demand, self.given_by_downloading) = (0.0, 0.0);
        }
        if self.stayed == 0 {
            (self.given_by_stayed, self.copies) = (0.0, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::assumptions::{Assumptions, Range};
    use super::*;

    /// Nothing is lost, uplinks are wide, two suffice.
    fn ideal() -> Assumptions {
        Assumptions {
            uplink: Range::same(1e9),
            upload_limit: 1e9,
            connect: Range::same(1.0),
            efficiency: Range::same(1.0),
            delay: Range::same(0.0),
            tail: Range::same(0.0),
            slack: Range::same(1.0),
            min_prefixes: 2,
            spread: Range::same(1.0),
            ..Assumptions::default()
        }
    }

    /// Starts and levels of visitors who want 100 octets in 10 s, each from a prefix of its own; what peers
    /// brought in the likely case.
    fn brought(assumptions: &Assumptions, visitors: &[(f64, u8)]) -> [f64; LEVELS] {
        let (cases, mut swarm) = (assumptions.cases(), Swarm::default());
        let mut brought = [[0.0; LEVELS]; CASES];
        for (prefix, (start, level)) in (0..).zip(visitors) {
            let session = Session {
                start: *start,
                spans: [10.0; CASES],
                wanted: 100.0,
                whole: 1.0,
                prefix,
                coin: [0.1, 0.5, 0.9][usize::from(*level)],
            };
            swarm.join(&session, &cases);
        }
        swarm.advance(f64::INFINITY, &cases, &mut brought);
        assert_eq!(swarm.waiting(), 0);
        brought[1]
    }

    #[track_caller]
    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
    }

    #[test]
    fn who_is_alone_gets_nothing() {
        assert_eq!(brought(&ideal(), &[(0.0, 0)]), [0.0; LEVELS]);
        assert_eq!(brought(&ideal(), &[(0.0, 0), (10.0, 0), (25.0, 0)]), [0.0; LEVELS]);
    }

    #[test]
    fn many_at_once_need_one_copy() {
        for n in [2, 3, 10, 100] {
            near(brought(&ideal(), &vec![(5.0, 0); n])[0], 100.0 * (n as f64 - 1.0));
        }
    }

    #[test]
    fn an_overlap_of_half_a_download_saves_half_a_copy() {
        near(brought(&ideal(), &[(0.0, 0), (5.0, 0)])[0], 50.0);
    }

    #[test]
    fn who_stays_with_a_copy_gives_all_of_it() {
        let stays = Assumptions { tail: Range::same(60.0), ..ideal() };
        near(brought(&stays, &[(0.0, 0), (20.0, 0)])[0], 100.0);
        near(brought(&stays, &[(0.0, 0), (70.0, 0)])[0], 0.0);
        // Half of it while the first is still there.
        near(brought(&stays, &[(0.0, 0), (65.0, 0)])[0], 50.0);
    }

    #[test]
    fn below_the_floor_of_prefixes_nobody_meets() {
        let floor = Assumptions { min_prefixes: 10, ..ideal() };
        near(brought(&floor, &[(0.0, 0); 9])[0], 0.0);
        near(brought(&floor, &[(0.0, 0); 10])[0], 900.0);
    }

    #[test]
    fn levels_are_nested() {
        let found = brought(&ideal(), &[(0.0, 0), (0.0, 0), (0.0, 1), (0.0, 2)]);
        for (found, expected) in found.into_iter().zip([100.0, 200.0, 300.0]) {
            near(found, expected);
        }
    }

    #[test]
    fn uplinks_bound_what_is_given_and_slack_stretches_it() {
        // Four who want 10 octets a second and can give 2: each gets 2 from the others' 2 x 3 / 4 x 4 / 4.
        let narrow = Assumptions { uplink: Range::same(16.0), ..ideal() };
        near(brought(&narrow, &[(0.0, 0); 4])[0], 60.0);
        let slack = Assumptions { slack: Range::same(1.5), ..narrow };
        near(brought(&slack, &[(0.0, 0); 4])[0], 90.0);
    }

    #[test]
    fn connecting_takes_its_time() {
        let slow = Assumptions { delay: Range::same(4.0), ..ideal() };
        near(brought(&slow, &[(0.0, 0), (0.0, 0)])[0], 60.0);
        let too_slow = Assumptions { delay: Range::same(11.0), ..ideal() };
        near(brought(&too_slow, &[(0.0, 0), (0.0, 0)])[0], 0.0);
    }

    proptest::proptest! {
        /// Whoever comes when: never more than all but one copy a download, and no order matters.
        #[test]
        fn no_crowd_saves_more_than_it_wants(
            mut visitors in proptest::collection::vec((0.0..100.0_f64, 0..3_u8), 1..40),
        ) {
            let assumptions = Assumptions { tail: Range::same(20.0), ..ideal() };
            let found = brought(&assumptions, &visitors);
            for (level, found) in found.into_iter().enumerate() {
                let there = visitors.iter().filter(|it| usize::from(it.1) <= level).count();
                let most = 100.0 * (there.max(1) as f64 - 1.0) + 1e-3;
                proptest::prop_assert!((0.0..=most).contains(&found), "{found} of {there}");
            }
            visitors.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (a, b) in brought(&assumptions, &visitors).into_iter().zip(found) {
                proptest::prop_assert!((a - b).abs() < 1e-2);
            }
        }
    }
}
