//! One opened regular file: what it is, which version of it, and reading a piece of it.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use manyhands_metainfo::FileIdentity;
use sha2::{Digest, Sha256};

/// Below this age a file may be written again without any of its timestamps moving: they advance in
/// steps of the kernel's tick, and of whole seconds, or two, on some file systems.
const RACY: Duration = Duration::from_secs(2);

/// A file changed more recently than this may be in the middle of a write: the kernel moves the
/// timestamps first and copies the bytes then, and a program that rewrites in place truncates first.
pub(crate) const QUIET: Duration = Duration::from_millis(20);

/// What a path turned out to be.
pub(crate) enum Opened {
    File(OpenFile),
    Directory,
    /// A FIFO, a socket, a device: nothing to serve.
    Special,
}

/// An open file and the version it was opened at.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    identity: FileIdentity,
    strong_tag: HeaderValue,
    weak_tag: HeaderValue,
    /// Not every file system can be asked to read only what is in memory.
    #[cfg(target_os = "linux")]
    can_refuse_to_wait: AtomicBool,
}

impl OpenFile {
    pub(crate) fn from_descriptor(descriptor: OwnedFd) -> io::Result<Opened> {
        let file = File::from(descriptor);
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Opened::Directory);
        }
        if !metadata.is_file() {
            return Ok(Opened::Special);
        }
        let identity = identity(&metadata);
        Ok(Opened::File(Self {
            strong_tag: entity_tag(&identity, "", b"settled"),
            weak_tag: entity_tag(&identity, "W/", b"racy"),
            file,
            identity,
            #[cfg(target_os = "linux")]
            can_refuse_to_wait: AtomicBool::new(true),
        }))
    }

    pub(crate) fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    pub(crate) fn length(&self) -> u64 {
        self.identity.size
    }

    /// The last change is old enough that the next one will show. The change time counts, not the
    /// modification time: no program can set it.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        self.age(now) >= RACY.as_nanos().cast_signed()
    }

    /// Nobody is likely to be writing to it right now. Times in the future come from a clock that was
    /// set back, and say nothing.
    pub(crate) fn is_quiet(&self, now: SystemTime) -> bool {
        self.age(now).unsigned_abs() >= QUIET.as_nanos()
    }

    /// Nanoseconds since the last change.
    fn age(&self, now: SystemTime) -> i128 {
        since_epoch(now) - self.identity.ctime_ns
    }

    /// Strong for a settled file. A racy one gets a weak tag with another opaque part, so that nothing
    /// remembered from the racy time is ever confirmed later.
    pub(crate) fn entity_tag(&self, now: SystemTime) -> &HeaderValue {
        if self.is_settled(now) { &self.strong_tag } else { &self.weak_tag }
    }

    /// `None` when the date lies in the future (RFC 9110 8.8.2.1) or before 1970.
    pub(crate) fn last_modified(&self, now: SystemTime) -> Option<SystemTime> {
        let seconds = u64::try_from(self.identity.mtime_ns.div_euclid(1_000_000_000)).ok()?;
        let modified = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        (modified <= now).then_some(modified)
    }

    /// Is this still the version that was opened?
    pub(crate) fn state(&self) -> io::Result<FileState> {
        let metadata = self.file.metadata()?;
        let now = identity(&metadata);
        Ok(if now == self.identity {
            FileState::Same
        } else if metadata.nlink() == 0
            && (now.size, now.mtime_ns) == (self.identity.size, self.identity.mtime_ns)
        {
            FileState::Unlinked
        } else {
            FileState::Changed
        })
    }

    /// Reads at `position`. `None`: it would have to wait for the disk.
    #[cfg(target_os = "linux")]
    pub(crate) fn read_cached(
        &self,
        buffer: &mut [u8],
        position: u64,
    ) -> io::Result<Option<usize>> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        if !self.can_refuse_to_wait.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut buffers = [io::IoSliceMut::new(buffer)];
        match preadv2(&self.file, &mut buffers, position, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(Some(read)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
                self.can_refuse_to_wait.store(false, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads at `position`. `None`: it would have to wait for the disk.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn read_cached(&self, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
        Ok(None)
    }

    /// As on a file system that cannot tell what is in memory.
    #[cfg(test)]
    pub(crate) fn always_wait(&self) {
        #[cfg(target_os = "linux")]
        self.can_refuse_to_wait.store(false, Ordering::Relaxed);
    }

    /// Reads at `position`, from the disk if need be. Fills the buffer unless the file ends.
    pub(crate) fn read(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, position.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// What became of an open file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileState {
    /// Exactly the version that was opened.
    Same,
    /// Removed, or replaced by renaming another file over it, which moves the change time. Its bytes are
    /// as they were, unless somebody wrote to it first and set its date back: a transfer under way that
    /// finds what it sent last unchanged may end with the old version whole.
    Unlinked,
    /// Written to, truncated, or touched in a way that cannot be told from that.
    Changed,
}

fn identity(metadata: &Metadata) -> FileIdentity {
    let nanoseconds =
        |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    FileIdentity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn since_epoch(now: SystemTime) -> i128 {
    let signed = |span: Duration| span.as_nanos().cast_signed();
    match now.duration_since(UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

/// The device is left out: its number may change with every boot. The rest is hashed, so that a tag
/// tells nobody an inode number.
fn entity_tag(identity: &FileIdentity, prefix: &str, state: &[u8]) -> HeaderValue {
    let digest = Sha256::new()
        .chain_update(state)
        .chain_update(identity.inode.to_be_bytes())
        .chain_update(identity.size.to_be_bytes())
        .chain_update(identity.mtime_ns.to_be_bytes())
        .chain_update(identity.ctime_ns.to_be_bytes())
        .finalize();
    let mut tag = String::with_capacity(32);
    tag.push_str(prefix);
    tag.push('"');
    for byte in digest.iter().take(12) {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    HeaderValue::try_from(tag).expect("hexadecimal digits and quotes make a header value")
}
