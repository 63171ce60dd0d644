use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use manyhands_metainfo::{AssetPath, Version};

use crate::admission::Admission;
use crate::entry::{AssetState, Entry, Failure, Job, JobId, Phase, Source};

/// Answers of one asset may differ this often within [`FLAPPING`] before it counts as somebody's own.
const MOST_CHANGES: u32 = 8;
const FLAPPING: Duration = Duration::from_secs(60);
/// What strangers do not get is asked for again after a day: a deployment or a firewall may have been why.
const NOT_PUBLIC: Duration = Duration::from_secs(24 * 3_600);

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
    clock: u64,
    next_job: u64,
}

/// An eligible answer that passes by.
#[derive(Debug)]
pub struct Demand<'a> {
    /// The asset.
    pub path: &'a AssetPath,
    /// What this answer says the bytes are.
    pub version: &'a Version,
    /// Media type, as the site sent it.
    pub content_type: &'a str,
    /// The visitor's address prefix, in any encoding that keeps prefixes apart; `None` when unknown.
    pub prefix: Option<u64>,
    /// Where the bytes can be had.
    pub source: Source,
}

/// What the catalog says of an answer that passes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// The state of the asset in the version this answer carries.
    pub state: AssetState,
    /// Set when the host should hash the body as it passes, and report the job as finished.
    pub tee: Option<JobId>,
}

/// What the catalog wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start this job.
    Hash(Job),
    /// Stop this job; its result no longer matters.
    Cancel(JobId),
    /// Metainfo of this asset must not be served any more: its bytes changed, or it was purged.
    Retire(AssetPath),
    /// Metainfo of this asset may be served from now on: an answer confirmed it.
    Show(AssetPath),
    /// Metainfo of this asset must not be served for now: an answer cast doubt on it.
    Hide(AssetPath),
}

impl Catalog {
    /// An empty catalog.
    #[must_use]
    pub fn new(admission: Admission) -> Self {
        Self {
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
            Phase::Refused { until } => {
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
                if matches!(demand.source, Source::Passing | Source::None) =>
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

    /// Ends a job. A job that was cancelled meanwhile is ignored: `false` says so, and its result must
    /// not be published.
    pub fn finished(
        &mut self,
        now: Duration,
        job: JobId,
        result: Result<(), Failure>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(path) = self.jobs.remove(&job) else { return false };
        let used = self.tick();
        let retry = self.admission.retry;
        let Some(entry) = self.entries.get_mut(&path) else { return false };
        if let Phase::Hashing { passing: true, .. } = entry.phase {
            self.passing = self.passing.saturating_sub(1);
        }
        entry.used = used;
        match result {
            Ok(()) => {
                entry.phase = Phase::Ready { confirmed: true };
                entry.failures = 0;
                out.push(Effect::Show(path.clone()));
                self.ready.insert(used, path);
                self.bound_ready(out);
            }
            Err(failure) => {
                entry.phase = match failure {
                    // It was hot a moment ago: the next answer is enough to try again.
                    Failure::Changed | Failure::Interrupted => Phase::wanted(),
                    Failure::Unreadable => {
                        entry.failures = entry.failures.saturating_add(1).min(10);
                        Phase::Refused { until: now + retry * (1 << (entry.failures - 1)) }
                    }
                    Failure::NotPublic => Phase::Refused { until: now + NOT_PUBLIC },
                };
                self.cold.insert(used, path);
                self.bound_cold();
            }
        }
        self.start_jobs(now, out);
        true
    }

    /// Takes note of an answer by which the asset is not there for everybody any more. What was hashed is
    /// kept, and served again once an eligible answer carries the same version.
    pub fn doubt(&mut self, path: &AssetPath, out: &mut Vec<Effect>) {
        if let Some(Phase::Ready { confirmed }) = self.entries.get_mut(path).map(|it| &mut it.phase)
            && std::mem::replace(confirmed, false)
        {
            out.push(Effect::Hide(path.clone()));
        }
    }

    /// Takes note that the bytes behind a ready asset are not those of `version` any more. The next answer
    /// is enough to hash the new ones.
    pub fn stale(&mut self, path: &AssetPath, version: &Version, out: &mut Vec<Effect>) {
        if self.ready_version(path) == Some(version) {
            self.detach(path, out);
            let used = self.tick();
            if let Some(entry) = self.entries.get_mut(path) {
                (entry.phase, entry.used) = (Phase::wanted(), used);
                self.cold.insert(used, path.clone());
                self.bound_cold();
            }
        }
    }

    /// Cancels the jobs that have run too long.
    pub fn on_timeout(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let late: Vec<JobId> = self
            .jobs
            .iter()
            .filter(|(_, path)| self.deadline_of(path).is_some_and(|deadline| deadline <= now))
            .map(|(job, _)| *job)
            .collect();
        for job in late {
            out.push(Effect::Cancel(job));
            self.finished(now, job, Err(Failure::Unreadable), out);
        }
    }

    /// When [`Catalog::on_timeout`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.jobs.values().filter_map(|path| self.deadline_of(path)).min()
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

    /// How many assets wait for a worker or are with one.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.len() + self.jobs.len()
    }

    fn deadline_of(&self, path: &AssetPath) -> Option<Duration> {
        match self.entries.get(path)?.phase {
            // An answer that passes by takes as long as its visitor does; its worker ends it when it stalls.
            Phase::Hashing { since, passing: false, .. } => Some(since + self.admission.deadline),
            _ => None,
        }
    }

    /// Makes sure that an entry for this path and version exists.
    fn meet_version(&mut self, now: Duration, demand: &Demand<'_>, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(demand.path) else {
            let used = self.tick();
            self.cold.insert(used, demand.path.clone());
            let entry = Entry {
                used,
                ..Entry::new(demand.version.clone(), demand.content_type.to_owned())
            };
            self.entries.insert(demand.path.clone(), entry);
            self.bound_cold();
            return;
        };
        if entry.version == *demand.version {
            return;
        }
        entry.version = demand.version.clone();
        demand.content_type.clone_into(&mut entry.content_type);
        if now.saturating_sub(entry.changed_at) > FLAPPING {
            entry.changes = 0;
        }
        entry.changed_at = now;
        entry.changes = entry.changes.saturating_add(1);
        let flapping = entry.changes >= MOST_CHANGES;
        let was = entry.phase.state();
        if matches!(was, AssetState::Ready | AssetState::Queued | AssetState::Hashing) {
            self.detach(demand.path, out);
            let used = self.tick();
            if let Some(entry) = self.entries.get_mut(demand.path) {
                // A stale asset was wanted: the next answer is enough to hash it again.
                entry.phase = if flapping {
                    Phase::Refused { until: now + FLAPPING }
                } else {
                    Phase::wanted()
                };
                entry.used = used;
                self.cold.insert(used, demand.path.clone());
                self.bound_cold();
            }
            self.start_jobs(now, out);
        }
    }

    /// Takes an asset out of whatever table its phase keeps it in.
    fn detach(&mut self, path: &AssetPath, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get(path) else { return };
        match entry.phase {
            Phase::Cold { .. } | Phase::Refused { .. } => {
                self.cold.remove(&entry.used);
            }
            Phase::Queued { .. } => self.queue.retain(|queued| queued != path),
            Phase::Hashing { job, passing, .. } => {
                self.jobs.remove(&job);
                if passing {
                    self.passing = self.passing.saturating_sub(1);
                }
                out.push(Effect::Cancel(job));
            }
            Phase::Ready { .. } => {
                self.ready.remove(&entry.used);
                out.push(Effect::Retire(path.clone()));
            }
        }
    }

    /// Queues a hot asset, or names the job that hashes the answer passing by.
    fn admit(
        &mut self,
        now: Duration,
        path: &AssetPath,
        source: &Source,
        out: &mut Vec<Effect>,
    ) -> Option<JobId> {
        let entry = self.entries.get_mut(path)?;
        match source {
            Source::None => None,
            Source::Passing => {
                if self.passing >= self.admission.passing {
                    return None;
                }
                self.cold.remove(&entry.used);
                let job = JobId(self.next_job);
                self.next_job += 1;
                entry.phase = Phase::Hashing { job, since: now, passing: true };
                self.jobs.insert(job, path.clone());
                self.passing += 1;
                Some(job)
            }
            Source::File(_) | Source::Fetch => {
                if self.queue.len() < self.admission.queue {
                    self.cold.remove(&entry.used);
                    entry.phase = Phase::Queued { source: source.clone() };
                    self.queue.push_back(path.clone());
                    self.start_jobs(now, out);
                }
                None
            }
        }
    }

    fn start_jobs(&mut self, now: Duration, out: &mut Vec<Effect>) {
        while self.jobs.len() - self.passing < self.admission.jobs {
            let Some(path) = self.queue.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&path) else { continue };
            let id = JobId(self.next_job);
            let hashing = Phase::Hashing { job: id, since: now, passing: false };
            let Phase::Queued { source } = std::mem::replace(&mut entry.phase, hashing) else {
                unreachable!(
                    "what is in the queue is queued: whoever changes its phase detaches it first"
                )
            };
            self.next_job += 1;
            self.jobs.insert(id, path.clone());
            out.push(Effect::Hash(Job {
                id,
                path,
                version: entry.version.clone(),
                content_type: entry.content_type.clone(),
                source,
            }));
        }
    }

    fn bound_cold(&mut self) {
        while self.cold.len() > self.admission.cold {
            if let Some((_, path)) = self.cold.pop_first() {
                self.entries.remove(&path);
            }
        }
    }

    fn bound_ready(&mut self, out: &mut Vec<Effect>) {
        while self.ready.len() > self.admission.ready {
            if let Some((_, path)) = self.ready.pop_first() {
                self.entries.remove(&path);
                out.push(Effect::Retire(path));
            }
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

impl Entry {
    fn new(version: Version, content_type: String) -> Self {
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
