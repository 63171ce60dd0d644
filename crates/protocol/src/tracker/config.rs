//! The limits of the tracker, each with its reason.

use std::time::Duration;

use crate::sdp::Gate;

/// Limits of [`Swarms`](super::Swarms). Every default bounds what one socket can cost the server or
/// the other visitors.
#[derive(Debug, Clone)]
pub struct SwarmConfig {
    pub(super) min_prefixes: usize,
    pub(super) max_offers: usize,
    pub(super) max_inbound: usize,
    pub(super) offer_pause: Duration,
    pub(super) max_receivers_a_prefix: usize,
    pub(super) max_peers: usize,
    pub(super) max_swarms: usize,
    pub(super) max_scrape: usize,
    pub(super) max_connections: usize,
    pub(super) offer_age: Duration,
    pub(super) interval: Duration,
    pub(super) peer_age: Option<Duration>,
    pub(super) first_message: Duration,
    pub(super) rate: u32,
    pub(super) burst: u32,
    pub(super) gate: Gate,
}

impl Default for SwarmConfig {
    fn default() -> Self {
        Self {
            min_prefixes: 10,
            max_offers: 5,
            max_inbound: 10,
            offer_pause: Duration::from_secs(30),
            max_receivers_a_prefix: 2,
            max_peers: 1_000,
            max_swarms: 64,
            max_scrape: 64,
            max_connections: 20_000,
            offer_age: Duration::from_secs(120),
            interval: Duration::from_secs(120),
            peer_age: None,
            first_message: Duration::from_secs(30),
            rate: 5,
            burst: 80,
            gate: Gate::default(),
        }
    }
}

impl SwarmConfig {
    /// How many distinct prefixes a swarm must hold before any address is exchanged. Default 10, so
    /// that membership points at no one. 1 or 0 switches the floor off, also for peers of unknown
    /// prefix.
    #[must_use]
    pub fn with_min_prefixes(mut self, prefixes: usize) -> Self {
        self.min_prefixes = prefixes;
        self
    }

    /// How many offers of one peer are forwarded in one announce, and within
    /// [`offer_pause`](Self::with_offer_pause). Default 5, what the stock client makes: each offer
    /// makes a stranger's browser start ICE.
    #[must_use]
    pub fn with_max_offers(mut self, offers: usize) -> Self {
        self.max_offers = offers;
        self
    }

    /// How many unanswered offers one peer may hold in a swarm. Default 10: the work that all
    /// others together can cause it.
    #[must_use]
    pub fn with_max_inbound(mut self, offers: usize) -> Self {
        self.max_inbound = offers;
        self
    }

    /// How long a pair of peers gets no second offer, and the window of
    /// [`max_offers`](Self::with_max_offers). Default 30 s.
    #[must_use]
    pub fn with_offer_pause(mut self, pause: Duration) -> Self {
        self.offer_pause = pause;
        self
    }

    /// How many receivers of one announce may share a prefix. Default 2, so that one network full
    /// of sockets does not become a newcomer's whole neighbourhood. Not applied when the floor is
    /// off.
    #[must_use]
    pub fn with_max_receivers_a_prefix(mut self, receivers: usize) -> Self {
        self.max_receivers_a_prefix = receivers;
        self
    }

    /// How many peers a swarm holds. Default 1,000; then newcomers are refused (they have HTTP),
    /// nobody is evicted.
    #[must_use]
    pub fn with_max_peers(mut self, peers: usize) -> Self {
        self.max_peers = peers;
        self
    }

    /// How many swarms one connection may be in. Default 64.
    #[must_use]
    pub fn with_max_swarms(mut self, swarms: usize) -> Self {
        self.max_swarms = swarms;
        self
    }

    /// How many info-hashes one scrape may name; the rest is ignored. Default 64.
    #[must_use]
    pub fn with_max_scrape(mut self, hashes: usize) -> Self {
        self.max_scrape = hashes;
        self
    }

    /// How many connections the table holds. Default 20,000.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// How long an offer may be answered. Default 120 s; the stock client gives up after 50 s.
    #[must_use]
    pub fn with_offer_age(mut self, age: Duration) -> Self {
        self.offer_age = age;
        self
    }

    /// How often peers are asked to announce. Default 120 s, as the reference tracker.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long a silent peer stays in a swarm, and a silent connection open. Default three
    /// intervals.
    #[must_use]
    pub fn with_peer_age(mut self, age: Duration) -> Self {
        self.peer_age = Some(age);
        self
    }

    /// How long a new connection may wait with its first valid message. Default 30 s.
    #[must_use]
    pub fn with_first_message(mut self, wait: Duration) -> Self {
        self.first_message = wait;
        self
    }

    /// Token bucket of one connection: messages a second and burst. Default 5 and 80: the stock
    /// client shares one socket among all its torrents and announces all of them at once when it
    /// reconnects, so the burst is above [`max_swarms`](Self::with_max_swarms). A connection that
    /// empties it is closed.
    #[must_use]
    pub fn with_rate(mut self, a_second: u32, burst: u32) -> Self {
        self.rate = a_second;
        self.burst = burst;
        self
    }

    /// The gate that every session description passes. Default [`Gate::default`].
    #[must_use]
    pub fn with_gate(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    pub(super) fn peer_age(&self) -> Duration {
        self.peer_age.unwrap_or(self.interval * 3)
    }

    pub(super) fn floor_is_off(&self) -> bool {
        self.min_prefixes <= 1
    }
}
