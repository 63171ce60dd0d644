//! The mirror's own key, by which sites know it again.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use manyhands_protocol::mirrors::SecretKey;
use rand::Rng;

use crate::store::{StoreError, at};

const FILE: &str = "mirror.key";

/// Reads the key, made where there is none: 32 bytes that only their owner reads. The directory's lock keeps
/// two processes from making one each.
pub(super) fn read_or_make(directory: &Path) -> Result<SecretKey, StoreError> {
    let place = directory.join(FILE);
    let seed = match fs::read(&place) {
        Ok(seed) => seed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&place)?,
        Err(error) => return Err(at(&place)(error)),
    };
    match <[u8; 32]>::try_from(seed) {
        Ok(seed) => Ok(SecretKey::from_seed(&seed)),
        // Made by somebody else, or half written by a machine that went down: sites know no such key yet.
        Err(_) => {
            Err(StoreError::Damaged { path: place, reason: "delete it to have a new key made" })
        }
    }
}

fn make(place: &Path) -> Result<Vec<u8>, StoreError> {
    let mut seed = vec![0; 32];
    rand::rng().fill_bytes(&mut seed);
    let beside = place.with_extension("key.new");
    let write = || {
        let mut options = fs::File::options();
        options.write(true).create(true).truncate(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&seed)?;
        file.sync_all()?;
        fs::rename(&beside, place)
    };
    write().map_err(at(place))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_for_ever_that_only_its_owner_reads() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let made = read_or_make(dir.path()).unwrap().public();
        assert_eq!(read_or_make(dir.path()).unwrap().public(), made);
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(dir.path().join(FILE), b"short").unwrap();
        assert!(matches!(read_or_make(dir.path()), Err(StoreError::Damaged { .. })));
    }
}
