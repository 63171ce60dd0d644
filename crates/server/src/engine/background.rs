use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use manyhands_metainfo::AssetPath;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{Engine, Inner};

/// How often silent peers and overdue jobs are looked for.
const TICK: Duration = Duration::from_secs(5);
/// How long after the site could not be asked for what is listed it is asked again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

impl Engine {
    /// Starts the background work, if it has not been: on the runtime this is called on. The first request
    /// does so, too; layers are often built before there is a runtime. A host that calls this at its start
    /// has what `[assets] preload` lists hashed before anybody asks for it.
    pub fn wake(&self) {
        if self.0.runtime.get().is_some() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        self.0.runtime.get_or_init(|| {
            self.0.keeper.wake();
            runtime.spawn(expire(Arc::downgrade(&self.0), Arc::clone(&self.0.alarm)));
            let alarm = Arc::clone(&self.0.mirrors.alarm);
            runtime.spawn(super::mirrors::watch(Arc::downgrade(&self.0), alarm));
            if self.0.fetch.is_some() {
                runtime.spawn(preload(Arc::downgrade(&self.0)));
            }
            let stun = self.0.stun.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(stun) = stun {
                runtime.spawn(async move {
                    if let Err(error) = stun.run().await {
                        tracing::error!(%error, "the STUN responder stopped");
                    }
                });
            }
            runtime
        });
    }

    /// How long until the catalog has something to do by itself.
    fn until_deadline(&self) -> Option<Duration> {
        let deadline = self.catalog().next_deadline()?;
        Some(deadline.saturating_sub(self.0.started.elapsed()))
    }

    /// The host's runtime; `None` where there is none.
    pub(super) fn runtime(&self) -> Option<Handle> {
        self.wake();
        self.0.runtime.get().cloned()
    }
}

/// Admits what the operator listed, as soon as the site can be asked for it.
async fn preload(engine: Weak<Inner>) {
    let mut listed = None;
    while let Some(engine) = engine.upgrade().map(Engine) {
        // One that is no asset path was refused with the configuration.
        let all = || {
            let paths = engine.checked().config.assets.preload.iter();
            paths.filter_map(|path| AssetPath::parse(path).ok()).collect()
        };
        let unasked = engine.preload_listed(listed.unwrap_or_else(all)).await;
        if unasked.is_empty() {
            return;
        }
        listed = Some(unasked);
        drop(engine);
        sleep(TRY_AGAIN).await;
    }
}

/// Runs until the last clone of the engine is gone.
async fn expire(engine: Weak<Inner>, alarm: Arc<Notify>) {
    let mut swept = Instant::now();
    loop {
        let Some(engine) = engine.upgrade().map(Engine) else { return };
        if swept.elapsed() >= TICK {
            swept = Instant::now();
            engine.tracker().tick();
            engine.look_at_switch();
        }
        engine.with_catalog(|catalog, now, out| catalog.on_timeout(now, out));
        engine.assign_swarms();
        let next = [engine.until_deadline(), engine.until_seam()];
        let wait = next.into_iter().flatten().fold(TICK, Duration::min);
        drop(engine);
        tokio::select! {
            () = sleep(wait) => {}
            () = alarm.notified() => {}
        }
    }
}
