//! Where sites and mirrors are: origins, base URLs, peer addresses, each in one spelling.
//!
//! These texts are written into headers, torrents and JSON for browsers, so what may stand in them is
//! listed rather than what may not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{fmt, str::FromStr, sync::Arc};

use manyhands_metainfo::AssetPath;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The longest base URL in bytes.
pub const MAX_BASE_URL: usize = 512;

/// The longest name of a host (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 253;

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Over [`MAX_BASE_URL`] bytes.
    #[error("longer than {MAX_BASE_URL} bytes")]
    TooLong,
    /// Neither `https://` nor `http://` is its beginning.
    #[error("must begin with https://")]
    Scheme,
    /// `http://`, and not to this machine itself: anybody on the way could change it.
    #[error("must be https, except on this machine")]
    Insecure,
    /// The host is empty, upper-case, has credentials or characters that no host has.
    #[error("has no plain lower-case host")]
    Host,
    /// The port is no number from 1 to 65535 in its shortest form, or missing where it must be given.
    #[error("has no valid port")]
    Port,
    /// The path does not end in a slash, has a query or a fragment, or is not normalised.
    #[error("must have a normalised path that ends in a slash, without query or fragment")]
    Path,
}

/// The origin of a site, such as `https://example.org`: scheme, host, port if it is not the usual one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteOrigin(Arc<str>);

/// Where a mirror has a site's files: an `https` URL that ends in a slash, below which assets lie at
/// their own paths. `http` is for this machine itself only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BaseUrl(Arc<str>);

/// Where a mirror takes TCP peers: `host:port`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddress(Arc<str>);

impl SiteOrigin {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this machine itself.
    pub fn is_loopback(&self) -> bool {
        is_loopback(split(&self.0).1)
    }
}

impl BaseUrl {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this machine itself.
    pub fn is_loopback(&self) -> bool {
        is_loopback(split(&self.0).1)
    }

    /// Whether it is asked over TLS.
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Host and port: `mirror.example`, `mirror.example:8443`, `[2001:db8::1]`.
    pub fn authority(&self) -> &str {
        split(&self.0).1
    }

    /// Host without brackets, and the port: its own or the scheme's.
    pub fn host_and_port(&self) -> (&str, u16) {
        let (host, port) = host_and_port(self.authority());
        let usual = if self.is_secure() { 443 } else { 80 };
        (bare(host), port.and_then(|port| port.parse().ok()).unwrap_or(usual))
    }

    /// The path, with a slash at both ends.
    pub fn path(&self) -> &str {
        split(&self.0).2
    }

    /// Where an asset is at this mirror.
    pub fn of(&self, path: &AssetPath) -> String {
        let path = path.as_str();
        format!("{}{}", self.0, path.strip_prefix('/').unwrap_or(path))
    }
}

impl PeerAddress {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SiteOrigin {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (_, path) = check(text)?;
        if path.is_empty() { Ok(Self(text.into())) } else { Err(AddressError::Path) }
    }
}

impl FromStr for BaseUrl {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (secure, path) = check(text)?;
        if !secure && !is_loopback(split(text).1) {
            return Err(AddressError::Insecure);
        }
        // A comma ends a URL in a list of them, a semicolon in a `Link`.
        let plain = !path.contains([',', ';', '\'', '(', ')']);
        let normal = AssetPath::parse(path).is_ok_and(|known| known.as_str() == path);
        if plain && normal && path.ends_with('/') {
            Ok(Self(text.into()))
        } else {
            Err(AddressError::Path)
        }
    }
}

impl FromStr for PeerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = host_and_port(text);
        check_host(host)?;
        check_port(port.ok_or(AddressError::Port)?)?;
        Ok(Self(text.into()))
    }
}

macro_rules! written_as_it_is {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

written_as_it_is!(SiteOrigin);
written_as_it_is!(BaseUrl);
written_as_it_is!(PeerAddress);

/// Scheme, authority and path of a text that [`check`] has passed.
fn split(text: &str) -> (&str, &str, &str) {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (scheme, authority, path)
}

/// Whether it is secure, and the path, of a URL whose scheme and authority are in order.
fn check(text: &str) -> Result<(bool, &str), AddressError> {
    if text.len() > MAX_BASE_URL {
        return Err(AddressError::TooLong);
    }
    let (scheme, authority, path) = split(text);
    let (secure, usual) = match scheme {
        "https" => (true, "443"),
        "http" => (false, "80"),
        _ => return Err(AddressError::Scheme),
    };
    if authority.contains('@') {
        return Err(AddressError::Host);
    }
    let (host, port) = host_and_port(authority);
    check_host(host)?;
    if let Some(port) = port {
        check_port(port)?;
        if port == usual {
            return Err(AddressError::Port);
        }
    }
    Ok((secure, path))
}

/// Cuts the port off. Of `[::1]` nothing is cut off.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn check_host(host: &str) -> Result<(), AddressError> {
    let literal = host.starts_with('[').then(|| bare(host));
    let fits = match literal {
        // In the spelling that comes out again: browsers write it so, too.
        Some(address) => {
            let parsed = address.parse::<Ipv6Addr>();
            parsed.is_ok_and(|parsed| format!("[{parsed}]") == host)
        }
        None => {
            let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let label = |label: &str| {
                label.bytes().all(|byte| letters(byte) || byte == b'-' || byte == b'_')
                    && label.bytes().next().is_some_and(letters)
            };
            let last = host.rsplit('.').next().unwrap_or_default();
            // A host that ends in a number is an IPv4 address or nothing (WHATWG URL): `127.1` and
            // `0x7f.1` must not be names here and addresses elsewhere.
            let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
            host.len() <= MAX_HOST
                && host.split('.').all(label)
                && (!numeric || host.parse::<Ipv4Addr>().is_ok())
        }
    };
    if fits { Ok(()) } else { Err(AddressError::Host) }
}

fn check_port(port: &str) -> Result<(), AddressError> {
    match port.parse::<u16>() {
        Ok(number) if number != 0 && number.to_string() == port => Ok(()),
        _ => Err(AddressError::Port),
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn is_loopback(authority: &str) -> bool {
    let host = bare(host_and_port(authority).0);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_secure_plain_and_end_in_a_slash() {
        for good in [
            "https://mirror.example/",
            "https://mirror.example:8443/pub/example.org/",
            "https://xn--bcher-kva.example/a%20b/",
            "https://192.0.2.1/",
            "https://[2001:db8::1]:4443/~m/",
            "http://127.0.0.1:8080/",
            "http://[::1]:1/x/",
            "http://localhost/",
        ] {
            assert_eq!(good.parse::<BaseUrl>().map(|url| url.to_string()), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", AddressError::Scheme),
            ("ftp://mirror.example/", AddressError::Scheme),
            ("HTTPS://mirror.example/", AddressError::Scheme),
            ("//mirror.example/", AddressError::Scheme),
            ("javascript://mirror.example/", AddressError::Scheme),
            ("http://mirror.example/", AddressError::Insecure),
            ("http://10.0.0.1/", AddressError::Insecure),
            ("https:///", AddressError::Host),
            ("https://Mirror.example/", AddressError::Host),
            ("https://user@mirror.example/", AddressError::Host),
            ("https://user:pass@mirror.example/", AddressError::Host),
            ("https://mirror..example/", AddressError::Host),
            ("https://.example/", AddressError::Host),
            ("https://-a.example/", AddressError::Host),
            ("https://127.1/", AddressError::Host),
            ("https://0x7f.0x1/", AddressError::Host),
            ("https://2130706433/", AddressError::Host),
            ("https://[::01]/", AddressError::Host),
            ("https://[127.0.0.1]/", AddressError::Host),
            ("https://[::1/", AddressError::Host),
            ("https://bücher.example/", AddressError::Host),
            ("https://a b.example/", AddressError::Host),
            ("https://mirror.example:/", AddressError::Port),
            ("https://mirror.example:0/", AddressError::Port),
            ("https://mirror.example:443/", AddressError::Port),
            ("https://mirror.example:08443/", AddressError::Port),
            ("https://mirror.example:65536/", AddressError::Port),
            ("https://mirror.example", AddressError::Path),
            ("https://mirror.example/a", AddressError::Path),
            ("https://mirror.example/a/?b=/", AddressError::Path),
            ("https://mirror.example/#/", AddressError::Path),
            ("https://mirror.example/a/../b/", AddressError::Path),
            ("https://mirror.example//", AddressError::Path),
            ("https://mirror.example/a,b/", AddressError::Path),
            ("https://mirror.example/a%2fb/", AddressError::Path),
            ("https://mirror.example/>/", AddressError::Path),
            ("https://mirror.example/a b/", AddressError::Path),
        ] {
            assert_eq!(bad.parse::<BaseUrl>(), Err(why), "{bad}");
        }
        let long = format!("https://mirror.example/{}/", "a".repeat(MAX_BASE_URL));
        assert_eq!(long.parse::<BaseUrl>(), Err(AddressError::TooLong));
    }

    #[test]
    fn a_base_url_is_taken_apart() {
        let url: BaseUrl = "https://[2001:db8::1]:4443/pub/".parse().unwrap();
        assert_eq!(url.authority(), "[2001:db8::1]:4443");
        assert_eq!(url.host_and_port(), ("2001:db8::1", 4443));
        assert_eq!(url.path(), "/pub/");
        assert_eq!(url.of(&AssetPath::parse("/a/b c.iso").unwrap()), format!("{url}a/b%20c.iso"));
        let url: BaseUrl = "https://mirror.example/".parse().unwrap();
        assert_eq!((url.host_and_port(), url.is_loopback()), (("mirror.example", 443), false));
        let url: BaseUrl = "http://127.8.0.1/".parse().unwrap();
        assert_eq!((url.host_and_port(), url.is_loopback()), (("127.8.0.1", 80), true));
    }

    #[test]
    fn an_origin_has_no_path_and_a_peer_has_a_port() {
        for (text, good) in [
            ("https://example.org", true),
            ("http://example.org:8080", true),
            ("https://example.org/", false),
            ("https://example.org?", false),
            ("https://example.org:443", false),
            ("example.org", false),
        ] {
            assert_eq!(text.parse::<SiteOrigin>().is_ok(), good, "{text}");
        }
        for (text, good) in [
            ("mirror.example:6881", true),
            ("192.0.2.1:1", true),
            ("[2001:db8::1]:6881", true),
            ("mirror.example", false),
            ("[2001:db8::1]", false),
            ("2001:db8::1:80", false),
            (":80", false),
            ("a:b:80", false),
            ("mirror.example:80/", false),
        ] {
            assert_eq!(text.parse::<PeerAddress>().is_ok(), good, "{text}");
        }
    }
}
