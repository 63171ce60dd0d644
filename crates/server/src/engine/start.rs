use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use manyhands_catalog::{Admission, Catalog, Effect};
use manyhands_protocol::sdp::Gate;
use manyhands_protocol::tracker::SwarmConfig;
use rand::Rng;

use super::doubts::Questions;
use super::switch::Switch;
use super::{Engine, Inner, keys};
use crate::assets::{Fetch, Rate, ReadySettings, Shelf, Store};
use crate::config::{Checked, Config, Foreign};
use crate::ledger::{Assignment, Keeper, Ledger, Terms, seconds_now};
use crate::mirrors::Mirrors;
use crate::reserved::{Beacons, Counters, InFlight, OperatorKey, Scripts, SiteDocument, Token};
use crate::stun::Responder;
use crate::tracker::Tracker;

/// Why the engine can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The STUN socket.
    #[error("cannot answer STUN on {address}: {source}; choose another with [stun] listen")]
    Stun {
        /// The address of `[stun] listen`.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// The state directory can't be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the state directory {dir}: {source}; choose a writable one with [state] dir")]
pub struct StateError {
    dir: String,
    source: io::Error,
}

impl Engine {
    /// Opens the state directory and takes up what an earlier process left there.
    ///
    /// Nothing runs yet: the background work starts with the first request, on its runtime.
    ///
    /// # Errors
    /// When the state directory is not writable or the STUN socket can't be bound.
    pub fn start(checked: Checked, fetch: Option<Arc<dyn Fetch>>) -> Result<Self, StartError> {
        let config = &checked.config;
        let dir = &config.state.dir;
        let state = |source| StateError { dir: dir.display().to_string(), source };
        fs::create_dir_all(dir).map_err(state)?;
        let store = Store::open(dir, &checked.origin).map_err(state)?;
        let announce = keys::announce(dir).map_err(state)?;
        let sums = checked.experiment_dir();
        let of_experiment = |source| StateError { dir: sums.display().to_string(), source };
        let ledger = Ledger::new(assignment(&checked).map_err(of_experiment)?);
        let terms = Terms { billing: checked.billing.clone(), slack: config.policy.slack };
        let keeper = Keeper::new(Arc::clone(&ledger), sums, terms, config.experiment.keep);
        let seed = keys::mirrors(dir).map_err(state)?;
        let mirrors = Mirrors::open(dir, &seed, &checked, seconds_now()).map_err(state)?;
        let operator = OperatorKey::new(keys::operator(dir).map_err(state)?);
        let switch = Switch::open(dir, config.site.disabled).map_err(state)?;
        let stun = match config.stun.host {
            Some(_) => Some(
                Responder::bind(config.stun.listen)
                    .map_err(|source| StartError::Stun { address: config.stun.listen, source })?,
            ),
            None => None,
        };
        let settings = ReadySettings {
            origin: checked.origin.clone(),
            prefix: checked.policy.prefix().to_owned(),
            announce: config.swarm.foreign == Foreign::Open,
        };
        let shelf = Shelf::new(store, settings);
        let tracker = Tracker::new(swarms(config), rand::rng().next_u64());
        tracker.set_open(switch.sharing().is_on());
        ledger.pause(!switch.sharing().is_on());
        let mut catalog = Catalog::new(admission(config));
        let mut effects = Vec::new();
        shelf.restore(|record| {
            catalog.restore(record.path, record.version, record.content_type, &mut effects);
        });
        // More than are remembered: those past it would stay on disk for ever.
        for effect in effects {
            if let Effect::Retire(path) = effect {
                shelf.remove(&path);
            }
        }
        let inner = Inner {
            quiet: checked.policy.clone().with_pages(false),
            switch,
            started: Instant::now(),
            since: SystemTime::now(),
            catalog: Mutex::new(catalog),
            controls: Mutex::new(HashMap::new()),
            shelf,
            tracker,
            mirrors,
            fetch,
            rate: Rate::new(config.admission.rate),
            questions: Questions::default(),
            in_flight: InFlight::default(),
            scripts: Scripts::default(),
            ledger,
            keeper,
            beacons: Beacons::new(announce),
            assigned_block: AtomicU64::new(u64::MAX),
            unassigned: AtomicBool::new(true),
            token: Token::new(announce),
            operator,
            site: SiteDocument::default(),
            counters: Counters::default(),
            stun: Mutex::new(stun),
            handout: OnceLock::new(),
            runtime: OnceLock::new(),
            alarm: Arc::default(),
            warned: AtomicBool::new(false),
            checked,
        };
        Ok(Self(Arc::new(inner)))
    }
}

/// The experiment, if one is configured.
fn assignment(checked: &Checked) -> io::Result<Option<Assignment>> {
    let Checked { design: Some(design), config, origin, .. } = checked else { return Ok(None) };
    fs::create_dir_all(checked.experiment_dir())?;
    let section = &config.experiment;
    let salt = match &section.salt {
        Some(salt) => salt.clone().into_bytes(),
        None => keys::experiment(checked.experiment_dir())?.to_vec(),
    };
    Ok(Some(Assignment::new(*design, &salt, origin.clone(), section.days)))
}

fn admission(config: &Config) -> Admission {
    Admission::default()
        .with_requests(config.admission.requests)
        .with_prefixes(config.admission.prefixes)
        .with_queue(config.admission.queue)
        .with_jobs(config.admission.jobs)
        .with_deadline(Duration::from_secs(config.admission.deadline))
        .with_fetch_budget(config.admission.budget)
}

fn swarms(config: &Config) -> SwarmConfig {
    SwarmConfig::default()
        .with_min_prefixes(config.swarm.min_prefixes)
        .with_gate(Gate::default().with_lan(config.swarm.lan))
}
