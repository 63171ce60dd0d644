//! The site behind the proxy, as a service.

mod body;
mod config;
mod connect;
mod error;
mod request_body;
mod service;
mod tunnel;

pub use body::{UpstreamBody, UpstreamError};
pub use config::{HostPolicy, UpstreamConfig};
pub use error::ConfigError;
pub use service::Upstream;
