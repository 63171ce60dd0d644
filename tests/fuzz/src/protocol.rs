//! The tracker, the SDP gate and STUN.

use std::net::IpAddr;
use std::time::Duration;

use manyhands_metainfo::InfoHash;
use manyhands_protocol::sdp::{Gate, SdpKind};
use manyhands_protocol::stun::binding_response;
use manyhands_protocol::tracker::{
    ClientMessage, ConnectionId, Effect, Prefix, SwarmConfig, Swarms, TrackerMessage,
};

use crate::text;

/// Messages of both directions are read back alike.
pub fn tracker_message(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(message) = ClientMessage::parse(text) {
        assert_eq!(ClientMessage::parse(&message.to_json()), Ok(message));
    }
    if let Ok(message) = TrackerMessage::parse(text) {
        assert_eq!(TrackerMessage::parse(&message.to_json()), Ok(message));
    }
}

/// Whatever visitors say in whatever order, the tracker sends only messages that can be read, to
/// connections that are there, and never asks to be woken in the past. See [`Script`].
pub fn swarms(data: &[u8]) {
    let mut script = Script::new();
    for line in text(data).unwrap_or_default().lines() {
        script.play(line);
        script.check();
    }
}

/// The gate lets nothing through that it would not let through again, unchanged, and without private
/// addresses switched on none of those.
pub fn sdp(data: &[u8]) {
    let Some(text) = text(data) else { return };
    for gate in [Gate::default(), Gate::default().with_lan(true)] {
        for kind in [SdpKind::Offer, SdpKind::Answer] {
            let Ok(passed) = gate.check(text, kind) else { continue };
            assert_eq!(gate.check(&passed, kind).as_ref(), Ok(&passed));
            assert!(gate != Gate::default() || addresses(&passed).all(is_public), "{passed}");
        }
    }
}

/// An answer is at most three times as long as its request, and is no request itself.
pub fn stun(data: &[u8]) {
    let (mut answer, mut loop_back) = (Vec::new(), Vec::new());
    for from in ["203.0.113.7:4000", "[2001:db8::7]:4000", "[::ffff:203.0.113.7]:4000"] {
        let from = from.parse().expect("a constant");
        let answered = binding_response(data, from, &mut answer).is_ok();
        assert_eq!(answered, !answer.is_empty());
        assert!(answer.len() <= 3 * data.len());
        assert!(binding_response(&answer, from, &mut loop_back).is_err());
    }
}

/// The addresses of all candidates (RFC 8839, section 5.1), read by cutting at spaces.
fn addresses(sdp: &str) -> impl Iterator<Item = &str> {
    let candidates = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
    candidates.filter_map(|line| line.split(' ').nth(4))
}

fn is_public(address: &str) -> bool {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(v4)) => {
            let local = v4.is_private() || v4.is_loopback() || v4.is_link_local();
            !(local || v4.is_multicast() || v4.is_broadcast() || v4.octets()[0] == 0)
        }
        Ok(IpAddr::V6(v6)) => {
            let local = v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local();
            !(local || v6.is_multicast() || v6.is_unspecified())
        }
        Err(_) => false,
    }
}

/// A tracker and up to ten visitors, driven by lines of text. `+3` connects visitor 3 (again), from
/// a network of its own; `-3` closes its socket; `~60` lets as many seconds pass; `!` withdraws the
/// only swarm, whose info-hash is twenty times `a`, and opens it again; `3{...}` is what visitor 3
/// says.
struct Script {
    swarms: Swarms,
    now: Duration,
    /// The connection of each visitor. No number is used twice.
    ids: [Option<ConnectionId>; 10],
    next: u64,
    effects: Vec<Effect>,
}

impl Script {
    const SWARM: InfoHash = InfoHash::from_bytes([b'a'; 20]);

    fn new() -> Self {
        let config = SwarmConfig::default().with_min_prefixes(2).with_max_peers(4);
        let mut swarms = Swarms::new(config, 0);
        swarms.issue(Self::SWARM);
        Self { swarms, now: Duration::ZERO, ids: [None; 10], next: 0, effects: Vec::new() }
    }

    fn play(&mut self, line: &str) {
        let (now, effects) = (self.now, &mut self.effects);
        let mut characters = line.chars();
        match characters.next() {
            Some('~') => {
                let seconds = characters.as_str().parse::<u32>().unwrap_or(1);
                self.now += Duration::from_secs(seconds.into());
                self.swarms.on_timeout(self.now, effects);
            }
            Some('!') => {
                self.swarms.withdraw(&Self::SWARM, effects);
                self.swarms.issue(Self::SWARM);
            }
            Some('+') => {
                let Some(visitor) = visitor(characters.next()) else { return };
                let octet = u8::try_from(visitor).unwrap_or_default();
                let address = IpAddr::from([203, 0, octet, 1]);
                let id = ConnectionId(self.next);
                self.next += 1;
                if let Some(old) = self.ids[visitor].replace(id) {
                    self.swarms.disconnect(now, old, effects);
                }
                self.swarms.connect(now, id, Some(Prefix::from(address)), effects);
            }
            Some('-') => {
                let Some(visitor) = visitor(characters.next()) else { return };
                let Some(id) = self.ids[visitor].take() else { return };
                self.swarms.disconnect(now, id, effects);
            }
            other => {
                let Some(id) = visitor(other).and_then(|visitor| self.ids[visitor]) else { return };
                self.swarms.handle(now, id, characters.as_str(), effects);
            }
        }
    }

    fn check(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send(id, message) => {
                    assert!(self.ids.contains(&Some(id)), "{id:?} is not there: {message}");
                    TrackerMessage::parse(&message).expect("what clients can read");
                }
                Effect::Close(id, _) => {
                    let visitor = self.ids.iter_mut().find(|known| **known == Some(id));
                    *visitor.expect("closed once") = None;
                }
                Effect::Count(_) => {}
            }
        }
        let deadline = self.swarms.next_deadline();
        assert_eq!(deadline.is_some(), self.ids.iter().any(Option::is_some));
        assert!(deadline.is_none_or(|deadline| deadline > self.now));
    }
}

fn visitor(name: Option<char>) -> Option<usize> {
    name?.to_digit(10).and_then(|digit| usize::try_from(digit).ok())
}
