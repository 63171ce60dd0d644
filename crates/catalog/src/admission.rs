use std::time::Duration;

use crate::job::Source;

/// Bytes a second by which the length of an asset adds to the time its job may take: disks and
/// connections are faster.
const RATE: u64 = 4 << 20;
/// The same where a visitor's download is all there is.
const VISITOR_RATE: u64 = 256 << 10;

/// When an asset is worth hashing, and how much of that may be under way at once.
///
/// Every bound has a default; none of them depends on what visitors send. The reasons are in the crate's
/// documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    pub(crate) requests: u32,
    pub(crate) prefixes: u32,
    pub(crate) queue: usize,
    pub(crate) cold: usize,
    pub(crate) ready: usize,
    pub(crate) jobs: usize,
    pub(crate) passing: usize,
    pub(crate) deadline: Duration,
    pub(crate) retry: Duration,
    pub(crate) resume: Duration,
    pub(crate) refused: usize,
    pub(crate) fetch_budget: u64,
}

impl Admission {
    /// Requests for an asset before it is hot. Default 3: one visitor's reload is no demand.
    #[must_use]
    pub fn with_requests(mut self, requests: u32) -> Self {
        self.requests = requests.max(1);
        self
    }

    /// Address prefixes (IPv4 /24, IPv6 /48) those requests must come from. Default 2, so that one
    /// network can't fill the queue. A visitor whose address is unknown counts for any prefix.
    #[must_use]
    pub fn with_prefixes(mut self, prefixes: u32) -> Self {
        self.prefixes = prefixes;
        self
    }

    /// Hot assets that may wait for a hash worker. Default 1,000; past it the least wanted goes.
    #[must_use]
    pub fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue.max(1);
        self
    }

    /// Cold assets remembered. Default 10,000 (some 4 MB); past it the longest unasked is forgotten.
    #[must_use]
    pub fn with_cold(mut self, cold: usize) -> Self {
        self.cold = cold.max(1);
        self
    }

    /// Ready assets remembered. Default 100,000; past it the longest unasked is retired.
    #[must_use]
    pub fn with_ready(mut self, ready: usize) -> Self {
        self.ready = ready.max(1);
        self
    }

    /// Files and fetches hashed at once. Default 1: hashing yields to visitors.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// Answers hashed at once while they pass by. Default 8: each costs the time of hashing what its
    /// visitor downloads anyway.
    #[must_use]
    pub fn with_passing(mut self, passing: usize) -> Self {
        self.passing = passing;
        self
    }

    /// Time a job may take, to which the asset's length adds a second for each 4 MiB. Default an hour.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.max(Duration::from_secs(1));
        self
    }

    /// Pause after a failure, doubled with each further one up to 512 times. Default a minute.
    #[must_use]
    pub fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = retry;
        self
    }

    /// Pause after a transfer that broke off and had brought something. Default a second.
    #[must_use]
    pub fn with_resume(mut self, resume: Duration) -> Self {
        self.resume = resume;
        self
    }

    /// Refused assets remembered. Default 10,000; past it the longest refused is forgotten.
    #[must_use]
    pub fn with_refused(mut self, refused: usize) -> Self {
        self.refused = refused.max(1);
        self
    }

    /// Bytes an hour that may be fetched from the site to be hashed. Default 64 GiB; 0 sets no bound. An
    /// hour's worth may come at once; an asset larger than that is fetched when nothing was for an hour.
    #[must_use]
    pub fn with_fetch_budget(mut self, bytes: u64) -> Self {
        self.fetch_budget = bytes;
        self
    }
}

impl Admission {
    /// When a job that starts now is given up.
    pub(crate) fn deadline_of(&self, now: Duration, source: &Source, length: u64) -> Duration {
        let rate = match source {
            Source::Passing { fetch: false } => VISITOR_RATE,
            Source::Passing { fetch: true } | Source::Fetch | Source::File(_) | Source::None => {
                RATE
            }
        };
        let time = self.deadline.saturating_add(Duration::from_secs(length / rate));
        now.saturating_add(time)
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            requests: 3,
            prefixes: 2,
            queue: 1_000,
            cold: 10_000,
            ready: 100_000,
            jobs: 1,
            passing: 8,
            deadline: Duration::from_secs(3_600),
            retry: Duration::from_secs(60),
            resume: Duration::from_secs(1),
            refused: 10_000,
            fetch_budget: 64 << 30,
        }
    }
}
