//! The closed table of swarms.

use std::time::Duration;

use manyhands_metainfo::InfoHash;

use super::{ConnectionId, Effect, Prefix, SwarmConfig};

/// The closed table of swarms.
#[derive(Debug)]
pub struct Swarms {
    config: SwarmConfig,
}

/// The size of one swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrape {
    /// Seeds.
    pub complete: u64,
    /// Other peers.
    pub incomplete: u64,
    /// Whether addresses are exchanged: the swarm has reached its floor.
    pub open: bool,
}

impl Swarms {
    /// An empty table.
    pub fn new(config: SwarmConfig, _seed: u64) -> Self {
        Self { config }
    }

    /// Opens a swarm: from now on announces for this info-hash are taken. Idempotent.
    pub fn issue(&mut self, _info_hash: InfoHash) {}

    /// Closes a swarm and tells its members. Idempotent.
    pub fn withdraw(&mut self, _info_hash: &InfoHash, _effects: &mut Vec<Effect>) {}

    /// Takes a new connection. `prefix` is the network of its client's address, `None` when that is
    /// unknown.
    pub fn connect(
        &mut self,
        _now: Duration,
        _id: ConnectionId,
        _prefix: Option<Prefix>,
        _effects: &mut Vec<Effect>,
    ) {
        let _ = &self.config;
    }

    /// Takes a text message.
    pub fn handle(
        &mut self,
        _now: Duration,
        _id: ConnectionId,
        _text: &str,
        _effects: &mut Vec<Effect>,
    ) {
    }

    /// Forgets a connection.
    pub fn disconnect(&mut self, _now: Duration, _id: ConnectionId, _effects: &mut Vec<Effect>) {}

    /// Drops what has been silent for too long.
    pub fn on_timeout(&mut self, _now: Duration, _effects: &mut Vec<Effect>) {}

    /// When [`on_timeout`](Self::on_timeout) should be called next; `None` while no one is
    /// connected.
    pub fn next_deadline(&self) -> Option<Duration> {
        None
    }

    /// The size of a swarm; `None` when the info-hash was not issued.
    pub fn scrape(&self, _info_hash: &InfoHash) -> Option<Scrape> {
        None
    }
}
