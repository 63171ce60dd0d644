use std::time::Duration;

use manyhands_metainfo::AssetPath;

use super::Catalog;
use crate::demand::Effect;
use crate::entry::{Failure, Job, JobId, Phase, Source};
use crate::status::Refusal;

/// What strangers do not get is asked for again after a day: a deployment or a firewall may have been why.
const NOT_PUBLIC: Duration = Duration::from_secs(24 * 3_600);
/// Bytes a second by which the length of an asset adds to the time its job may take.
const PACE: u64 = 4 << 20;

impl Catalog {
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
                    Failure::Changed | Failure::Dropped { .. } => Phase::wanted(),
                    Failure::Unreadable => {
                        entry.failures = entry.failures.saturating_add(1).min(10);
                        Phase::Refused {
                            why: Refusal::Unreadable,
                            until: now + retry * (1 << (entry.failures - 1)),
                        }
                    }
                    Failure::NotPublic => {
                        Phase::Refused { why: Refusal::NotPublic, until: now + NOT_PUBLIC }
                    }
                };
                self.cold.insert(used, path);
                self.bound_cold();
            }
        }
        self.start_jobs(now, out);
        true
    }

    /// Returns to the budget for fetches what a job that is about to end need not read, such as the part
    /// that an earlier one had brought. Never more than the job was charged.
    pub fn unread(&mut self, job: JobId, bytes: u64) {
        let entry = self.jobs.get(&job).and_then(|path| self.entries.get_mut(path));
        if let Some(Phase::Hashing { charged, .. }) = entry.map(|entry| &mut entry.phase) {
            let unread = bytes.min(*charged);
            *charged -= unread;
            self.budget.give_back(unread);
        }
    }

    /// Cancels the jobs that have run too long, and starts those that waited for the budget.
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
        self.start_jobs(now, out);
    }

    /// When [`Catalog::on_timeout`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let jobs = self.jobs.values().filter_map(|path| self.deadline_of(path)).min();
        let idle = self.jobs.len() - self.passing < self.admission.jobs;
        let next = self.queue.front().filter(|_| idle).and_then(|path| self.fetch_bytes(path));
        jobs.into_iter().chain(next.map(|bytes| self.budget.available(bytes))).min()
    }

    /// Queues a hot asset, or names the job that hashes the answer passing by.
    pub(super) fn admit(
        &mut self,
        now: Duration,
        path: &AssetPath,
        source: &Source,
        out: &mut Vec<Effect>,
    ) -> Option<JobId> {
        let entry = self.entries.get_mut(path)?;
        match source {
            Source::None => None,
            Source::Passing { .. } if self.passing < self.admission.passing => {
                self.cold.remove(&entry.used);
                let job = JobId(self.next_job);
                self.next_job += 1;
                entry.phase = Phase::Hashing { job, since: now, passing: true, charged: 0 };
                self.jobs.insert(job, path.clone());
                self.passing += 1;
                Some(job)
            }
            Source::Passing { fetch: false } => None,
            Source::File(_) | Source::Fetch | Source::Passing { fetch: true } => {
                let source = match source {
                    Source::Passing { .. } => Source::Fetch,
                    _ => source.clone(),
                };
                if self.queue.len() < self.admission.queue {
                    self.cold.remove(&entry.used);
                    entry.phase = Phase::Queued { source };
                    self.queue.push_back(path.clone());
                    self.start_jobs(now, out);
                }
                None
            }
        }
    }

    pub(super) fn start_jobs(&mut self, now: Duration, out: &mut Vec<Effect>) {
        while self.jobs.len() - self.passing < self.admission.jobs {
            let Some(path) = self.queue.front() else { return };
            let waits = self.fetch_bytes(path).map(|bytes| self.budget.available(bytes));
            if waits.is_some_and(|until| until > now) {
                return;
            }
            let Some(path) = self.queue.pop_front() else { return };
            let charged = self.fetch_bytes(&path).unwrap_or_default();
            self.budget.take(now, charged);
            let Some(entry) = self.entries.get_mut(&path) else { continue };
            let id = JobId(self.next_job);
            let hashing = Phase::Hashing { job: id, since: now, passing: false, charged };
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
                bytes: entry.version.length,
            }));
        }
    }

    /// What a queued asset takes out of the budget for fetches.
    fn fetch_bytes(&self, path: &AssetPath) -> Option<u64> {
        let entry = self.entries.get(path)?;
        matches!(entry.phase, Phase::Queued { source: Source::Fetch })
            .then_some(entry.version.length)
    }

    pub(super) fn deadline_of(&self, path: &AssetPath) -> Option<Duration> {
        let entry = self.entries.get(path)?;
        match entry.phase {
            // An answer that passes by takes as long as its visitor does; its worker ends it when it stalls.
            Phase::Hashing { since, passing: false, .. } => {
                let pace = Duration::from_secs(entry.version.length / PACE);
                Some(since.saturating_add(self.admission.deadline).saturating_add(pace))
            }
            _ => None,
        }
    }
}
