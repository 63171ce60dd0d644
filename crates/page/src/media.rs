//! Which kinds of file may be shared: the allow-list, the never-list, and the extensions that stand
//! in for a type where the server does not know one.

use crate::fields::is_token_byte;
use crate::policy::PolicyError;

/// A media type, or all of one top-level type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaPattern {
    /// `video/mp4`, or `video/` for `video/*`; lower case.
    text: String,
}

impl MediaPattern {
    pub(crate) fn parse(pattern: &str) -> Result<Self, PolicyError> {
        let text = pattern.to_ascii_lowercase();
        let (top, sub) =
            text.split_once('/').ok_or_else(|| PolicyError::Type(pattern.to_owned()))?;
        let token = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte != b'*' && is_token_byte(byte))
        };
        let active = match (top, sub) {
            // Only these two hold nothing that a browser executes.
            (top, "*") if top == "*" || token(top) => !matches!(top, "video" | "audio"),
            (top, sub) if token(top) && token(sub) => is_active(&text),
            _ => return Err(PolicyError::Type(pattern.to_owned())),
        };
        if active {
            return Err(PolicyError::ActiveType(pattern.to_owned()));
        }
        Ok(Self { text: text.trim_end_matches('*').to_owned() })
    }

    /// All of one top-level type.
    fn is_open(&self) -> bool {
        self.text.ends_with('/')
    }
}

/// Types that browsers execute, render with the site's rights or treat as a stream of messages.
fn is_active(essence: &str) -> bool {
    const WORDS: [&str; 13] = [
        "html",
        "javascript",
        "ecmascript",
        "jscript",
        "livescript",
        "vbscript",
        "xsl",
        "shockwave",
        "silverlight",
        // What steers a page from outside: web and cache manifests, speculation rules.
        "manifest",
        "speculationrules",
        // What stands for another site's pages: signed exchanges, web bundles.
        "signed-exchange",
        "webbundle",
    ];
    let xml = essence.ends_with("+xml") || essence.contains("/xml");
    xml || essence.starts_with("multipart/")
        || essence.starts_with("message/")
        || matches!(
            essence,
            "text/css" | "text/event-stream" | "application/wasm" | "application/hta"
        )
        || WORDS.iter().any(|word| essence.contains(word))
}

/// Puts patterns in the order that [`is_allowed`] searches: those of a whole top-level type first.
pub(crate) fn arranged(mut patterns: Vec<MediaPattern>) -> Vec<MediaPattern> {
    patterns
        .sort_by(|one, other| (!one.is_open(), &one.text).cmp(&(!other.is_open(), &other.text)));
    patterns
}

/// Whether a type may be shared; `patterns` as [`arranged`]. Fails closed on types that are active under any name: what a pattern names in full was
/// looked at when it was read.
pub(crate) fn is_allowed(patterns: &[MediaPattern], essence: &str) -> bool {
    let (open, named) = patterns.split_at(patterns.partition_point(MediaPattern::is_open));
    named.binary_search_by(|pattern| pattern.text.as_str().cmp(essence)).is_ok()
        || open.iter().any(|pattern| essence.starts_with(&pattern.text)) && !is_active(essence)
}

/// Whether a type says no more than "bytes" (`binary/octet-stream` is S3's default).
pub(crate) fn is_unknown(essence: &str) -> bool {
    matches!(essence, "application/octet-stream" | "binary/octet-stream")
}

/// Whether a file name ends in the extension of an allowed kind.
pub(crate) fn has_allowed_extension(patterns: &[MediaPattern], file_name: &str) -> bool {
    file_name.rsplit_once('.').is_some_and(|(stem, extension)| {
        // The name first: looking whether a type is allowed costs far more.
        let named = |extensions: &[&str]| {
            extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
        };
        !stem.is_empty()
            && KINDS.iter().any(|(extensions, types)| {
                named(extensions) && types.iter().any(|essence| is_allowed(patterns, essence))
            })
    })
}

/// The extensions whose kind is allowed.
pub(crate) fn extensions(patterns: &[MediaPattern]) -> impl Iterator<Item = &'static str> + '_ {
    KINDS
        .iter()
        .filter(|(_, types)| types.iter().any(|essence| is_allowed(patterns, essence)))
        .flat_map(|(extensions, _)| extensions.iter().copied())
}

/// Everything in [`KINDS`].
pub(crate) fn default_patterns() -> Vec<MediaPattern> {
    let types = KINDS.iter().flat_map(|(_, types)| types.iter());
    arranged(types.map(|essence| MediaPattern { text: (*essence).to_owned() }).collect())
}

/// Extensions, and the types servers send them with. All are inert: a browser downloads or plays
/// them. Left out are names that say nothing (`bin`, `dat`, `raw`).
const KINDS: &[(&[&str], &[&str])] = &[
    // Archives
    (&["zip"], &["application/zip", "application/x-zip-compressed"]),
    (&["gz", "tgz"], &["application/gzip", "application/x-gzip", "application/x-compressed-tar"]),
    (&["bz2", "tbz2"], &["application/x-bzip2", "application/x-bzip"]),
    (&["xz", "txz"], &["application/x-xz"]),
    (&["zst", "tzst"], &["application/zstd", "application/x-zstd"]),
    (&["lz", "lz4"], &["application/x-lzip", "application/x-lz4"]),
    (&["7z"], &["application/x-7z-compressed"]),
    (&["rar"], &["application/vnd.rar", "application/x-rar-compressed"]),
    (&["tar"], &["application/x-tar"]),
    // Packages and installers
    (&["deb"], &["application/vnd.debian.binary-package", "application/x-debian-package"]),
    (&["rpm"], &["application/x-rpm", "application/x-redhat-package-manager"]),
    (&["apk"], &["application/vnd.android.package-archive"]),
    (&["jar"], &["application/java-archive"]),
    (&["exe"], &["application/vnd.microsoft.portable-executable", "application/x-msdownload"]),
    (&["msi"], &["application/x-msi", "application/x-ms-installer"]),
    (&["appimage"], &["application/vnd.appimage", "application/x-appimage"]),
    (&["flatpak"], &["application/vnd.flatpak"]),
    (&["snap"], &["application/vnd.snap"]),
    (&["pkg"], &["application/vnd.apple.installer"]),
    // Disk images
    (
        &["iso"],
        &["application/x-iso9660-image", "application/vnd.efi.iso", "application/x-cd-image"],
    ),
    (&["img"], &["application/vnd.efi.img", "application/x-raw-disk-image"]),
    (&["dmg"], &["application/x-apple-diskimage"]),
    (&["qcow2"], &["application/x-qemu-disk"]),
    (&["vmdk"], &["application/x-vmdk"]),
    (&["vdi"], &["application/x-virtualbox-vdi"]),
    (&["vhd", "vhdx"], &["application/x-virtualbox-vhd", "application/x-virtualbox-vhdx"]),
    (&["ova"], &["application/x-virtualbox-ova"]),
    // Libraries, maps, data sets, models
    (&["zim"], &["application/zim", "application/x-zim", "application/openzim"]),
    (&["epub"], &["application/epub+zip"]),
    (&["mbtiles"], &["application/vnd.mapbox.mbtiles"]),
    (&["pmtiles"], &["application/vnd.pmtiles"]),
    (&["gpkg"], &["application/geopackage+sqlite3"]),
    (&["pbf"], &["application/vnd.openstreetmap.data+pbf"]),
    (&["sqlite", "sqlite3"], &["application/vnd.sqlite3", "application/x-sqlite3"]),
    (&["parquet"], &["application/vnd.apache.parquet"]),
    (&["h5", "hdf5"], &["application/x-hdf5", "application/x-hdf"]),
    (&["nc"], &["application/x-netcdf", "application/netcdf"]),
    (&["gguf", "safetensors"], &["application/x-gguf", "application/x-safetensors"]),
    // Video
    (&["mp4", "m4v"], &["video/mp4", "video/x-m4v"]),
    (&["webm"], &["video/webm"]),
    (&["ogv"], &["video/ogg"]),
    (&["mkv"], &["video/matroska", "video/x-matroska"]),
    (&["mov"], &["video/quicktime"]),
    (&["avi"], &["video/x-msvideo"]),
    (&["mpg", "mpeg"], &["video/mpeg"]),
    (&["m2ts"], &["video/mp2t"]),
    // Audio
    (&["mp3"], &["audio/mpeg"]),
    (&["m4a", "m4b"], &["audio/mp4", "audio/x-m4a"]),
    (&["ogg", "oga", "opus"], &["audio/ogg", "audio/opus"]),
    (&["weba"], &["audio/webm"]),
    (&["flac"], &["audio/flac", "audio/x-flac"]),
    (&["wav"], &["audio/wav", "audio/x-wav", "audio/vnd.wave"]),
    (&["aac"], &["audio/aac"]),
    (&["mka"], &["audio/matroska", "audio/x-matroska"]),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut extensions = HashSet::new();
        let mut types = HashSet::new();
        for (names, essences) in KINDS {
            for name in *names {
                assert!(extensions.insert(name), "{name} is there twice");
                assert_eq!(*name, name.to_ascii_lowercase());
            }
            for essence in *essences {
                assert!(types.insert(essence), "{essence} is there twice");
                assert!(MediaPattern::parse(essence).is_ok(), "{essence}");
                assert!(!is_unknown(essence));
            }
        }
    }

    #[test]
    fn only_a_real_extension_counts() {
        let patterns = default_patterns();
        for name in ["a.zip", "a.tar.GZ", "a b.ISO", "x.Mp4"] {
            assert!(has_allowed_extension(&patterns, name), "{name}");
        }
        for name in ["zip", ".zip", "a.zip.html", "a.", "azip", "a.bin", "a.zip "] {
            assert!(!has_allowed_extension(&patterns, name), "{name}");
        }
    }
}
