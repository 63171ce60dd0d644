//! The manifest: its JSON as browsers read it, and what is refused as one.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{
    AssetPath, Digest, Hashes, InfoHash, Manifest, ManifestError, UNIT, merkle_root, page_root,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const HASH: InfoHash = InfoHash::from_bytes([0x1f; 20]);

fn hashes(bytes: &[u8]) -> (Hashes, Vec<Digest>) {
    Hashes::of(bytes, 262_144)
}

fn manifest((hashes, digests): &(Hashes, Vec<Digest>)) -> Manifest {
    let path = AssetPath::parse("/files/a b.zip").unwrap();
    let first_page = &digests[..digests.len().min(1_024)];
    Manifest::new(&path, "application/zip", Some("\"v1\""), &HASH, hashes, first_page)
}

/// Hashes of a file of so many units, without the file.
fn large(units: u32) -> (Hashes, Vec<Digest>) {
    let digests: Vec<_> = (0..units).map(|n| Digest::of(&n.to_be_bytes())).collect();
    let hashes = Hashes {
        length: u64::from(units) * UNIT,
        piece_length: 1 << 20,
        pieces: Vec::new(),
        pages: digests.chunks(1_024).map(|page| page_root(page, units <= 1_024)).collect(),
        root: merkle_root(&digests),
        sha256: Digest::ZERO,
    };
    (hashes, digests)
}

#[test]
fn json_is_exactly_this() {
    let text = manifest(&hashes(b"abc")).to_json();
    assert_eq!(
        text,
        r#"{"v":1,"path":"/files/a%20b.zip","length":3,"type":"application/zip","etag":"\"v1\"","#
            .to_owned()
            + r#""infohash":"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f","pieceLength":262144,"#
            + r#""root":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","#
            + r#""unit":65536,"digests":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="}"#
    );
    let path = AssetPath::parse("/a").unwrap();
    let without = {
        let (hashes, digests) = hashes(b"abc");
        Manifest::new(&path, "x/y", None, &HASH, &hashes, &digests).to_json()
    };
    assert!(without.contains(r#""etag":null,"#), "{without}");
}

#[test]
fn what_is_written_is_read() {
    for units in [1, 2, 1_023, 1_024, 1_025, 5_000] {
        let (hashes, digests) = large(units);
        let written = manifest(&(hashes.clone(), digests.clone()));
        let read = Manifest::from_json(&written.to_json()).unwrap();
        assert_eq!(read, written);
        assert_eq!(read.path().as_str(), "/files/a%20b.zip");
        assert_eq!((read.length(), read.piece_length()), (hashes.length, hashes.piece_length));
        assert_eq!((read.content_type(), read.etag()), ("application/zip", Some("\"v1\"")));
        assert_eq!((read.info_hash(), read.root()), (HASH, hashes.root));
        assert_eq!(read.digests(), digests[..digests.len().min(1_024)], "{units} units");
    }
    let empty = Manifest::from_json(&manifest(&hashes(b"")).to_json()).unwrap();
    assert!(empty.digests().is_empty());
}

#[test]
fn another_version_is_refused_as_such_whatever_else_it_says() {
    for text in [r#"{"v":2}"#, r#"{"v":2,"path":5,"digests":[]}"#, r#"{"new":1,"v":2}"#] {
        assert!(matches!(Manifest::from_json(text), Err(ManifestError::UnknownVersion(2))));
    }
    assert!(matches!(Manifest::from_json(r#"{"v":0}"#), Err(ManifestError::UnknownVersion(0))));
    assert!(matches!(Manifest::from_json(r#"{"v":"1"}"#), Err(ManifestError::Malformed(_))));
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let good: Value = serde_json::from_str(&manifest(&large(3)).to_json()).unwrap();
    assert!(Manifest::from_json(&good.to_string()).is_ok());
    for (member, value) in [
        ("path", json!("/../etc")),
        ("path", json!("a")),
        ("length", json!(4 * UNIT)),
        ("length", json!(2 * UNIT)),
        ("length", json!(0)),
        ("length", json!(-1)),
        ("length", json!(1u64 << 53)),
        ("length", json!(1.5)),
        ("pieceLength", json!(0)),
        ("pieceLength", json!(1u64 << 32)),
        ("unit", json!(16_384)),
        ("infohash", json!("00")),
        ("root", json!("00".repeat(32))),
        ("root", json!("A".repeat(64))),
        ("digests", json!("")),
        ("digests", json!("????")),
        ("digests", json!("AAAA")),
        ("digests", json!(null)),
        ("type", json!(null)),
    ] {
        let mut bad = good.clone();
        bad[member] = value.clone();
        assert!(Manifest::from_json(&bad.to_string()).is_err(), "{member}: {value}");
    }
    for member in good.as_object().unwrap().keys().filter(|&key| key != "etag") {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(member);
        assert!(Manifest::from_json(&bad.to_string()).is_err(), "without {member}");
    }
    let long = format!("{}{}", good, " ".repeat(128 * 1024));
    assert!(matches!(Manifest::from_json(&long), Err(ManifestError::TooLong)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn any_text_never_panics(text in any::<String>()) {
        let _ = Manifest::from_json(&text);
    }

    #[test]
    fn altered_manifests_never_panic_and_never_pass_with_other_digests(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0x20..0x7fu8), 1..4),
    ) {
        let hashes = large(3);
        let mut bytes = manifest(&hashes).to_json().into_bytes();
        for (index, byte) in edits {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(read) = Manifest::from_json(std::str::from_utf8(&bytes).unwrap()) {
            prop_assert_eq!(read.root(), merkle_root(&read.digests()));
            prop_assert_eq!(read.digests(), &hashes.1[..]);
        }
    }
}
