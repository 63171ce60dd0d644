//! What is known of each asset of a site: cold -> hot -> hashing -> ready -> stale.
//!
//! Layer L1, sans-IO: the catalog decides *which* asset is hashed *when*, and forgets what nobody asks
//! for; its caller owns the clock, the files and the threads. Entry point: [`Catalog::observe`],
//! called once for every eligible answer that passes; everything the catalog wants done comes out as
//! [`Effect`]s in the caller's buffer.
//!
//! What must never happen here: reading a file, a clock or a socket, or growing without a bound.

mod admission;
mod budget;
mod catalog;
mod demand;
mod entry;
mod job;
mod queue;
mod status;

pub use admission::Admission;
pub use catalog::Catalog;
pub use demand::{Demand, Effect, Observed};
pub use job::{Failure, Job, JobId, Source};
pub use status::{AssetState, AssetStatus, Refusal};
