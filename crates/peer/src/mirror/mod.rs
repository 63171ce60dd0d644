//! A volunteer's mirror: carries sites' large files, verified, and serves them over HTTP.
//!
//! Entry types: [`Mirror`] does the work, [`Answers`] is the service for its listener, [`MirrorStatus`] says how it
//! is. For each site it follows the signed feed (`feed`), chooses what to carry (`choose`), fetches and verifies
//! it (`fetch`), serves it (`answer`) and tells the site (`announce`); `work` runs these, `site` is what
//! they share, `record` what outlives the process.
//!
//! Nothing a site says is trusted before its signature fits the key that was trusted first, and no byte
//! before its digest fits. A mirror itself needs no trust: visitors verify what it sends.

mod announce;
mod answer;
mod choose;
mod counts;
mod feed;
mod fetch;
mod hours;
mod key;
mod range;
mod rate;
mod record;
mod settings;
mod site;
mod status;
mod web;
mod work;

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use manyhands_protocol::mirrors::{PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::store::{Store, StoreError, replace};
use rate::Rate;
use site::{Site, Trouble};
use status::StatusSocket;
use web::Web;

pub use answer::{AnswerBody, AnswerError, Answers, Remote};
pub use choose::{Candidate, choose};
pub use hours::{Hours, HoursError};
pub use settings::{MirrorSettings, SiteAddress, SiteAddressError};
pub use status::{MirrorStatus, SiteStatus, UnderWay};

/// What the last start was told, in the mirror's directory.
const SETTINGS: &str = "mirror.json";

/// Why a mirror does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// Its directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// TLS to the sites.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// A mirror of some sites. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

/// What all who work for a mirror share.
#[derive(Debug)]
pub(crate) struct Inner {
    settings: MirrorSettings,
    key: SecretKey,
    sites: Vec<Arc<Site>>,
    upload: Rate,
    download: Rate,
    planning: Mutex<()>,
    /// Last, so that the lock is let go last.
    _store: Store,
}

impl Mirror {
    /// Opens the directory and what is there of the sites. Blocks on the disk; within a runtime.
    ///
    /// # Errors
    /// See [`MirrorError`], each in one line that a person can act on.
    pub fn open(settings: MirrorSettings, sites: Vec<SiteAddress>) -> Result<Self, MirrorError> {
        let store = Store::open(settings.directory())?;
        let key = key::read_or_make(settings.directory())?;
        remember(&settings, &sites)?;
        let open = |address: SiteAddress| {
            let web = Web::new(address.origin().clone(), key.clone())?;
            let part = store.site(address.authority())?;
            Ok::<_, MirrorError>(Arc::new(Site::open(address, web, part)?))
        };
        let sites = sites.into_iter().map(open).collect::<Result<_, _>>()?;
        let (upload, download) = (Rate::new(settings.rate), Rate::new(settings.rate));
        let planning = Mutex::default();
        let inner = Inner { settings, key, sites, upload, download, planning, _store: store };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The sites that the last start in this directory was told to carry.
    pub fn former_sites(directory: &Path) -> Vec<SiteAddress> {
        let json = std::fs::read(directory.join(SETTINGS)).unwrap_or_default();
        let told: Option<Told> = serde_json::from_slice(&json).ok();
        let sites = told.into_iter().flat_map(|told| told.sites);
        sites.filter_map(|it| Some(SiteAddress::parse(&it.url).ok()?.with_key(it.key))).collect()
    }

    /// What visitors' requests are answered by.
    pub fn answers(&self) -> Answers {
        Answers::new(self.inner.clone())
    }

    /// How it is now.
    pub fn status(&self) -> MirrorStatus {
        MirrorStatus::of(&self.inner)
    }

    /// Has the feeds looked at now, before their time.
    pub fn look(&self) {
        for site in &self.inner.sites {
            site.news.notify_one();
        }
    }

    /// Works until `stop` resolves. Whatever it breaks off is taken up again at the next start.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        for site in &self.inner.sites {
            tasks.spawn(work::follow(self.inner.clone(), site.clone()));
            tasks.spawn(work::present(self.inner.clone(), site.clone()));
            tasks.spawn(work::gather(self.inner.clone(), site.clone()));
        }
        match StatusSocket::bind(self.inner.settings.directory()) {
            Ok(socket) => {
                let inner = self.inner.clone();
                tasks.spawn(async move {
                    if let Err(error) = socket.tell(&inner).await {
                        tracing::warn!(%error, "the status can't be asked for any more");
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "the status can't be asked for"),
        }
        stop.await;
        tasks.shutdown().await;
    }
}

impl Inner {
    /// Chooses anew what to carry, of all sites together.
    async fn plan(self: &Arc<Self>) {
        let inner = self.clone();
        feed::blocking(move || inner.plan_now()).await;
    }

    fn plan_now(&self) {
        let _alone = self.planning.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, mut owners) = (Vec::new(), Vec::new());
        for (number, site) in self.sites.iter().enumerate() {
            let candidates = site.candidates();
            owners.extend(candidates.iter().map(|_| number));
            all.extend(candidates);
        }
        let chosen = choose(&all, self.settings.budget, self.key.public().as_bytes());
        let chosen: Vec<_> =
            chosen.iter().filter_map(|at| Some((*owners.get(*at)?, all.get(*at)?))).collect();
        let used: u64 = chosen.iter().map(|(_, it)| it.space).sum();
        let mut left = self.settings.budget.saturating_sub(used);
        for (number, site) in self.sites.iter().enumerate() {
            let roots: Vec<_> = chosen
                .iter()
                .filter(|(owner, _)| *owner == number)
                .map(|(_, it)| it.root)
                .collect();
            let forgotten = site.forget_unlisted(left);
            left = left.saturating_sub(site.unlisted_space());
            if let Err(error) = forgotten.and(site.carry(&roots)) {
                site.trouble(Trouble::Disk, Some(error.to_string()));
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Told {
    v: u32,
    sites: Vec<ToldSite>,
    budget: u64,
    rate: Option<u64>,
    hours: Option<Hours>,
    name: String,
    contact: Option<String>,
    #[serde(rename = "publicUrl")]
    public_url: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ToldSite {
    url: String,
    key: Option<PublicKey>,
}

/// Writes down what was told, for the next start and for people.
fn remember(settings: &MirrorSettings, sites: &[SiteAddress]) -> Result<(), StoreError> {
    let site =
        |it: &SiteAddress| ToldSite { url: format!("{}{}", it.origin, it.prefix), key: it.key };
    let told = Told {
        v: 1,
        sites: sites.iter().map(site).collect(),
        budget: settings.budget,
        rate: settings.rate,
        hours: settings.hours,
        name: settings.name.clone(),
        contact: settings.contact.clone(),
        public_url: settings.public.as_ref().map(ToString::to_string),
    };
    let json = serde_json::to_vec_pretty(&told).unwrap_or_default();
    replace(&settings.directory().join(SETTINGS), &json)
}
