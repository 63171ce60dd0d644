use std::collections::BTreeMap;
use std::time::Duration;

use manyhands_metainfo::AssetPath;

use super::Catalog;
use crate::demand::Effect;
use crate::entry::{Phase, What};
use crate::job::{Failure, Job, JobId, Source};
use crate::status::Refusal;

/// What strangers do not get is asked for again after a day: a deployment or a firewall may have been why.
const NOT_PUBLIC: Duration = Duration::from_secs(24 * 3_600);
/// The pause after a failure doubles this often: a minute grows to eight and a half hours.
const MOST_DOUBLINGS: u32 = 9;
/// What nobody asks for is not tried again by itself more often than that without a success.
const MOST_RETRIES: u32 = 6;
/// A visitor whose download is hashed as it passes is in nobody's way at this many bytes a second.
const FAIR_RATE: u64 = 1 << 20;
const FAIR_START: Duration = Duration::from_secs(60);

/// The jobs that are under way: a handful.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    running: BTreeMap<JobId, Running>,
    passing: usize,
    next: u64,
    /// Whose turn it is to start; see [`Catalog::next_waiting`].
    turn: usize,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) path: AssetPath,
    pub(super) source: Source,
    /// When it is cancelled.
    pub(super) deadline: Duration,
    /// Until when an answer that passes by may keep others waiting.
    pub(super) fair: Duration,
    /// Bytes taken out of the budget for fetches.
    pub(super) charged: u64,
}

impl Jobs {
    pub(super) fn start(&mut self, running: Running) -> JobId {
        self.passing += usize::from(running.is_passing());
        let id = JobId(self.next);
        self.next += 1;
        self.running.insert(id, running);
        id
    }

    pub(super) fn remove(&mut self, job: JobId) -> Option<Running> {
        let running = self.running.remove(&job)?;
        self.passing -= usize::from(running.is_passing());
        Some(running)
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn passing(&self) -> usize {
        self.passing
    }

    /// The passing answer that has kept others waiting for longer than is fair.
    pub(super) fn overstayed(&self, now: Duration) -> Option<JobId> {
        let passing = self.running.iter().filter(|(_, running)| running.is_passing());
        let (job, running) = passing.min_by_key(|(_, running)| running.fair)?;
        (running.fair <= now).then_some(*job)
    }

    /// A job whose time is up.
    fn late(&self, now: Duration) -> Option<JobId> {
        let mut late = self.running.iter().filter(|(_, running)| running.deadline <= now);
        late.next().map(|(job, _)| *job)
    }
}

impl Running {
    fn is_passing(&self) -> bool {
        matches!(self.source, Source::Passing { .. })
    }
}

/// How long an answer of that length may pass by before it has to make room for others. One that was
/// sent away comes back with twice the time: where all visitors are slow it gets through at last.
pub(super) fn fair(length: u64, overstays: u32) -> Duration {
    let once = FAIR_START.saturating_add(Duration::from_secs(length / FAIR_RATE));
    once.saturating_mul(1 << overstays.min(6))
}

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
        let Some(running) = self.jobs.remove(job) else { return false };
        let path = running.path;
        let Some(entry) = self.entries.get_mut(&path) else { return false };
        // It is in no table from here on.
        let Phase::Hashing { what, .. } = std::mem::take(&mut entry.phase) else { return false };
        match result {
            Ok(()) => {
                entry.forgive();
                let shown = !entry.doubted;
                if shown {
                    out.push(Effect::Show(path.clone()));
                }
                self.attach(&path, Phase::Ready { what, shown }, out);
            }
            Err(Failure::Changed) => self.changed(now, &path, out),
            Err(Failure::Dropped { progress }) => {
                self.dropped(now, &path, what, running.source, progress, out);
            }
            Err(Failure::Unreadable) => {
                // Nobody might ask for a listed file again.
                let again = entry.listed && matches!(running.source, Source::File(_));
                let again = again.then(|| Box::new((*what, running.source)));
                self.back_off(now, &path, again, out);
            }
            Err(Failure::NotPublic) => {
                let until = now.saturating_add(NOT_PUBLIC);
                let phase = Phase::Refused { why: Refusal::NotPublic, until, again: None };
                self.attach(&path, phase, out);
            }
        }
        self.start_jobs(now, out);
        true
    }

    /// Returns to the budget for fetches what a job that is about to end need not read, such as the part
    /// that an earlier one had brought. Never more than the job was charged.
    pub fn unread(&mut self, job: JobId, bytes: u64) {
        if let Some(running) = self.jobs.running.get_mut(&job) {
            let unread = bytes.min(running.charged);
            running.charged -= unread;
            self.budget.give_back(unread);
        }
    }

    /// Cancels the jobs that have run too long, tries again what is due, and starts what waited for the
    /// budget.
    pub fn on_timeout(&mut self, now: Duration, out: &mut Vec<Effect>) {
        while let Some(job) = self.jobs.late(now) {
            out.push(Effect::Cancel(job));
            self.finished(now, job, Err(Failure::Dropped { progress: false }), out);
        }
        while let Some((&(until, _), path)) = self.retries.first_key_value()
            && until <= now
        {
            let path = path.clone();
            self.retry(&path, out);
        }
        self.start_jobs(now, out);
    }

    /// When [`Catalog::on_timeout`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let jobs = self.jobs.running.values().map(|running| running.deadline).min();
        let retry = self.retries.first_key_value().map(|((until, _), _)| *until);
        let idle = self.jobs.len() - self.jobs.passing < self.admission.jobs;
        let fetch = self.queue.fetch().filter(|_| idle).map(|path| self.affordable(path));
        [jobs, retry, fetch].into_iter().flatten().min()
    }

    /// Sends an answer away that passes by too slowly.
    pub(super) fn give_up_passing(&mut self, now: Duration, job: JobId, out: &mut Vec<Effect>) {
        let running = self.jobs.running.get(&job);
        let entry = running.and_then(|running| self.entries.get_mut(&running.path));
        if let Some(entry) = entry {
            entry.overstays = entry.overstays.saturating_add(1);
            out.push(Effect::Cancel(job));
            self.finished(now, job, Err(Failure::Dropped { progress: false }), out);
        }
    }

    /// Starts what waits, as long as there are workers.
    pub(super) fn start_jobs(&mut self, now: Duration, out: &mut Vec<Effect>) {
        while self.jobs.len() - self.jobs.passing < self.admission.jobs {
            let Some(path) = self.next_waiting(now) else { return };
            let phase = self.detach(&path, out);
            let Some(Phase::Queued { what, source, .. } | Phase::Backlog { what, source }) = phase
            else {
                unreachable!("what is in the queue or the backlog is in that phase")
            };
            let length = what.version.length;
            let charged = if source == Source::Fetch { length } else { 0 };
            self.budget.take(now, charged);
            let id = self.jobs.start(Running {
                path: path.clone(),
                source: source.clone(),
                deadline: self.admission.deadline_of(now, &source, length),
                fair: Duration::MAX,
                charged,
            });
            out.push(Effect::Hash(Job {
                id,
                path: path.clone(),
                version: what.version.clone(),
                content_type: what.content_type.clone(),
                source,
                bytes: length,
            }));
            self.attach(&path, Phase::Hashing { what, job: id }, out);
        }
    }

    /// Files that visitors want, fetches that visitors want, and files of the operator's list take turns:
    /// however much there is of one, the others get on.
    fn next_waiting(&mut self, now: Duration) -> Option<AssetPath> {
        const KINDS: usize = 3;
        for _ in 0..KINDS {
            let turn = self.jobs.turn;
            self.jobs.turn = (turn + 1) % KINDS;
            let next = match turn {
                0 => self.queue.file(),
                1 => self.queue.fetch().filter(|path| self.affordable(path) <= now),
                _ => self.backlog.values().next(),
            };
            if let Some(path) = next.cloned() {
                match turn {
                    0 => self.queue.files_turn(),
                    1 => self.queue.fetches_turn(),
                    _ => {}
                }
                return Some(path);
            }
        }
        None
    }

    /// When the budget allows this fetch.
    fn affordable(&self, path: &AssetPath) -> Duration {
        let what = self.entries.get(path).and_then(|entry| entry.phase.what());
        what.map_or(Duration::ZERO, |what| self.budget.available(what.version.length))
    }

    /// A transfer ended early; its asset is in no table.
    fn dropped(
        &mut self,
        now: Duration,
        path: &AssetPath,
        what: Box<What>,
        source: Source,
        progress: bool,
        out: &mut Vec<Effect>,
    ) {
        if let Source::Passing { fetch } = source {
            self.attach(path, Phase::Cold { wanted: true }, out);
            if fetch {
                if let Some(entry) = self.entries.get_mut(path) {
                    entry.broke_off = true;
                }
                self.enqueue(path, what, Source::Fetch, out);
            }
            return;
        }
        let again = Some(Box::new((*what, source)));
        if progress {
            if let Some(entry) = self.entries.get_mut(path) {
                entry.broke_off = true;
            }
            let until = now.saturating_add(self.admission.resume);
            self.attach(path, Phase::Refused { why: Refusal::Unreadable, until, again }, out);
        } else {
            self.back_off(now, path, again, out);
        }
    }

    /// Leaves an asset that is in no table alone for a while, longer each time.
    fn back_off(
        &mut self,
        now: Duration,
        path: &AssetPath,
        again: Option<Box<(What, Source)>>,
        out: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.entries.get_mut(path) else { return };
        let pause = self.admission.retry.saturating_mul(1 << entry.failures.min(MOST_DOUBLINGS));
        entry.failures = entry.failures.saturating_add(1);
        let again = again.filter(|_| entry.listed || entry.failures <= MOST_RETRIES);
        let until = now.saturating_add(pause);
        self.attach(path, Phase::Refused { why: Refusal::Unreadable, until, again }, out);
    }

    /// Has an asset wait for a worker again that is due for another try.
    fn retry(&mut self, path: &AssetPath, out: &mut Vec<Effect>) {
        let Some(Phase::Refused { again: Some(again), .. }) = self.detach(path, out) else {
            unreachable!("what is to be tried again is refused until then")
        };
        let (what, source) = (Box::new(again.0), again.1);
        let asked = self.entries.get(path).is_some_and(|entry| entry.interest.requests() > 0);
        if !asked && matches!(source, Source::File(_)) && self.has_room() {
            self.attach(path, Phase::Backlog { what, source }, out);
        } else {
            self.attach(path, Phase::Cold { wanted: true }, out);
            self.enqueue(path, what, source, out);
        }
    }
}
