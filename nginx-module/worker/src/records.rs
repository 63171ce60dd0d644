//! The records of the asset store, see [`Record`].

use std::cell::OnceCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use manyhands_metainfo::{AssetPath, Digest, InfoHash, Record, Version};
use manyhands_page::{HeaderEdits, asset_edits};

use crate::files::{Bounds, Files, Missing};

/// Most assets of which it is remembered what is known, and that nothing is.
const MOST_FILES: usize = 4_096;
/// Longest record that is read, without its digests: that of a file of 3 TB. It is read between two events of the
/// worker, and checking it takes milliseconds.
const MOST_BYTES: u64 = 4 << 20;

/// What is known of an asset on disk.
#[derive(Debug)]
pub(crate) struct Shelved {
    version: Version,
    /// The swarm.
    pub(crate) info_hash: InfoHash,
    /// Of the whole file.
    sha256: Digest,
    edits: OnceCell<(String, HeaderEdits)>,
}

impl Shelved {
    /// What a head carries besides the site's own fields: made once, for the one prefix that a site has.
    pub(crate) fn edits(&self, asset: &AssetPath, prefix: &str) -> HeaderEdits {
        let make = || asset_edits(asset, &self.sha256, prefix);
        let (of, edits) = self.edits.get_or_init(|| (prefix.to_owned(), make()));
        if of == prefix { edits.clone() } else { make() }
    }

    /// Whether the site has this version now. A file that was hashed as it came over the network has no identity
    /// on record, even where it lies on this machine.
    fn is(&self, version: &Version) -> bool {
        let Version { validator, length, file } = &self.version;
        *validator == version.validator
            && *length == version.length
            && (file.is_none() || *file == version.file)
    }
}

#[derive(Debug)]
pub(crate) struct Records {
    dir: PathBuf,
    files: Files<AssetPath, Shelved>,
}

impl Records {
    pub(crate) fn new() -> Self {
        let bounds = Bounds { files: MOST_FILES, weight: usize::MAX };
        Self { dir: PathBuf::new(), files: Files::new(bounds) }
    }

    /// What is known of this version of an asset; `dir` is where the records are, `now` in milliseconds.
    pub(crate) fn of(
        &mut self,
        dir: &Path,
        asset: &AssetPath,
        version: &Version,
        now: u64,
    ) -> Option<Rc<Shelved>> {
        self.last(dir, asset, now, Missing::IsAskedAnew).filter(|shelved| shelved.is(version))
    }

    /// Whether any version of an asset is on record, or was a second ago: this is asked of all that the site sends.
    pub(crate) fn any(&mut self, dir: &Path, asset: &AssetPath, now: u64) -> bool {
        self.last(dir, asset, now, Missing::Holds).is_some()
    }

    /// As the opposite of [`Records::any`], by a path as a visitor sent it. One that is not spelled as an asset's key
    /// is no key of any.
    pub(crate) fn none(&mut self, dir: &Path, path: &str, now: u64) -> bool {
        if self.dir == dir && self.files.is_missing(path, now) {
            return true;
        }
        let asset = AssetPath::parse(path).ok().filter(|asset| asset.as_str() == path);
        asset.is_none_or(|asset| !self.any(dir, &asset, now))
    }

    fn last(
        &mut self,
        dir: &Path,
        asset: &AssetPath,
        now: u64,
        missing: Missing,
    ) -> Option<Rc<Shelved>> {
        if self.dir != dir {
            self.files.clear();
            dir.clone_into(&mut self.dir);
        }
        let place = || dir.join(Record::file_name_of(asset));
        let read = |file: &File, size| {
            let record = read(file, size).filter(|record| record.path == *asset)?;
            let (info_hash, sha256) = (record.info_hash(), record.hashes.sha256);
            let (version, edits) = (record.version, OnceCell::new());
            Some((Shelved { version, info_hash, sha256, edits }, 0))
        };
        self.files.value(asset, now, missing, place, read)
    }
}

fn read(file: &File, size: u64) -> Option<Record> {
    let mut end = [0; 8];
    file.read_exact_at(&mut end, size.checked_sub(8)?).ok()?;
    let start = Record::tail_start(end, size).ok()?;
    let length = Some(size - start).filter(|length| *length <= MOST_BYTES)?;
    let mut tail = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut tail, start).ok()?;
    Record::from_tail_at(start, &tail).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use manyhands_metainfo::{FileIdentity, Hasher, Validator, piece_length};

    use super::*;

    const CONTENT: &[u8] = &[7; 100_000];

    fn version(file: Option<FileIdentity>) -> Version {
        let validator = Validator::Etag("\"a\"".to_owned());
        Version { validator, length: CONTENT.len() as u64, file }
    }

    fn write(dir: &Path, path: &AssetPath, version: &Version) -> Record {
        let length = CONTENT.len() as u64;
        let (mut hasher, mut digests) = (Hasher::new(length, piece_length(length)), Vec::new());
        hasher.update(CONTENT, &mut digests).unwrap();
        let hashes = hasher.finish().unwrap();
        let content_type = "application/zip".to_owned();
        let record = Record { path: path.clone(), content_type, version: version.clone(), hashes };
        let new = dir.join("new");
        fs::write(&new, record.to_bytes(&digests)).unwrap();
        fs::rename(new, dir.join(record.file_name())).unwrap();
        record
    }

    fn identity(inode: u64) -> FileIdentity {
        FileIdentity { device: 1, inode, size: CONTENT.len() as u64, mtime_ns: 2, ctime_ns: 3 }
    }

    #[test]
    fn what_is_on_record_is_known_of_that_version_alone() {
        let dir = tempfile::tempdir().unwrap();
        let asset = AssetPath::parse("/pub/a.zip").unwrap();
        let mut records = Records::new();
        let mut known = |version: &Version, now| records.of(dir.path(), &asset, version, now);
        assert!(known(&version(None), 0).is_none());

        // Hashed from the network: good for whatever lies here with the same validator.
        let record = write(dir.path(), &asset, &version(None));
        let shelved = known(&version(None), 1_000).unwrap();
        assert_eq!((shelved.info_hash, shelved.sha256), (record.info_hash(), record.hashes.sha256));
        assert!(known(&version(Some(identity(1))), 1_000).is_some());
        for other in [
            Version { length: 1, ..version(None) },
            Version { validator: Validator::Etag("\"b\"".to_owned()), ..version(None) },
            Version { validator: Validator::Immutable, ..version(None) },
        ] {
            assert!(known(&other, 1_000).is_none(), "{other:?}");
        }

        // Hashed from the file: good for that file.
        write(dir.path(), &asset, &version(Some(identity(1))));
        assert!(known(&version(Some(identity(1))), 2_000).is_some());
        assert!(known(&version(Some(identity(2))), 2_000).is_none());
        assert!(known(&version(None), 2_000).is_none());
    }

    #[test]
    fn a_record_that_is_torn_or_another_assets_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let asset = AssetPath::parse("/pub/a.zip").unwrap();
        let place = dir.path().join(Record::file_name_of(&asset));
        let mut now = 0;
        let mut known = || {
            now += 1_000;
            Records::new().of(dir.path(), &asset, &version(None), now)
        };
        let other = AssetPath::parse("/pub/b.zip").unwrap();
        let record = write(dir.path(), &other, &version(None));
        fs::rename(dir.path().join(record.file_name()), &place).unwrap();
        assert!(known().is_none(), "it is that of another path");
        write(dir.path(), &asset, &version(None));
        assert!(known().is_some());
        let whole = fs::read(&place).unwrap();
        let mut altered = whole.clone();
        let last_digests = altered.len() - 50;
        altered[last_digests] ^= 1;
        let cut = whole.len() / 2;
        for torn in [&whole[..cut], &whole[cut..], &whole[32..], &altered, b"", &[0xff; 64]] {
            fs::write(&place, torn).unwrap();
            assert!(known().is_none(), "{} bytes", torn.len());
        }
    }

    #[test]
    fn records_of_another_directory_are_not_those_of_this_one() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let asset = AssetPath::parse("/pub/a.zip").unwrap();
        write(one.path(), &asset, &version(None));
        let mut records = Records::new();
        assert!(records.of(one.path(), &asset, &version(None), 0).is_some());
        assert!(records.of(other.path(), &asset, &version(None), 1).is_none());
    }
}
