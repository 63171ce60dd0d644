//! Paths, torrents, records and manifests.

use manyhands_metainfo::{
    AssetPath, Digest, Manifest, ParsedTorrent, Progress, Record, Torrent, parse,
};

use crate::text;

/// A path in its only spelling stays as it is, and its name is that of a file.
pub fn asset_path(data: &[u8]) {
    let Some(path) = text(data).and_then(|text| AssetPath::parse(text).ok()) else { return };
    assert_eq!(AssetPath::parse(path.as_str()).as_ref(), Ok(&path));
    let names = path.decoded_segments().chain([path.file_name().into()]);
    for name in names {
        assert!(!matches!(&*name, "" | "." | ".."), "{path:?}");
        assert!(!name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control()), "{path:?}");
    }
}

/// The layout of a torrent covers each file once, and what has a version 1 half can be written again.
pub fn torrent(data: &[u8]) {
    let Ok(ParsedTorrent { layout, info_hash, pieces, trees, .. }) = parse(data) else { return };
    let spans = (0..layout.pieces()).flat_map(|piece| layout.spans(piece));
    let bytes: u64 = spans.filter(|span| span.file.is_some()).map(|span| span.length).sum();
    assert_eq!(bytes, layout.length());
    if info_hash.is_some() {
        let again = Torrent::from_layout(&layout, pieces, trees.clone()).expect("hashes that fit");
        let again = parse(&again.to_bytes()).expect("our own torrent");
        assert_eq!((again.layout, again.trees), (layout, trees));
    }
}

/// A record is read back alike and makes a torrent that others can read. The input is also tried as
/// the dictionary of a record with a good seal and end, which no mutation would find.
pub fn record(data: &[u8]) {
    let mut sealed = sealed(b"manyhands asset 2\n", data);
    sealed.extend_from_slice(&(sealed.len() as u64).to_be_bytes());
    let _ = Record::from_bytes(data);
    for tail in [data, &sealed] {
        let Ok(record) = Record::from_tail(tail) else { continue };
        assert_eq!(Record::from_tail(&record.to_tail()).ok().as_ref(), Some(&record));
        let torrent = parse(&record.torrent().to_bytes()).expect("our own torrent");
        assert_eq!(torrent.info_hash, Some(record.info_hash()));
    }
}

/// Hashing that was put aside is taken up where it was, or refused.
pub fn progress(data: &[u8]) {
    for bytes in [data, &sealed(b"manyhands progress 1\n", data)] {
        let Ok(progress) = Progress::from_bytes(bytes) else { continue };
        let position = progress.position();
        assert!(position < progress.version.length);
        assert_eq!(progress.into_hasher().position(), position);
    }
}

fn sealed(header: &[u8], content: &[u8]) -> Vec<u8> {
    let mut sealed = [header, content].concat();
    sealed.extend_from_slice(Digest::of(&sealed).as_bytes());
    sealed
}

/// A manifest is read back alike.
pub fn manifest(data: &[u8]) {
    let Some(manifest) = text(data).and_then(|text| Manifest::from_json(text).ok()) else { return };
    assert_eq!(Manifest::from_json(&manifest.to_json()).ok(), Some(manifest));
}
