//! Which names a torrent may carry.

/// Longest name: what file systems take.
pub(crate) const MAX_NAME: usize = 255;
/// Longest path, slashes included: what Linux takes (`PATH_MAX`).
pub(crate) const MAX_PATH: usize = 4_096;
/// Most names in a path. libtorrent refuses torrents that nest over 100 levels of bencode.
pub(crate) const MAX_DEPTH: usize = 64;

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
