//! Our hashes, our torrents and our reader against other programs: mktorrent, create-torrent,
//! Transmission, libtorrent, and one in plain Python.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use manyhands_metainfo::{
    Digest, FileEntry, FileTree, Hasher, Hashes, InfoHash, Layout, Span, Torrent, UNIT,
    digest_bytes, merkle_root, parse,
};
use serde::Deserialize;
use sha1::{Digest as _, Sha1};

const VECTORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/metainfo.json"));

#[derive(Deserialize)]
struct Vectors {
    files: Vec<File>,
    directories: Vec<Directory>,
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
#[serde(rename_all = "camelCase")]
struct Directory {
    name: String,
    piece_length: u32,
    hybrid: bool,
    single: bool,
    update_url: Option<String>,
    files: Vec<Content>,
    infohash: InfoHash,
    infohash_v2: Option<Digest>,
    torrent_sha256: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Foreign {
    program: String,
    torrent: String,
    infohash: Option<InfoHash>,
    infohash_v2: Option<Digest>,
    files: Vec<Content>,
}

#[derive(Deserialize)]
struct Content {
    path: Vec<String>,
    length: u64,
    seed: u8,
}

impl Content {
    fn byte(&self, i: u64) -> u8 {
        byte(i).wrapping_add(self.seed)
    }
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
fn directories_and_hybrids_are_what_others_make() {
    let directories = vectors().directories;
    assert!(directories.len() > 30);
    for directory in directories {
        let Directory { name, piece_length, hybrid, single, .. } = &directory;
        let case = format!("{name}, {piece_length}, hybrid {hybrid}");
        let mut files: Vec<_> =
            directory.files.iter().map(|file| (file.path.clone(), file.length)).collect();
        files.rotate_left(1);
        let layout = if *single {
            Layout::file(name, files[0].1, *piece_length, *hybrid).unwrap()
        } else {
            Layout::directory(name, files, *piece_length, *hybrid).unwrap()
        };
        let pieces = hash_pieces(&layout, &directory.files);
        let trees = hybrid.then(|| hash_trees(&layout, &directory.files));
        let mut torrent = Torrent::from_layout(&layout, pieces, trees).unwrap();
        if let Some(url) = &directory.update_url {
            torrent = torrent.with_update_url(url);
        }
        assert_eq!(torrent.info_hash(), directory.infohash, "{case}");
        assert_eq!(torrent.info_hash_v2(), directory.infohash_v2, "{case}");
        let bytes = torrent.to_bytes();
        assert_eq!(Digest::of(&bytes), directory.torrent_sha256, "{case}");

        let parsed = parse(&bytes).unwrap();
        assert_eq!(parsed.layout, layout, "{case}");
        assert_eq!(parsed.info_hash, Some(directory.infohash), "{case}");
        assert_eq!(parsed.info_hash_v2, directory.infohash_v2, "{case}");
        assert_eq!(parsed.update_url, directory.update_url, "{case}");
        if *single && !hybrid && directory.update_url.is_none() {
            let (hashes, _) = hash_file(&directory.files[0], *piece_length);
            assert_eq!(Torrent::new(name, &hashes).unwrap().to_bytes(), bytes, "{case}");
        }
    }
}

/// SHA-1 of each piece, read where the layout says.
fn hash_pieces(layout: &Layout, files: &[Content]) -> Vec<u8> {
    let mut pieces = Vec::new();
    for piece in 0..layout.pieces() {
        let mut bytes = Vec::new();
        for Span { file, offset, length } in layout.spans(piece) {
            match file {
                None => bytes.resize(bytes.len() + length as usize, 0),
                Some(file) => {
                    let file = content_of(&layout.files()[file], files);
                    bytes.extend((offset..offset + length).map(|i| file.byte(i)));
                }
            }
        }
        pieces.extend_from_slice(&Sha1::digest(&bytes));
    }
    pieces
}

fn hash_trees(layout: &Layout, files: &[Content]) -> Vec<FileTree> {
    let tree = |entry| {
        let (hashes, digests) = hash_file(content_of(entry, files), layout.piece_length());
        FileTree::from_units(&digests, hashes.length, layout.piece_length())
    };
    layout.files().iter().map(tree).collect()
}

fn content_of<'a>(entry: &FileEntry, files: &'a [Content]) -> &'a Content {
    let content = files.iter().find(|file| file.path == entry.path).unwrap();
    assert_eq!(content.length, entry.length);
    content
}

fn hash_file(file: &Content, piece_length: u32) -> (Hashes, Vec<Digest>) {
    let bytes: Vec<_> = (0..file.length).map(|i| file.byte(i)).collect();
    Hashes::of(&bytes, piece_length)
}

#[test]
fn torrents_of_other_programs_are_read_and_tell_where_their_bytes_are() {
    let torrents = vectors().torrents;
    assert!(torrents.len() > 15);
    for foreign in torrents {
        let case = &foreign.program;
        let parsed = parse(&STANDARD.decode(foreign.torrent).unwrap()).unwrap();
        assert_eq!(parsed.info_hash, foreign.infohash, "{case}");
        assert_eq!(parsed.info_hash_v2, foreign.infohash_v2, "{case}");
        let layout = &parsed.layout;
        let mut files: Vec<_> =
            layout.files().iter().map(|file| (&file.path, file.length)).collect();
        let mut expected: Vec<_> =
            foreign.files.iter().map(|file| (&file.path, file.length)).collect();
        files.sort();
        expected.sort();
        assert_eq!(files, expected, "{case}");
        if foreign.infohash.is_some() {
            assert_eq!(hash_pieces(layout, &foreign.files), parsed.pieces, "{case}");
        }
        if let Some(trees) = &parsed.trees {
            let ours = hash_trees(layout, &foreign.files);
            if u64::from(layout.piece_length()) >= UNIT {
                assert_eq!(&ours, trees, "{case}");
            }
            let roots = |trees: &[FileTree]| trees.iter().map(|tree| tree.root).collect::<Vec<_>>();
            assert_eq!(roots(&ours), roots(trees), "{case}");
        }
        let (trackers, web_seeds): (&[&str], &[&str]) = match case.split(',').next().unwrap() {
            "mktorrent" => (&["http://t.example/announce"], &[]),
            "create-torrent" => {
                (&["ws://t.example/1", "ws://t.example/2"], &["http://w.example/f"])
            }
            _ => (&[], &[]),
        };
        assert_eq!(parsed.trackers.concat(), trackers, "{case}");
        assert_eq!(parsed.web_seeds, web_seeds, "{case}");
    }
}
