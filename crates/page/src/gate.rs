//! The gates a response passes before anything is done with it: in one order, for everybody who
//! walks them. [`plan`](crate::plan) walks to the first refusal, [`examine`](crate::examine) to the end.

use manyhands_metainfo::{AssetPath, Validator};

use crate::csp::Directives;
use crate::fields::{ContentType, EntityTag};
use crate::{Headers, Policy, Reason, RequestHead, ResponseHead, asset, document};

/// One exchange, and what the gates passed so far have found out about it.
pub(crate) struct Facts<'a, Q: ?Sized, R: ?Sized> {
    pub(crate) request: RequestHead<'a, Q>,
    pub(crate) response: ResponseHead<'a, R>,
    pub(crate) policy: &'a Policy,
    /// The body comes from a regular file of this machine.
    pub(crate) local: bool,
    pub(crate) content_type: Option<ContentType<'a>>,
    /// The type is on the list.
    pub(crate) known: bool,
    pub(crate) path: Option<AssetPath>,
    /// A cookie that is not ours came along.
    pub(crate) cookie: bool,
    /// Of the whole file.
    pub(crate) length: Option<u64>,
    pub(crate) validator: Option<Validator>,
    pub(crate) tag: Option<EntityTag>,
    pub(crate) csp: Vec<Directives<'a>>,
    pub(crate) nonce: Option<String>,
}

impl<'a, Q: ?Sized, R: ?Sized> Facts<'a, Q, R> {
    pub(crate) fn new(
        request: &RequestHead<'a, Q>,
        response: &ResponseHead<'a, R>,
        policy: &'a Policy,
        local: bool,
    ) -> Self {
        Self {
            request: *request,
            response: *response,
            policy,
            local,
            content_type: None,
            known: false,
            path: None,
            cookie: false,
            length: None,
            validator: None,
            tag: None,
            csp: Vec::new(),
            nonce: None,
        }
    }
}

impl<Q: Headers + ?Sized, R: Headers + ?Sized> Facts<'_, Q, R> {
    /// Walks up to the first refusal. What kind of thing it is shows on the way.
    pub(crate) fn walk(&mut self) -> Result<Kind, Reason> {
        for step in ENTRY {
            step.check(self)?;
        }
        let kind = self.kind();
        for step in kind.steps() {
            step.check(self)?;
        }
        Ok(kind)
    }

    /// Walks as a file, without asking who asked.
    pub(crate) fn walk_as_anybody(&mut self) -> Result<(), Reason> {
        let steps = ENTRY.iter().chain(ASSET).filter(|step| **step != Step::Request);
        for step in steps {
            step.check(self)?;
        }
        Ok(())
    }

    /// Page or file, once the type is known. Without a type: what the visitor seems to want.
    pub(crate) fn kind(&self) -> Kind {
        let html = match &self.content_type {
            Some(content_type) => content_type.is_html(),
            None => crate::request::is_navigation(&self.request),
        };
        if html { Kind::Page } else { Kind::Asset }
    }
}

/// What a response is judged as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Page,
    Asset,
}

impl Kind {
    /// Its gates after [`ENTRY`].
    pub(crate) fn steps(self) -> &'static [Step] {
        match self {
            Self::Page => PAGE,
            Self::Asset => ASSET,
        }
    }
}

macro_rules! steps {
    ($($variant:ident $name:literal $passes_when:literal, needs [$($needs:ident)*], $check:path;)*) => {
        /// One gate.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Step {
            $($variant,)*
        }

        impl Step {
            /// A stable name in snake case.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// One sentence.
            pub(crate) fn passes_when(self) -> &'static str {
                match self {
                    $(Self::$variant => $passes_when,)*
                }
            }

            /// Gates that must have been passed, or there is nothing to judge here.
            pub(crate) fn needs(self) -> &'static [Self] {
                match self {
                    $(Self::$variant => &[$(Self::$needs,)*],)*
                }
            }

            /// Whether the exchange passes; notes what was found out.
            pub(crate) fn check<Q, R>(self, facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
            where
                Q: Headers + ?Sized,
                R: Headers + ?Sized,
            {
                match self {
                    $(Self::$variant => $check(facts),)*
                }
            }
        }
    };
}

steps! {
    Reserved "reserved"
        "The path lies outside the reserved prefix.",
        needs [], reserved;
    Method "method"
        "The method is GET or HEAD.",
        needs [Reserved], method;
    Status "status"
        "The status is 200 or 206.",
        needs [Reserved Method], status;
    ContentType "content_type"
        "There is one Content-Type, and it can be read.",
        needs [Reserved Method Status], content_type;

    Pages "pages"
        "Pages are rewritten at all ([page] inject).",
        needs [Reserved Method Status], document::pages;
    Whole "whole"
        "The response is the whole page: status 200, no Content-Range.",
        needs [Reserved Method Status], document::whole;
    Navigation "navigation"
        "A visitor goes to the page: Sec-Fetch-Dest says document, or an older browser accepts text/html.",
        needs [Reserved Method], document::navigation;
    Charset "charset"
        "The charset is one in which ASCII stands for itself, or none is named.",
        needs [ContentType], document::charset;
    PageEncoding "encoding"
        "The body is not compressed: the site was asked for identity, and complied.",
        needs [Reserved Method Status], document::encoding;
    Transform "transform"
        "Cache-Control can be read and does not say no-transform.",
        needs [Reserved Method Status], document::transform;
    Signature "signature"
        "The response is not signed (RFC 9421).",
        needs [Reserved Method Status], document::signature;
    PageDisposition "disposition"
        "The page is shown, not downloaded: no Content-Disposition, or inline.",
        needs [Reserved Method Status], document::disposition;
    IntegrityPolicy "integrity_policy"
        "There is no Integrity-Policy, which would demand a digest on our script.",
        needs [Reserved Method Status], document::integrity_policy;
    PageEtag "etag"
        "There is no ETag, or one that can be read.",
        needs [Reserved Method Status], document::etag;
    Csp "csp"
        "There is no Content-Security-Policy, or it can be read.",
        needs [Reserved Method Status], document::csp;
    CspSandbox "csp_sandbox"
        "The policy has no sandbox, or one with allow-scripts and allow-same-origin.",
        needs [Csp], document::csp_sandbox;
    CspTrustedTypes "csp_trusted_types"
        "The policy does not demand Trusted Types.",
        needs [Csp], document::csp_trusted_types;
    CspWebrtc "csp_webrtc"
        "The policy does not block WebRTC.",
        needs [Csp], document::csp_webrtc;
    CspConnect "csp_connect"
        "The policy's connect-src admits the site itself, over HTTP and WebSocket.",
        needs [Csp], document::csp_connect;
    CspWorker "csp_worker"
        "The policy's worker-src admits the service worker.",
        needs [Csp], document::csp_worker;
    CspScript "csp_script"
        "The policy's script-src admits the script by its URL, or by a nonce that may be reused.",
        needs [Csp], document::csp_script;
    Body "body"
        "There is a body to rewrite: the request is no HEAD.",
        needs [Reserved Method], document::body;

    Type "type"
        "The type is one that is shared, or says no more than \"bytes\".",
        needs [ContentType], asset::kind;
    SignedUrl "signed_url"
        "The URL is no key: no signature, session, password or share's token in it.",
        needs [Reserved Method], asset::signed_url;
    Query "query"
        "The URL has no query, or one of parameters that only break caches ([assets] queries).",
        needs [Reserved Method], asset::query;
    Path "path"
        "The path names one file, in one way of reading it, and has no parameters.",
        needs [Reserved], asset::path;
    Excluded "excluded"
        "The path is not excluded ([assets] exclude).",
        needs [Path], asset::excluded;
    Extension "extension"
        "The type says what the file is, or the name's extension does.",
        needs [Type Path], asset::extension;
    Request "request"
        "Nothing in the request speaks for one visitor: no credentials, no unknown field, no body, no wish to be forgotten, no cookie but on public paths.",
        needs [Reserved Method], asset::request;
    SetCookie "set_cookie"
        "The response sets no cookie.",
        needs [Reserved Method Status], asset::set_cookie;
    CacheControl "cache_control"
        "Cache-Control and its kin can be read and say neither private nor no-store nor no-cache.",
        needs [Reserved Method Status], asset::cache_control;
    Pragma "pragma"
        "There is no Pragma.",
        needs [Reserved Method Status], asset::pragma;
    Vary "vary"
        "The response varies by nothing, or by Accept-Encoding.",
        needs [Reserved Method Status], asset::vary;
    Authenticate "authenticate"
        "The response takes no part in authentication.",
        needs [Reserved Method Status], asset::authenticate;
    ClearSiteData "clear_site_data"
        "The response does not clear site data.",
        needs [Reserved Method Status], asset::clear_site_data;
    Encoding "encoding"
        "The body is not compressed (Content-Encoding).",
        needs [Reserved Method Status], asset::encoding;
    Disposition "disposition"
        "There is no Content-Disposition, or it says inline or attachment.",
        needs [Reserved Method Status], asset::disposition;
    Length "length"
        "The length of the whole file is known and uncontradicted.",
        needs [Reserved Method Status], asset::length;
    Size "size"
        "The length lies within the configured bounds.",
        needs [Length], asset::size;
    Validator "validator"
        "One version can be told from the next: a strong ETag, or a Last-Modified a minute older than Date, or the path is immutable ([assets] immutable).",
        needs [Reserved Method Status Path], asset::validator;
}

/// The gates of every response.
pub(crate) const ENTRY: &[Step] = &[Step::Reserved, Step::Method, Step::Status, Step::ContentType];

/// The gates of HTML.
const PAGE: &[Step] = &[
    Step::Pages,
    Step::Whole,
    Step::Navigation,
    Step::Charset,
    Step::PageEncoding,
    Step::Transform,
    Step::Signature,
    Step::PageDisposition,
    Step::IntegrityPolicy,
    Step::PageEtag,
    Step::Csp,
    Step::CspSandbox,
    Step::CspTrustedTypes,
    Step::CspWebrtc,
    Step::CspConnect,
    Step::CspWorker,
    Step::CspScript,
    // Last: a HEAD that would get this far is edited as its GET would be.
    Step::Body,
];

/// The gates of everything else.
const ASSET: &[Step] = &[
    // First, because it tells most: style sheets and pictures are refused for what they are.
    Step::Type,
    Step::SignedUrl,
    Step::Query,
    Step::Path,
    Step::Excluded,
    Step::Extension,
    Step::Request,
    Step::SetCookie,
    Step::CacheControl,
    Step::Pragma,
    Step::Vary,
    Step::Authenticate,
    Step::ClearSiteData,
    Step::Encoding,
    Step::Disposition,
    Step::Length,
    Step::Size,
    Step::Validator,
];

fn reserved<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match facts.policy.is_reserved(facts.request.path) {
        true => Err(Reason::Reserved),
        false => Ok(()),
    }
}

fn method<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    facts.request.is_get_or_head().then_some(()).ok_or(Reason::Method)
}

fn status<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match facts.response.status {
        200 | 206 => Ok(()),
        304 => Err(Reason::NotModified),
        _ => Err(Reason::Status),
    }
}

fn content_type<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    facts.content_type = Some(document::content_type(&facts.response)?);
    Ok(())
}

/// Whether an answer is left alone for what it is ([`Reason::Type`]) whatever else is said of the exchange, where it is a
/// 200 to a GET or HEAD outside of the reserved prefix and this is its one `Content-Type`. For a host that remembers what it
/// asked: most answers of most sites are such, of a handful of types.
pub fn refuses_type(policy: &Policy, content_type: &[u8]) -> bool {
    let headers = [("content-type", content_type)];
    ContentType::read(&headers[..]).ok().flatten().is_some_and(|content_type| {
        !content_type.is_html() && asset::refuses(policy, &content_type.essence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gate_comes_after_what_it_needs_and_is_named_once() {
        for kind in [Kind::Page, Kind::Asset] {
            let walk: Vec<_> = ENTRY.iter().chain(kind.steps()).collect();
            for (at, step) in walk.iter().enumerate() {
                let before = &walk[..at];
                assert!(step.needs().iter().all(|need| before.contains(&need)), "{step:?}");
                assert!(before.iter().all(|other| other.name() != step.name()), "{step:?}");
                assert!(step.passes_when().ends_with('.'), "{step:?}");
            }
        }
    }
}
