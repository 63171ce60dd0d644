//! Who is introduced to whom.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Member, Swarm};
use crate::tracker::{ConnectionId, Prefix, SwarmConfig};

impl Swarm {
    /// Picks up to `wanted` peers for new offers of `sender`, at random.
    pub(in crate::tracker) fn pick_receivers(
        &self,
        now: Duration,
        sender: ConnectionId,
        wanted: usize,
        config: &SwarmConfig,
        rng: &mut StdRng,
    ) -> Vec<ConnectionId> {
        let Some(allowance) = Allowance::of(self, now, sender, config) else { return Vec::new() };
        let mut useful: Vec<(ConnectionId, Option<Prefix>)> = self
            .members
            .iter()
            .filter(|(id, member)| allowance.is_useful(**id, member))
            .map(|(id, member)| (*id, member.prefix))
            .collect();
        let mut picked = Picked::new(wanted.min(allowance.offers), config);
        while !picked.is_full() && !useful.is_empty() {
            let (id, prefix) = useful.swap_remove(rng.random_range(0..useful.len()));
            picked.offer(id, prefix);
        }
        picked.receivers
    }

    /// How many offers of `sender` would be forwarded now.
    pub(in crate::tracker) fn wanted_offers(
        &self,
        now: Duration,
        sender: ConnectionId,
        config: &SwarmConfig,
    ) -> usize {
        let Some(allowance) = Allowance::of(self, now, sender, config) else { return 0 };
        let mut picked = Picked::new(allowance.offers, config);
        let useful = self.members.iter().filter(|(id, member)| allowance.is_useful(**id, member));
        for (id, member) in useful {
            if picked.is_full() {
                break;
            }
            picked.offer(*id, member.prefix);
        }
        picked.receivers.len()
    }
}

/// What one sender may do now.
struct Allowance<'a> {
    swarm: &'a Swarm,
    config: &'a SwarmConfig,
    now: Duration,
    id: ConnectionId,
    sender: &'a Member,
    offers: usize,
}

impl<'a> Allowance<'a> {
    fn of(
        swarm: &'a Swarm,
        now: Duration,
        id: ConnectionId,
        config: &'a SwarmConfig,
    ) -> Option<Self> {
        let sender = swarm.members.get(&id)?;
        let sent = swarm.recent_receivers(now, id, config).count();
        let offers = config.max_offers.checked_sub(sent).filter(|offers| *offers > 0)?;
        let only_seeds = sender.seed && swarm.seeds == swarm.members.len();
        (swarm.may_meet_some(sender, config) && !only_seeds).then_some(Self {
            swarm,
            config,
            now,
            id,
            sender,
            offers,
        })
    }

    /// Whether an offer to this member would be forwarded: somebody else, who lacks something or is
    /// lacked something, is not flooded, and has not just met the sender in either direction.
    fn is_useful(&self, id: ConnectionId, member: &Member) -> bool {
        let Self { now, config, .. } = *self;
        id != self.id
            && !(self.sender.seed && member.seed)
            && self.swarm.may_meet(self.sender, member, config)
            && member.live_inbound(now, config) < config.max_inbound
            && self.swarm.recent_receivers(now, self.id, config).all(|receiver| receiver != id)
            && self.swarm.recent_receivers(now, id, config).all(|receiver| receiver != self.id)
    }
}

/// Receivers of one announce, spread over prefixes.
struct Picked {
    receivers: Vec<ConnectionId>,
    prefixes: Vec<Prefix>,
    wanted: usize,
    a_prefix: usize,
}

impl Picked {
    fn new(wanted: usize, config: &SwarmConfig) -> Self {
        let a_prefix =
            if config.floor_is_off() { usize::MAX } else { config.max_receivers_a_prefix };
        Self { receivers: Vec::new(), prefixes: Vec::new(), wanted, a_prefix }
    }

    fn is_full(&self) -> bool {
        self.receivers.len() >= self.wanted
    }

    fn offer(&mut self, id: ConnectionId, prefix: Option<Prefix>) {
        let same = self.prefixes.iter().filter(|other| Some(**other) == prefix).count();
        if same < self.a_prefix {
            self.receivers.push(id);
            self.prefixes.extend(prefix);
        }
    }
}
