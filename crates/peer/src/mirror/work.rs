//! The work on one site, for as long as the process lives: following, announcing, fetching.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use manyhands_metainfo::Digest;
use manyhands_protocol::mirrors::{FeedAsset, MirrorState};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Inner;
use super::announce::{AnnounceError, announce};
use super::feed::{FeedError, Look, MOST_POLL, POLL, look};
use super::fetch::{FetchError, fetch};
use super::site::{Site, Trouble};

/// Assets of one site fetched at a time, each by two ranges.
const AT_ONCE: usize = 2;
/// Between announces because something became whole.
const BREATH: Duration = Duration::from_secs(10);
/// Data listed no more is looked at so often.
const REPLAN: Duration = Duration::from_secs(60 * 60);

/// Follows the feed.
pub(super) async fn follow(inner: Arc<Inner>, site: Arc<Site>) {
    let mut failures = 0;
    let mut planned: Option<Instant> = None;
    loop {
        let wait = if site.record().standing == Some(MirrorState::Banned) {
            // The announces will say when it is over.
            POLL
        } else {
            match look(&site).await {
                Ok(look) => {
                    failures = 0;
                    site.trouble(Trouble::Feed, None);
                    if look == Look::New || planned.is_none_or(|at| at.elapsed() > REPLAN) {
                        inner.plan().await;
                        planned = Some(Instant::now());
                    }
                    POLL
                }
                Err(error) => {
                    failures += 1;
                    site.trouble(Trouble::Feed, Some(error.to_string()));
                    if let FeedError::NotAdmitted(..) = error {
                        site.list(Vec::new());
                        inner.plan().await;
                    }
                    match error {
                        FeedError::Busy(_, Some(after)) => after.max(POLL),
                        FeedError::Changed(_) => Duration::from_secs(2),
                        _ => backoff(failures, POLL, MOST_POLL),
                    }
                }
            }
        };
        let _ = timeout(wait, site.news.notified()).await;
    }
}

/// Announces this mirror.
pub(super) async fn present(inner: Arc<Inner>, site: Arc<Site>) {
    let mut failures = 0;
    loop {
        let wait = match announce(&site, &inner.settings).await {
            Ok((next, is_news)) => {
                failures = 0;
                site.trouble(Trouble::Announce, None);
                if is_news {
                    if site.record().standing == Some(MirrorState::Banned) {
                        site.list(Vec::new());
                    }
                    inner.plan().await;
                    site.news.notify_one();
                }
                next
            }
            Err(error) => {
                failures += 1;
                site.trouble(Trouble::Announce, Some(error.to_string()));
                match error {
                    AnnounceError::Busy(_, Some(after)) => after,
                    _ => backoff(failures, Duration::from_secs(10), Duration::from_secs(300)),
                }
            }
        };
        sleep(wait.min(BREATH)).await;
        let _ = timeout(wait.saturating_sub(BREATH), site.holdings.notified()).await;
    }
}

/// Fetches what is to be carried.
pub(super) async fn gather(inner: Arc<Inner>, site: Arc<Site>) {
    let mut gathering = Gathering::default();
    loop {
        let is_time = inner.settings.hours.is_none_or(|hours| hours.are_now());
        if !is_time {
            gathering.active.abort_all();
        } else if gathering.pause.is_none_or(|until| until <= Instant::now()) {
            gathering.start(&inner, &site);
        }
        let wake = gathering.wake();
        tokio::select! {
            Some(done) = gathering.active.join_next() => match done {
                Ok((listed, done)) => {
                    gathering.fetching.remove(&listed.root);
                    gathering.note(&site, &listed, done);
                }
                // The hours are over; or it panicked, and what it fetched is on the disk.
                Err(_) if gathering.active.is_empty() => gathering.fetching.clear(),
                Err(_) => {}
            },
            () = site.work.notified() => {}
            () = sleep_until(wake) => {}
        }
    }
}

#[derive(Default)]
struct Gathering {
    active: JoinSet<(FeedAsset, Result<(), FetchError>)>,
    fetching: HashSet<Digest>,
    /// Those that failed: how often, and until when they rest.
    resting: HashMap<Digest, (u32, Instant)>,
    /// The site, or the disk, as a whole.
    pause: Option<Instant>,
    failures: u32,
}

impl Gathering {
    fn start(&mut self, inner: &Arc<Inner>, site: &Arc<Site>) {
        let now = Instant::now();
        let room = AT_ONCE.saturating_sub(self.active.len());
        let is_free = |root: &Digest| {
            !self.fetching.contains(root) && self.resting.get(root).is_none_or(|it| it.1 <= now)
        };
        for listed in site.incomplete(room, is_free) {
            self.fetching.insert(listed.root);
            let (inner, site) = (inner.clone(), site.clone());
            self.active.spawn(async move {
                let done = fetch(&site, &listed, &inner.download).await;
                (listed, done)
            });
        }
    }

    fn note(&mut self, site: &Site, listed: &FeedAsset, done: Result<(), FetchError>) {
        let Err(error) = done else {
            self.failures = 0;
            self.resting.remove(&listed.root);
            if self.resting.is_empty() {
                site.trouble(Trouble::Fetch, None);
            }
            site.trouble(Trouble::Disk, None);
            site.holdings.notify_one();
            return;
        };
        let now = Instant::now();
        let words = Some(error.to_string());
        match error {
            FetchError::Withdrawn => {}
            FetchError::Store(_) => {
                site.trouble(Trouble::Disk, words);
                self.pause = Some(now + backoff(1, Duration::from_secs(20), MOST_POLL));
            }
            FetchError::Web(_) | FetchError::Busy(_) => {
                self.failures += 1;
                site.trouble(Trouble::Fetch, words);
                let wait = backoff(self.failures, Duration::from_secs(1), MOST_POLL);
                let asked = if let FetchError::Busy(after) = error { after } else { None };
                self.pause = Some(now + asked.unwrap_or(wait));
            }
            FetchError::Gone(_) => self.rest(listed.root, Duration::from_secs(30)),
            FetchError::Unfit { .. } | FetchError::Wrong { .. } => {
                site.trouble(Trouble::Fetch, words);
                self.rest(listed.root, Duration::from_secs(300));
            }
        }
    }

    fn rest(&mut self, root: Digest, least: Duration) {
        let failures = self.resting.get(&root).map_or(1, |it| it.0 + 1);
        let wait = backoff(failures, least, Duration::from_secs(6 * 60 * 60));
        self.resting.insert(root, (failures, Instant::now() + wait));
    }

    /// When to look again though nothing rang.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let ends = self.resting.values().map(|it| it.1).chain(self.pause);
        let next = ends.filter(|end| *end > now).min();
        next.unwrap_or(now + MOST_POLL).min(now + MOST_POLL)
    }
}

/// Doubles from `least` up to `most`, give or take a quarter, so that mirrors do not come back in step.
fn backoff(failures: u32, least: Duration, most: Duration) -> Duration {
    let doubled = least.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(most);
    doubled.mul_f64(rand::random_range(0.75..1.25))
}
