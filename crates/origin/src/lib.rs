//! What a mirror serves: a static root with exact, cheap ranges.
//!
//! Layer L2. [`StaticRoot`] is the entry type: a `tower` service over one directory, safe against
//! whatever a path or a link says, exact in conditions and ranges, and cheap for many small ranges of
//! a large file (what web-seed clients ask for). Its answers carry a
//! [`LocalFile`](manyhands_metainfo::LocalFile) extension, from which the server above can hash the
//! file without fetching it. [`StaticRoot::walk`] lists all files, for preloading.
//!
//! `<directory>/.pad/<length>` answers with so many zeros: the pad files of hybrid torrents (BEP 47).
//!
//! Reading order: `root`, `respond`, `beneath` (opening), `body` (reading), `conditions`.
//!
//! ```
//! use manyhands_origin::{StaticOptions, StaticRoot};
//! use tower_service::Service;
//!
//! # let directory = tempfile::tempdir()?;
//! # std::fs::write(directory.path().join("hello.txt"), "hello")?;
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let mut root = StaticRoot::open(directory.path(), StaticOptions::default())?;
//! let request = http::Request::get("/hello.txt").header("range", "bytes=1-2").body(())?;
//! let response = root.call(request).await?;
//! assert_eq!(response.status(), 206);
//! assert_eq!(response.headers()["content-range"], "bytes 1-2/5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod beneath;
mod body;
mod buffer;
mod cache;
mod conditions;
mod file;
mod media_type;
mod options;
mod pad;
mod range;
mod respond;
mod root;
mod walk;

pub use body::{BodyError, FileBody};
pub use options::StaticOptions;
pub use root::{OpenError, ResponseFuture, StaticRoot};
pub use walk::{Walk, WalkEntry};
