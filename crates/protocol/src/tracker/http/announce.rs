use std::fmt::Write as _;

use manyhands_metainfo::InfoHash;
use percent_encoding::percent_decode_str;

use super::HttpTrackerError;
use crate::tracker::{Event, PeerId};

/// Longest query that is read. Bytes.
const MAX_QUERY: usize = 2_048;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnnounce {
    /// The swarm.
    pub info_hash: InfoHash,
    /// The client.
    pub peer_id: PeerId,
    /// Where it listens. Its address is the connection's: one that a client names (`ip=`) would let it have strangers called.
    pub port: u16,
    /// Bytes given so far.
    pub uploaded: u64,
    /// Bytes got so far.
    pub downloaded: u64,
    /// Bytes it lacks; 0 is a seed.
    pub left: u64,
    /// Why it asks now.
    pub event: Event,
    /// Whether it takes peers as bytes (BEP 23). Nearly all do.
    pub compact: bool,
    /// Peers it wants.
    pub wanted: Option<u32>,
}

impl HttpAnnounce {
    /// Reads a query, without its `?`. Parameters that mean nothing here are passed over.
    ///
    /// # Errors
    /// See [`HttpTrackerError`].
    pub fn from_query(query: &str) -> Result<Self, HttpTrackerError> {
        if query.len() > MAX_QUERY {
            return Err(HttpTrackerError::TooLong(MAX_QUERY));
        }
        let value = |name: &'static str| {
            let mut values = query.split('&').filter_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (key == name).then_some(value)
            });
            match (values.next(), values.next()) {
                (value, None) => Ok(value),
                (_, Some(_)) => Err(HttpTrackerError::Bad(name)),
            }
        };
        let needed = |name| value(name)?.ok_or(HttpTrackerError::Missing(name));
        let id = |name| {
            let bytes: Vec<u8> = percent_decode_str(needed(name)?).collect();
            <[u8; 20]>::try_from(bytes).map_err(|_| HttpTrackerError::Bad(name))
        };
        let number = |name| {
            let text = value(name)?;
            text.map(|text| decimal(text).ok_or(HttpTrackerError::Bad(name))).transpose()
        };
        let port = number("port")?.ok_or(HttpTrackerError::Missing("port"))?;
        let wanted = match value("numwant")? {
            // Some clients write -1 for "as many as you like".
            None | Some("-1") => None,
            Some(text) => Some(decimal(text).ok_or(HttpTrackerError::Bad("numwant"))?),
        };
        Ok(Self {
            info_hash: InfoHash::from_bytes(id("info_hash")?),
            peer_id: PeerId::from_bytes(id("peer_id")?),
            port: u16::try_from(port).map_err(|_| HttpTrackerError::Bad("port"))?,
            uploaded: number("uploaded")?.unwrap_or_default(),
            downloaded: number("downloaded")?.unwrap_or_default(),
            // Who does not say is taken for one who has nothing: a seed is believed to be one only on its word.
            left: number("left")?.unwrap_or(u64::MAX),
            event: match value("event")? {
                None | Some("" | "empty") => Event::Update,
                Some("started") => Event::Started,
                Some("completed") => Event::Completed,
                Some("stopped") => Event::Stopped,
                // BEP 21
                Some("paused") => Event::Paused,
                Some(_) => return Err(HttpTrackerError::Bad("event")),
            },
            compact: value("compact")? == Some("1"),
            wanted: wanted.map(|wanted| u32::try_from(wanted).unwrap_or(u32::MAX)),
        })
    }

    /// The query of a tracker's URL, without its `?`.
    #[must_use]
    pub fn to_query(&self) -> String {
        let Self { info_hash, peer_id, port, uploaded, downloaded, left, .. } = self;
        let (info_hash, peer_id) = (escaped(info_hash.as_bytes()), escaped(peer_id.as_bytes()));
        let mut query = format!(
            "info_hash={info_hash}&peer_id={peer_id}&port={port}&uploaded={uploaded}&downloaded={downloaded}&left={left}\
             &compact={}",
            u8::from(self.compact)
        );
        let event = match self.event {
            Event::Started => Some("started"),
            Event::Completed => Some("completed"),
            Event::Stopped => Some("stopped"),
            Event::Paused => Some("paused"),
            Event::Update => None,
        };
        // Writing to a string does not fail.
        let _ = event.map_or(Ok(()), |event| write!(query, "&event={event}"));
        let _ = self.wanted.map_or(Ok(()), |wanted| write!(query, "&numwant={wanted}"));
        query
    }
}

/// Digits alone: `u64` would take a plus.
fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Every byte as an escape: no tracker reads it in two ways.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(3 * bytes.len()), |mut text, byte| {
        // As above.
        let _ = write!(text, "%{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Transmission 3 and aria2 1.36 write it.
    const TRANSMISSION: &str = "info_hash=%124Vx%9a%bc%de%f1%23Eg%89%ab%cd%ef%124Vx%9a&peer_id=-TR3000-abcdefghijkl&port=51413&uploaded=0&downloaded=0&left=1000&numwant=80&key=1a2b3c4d&compact=1&supportcrypto=1&event=started";

    #[test]
    fn what_stock_clients_write_is_read() {
        let announce = HttpAnnounce::from_query(TRANSMISSION).unwrap();
        assert_eq!(announce.info_hash.to_string(), "123456789abcdef123456789abcdef123456789a");
        assert_eq!(announce.peer_id, PeerId::from_bytes(*b"-TR3000-abcdefghijkl"));
        assert_eq!((announce.port, announce.left, announce.wanted), (51_413, 1_000, Some(80)));
        assert_eq!((announce.event, announce.compact), (Event::Started, true));
    }

    #[test]
    fn what_is_missing_twice_or_no_number_is_refused() {
        use HttpTrackerError::{Bad, Missing, TooLong};
        let without = |name: &str| {
            let kept = TRANSMISSION.split('&').filter(|pair| !pair.starts_with(name));
            HttpAnnounce::from_query(&kept.collect::<Vec<_>>().join("&"))
        };
        for name in ["info_hash", "peer_id", "port"] {
            assert_eq!(without(name).unwrap_err(), Missing(name));
        }
        assert_eq!(without("left").unwrap().left, u64::MAX);
        assert!(!without("compact").unwrap().compact);
        for (more, why) in [("&port=1", Bad("port")), ("&info_hash=x", Bad("info_hash"))] {
            assert_eq!(HttpAnnounce::from_query(&format!("{TRANSMISSION}{more}")), Err(why));
        }
        for (from, to, why) in [
            ("51413", "65536", Bad("port")),
            ("51413", "+1", Bad("port")),
            ("51413", "", Bad("port")),
            ("started", "halted", Bad("event")),
            ("numwant=80", "numwant=-2", Bad("numwant")),
            ("-abcdefghijkl", "", Bad("peer_id")),
        ] {
            assert_eq!(HttpAnnounce::from_query(&TRANSMISSION.replace(from, to)), Err(why), "{to}");
        }
        let any = HttpAnnounce::from_query(&TRANSMISSION.replace("=80", "=-1")).unwrap();
        assert_eq!(any.wanted, None);
        assert_eq!(HttpAnnounce::from_query(&"a".repeat(2_049)), Err(TooLong(2_048)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            info_hash: [u8; 20], peer_id: [u8; 20], port: u16, bytes: [u64; 3], compact: bool, event in 0..5_usize,
            wanted: Option<u32>,
        ) {
            let announce = HttpAnnounce {
                info_hash: InfoHash::from_bytes(info_hash),
                peer_id: PeerId::from_bytes(peer_id),
                port,
                uploaded: bytes[0],
                downloaded: bytes[1],
                left: bytes[2],
                event: [Event::Update, Event::Started, Event::Completed, Event::Stopped, Event::Paused][event],
                compact,
                wanted,
            };
            prop_assert_eq!(HttpAnnounce::from_query(&announce.to_query()), Ok(announce));
        }
    }
}
