//! Which names a torrent may carry.

/// Longest name: what file systems take.
pub(crate) const MAX_NAME: usize = 255;
/// Longest path, slashes included: what Linux takes (`PATH_MAX`).
pub(crate) const MAX_PATH: usize = 4_096;
/// Most names in a path. libtorrent refuses torrents that nest over 100 levels of bencode.
pub(crate) const MAX_DEPTH: usize = 64;
/// Characters of a path in a message; it can be as long as the metainfo it is from.
const MAX_SHOWN: usize = 200;

/// A name that no torrent may carry, because a client would use it as a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a torrent needs a plain file name: 1 to 255 bytes, no slash, backslash or control character"
)]
pub struct NameError;

/// Whether a client may create a file of this name: BEP 3 leaves the check to readers, so writers
/// must not rely on it.
pub(crate) fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= MAX_NAME
        && !name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
}

/// Whether a client may create a file at this path below a folder.
pub(crate) fn is_path(path: &[String]) -> bool {
    (1..=MAX_DEPTH).contains(&path.len())
        && path.iter().all(|name| is_file_name(name))
        && path.iter().map(|name| name.len() + 1).sum::<usize>() <= MAX_PATH
}

/// A path in a message, with its beginning alone where it is long.
pub(crate) fn shown(path: &[impl AsRef<[u8]>]) -> String {
    let mut bytes = Vec::new();
    for (at, name) in path.iter().enumerate() {
        if at > 0 {
            bytes.push(b'/');
        }
        // Whatever the encoding, one character more than is shown.
        let room = (4 * (MAX_SHOWN + 1)).saturating_sub(bytes.len());
        if room == 0 {
            break;
        }
        bytes.extend(name.as_ref().iter().take(room));
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if let Some((cut, _)) = text.char_indices().nth(MAX_SHOWN) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_path_is_whole_or_cut_to_200_characters() {
        assert_eq!(shown(&["a", "ö", ""]), "a/ö/");
        assert_eq!(shown(&[&b"a\xff"[..], b"b"]), "a\u{fffd}/b");
        for letter in ["a", "ö", "€", "𐍈"] {
            let (most, more) = (letter.repeat(200), letter.repeat(201));
            assert_eq!(shown(&[&most]), most);
            assert_eq!(shown(&[&more]), format!("{most}…"));
            assert_eq!(shown(&[&more, &more]), format!("{most}…"));
        }
        assert_eq!(shown(&[""; 100_000]), format!("{}…", "/".repeat(200)));
        assert_eq!(shown(&[[0xff; 1_000]]), format!("{}…", "\u{fffd}".repeat(200)));
    }
}
