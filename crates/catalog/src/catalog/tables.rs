use manyhands_metainfo::AssetPath;

use super::Catalog;
use crate::demand::Effect;
use crate::entry::Phase;

impl Catalog {
    /// Takes an asset out of the table of its phase, which is handed over. A job is cancelled, metainfo
    /// retired. The entry must be attached or removed next.
    pub(super) fn detach(&mut self, path: &AssetPath, out: &mut Vec<Effect>) -> Option<Phase> {
        let entry = self.entries.get_mut(path)?;
        match &entry.phase {
            Phase::Cold { .. } => drop(self.cold.remove(&entry.place)),
            Phase::Backlog { .. } => drop(self.backlog.remove(&entry.place)),
            Phase::Queued { source, line, .. } => self.queue.remove(source, entry.rank(), *line),
            Phase::Hashing { job, .. } => {
                self.jobs.remove(*job);
                out.push(Effect::Cancel(*job));
            }
            Phase::Ready { shown, .. } => {
                let table = if *shown { &mut self.ready } else { &mut self.hidden };
                table.remove(&entry.place);
                out.push(Effect::Retire(path.clone()));
            }
            Phase::Refused { until, .. } => {
                self.refused.remove(&entry.place);
                self.retries.remove(&(*until, entry.place));
            }
        }
        Some(std::mem::take(&mut entry.phase))
    }

    /// Puts an asset that is in no table into that of its new phase, and keeps the table within its bound.
    pub(super) fn attach(&mut self, path: &AssetPath, phase: Phase, out: &mut Vec<Effect>) {
        let place = self.next_place();
        let entry = self.entries.entry(path.clone()).or_default();
        (entry.phase, entry.place) = (phase, place);
        match &entry.phase {
            Phase::Cold { .. } => {
                self.cold.insert(place, path.clone());
                if self.cold.len() > self.admission.cold {
                    let oldest = self.cold.pop_first();
                    self.forgotten(oldest);
                }
            }
            Phase::Backlog { .. } => drop(self.backlog.insert(place, path.clone())),
            Phase::Queued { source, line, .. } => {
                self.queue.insert(source, entry.rank(), *line, path.clone());
            }
            Phase::Hashing { .. } => {}
            Phase::Ready { shown, .. } => {
                let table = if *shown { &mut self.ready } else { &mut self.hidden };
                table.insert(place, path.clone());
                if self.ready.len() + self.hidden.len() > self.admission.ready {
                    // What nobody has confirmed may not even exist any more.
                    let oldest = self.hidden.pop_first().or_else(|| self.ready.pop_first());
                    out.extend(self.forgotten(oldest).map(Effect::Retire));
                }
            }
            Phase::Refused { until, again, .. } => {
                self.refused.insert(place, path.clone());
                if again.is_some() {
                    self.retries.insert((*until, place), path.clone());
                }
                if self.refused.len() > self.admission.refused
                    && let Some((_, oldest)) = self.refused.first_key_value()
                {
                    let oldest = oldest.clone();
                    self.forget(&oldest, out);
                }
            }
        }
    }

    /// Forgets an asset, wherever it is; `false` when nothing was known of it.
    pub(super) fn forget(&mut self, path: &AssetPath, out: &mut Vec<Effect>) -> bool {
        self.detach(path, out);
        self.entries.remove(path).is_some()
    }

    pub(super) fn next_place(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    /// Forgets an asset that is in no table any more.
    fn forgotten(&mut self, oldest: Option<(u64, AssetPath)>) -> Option<AssetPath> {
        let (_, path) = oldest?;
        self.entries.remove(&path);
        Some(path)
    }
}
