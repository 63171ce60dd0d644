//! No parser panics, whatever the bytes; and what a parser accepts is what it says.

use proptest::prelude::*;

use super::*;

/// Bytes that mean something to some parser, and any others.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => prop::sample::select(vec![
            &b","[..], b";", b"=", b"\"", b"\\", b" ", b"\t", b"/", b"-", b"*", b"W/", b"q=", b"0.5",
            b"text/html", b"charset", b"utf-8", b"private", b"max-age", b"bytes ", b"0-9/10",
            b"attachment", b"Accept-Encoding", b"manyhands_b", b"gzip", b"br", b"\"v1\"", b" GMT",
            b"Sun, 06 Nov 1994 08:49:37", b"18446744073709551615", b"\0", b"\x7f", b"\xff",
        ]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

fn lines(name: &'static str, values: Vec<Vec<u8>>) -> Vec<(&'static str, Vec<u8>)> {
    values.into_iter().map(|value| (name, value)).collect()
}

fn no_panic(values: Vec<Vec<u8>>) {
    const NAMES: [&str; 13] = [
        "accept",
        "accept-encoding",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "etag",
        "if-none-match",
        "last-modified",
        "vary",
    ];
    for name in NAMES {
        let mut lines = lines(name, values.clone());
        if name == "last-modified" {
            lines.extend(values.first().map(|value| ("date", value.clone())));
        }
        let headers = &lines[..];
        accepts_html(headers);
        preferred_coding(headers);
        let _ = CacheControl::read(headers, name);
        let _ = ContentType::read(headers).map(|found| {
            found.map(|found| (found.is_html(), found.is_text(), found.is_ascii_compatible()))
        });
        has_foreign_cookie(headers, "manyhands_b");
        let _ = Disposition::read(headers);
        let _ = (content_length(headers), content_range(headers));
        let _ = (entity_tag(headers), last_modified(headers));
        let tag = EntityTag { weak: false, opaque: "\"v1\"".to_owned() };
        lists_weak_twin(headers, &tag);
        let _ = (Vary::read(headers), is_identity(headers));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_parser_panics(values in prop::collection::vec(value(), 0..3)) {
        no_panic(values);
    }

    #[test]
    fn no_parser_panics_on_any_bytes(value in prop::collection::vec(any::<u8>(), 0..40)) {
        no_panic(vec![value]);
    }

    /// A word that forbids is found, or the field is unclear: never neither.
    #[test]
    fn a_forbidding_directive_is_never_overlooked(
        before in prop::sample::subsequence(
            vec!["public", "max-age=60", "x=\"a, b\"", "immutable", "s-maxage=1"], 0..5),
        forbidding in prop::sample::select(vec!["private", "no-store", "no-cache"]),
        argument in prop::sample::select(vec!["", "=\"set-cookie, x\"", "=x"]),
        upper in any::<bool>(),
        separator in prop::sample::select(vec![",", ", ", " ,\t", ",,"]),
        split in any::<bool>(),
    ) {
        let word = if upper { forbidding.to_ascii_uppercase() } else { forbidding.to_owned() };
        let word = format!("{word}{argument}");
        let values = match split {
            true => vec![before.join(separator).into_bytes(), word.into_bytes()],
            false => vec![[before.join(separator), word].join(separator).into_bytes()],
        };
        let read = CacheControl::read(&lines("cache-control", values)[..], "cache-control");
        let found = read.unwrap();
        let found = match forbidding {
            "private" => found.private,
            "no-store" => found.no_store,
            _ => found.no_cache,
        };
        prop_assert!(found);
    }

    #[test]
    fn any_number_is_a_length(number in any::<u64>()) {
        let text = number.to_string().into_bytes();
        prop_assert_eq!(content_length(&lines("content-length", vec![text])[..]), Ok(Some(number)));
    }
}
