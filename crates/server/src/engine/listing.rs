use manyhands_metainfo::AssetPath;

use super::Engine;
use crate::assets::Part;

impl Engine {
    /// Shown assets after `after`, in the order of their paths, of which `keep` says yes. Those whose file
    /// changed meanwhile are left out, as they are wherever metainfo is served.
    pub(crate) fn listed(
        &self,
        after: Option<&AssetPath>,
        most: usize,
        keep: impl Fn(&AssetPath) -> bool,
    ) -> Part {
        let mut part = self.0.shelf.part(after, most, keep);
        part.assets.retain(|listed| self.is_current(&listed.path));
        part
    }

    /// How many assets are shown.
    pub(crate) fn listed_total(&self) -> usize {
        self.0.shelf.total()
    }

    fn is_current(&self, path: &AssetPath) -> bool {
        let Some(version) = self.catalog().ready_version(path).cloned() else { return false };
        let changed = self.0.shelf.file_changed(path);
        if changed {
            self.with_catalog(|catalog, now, out| catalog.stale(now, path, &version, out));
        }
        !changed
    }
}
