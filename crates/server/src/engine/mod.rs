//! The one object behind all hosts: it answers the reserved prefix, watches assets go by and has them
//! hashed.

mod anonymous;
mod background;
mod doubts;
mod jobs;
mod keys;
mod listing;
mod overview;
mod purge;
mod start;

pub use jobs::Hashing;
pub(crate) use overview::{Known, Overview, Standing};
pub use start::{StartError, StateError};

use doubts::Questions;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use manyhands_catalog::{AssetState, Catalog, Demand, Effect, Failure, JobId, Source};
use manyhands_metainfo::{AssetPath, Digest, LocalFile, Version, digest_bytes};
use manyhands_page::{AssetOffer, Policy};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::assets::{Control, Fetch, Rate, Ready, Shelf, Tee};
use crate::client::{Client, PeerAddress};
use crate::config::Checked;
use crate::reserved::{self, Counters, InFlight, OperatorKey, Scripts, SiteDocument, Token};
use crate::stun::Responder;
use crate::tracker::Tracker;

/// Everything that outlives a request. Cheap to clone; the last clone ends the background work.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

pub(crate) struct Inner {
    checked: Checked,
    started: Instant,
    catalog: Mutex<Catalog>,
    controls: Mutex<HashMap<JobId, Control>>,
    shelf: Shelf,
    tracker: Tracker,
    fetch: Option<Arc<dyn Fetch>>,
    rate: Option<Arc<Rate>>,
    questions: Questions,
    in_flight: InFlight,
    scripts: Scripts,
    token: Token,
    operator: OperatorKey,
    site: SiteDocument,
    counters: Counters,
    stun: Mutex<Option<Responder>>,
    runtime: OnceLock<Handle>,
    /// Wakes the background work: a job ended, and another may have to be tried again soon.
    alarm: Arc<Notify>,
    warned: AtomicBool,
}

/// What a host does with an eligible answer.
#[derive(Debug, Default)]
pub struct Offered {
    /// SHA-256 of the whole asset, when its metainfo may be announced in the answer's header.
    pub sha256: Option<Digest>,
    /// Set when the host should feed the body to the hash worker as it passes.
    pub tee: Option<Tee>,
}

impl Engine {
    /// The policy that every answer is judged by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.checked.policy
    }

    /// Who sent a request.
    #[must_use]
    pub fn client(&self, peer: Option<PeerAddress>, headers: &HeaderMap) -> Client {
        if peer.is_none() && !self.0.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "requests come without the address of their socket (the PeerAddress extension): address \
                 prefixes are ignored for admission, and swarms with a floor stay closed"
            );
        }
        Client::of(peer, headers, &self.0.checked.trusted)
    }

    /// Answers a request below the reserved prefix; `None` for every other path.
    pub fn reserved<B>(
        &self,
        request: &mut Request<B>,
        client: &Client,
    ) -> Option<Response<Bytes>> {
        self.wake();
        let below = request.uri().path().strip_prefix(self.policy().prefix());
        let path = below.and_then(|below| below.strip_prefix('/'))?.to_owned();
        let answer = reserved::answer(self, &path, request, client);
        Some(self.0.in_flight.carry(answer))
    }

    /// Answers for an asset's metainfo by suffix (`/a.iso.torrent`), where that is enabled. A host asks
    /// once the site itself has answered 404: what the site has under that name is the site's to send.
    #[must_use]
    pub fn beside(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<Response<Bytes>> {
        let enabled = self.0.checked.config.site.suffixes;
        let answer = enabled.then(|| reserved::beside(self, method, uri, headers)).flatten();
        answer.map(|answer| self.0.in_flight.carry(answer))
    }

    /// Takes note of an eligible answer.
    pub fn observe(
        &self,
        offer: &AssetOffer,
        file: Option<&LocalFile>,
        client: &Client,
    ) -> Offered {
        self.0.counters.asset();
        let mut version = offer.version.clone();
        version.file = file.map(|file| file.identity);
        if !offer.demand {
            let ready = self.catalog().ready_version(&offer.path) == Some(&version);
            let sha256 = ready.then(|| self.0.shelf.sha256(&offer.path)).flatten();
            return Offered { sha256, tee: None };
        }
        let source = match (file, &self.0.fetch) {
            (Some(file), _) => Source::File(file.path.as_path().into()),
            (None, fetch) if offer.teeable => Source::Passing { fetch: fetch.is_some() },
            (None, Some(_)) => Source::Fetch,
            (None, None) => Source::None,
        };
        let demand = Demand {
            path: &offer.path,
            version: &version,
            content_type: &offer.content_type,
            prefix: client.prefix().map(|prefix| prefix.to_bits()),
            source: source.clone(),
        };
        if self.0.checked.config.assets.preload.iter().any(|path| path == offer.path.as_str()) {
            self.preload(offer, &version, source);
        }
        let observed = self.with_catalog(|catalog, now, out| catalog.observe(now, &demand, out));
        let fetch = self.0.fetch.is_some();
        let tee = observed.tee.map(|job| self.tee(job, offer, version.clone(), fetch));
        let ready = observed.state == AssetState::Ready;
        if let (true, Some(file)) = (ready, file) {
            self.0.shelf.name_file(&offer.path, file.path.clone(), file.identity);
        }
        if ready {
            self.0.shelf.confirm(&offer.path);
        }
        let sha256 = ready.then(|| self.0.shelf.sha256(&offer.path)).flatten();
        Offered { sha256, tee }
    }

    /// Admits a local file at once, as `serve` does with all that is eligible.
    pub fn preload_file(&self, offer: &AssetOffer, file: &LocalFile) {
        let mut version = offer.version.clone();
        version.file = Some(file.identity);
        self.preload(offer, &version, Source::File(file.path.as_path().into()));
        self.0.shelf.name_file(&offer.path, file.path.clone(), file.identity);
    }

    /// Takes note of a page that got the tag.
    pub fn page(&self) {
        self.0.counters.page();
    }

    /// Assets that wait for a hash worker or are with one, and the bytes hashed of the latter.
    #[must_use]
    pub fn pending(&self) -> (usize, u64) {
        let hashed = self.controls().values().map(Control::position).sum();
        (self.catalog().pending(), hashed)
    }

    /// What is served of an asset, if its bytes are still those that were hashed.
    #[must_use]
    pub fn ready(&self, path: &AssetPath) -> Option<Arc<Ready>> {
        let version = self.catalog().ready_version(path).cloned()?;
        let ready = self.0.shelf.ready(path).filter(|ready| *ready.version() == version);
        if ready.is_none() || self.0.shelf.file_changed(path) {
            // Better made anew than served doubtful.
            self.with_catalog(|catalog, now, out| catalog.stale(now, path, &version, out));
            return None;
        }
        self.keep_confirmed(path, &version);
        ready
    }

    pub(crate) fn digest_page(&self, root: &Digest, page: usize) -> Option<Bytes> {
        let ready = self.ready(&self.0.shelf.path_of_root(root)?)?;
        if ready.record.hashes.root != *root {
            return None;
        }
        self.0.shelf.page(&ready, page).map(|digests| digest_bytes(&digests).into())
    }

    pub(crate) fn checked(&self) -> &Checked {
        &self.0.checked
    }

    pub(crate) fn tracker(&self) -> &Tracker {
        &self.0.tracker
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.0.scripts
    }

    pub(crate) fn site(&self) -> &SiteDocument {
        &self.0.site
    }

    pub(crate) fn token(&self) -> &Token {
        &self.0.token
    }

    pub(crate) fn operator(&self) -> &OperatorKey {
        &self.0.operator
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Ends a hash job that published nothing.
    pub(crate) fn job_ended(&self, job: JobId, result: Result<(), Failure>) -> bool {
        self.controls().remove(&job);
        let taken = self.with_catalog(|catalog, now, out| catalog.finished(now, job, result, out));
        self.0.alarm.notify_one();
        taken
    }

    fn preload(&self, offer: &AssetOffer, version: &Version, source: Source) {
        self.with_catalog(|catalog, now, out| {
            catalog.preload(now, &offer.path, version, &offer.content_type, source, out);
        });
    }

    /// Runs one step of the catalog and carries out what it wants. Retiring happens under its lock, so
    /// that no newer metainfo can slip in between; jobs start after it.
    fn with_catalog<T>(
        &self,
        step: impl FnOnce(&mut Catalog, Duration, &mut Vec<Effect>) -> T,
    ) -> T {
        let mut effects = Vec::new();
        let mut catalog = self.catalog();
        let result = step(&mut catalog, self.0.started.elapsed(), &mut effects);
        let mut jobs = Vec::new();
        for effect in effects {
            match effect {
                Effect::Retire(path) => {
                    if let Some(info_hash) = self.0.shelf.remove(&path) {
                        self.0.tracker.withdraw(&info_hash);
                    }
                }
                Effect::Show(path) => {
                    if let Some(info_hash) = self.0.shelf.show(&path) {
                        self.0.tracker.issue(info_hash);
                    }
                }
                Effect::Hide(path) => {
                    if let Some(info_hash) = self.0.shelf.hide(&path) {
                        self.0.tracker.withdraw(&info_hash);
                    }
                }
                Effect::Cancel(job) => {
                    if let Some(control) = self.controls().remove(&job) {
                        control.cancel();
                    }
                }
                Effect::Hash(job) => jobs.push(job),
            }
        }
        drop(catalog);
        for job in jobs {
            self.start_job(job);
        }
        result
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.0.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn controls(&self) -> MutexGuard<'_, HashMap<JobId, Control>> {
        self.0.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("origin", &self.checked.origin).finish_non_exhaustive()
    }
}
