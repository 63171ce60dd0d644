//! The proof of the pudding: bytes of the file, as anybody gets them, against the digests that browsers
//! would hold them to.

use manyhands_metainfo::{DIGESTS_PER_PAGE, Digest, Manifest, UNIT};

use super::fetch::Client;
use super::metainfo;
use super::presence::Presence;
use super::ranges;
use super::report::{Report, Section, grouped};
use super::target::Target;

/// A block of BEP 52.
const LEAF: usize = 16 * 1024;
const LEAVES: usize = 4;

/// Fetches the middle and the last unit and checks them.
pub(crate) async fn look(
    client: &Client,
    target: &Target,
    presence: &Presence,
    manifest: &Manifest,
    report: &mut Report,
) {
    let units = manifest.length().div_ceil(UNIT);
    let mut chosen = vec![units / 2, units.saturating_sub(1)];
    chosen.dedup();
    for unit in chosen {
        let name = if unit + 1 == units { "last_unit" } else { "middle_unit" };
        match check(client, target, presence, manifest, unit).await {
            Ok(bytes) => report.ok(
                Section::Proof,
                name,
                format!("{} bytes from {} on are what their SHA-256 says", grouped(bytes), grouped(unit * UNIT)),
            ),
            Err(Wrong::Digest) => report.refuse(
                Section::Proof,
                name,
                "unit_differs",
                format!(
                    "the bytes from {} on are not what was hashed: browsers throw them away",
                    grouped(unit * UNIT)
                ),
                "the file was changed without a change of ETag, or a cache or server holds other bytes: \
                 give every version its own ETag, then run `manyhands purge` on the path",
            ),
            Err(Wrong::Unreachable(says)) => report.refuse(
                Section::Proof,
                name,
                "unit_unreachable",
                says,
                "see the checks above: ranges and digests must be answered",
            ),
        }
    }
}

enum Wrong {
    Digest,
    Unreachable(String),
}

impl From<String> for Wrong {
    fn from(says: String) -> Self {
        Self::Unreachable(says)
    }
}

async fn check(
    client: &Client,
    target: &Target,
    presence: &Presence,
    manifest: &Manifest,
    unit: u64,
) -> Result<u64, Wrong> {
    let length = manifest.length();
    let first = unit * UNIT;
    let last = (first + UNIT).min(length).saturating_sub(1);
    let answer = ranges::part(client, target, (first, last), length, &[]).await?;
    let digest = digest(client, target, presence, manifest, unit).await?;
    match unit_digest(&answer.body, length <= UNIT) == digest {
        true => Ok(last - first + 1),
        false => Err(Wrong::Digest),
    }
}

async fn digest(
    client: &Client,
    target: &Target,
    presence: &Presence,
    manifest: &Manifest,
    unit: u64,
) -> Result<Digest, String> {
    let (page, within) = (unit / DIGESTS_PER_PAGE as u64, unit % DIGESTS_PER_PAGE as u64);
    let within = usize::try_from(within).unwrap_or_default();
    let inline = if page == 0 { manifest.digests().get(within).copied() } else { None };
    if let Some(digest) = inline {
        return Ok(digest);
    }
    let bytes = metainfo::page(client, target, presence, manifest, page).await?;
    let (digests, _) = bytes.as_chunks::<{ Digest::SIZE }>();
    let digest = digests.get(within).copied().map(Digest::from_bytes);
    digest.ok_or_else(|| format!("page {page} of the digests is too short"))
}

/// The node of the BEP 52 tree over one 64 KiB unit, worked out here once more, so that the check does
/// not lean on the code it checks: SHA-256 of 16 KiB blocks, zeros for those beyond the end, filled up to
/// four (a file that is one unit: to the next power of two).
fn unit_digest(bytes: &[u8], whole_file: bool) -> Digest {
    let mut level: Vec<Digest> = bytes.chunks(LEAF).map(Digest::of).collect();
    let width = if whole_file { level.len().next_power_of_two() } else { LEAVES };
    level.resize(width, Digest::ZERO);
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| {
                let both: Vec<u8> = pair.iter().flat_map(|digest| *digest.as_bytes()).collect();
                Digest::of(&both)
            })
            .collect();
    }
    level.first().copied().unwrap_or(Digest::ZERO)
}

#[cfg(test)]
mod tests {
    use manyhands_metainfo::{Hasher, merkle_root, piece_length};

    use super::*;

    #[test]
    fn it_agrees_with_the_hasher() {
        let bytes: Vec<u8> =
            (0..3 * UNIT as usize + 1).map(|at| (at * 7 + at / 256) as u8).collect();
        for length in [1, LEAF, LEAF + 1, 3 * LEAF, UNIT as usize, UNIT as usize + 1, bytes.len()] {
            let bytes = &bytes[..length];
            let mut hasher = Hasher::new(length as u64, piece_length(length as u64));
            hasher.update(bytes, &mut Vec::new()).unwrap();
            let whole = length as u64 <= UNIT;
            let units: Vec<_> =
                bytes.chunks(UNIT as usize).map(|unit| unit_digest(unit, whole)).collect();
            assert_eq!(merkle_root(&units), hasher.finish().unwrap().root, "{length}");
        }
    }
}
