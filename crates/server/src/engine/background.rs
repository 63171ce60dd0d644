use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use super::{Engine, Inner};

/// How often silent peers and overdue jobs are looked for.
const TICK: Duration = Duration::from_secs(5);

impl Engine {
    /// Starts the background work once there is a runtime to start it on: layers are often built before.
    pub(crate) fn wake(&self) {
        if self.0.runtime.get().is_some() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        self.0.runtime.get_or_init(|| {
            runtime.spawn(expire(Arc::downgrade(&self.0)));
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

    /// The host's runtime; `None` where there is none.
    pub(super) fn runtime(&self) -> Option<Handle> {
        self.wake();
        self.0.runtime.get().cloned()
    }
}

/// Runs until the last clone of the engine is gone.
async fn expire(engine: Weak<Inner>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(engine) = engine.upgrade().map(Engine) else { return };
        engine.tracker().tick();
        engine.with_catalog(|catalog, now, out| catalog.on_timeout(now, out));
    }
}
