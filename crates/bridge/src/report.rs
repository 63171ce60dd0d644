use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use manyhands_experiment::{TrafficField, UnitField};
use manyhands_metainfo::{AssetPath, Version};
use manyhands_page::Doubt;
use serde::{Deserialize, Serialize};

use crate::{DocumentError, VERSION};

/// Longest [`Report`] as JSON, in bytes: it goes in one datagram.
pub const MAX_DATAGRAM: usize = 60_000;

/// What one worker process has to tell since it last did.
///
/// The events are for the daemon to judge and may get lost; the counts are differences, and a worker sends each of
/// them once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The version of the format; the default has it.
    pub v: u32,
    /// What happened, and how often.
    pub events: Vec<(Event, u64)>,
    /// Answers that were left alone, by the names of the reasons.
    pub passed: BTreeMap<String, u64>,
    /// Pages that got the tag.
    pub tagged: u64,
    /// What came to each field of the traffic, in the order of [`TrafficField`].
    pub traffic: [u64; TrafficField::COUNT],
    /// The experiment that the units are of ([`Experiment::id`](crate::Experiment::id)); 0 for none.
    pub experiment: u64,
    /// What came to units.
    pub units: Vec<UnitCounts>,
}

/// What came to one unit of the experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitCounts {
    /// Which unit.
    pub of: Unit,
    /// The number of its block.
    pub block: u64,
    /// What came to each field, in the order of [`UnitField`].
    pub cells: [u64; UnitField::COUNT],
}

/// A unit, in a form of fixed size.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// An asset: 32 hexadecimal digits, the first half of the SHA-256 of its path.
    Asset(String),
    /// A group of visitors.
    Bucket(u16),
    /// Assets that there was no room for, all in one arm (by its name).
    Rest(String),
}

/// Something that happened in a worker, which the daemon judges.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Event {
    /// A file that may be shared went out.
    Answer {
        /// The asset.
        path: AssetPath,
        /// The version that was sent, with the file's identity where `file` is set.
        version: Version,
        /// Its `Content-Type`.
        content_type: String,
        /// Whether this counts as demand.
        demand: bool,
        /// Whether it is to be admitted at once.
        preload: bool,
        /// The file that the body was read from.
        file: Option<PathBuf>,
        /// Where the visitor is.
        network: Option<Network>,
    },
    /// What is known of an asset may not be true any more ([`Doubt::Certain`]).
    Doubt {
        /// The asset.
        path: AssetPath,
    },
    /// One visitor got no shareable file, or another version ([`Doubt::Suspected`]).
    Suspicion {
        /// The asset.
        path: AssetPath,
        /// What the answer would offer had it been anybody's.
        version: Option<Version>,
    },
    /// A manifest was asked for.
    Demand {
        /// The asset.
        path: AssetPath,
        /// The visitor's group, where the experiment goes by those.
        bucket: Option<u16>,
        /// Where the visitor is.
        network: Option<Network>,
        /// Whether it says to be a robot.
        robot: bool,
    },
    /// A page went out.
    Page {
        /// The visitor's group, where the experiment goes by those.
        bucket: Option<u16>,
        /// Where the visitor is.
        network: Option<Network>,
        /// Whether it says to be a robot.
        robot: bool,
    },
    /// A shared asset could not be sent.
    Failed {
        /// The asset.
        path: AssetPath,
        /// The visitor's group, where the experiment goes by those.
        bucket: Option<u16>,
    },
}

impl From<&Doubt> for Event {
    fn from(doubt: &Doubt) -> Self {
        match doubt.clone() {
            Doubt::Certain(path) => Self::Doubt { path },
            Doubt::Suspected { path, version } => Self::Suspicion { path, version },
        }
    }
}

/// An address with the part that names a host taken off: IPv4 /24, IPv6 /48. A loopback address stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "IpAddr")]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            address if address.is_loopback() => address,
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Ipv4Addr::new(a, b, c, 0).into()
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
            }
        })
    }
}

impl Network {
    /// Its first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl Default for Report {
    fn default() -> Self {
        Self {
            v: VERSION,
            events: Vec::new(),
            passed: BTreeMap::new(),
            tagged: 0,
            traffic: [0; TrafficField::COUNT],
            experiment: 0,
            units: Vec::new(),
        }
    }
}

impl Report {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.passed.is_empty()
            && self.tagged == 0
            && self.traffic.iter().all(|more| *more == 0)
            && self.units.is_empty()
    }

    /// Reads what [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// See [`DocumentError`]; also when it is longer than [`MAX_DATAGRAM`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_DATAGRAM {
            return Err(DocumentError::Contradiction("longer than any report"));
        }
        crate::read(bytes)
    }

    /// As it is sent. Whoever fills it keeps it below [`MAX_DATAGRAM`].
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        crate::write(self)
    }
}

#[cfg(test)]
mod tests {
    use manyhands_metainfo::Validator;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let path = AssetPath::parse("/a.iso").unwrap();
        let version = Version { validator: Validator::Immutable, length: 7, file: None };
        let network = Some(Network::from(IpAddr::from([192, 0, 2, 7])));
        let answer = Event::Answer {
            path: path.clone(),
            version: version.clone(),
            content_type: "video/mp4".to_owned(),
            demand: true,
            preload: false,
            file: Some("/srv/a.iso".into()),
            network,
        };
        let doubt = Event::from(&Doubt::Suspected { path: path.clone(), version: Some(version) });
        let report = Report {
            events: vec![(answer, 3), (doubt, 1), (Event::Failed { path, bucket: Some(9) }, 1)],
            passed: [("status".to_owned(), 4)].into(),
            units: vec![UnitCounts { of: Unit::Bucket(9), block: 8, cells: [1; 7] }],
            ..Report::default()
        };
        assert_eq!(Report::from_json(&report.to_json()).unwrap(), report);
        assert!(!report.is_empty() && Report::default().is_empty());
    }

    #[test]
    fn a_network_names_no_host() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.0"),
            ("::ffff:192.0.2.7", "192.0.2.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
        ] {
            let network_of = Network::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(network_of.address().to_string(), network, "{address}");
        }
        let read: Network = serde_json::from_str("\"192.0.2.7\"").unwrap();
        assert_eq!(read.address().to_string(), "192.0.2.0");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Report::from_json(&bytes);
        }
    }
}
