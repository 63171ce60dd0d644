/// Every block of this many bytes says, again and again, which version it is of and where it belongs.
pub const BLOCK: usize = 4096;

const MARK: &[u8; 4] = b"mhv:";

/// The contents of so many versions of one file, from 0 on. A version's shorter forms are beginnings of its
/// whole.
#[derive(Debug)]
pub struct Versions {
    contents: Vec<Vec<u8>>,
    base: u32,
}

impl Versions {
    /// `count` versions of `length` bytes, numbered from `base` on, so that two files never share one.
    pub fn new(base: u32, count: u32, length: usize) -> Self {
        let contents = (base..base + count).map(|version| whole(version, length)).collect();
        Self { contents, base }
    }

    /// The numbers.
    pub fn numbers(&self) -> std::ops::Range<u32> {
        self.base..self.base + u32::try_from(self.contents.len()).unwrap()
    }

    /// The bytes of a version.
    ///
    /// # Panics
    /// When there is no such version.
    pub fn content(&self, version: u32) -> &[u8] {
        &self.contents[(version - self.base) as usize]
    }

    /// The one version that all of `bytes`, from `offset` on, are of. An empty piece is of every version: `None`.
    ///
    /// # Errors
    /// A sentence when they are of no version, or of several.
    pub fn identify(&self, bytes: &[u8], offset: usize) -> Result<Option<u32>, String> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let matching = |version: &u32| {
            let end = offset + bytes.len();
            self.content(*version).get(offset..end) == Some(bytes)
        };
        match self.numbers().find(matching) {
            Some(version) => Ok(Some(version)),
            None => Err(describe(bytes, offset)),
        }
    }
}

fn whole(version: u32, length: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(length + BLOCK);
    while content.len() < length {
        let mut cell = MARK.to_vec();
        cell.extend_from_slice(&version.to_be_bytes());
        cell.extend_from_slice(&(content.len() as u64).to_be_bytes());
        content.extend_from_slice(&cell.repeat(BLOCK / cell.len()));
    }
    content.truncate(length);
    content
}

/// Which versions a mixture is of, for the message of a failed test.
fn describe(bytes: &[u8], offset: usize) -> String {
    let mut found = Vec::new();
    let first = (BLOCK - offset % BLOCK) % BLOCK;
    for (block, at) in bytes.get(first..).unwrap_or_default().chunks(BLOCK).zip(0..) {
        let version = block
            .strip_prefix(MARK)
            .and_then(|rest| rest.first_chunk())
            .map(|version| u32::from_be_bytes(*version));
        if found.last().is_none_or(|(_, last)| *last != version) {
            found.push((offset + first + at * BLOCK, version));
        }
    }
    found.truncate(12);
    format!("{} bytes from {offset} on are no one version: {found:?}", bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_known_by_any_piece_of_it_and_a_mixture_is_none() {
        let versions = Versions::new(7, 3, 20_000);
        for (start, end) in [(0, 20_000), (1, 2), (4_090, 4_100), (19_999, 20_000)] {
            for version in versions.numbers() {
                let piece = &versions.content(version)[start..end];
                assert!(versions.identify(piece, start).ok().flatten().is_some());
            }
        }
        let mut mixed = versions.content(7).to_vec();
        mixed[8_192..].copy_from_slice(&versions.content(9)[8_192..]);
        assert!(versions.identify(&mixed, 0).unwrap_err().contains("(8192, Some(9))"));
        assert!(versions.identify(&versions.content(7)[..4_096], 4_096).is_err(), "misplaced");
        let mut one = versions.content(8).to_vec();
        one[12_345] ^= 1;
        assert!(versions.identify(&one, 0).is_err());
    }
}
