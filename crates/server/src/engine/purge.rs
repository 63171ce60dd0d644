use manyhands_metainfo::AssetPath;

use super::Engine;

impl Engine {
    /// Forgets an asset: its metainfo is gone at once, its swarm ends, a job of it is cancelled. It starts
    /// anew like one never seen: hashing of it that lies aside goes, too. Returns whether anything was known.
    pub fn purge(&self, path: &AssetPath) -> bool {
        self.with_catalog(|catalog, now, out| catalog.purge(now, path, out))
    }

    /// Forgets all assets whose normalised path starts with `prefix`; returns how many.
    ///
    /// Hashing that lies aside of an asset that is not known any more has no path by which to tell whether it is
    /// below that prefix: all such goes.
    pub fn purge_prefix(&self, prefix: &str) -> usize {
        self.with_catalog(|catalog, now, out| {
            let purged = catalog.purge_prefix(now, prefix, out);
            self.0.shelf.store().discard_but(catalog.assets().map(|asset| asset.path));
            purged
        })
    }
}
