//! Random interleavings of everything that can happen to the table, watched by a model that knows
//! only what went over the wire.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use manyhands_metainfo::InfoHash;
use manyhands_protocol::sdp::SdpKind;
use manyhands_protocol::tracker::{
    Announce, Answer, ClientMessage, ConnectionId, Effect, Event, Offer, OfferId, PeerId, Prefix,
    SessionDescription, SwarmConfig, Swarms, TrackerMessage,
};
use proptest::prelude::*;

const CONNECTIONS: u64 = 8;
const PEER_IDS: u8 = 5;
const SWARMS: u8 = 2;
const MIN_PREFIXES: usize = 2;
const MAX_OFFERS: usize = 2;
const MAX_INBOUND: usize = 3;
const MAX_PEERS: usize = 5;
const OFFER_AGE: Duration = Duration::from_secs(120);
const OFFER_PAUSE: Duration = Duration::from_secs(30);
const PEER_AGE: Duration = Duration::from_secs(200);

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Connect(u64),
    Disconnect(u64),
    Announce {
        from: u64,
        peer: u8,
        swarm: u8,
        event: u8,
        left: Option<u64>,
        offers: u8,
    },
    /// Answers an offer that was relayed, as its receiver, or as somebody else who overheard it.
    Answer {
        newest: u8,
        thief: Option<(u64, u8)>,
    },
    /// Answers an offer that never was.
    Invent {
        from: u64,
        peer: u8,
        to: u8,
        swarm: u8,
        offer: u8,
    },
    Withdraw(u8),
    Issue(u8),
    Timeout,
    Noise(u64, String),
}

fn step() -> impl Strategy<Value = Step> {
    let connection = 0..CONNECTIONS;
    let peer = 0..PEER_IDS;
    prop_oneof![
        2 => (0..70_000_u64).prop_map(Step::Wait),
        4 => connection.clone().prop_map(Step::Connect),
        1 => connection.clone().prop_map(Step::Disconnect),
        12 => (connection.clone(), peer.clone(), 0..SWARMS, 0..6_u8, prop_oneof![Just(None), (0..2_u64).prop_map(Some)], 0..4_u8)
            .prop_map(|(from, peer, swarm, event, left, offers)| Step::Announce { from, peer, swarm, event, left, offers }),
        8 => (0..4_u8, prop::option::weighted(0.3, (connection.clone(), peer.clone())))
            .prop_map(|(newest, thief)| Step::Answer { newest, thief }),
        1 => (connection.clone(), peer.clone(), peer, 0..SWARMS, any::<u8>())
            .prop_map(|(from, peer, to, swarm, offer)| Step::Invent { from, peer, to, swarm, offer }),
        1 => (0..SWARMS).prop_map(Step::Withdraw),
        1 => (0..SWARMS).prop_map(Step::Issue),
        1 => Just(Step::Timeout),
        1 => (connection, "\\PC{0,30}").prop_map(|(from, text)| Step::Noise(from, text)),
    ]
}

fn hash(swarm: u8) -> InfoHash {
    InfoHash::from_bytes([swarm; 20])
}

fn peer_id(peer: u8) -> PeerId {
    PeerId::from_bytes([b'A' + peer; 20])
}

/// Connections 0 and 1 share a network, 2 has none that is known.
fn prefix(id: u64) -> Option<Prefix> {
    let slot = id % CONNECTIONS;
    let third = match slot {
        2 => return None,
        0 | 1 => 0,
        other => other % 4,
    };
    Some(IpAddr::from([10, 0, third as u8, slot as u8]).into())
}

fn description(kind: SdpKind) -> SessionDescription {
    let setup = match kind {
        SdpKind::Offer => "actpass",
        SdpKind::Answer => "passive",
    };
    let sdp = format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 {}\r\n\
         a=setup:{setup}\r\na=mid:0\r\n",
        ["AB"; 32].join(":")
    );
    SessionDescription { kind, sdp }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    peer: PeerId,
    seed: bool,
    heard: Duration,
}

/// An offer that was relayed.
#[derive(Debug, Clone)]
struct Relayed {
    at: Duration,
    swarm: InfoHash,
    from: u64,
    to: u64,
    from_peer: PeerId,
    offer_id: OfferId,
    answered: bool,
}

/// Membership as the replies tell it, and every introduction made.
#[derive(Default)]
struct Model {
    connected: HashSet<u64>,
    members: HashMap<InfoHash, BTreeMap<u64, Member>>,
    relayed: Vec<Relayed>,
    /// Offers each connection has made so far: who made them.
    made: HashMap<OfferId, u64>,
}

impl Model {
    fn prefixes(&self, swarm: InfoHash) -> usize {
        let members = self.members.get(&swarm).into_iter().flatten();
        members.filter_map(|(id, _)| prefix(*id)).collect::<HashSet<_>>().len()
    }

    fn gone(&mut self, id: u64) {
        self.connected.remove(&id);
        for members in self.members.values_mut() {
            members.remove(&id);
        }
        self.relayed.retain(|offer| offer.to != id);
    }

    fn expire(&mut self, now: Duration) {
        for (swarm, members) in &mut self.members {
            let silent: Vec<u64> = members
                .iter()
                .filter(|(_, member)| now - member.heard > PEER_AGE)
                .map(|(id, _)| *id)
                .collect();
            for id in silent {
                members.remove(&id);
                self.relayed.retain(|offer| (offer.to, offer.swarm) != (id, *swarm));
            }
        }
    }

    fn is_open(&self, swarm: InfoHash, id: u64) -> bool {
        self.members.get(&swarm).is_some_and(|members| members.contains_key(&id))
            && prefix(id).is_some()
            && self.prefixes(swarm) >= MIN_PREFIXES
    }
}

struct World {
    /// The connection id that each slot has now; a reconnect gets a new one.
    ids: Vec<u64>,
    swarms: Swarms,
    model: Model,
    now: Duration,
    next_offer: u64,
    effects: Vec<Effect>,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = SwarmConfig::default()
            .with_min_prefixes(MIN_PREFIXES)
            .with_max_offers(MAX_OFFERS)
            .with_max_inbound(MAX_INBOUND)
            .with_max_peers(MAX_PEERS)
            .with_offer_age(OFFER_AGE)
            .with_offer_pause(OFFER_PAUSE)
            .with_peer_age(PEER_AGE)
            .with_rate(100, 100);
        let mut swarms = Swarms::new(config, seed);
        (0..SWARMS).for_each(|swarm| swarms.issue(hash(swarm)));
        Self {
            ids: (0..CONNECTIONS).collect(),
            swarms,
            model: Model::default(),
            now: Duration::from_secs(5),
            next_offer: 0,
            effects: Vec::new(),
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.effects.clear();
        match step {
            Step::Wait(millis) => self.now += Duration::from_millis(*millis),
            Step::Connect(slot) => {
                if !self.model.connected.contains(&self.id(*slot)) {
                    self.ids[*slot as usize] += CONNECTIONS;
                }
                let id = self.id(*slot);
                self.swarms.connect(self.now, ConnectionId(id), prefix(id), &mut self.effects);
                self.model.connected.insert(id);
            }
            Step::Disconnect(slot) => {
                let id = self.id(*slot);
                self.swarms.disconnect(self.now, ConnectionId(id), &mut self.effects);
                self.model.gone(id);
            }
            Step::Announce { from, peer, swarm, event, left, offers } => {
                return self.announce(self.id(*from), *peer, *swarm, *event, *left, *offers);
            }
            Step::Answer { newest, thief } => {
                let offer = self.model.relayed.iter().rev().nth(usize::from(*newest)).cloned();
                let Some(offer) = offer else { return Ok(()) };
                let own = self.model.members.get(&offer.swarm).and_then(|m| m.get(&offer.to));
                let honest = own.map(|member| (offer.to, member.peer));
                let thief = thief.map(|(slot, peer)| (self.id(slot), peer_id(peer)));
                let Some((from, peer)) = thief.or(honest) else { return Ok(()) };
                return self.answer(from, peer, offer.from_peer, offer.swarm, offer.offer_id);
            }
            Step::Invent { from, peer, to, swarm, offer } => {
                let offer_id = OfferId::from_bytes([*offer; 20]);
                return self.answer(
                    self.id(*from),
                    peer_id(*peer),
                    peer_id(*to),
                    hash(*swarm),
                    offer_id,
                );
            }
            Step::Withdraw(swarm) => {
                self.swarms.withdraw(&hash(*swarm), &mut self.effects);
                let members = self.model.members.remove(&hash(*swarm)).unwrap_or_default();
                let told: Vec<_> = self.sent().map(|(to, _)| to).collect();
                prop_assert!(members.keys().all(|id| told.contains(id)));
                prop_assert_eq!(told.len(), members.len());
                self.model.relayed.retain(|offer| offer.swarm != hash(*swarm));
            }
            Step::Issue(swarm) => self.swarms.issue(hash(*swarm)),
            Step::Timeout => {
                let due = self.swarms.next_deadline().is_some_and(|deadline| deadline <= self.now);
                self.swarms.on_timeout(self.now, &mut self.effects);
                if due {
                    self.model.expire(self.now);
                }
            }
            Step::Noise(from, text) => {
                let from = self.id(*from);
                self.swarms.handle(self.now, ConnectionId(from), text, &mut self.effects);
                prop_assert!(self.sent().all(|(to, _)| to == from));
            }
        }
        self.no_descriptions()?;
        self.follow_closes();
        self.check_counts()
    }

    fn announce(
        &mut self,
        from: u64,
        peer: u8,
        swarm: u8,
        event: u8,
        left: Option<u64>,
        offers: u8,
    ) -> Result<(), TestCaseError> {
        let event = [
            Event::Started,
            Event::Stopped,
            Event::Completed,
            Event::Paused,
            Event::Update,
            Event::Update,
        ][usize::from(event)];
        let offers: Vec<_> = (0..offers)
            .map(|_| {
                self.next_offer += 1;
                let mut bytes = [1; 20];
                bytes[..8].copy_from_slice(&self.next_offer.to_be_bytes());
                let offer_id = OfferId::from_bytes(bytes);
                self.model.made.insert(offer_id, from);
                Offer { offer_id, offer: description(SdpKind::Offer) }
            })
            .collect();
        let (info_hash, peer_id) = (hash(swarm), peer_id(peer));
        let announce = Announce {
            info_hash,
            peer_id,
            event,
            left,
            uploaded: 0,
            downloaded: 0,
            offers: offers.clone(),
        };
        self.swarms.handle(
            self.now,
            ConnectionId(from),
            &ClientMessage::Announce(announce).to_json(),
            &mut self.effects,
        );
        if !self.model.connected.contains(&from) {
            prop_assert!(self.effects.is_empty(), "a stranger was heard");
            return Ok(());
        }
        let sent: Vec<_> = self.sent().collect();
        let failed = sent
            .iter()
            .any(|(to, message)| *to == from && matches!(message, TrackerMessage::Failure(_)));
        let issued = self.swarms.scrape(&info_hash).is_some();
        let members = self.model.members.entry(info_hash).or_default();
        if failed || !issued {
            let taken = members.iter().any(|(id, m)| *id != from && m.peer == peer_id);
            let renamed = members.get(&from).is_some_and(|m| m.peer != peer_id);
            prop_assert!(!issued || taken || renamed || members.len() >= MAX_PEERS);
            prop_assert_eq!(sent.len(), 1);
            return self.check_counts();
        }
        if event == Event::Stopped {
            if members.get(&from).is_some_and(|m| m.peer == peer_id) {
                members.remove(&from);
                self.model.relayed.retain(|o| (o.to, o.swarm) != (from, info_hash));
            }
        } else {
            prop_assert!(!members.iter().any(|(id, m)| *id != from && m.peer == peer_id));
            let was = members.get(&from).is_some_and(|m| m.seed);
            let seed = event == Event::Completed || left.map_or(was, |left| left == 0);
            members.insert(from, Member { peer: peer_id, seed, heard: self.now });
        }
        self.check_introductions(from, info_hash, peer_id, &offers, &sent)?;
        self.follow_closes();
        self.check_counts()
    }

    fn check_introductions(
        &mut self,
        from: u64,
        swarm: InfoHash,
        peer: PeerId,
        offers: &[Offer],
        sent: &[(u64, TrackerMessage)],
    ) -> Result<(), TestCaseError> {
        let mut replies = HashMap::new();
        let mut relayed = 0;
        for (to, message) in sent {
            match message {
                TrackerMessage::Offer(offer) => {
                    relayed += 1;
                    let members = &self.model.members[&swarm];
                    prop_assert!(*to != from);
                    prop_assert!(self.model.is_open(swarm, *to) && self.model.is_open(swarm, from));
                    prop_assert!(!(members[to].seed && members[&from].seed));
                    prop_assert_eq!((offer.info_hash, offer.peer_id), (swarm, peer));
                    prop_assert!(offers.iter().any(|o| o.offer_id == offer.offer_id));
                    let recent = |o: &&Relayed| o.swarm == swarm && self.now - o.at <= OFFER_PAUSE;
                    let pair = |o: &Relayed| {
                        (o.from, o.to) == (from, *to) || (o.from, o.to) == (*to, from)
                    };
                    prop_assert!(!self.model.relayed.iter().filter(recent).any(pair));
                    let inbound = self.model.relayed.iter().filter(|o| {
                        (o.to, o.swarm, o.answered) == (*to, swarm, false)
                            && self.now - o.at <= OFFER_AGE
                    });
                    prop_assert!(inbound.count() < MAX_INBOUND);
                    self.model.relayed.push(Relayed {
                        at: self.now,
                        swarm,
                        from,
                        to: *to,
                        from_peer: peer,
                        offer_id: offer.offer_id,
                        answered: false,
                    });
                }
                TrackerMessage::Announce(reply) => {
                    prop_assert_eq!(reply.info_hash, swarm);
                    let wanted = reply.offers.unwrap() as usize;
                    prop_assert!(wanted <= MAX_OFFERS);
                    prop_assert!(wanted == 0 || self.model.is_open(swarm, *to));
                    prop_assert!(replies.insert(*to, wanted).is_none(), "told twice");
                    prop_assert!(*to == from || wanted > 0, "called for nothing");
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert!(relayed <= MAX_OFFERS);
        prop_assert!(replies.contains_key(&from));
        Ok(())
    }

    fn answer(
        &mut self,
        from: u64,
        peer_id: PeerId,
        to_peer_id: PeerId,
        info_hash: InfoHash,
        offer_id: OfferId,
    ) -> Result<(), TestCaseError> {
        let answer = Answer {
            info_hash,
            peer_id,
            to_peer_id,
            offer_id,
            answer: description(SdpKind::Answer),
        };
        self.swarms.handle(
            self.now,
            ConnectionId(from),
            &ClientMessage::Answer(answer).to_json(),
            &mut self.effects,
        );
        let sent: Vec<_> = self.sent().collect();
        let model = &mut self.model;
        let members = model.members.get(&info_hash).cloned().unwrap_or_default();
        let offerer = members.iter().find(|(_, m)| m.peer == to_peer_id).map(|(id, _)| *id);
        let open = model.is_open(info_hash, from)
            && offerer.is_some_and(|offerer| model.is_open(info_hash, offerer));
        let pending = model.relayed.iter_mut().find(|offer| {
            (offer.swarm, offer.to, offer.offer_id) == (info_hash, from, offer_id)
                && Some(offer.from) == offerer
                && !offer.answered
                && self.now - offer.at <= OFFER_AGE
        });
        let named = members.get(&from).is_some_and(|m| m.peer == peer_id);
        match pending {
            Some(offer) if open && named => {
                offer.answered = true;
                prop_assert_eq!(sent.len(), 1, "the answer was lost");
                let (to, message) = &sent[0];
                prop_assert_eq!(*to, self.model.made[&offer_id], "the answer went astray");
                let TrackerMessage::Answer(relayed) = message else {
                    return Err(TestCaseError::fail("not an answer"));
                };
                prop_assert_eq!(
                    (relayed.info_hash, relayed.peer_id, relayed.offer_id),
                    (info_hash, peer_id, offer_id)
                );
            }
            _ => prop_assert!(sent.is_empty(), "an answer nobody waits for: {sent:?}"),
        }
        self.check_counts()
    }

    fn id(&self, slot: u64) -> u64 {
        self.ids[slot as usize]
    }

    fn sent(&self) -> impl Iterator<Item = (u64, TrackerMessage)> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Send(ConnectionId(to), text) => {
                Some((*to, TrackerMessage::parse(text).unwrap()))
            }
            _ => None,
        })
    }

    fn no_descriptions(&self) -> Result<(), TestCaseError> {
        for (_, message) in self.sent() {
            let harmless =
                matches!(message, TrackerMessage::Failure(_) | TrackerMessage::Scrape(_));
            prop_assert!(harmless, "{message:?}");
        }
        Ok(())
    }

    fn follow_closes(&mut self) {
        for effect in &self.effects {
            if let Effect::Close(ConnectionId(id), _) = effect {
                self.model.gone(*id);
            }
        }
    }

    fn check_counts(&mut self) -> Result<(), TestCaseError> {
        for swarm in 0..SWARMS {
            let Some(scrape) = self.swarms.scrape(&hash(swarm)) else { continue };
            let members = self.model.members.entry(hash(swarm)).or_default();
            let seeds = members.values().filter(|m| m.seed).count() as u64;
            prop_assert_eq!(scrape.complete, seeds);
            prop_assert_eq!(scrape.incomplete, members.len() as u64 - seeds);
            prop_assert!(members.len() <= MAX_PEERS);
            let open = self.model.prefixes(hash(swarm)) >= MIN_PREFIXES;
            prop_assert_eq!(scrape.open, open);
        }
        prop_assert_eq!(self.swarms.next_deadline().is_some(), !self.model.connected.is_empty());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_the_promises(seed: u64, steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new(seed);
        for id in 0..4 {
            world.take(&Step::Connect(id))?;
        }
        for step in &steps {
            world.take(step)?;
        }
    }

    #[test]
    fn no_text_panics(texts in prop::collection::vec("(?s).{0,200}", 1..20)) {
        let mut swarms = Swarms::new(SwarmConfig::default(), 0);
        let mut effects = Vec::new();
        swarms.connect(Duration::ZERO, ConnectionId(1), None, &mut effects);
        for text in &texts {
            swarms.handle(Duration::ZERO, ConnectionId(1), text, &mut effects);
        }
    }

    #[test]
    fn no_json_panics(value in json(), announce: bool) {
        let mut object = match value {
            serde_json::Value::Object(object) => object,
            other => serde_json::Map::from_iter([("offers".to_owned(), other)]),
        };
        let action = if announce { "announce" } else { "scrape" };
        object.insert("action".to_owned(), action.into());
        let text = serde_json::Value::from(object).to_string();
        let mut effects = Vec::new();
        let mut swarms = Swarms::new(SwarmConfig::default(), 0);
        swarms.issue(InfoHash::from_bytes([b'a'; 20]));
        swarms.connect(Duration::ZERO, ConnectionId(1), None, &mut effects);
        swarms.handle(Duration::ZERO, ConnectionId(1), &text, &mut effects);
        let _ = TrackerMessage::parse(&text);
        if let Ok(message) = ClientMessage::parse(&text) {
            prop_assert_eq!(ClientMessage::parse(&message.to_json()), Ok(message));
        }
    }
}

/// Random JSON that knows the protocol's keys.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        Just("aaaaaaaaaaaaaaaaaaaa".into()),
        "\\PC{0,25}".prop_map(Into::into),
        prop::sample::select(vec!["offer", "answer", "started", "stopped", "completed"])
            .prop_map(Into::into),
    ];
    let key = prop::sample::select(vec![
        "action",
        "info_hash",
        "peer_id",
        "offer_id",
        "to_peer_id",
        "offers",
        "offer",
        "answer",
        "type",
        "sdp",
        "left",
        "event",
        "uploaded",
        "numwant",
        "failure reason",
        "other",
    ]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| serde_json::Map::from_iter(map).into()),
        ]
    })
}
