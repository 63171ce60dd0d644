//! The URLs this command asks: http or https, a host, no credentials.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// A URL that can be asked. Its fragment, which is not sent, is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    secure: bool,
    authority: Authority,
    path: PathAndQuery,
}

impl FromStr for Target {
    type Err = String;

    /// Takes what people paste: spaces and letters beyond ASCII are escaped as a browser would.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((_, rest)) = text.split_once("://") else {
            return Err(format!("write it with its scheme, like https://{text}"));
        };
        if !rest.split(['/', '?', '#']).next().unwrap_or_default().is_ascii() {
            return Err("write the host in its ASCII form (xn--...)".to_owned());
        }
        let uri: Uri = escaped(text.trim()).parse().map_err(|error| format!("{error}"))?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err("only http:// and https:// can be asked".to_owned()),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("a stranger has no credentials: leave them out".to_owned());
        }
        let host = authority.host();
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        let bare = authority.as_str().len() == host.len();
        if !bare && authority.port_u16().is_none_or(|port| port == 0) {
            return Err("its port is no port".to_owned());
        }
        let authority = authority.as_str().to_ascii_lowercase().parse();
        Ok(Self {
            secure,
            authority: authority.map_err(|error| format!("{error}"))?,
            path: uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")),
        })
    }
}

impl Target {
    /// Another path (and query) of the same site.
    pub(crate) fn at(&self, path: &str) -> Result<Self, String> {
        let path = path.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { path, ..self.clone() })
    }

    /// Resolves a reference (RFC 3986, section 5.2), as found in `Location` or `href`.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, String> {
        let reference = reference.split('#').next().unwrap_or_default().trim();
        let scheme = reference.split(['/', '?']).next().unwrap_or_default();
        if scheme.contains(':') {
            return reference.parse();
        }
        if reference.starts_with("//") {
            return format!("{}:{reference}", self.scheme()).parse();
        }
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let (path, query) = match path {
            "" => (
                self.path().to_owned(),
                query.or(if path == reference { self.query() } else { None }),
            ),
            _ if path.starts_with('/') => (without_dots(path), query),
            _ => {
                let folder = self.path().rsplit_once('/').map_or("", |(folder, _)| folder);
                (without_dots(&format!("{folder}/{path}")), query)
            }
        };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        self.at(&escaped(&format!("{path}{query}")))
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Lower case, an IPv6 address in its brackets.
    pub(crate) fn host(&self) -> &str {
        self.authority.host()
    }

    pub(crate) fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// What the `Host` field says: without the scheme's own port.
    pub(crate) fn authority(&self) -> String {
        match (self.secure, self.port()) {
            (true, 443) | (false, 80) => self.host().to_owned(),
            (_, port) => format!("{}:{port}", self.host()),
        }
    }

    /// `https://example.org`
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority())
    }

    pub(crate) fn path(&self) -> &str {
        self.path.path()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.path.query()
    }

    /// Path and query, as the request line has them.
    pub(crate) fn path_and_query(&self) -> &str {
        self.path.as_str()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.origin(), self.path)
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0x21..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// RFC 3986, section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next().unwrap_or_default();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if matches!(last, "." | "..") {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn what_people_paste() {
        for (text, is) in [
            ("https://Example.ORG", "https://example.org/"),
            (" http://a:80/x y?q=ü#part ", "http://a/x%20y?q=%C3%BC"),
            ("http://[::1]:8080/a", "http://[::1]:8080/a"),
            ("https://a:8443/", "https://a:8443/"),
        ] {
            assert_eq!(target(text).to_string(), is);
        }
        for (text, says) in [
            ("example.org/a.iso", "https://example.org/a.iso"),
            ("ftp://a/", "https://"),
            ("https://me:secret@a/", "credentials"),
            ("https://münchen.example/", "xn--"),
            ("http://a:0/", "port"),
            ("http://a:x/", ""),
            ("", ""),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn references_are_resolved_as_in_rfc_3986() {
        let base = target("http://a/b/c/d;p?q");
        for (reference, is) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("https://x/y", "https://x/y"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_string(), is, "{reference}");
        }
        assert!(base.join("mailto:x").is_err());
    }
}
