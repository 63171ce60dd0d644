use manyhands_metainfo::{AssetPath, Version};

use super::Catalog;
use crate::entry::Phase;
use crate::status::{AssetState, AssetStatus};

impl Catalog {
    /// The state of an asset, whatever its version.
    #[must_use]
    pub fn state(&self, path: &AssetPath) -> AssetState {
        self.entries.get(path).map_or(AssetState::Cold, |entry| entry.phase.state())
    }

    /// The version of a ready asset, once an answer confirmed it.
    #[must_use]
    pub fn ready_version(&self, path: &AssetPath) -> Option<&Version> {
        match &self.entries.get(path)?.phase {
            Phase::Ready { what, shown: true } => Some(&what.version),
            _ => None,
        }
    }

    /// Assets whose metainfo is served, the longest unasked first.
    pub fn ready(&self) -> impl Iterator<Item = &AssetPath> {
        self.ready.values()
    }

    /// Every asset that is known, in no order.
    pub fn assets(&self) -> impl Iterator<Item = AssetStatus<'_>> {
        self.entries.iter().map(|(path, entry)| AssetStatus {
            path,
            state: entry.phase.state(),
            requests: entry.interest.requests(),
            prefixes: entry.interest.prefixes(),
            version: entry.phase.what().map(|what| &what.version),
            shown: matches!(entry.phase, Phase::Ready { shown: true, .. }),
            refusal: match entry.phase {
                Phase::Refused { why, until, .. } => Some((why, until)),
                _ => None,
            },
        })
    }

    /// How many assets wait for a worker or are with one.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.backlog.len() + self.queue.len() + self.jobs.len()
    }
}
