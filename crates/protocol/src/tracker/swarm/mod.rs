//! One swarm: its members, what they were offered, and whether addresses may be exchanged.
//!
//! Nothing here sends anything; [`Swarms`](super::Swarms) turns the results into effects. Time in
//! `sent` and `inbound` is judged when it is used, [`Swarm::sweep`] only frees memory.

mod pick;

use std::collections::HashMap;
use std::time::Duration;

use indexmap::IndexMap;

use super::{Class, ConnectionId, OfferId, PeerId, Prefix, SwarmConfig};

/// The swarm of one info-hash.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    members: IndexMap<ConnectionId, Member>,
    peer_ids: HashMap<PeerId, ConnectionId>,
    prefixes: HashMap<Prefix, usize>,
    /// Whom each connection's offers went to within the last `offer_pause`; at most `max_offers`.
    /// Outlives membership, or leaving and coming back would be a way around the limit.
    sent: HashMap<ConnectionId, Vec<(ConnectionId, Duration)>>,
    seeds: usize,
    mirrors: usize,
    waiting: usize,
}

/// One connection in the swarm.
#[derive(Debug)]
pub(super) struct Member {
    peer_id: PeerId,
    /// `None` for a mirror: it counts for none.
    prefix: Option<Prefix>,
    class: Class,
    seed: bool,
    /// Told that no offer of its would be forwarded, only because of the floor.
    waiting: bool,
    heard: Duration,
    /// Offers handed to this member and not answered yet; at most `max_inbound`.
    inbound: Vec<Inbound>,
}

#[derive(Debug)]
struct Inbound {
    from: ConnectionId,
    offer_id: OfferId,
    at: Duration,
}

/// Why a connection cannot join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinError {
    /// The swarm holds `max_peers`.
    Full,
    /// Another connection holds the peer id, or this one came with another before.
    PeerIdConflict,
}

impl Swarm {
    /// Refreshes or adds a member. `Ok(true)` when it is new.
    pub(super) fn join(
        &mut self,
        now: Duration,
        id: ConnectionId,
        peer_id: PeerId,
        prefix: Option<Prefix>,
        class: Class,
        config: &SwarmConfig,
    ) -> Result<bool, JoinError> {
        let prefix = prefix.filter(|_| class == Class::Visitor);
        if let Some(member) = self.members.get_mut(&id) {
            if member.peer_id != peer_id {
                return Err(JoinError::PeerIdConflict);
            }
            member.heard = now;
            return Ok(false);
        }
        if self.peer_ids.contains_key(&peer_id) {
            return Err(JoinError::PeerIdConflict);
        }
        if self.members.len() >= config.max_peers {
            return Err(JoinError::Full);
        }
        self.peer_ids.insert(peer_id, id);
        if let Some(prefix) = prefix {
            *self.prefixes.entry(prefix).or_default() += 1;
        }
        let member = Member {
            peer_id,
            prefix,
            class,
            seed: false,
            waiting: false,
            heard: now,
            inbound: Vec::new(),
        };
        self.mirrors += usize::from(class == Class::Mirror);
        self.members.insert(id, member);
        Ok(true)
    }

    /// Removes a member; `false` when it was none.
    pub(super) fn leave(&mut self, id: ConnectionId) -> bool {
        let Some(member) = self.members.swap_remove(&id) else { return false };
        self.peer_ids.remove(&member.peer_id);
        self.seeds -= usize::from(member.seed);
        self.mirrors -= usize::from(member.class == Class::Mirror);
        self.waiting -= usize::from(member.waiting);
        if let Some(prefix) = member.prefix
            && let Some(count) = self.prefixes.get_mut(&prefix)
        {
            *count -= 1;
            if *count == 0 {
                self.prefixes.remove(&prefix);
            }
        }
        true
    }

    /// Says whether a member has everything.
    pub(super) fn set_seed(&mut self, id: ConnectionId, seed: bool) {
        if let Some(member) = self.members.get_mut(&id) {
            self.seeds = self.seeds - usize::from(member.seed) + usize::from(seed);
            member.seed = seed;
        }
    }

    /// Says whether a member waits for the floor.
    pub(super) fn set_waiting(&mut self, id: ConnectionId, waiting: bool) {
        if let Some(member) = self.members.get_mut(&id) {
            self.waiting = self.waiting - usize::from(member.waiting) + usize::from(waiting);
            member.waiting = waiting;
        }
    }

    /// Notes that an offer of `sender` went to `receiver`.
    pub(super) fn note_offer(
        &mut self,
        now: Duration,
        sender: ConnectionId,
        receiver: ConnectionId,
        offer_id: OfferId,
        config: &SwarmConfig,
    ) {
        let sent = self.sent.entry(sender).or_default();
        sent.retain(|(_, at)| is_within(now, *at, config.offer_pause));
        sent.push((receiver, now));
        if let Some(member) = self.members.get_mut(&receiver) {
            member.inbound.retain(|offer| {
                is_within(now, offer.at, config.offer_age)
                    && (offer.from, offer.offer_id) != (sender, offer_id)
            });
            member.inbound.push(Inbound { from: sender, offer_id, at: now });
        }
    }

    /// The connection whose offer `answerer` may answer now: handed to this very connection, not
    /// answered yet, not too old, and the two may meet.
    pub(super) fn awaiting_answer(
        &self,
        now: Duration,
        answerer: ConnectionId,
        to: PeerId,
        offer_id: OfferId,
        config: &SwarmConfig,
    ) -> Option<ConnectionId> {
        let sender = *self.peer_ids.get(&to)?;
        let (member, other) = (self.members.get(&answerer)?, self.members.get(&sender)?);
        let waits = member.inbound.iter().any(|offer| {
            (offer.from, offer.offer_id) == (sender, offer_id)
                && is_within(now, offer.at, config.offer_age)
        });
        (waits && self.may_meet(member, other, config)).then_some(sender)
    }

    /// Notes that `answerer` has answered.
    pub(super) fn note_answer(
        &mut self,
        answerer: ConnectionId,
        sender: ConnectionId,
        offer_id: OfferId,
    ) {
        if let Some(member) = self.members.get_mut(&answerer) {
            member.inbound.retain(|offer| (offer.from, offer.offer_id) != (sender, offer_id));
        }
    }

    /// Members that have waited for the floor, if it is reached now. They wait no longer.
    pub(super) fn take_waiting(&mut self, config: &SwarmConfig) -> Vec<ConnectionId> {
        if self.waiting == 0 || !self.is_open(config) {
            return Vec::new();
        }
        self.waiting = 0;
        self.members
            .iter_mut()
            .filter_map(|(id, member)| std::mem::take(&mut member.waiting).then_some(*id))
            .collect()
    }

    /// Forgets whom a connection's offers went to.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.sent.remove(&id);
    }

    /// Whether anything is kept about a connection.
    pub(super) fn remembers(&self, id: ConnectionId) -> bool {
        self.members.contains_key(&id) || self.sent.contains_key(&id)
    }

    /// Frees what has expired about one connection. `true` when it has been silent for too long to
    /// stay a member.
    pub(super) fn sweep(&mut self, now: Duration, id: ConnectionId, config: &SwarmConfig) -> bool {
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.retain(|(_, at)| is_within(now, *at, config.offer_pause));
            if sent.is_empty() {
                self.sent.remove(&id);
            }
        }
        let Some(member) = self.members.get_mut(&id) else { return false };
        member.inbound.retain(|offer| is_within(now, offer.at, config.offer_age));
        member.inbound.shrink_to_fit();
        !is_within(now, member.heard, config.peer_age())
    }

    /// Enough distinct prefixes for addresses to be exchanged.
    pub(super) fn is_open(&self, config: &SwarmConfig) -> bool {
        config.floor_is_off() || self.prefixes.len() >= config.min_prefixes
    }

    /// Whether only the floor keeps this member from being introduced. Never for unknown prefixes:
    /// no floor opens for those.
    pub(super) fn is_held_by_floor(&self, id: ConnectionId, config: &SwarmConfig) -> bool {
        self.members.get(&id).is_some_and(|member| member.prefix.is_some()) && !self.is_open(config)
    }

    /// Whether this member may send addresses to anybody, and receive anybody's.
    pub(super) fn is_open_to(&self, id: ConnectionId, config: &SwarmConfig) -> bool {
        self.members.get(&id).is_some_and(|member| self.may_meet_some(member, config))
    }

    pub(super) fn peer_id(&self, id: ConnectionId) -> Option<PeerId> {
        self.members.get(&id).map(|member| member.peer_id)
    }

    pub(super) fn is_seed(&self, id: ConnectionId) -> bool {
        self.members.get(&id).is_some_and(|member| member.seed)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = ConnectionId> {
        self.members.keys().copied()
    }

    pub(super) fn complete(&self) -> usize {
        self.seeds
    }

    pub(super) fn incomplete(&self) -> usize {
        self.members.len() - self.seeds
    }

    fn recent_receivers(
        &self,
        now: Duration,
        sender: ConnectionId,
        config: &SwarmConfig,
    ) -> impl Iterator<Item = ConnectionId> {
        let sent = self.sent.get(&sender).map(Vec::as_slice).unwrap_or_default();
        sent.iter()
            .filter(move |(_, at)| is_within(now, *at, config.offer_pause))
            .map(|(receiver, _)| *receiver)
    }

    /// Whether these two may learn each other's address.
    fn may_meet(&self, one: &Member, other: &Member, config: &SwarmConfig) -> bool {
        let mirror = [one, other].iter().any(|member| member.class == Class::Mirror);
        mirror || (self.is_open_for(one, config) && self.is_open_for(other, config))
    }

    /// Whether this member may meet anybody at all. A mirror, too, counts itself: it may meet all others.
    fn may_meet_some(&self, member: &Member, config: &SwarmConfig) -> bool {
        self.mirrors > 0 || self.is_open_for(member, config)
    }

    fn is_open_for(&self, member: &Member, config: &SwarmConfig) -> bool {
        config.floor_is_off() || (member.prefix.is_some() && self.is_open(config))
    }
}

impl Member {
    fn live_inbound(&self, now: Duration, config: &SwarmConfig) -> usize {
        self.inbound.iter().filter(|offer| is_within(now, offer.at, config.offer_age)).count()
    }
}

/// Whether `at` lies at most `span` before `now`. A clock that went backwards makes nothing older.
fn is_within(now: Duration, at: Duration, span: Duration) -> bool {
    now.saturating_sub(at) <= span
}
