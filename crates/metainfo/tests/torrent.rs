//! The metainfo we write, byte for byte, and the metainfo we refuse.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{Hashes, ParseError, Torrent, parse};
use proptest::prelude::*;

fn hashes(bytes: &[u8]) -> Hashes {
    Hashes::of(bytes, 262_144).0
}

/// SHA-1 of "abc".
const ABC: [u8; 20] = [
    0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c,
    0x9c, 0xd0, 0xd8, 0x9d,
];

fn around_pieces(before: &str, after: &str) -> Vec<u8> {
    [before.as_bytes(), &ABC, after.as_bytes()].concat()
}

#[test]
fn bytes_are_canonical_and_hold_nothing_but_what_was_given() {
    let hashes = hashes(b"abc");
    let bare = Torrent::new("a.zip", &hashes).unwrap();
    assert_eq!(
        bare.to_bytes(),
        around_pieces("d4:infod6:lengthi3e4:name5:a.zip12:piece lengthi262144e6:pieces20:", "ee")
    );

    let one = bare.clone().with_web_seed("http://w/1").with_tracker_tier(["ws://t/1"]);
    assert_eq!(
        one.to_bytes(),
        around_pieces(
            "d8:announce8:ws://t/113:announce-listll8:ws://t/1ee\
             4:infod6:lengthi3e4:name5:a.zip12:piece lengthi262144e6:pieces20:",
            "e8:url-list10:http://w/1e"
        )
    );

    let several = one
        .clone()
        .with_web_seed("http://w/2")
        .with_tracker_tier(Vec::<String>::new())
        .with_tracker_tier(["ws://t/2", "ws://t/3"]);
    assert_eq!(
        several.to_bytes(),
        around_pieces(
            "d8:announce8:ws://t/113:announce-listll8:ws://t/1el8:ws://t/28:ws://t/3ee\
             4:infod6:lengthi3e4:name5:a.zip12:piece lengthi262144e6:pieces20:",
            "e8:url-listl10:http://w/110:http://w/2ee"
        )
    );

    assert_eq!(bare.info_hash(), several.info_hash());
    let other = Torrent::new("b.zip", &hashes).unwrap();
    assert_ne!(bare.info_hash(), other.info_hash());
}

#[test]
fn what_is_written_is_read() {
    let hashes = hashes(&vec![7; 600_000]);
    let torrent = Torrent::new("ä.zip", &hashes)
        .unwrap()
        .with_web_seed("https://e.org/%C3%A4.zip")
        .with_web_seed("https://m.org/%C3%A4.zip")
        .with_tracker_tier(["wss://t/1", "wss://t/2"])
        .with_tracker_tier(["wss://t/3"]);
    let parsed = parse(&torrent.to_bytes()).unwrap();
    assert_eq!(parsed.info_hash, Some(torrent.info_hash()));
    assert_eq!(&parsed.layout, torrent.layout());
    assert_eq!(parsed.layout.name(), "ä.zip");
    assert_eq!((parsed.layout.length(), parsed.layout.piece_length()), (600_000, 262_144));
    assert_eq!(parsed.pieces, hashes.pieces);
    assert_eq!(parsed.web_seeds, ["https://e.org/%C3%A4.zip", "https://m.org/%C3%A4.zip"]);
    assert_eq!(parsed.trackers, [vec!["wss://t/1", "wss://t/2"], vec!["wss://t/3"]]);
    assert!(!parsed.private);
}

#[test]
fn names_are_those_of_files() {
    let hashes = hashes(b"abc");
    let long = "x".repeat(256);
    for bad in
        ["", ".", "..", "/", "a/b", "../a", "a\\b", "a\0", "a\nb", "\u{85}", "/etc/passwd", &long]
    {
        assert!(Torrent::new(bad, &hashes).is_err(), "{bad:?}");
        let metainfo = around_pieces(
            &format!(
                "d4:infod6:lengthi3e4:name{}:{bad}12:piece lengthi262144e6:pieces20:",
                bad.len()
            ),
            "ee",
        );
        assert!(matches!(parse(&metainfo), Err(ParseError::Bad("name"))), "{bad:?}");
    }
    for good in ["...", "..a", ".a", &long[1..]] {
        assert!(parse(&Torrent::new(good, &hashes).unwrap().to_bytes()).is_ok(), "{good:?}");
    }
}

/// A torrent with one info key replaced or added; `pieces` has the 20 bytes of "abc".
fn with_info(before_pieces: &str, after_pieces: &str) -> Vec<u8> {
    around_pieces(&format!("d4:infod{before_pieces}6:pieces20:"), &format!("{after_pieces}ee"))
}

const GOOD: &str = "6:lengthi3e4:name1:a12:piece lengthi262144e";

#[test]
fn keys_we_do_not_know_are_ignored_and_count_for_the_hash() {
    let plain = parse(&with_info(GOOD, "")).unwrap();
    let private = parse(&with_info(GOOD, "7:privatei1e6:source3:xyz")).unwrap();
    assert!(private.private && !plain.private);
    assert_ne!(plain.info_hash, private.info_hash);
    let disorder = parse(&with_info(GOOD, "1:ade"));
    assert!(matches!(disorder, Err(ParseError::Bencode(_))), "a comes before pieces");
    let nested = parse(&with_info(GOOD, "4:zzzzd1:al1:bi-5eee")).unwrap();
    assert_eq!(nested.layout.name(), "a");
}

#[test]
fn announce_stands_in_for_a_missing_list_and_empty_web_seeds_are_none() {
    let metainfo =
        around_pieces(&format!("d8:announce4:ws:/4:infod{GOOD}6:pieces20:"), "e8:url-list0:e");
    let parsed = parse(&metainfo).unwrap();
    assert_eq!(parsed.trackers, [["ws:/"]]);
    assert!(parsed.web_seeds.is_empty());
}

#[test]
fn what_is_not_canonical_or_not_consistent_is_refused() {
    assert!(parse(&with_info(GOOD, "")).is_ok());
    for bad in [
        // structure
        "",
        "i3e",
        "le",
        "de",
        "d4:infoe",
        "d4:info0:e",
        "d4:infodee",
        "x",
        "d",
        "4:info",
    ] {
        assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    for info in [
        // no canonical bencode: order, duplicates, leading zeros, minus zero
        "4:name1:a6:lengthi3e12:piece lengthi262144e",
        "6:lengthi3e6:lengthi3e4:name1:a12:piece lengthi262144e",
        "6:lengthi03e4:name1:a12:piece lengthi262144e",
        "6:lengthi-0e4:name1:a12:piece lengthi262144e",
        "6:lengthi+3e4:name1:a12:piece lengthi262144e",
        "6:lengthi3e4:name01:a12:piece lengthi262144e",
        // values out of range or of the wrong kind
        "6:lengthi-1e4:name1:a12:piece lengthi262144e",
        "6:lengthi0e4:name1:a12:piece lengthi262144e",
        "6:lengthi262145e4:name1:a12:piece lengthi262144e",
        "6:lengthi9223372036854775808e4:name1:a12:piece lengthi262144e",
        "6:length1:34:name1:a12:piece lengthi262144e",
        "6:lengthi3e4:name1:\u{0}12:piece lengthi262144e",
        "6:lengthi3e4:namei1e12:piece lengthi262144e",
        "6:lengthi3e4:name1:a12:piece lengthi0e",
        "6:lengthi3e4:name1:a12:piece lengthi-1e",
        "6:lengthi3e4:name1:a12:piece lengthi4294967296e",
        // keys missing
        "4:name1:a12:piece lengthi262144e",
        "6:lengthi3e12:piece lengthi262144e",
        "6:lengthi3e4:name1:a",
    ] {
        assert!(parse(&with_info(info, "")).is_err(), "{info:?}");
    }
    let short_pieces = format!("d4:infod{GOOD}6:pieces19:{}ee", "x".repeat(19));
    assert!(parse(short_pieces.as_bytes()).is_err());

    let good = with_info(GOOD, "");
    for trailing in ["e", "0:", "i1e", "\n", "de"] {
        let metainfo = [&*good, trailing.as_bytes()].concat();
        assert!(matches!(parse(&metainfo), Err(ParseError::TrailingBytes)), "{trailing:?}");
    }
    for end in 0..good.len() {
        assert!(parse(&good[..end]).is_err(), "cut to {end}");
    }
}

#[test]
fn limits_hold() {
    let with_top = |key: &str, value: &str| {
        around_pieces(&format!("d{}:{key}{value}4:infod{GOOD}6:pieces20:", key.len()), "ee")
    };
    // The dictionary is the first level, so 71 more may follow.
    let nested = |levels: usize| format!("{}{}", "l".repeat(levels), "e".repeat(levels));
    assert!(parse(&with_top("a", &nested(71))).is_ok());
    assert!(matches!(parse(&with_top("a", &nested(72))), Err(ParseError::Bencode(_))));
    assert!(matches!(parse(&with_top("a", &nested(500_000))), Err(ParseError::Bencode(_))));

    let tiers = |count: usize| format!("l{}e", "l2:t:e".repeat(count));
    assert_eq!(parse(&with_top("announce-list", &tiers(256))).unwrap().trackers.len(), 256);
    assert!(parse(&with_top("announce-list", &tiers(257))).is_err());
    assert!(parse(&with_top("announce-list", &format!("l{}e", "le".repeat(257)))).is_err());
    let url = |length: usize| format!("{length}:{}", "u".repeat(length));
    assert!(parse(&with_top("announce", &url(4_096))).is_ok());
    assert!(parse(&with_top("announce", &url(4_097))).is_err());
    assert!(parse(&with_top("announce", "3:a b")).is_err());

    let comment = |length: usize| with_top("comment", &format!("{length}:{}", "c".repeat(length)));
    let room = 64 * 1024 * 1024 - comment(60_000_000).len();
    let longest = comment(60_000_000 + room);
    assert_eq!(longest.len(), 64 * 1024 * 1024);
    assert!(parse(&longest).is_ok());
    assert!(matches!(parse(&comment(60_000_001 + room)), Err(ParseError::TooLong)));
}

/// Bencode and near-bencode, from the tokens of a torrent.
fn tokens() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "d",
        "d",
        "l",
        "e",
        "e",
        "e",
        "i1e",
        "i0e",
        "i-1e",
        "i99999999999999999999e",
        "0:",
        "1:a",
        "4:info",
        "4:name",
        "6:length",
        "12:piece length",
        "6:pieces",
        "i262144e",
        "i3e",
        "8:announce",
        "13:announce-list",
        "8:url-list",
        "7:private",
        "5:files",
        "9:",
        "99:",
        "i",
        "4:\u{ff}\u{ff}",
        "d4:infod",
        "d6:lengthi3e4:name1:a12:piece lengthi262144e6:pieces0:e",
    ]);
    prop::collection::vec(token, 0..30).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn bencode_of_any_shape_never_panics(bytes in tokens()) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn altered_torrents_never_panic_and_never_contradict_themselves(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let hashes = hashes(b"abc");
        let torrent = Torrent::new("a.zip", &hashes).unwrap();
        let torrent = torrent.with_web_seed("http://w/1").with_tracker_tier(["ws://t/1"]);
        let mut bytes = torrent.to_bytes();
        for (index, byte) in edits {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(parsed) = parse(&bytes) {
            prop_assert_eq!(parsed.pieces.len() as u64, 20 * parsed.layout.pieces());
            prop_assert!(!parsed.layout.name().contains('/'));
        }
    }
}
