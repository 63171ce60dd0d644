//! What the visitor takes: `Accept` and `Accept-Encoding`.

use super::list;
use crate::{Coding, Headers};

/// A weight in thousandths (RFC 9110, section 12.4.2).
fn weight(parameters: &[&[u8]]) -> Option<u16> {
    let mut weight = 1000;
    for parameter in parameters {
        let (name, value) = list::name_value(parameter).ok()?;
        if name == "q" {
            weight = thousandths(&value?)?;
        }
    }
    Some(weight)
}

fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let mut thousandths = digit(*whole)? * 1000;
    for (&byte, scale) in fraction.iter().zip([100, 10, 1]) {
        thousandths += digit(byte)? * scale;
    }
    (thousandths <= 1000).then_some(thousandths)
}

/// Whether `Accept` names `text/html` itself (not by a wildcard) and does not refuse it.
pub(crate) fn accepts_html<H: Headers + ?Sized>(headers: &H) -> bool {
    headers.values("accept").any(|value| {
        list::split(value, b',').is_ok_and(|ranges| {
            ranges.iter().any(|range| {
                let Ok(parts) = list::split(range, b';') else { return false };
                parts.split_first().is_some_and(|(name, parameters)| {
                    name.eq_ignore_ascii_case(b"text/html")
                        && weight(parameters).is_some_and(|weight| weight > 0)
                })
            })
        })
    })
}

/// The best of `br` and `gzip` for this visitor; `None` for identity. Anything unreadable is
/// identity, which every client takes.
pub fn preferred_coding<H: Headers + ?Sized>(headers: &H) -> Option<Coding> {
    let (mut brotli, mut gzip, mut identity, mut any) = (None, None, None, None);
    for value in headers.values("accept-encoding") {
        for element in list::split(value, b',').ok()? {
            let parts = list::split(element, b';').ok()?;
            let (name, parameters) = parts.split_first()?;
            let slot = match &*list::token(name).ok()? {
                "br" => &mut brotli,
                "gzip" | "x-gzip" => &mut gzip,
                "identity" => &mut identity,
                "*" => &mut any,
                _ => continue,
            };
            *slot = Some(weight(parameters)?);
        }
    }
    // What is named counts as named; the rest is as good as `*`. Identity needs no naming.
    let brotli = brotli.or(any).unwrap_or(0);
    let gzip = gzip.or(any).unwrap_or(0);
    let identity = identity.unwrap_or(0);
    match (brotli, gzip) {
        (0, 0) => None,
        (brotli, gzip) if identity > brotli.max(gzip) => None,
        (brotli, gzip) if brotli >= gzip => Some(Coding::Brotli),
        _ => Some(Coding::Gzip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(value: &str) -> Option<Coding> {
        preferred_coding(&[("accept-encoding", value)][..])
    }

    #[test]
    fn the_best_weight_wins_and_brotli_a_tie() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", Some(Coding::Brotli)),
            ("br;q=0.5, gzip", Some(Coding::Gzip)),
            ("GZIP;Q=0.1", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            ("br;q=0, *;q=0.3", Some(Coding::Gzip)),
            ("*", Some(Coding::Brotli)),
            ("*;q=0", None),
            ("gzip;q=0", None),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0, gzip;q=0.001", Some(Coding::Gzip)),
            ("deflate", None),
            ("", None),
            ("gzip;q=2", None),
            ("gzip;q=0.0001", None),
            ("gzip;q=", None),
            ("br, gzip;q=\"", None),
        ] {
            assert_eq!(coding(value), expected, "{value}");
        }
        let none: [(&str, &str); 0] = [];
        assert_eq!(preferred_coding(&none[..]), None);
    }

    #[test]
    fn html_must_be_asked_for_by_name() {
        for (value, expected) in [
            ("text/html", true),
            ("application/xhtml+xml;q=0.9, Text/HTML ;q=0.1, */*", true),
            ("text/html;level=1", true),
            ("*/*", false),
            ("text/*", false),
            ("text/html;q=0", false),
            ("text/html;q=x", false),
            ("text/htmlx", false),
            ("a=\"text/html\", \"text/html", false),
            ("", false),
        ] {
            assert_eq!(accepts_html(&[("accept", value)][..]), expected, "{value}");
        }
    }
}
