//! Before the site is asked: is this a visitor going to a page, and what must the site be asked for?

use http::header::{ACCEPT_ENCODING, HeaderValue};

use crate::fields::{CacheControl, accepts_html, single};
use crate::{HeaderEdits, Headers, Policy, RequestHead};

/// A content coding that a rewritten page is compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `br` (RFC 7932).
    Brotli,
    /// `gzip` (RFC 1952).
    Gzip,
}

impl Coding {
    /// Its name in `Content-Encoding`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// How the request goes on to the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPlan {
    /// Changes to the request head. A navigation asks for `identity`, because only plain HTML can
    /// be rewritten; all else goes on as it came.
    pub edits: HeaderEdits,
    /// A visitor going to a page (`Sec-Fetch-Dest: document`, or the older signs of one).
    pub navigation: bool,
}

/// Decides how a request goes on to the site. `request` is the head as the visitor sent it.
///
/// ```
/// use manyhands_page::{Policy, RequestHead, request_plan};
///
/// let headers = [("sec-fetch-dest", "document"), ("accept-encoding", "gzip, br;q=0.5")];
/// let request = RequestHead { method: "GET", path: "/", query: None, headers: &headers[..] };
/// let plan = request_plan(&request, &Policy::default());
/// assert!(plan.navigation && !plan.edits.is_empty());
/// ```
pub fn request_plan<H: Headers + ?Sized>(
    request: &RequestHead<'_, H>,
    policy: &Policy,
) -> RequestPlan {
    let navigation = is_navigation(request);
    let mut edits = HeaderEdits::default();
    if navigation && policy.pages() && !policy.is_reserved(request.path) {
        edits.set(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    RequestPlan { edits, navigation }
}

/// Whether a visitor goes to this page, as opposed to a frame, a script or a program fetching it, or
/// to somebody who asks for it untransformed (RFC 9111, section 5.2.1.6).
pub(crate) fn is_navigation<H: Headers + ?Sized>(request: &RequestHead<'_, H>) -> bool {
    // What most requests fail at comes first.
    let to_page = match single(request.headers, "sec-fetch-dest") {
        Ok(Some(destination)) => destination == b"document",
        Ok(None) => accepts_html(request.headers),
        Err(_) => false,
    };
    to_page
        && request.is_get_or_head()
        && !["x-requested-with", "range", "upgrade"].iter().any(|name| request.has(name))
        && CacheControl::read(request.headers, "cache-control")
            .is_ok_and(|asked| !asked.no_transform)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn navigation(method: &str, headers: &[(&str, &str)]) -> bool {
        is_navigation(&RequestHead { method, path: "/", query: None, headers })
    }

    #[test]
    fn only_a_visitor_going_to_a_page_navigates() {
        let document = ("sec-fetch-dest", "document");
        let html = ("accept", "text/html,*/*;q=0.8");

        assert!(navigation("GET", &[document]));
        assert!(navigation("HEAD", &[document]));
        assert!(navigation("GET", &[html]));
        assert!(navigation("GET", &[document, ("accept", "*/*")]));
        assert!(navigation("GET", &[document, ("cache-control", "max-age=0")]));

        assert!(!navigation("POST", &[document]));
        assert!(!navigation("get", &[document]));
        assert!(!navigation("GET", &[]));
        assert!(!navigation("GET", &[("accept", "*/*")]));
        assert!(!navigation("GET", &[document, document]));
        for destination in ["iframe", "empty", "script", "embed", "", "Document", "document, empty"]
        {
            assert!(!navigation("GET", &[("sec-fetch-dest", destination), html]), "{destination}");
        }
        for header in [
            ("x-requested-with", "XMLHttpRequest"),
            ("range", "bytes=0-"),
            ("cache-control", "no-transform"),
            ("cache-control", "\""),
            ("upgrade", ""),
        ] {
            assert!(!navigation("GET", &[document, header]), "{header:?}");
        }
    }

    #[test]
    fn identity_is_asked_for_only_where_a_page_may_be_rewritten() {
        let headers = [("sec-fetch-dest", "document"), ("accept-encoding", "br")];
        let edited = |path, policy: &Policy| {
            let request = RequestHead { method: "GET", path, query: None, headers: &headers[..] };
            !request_plan(&request, policy).edits.is_empty()
        };

        assert!(edited("/", &Policy::default()));
        assert!(!edited("/", &Policy::default().with_pages(false)));
        assert!(!edited("/.well-known/manyhands/dashboard", &Policy::default()));
    }
}
