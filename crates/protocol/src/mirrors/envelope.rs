//! A page of the feed with the site's signature around it.

use serde::{Deserialize, Serialize};

use super::feed::FeedPage;
use super::json::{self, FormatError, VERSION};
use super::key::{PublicKey, SecretKey, Signature};

/// The longest envelope: a page of the longest paths, types and tags that there are.
pub const MAX_ENVELOPE_BYTES: usize = 8 * 1024 * 1024;

/// The first line of what is signed.
const DOMAIN: &[u8] = b"manyhands feed 1\n";

/// Why an envelope is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The envelope itself cannot be read.
    #[error("the feed's envelope is {0}")]
    Envelope(#[source] FormatError),
    /// Another key than the one that was expected.
    #[error("the feed is signed by another key, {0}")]
    OtherKey(PublicKey),
    /// The signature does not fit.
    #[error("the feed's signature does not fit")]
    Signature,
    /// Signed, and yet no page.
    #[error("the feed's page cannot be used: {0}")]
    Page(#[source] FormatError),
}

/// A signed page. The text is kept as it was signed, so that no two writers of JSON need agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    v: u32,
    /// Whose signature it is.
    pub key: PublicKey,
    signature: Signature,
    signed: String,
}

impl Envelope {
    /// Signs a page.
    pub fn seal(key: &SecretKey, page: &FeedPage) -> Self {
        let signed = page.to_json();
        let signature = key.sign(&text(&signed));
        Self { v: VERSION, key: key.public(), signature, signed }
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Reads an envelope of at most [`MAX_ENVELOPE_BYTES`]. Nothing in it holds until it is
    /// [opened](Self::open).
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, FormatError> {
        json::read(bytes, MAX_ENVELOPE_BYTES)
    }

    /// The page, if `expected` has signed it.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn open(&self, expected: &PublicKey) -> Result<FeedPage, EnvelopeError> {
        if self.key != *expected {
            return Err(EnvelopeError::OtherKey(self.key));
        }
        if !self.key.verifies(&text(&self.signed), &self.signature) {
            return Err(EnvelopeError::Signature);
        }
        FeedPage::from_json(self.signed.as_bytes()).map_err(EnvelopeError::Page)
    }

    /// Reads and opens in one go.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn open_json(bytes: &[u8], expected: &PublicKey) -> Result<FeedPage, EnvelopeError> {
        Self::from_json(bytes).map_err(EnvelopeError::Envelope)?.open(expected)
    }
}

fn text(signed: &str) -> Vec<u8> {
    [DOMAIN, signed.as_bytes()].concat()
}
