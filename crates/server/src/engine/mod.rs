//! The one object behind all hosts: it answers the reserved prefix, watches assets go by and has them
//! hashed.

mod anonymous;
mod background;
mod dashboard;
mod doubts;
mod families;
mod jobs;
mod keys;
mod listing;
mod metering;
mod mirrors;
mod overview;
mod purge;
mod sidecar;
mod start;
mod switch;

pub(crate) use families::{Family, Kind};
pub use jobs::Hashing;
pub(crate) use overview::{Counts, Known, Overview, Standing, Why};
pub use start::{StartError, StateError};
pub(crate) use switch::{Sharing, SwitchError};

use doubts::Questions;
use switch::Switch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use manyhands_catalog::{AssetState, Catalog, Demand, Effect, Failure, JobId, Source};
use manyhands_metainfo::{AssetPath, Digest, LocalFile, Version, digest_bytes};
use manyhands_page::{AssetOffer, Policy};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::assets::{Control, Fetch, Rate, Ready, Shelf, Tee};
use crate::client::{Client, PeerAddress};
use crate::config::Checked;
use crate::ledger::{Keeper, Ledger, Meter, Visitor, What, seconds_now};
use crate::mirrors::Mirrors;
use crate::reserved::{
    self, Answer, Beacons, Counters, InFlight, OperatorKey, Ours, Scripts, SiteDocument, Token,
};
use crate::stun::Responder;
use crate::tracker::Tracker;

/// Everything that outlives a request. Cheap to clone; the last clone ends the background work.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

pub(crate) struct Inner {
    checked: Checked,
    /// `checked.policy` while the kill switch is thrown: no page is rewritten.
    quiet: Policy,
    switch: Switch,
    started: Instant,
    /// `started`, by the calendar.
    since: SystemTime,
    catalog: Mutex<Catalog>,
    controls: Mutex<HashMap<JobId, Control>>,
    shelf: Shelf,
    tracker: Tracker,
    mirrors: Mirrors,
    fetch: Option<Arc<dyn Fetch>>,
    rate: Option<Arc<Rate>>,
    questions: Questions,
    in_flight: InFlight,
    scripts: Scripts,
    ledger: Arc<Ledger>,
    keeper: Keeper,
    beacons: Beacons,
    /// The block that swarms were assigned for.
    assigned_block: AtomicU64,
    /// Whether assets came or went since.
    unassigned: AtomicBool,
    token: Token,
    operator: OperatorKey,
    site: SiteDocument,
    counters: Counters,
    stun: Mutex<Option<Responder>>,
    /// Set where a web server's module is in front.
    handout: OnceLock<crate::sidecar::Handout>,
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
    /// Where else the asset is, as whole URLs, the best first.
    pub duplicates: Vec<String>,
    /// Set when the host should feed the body to the hash worker as it passes.
    pub tee: Option<Tee>,
    /// Counts the body.
    pub meter: Meter,
}

/// What became of demand.
struct Wanted {
    ready: bool,
    /// The job that the body may be hashed for as it passes.
    tee: Option<JobId>,
}

impl Engine {
    /// The policy that every answer is judged by, as the kill switch stands at this moment.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        if self.sharing().is_on() { &self.0.checked.policy } else { &self.0.quiet }
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
    pub fn reserved<B>(&self, request: &mut Request<B>, client: &Client) -> Option<Answer> {
        self.wake();
        let below = request.uri().path().strip_prefix(self.policy().prefix());
        let path = below.and_then(|below| below.strip_prefix('/'))?.to_owned();
        Some(reserved::answer(self, &path, request, client))
    }

    /// Answers for an asset's metainfo by suffix (`/a.iso.torrent`), where that is enabled. A host asks
    /// once the site itself has answered 404: what the site has under that name is the site's to send.
    #[must_use]
    pub fn beside(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        client: &Client,
    ) -> Option<Ours> {
        let enabled = self.0.checked.config.site.suffixes;
        let answer = enabled.then(|| reserved::beside(self, method, uri, headers)).flatten()?;
        let meter = match *method {
            Method::HEAD => Meter::none(),
            _ => self.meter(self.visitor(headers, client), What::Overhead(None)),
        };
        Some(Ours { response: self.0.in_flight.carry(answer), meter })
    }

    /// Takes note of an eligible answer.
    pub fn observe(
        &self,
        offer: &AssetOffer,
        file: Option<&LocalFile>,
        client: &Client,
        visitor: Visitor,
    ) -> Offered {
        self.0.counters.asset();
        let mut version = offer.version.clone();
        version.file = file.map(|file| file.identity);
        if !offer.demand {
            let ready = self.catalog().ready_version(&offer.path) == Some(&version);
            let sha256 = ready.then(|| self.0.shelf.sha256(&offer.path)).flatten();
            let duplicates = self.duplicates_if(ready, &offer.path, &visitor);
            // No octets are sent, or another site's.
            return Offered { sha256, duplicates, tee: None, meter: self.meter_other(visitor) };
        }
        let Wanted { ready, tee } = self.wanted(offer, file, client, false);
        let tee = tee.map(|job| self.tee(job, offer, version, self.0.fetch.is_some()));
        let sha256 = ready.then(|| self.0.shelf.sha256(&offer.path)).flatten();
        let duplicates = self.duplicates_if(ready, &offer.path, &visitor);
        let what = if ready { What::Shared(&offer.path) } else { What::Unshared };
        Offered { sha256, duplicates, tee, meter: self.meter(visitor, what) }
    }

    fn duplicates_if(&self, ready: bool, path: &AssetPath, visitor: &Visitor) -> Vec<String> {
        if ready { self.duplicates_for(path, visitor) } else { Vec::new() }
    }

    /// Tells the catalog of demand. `preload`: admitted at once, as if it was listed.
    fn wanted(
        &self,
        offer: &AssetOffer,
        file: Option<&LocalFile>,
        client: &Client,
        preload: bool,
    ) -> Wanted {
        let mut version = offer.version.clone();
        version.file = file.map(|file| file.identity);
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
        let listed = &self.0.checked.config.assets.preload;
        if preload || listed.iter().any(|path| path == offer.path.as_str()) {
            self.preload(offer, &version, source);
        }
        let observed = self.with_catalog(|catalog, now, out| catalog.observe(now, &demand, out));
        let ready = observed.state == AssetState::Ready;
        if let (true, Some(file)) = (ready, file) {
            self.0.shelf.name_file(&offer.path, file.path.clone(), file.identity);
        }
        if ready {
            self.0.shelf.confirm(&offer.path);
            self.0.mirrors.wanted(&offer.path, seconds_now());
        }
        Wanted { ready, tee: observed.tee }
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

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.0.in_flight
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
            if let Effect::Retire(_) | Effect::Hide(_) = effect {
                self.0.unassigned.store(true, Ordering::Relaxed);
            }
            match effect {
                Effect::Retire(path) => {
                    if let Some(info_hash) = self.0.shelf.remove(&path) {
                        self.0.tracker.withdraw(&info_hash);
                    }
                    self.take_back(&path);
                }
                Effect::Show(path) => {
                    if let Some(info_hash) = self.0.shelf.show(&path) {
                        self.open_swarm(&path, info_hash);
                    }
                    self.give(&path);
                }
                Effect::Hide(path) => {
                    if let Some(info_hash) = self.0.shelf.hide(&path) {
                        self.0.tracker.withdraw(&info_hash);
                    }
                    self.take_back(&path);
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
