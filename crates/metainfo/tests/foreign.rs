//! Torrents of strangers: what is taken, and what is refused, each with its reason.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use std::{borrow::Cow, collections::BTreeMap};

use bendy::{
    decoding::{Decoder, FromBencode},
    encoding::Encoder,
    value::Value,
};
use manyhands_metainfo::{
    Digest, FileTree, Layout, LayoutError, ParseError, ParsedTorrent, Span, Torrent, parse,
};
use proptest::prelude::*;

type Dict = BTreeMap<Cow<'static, [u8]>, Value<'static>>;

const PIECE: u32 = 65_536;

fn bytes(text: &str) -> Value<'static> {
    Value::Bytes(Cow::Owned(text.as_bytes().to_vec()))
}

fn dict<const N: usize>(pairs: [(&str, Value<'static>); N]) -> Value<'static> {
    let pairs = pairs.map(|(key, value)| (Cow::Owned(key.as_bytes().to_vec()), value));
    Value::Dict(pairs.into_iter().collect())
}

fn list(items: impl IntoIterator<Item = Value<'static>>) -> Value<'static> {
    Value::List(items.into_iter().collect())
}

fn path(text: &str) -> Value<'static> {
    list(text.split('/').map(bytes))
}

fn entry(name: &str, length: i64) -> Value<'static> {
    dict([("length", Value::Integer(length)), ("path", path(name))])
}

fn pad(length: i64) -> Value<'static> {
    dict([("attr", bytes("p")), ("length", Value::Integer(length))])
}

/// Version 1, of these entries, with as many pieces as `total` asks for.
fn v1(entries: impl IntoIterator<Item = Value<'static>>, total: u64) -> Value<'static> {
    dict([(
        "info",
        dict([
            ("files", list(entries)),
            ("name", bytes("d")),
            ("piece length", Value::Integer(PIECE.into())),
            ("pieces", Value::Bytes(vec![1; total.div_ceil(PIECE.into()) as usize * 20].into())),
        ]),
    )])
}

fn to_bytes(metainfo: &Value<'_>) -> Vec<u8> {
    let mut encoder = Encoder::new().with_max_depth(200);
    encoder.emit(metainfo).unwrap();
    encoder.get_output().unwrap()
}

fn read(metainfo: &Value<'_>) -> Result<ParsedTorrent, ParseError> {
    parse(&to_bytes(metainfo))
}

/// The value at some keys from the top; an index leads into a list.
fn at<'v>(value: &'v mut Value<'static>, keys: &[&str]) -> &'v mut Value<'static> {
    keys.iter().fold(value, |value, key| match value {
        Value::Dict(dict) => dict.get_mut(key.as_bytes()).unwrap(),
        Value::List(list) => &mut list[key.parse::<usize>().unwrap()],
        other => panic!("{other:?} has no {key}"),
    })
}

fn entries<'v>(value: &'v mut Value<'static>, keys: &[&str]) -> &'v mut Dict {
    match at(value, keys) {
        Value::Dict(dict) => dict,
        other => panic!("{other:?}"),
    }
}

fn items<'v>(value: &'v mut Value<'static>, keys: &[&str]) -> &'v mut Vec<Value<'static>> {
    match at(value, keys) {
        Value::List(list) => list,
        other => panic!("{other:?}"),
    }
}

fn key(text: &str) -> Cow<'static, [u8]> {
    Cow::Owned(text.as_bytes().to_vec())
}

fn tree_of(seed: u8, length: u64) -> FileTree {
    let digests: Vec<_> =
        (0..length.div_ceil(65_536)).map(|unit| Digest::of(&[seed, unit as u8])).collect();
    FileTree::from_units(&digests, length, PIECE)
}

/// A hybrid as we write it, to be altered: a (two pieces), b/c (one byte), b/e (empty), f (a piece).
fn hybrid() -> Value<'static> {
    let files = [("a", 70_000), ("b/c", 1), ("b/e", 0), ("f", 65_536)];
    let paths = files.map(|(name, length)| (name.split('/').map(str::to_owned).collect(), length));
    let layout = Layout::directory("d", paths.to_vec(), PIECE, true).unwrap();
    let trees = layout.files().iter().zip(0..).map(|(file, seed)| tree_of(seed, file.length));
    let pieces = vec![1; 80];
    let torrent = Torrent::from_layout(&layout, pieces, Some(trees.collect())).unwrap();
    value(&torrent)
}

fn single_hybrid() -> Value<'static> {
    let layout = Layout::file("f", 70_000, PIECE, true).unwrap();
    let trees = vec![tree_of(0, 70_000)];
    value(&Torrent::from_layout(&layout, vec![1; 40], Some(trees)).unwrap())
}

fn value(torrent: &Torrent<'_>) -> Value<'static> {
    let bytes = torrent.to_bytes();
    let mut decoder = Decoder::new(&bytes).with_max_depth(200);
    let object = decoder.next_object().unwrap().unwrap();
    Value::decode_bencode_object(object).unwrap().into_owned()
}

/// The same without its version 1 half.
fn v2_only(mut metainfo: Value<'static>) -> Value<'static> {
    let info = entries(&mut metainfo, &["info"]);
    for name in ["files", "length", "pieces"] {
        info.remove(name.as_bytes());
    }
    metainfo
}

fn alter(
    mut metainfo: Value<'static>,
    change: impl FnOnce(&mut Value<'static>),
) -> Result<ParsedTorrent, ParseError> {
    change(&mut metainfo);
    read(&metainfo)
}

#[test]
fn the_names_of_version_1_are_those_a_client_must_create() {
    let long = "𐍈".repeat(64);
    for bad in [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "a//b",
        "/etc/passwd",
        "a/",
        "a\\..\\b",
        "a\0",
        "a\u{1b}[2J",
        "\u{85}",
        &long,
    ] {
        let read = read(&v1([entry("good", 1), entry(bad, 1)], 2));
        assert!(
            matches!(&read, Err(ParseError::Files(LayoutError::Path(path))) if path == bad),
            "{bad:?}: {read:?}"
        );
    }
    let empty = dict([("length", Value::Integer(1)), ("path", list([]))]);
    assert!(matches!(read(&v1([empty], 1)), Err(ParseError::Files(_))));
    let slash = dict([("length", Value::Integer(1)), ("path", list([bytes("a/b")]))]);
    assert!(matches!(read(&v1([slash], 1)), Err(ParseError::Files(_))));
    let nowhere = dict([("length", Value::Integer(1))]);
    assert!(matches!(read(&v1([nowhere], 1)), Err(ParseError::Missing("path"))));
}

#[test]
fn names_that_are_only_unfortunate_somewhere_are_taken() {
    let names = [
        "CON", "nul.txt", "a:b", "C:", "what?", "dot.", "space ", " x", "~", "-rf", ".pad/1", "A",
        "a", "ä", "a\u{308}",
    ];
    let parsed = read(&v1(names.map(|name| entry(name, 1)), names.len() as u64)).unwrap();
    let read: Vec<_> = parsed.layout.files().iter().map(|file| file.path.join("/")).collect();
    assert_eq!(read, names, "in the order of the torrent");
}

#[test]
fn legacy_encodings_are_refused_unless_the_name_is_there_in_utf_8() {
    let latin = || Value::Bytes(Cow::Borrowed(b"\xe4"));
    let with = |mut pairs: Vec<(&str, Value<'static>)>| {
        pairs.push(("length", Value::Integer(1)));
        Value::Dict(pairs.into_iter().map(|(name, value)| (key(name), value)).collect())
    };
    let refused = read(&v1([with(vec![("path", list([latin()]))])], 1));
    assert!(matches!(refused, Err(ParseError::NotUtf8("path"))));
    let twice = with(vec![("path", list([latin()])), ("path.utf-8", path("ä"))]);
    assert_eq!(read(&v1([twice], 1)).unwrap().layout.files()[0].path, ["ä"]);

    let named = |name, utf8: Option<&str>| {
        alter(v1([entry("a", 1)], 1), |metainfo| {
            let info = entries(metainfo, &["info"]);
            info.insert(key("name"), name);
            info.extend(utf8.map(|name| (key("name.utf-8"), bytes(name))));
        })
    };
    assert!(matches!(named(latin(), None), Err(ParseError::NotUtf8("name"))));
    assert_eq!(named(latin(), Some("ä")).unwrap().layout.name(), "ä");
    assert!(named(bytes("x"), Some("..")).is_err());
}

#[test]
fn no_path_is_there_twice_or_below_a_file_or_a_link() {
    let refused = |entries: Vec<Value<'static>>| match read(&v1(entries, 2)) {
        Err(ParseError::Files(error)) => error,
        other => panic!("{other:?}"),
    };
    let duplicate = refused(vec![entry("x/a", 1), entry("x/a", 1)]);
    assert_eq!(duplicate, LayoutError::Duplicate("x/a".to_owned()));
    let folder = refused(vec![entry("x/a", 1), entry("x", 1)]);
    assert_eq!(folder, LayoutError::FileAndFolder("x".to_owned()));
    let link = dict([("attr", bytes("l")), ("path", path("x")), ("symlink path", path("y"))]);
    let below = refused(vec![link.clone(), entry("x/a", 2)]);
    assert_eq!(below, LayoutError::FileAndFolder("x".to_owned()));

    let parsed = read(&v1([link, entry("y/a", 2)], 2)).unwrap();
    assert_eq!((parsed.symlinks, parsed.layout.files().len()), (1, 1));
}

#[test]
fn pads_may_be_anywhere_and_need_no_path() {
    let bitcomet = entry("_____padding_file_0_if you see this file, upgrade_____", 65_530);
    let layout = read(&v1(
        [pad(10), entry("a", 6), pad(20), pad(30), bitcomet, entry("b", 7), pad(1)],
        65_604,
    ))
    .unwrap()
    .layout;
    assert_eq!((layout.total(), layout.length(), layout.pieces()), (65_604, 13, 2));
    let span = |file, offset, length| Span { file, offset, length };
    let spans: Vec<_> = layout.spans(0).chain(layout.spans(1)).collect();
    assert_eq!(
        spans,
        [
            span(None, 0, 10),
            span(Some(0), 0, 6),
            span(None, 0, 65_520),
            span(None, 0, 60),
            span(Some(1), 0, 7),
            span(None, 0, 1)
        ]
    );
    // What was read can be written again, pads and all, if not in as many pieces.
    let torrent = Torrent::from_layout(&layout, vec![1; 40], None).unwrap();
    assert_eq!(parse(&torrent.to_bytes()).unwrap().layout, layout);

    let only_pads = read(&v1([pad(10)], 10));
    assert!(matches!(only_pads, Err(ParseError::Missing("file"))));
}

#[test]
fn the_shape_of_version_1_is_all_or_nothing() {
    assert!(read(&v1([entry("a", 1)], 1)).is_ok());
    let altered = |change: fn(&mut Dict)| {
        alter(v1([entry("a", 1)], 1), |metainfo| change(entries(metainfo, &["info"])))
    };
    let both = altered(|info| drop(info.insert(key("length"), Value::Integer(1))));
    assert!(matches!(both, Err(ParseError::Bad("length beside files"))));
    let none = altered(|info| drop(info.remove("files".as_bytes())));
    assert!(matches!(none, Err(ParseError::Missing("length"))));
    let no_pieces = altered(|info| drop(info.remove("pieces".as_bytes())));
    assert!(matches!(no_pieces, Err(ParseError::Missing("pieces"))));
    let tree = altered(|info| drop(info.insert(key("file tree"), dict([]))));
    assert!(matches!(tree, Err(ParseError::Missing("meta version"))));
    for (entries, total) in [
        (vec![entry("a", -1)], 1),
        (vec![entry("a", 1), entry("b", 65_536)], 1),
        (vec![entry("a", i64::MAX), entry("b", 1)], 1),
        (vec![entry("a", i64::MAX), entry("b", i64::MAX), entry("c", 5)], 3),
        (vec![entry("a", 1), pad(i64::MAX)], 1),
        (vec![dict([("path", path("a"))])], 1),
        (vec![], 0),
    ] {
        assert!(read(&v1(entries.clone(), total)).is_err(), "{entries:?}");
    }
}

#[test]
fn a_hybrid_may_differ_from_ours_where_bep_52_leaves_it_open() {
    let parsed = read(&hybrid()).unwrap();
    assert_eq!((parsed.layout.pieces(), parsed.layout.files().len()), (4, 4));
    assert!(parsed.layout.is_hybrid() && !parsed.layout.is_single_file());

    // The pad behind an empty file instead of before it, and one after the last file.
    let moved = alter(hybrid(), |metainfo| {
        let files = items(metainfo, &["info", "files"]);
        assert_eq!(files.len(), 6, "a, pad, b/c, pad, b/e, f");
        files.swap(3, 4);
    });
    assert_eq!(moved.unwrap().layout.total(), parsed.layout.total());
    let padded = alter(hybrid(), |metainfo| {
        // The last file is made shorter in both halves.
        let files = items(metainfo, &["info", "files"]);
        files[5] = entry("f", 65_000);
        files.push(pad(536));
        *at(metainfo, &["info", "file tree", "f", "", "length"]) = Value::Integer(65_000);
    });
    assert_eq!(padded.unwrap().layout.total(), parsed.layout.total());
    // Layers of files that are not there.
    let spare = alter(hybrid(), |metainfo| {
        let root = Cow::Owned(vec![9; 32]);
        entries(metainfo, &["piece layers"]).insert(root, Value::Bytes(vec![0; 64].into()));
    });
    assert_eq!(spare.unwrap(), ParsedTorrent { ..parsed });
}

#[test]
fn the_halves_of_a_hybrid_describe_the_same_files() {
    let halves = |change: fn(&mut Vec<Value<'static>>)| match alter(hybrid(), |metainfo| {
        change(items(metainfo, &["info", "files"]))
    }) {
        Err(ParseError::Halves(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(halves(|files| files[0] = entry("b/a", 70_000)), "the path of a file");
    assert_eq!(halves(|files| files.swap(0, 5)), "the path of a file");
    assert_eq!(halves(|files| files[0] = entry("a", 69_999)), "the length of a file");
    assert_eq!(halves(|files| files[1] = pad(61_073)), "the place of a file");
    assert_eq!(halves(|files| drop(files.remove(1))), "the place of a file");
    assert_eq!(halves(|files| files.insert(0, pad(65_536))), "the place of a file");
    assert_eq!(halves(|files| files.push(pad(1))), "the end of the last file");
    assert_eq!(halves(|files| files.push(entry("g", 0))), "the number of files");
    assert_eq!(halves(|files| drop(files.pop())), "the number of files");

    let single =
        |keys: &[&str], value| match alter(single_hybrid(), |metainfo| *at(metainfo, keys) = value)
        {
            Err(ParseError::Halves(what)) => what,
            other => panic!("{other:?}"),
        };
    assert_eq!(single(&["info", "name"], bytes("g")), "the name of the file");
    assert_eq!(single(&["info", "length"], Value::Integer(70_001)), "the length of the file");
    let deeper = alter(single_hybrid(), |metainfo| {
        let tree = entries(metainfo, &["info", "file tree"]);
        let file = tree.remove("f".as_bytes()).unwrap();
        tree.insert(key("f"), dict([("f", file)]));
    });
    assert!(matches!(deeper, Err(ParseError::Halves("the name of the file"))));
    let second = alter(single_hybrid(), |metainfo| {
        let tree = entries(metainfo, &["info", "file tree"]);
        tree.insert(key("g"), dict([("", dict([("length", Value::Integer(0))]))]));
    });
    assert!(matches!(second, Err(ParseError::Halves("the number of files"))));
}

#[test]
fn version_2_alone_takes_the_name_of_its_file() {
    let parsed = read(&v2_only(hybrid())).unwrap();
    assert_eq!((parsed.info_hash, parsed.pieces.len()), (None, 0));
    assert!(parsed.info_hash_v2.is_some() && !parsed.layout.is_hybrid());
    assert_eq!((parsed.layout.name(), parsed.layout.pieces()), ("d", 4));

    let mut renamed = v2_only(single_hybrid());
    *at(&mut renamed, &["info", "name"]) = bytes("a title");
    let parsed = read(&renamed).unwrap();
    assert_eq!((parsed.layout.name(), parsed.layout.length()), ("f", 70_000));
    assert!(parsed.layout.is_single_file());
    assert_eq!(parsed.trees.unwrap(), [tree_of(0, 70_000)]);
}

#[test]
fn piece_layers_hash_to_their_roots() {
    let root = || Cow::Owned(tree_of(0, 70_000).root.as_bytes().to_vec());
    let altered = |change: &dyn Fn(&mut Dict)| {
        alter(hybrid(), |metainfo| change(entries(metainfo, &["piece layers"])))
    };
    let wrong = |layer: Vec<u8>| {
        altered(&|layers| drop(layers.insert(root(), Value::Bytes(layer.clone().into()))))
    };
    let nodes = tree_of(0, 70_000).layer;
    let good = [nodes[0].as_bytes().as_slice(), nodes[1].as_bytes()].concat();
    assert!(wrong(good.clone()).is_ok());
    let swapped = [&good[32..], &good[..32]].concat();
    let long = [&*good, &[0; 32]].concat();
    let mut flipped = good.clone();
    flipped[63] ^= 1;
    for layer in [swapped, long, flipped, good[..32].to_vec(), Vec::new()] {
        assert!(matches!(wrong(layer), Err(ParseError::PieceLayer(path)) if path == "a"));
    }
    let removed = altered(&|layers| layers.clear());
    assert!(matches!(removed, Err(ParseError::PieceLayer(path)) if path == "a"));
    assert!(matches!(wrong(good[..63].to_vec()), Err(ParseError::Bad("piece layers"))));
    let short = altered(&|layers| drop(layers.insert(key("x"), bytes(""))));
    assert!(matches!(short, Err(ParseError::Bad("root"))));
    let none =
        alter(hybrid(), |metainfo| drop(entries(metainfo, &[]).remove("piece layers".as_bytes())));
    assert!(matches!(none, Err(ParseError::Missing("piece layers"))));
}

#[test]
fn a_file_tree_is_a_tree_of_files() {
    let altered = |keys: &[&str], change: &dyn Fn(&mut Dict)| {
        alter(v2_only(hybrid()), |metainfo| {
            change(entries(metainfo, &[&["info", "file tree"], keys].concat()));
        })
    };
    let file = || dict([("length", Value::Integer(0))]);
    let root = altered(&[], &|tree| drop(tree.insert(key(""), file())));
    assert!(matches!(root, Err(ParseError::Bad("file tree"))));
    let folder_too = altered(&["a"], &|leaf| drop(leaf.insert(key("x"), dict([("", file())]))));
    assert!(
        matches!(folder_too, Err(ParseError::Files(LayoutError::FileAndFolder(path))) if path == "a")
    );
    let empty_folder = altered(&["b"], &|folder| drop(folder.insert(key("d"), dict([]))));
    assert_eq!(empty_folder.unwrap().layout.files().len(), 4);
    let pad = altered(&["f", ""], &|leaf| drop(leaf.insert(key("attr"), bytes("xp"))));
    assert!(matches!(pad, Err(ParseError::Bad("pad in the file tree"))));
    let no_root = altered(&["f", ""], &|leaf| drop(leaf.remove("pieces root".as_bytes())));
    assert!(matches!(no_root, Err(ParseError::Missing("pieces root"))));
    let zero_root = altered(&["f", ""], &|leaf| {
        drop(leaf.insert(key("pieces root"), Value::Bytes(vec![0; 32].into())))
    });
    assert!(matches!(zero_root, Err(ParseError::PieceLayer(path)) if path == "f"));
    let no_length = altered(&["f", ""], &|leaf| drop(leaf.remove("length".as_bytes())));
    assert!(matches!(no_length, Err(ParseError::Missing("length"))));
    let link = altered(&["f", ""], &|leaf| drop(leaf.insert(key("attr"), bytes("l"))));
    assert_eq!(link.map(|parsed| (parsed.symlinks, parsed.layout.files().len())).unwrap(), (1, 3));
    for name in ["..", ".", "x/y", "x\\y", "\0"] {
        let bad = altered(&["b"], &|folder| drop(folder.insert(key(name), dict([("", file())]))));
        assert!(matches!(bad, Err(ParseError::Files(LayoutError::Path(_)))), "{name:?}");
    }
    let latin = altered(&["b"], &|folder| {
        drop(folder.insert(Cow::Borrowed(b"\xe4"), dict([("", file())])))
    });
    assert!(matches!(latin, Err(ParseError::NotUtf8("path"))));

    let deep = |levels: usize| {
        let nested = (0..levels).fold(dict([("", file())]), |inner, _| dict([("x", inner)]));
        altered(&[], &|tree| drop(tree.insert(key("z"), nested.clone())))
    };
    assert!(deep(63).is_ok());
    assert!(matches!(deep(64), Err(ParseError::Files(LayoutError::Path(_)))));
    assert!(matches!(deep(100), Err(ParseError::Bencode(_))));
}

#[test]
fn versions_are_told_before_all_else() {
    for (version, good) in [(0, false), (1, false), (2, true), (3, false), (i64::MAX, false)] {
        let parsed = alter(hybrid(), |metainfo| {
            *at(metainfo, &["info", "meta version"]) = Value::Integer(version);
            if !good {
                *at(metainfo, &["info", "file tree"]) = bytes("of another kind");
            }
        });
        match parsed {
            Ok(_) => assert!(good),
            Err(ParseError::UnknownVersion(told)) => assert!(!good && told == version),
            Err(other) => panic!("{version}: {other}"),
        }
    }
    let info = |name: &'static str| {
        alter(hybrid(), |metainfo| drop(entries(metainfo, &["info"]).remove(name.as_bytes())))
    };
    assert!(matches!(info("meta version"), Err(ParseError::Missing("meta version"))));
    assert!(matches!(info("file tree"), Err(ParseError::Missing("file tree"))));
    for length in [1 << 13, PIECE - 1, PIECE * 3] {
        let odd = alter(v2_only(hybrid()), |metainfo| {
            *at(metainfo, &["info", "piece length"]) = Value::Integer(length.into());
        });
        assert!(matches!(odd, Err(ParseError::Bad("piece length"))), "{length}");
    }
}

#[test]
fn small_metainfo_cannot_ask_for_much_memory() {
    // The longest file there can be, with a layer that is not there; and far too many of them.
    let huge = |count: usize| {
        let leaf = dict([(
            "",
            dict([
                ("length", Value::Integer(i64::MAX)),
                ("pieces root", Value::Bytes(vec![1; 32].into())),
            ]),
        )]);
        let files = (0..count).map(|n| (Cow::Owned(n.to_string().into_bytes()), leaf.clone()));
        alter(v2_only(hybrid()), |metainfo| {
            *at(metainfo, &["info", "file tree"]) = Value::Dict(files.collect());
        })
    };
    for count in [1, 2, 3] {
        assert!(matches!(huge(count), Err(ParseError::Bad(_))), "{count}");
    }

    // Many files that share one long layer: 2 MB of metainfo would become 8 GB.
    let layer: Vec<_> = (0..10_000u32).map(|n| Digest::of(&n.to_be_bytes())).collect();
    let length = 10_000 * u64::from(PIECE);
    let tree = FileTree::from_units(&layer, length, PIECE);
    let raw: Vec<u8> = tree.layer.iter().flat_map(|node| *node.as_bytes()).collect();
    let root = tree.root.as_bytes().to_vec();
    let sharing = |count: usize| {
        let leaf = dict([(
            "",
            dict([
                ("length", Value::Integer(length as i64)),
                ("pieces root", Value::Bytes(root.clone().into())),
            ]),
        )]);
        let files = (0..count).map(|n| (Cow::Owned(n.to_string().into_bytes()), leaf.clone()));
        alter(v2_only(hybrid()), |metainfo| {
            *at(metainfo, &["info", "file tree"]) = Value::Dict(files.collect());
            let layers = entries(metainfo, &["piece layers"]);
            layers.insert(Cow::Owned(root.clone()), Value::Bytes(raw.clone().into()));
        })
    };
    assert_eq!(sharing(3).unwrap().trees.unwrap()[2], tree);
    assert!(matches!(sharing(25_000), Err(ParseError::Bad("number of pieces"))));

    // A long folder, named once, and many short files in it.
    let crowded = |count: usize| {
        let leaf = dict([("", dict([("length", Value::Integer(0))]))]);
        let files = (0..count).map(|n| (Cow::Owned(n.to_string().into_bytes()), leaf.clone()));
        let name = "x".repeat(255);
        let nested = (0..15).fold(Value::Dict(files.collect()), |inner, _| dict([(&name, inner)]));
        alter(v2_only(hybrid()), |metainfo| {
            entries(metainfo, &["info", "file tree"]).insert(key("z"), nested);
        })
    };
    assert_eq!(crowded(1_000).unwrap().layout.files().len(), 1_004);
    assert!(matches!(crowded(20_000), Err(ParseError::TooManyFiles)));
    let many = (0..500_001).map(|n| entry(&n.to_string(), 1));
    assert!(matches!(read(&v1(many, 500_001)), Err(ParseError::TooManyFiles)));
}

#[test]
fn a_path_is_read_no_further_than_it_may_be_deep() {
    // 3 MB of empty names, and what is no name at all: whoever reads on to the end says so.
    for key in ["path", "path.utf-8"] {
        let names = std::iter::repeat_n(bytes(""), 1_500_000).chain([Value::Integer(0)]);
        let bomb = dict([(key, list(names)), ("length", Value::Integer(1))]);
        for bomb in [vec![bomb.clone()], vec![entry("a", 1), bomb]] {
            let refused = read(&v1(bomb, 2)).unwrap_err();
            assert!(matches!(refused, ParseError::Files(LayoutError::Path(_))), "{refused}");
            assert!(refused.to_string().len() < 400, "{refused}");
        }
    }
    let deep = |depth| read(&v1([entry(&vec!["a"; depth].join("/"), 1)], 1));
    assert_eq!(deep(64).unwrap().layout.files()[0].path.len(), 64);
    assert!(matches!(deep(65), Err(ParseError::Files(LayoutError::Path(_)))));
}

#[test]
fn a_long_path_in_an_error_is_cut() {
    let (longest, long) = ("x".repeat(1_000_000), "x".repeat(250));
    let tree = |name: &str, leaf: Value<'static>| {
        let tree = dict([(&long, dict([(name, leaf)]))]);
        alter(v2_only(hybrid()), |metainfo| *at(metainfo, &["info", "file tree"]) = tree)
    };
    let empty = || ("", dict([("length", Value::Integer(0))]));
    let root = Value::Bytes(vec![1; 32].into());
    let rootless = dict([("length", Value::Integer(3 * 65_536)), ("pieces root", root)]);
    let twice = &*format!("{long}/{long}");
    let refused = [
        read(&v1([entry(&longest, 1)], 1)),
        read(&v1([entry(twice, 1), entry(twice, 1)], 2)),
        tree(&longest, dict([empty()])),
        tree(&long, dict([empty(), ("b", dict([empty()]))])),
        tree(&long, dict([("", rootless)])),
    ];
    for refused in refused {
        let line = refused.unwrap_err().to_string();
        assert!(line.contains("xxx…\"") && line.len() < 400, "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn altered_hybrids_never_panic_and_never_contradict_themselves(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        single: bool,
        v2: bool,
    ) {
        let metainfo = if single { single_hybrid() } else { hybrid() };
        let metainfo = if v2 { v2_only(metainfo) } else { metainfo };
        let mut bytes = to_bytes(&metainfo);
        for (index, byte) in edits {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(parsed) = parse(&bytes) {
            let spans: u64 = (0..parsed.layout.pieces())
                .flat_map(|piece| parsed.layout.spans(piece))
                .filter(|span| span.file.is_some())
                .map(|span| span.length)
                .sum();
            prop_assert_eq!(spans, parsed.layout.length());
            let trees = parsed.trees.as_ref().map(Vec::len);
            prop_assert_eq!(trees.unwrap_or(parsed.layout.files().len()), parsed.layout.files().len());
            prop_assert!(parsed.info_hash.is_some() || parsed.info_hash_v2.is_some());
        }
    }
}
