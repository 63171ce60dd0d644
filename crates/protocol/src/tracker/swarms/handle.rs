//! What each message does to the table.

use std::time::Duration;

use manyhands_metainfo::InfoHash;

use super::write::{fail, pass, reply, send};
use super::{Scrape, Swarms};
use crate::sdp::SdpKind;
use crate::tracker::swarm::JoinError;
use crate::tracker::{
    Announce, Answer, ConnectionId, Effect, Event, Metric, RelayedAnswer, RelayedOffer,
    ScrapeReply, ScrapeRequest, SwarmCounts, TrackerMessage,
};

impl Swarms {
    pub(super) fn announce(
        &mut self,
        now: Duration,
        id: ConnectionId,
        announce: Announce,
        effects: &mut Vec<Effect>,
    ) {
        let hash = announce.info_hash;
        let refuse = |metric, reason: &str, effects: &mut Vec<Effect>| {
            effects.push(Effect::Count(metric));
            fail(id, Some("announce"), reason, Some(hash), effects);
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(swarm) = self.swarms.get_mut(&hash) else {
            return refuse(Metric::UnknownInfoHash, "this torrent is not shared here", effects);
        };
        if announce.event == Event::Stopped {
            if swarm.peer_id(id) == Some(announce.peer_id) && swarm.leave(id) {
                if !swarm.remembers(id) {
                    connection.joined.retain(|joined| *joined != hash);
                }
                effects.push(Effect::Count(Metric::Left));
            }
            effects.push(Effect::Count(Metric::Announce));
            return reply(id, hash, swarm, 0, &self.config, effects);
        }
        let remembered = swarm.remembers(id);
        if !remembered && connection.joined.len() >= self.config.max_swarms {
            return refuse(Metric::Full, "too many torrents on this connection", effects);
        }
        match swarm.join(
            now,
            id,
            announce.peer_id,
            connection.prefix,
            connection.class,
            &self.config,
        ) {
            Ok(false) => {}
            Ok(true) => {
                if !remembered {
                    connection.joined.push(hash);
                }
                effects.push(Effect::Count(Metric::Joined));
            }
            Err(JoinError::Full) => {
                return refuse(Metric::Full, "too many peers", effects);
            }
            Err(JoinError::PeerIdConflict) => {
                return refuse(Metric::PeerIdConflict, "this peer id is in use", effects);
            }
        }
        effects.push(Effect::Count(Metric::Announce));
        let was_seed = swarm.is_seed(id);
        let seed = match (announce.event, announce.left) {
            (Event::Completed, _) | (_, Some(0)) => true,
            (_, Some(_)) => false,
            (_, None) => was_seed,
        };
        swarm.set_seed(id, seed);
        if announce.event == Event::Completed && !was_seed {
            effects.push(Effect::Count(Metric::Completed));
        }
        let without_offers = announce.offers.is_empty();
        self.relay_offers(now, id, announce, effects);

        let config = &self.config;
        let Some(swarm) = self.swarms.get_mut(&hash) else { return };
        let wanted = swarm.wanted_offers(now, id, config);
        swarm.set_waiting(id, without_offers && swarm.is_held_by_floor(id, config));
        reply(id, hash, swarm, wanted, config, effects);
        for waiting in swarm.take_waiting(config) {
            let wanted = swarm.wanted_offers(now, waiting, config);
            if wanted > 0 {
                effects.push(Effect::Count(Metric::FloorReached));
                reply(waiting, hash, swarm, wanted, config, effects);
            }
        }
    }

    /// Hands each offer that passes the gate to one peer, as long as there are peers.
    fn relay_offers(
        &mut self,
        now: Duration,
        id: ConnectionId,
        announce: Announce,
        effects: &mut Vec<Effect>,
    ) {
        let Announce { info_hash, peer_id, offers, .. } = announce;
        let Some(swarm) = self.swarms.get_mut(&info_hash) else { return };
        let config = &self.config;
        let unplaced =
            if swarm.is_open_to(id, config) { Metric::OfferUnplaced } else { Metric::OfferHeld };
        let mut receivers =
            swarm.pick_receivers(now, id, offers.len(), config, &mut self.rng).into_iter();
        // The gate works for no more offers than could ever be forwarded.
        let mut attempts = config.max_offers;
        let mut receiver = receivers.next();
        for offer in offers {
            let (Some(to), Some(left)) = (receiver, attempts.checked_sub(1)) else {
                effects.push(Effect::Count(unplaced));
                continue;
            };
            attempts = left;
            let Ok(passed) = pass(config, &offer.offer, SdpKind::Offer) else {
                effects.push(Effect::Count(Metric::OfferRefused));
                continue;
            };
            swarm.note_offer(now, id, to, offer.offer_id, config);
            let relayed =
                RelayedOffer { info_hash, peer_id, offer_id: offer.offer_id, offer: passed };
            send(to, &TrackerMessage::Offer(relayed), effects);
            effects.push(Effect::Count(Metric::OfferRelayed));
            receiver = receivers.next();
        }
    }

    pub(super) fn answer(
        &mut self,
        now: Duration,
        id: ConnectionId,
        answer: Answer,
        effects: &mut Vec<Effect>,
    ) {
        let Answer { info_hash, peer_id, to_peer_id, offer_id, answer } = answer;
        // No reply in any case: the reference server sends none, and a refusal would tell who is
        // there.
        let relayed = self.swarms.get_mut(&info_hash).and_then(|swarm| {
            let own = swarm.peer_id(id).filter(|own| *own == peer_id)?;
            let to = swarm.awaiting_answer(now, id, to_peer_id, offer_id, &self.config)?;
            let passed = pass(&self.config, &answer, SdpKind::Answer).ok()?;
            swarm.note_answer(id, to, offer_id);
            Some((to, RelayedAnswer { info_hash, peer_id: own, offer_id, answer: passed }))
        });
        match relayed {
            Some((to, relayed)) => {
                send(to, &TrackerMessage::Answer(relayed), effects);
                effects.push(Effect::Count(Metric::AnswerRelayed));
            }
            None => effects.push(Effect::Count(Metric::AnswerRefused)),
        }
    }

    pub(super) fn answer_scrape(
        &self,
        id: ConnectionId,
        request: &ScrapeRequest,
        effects: &mut Vec<Effect>,
    ) {
        if request.info_hashes.is_empty() {
            effects.push(Effect::Count(Metric::Malformed));
            return fail(id, Some("scrape"), "a scrape must name its torrents", None, effects);
        }
        let mut files: Vec<(InfoHash, SwarmCounts)> = Vec::new();
        for hash in request.info_hashes.iter().take(self.config.max_scrape) {
            let Some(Scrape { complete, incomplete, .. }) = self.scrape(hash) else {
                effects.push(Effect::Count(Metric::UnknownInfoHash));
                continue;
            };
            if files.iter().all(|(seen, _)| seen != hash) {
                files.push((*hash, SwarmCounts { complete, incomplete, downloaded: complete }));
            }
        }
        effects.push(Effect::Count(Metric::Scrape));
        let reply = ScrapeReply { files, min_request_interval: self.config.interval.as_secs() };
        send(id, &TrackerMessage::Scrape(reply), effects);
    }
}
