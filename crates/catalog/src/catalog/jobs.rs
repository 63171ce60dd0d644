use std::time::Duration;

use manyhands_metainfo::AssetPath;

use super::Catalog;
use crate::demand::Effect;
use crate::entry::{Failure, Job, JobId, Phase, Source};

/// What strangers do not get is asked for again after a day: a deployment or a firewall may have been why.
const NOT_PUBLIC: Duration = Duration::from_secs(24 * 3_600);

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

    pub(super) fn start_jobs(&mut self, now: Duration, out: &mut Vec<Effect>) {
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

    pub(super) fn deadline_of(&self, path: &AssetPath) -> Option<Duration> {
        match self.entries.get(path)?.phase {
            // An answer that passes by takes as long as its visitor does; its worker ends it when it stalls.
            Phase::Hashing { since, passing: false, .. } => Some(since + self.admission.deadline),
            _ => None,
        }
    }
}
