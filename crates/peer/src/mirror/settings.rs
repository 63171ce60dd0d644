//! What a volunteer decides.

use std::path::{Path, PathBuf};

use manyhands_metainfo::AssetPath;
use manyhands_protocol::mirrors::{BaseUrl, PublicKey, SiteOrigin};

use super::hours::Hours;

/// Where a site keeps its own addresses, unless its URL says otherwise.
const PREFIX: &str = "/.well-known/manyhands/";

/// A mirror's settings.
#[derive(Debug, Clone)]
pub struct MirrorSettings {
    pub(super) directory: PathBuf,
    pub(super) budget: u64,
    pub(super) public: Option<BaseUrl>,
    pub(super) rate: Option<u64>,
    pub(super) hours: Option<Hours>,
    pub(super) name: String,
    pub(super) contact: Option<String>,
}

/// A site to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteAddress {
    pub(super) origin: SiteOrigin,
    pub(super) prefix: AssetPath,
    pub(super) key: Option<PublicKey>,
}

/// Why a text is no site's URL.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is no site to carry: {reason}; write it like https://example.org/")]
pub struct SiteAddressError {
    text: String,
    reason: String,
}

impl MirrorSettings {
    /// With everything in `directory`:
    /// - budget 20 GB of disk, over all sites.
    /// - no public URL: the sites list this mirror nowhere.
    /// - no limit of bandwidth.
    /// - fetching at all hours.
    /// - the name `mirror`, no contact.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            budget: 20_000_000_000,
            public: None,
            rate: None,
            hours: None,
            name: "mirror".to_owned(),
            contact: None,
        }
    }

    /// Bytes of disk that all sites together may take.
    #[must_use]
    pub fn with_budget(mut self, bytes: u64) -> Self {
        self.budget = bytes;
        self
    }

    /// Where visitors reach this mirror's listener. Sites are below it by their host names.
    #[must_use]
    pub fn with_public_url(mut self, url: Option<BaseUrl>) -> Self {
        self.public = url;
        self
    }

    /// Bytes a second, for fetching and for serving each. `None`: no limit.
    #[must_use]
    pub fn with_rate(mut self, bytes_a_second: Option<u64>) -> Self {
        self.rate = bytes_a_second;
        self
    }

    /// When to fetch. What is there is served at all hours.
    #[must_use]
    pub fn with_hours(mut self, hours: Option<Hours>) -> Self {
        self.hours = hours;
        self
    }

    /// What the sites' operators see it called, at most 80 characters.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How operators reach who runs it, at most 200 characters.
    #[must_use]
    pub fn with_contact(mut self, contact: Option<String>) -> Self {
        self.contact = contact;
        self
    }

    /// Where everything is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl SiteAddress {
    /// Reads `https://example.org/`. A path is the site's reserved prefix, where that is not the usual one.
    ///
    /// # Errors
    /// In one line that a person can act on.
    pub fn parse(text: &str) -> Result<Self, SiteAddressError> {
        let refuse = |reason: String| SiteAddressError { text: text.to_owned(), reason };
        let authority = text.find("://").map_or(0, |at| at + 3);
        let end = text[authority..].find('/').map_or(text.len(), |at| authority + at);
        let (origin, path) = text.split_at(end);
        let origin: SiteOrigin = origin.parse().map_err(|error| refuse(format!("{error}")))?;
        if origin.as_str().starts_with("http://") && !origin.is_loopback() {
            return Err(refuse("it must be https, so that nobody on the way can change it".into()));
        }
        let path = if matches!(path, "" | "/") { PREFIX } else { path };
        let prefix = AssetPath::parse(path).map_err(|error| refuse(format!("{error}")))?;
        if !prefix.is_directory() {
            return Err(refuse("a path in it must end in a slash".into()));
        }
        Ok(Self { origin, prefix, key: None })
    }

    /// Trusts this key and no other, whatever was trusted before.
    #[must_use]
    pub fn with_key(mut self, key: Option<PublicKey>) -> Self {
        self.key = key;
        self
    }

    /// The site.
    pub fn origin(&self) -> &SiteOrigin {
        &self.origin
    }

    /// Host, and port where it is not the usual one.
    pub fn authority(&self) -> &str {
        self.origin.as_str().split_once("://").map_or("", |(_, authority)| authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_sites() {
        for (text, origin, prefix, authority) in [
            ("https://example.org/", "https://example.org", PREFIX, "example.org"),
            ("https://example.org", "https://example.org", PREFIX, "example.org"),
            (
                "https://example.org:8443/-/p2p/",
                "https://example.org:8443",
                "/-/p2p/",
                "example.org:8443",
            ),
            ("http://127.0.0.1:80800/", "", "", ""),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", PREFIX, "127.0.0.1:8080"),
            ("http://example.org/", "", "", ""),
            ("example.org", "", "", ""),
            ("https://u:p@example.org/", "", "", ""),
            ("https://example.org/a", "", "", ""),
            ("https://example.org/?x", "", "", ""),
            ("", "", "", ""),
        ] {
            let site = SiteAddress::parse(text);
            let read = site.as_ref().map_or(("", "", ""), |site| {
                (site.origin.as_str(), site.prefix.as_str(), site.authority())
            });
            assert_eq!(read, (origin, prefix, authority), "{text}: {site:?}");
        }
    }
}
