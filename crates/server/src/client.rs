use std::net::{IpAddr, SocketAddr};

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use manyhands_page::is_loopback;
use manyhands_protocol::tracker::Prefix;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Fields by which somebody in between gives itself away.
const IN_BETWEEN: [&str; 6] =
    ["forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip", "cdn-loop"];

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
        let Some(PeerAddress(peer)) = peer else { return Self { address: None, direct: false } };
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut address = peer.ip().to_canonical();
        if is_trusted(&address) {
            let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
            let entries =
                fields.filter_map(|field| field.to_str().ok()).flat_map(|field| field.rsplit(','));
            for entry in entries {
                let Some(hop) = hop(entry.trim()) else { break };
                address = hop.to_canonical();
                if !is_trusted(&address) {
                    break;
                }
            }
        }
        Self { address: Some(address), direct: is_direct(headers) }
    }

    /// Somebody in a network, as a web server's module tells it.
    pub(crate) fn in_network(address: Option<IpAddr>) -> Self {
        Self { address, direct: false }
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

/// An address, with or without a port as some balancers write it.
fn hop(entry: &str) -> Option<IpAddr> {
    let address = entry.parse::<IpAddr>().ok();
    address.or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// Whether nobody stands in between, and the request names this machine: a page of a stranger that
/// has its name lead here (DNS rebinding) can't change `Host`.
fn is_direct(headers: &HeaderMap) -> bool {
    let in_between = headers.keys().any(|name| {
        name.as_str().starts_with("x-forwarded-") || IN_BETWEEN.contains(&name.as_str())
    });
    let named = headers.get_all(HOST).iter().all(|host| {
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        host.is_some_and(|host| is_loopback(&host.host().to_ascii_lowercase()))
    });
    !in_between && named
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
        assert!(!client("198.51.100.7", &[], &[]).is_operator());
    }

    #[test]
    fn the_operator_asks_by_a_name_of_this_machine_and_directly() {
        let asked = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let peer = PeerAddress("127.0.0.1:1000".parse().unwrap());
            Client::of(Some(peer), &headers, &[]).is_operator()
        };
        for host in ["127.0.0.1:8080", "localhost", "[::1]:8080"] {
            assert!(asked("host", host), "{host}");
        }
        assert!(!asked("host", "evil.example"));
        for name in ["via", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "forwarded"] {
            assert!(!asked(name, "x"), "{name}");
        }
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_visitor() {
        let trusted = ["10.0.0.0/8"];
        let through =
            |fields: &[&str]| client("10.0.0.1", fields, &trusted).address.unwrap().to_string();
        assert_eq!(through(&["203.0.113.9"]), "203.0.113.9");
        assert_eq!(through(&["1.2.3.4, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(through(&["1.2.3.4", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(through(&["203.0.113.9:4443"]), "203.0.113.9");
        assert_eq!(through(&["[2001:db8::1]:4443"]), "2001:db8::1");
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
