//! Source lists: whether an expression matches a URL of the page's own origin (CSP 3, section 6.7.2).

/// The page's origin, where the operator has told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SiteOrigin {
    secure: bool,
    /// Lower case.
    host: String,
    port: u16,
    /// Host and port as they were given: what most requests name.
    authority: String,
}

impl SiteOrigin {
    /// `http[s]://host[:port]`, with or without a trailing slash.
    pub(crate) fn parse(origin: &str) -> Option<Self> {
        let uri: http::Uri = origin.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
        // `port_u16` is silent about a port that is no number.
        let rebuilt = match authority.port_u16() {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        };
        let host = authority.host().to_ascii_lowercase();
        (plain && !host.is_empty() && rebuilt == authority.as_str()).then(|| Self {
            secure,
            host,
            port: authority.port_u16().unwrap_or(default_port(secure)),
            authority: rebuilt,
        })
    }

    /// Whether a `Host` field (or `:authority`) names this site. On loopback all its names are one: what is
    /// typed into a browser there varies.
    pub(crate) fn is_named_by(&self, authority: &[u8]) -> bool {
        if authority.eq_ignore_ascii_case(self.authority.as_bytes()) {
            return true;
        }
        let authority = std::str::from_utf8(authority).ok();
        let Some(authority) = authority.and_then(|it| it.parse::<http::uri::Authority>().ok())
        else {
            return false;
        };
        let host = authority.host().to_ascii_lowercase();
        let same = host == self.host || (is_loopback(&host) && is_loopback(&self.host));
        same && authority.port_u16().unwrap_or(default_port(self.secure)) == self.port
    }
}

/// Whether a host of a URL, a `Host` field or `:authority` is this machine by one of its loopback names.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// What is asked of a list: always a URL of the page's own scheme (or its WebSocket twin), host and
/// port.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    /// Something at this path, or, with a trailing slash, everything below it.
    Fetch { path: &'a str },
    /// The tracker. `'self'` covers it in current browsers.
    WebSocket,
}

/// The sources of one directive.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceList<'a> {
    sources: &'a [&'a str],
}

impl<'a> SourceList<'a> {
    pub(super) fn new(sources: &'a [&'a str]) -> Self {
        Self { sources }
    }

    pub(super) fn is_strict_dynamic(&self) -> bool {
        self.sources.iter().any(|source| source.eq_ignore_ascii_case("'strict-dynamic'"))
    }

    /// The nonces that are well-formed, and so safe within an attribute.
    pub(super) fn nonces(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.sources.iter().filter_map(|source| {
            let inner = source.strip_prefix('\'')?.strip_suffix('\'')?;
            let (keyword, nonce) = inner.split_at_checked("nonce-".len())?;
            let stem = nonce.trim_end_matches('=');
            let valid = keyword.eq_ignore_ascii_case("nonce-")
                && !stem.is_empty()
                && nonce.len() - stem.len() <= 2
                && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/_-".contains(&b));
            valid.then_some(nonce)
        })
    }

    /// Whether an expression matches by URL. Nonces, hashes and keywords do not.
    pub(super) fn admit(&self, target: Target<'_>, origin: Option<&SiteOrigin>) -> bool {
        self.sources.iter().any(|source| {
            *source == "*"
                || source.eq_ignore_ascii_case("'self'")
                || matches_scheme(source, target, origin)
                || origin.is_some_and(|origin| matches_host(source, target, origin))
        })
    }
}

/// Whether `scheme` covers the target's. `http` covers `https` and `ws` covers `wss`; whether a page
/// of unknown origin is `https` is unknown too.
fn covers(scheme: &str, target: Target<'_>, secure: Option<bool>) -> bool {
    let (insecure_scheme, secure_scheme) = match target {
        Target::Fetch { .. } => ("http", "https"),
        Target::WebSocket => ("ws", "wss"),
    };
    scheme.eq_ignore_ascii_case(insecure_scheme)
        || (secure == Some(true) && scheme.eq_ignore_ascii_case(secure_scheme))
}

/// `https:`
fn matches_scheme(source: &str, target: Target<'_>, origin: Option<&SiteOrigin>) -> bool {
    source
        .strip_suffix(':')
        .is_some_and(|scheme| covers(scheme, target, origin.map(|origin| origin.secure)))
}

/// `[scheme://]host[:port][/path]`
fn matches_host(source: &str, target: Target<'_>, origin: &SiteOrigin) -> bool {
    let (scheme, rest) = match source.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, source),
    };
    let scheme_matches = match (scheme, target) {
        (Some(scheme), _) => covers(scheme, target, Some(origin.secure)),
        // Without a scheme the page's own is meant, which is not that of a WebSocket.
        (None, Target::Fetch { .. }) => true,
        (None, Target::WebSocket) => false,
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let port_matches = match port {
        Some("*") => true,
        Some(port) => port.parse() == Ok(origin.port),
        None => origin.port == default_port(origin.secure),
    };
    scheme_matches && host_matches(host, &origin.host) && port_matches && path_matches(path, target)
}

fn host_matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => suffix.starts_with('.') && host.ends_with(suffix) && host != suffix,
        None => pattern == host,
    }
}

/// A path ending in a slash covers what is below, any other only itself. An escaped path is not
/// decoded: no path of ours needs an escape.
fn path_matches(pattern: &str, target: Target<'_>) -> bool {
    match target {
        Target::Fetch { path } => match pattern {
            "" => true,
            pattern if pattern.ends_with('/') => path.starts_with(pattern),
            pattern => path == pattern,
        },
        Target::WebSocket => matches!(pattern, "" | "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_match_by_scheme_name_port_and_path() {
        let origin = SiteOrigin::parse("https://www.Example.org:8443").unwrap();
        let admits = |source: &str| {
            let sources = [source];
            SourceList::new(&sources).admit(Target::Fetch { path: "/p/sw.js" }, Some(&origin))
        };

        for source in [
            "www.example.org:8443",
            "https://www.example.org:*",
            "http://*.example.org:8443",
            "*.org:8443/p/",
            "https://*:8443",
            "WWW.EXAMPLE.ORG:8443/p/sw.js",
            "www.example.org:8443/",
        ] {
            assert!(admits(source), "{source}");
        }
        for source in [
            "www.example.org",
            "https://www.example.org:443",
            "example.org:8443",
            "*example.org:8443",
            "*.www.example.org:8443",
            "wss://www.example.org:8443",
            "www.example.org:8443/p",
            "www.example.org:8443/P/",
            "www.example.org:8443/p/sw.js/",
            "www.example.org:",
            "data:",
            "'www.example.org:8443'",
            "",
            ":",
            "://",
        ] {
            assert!(!admits(source), "{source}");
        }
    }

    #[test]
    fn a_scheme_says_little_about_an_unknown_origin() {
        let admits = |source: &str, origin: Option<&SiteOrigin>| {
            let sources = [source];
            SourceList::new(&sources).admit(Target::Fetch { path: "/" }, origin)
        };
        let secure = SiteOrigin::parse("https://a").unwrap();
        let plain = SiteOrigin::parse("http://a").unwrap();

        assert!(admits("https:", Some(&secure)));
        assert!(!admits("https:", Some(&plain)));
        assert!(!admits("https:", None));
        assert!(admits("http:", None));
    }
}
