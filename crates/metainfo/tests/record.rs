//! The record of the asset store: kept whole, or refused.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{
    AssetPath, Digest, FileIdentity, Hashes, Record, RecordError, Torrent, Validator, Version,
    parse,
};
use proptest::prelude::*;

const LENGTH: usize = 200_000;

/// The record of a file of that many equal bytes, and its digests.
fn record() -> (Record, Vec<Digest>) {
    let (hashes, digests) = Hashes::of(&[5; LENGTH], 262_144);
    let record = Record {
        path: AssetPath::parse("/files/ä b.zip").unwrap(),
        content_type: "application/zip".to_owned(),
        version: Version {
            validator: Validator::Etag("\"v1\"".to_owned()),
            length: 200_000,
            file: Some(FileIdentity {
                device: u64::MAX,
                inode: 7,
                size: 200_000,
                mtime_ns: -1,
                ctime_ns: 1_790_000_000_123_456_789,
            }),
        },
        hashes,
    };
    (record, digests)
}

/// Any content with a correct seal and end: what a hand that knows the format could write.
fn sealed(content: &[u8]) -> Vec<u8> {
    let end = (content.len() as u64 + 32).to_be_bytes();
    [content, Digest::of(content).as_bytes(), &end].concat()
}

fn content(record: &Record) -> Vec<u8> {
    let mut tail = record.to_tail();
    tail.truncate(tail.len() - 40);
    tail
}

#[test]
fn what_is_written_is_read() {
    let (mut record, digests) = record();
    let read = |record: &Record, digests: &[Digest]| {
        let bytes = record.to_bytes(digests);
        let (position, length) = record.page_place(0);
        assert_eq!((position, length as u64), (0, record.digests_size()));
        assert_eq!(&bytes[length..], record.to_tail());
        assert_eq!(Record::from_tail(&bytes[length..]).unwrap(), *record);
        assert_eq!(Record::from_bytes(&bytes).unwrap(), (record.clone(), digests.to_vec()));
    };
    read(&record, &digests);
    assert_eq!(record.to_bytes(&digests), record.to_bytes(&digests));

    record.version.file = None;
    record.version.validator = Validator::LastModified("Mon, 01 Jun 2026 00:00:00 GMT".to_owned());
    read(&record, &digests);

    record.hashes = Hashes::of(b"", 262_144).0;
    record.version.length = 0;
    record.content_type.clear();
    read(&record, &[]);
}

#[test]
fn digests_that_are_not_those_of_the_file_are_refused() {
    let (record, digests) = record();
    let mut swapped = digests.clone();
    swapped.swap(0, 3);
    for wrong in [&swapped[..], &digests[1..], &[], &[&digests[..], &digests[..1]].concat()] {
        assert!(matches!(
            Record::from_bytes(&record.to_bytes(wrong)),
            Err(RecordError::Inconsistent)
        ));
    }
}

#[test]
fn a_tail_has_a_bound_and_starts_where_the_digests_end() {
    let start = |head: u64, file: u64| Record::tail_start(head.to_be_bytes(), file);
    assert_eq!(start(64 << 20, 1 << 40).unwrap(), (1 << 40) - (64 << 20) - 8);
    assert_eq!(start(92, 100).unwrap(), 0);
    for (head, file) in [((64 << 20) + 1, 1 << 40), (u64::MAX, u64::MAX), (93, 100)] {
        assert!(matches!(start(head, file), Err(RecordError::Torn)), "{head}");
    }

    let (record, digests) = record();
    let (size, tail) = (record.digests_size(), record.to_tail());
    assert_eq!(size, 32 * digests.len() as u64);
    assert_eq!(Record::from_tail_at(size, &tail).unwrap(), record);
    for wrong in [0, size - 32, size + 32] {
        assert!(matches!(Record::from_tail_at(wrong, &tail), Err(RecordError::Torn)), "{wrong}");
    }
}

#[test]
fn a_record_knows_its_file_and_its_torrent() {
    let (record, _) = record();
    let name = Record::file_name_of(&AssetPath::parse("/files/%c3%a4%20b.zip").unwrap());
    assert_eq!(record.file_name(), name);
    assert_eq!(name, format!("{}.asset", Digest::of(b"/files/%C3%A4%20b.zip")));

    let torrent = Torrent::new("ä b.zip", &record.hashes).unwrap();
    assert_eq!(record.info_hash(), torrent.info_hash());
    assert_eq!(parse(&record.torrent().to_bytes()).unwrap().info_hash, Some(torrent.info_hash()));
}

#[test]
fn any_flipped_bit_and_any_cut_is_refused() {
    let (record, digests) = record();
    let bytes = record.to_bytes(&digests);
    let mut altered = bytes.clone();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            altered[index] ^= 1 << bit;
            assert!(Record::from_bytes(&altered).is_err(), "{index}");
            altered[index] = bytes[index];
        }
    }
    let tail = record.to_tail();
    for index in 0..tail.len() {
        let mut altered = tail.clone();
        altered[index] ^= 1;
        assert!(matches!(Record::from_tail(&altered), Err(RecordError::Torn)), "{index}");
    }
    for end in 0..bytes.len() {
        assert!(Record::from_bytes(&bytes[..end]).is_err(), "cut to {end}");
        assert!(Record::from_tail(&bytes[..end]).is_err(), "cut to {end}");
        assert!(Record::from_bytes(&bytes[bytes.len() - end..]).is_err(), "last {end}");
    }
    let blocks = [&bytes[..512], &vec![0; bytes.len() - 512]].concat();
    assert!(Record::from_bytes(&blocks).is_err(), "a hole where a block was not written");
    assert!(Record::from_bytes(&[&*bytes, b"\0"].concat()).is_err());
    assert!(Record::from_bytes(&[&*bytes, &*bytes].concat()).is_err());
}

#[test]
fn a_good_seal_does_not_excuse_the_content() {
    let content = content(&record().0);
    let replaced = |from: &str, to: &str| {
        let at = content.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let (before, after) = (&content[..at], &content[at + from.len()..]);
        Record::from_tail(&sealed(&[before, to.as_bytes(), after].concat()))
    };
    assert!(replaced("5:inodei7e", "5:inodei8e").is_ok());
    for (from, to) in [("asset 2\n", "asset 1\n"), ("manyhands", "otherhand"), (" 2\nd", " 2d")] {
        assert!(matches!(replaced(from, to), Err(RecordError::UnknownFormat)), "{from:?}");
    }
    for (from, to) in [
        ("6:lengthi200000e5:pages", "6:lengthi200001e5:pages"),
        ("6:lengthi200000e9:", "6:lengthi200001e9:"),
        ("4:sizei200000e", "4:sizei200001e"),
        ("12:piece_lengthi262144e", "12:piece_lengthi0e"),
        ("12:piece_lengthi262144e", "12:piece_lengthi131072e"),
    ] {
        assert!(matches!(replaced(from, to), Err(RecordError::Inconsistent)), "{from} -> {to}");
    }
    for (from, to) in [
        ("12:piece_lengthi262144e", "12:piece_lengthi0262144e"),
        ("5:inodei7e", "5:inodei7e5:other0:"),
        ("5:inodei7e", "5:inodei-7e"),
        ("5:inodei7e", "5:inode1:7"),
        ("5:inodei7e", ""),
        ("4:Etag", "4:ETAG"),
        ("/files/", "/../es/"),
        ("4:root", "4:tree"),
    ] {
        assert!(matches!(replaced(from, to), Err(RecordError::Malformed(_))), "{from} -> {to}");
    }
    for trailing in ["0:", "e", "\n"] {
        let longer = sealed(&[&*content, trailing.as_bytes()].concat());
        assert!(Record::from_tail(&longer).is_err(), "{trailing:?}");
    }
    assert!(matches!(Record::from_tail(&sealed(b"")), Err(RecordError::UnknownFormat)));
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let content = content(&record().0);
    for (open, close) in [("l", "e"), ("d1:a", "e")] {
        for levels in [10, 1_000, 100_000] {
            let nested = format!("{}0:{}", open.repeat(levels), close.repeat(levels));
            let unknown = format!("manyhands asset 2\nd1:a{nested}e");
            assert!(Record::from_tail(&sealed(unknown.as_bytes())).is_err());
            for key in ["4:file", "9:validator", "12:content_type", "5:pages"] {
                let at = content.windows(key.len()).position(|w| w == key.as_bytes()).unwrap();
                let bytes = [&content[..at + key.len()], nested.as_bytes()].concat();
                assert!(Record::from_tail(&sealed(&bytes)).is_err(), "{key} {levels}");
            }
        }
    }
}

fn validators() -> impl Strategy<Value = Validator> {
    prop_oneof![
        any::<String>().prop_map(Validator::Etag),
        any::<String>().prop_map(Validator::LastModified),
        Just(Validator::Immutable),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn every_version_comes_back(
        validator in validators(),
        content_type in any::<String>(),
        file in any::<Option<(u64, u64, i128, i128)>>(),
    ) {
        let file = file.map(|(device, inode, mtime_ns, ctime_ns)| {
            FileIdentity { device, inode, size: 3, mtime_ns, ctime_ns }
        });
        let record = Record {
            path: AssetPath::parse("/a").unwrap(),
            content_type,
            version: Version { validator, length: 3, file },
            hashes: Hashes::of(b"abc", 262_144).0,
        };
        prop_assert_eq!(Record::from_tail(&record.to_tail()).unwrap(), record);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Record::from_tail(&bytes).is_err());
        prop_assert!(Record::from_bytes(&bytes).is_err());
        prop_assert!(Record::from_tail(&sealed(&bytes)).is_err());
    }

    #[test]
    fn altered_and_sealed_again_never_panics_and_stays_consistent(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut content = content(&record().0);
        for (index, byte) in edits {
            let index = index.index(content.len());
            content[index] = byte;
        }
        if let Ok(record) = Record::from_tail(&sealed(&content)) {
            prop_assert!(record.hashes.is_consistent());
            prop_assert_eq!(record.hashes.length, record.version.length);
        }
    }
}
