//! Mirrors and what this site has: the feed, probes against digests of the store, who is named where.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use manyhands_experiment::Arm;
use manyhands_metainfo::{AssetPath, DIGESTS_PER_PAGE, Digest};
use manyhands_protocol::mirrors::BaseUrl;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::{Engine, Inner};
use crate::assets::{Listed, Part, Ready};
use crate::ledger::{Visitor, seconds_now};
use crate::mirrors::{Built, Decision, Made, MirrorId, Mirrors, Probe, Schedule};
use crate::reserved::Document;

/// How often it is looked who is due.
const TICK: Duration = Duration::from_secs(1);
/// Between two writings of what can wait.
const WRITE: Duration = Duration::from_secs(5);
/// Probes at once.
const AT_ONCE: usize = 8;

impl Engine {
    pub(crate) fn mirrors(&self) -> &Mirrors {
        &self.0.mirrors
    }

    /// What mirrors may carry now. While sharing is switched off that is nothing, which they learn at once.
    pub(crate) fn feed(&self) -> Arc<Built> {
        let sharing = self.sharing().is_on();
        let (shown, purges) = (self.0.shelf.generation(), self.mirrors().purges());
        let made = Made { shown, purges, sharing };
        self.mirrors()
            .feed(made, seconds_now(), || if sharing { self.all_listed() } else { Vec::new() })
    }

    fn all_listed(&self) -> Vec<Listed> {
        let mut part = self.listed(None, Part::MOST, |_| true);
        let mut assets = std::mem::take(&mut part.assets);
        while let Some(after) = part.next {
            part = self.listed(Some(&after), Part::MOST, |_| true);
            assets.append(&mut part.assets);
        }
        assets
    }

    /// The operator decides about a mirror. `Ok(false)`: nobody is called so.
    pub(crate) fn decide(&self, id: &MirrorId, decision: Decision) -> std::io::Result<bool> {
        let out = decision != Decision::Approve;
        let known = self.mirrors().decide(id, decision, seconds_now());
        if let (true, MirrorId::Key(key)) = (out, id) {
            self.tracker().expel(key);
        }
        known
    }

    /// The mirrors that all pages are told of.
    pub(crate) fn mirrors_for_browsers(&self) -> Vec<BaseUrl> {
        if self.sharing().is_on() { self.mirrors().for_browsers() } else { Vec::new() }
    }

    /// The mirrors of one file that this visitor's browser is told of. Where the experiment holds out, none.
    pub(crate) fn holders_for(&self, path: &AssetPath, visitor: &Visitor) -> Vec<BaseUrl> {
        match self.shared_root(path, visitor) {
            Some(root) => self.mirrors().holders_for_browsers(path, &root),
            None => Vec::new(),
        }
    }

    /// Where else this visitor finds a file, whatever program he has.
    pub(crate) fn duplicates_for(&self, path: &AssetPath, visitor: &Visitor) -> Vec<String> {
        match self.shared_root(path, visitor) {
            Some(root) => self.mirrors().holders(path, &root),
            None => Vec::new(),
        }
    }

    /// Where else a file is, for documents that any program may read later.
    pub(crate) fn duplicates(&self, path: &AssetPath) -> Vec<String> {
        let root = self.0.shelf.shown_root(path).filter(|_| self.sharing().is_on());
        root.map(|root| self.mirrors().holders(path, &root)).unwrap_or_default()
    }

    /// The torrent of an asset that is at these mirrors, too.
    pub(crate) fn torrent_with(&self, ready: &Ready, mirrors: &[String]) -> Document {
        self.0.shelf.settings().torrent(&ready.record, mirrors)
    }

    /// The magnet link of an asset that is at these mirrors, too.
    pub(crate) fn magnet_with(&self, ready: &Ready, mirrors: &[String]) -> String {
        let (path, length) = (ready.path(), ready.record.hashes.length);
        self.0.shelf.settings().magnet(path, &ready.info_hash, length, mirrors)
    }

    fn shared_root(&self, path: &AssetPath, visitor: &Visitor) -> Option<Digest> {
        let takes_part = self.sharing().is_on() && self.ledger().arm(path, visitor) == Arm::P2p;
        self.0.shelf.shown_root(path).filter(|_| takes_part)
    }

    /// The right digest of a unit, if the file is still what it was.
    fn digest_of(&self, probe: &Probe) -> Option<Digest> {
        let ready = self.ready(&probe.sample.path)?;
        let current = ready.record.hashes.root == probe.sample.root;
        let unit = usize::try_from(probe.unit).ok().filter(|_| current)?;
        let page = self.0.shelf.page(&ready, unit / DIGESTS_PER_PAGE)?;
        page.get(unit % DIGESTS_PER_PAGE).copied()
    }

    /// Probes a mirror. Whether that said nothing of its health.
    async fn probe(&self, id: &MirrorId, built: &Built) -> bool {
        let Some(probe) = self.mirrors().target(id, &built.samples) else { return true };
        let Some(digest) = self.digest_of(&probe) else { return true };
        let found = self.mirrors().probe(&probe, &digest).await;
        // Another version came while it was asked: the mirror has done nothing wrong.
        if found.is_wrong() && self.digest_of(&probe) != Some(digest) {
            return true;
        }
        let missing = found.is_missing();
        if let Some(banned) = self.mirrors().found(&probe, found, seconds_now()) {
            self.tracker().expel(&banned);
        }
        missing
    }
}

/// Probes mirrors until the last clone of the engine is gone.
pub(super) async fn watch(engine: Weak<Inner>, alarm: Arc<Notify>) {
    let mut schedule = Schedule::default();
    let mut under_way = JoinSet::new();
    let mut written = Instant::now();
    loop {
        let Some(engine) = engine.upgrade().map(Engine) else { return };
        while let Some(done) = under_way.try_join_next() {
            if let Ok((id, again)) = done {
                schedule.done(&id, again, Instant::now());
            }
        }
        let room = AT_ONCE.saturating_sub(under_way.len());
        let due = match engine.sharing().is_on() {
            true => engine.mirrors().due(&mut schedule, room, Instant::now()),
            false => Vec::new(),
        };
        if !due.is_empty() {
            // May have to look at all files.
            let maker = engine.clone();
            let built = tokio::task::spawn_blocking(move || maker.feed()).await;
            let Ok(built) = built else {
                tracing::error!("the feed for mirrors can't be made: they are not probed any more");
                return;
            };
            for id in due {
                let (engine, built) = (engine.clone(), Arc::clone(&built));
                under_way.spawn(async move {
                    let again = engine.probe(&id, &built).await;
                    (id, again)
                });
            }
        }
        if written.elapsed() >= WRITE {
            written = Instant::now();
            let writer = engine.clone();
            let write = move || writer.mirrors().write_what_waits();
            let _ = tokio::task::spawn_blocking(write).await;
        }
        drop(engine);
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = alarm.notified() => {}
        }
    }
}
