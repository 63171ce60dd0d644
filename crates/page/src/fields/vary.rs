//! `Vary`.

use super::list;
use crate::Headers;

/// What a response varies by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vary {
    /// `Accept-Encoding` (or `*`) is listed.
    pub(crate) encoding: bool,
    /// Something else is listed, or the field cannot be read.
    pub(crate) other: bool,
}

impl Vary {
    pub(crate) fn read<H: Headers + ?Sized>(headers: &H) -> Self {
        let mut vary = Self { encoding: false, other: false };
        for member in headers.values("vary").flat_map(|value| value.split(|&byte| byte == b',')) {
            match list::trim(member) {
                b"" => {}
                b"*" => vary = Self { encoding: true, other: true },
                member if member.eq_ignore_ascii_case(b"accept-encoding") => vary.encoding = true,
                _ => vary.other = true,
            }
        }
        vary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_every_line_counts() {
        let read = |values: &[&str]| {
            let pairs: Vec<_> = values.iter().map(|value| ("vary", *value)).collect();
            let vary = Vary::read(&pairs[..]);
            (vary.encoding, vary.other)
        };

        assert_eq!(read(&[]), (false, false));
        assert_eq!(read(&[" , "]), (false, false));
        assert_eq!(read(&["ACCEPT-encoding"]), (true, false));
        assert_eq!(read(&["Accept-Encoding, Cookie"]), (true, true));
        assert_eq!(read(&["Accept-Encoding", "Cookie"]), (true, true));
        assert_eq!(read(&["*"]), (true, true));
        assert_eq!(read(&["\"Accept-Encoding\""]), (false, true));
        assert_eq!(read(&["Accept-Encoding;q=1"]), (false, true));
        assert_eq!(read(&["Accept-Encoding", "", " *\t"]), (true, true));
        for value in [
            "Accept-Encoding\u{a0}",
            "Accept-Encoding\u{b}",
            "Accept Encoding",
            "accept-encodings",
            "\u{e9}",
            "**",
            "accept-encoding=1",
            "'accept-encoding'",
        ] {
            assert_eq!(read(&[value]), (false, true), "{value}");
        }
    }
}
