//! The list of shared assets: `assets` for people, `assets.json` for programs.
//!
//! A file that nobody links to is found by whoever was told its name. The list tells all names, so it
//! is the operator's unless `[assets] list` opens it. One answer looks at a bounded number of assets, and
//! no lock is held while it is written.

mod json;
mod page;
mod size;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{Response, StatusCode};
use manyhands_metainfo::AssetPath;

use super::{Asked, BRIEF, operator, plain, query};
use crate::assets::Listed;
use crate::engine::Engine;
use crate::text::decoded;

/// Most assets in one answer, and in one where the request does not say.
const MOST: usize = 1_000;
const USUAL: usize = 100;
/// Most assets that one search looks at.
const MOST_SEARCHED: usize = 10_000;
/// Longest text that is searched for, in bytes.
const LONGEST_SEARCH: usize = 200;

/// Answers `assets`.
pub(super) fn for_people(asked: &Asked<'_>) -> Response<Bytes> {
    answer(asked, |wanted, shown| page::answer(asked, wanted, shown))
}

/// Answers `assets.json`.
pub(super) fn for_programs(asked: &Asked<'_>) -> Response<Bytes> {
    answer(asked, |wanted, shown| json::answer(asked, wanted, shown))
}

fn answer(
    asked: &Asked<'_>,
    write: impl FnOnce(&Wanted, &Shown) -> Response<Bytes>,
) -> Response<Bytes> {
    let open = asked.engine.checked().config.assets.list;
    if !open && !operator::asks(asked) {
        return operator::refused(asked);
    }
    let mut response = match Wanted::read(asked.uri.query().unwrap_or_default()) {
        Ok(wanted) => write(&wanted, &Shown::of(asked.engine, &wanted)),
        Err(problem) => plain(StatusCode::BAD_REQUEST, problem),
    };
    if open {
        response.headers_mut().insert(CACHE_CONTROL, BRIEF);
    } else {
        operator::for_the_operator(&mut response);
    }
    response
}

/// Which part of the list is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// Assets after this path, in the order of bytes.
    after: Option<AssetPath>,
    limit: usize,
    /// Text that the decoded path holds, whatever the case; empty for all.
    search: String,
}

impl Wanted {
    fn read(text: &str) -> Result<Self, &'static str> {
        let mut wanted = Self { after: None, limit: USUAL, search: String::new() };
        for (name, value) in query::fields(text) {
            match name {
                "after" if value.is_empty() => {}
                "after" => {
                    let path = query::decoded(value).and_then(|path| AssetPath::parse(&path).ok());
                    wanted.after = Some(path.ok_or("after is the path of an asset, encoded")?);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| *limit > 0);
                    let limit: usize = limit.ok_or("limit is a number from 1 to 1000")?;
                    wanted.limit = limit.min(MOST);
                }
                "q" => {
                    let typed = query::typed(value).ok_or("q is not UTF-8")?;
                    wanted.search = typed.trim().to_lowercase();
                    if wanted.search.len() > LONGEST_SEARCH {
                        return Err("q is too long");
                    }
                }
                // What others may add to an address (campaigns, caches) says nothing here.
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn holds(&self, path: &AssetPath) -> bool {
        self.search.is_empty() || decoded(path).to_lowercase().contains(&self.search)
    }

    /// The query of the part that follows `after`.
    fn next(&self, after: &AssetPath) -> String {
        let mut text = format!("after={}", encoded(after.as_str()));
        if self.limit != USUAL {
            text.push_str(&format!("&limit={}", self.limit));
        }
        if !self.search.is_empty() {
            text.push_str(&format!("&q={}", encoded(&self.search)));
        }
        text
    }
}

/// One part of the list.
#[derive(Debug)]
struct Shown {
    assets: Vec<Listed>,
    /// Where the next part begins; `None` at the end.
    next: Option<AssetPath>,
    /// How many assets there are in all.
    total: usize,
}

impl Shown {
    fn of(engine: &Engine, wanted: &Wanted) -> Self {
        let mut assets = Vec::new();
        let (mut next, mut seen) = (wanted.after.clone(), 0);
        while assets.len() < wanted.limit && seen < MOST_SEARCHED {
            let most = wanted.limit - assets.len();
            let part = engine.listed(next.as_ref(), most, |path| wanted.holds(path));
            seen += part.seen;
            assets.extend(part.assets);
            next = part.next;
            if next.is_none() {
                break;
            }
        }
        Self { assets, next, total: engine.listed_total() }
    }
}

/// All but unreserved characters and slashes, for a value in a query.
fn encoded(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const ENCODED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_within_bounds() {
        let read = |text: &str| Wanted::read(text).map(|wanted| (wanted.limit, wanted.search));
        for (text, limit, search) in [
            ("", 100, ""),
            ("limit=7&q=Debian+12%2B", 7, "debian 12+"),
            ("limit=1000000", 1_000, ""),
            ("utm_source=x&&q=++", 100, ""),
            ("after=&q", 100, ""),
        ] {
            assert_eq!(read(text), Ok((limit, search.to_owned())), "{text}");
        }
        let long = format!("q={}", "a".repeat(201));
        for bad in ["limit=0", "limit=-1", "limit=x", "after=x", "after=/%2500", "q=%FF", &long] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_next_part_is_asked_for_in_the_same_words() {
        let wanted = Wanted::read("limit=7&q=a%26b+c").unwrap();
        let after = AssetPath::parse("/c++ &%25.iso").unwrap();
        let next = wanted.next(&after);
        assert_eq!(next, "after=/c%2B%2B%2520%26%2525.iso&limit=7&q=a%26b%20c");
        assert_eq!(Wanted::read(&next), Ok(Wanted { after: Some(after), ..wanted }));
    }

    #[test]
    fn a_search_looks_at_the_path_as_it_reads() {
        let path = AssetPath::parse("/pub/Ä%20b.ISO").unwrap();
        for (text, found) in
            [("q=", true), ("q=iso", true), ("q=ä B", true), ("q=pub/", true), ("q=%2520", false)]
        {
            assert_eq!(Wanted::read(text).unwrap().holds(&path), found, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_read_within_bounds(query in "(q=|after=|limit=|&)?[/a%0-9A-F+&=\\PC]{0,60}") {
            if let Ok(wanted) = Wanted::read(&query) {
                proptest::prop_assert!((1..=MOST).contains(&wanted.limit));
                let path = AssetPath::parse("/x").unwrap();
                let next = Wanted::read(&wanted.next(&path)).unwrap();
                proptest::prop_assert_eq!(next, Wanted { after: Some(path), ..wanted });
            }
        }
    }
}
