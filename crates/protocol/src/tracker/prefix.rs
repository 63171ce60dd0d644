//! The address prefix that stands for "one network".

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network an address belongs to: IPv4 /24, IPv6 /48. An IPv4-mapped IPv6 address
/// (`::ffff:a.b.c.d`, what a dual-stack socket reports) is its IPv4 address.
///
/// Distinct prefixes approximate distinct people: one network can open many sockets, but cannot
/// easily be many networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(Network);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Network {
    V4([u8; 3]),
    V6([u16; 3]),
}

impl Prefix {
    /// The prefix as a number that no other prefix has, for tables that want nothing more.
    pub fn to_bits(self) -> u64 {
        match self.0 {
            Network::V4([a, b, c]) => u64::from(u32::from_be_bytes([0, a, b, c])),
            Network::V6(segments) => {
                segments.iter().fold(1, |bits, it| bits << 16 | u64::from(*it))
            }
        }
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self(Network::V4([a, b, c]))
            }
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                Self(Network::V6([a, b, c]))
            }
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Network::V4([a, b, c]) => write!(f, "{}/24", Ipv4Addr::new(a, b, c, 0)),
            Network::V6([a, b, c]) => write!(f, "{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str) -> Prefix {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn groups_by_24_and_48_and_unwraps_mapped_addresses() {
        assert_eq!(prefix("203.0.113.1"), prefix("203.0.113.254"));
        assert_ne!(prefix("203.0.113.1"), prefix("203.0.112.1"));
        assert_eq!(prefix("::ffff:203.0.113.9"), prefix("203.0.113.1"));
        assert_eq!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:ffff::2"));
        assert_ne!(prefix("2001:db8:1::1"), prefix("2001:db8:2::1"));
        assert_eq!(prefix("::ffff:203.0.113.9").to_string(), "203.0.113.0/24");
        assert_eq!(prefix("2001:db8:1:2::1").to_string(), "2001:db8:1::/48");
    }
}
