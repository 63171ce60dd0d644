use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What happens to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// Nothing of ours runs: the site as it was. Visitors design only.
    Untouched,
    /// Our scripts run, every byte comes from the origin. The held-out units of a crossover.
    Http,
    /// Visitors share.
    P2p,
}

impl Arm {
    /// Every arm, in the order of the weights.
    pub const ALL: [Self; 3] = [Self::Untouched, Self::Http, Self::P2p];

    /// A stable name, as in `experiment.json` and `experiment.csv`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Http => "http",
            Self::P2p => "p2p",
        }
    }

    /// The arm of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arm| arm.name() == name)
    }
}

/// The key of an assignment: another one reshuffles all units.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Vec<u8>);

impl Salt {
    /// Any bytes; servers that share visitors share these.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes: whoever has them can tell who is in which arm.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `u32be(HMAC-SHA256(salt, parts)[..4]) mod 10000`
    fn draw(&self, parts: &[&[u8]]) -> u32 {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        parts.iter().for_each(|part| mac.update(part));
        let [a, b, c, d, ..] = mac.finalize().into_bytes().0;
        u32::from_be_bytes([a, b, c, d]) % PARTS
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

/// Weights are in parts of this many.
const PARTS: u32 = 10_000;
/// Weights of the visitors design, in the order of [`Arm::ALL`]. Never half and half: in a swarm the treated
/// help one another, and a small treated group shows less than full deployment saves (simulated: 41 % at a
/// tenth, 66 % at a half, where the truth is 75.5 %).
const VISITORS: [u32; 3] = [500, 500, 9_000];

/// How units are made and assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Design {
    /// Units are (asset, block of time). No cookie, nothing stored at the visitor's.
    Crossover {
        /// Of 10,000 units so many are held out, 1 to 5,000.
        holdout: u32,
        /// Hours a block, 1 to 168; blocks are aligned to the epoch.
        hours: u32,
    },
    /// Units are 1,024 buckets of visitors, kept in a cookie that holds the bucket alone.
    Visitors {
        /// Hours a block of stored sums, as in the crossover; no part of the assignment.
        hours: u32,
    },
}

/// Why there is no such design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DesignError {
    /// Less than 1 or more than 5,000 parts of 10,000.
    #[error("{0} of 10,000 units can not be held out: 1 to 5,000 can")]
    Holdout(u32),
    /// Less than an hour, or more than a week.
    #[error("a block of {0} hours is not between 1 and 168")]
    Hours(u32),
}

/// Seconds at the start of a block that count for nothing: swarms form, and transfers of the block before end.
pub(crate) const BURN_IN: u64 = 15 * 60;

/// A stretch of time, counted from the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Block(pub u64);

/// One of 1,024 groups of visitors: ten bits, shared by a thousandth of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bucket(u16);

impl Bucket {
    /// How many there are.
    pub const COUNT: u16 = 1_024;

    /// `None` from [`Bucket::COUNT`] on.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// As a cookie's value has it: decimal, without sign, space or leading zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bucket = Self::new(text.parse().ok()?)?;
        (bucket.0.to_string() == text).then_some(bucket)
    }

    /// 0 to 1,023.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl Design {
    /// The default: a tenth held out, blocks of six hours.
    pub const DEFAULT: Self = Self::Crossover { holdout: 1_000, hours: 6 };

    /// Whether its numbers are within bounds.
    ///
    /// # Errors
    /// Which is not.
    pub fn check(self) -> Result<Self, DesignError> {
        if let Self::Crossover { holdout, .. } = self
            && !(1..=PARTS / 2).contains(&holdout)
        {
            return Err(DesignError::Holdout(holdout));
        }
        let hours = self.hours();
        if (1..=168).contains(&hours) { Ok(self) } else { Err(DesignError::Hours(hours)) }
    }

    fn hours(self) -> u32 {
        match self {
            Self::Crossover { hours, .. } | Self::Visitors { hours } => hours,
        }
    }

    /// Seconds a block.
    #[must_use]
    pub fn block_seconds(self) -> u64 {
        u64::from(self.hours()) * 3_600
    }

    /// The block of a time in seconds since the epoch.
    #[must_use]
    pub fn block(self, now: u64) -> Block {
        Block(now / self.block_seconds())
    }

    /// When a block starts, in seconds since the epoch.
    #[must_use]
    pub fn starts(self, block: Block) -> u64 {
        block.0.saturating_mul(self.block_seconds())
    }

    /// Whether what happens now counts for nothing: the first quarter of an hour of a crossover's block. A
    /// bucket has no such seam.
    #[must_use]
    pub fn is_burn_in(self, now: u64) -> bool {
        matches!(self, Self::Crossover { .. }) && now % self.block_seconds() < BURN_IN
    }

    /// When what happens next belongs elsewhere, in seconds since the epoch: at the end of the burn-in or of the
    /// block.
    #[must_use]
    pub fn next_seam(self, now: u64) -> u64 {
        let start = self.starts(self.block(now));
        start + if self.is_burn_in(now) { BURN_IN } else { self.block_seconds() }
    }

    /// The weights of the arms, in the order of [`Arm::ALL`], in parts of 10,000.
    #[must_use]
    pub fn weights(self) -> [u32; 3] {
        match self {
            Self::Crossover { holdout, .. } => [0, holdout, PARTS - holdout],
            Self::Visitors { .. } => VISITORS,
        }
    }

    /// The arm of an asset in a block of a crossover. `asset` is its key: origin and path, such as
    /// `https://example.org/a.iso`. Among visitors an asset has no arm: [`Arm::P2p`].
    #[must_use]
    pub fn arm_of_asset(self, salt: &Salt, asset: &[&[u8]], block: Block) -> Arm {
        let Self::Crossover { holdout, .. } = self else { return Arm::P2p };
        let number = block.0.to_be_bytes();
        let parts: Vec<&[u8]> = asset.iter().copied().chain([&number[..]]).collect();
        if salt.draw(&parts) < holdout { Arm::Http } else { Arm::P2p }
    }

    /// The arm of a bucket of visitors. In a crossover a bucket has none: [`Arm::P2p`].
    #[must_use]
    pub fn arm_of_bucket(self, salt: &Salt, bucket: Bucket) -> Arm {
        let Self::Visitors { .. } = self else { return Arm::P2p };
        let mut drawn = salt.draw(&[&bucket.0.to_be_bytes()]);
        for (arm, weight) in Arm::ALL.into_iter().zip(VISITORS) {
            match drawn.checked_sub(weight) {
                Some(rest) => drawn = rest,
                None => return arm,
            }
        }
        Arm::P2p
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Python's `hmac.digest(b"salt", message, "sha256")`.
    #[test]
    fn a_draw_is_the_start_of_the_mac() {
        let salt = Salt::new(*b"salt");
        let message = [&b"https://example.org"[..], b"/a.iso", &7_u64.to_be_bytes()];
        assert_eq!(salt.draw(&message), 9_839);
        assert_eq!(salt.draw(&[&message.concat()]), 9_839);
    }

    #[test]
    fn units_fall_into_arms_by_weight_and_always_into_the_same() {
        let salt = Salt::new(*b"salt");
        let design = Design::DEFAULT.check().unwrap();
        let held = (0..20_000)
            .filter(|block| design.arm_of_asset(&salt, &[b"/a"], Block(*block)) == Arm::Http)
            .count();
        assert!((1_850..2_150).contains(&held), "{held}");
        let visitors = Design::Visitors { hours: 6 };
        let count = |salt: &Salt, arm| {
            let all = (0..Bucket::COUNT).filter_map(Bucket::new);
            all.filter(|bucket| visitors.arm_of_bucket(salt, *bucket) == arm).count()
        };
        assert_eq!(Arm::ALL.map(|arm| count(&salt, arm)).iter().sum::<usize>(), 1_024);
        assert!((25..80).contains(&count(&salt, Arm::Untouched)));
        assert!((25..80).contains(&count(&salt, Arm::Http)));
        assert_eq!(count(&salt, Arm::Http), count(&salt.clone(), Arm::Http));
    }

    #[test]
    fn a_block_starts_where_the_one_before_ends_and_its_first_quarter_hour_counts_for_nothing() {
        let design = Design::DEFAULT;
        assert_eq!((design.block(21_599), design.block(21_600)), (Block(0), Block(1)));
        assert_eq!(design.starts(Block(1)), 21_600);
        for (now, burn_in) in [(21_599, false), (21_600, true), (22_499, true), (22_500, false)] {
            assert_eq!(design.is_burn_in(now), burn_in, "{now}");
            assert!(!Design::Visitors { hours: 6 }.is_burn_in(now));
        }
        let seams = [(0, 900), (899, 900), (900, 21_600), (21_599, 21_600), (21_600, 22_500)];
        for (now, seam) in seams {
            assert_eq!(design.next_seam(now), seam, "{now}");
        }
        assert_eq!(Design::Visitors { hours: 6 }.next_seam(0), 21_600);
    }

    #[test]
    fn a_bucket_is_written_in_one_way() {
        assert_eq!(Bucket::parse("0").map(Bucket::number), Some(0));
        assert_eq!(Bucket::parse("1023").map(Bucket::number), Some(1_023));
        for bad in ["", "1024", "-1", "+1", " 1", "01", "1.0", "70000"] {
            assert_eq!(Bucket::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_design_out_of_bounds_is_refused() {
        let crossover = |holdout, hours| Design::Crossover { holdout, hours }.check();
        assert_eq!(crossover(0, 6), Err(DesignError::Holdout(0)));
        assert_eq!(crossover(5_001, 6), Err(DesignError::Holdout(5_001)));
        assert_eq!(crossover(5_000, 0), Err(DesignError::Hours(0)));
        assert!(crossover(5_000, 168).is_ok());
        assert_eq!(Design::Visitors { hours: 169 }.check(), Err(DesignError::Hours(169)));
    }
}
