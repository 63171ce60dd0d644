//! What mirrors may carry, page by page, signed. Made once for all who ask, when something changed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use manyhands_metainfo::{AssetPath, Digest};
use manyhands_protocol::mirrors::{
    Envelope, FeedAsset, FeedPage, MAX_FEED_ASSETS, Purge, SecretKey, SiteOrigin,
};

use crate::assets::Listed;
use crate::reserved::Document;

/// How long a feed whose files are the same is kept: demand and copies are as old as that.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// What a feed was made of. Another one has it made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Made {
    /// Of the shelf.
    pub(crate) shown: u64,
    /// Of the purges.
    pub(crate) purges: u64,
    /// Whether anything is shared at all.
    pub(crate) sharing: bool,
}

/// One file that may be probed.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) path: AssetPath,
    pub(crate) root: Digest,
    pub(crate) length: u64,
}

/// A feed as it stands.
#[derive(Debug)]
pub(crate) struct Built {
    made: Made,
    at: Instant,
    pages: Vec<Document>,
    pub(crate) samples: Vec<Sample>,
}

/// What goes into one.
pub(crate) struct Content {
    pub(crate) assets: Vec<Listed>,
    pub(crate) demand: HashMap<AssetPath, u64>,
    pub(crate) purged: Vec<Purge>,
}

/// The last one that was made.
#[derive(Debug, Default)]
pub(super) struct Feed {
    built: Mutex<Option<Arc<Built>>>,
}

/// Who signs it, and as what.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) key: SecretKey,
    pub(super) site: SiteOrigin,
    /// With a slash at both ends.
    pub(super) prefix: AssetPath,
}

impl Built {
    /// Page `page`, from 0.
    pub(crate) fn page(&self, page: usize) -> Option<&Document> {
        self.pages.get(page)
    }
}

impl Feed {
    /// The feed that is made of `made`, from `content` where that is not the last one. One caller makes it,
    /// all others wait for it.
    pub(super) fn get(&self, made: Made, make: impl FnOnce() -> Built) -> Arc<Built> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = built.as_ref()
            && built.made == made
            && built.at.elapsed() < FRESH
        {
            return Arc::clone(built);
        }
        let new = Arc::new(make());
        *built = Some(Arc::clone(&new));
        new
    }
}

impl Signer {
    /// Writes and signs all pages. `copies`: how many healthy mirrors hold an asset.
    pub(super) fn build(
        &self,
        made: Made,
        content: Content,
        copies: impl Fn(&Listed) -> u64,
        sequence: u64,
        now: u64,
    ) -> Built {
        let Content { assets, demand, mut purged } = content;
        let samples = assets.iter().map(|asset| Sample {
            path: asset.path.clone(),
            root: asset.root,
            length: asset.length,
        });
        let samples: Vec<_> = samples.collect();
        let entries = assets.into_iter().map(|asset| {
            let copies = copies(&asset);
            let demand = demand.get(&asset.path).copied().unwrap_or_default();
            let Listed { path, length, info_hash, root, piece_length, content_type, etag, .. } =
                asset;
            FeedAsset {
                path,
                length,
                etag: etag.map(String::from),
                infohash: info_hash,
                root,
                piece_length,
                content_type: content_type.into(),
                demand,
                copies,
            }
        });
        // One that a reader would refuse would have him refuse its whole page.
        let entries: Vec<_> = entries.filter(FeedAsset::is_sound).collect();
        // What is there again is not deleted again and again.
        let listed: HashSet<_> = entries.iter().map(|asset| &asset.path).collect();
        purged.retain(|purge| !listed.contains(&purge.path));
        let chunks: Vec<_> = match entries.chunks(MAX_FEED_ASSETS).collect::<Vec<_>>() {
            chunks if chunks.is_empty() => vec![&[][..]],
            chunks => chunks,
        };
        let pages = chunks.iter().zip(0_u64..).map(|(assets, number)| {
            let mut page = FeedPage::new(self.site.clone(), self.prefix.clone(), sequence, now);
            (page.page, page.pages) = (number, chunks.len() as u64);
            page.assets = assets.to_vec();
            if number == 0 {
                page.purged = std::mem::take(&mut purged);
            }
            Document::new(Envelope::seal(&self.key, &page).to_json().into())
        });
        let pages = pages.collect();
        Built { made, at: Instant::now(), pages, samples }
    }
}

#[cfg(test)]
mod tests {
    use manyhands_metainfo::InfoHash;

    use super::*;

    const MADE: Made = Made { shown: 1, purges: 0, sharing: true };

    fn signer() -> Signer {
        Signer {
            key: SecretKey::from_seed(&[7; 32]),
            site: "https://example.org".parse().unwrap(),
            prefix: AssetPath::parse("/.well-known/manyhands/").unwrap(),
        }
    }

    fn listed(path: &str) -> Listed {
        Listed {
            path: AssetPath::parse(path).unwrap(),
            length: 5,
            piece_length: 262_144,
            content_type: "text/plain".into(),
            etag: None,
            sha256: Digest::ZERO,
            info_hash: InfoHash::from_bytes([1; 20]),
            root: Digest::of(path.as_bytes()),
            magnet: String::new(),
        }
    }

    fn read(built: &Built, page: usize) -> FeedPage {
        let answer = built.page(page).unwrap().answer();
        let body = answer.into_body();
        Envelope::open_json(&body, &signer().key.public()).unwrap()
    }

    fn purge(path: &str) -> Purge {
        Purge { path: AssetPath::parse(path).unwrap(), at: 3 }
    }

    #[test]
    fn a_feed_of_many_files_has_pages_of_one_sequence() {
        let assets: Vec<_> = (0..2_001).map(|number| listed(&format!("/{number}"))).collect();
        let demand = HashMap::from([(assets[0].path.clone(), 9)]);
        let content = Content { assets, demand, purged: vec![purge("/gone"), purge("/7")] };
        let copies = |asset: &Listed| u64::from(asset.path.as_str() == "/1");
        let built = signer().build(MADE, content, copies, 5, 1_790_000_000);
        let pages: Vec<_> = (0..3).map(|page| read(&built, page)).collect();
        assert!(built.page(3).is_none());
        let sizes: Vec<_> = pages.iter().map(|page| page.assets.len()).collect();
        assert_eq!(sizes, [1_000, 1_000, 1]);
        assert!(pages.iter().all(|page| (page.sequence, page.pages) == (5, 3)));
        assert_eq!((pages[0].assets[0].demand, pages[0].assets[0].copies), (9, 0));
        assert_eq!((pages[0].assets[1].demand, pages[0].assets[1].copies), (0, 1));
        assert_eq!(pages[0].purged, [purge("/gone")], "what is there again is not deleted");
        assert_eq!(built.samples.len(), 2_001);
    }

    #[test]
    fn nothing_is_one_page_too_and_what_no_reader_takes_is_left_out() {
        let mut odd = listed("/odd");
        odd.content_type = "text/plain\r\nx: y".into();
        let content = Content { assets: vec![odd], demand: HashMap::new(), purged: Vec::new() };
        let built = signer().build(MADE, content, |_| 0, 5, 1_790_000_000);
        let page = read(&built, 0);
        assert_eq!((page.pages, page.assets.len()), (1, 0));
    }

    #[test]
    fn a_feed_is_made_once_for_all_who_ask() {
        let feed = Feed::default();
        let content = || Content { assets: Vec::new(), demand: HashMap::new(), purged: Vec::new() };
        let make = |made| move || signer().build(made, content(), |_| 0, 5, 9);
        let first = feed.get(MADE, make(MADE));
        assert!(Arc::ptr_eq(&first, &feed.get(MADE, || panic!("it is there"))));
        let other = Made { purges: 1, ..MADE };
        assert!(!Arc::ptr_eq(&first, &feed.get(other, make(other))));
    }
}
