mod admit;
mod jobs;
mod lookup;
mod tables;
mod versions;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use manyhands_metainfo::{AssetPath, Version};

use self::jobs::Jobs;
use crate::admission::Admission;
use crate::budget::Budget;
use crate::demand::{Demand, Effect, Observed};
use crate::entry::{Entry, Phase, What};
use crate::job::{JobId, Source};
use crate::queue::Queue;
use crate::status::AssetState;

/// Every asset the site has been asked for, within bounds.
///
/// An asset is in one table at a time, the one of its phase. Each table is in an order of its own, so that
/// no request walks through one.
#[derive(Debug)]
pub struct Catalog {
    admission: Admission,
    entries: HashMap<AssetPath, Entry>,
    /// Not hot, the longest unasked first: what is forgotten first.
    cold: BTreeMap<u64, AssetPath>,
    /// Refused, the longest refused first.
    refused: BTreeMap<u64, AssetPath>,
    /// Those of the refused that are tried again by themselves, by when.
    retries: BTreeMap<(Duration, u64), AssetPath>,
    /// Listed by the operator and not asked for yet, in the order of the list.
    backlog: BTreeMap<u64, AssetPath>,
    queue: Queue,
    jobs: Jobs,
    /// Ready and shown, the longest unasked first.
    ready: BTreeMap<u64, AssetPath>,
    /// Ready and not shown, the longest hidden first.
    hidden: BTreeMap<u64, AssetPath>,
    budget: Budget,
    tick: u64,
}

impl Catalog {
    /// An empty catalog.
    #[must_use]
    pub fn new(admission: Admission) -> Self {
        Self {
            budget: Budget::new(admission.fetch_budget),
            admission,
            entries: HashMap::new(),
            cold: BTreeMap::new(),
            refused: BTreeMap::new(),
            retries: BTreeMap::new(),
            backlog: BTreeMap::new(),
            queue: Queue::default(),
            jobs: Jobs::default(),
            ready: BTreeMap::new(),
            hidden: BTreeMap::new(),
            tick: 0,
        }
    }

    /// Takes note of one eligible answer, admits the asset when it has become hot, and makes it stale
    /// when the answer carries another version than the one that was hashed.
    pub fn observe(
        &mut self,
        now: Duration,
        demand: &Demand<'_>,
        out: &mut Vec<Effect>,
    ) -> Observed {
        self.meet(now, demand, out);
        let tee = self.count(now, demand, out);
        self.start_jobs(now, out);
        Observed { state: self.state(demand.path), tee }
    }

    /// Admits an asset at once, whoever asks for it; returns its state.
    ///
    /// Listed files wait in a backlog of their own, which no visitor can fill, and take turns with what
    /// visitors ask for. A listed file that is asked for goes to the queue. Listing displaces nothing: past
    /// [`Admission::with_ready`] assets a file stays [`AssetState::Cold`] and is hashed once it is hot.
    pub fn preload(
        &mut self,
        now: Duration,
        path: &AssetPath,
        version: &Version,
        content_type: &str,
        source: Source,
        out: &mut Vec<Effect>,
    ) -> AssetState {
        let demand = Demand { path, version, content_type, prefix: None, source };
        self.meet(now, &demand, out);
        self.list(&demand, out);
        self.start_jobs(now, out);
        self.state(path)
    }

    /// Takes over an asset whose metainfo was found on disk at start-up. It is not served before an
    /// answer of this process carries the same version: the bytes may have changed in between.
    pub fn restore(
        &mut self,
        path: AssetPath,
        version: Version,
        content_type: String,
        out: &mut Vec<Effect>,
    ) {
        if !self.entries.contains_key(&path) {
            let what = Box::new(What { version, content_type });
            self.attach(&path, Phase::Ready { what, shown: false }, out);
        }
    }

    /// Counts an answer whose entry is there and carries the answer's version.
    fn count(
        &mut self,
        now: Duration,
        demand: &Demand<'_>,
        out: &mut Vec<Effect>,
    ) -> Option<JobId> {
        let (requests, prefixes) = (self.admission.requests, self.admission.prefixes);
        let place = self.next_place();
        let entry = self.entries.get_mut(demand.path)?;
        if !matches!(entry.phase, Phase::Ready { .. }) {
            let before = entry.rank();
            entry.interest.note(demand.prefix, prefixes);
            if let Phase::Queued { source, .. } = &entry.phase {
                entry.place = place;
                self.queue.promote(source, before, entry.rank());
            }
        }
        match &entry.phase {
            Phase::Cold { wanted } => {
                let wide = demand.prefix.is_none() || entry.interest.prefixes() >= prefixes;
                let hot = *wanted || (entry.interest.requests() >= requests && wide);
                self.cold.remove(&entry.place);
                entry.place = place;
                self.cold.insert(place, demand.path.clone());
                if hot { self.admit(now, demand, out) } else { None }
            }
            Phase::Backlog { .. } | Phase::Queued { .. } => self.admit(now, demand, out),
            Phase::Ready { .. } => {
                self.ready.remove(&entry.place);
                entry.place = place;
                self.ready.insert(place, demand.path.clone());
                None
            }
            Phase::Hashing { .. } | Phase::Refused { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
