//! What is known of ready assets, held against what the site says now.
//!
//! Visitors' eligible answers confirm an asset all the time. Where they don't (everybody has a cookie, or
//! asks for ranges of what needs a login by now), the site is asked as nobody, for one byte.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use manyhands_catalog::Failure;
use manyhands_metainfo::{AssetPath, Version};
use manyhands_page::{Doubt, Reason};
use tokio::sync::Semaphore;

use super::Engine;

/// How long an asset's metainfo is served without an answer that confirms it.
const CONFIRMED_FOR: Duration = Duration::from_secs(600);
/// How often one asset is asked for, whatever visitors do.
const PAUSE: Duration = Duration::from_secs(60);
/// Questions at once.
const AT_ONCE: usize = 4;
/// Assets whose last question is remembered.
const MOST_REMEMBERED: usize = 10_000;

/// The questions to the site, so that they stay few.
#[derive(Debug)]
pub(super) struct Questions {
    asked: Mutex<HashMap<AssetPath, Instant>>,
    at_once: Semaphore,
}

impl Default for Questions {
    fn default() -> Self {
        Self { asked: Mutex::default(), at_once: Semaphore::new(AT_ONCE) }
    }
}

impl Questions {
    /// Whether this asset may be asked for now; if so it is taken to be.
    fn may_ask(&self, path: &AssetPath, now: Instant) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Instant| now.saturating_duration_since(*at) < PAUSE;
        if asked.get(path).is_some_and(recent) {
            return false;
        }
        if asked.len() >= MOST_REMEMBERED {
            asked.retain(|_, at| recent(at));
        }
        let room = asked.len() < MOST_REMEMBERED || asked.contains_key(path);
        if room {
            asked.insert(path.clone(), now);
        }
        room
    }
}

impl Engine {
    /// Takes note of an answer that was left alone, and of the doubt it casts on an asset.
    pub fn passed(&self, reason: Reason, doubt: Option<&Doubt>) {
        self.counters().passed(reason);
        if let Some(doubt) = doubt {
            self.doubt(doubt);
        }
    }

    /// Takes note of a doubt.
    pub(crate) fn doubt(&self, doubt: &Doubt) {
        match doubt {
            Doubt::Certain(path) => {
                self.with_catalog(|catalog, _, out| catalog.doubt(path, out));
            }
            Doubt::Suspected { path, version } => {
                let ready = self.catalog().ready_version(path).cloned();
                // Of files on this machine the file itself is looked at.
                if ready
                    .is_some_and(|ready| ready.file.is_none() && version.as_ref() != Some(&ready))
                {
                    self.ask_again(path);
                }
            }
        }
    }

    /// Has the asset confirmed if no answer did for a while; in the meantime it is served.
    pub(super) fn keep_confirmed(&self, path: &AssetPath, version: &Version) {
        if version.file.is_none() && self.0.shelf.unconfirmed_for(path) > CONFIRMED_FOR {
            self.ask_again(path);
        }
    }

    fn ask_again(&self, path: &AssetPath) {
        if self.0.fetch.is_none() || !self.0.questions.may_ask(path, Instant::now()) {
            return;
        }
        let Some(runtime) = self.runtime() else { return };
        let (engine, path) = (self.clone(), path.clone());
        runtime.spawn(async move {
            let Ok(_turn) = engine.0.questions.at_once.acquire().await else { return };
            let Some(version) = engine.catalog().ready_version(&path).cloned() else { return };
            match engine.offered_to_anybody(&path).await {
                Ok(offered) if offered == version => engine.0.shelf.confirm(&path),
                Ok(_) => {
                    engine
                        .with_catalog(|catalog, now, out| catalog.stale(now, &path, &version, out));
                }
                Err(Failure::NotPublic) => {
                    engine.with_catalog(|catalog, _, out| catalog.doubt(&path, out));
                }
                // A site that is busy or broken says nothing of the file.
                Err(_) => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_asked_for_once_a_minute_and_the_memory_of_it_is_bounded() {
        let questions = Questions::default();
        let start = Instant::now();
        let path = |number: usize| AssetPath::parse(&format!("/{number}")).unwrap();
        assert!(questions.may_ask(&path(0), start));
        assert!(!questions.may_ask(&path(0), start + PAUSE / 2));
        assert!(questions.may_ask(&path(0), start + PAUSE));
        for number in 1..MOST_REMEMBERED {
            assert!(questions.may_ask(&path(number), start + PAUSE));
        }
        assert!(!questions.may_ask(&path(MOST_REMEMBERED), start + PAUSE));
        assert!(questions.may_ask(&path(MOST_REMEMBERED), start + 2 * PAUSE));
        assert_eq!(questions.asked.lock().unwrap().len(), 1);
    }
}
