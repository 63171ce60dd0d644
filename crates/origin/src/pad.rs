//! Pad files (BEP 47): in a hybrid torrent of several files each file starts at a piece of its own, and
//! what lies between is a file of zeros named `.pad/<length>`. Nobody keeps those on disk; a client that
//! knows web seeds but not pads asks for them all the same, and gets the zeros from here.

use http::HeaderValue;
use manyhands_metainfo::AssetPath;

/// The greatest piece length: a pad is shorter, this is on the safe side.
const MAX_PAD: u64 = 16 * 1024 * 1024;

/// A pad file below some directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pad {
    /// The directory whose `.pad` is named. It has to exist, `.pad` itself has not.
    pub(crate) directory: AssetPath,
    /// 1 to 16 MiB, in bytes.
    pub(crate) length: u64,
}

impl Pad {
    /// `<directory>/.pad/<length>`, the length in decimal without leading zero. `None` for any other path.
    pub(crate) fn named_by(path: &AssetPath) -> Option<Self> {
        let (directory, digits) = path.as_str().rsplit_once("/.pad/")?;
        if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let length = digits.parse().ok().filter(|length| (1..=MAX_PAD).contains(length))?;
        let directory = AssetPath::parse(&format!("{directory}/")).ok()?;
        Some(Self { directory, length })
    }

    /// Strong: zeros of one length are always the same.
    pub(crate) fn entity_tag(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("\"pad-{}\"", self.length)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_length_below_a_pad_directory_names_a_pad() {
        let pad = |path: &str| {
            let pad = Pad::named_by(&AssetPath::parse(path).unwrap())?;
            Some((pad.directory.as_str().to_owned(), pad.length))
        };
        let of = |directory: &str, length| Some((directory.to_owned(), length));
        assert_eq!(pad("/.pad/1"), of("/", 1));
        assert_eq!(pad("/a%20b/c/.pad/16777216"), of("/a%20b/c/", 16_777_216));
        assert_eq!(pad("/a/%2Epad/5"), of("/a/", 5), "one spelling of a dot");
        assert_eq!(pad("/a/.pad/./5"), of("/a/", 5));
        for path in [
            "/.pad/0",
            "/.pad/",
            "/.pad",
            "/.pad/01",
            "/.pad/+1",
            "/.pad/-1",
            "/.pad/1x",
            "/.pad/%D9%A1",
            "/.pad/16777217",
            "/.pad/99999999999999999999999999",
            "/.pad/1/",
            "/.pad/1/2",
            "/pad/1",
            "/x.pad/1",
            "/.pad/a/1",
            "/.PAD/1",
        ] {
            assert_eq!(pad(path), None, "{path}");
        }
    }
}
