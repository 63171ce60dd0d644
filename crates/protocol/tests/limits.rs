//! Each limit of the tracker, alone.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use manyhands_metainfo::InfoHash;
use manyhands_protocol::sdp::SdpKind;
use manyhands_protocol::tracker::{
    Announce, Answer, Class, ClientMessage, CloseReason, ConnectionId, Effect, Event,
    MAX_MESSAGE_BYTES, Metric, Offer, OfferId, PeerId, SessionDescription, SwarmConfig, Swarms,
    TrackerMessage,
};

const START: Duration = Duration::from_secs(1_000);

fn secs(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

fn hash(number: u8) -> InfoHash {
    InfoHash::from_bytes([number; 20])
}

fn peer_id(number: u64) -> PeerId {
    let mut bytes = *b"-MH0001-            ";
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    PeerId::from_bytes(bytes)
}

fn description(kind: SdpKind) -> SessionDescription {
    let setup = match kind {
        SdpKind::Offer => "actpass",
        SdpKind::Answer => "active",
    };
    let sdp = format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 {}\r\n\
         a=setup:{setup}\r\na=mid:0\r\na=sctp-port:5000\r\n",
        ["AB"; 32].join(":")
    );
    SessionDescription { kind, sdp }
}

fn offers(first: u8, count: u8) -> Vec<Offer> {
    (first..first + count)
        .map(|number| Offer {
            offer_id: OfferId::from_bytes([number; 20]),
            offer: description(SdpKind::Offer),
        })
        .collect()
}

/// A table with one swarm, in which connection `n` has peer id `n` and address 10.(n / 256).(n %
/// 256).1.
struct Table {
    swarms: Swarms,
}

impl Table {
    fn new(config: SwarmConfig) -> Self {
        let mut swarms = Swarms::new(config, 1);
        swarms.issue(hash(1));
        Self { swarms }
    }

    fn connect(&mut self, now: Duration, id: u64) -> Vec<Effect> {
        let [.., high, low] = id.to_be_bytes();
        self.connect_from(now, id, Ipv4Addr::new(10, high, low, 1))
    }

    fn connect_from(&mut self, now: Duration, id: u64, address: Ipv4Addr) -> Vec<Effect> {
        let mut effects = Vec::new();
        let prefix = IpAddr::from(address).into();
        self.swarms.connect(now, ConnectionId(id), Some(prefix), &mut effects);
        effects
    }

    fn connect_mirror(&mut self, now: Duration, id: u64) {
        let prefix = IpAddr::from([203, 0, 113, 1]).into();
        let mut effects = Vec::new();
        let connection = ConnectionId(id);
        self.swarms.connect_as(now, connection, Some(prefix), Class::Mirror, &mut effects);
    }

    fn send(&mut self, now: Duration, id: u64, text: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.swarms.handle(now, ConnectionId(id), text, &mut effects);
        effects
    }

    fn announce_to(
        &mut self,
        now: Duration,
        id: u64,
        info_hash: InfoHash,
        left: u64,
        offers: Vec<Offer>,
    ) -> Vec<Effect> {
        let announce = Announce {
            info_hash,
            peer_id: peer_id(id),
            event: Event::Update,
            left: Some(left),
            uploaded: 0,
            downloaded: 0,
            offers,
        };
        self.send(now, id, &ClientMessage::Announce(announce).to_json())
    }

    fn announce(&mut self, now: Duration, id: u64, offers: Vec<Offer>) -> Vec<Effect> {
        self.announce_to(now, id, hash(1), 1, offers)
    }

    fn join(&mut self, now: Duration, ids: std::ops::RangeInclusive<u64>) {
        for id in ids {
            self.connect(now, id);
            self.announce(now, id, Vec::new());
        }
    }
}

fn messages(effects: &[Effect]) -> impl Iterator<Item = (u64, TrackerMessage)> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Send(ConnectionId(to), text) => Some((*to, TrackerMessage::parse(text).unwrap())),
        _ => None,
    })
}

fn receivers(effects: &[Effect]) -> Vec<u64> {
    messages(effects)
        .filter(|(_, message)| matches!(message, TrackerMessage::Offer(_)))
        .map(|(to, _)| to)
        .collect()
}

fn wanted(effects: &[Effect], id: u64) -> u64 {
    messages(effects)
        .find_map(|(to, message)| match message {
            TrackerMessage::Announce(reply) if to == id => reply.offers,
            _ => None,
        })
        .unwrap()
}

fn counted(effects: &[Effect], metric: Metric) -> usize {
    effects.iter().filter(|effect| **effect == Effect::Count(metric)).count()
}

fn open() -> SwarmConfig {
    SwarmConfig::default().with_min_prefixes(1)
}

#[test]
fn at_most_five_offers_an_announce_and_in_thirty_seconds() {
    let mut table = Table::new(open());
    table.join(START, 1..=20);
    table.connect(START, 21);
    assert_eq!(wanted(&table.announce(START, 21, Vec::new()), 21), 5);
    let effects = table.announce(START, 21, offers(0, 9));
    assert_eq!(receivers(&effects).len(), 5);
    assert_eq!(counted(&effects, Metric::OfferUnplaced), 4);
    assert_eq!(wanted(&effects, 21), 0);
    assert!(receivers(&table.announce(secs(29), 21, offers(9, 5))).is_empty());
    assert_eq!(receivers(&table.announce(secs(31), 21, offers(14, 5))).len(), 5);
}

#[test]
fn a_pair_meets_once_in_thirty_seconds_whoever_offers() {
    let mut table = Table::new(open());
    table.join(START, 1..=2);
    assert_eq!(receivers(&table.announce(START, 1, offers(0, 2))), [2]);
    assert_eq!(wanted(&table.announce(secs(10), 1, Vec::new()), 1), 0);
    assert!(receivers(&table.announce(secs(20), 2, offers(2, 1))).is_empty());
    assert_eq!(receivers(&table.announce(secs(31), 2, offers(3, 1))), [1]);
}

#[test]
fn leaving_and_coming_back_is_no_way_around_the_pause() {
    let mut table = Table::new(open());
    table.join(START, 1..=20);
    table.connect(START, 21);
    assert_eq!(receivers(&table.announce(START, 21, offers(0, 5))).len(), 5);
    let stopped = ClientMessage::Announce(Announce {
        info_hash: hash(1),
        peer_id: peer_id(21),
        event: Event::Stopped,
        left: None,
        uploaded: 0,
        downloaded: 0,
        offers: Vec::new(),
    });
    table.send(START, 21, &stopped.to_json());
    assert_eq!(table.swarms.scrape(&hash(1)).unwrap().incomplete, 20);
    table.swarms.on_timeout(secs(20), &mut Vec::new());
    assert!(receivers(&table.announce(secs(20), 21, offers(5, 5))).is_empty());
    assert_eq!(receivers(&table.announce(secs(31), 21, offers(10, 5))).len(), 5);
}

#[test]
fn a_peer_holds_at_most_ten_unanswered_offers_and_answers_make_room() {
    let mut table = Table::new(open());
    table.join(START, 1..=1);
    // Seeds, so that the only peer of use to each is peer 1.
    for id in 2..=12 {
        table.connect(START, id);
        let effects = table.announce_to(START, id, hash(1), 0, offers(id as u8, 1));
        assert_eq!(receivers(&effects).len(), usize::from(id <= 11), "{id}");
    }
    let answer = Answer {
        info_hash: hash(1),
        peer_id: peer_id(1),
        to_peer_id: peer_id(5),
        offer_id: OfferId::from_bytes([5; 20]),
        answer: description(SdpKind::Answer),
    };
    let effects = table.send(START, 1, &ClientMessage::Answer(answer).to_json());
    assert_eq!(counted(&effects, Metric::AnswerRelayed), 1);
    assert_eq!(receivers(&table.announce_to(START, 12, hash(1), 0, offers(20, 1))), [1]);
    // What was never answered is forgotten after 120 s.
    table.announce(secs(121), 1, Vec::new());
    table.connect(secs(121), 13);
    assert_eq!(receivers(&table.announce_to(secs(121), 13, hash(1), 0, offers(30, 1))), [1]);
}

#[test]
fn one_network_is_not_the_whole_neighbourhood() {
    let mut table = Table::new(SwarmConfig::default().with_min_prefixes(2));
    for id in 1..=50 {
        table.connect_from(START, id, Ipv4Addr::new(203, 0, 113, id as u8));
        table.announce(START, id, Vec::new());
    }
    table.connect_from(START, 51, Ipv4Addr::new(198, 51, 100, 1));
    table.announce(START, 51, Vec::new());
    table.connect_from(START, 52, Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(wanted(&table.announce(START, 52, Vec::new()), 52), 3);
    let to = receivers(&table.announce(START, 52, offers(0, 5)));
    assert_eq!(to.len(), 3);
    assert!(to.contains(&51));
}

#[test]
fn receivers_are_spread_evenly() {
    let mut seen: HashMap<u64, usize> = HashMap::new();
    for seed in 0..400 {
        let mut table = Table { swarms: Swarms::new(open(), seed) };
        table.swarms.issue(hash(1));
        table.join(START, 1..=11);
        for to in receivers(&table.announce(START, 11, offers(0, 5))) {
            *seen.entry(to).or_default() += 1;
        }
    }
    // 400 tables x 5 offers / 10 others = 200 each; a standard deviation is 10.
    for id in 1..=10 {
        assert!((150..=250).contains(&seen[&id]), "{id}: {}", seen[&id]);
    }
    assert!(!seen.contains_key(&11));
}

#[test]
fn a_flood_is_closed_and_then_ignored() {
    let mut table = Table::new(open().with_rate(5, 20));
    table.join(START, 1..=1);
    let mut closed = 0;
    for _ in 0..1_000 {
        let effects = table.send(START, 1, "x");
        closed += effects
            .iter()
            .filter(|e| **e == Effect::Close(ConnectionId(1), CloseReason::RateLimit))
            .count();
        if closed > 0 && counted(&effects, Metric::RateLimited) == 0 {
            assert!(effects.is_empty());
        }
    }
    assert_eq!(closed, 1);
    assert_eq!(table.swarms.scrape(&hash(1)).unwrap().incomplete, 0);
    assert_eq!(table.swarms.next_deadline(), None);
}

#[test]
fn a_stock_client_may_announce_all_its_torrents_at_once() {
    let mut table = Table::new(open());
    table.connect(START, 1);
    for number in 0..=64 {
        table.swarms.issue(hash(number));
        let effects = table.announce_to(START, 1, hash(number), 1, Vec::new());
        assert_eq!(counted(&effects, Metric::Joined), usize::from(number < 64));
        assert_eq!(counted(&effects, Metric::Full), usize::from(number == 64));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Close(..))));
    }
}

#[test]
fn a_message_above_64_kib_closes() {
    let mut table = Table::new(open());
    table.connect(START, 1);
    let effects = table.send(START, 1, &"x".repeat(MAX_MESSAGE_BYTES + 1));
    assert!(effects.contains(&Effect::Close(ConnectionId(1), CloseReason::MessageTooBig)));
    assert!(table.send(START, 1, "{}").is_empty());
}

#[test]
fn full_swarms_and_tables_refuse_newcomers_and_evict_nobody() {
    let mut table = Table::new(open().with_max_peers(2).with_max_connections(3));
    table.join(START, 1..=3);
    assert_eq!(table.swarms.scrape(&hash(1)).unwrap().incomplete, 2);
    assert_eq!(counted(&table.announce(START, 3, Vec::new()), Metric::Full), 1);
    let refused = Effect::Close(ConnectionId(4), CloseReason::TooManyConnections);
    assert!(table.connect(START, 4).contains(&refused));
    assert!(table.connect(START, 3).is_empty(), "a known connection is not closed");
    table.swarms.disconnect(START, ConnectionId(1), &mut Vec::new());
    assert_eq!(counted(&table.announce(START, 3, Vec::new()), Metric::Joined), 1);
}

#[test]
fn unknown_torrents_make_no_entries() {
    let mut table = Table::new(open().with_rate(1_000_000, 1_000_000));
    table.connect(START, 1);
    for number in 0..10_000_u32 {
        let mut bytes = [9; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let unknown = InfoHash::from_bytes(bytes);
        let effects = table.announce_to(START, 1, unknown, 1, offers(0, 1));
        assert_eq!(counted(&effects, Metric::UnknownInfoHash), 1);
        assert_eq!(table.swarms.scrape(&unknown), None);
    }
    let known = table.announce(START, 1, Vec::new());
    assert_eq!(counted(&known, Metric::Joined), 1, "they do not use up the connection's swarms");
}

#[test]
fn silent_peers_expire_one_swarm_at_a_time() {
    let mut table = Table::new(open());
    table.swarms.issue(hash(2));
    table.connect(START, 1);
    table.announce(START, 1, Vec::new());
    table.announce_to(START, 1, hash(2), 1, Vec::new());
    for seconds in (120..=360).step_by(120) {
        table.announce(secs(seconds), 1, Vec::new());
    }
    let mut effects = Vec::new();
    table.swarms.on_timeout(secs(361), &mut effects);
    assert_eq!(effects, [Effect::Count(Metric::Expired)]);
    assert_eq!(table.swarms.scrape(&hash(1)).unwrap().incomplete, 1);
    assert_eq!(table.swarms.scrape(&hash(2)).unwrap().incomplete, 0);
    assert_eq!(table.swarms.next_deadline(), Some(secs(371)));
}

#[test]
fn the_same_seed_and_calls_give_the_same_effects() {
    let run = |seed| {
        let mut table = Table { swarms: Swarms::new(open(), seed) };
        table.swarms.issue(hash(1));
        table.join(START, 1..=30);
        let mut effects = table.announce(START, 3, offers(0, 5));
        table.swarms.on_timeout(secs(100), &mut effects);
        table.swarms.withdraw(&hash(1), &mut effects);
        effects
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_relayed_message_stays_below_20_kib() {
    let mut table = Table::new(open());
    table.join(START, 1..=2);
    let mut big = offers(0, 1);
    let line = "a=candidate:1 1 udp 1 203.0.113.1 5000 typ srflx raddr 10.0.0.1 rport 5000\r\n";
    while big[0].offer.sdp.len() + line.len() <= 16 * 1024 {
        big[0].offer.sdp.push_str(line);
    }
    let effects = table.announce(START, 1, big);
    assert_eq!(receivers(&effects), [2]);
    for effect in &effects {
        if let Effect::Send(_, text) = effect {
            assert!(text.len() < 20 * 1024);
        }
    }
}

/// A mirror's address is no secret and says nothing of who reads what: it is met below the floor, which it
/// does not help to reach.
#[test]
fn a_mirror_is_met_below_the_floor_and_makes_no_crowd() {
    let mut table = Table::new(SwarmConfig::default().with_min_prefixes(2));
    table.join(START, 1..=1);
    table.connect_mirror(START, 9);
    // It has all, and offers it.
    let effects = table.announce_to(START, 9, hash(1), 0, offers(1, 1));
    assert_eq!(receivers(&effects), [1]);
    let answer = Answer {
        info_hash: hash(1),
        peer_id: peer_id(1),
        to_peer_id: peer_id(9),
        offer_id: OfferId::from_bytes([1; 20]),
        answer: description(SdpKind::Answer),
    };
    let effects = table.send(START, 1, &ClientMessage::Answer(answer).to_json());
    assert_eq!(counted(&effects, Metric::AnswerRelayed), 1);
    assert!(!table.swarms.scrape(&hash(1)).unwrap().open);

    // A visitor from elsewhere in the same network: these two are introduced to the mirror alone.
    table.connect_from(secs(60), 2, Ipv4Addr::new(10, 0, 1, 77));
    let effects = table.announce(secs(60), 2, offers(10, 5));
    assert_eq!(receivers(&effects), [9]);

    // Once it is gone there is nobody to meet, and a visitor from another network makes the crowd.
    let mut effects = Vec::new();
    table.swarms.disconnect(secs(61), ConnectionId(9), &mut effects);
    assert_eq!(wanted(&table.announce(secs(120), 1, Vec::new()), 1), 0);
    table.join(secs(120), 3..=3);
    assert_eq!(wanted(&table.announce(secs(121), 1, Vec::new()), 1), 2);
}
