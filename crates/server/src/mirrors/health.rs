//! How well a mirror does, from probes alone.

use std::time::Duration;

/// Failures in a row after which a mirror is on no list, and successes in a row that bring it back.
pub(super) const STRIKES: u32 = 3;
/// What one more measurement weighs beside all before it: about ten of them are remembered.
const WEIGHT: f64 = 0.2;
/// What is kept of a sentence that says what is wrong, in characters.
const LONGEST_TROUBLE: usize = 200;
/// What a reader takes at once, in octets: latency and rate are weighed as for a file of this size.
const TYPICAL: f64 = 1_048_576.0;

/// What probes have found. A mirror begins unlisted, and its first success lists it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    /// Seconds from the request to the answer's head, of about the last ten probes.
    latency: Option<f64>,
    /// Octets a second of the body.
    rate: Option<f64>,
    failures: u32,
    /// In a row, since it was last taken off the lists.
    successes: u32,
    fallen: bool,
    listed: bool,
    /// Whether pages of this site may read its answers (CORS).
    readable: bool,
    /// When the last probe ended, in seconds since 1970.
    probed: Option<u64>,
    /// What the last failure was.
    trouble: Option<String>,
    right: u64,
}

/// One good answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(super) latency: Duration,
    pub(super) transfer: Duration,
    pub(super) octets: u64,
    pub(super) readable: bool,
}

impl Health {
    /// A unit came, and was right.
    pub(super) fn right(&mut self, now: u64, measured: Measured) {
        let Measured { latency, transfer, octets, readable } = measured;
        // A body that came with its head took no time that could be measured.
        let transfer = transfer.as_secs_f64().max(0.001);
        self.latency = Some(smoothed(self.latency, latency.as_secs_f64()));
        self.rate = Some(smoothed(self.rate, octets as f64 / transfer));
        self.readable = readable;
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        self.right = self.right.saturating_add(1);
        if !self.fallen || self.successes >= STRIKES {
            (self.listed, self.fallen) = (true, false);
        }
        self.probed = Some(now);
        self.trouble = None;
    }

    /// No answer, or none that could be judged. Whether this took it off the lists.
    pub(super) fn failed(&mut self, now: u64, trouble: String) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.successes = 0;
        let falls = self.failures >= STRIKES;
        let fell = falls && self.listed;
        if falls {
            (self.listed, self.fallen) = (false, true);
        }
        self.probed = Some(now);
        self.trouble = Some(brief(&trouble));
        fell
    }

    pub(crate) fn is_listed(&self) -> bool {
        self.listed
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    pub(crate) fn latency(&self) -> Option<Duration> {
        self.latency.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// Octets a second.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.rate.map(|rate| rate as u64)
    }

    pub(crate) fn probed(&self) -> Option<u64> {
        self.probed
    }

    /// Units that were right, since this process started.
    pub(crate) fn units(&self) -> u64 {
        self.right
    }

    /// What was wrong at the last probe.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Seconds a reader would wait, greater is worse. One that failed just now comes after all that did not.
    pub(super) fn cost(&self) -> f64 {
        let strikes = f64::from(self.failures) * 1e6;
        let transfer = self.rate.map_or(0.0, |rate| TYPICAL / rate.max(1.0));
        strikes + self.latency.unwrap_or(1e3) + transfer
    }
}

/// One line of bounded length: what a stranger's server said may be part of it.
fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_TROUBLE).collect()
}

fn smoothed(before: Option<f64>, now: f64) -> f64 {
    before.map_or(now, |before| before + WEIGHT * (now - before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(milliseconds: u64) -> Measured {
        Measured {
            latency: Duration::from_millis(milliseconds),
            transfer: Duration::from_millis(100),
            octets: 65_536,
            readable: true,
        }
    }

    #[test]
    fn three_failures_take_it_off_the_lists_and_three_successes_bring_it_back() {
        let mut health = Health::default();
        assert!(!health.is_listed());
        health.right(1, good(10));
        assert!(health.is_listed());
        assert!(!health.failed(2, "a".to_owned()) && !health.failed(3, "b".to_owned()));
        assert!(health.is_listed(), "two are none");
        health.right(4, good(10));
        assert!(!health.failed(5, "a".to_owned()) && !health.failed(6, "a".to_owned()));
        assert!(health.failed(7, "no answer".to_owned()));
        assert!(!health.is_listed());
        assert_eq!(health.trouble(), Some("no answer"));
        health.right(8, good(10));
        health.right(9, good(10));
        assert!(!health.is_listed(), "two are none");
        health.failed(10, "again".to_owned());
        for now in 11..13 {
            health.right(now, good(10));
            assert!(!health.is_listed(), "counted from the last failure");
        }
        health.right(13, good(10));
        assert!(health.is_listed());
    }

    #[test]
    fn one_that_never_answered_is_not_listed_by_its_first_answer_after_three_failures() {
        let mut health = Health::default();
        for now in 0..3 {
            assert!(!health.failed(now, "no".to_owned()), "it was on no list");
        }
        health.right(3, good(1));
        assert!(!health.is_listed());
    }

    #[test]
    fn what_is_wrong_is_one_line_that_a_mirror_can_be_told() {
        let mut health = Health::default();
        health.failed(1, format!("TLS:\r\n\u{1b}{}", "é".repeat(5_000)));
        let trouble = health.trouble().unwrap();
        assert!(trouble.starts_with("TLS:é") && trouble.chars().count() == 200);
    }

    #[test]
    fn the_faster_comes_first_and_one_in_trouble_last() {
        let (mut near, mut far, mut ill) =
            (Health::default(), Health::default(), Health::default());
        near.right(1, good(5));
        far.right(1, good(80));
        ill.right(1, good(1));
        ill.failed(2, "no".to_owned());
        assert!(near.cost() < far.cost() && far.cost() < ill.cost());
        // One slow answer is not the end.
        near.right(2, good(100));
        assert!(near.cost() < far.cost());
        assert_eq!(near.latency(), Some(Duration::from_millis(24)));
    }
}
