//! One site as a mirror sees it: what the feed lists, what of it is here, what may be served.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use manyhands_metainfo::{AssetPath, Digest};
use manyhands_protocol::mirrors::{
    FEED_LIFETIME, FeedAsset, MirrorState, PublicKey, Purge, SiteOrigin,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::choose::Candidate;
use super::counts::Counts;
use super::record::{Record, Unlisted};
use super::settings::SiteAddress;
use super::web::Web;
use crate::store::{Asset, SiteStore, StoreError, disk_space};

/// What is listed no more is kept for so long, in seconds: it may come back.
const KEEP_UNLISTED: u64 = 24 * 60 * 60;

/// A site, shared by all who work on it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) address: SiteAddress,
    pub(super) web: Web,
    pub(super) store: SiteStore,
    pub(super) counts: Counts,
    /// Rings when there may be something to fetch.
    pub(super) work: Notify,
    /// Rings when what is held whole has changed.
    pub(super) holdings: Notify,
    /// Rings when the feed should be looked at before its time.
    pub(super) news: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    record: Record,
    /// What the feed lists, by root. The paths of one root share its data.
    listing: HashMap<Digest, Vec<FeedAsset>>,
    etag: Option<String>,
    fresh_until: Option<Instant>,
    wanted: Vec<FeedAsset>,
    /// Of these, each root once, those that were not whole when last looked at.
    missing: VecDeque<FeedAsset>,
    shelf: HashMap<AssetPath, Shelved>,
    /// What is wrong, for people.
    troubles: [Option<String>; 4],
    contact: Option<Instant>,
    reason: Option<String>,
}

/// Whose trouble it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    Feed,
    Announce,
    Fetch,
    Disk,
}

/// An asset as it may be served, perhaps not all of it yet.
#[derive(Debug, Clone)]
pub(super) struct Shelved {
    pub(super) listed: FeedAsset,
    pub(super) asset: Arc<Asset>,
}

/// The state in figures and words.
#[derive(Debug)]
pub(super) struct View {
    pub(super) key: Option<PublicKey>,
    pub(super) sequence: u64,
    pub(super) listed: u64,
    pub(super) standing: Option<MirrorState>,
    pub(super) reason: Option<String>,
    pub(super) is_fresh: bool,
    pub(super) contact: Option<Duration>,
    pub(super) troubles: Vec<String>,
    pub(super) wanted: Vec<FeedAsset>,
}

impl Site {
    /// Opens what is there from earlier, so that it is served before the site is reached.
    pub(super) fn open(
        address: SiteAddress,
        web: Web,
        store: SiteStore,
    ) -> Result<Self, StoreError> {
        let mut record = Record::read(store.directory())?;
        if address.key.is_some() {
            record.key = address.key;
        }
        let listing = by_root(record.carried.clone());
        let left = record.expires.saturating_sub(web.time()).min(FEED_LIFETIME);
        let state = State {
            listing,
            etag: None,
            fresh_until: Some(Instant::now() + Duration::from_secs(left)),
            wanted: record.carried.clone(),
            missing: record.carried.iter().cloned().collect(),
            shelf: HashMap::new(),
            troubles: Default::default(),
            contact: None,
            reason: None,
            record,
        };
        let (work, holdings, news) = (Notify::new(), Notify::new(), Notify::new());
        let counts = Counts::default();
        let state = Mutex::new(state);
        let site = Self { address, web, store, counts, work, holdings, news, state };
        site.forget_strangers()?;
        site.shelve()?;
        Ok(site)
    }

    pub(super) fn origin(&self) -> &SiteOrigin {
        &self.address.origin
    }

    /// Where something is below the site's reserved prefix.
    pub(super) fn reserved(&self, rest: &str) -> String {
        format!("{}{rest}", self.address.prefix)
    }

    /// The memory of this site.
    pub(super) fn record(&self) -> Record {
        self.state().record.clone()
    }

    /// What the first page of the feed was tagged with, while that is what is known.
    pub(super) fn etag(&self) -> Option<String> {
        self.state().etag.clone()
    }

    /// The feed was seen to be what is known: it holds until it expires, by the site's clock.
    pub(super) fn renew(&self) {
        let now = self.web.time();
        let mut state = self.state();
        let left = state.record.expires.saturating_sub(now).min(FEED_LIFETIME);
        state.fresh_until = Some(Instant::now() + Duration::from_secs(left));
        state.contact = Some(Instant::now());
    }

    /// Deletes at once what lies here under paths whose purge was not seen to before.
    pub(super) fn purge(&self, purges: &[Purge]) -> Result<(), StoreError> {
        let (gone, paths) = {
            let state = self.state();
            let known: HashSet<_> = state.record.purges.iter().map(key_of).collect();
            let new: Vec<_> = purges.iter().filter(|it| !known.contains(&key_of(it))).collect();
            let paths: HashSet<AssetPath> = new.iter().map(|it| it.path.clone()).collect();
            let elsewhere: HashSet<Digest> = state
                .record
                .carried
                .iter()
                .filter(|it| !paths.contains(&it.path))
                .map(|it| it.root)
                .collect();
            let roots = paths.iter().flat_map(|path| state.record.roots_of(path));
            let gone: HashSet<_> = roots.filter(|root| !elsewhere.contains(root)).collect();
            (gone, paths)
        };
        {
            let mut state = self.state();
            state.shelf.retain(|path, _| !paths.contains(path));
            state.wanted.retain(|it| !paths.contains(&it.path));
            state.missing.retain(|it| !paths.contains(&it.path));
        }
        for root in &gone {
            self.store.remove(root)?;
        }
        let mut state = self.state();
        state.record.carried.retain(|it| !paths.contains(&it.path));
        state.record.unlisted.retain(|it| !gone.contains(&it.root));
        state.record.purges = purges.to_vec();
        if !gone.is_empty() {
            tracing::info!(site = %self.origin(), assets = gone.len(), "purged");
        }
        Ok(())
    }

    /// Takes a new listing: what is not in it is served no more from now on.
    pub(super) fn list(&self, assets: Vec<FeedAsset>) {
        let now = self.web.time();
        let mut state = self.state();
        let state = &mut *state;
        state.listing = by_root(assets);
        let former = std::mem::take(&mut state.record.carried);
        let gone = former.into_iter().filter(|it| !state.listing.contains_key(&it.root));
        state.record.unlisted.extend(gone.map(|it| Unlisted {
            root: it.root,
            path: it.path,
            length: it.length,
            since: now,
        }));
        let (listing, record) = (&state.listing, &mut state.record);
        let back: Vec<_> =
            record.unlisted.extract_if(.., |it| listing.contains_key(&it.root)).collect();
        for it in &mut record.unlisted {
            // The clock was set back.
            it.since = it.since.min(now);
        }
        // Carried again until the next choice says otherwise: so a copy that came back counts as held.
        let held = state.wanted.iter().map(|it| it.root).chain(back.into_iter().map(|it| it.root));
        let held: HashSet<_> = held.collect();
        let listed = |root: &Digest| state.listing.get(root).into_iter().flatten().cloned();
        state.record.carried = held.iter().flat_map(listed).collect();
        let may_stay = |path: &AssetPath, it: &Shelved| {
            let now = state.listing.get(&it.listed.root);
            now.is_some_and(|now| now.iter().any(|now| now.path == *path))
        };
        state.shelf.retain(|path, it| may_stay(path, it));
        state.wanted.retain(|it| state.listing.contains_key(&it.root));
        state.missing.retain(|it| state.listing.contains_key(&it.root));
        // Whatever is known now, the next look is to read the feed anew, unless it is this one's.
        state.etag = None;
    }

    /// Notes the newest feed, so that none older is taken.
    pub(super) fn follow(
        &self,
        key: PublicKey,
        (sequence, made, expires): (u64, u64, u64),
        etag: Option<String>,
    ) {
        {
            let mut state = self.state();
            let record = &mut state.record;
            record.key = Some(key);
            (record.sequence, record.made, record.expires) = (sequence, made, expires);
            state.etag = etag;
        }
        self.renew();
    }

    /// Bytes kept of what is listed no more.
    pub(super) fn unlisted_space(&self) -> u64 {
        self.state().record.unlisted.iter().map(|it| disk_space(it.length)).sum()
    }

    /// Deletes what was unlisted for a day, and of the rest the oldest until `space` bytes are left of it.
    pub(super) fn forget_unlisted(&self, space: u64) -> Result<(), StoreError> {
        let now = self.web.time();
        let mut unlisted = self.state().record.unlisted.clone();
        unlisted.sort_by_key(|it| std::cmp::Reverse(it.since));
        let mut kept = 0_u64;
        let gone: Vec<_> = unlisted
            .extract_if(.., |it| {
                let all = kept.saturating_add(disk_space(it.length));
                let stays = now.saturating_sub(it.since) < KEEP_UNLISTED && all <= space;
                if stays {
                    kept = all;
                }
                !stays
            })
            .collect();
        for it in &gone {
            self.store.remove(&it.root)?;
        }
        let gone: HashSet<_> = gone.into_iter().map(|it| it.root).collect();
        self.state().record.unlisted.retain(|it| !gone.contains(&it.root));
        Ok(())
    }

    /// What might be carried, each root once.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let state = self.state();
        if state.record.standing == Some(MirrorState::Banned) {
            return Vec::new();
        }
        let candidate = |(root, paths): (&Digest, &Vec<FeedAsset>)| {
            let length = paths.first().map(|it| it.length).filter(|length| *length > 0)?;
            let opened = self.store.opened(root);
            let is_whole = opened.as_ref().is_some_and(|it| it.is_whole());
            let copies = paths.iter().map(|it| it.copies).max().unwrap_or(0);
            Some(Candidate {
                root: *root,
                space: disk_space(length),
                demand: paths.iter().map(|it| it.demand).fold(0, u64::saturating_add),
                others: copies.saturating_sub(u64::from(is_whole)),
                is_held: opened.is_some(),
            })
        };
        let mut candidates: Vec<_> = state.listing.iter().filter_map(candidate).collect();
        candidates.sort_unstable_by_key(|it| it.root);
        candidates
    }

    /// Takes what was chosen, in the order in which to fetch it; drops the rest and writes all down.
    pub(super) fn carry(&self, roots: &[Digest]) -> Result<(), StoreError> {
        let dropped = {
            let mut state = self.state();
            let state = &mut *state;
            let chosen: HashSet<_> = roots.iter().collect();
            let listed = |root: &Digest| state.listing.get(root).into_iter().flatten().cloned();
            let wanted: Vec<_> = roots.iter().flat_map(listed).collect();
            let former = state.record.carried.iter().map(|it| it.root);
            let dropped: HashSet<_> = former.filter(|root| !chosen.contains(root)).collect();
            state.record.carried.clone_from(&wanted);
            let mut seen = HashSet::new();
            state.missing = wanted.iter().filter(|it| seen.insert(it.root)).cloned().collect();
            state.wanted = wanted;
            state.shelf.retain(|_, it| !dropped.contains(&it.listed.root));
            dropped
        };
        // All of it is tried, whatever fails: what can't be deleted now is not served, and is deleted later.
        let removed: Vec<_> = dropped.iter().map(|root| self.store.remove(root)).collect();
        let done = [self.save(), self.shelve()];
        self.work.notify_one();
        removed.into_iter().chain(done).collect()
    }

    /// Writes the memory down.
    pub(super) fn save(&self) -> Result<(), StoreError> {
        let record = self.record();
        record.write(self.store.directory())
    }

    /// Opens what there is of what is carried, and puts it where it is served from.
    pub(super) fn shelve(&self) -> Result<(), StoreError> {
        let wanted = self.state().wanted.clone();
        let mut shelf = HashMap::with_capacity(wanted.len());
        for listed in wanted {
            if let Some(asset) = self.store.find(&listed.root, listed.length)? {
                shelf.insert(listed.path.clone(), Shelved { listed, asset });
            }
        }
        let mut state = self.state();
        // Another listing may have come meanwhile.
        let current: HashSet<_> =
            state.wanted.iter().map(|it| (it.root, it.path.clone())).collect();
        shelf.retain(|path, it| current.contains(&(it.listed.root, path.clone())));
        state.shelf = shelf;
        Ok(())
    }

    /// Deletes data that no memory names: of a process that was killed before it wrote down why.
    fn forget_strangers(&self) -> Result<(), StoreError> {
        let record = self.record();
        let carried = record.carried.iter().map(|it| it.root);
        let known: HashSet<_> = carried.chain(record.unlisted.iter().map(|it| it.root)).collect();
        for root in self.store.roots()?.iter().filter(|root| !known.contains(root)) {
            self.store.remove(root)?;
        }
        Ok(())
    }

    /// An asset that may be served now.
    pub(super) fn shelved(&self, path: &AssetPath) -> Option<Shelved> {
        let state = self.state();
        let may = state.may_serve();
        state.shelf.get(path).filter(|it| may && !it.asset.is_withdrawn()).cloned()
    }

    /// Whether an answer under way may go on.
    pub(super) fn may_go_on(&self, path: &AssetPath, root: &Digest) -> bool {
        let state = self.state();
        state.may_serve() && state.shelf.get(path).is_some_and(|it| it.listed.root == *root)
    }

    /// What is to be fetched next, in order, at most so many: listed, not whole, and free.
    pub(super) fn incomplete(
        &self,
        most: usize,
        is_free: impl Fn(&Digest) -> bool,
    ) -> Vec<FeedAsset> {
        let mut state = self.state();
        if state.record.standing == Some(MirrorState::Banned) {
            return Vec::new();
        }
        let is_whole = |it: &FeedAsset| self.store.opened(&it.root).is_some_and(|it| it.is_whole());
        while state.missing.front().is_some_and(is_whole) {
            state.missing.pop_front();
        }
        let missing = state.missing.iter().filter(|it| is_free(&it.root) && !is_whole(it));
        missing.take(most).cloned().collect()
    }

    /// Roots of all that is whole.
    pub(super) fn whole(&self) -> Vec<Digest> {
        let state = self.state();
        state.shelf.values().filter(|it| it.asset.is_whole()).map(|it| it.listed.root).collect()
    }

    /// What the operator says. True when that is news.
    pub(super) fn decide(&self, standing: MirrorState, reason: Option<String>) -> bool {
        let mut state = self.state();
        let news = state.record.standing != Some(standing) || state.reason != reason;
        state.record.standing = Some(standing);
        state.reason = reason;
        state.contact = Some(Instant::now());
        news
    }

    /// Notes what is wrong, or that nothing is any more.
    pub(super) fn trouble(&self, whose: Trouble, what: Option<String>) {
        let mut state = self.state();
        let Some(slot) = state.troubles.get_mut(whose as usize) else { return };
        if *slot != what {
            match &what {
                Some(what) => tracing::warn!(site = %self.origin(), "{what}"),
                None => tracing::info!(site = %self.origin(), was = ?slot, "over"),
            }
            *slot = what;
        }
    }

    /// The state in figures and words.
    pub(super) fn view(&self) -> View {
        let state = self.state();
        View {
            key: state.record.key,
            sequence: state.record.sequence,
            listed: state.listing.values().map(|paths| paths.len() as u64).sum(),
            standing: state.record.standing,
            reason: state.reason.clone(),
            is_fresh: state.is_fresh(),
            contact: state.contact.map(|at| at.elapsed()),
            troubles: state.troubles.iter().flatten().cloned().collect(),
            wanted: state.wanted.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_fresh(&self) -> bool {
        self.fresh_until.is_some_and(|until| Instant::now() < until)
    }

    fn may_serve(&self) -> bool {
        self.is_fresh() && self.record.standing != Some(MirrorState::Banned)
    }
}

fn by_root(assets: Vec<FeedAsset>) -> HashMap<Digest, Vec<FeedAsset>> {
    let mut listing: HashMap<Digest, Vec<FeedAsset>> = HashMap::new();
    for asset in assets {
        let paths = listing.entry(asset.root).or_default();
        // One root, one length: else at least one of them is a lie, and which is not known.
        if paths.first().is_none_or(|first| first.length == asset.length) {
            paths.push(asset);
        }
    }
    listing
}

fn key_of(purge: &Purge) -> (&AssetPath, u64) {
    (&purge.path, purge.at)
}
