//! The STUN binding server (RFC 8489): tells a client its own public address.
//!
//! Stateless, without authentication: one datagram in, at most one out. A datagram's source address
//! can be forged, so this must be a poor amplifier: an answer is never longer than three times its
//! request, and anything but a well-formed binding request gets none.

use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
const MAGIC_COOKIE: u32 = 0x2112_a442;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Attributes below this must be understood (RFC 8489 section 14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;

/// Comprehension-required attributes that a request may carry and a server without authentication
/// passes over: USERNAME, MESSAGE-INTEGRITY, REALM, NONCE, MESSAGE-INTEGRITY-SHA256,
/// PASSWORD-ALGORITHM, USERHASH.
const UNDERSTOOD: [u16; 7] = [0x0006, 0x0008, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e];

/// The longest request read: what RFC 8489 section 6.1 lets a client send over IPv4 where the path
/// MTU is unknown.
const MAX_REQUEST: usize = 548;

/// How many unknown attributes an error names.
const MAX_UNKNOWN: usize = 8;

/// Why a datagram gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StunError {
    /// Not a STUN message.
    #[error("not a stun message")]
    NotStun,
    /// STUN, but not a binding request.
    #[error("not a binding request")]
    NotBindingRequest,
    /// Longer than a binding request has reason to be.
    #[error("request too long")]
    TooLong,
    /// An attribute that does not fit, or a FINGERPRINT that is wrong or not the last.
    #[error("malformed attributes")]
    Malformed,
}

/// Writes the answer to `request`, which came from `from`, to `out`, which is cleared first.
///
/// A binding request (RFC 8489) is answered by a success with XOR-MAPPED-ADDRESS, or by error 420
/// with UNKNOWN-ATTRIBUTES when it has comprehension-required attributes that are unknown here. The
/// answer has a FINGERPRINT exactly when the request has one, and no SOFTWARE. An IPv4-mapped
/// `from`, as a dual-stack socket reports it, is told as IPv4. Legacy requests without the magic
/// cookie (RFC 3489) get no answer.
///
/// The answer is at most three times as long as the request, without padding rules: the shortest
/// request has 20 bytes, a success at most 44; a FINGERPRINT adds 8 to both; an error has at most
/// 36 bytes and 2 for each unknown attribute (at most 8 are named), which took at least 4 in the
/// request.
///
/// On an error `out` is empty and nothing must be sent.
///
/// ```
/// use manyhands_protocol::stun::binding_response;
///
/// let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";
/// let mut response = Vec::new();
/// binding_response(request, "203.0.113.7:4000".parse()?, &mut response)?;
/// assert_eq!(response.len(), 32);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn binding_response(
    request: &[u8],
    from: SocketAddr,
    out: &mut Vec<u8>,
) -> Result<(), StunError> {
    out.clear();
    let request = Request::read(request)?;
    let mut response = Response { out, transaction: request.transaction };
    if request.unknown.is_empty() {
        response.header(BINDING_SUCCESS);
        response.xor_mapped_address(from);
    } else {
        response.header(BINDING_ERROR);
        // Class 4, number 20 and an empty reason phrase: the reason is the number's name.
        response.attribute(ERROR_CODE, &[0, 0, 4, 20]);
        let unknown: Vec<u8> = request.unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        response.attribute(UNKNOWN_ATTRIBUTES, &unknown);
    }
    if request.fingerprint {
        response.fingerprint();
    }
    Ok(())
}

/// What matters of a well-formed binding request.
struct Request {
    transaction: [u8; 12],
    unknown: Vec<u16>,
    fingerprint: bool,
}

impl Request {
    fn read(datagram: &[u8]) -> Result<Self, StunError> {
        let (header, body) = datagram.split_first_chunk::<HEADER>().ok_or(StunError::NotStun)?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
        let kind = u16::from_be_bytes([t0, t1]);
        if u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE || kind >= 0x4000 {
            return Err(StunError::NotStun);
        }
        if kind != BINDING_REQUEST {
            return Err(StunError::NotBindingRequest);
        }
        if datagram.len() > MAX_REQUEST {
            return Err(StunError::TooLong);
        }
        if usize::from(u16::from_be_bytes([l0, l1])) != body.len() || !body.len().is_multiple_of(4)
        {
            return Err(StunError::Malformed);
        }
        let mut request = Self { transaction, unknown: Vec::new(), fingerprint: false };
        let mut rest = body;
        while !rest.is_empty() {
            let (kind, value, next) = split_attribute(rest).ok_or(StunError::Malformed)?;
            if request.fingerprint {
                return Err(StunError::Malformed);
            }
            if kind == FINGERPRINT {
                let covered = datagram.len() - rest.len();
                let expected = fingerprint(datagram.get(..covered).unwrap_or_default());
                if value != expected.to_be_bytes() {
                    return Err(StunError::Malformed);
                }
                request.fingerprint = true;
            } else if kind < COMPREHENSION_OPTIONAL
                && !UNDERSTOOD.contains(&kind)
                && !request.unknown.contains(&kind)
                && request.unknown.len() < MAX_UNKNOWN
            {
                request.unknown.push(kind);
            }
            rest = next;
        }
        Ok(request)
    }
}

/// The first attribute's type and value, and what follows its padding.
fn split_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let ([k0, k1, l0, l1], rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let value = rest.get(..length)?;
    let next = rest.get(length.next_multiple_of(4)..)?;
    Some((u16::from_be_bytes([*k0, *k1]), value, next))
}

/// The value of FINGERPRINT (RFC 8489 section 14.7) for the message up to it, whose length field
/// already counts it.
fn fingerprint(message: &[u8]) -> u32 {
    crc32fast::hash(message) ^ FINGERPRINT_XOR
}

struct Response<'a> {
    out: &'a mut Vec<u8>,
    transaction: [u8; 12],
}

impl Response<'_> {
    fn header(&mut self, kind: u16) {
        self.out.extend(kind.to_be_bytes());
        self.out.extend([0, 0]);
        self.out.extend(MAGIC_COOKIE.to_be_bytes());
        self.out.extend(self.transaction);
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        // At most 24 bytes are ever given.
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.out.extend(kind.to_be_bytes());
        self.out.extend(length.to_be_bytes());
        self.out.extend(value);
        self.out.resize(self.out.len().next_multiple_of(4), 0);
        self.count(self.out.len());
    }

    /// Sets the length field for a message of `total` bytes.
    fn count(&mut self, total: usize) {
        let length = u16::try_from(total.saturating_sub(HEADER)).unwrap_or(u16::MAX);
        for (byte, value) in self.out.iter_mut().skip(2).zip(length.to_be_bytes()) {
            *byte = value;
        }
    }

    /// RFC 8489 section 14.2: the port is masked by the cookie, the address by the cookie and the
    /// transaction id.
    fn xor_mapped_address(&mut self, from: SocketAddr) {
        let cookie = MAGIC_COOKIE.to_be_bytes();
        let mask = || cookie.into_iter().chain(self.transaction);
        let masked = |octets: &[u8]| -> Vec<u8> {
            octets.iter().zip(mask()).map(|(octet, mask)| octet ^ mask).collect()
        };
        let (family, address) = match from.ip().to_canonical() {
            IpAddr::V4(ip) => (1, masked(&ip.octets())),
            IpAddr::V6(ip) => (2, masked(&ip.octets())),
        };
        let mut value = vec![0, family];
        value.extend(masked(&from.port().to_be_bytes()));
        value.extend(address);
        self.attribute(XOR_MAPPED_ADDRESS, &value);
    }

    fn fingerprint(&mut self) {
        self.count(self.out.len() + 8);
        let value = fingerprint(self.out);
        self.attribute(FINGERPRINT, &value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// RFC 5769 section 2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME,
    /// MESSAGE-INTEGRITY and FINGERPRINT.
    fn rfc5769_request() -> Vec<u8> {
        hex("00010058 2112a442 b7e7a701 bc34d686 fa87dfae
             80220010 5354554e 20746573 7420636c 69656e74
             00240004 6e0001ff 80290008 932ff9b1 51263b36
             00060009 6576746a 3a683676 59202020
             00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
             80280004 e57a3bcf")
    }

    /// RFC 5769 section 2.2: the response to it, from 192.0.2.1 port 32853.
    fn rfc5769_ipv4_response() -> Vec<u8> {
        hex("0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
             8022000b 74657374 20766563 746f7220
             00200008 0001a147 e112a643
             00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
             80280004 c07d4c96")
    }

    /// RFC 5769 section 2.3: the same for 2001:db8:1234:5678:11:2233:4455:6677 port 32853.
    fn rfc5769_ipv6_response() -> Vec<u8> {
        hex("01010048 2112a442 b7e7a701 bc34d686 fa87dfae
             8022000b 74657374 20766563 746f7220
             00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
             00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
             80280004 c8fb0b4c")
    }

    fn request(attributes: &[(u16, &[u8])], with_fingerprint: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut message = Response {
            out: &mut out,
            transaction: *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae",
        };
        message.header(BINDING_REQUEST);
        for (kind, value) in attributes {
            message.attribute(*kind, value);
        }
        if with_fingerprint {
            message.fingerprint();
        }
        out
    }

    fn answer(request: &[u8], from: &str) -> Result<Vec<u8>, StunError> {
        let mut out = b"left over".to_vec();
        let result = binding_response(request, from.parse().unwrap(), &mut out);
        assert_eq!(result.is_err(), out.is_empty());
        result.map(|()| out)
    }

    fn attributes(message: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let mut rest = message.get(HEADER..).unwrap();
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (kind, value, next) = split_attribute(rest).unwrap();
            all.push((kind, value.to_vec()));
            rest = next;
        }
        all
    }

    #[test]
    fn mapped_addresses_are_those_of_rfc_5769() {
        for (from, vector) in [
            ("192.0.2.1:32853", rfc5769_ipv4_response()),
            ("[::ffff:192.0.2.1]:32853", rfc5769_ipv4_response()),
            ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", rfc5769_ipv6_response()),
        ] {
            let expected =
                attributes(&vector).into_iter().find(|(kind, _)| *kind == XOR_MAPPED_ADDRESS);
            let response = answer(&request(&[], false), from).unwrap();
            assert_eq!(attributes(&response), Vec::from_iter(expected));
            // Type, cookie and transaction id are the vector's too; its length and other attributes
            // differ.
            assert_eq!(response[..2], vector[..2]);
            assert_eq!(response[4..HEADER], vector[4..HEADER]);
        }
    }

    #[test]
    fn fingerprints_are_those_of_rfc_5769() {
        for vector in [rfc5769_request(), rfc5769_ipv4_response(), rfc5769_ipv6_response()] {
            let (covered, value) = vector.split_at(vector.len() - 8);
            assert_eq!(fingerprint(covered).to_be_bytes(), value[4..]);
        }
        let plain = answer(&request(&[], false), "192.0.2.1:32853").unwrap();
        assert_eq!(plain.len(), 32);
        let marked = answer(&request(&[], true), "192.0.2.1:32853").unwrap();
        assert_eq!(marked.len(), 40);
        let (covered, value) = marked.split_at(32);
        assert_eq!(value[..4], [0x80, 0x28, 0, 4]);
        assert_eq!(value[4..], fingerprint(covered).to_be_bytes());
    }

    #[test]
    fn unknown_required_attributes_get_a_420() {
        // PRIORITY belongs to ICE, and this is not an ICE agent.
        let response = answer(&rfc5769_request(), "192.0.2.1:32853").unwrap();
        assert_eq!(response[..2], BINDING_ERROR.to_be_bytes());
        let all = attributes(&response);
        assert_eq!(all[0], (ERROR_CODE, vec![0, 0, 4, 20]));
        assert_eq!(all[1], (UNKNOWN_ATTRIBUTES, vec![0x00, 0x24]));
        assert_eq!(all[2].0, FINGERPRINT);
        assert_eq!(all.len(), 3);

        let known =
            [(0x0006, &b"user"[..]), (0x0008, &[0; 20]), (0x8022, b"software"), (0xc001, b"")];
        let response = answer(&request(&known, true), "192.0.2.1:32853").unwrap();
        assert_eq!(response[..2], BINDING_SUCCESS.to_be_bytes());
    }

    #[test]
    fn everything_else_is_silence() {
        let good = request(&[(0x8022, b"abc")], true);
        let with = |position: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[position] = byte;
            bytes
        };
        let long = request(&[(0x8022, &[0; 600])], false);
        let after = [good.as_slice(), &[0x80, 0x22, 0, 0]].concat();
        // A FINGERPRINT that is right but not the last.
        let mut after_fingerprint = request(&[], false);
        after_fingerprint[3] = 12;
        let value = fingerprint(&after_fingerprint).to_be_bytes();
        after_fingerprint.extend([[0x80, 0x28, 0, 4], value, [0x80, 0x22, 0, 0]].concat());
        for (error, bytes) in [
            (StunError::NotStun, Vec::new()),
            (StunError::NotStun, good[..19].to_vec()),
            (StunError::NotStun, with(4, 0)),
            (StunError::NotStun, with(0, 0x80)),
            (StunError::NotBindingRequest, with(1, 0x11)),
            (StunError::NotBindingRequest, with(1, 0x03)),
            (StunError::NotBindingRequest, rfc5769_ipv4_response()),
            (StunError::TooLong, long),
            (StunError::Malformed, good[..good.len() - 4].to_vec()),
            (StunError::Malformed, after),
            (StunError::Malformed, after_fingerprint),
            (StunError::Malformed, with(good.len() - 1, good[good.len() - 1] ^ 1)),
            (StunError::Malformed, with(23, 200)),
        ] {
            assert_eq!(answer(&bytes, "192.0.2.1:1"), Err(error), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_nor_amplify(
            body in prop::collection::vec(any::<u8>(), 0..700),
            shaped: bool,
            length: Option<u16>,
            from: std::net::Ipv6Addr,
        ) {
            let mut bytes = body;
            if shaped && bytes.len() >= HEADER {
                bytes.truncate(bytes.len() / 4 * 4);
                let length = length.unwrap_or(u16::try_from(bytes.len() - HEADER).unwrap());
                bytes[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                bytes[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            }
            let mut out = Vec::new();
            if binding_response(&bytes, (from, 1).into(), &mut out).is_ok() {
                prop_assert!(out.len() <= 3 * bytes.len());
            }
        }

        #[test]
        fn well_formed_requests_are_answered_and_never_amplified(
            kinds in prop::collection::vec((0_u16..0x30, prop::collection::vec(any::<u8>(), 0..9)), 0..20),
            with_fingerprint: bool,
            from: std::net::Ipv6Addr,
        ) {
            let given: Vec<(u16, &[u8])> = kinds.iter().map(|(kind, value)| (*kind, value.as_slice())).collect();
            let bytes = request(&given, with_fingerprint);
            let mut out = Vec::new();
            binding_response(&bytes, (from, 1).into(), &mut out).unwrap();
            prop_assert!(out.len() <= 3 * bytes.len());
            prop_assert_eq!(usize::from(u16::from_be_bytes([out[2], out[3]])), out.len() - HEADER);
            prop_assert_eq!(attributes(&out).last().unwrap().0 == FINGERPRINT, with_fingerprint);
        }
    }
}
