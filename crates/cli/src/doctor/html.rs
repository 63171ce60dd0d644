//! What a page holds that matters here: script elements, links, policies in `meta`.

use std::cell::RefCell;

use lol_html::html_content::Element;
use lol_html::{HtmlRewriter, MemorySettings, Settings, element};

/// Links that are looked at.
const MOST_LINKS: usize = 10_000;
const MOST_MEMORY: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) scripts: Vec<Script>,
    /// `href` and `src`, as written.
    pub(crate) links: Vec<String>,
    /// The first `<base href>`.
    pub(crate) base: Option<String>,
    /// `<meta http-equiv="Content-Security-Policy">`.
    pub(crate) policies: Vec<String>,
    /// Whether a body element or anything in it was met.
    body_at: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) src: String,
    /// The `type` attribute, in lower case.
    pub(crate) kind: Option<String>,
    /// Where its tag begins, in bytes.
    pub(crate) at: usize,
    /// Whether it stands before the body.
    pub(crate) in_head: bool,
}

impl Document {
    /// Reads as far as can be read: a page is whatever browsers make of it.
    pub(crate) fn read(page: &[u8]) -> Self {
        let found = RefCell::new(Self::default());
        let handlers = [
            element!("body", |element| {
                let at = element.source_location().bytes().start;
                found.borrow_mut().body_at.get_or_insert(at);
                Ok(())
            }),
            element!("base[href]", |element| {
                let href = element.get_attribute("href").unwrap_or_default();
                found.borrow_mut().base.get_or_insert(href);
                Ok(())
            }),
            element!("script[src]", |element| {
                let mut found = found.borrow_mut();
                let in_head = found.body_at.is_none();
                found.scripts.push(script(element, in_head));
                Ok(())
            }),
            element!("meta[http-equiv]", |element| {
                let name = element.get_attribute("http-equiv").unwrap_or_default();
                if name.eq_ignore_ascii_case("content-security-policy") {
                    found.borrow_mut().policies.extend(element.get_attribute("content"));
                }
                Ok(())
            }),
            element!("[href], [src]", |element| {
                let link = element.get_attribute("href").or_else(|| element.get_attribute("src"));
                let links = &mut found.borrow_mut().links;
                if links.len() < MOST_LINKS {
                    links.extend(link);
                }
                Ok(())
            }),
        ];
        let memory = MemorySettings::new().with_max_allowed_memory_usage(MOST_MEMORY);
        let mut settings = Settings::new().with_strict(false).with_memory_settings(memory);
        for handler in handlers {
            settings = settings.append_element_content_handler(handler);
        }
        let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
        // An error ends the reading, not what was read.
        if rewriter.write(page).is_ok() {
            let _ = rewriter.end();
        } else {
            drop(rewriter);
        }
        found.take()
    }
}

fn script(element: &Element<'_, '_>, in_head: bool) -> Script {
    Script {
        src: element.get_attribute("src").unwrap_or_default(),
        kind: element.get_attribute("type").map(|kind| kind.trim().to_ascii_lowercase()),
        at: element.source_location().bytes().start,
        in_head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_links_and_policies_are_found() {
        let page = "<!doctype html><!-- <script src=no> --><html><head><base href=/x/>\
            <meta HTTP-EQUIV=content-security-policy content=\"script-src 'self'\">\
            <script defer src=\"/a/loader.js\"></script></head>\
            <body><a href=b.zip>b</a><script>var s = '<script src=no>'</script>\
            <script type=Module src=c.js></script><video src=d.mp4>";
        let document = Document::read(page.as_bytes());
        let scripts: Vec<_> = document.scripts.iter().map(|script| &*script.src).collect();
        assert_eq!(scripts, ["/a/loader.js", "c.js"]);
        let [first, second] = &document.scripts[..] else { panic!() };
        assert!(first.in_head && !second.in_head);
        assert_eq!(page.find("<script defer"), Some(first.at));
        assert_eq!(second.kind.as_deref(), Some("module"));
        assert_eq!(document.base.as_deref(), Some("/x/"));
        assert_eq!(document.policies, ["script-src 'self'"]);
        assert!(["b.zip", "d.mp4"].iter().all(|link| document.links.contains(&(*link).to_owned())));
    }

    #[test]
    fn nothing_makes_it_panic() {
        for page in [&b""[..], b"<", b"\xff\xfe\0", b"<script src=", b"<!--", b"<a href='"] {
            Document::read(page);
        }
    }
}
