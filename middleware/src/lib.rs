//! A tower layer that turns a web site's visitors into its CDN.
//!
//! Large public files of the wrapped service get torrents by themselves, its pages get a small script,
//! and visitors' browsers share verified pieces of those files over WebRTC. Whatever happens, plain HTTP
//! from the service itself is the fallback: on any doubt a visitor gets what the service alone would
//! have sent.
//!
//! ```
//! use manyhands::ManyhandsLayer;
//! use tower_layer::Layer;
//!
//! # fn wrap<S: Clone>(site: S) -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let mut config = manyhands::Config::dev();
//! config.site.origin = Some("https://example.org".to_owned());
//! # config.state.dir = dir.path().to_owned();
//! let site = ManyhandsLayer::new(config)?.layer(site);
//! # Ok(()) }
//! ```
//!
//! Layer L3. Entry type: [`ManyhandsLayer`]. In reading order: `layer.rs`, `service.rs` (what happens
//! before the inner service is asked), `future.rs` (what happens to its answer), `body.rs`. Every
//! decision is made in `manyhands-page`, every effect in `manyhands-server`; nothing is decided here.

mod body;
mod coding;
mod future;
mod layer;
mod service;

pub use body::ManyhandsBody;
pub use future::ResponseFuture;
pub use layer::{LayerError, ManyhandsLayer};
pub use manyhands_server::{
    AdmissionSection, AssetPath, AssetsSection, BillingModel, BillingSection, CacheSection, Config,
    ConfigError, ConsentMode, ConsentSection, Engine, ExperimentDesign, ExperimentSection, Fetch,
    FetchBody, Fetching, Foreign, ListenSection, LocalFile, MirrorsSection, PageSection,
    PeerAddress, PolicySection, Reseed, SiteSection, StartError, StateSection, StunSection,
    SwarmSection, UploadSection,
};
pub use service::Manyhands;
