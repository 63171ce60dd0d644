//! From bytes to metainfo: the hash workers, the asset store on disk and the cache before it.
//!
//! Front door: [`Shelf`] holds what is ready. [`hashing`] brings the bytes to a [`Work`], which hashes them
//! into a spool on disk and can be left and taken up again.

mod control;
mod fetch;
pub(crate) mod hashing;
mod listing;
mod ready;
mod shelf;
mod spool;
mod store;
mod tee;
mod work;

pub(crate) use control::{Control, Rate};
pub use fetch::{Fetch, FetchBody, Fetching};
pub(crate) use listing::{Listed, Part};
pub use ready::Ready;
pub(crate) use ready::ReadySettings;
pub(crate) use shelf::Shelf;
pub(crate) use spool::Written;
pub(crate) use store::{Store, Stored};
pub use tee::Tee;
pub(crate) use work::{Ends, Work};
