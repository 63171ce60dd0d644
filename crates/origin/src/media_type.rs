//! The content type of a file, by the extension of its name.

/// Types that matter here and that the common table lacks or leaves open. `application/x-zim` is what
/// the Kiwix catalogue announces ZIM files as.
const OVERRIDES: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("deb", "application/vnd.debian.binary-package"),
    ("geojson", "application/geo+json"),
    ("gguf", "application/octet-stream"),
    ("m4v", "video/mp4"),
    ("magnet", "text/plain"),
    ("meta4", "application/metalink4+xml"),
    ("mjs", "text/javascript"),
    ("opus", "audio/ogg"),
    ("torrent", "application/x-bittorrent"),
    ("ts", "video/mp2t"),
    ("wasm", "application/wasm"),
    ("webmanifest", "application/manifest+json"),
    ("zim", "application/x-zim"),
    ("zst", "application/zstd"),
];

pub(crate) const OCTETS: &str = "application/octet-stream";

/// `name` is the last segment of a path. With `utf8`, text is declared to be UTF-8.
pub(crate) fn media_type(name: &str, utf8: bool) -> String {
    let essence = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => {
            let extension = extension.to_ascii_lowercase();
            OVERRIDES
                .binary_search_by_key(&extension.as_str(), |(known, _)| known)
                .ok()
                .and_then(|at| OVERRIDES.get(at))
                .map(|(_, essence)| *essence)
                .or_else(|| mime_guess::from_ext(&extension).first_raw())
                .unwrap_or(OCTETS)
        }
        _ => OCTETS,
    };
    if utf8 && essence.starts_with("text/") {
        format!("{essence}; charset=utf-8")
    } else {
        essence.to_owned()
    }
}

/// Text in some form: a cache on the way may well compress it.
pub(crate) fn is_worth_compressing(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.starts_with("text/")
        || essence.ends_with("json")
        || essence.ends_with("xml")
        || matches!(essence, "application/javascript" | "application/wasm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_may_be_compressed_and_archives_may_not() {
        for text in ["text/html; charset=utf-8", "image/svg+xml", "application/json"] {
            assert!(is_worth_compressing(text), "{text}");
        }
        for archive in ["application/x-zim", "video/mp4", "application/zip", OCTETS] {
            assert!(!is_worth_compressing(archive), "{archive}");
        }
    }

    #[test]
    fn the_overrides_are_sorted() {
        assert!(OVERRIDES.is_sorted_by_key(|(extension, _)| extension));
    }

    #[test]
    fn types_by_extension() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTML", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("film.mp4", "video/mp4"),
            ("film.webm", "video/webm"),
            ("a.zip", "application/zip"),
            ("wiki.zim", "application/x-zim"),
            ("a.deb", "application/vnd.debian.binary-package"),
            ("a.torrent", "application/x-bittorrent"),
            ("a.meta4", "application/metalink4+xml"),
            ("a.wasm", "application/wasm"),
            ("archive.tar.gz", "application/gzip"),
            ("README", OCTETS),
            ("a.", OCTETS),
            (".html", OCTETS),
            ("a.nonsense", OCTETS),
            ("", OCTETS),
        ] {
            assert_eq!(media_type(name, true), expected, "{name}");
        }
        assert_eq!(media_type("old.html", false), "text/html");
    }
}
