//! From bytes to metainfo: the hash workers, the asset store on disk and the cache before it.
//!
//! Front door: [`Shelf`] holds what is ready; [`hashing`] makes it.

mod fetch;
pub(crate) mod hashing;
mod ready;
mod shelf;
mod store;
mod tee;

pub use fetch::{Fetch, FetchBody, Fetching};
pub use ready::Ready;
pub(crate) use ready::ReadySettings;
pub(crate) use shelf::Shelf;
pub(crate) use store::Store;
pub use tee::Tee;
