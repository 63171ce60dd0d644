use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use manyhands_metainfo::FileIdentity;

use super::pieces::Place;

/// Deepest nesting looked into; a torrent takes less, so that this never hides a file silently.
const MAX_DEPTH: usize = 100;
/// Most names looked at below a directory.
const MAX_NAMES: usize = 2_000_000;

/// Why a path holds nothing that a torrent could be made of. Names in messages are quoted and escaped:
/// a name may hold anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The system did not let us look.
    #[error("cannot read {path:?}")]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Neither a regular file nor a directory.
    #[error("{path:?} is a {kind}: a torrent is made of a regular file or a directory")]
    Special {
        /// The path given.
        path: PathBuf,
        /// What it is instead.
        kind: &'static str,
    },
    /// The path ends in no name, as `/` does, or in one that is not UTF-8.
    #[error("{0:?} has no name that a torrent could carry: give one with --name")]
    NoName(PathBuf),
    /// A torrent carries names as UTF-8.
    #[error("the name {0:?} is not UTF-8 and cannot be in a torrent: rename it")]
    NotUtf8(PathBuf),
    /// What lies outside was not asked for.
    #[error(
        "the link {link:?} leads out of the directory, to {target:?}: put a copy in its place, or \
         remove it"
    )]
    LeadsOut {
        /// The symbolic link.
        link: PathBuf,
        /// Where it leads, all links resolved.
        target: PathBuf,
    },
    /// A link to one of the directories it lies in.
    #[error("the link {0:?} leads to a directory that it lies in: remove it")]
    Loop(PathBuf),
    /// Nested deeper than a torrent may be.
    #[error("{0:?} is nested deeper than {MAX_DEPTH} directories")]
    TooDeep(PathBuf),
    /// More names than a torrent may have.
    #[error("there are more than {MAX_NAMES} names below {0:?}")]
    TooMany(PathBuf),
}

/// What is in a directory and goes into no torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The path, as found from the path given.
    pub path: PathBuf,
    /// Why: `hidden`, or the kind of a file that holds no bytes of its own (`FIFO`, `socket`, `device`).
    pub why: &'static str,
}

/// The file, or the files of a directory, that a torrent is to be made of: found, not yet read.
///
/// Regular files only; no FIFO, socket or device is ever opened. Symbolic links are followed while they
/// lead to something below the same directory; one that leads elsewhere is an error, so that nothing is
/// published that was not meant to be. Empty directories leave no trace: a torrent has files only.
#[derive(Debug)]
pub struct TorrentContent {
    path: PathBuf,
    name: Option<String>,
    single: bool,
    files: Vec<Found>,
    left_out: Vec<LeftOut>,
}

/// One file: what it is called in the torrent, where it is, and what it was when it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) names: Vec<String>,
    pub(super) path: PathBuf,
    pub(super) identity: FileIdentity,
}

impl Found {
    pub(super) fn place(&self) -> Place<'_> {
        Place { path: &self.path, identity: self.identity }
    }
}

impl TorrentContent {
    /// Looks at a path; of a directory, at all that is below. Names that begin with a dot are left out
    /// unless `hidden` (the path given is never left out): they are seldom meant for others, and no
    /// `manyhands serve` gives them to a client that asks for them as a web seed.
    ///
    /// # Errors
    /// See [`ContentError`]. What is unreadable or cannot be named is an error, never left out.
    pub fn find(path: &Path, hidden: bool) -> Result<Self, ContentError> {
        let metadata = fs::metadata(path).map_err(|cause| unreadable(path, cause))?;
        let (mut files, mut left_out) = (Vec::new(), Vec::new());
        if metadata.is_file() {
            may_be_read(path)?;
            let identity = FileIdentity::from_metadata(&metadata);
            files.push(Found { names: Vec::new(), path: path.to_owned(), identity });
        } else if metadata.is_dir() {
            let root = path.canonicalize().map_err(|cause| unreadable(path, cause))?;
            let mut walk = Walk { given: path, root: &root, hidden, ..Walk::default() };
            walk.directory(path, &metadata)?;
            (files, left_out) = (walk.files, walk.left_out);
            // The order of the torrent, whatever the file system's is.
            files.sort_unstable_by(|one, other| one.names.cmp(&other.names));
        } else {
            return Err(ContentError::Special { path: path.to_owned(), kind: kind(&metadata) });
        }
        let name = own_name(path)?;
        Ok(Self { path: path.to_owned(), name, single: metadata.is_file(), files, left_out })
    }

    /// Under another name than the path's own.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether this is one file and no directory.
    pub fn is_file(&self) -> bool {
        self.single
    }

    /// Bytes of all files.
    pub fn length(&self) -> u64 {
        self.files.iter().map(|file| file.identity.size).sum()
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// What was found and goes into no torrent.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Whether a path is one of the files, by whatever name.
    pub fn has(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| {
            let FileIdentity { device, inode, .. } = FileIdentity::from_metadata(&metadata);
            let same =
                |file: &Found| (file.identity.device, file.identity.inode) == (device, inode);
            self.files.iter().any(same)
        })
    }

    pub(super) fn name(&self) -> Result<&str, ContentError> {
        self.name.as_deref().ok_or_else(|| ContentError::NoName(self.path.clone()))
    }

    pub(super) fn files(&self) -> &[Found] {
        &self.files
    }
}

/// The name a path goes by. `.` and `dir/..` have one too, which only the system knows.
fn own_name(path: &Path) -> Result<Option<String>, ContentError> {
    let resolved = match path.file_name() {
        Some(_) => None,
        None => Some(path.canonicalize().map_err(|cause| unreadable(path, cause))?),
    };
    let Some(name) = resolved.as_deref().unwrap_or(path).file_name() else { return Ok(None) };
    // A name given in its stead is as good: only without one this is an error.
    Ok(name.to_str().map(str::to_owned))
}

#[derive(Debug)]
struct Walk<'a> {
    given: &'a Path,
    root: &'a Path,
    hidden: bool,
    looked_at: usize,
    /// Names from the root to the directory at hand.
    names: Vec<String>,
    /// Device and inode of the directories from the root to the one at hand.
    within: Vec<(u64, u64)>,
    files: Vec<Found>,
    left_out: Vec<LeftOut>,
}

impl Default for Walk<'_> {
    fn default() -> Self {
        Self {
            given: Path::new(""),
            root: Path::new(""),
            hidden: false,
            looked_at: 0,
            names: Vec::new(),
            within: Vec::new(),
            files: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

impl Walk<'_> {
    fn directory(&mut self, path: &Path, metadata: &Metadata) -> Result<(), ContentError> {
        if self.within.len() > MAX_DEPTH {
            return Err(ContentError::TooDeep(path.to_owned()));
        }
        let FileIdentity { device, inode, .. } = FileIdentity::from_metadata(metadata);
        if self.within.contains(&(device, inode)) {
            return Err(ContentError::Loop(path.to_owned()));
        }
        self.within.push((device, inode));
        for entry in fs::read_dir(path).map_err(|cause| unreadable(path, cause))? {
            let entry = entry.map_err(|cause| unreadable(path, cause))?;
            self.looked_at += 1;
            if self.looked_at > MAX_NAMES {
                return Err(ContentError::TooMany(self.given.to_owned()));
            }
            self.entry(&entry)?;
        }
        self.within.pop();
        Ok(())
    }

    fn entry(&mut self, entry: &fs::DirEntry) -> Result<(), ContentError> {
        let (path, name) = (entry.path(), entry.file_name());
        if !self.hidden && name.as_encoded_bytes().starts_with(b".") {
            self.left_out.push(LeftOut { path, why: "hidden" });
            return Ok(());
        }
        let file_type = entry.file_type().map_err(|cause| unreadable(&path, cause))?;
        if file_type.is_symlink() {
            self.check_link(&path)?;
        }
        let metadata = fs::metadata(&path).map_err(|cause| unreadable(&path, cause))?;
        if !metadata.is_file() && !metadata.is_dir() {
            self.left_out.push(LeftOut { path, why: kind(&metadata) });
            return Ok(());
        }
        let Some(name) = name.to_str() else { return Err(ContentError::NotUtf8(path)) };
        self.names.push(name.to_owned());
        if metadata.is_dir() {
            self.directory(&path, &metadata)?;
        } else {
            may_be_read(&path)?;
            let identity = FileIdentity::from_metadata(&metadata);
            self.files.push(Found { names: self.names.clone(), path, identity });
        }
        self.names.pop();
        Ok(())
    }

    fn check_link(&self, link: &Path) -> Result<(), ContentError> {
        let target = link.canonicalize().map_err(|cause| unreadable(link, cause))?;
        if target.starts_with(self.root) {
            return Ok(());
        }
        Err(ContentError::LeadsOut { link: link.to_owned(), target })
    }
}

/// Asked of all files before the first is read: better now than after an hour.
fn may_be_read(path: &Path) -> Result<(), ContentError> {
    rustix::fs::access(path, rustix::fs::Access::READ_OK)
        .map_err(|error| unreadable(path, error.into()))
}

pub(super) fn kind(metadata: &Metadata) -> &'static str {
    let file_type = metadata.file_type();
    if file_type.is_fifo() {
        "FIFO"
    } else if file_type.is_socket() {
        "socket"
    } else if file_type.is_dir() {
        "directory"
    } else {
        "device"
    }
}

fn unreadable(path: &Path, cause: io::Error) -> ContentError {
    ContentError::Unreadable { path: path.to_owned(), cause }
}
