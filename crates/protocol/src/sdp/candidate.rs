//! One ICE candidate (RFC 8839 section 5.1, RFC 6544 section 4.5).

use std::fmt;

use super::address::{Address, Reach};

/// A candidate that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    foundation: &'a str,
    transport: Transport,
    priority: u32,
    address: Address<'a>,
    port: u16,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    TcpPassive,
    TcpSimultaneousOpen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    ServerReflexive,
    PeerReflexive,
    Relay,
}

impl<'a> Candidate<'a> {
    /// Reads the value of a `candidate` attribute; `None` when it is malformed or must not pass.
    pub(super) fn read(value: &'a str, reach: Reach) -> Option<Self> {
        let mut words = value.split(' ').filter(|word| !word.is_empty());
        let foundation = words.next().filter(|word| is_ice(word, 1, 32))?;
        let component = number::<u16>(words.next()?)?;
        let protocol = words.next()?;
        let priority = number::<u32>(words.next()?).filter(|p| (1..=0x7fff_ffff).contains(p))?;
        let address = Address::read(words.next()?, reach)?;
        let port = number::<u16>(words.next()?)?;
        if words.next()? != "typ" {
            return None;
        }
        let kind = match words.next()? {
            "host" => Kind::Host,
            "srflx" => Kind::ServerReflexive,
            "prflx" => Kind::PeerReflexive,
            "relay" => Kind::Relay,
            _ => return None,
        };
        let mut tcp_type = None;
        while let Some(name) = words.next() {
            let value = words.next()?;
            if name == "tcptype" {
                tcp_type = Some(value);
            }
        }
        let transport = match tcp_type {
            _ if protocol.eq_ignore_ascii_case("udp") => Transport::Udp,
            Some("passive") if protocol.eq_ignore_ascii_case("tcp") => Transport::TcpPassive,
            Some("so") if protocol.eq_ignore_ascii_case("tcp") => Transport::TcpSimultaneousOpen,
            _ => return None,
        };
        let port_passes = port >= 1024 || (port == 443 && transport == Transport::Udp);
        (component == 1 && port_passes).then_some(Self {
            foundation,
            transport,
            priority,
            address,
            port,
            kind,
        })
    }
}

/// The value of a `candidate` attribute.
impl fmt::Display for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, transport, priority, address, port, kind } = self;
        let (protocol, tcp_type) = match transport {
            Transport::Udp => ("udp", ""),
            Transport::TcpPassive => ("tcp", " tcptype passive"),
            Transport::TcpSimultaneousOpen => ("tcp", " tcptype so"),
        };
        // The grammar asks for a related address wherever there is one to hide.
        let (kind, related) = match kind {
            Kind::Host => ("host", ""),
            Kind::ServerReflexive => ("srflx", " raddr 0.0.0.0 rport 0"),
            Kind::PeerReflexive => ("prflx", " raddr 0.0.0.0 rport 0"),
            Kind::Relay => ("relay", " raddr 0.0.0.0 rport 0"),
        };
        write!(
            f,
            "{foundation} 1 {protocol} {priority} {address} {port} typ {kind}{related}{tcp_type}"
        )
    }
}

/// `1*DIGIT`, without the sign that `parse` would take.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `ice-char` of RFC 8839 section 5.4: `ALPHA / DIGIT / "+" / "/"`. Base64url letters are let in as
/// well: some agents use them.
pub(super) fn is_ice(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(value: &str, reach: Reach) -> Option<String> {
        Candidate::read(value, reach).map(|candidate| candidate.to_string())
    }

    #[test]
    fn passes_are_written_canonically() {
        for (given, written) in [
            (
                "842163049 1 udp 1677729535 203.0.113.9 61015 typ srflx raddr 192.168.0.87 rport \
                 61015 generation 0 network-cost 999",
                "842163049 1 udp 1677729535 203.0.113.9 61015 typ srflx raddr 0.0.0.0 rport 0",
            ),
            (
                "0 1 UDP 2122252543 2001:DB8:0::0042 52465 typ host",
                "0 1 udp 2122252543 2001:db8::42 52465 typ host",
            ),
            (
                "2398920056 1 tcp 1518214911 192.0.2.2 56551 typ host tcptype passive generation 0",
                "2398920056 1 tcp 1518214911 192.0.2.2 56551 typ host tcptype passive",
            ),
            (
                "3 1 UDP 92217087 198.51.100.3 443 typ relay raddr 198.51.100.3 rport 59261",
                "3 1 udp 92217087 198.51.100.3 443 typ relay raddr 0.0.0.0 rport 0",
            ),
            (
                "9 1 udp 1 203.0.113.1 1024 typ prflx",
                "9 1 udp 1 203.0.113.1 1024 typ prflx raddr 0.0.0.0 rport 0",
            ),
        ] {
            assert_eq!(pass(given, Reach::Public).as_deref(), Some(written));
            assert_eq!(pass(written, Reach::Public).as_deref(), Some(written), "not stable");
        }
    }

    #[test]
    fn refuses_what_is_malformed_or_dangerous() {
        for refused in [
            "",
            "1",
            "1 1 udp 1 203.0.113.1 5000",
            "1 1 udp 1 203.0.113.1 5000 typ",
            "1 1 udp 1 203.0.113.1 5000 type host",
            "1 1 udp 1 203.0.113.1 5000 typ guest",
            "1 1 udp 1 203.0.113.1 5000 typ host generation",
            "1 2 udp 1 203.0.113.1 5000 typ host",
            "1 0 udp 1 203.0.113.1 5000 typ host",
            "1 -1 udp 1 203.0.113.1 5000 typ host",
            "1 1 sctp 1 203.0.113.1 5000 typ host",
            "1 1 ssltcp 1 203.0.113.1 443 typ host tcptype passive",
            "1 1 udp 0 203.0.113.1 5000 typ host",
            "1 1 udp 2147483648 203.0.113.1 5000 typ host",
            "1 1 udp +5 203.0.113.1 5000 typ host",
            "1 1 udp 1 203.0.113.1 0 typ host",
            "1 1 udp 1 203.0.113.1 53 typ host",
            "1 1 udp 1 203.0.113.1 123 typ host",
            "1 1 udp 1 203.0.113.1 1023 typ host",
            "1 1 udp 1 203.0.113.1 65536 typ host",
            "1 1 udp 1 203.0.113.1 5000.0 typ host",
            "1 1 tcp 1 203.0.113.1 443 typ host tcptype passive",
            "1 1 tcp 1 203.0.113.1 22 typ host tcptype passive",
            "1 1 tcp 1 203.0.113.1 9 typ host tcptype active",
            "1 1 tcp 1 203.0.113.1 5000 typ host tcptype active",
            "1 1 tcp 1 203.0.113.1 5000 typ host",
            "1 1 udp 1 example.org 5000 typ host",
            "1 1 udp 1 127.0.0.1 5000 typ host",
            "1:1 1 udp 1 203.0.113.1 5000 typ host",
            "123456789012345678901234567890123 1 udp 1 203.0.113.1 5000 typ host",
        ] {
            assert_eq!(pass(refused, Reach::Lan), None, "{refused}");
        }
    }
}
