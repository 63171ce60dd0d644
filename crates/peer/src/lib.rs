//! A native peer: what stays when visitors leave.
//!
//! Layer L2; depends on `manyhands-protocol` and `manyhands-metainfo`. It runs in a process of its own, `manyhands seed` or
//! `manyhands mirror`: the process that serves the site never parses DTLS, SCTP or what a foreign peer sends.

pub mod transport;
