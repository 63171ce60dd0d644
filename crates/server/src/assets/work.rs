use std::io;

use manyhands_catalog::Failure;
use manyhands_metainfo::{AssetPath, DIGESTS_PER_PAGE, Digest, Hasher, Progress, Record, Version};

use super::spool::{Spool, Written};

/// Work is remembered this often, so that a transfer that breaks off loses no more: so many bytes, or this
/// part of the file if that is more.
const REMEMBER: (u64, u64) = (1 << 20, 1_024);
/// And put aside on disk this often, so that a killed process loses no more.
const PUT_ASIDE: (u64, u64) = (1 << 30, 64);

/// Bytes at either end of an asset that are held against what others get.
const END: usize = 64 << 10;

/// Both ends of what was hashed.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) first: Vec<u8>,
    pub(crate) last: Vec<u8>,
}

impl Ends {
    /// Takes in bytes of a file of `length` from `position` on; what lies between the ends costs nothing.
    fn note(&mut self, bytes: &[u8], position: u64, length: u64) {
        let missing = END.saturating_sub(self.first.len()).min(bytes.len());
        self.first.extend_from_slice(bytes.get(..missing).unwrap_or_default());
        let before = length.saturating_sub(END as u64).saturating_sub(position);
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        self.last.extend_from_slice(bytes.get(before..).unwrap_or_default());
    }
}

/// One asset being hashed into its spool.
#[derive(Debug)]
pub(crate) struct Work {
    version: Version,
    hasher: Hasher,
    /// Digests that are not in the spool yet.
    digests: Vec<Digest>,
    spool: Spool,
    ends: Ends,
    /// The last point that the work could go on from.
    remembered: Option<Progress>,
    remember_at: u64,
    put_aside_at: u64,
}

impl Work {
    pub(super) fn new(version: Version, spool: Spool, hasher: Hasher) -> Self {
        let mut work = Self {
            version,
            hasher,
            digests: Vec::new(),
            spool,
            ends: Ends::default(),
            remembered: None,
            remember_at: 0,
            put_aside_at: 0,
        };
        work.remember_at = work.later(REMEMBER);
        work.put_aside_at = work.later(PUT_ASIDE);
        work
    }

    /// Bytes hashed, by this process or a former one.
    pub(crate) fn position(&self) -> u64 {
        self.hasher.position()
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.position() == self.version.length
    }

    /// Takes the next bytes. Blocks on the disk.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] when there are more than there should be, or the disk takes none.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        self.ends.note(bytes, self.position(), self.version.length);
        while !bytes.is_empty() {
            let step = usize::try_from(self.hasher.to_piece_end()).unwrap_or(usize::MAX);
            if step == 0 {
                return Err(Failure::Unreadable);
            }
            let (now, later) = bytes.split_at(step.min(bytes.len()));
            self.hasher.update(now, &mut self.digests).map_err(|_| Failure::Unreadable)?;
            if self.digests.len() >= DIGESTS_PER_PAGE {
                self.append().map_err(|error| unwritable(&error))?;
            }
            self.remember();
            bytes = later;
        }
        Ok(())
    }

    /// Both ends of an asset that was hashed from its first byte on.
    pub(crate) fn ends(&mut self) -> Ends {
        std::mem::take(&mut self.ends)
    }

    /// Leaves the work for a later try; returns how many bytes that will not have to hash again.
    pub(crate) fn put_aside(mut self) -> u64 {
        let Some(progress) = self.remembered.take() else { return 0 };
        self.save(&progress);
        progress.position()
    }

    /// Ends a whole asset's file with its record.
    pub(crate) fn finish(mut self, path: AssetPath, content_type: String) -> io::Result<Written> {
        self.append()?;
        let hashes = self.hasher.finish().map_err(io::Error::other)?;
        let record = Record { path, content_type, version: self.version, hashes };
        self.spool.finish(record)
    }

    fn remember(&mut self) {
        if self.position() < self.remember_at.min(self.put_aside_at) {
            return;
        }
        let Some(progress) = self.hasher.progress(&self.version, self.spool.name()) else { return };
        if self.position() >= self.put_aside_at {
            self.save(&progress);
            self.put_aside_at = self.later(PUT_ASIDE);
        }
        self.remember_at = self.later(REMEMBER);
        self.remembered = Some(progress);
    }

    /// A full disk costs the work of a later try, not this one.
    fn save(&mut self, progress: &Progress) {
        let saved = self.append().and_then(|()| self.spool.put_aside(progress));
        if let Err(error) = saved {
            unwritable(&error);
        }
    }

    fn append(&mut self) -> io::Result<()> {
        self.spool.append(&self.digests)?;
        self.digests.clear();
        Ok(())
    }

    fn later(&self, (least, part): (u64, u64)) -> u64 {
        self.position().saturating_add(least.max(self.version.length / part))
    }
}

fn unwritable(error: &io::Error) -> Failure {
    tracing::error!(%error, "cannot write to the state directory");
    Failure::Unreadable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_the_first_and_the_last_bytes_however_they_come() {
        for length in [1, END - 1, END, END + 1, 3 * END + 5] {
            let file: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            for chunk in [1_000, END, 5 * END] {
                let mut ends = Ends::default();
                for (number, bytes) in file.chunks(chunk).enumerate() {
                    ends.note(bytes, (number * chunk) as u64, length as u64);
                }
                let end = END.min(length);
                assert!(ends.first == file[..end], "{length} in chunks of {chunk}");
                assert!(ends.last == file[length - end..], "{length} in chunks of {chunk}");
            }
        }
    }
}
