//! What tells one version of an asset from the next: validators and file identity.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A file as the kernel knows it. While all five agree, its bytes are taken to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileIdentity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// Last modification, nanoseconds since the epoch.
    pub mtime_ns: i128,
    /// Last change of the inode, nanoseconds since the epoch. Unlike the modification time no
    /// program can set it back, so it shows an edit that restored size and time.
    pub ctime_ns: i128,
}

impl FileIdentity {
    /// Reads the identity from what the system says of a file.
    #[cfg(unix)]
    pub fn from_metadata(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Where a response body comes from on this machine, and what the file was when it was opened.
///
/// Travels as a response extension, so that hashing can read the file and need not fetch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// The file.
    pub path: PathBuf,
    /// Its identity at the time of the response.
    pub identity: FileIdentity,
}

/// What the origin says about the version of a representation (RFC 9110, section 8.8).
///
/// Only strong validators get here: whether one is strong is for the HTTP layer to judge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Validator {
    /// A strong entity tag, quoted, as sent.
    Etag(String),
    /// A `Last-Modified` date, as sent, old enough against `Date` to count as strong
    /// (RFC 9110, section 8.8.2.2).
    LastModified(String),
    /// Nothing, and nothing is needed: the operator says that this URL names its bytes for ever. Versions
    /// then differ by their length alone.
    Immutable,
}

impl Validator {
    /// As sent: what `If-Range` takes (RFC 9110, section 13.1.5).
    pub fn as_sent(&self) -> Option<&str> {
        match self {
            Self::Etag(text) | Self::LastModified(text) => Some(text),
            Self::Immutable => None,
        }
    }

    /// The entity tag, quoted, when the origin sent one.
    pub fn etag(&self) -> Option<&str> {
        match self {
            Self::Etag(tag) => Some(tag),
            Self::LastModified(_) | Self::Immutable => None,
        }
    }
}

/// The version of an asset. Two unequal versions never share a hash: a change of any part makes
/// what was known of the asset stale.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// What the origin said.
    pub validator: Validator,
    /// Length of the whole representation in bytes.
    pub length: u64,
    /// The file behind it, when it is on this machine.
    pub file: Option<FileIdentity>,
}
