//! What outlives the process: `mirrors.json` in the state directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use manyhands_protocol::mirrors::Purge;
use serde::{Deserialize, Serialize};

use super::registry::Entry;

const NAME: &str = "mirrors.json";

/// The file's content.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    v: u32,
    /// The sequence of the last feed that was made.
    pub(super) sequence: u64,
    pub(super) mirrors: Vec<Entry>,
    pub(super) purged: Vec<Purge>,
}

impl Kept {
    pub(super) fn new(sequence: u64, mirrors: Vec<Entry>, purged: Vec<Purge>) -> Self {
        Self { v: 1, sequence, mirrors, purged }
    }
}

/// Where it is kept. Written beside its place, synced and renamed: a start after a power cut meets the old or
/// the new.
#[derive(Debug)]
pub(super) struct KeptFile {
    dir: PathBuf,
    writing: Mutex<()>,
}

impl KeptFile {
    /// # Errors
    /// When it is there and can't be read: decisions of the operator are not thrown away unasked.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, Kept)> {
        let file = Self { dir: dir.to_owned(), writing: Mutex::default() };
        let kept = match fs::read(dir.join(NAME)) {
            Ok(bytes) => read(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error),
        };
        Ok((file, kept))
    }

    /// Writes what `kept` says once nobody else writes: the last word stays.
    pub(super) fn write(&self, kept: impl FnOnce() -> Kept) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = serde_json::to_vec_pretty(&kept()).map_err(io::Error::other)?;
        let new = self.dir.join(format!("{NAME}.new"));
        let mut options = OpenOptions::new();
        // Names and addresses of people are in it.
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.dir.join(NAME))?;
        File::open(&self.dir)?.sync_all()
    }
}

fn read(bytes: &[u8]) -> io::Result<Kept> {
    let kept: Kept = serde_json::from_slice(bytes).map_err(|error| {
        io::Error::other(format!(
            "{NAME} there can't be read ({error}); with it removed, mirrors have to be approved anew"
        ))
    })?;
    match kept.v {
        1 => Ok(kept),
        version => {
            Err(io::Error::other(format!("{NAME} there is of version {version}, a later one")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_only_by_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let (file, kept) = KeptFile::open(dir.path()).unwrap();
        assert_eq!(kept, Kept::default());
        file.write(|| Kept::new(7, Vec::new(), Vec::new())).unwrap();
        let (_, kept) = KeptFile::open(dir.path()).unwrap();
        assert_eq!(kept, Kept::new(7, Vec::new(), Vec::new()));
        let mode = fs::metadata(dir.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_can_not_be_read_is_not_thrown_away() {
        let dir = tempfile::tempdir().unwrap();
        for bad in ["", "{}", "{\"v\":2,\"sequence\":1,\"mirrors\":[],\"purged\":[]}", "[1"] {
            fs::write(dir.path().join(NAME), bad).unwrap();
            assert!(KeptFile::open(dir.path()).is_err(), "{bad}");
            assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), bad);
        }
    }
}
