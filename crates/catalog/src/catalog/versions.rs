use std::time::Duration;

use manyhands_metainfo::{AssetPath, Version};

use super::Catalog;
use crate::demand::{Demand, Effect};
use crate::entry::{Interest, Phase, What};
use crate::status::Refusal;

impl Catalog {
    /// Takes note of an answer by which the asset is not there for everybody any more. What was hashed is
    /// kept, and served again once an eligible answer carries the same version; what is being hashed is
    /// not shown before there is one.
    pub fn doubt(&mut self, path: &AssetPath, out: &mut Vec<Effect>) {
        let Some(entry) = self.entries.get_mut(path) else { return };
        match &mut entry.phase {
            Phase::Ready { shown, .. } => {
                if std::mem::replace(shown, false) {
                    self.ready.remove(&entry.place);
                    self.hidden.insert(entry.place, path.clone());
                    out.push(Effect::Hide(path.clone()));
                }
            }
            _ => entry.doubted = true,
        }
    }

    /// Takes note that the bytes behind a ready asset are not those of `version` any more. The next answer
    /// is enough to hash the new ones.
    pub fn stale(
        &mut self,
        now: Duration,
        path: &AssetPath,
        version: &Version,
        out: &mut Vec<Effect>,
    ) {
        if self.ready_version(path) == Some(version) {
            self.detach(path, out);
            self.changed(now, path, out);
        }
    }

    /// Forgets an asset: its job is cancelled, and it is retired in whatever phase it was, or unknown: the host
    /// may have put hashing aside of what was forgotten here. Asked for again, it starts as any other. `false`
    /// when nothing was known of it.
    pub fn purge(&mut self, now: Duration, path: &AssetPath, out: &mut Vec<Effect>) -> bool {
        let known = self.forget(path, out);
        retire(path, out);
        self.start_jobs(now, out);
        known
    }

    /// Forgets all assets whose path starts with this text (`/pub/` for a folder), as
    /// [`Catalog::purge`] does with one; returns how many. Walks through all that is known: of what is not,
    /// only the host can tell what it has put aside.
    pub fn purge_prefix(&mut self, now: Duration, prefix: &str, out: &mut Vec<Effect>) -> usize {
        let below = |path: &&AssetPath| path.as_str().starts_with(prefix);
        let mut paths: Vec<_> = self.entries.keys().filter(below).cloned().collect();
        paths.sort_unstable();
        for path in &paths {
            self.forget(path, out);
            retire(path, out);
        }
        self.start_jobs(now, out);
        paths.len()
    }

    /// Makes sure that there is an entry and that it is of the version this answer carries.
    pub(super) fn meet(&mut self, now: Duration, demand: &Demand<'_>, out: &mut Vec<Effect>) {
        let path = demand.path;
        let Some(entry) = self.entries.get_mut(path) else {
            self.attach(path, Phase::default(), out);
            return;
        };
        entry.doubted = false;
        match &mut entry.phase {
            Phase::Cold { .. } => {}
            Phase::Backlog { what, .. } | Phase::Queued { what, .. }
                if what.version == *demand.version => {}
            Phase::Hashing { what, .. } if what.version == *demand.version => {}
            Phase::Ready { what, shown } if what.version == *demand.version => {
                if !std::mem::replace(shown, true) {
                    self.hidden.remove(&entry.place);
                    self.ready.insert(entry.place, path.clone());
                    out.push(Effect::Show(path.clone()));
                }
            }
            Phase::Backlog { .. }
            | Phase::Queued { .. }
            | Phase::Hashing { .. }
            | Phase::Ready { .. } => {
                self.detach(path, out);
                self.changed(now, path, out);
            }
            Phase::Refused { until, why, .. } if *until <= now => {
                // What strangers did not get a day ago is as cold as anything; the rest was hot.
                let wanted = *why != Refusal::NotPublic;
                if !wanted {
                    entry.interest = Interest::default();
                }
                self.detach(path, out);
                self.attach(path, Phase::Cold { wanted }, out);
            }
            Phase::Refused { until, again, .. } => {
                // A retry by itself would look for bytes that are gone; the next answer is enough then.
                if again.as_deref().is_some_and(|(what, _)| what.version != *demand.version) {
                    *again = None;
                    self.retries.remove(&(*until, entry.place));
                }
            }
        }
    }

    /// An asset in no table had other bytes than we thought: it was wanted, and the next answer is enough
    /// to hash it again, unless that happens too often.
    pub(super) fn changed(&mut self, now: Duration, path: &AssetPath, out: &mut Vec<Effect>) {
        let entry = self.entries.entry(path.clone()).or_default();
        entry.forgive();
        retire(path, out);
        let phase = match entry.unrest.note(now) {
            Some(pause) => Phase::Refused {
                why: Refusal::Flapping,
                until: now.saturating_add(pause),
                again: None,
            },
            None => Phase::Cold { wanted: true },
        };
        self.attach(path, phase, out);
    }
}

/// Says that an asset is retired, where leaving its phase has not said so already.
fn retire(path: &AssetPath, out: &mut Vec<Effect>) {
    let retired = Effect::Retire(path.clone());
    if out.last() != Some(&retired) {
        out.push(retired);
    }
}

impl From<&Demand<'_>> for What {
    fn from(demand: &Demand<'_>) -> Self {
        Self { version: demand.version.clone(), content_type: demand.content_type.to_owned() }
    }
}
