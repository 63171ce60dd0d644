//! What an operator may choose about the upstream.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::uri::{Authority, Scheme, Uri};
use ipnet::IpNet;

use super::error::ConfigError;

/// Which `Host` the upstream is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostPolicy {
    /// The one that the client named, so that an application builds links and cookies for the site as
    /// visitors know it. Speaks HTTP/1.1 to the upstream.
    Client,
    /// The upstream's own, for a site that is another virtual host or stands behind a content delivery
    /// network: it would not answer to any other name.
    Upstream,
    /// This one.
    Fixed(HeaderValue),
}

/// Where to forward to, and how patiently.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    pub(crate) url: String,
    pub(crate) host: Option<HostPolicy>,
    pub(crate) connect_timeout: Duration,
    pub(crate) first_byte_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) pool_idle_timeout: Duration,
    pub(crate) max_header: usize,
    pub(crate) via: Option<String>,
    pub(crate) trusted: Vec<IpNet>,
    pub(crate) extra_roots: Option<PathBuf>,
}

impl UpstreamConfig {
    /// `url` is `http://` or `https://` with a host and maybe a port: no path, no credentials. Checked by
    /// [`Upstream::new`](crate::Upstream::new).
    ///
    /// Defaults:
    /// - host: the client's for `http`, where the upstream is usually the application itself; the
    ///   upstream's for `https`, where it usually is a site with a name of its own (which its certificate
    ///   proves, and by which it chooses the site).
    /// - connect timeout 3 s: name, connection and TLS together. A visitor waits no longer for a dead host.
    /// - first byte timeout 60 s, from the last sign of the upload going on. Slow reports need more.
    /// - idle timeout 300 s between two frames of an answer. Lower cuts event streams that rarely speak.
    /// - pool idle timeout 15 s: shorter than most servers keep idle connections, so that few requests
    ///   meet a connection that is being closed.
    /// - max header 64 KiB of answer head: twice as much is certainly a 502.
    /// - via `manyhands`.
    /// - trusted: nobody. What clients say in `X-Forwarded-*` and `Forwarded` is dropped.
    /// - extra roots: none beside those of the system.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            host: None,
            connect_timeout: Duration::from_secs(3),
            first_byte_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            pool_idle_timeout: Duration::from_secs(15),
            max_header: 64 * 1024,
            via: Some("manyhands".into()),
            trusted: Vec::new(),
            extra_roots: None,
        }
    }

    /// Which `Host` the upstream is told, instead of the default for the scheme.
    #[must_use]
    pub fn with_host(mut self, policy: HostPolicy) -> Self {
        self.host = Some(policy);
        self
    }

    /// How long finding, reaching and TLS with the upstream may take together; then 504.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the upstream may think after it has the request; then 504.
    #[must_use]
    pub fn with_first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = timeout;
        self
    }

    /// How long an answer may pause; then it is aborted.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long an unused connection to the upstream is kept.
    #[must_use]
    pub fn with_pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// The greatest head of an answer in bytes, roughly: how much is read before giving up on a head that
    /// does not end. At least 8 KiB.
    #[must_use]
    pub fn with_max_header(mut self, bytes: usize) -> Self {
        self.max_header = bytes.max(8 * 1024);
        self
    }

    /// The name in `Via`, or none at all: some servers do not compress for requests that came by a proxy.
    /// Without it a proxy that is its own upstream is not noticed.
    #[must_use]
    pub fn with_via(mut self, pseudonym: Option<String>) -> Self {
        self.via = pseudonym;
        self
    }

    /// Peers whose `X-Forwarded-*` and `Forwarded` are believed and passed on: the proxies in front.
    #[must_use]
    pub fn with_trusted(mut self, networks: Vec<IpNet>) -> Self {
        self.trusted = networks;
        self
    }

    /// A PEM file with certificate authorities to accept beside the system's.
    #[must_use]
    pub fn with_extra_roots(mut self, file: Option<PathBuf>) -> Self {
        self.extra_roots = file;
        self
    }

    pub(crate) fn parse_url(&self) -> Result<(Scheme, Authority), ConfigError> {
        let bad = |reason| ConfigError::Url { url: self.url.clone(), reason };
        let uri: Uri = self.url.parse().map_err(|_| bad("it cannot be read as a URL"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::HTTP,
            Some("https") => Scheme::HTTPS,
            _ => return Err(bad("it must start with http:// or https://")),
        };
        let authority = uri.authority().ok_or(bad("it names no host"))?.clone();
        if authority.host().is_empty() {
            return Err(bad("it names no host"));
        }
        if authority.as_str().contains('@') {
            return Err(bad("credentials do not belong into it"));
        }
        let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        if !after_host.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(bad("its port is no port"));
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err(bad("a path is not supported: requests are passed on with their own"));
        }
        Ok((scheme, authority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for url in ["http://a", "http://a/", "https://a:8443", "http://[::1]:3000", "HTTP://a"] {
            assert!(UpstreamConfig::new(url).parse_url().is_ok(), "{url}");
        }
        for url in [
            "",
            "a",
            "a:80",
            "/x",
            "ftp://a",
            "http://",
            "http:///x",
            "http://u:p@a",
            "http://a/x",
            "http://a/?q",
            "http://a b",
            "unix:/run/x",
            "http://a:99999",
            "http://a:0",
            "http://a:",
        ] {
            let error = UpstreamConfig::new(url).parse_url().unwrap_err();
            assert!(error.to_string().contains(url), "{error}");
        }
    }
}
