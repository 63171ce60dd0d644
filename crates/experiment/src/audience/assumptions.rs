//! What the replay takes for granted, each with a low, a likely and a high value.

use serde::Serialize;

/// How many values each assumption has: low, likely, high.
pub(super) const CASES: usize = 3;
/// Shares of browsers that take part.
pub(super) const LEVELS: usize = 3;

/// One assumption: what makes the saving small, what is expected, what makes it great.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    /// Makes the saving small.
    pub low: f64,
    /// Expected.
    pub likely: f64,
    /// Makes the saving great.
    pub high: f64,
}

impl Range {
    /// A range.
    #[must_use]
    pub const fn new(low: f64, likely: f64, high: f64) -> Self {
        Self { low, likely, high }
    }

    /// The same in all cases.
    #[must_use]
    pub const fn same(value: f64) -> Self {
        Self::new(value, value, value)
    }

    pub(super) fn each(self) -> [f64; CASES] {
        [self.low, self.likely, self.high]
    }
}

/// What the model takes for granted. `Default` is documented value by value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assumptions {
    /// Shares of browsers that take part. Default 0.3, 0.6 and 1: nobody knows before asking, so all three are
    /// worked out.
    pub participation: [f64; LEVELS],
    /// Times that share: who takes part is chance, and not the same for every file. Default 0.9, 1 and 1.1.
    pub spread: Range,
    /// What a browser gives, in bits a second. Default 5, 10 and 20 Mbit/s: upstream of home lines.
    pub uplink: Range,
    /// Most it may give whatever the line, in bits a second (`[upload] rate`). Default 10 Mbit/s.
    pub upload_limit: f64,
    /// What a download goes by where the log does not say how long it took, in bits a second. Default 50, 20 and
    /// 10 Mbit/s: the slower, the more visitors are there at once.
    pub downlink: Range,
    /// Share of uplinks that can be used, because not every pair can connect. Default 0.5, 0.75 and 1: home routers
    /// and firewalls; not measured by this project. In a crowd there is always somebody who can be reached.
    pub connect: Range,
    /// Share of what peers could bring that they do bring. Default 0.6, 0.85 and 1. Measured in a laboratory:
    /// 0.93 for three who start at once, 0.92 and 0.98 for one after another, 0.72 for video over a line that is
    /// too narrow for it.
    pub efficiency: Range,
    /// Seconds from the request until the first piece from a peer. Default 10, 3 and 1.
    pub delay: Range,
    /// Seconds for which a visitor stays and gives after a transfer. Default 0, 60 and 600.
    pub tail: Range,
    /// How many times plain HTTP's time a download may take (`[policy] slack`). Default 1, 1.25 and 1.25.
    pub slack: Range,
    /// Address prefixes without which nobody meets anybody (`[swarm] min_prefixes`). Default 10.
    pub min_prefixes: usize,
    /// Requests before a file is shared (`[admission] requests`). Default 3.
    pub admission_requests: u32,
    /// Address prefixes they come from (`[admission] prefixes`). Default 2.
    pub admission_prefixes: u32,
    /// Seconds from then until it is hashed. Default 120, 30 and 0.
    pub hashing: Range,
    /// Silence, in seconds, after which a visitor's next request of the same file is another transfer. Default 30.
    pub gap: f64,
    /// Octets of scripts, manifests and signalling for each transfer that takes part. Default 40,000: the most that
    /// was measured for one visitor.
    pub overhead: u64,
    /// Choose who takes part: the same log and seed give the same answer. Default 0.
    pub seed: u64,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            participation: [0.3, 0.6, 1.0],
            spread: Range::new(0.9, 1.0, 1.1),
            uplink: Range::new(5e6, 10e6, 20e6),
            upload_limit: 10e6,
            downlink: Range::new(50e6, 20e6, 10e6),
            connect: Range::new(0.5, 0.75, 1.0),
            efficiency: Range::new(0.6, 0.85, 1.0),
            delay: Range::new(10.0, 3.0, 1.0),
            tail: Range::new(0.0, 60.0, 600.0),
            slack: Range::new(1.0, 1.25, 1.25),
            min_prefixes: 10,
            admission_requests: 3,
            admission_prefixes: 2,
            hashing: Range::new(120.0, 30.0, 0.0),
            gap: 30.0,
            overhead: 40_000,
            seed: 0,
        }
    }
}

/// The assumptions of one case, in octets and seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Shares of browsers that take part.
    pub(super) participation: [f64; LEVELS],
    /// Octets a second.
    pub(super) uplink: f64,
    /// Octets a second.
    pub(super) downlink: f64,
    pub(super) connect: f64,
    pub(super) efficiency: f64,
    pub(super) delay: f64,
    pub(super) tail: f64,
    pub(super) slack: f64,
    pub(super) hashing: f64,
    pub(super) min_prefixes: usize,
}

impl Assumptions {
    pub(super) fn cases(&self) -> [Case; CASES] {
        std::array::from_fn(|case| Case {
            participation: self.participation.map(|it| (it * self.spread.each()[case]).min(1.0)),
            uplink: self.uplink.each()[case].min(self.upload_limit) / 8.0,
            downlink: self.downlink.each()[case] / 8.0,
            connect: self.connect.each()[case],
            efficiency: self.efficiency.each()[case],
            delay: self.delay.each()[case],
            tail: self.tail.each()[case],
            slack: self.slack.each()[case],
            hashing: self.hashing.each()[case],
            min_prefixes: self.min_prefixes,
        })
    }
}
