use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use manyhands_protocol::tracker::Prefix;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// Request extension: the address of the socket this request came in on.
///
/// Set by whoever owns the socket. Without it a visitor's address prefix is unknown: admission goes by
/// the number of requests alone, and swarms that ask for more than one prefix stay closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Who sent a request, as far as that can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    address: Option<IpAddr>,
    direct: bool,
}

impl Client {
    /// Reads the forwarded address only where the socket's other end is trusted to write it: the
    /// rightmost `X-Forwarded-For` entry that is not itself a trusted proxy.
    pub(crate) fn of(peer: Option<PeerAddress>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let forwarded = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
        let Some(PeerAddress(peer)) = peer else { return Self { address: None, direct: false } };
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut address = peer.ip().to_canonical();
        if is_trusted(&address) {
            let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
            let entries =
                fields.filter_map(|field| field.to_str().ok()).flat_map(|field| field.rsplit(','));
            for entry in entries {
                let Ok(hop) = entry.trim().parse::<IpAddr>() else { break };
                address = hop.to_canonical();
                if !is_trusted(&address) {
                    break;
                }
            }
        }
        Self { address: Some(address), direct: !forwarded }
    }

    /// The visitor's address prefix.
    pub(crate) fn prefix(&self) -> Option<Prefix> {
        self.address.map(Prefix::from)
    }

    /// The visitor's address, for limits a connection; never logged, never stored.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether this is the operator on this machine: loopback, with nobody in between.
    pub(crate) fn is_operator(&self) -> bool {
        self.direct && self.address.is_some_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> Client {
        let mut headers = HeaderMap::new();
        for field in forwarded {
            headers.append(X_FORWARDED_FOR, field.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let peer = format!("{peer}:1000").parse().unwrap();
        Client::of(Some(PeerAddress(peer)), &headers, &trusted)
    }

    #[test]
    fn a_stranger_can_not_speak_for_another_address() {
        let spoofed = client("198.51.100.7", &["203.0.113.9"], &["10.0.0.0/8"]);
        assert_eq!(spoofed.address, Some("198.51.100.7".parse().unwrap()));
        assert!(!client("127.0.0.1", &["127.0.0.1"], &[]).is_operator());
        assert!(client("127.0.0.1", &[], &[]).is_operator());
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_visitor() {
        let trusted = ["10.0.0.0/8"];
        let through =
            |fields: &[&str]| client("10.0.0.1", fields, &trusted).address.unwrap().to_string();
        assert_eq!(through(&["203.0.113.9"]), "203.0.113.9");
        assert_eq!(through(&["1.2.3.4, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(through(&["1.2.3.4", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(through(&["1.2.3.4, nonsense"]), "10.0.0.1");
        assert_eq!(through(&[]), "10.0.0.1");
    }

    #[test]
    fn without_a_socket_the_visitor_is_unknown() {
        let nobody = Client::of(None, &HeaderMap::new(), &[]);
        assert_eq!(nobody.prefix(), None);
        assert!(!nobody.is_operator());
    }
}
