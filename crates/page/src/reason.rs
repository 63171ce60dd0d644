//! Why a response is passed through: one value a refusal, each with a sentence for a person.

use std::fmt;

macro_rules! reasons {
    ($($variant:ident $name:literal $sentence:literal $remedy:literal)*) => {
        /// Why a response is neither rewritten nor shared.
        ///
        /// Counted by [`name`](Self::name), shown with its [`sentence`](Self::sentence) in
        /// `status.json`. A response has one reason: the first that was met.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $sentence] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// A stable name in snake case, for counters and machine-readable output.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// One sentence for a person: what is in the way, and why.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                }
            }

            /// One sentence for the site's operator: what to do about it. It starts with "Nothing to do"
            /// where the refusal is as it should be.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)*
                }
            }
        }
    };
}

reasons! {
    Reserved "reserved"
        "The path lies under the reserved prefix and is answered by Manyhands itself."
        "Nothing to do; should the site have files of its own there, move the prefix: [site] prefix."
    Method "method"
        "Only GET and HEAD responses are looked at."
        "Nothing to do: other methods are the site's alone."
    Status "status"
        "Only complete, successful answers (status 200, for files also 206) are looked at."
        "Ask for a URL that is answered with 200; a redirect's target is looked at by itself."
    NotModified "not_modified"
        "The visitor's copy is still good (status 304): nothing was sent."
        "Nothing to do; ask without If-None-Match and If-Modified-Since to see the file judged."
    ContentTypeMissing "content_type_missing"
        "The response does not say what it is: send a Content-Type."
        "Let the server send one Content-Type, such as application/zip or text/html; charset=utf-8."
    ContentTypeUnclear "content_type_unclear"
        "The Content-Type is malformed or sent more than once."
        "Let the server send exactly one Content-Type of the form type/subtype; name=value."
    CacheControlUnclear "cache_control_unclear"
        "The Cache-Control field is malformed, names a directive twice, or holds one that is not known here."
        "Write the directives as a list with commas, each once, seconds as digits, no spaces around the equals sign; take out those that are not in RFC 9111, RFC 5861 or RFC 8246."
    Encoded "encoded"
        "The response is compressed (Content-Encoding); only identity bytes can be rewritten or shared."
        "Do not compress this on the server: a reverse proxy compresses what goes out, and archives gain nothing."
    EtagUnclear "etag_unclear"
        "The ETag is malformed or sent more than once."
        "Let the server send one ETag: printable ASCII without spaces, within double quotes."
    PagesOff "pages_off"
        "Pages are not rewritten: it is switched off in the configuration."
        "Set [page] inject = true, or put the script tag into the pages yourself."
    NotNavigation "not_navigation"
        "The page was not asked for by a visitor going to it: frames, scripts and programs get it as it is."
        "Nothing to do: open the page itself in a browser to see it judged."
    HeadOfPage "head_of_page"
        "A HEAD of a page: the head is as GET would send it, and there is no body to rewrite."
        "Nothing to do: ask with GET."
    Charset "charset"
        "The page's charset is unknown or not ASCII-compatible; serve it as UTF-8."
        "Serve the page as UTF-8 and say so: Content-Type: text/html; charset=utf-8."
    NoTransform "no_transform"
        "Cache-Control says no-transform: the page must go out as it is."
        "Take no-transform off the pages that may be rewritten, or put the script tag into them yourself."
    PartialPage "partial_page"
        "The response is only a part of a page."
        "Nothing to do: ask for the page without a range."
    Attachment "attachment"
        "The page is sent as a download (Content-Disposition), not to be shown."
        "Take Content-Disposition: attachment off if the page is meant to be shown."
    Signed "signed"
        "The response carries a signature (RFC 9421), which rewriting would break."
        "Sign after the page is rewritten, not before, or put the script tag into the page yourself."
    IntegrityPolicy "integrity_policy"
        "The page demands an integrity attribute on every script (Integrity-Policy)."
        "Take scripts out of Integrity-Policy, or leave these pages without visitors' help."
    CspUnclear "csp_unclear"
        "The Content-Security-Policy cannot be read."
        "Write the Content-Security-Policy in printable ASCII."
    CspScript "csp_script"
        "The page's Content-Security-Policy does not admit the script: add 'self' to script-src."
        "Add 'self' to script-src; with 'strict-dynamic', use a nonce and add worker-src 'self'."
    CspNonce "csp_nonce"
        "The page's Content-Security-Policy admits scripts by nonce only, and reusing the nonce is switched off."
        "Set [page] nonce = true, or add 'self' to script-src."
    CspConnect "csp_connect"
        "The page's Content-Security-Policy does not admit connections to the site itself: add 'self' to connect-src."
        "Add 'self' to connect-src; where the policy names hosts, name the site with https: and wss:."
    CspWorker "csp_worker"
        "The page's Content-Security-Policy does not admit a service worker: add worker-src 'self'."
        "Add worker-src 'self'."
    CspSandbox "csp_sandbox"
        "The page is sandboxed without allow-scripts and allow-same-origin."
        "Add allow-scripts and allow-same-origin to the sandbox, or leave the page alone: it is locked up on purpose."
    CspTrustedTypes "csp_trusted_types"
        "The page requires Trusted Types, which stop the script from registering its service worker."
        "Take require-trusted-types-for out, or leave the page as it is: its files are shared where other pages link them."
    CspWebrtc "csp_webrtc"
        "The page's Content-Security-Policy blocks WebRTC."
        "Set webrtc 'allow' or take the directive out."
    AlreadyTagged "already_tagged"
        "The page already carries the script."
        "Nothing to do."
    NoPlace "no_place"
        "No proven place for the script was found: not a whole HTML document, or no head within the first 64 KiB."
        "Give the document a doctype and a head near its beginning; fragments are left alone on purpose."
    SignedUrl "signed_url"
        "The URL is a key: a signature, a session, a password or a share's token is in it, and would be published with it."
        "Nothing to do: such a file is for the holders of its URL. What is for everybody needs a plain URL."
    Query "query"
        "The URL has a query string: it may hold a secret or name one of many variants."
        "Give the file a URL without a query; parameters that only break caches can be listed under [assets] queries."
    Path "path"
        "The path is not one that can be shared (malformed, ambiguous, or a directory)."
        "Give the file one plain URL: no empty segments, no encoded slashes, no parameters after a semicolon."
    Excluded "excluded"
        "The path is excluded in the configuration."
        "Take it out of [assets] exclude if its files may be shared."
    Authorization "authorization"
        "The request carried credentials, so the answer may be for this visitor alone."
        "Serve what is public without asking for credentials; what needs them is never shared."
    RequestField "request_field"
        "The request carried a field that is not known to be harmless; it may be a key, and the answer for its holder alone."
        "Nothing to do for browsers; programs that add a field of their own are served by the site alone."
    RequestCookie "request_cookie"
        "The request carried a cookie, so the answer may be for this visitor alone; list the path as public if it is not."
        "List the path under [assets] public if its files are the same for everybody, logged in or not."
    RequestNoStore "request_no_store"
        "The request asks that nothing of it or of its answer be stored (Cache-Control: no-store)."
        "Nothing to do: it is what this visitor wants."
    SetCookie "set_cookie"
        "The response sets a cookie, so it may be for this visitor alone."
        "Set cookies on pages, not on files."
    Private "private"
        "Cache-Control says private."
        "Let the server say public, or nothing, for files that are the same for everybody."
    NoStore "no_store"
        "Cache-Control says no-store."
        "Take no-store off files that anybody may keep."
    NoCache "no_cache"
        "Cache-Control or Pragma says no-cache, or leaves shared caches no time at all (s-maxage=0)."
        "Use Cache-Control: max-age=0, must-revalidate where files must be compared with the site each time."
    Vary "vary"
        "The response varies by more than Accept-Encoding."
        "Let files vary by Accept-Encoding only: take Cookie, Origin, User-Agent out of Vary for them."
    Authenticate "authenticate"
        "The response takes part in authentication."
        "Serve what is public outside the area that asks for a login."
    ClearSiteData "clear_site_data"
        "The response clears site data: it is no plain file."
        "Send Clear-Site-Data with the page that logs out, not with files."
    ContentDisposition "content_disposition"
        "The Content-Disposition is malformed or neither inline nor attachment."
        "Write it like attachment; filename=\"name.zip\"."
    Type "type"
        "Files of this type are not shared; list the type under assets.types if they may be."
        "Name the type under [assets] types, if it can't run in a page; else nothing to do."
    Extension "extension"
        "The type says nothing (application/octet-stream) and the file name has no extension of a shared kind."
        "Let the server send the file's real type, or name the file with its usual extension."
    NoLength "no_length"
        "The length of the file is not known from the response."
        "Let the server send a Content-Length: serve the file itself, not a stream made as it goes."
    LengthUnclear "length_unclear"
        "The Content-Length is malformed, sent more than once or contradicted."
        "Let the server send exactly one Content-Length, in digits, and no Transfer-Encoding beside it."
    RangeUnclear "range_unclear"
        "The Content-Range is malformed, out of place or does not name the complete length."
        "Let the server answer ranges with 206 and Content-Range: bytes first-last/length."
    TooSmall "too_small"
        "The file is smaller than assets.min_size."
        "Lower [assets] min_size if so small a file is worth a peer connection."
    TooLarge "too_large"
        "The file is larger than assets.max_size."
        "Raise [assets] max_size, or serve the file from this machine's disk, where there is no bound."
    NoValidator "no_validator"
        "The response has neither a strong ETag nor a Last-Modified with a Date, so one version cannot be told from the next."
        "Let the server send a strong ETag, or Last-Modified together with Date; where names hold a digest of the bytes, list the path under [assets] immutable."
    WeakEtag "weak_etag"
        "The ETag is weak: equal tags do not promise equal bytes."
        "Let the server send a strong ETag for files: it turns weak where a filter compresses or edits them."
    DateUnclear "date_unclear"
        "Last-Modified or Date is malformed or sent more than once, or the file is dated before the web began: such dates are constants that tell no versions apart."
        "Let the server send Last-Modified and Date once each, like Sun, 06 Nov 1994 08:49:37 GMT, or a strong ETag."
    Unsettled "unsettled"
        "The file was changed less than a minute before it was sent: it may change again unnoticed."
        "Wait a minute, or let the server send a strong ETag."
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_sentences_are_sentences() {
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        let sentences: HashSet<_> = Reason::ALL.iter().map(|reason| reason.sentence()).collect();

        assert_eq!(names.len(), Reason::ALL.len());
        assert_eq!(sentences.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            for text in [reason.sentence(), reason.remedy()] {
                assert!(text.ends_with('.') && !text.contains('\n'), "{reason:?}");
            }
            // `CspScript` is `csp_script`: the name follows the variant.
            let variant: String = reason.name().split('_').map(capitalised).collect();
            assert_eq!(format!("{reason:?}"), variant);
        }
    }

    fn capitalised(word: &str) -> String {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    }
}
