//! What goes into an analysis: sums, no logs. All of it is additive, so that processes and days can be merged.

use serde::{Deserialize, Serialize};

use crate::{Arm, Block, Design};

/// What the server counted of one unit in one stretch of time. Octets are those of bodies after content coding,
/// as handed to the connection: of a transfer that breaks off, what was delivered and up to a send buffer more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// How often the unit was wanted, whatever came of it. Crossover: first requests for the asset's manifest,
    /// one a page view and asset; visitors: pages sent.
    pub demand: u64,
    /// Crossover: `demand` times the asset's length. Visitors: 0.
    pub demand_bytes: u64,
    /// Requests for asset bytes, whole or ranges.
    pub requests: u64,
    /// Octets of assets that the origin sent.
    pub origin_bytes: u64,
    /// Octets that exist because of this software and belong to the unit: manifests and digests; among visitors
    /// scripts, tracker messages and diagnostics, too.
    pub overhead_bytes: u64,
    /// Asset transfers that ended before their last octet.
    pub aborted: u64,
    /// Answers of status 500 and up.
    pub failed: u64,
}

impl Sums {
    /// Adds another stretch of the same unit. Saturates: a counter that is full is not a small one.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.demand, other.demand),
            (&mut self.demand_bytes, other.demand_bytes),
            (&mut self.requests, other.requests),
            (&mut self.origin_bytes, other.origin_bytes),
            (&mut self.overhead_bytes, other.overhead_bytes),
            (&mut self.aborted, other.aborted),
            (&mut self.failed, other.failed),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// A unit of the experiment with its sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// What it was assigned to.
    pub arm: Arm,
    /// When: the block of a crossover, else the first block with data.
    pub block: Block,
    /// Which asset (a number of the store's) or bucket.
    pub key: u64,
    /// Its sums, without burn-in.
    pub sums: Sums,
    /// What was known of it before: origin bytes a demand (crossover: a demanded byte) in the pre-period. `None`
    /// where it was not there.
    pub before: Option<f64>,
}

/// All octets of bodies that the server sent in a stretch of time, by what they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Pages and everything else that is no eligible asset.
    pub other_bytes: u64,
    /// Eligible assets that are not shared (yet): not hashed, or not wanted often enough.
    pub unshared_bytes: u64,
    /// Shared assets, in whatever arm, burn-in included.
    pub shared_bytes: u64,
    /// Of these, those to visitors in the arm `p2p`, burn-in included.
    pub treated_bytes: u64,
    /// Octets that exist because of this software, all of them: scripts, manifests, digests, tracker messages
    /// both ways, diagnostics.
    pub overhead_bytes: u64,
    /// Pages sent.
    pub pages: u64,
    /// Requests for assets.
    pub asset_requests: u64,
    /// Requests of programs that say they are robots, which are in no arm, and their octets (part of the above).
    pub bot_requests: u64,
    /// See `bot_requests`.
    pub bot_bytes: u64,
}

impl Traffic {
    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.other_bytes, other.other_bytes),
            (&mut self.unshared_bytes, other.unshared_bytes),
            (&mut self.shared_bytes, other.shared_bytes),
            (&mut self.treated_bytes, other.treated_bytes),
            (&mut self.overhead_bytes, other.overhead_bytes),
            (&mut self.pages, other.pages),
            (&mut self.asset_requests, other.asset_requests),
            (&mut self.bot_requests, other.bot_requests),
            (&mut self.bot_bytes, other.bot_bytes),
        ] {
            *sum = sum.saturating_add(more);
        }
    }

    /// Everything that left the server.
    #[must_use]
    pub fn egress(&self) -> u64 {
        [self.unshared_bytes, self.shared_bytes, self.overhead_bytes]
            .into_iter()
            .fold(self.other_bytes, u64::saturating_add)
    }
}

/// Traffic of five minutes: what bandwidth is billed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Five minutes, counted from the epoch.
    pub number: u64,
    /// What was sent in them.
    pub traffic: Traffic,
}

/// How the operator pays for traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingModel {
    /// The same whatever is sent: nothing is saved but room on the line.
    #[default]
    Flat,
    /// By the gigabyte (10^9 octets).
    PerGb,
    /// By the 95th percentile of five-minute means, in Mbit/s a month.
    P95,
}

/// The operator's prices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Billing {
    /// What is paid for.
    pub model: BillingModel,
    /// Price of a unit of that: a gigabyte, or a Mbit/s for a month (30 days).
    pub price: f64,
    /// How amounts are written, such as `EUR`.
    pub currency: String,
}

/// What browsers time, and claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// From an asset's request to its first octet.
    FirstByte,
    /// From an asset's request to its last octet.
    Completion,
    /// Largest contentful paint of a page.
    Lcp,
    /// Interaction to next paint of a page.
    Inp,
    /// Time a playback or download stood still.
    Stall,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 5] =
        [Self::FirstByte, Self::Completion, Self::Lcp, Self::Inp, Self::Stall];
}

/// Assets by length: times of small and large ones are not compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeClass {
    /// No asset: a page.
    Page,
    /// Below 8 MiB.
    Small,
    /// Below 64 MiB.
    Medium,
    /// Below 1 GiB.
    Large,
    /// The rest.
    Huge,
}

impl SizeClass {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Page, Self::Small, Self::Medium, Self::Large, Self::Huge];

    /// The class of an asset of so many octets.
    #[must_use]
    pub fn of_length(length: u64) -> Self {
        match length {
            0..0x80_0000 => Self::Small,
            0x80_0000..0x400_0000 => Self::Medium,
            0x400_0000..0x4000_0000 => Self::Large,
            _ => Self::Huge,
        }
    }
}

/// Times in 64 bins, four an octave: bin `i` holds times from `2^(i/4)` to `2^((i+1)/4)` milliseconds (the first
/// everything below, the last everything above: a minute and up).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram(pub [u64; Self::BINS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; Self::BINS])
    }
}

impl Histogram {
    /// How many bins.
    pub const BINS: usize = 64;

    /// The bin of a time; not a number and negative times are in the first.
    #[must_use]
    pub fn bin(milliseconds: f64) -> usize {
        // A cast from float saturates, and makes 0 of what is not a number.
        ((milliseconds.log2() * 4.0) as usize).min(Self::BINS - 1)
    }

    /// Counts one time.
    pub fn record(&mut self, milliseconds: f64) {
        if let Some(bin) = self.0.get_mut(Self::bin(milliseconds)) {
            *bin = bin.saturating_add(1);
        }
    }

    /// Adds another histogram.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }

    /// How many times it holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, bin| sum.saturating_add(*bin))
    }
}

/// Times of one cluster of units: what varies together is kept together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// The arm of its units.
    pub arm: Arm,
    /// What was timed.
    pub metric: Metric,
    /// Of which assets.
    pub class: SizeClass,
    /// Which cluster: (block, 0..64) as one number.
    pub cluster: u64,
    /// The times.
    pub times: Histogram,
}

/// What browsers say of themselves. Anybody can send anything: shown, labelled, and never part of an estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// One-time tokens that were given out: reports that could have come.
    pub tokens: u64,
    /// Reports that came.
    pub reports: u64,
    /// Octets from other visitors.
    pub peer_bytes: u64,
    /// Octets from the origin.
    pub origin_bytes: u64,
    /// Octets from mirrors.
    pub mirror_bytes: u64,
    /// Octets that came twice or were thrown away.
    pub wasted_bytes: u64,
    /// Octets given to other visitors: what visitors pay.
    pub uploaded_bytes: u64,
    /// Playbacks and downloads that stood still.
    pub stalls: u64,
    /// Assets that ended complete.
    pub completed: u64,
    /// Assets that fell back to plain HTTP in mid-transfer.
    pub fallbacks: u64,
}

impl Claims {
    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.tokens, other.tokens),
            (&mut self.reports, other.reports),
            (&mut self.peer_bytes, other.peer_bytes),
            (&mut self.origin_bytes, other.origin_bytes),
            (&mut self.mirror_bytes, other.mirror_bytes),
            (&mut self.wasted_bytes, other.wasted_bytes),
            (&mut self.uploaded_bytes, other.uploaded_bytes),
            (&mut self.stalls, other.stalls),
            (&mut self.completed, other.completed),
            (&mut self.fallbacks, other.fallbacks),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// Everything an analysis is made of.
#[derive(Debug, Clone)]
pub struct Observations {
    /// How units were assigned.
    pub design: Design,
    /// When this experiment began, in seconds since the epoch.
    pub began: u64,
    /// How many days it was planned for when it began: until then anybody may look at any time, and the
    /// anytime-valid interval is the headline; the fixed one is for that day.
    pub planned_days: u32,
    /// The period that is analysed, `from` to `until`, in seconds since the epoch. With `from` after `began`
    /// the estimate is of the period alone.
    pub from: u64,
    /// See `from`.
    pub until: u64,
    /// Crossover: one a (asset, block) that was wanted or sent bytes. Visitors: one a bucket and block, or one a
    /// bucket summed over the period, which gives the same figures and no [series](crate::Analysis::series). Several of
    /// the same unit are added up.
    pub units: Vec<Unit>,
    /// Of the arms (in the order of [`Arm::ALL`]) how many units there were, wanted or not: crossover:
    /// shared assets summed over blocks; visitors: buckets.
    pub assigned: [u64; 3],
    /// Traffic of the period in slots of five minutes, in order; slots without traffic may be left out.
    pub slots: Vec<Slot>,
    /// Times that browsers claim.
    pub latencies: Vec<Latency>,
    /// What browsers claim, by arm in the order of [`Arm::ALL`].
    pub claims: [Claims; 3],
    /// The operator's prices.
    pub billing: Billing,
    /// How many times plain HTTP's time a download may take (`[policy] slack`): what completion is judged by.
    pub slack: f64,
}
