use std::time::Duration;

use manyhands_metainfo::{AssetPath, Version};

use super::Catalog;
use crate::demand::{Demand, Effect};
use crate::entry::{Entry, Phase};
use crate::status::{AssetState, Refusal};

/// Answers of one asset may differ this often within [`FLAPPING`] before it counts as somebody's own.
const MOST_CHANGES: u32 = 8;
const FLAPPING: Duration = Duration::from_secs(60);

impl Catalog {
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

    /// Forgets an asset: its job is cancelled, its metainfo retired. Asked for again, it starts as any other.
    /// `false` when nothing was known of it.
    pub fn purge(&mut self, now: Duration, path: &AssetPath, out: &mut Vec<Effect>) -> bool {
        let known = self.forget(path, out);
        self.start_jobs(now, out);
        known
    }

    /// Forgets all assets whose path starts with this text (`/pub/` for a folder), as
    /// [`Catalog::purge`] does with one; returns how many.
    pub fn purge_prefix(&mut self, now: Duration, prefix: &str, out: &mut Vec<Effect>) -> usize {
        let below = |path: &&AssetPath| path.as_str().starts_with(prefix);
        let mut paths: Vec<_> = self.entries.keys().filter(below).cloned().collect();
        paths.sort_unstable();
        for path in &paths {
            self.forget(path, out);
        }
        self.start_jobs(now, out);
        paths.len()
    }

    fn forget(&mut self, path: &AssetPath, out: &mut Vec<Effect>) -> bool {
        self.detach(path, out);
        self.entries.remove(path).is_some()
    }

    /// Makes sure that an entry for this path and version exists.
    pub(super) fn meet_version(
        &mut self,
        now: Duration,
        demand: &Demand<'_>,
        out: &mut Vec<Effect>,
    ) {
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
                    Phase::Refused { why: Refusal::Flapping, until: now + FLAPPING }
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
}
