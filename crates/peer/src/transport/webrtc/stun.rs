//! As much of STUN (RFC 8489) as telling connections apart takes. Nothing is checked here: the agent of the connection checks
//! MESSAGE-INTEGRITY, and only what it answers moves an address.

/// A transaction's name.
pub(super) type Transaction = [u8; 12];

/// What a datagram is to the one who hands it out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A binding request, for the agent whose ufrag comes first in USERNAME (RFC 8445 section 7.2.2).
    Request { ufrag: &'a str, transaction: Transaction },
    /// A success or an error: whose, the transaction says.
    Response { success: bool, transaction: Transaction },
    /// Anything else, DTLS mostly (RFC 7983): whose, the address says.
    Other,
    /// STUN that is nobody's.
    Junk,
}

const HEADER: usize = 20;
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const USERNAME: u16 = 0x0006;

pub(super) fn classify(datagram: &[u8]) -> Kind<'_> {
    // RFC 7983: the first byte of STUN is 0..=3, of DTLS 20..=63.
    match datagram.first() {
        Some(0..=3) => {}
        Some(20..=63) => return Kind::Other,
        _ => return Kind::Junk,
    }
    let Some((header, attributes)) = datagram.split_first_chunk::<HEADER>() else {
        return Kind::Junk;
    };
    let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
    if [c0, c1, c2, c3] != COOKIE || usize::from(u16::from_be_bytes([l0, l1])) != attributes.len() {
        return Kind::Junk;
    }
    match u16::from_be_bytes([t0, t1]) {
        0x0001 => match username(attributes).and_then(|name| name.split_once(':')) {
            Some((ufrag, _)) => Kind::Request { ufrag, transaction },
            None => Kind::Junk,
        },
        0x0101 => Kind::Response { success: true, transaction },
        0x0111 => Kind::Response { success: false, transaction },
        _ => Kind::Junk,
    }
}

fn username(mut attributes: &[u8]) -> Option<&str> {
    while let Some((&[k0, k1, l0, l1], rest)) = attributes.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if u16::from_be_bytes([k0, k1]) == USERNAME {
            return std::str::from_utf8(rest.get(..length)?).ok();
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Transaction = *b"abcdefghijkl";

    fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let mut out = kind.to_be_bytes().to_vec();
        out.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        out.extend(COOKIE);
        out.extend(T);
        out.extend(attributes);
        out
    }

    #[test]
    fn requests_are_known_by_their_user() {
        let attributes = b"\x80\x22\x00\x01x\0\0\0\x00\x06\x00\x09ours:them\0\0\0";
        assert_eq!(
            classify(&message(1, attributes)),
            Kind::Request { ufrag: "ours", transaction: T }
        );
    }

    #[test]
    fn responses_are_known_by_their_transaction() {
        assert_eq!(
            classify(&message(0x0101, b"")),
            Kind::Response { success: true, transaction: T }
        );
        assert_eq!(
            classify(&message(0x0111, b"")),
            Kind::Response { success: false, transaction: T }
        );
    }

    #[test]
    fn junk_is_nobodys() {
        for attributes in [
            &b""[..],
            b"\x00\x06",
            b"\x00\x06\xff\xff",
            b"\x00\x06\x00\x04ours",
            b"\x00\x06\x00\x04\xff\xff\xff\xff",
            b"\x80\x22\xff\xff\x00\x06\x00\x05a:b\0",
        ] {
            assert_eq!(classify(&message(1, attributes)), Kind::Junk, "{attributes:?}");
        }
        assert_eq!(classify(b""), Kind::Junk);
        assert_eq!(classify(&message(3, b"")), Kind::Junk);
        let mut longer = message(0x0101, b"");
        longer.push(0);
        assert_eq!(classify(&longer), Kind::Junk);
        assert_eq!(classify(b"\x16\xfe\xfd"), Kind::Other);
        assert_eq!(classify(b"\x80rtp"), Kind::Junk);
    }
}
