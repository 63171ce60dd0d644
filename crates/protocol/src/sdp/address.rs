//! Which addresses a stranger's browser may be sent to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where candidates may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// On the public internet only.
    Public,
    /// There and in private networks.
    Lan,
}

/// The address of a candidate that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address<'a> {
    Ip(IpAddr),
    /// An mDNS name as browsers make them (RFC 8828): a UUID and `.local`.
    Mdns(&'a str),
}

impl<'a> Address<'a> {
    /// Reads a literal or an mDNS name; `None` when it must not pass. Other names never do: looking
    /// one up would be a request to a server of the sender's choice.
    pub(super) fn read(text: &'a str, reach: Reach) -> Option<Self> {
        match text.parse::<IpAddr>() {
            Ok(ip) => match (scope(ip), reach) {
                (Scope::Public, _) | (Scope::Private, Reach::Lan) => Some(Self::Ip(ip)),
                (Scope::Private, Reach::Public) | (Scope::Never, _) => None,
            },
            Err(_) => (reach == Reach::Lan && is_mdns(text)).then_some(Self::Mdns(text)),
        }
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mdns(name) => f.write_str(name),
        }
    }
}

/// What kind of place an address is, to whoever was given it by a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// On the public internet.
    Public,
    /// In a private network.
    Private,
    /// This machine, its link, or nowhere: of no use from elsewhere, and dangerous here.
    Never,
}

/// The scope of an address. An IPv4 address in IPv6 form must be made canonical first; in that form it is
/// [`Scope::Never`].
///
/// Documentation prefixes (RFC 5737, RFC 3849) count as public: no one answers there, and closed
/// test networks use them as such.
pub fn scope(ip: IpAddr) -> Scope {
    match ip {
        IpAddr::V4(v4) => scope_v4(v4),
        IpAddr::V6(v6) => scope_v6(v6),
    }
}

fn scope_v4(ip: Ipv4Addr) -> Scope {
    match ip.octets() {
        [10, ..] | [192, 168, ..] => Scope::Private,
        [172, b, ..] if b & 0xf0 == 16 => Scope::Private,
        [100, b, ..] if b & 0xc0 == 64 => Scope::Private,
        // "This network", loopback, link-local (cloud metadata lives there), IETF protocol
        // assignments, benchmarking.
        [0 | 127, ..] | [169, 254, ..] | [192, 0, 0, _] | [198, 18 | 19, ..] => Scope::Never,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => Scope::Never,
        _ => Scope::Public,
    }
}

fn scope_v6(ip: Ipv6Addr) -> Scope {
    match ip.segments() {
        // Unspecified, loopback, IPv4-compatible and IPv4-mapped: no agent lists its addresses in
        // these forms.
        [0, 0, 0, 0, 0, ..] => Scope::Never,
        [a, ..] if a & 0xfe00 == 0xfc00 => Scope::Private,
        // Discard-only, link-local and the old site-local, multicast.
        [0x0100, 0, 0, 0, ..] => Scope::Never,
        [a, ..] if a & 0xff00 == 0xfe00 || a & 0xff00 == 0xff00 => Scope::Never,
        // NAT64 and 6to4 reach the IPv4 address they embed. The local-use NAT64 prefix is of no use
        // to a stranger.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            match scope_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))) {
                Scope::Public => Scope::Public,
                Scope::Private | Scope::Never => Scope::Never,
            }
        }
        [0x0064, 0xff9b, ..] => Scope::Never,
        _ => Scope::Public,
    }
}

/// A UUID in text form and `.local`; `printer.local` is a device, not an mDNS candidate.
fn is_mdns(name: &str) -> bool {
    let Some(uuid) = name.strip_suffix(".local") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_its_scope() {
        let table = [
            (Scope::Public, "203.0.113.7 192.0.2.2 8.8.8.8 172.15.0.1 172.32.0.1 100.63.255.255"),
            (Scope::Public, "100.128.0.0 11.0.0.0 192.169.0.1 169.253.0.1 223.255.255.255"),
            (Scope::Public, "2001:db8::1 2606:4700::1111 64:ff9b::203.0.113.7 2002:cb00:7107::1"),
            (Scope::Private, "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1"),
            (Scope::Private, "100.64.0.1 100.127.255.255 fc00::1 fd12:3456::1 fdff::1"),
            (Scope::Never, "0.0.0.0 0.1.2.3 127.0.0.1 127.255.0.1 169.254.169.254 192.0.0.8"),
            (Scope::Never, "198.18.0.1 198.19.255.1 224.0.0.251 239.255.255.250 240.0.0.1"),
            (Scope::Never, "255.255.255.255 :: ::1 ::ffff:203.0.113.7 ::ffff:127.0.0.1 ::10.0.0.1"),
            (Scope::Never, "fe80::1 febf::1 fec0::1 ff02::fb 100::1 64:ff9b::10.0.0.1"),
            (Scope::Never, "64:ff9b::127.0.0.1 64:ff9b:1::1 2002:7f00:1::1 2002:c0a8:101::1"),
        ];
        for (expected, addresses) in table {
            for address in addresses.split(' ') {
                assert_eq!(scope(address.parse().unwrap()), expected, "{address}");
            }
        }
    }

    #[test]
    fn names_pass_in_lan_mode_only_and_only_as_uuids() {
        let name = "6b1d9ff5-3e0b-4c0a-9d3c-1a2b3c4d5e6f.local";
        assert_eq!(Address::read(name, Reach::Lan), Some(Address::Mdns(name)));
        assert_eq!(Address::read(name, Reach::Public), None);
        for refused in [
            "printer.local",
            "localhost",
            "example.org",
            "6b1d9ff5-3e0b-4c0a-9d3c-1a2b3c4d5e6f",
            "6b1d9ff5-3e0b-4c0a-9d3c-1a2b3c4d5e6f.local.",
            "6b1d9ff5-3e0b-4c0a-9d3c-1a2b3c4d5e6f.example.local",
            "6b1d9ff53-e0b-4c0a-9d3c-1a2b3c4d5e6f.local",
            "6b1d9ff5-3e0b-4c0a-9d3c-1a2b3c4d5e6g.local",
            "[::1]",
            "fe80::1%eth0",
            "0x7f.1",
            "2130706433",
            "127.1",
            "",
        ] {
            assert_eq!(Address::read(refused, Reach::Lan), None, "{refused}");
        }
    }

    #[test]
    fn private_literals_pass_in_lan_mode_only() {
        assert!(Address::read("192.168.1.2", Reach::Lan).is_some());
        assert!(Address::read("192.168.1.2", Reach::Public).is_none());
        assert!(Address::read("127.0.0.1", Reach::Lan).is_none());
        assert!(Address::read("203.0.113.7", Reach::Public).is_some());
    }
}
