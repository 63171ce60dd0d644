//! What is known of each asset of a site: cold -> hot -> hashing -> ready -> stale.
//!
//! Layer L1, sans-IO: the catalog decides *which* asset is hashed *when*, and forgets what nobody asks
//! for; its caller owns the clock, the files and the threads. Entry point: [`Catalog::observe`],
//! called once for every eligible answer that passes; everything the catalog wants done comes out as
//! [`Effect`]s in the caller's buffer.
//!
//! # Phases
//!
//! An asset is in one of these, and in the table of that phase alone:
//!
//! - *cold*: not asked for often enough. Requests and address prefixes are counted;
//! - *backlog*: a file the operator listed and nobody has asked for yet;
//! - *queued*: hot, waiting for a worker. When the queue is full the least wanted goes: fewest prefixes, then
//!   fewest requests, then longest unasked. It is cold again, and what was asked of it still counts;
//! - *hashing*: with a worker, or with an answer that passes by. One job an asset and version;
//! - *ready*: shown, or hidden while no answer of this process has confirmed it or one casts doubt on it;
//! - *refused*: left alone until a given time, because it could not be read, is not public, or changes too
//!   often. What broke off is tried again by itself.
//!
//! Files, fetches and the backlog take turns; within the queue the most wanted and the one that has waited
//! longest do. So the asset that is wanted most waits for five other jobs at most, besides those under way,
//! and one that few want for six for each before it in line, whatever else is asked for. It keeps its
//! place in the queue while fewer assets than that holds are wanted more. Fetches wait for the budget besides.
//!
//! # Defaults of [`Admission`]
//!
//! | setting | default | why | what it costs |
//! |---|---|---|---|
//! | requests | 3 | one visitor's reload is no demand | the first three visitors get plain HTTP |
//! | prefixes | 2 | one network can't make an asset hot | an asset that one network alone wants is never shared |
//! | queue | 1,000 | as many are told apart by demand | some 600 bytes each |
//! | cold | 10,000 | who asks for names by the thousand must not fill the memory | some 430 bytes each, 2 KiB more where names are as long as may be. An asset that 10,000 others are asked for in between is forgotten |
//! | refused | 10,000 | the same for the negative cache | the longest refused may be tried too early |
//! | ready | 100,000 | memory and files on disk | as queued, and a file each. Past it the longest unasked is retired, and is hashed again when it is hot again |
//! | jobs | 1 | hashing yields to visitors | a directory of 1 TB takes as long as one disk reads it |
//! | passing | 8 | bounds what slow visitors hold | the ninth answer is fetched, or waits for its next one |
//! | deadline | 1 h + 1 s for each 4 MiB | no job lasts for ever, no file is too large | a hung fetch holds its slot that long. A visitor's download that can't be fetched: 1 s for each 256 KiB |
//! | retry | 1 min, doubling nine times | a site in trouble is left alone | up to 8.5 h until a repaired asset is noticed |
//! | resume | 1 s | what came so far is kept | one request a second to a site that keeps breaking off |
//! | fetch budget | 64 GiB an hour | what hashing may cost the site | past it fetches wait |
//!
//! Besides: at most 16 prefixes (or as many as `prefixes` says) are remembered of an asset, 24 hours is how
//! long [`Failure::NotPublic`] holds, eight changes in quick succession (one is forgiven each ten minutes)
//! are refused for a minute and longer with each further one, up to 64.
//!
//! Every table is kept in its own order: a request costs a few logarithmic look-ups, however much is known.
//! [`Catalog::purge_prefix`] and [`Catalog::assets`] alone walk through everything.
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
