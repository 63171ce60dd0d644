//! `purge`: the operator has assets forgotten, metainfo and all.
//!
//! The paths stand in the query (`POST purge?path=/a.iso&path=/old/*`), not in a body: bodies of requests
//! belong to the host, whose type for them this software does not restrict.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use manyhands_metainfo::AssetPath;

use super::{Asked, operator, plain, query};
use crate::engine::Engine;

/// Most bytes of a query, and most paths in one.
const MOST_BYTES: usize = 8 << 10;
const MOST_PATHS: usize = 1_000;

pub(super) fn answer(asked: &Asked<'_>) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::refused(asked);
    }
    let mut response = if !operator::is_deliberate(asked.headers) {
        operator::not_deliberate("purge")
    } else {
        match parse(asked.uri.query().unwrap_or_default()) {
            Ok(targets) => purged(asked.engine, &targets),
            Err(problem) => plain(StatusCode::BAD_REQUEST, problem),
        }
    };
    operator::for_the_operator(&mut response);
    response
}

fn purged(engine: &Engine, targets: &[Target]) -> Response<Bytes> {
    let purged: usize = targets
        .iter()
        .map(|target| match target {
            Target::One(path) => usize::from(engine.purge(path)),
            Target::Below(prefix) => engine.purge_prefix(prefix),
        })
        .sum();
    tracing::info!(purged, "purged by the operator");
    let mut response = Response::new(format!("{{\"purged\": {purged}}}\n").into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[derive(Debug, PartialEq, Eq)]
enum Target {
    One(AssetPath),
    /// All whose normalised path starts so.
    Below(String),
}

/// Nothing is purged unless all of it can be read.
fn parse(text: &str) -> Result<Vec<Target>, &'static str> {
    if text.len() > MOST_BYTES {
        return Err("at most 8 KiB of paths at once; send several requests");
    }
    let targets: Vec<Target> = query::fields(text)
        .map(|(name, value)| if name == "path" { target(&query::decoded(value)?) } else { None })
        .collect::<Option<_>>()
        .ok_or("what is purged is named in the query, such as purge?path=/a.iso&path=/old/*")?;
    match targets.len() {
        0 => Err("name what is to be purged in the query, such as purge?path=/a.iso&path=/old/*"),
        1..=MOST_PATHS => Ok(targets),
        _ => Err("at most 1,000 paths at once; send several requests"),
    }
}

fn target(value: &str) -> Option<Target> {
    let Some(prefix) = value.strip_suffix('*') else {
        return AssetPath::parse(value).ok().map(Target::One);
    };
    // Whatever stands before the star is the beginning of a longer name: "/a/.." is not its parent.
    let path = AssetPath::parse(&format!("{prefix}x")).ok()?;
    path.as_str().strip_suffix('x').map(|prefix| Target::Below(prefix.to_owned()))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn one(path: &str) -> Target {
        Target::One(AssetPath::parse(path).unwrap())
    }

    fn below(prefix: &str) -> Target {
        Target::Below(prefix.to_owned())
    }

    #[test]
    fn paths_and_prefixes_are_read_as_they_are_kept() {
        for (query, expected) in [
            ("path=/a.iso", vec![one("/a.iso")]),
            ("path=%2Fa.iso&path=/old/*", vec![one("/a.iso"), below("/old/")]),
            ("path=/*", vec![below("/")]),
            ("path=/a%2520b.iso", vec![one("/a%20b.iso")]),
            ("path=/a%20b.iso", vec![one("/a%20b.iso")]),
            ("path=/%C3%A4%2A", vec![below("/%C3%A4")]),
            ("path=/c++.iso", vec![one("/c++.iso")]),
            ("path=/a/../b*", vec![below("/b")]),
            ("path=/a/..*", vec![below("/a/..")]),
            ("path=/a/.*", vec![below("/a/.")]),
        ] {
            assert_eq!(parse(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_can_not_be_read_whole_purges_nothing() {
        for query in [
            "",
            "path",
            "path=",
            "path=a.iso",
            "path=*",
            "path=/a.iso&paths=/b.iso",
            "path=/a.iso&path=//b",
            "path=/a%",
            "path=/a%25%2A",
            "path=/%FF",
            "path=/a%0Ab",
            "path=/../a",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
        let many = |paths: usize| vec!["path=/"; paths].join("&");
        assert_eq!(parse(&many(1_000)).map(|targets| targets.len()), Ok(1_000));
        assert!(parse(&many(1_001)).is_err());
        assert!(parse(&format!("path=/{}", "a".repeat(MOST_BYTES))).is_err());
    }

    /// A path as people say it, without dot segments.
    fn spoken() -> impl Strategy<Value = String> {
        vec("[ab.é %~+]{0,2}[abé %~+]", 1..4)
            .prop_map(|segments| format!("/{}", segments.join("/")))
    }

    /// The same in a URL; with `odd`, more is escaped than need be.
    fn spelled(path: &str, odd: bool) -> String {
        const ODD: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'+');
        const PLAIN: &AsciiSet = &ODD.remove(b'.').remove(b'~');
        utf8_percent_encode(path, if odd { ODD } else { PLAIN }).to_string()
    }

    fn read(pattern: &str) -> Target {
        let query = format!("path={}", utf8_percent_encode(pattern, NON_ALPHANUMERIC));
        parse(&query).unwrap().pop().unwrap()
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "(&?path=)?[/a.*%0-9A-F+&=\\PC]{0,60}") {
            for target in parse(&query).unwrap_or_default() {
                if let Target::Below(prefix) = target {
                    prop_assert!(prefix.starts_with('/'));
                }
            }
        }

        #[test]
        fn a_pattern_covers_the_paths_that_start_so_and_no_others(
            path in spoken(),
            other in spoken(),
            kept in any::<Index>(),
            odd in any::<bool>(),
        ) {
            prop_assert_eq!(read(&spelled(&path, odd)), one(&spelled(&path, false)));
            let length = 1 + kept.index(path.chars().count());
            let start: String = path.chars().take(length).collect();
            let Target::Below(prefix) = read(&format!("{}*", spelled(&start, odd))) else {
                return Err(TestCaseError::fail("no prefix"));
            };
            for path in [&path, &other] {
                let asset = AssetPath::parse(&spelled(path, !odd)).unwrap();
                prop_assert_eq!(asset.as_str().starts_with(&prefix), path.starts_with(&start));
            }
        }
    }
}
