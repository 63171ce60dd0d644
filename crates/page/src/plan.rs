//! What is done with a response: the front door of this crate, once the site has answered.

use manyhands_metainfo::{AssetPath, Version};

use crate::document::{self, Verdict};
use crate::doubt::{self, Doubt};
use crate::gate::{Facts, Kind};
use crate::{Coding, HeaderEdits, Headers, Policy, Reason, RequestHead, ResponseHead, asset};

/// What to do with a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Changes to the response head. They hold whatever the decision: a HEAD of a page and a
    /// 304 are passed through *with* edits. `Content-Encoding` of a page that is to be compressed
    /// again is among them.
    pub edits: HeaderEdits,
    /// What the response is.
    pub decision: Decision,
    /// Only beside [`Decision::PassThrough`]: what would undo the cost of our having asked the
    /// site for `identity`. Leaving it undone is correct, only bigger on the wire.
    pub restore: Option<Restore>,
    /// Only beside [`Decision::PassThrough`]: what the answer says of the file under its path, beyond its
    /// own visitor.
    pub doubt: Option<Doubt>,
}

/// What a response is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A page: its body goes through an [`Injector`](crate::Injector).
    Page(PageRewrite),
    /// A file that may be shared: this request counts as demand for it.
    Asset(AssetOffer),
    /// Not ours: the body goes out as it came.
    PassThrough(Reason),
}

/// How a page is rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRewrite {
    /// The whole script element, for [`Injector::new`](crate::Injector::new).
    pub tag: String,
    /// The coding to compress the rewritten body with; the edits already announce it.
    pub recompress: Option<Coding>,
}

/// A response with a file that may be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetOffer {
    /// The file's key within its site.
    pub path: AssetPath,
    /// Validator and complete length (also of a 206, whose body is only a part). `file` is `None`:
    /// a host that serves a local file fills it in.
    pub version: Version,
    /// `Content-Type`, as sent.
    pub content_type: String,
    /// The request counts as demand, and its answer says which version the site has: it was a GET (a
    /// HEAD may be answered where a GET is refused) and named this site's host.
    pub demand: bool,
    /// The body may be hashed while it passes: it is whole (a 200 to a GET), and nothing in the
    /// request speaks for a particular visitor (no cookie but ours, no authorization, no range).
    pub teeable: bool,
}

/// Compressing a response that is passed through, because it is uncompressed only on our account:
/// the site was asked for `identity` and the visitor would have taken better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// What to compress the body with.
    pub coding: Coding,
    /// Changes to the response head, after [`Plan::edits`]; only to be made if the body is
    /// compressed (and for HEAD, so that it agrees with GET).
    pub edits: HeaderEdits,
}

/// Decides what to do with a response.
///
/// `request` is the head as the visitor sent it, before [`request_plan`](crate::request_plan)'s
/// edits; `local` says that the body comes from a regular file this host holds itself, which lifts
/// [`Policy::max_size`]. Never fails: doubt is a [`Reason`].
///
/// ```
/// use manyhands_page::{Decision, Policy, RequestHead, ResponseHead, plan};
///
/// let request = [("accept", "*/*")];
/// let response = [
///     ("content-type", "application/zip"),
///     ("content-length", "5000000"),
///     ("etag", "\"v1\""),
/// ];
/// let plan = plan(
///     &RequestHead { method: "GET", path: "/big.zip", query: None, headers: &request[..] },
///     &ResponseHead { status: 200, headers: &response[..] },
///     &Policy::default(),
///     false,
/// );
/// assert!(matches!(plan.decision, Decision::Asset(offer) if offer.version.length == 5_000_000));
/// ```
pub fn plan<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
    local: bool,
) -> Plan
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let (edits, decision) = decide(request, response, policy, local);
    let (restore, doubt) = match decision {
        // Its edits are those of its GET.
        Decision::PassThrough(Reason::HeadOfPage) | Decision::Asset(_) | Decision::Page(_) => {
            (None, None)
        }
        Decision::PassThrough(reason) => (
            document::restore(request, response, policy),
            doubt::doubt(request, response, policy, local, reason),
        ),
    };
    Plan { edits, decision, restore, doubt }
}

/// The decision alone, with the edits that go with it: for a host to which what else a [`Plan`] says
/// is nothing, or who asks for it only where it matters ([`doubt`](crate::doubt)).
pub fn decide<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
    local: bool,
) -> (HeaderEdits, Decision)
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let refused = |reason| {
        let edits = document::not_modified_edits(request, response, policy);
        (edits, Decision::PassThrough(reason))
    };
    let mut facts = Facts::new(request, response, policy, local);
    match facts.walk() {
        Ok(Kind::Asset) => match asset::offer(facts) {
            Ok(offer) => (HeaderEdits::default(), Decision::Asset(offer)),
            Err(reason) => refused(reason),
        },
        Ok(Kind::Page) => {
            let Verdict { edits, rewrite } = document::rewrite(facts);
            (edits, Decision::Page(rewrite))
        }
        // Its last gate: the head is to be as a GET's would be.
        Err(Reason::HeadOfPage) => {
            (document::rewrite(facts).edits, Decision::PassThrough(Reason::HeadOfPage))
        }
        Err(reason) => refused(reason),
    }
}

#[cfg(test)]
mod tests {
    use manyhands_metainfo::Validator;

    use super::*;

    const FILE: [(&str, &str); 3] =
        [("content-type", "application/zip"), ("content-length", "5000000"), ("etag", "\"v1\"")];

    fn doubted(target: &str, asked: &[(&str, &str)], status: u16, more: &[(&str, &str)]) -> bool {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let request = RequestHead { method: "GET", path, query, headers: asked };
        let headers = [&FILE[..], more].concat();
        let response = ResponseHead { status, headers: &headers[..] };
        let doubt = plan(&request, &response, &Policy::default(), false).doubt;
        matches!(doubt, Some(Doubt::Certain(_)))
    }

    #[test]
    fn a_plain_request_that_gets_no_shareable_file_casts_doubt_on_it() {
        for status in [301, 302, 401, 403, 404, 410, 451] {
            assert!(doubted("/a.zip", &[], status, &[]), "{status}");
        }
        for more in [("set-cookie", "a=b"), ("cache-control", "private"), ("vary", "cookie")] {
            assert!(doubted("/a.zip", &[], 200, &[more]), "{more:?}");
        }
        assert!(!doubted("/a.zip", &[], 200, &[]));
    }

    #[test]
    fn a_change_casts_doubt_whoever_makes_it() {
        let doubted = |method: &str, path: &str, host: &str, status: u16| {
            let asked = [("host", host), ("authorization", "Basic eA=="), ("content-length", "9")];
            let request = RequestHead { method, path, query: Some("x"), headers: &asked[..] };
            let none: [(&str, &str); 0] = [];
            let response = ResponseHead { status, headers: &none[..] };
            let policy = Policy::default().with_origin("https://example.org").unwrap();
            match plan(&request, &response, &policy, false).doubt {
                Some(Doubt::Certain(path)) => Some(path),
                Some(Doubt::Suspected { .. }) | None => None,
            }
        };
        for method in ["PUT", "POST", "DELETE", "PATCH", "MOVE", "get", "X"] {
            for status in [200, 201, 204, 303] {
                let doubt = doubted(method, "/b/../a.zip", "example.org", status).unwrap();
                assert_eq!(doubt.as_str(), "/a.zip", "{method} {status}");
            }
            for status in [100, 400, 401, 403, 405, 500] {
                assert_eq!(doubted(method, "/a.zip", "example.org", status), None, "{status}");
            }
            assert_eq!(doubted(method, "/a.zip", "evil.example", 204), None);
            assert_eq!(doubted(method, "/.well-known/manyhands/a", "example.org", 204), None);
        }
        for method in ["OPTIONS", "PROPFIND", "QUERY"] {
            assert_eq!(doubted(method, "/a.zip", "example.org", 200), None, "{method}");
        }
    }

    #[test]
    fn a_request_that_names_another_host_or_is_a_head_is_no_demand() {
        let policy = Policy::default().with_origin("https://example.org").unwrap();
        let here = Policy::default().with_origin("http://127.0.0.1:8080").unwrap();
        let demand = |policy: &Policy, method, host: &str| {
            let headers = [("host", host)];
            let request =
                RequestHead { method, path: "/a.zip", query: None, headers: &headers[..] };
            let response = ResponseHead { status: 200, headers: &FILE[..] };
            match plan(&request, &response, policy, false).decision {
                Decision::Asset(offer) => offer.demand,
                other => panic!("{other:?}"),
            }
        };
        for host in ["example.org", "EXAMPLE.org:443"] {
            assert!(demand(&policy, "GET", host), "{host}");
            assert!(!demand(&policy, "HEAD", host), "{host}");
        }
        for host in ["evil.example", "example.org:444", "example.org.", "", "a b"] {
            assert!(!demand(&policy, "GET", host), "{host}");
        }
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"] {
            assert!(demand(&here, "GET", host), "{host}");
        }
        assert!(!demand(&here, "GET", "127.0.0.1:8081"));
        assert!(!demand(&here, "GET", "evil.example:8080"));
    }

    #[test]
    fn a_request_that_is_somebodys_own_casts_none_nor_does_a_busy_server() {
        for asked in [("cookie", "a=b"), ("authorization", "x")] {
            assert!(!doubted("/a.zip", &[asked], 403, &[]), "{asked:?}");
        }
        for asked in [("range", "bytes=9-"), ("if-match", "*"), ("if-none-match", "\"v1\"")] {
            assert!(doubted("/a.zip", &[asked], 403, &[]), "{asked:?}: as anonymous as any");
        }
        // Several ranges come in a form of their own, which anybody can ask for.
        let several = [("content-type", "multipart/byteranges; boundary=x")];
        assert!(!doubted("/a.zip", &[("range", "bytes=0-0,9-")], 206, &several));
        // Bad for the request's own sake: anybody could make it so.
        for status in [400, 405, 406, 412, 413, 414, 416, 417, 421, 431] {
            assert!(!doubted("/a.zip", &[], status, &[]), "{status}");
        }
        for other_spelling in ["/./a.zip", "/b/../a.zip", "/%61.zip"] {
            assert!(!doubted(other_spelling, &[], 301, &[]), "{other_spelling}");
        }
        assert!(!doubted("/a.zip?x", &[], 404, &[]));
        assert!(doubted("/a.zip", &[("cookie", "manyhands_b=7")], 404, &[]));
        for status in [304, 408, 429, 500, 502, 503, 504] {
            assert!(!doubted("/a.zip", &[], status, &[]), "{status}");
        }
        assert!(!doubted(
            "/a.zip",
            &[("accept-encoding", "gzip")],
            200,
            &[("content-encoding", "gzip")]
        ));
    }

    #[test]
    fn what_one_visitor_gets_is_a_suspicion_and_says_which_version_it_would_be() {
        let suspected = |method, asked: &[(&str, &str)], status, more: &[(&str, &str)]| {
            let request = RequestHead { method, path: "/a.zip", query: None, headers: asked };
            let headers = [&FILE[..], more].concat();
            let response = ResponseHead { status, headers: &headers[..] };
            match plan(&request, &response, &Policy::default(), false).doubt {
                Some(Doubt::Suspected { path, version }) => {
                    assert_eq!(path.as_str(), "/a.zip");
                    Some(version.map(|version| version.validator))
                }
                Some(Doubt::Certain(path)) => panic!("{path}"),
                None => None,
            }
        };
        let cookie = ("cookie", "a=b");
        let same = Some(Validator::Etag("\"v1\"".to_owned()));
        assert_eq!(suspected("GET", &[cookie], 200, &[]), Some(same.clone()));
        assert_eq!(suspected("GET", &[("authorization", "x")], 200, &[]), Some(same.clone()));
        let part = ("content-range", "bytes 0-4999999/7000000");
        assert_eq!(suspected("GET", &[cookie, ("range", "bytes=0-")], 206, &[part]), Some(same));
        for more in [("cache-control", "private"), ("set-cookie", "a=b"), ("vary", "cookie")] {
            assert_eq!(suspected("GET", &[cookie], 200, &[more]), Some(None), "{more:?}");
        }
        for status in [302, 401, 403, 404, 410] {
            assert_eq!(suspected("GET", &[cookie], status, &[]), Some(None), "{status}");
            assert_eq!(suspected("HEAD", &[], status, &[]), Some(None), "{status}");
        }
        for status in [304, 400, 416, 429, 500, 503] {
            assert_eq!(suspected("GET", &[cookie], status, &[]), None, "{status}");
        }
    }
}
