use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use manyhands_experiment::{Arm, Block, Claims, Histogram, Metric, SizeClass};
use manyhands_metainfo::AssetPath;

use super::units::hash;
use super::{Assignment, Visitor};

/// Clusters that the times of a day are kept in: what varies together stays together.
const CLUSTERS: u64 = 16;
const DAY: u64 = 86_400;

/// What a browser says of one page view, read and clamped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// When its token was given, in seconds since the epoch.
    pub(crate) at: u64,
    /// Whom the token was given to.
    pub(crate) visitor: Visitor,
    pub(crate) assets: Vec<Reported>,
    /// Milliseconds.
    pub(crate) lcp: Option<f64>,
    /// Milliseconds.
    pub(crate) inp: Option<f64>,
    pub(crate) uploaded_bytes: u64,
}

/// What it says of one asset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reported {
    pub(crate) path: AssetPath,
    /// Whether this is the first word on an asset whose manifest the page had: a demand that was counted.
    pub(crate) demand: bool,
    pub(crate) length: u64,
    /// Milliseconds.
    pub(crate) first: Option<f64>,
    /// Milliseconds.
    pub(crate) done: Option<f64>,
    /// Milliseconds.
    pub(crate) stalled: f64,
    pub(crate) stalls: u64,
    pub(crate) peer_bytes: u64,
    pub(crate) origin_bytes: u64,
    pub(crate) mirror_bytes: u64,
    pub(crate) wasted_bytes: u64,
    pub(crate) fallback: Option<&'static str>,
}

/// Which histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LatencyKey {
    /// The first of its day: times are kept by the day.
    pub(super) block: Block,
    pub(super) arm: Arm,
    pub(super) metric: Metric,
    pub(super) class: SizeClass,
    /// Below [`CLUSTERS`].
    pub(super) cluster: u64,
}

/// What was claimed and is not on disk. Reports come once a page view at most, so one lock is for all.
#[derive(Debug, Default)]
pub(super) struct ClaimTable(Mutex<Claimed>);

#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) sums: HashMap<(Block, Arm), Claims>,
    pub(super) times: HashMap<LatencyKey, Histogram>,
    /// Why transfers fell back to plain HTTP.
    pub(super) fallbacks: HashMap<(Block, &'static str), u64>,
}

impl ClaimTable {
    pub(super) fn token(&self, assignment: &Assignment, visitor: &Visitor, now: u64) {
        // Of a crossover the reports that could have come are as many as assets were wanted.
        if let Some(bucket) = visitor.bucket.filter(|_| assignment.is_by_visitor()) {
            let key = (assignment.design().block(now), assignment.arm_of_bucket(bucket));
            self.lock().sums.entry(key).or_default().tokens += 1;
        }
    }

    pub(super) fn add(&self, assignment: &Assignment, report: &Report) {
        let design = assignment.design();
        if design.is_burn_in(report.at) {
            return;
        }
        let block = design.block(report.at);
        let Report { visitor, .. } = report;
        let by_visitor = assignment.is_by_visitor();
        // Those in no bucket are in no comparison, but what they give is given.
        let compared = !by_visitor || visitor.bucket.is_some();
        let of_visitor = match visitor.bucket {
            Some(bucket) => assignment.arm_of_bucket(bucket),
            None => Arm::P2p,
        };
        let day = design.block(report.at - report.at % DAY);
        let mut claimed = self.lock();
        let mut time = |metric, arm, class, cluster, milliseconds: Option<f64>| {
            if let Some(milliseconds) = milliseconds.filter(|_| compared) {
                let key = LatencyKey { block: day, arm, metric, class, cluster };
                claimed.times.entry(key).or_default().record(milliseconds);
            }
        };
        let cluster_of = |asset: Option<&AssetPath>| match (by_visitor, visitor.bucket) {
            (true, Some(bucket)) => u64::from(bucket.number()) % CLUSTERS,
            _ => asset.map_or(0, |path| hash(path.as_str()) % CLUSTERS),
        };
        time(Metric::Lcp, of_visitor, SizeClass::Page, cluster_of(None), report.lcp);
        time(Metric::Inp, of_visitor, SizeClass::Page, cluster_of(None), report.inp);
        for asset in &report.assets {
            let arm = assignment.arm(&asset.path, visitor, report.at);
            let (class, cluster) =
                (SizeClass::of_length(asset.length), cluster_of(Some(&asset.path)));
            time(Metric::FirstByte, arm, class, cluster, asset.first);
            time(Metric::Completion, arm, class, cluster, asset.done);
            let stalled = (asset.stalls > 0).then_some(asset.stalled);
            time(Metric::Stall, arm, class, cluster, stalled);
        }
        for asset in &report.assets {
            let arm = assignment.arm(&asset.path, visitor, report.at);
            claimed.sums.entry((block, arm)).or_default().add(&Claims {
                reports: u64::from(!by_visitor && asset.demand),
                peer_bytes: asset.peer_bytes,
                origin_bytes: asset.origin_bytes,
                mirror_bytes: asset.mirror_bytes,
                wasted_bytes: asset.wasted_bytes,
                stalls: asset.stalls,
                completed: u64::from(asset.done.is_some()),
                fallbacks: u64::from(asset.fallback.is_some()),
                ..Claims::default()
            });
            if let Some(reason) = asset.fallback {
                *claimed.fallbacks.entry((block, reason)).or_default() += 1;
            }
        }
        claimed.sums.entry((block, of_visitor)).or_default().add(&Claims {
            reports: u64::from(by_visitor && compared),
            uploaded_bytes: report.uploaded_bytes,
            ..Claims::default()
        });
    }

    /// Takes all there is, to write it down.
    pub(super) fn take(&self) -> Claimed {
        std::mem::take(&mut *self.lock())
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&self, unwritten: Claimed) {
        let mut claimed = self.lock();
        for (key, sums) in unwritten.sums {
            claimed.sums.entry(key).or_default().add(&sums);
        }
        for (key, times) in unwritten.times {
            claimed.times.entry(key).or_default().add(&times);
        }
        for (key, count) in unwritten.fallbacks {
            *claimed.fallbacks.entry(key).or_default() += count;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Claimed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claimed {
    pub(super) fn is_empty(&self) -> bool {
        self.sums.is_empty() && self.times.is_empty() && self.fallbacks.is_empty()
    }
}
