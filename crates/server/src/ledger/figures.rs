use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use manyhands_experiment::{Analysis, Sums, analyse};

use super::store::{Archive, ArchiveError, Period, Terms};

/// How old an analysis may be that somebody is shown.
const FRESH: Duration = Duration::from_secs(10);
/// How long the first who looks waits for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the dashboard shows of the experiment.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) analysis: Analysis,
    /// The assets that sent most, most first: encoded path, or the name of a bundle, and sums.
    pub(crate) top: Vec<(String, Sums)>,
    /// Why transfers fell back to plain HTTP, as browsers claim: most first.
    pub(crate) fallbacks: Vec<(String, u64)>,
}

/// What there is to see.
#[derive(Debug, Clone)]
pub(crate) enum Looked {
    /// No experiment runs.
    Off,
    /// Nothing is written yet, or it is still being reckoned.
    Pending,
    /// What was written can't be read: why, in a line.
    Unreadable(String),
    Known(Arc<Figures>),
}

/// Reckons when somebody looks: one at a time, on a thread that nobody waits for, since a long experiment takes
/// seconds.
#[derive(Debug)]
pub(super) struct Desk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    terms: Terms,
    /// Which experiment, if one runs.
    experiment: Option<u64>,
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug)]
struct State {
    at: Option<Instant>,
    seen: Looked,
    running: bool,
}

impl Desk {
    pub(super) fn new(dir: &Path, terms: Terms, experiment: Option<u64>) -> Self {
        let seen = if experiment.is_some() { Looked::Pending } else { Looked::Off };
        let state = Mutex::new(State { at: None, seen, running: false });
        let done = Condvar::new();
        Self(Arc::new(Shared { dir: dir.to_owned(), terms, experiment, state, done }))
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.0.terms
    }

    /// The experiment as it stood some seconds ago.
    pub(super) fn look(&self) -> Looked {
        let mut state = self.0.state();
        if let Looked::Off = state.seen {
            return Looked::Off;
        }
        let stale = state.at.is_none_or(|at| at.elapsed() >= FRESH);
        if stale && !state.running {
            let shared = Arc::clone(&self.0);
            let named = thread::Builder::new().name("manyhands-figures".to_owned());
            state.running = named.spawn(move || shared.run()).is_ok();
        }
        if !matches!(state.seen, Looked::Known(_)) {
            let waiting = |state: &mut State| state.running;
            let waited = self.0.done.wait_timeout_while(state, PATIENCE, waiting);
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
        state.seen.clone()
    }
}

impl Shared {
    fn run(&self) {
        let seen = match self.reckon() {
            Ok(figures) => Looked::Known(Arc::new(figures)),
            Err(ArchiveError::Missing(_)) => Looked::Pending,
            Err(error) => Looked::Unreadable(error.to_string()),
        };
        let mut state = self.state();
        // What is not there yet is looked for again at once.
        state.at = (!matches!(seen, Looked::Pending)).then(Instant::now);
        state.seen = seen;
        state.running = false;
        drop(state);
        self.done.notify_all();
    }

    fn reckon(&self) -> Result<Figures, ArchiveError> {
        let archive = Archive::open(std::slice::from_ref(&self.dir))?;
        let observations =
            archive.observations(self.experiment, Period::default(), self.terms.clone())?;
        let top = archive.top_assets(self.experiment)?;
        let fallbacks = archive.fallbacks(self.experiment)?;
        Ok(Figures { analysis: analyse(&observations), top, fallbacks })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
