//! The protocols a swarm speaks, without any IO: who meets whom, and what may be said.
//!
//! Layer L0; depends on `manyhands-metainfo` only. Time is an argument (`Duration` since start),
//! randomness a seed, effects go into the caller's `Vec`: no clock, socket, thread or lock is
//! touched here, so every rule can be replayed in a test.
//!
//! - [`tracker`]: the WebTorrent tracker protocol. Entry type [`tracker::Swarms`], the closed table
//!   of swarms.
//! - [`sdp`]: the only way for a session description from one visitor to another. Entry type
//!   [`sdp::Gate`].
//! - [`mirrors`]: what a site and its volunteer mirrors say to each other. Entry types
//!   [`mirrors::Announce`] and [`mirrors::Envelope`].
//! - [`wire`]: the peer wire. Entry types [`wire::Decoder`] and [`wire::Message`].
//! - [`stun`]: the STUN binding server. Entry function [`stun::binding_response`].

mod bencode;
pub mod mirrors;
pub mod sdp;
pub mod stun;
pub mod tracker;
pub mod wire;
