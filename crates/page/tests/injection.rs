//! The injector against odd documents, every way of cutting them into chunks, and a browser-grade
//! parser as oracle: the tree must be the same but for one script, or the bytes untouched.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod dom;

use manyhands_page::{Injector, Outcome};
use proptest::prelude::*;

const TAG: &str = "<script defer src=\"/.well-known/manyhands/loader.js\"></script>";

fn inject<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Outcome) {
    let mut injector = Injector::new(TAG);
    let mut out = Vec::new();
    for chunk in chunks {
        let (finished, before) = (injector.finished(), out.len());
        injector.write(chunk, &mut out);
        if finished {
            assert_eq!(&out[before..], chunk, "raw once finished");
        }
    }
    injector.end(&mut out);
    assert!(injector.finished());
    (out, injector.outcome().unwrap())
}

/// What a document becomes: `@` marks where the tag goes. Without a mark it stays as it is.
const DOCUMENTS: &[&str] = &[
    // With a head
    "<!doctype html><html><head>@<title>x</title></head><body></body></html>",
    "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<HTML>\n<HEAD>@\n<TITLE>x</TITLE>",
    "<head>@<meta charset=utf-8>",
    "<head >@<p>",
    "<head/>@<p>",
    "<head data-a='>' data-b=\"</head>\" c=>@<meta>",
    "<html lang=en class=\"a > b\"><head\nprefix='og: http://ogp.me/ns#'\n>@\n\t<meta>",
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\"><head>@<title/>",
    "<!-- </head><head> --><!doctype html><!-- <html> --><html><!----><head>@<!-- x --><title>",
    "<!--[if IE]><html class=ie><head><![endif]--><html><head>@<p>",
    "<html><!--><head>@<!-- --><p>",
    "<html><!-- a --!><head>@<p>",
    "<html><head>@</head><body><script src=other.js></script>",
    "<html><head>@</head></html>",
    "<html><head>@",
    "<html><head>@text</head>",
    "<html><head>@   \n",
    "<html><head>@<!-- never closed <p> <script src=\"/.well-known/manyhands/loader.js\">",
    "<html><head>@<script>document.write('<head></head>')</script>",
    "<html><head>@<style></head></style><title></head></title>",
    "<html><head>@<template><head></head></template>",
    "<html><head>@<noscript><link></noscript>",
    "<html><head>@<plaintext></head>",
    "<html><head>@\0<p>",
    "<html><html class=twice><head>@<head><p>",
    "<html><head>@</head><frameset cols=50%,50%><frame></frameset></html>",
    "<html><head>@<svg><head></head></svg>",
    "<!doctype html><!doctype html><html><head>@<p>",
    "<html><head>@<script src=/.well-known/manyhands/loader.js?v=2></script>",
    "<html><head>@<p><script defer src=\"/.well-known/manyhands/loader.js\"></script>",
    "<html><head>@<img src=\"/.well-known/manyhands/loader.js\">",
    // Without one
    "<!doctype html>@<title>x</title><p>y",
    "<!doctype html>\n<!-- c -->\n@<p>Hello",
    "<html>@<body>x</body></html>",
    "<html>\n@<BODY onload=\"a>b\">x",
    "<!doctype html>@<svg><head></head></svg>",
    "<!doctype html>@<template><head></head></template>",
    "<!doctype html>@<noscript><p></noscript>",
    "<!doctype html>@<plaintext></head><head>",
    "<!doctype html>@<script>'<head>'</script>",
    "<!doctype html>@<textarea><head></textarea>",
    "<html>@<frameset><frame></frameset></html>",
    "<!doctype html>@<header>not a head</header>",
    "<!doctype html>@<head-er>nor this</head-er>",
    "<!doctype html>@<table><tr><td>x",
    "<!doctype html>@<x:head>",
    // Untouched: fragments
    "",
    " \n\t",
    "plain text",
    "<p>partial</p>",
    "<!-- only a comment -->",
    "<li>a<li>b<html><head>",
    "<template><html><head></head></html></template>",
    "<svg><head></head></svg>",
    "<script>x</script><!doctype html><html><head>",
    "<?xml version=\"1.0\"?><rss><channel><title>feed</title>",
    "<!DOCTYPE rss PUBLIC \"-//Netscape//DTD RSS 0.91//EN\" \"x\"><rss>",
    "<!doctype><html><head>",
    // Untouched: something stands before the place
    "<!doctype html>text<p>",
    "<!doctype html>text<head><title>",
    "<html>&nbsp;<head>",
    "<html>\0<head>",
    "<html>\u{b}<head>",
    "<html>\u{a0}<head>",
    "<html>é<head>",
    "\u{feff}<!doctype html><html><head><p>",
    "<html></html><head><!-- c --><p>",
    "<html></head><head><p>",
    "<!doctype html></p><div>",
    "<!doctype html></br><head><p>",
    "<html></><head>",
    "<html><![CDATA[ <head> ]]><head><p>",
    // Untouched: no start tag that ever ends
    "<html",
    "<html><",
    "<html><hea",
    "<html><head data-x='",
    "<!doctype html><!-- <head>",
    "<!doctype html><p",
    // Untouched: not ours to touch
    "<html amp><head><p>",
    "<html lang=en \u{26a1}><head><p>",
    "<html \u{26a1}4email><head><p>",
    "<html amp4ads><head><p>",
    // Untouched: a deployment behind this one, or the author, was there before
    "<!doctype html><html><head><script defer src=\"/.well-known/manyhands/loader.js\"></script><p>",
    "<html><head>\n<!-- P2P -->\n<SCRIPT src=/.well-known/manyhands/loader.js nonce=x></SCRIPT><p>",
    "<!doctype html><script src='/.well-known/manyhands/loader.js' defer></script><p>",
];

fn document(marked: &str) -> (String, String) {
    (marked.replace('@', ""), marked.replace('@', TAG))
}

#[test]
fn odd_documents_are_served_right_however_they_are_cut() {
    for marked in DOCUMENTS {
        let (page, expected) = document(marked);
        let page = page.as_bytes();
        let (whole, outcome) = inject([page]);
        assert_eq!(String::from_utf8_lossy(&whole), expected, "{marked}");
        assert_eq!(outcome == Outcome::Injected, marked.contains('@'), "{marked}");

        for split in 0..=page.len().min(512) {
            let (first, second) = page.split_at(split);
            assert_eq!(inject([first, second]), (whole.clone(), outcome), "{marked} at {split}");
        }
        for size in 1..=64 {
            assert_eq!(inject(page.chunks(size)), (whole.clone(), outcome), "{marked} by {size}");
        }
    }
}

#[test]
fn odd_documents_keep_their_tree() {
    for marked in DOCUMENTS {
        let (page, _) = document(marked);
        dom::assert_same_but_for_the_script(page.as_bytes(), &inject([page.as_bytes()]), TAG);
    }
}

#[test]
fn outcomes_tell_a_place_from_a_tag_that_is_there() {
    let outcome = |page: &str| inject([page.as_bytes()]).1;

    assert_eq!(outcome("<head><p>"), Outcome::Injected);
    assert_eq!(outcome("<p>"), Outcome::NoPlace);
    let once = inject([&b"<!doctype html><p>"[..]]).0;
    assert_eq!(inject([&once[..]]), (once.clone(), Outcome::AlreadyThere));
}

#[test]
fn a_large_page_differs_by_the_tag_alone_whatever_the_chunks() {
    let mut page = b"<!doctype html>\n<!-- page -->\n<html lang=en>\n<head>".to_vec();
    let place = page.len();
    page.extend_from_slice(b"\n<title>x</title></head><body>\n");
    let mut seed = 1_u32;
    while page.len() < 1 << 20 {
        // All byte values, tags and what looks like tags.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        page.extend_from_slice(&seed.to_be_bytes());
        page.extend_from_slice(b"<p></head><!-- <head>");
    }
    let expected = [&page[..place], TAG.as_bytes(), &page[place..]].concat();

    for size in (1..=64).chain([100, 1_000, 1_460, 4_096, 16_384, 65_535, 65_536, 65_537, 1 << 21])
    {
        let (out, outcome) = inject(page.chunks(size));
        assert!(out == expected && outcome == Outcome::Injected, "by {size}");
    }
}

#[test]
fn the_search_ends_after_64_kib_whatever_the_chunks() {
    // The `<` of `<p>` is byte number 65,536 - 3 + `late`.
    let page = |late: usize| {
        let start = "<!doctype html><!--";
        let filler = "-".repeat(65_536 - 3 - start.len() - 4 + late);
        format!("{start}{filler} --><p>and so on<p>")
    };
    for (late, expected) in [(0, Outcome::Injected), (1, Outcome::NoPlace)] {
        let page = page(late);
        for size in [1, 7, 64, 1_000, 16_384, 65_535, 65_536, 65_537, 1 << 20] {
            let (out, outcome) = inject(page.as_bytes().chunks(size));
            assert_eq!(outcome, expected, "{late} by {size}");
            let tag = if outcome == Outcome::Injected { TAG.len() } else { 0 };
            assert_eq!(out.len(), page.len() + tag);
        }
    }

    // A head that was seen is a place, even if nothing else follows it for long.
    let page = format!("<html><head>{}<p>", " ".repeat(100_000));
    for size in [1, 64, 1_000, 65_536, 1 << 20] {
        assert_eq!(inject(page.as_bytes().chunks(size)).1, Outcome::Injected, "by {size}");
    }
}

#[test]
fn what_is_held_back_is_bounded_and_little() {
    // Before a place can be known, everything but the open token goes out at once.
    let mut injector = Injector::new(TAG);
    let mut out = Vec::new();
    injector.write(b"<!doctype html><!-- c --> <html>", &mut out);
    assert_eq!(out, b"<!doctype html><!-- c --> <html>");
    injector.write(b"<he", &mut out);
    assert!(out.ends_with(b"<html>"));
    injector.write(b"ad>", &mut out);
    assert!(out.ends_with(b"<head>"));
    injector.write(b" \n", &mut out);
    assert!(out.ends_with(b"<head>") && !injector.finished());

    let mut injector = Injector::new(TAG);
    let mut out = Vec::new();
    let mut written = 0;
    injector.write(b"<html><!--", &mut out);
    while !injector.finished() {
        injector.write(&[b'-'; 1_000], &mut out);
        written += 1_000;
        assert!(written <= 66_000);
    }
    assert_eq!(out.len(), written + 10);
}

#[test]
fn pages_of_other_encodings_keep_their_bytes() {
    let latin = b"<html><head><title>caf\xe9 \xff\x80</title>";
    let (out, _) = inject([&latin[..]]);
    assert_eq!(out, [b"<html><head>", TAG.as_bytes(), b"<title>caf\xe9 \xff\x80</title>"].concat());

    for mark in
        [&b"\xef\xbb\xbf"[..], b"\xfe\xff", b"\xff\xfe", b"\0\0\xfe\xff", b"\x2b\x2f\x76\x38"]
    {
        let page = [mark, b"<!doctype html><html><head><p>"].concat();
        for size in [1, 2, 3, 100] {
            assert_eq!(inject(page.chunks(size)), (page.clone(), Outcome::NoPlace));
        }
    }
    let utf16: Vec<u8> =
        "<!doctype html><html><head><p>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(inject([&utf16[..]]), (utf16.clone(), Outcome::NoPlace));
}

#[test]
fn an_injector_may_move_between_threads() {
    fn assert_send<T: Send + 'static>() {}
    assert_send::<Injector>();
}

const SOUP: &[&str] = &[
    "<!doctype html>",
    "<html>",
    "<html lang=en>",
    "<head>",
    "<head a='<p>'>",
    "</head>",
    "</html>",
    "<body>",
    "</body>",
    "<p>",
    "</p>",
    "</br>",
    "text",
    " ",
    "\n",
    "<!-- c -->",
    "<!--",
    "-->",
    "<!>",
    "</>",
    "<?pi?>",
    "<title>t</title>",
    "<template>",
    "</template>",
    "<svg>",
    "</svg>",
    "<math>",
    "<script>",
    "</script>",
    "<noscript>",
    "</noscript>",
    "<frameset>",
    "<frame>",
    "</frameset>",
    "<table>",
    "<select>",
    "<plaintext>",
    "<textarea>",
    "</textarea>",
    "<![CDATA[ x ]]>",
    "\0",
    "<base href=x>",
    "<meta charset=utf-8>",
    "<",
    ">",
    "&lt;",
    "<style>",
    "</style>",
    "<link>",
    "<br/>",
    "<script src=\"/.well-known/manyhands/loader.js\">",
    "\u{feff}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tag_soup_keeps_its_tree(words in prop::collection::vec(0..SOUP.len(), 0..12)) {
        let page: String = words.into_iter().map(|index| SOUP[index]).collect();
        dom::assert_same_but_for_the_script(page.as_bytes(), &inject([page.as_bytes()]), TAG);
    }

    /// Beginnings that lead to a place are rare in plain soup.
    #[test]
    fn prologue_soup_keeps_its_tree(
        start in prop::collection::vec(0..21_usize, 0..6),
        rest in prop::collection::vec(0..SOUP.len(), 0..8),
    ) {
        let words = start.into_iter().chain(rest).map(|index| SOUP[index]);
        let page: String = ["<!doctype html>"].into_iter().chain(words).collect();
        dom::assert_same_but_for_the_script(page.as_bytes(), &inject([page.as_bytes()]), TAG);
    }

    #[test]
    fn any_bytes_pass_in_any_chunks(
        page in prop::collection::vec(any::<u8>(), 0..600),
        start in 0..4_usize,
        cuts in prop::collection::vec(1..40_usize, 1..40),
    ) {
        let start = ["", "<!doctype html>", "<html><head>", "<html><head"][start];
        let page = [start.as_bytes(), &page].concat();
        let whole = inject([&page[..]]);

        let mut rest = &page[..];
        let mut cuts = cuts.into_iter().cycle();
        let chunks = std::iter::from_fn(|| {
            let (chunk, tail) = rest.split_at(cuts.next()?.min(rest.len()));
            rest = tail;
            (!chunk.is_empty()).then_some(chunk)
        });
        prop_assert_eq!(&inject(chunks), &whole);

        let (out, outcome) = whole;
        if outcome == Outcome::Injected {
            let place = out.windows(TAG.len()).position(|window| window == TAG.as_bytes()).unwrap();
            prop_assert_eq!([&out[..place], &out[place + TAG.len()..]].concat(), page);
        } else {
            prop_assert_eq!(out, page);
        }
    }
}
