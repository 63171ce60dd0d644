//! A native peer: what stays when visitors leave.
//!
//! Layer L2; depends on `manyhands-protocol` and `manyhands-metainfo`. It runs in a process of its own, `manyhands seed` or
//! `manyhands mirror`: the process that serves the site never parses DTLS, SCTP or what a foreign peer sends.
//!
//! [`store`] keeps assets on disk, verified unit by unit; [`mirror`] is a volunteer's program but for its command line
//! and listener. With the feature `transports` there is `transport`: how bytes travel between two peers of a swarm.

pub mod mirror;
pub mod store;
#[cfg(feature = "transports")]
pub mod transport;
