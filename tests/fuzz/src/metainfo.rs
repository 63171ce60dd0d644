//! Paths, torrents, records and manifests.

use manyhands_metainfo::{AssetPath, Digest, Manifest, Record, parse};

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

/// Pieces and length of a torrent agree, and its name is that of a file.
pub fn torrent(data: &[u8]) {
    let Ok(torrent) = parse(data) else { return };
    let name = torrent.layout.name();
    assert_eq!(torrent.pieces.len() as u64, torrent.layout.pieces() * 20);
    assert!(!matches!(name, "" | "." | ".."), "{name:?}");
    assert!(!name.contains(['/', '\\', '\0']), "{name:?}");
}

/// A record is read back alike and makes a torrent that others can read. The input is also tried as
/// the dictionary of a record with a good seal, which no mutation would find.
pub fn record(data: &[u8]) {
    let mut sealed = [b"manyhands asset 1\n", data].concat();
    sealed.extend_from_slice(Digest::of(&sealed).as_bytes());
    for bytes in [data, &sealed] {
        let Ok(record) = Record::from_bytes(bytes) else { continue };
        assert_eq!(Record::from_bytes(&record.to_bytes()).ok().as_ref(), Some(&record));
        let torrent = parse(&record.torrent().to_bytes()).expect("our own torrent");
        assert_eq!(torrent.info_hash, Some(record.info_hash()));
    }
}

/// A manifest is read back alike.
pub fn manifest(data: &[u8]) {
    let Some(manifest) = text(data).and_then(|text| Manifest::from_json(text).ok()) else { return };
    assert_eq!(Manifest::from_json(&manifest.to_json()).ok(), Some(manifest));
}
