//! What a mirror remembers of a site over restarts: `feed.json` in the site's directory.

use std::fs;
use std::io;
use std::path::Path;

use manyhands_metainfo::{AssetPath, Digest};
use manyhands_protocol::mirrors::{FeedAsset, FeedPage, MirrorState, PublicKey, Purge};
use serde::{Deserialize, Serialize};

use crate::store::{StoreError, at, replace};

const VERSION: u32 = 1;
const FILE: &str = "feed.json";

/// The memory of one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    v: u32,
    /// Whose signature its feed has: pinned by the first page, or by the volunteer.
    pub(super) key: Option<PublicKey>,
    /// Of the newest feed.
    pub(super) sequence: u64,
    pub(super) made: u64,
    pub(super) expires: u64,
    /// What the operator said last.
    pub(super) standing: Option<MirrorState>,
    /// Listed, and on the disk or to be fetched.
    pub(super) carried: Vec<FeedAsset>,
    /// On the disk, and listed no more.
    pub(super) unlisted: Vec<Unlisted>,
    /// Purges that were seen to.
    pub(super) purges: Vec<Purge>,
}

/// Data that is kept for a while in case it is listed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unlisted {
    pub(super) root: Digest,
    pub(super) path: AssetPath,
    pub(super) length: u64,
    /// The site's time, in seconds since 1970.
    pub(super) since: u64,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            v: VERSION,
            key: None,
            sequence: 0,
            made: 0,
            expires: 0,
            standing: None,
            carried: Vec::new(),
            unlisted: Vec::new(),
            purges: Vec::new(),
        }
    }
}

impl Record {
    /// Reads it; a site that was never met has an empty one.
    pub(super) fn read(directory: &Path) -> Result<Self, StoreError> {
        let place = directory.join(FILE);
        let bytes = match fs::read(&place) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(at(&place)(error)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(record @ Self { v: VERSION, .. }) => Ok(record),
            _ => Err(StoreError::Damaged {
                path: place,
                reason: "delete it to have the site's key trusted anew",
            }),
        }
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), StoreError> {
        let json = serde_json::to_vec(self).unwrap_or_default();
        replace(&directory.join(FILE), &json)
    }

    /// Whether a page is older than what was seen: played again by somebody, or by a cache. A site that lost its
    /// state counts from 1 again, at a later time.
    pub(super) fn is_newer_than(&self, page: &FeedPage) -> bool {
        match page.sequence.cmp(&self.sequence) {
            std::cmp::Ordering::Less => page.made <= self.made,
            std::cmp::Ordering::Equal => page.made < self.made,
            std::cmp::Ordering::Greater => false,
        }
    }

    /// Roots that are or were here under a path.
    pub(super) fn roots_of<'a>(&'a self, path: &'a AssetPath) -> impl Iterator<Item = Digest> + 'a {
        let carried = self.carried.iter().filter(move |it| it.path == *path).map(|it| it.root);
        carried.chain(self.unlisted.iter().filter(move |it| it.path == *path).map(|it| it.root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sequence: u64, made: u64) -> FeedPage {
        let prefix = AssetPath::parse("/.well-known/manyhands/").unwrap();
        FeedPage::new("https://example.org".parse().unwrap(), prefix, sequence, made)
    }

    #[test]
    fn the_past_is_refused_and_a_new_beginning_is_not() {
        let record = Record { sequence: 10, made: 1_000, ..Record::default() };
        for (sequence, made, is_past) in [
            (10, 1_000, false),
            (10, 999, true),
            (10, 1_001, false),
            (9, 1_000, true),
            (9, 900, true),
            // Lost its state.
            (1, 1_001, false),
            // The site's clock was set back.
            (11, 500, false),
        ] {
            assert_eq!(record.is_newer_than(&page(sequence, made)), is_past, "{sequence} {made}");
        }
    }

    #[test]
    fn it_is_read_as_it_was_written_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), Record::default());
        let record =
            Record { sequence: 7, standing: Some(MirrorState::Banned), ..Record::default() };
        record.write(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), record);
        fs::write(dir.path().join(FILE), "{\"v\":1").unwrap();
        let error = Record::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("delete it"), "{error}");
    }
}
