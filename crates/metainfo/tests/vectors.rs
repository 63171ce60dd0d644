//! Our hashes and our reader against mktorrent, create-torrent and libtorrent.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use manyhands_metainfo::{
    Digest, Hasher, InfoHash, ParseError, Torrent, digest_bytes, merkle_root, parse,
};
use serde::Deserialize;

const VECTORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/metainfo.json"));

#[derive(Deserialize)]
struct Vectors {
    files: Vec<File>,
    torrents: Vec<Foreign>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    length: u64,
    piece_length: u32,
    infohash: InfoHash,
    root: Digest,
    sha256: Digest,
    units: Option<Vec<Digest>>,
    pages: Option<Vec<Digest>>,
}

#[derive(Deserialize)]
struct Foreign {
    program: String,
    accepted: bool,
    torrent: String,
    infohash: InfoHash,
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

/// Byte `i` of every file, as the vectors say.
fn byte(i: u64) -> u8 {
    ((i * 31 + (i >> 8) * 7 + (i >> 16) * 13) & 255) as u8
}

#[test]
fn files_hash_as_other_programs_hash_them() {
    let files = vectors().files;
    assert!(files.len() > 50);
    for file in files {
        let name = &file.name;
        let mut digests = Vec::new();
        let mut hasher = Hasher::new(file.length, file.piece_length);
        for start in (0..file.length).step_by(100_003) {
            let end = (start + 100_003).min(file.length);
            hasher.update(&(start..end).map(byte).collect::<Vec<_>>(), &mut digests).unwrap();
        }
        let hashes = hasher.finish().unwrap();
        assert!(hashes.is_consistent());
        assert_eq!(hashes.sha256, file.sha256, "{name}");
        assert_eq!(hashes.root, file.root, "{name}");
        assert_eq!(merkle_root(&digests), file.root, "{name}");
        assert!(file.units.is_some() || file.pages.is_some());
        if let Some(units) = file.units {
            assert_eq!(digests, units, "{name}");
        }
        if let Some(pages) = file.pages {
            let ours = digests.chunks(1_024).map(|page| Digest::of(&digest_bytes(page)));
            assert_eq!(ours.collect::<Vec<_>>(), pages, "{name}");
        }
        for (number, page) in digests.chunks(1_024).enumerate() {
            assert!(hashes.has_page(number, page), "{name}");
        }

        let torrent = Torrent::new(name, &hashes).unwrap();
        assert_eq!(torrent.info_hash(), file.infohash, "{name}");
        let parsed = parse(&torrent.to_bytes()).unwrap();
        assert_eq!(parsed.info_hash, Some(file.infohash));
        assert_eq!((parsed.layout.name(), parsed.layout.length()), (&**name, file.length));
    }
}

#[test]
fn torrents_of_other_programs_are_read_or_refused_for_their_kind() {
    for foreign in vectors().torrents {
        let metainfo = STANDARD.decode(foreign.torrent).unwrap();
        let parsed = parse(&metainfo);
        if !foreign.accepted {
            assert!(
                matches!(parsed, Err(ParseError::NotSingleFileV1)),
                "{}: {parsed:?}",
                foreign.program
            );
            continue;
        }
        let parsed = parsed.unwrap();
        assert_eq!(parsed.info_hash, Some(foreign.infohash), "{}", foreign.program);
        let layout = &parsed.layout;
        assert_eq!(layout.name(), "foreign.bin");
        assert_eq!((layout.length(), layout.piece_length()), (100_000, 32_768));
        let (trackers, web_seeds): (&[&str], &[&str]) = match &*foreign.program {
            "mktorrent" => (&["http://t.example/announce"], &[]),
            "create-torrent" => {
                (&["ws://t.example/1", "ws://t.example/2"], &["http://w.example/f"])
            }
            _ => (&[], &[]),
        };
        assert_eq!(parsed.trackers.concat(), trackers, "{}", foreign.program);
        assert_eq!(parsed.web_seeds, web_seeds, "{}", foreign.program);
    }
}
