//! The site's side of mirrors: strangers with a disk who carry its files, untrusted and useful.
//!
//! Front door: [`Mirrors`]. A mirror asks (announce), the operator decides, probes judge, lists name the healthy.
//! Nothing a mirror says is believed: what it holds is probed, what it serves is verified by whoever takes it.
//! The formats are `manyhands-protocol`'s, the HTTP around them is `reserved/mirrors/`; `engine/mirrors.rs` brings
//! files and digests.
//!
//! | file | story |
//! |---|---|
//! | `registry.rs` | who there is, what was decided, who is listed |
//! | `health.rs` | what probes have found of one |
//! | `probe.rs` | whom to probe next, and where |
//! | `ask.rs` | one range from a stranger's server, without harm |
//! | `feed.rs` | what mirrors may carry, signed |
//! | `demand.rs` | what is worth carrying |
//! | `file.rs` | what outlives the process |

mod ask;
mod demand;
mod feed;
mod file;
mod health;
mod probe;
mod registry;

pub(crate) use feed::{Built, Content, Made, Sample};
pub(crate) use probe::{Probe, Schedule};
pub(crate) use registry::{Mirror, MirrorId, Untaken};

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_metainfo::{AssetPath, Digest};
use manyhands_protocol::mirrors::{
    Announce, BaseUrl, MAX_ANNOUNCE_BYTES, MAX_PURGED, MAX_STRANGER_BYTES, MirrorState, PublicKey,
    Purge, SecretKey,
};
use manyhands_protocol::tracker::Prefix;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use self::ask::{Asker, Reach};
use self::demand::Demand;
use self::feed::{Feed, Signer};
use self::file::{Kept, KeptFile};
use self::registry::{Change, Found, Registry};
use crate::assets::Listed;
use crate::config::{Checked, MirrorsSection};

/// How long a purge is told of, in seconds: longer than any mirror should be away.
const PURGE_TOLD: u64 = 7 * 24 * 3_600;
/// Feeds that a former process may have made within its last second.
const SEQUENCE_GAP: u64 = 60;
/// Long announces that are read at once.
const LARGE_AT_ONCE: usize = 8;
/// Mirrors that one answer about a file names.
const MOST_NAMED: usize = 4;

/// All that is known of mirrors.
#[derive(Debug)]
pub(crate) struct Mirrors {
    section: MirrorsSection,
    state: Mutex<State>,
    file: KeptFile,
    /// Whether there is something to write that can wait.
    unwritten: AtomicBool,
    feed: Feed,
    signer: Signer,
    demand: Demand,
    asker: Asker,
    large: Arc<Semaphore>,
    /// Grows with every purge.
    purges: AtomicU64,
    /// Wakes the prober.
    pub(crate) alarm: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    registry: Registry,
    /// Oldest first.
    purged: VecDeque<Purge>,
    sequence: u64,
}

/// What the operator can do with a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Approve,
    Ban(Option<String>),
    Forget,
}

impl Mirrors {
    /// Takes up what an earlier process left in `dir`. `seed` is the site's key for the feed.
    pub(crate) fn open(
        dir: &Path,
        seed: &[u8; 32],
        checked: &Checked,
        now: u64,
    ) -> io::Result<Self> {
        let (file, Kept { sequence, mirrors, purged, .. }) = KeptFile::open(dir)?;
        // A kill may have left the last ones unwritten.
        let sequence = sequence.max(now).saturating_add(SEQUENCE_GAP);
        let section = checked.config.mirrors.clone();
        let registry = Registry::new(mirrors, &checked.mirrors, section.most, now);
        let reach = match (checked.is_local(), checked.config.swarm.lan) {
            (true, _) => Reach::Anywhere,
            (false, true) => Reach::Lan,
            (false, false) => Reach::Public,
        };
        let prefix = AssetPath::parse(&format!("{}/", checked.policy.prefix()));
        let prefix = prefix.map_err(io::Error::other)?;
        Ok(Self {
            section,
            state: Mutex::new(State { registry, purged: purged.into(), sequence }),
            file,
            unwritten: AtomicBool::new(false),
            feed: Feed::default(),
            signer: Signer { key: SecretKey::from_seed(seed), site: checked.site.clone(), prefix },
            demand: Demand::default(),
            asker: Asker::new(reach, &checked.origin),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            purges: AtomicU64::new(0),
            alarm: Arc::default(),
        })
    }

    /// What the site's feed is signed with.
    pub(crate) fn key(&self) -> PublicKey {
        self.signer.key.public()
    }

    /// One request for a file that is shared.
    pub(crate) fn wanted(&self, path: &AssetPath, now: u64) {
        self.demand.count(path, now);
    }

    /// The most bytes that this key may announce with, and a permit where that is much; `None` when as many
    /// long ones as may are being read.
    pub(crate) fn room_for(
        &self,
        key: &PublicKey,
    ) -> Option<(usize, Option<OwnedSemaphorePermit>)> {
        if self.lock().registry.state_of(key) != Some(MirrorState::Approved) {
            return Some((MAX_STRANGER_BYTES, None));
        }
        let permit = Arc::clone(&self.large).try_acquire_owned().ok()?;
        Some((MAX_ANNOUNCE_BYTES, Some(permit)))
    }

    /// The operator's decision about a key.
    pub(crate) fn state_of(&self, key: &PublicKey) -> Option<MirrorState> {
        self.lock().registry.state_of(key)
    }

    /// Takes an announce whose signature was verified: what was decided, and why it is on no list.
    pub(crate) fn announce(
        &self,
        key: PublicKey,
        signed: u64,
        announce: Announce,
        from: Option<Prefix>,
        now: u64,
    ) -> Result<(MirrorState, Option<String>), Untaken> {
        let mut state = self.lock();
        let open = self.section.register;
        let stranger = state.registry.state_of(&key).is_none();
        let mirror = state.registry.announce(key, signed, announce, from, open, now)?;
        let answer = (mirror.entry.state, mirror.reason());
        drop(state);
        if stranger {
            tracing::info!(mirror = %key, "somebody asks to be a mirror: see `manyhands mirrors`");
        }
        self.unwritten.store(true, Ordering::Relaxed);
        self.alarm.notify_one();
        Ok(answer)
    }

    /// Carries out what the operator decides, and writes it down. `Ok(false)`: nobody is called so.
    ///
    /// # Errors
    /// It holds in this process, and could not be written.
    pub(crate) fn decide(&self, id: &MirrorId, decision: Decision, now: u64) -> io::Result<bool> {
        let mut state = self.lock();
        let registry = &mut state.registry;
        let done = match decision {
            Decision::Approve => registry.decide(id, MirrorState::Approved, None, now),
            Decision::Ban(reason) => registry.decide(id, MirrorState::Banned, reason, now),
            Decision::Forget => registry.forget(id),
        };
        // Writing looks at it again.
        drop(state);
        if done.is_none() {
            return Ok(false);
        }
        self.write()?;
        self.alarm.notify_one();
        Ok(true)
    }

    /// Takes note that these paths were withdrawn by the operator.
    pub(crate) fn purged(&self, paths: impl IntoIterator<Item = AssetPath>, now: u64) {
        let mut state = self.lock();
        for path in paths {
            state.purged.retain(|purge| purge.path != path);
            state.purged.push_back(Purge { path, at: now });
        }
        while state.purged.len() > MAX_PURGED {
            state.purged.pop_front();
        }
        drop(state);
        self.purges.fetch_add(1, Ordering::AcqRel);
        if let Err(error) = self.write() {
            tracing::error!(%error, "a purge is told to mirrors until this process ends, and not after");
        }
    }

    /// How often something was purged: what a feed is made of.
    pub(crate) fn purges(&self) -> u64 {
        self.purges.load(Ordering::Acquire)
    }

    /// The feed that is made of `made`; `assets` lists the shown ones where it has to be made.
    pub(crate) fn feed(
        &self,
        made: Made,
        now: u64,
        assets: impl FnOnce() -> Vec<Listed>,
    ) -> Arc<Built> {
        self.feed.get(made, || {
            let assets = assets();
            let demand = self.demand.last_day(now);
            let mut state = self.lock();
            state.purged.retain(|purge| purge.at.saturating_add(PURGE_TOLD) > now);
            // Above all before it, those of former processes too, as long as the clock is about right.
            state.sequence = (state.sequence + 1).max(now);
            self.unwritten.store(true, Ordering::Relaxed);
            let purged = state.purged.iter().rev().cloned().collect();
            let content = Content { assets, demand, purged };
            let copies = |asset: &Listed| {
                let holders = state.registry.healthy(|it| it.holds(&asset.path, &asset.root));
                holders.len() as u64
            };
            self.signer.build(made, content, copies, state.sequence, now)
        })
    }

    /// Mirrors for browsers, the healthiest first: as many as the operator lists.
    pub(crate) fn for_browsers(&self) -> Vec<BaseUrl> {
        let state = self.lock();
        let healthy = state.registry.healthy(|mirror| mirror.health.is_readable());
        healthy.into_iter().take(self.section.listed).cloned().collect()
    }

    /// Mirrors of one file for browsers.
    pub(crate) fn holders_for_browsers(&self, path: &AssetPath, root: &Digest) -> Vec<BaseUrl> {
        let state = self.lock();
        let holders = state
            .registry
            .healthy(|mirror| mirror.health.is_readable() && mirror.holds(path, root));
        holders.into_iter().take(self.section.listed.min(MOST_NAMED)).cloned().collect()
    }

    /// Where else one file is, for any HTTP client.
    pub(crate) fn holders(&self, path: &AssetPath, root: &Digest) -> Vec<String> {
        let state = self.lock();
        let holders = state.registry.healthy(|mirror| mirror.holds(path, root));
        holders.into_iter().take(MOST_NAMED).map(|base| base.of(path)).collect()
    }

    /// Takes note of a browser's doubt.
    pub(crate) fn doubt(&self, url: &BaseUrl, path: &AssetPath, unit: u64) {
        self.lock().registry.doubt(url, path, unit, &mut rand::rng());
        self.alarm.notify_one();
    }

    /// Everything about every mirror, as it is at this moment.
    pub(crate) fn all(&self) -> Vec<Mirror> {
        self.lock().registry.all().cloned().collect()
    }

    /// Writes down what could wait.
    pub(crate) fn write_what_waits(&self) {
        if self.unwritten.swap(false, Ordering::Relaxed)
            && let Err(error) = self.write()
        {
            self.unwritten.store(true, Ordering::Relaxed);
            tracing::error!(%error, "what is known of mirrors can't be written to the state directory");
        }
    }

    fn write(&self) -> io::Result<()> {
        self.file.write(|| {
            let state = self.lock();
            let purged = state.purged.iter().cloned().collect();
            Kept::new(state.sequence, state.registry.entries(), purged)
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
