//! `Cache-Control` (RFC 9111) and its relatives for caches nearer the site.

use super::{Unclear, list};
use crate::Headers;

/// The directives that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheControl {
    pub(crate) private: bool,
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) no_transform: bool,
}

impl CacheControl {
    /// Reads all lines of one such field. Directives with arguments count as without:
    /// `private="x"` is private. A directive named twice is unclear, on one line or on two.
    pub(crate) fn read<H: Headers + ?Sized>(headers: &H, name: &str) -> Result<Self, Unclear> {
        let mut found = Self::default();
        let mut seen = Vec::new();
        for value in headers.values(name) {
            for element in list::split(value, b',')? {
                let (directive, _) = list::name_value(element)?;
                if seen.contains(&directive) {
                    return Err(Unclear);
                }
                match directive.as_str() {
                    "private" => found.private = true,
                    "no-store" => found.no_store = true,
                    "no-cache" => found.no_cache = true,
                    "no-transform" => found.no_transform = true,
                    _ => {}
                }
                seen.push(directive);
            }
        }
        Ok(found)
    }
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
            &["ext=\"a, b\", private"],
        ] {
            assert_eq!(read(values), Ok(private), "{values:?}");
        }
        assert_eq!(read(&["public, max-age=31536000, immutable"]), Ok(CacheControl::default()));
        assert_eq!(read(&["ext=\"private, no-store\""]), Ok(CacheControl::default()));
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
        ] {
            assert_eq!(read(values), Err(Unclear), "{values:?}");
        }
    }
}
