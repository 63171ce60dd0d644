//! Test support, unpublished: a whole site on loopback, wired as `manyhands serve` and `manyhands proxy`
//! wire it, and bytes to put on it.
//!
//! Entry type: [`Site`]. Used by dev-dependencies only; failures panic, as tests do.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod site;

pub use site::{Site, content, plain};
