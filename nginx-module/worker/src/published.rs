//! Metainfo of assets that are shown, as the daemon would answer with it, and who has them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use manyhands_bridge::{Published, Swarms};
use manyhands_metainfo::AssetPath;

use crate::files::{self, Bounds, Files, Missing};

/// What may be kept in memory in each worker; the rest is read when it is asked for.
const BOUNDS: Bounds = Bounds { files: 4_096, weight: 16 << 20 };
/// Longest file that is read: that of an asset of 3 TB. What is longer, the daemon answers.
const MOST_BYTES: usize = 12 << 20;
/// Longest list of swarms that is read: some 50,000 of them.
const MOST_SWARMS: usize = 4 << 20;

#[derive(Debug)]
pub(crate) struct PublishedFiles {
    dir: PathBuf,
    files: Files<AssetPath, Published>,
}

impl PublishedFiles {
    /// `state` is the daemon's state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self { dir: state.join(Published::DIR), files: Files::new(BOUNDS) }
    }

    /// What is published of an asset; `None` while it is not shown. `now` is in milliseconds.
    pub(crate) fn of(&mut self, asset: &AssetPath, now: u64) -> Option<Rc<Published>> {
        let place = || self.dir.join(Published::file_name_of(asset));
        let read = |file: &File, size| {
            let bytes = files::read_all(file, size, MOST_BYTES)?;
            let published = Published::from_json(&bytes).ok()?;
            (published.path == *asset).then_some((published, bytes.len()))
        };
        self.files.value(asset, now, Missing::IsAskedAnew, place, read)
    }
}

#[derive(Debug)]
pub(crate) struct SwarmsFile {
    place: PathBuf,
    file: Files<(), Swarms>,
}

impl SwarmsFile {
    pub(crate) fn new(state: &Path) -> Self {
        let bounds = Bounds { files: 1, weight: usize::MAX };
        Self { place: state.join(Swarms::FILE), file: Files::new(bounds) }
    }

    /// What is known of all swarms.
    pub(crate) fn swarms(&mut self, now: u64) -> Option<Rc<Swarms>> {
        let read = |file: &File, size| {
            let bytes = files::read_all(file, size, MOST_SWARMS)?;
            Some((Swarms::from_json(&bytes).ok()?, 0))
        };
        self.file.value(&(), now, Missing::IsAskedAnew, || self.place.clone(), read)
    }
}
