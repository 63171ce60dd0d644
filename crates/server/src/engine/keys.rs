//! Keys that outlive the process, kept in the state directory where only its owner reads them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use rand::Rng;

/// The key of announce tokens, kept so that a restart turns nobody away: 32 bytes.
pub(super) fn announce(dir: &Path) -> io::Result<[u8; 32]> {
    raw(dir, "announce.key")
}

/// What units of the experiment are assigned by, where the configuration does not say: 32 bytes.
pub(super) fn experiment(dir: &Path) -> io::Result<[u8; 32]> {
    raw(dir, "experiment.key")
}

/// The seed of the key that the site signs its feed for mirrors with: 32 bytes. Mirrors remember its public
/// half, so another one makes strangers of them.
pub(super) fn mirrors(dir: &Path) -> io::Result<[u8; 32]> {
    raw(dir, "mirrors.key")
}

/// What an operator proves to be one with: a line of 64 hexadecimal digits, so that a person and a
/// shell script can read it.
pub(super) fn operator(dir: &Path) -> io::Result<[u8; 32]> {
    let name = "operator.key";
    let bytes = match read(dir, name)? {
        Some(bytes) => bytes,
        None => keep(dir, name, (hex(&random()) + "\n").as_bytes())?,
    };
    let line = std::str::from_utf8(&bytes).map_err(|_| foreign(name))?;
    from_hex(line.trim_end()).ok_or_else(|| foreign(name))
}

fn raw(dir: &Path, name: &str) -> io::Result<[u8; 32]> {
    let bytes = match read(dir, name)? {
        Some(bytes) => bytes,
        None => keep(dir, name, &random())?,
    };
    <[u8; 32]>::try_from(bytes).map_err(|_| foreign(name))
}

fn random() -> [u8; 32] {
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    key
}

fn read(dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(dir.join(name)) {
        Ok(bytes) => {
            warn_of_readers(&dir.join(name));
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a key under another name, whole, and gives it its own; of two processes that start at once
/// the first one's key is both's. Returns what is there then.
fn keep(dir: &Path, name: &str, key: &[u8]) -> io::Result<Vec<u8>> {
    let place = dir.join(name);
    let beside = dir.join(format!("{name}.{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(key)?;
    file.sync_all()?;
    drop(file);
    match fs::hard_link(&beside, &place) {
        Ok(()) => fs::remove_file(&beside)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(&beside)?,
        // A file system without links.
        Err(_) => fs::rename(&beside, &place)?,
    }
    fs::read(place)
}

fn foreign(name: &str) -> io::Error {
    io::Error::other(format!("{name} there is none of ours"))
}

#[cfg(unix)]
fn warn_of_readers(place: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(place).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        tracing::warn!(
            file = %place.display(),
            "others on this machine can read this key: chmod 600 it, and delete it to have a new one made"
        );
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_place: &Path) {}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut key = [0; 32];
    if !rest.is_empty() || pairs.len() != key.len() {
        return None;
    }
    for (byte, &[high, low]) in key.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let made = (announce(dir.path()).unwrap(), operator(dir.path()).unwrap());
        assert_eq!((announce(dir.path()).unwrap(), operator(dir.path()).unwrap()), made);
        assert_ne!(made.0, made.1);
        let line = fs::read_to_string(dir.path().join("operator.key")).unwrap();
        assert_eq!(line, hex(&made.1) + "\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside them");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_them() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        announce(dir.path()).unwrap();
        operator(dir.path()).unwrap();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn of_two_that_start_at_once_one_key_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = keep(dir.path(), "operator.key", b"first").unwrap();
        let second = keep(dir.path(), "operator.key", b"second").unwrap();
        assert_eq!((first, second), (b"first".to_vec(), b"first".to_vec()));
    }

    #[test]
    fn what_is_no_key_is_neither_used_nor_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for bad in ["", "\n", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            fs::write(dir.path().join("operator.key"), bad).unwrap();
            assert!(operator(dir.path()).is_err(), "{bad:?}");
            assert_eq!(fs::read_to_string(dir.path().join("operator.key")).unwrap(), bad);
        }
    }
}
