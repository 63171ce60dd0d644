use manyhands_metainfo::AssetPath;

use super::Engine;
use crate::ledger::seconds_now;

impl Engine {
    /// Forgets an asset: its metainfo is gone at once, its swarm ends, a job of it is cancelled. It starts
    /// anew like one never seen: hashing of it that lies aside goes, too. Returns whether anything was known.
    pub fn purge(&self, path: &AssetPath) -> bool {
        let known = self.with_catalog(|catalog, now, out| catalog.purge(now, path, out));
        // Whether it is known here or not: a mirror may have it from before.
        self.0.mirrors.purged([path.clone()], seconds_now());
        known
    }

    /// Forgets all assets whose normalised path starts with `prefix`; returns how many.
    ///
    /// Hashing that lies aside of an asset that is not known any more has no path by which to tell whether it is
    /// below that prefix: all such goes.
    pub fn purge_prefix(&self, prefix: &str) -> usize {
        let shown = self.0.shelf.shown_below(prefix);
        let purged = self.with_catalog(|catalog, now, out| {
            let purged = catalog.purge_prefix(now, prefix, out);
            self.0.shelf.store().discard_but(catalog.assets().map(|asset| asset.path));
            purged
        });
        self.0.mirrors.purged(shown, seconds_now());
        purged
    }
}
