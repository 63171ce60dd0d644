use std::sync::Arc;

use manyhands_server::{Config, ConfigError, Engine, Fetch, StartError};
use tower_layer::Layer;

use crate::Manyhands;

/// Wraps a service in [`Manyhands`]. Clones share one engine: one tracker, one asset store.
#[derive(Debug, Clone)]
pub struct ManyhandsLayer {
    engine: Engine,
}

/// Why a layer can't be made: one line that says what, why and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A field of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state directory or the STUN socket.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl ManyhandsLayer {
    /// A layer for a public site. `config.site.origin` must be set.
    ///
    /// Assets are hashed from [`crate::LocalFile`] response extensions where the service
    /// sets them, else while a whole answer passes by on its way to a visitor.
    ///
    /// # Errors
    /// When a field of the configuration can't be used, or the state directory is not writable.
    pub fn new(config: Config) -> Result<Self, LayerError> {
        Self::start(config, None)
    }

    /// Like [`ManyhandsLayer::new`], with a way to ask the site for an asset as nobody: assets are then
    /// hashed without waiting for a visitor to download one whole, and an answer made for one visitor
    /// is told from a public one.
    ///
    /// # Errors
    /// As [`ManyhandsLayer::new`].
    pub fn with_fetch(config: Config, fetch: Arc<dyn Fetch>) -> Result<Self, LayerError> {
        Self::start(config, Some(fetch))
    }

    /// A layer for trying things out at `origin`, such as `http://127.0.0.1:3000`, with the settings of
    /// [`Config::dev`]: private addresses pass between visitors, one network is a crowd, visitors are
    /// told rather than asked, and any WebTorrent client may join. Not for a public site; says so in
    /// the log.
    ///
    /// # Errors
    /// As [`ManyhandsLayer::new`].
    pub fn dev(origin: &str) -> Result<Self, LayerError> {
        tracing::warn!(
            "development settings: visitors see each other's private addresses; not for a public site"
        );
        let mut config = Config::dev();
        config.site.origin = Some(origin.to_owned());
        Self::new(config)
    }

    /// What all clones of this layer share.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn start(config: Config, fetch: Option<Arc<dyn Fetch>>) -> Result<Self, LayerError> {
        let engine = Engine::start(config.check()?, fetch)?;
        Ok(Self { engine })
    }
}

impl<S> Layer<S> for ManyhandsLayer {
    type Service = Manyhands<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Manyhands::new(inner, self.engine.clone())
    }
}
