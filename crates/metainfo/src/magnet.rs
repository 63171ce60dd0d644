//! Magnet links.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Digest, InfoHash};

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A magnet link: `magnet:?xt=urn:btih:<hex>&dn=..&xl=..&tr=..&ws=..&xs=..`; for a hybrid torrent
/// also `xt=urn:btmh:1220<hex>` (BEP 52; 1220 says SHA-256, 32 bytes).
///
/// Fields in this order, values percent-encoded, plain `&`: for HTML the page's own escaping comes
/// on top.
#[derive(Debug, Clone)]
pub struct Magnet<'a> {
    info_hash: InfoHash,
    info_hash_v2: Option<Digest>,
    name: Option<&'a str>,
    length: Option<u64>,
    trackers: Vec<&'a str>,
    web_seeds: Vec<&'a str>,
    exact_sources: Vec<&'a str>,
}

impl<'a> Magnet<'a> {
    /// A link that names the swarm only.
    pub fn new(info_hash: InfoHash) -> Self {
        Self {
            info_hash,
            info_hash_v2: None,
            name: None,
            length: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            exact_sources: Vec::new(),
        }
    }

    /// A second `xt`: the info-hash of version 2 of a hybrid torrent.
    #[must_use]
    pub fn with_info_hash_v2(mut self, info_hash: Digest) -> Self {
        self.info_hash_v2 = Some(info_hash);
        self
    }

    /// `dn`: the name to show before the metainfo is there.
    #[must_use]
    pub fn with_name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// `xl`: length in bytes.
    #[must_use]
    pub fn with_length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// Adds a `tr`: a tracker URL.
    #[must_use]
    pub fn with_tracker(mut self, url: &'a str) -> Self {
        self.trackers.push(url);
        self
    }

    /// Adds a `ws`: the URL of the file itself (BEP 19).
    #[must_use]
    pub fn with_web_seed(mut self, url: &'a str) -> Self {
        self.web_seeds.push(url);
        self
    }

    /// Adds an `xs`: the URL of the `.torrent`, so that no peer has to be asked for it. Not `as`,
    /// which clients take for the file.
    #[must_use]
    pub fn with_exact_source(mut self, url: &'a str) -> Self {
        self.exact_sources.push(url);
        self
    }
}

impl fmt::Display for Magnet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "magnet:?xt=urn:btih:{}", self.info_hash)?;
        if let Some(info_hash) = &self.info_hash_v2 {
            write!(f, "&xt=urn:btmh:1220{info_hash}")?;
        }
        if let Some(name) = self.name {
            write!(f, "&dn={}", utf8_percent_encode(name, ENCODED))?;
        }
        if let Some(length) = self.length {
            write!(f, "&xl={length}")?;
        }
        let lists = [("tr", &self.trackers), ("ws", &self.web_seeds), ("xs", &self.exact_sources)];
        for (key, urls) in lists {
            for url in urls {
                write!(f, "&{key}={}", utf8_percent_encode(url, ENCODED))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: InfoHash = InfoHash::from_bytes([0xab; 20]);

    #[test]
    fn a_bare_link_names_the_swarm() {
        let expected = format!("magnet:?xt=urn:btih:{}", "ab".repeat(20));
        assert_eq!(Magnet::new(HASH).to_string(), expected);
    }

    #[test]
    fn fields_are_in_order_and_encoded() {
        let link = Magnet::new(HASH)
            .with_exact_source("https://e.org/x.torrent")
            .with_web_seed("https://e.org/a%20b.zip")
            .with_web_seed("http://m/?q=1&r=2#f")
            .with_tracker("wss://e.org/t")
            .with_length(7)
            .with_info_hash_v2(Digest::from_bytes([0xcd; 32]))
            .with_name("ä b&c=d+~.zip")
            .to_string();
        assert_eq!(
            link,
            "magnet:?xt=urn:btih:abababababababababababababababababababab\
             &xt=urn:btmh:1220\
             cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\
             &dn=%C3%A4%20b%26c%3Dd%2B~.zip\
             &xl=7\
             &tr=wss%3A%2F%2Fe.org%2Ft\
             &ws=https%3A%2F%2Fe.org%2Fa%2520b.zip\
             &ws=http%3A%2F%2Fm%2F%3Fq%3D1%26r%3D2%23f\
             &xs=https%3A%2F%2Fe.org%2Fx.torrent"
        );
    }
}
