//! The reverse proxy: upstream client, forwarding rules, TLS and listeners.
//!
//! Layer L3. Entry types: [`Upstream`], a `tower` service that forwards each request to one site and
//! never fails (what goes wrong becomes a 502 or 504), and [`Listener`] with [`serve`], which hand
//! the requests of a TCP or TLS port to any such service. What the proxy adds to a site is wrapped
//! around `Upstream` by whoever wires the two.
//!
//! Reading order: `forward` (what may cross, as pure functions), `upstream/service`, `upstream/body`,
//! `listener/serve`, `listener/guard`.
//!
//! ```no_run
//! use manyhands_proxy::{Listener, ServeOptions, Upstream, UpstreamConfig, serve};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let upstream = Upstream::new(UpstreamConfig::new("http://127.0.0.1:3000"))?;
//! let listener = Listener::bind("127.0.0.1:8080").await?;
//! let shutdown = std::future::pending();
//! serve(listener, upstream, ServeOptions::default(), |_peer, _extensions| {}, shutdown).await;
//! # Ok(())
//! # }
//! ```

mod fetch;
mod forward;
mod listener;
mod upstream;

pub use listener::{
    Arrival, BindError, Listener, ServeOptions, SocketFile, TlsError, TlsFiles, UnixBindError,
    UnixMailbox, UnixPort, serve, serve_unix,
};
pub use upstream::{
    ConfigError, HostPolicy, Upstream, UpstreamBody, UpstreamConfig, UpstreamError,
};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
