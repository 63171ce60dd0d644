//! Descriptions on their way in and out.

use std::fmt::Write as _;
use std::net::SocketAddr;

use manyhands_protocol::sdp::{Gate, SdpError, SdpKind};

use crate::transport::MAX_CHUNK;

/// How long a description may be, in bytes, and how many candidates of it are taken.
const LONGEST: usize = 8 * 1024;
const CANDIDATES: usize = 20;

/// What of a remote description counts.
#[derive(Debug)]
pub(super) struct Remote {
    /// Written anew by the gate.
    pub(super) sdp: String,
    /// The longest message the other side takes, in bytes.
    pub(super) max_message: usize,
}

/// Which candidates of the other side are tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub(super) lan: bool,
    pub(super) loopback: bool,
}

/// Reads a description; what is not understood does not reach the stack.
pub(super) fn read(sdp: &str, kind: SdpKind, reach: Reach) -> Result<Remote, SdpError> {
    let gate =
        Gate::default().with_lan(reach.lan).with_max_bytes(LONGEST).with_max_candidates(CANDIDATES);
    let mut passed = gate.check(sdp, kind)?;
    // Names are not resolved and TCP is not tried: the stack need not hear of them.
    passed = rewrite(&passed, |candidate| {
        let words: Vec<&str> = candidate.split(' ').collect();
        words.get(2) == Some(&"udp")
            && words.get(4).is_some_and(|address| !address.ends_with(".local"))
    });
    if reach.loopback {
        for (index, address) in loopback(sdp).take(CANDIDATES).enumerate() {
            push(&mut passed, index, address);
        }
    }
    let max_message = passed
        .lines()
        .find_map(|line| line.strip_prefix("a=max-message-size:"))
        // RFC 8841 section 6.1: 64 KiB where it is not said, and 0 is "any".
        .map_or(MAX_CHUNK, |size| size.parse().unwrap_or(MAX_CHUNK));
    let max_message = if max_message == 0 { MAX_CHUNK } else { max_message.min(MAX_CHUNK) };
    Ok(Remote { sdp: passed, max_message })
}

/// The stack's description with `addresses` in place of its candidates: it knows of the sockets thrown away only.
pub(super) fn write(sdp: &str, addresses: &[SocketAddr]) -> String {
    let mut out = rewrite(sdp, |_| false);
    for (index, address) in addresses.iter().enumerate() {
        push(&mut out, index, *address);
    }
    out.push_str("a=end-of-candidates\r\n");
    out
}

/// `sdp` with those candidates that `keep` likes, and without `end-of-candidates`. There is one media section, so what is
/// put at the end belongs to it.
fn rewrite(sdp: &str, keep: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(sdp.len() + 128);
    for line in sdp.lines() {
        let kept = match line.strip_prefix("a=candidate:") {
            Some(candidate) => keep(candidate),
            None => line != "a=end-of-candidates",
        };
        if kept {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out
}

/// A host candidate (RFC 8839 section 5.1; priority by RFC 8445 section 5.1.2.1).
fn push(out: &mut String, index: usize, address: SocketAddr) {
    let preference = 65_535 - u32::try_from(index).unwrap_or(0).min(65_535);
    let priority = (126 << 24) | (preference << 8) | 255;
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "a=candidate:{} 1 udp {priority} {} {} typ host\r\n",
        index + 1,
        address.ip(),
        address.port()
    );
}

fn loopback(sdp: &str) -> impl Iterator<Item = SocketAddr> + '_ {
    sdp.lines().filter_map(|line| {
        let words: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
        let [_, "1", protocol, _, address, port, "typ", "host", ..] = words.as_slice() else {
            return None;
        };
        let address = SocketAddr::new(address.parse().ok()?, port.parse().ok()?);
        (protocol.eq_ignore_ascii_case("udp")
            && address.ip().is_loopback()
            && address.port() >= 1024)
            .then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Reach = Reach { lan: false, loopback: false };

    fn offer(candidates: &str) -> String {
        let print = vec!["AB"; 32].join(":");
        format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
             c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
             a=fingerprint:sha-256 {print}\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n\
             a=max-message-size:16384\r\n{candidates}"
        )
    }

    fn candidates(sdp: &str) -> Vec<&str> {
        sdp.lines().filter(|line| line.starts_with("a=candidate:")).collect()
    }

    #[test]
    fn an_offer_cannot_point_at_our_own_network() {
        let sdp = offer(
            "a=candidate:1 1 udp 1 10.0.0.1 5000 typ host\r\na=candidate:2 1 udp 1 127.0.0.1 5000 typ host\r\n\
             a=candidate:3 1 udp 1 169.254.169.254 5000 typ host\r\na=candidate:4 1 tcp 1 203.0.113.1 5000 typ host tcptype passive\r\n\
             a=candidate:5 1 udp 1 203.0.113.1 5000 typ host\r\n",
        );
        let remote = read(&sdp, SdpKind::Offer, CLOSED).unwrap();
        assert_eq!(candidates(&remote.sdp), ["a=candidate:5 1 udp 1 203.0.113.1 5000 typ host"]);
        assert_eq!(remote.max_message, 16384);
        let open = read(&sdp, SdpKind::Offer, Reach { lan: true, loopback: true }).unwrap();
        assert_eq!(candidates(&open.sdp).len(), 3, "{}", open.sdp);
    }

    #[test]
    fn our_candidates_take_the_place_of_the_stacks() {
        let sdp = offer("a=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\na=end-of-candidates\r\n");
        let written = write(
            &sdp,
            &["203.0.113.9:6881".parse().unwrap(), "[2001:db8::1]:6881".parse().unwrap()],
        );
        assert_eq!(
            candidates(&written),
            [
                "a=candidate:1 1 udp 2130706431 203.0.113.9 6881 typ host",
                "a=candidate:2 1 udp 2130706175 2001:db8::1 6881 typ host",
            ]
        );
        assert!(written.ends_with("a=end-of-candidates\r\n"));
        assert!(read(&written, SdpKind::Offer, CLOSED).is_ok());
    }
}
