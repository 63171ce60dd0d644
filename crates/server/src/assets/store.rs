use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use manyhands_metainfo::{AssetPath, Digest, Record};

/// Records of ready assets, a file each, in one directory.
///
/// A record is written beside its place and renamed into it, so a reader, or a start after a power cut,
/// meets the old record, the new one or none. A record that does not check out is dropped and made anew.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// Held as long as this process uses the directory: two would remove each other's records.
    _lock: fs::File,
}

impl Store {
    /// Opens the store of a site below the state directory, making it where it is missing.
    pub(crate) fn open(state: &Path, origin: &str) -> io::Result<Self> {
        let site = Digest::of(origin.as_bytes()).to_string();
        let dir = state.join("assets").join(site.get(..16).unwrap_or_default());
        fs::create_dir_all(&dir)?;
        let probe = dir.join(".probe");
        fs::write(&probe, b"")?;
        fs::remove_file(&probe)?;
        let lock = fs::File::create(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => {
                Err(io::Error::other("another process serves the same site from it"))
            }
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Hands over every whole record, one at a time. Torn ones are removed; files that are not ours are
    /// left alone.
    pub(crate) fn load_all(&self, mut each: impl FnMut(Record)) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if !is_ours(&entry.file_name()) {
                continue;
            }
            match fs::read(&path).ok().and_then(|bytes| Record::from_bytes(&bytes).ok()) {
                Some(record) if entry.file_name() == *record.file_name() => each(record),
                _ => {
                    tracing::warn!(file = %path.display(), "dropped an asset record that is not whole");
                    let _ = fs::remove_file(&path);
                }
            }
        }
    }

    /// The record of one asset.
    pub(crate) fn load(&self, path: &AssetPath) -> Option<Record> {
        let bytes = fs::read(self.dir.join(Record::file_name_of(path))).ok()?;
        Record::from_bytes(&bytes).ok().filter(|record| record.path == *path)
    }

    /// Writes a record beside its place, durably; `turn` keeps two of one asset apart.
    pub(crate) fn write(&self, record: &Record, turn: u64) -> io::Result<PathBuf> {
        let beside = self.dir.join(record.file_name()).with_extension(format!("{turn}.new"));
        let mut file = fs::File::create(&beside)?;
        file.write_all(&record.to_bytes())?;
        file.sync_all()?;
        Ok(beside)
    }

    /// Puts a written record in its place, atomically.
    pub(crate) fn put(&self, written: &Path, path: &AssetPath) -> io::Result<()> {
        fs::rename(written, self.dir.join(Record::file_name_of(path)))
    }

    /// Removes the record of an asset whose bytes changed.
    pub(crate) fn remove(&self, path: &AssetPath) {
        let _ = fs::remove_file(self.dir.join(Record::file_name_of(path)));
    }
}

/// `<64 hexadecimal digits>.asset`, or `.<number>.new` while it is being written.
fn is_ours(name: &OsStr) -> bool {
    let Some((stem, extension)) = name.to_str().and_then(|name| name.split_once('.')) else {
        return false;
    };
    let hexadecimal = stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal && (extension == "asset" || extension.ends_with(".new"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path(), "https://example.org").unwrap();
        let (foreign, torn) =
            (store.dir.join("logo.svg"), store.dir.join("a".repeat(64) + ".asset"));
        fs::write(&foreign, "mine").unwrap();
        fs::write(&torn, "half a rec").unwrap();
        store.load_all(|record| panic!("{record:?}"));
        assert!(foreign.exists());
        assert!(!torn.exists());
    }
}
