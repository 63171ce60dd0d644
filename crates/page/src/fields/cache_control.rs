//! `Cache-Control` (RFC 9111) and its relatives for caches nearer the site.

use std::borrow::Cow;

use super::{Unclear, list};
use crate::Headers;

/// The directives that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheControl {
    pub(crate) private: bool,
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) no_transform: bool,
    /// `max-age=0`
    pub(crate) max_age_zero: bool,
    /// `s-maxage=0`: shared caches must ask each time.
    pub(crate) s_maxage_zero: bool,
    /// A directive that is not known, or a known one with an argument it can't have. RFC 9111 (section
    /// 5.2.3) has caches ignore the former, so that a `nostore` or a `no-store-remote` would be lost.
    pub(crate) doubtful: bool,
}

/// What a directive may have after its `=`.
enum Argument {
    /// Nothing.
    Never,
    /// `delta-seconds` (RFC 9111, section 1.2.2): digits, however many.
    Seconds,
    /// Nothing, or a list of field names.
    Fields,
}

impl CacheControl {
    /// Reads all lines of one such field. Directives with arguments count as without:
    /// `private="x"` is private. A directive named twice is unclear, on one line or on two.
    pub(crate) fn read<H: Headers + ?Sized>(headers: &H, name: &str) -> Result<Self, Unclear> {
        let mut found = Self::default();
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        for value in headers.values(name) {
            for element in list::split(value, b',')? {
                let (directive, argument) = list::name_value(element)?;
                if seen.contains(&directive) {
                    return Err(Unclear);
                }
                found.note(&directive, argument.as_deref());
                seen.push(directive);
            }
        }
        Ok(found)
    }

    fn note(&mut self, directive: &str, argument: Option<&[u8]>) {
        let zero = || argument.is_some_and(|digits| digits.iter().all(|&digit| digit == b'0'));
        let takes = match directive {
            "private" => {
                self.private = true;
                Argument::Fields
            }
            "no-cache" => {
                self.no_cache = true;
                Argument::Fields
            }
            "no-store" => {
                self.no_store = true;
                Argument::Never
            }
            "no-transform" => {
                self.no_transform = true;
                Argument::Never
            }
            "max-age" => {
                self.max_age_zero = zero();
                Argument::Seconds
            }
            "s-maxage" => {
                self.s_maxage_zero = zero();
                Argument::Seconds
            }
            // RFC 5861
            "stale-while-revalidate" | "stale-if-error" => Argument::Seconds,
            // `immutable`: RFC 8246
            "public" | "must-revalidate" | "proxy-revalidate" | "must-understand" | "immutable" => {
                Argument::Never
            }
            _ => {
                self.doubtful = true;
                return;
            }
        };
        let fits = match (takes, argument) {
            (Argument::Never, argument) => argument.is_none(),
            (Argument::Seconds, Some(digits)) => {
                !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
            }
            (Argument::Seconds, None) => false,
            (Argument::Fields, _) => true,
        };
        self.doubtful |= !fits;
    }
}

/// Whether a field speaks to caches in the manner of `Cache-Control`: itself, the targeted fields of RFC
/// 9213 (`CDN-Cache-Control`, `Cloudflare-CDN-Cache-Control`, …), and two that are older than those.
/// `name` in any case.
pub(crate) fn is_cache_control(name: &str) -> bool {
    const SUFFIX: &str = "cache-control";
    let end = name.len().checked_sub(SUFFIX.len()).and_then(|start| name.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(SUFFIX))
        || name.eq_ignore_ascii_case("surrogate-control")
        || name.eq_ignore_ascii_case("edge-control")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<CacheControl, Unclear> {
        let pairs: Vec<_> = values.iter().map(|value| ("cache-control", *value)).collect();
        CacheControl::read(&pairs[..], "cache-control")
    }

    #[test]
    fn directives_are_found_in_any_dress() {
        let private = CacheControl { private: true, ..CacheControl::default() };
        for values in [
            &["private"][..],
            &["PRIVATE"],
            &["max-age=1,private"],
            &["private=\"set-cookie\""],
            &["max-age=5", "Private"],
            &[" ,, private ,"],
            &["private=\"a, no-store\""],
            &["private=x"],
            &["private=\"\""],
        ] {
            assert_eq!(read(values), Ok(private), "{values:?}");
        }
        let found = read(&["ext=\"a, b\", private"]).unwrap();
        assert!(found.private && found.doubtful);
        assert!(read(&["no-cache=\"x, y\", s-maxage=0"]).unwrap().no_cache);
        assert!(read(&["No-Store\t,\tmax-age=5"]).unwrap().no_store);
    }

    #[test]
    fn what_says_nothing_against_it_is_known() {
        for values in [
            &[][..],
            &[""],
            &[" , ,"],
            &["public, max-age=31536000, immutable"],
            &["Public, Must-Revalidate, proxy-revalidate, must-understand"],
            &["s-maxage=60, stale-while-revalidate=30, stale-if-error=86400"],
            &["max-age=99999999999999999999999999"],
            &["max-age=\"60\""],
        ] {
            assert_eq!(read(values), Ok(CacheControl::default()), "{values:?}");
        }
        for zero in ["max-age=0", "max-age=00", "max-age=\"0\""] {
            let found = CacheControl { max_age_zero: true, ..CacheControl::default() };
            assert_eq!(read(&[zero]), Ok(found), "{zero}");
        }
        let found = CacheControl { s_maxage_zero: true, ..CacheControl::default() };
        assert_eq!(read(&["s-maxage=0"]), Ok(found));
    }

    #[test]
    fn what_is_not_known_is_doubtful() {
        for value in [
            "nostore",
            "no_store",
            "no-store-remote",
            "'private'",
            "ext=\"private, no-store\"",
            "content=\"ESI/1.0\"",
            "public=1",
            "no-store=x",
            "must-revalidate=\"\"",
            "max-age",
            "max-age=-1",
            "max-age=+1",
            "max-age=1.5",
            "max-age=1d",
            "max-age=\"\"",
            "max-age=60+600",
            "s-maxage",
            "stale-if-error=x",
        ] {
            assert!(read(&[value]).unwrap().doubtful, "{value}");
        }
    }

    #[test]
    fn fields_that_speak_to_caches_are_told_by_name() {
        for name in [
            "cache-control",
            "Cache-Control",
            "CDN-Cache-Control",
            "netlify-cdn-cache-control",
            "Surrogate-Control",
            "edge-control",
        ] {
            assert!(is_cache_control(name), "{name}");
        }
        for name in ["", "control", "cache-controls", "\u{e9}ache-control", "surrogate-key"] {
            assert!(!is_cache_control(name), "{name}");
        }
    }

    #[test]
    fn doubt_is_unclear() {
        for values in [
            &["max-age=1, max-age=2"][..],
            &["max-age=1", "max-age=1"],
            &["no-cache=\"a", "b\""],
            &["max-age = 1"],
            &["private;"],
            &["private no-store"],
            &["max-age="],
            &["\"private\""],
            &["no-store\0"],
            &["private\u{a0}"],
            &["no-store\u{b}"],
            &["no-cache=\"a\\\""],
            &["no-cache=\"a\"b"],
            &["private, PRIVATE"],
            &["max-age=60, max-age=\"60\""],
            &["=private"],
            &["no-store, \u{e9}"],
        ] {
            assert_eq!(read(values), Err(Unclear), "{values:?}");
        }
    }
}
