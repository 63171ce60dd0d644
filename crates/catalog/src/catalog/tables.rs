use manyhands_metainfo::AssetPath;

use super::Catalog;
use crate::demand::Effect;
use crate::entry::Phase;

impl Catalog {
    /// Takes an asset out of whatever table its phase keeps it in.
    pub(super) fn detach(&mut self, path: &AssetPath, out: &mut Vec<Effect>) {
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

    pub(super) fn bound_cold(&mut self) {
        while self.cold.len() > self.admission.cold {
            if let Some((_, path)) = self.cold.pop_first() {
                self.entries.remove(&path);
            }
        }
    }

    pub(super) fn bound_ready(&mut self, out: &mut Vec<Effect>) {
        while self.ready.len() > self.admission.ready {
            if let Some((_, path)) = self.ready.pop_first() {
                self.entries.remove(&path);
                out.push(Effect::Retire(path));
            }
        }
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}
