//! nginx's structures as Rust sees them.

mod buffers;
mod fields;
mod guard;
mod log;
mod pool;
mod request;
mod text;

pub(crate) use buffers::{Chain, Links};
pub(crate) use guard::{caught, guarded};
pub(crate) use log::{refuse, report};
pub(crate) use pool::{copied, keep};
pub(crate) use request::Request;
pub(crate) use text::bytes;
