mod jobs;
mod tables;
mod versions;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use manyhands_metainfo::{AssetPath, Version};

use crate::admission::Admission;
use crate::budget::Budget;
use crate::demand::{Demand, Effect, Observed};
use crate::entry::{Entry, JobId, Phase, Source};
use crate::status::{AssetState, AssetStatus};

/// Every asset the site has been asked for, within bounds.
#[derive(Debug)]
pub struct Catalog {
    admission: Admission,
    entries: HashMap<AssetPath, Entry>,
    /// Cold and refused assets by last use, oldest first: what is forgotten first.
    cold: BTreeMap<u64, AssetPath>,
    /// Ready assets by last use, oldest first.
    ready: BTreeMap<u64, AssetPath>,
    queue: VecDeque<AssetPath>,
    jobs: BTreeMap<JobId, AssetPath>,
    passing: usize,
    budget: Budget,
    clock: u64,
    next_job: u64,
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
            ready: BTreeMap::new(),
            queue: VecDeque::new(),
            jobs: BTreeMap::new(),
            passing: 0,
            clock: 0,
            next_job: 0,
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
        self.meet_version(now, demand, out);
        let (requests, prefixes) = (self.admission.requests, self.admission.prefixes);
        let used = self.tick();
        let Some(entry) = self.entries.get_mut(demand.path) else {
            return Observed { state: AssetState::Cold, tee: None };
        };
        let mut hot = false;
        match &mut entry.phase {
            Phase::Cold { requests: seen, prefixes: from, wanted } => {
                *seen = seen.saturating_add(1);
                if let Some(prefix) = demand.prefix
                    && !from.contains(&prefix)
                    && from.len() < prefixes as usize
                {
                    from.push(prefix);
                }
                let wide = demand.prefix.is_none() || from.len() >= prefixes as usize;
                hot = *wanted || (*seen >= requests && wide);
                self.cold.remove(&entry.used);
                entry.used = used;
                self.cold.insert(used, demand.path.clone());
            }
            Phase::Ready { confirmed } => {
                if !std::mem::replace(confirmed, true) {
                    out.push(Effect::Show(demand.path.clone()));
                }
                self.ready.remove(&entry.used);
                entry.used = used;
                self.ready.insert(used, demand.path.clone());
            }
            Phase::Refused { until, .. } => {
                if now >= *until {
                    entry.phase = Phase::cold();
                }
            }
            Phase::Queued { .. } | Phase::Hashing { .. } => {}
        }
        let tee = if hot { self.admit(now, demand.path, &demand.source, out) } else { None };
        let state = self.state(demand.path);
        Observed { state, tee }
    }

    /// Admits an asset at once, whoever asks for it.
    pub fn preload(
        &mut self,
        now: Duration,
        path: &AssetPath,
        version: &Version,
        content_type: &str,
        source: Source,
        out: &mut Vec<Effect>,
    ) {
        let demand = Demand { path, version, content_type, prefix: None, source };
        self.meet_version(now, &demand, out);
        match self.entries.get_mut(path).map(|entry| &mut entry.phase) {
            Some(Phase::Ready { confirmed }) => {
                if !std::mem::replace(confirmed, true) {
                    out.push(Effect::Show(path.clone()));
                }
            }
            // An answer that passes by is hashed by whoever watches it pass.
            Some(phase @ Phase::Cold { .. })
                if matches!(demand.source, Source::Passing { .. } | Source::None) =>
            {
                *phase = Phase::wanted();
            }
            Some(Phase::Cold { .. }) => {
                self.admit(now, path, &demand.source, out);
            }
            Some(Phase::Queued { .. } | Phase::Hashing { .. } | Phase::Refused { .. }) | None => {}
        }
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
        let used = self.tick();
        self.ready.insert(used, path.clone());
        let phase = Phase::Ready { confirmed: false };
        let entry = Entry { phase, used, ..Entry::new(version, content_type) };
        self.entries.insert(path, entry);
        self.bound_ready(out);
    }

    /// The state of an asset, whatever its version.
    #[must_use]
    pub fn state(&self, path: &AssetPath) -> AssetState {
        self.entries.get(path).map_or(AssetState::Cold, |entry| entry.phase.state())
    }

    /// The version of a ready asset, once an answer confirmed it.
    #[must_use]
    pub fn ready_version(&self, path: &AssetPath) -> Option<&Version> {
        let entry = self.entries.get(path)?;
        matches!(entry.phase, Phase::Ready { confirmed: true }).then_some(&entry.version)
    }

    /// Ready assets, the longest unasked first.
    pub fn ready(&self) -> impl Iterator<Item = &AssetPath> {
        self.ready.values()
    }

    /// Every asset that is known, in no order.
    pub fn assets(&self) -> impl Iterator<Item = AssetStatus<'_>> {
        self.entries.iter().map(|(path, entry)| AssetStatus {
            path,
            state: entry.phase.state(),
            refusal: match entry.phase {
                Phase::Refused { why, until } => Some((why, until)),
                _ => None,
            },
        })
    }

    /// How many assets wait for a worker or are with one.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.len() + self.jobs.len()
    }
}

impl Entry {
    pub(super) fn new(version: Version, content_type: String) -> Self {
        Self {
            version,
            content_type,
            phase: Phase::cold(),
            used: 0,
            changes: 0,
            changed_at: Duration::ZERO,
            failures: 0,
        }
    }
}

#[cfg(test)]
mod tests;
