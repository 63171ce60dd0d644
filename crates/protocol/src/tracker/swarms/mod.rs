//! The closed table of swarms.

mod handle;
mod write;

use std::collections::HashMap;
use std::time::Duration;

use indexmap::IndexMap;
use manyhands_metainfo::InfoHash;
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::write::fail;
use super::bucket::Bucket;
use super::swarm::Swarm;
use super::{
    Class, ClientMessage, CloseReason, ConnectionId, Effect, MAX_MESSAGE_BYTES, MessageError,
    Metric, Prefix, SwarmConfig,
};

/// How often silent peers and connections are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// The closed table of swarms: which connection is in which, and who may be introduced to whom.
///
/// Closed: only info-hashes that were [issued](Self::issue) exist, so strangers cannot fill the
/// table. A peer is a connection in a swarm; its peer id is a name that other peers see, never an
/// authority, and a second connection with the same name is refused. Offers go to peers that this
/// side picks, answers only back from the connection that was handed the offer, once, in time.
/// Every description passes the [`Gate`](crate::sdp::Gate) and every message is written anew.
///
/// Below the floor ([`SwarmConfig::with_min_prefixes`]) no description is relayed from visitor to visitor in
/// either direction, and a visitor of unknown prefix is never introduced while there is a floor. The floor
/// is there so that nobody learns from an address who reads what; a [mirror](Class::Mirror) is known to all
/// and was vetted, so visitors meet it at once, and it counts for no prefix: no crowd is made of mirrors. Every
/// announce reply says in `offers` how many offers of this peer would be forwarded now. A peer that
/// announced without offers, and was told 0 only because of the floor, gets one more reply,
/// unasked, when the floor is reached.
///
/// Memory: one entry a connection (at most [`SwarmConfig::with_max_connections`]), at most 64
/// memberships each, each with at most 10 unanswered offers (their ids only) and 5 recent
/// receivers. Issued swarms are the caller's to bound.
///
/// Effects are appended in order. The caller owns the clock: `now` is the time since some start,
/// and [`on_timeout`](Self::on_timeout) must be called at [`next_deadline`](Self::next_deadline).
///
/// ```
/// use std::time::Duration;
/// use manyhands_metainfo::InfoHash;
/// use manyhands_protocol::tracker::{ConnectionId, Effect, SwarmConfig, Swarms};
///
/// let mut swarms = Swarms::new(SwarmConfig::default(), 7);
/// swarms.issue(InfoHash::from_bytes(*b"aaaaaaaaaaaaaaaaaaaa"));
///
/// let (now, me, mut effects) = (Duration::ZERO, ConnectionId(1), Vec::new());
/// swarms.connect(now, me, Some("203.0.113.7".parse::<std::net::IpAddr>()?.into()), &mut effects);
/// let announce = r#"{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa",
///     "peer_id":"-MH0001-000000000001","left":1000,"event":"started"}"#;
/// swarms.handle(now, me, announce, &mut effects);
/// assert!(effects.iter().any(|effect| matches!(
///     effect,
///     Effect::Send(to, text) if *to == me && text.contains(r#""incomplete":1,"offers":0"#)
/// )));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Swarms {
    config: SwarmConfig,
    rng: StdRng,
    swarms: HashMap<InfoHash, Swarm>,
    connections: IndexMap<ConnectionId, Connection>,
    sweep_at: Duration,
}

#[derive(Debug)]
struct Connection {
    prefix: Option<Prefix>,
    class: Class,
    bucket: Bucket,
    silent_until: Duration,
    /// Every swarm that keeps something about this connection: as a member, or as a recent one.
    joined: Vec<InfoHash>,
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
    /// An empty table. `seed` decides which peers are picked; the same seed and the same calls give
    /// the same effects.
    pub fn new(config: SwarmConfig, seed: u64) -> Self {
        Self {
            config,
            rng: StdRng::seed_from_u64(seed),
            swarms: HashMap::new(),
            connections: IndexMap::new(),
            sweep_at: Duration::ZERO,
        }
    }

    /// Opens a swarm: from now on announces for this info-hash are taken. Idempotent.
    pub fn issue(&mut self, info_hash: InfoHash) {
        self.swarms.entry(info_hash).or_default();
    }

    /// Closes a swarm and tells its members, so that clients leave it. Idempotent.
    pub fn withdraw(&mut self, info_hash: &InfoHash, effects: &mut Vec<Effect>) {
        let Some(swarm) = self.swarms.remove(info_hash) else { return };
        for id in swarm.members() {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.joined.retain(|joined| joined != info_hash);
            }
            fail(
                id,
                Some("announce"),
                "this torrent is no longer shared",
                Some(*info_hash),
                effects,
            );
            effects.push(Effect::Count(Metric::Left));
        }
    }

    /// Takes a new connection of a [visitor](Class::Visitor). `prefix` is the network of its client's
    /// address, `None` when that is unknown. A full table closes it at once.
    pub fn connect(
        &mut self,
        now: Duration,
        id: ConnectionId,
        prefix: Option<Prefix>,
        effects: &mut Vec<Effect>,
    ) {
        self.connect_as(now, id, prefix, Class::Visitor, effects);
    }

    /// Takes a new connection, see [`connect`](Self::connect).
    pub fn connect_as(
        &mut self,
        now: Duration,
        id: ConnectionId,
        prefix: Option<Prefix>,
        class: Class,
        effects: &mut Vec<Effect>,
    ) {
        if self.connections.contains_key(&id) {
            return;
        }
        if self.connections.len() >= self.config.max_connections {
            effects.push(Effect::Count(Metric::ConnectionRefused));
            effects.push(Effect::Close(id, CloseReason::TooManyConnections));
            return;
        }
        if self.connections.is_empty() {
            self.sweep_at = now.saturating_add(SWEEP);
        }
        let connection = Connection {
            prefix,
            class,
            bucket: Bucket::full(now, self.config.burst),
            silent_until: now.saturating_add(self.config.first_message),
            joined: Vec::new(),
        };
        self.connections.insert(id, connection);
    }

    /// Takes a text message. From a connection that is not in the table (never connected, or
    /// closed) it is ignored.
    pub fn handle(
        &mut self,
        now: Duration,
        id: ConnectionId,
        text: &str,
        effects: &mut Vec<Effect>,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if text.len() > MAX_MESSAGE_BYTES {
            effects.push(Effect::Count(Metric::MessageTooBig));
            return self.close(id, CloseReason::MessageTooBig, effects);
        }
        if !connection.bucket.take(now, self.config.rate, self.config.burst) {
            effects.push(Effect::Count(Metric::RateLimited));
            return self.close(id, CloseReason::RateLimit, effects);
        }
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(error) => {
                effects.push(Effect::Count(match error {
                    MessageError::UnknownAction => Metric::UnknownAction,
                    _ => Metric::Malformed,
                }));
                return fail(id, None, &error.to_string(), None, effects);
            }
        };
        connection.silent_until = now.saturating_add(self.config.peer_age());
        match message {
            ClientMessage::Announce(announce) => self.announce(now, id, announce, effects),
            ClientMessage::Answer(answer) => self.answer(now, id, answer, effects),
            ClientMessage::Scrape(scrape) => self.answer_scrape(id, &scrape, effects),
        }
    }

    /// Forgets a connection whose socket has closed.
    pub fn disconnect(&mut self, _now: Duration, id: ConnectionId, effects: &mut Vec<Effect>) {
        let Some(connection) = self.connections.swap_remove(&id) else { return };
        for info_hash in connection.joined {
            let Some(swarm) = self.swarms.get_mut(&info_hash) else { continue };
            if swarm.leave(id) {
                effects.push(Effect::Count(Metric::Left));
            }
            swarm.forget(id);
        }
    }

    /// Drops peers, offers and connections that have been silent for too long. Does nothing before
    /// [`next_deadline`](Self::next_deadline).
    pub fn on_timeout(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now.saturating_add(SWEEP);
        let mut idle = Vec::new();
        for (id, connection) in &mut self.connections {
            connection.joined.retain(|info_hash| {
                let Some(swarm) = self.swarms.get_mut(info_hash) else { return false };
                let expired = swarm.sweep(now, *id, &self.config);
                if expired {
                    swarm.leave(*id);
                    effects.push(Effect::Count(Metric::Expired));
                }
                swarm.remembers(*id)
            });
            connection.joined.shrink_to_fit();
            if connection.silent_until < now {
                idle.push(*id);
            }
        }
        for id in idle {
            effects.push(Effect::Count(Metric::Idle));
            self.close(id, CloseReason::Idle, effects);
        }
    }

    /// When [`on_timeout`](Self::on_timeout) should be called next; `None` while no one is
    /// connected.
    pub fn next_deadline(&self) -> Option<Duration> {
        (!self.connections.is_empty()).then_some(self.sweep_at)
    }

    /// The size of a swarm; `None` when the info-hash is not issued.
    pub fn scrape(&self, info_hash: &InfoHash) -> Option<Scrape> {
        self.swarms.get(info_hash).map(|swarm| self.size(swarm))
    }

    /// Every swarm with anybody in it, and its size; in no order.
    pub fn active(&self) -> impl Iterator<Item = (InfoHash, Scrape)> + '_ {
        let sizes = self.swarms.iter().map(|(info_hash, swarm)| (*info_hash, self.size(swarm)));
        sizes.filter(|(_, size)| size.complete + size.incomplete > 0)
    }

    fn size(&self, swarm: &Swarm) -> Scrape {
        Scrape {
            complete: swarm.complete() as u64,
            incomplete: swarm.incomplete() as u64,
            open: swarm.is_open(&self.config),
        }
    }

    fn close(&mut self, id: ConnectionId, reason: CloseReason, effects: &mut Vec<Effect>) {
        self.disconnect(Duration::ZERO, id, effects);
        effects.push(Effect::Close(id, reason));
    }
}
