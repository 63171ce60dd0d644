use std::time::Duration;

use manyhands_metainfo::Version;

use crate::job::{JobId, Source};
use crate::queue::Rank;
use crate::status::{AssetState, Refusal};

/// Prefixes remembered of an asset, at least: what orders the queue. 128 bytes at most.
const MOST_PREFIXES: usize = 16;
/// How often an asset may change in quick succession before its answers count as somebody's own.
const MOST_CHANGES: u32 = 8;
/// One change is forgiven after that long.
const CALM: Duration = Duration::from_secs(600);
/// How long answers that change too often are refused; doubled with each further change, ...
const FLAPPING: Duration = Duration::from_secs(60);
/// ... this often.
const MOST_DOUBLINGS: u32 = 6;

/// What is known of one asset.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) phase: Phase,
    /// Position in the table that the phase keeps it in: larger is later.
    pub(crate) place: u64,
    pub(crate) interest: Interest,
    pub(crate) unrest: Unrest,
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// How often its passing answer was given up for being slow.
    pub(crate) overstays: u32,
    /// A transfer broke off: it is fetched from where it ended rather than hashed in passing again.
    pub(crate) broke_off: bool,
    /// The operator listed it: it need not be asked for.
    pub(crate) listed: bool,
    /// The latest answer was not for everybody: what is hashed now waits for one that is.
    pub(crate) doubted: bool,
}

/// Bytes that were, are or will be hashed.
#[derive(Debug, Clone)]
pub(crate) struct What {
    pub(crate) version: Version,
    pub(crate) content_type: String,
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// `wanted`: it was hot before, or the operator listed it; one answer is enough.
    Cold {
        wanted: bool,
    },
    /// A listed file that nobody has asked for yet.
    Backlog {
        what: Box<What>,
        source: Source,
    },
    /// `line`: when it got in line; larger is later.
    Queued {
        what: Box<What>,
        source: Source,
        line: u64,
    },
    Hashing {
        what: Box<What>,
        job: JobId,
    },
    /// `shown` once an answer of this process carried the version that was hashed.
    Ready {
        what: Box<What>,
        shown: bool,
    },
    /// `again`: tried again by itself.
    Refused {
        why: Refusal,
        until: Duration,
        again: Option<Box<(What, Source)>>,
    },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Cold { wanted: false }
    }
}

impl Phase {
    pub(crate) fn state(&self) -> AssetState {
        match self {
            Self::Cold { .. } => AssetState::Cold,
            Self::Backlog { .. } | Self::Queued { .. } => AssetState::Queued,
            Self::Hashing { .. } => AssetState::Hashing,
            Self::Ready { .. } => AssetState::Ready,
            Self::Refused { .. } => AssetState::Refused,
        }
    }

    /// The bytes behind it, once somebody wanted them.
    pub(crate) fn what(&self) -> Option<&What> {
        match self {
            Self::Backlog { what, .. }
            | Self::Queued { what, .. }
            | Self::Hashing { what, .. }
            | Self::Ready { what, .. } => Some(what),
            Self::Cold { .. } | Self::Refused { .. } => None,
        }
    }
}

impl Entry {
    /// Where it stands among those that wait.
    pub(crate) fn rank(&self) -> Rank {
        Rank {
            prefixes: self.interest.prefixes(),
            requests: self.interest.requests(),
            asked: self.place,
        }
    }

    /// What worked before says nothing of other bytes.
    pub(crate) fn forgive(&mut self) {
        (self.failures, self.overstays, self.broke_off) = (0, 0, false);
    }
}

/// Who has asked for an asset.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    requests: u32,
    prefixes: Vec<u64>,
}

impl Interest {
    /// Counts a request; `wanted` is how many prefixes must be told apart.
    pub(crate) fn note(&mut self, prefix: Option<u64>, wanted: u32) {
        self.requests = self.requests.saturating_add(1);
        let room = MOST_PREFIXES.max(wanted as usize);
        if let Some(prefix) = prefix
            && self.prefixes.len() < room
            && !self.prefixes.contains(&prefix)
        {
            self.prefixes.push(prefix);
        }
    }

    pub(crate) fn requests(&self) -> u32 {
        self.requests
    }

    pub(crate) fn prefixes(&self) -> u32 {
        u32::try_from(self.prefixes.len()).unwrap_or(u32::MAX)
    }
}

/// How often an asset has changed of late: a bucket that leaks one change each ten minutes.
#[derive(Debug, Default)]
pub(crate) struct Unrest {
    level: u32,
    since: Duration,
}

impl Unrest {
    /// Counts a change; returns how long to leave the asset alone when there were too many.
    pub(crate) fn note(&mut self, now: Duration) -> Option<Duration> {
        let calm = now.saturating_sub(self.since).as_secs() / CALM.as_secs();
        let calm = u32::try_from(calm).unwrap_or(u32::MAX);
        self.level = self.level.saturating_sub(calm);
        // What is left of a period counts towards the next, unless there is nothing to forgive.
        self.since = if self.level == 0 { now } else { self.since.saturating_add(CALM * calm) };
        self.level = (self.level + 1).min(MOST_CHANGES + MOST_DOUBLINGS);
        let doublings = self.level.checked_sub(MOST_CHANGES)?;
        Some(FLAPPING * (1 << doublings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hourly_change_is_no_flapping_and_a_burst_is() {
        let mut unrest = Unrest::default();
        for hour in 0..1_000 {
            assert_eq!(unrest.note(CALM * 6 * hour), None);
        }
        let now = CALM * 6_000;
        for _ in 1..MOST_CHANGES {
            assert_eq!(unrest.note(now), None);
        }
        assert_eq!(unrest.note(now), Some(FLAPPING));
        assert_eq!(unrest.note(now + FLAPPING), Some(FLAPPING * 2));
        assert_eq!(unrest.note(now + CALM * 3), None);
    }

    #[test]
    fn refusals_grow_up_to_an_hour() {
        let mut unrest = Unrest::default();
        let longest = (0..1_000).filter_map(|_| unrest.note(Duration::ZERO)).max();
        assert_eq!(longest, Some(FLAPPING * 64));
    }

    #[test]
    fn prefixes_remembered_are_bounded() {
        let mut interest = Interest::default();
        for prefix in 0..10_000 {
            interest.note(Some(prefix % 5_000), 2);
        }
        assert_eq!((interest.requests(), interest.prefixes()), (10_000, 16));
        assert!(interest.prefixes.capacity() <= 16);
    }
}
