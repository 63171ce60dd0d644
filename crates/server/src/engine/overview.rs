use std::time::SystemTime;

use manyhands_catalog::{AssetState, Refusal};
use manyhands_metainfo::{AssetPath, InfoHash};

use super::Engine;

/// Most assets that are named; all are counted.
const MOST: usize = 1_000;

/// What is known of all assets, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    pub(crate) counts: Counts,
    /// Those under way and those refused before the rest, each kind by path.
    pub(crate) assets: Vec<Known>,
    /// How many were asked for and are not among `assets`.
    pub(crate) omitted: usize,
}

/// How many assets there are of each state.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) cold: usize,
    pub(crate) queued: usize,
    pub(crate) hashing: usize,
    pub(crate) ready: usize,
    pub(crate) hidden: usize,
    pub(crate) refused: usize,
}

#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) path: AssetPath,
    pub(crate) standing: Standing,
    /// Of what is ready or hidden.
    pub(crate) info_hash: Option<InfoHash>,
}

/// Where an asset stands; in the order in which an operator wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Hashing,
    Queued,
    /// Until when, at the earliest.
    Refused(Refusal, SystemTime),
    /// Hashed, but no answer has confirmed it, or one cast doubt on it.
    Hidden,
    Ready,
    Cold,
}

/// Why an asset is not shared, or what may be the matter with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Why {
    /// A stable name.
    pub(crate) reason: &'static str,
    /// What is in the way.
    pub(crate) sentence: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

impl Standing {
    /// A stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hashing => "hashing",
            Self::Queued => "queued",
            Self::Refused(..) => "refused",
            Self::Hidden => "hidden",
            Self::Ready => "ready",
            Self::Cold => "cold",
        }
    }

    /// `None` for what is shared.
    pub(crate) fn why(self) -> Option<Why> {
        let (reason, sentence, remedy) = match self {
            Self::Ready => return None,
            Self::Cold => (
                "demand",
                "It was not asked for often enough yet, or from too few networks ([admission] requests, \
                 prefixes).",
                "Nothing to do: it is shared once it is wanted. What is to be shared at once is listed under \
                 [assets] preload.",
            ),
            Self::Queued => (
                "queue",
                "It waits for its turn to be hashed.",
                "Nothing to do; raise [admission] jobs if the queue does not get shorter.",
            ),
            Self::Hashing => ("hashing", "It is being read and hashed.", "Nothing to do."),
            Self::Hidden => (
                "unconfirmed",
                "It was hashed, but the last answer for it was not for everybody, or there was none since \
                 the start; the next one with the same bytes brings it back.",
                "Ask for it as a visitor without cookies does: manyhands doctor with its address says what is \
                 in the way.",
            ),
            Self::Refused(Refusal::Flapping, _) => (
                "flapping",
                "Answers for it differ from one to the next: they may be made for whoever asks.",
                "Let the server send the same bytes and the same ETag to everybody; several servers behind one \
                 name must agree on both.",
            ),
            Self::Refused(Refusal::NotPublic, _) => (
                "not_public",
                "Somebody unknown who asked for it did not get it, or got something else.",
                "Nothing to do if it is not for everybody; else serve it without a login, from any network.",
            ),
            Self::Refused(Refusal::Unreadable, _) => (
                "unreadable",
                "Its bytes could not be read, or did not all come; it is tried again.",
                "See what the log says of it, and whether the site sends the whole file.",
            ),
        };
        Some(Why { reason, sentence, remedy })
    }

    fn rank(self) -> usize {
        match self {
            Self::Hashing => 0,
            Self::Queued => 1,
            Self::Refused(..) => 2,
            Self::Hidden => 3,
            Self::Ready => 4,
            Self::Cold => 5,
        }
    }
}

impl Counts {
    fn count(&mut self, standing: Standing) {
        let count = match standing {
            Standing::Cold => &mut self.cold,
            Standing::Queued => &mut self.queued,
            Standing::Hashing => &mut self.hashing,
            Standing::Ready => &mut self.ready,
            Standing::Hidden => &mut self.hidden,
            Standing::Refused(..) => &mut self.refused,
        };
        *count += 1;
    }
}

/// No asset's path starts so.
const NOWHERE: &str = "-";

impl Engine {
    /// Counts all assets.
    pub(crate) fn asset_counts(&self) -> Counts {
        self.overview(NOWHERE).counts
    }

    /// Counts all assets, and names some of those whose path starts with `under`.
    pub(crate) fn overview(&self, under: &str) -> Overview {
        let (now, clock) = (self.0.started.elapsed(), SystemTime::now());
        let mut overview = Overview::default();
        let mut kinds: [Vec<Known>; 6] = Default::default();
        {
            let catalog = self.catalog();
            for asset in catalog.assets() {
                let standing = match (asset.state, asset.refusal) {
                    (AssetState::Cold, _) => Standing::Cold,
                    (AssetState::Queued, _) => Standing::Queued,
                    (AssetState::Hashing, _) => Standing::Hashing,
                    (AssetState::Ready, _) if catalog.ready_version(asset.path).is_some() => {
                        Standing::Ready
                    }
                    (AssetState::Ready, _) => Standing::Hidden,
                    (AssetState::Refused, refusal) => {
                        let (why, until) = refusal.unwrap_or((Refusal::Unreadable, now));
                        Standing::Refused(why, clock + until.saturating_sub(now))
                    }
                };
                overview.counts.count(standing);
                if !asset.path.as_str().starts_with(under) {
                    continue;
                }
                match kinds.get_mut(standing.rank()) {
                    Some(kind) if kind.len() < MOST => {
                        let path = asset.path.clone();
                        kind.push(Known { path, standing, info_hash: None });
                    }
                    _ => overview.omitted += 1,
                }
            }
        }
        for mut kind in kinds {
            kind.sort_unstable_by(|one, other| one.path.cmp(&other.path));
            let room = MOST - overview.assets.len();
            overview.omitted += kind.len().saturating_sub(room);
            kind.truncate(room);
            overview.assets.append(&mut kind);
        }
        for known in &mut overview.assets {
            known.info_hash = self.0.shelf.info_hash(&known.path);
        }
        overview
    }
}
