use std::time::Duration;

use manyhands_metainfo::AssetPath;

use super::Catalog;
use super::jobs::{Running, fair};
use crate::demand::{Demand, Effect};
use crate::entry::{Phase, What};
use crate::job::{JobId, Source};
use crate::queue::Rank;

impl Catalog {
    /// Admits a hot asset: names the job that hashes the answer passing by, or queues the asset.
    pub(super) fn admit(
        &mut self,
        now: Duration,
        demand: &Demand<'_>,
        out: &mut Vec<Effect>,
    ) -> Option<JobId> {
        let source = match &demand.source {
            Source::None => return None,
            Source::Passing { fetch } => {
                if let Some(job) = self.tee(now, demand, *fetch, out) {
                    return Some(job);
                }
                if !fetch {
                    return None;
                }
                Source::Fetch
            }
            source @ (Source::File(_) | Source::Fetch) => source.clone(),
        };
        let waits = self.entries.get(demand.path).map(|entry| &entry.phase);
        if !matches!(waits, Some(Phase::Queued { .. })) {
            self.enqueue(demand.path, Box::new(demand.into()), source, out);
        }
        None
    }

    /// Takes a listed asset whose entry is there and carries the listed version.
    pub(super) fn list(&mut self, demand: &Demand<'_>, out: &mut Vec<Effect>) {
        let path = demand.path;
        let room = self.has_room();
        let Some(entry) = self.entries.get_mut(path) else { return };
        entry.listed = true;
        let Phase::Cold { wanted } = &mut entry.phase else { return };
        match &demand.source {
            Source::File(_) if room => {
                self.detach(path, out);
                let what = Box::new(demand.into());
                self.attach(path, Phase::Backlog { what, source: demand.source.clone() }, out);
            }
            // Without a trace: a long list must not push out what visitors ask for.
            Source::File(_) if entry.interest.requests() == 0 => drop(self.forget(path, out)),
            Source::File(_) => {}
            Source::Fetch => {
                *wanted = true;
                self.enqueue(path, Box::new(demand.into()), Source::Fetch, out);
            }
            // An answer that passes by is hashed by whoever watches it pass.
            Source::Passing { .. } | Source::None => *wanted = true,
        }
    }

    /// Queues an asset, if need be in place of the least wanted of those that wait. An asset that is
    /// wanted less than they are stays where it is.
    pub(super) fn enqueue(
        &mut self,
        path: &AssetPath,
        what: Box<What>,
        source: Source,
        out: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.entries.get(path) else { return };
        let rank = Rank { asked: self.tick, ..entry.rank() };
        let full = self.queue.len() >= self.admission.queue;
        let least =
            self.queue.least().filter(|_| full).map(|(least, other)| (least, other.clone()));
        if least.as_ref().is_some_and(|(least, _)| rank < *least) {
            return;
        }
        // Out of the cold first: who is sent there takes the place of the oldest.
        self.detach(path, out);
        if let Some((_, other)) = least {
            self.demote(&other, out);
        }
        let line = self.next_place();
        self.attach(path, Phase::Queued { what, source, line }, out);
    }

    /// Sends the least wanted out of the queue. What is asked of it still counts; a listed file waits on.
    fn demote(&mut self, path: &AssetPath, out: &mut Vec<Effect>) {
        let listed = self.entries.get(path).is_some_and(|entry| entry.listed);
        let phase = match self.detach(path, out) {
            Some(Phase::Queued { what, source: source @ Source::File(_), .. })
                if listed && self.has_room() =>
            {
                Phase::Backlog { what, source }
            }
            _ => Phase::Cold { wanted: true },
        };
        self.attach(path, phase, out);
    }

    /// Whether the backlog takes one more: what is in it is to be ready one day, and must not push out what
    /// is so today. What nobody has confirmed yet gives way.
    pub(super) fn has_room(&self) -> bool {
        self.ready.len() + self.pending() < self.admission.ready
    }

    /// Has an answer hashed as it passes by, if there is room for one more.
    fn tee(
        &mut self,
        now: Duration,
        demand: &Demand<'_>,
        fetch: bool,
        out: &mut Vec<Effect>,
    ) -> Option<JobId> {
        let entry = self.entries.get(demand.path)?;
        if fetch && entry.broke_off {
            return None;
        }
        let overstays = entry.overstays;
        let full = self.jobs.passing() >= self.admission.passing;
        // Where there is no other way, one that keeps everybody waiting makes room.
        let other = self.jobs.overstayed(now).filter(|_| full && !fetch);
        if full && other.is_none() {
            return None;
        }
        // Out of the cold first: who is sent there takes the place of the oldest.
        self.detach(demand.path, out);
        if let Some(other) = other {
            self.give_up_passing(now, other, out);
        }
        let length = demand.version.length;
        let source = Source::Passing { fetch };
        let job = self.jobs.start(Running {
            path: demand.path.clone(),
            deadline: self.admission.deadline_of(now, &source, length),
            fair: now.saturating_add(fair(length, overstays)),
            source,
            charged: 0,
        });
        self.attach(demand.path, Phase::Hashing { what: Box::new(demand.into()), job }, out);
        Some(job)
    }
}
