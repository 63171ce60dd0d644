//! Why a response is passed through: one value a refusal, each with a sentence for a person.

use std::fmt;

macro_rules! reasons {
    ($($variant:ident $name:literal $sentence:literal)*) => {
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

            /// One sentence for a person, with the remedy where there is one.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                }
            }
        }
    };
}

reasons! {
    Reserved "reserved"
        "The path lies under the reserved prefix and is answered by Manyhands itself."
    Method "method"
        "Only GET and HEAD responses are looked at."
    Status "status"
        "Only complete, successful answers (status 200, for files also 206) are looked at."
    NotModified "not_modified"
        "The visitor's copy is still good (status 304): nothing was sent."
    ContentTypeMissing "content_type_missing"
        "The response does not say what it is: send a Content-Type."
    ContentTypeUnclear "content_type_unclear"
        "The Content-Type is malformed or sent more than once."
    CacheControlUnclear "cache_control_unclear"
        "The Cache-Control field is malformed or names a directive twice."
    Encoded "encoded"
        "The response is compressed (Content-Encoding); only identity bytes can be rewritten or shared."
    EtagUnclear "etag_unclear"
        "The ETag is malformed or sent more than once."
    PagesOff "pages_off"
        "Pages are not rewritten: it is switched off in the configuration."
    NotNavigation "not_navigation"
        "The page was not asked for by a visitor going to it: frames, scripts and programs get it as it is."
    HeadOfPage "head_of_page"
        "A HEAD of a page: the head is as GET would send it, and there is no body to rewrite."
    Charset "charset"
        "The page's charset is unknown or not ASCII-compatible; serve it as UTF-8."
    NoTransform "no_transform"
        "Cache-Control says no-transform: the page must go out as it is."
    PartialPage "partial_page"
        "The response is only a part of a page."
    Attachment "attachment"
        "The page is sent as a download (Content-Disposition), not to be shown."
    Signed "signed"
        "The response carries a signature (RFC 9421), which rewriting would break."
    IntegrityPolicy "integrity_policy"
        "The page demands an integrity attribute on every script (Integrity-Policy)."
    CspUnclear "csp_unclear"
        "The Content-Security-Policy cannot be read."
    CspScript "csp_script"
        "The page's Content-Security-Policy does not admit the script: add 'self' to script-src."
    CspNonce "csp_nonce"
        "The page's Content-Security-Policy admits scripts by nonce only, and reusing the nonce is switched off."
    CspConnect "csp_connect"
        "The page's Content-Security-Policy does not admit connections to the site itself: add 'self' to connect-src."
    CspWorker "csp_worker"
        "The page's Content-Security-Policy does not admit a service worker: add worker-src 'self'."
    CspSandbox "csp_sandbox"
        "The page is sandboxed without allow-scripts and allow-same-origin."
    CspTrustedTypes "csp_trusted_types"
        "The page requires Trusted Types, which stop the script from registering its service worker."
    CspWebrtc "csp_webrtc"
        "The page's Content-Security-Policy blocks WebRTC."
    AlreadyTagged "already_tagged"
        "The page already carries the script."
    NoPlace "no_place"
        "No proven place for the script was found: not a whole HTML document, or no head within the first 64 KiB."
    Query "query"
        "The URL has a query string: it may hold a secret or name one of many variants."
    Path "path"
        "The path is not one that can be shared (malformed, ambiguous, or a directory)."
    Authorization "authorization"
        "The request carried credentials, so the answer may be for this visitor alone."
    RequestField "request_field"
        "The request carried a field that is not known to be harmless; it may be a key, and the answer for its holder alone."
    RequestCookie "request_cookie"
        "The request carried a cookie, so the answer may be for this visitor alone; list the path as public if it is not."
    SetCookie "set_cookie"
        "The response sets a cookie, so it may be for this visitor alone."
    Private "private"
        "Cache-Control says private."
    NoStore "no_store"
        "Cache-Control says no-store."
    NoCache "no_cache"
        "Cache-Control or Pragma says no-cache."
    Vary "vary"
        "The response varies by more than Accept-Encoding."
    Authenticate "authenticate"
        "The response takes part in authentication."
    ClearSiteData "clear_site_data"
        "The response clears site data: it is no plain file."
    ContentDisposition "content_disposition"
        "The Content-Disposition is malformed or neither inline nor attachment."
    Type "type"
        "Files of this type are not shared; list the type under assets.types if they may be."
    Extension "extension"
        "The type says nothing (application/octet-stream) and the file name has no extension of a shared kind."
    NoLength "no_length"
        "The length of the file is not known from the response."
    LengthUnclear "length_unclear"
        "The Content-Length is malformed, sent more than once or contradicted."
    RangeUnclear "range_unclear"
        "The Content-Range is malformed, out of place or does not name the complete length."
    TooSmall "too_small"
        "The file is smaller than assets.min_size."
    TooLarge "too_large"
        "The file is larger than assets.max_size."
    NoValidator "no_validator"
        "The response has neither a strong ETag nor a Last-Modified with a Date, so one version cannot be told from the next."
    WeakEtag "weak_etag"
        "The ETag is weak: equal tags do not promise equal bytes."
    DateUnclear "date_unclear"
        "Last-Modified or Date is malformed or sent more than once."
    Unsettled "unsettled"
        "The file was changed less than a minute before it was sent: it may change again unnoticed."
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
            assert!(reason.sentence().ends_with('.'), "{reason:?}");
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
