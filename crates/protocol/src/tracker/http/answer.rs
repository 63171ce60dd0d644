use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bendy::decoding::{Decoder, Error, Object};
use bendy::encoding::Encoder;

use super::HttpTrackerError;
use crate::bencode::{number, skip};

/// Longest answer that is read. Bytes.
pub const MAX_HTTP_ANSWER: usize = 64 * 1024;
/// Most peers of an answer that are taken, and that are written.
pub const MAX_HTTP_PEERS: usize = 200;
/// Levels of nesting that are followed: a list of dictionaries in a dictionary.
const MAX_LEVELS: usize = 4;
/// Of a reason for refusing, so much is kept. Bytes.
const MAX_REASON: usize = 200;

/// What a tracker answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Seconds until the client should ask again.
    pub interval: u32,
    /// Seconds before which it must not.
    pub min_interval: Option<u32>,
    /// Peers that have everything.
    pub complete: u32,
    /// Peers that do not.
    pub incomplete: u32,
    /// Peers to connect to.
    pub peers: Vec<SocketAddr>,
}

impl HttpAnswer {
    /// The body, for a client that takes peers as bytes (`compact`) or as dictionaries. At most [`MAX_HTTP_PEERS`] go in.
    #[must_use]
    pub fn to_bytes(&self, compact: bool) -> Vec<u8> {
        self.encode(compact).unwrap_or_default()
    }

    /// The body that refuses: `reason` is shown to the client's user.
    #[must_use]
    pub fn refusal(reason: &str) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let written = encoder.emit_dict(|mut members| members.emit_pair(b"failure reason", reason));
        written.and_then(|()| encoder.get_output()).unwrap_or_default()
    }

    fn encode(&self, compact: bool) -> Result<Vec<u8>, bendy::encoding::Error> {
        let peers = || self.peers.iter().take(MAX_HTTP_PEERS);
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for peer in peers() {
            match peer.ip() {
                IpAddr::V4(address) => four.extend(address.octets()),
                IpAddr::V6(address) => six.extend(address.octets()),
            }
            let to = if peer.is_ipv4() { &mut four } else { &mut six };
            to.extend(peer.port().to_be_bytes());
        }
        let mut encoder = Encoder::new();
        encoder.emit_dict(|mut members| {
            members.emit_pair(b"complete", self.complete)?;
            members.emit_pair(b"incomplete", self.incomplete)?;
            members.emit_pair(b"interval", self.interval)?;
            if let Some(seconds) = self.min_interval {
                members.emit_pair(b"min interval", seconds)?;
            }
            if compact {
                members.emit_pair_with(b"peers", |encoder| encoder.emit_bytes(&four))?;
                return members.emit_pair_with(b"peers6", |encoder| encoder.emit_bytes(&six));
            }
            members.emit_pair_with(b"peers", |encoder| {
                encoder.emit_list(|list| {
                    for peer in peers() {
                        list.emit_dict(|mut members| {
                            members.emit_pair(b"ip", peer.ip().to_string())?;
                            members.emit_pair(b"port", peer.port())
                        })?;
                    }
                    Ok(())
                })
            })
        })?;
        encoder.get_output()
    }

    /// Reads a body, peers in either form. Those that are no addresses to connect to (port 0, unspecified, multicast) are left out.
    ///
    /// # Errors
    /// See [`HttpTrackerError`]; [`HttpTrackerError::Refused`] where the tracker says no.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HttpTrackerError> {
        if bytes.len() > MAX_HTTP_ANSWER {
            return Err(HttpTrackerError::TooLong(MAX_HTTP_ANSWER));
        }
        let mut refused = None;
        let answer = read(bytes, &mut refused).map_err(|_| HttpTrackerError::Malformed)?;
        match refused {
            Some(reason) => Err(HttpTrackerError::Refused(reason)),
            None => Ok(answer),
        }
    }

    fn add(&mut self, peer: SocketAddr) {
        let ip = peer.ip();
        let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        let usable = peer.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast;
        if usable && self.peers.len() < MAX_HTTP_PEERS && !self.peers.contains(&peer) {
            self.peers.push(peer);
        }
    }
}

fn read(bytes: &[u8], refused: &mut Option<String>) -> Result<HttpAnswer, Error> {
    let mut answer = HttpAnswer::default();
    let mut decoder = Decoder::new(bytes).with_max_depth(MAX_LEVELS);
    let first = decoder.next_object()?.ok_or_else(|| Error::missing_field("interval"))?;
    let mut members = first.try_into_dictionary()?;
    while let Some((key, value)) = members.next_pair()? {
        match key {
            b"failure reason" => {
                let text = value.try_into_bytes()?;
                let text = text.get(..MAX_REASON).unwrap_or(text);
                let text = String::from_utf8_lossy(text);
                *refused = Some(text.chars().filter(|c| !c.is_control()).collect());
            }
            b"interval" => answer.interval = number(value)?.unwrap_or_default(),
            b"min interval" => answer.min_interval = number(value)?,
            b"complete" => answer.complete = number(value)?.unwrap_or_default(),
            b"incomplete" => answer.incomplete = number(value)?.unwrap_or_default(),
            b"peers" => match value {
                Object::Bytes(peers) => four(peers, &mut answer),
                Object::List(mut list) => {
                    while let Some(peer) = list.next_object()? {
                        dictionary(peer, &mut answer)?;
                    }
                }
                Object::Integer(_) | Object::Dict(_) => {
                    return Err(Error::unexpected_token("peers", "something else"));
                }
            },
            b"peers6" => six(value.try_into_bytes()?, &mut answer),
            _ => skip(value)?,
        }
    }
    Ok(answer)
}

/// BEP 23: four bytes of address and two of port each.
fn four(peers: &[u8], answer: &mut HttpAnswer) {
    let (peers, _) = peers.as_chunks::<6>();
    for &[a, b, c, d, high, low] in peers {
        let port = u16::from_be_bytes([high, low]);
        answer.add((Ipv4Addr::new(a, b, c, d), port).into());
    }
}

/// BEP 7: sixteen and two.
fn six(peers: &[u8], answer: &mut HttpAnswer) {
    let (peers, _) = peers.as_chunks::<18>();
    for peer in peers {
        let (address, port) = peer.split_at(16);
        let (Ok(address), Ok(port)) = (<[u8; 16]>::try_from(address), <[u8; 2]>::try_from(port))
        else {
            continue;
        };
        answer.add((Ipv6Addr::from(address), u16::from_be_bytes(port)).into());
    }
}

/// BEP 3. Names of hosts, which it allows, are not looked up.
fn dictionary(peer: Object<'_, '_>, answer: &mut HttpAnswer) -> Result<(), Error> {
    let (mut ip, mut port) = (None, None);
    let mut members = peer.try_into_dictionary()?;
    while let Some((key, value)) = members.next_pair()? {
        match key {
            b"ip" => {
                ip =
                    std::str::from_utf8(value.try_into_bytes()?).ok().and_then(|it| it.parse().ok())
            }
            b"port" => port = number(value)?,
            _ => skip(value)?,
        }
    }
    if let (Some(ip), Some(port)) = (ip, port) {
        answer.add(SocketAddr::new(ip, port));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_what_the_beps_say() {
        let answer = HttpAnswer {
            interval: 1_800,
            min_interval: None,
            complete: 1,
            incomplete: 2,
            peers: vec!["192.0.2.1:6881".parse().unwrap(), "[2001:db8::1]:1".parse().unwrap()],
        };
        let compact = [
            &b"d8:completei1e10:incompletei2e8:intervali1800e5:peers6:\xc0\0\x02\x01\x1a\xe16:peers618:"[..],
            b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x01e",
        ]
        .concat();
        assert_eq!(answer.to_bytes(true), compact);
        let long = b"d8:completei1e10:incompletei2e8:intervali1800e5:peersld2:ip9:192.0.2.14:porti6881eed2:ip11:2001:db8::14:porti1eeee";
        assert_eq!(answer.to_bytes(false), long);
        for bytes in [&compact[..], long] {
            assert_eq!(HttpAnswer::from_bytes(bytes).as_ref(), Ok(&answer));
        }
        assert_eq!(
            HttpAnswer::from_bytes(&HttpAnswer::refusal("no such\nswarm")),
            Err(HttpTrackerError::Refused("no suchswarm".to_owned()))
        );
    }

    #[test]
    fn nobody_is_called_who_can_not_answer() {
        let bytes = b"d5:peers30:\xc0\0\x02\x01\0\0\0\0\0\0\x1a\xe1\xe0\0\0\x01\x1a\xe1\xff\xff\xff\xff\x1a\xe1\xc0\0\x02\x01\x1a\xe1e";
        let answer = HttpAnswer::from_bytes(bytes).unwrap();
        assert_eq!(answer.peers, ["192.0.2.1:6881".parse().unwrap()]);
        let named = b"d5:peersld2:ip9:localhost4:porti1eeee";
        assert!(HttpAnswer::from_bytes(named).unwrap().peers.is_empty());
        // However many there are.
        let many = HttpAnswer {
            peers: (1..1_000).map(|port| ([192, 0, 2, 1], port).into()).collect(),
            ..HttpAnswer::default()
        };
        assert_eq!(
            HttpAnswer::from_bytes(&many.to_bytes(true)).unwrap().peers.len(),
            MAX_HTTP_PEERS
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for bad in [
            &b""[..],
            b"<html>",
            b"i1e",
            b"d5:peersi1ee",
            b"d8:interval1:xe",
            b"d5:peersl1:xee",
            b"llllllllle",
            b"d8:intervali1e",
        ] {
            assert_eq!(
                HttpAnswer::from_bytes(bad),
                Err(HttpTrackerError::Malformed),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
        let long = vec![b'd'; MAX_HTTP_ANSWER + 1];
        assert_eq!(HttpAnswer::from_bytes(&long), Err(HttpTrackerError::TooLong(MAX_HTTP_ANSWER)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            interval: u32, min_interval: Option<u32>, complete: u32, incomplete: u32, compact: bool,
            peers in prop::collection::btree_set(
                ((any::<[u8; 4]>(), 1_u16..).prop_map(SocketAddr::from)).boxed().prop_union(
                    (any::<[u16; 8]>(), 1_u16..).prop_map(SocketAddr::from).boxed()), 0..20),
        ) {
            let mut answer = HttpAnswer { interval, min_interval, complete, incomplete, peers: vec![] };
            peers.into_iter().for_each(|peer| answer.add(peer));
            let mut read = HttpAnswer::from_bytes(&answer.to_bytes(compact)).unwrap();
            read.peers.sort();
            answer.peers.sort();
            prop_assert_eq!(read, answer);
        }
    }
}
