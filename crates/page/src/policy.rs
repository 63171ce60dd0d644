//! What the operator allows: checked once, at start-up.

use manyhands_metainfo::AssetPath;

use crate::csp::SiteOrigin;
use crate::media::{self, MediaPattern};
use crate::url;

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
/// | [`exclude`](Self::with_exclude) | none | paths that are never shared |
/// | [`immutable`](Self::with_immutable) | none | paths whose URLs name their bytes for ever: no validator needed |
/// | [`queries`](Self::with_queries) | none | parameters that only break caches: with them a URL is that of the path alone |
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
    /// Folded, see [`fold`].
    exclude: Vec<String>,
    immutable: Vec<String>,
    queries: Vec<String>,
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
    #[error("the public path {0:?} must be a plain path that starts and ends with '/'")]
    Public(String),
    /// An excluded path that is no absolute path.
    #[error("the excluded path {0:?} must be a plain path that starts with '/'")]
    Exclude(String),
    /// An immutable path that is no absolute path.
    #[error("the immutable path {0:?} must be a plain path that starts and ends with '/'")]
    Immutable(String),
    /// Not the name of a query parameter.
    #[error("{0:?} is no parameter name of letters, digits, '.', '_' and '-'")]
    Query(String),
    /// The name of a parameter that carries credentials.
    #[error("a parameter {0:?} is known to carry signatures, keys, sessions or names of persons")]
    CredentialQuery(String),
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
            exclude: Vec::new(),
            immutable: Vec::new(),
            queries: Vec::new(),
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
        let types = types.into_iter().map(|pattern| MediaPattern::parse(pattern.as_ref()));
        self.types = media::arranged(types.collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// Paths (`/pub/`, as prefixes, in any spelling) whose files are the same for everybody, whatever
    /// cookie the visitor has. Empty by default: a cookie is how most sites recognise a login, and a file
    /// that is only asked for with one may not be meant for others.
    pub fn with_public<I>(mut self, paths: I) -> Result<Self, PolicyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.public = directories(paths, PolicyError::Public)?;
        Ok(self)
    }

    /// Paths (`/private/` or `/a/b.zip`, as prefixes) that are never shared, whatever else is said of
    /// them. Compared decoded and without regard to case, as a site's file system may do: `/PRIVATE/`
    /// is out as well.
    pub fn with_exclude<I>(mut self, paths: I) -> Result<Self, PolicyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.exclude = paths
            .into_iter()
            .map(|path| {
                let parsed = AssetPath::parse(path.as_ref());
                parsed.map(|path| fold(&path)).map_err(|_| path.as_ref().to_owned())
            })
            .collect::<Result<_, _>>()
            .map_err(PolicyError::Exclude)?;
        Ok(self)
    }

    /// Paths (`/static/`, as prefixes) whose URLs name their bytes for ever, because the names hold a
    /// digest: no strong ETag or date is needed there to tell versions apart, only the length.
    ///
    /// Where a URL below it is used again for other bytes of the same length, visitors get the old ones
    /// from one another until an answer of another length, or a purge.
    pub fn with_immutable<I>(mut self, paths: I) -> Result<Self, PolicyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.immutable = directories(paths, PolicyError::Immutable)?;
        Ok(self)
    }

    /// Names of query parameters that only break caches (`v`), and do not choose the bytes: a URL whose
    /// query has these alone, each once, with a value of 1 to 64 letters, digits, `.`, `_` and `-`, is
    /// the file of its path. Case matters. Names that are known to carry credentials are refused.
    pub fn with_queries<I>(mut self, names: I) -> Result<Self, PolicyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.queries = names
            .into_iter()
            .map(|name| {
                let name = name.as_ref();
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
                if name.is_empty() || !name.bytes().all(plain) {
                    return Err(PolicyError::Query(name.to_owned()));
                }
                if url::is_credential(name) {
                    return Err(PolicyError::CredentialQuery(name.to_owned()));
                }
                Ok(name.to_owned())
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

    /// Whether the operator wants this path never to be shared.
    pub fn is_excluded(&self, path: &AssetPath) -> bool {
        !self.exclude.is_empty() && {
            let path = fold(path);
            self.exclude.iter().any(|prefix| path.starts_with(prefix.as_str()))
        }
    }

    /// Whether a path lies in one the operator called public.
    pub(crate) fn is_public(&self, path: &AssetPath) -> bool {
        self.public.iter().any(|prefix| path.as_str().starts_with(prefix.as_str()))
    }

    /// Whether a path lies in one whose URLs name their bytes for ever.
    pub(crate) fn is_immutable(&self, path: &AssetPath) -> bool {
        self.immutable.iter().any(|prefix| path.as_str().starts_with(prefix.as_str()))
    }

    pub(crate) fn queries(&self) -> &[String] {
        &self.queries
    }
}

/// Directories in the spelling of [`AssetPath`].
fn directories<I>(paths: I, refuse: fn(String) -> PolicyError) -> Result<Vec<String>, PolicyError>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    paths
        .into_iter()
        .map(|path| match AssetPath::parse(path.as_ref()) {
            Ok(parsed) if parsed.is_directory() => Ok(parsed.as_str().to_owned()),
            _ => Err(refuse(path.as_ref().to_owned())),
        })
        .collect()
}

/// A path as the most lenient of servers reads it: decoded, in lower case.
fn fold(path: &AssetPath) -> String {
    let mut folded = String::with_capacity(path.as_str().len());
    for segment in path.decoded_segments() {
        folded.push('/');
        folded.push_str(&segment.to_lowercase());
    }
    if path.is_directory() {
        folded.push('/');
    }
    folded
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
        for path in ["", "a/", "/a", "/a//b/", "/a?b/", "/../", "/a%2fb/", "/a\\/"] {
            assert!(Policy::default().with_public([path]).is_err(), "{path}");
            assert!(Policy::default().with_immutable([path]).is_err(), "{path}");
        }
        for path in ["", "a/", "/a//b/", "/a?b/", "/../"] {
            assert!(Policy::default().with_exclude([path]).is_err(), "{path}");
        }
    }

    #[test]
    fn excluded_paths_are_out_in_every_spelling() {
        let policy =
            Policy::default().with_exclude(["/Private/", "/a(1).zip", "/x/%7Euser"]).unwrap();
        let excluded = |path: &str| policy.is_excluded(&AssetPath::parse(path).unwrap());
        for path in [
            "/private/a.zip",
            "/PRIVATE/a.zip",
            "/%70rivate/a.zip",
            "/b/../private/a.zip",
            "/a%281%29.zip",
            "/a(1).zip",
            "/x/~user/a.zip",
            "/x/~username/a.zip",
        ] {
            assert!(excluded(path), "{path}");
        }
        for path in ["/a.zip", "/private", "/b/private/a.zip", "/privat/a.zip"] {
            assert!(!excluded(path), "{path}");
        }
        let all = Policy::default().with_exclude(["/"]).unwrap();
        assert!(all.is_excluded(&AssetPath::parse("/a.zip").unwrap()));
    }

    #[test]
    fn parameters_that_carry_credentials_cannot_break_caches() {
        for name in ["sig", "Token", "X-Amz-Date", "Expires", "key", "se", "hdnea", "api_key"] {
            let error = Policy::default().with_queries([name]).unwrap_err();
            assert_eq!(error, PolicyError::CredentialQuery(name.to_owned()));
        }
        for name in ["", "a b", "a=b", "v&w", "\u{e9}", "v[]", "%76"] {
            let error = Policy::default().with_queries([name]).unwrap_err();
            assert_eq!(error, PolicyError::Query(name.to_owned()));
        }
        assert!(Policy::default().with_queries(["v", "ver", "_", "cache-bust"]).is_ok());
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
