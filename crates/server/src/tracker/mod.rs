//! The tracker's sockets: WebSocket connections around the sans-IO swarm of `manyhands-protocol`.
//!
//! Front door: [`upgrade`] for a request, [`Tracker`] for everybody else. The rules of swarms live in
//! the protocol crate; here live bounds that have to do with sockets: how many, how slow, how silent.

mod registry;
mod socket;
mod upgrade;

pub(crate) use registry::Tracker;
pub(crate) use upgrade::upgrade;
