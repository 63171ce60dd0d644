use manyhands_metainfo::AssetPath;

use super::Engine;

impl Engine {
    /// Forgets an asset: its metainfo is gone at once, its swarm ends, a job of it is cancelled. It starts
    /// anew like one never seen. Returns whether anything was known of it.
    pub fn purge(&self, path: &AssetPath) -> bool {
        self.with_catalog(|catalog, now, out| catalog.purge(now, path, out))
    }

    /// Forgets all assets whose normalised path starts with `prefix`; returns how many.
    pub fn purge_prefix(&self, prefix: &str) -> usize {
        self.with_catalog(|catalog, now, out| catalog.purge_prefix(now, prefix, out))
    }
}
