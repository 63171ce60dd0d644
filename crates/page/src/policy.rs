//! What the operator allows: checked once, at start-up.

use crate::csp::SiteOrigin;
use crate::media::{self, MediaPattern};

/// The reserved prefix where nothing else is configured.
const DEFAULT_PREFIX: &str = "/.well-known/manyhands";

/// What may be rewritten and what may be shared.
///
/// | value | default | why, and what it costs |
/// |---|---|---|
/// | [`prefix`](Self::with_prefix) | `/.well-known/manyhands` | RFC 8615 keeps `/.well-known/` free of site content |
/// | [`origin`](Self::with_origin) | unknown | only `'self'`, `*` and scheme sources of a policy are then understood |
/// | [`pages`](Self::with_pages) | on | off: no browser takes part unless the site adds the script itself |
/// | [`nonce`](Self::with_nonce) | reused | off: pages that admit scripts by nonce only are left alone |
/// | [`recompress`](Self::with_recompress) | on | off: rewritten pages go out uncompressed |
/// | [`min_size`](Self::with_sizes) | 1 MiB | below, connecting to a peer costs more than it saves |
/// | [`max_size`](Self::with_sizes) | 4 GiB | bounds what one hash job reads over the network; local files have no bound |
/// | [`types`](Self::with_types) | archives, disk images, packages, data sets, video, audio | see [`with_types`](Self::with_types) |
/// | [`public`](Self::with_public) | none | paths where a visitor's cookie does not stand in the way |
/// | [`cookie`](Self::with_cookie) | `manyhands_b` | our own, which is no sign of a particular visitor |
#[derive(Clone, Debug)]
pub struct Policy {
    prefix: String,
    origin: Option<SiteOrigin>,
    pages: bool,
    nonce: bool,
    recompress: bool,
    min_size: u64,
    max_size: u64,
    types: Vec<MediaPattern>,
    public: Vec<String>,
    cookie: String,
}

/// What is wrong with a policy.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The reserved prefix is no plain absolute path.
    #[error("the prefix {0:?} must be an absolute path of letters, digits, '.', '_', '~' and '-'")]
    Prefix(String),
    /// The site's origin is not `http[s]://host[:port]`.
    #[error("the origin {0:?} must have the form https://host or https://host:port")]
    Origin(String),
    /// The bounds exclude every file.
    #[error("the smallest size {min} is greater than the largest, {max}")]
    Sizes {
        /// Smallest size in bytes.
        min: u64,
        /// Largest size in bytes.
        max: u64,
    },
    /// Not a media type.
    #[error("{0:?} is no media type such as \"video/mp4\" or \"video/*\"")]
    Type(String),
    /// A type that browsers execute or render with the site's rights.
    #[error("{0:?} can run code in a page and is never shared")]
    ActiveType(String),
    /// A public path that is no absolute path.
    #[error("the public path {0:?} must start and end with '/'")]
    Public(String),
    /// Not a cookie name.
    #[error("{0:?} is no cookie name")]
    Cookie(String),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            prefix: DEFAULT_PREFIX.to_owned(),
            origin: None,
            pages: true,
            nonce: true,
            recompress: true,
            min_size: 1 << 20,
            max_size: 4 << 30,
            types: media::default_patterns(),
            public: Vec::new(),
            cookie: "manyhands_b".to_owned(),
        }
    }
}

impl Policy {
    /// The path under which the host answers for itself; a trailing slash is dropped.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, PolicyError> {
        let trimmed = prefix.strip_suffix('/').unwrap_or(prefix);
        let valid = trimmed.strip_prefix('/').is_some_and(|segments| {
            segments.split('/').all(|segment| {
                !matches!(segment, "" | "." | "..")
                    && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b))
            })
        });
        if !valid {
            return Err(PolicyError::Prefix(prefix.to_owned()));
        }
        trimmed.clone_into(&mut self.prefix);
        Ok(self)
    }

    /// The site's public origin, such as `https://example.org`: with it, a
    /// Content-Security-Policy that names the site by its host is understood.
    pub fn with_origin(mut self, origin: &str) -> Result<Self, PolicyError> {
        let parsed = SiteOrigin::parse(origin);
        self.origin = Some(parsed.ok_or_else(|| PolicyError::Origin(origin.to_owned()))?);
        Ok(self)
    }

    /// Whether pages are rewritten at all.
    #[must_use]
    pub fn with_pages(mut self, pages: bool) -> Self {
        self.pages = pages;
        self
    }

    /// Whether the page's own nonce may be put on the script element where nothing else admits it.
    #[must_use]
    pub fn with_nonce(mut self, nonce: bool) -> Self {
        self.nonce = nonce;
        self
    }

    /// Whether HTML that had to be fetched uncompressed is compressed again. A site that leaves
    /// its pages uncompressed on purpose (compression beside secrets: the BREACH attack) turns
    /// this off.
    #[must_use]
    pub fn with_recompress(mut self, recompress: bool) -> Self {
        self.recompress = recompress;
        self
    }

    /// The smallest and the largest file worth sharing, in bytes, both included.
    pub fn with_sizes(mut self, min: u64, max: u64) -> Result<Self, PolicyError> {
        if min > max {
            return Err(PolicyError::Sizes { min, max });
        }
        (self.min_size, self.max_size) = (min, max);
        Ok(self)
    }

    /// The media types that are shared, such as `video/mp4` or `video/*`; replaces the defaults.
    ///
    /// The defaults are large, finished files that no browser executes: archives, packages, disk
    /// images, ZIM files, map and data sets, video, audio. HTML, SVG, XML, scripts and style
    /// sheets can run or steer code with the site's rights and are refused here, whatever is asked.
    /// PDF is left out because it can hold scripts and is often personal; images, because single
    /// pictures are rarely large enough. `application/octet-stream` stands for "unknown", so there
    /// the file name's extension must be that of an allowed kind.
    pub fn with_types<I>(mut self, types: I) -> Result<Self, PolicyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.types = types
            .into_iter()
            .map(|pattern| MediaPattern::parse(pattern.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Paths (`/pub/`, as prefixes) whose files are the same for everybody, whatever cookie the
    /// visitor has. Empty by default: a cookie is how most sites recognise a login, and a file
    /// that is only asked for with one may not be meant for others.
    pub fn with_public<I>(mut self, paths: I) -> Result<Self, PolicyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.public = paths
            .into_iter()
            .map(|path| {
                let path = path.as_ref();
                let valid = path.starts_with('/') && path.ends_with('/');
                valid.then(|| path.to_owned()).ok_or_else(|| PolicyError::Public(path.to_owned()))
            })
            .collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// The name of our own cookie (`experiment`, design "visitors").
    pub fn with_cookie(mut self, name: &str) -> Result<Self, PolicyError> {
        if name.is_empty() || !name.bytes().all(crate::fields::is_token_byte) {
            return Err(PolicyError::Cookie(name.to_owned()));
        }
        name.clone_into(&mut self.cookie);
        Ok(self)
    }

    /// The reserved prefix, without a trailing slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a raw request path is answered by the host itself.
    pub fn is_reserved(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The smallest file that is shared, in bytes.
    pub fn min_size(&self) -> u64 {
        self.min_size
    }

    /// The largest file that is shared, in bytes, unless it is local.
    pub fn max_size(&self) -> u64 {
        self.max_size
    }

    /// The file name extensions (lower case, without a dot) of the kinds that are shared: what a
    /// browser takes as a hint that a URL may be an asset.
    pub fn extensions(&self) -> impl Iterator<Item = &'static str> + '_ {
        media::extensions(&self.types)
    }

    /// Whether a `Host` field (or `:authority`) names the site. Without an origin any does.
    pub fn is_site(&self, authority: &[u8]) -> bool {
        self.origin.as_ref().is_none_or(|origin| origin.is_named_by(authority))
    }

    pub(crate) fn origin(&self) -> Option<&SiteOrigin> {
        self.origin.as_ref()
    }

    pub(crate) fn pages(&self) -> bool {
        self.pages
    }

    pub(crate) fn nonce(&self) -> bool {
        self.nonce
    }

    pub(crate) fn recompress(&self) -> bool {
        self.recompress
    }

    pub(crate) fn types(&self) -> &[MediaPattern] {
        &self.types
    }

    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Whether a normalised path lies in one the operator called public.
    pub(crate) fn is_public(&self, path: &str) -> bool {
        self.public.iter().any(|prefix| path.starts_with(prefix.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_covers_itself_and_what_is_below() {
        let policy = Policy::default().with_prefix("/_mh/").unwrap();

        assert_eq!(policy.prefix(), "/_mh");
        assert!(policy.is_reserved("/_mh"));
        assert!(policy.is_reserved("/_mh/loader.js"));
        assert!(!policy.is_reserved("/_mhx"));
        assert!(!policy.is_reserved("/a/_mh/"));
    }

    #[test]
    fn a_policy_that_cannot_work_is_refused() {
        for prefix in ["", "/", "x", "//", "/a//b", "/a/../b", "/a b", "/a\"", "/ä", "/a%20"] {
            assert!(Policy::default().with_prefix(prefix).is_err(), "{prefix}");
        }
        for origin in ["", "example.org", "ftp://a", "https://", "https://a/b", "https://a:x"] {
            assert!(Policy::default().with_origin(origin).is_err(), "{origin}");
        }
        assert!(Policy::default().with_sizes(2, 1).is_err());
        assert!(Policy::default().with_cookie("a b").is_err());
        assert!(Policy::default().with_public(["/a"]).is_err());
    }

    #[test]
    fn active_types_cannot_be_allowed() {
        for active in [
            "text/html",
            "TEXT/HTML",
            "text/*",
            "*/*",
            "application/*",
            "image/*",
            "image/svg+xml",
            "application/xhtml+xml",
            "application/xml",
            "text/javascript",
            "application/ecmascript",
            "text/css",
            "application/wasm",
        ] {
            let error = Policy::default().with_types([active]).unwrap_err();
            assert_eq!(error, PolicyError::ActiveType(active.to_owned()), "{active}");
        }
        for bad in ["", "video", "video/", "/mp4", "video/mp4; a=b", "vi deo/mp4", "video/m*"] {
            let error = Policy::default().with_types([bad]).unwrap_err();
            assert_eq!(error, PolicyError::Type(bad.to_owned()), "{bad}");
        }
        assert!(Policy::default().with_types(["video/*", "application/pdf", "image/png"]).is_ok());
    }

    #[test]
    fn extensions_follow_the_types() {
        let default: Vec<_> = Policy::default().extensions().collect();
        assert!(["zip", "mp4", "iso", "zim"].iter().all(|extension| default.contains(extension)));
        assert!(!["html", "js", "svg", "pdf"].iter().any(|extension| default.contains(extension)));

        let audio = Policy::default().with_types(["audio/*"]).unwrap();
        let audio: Vec<_> = audio.extensions().collect();
        assert!(audio.contains(&"mp3") && !audio.contains(&"mp4"));
    }
}
