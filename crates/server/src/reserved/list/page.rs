use std::fmt::{self, Display, Write};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, Response};
use manyhands_metainfo::Digest;

use super::size::human;
use super::{Shown, Wanted};
use crate::assets::Listed;
use crate::reserved::{Asked, Encoded};
use crate::text::{decoded, visible};

const STYLE: &str = include_str!("style.css");

/// Nothing but this page's own style sheet, and its form to itself: whatever a file is called, no part of
/// its name can act.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(Digest::of(STYLE.as_bytes()).as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

pub(super) fn answer(asked: &Asked<'_>, wanted: &Wanted, shown: &Shown) -> Response<Bytes> {
    let checked = asked.engine.checked();
    let site = checked.origin.split_once("://").map_or("", |(_, host)| host);
    let page = Page { site, prefix: checked.policy.prefix(), wanted, shown };
    let html = Encoded::for_once(page.to_string().into_bytes());
    let mut response = html.answer(asked.headers, "text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

struct Page<'a> {
    /// `example.org`
    site: &'a str,
    prefix: &'a str,
    wanted: &'a Wanted,
    shown: &'a Shown,
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (site, prefix, search) = (Text(self.site), self.prefix, Text(&self.wanted.search));
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>Shared files of {site}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>Shared files of {site}</h1>\n<p>{}</p>\n\
             <form action=\"{prefix}/assets\" role=\"search\">\n\
             <label for=\"q\">Name or folder contains</label>\n\
             <input id=\"q\" name=\"q\" type=\"search\" maxlength=\"100\" value=\"{search}\" \
             autocapitalize=\"off\" spellcheck=\"false\">\n\
             <button>Search</button>\n</form>\n",
            Explained { total: self.shown.total }
        )?;
        if self.shown.assets.is_empty() {
            writeln!(f, "<p role=\"status\">{}</p>", self.nothing())?;
        } else {
            f.write_str("<ul>\n")?;
            self.shown.assets.iter().try_for_each(|listed| self.row(f, listed))?;
            f.write_str("</ul>\n")?;
        }
        self.navigation(f)?;
        write!(
            f,
            "<footer>For programs: <a href=\"{prefix}/assets.json\">assets.json</a></footer>\n\
             </main>\n</body>\n</html>\n"
        )
    }
}

impl Page<'_> {
    fn row(&self, f: &mut fmt::Formatter<'_>, listed: &Listed) -> fmt::Result {
        let Listed { path, length, magnet, .. } = listed;
        let (whole, prefix) = (decoded(path), self.prefix);
        let (folder, name) = whole.rsplit_once('/').unwrap_or(("", &whole));
        let (folder, name, href) = (Text(folder), Text(name), Text(path.as_str()));
        write!(f, "<li><div class=\"name\"><a href=\"{href}\"><bdi>{name}</bdi></a>")?;
        if !folder.0.is_empty() {
            write!(f, "<small><bdi>{folder}/</bdi></small>")?;
        }
        write!(
            f,
            "</div>\n\
             <data class=\"size\" value=\"{length}\">{}</data>\n<div class=\"ways\">",
            human(*length)
        )?;
        let ways = [
            ("Torrent", format!("{prefix}/torrent{path}")),
            ("Magnet", magnet.clone()),
            ("Metalink", format!("{prefix}/meta4{path}")),
            ("SHA-256", format!("{prefix}/sha256{path}")),
        ];
        for (way, href) in &ways {
            let href = Text(href);
            // Read out alone, a link says what it is of.
            write!(f, "<a href=\"{href}\" aria-label=\"{way}: {name}\">{way}</a>")?;
        }
        f.write_str("</div></li>\n")
    }

    fn navigation(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix;
        let (first, next) = (self.wanted.after.is_some(), self.shown.next.as_ref());
        if !first && next.is_none() {
            return Ok(());
        }
        f.write_str("<nav aria-label=\"Parts of the list\">")?;
        if first {
            let search = match self.wanted.search.as_str() {
                "" => String::new(),
                search => format!("?q={}", super::encoded(search)),
            };
            write!(f, "<a href=\"{prefix}/assets{}\">From the start</a>", Text(&search))?;
        }
        if let Some(next) = next {
            let query = self.wanted.next(next);
            let what = if self.wanted.search.is_empty() { "Next files" } else { "Search on" };
            write!(f, "<a rel=\"next\" href=\"{prefix}/assets?{}\">{what}</a>", Text(&query))?;
        }
        f.write_str("</nav>\n")
    }

    fn nothing(&self) -> &'static str {
        let more = self.shown.next.is_some();
        match (self.wanted.search.is_empty(), self.wanted.after.is_some()) {
            (false, _) if more => "Nothing among the files looked at so far.",
            (false, _) => "Nothing by that name.",
            (true, true) => "No more files.",
            (true, false) => {
                "Nothing is shared yet. A file is listed once it was asked for often enough, and read."
            }
        }
    }
}

struct Explained {
    total: usize,
}

impl Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            0 => {}
            1 => f.write_str("1 file. ")?,
            total => write!(f, "{} files. ", Grouped(total))?,
        }
        f.write_str(
            "A name leads to the file itself. By torrent, magnet link or Metalink a download program takes \
             it from this site and from others who have it, and checks every piece; the SHA-256 line is for \
             <code>sha256sum -c</code>.",
        )
    }
}

/// Thousands apart.
struct Grouped(usize);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// Text between tags, or in a quoted attribute.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(visible(c)),
        })
    }
}

#[cfg(test)]
mod tests {
    use manyhands_metainfo::{AssetPath, InfoHash};

    use super::*;

    fn page(paths: &[&str], query: &str, next: bool) -> String {
        let listed = |path: &&str| Listed {
            path: AssetPath::parse(path).unwrap(),
            length: 4_700_000_000,
            piece_length: 4_194_304,
            content_type: "application/zip".into(),
            etag: None,
            sha256: Digest::ZERO,
            info_hash: InfoHash::from_bytes([1; 20]),
            root: Digest::ZERO,
            magnet: "magnet:?xt=urn:btih:01&dn=a".to_owned(),
        };
        let assets: Vec<_> = paths.iter().map(listed).collect();
        let next = assets.last().filter(|_| next).map(|listed| listed.path.clone());
        let shown = Shown { assets, next, total: 1_234_567 };
        let wanted = Wanted::read(query).unwrap();
        Page { site: "example.org", prefix: "/p", wanted: &wanted, shown: &shown }.to_string()
    }

    #[test]
    fn a_name_is_text_wherever_it_stands() {
        let html = page(&["/a'\"><script>&amp;%22%3E%3Cimg.zip"], "q=\"><script>'", true);
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        let name = "a&#39;&quot;&gt;&lt;script&gt;&amp;amp;&quot;&gt;&lt;img.zip";
        assert!(html.contains(&format!("<bdi>{name}</bdi>")), "{html}");
        assert!(html.contains(&format!("aria-label=\"Torrent: {name}\"")), "{html}");
        assert!(html.contains("value=\"&quot;&gt;&lt;script&gt;&#39;\""), "{html}");
    }

    #[test]
    fn a_name_shows_its_extension_where_it_is() {
        let html = page(&["/evil%E2%80%AEgpj.zip"], "", false);
        assert!(html.contains("<bdi>evil\u{fffd}gpj.zip</bdi>"), "{html}");
        assert!(html.contains("href=\"/evil%E2%80%AEgpj.zip\""), "{html}");
    }

    #[test]
    fn a_row_leads_to_the_file_and_its_metainfo() {
        let html = page(&["/pub/%C3%A4%20b.zip"], "", false);
        for part in [
            "1,234,567 files",
            "<a href=\"/pub/%C3%A4%20b.zip\"><bdi>ä b.zip</bdi></a>",
            "<bdi>/pub/</bdi>",
            "value=\"4700000000\">4.4\u{a0}GiB<",
            "href=\"/p/torrent/pub/%C3%A4%20b.zip\"",
            "href=\"magnet:?xt=urn:btih:01&amp;dn=a\"",
            "href=\"/p/meta4/pub/%C3%A4%20b.zip\"",
            "href=\"/p/sha256/pub/%C3%A4%20b.zip\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("<nav"), "{html}");
    }

    #[test]
    fn one_part_leads_to_the_next_and_back_to_the_first() {
        let html = page(&["/b.zip"], "after=/a.zip&q=zip", true);
        assert!(html.contains("href=\"/p/assets?q=zip\">From the start"), "{html}");
        assert!(html.contains("href=\"/p/assets?after=/b.zip&amp;q=zip\">Search on"), "{html}");
        assert!(page(&["/b.zip"], "", true).contains(">Next files<"));
    }

    #[test]
    fn an_empty_part_says_why() {
        assert!(page(&[], "", false).contains("Nothing is shared yet."));
        assert!(page(&[], "q=x", false).contains("Nothing by that name."));
        assert!(page(&[], "after=/z", false).contains("No more files."));
    }
}
