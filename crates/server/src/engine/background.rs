use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{Engine, Inner};

/// How often silent peers and overdue jobs are looked for.
const TICK: Duration = Duration::from_secs(5);

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
            runtime.spawn(expire(Arc::downgrade(&self.0), Arc::clone(&self.0.alarm)));
            if self.0.fetch.is_some() {
                runtime.spawn(self.clone().preload_listed());
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

/// Runs until the last clone of the engine is gone.
async fn expire(engine: Weak<Inner>, alarm: Arc<Notify>) {
    let mut swept = Instant::now();
    loop {
        let Some(engine) = engine.upgrade().map(Engine) else { return };
        if swept.elapsed() >= TICK {
            swept = Instant::now();
            engine.tracker().tick();
        }
        engine.with_catalog(|catalog, now, out| catalog.on_timeout(now, out));
        let wait = engine.until_deadline().map_or(TICK, |left| left.min(TICK));
        drop(engine);
        tokio::select! {
            () = sleep(wait) => {}
            () = alarm.notified() => {}
        }
    }
}
