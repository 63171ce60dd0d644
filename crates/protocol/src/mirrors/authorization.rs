//! A request that its sender has signed: `Authorization: Manyhands-Mirror key=…,time=…,signature=…`.

use std::{fmt, str::FromStr};

use manyhands_metainfo::Digest;

use super::key::{PublicKey, SecretKey, Signature};

/// The scheme of the header (RFC 9110, section 11.4).
pub const SCHEME: &str = "Manyhands-Mirror";

/// How far, in seconds, the sender's clock may be from the reader's.
pub const MAX_CLOCK_SKEW: u64 = 300;

/// The first line of what is signed.
const DOMAIN: &str = "manyhands mirror request 1";

/// Why a request is not its key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// The header is not of this form.
    #[error("the Authorization header is not of the form {SCHEME} key=,time=,signature=")]
    Malformed,
    /// Signed longer ago, or further ahead, than [`MAX_CLOCK_SKEW`].
    #[error("signed at a time that is over {MAX_CLOCK_SKEW} s away: set the clock")]
    Time,
    /// The signature is not of this key over this request.
    #[error("the signature does not fit the key and the request")]
    Signature,
}

/// What is signed of a request. The request must be sent exactly so.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The site's origin, so that a request to one site is none to another.
    pub site: &'a str,
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query, as sent.
    pub target: &'a str,
    /// The body, empty for `GET`.
    pub body: &'a [u8],
}

/// Who signed a request, and when: the value of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Whose signature it is, once [verified](Self::verify).
    pub key: PublicKey,
    /// When it was signed, in seconds since 1970.
    pub time: u64,
    signature: Signature,
}

impl Credentials {
    /// Signs a request.
    pub fn sign(key: &SecretKey, request: SignedRequest<'_>, time: u64) -> Self {
        let signature = key.sign(text(request, time).as_bytes());
        Self { key: key.public(), time, signature }
    }

    /// Whether the key has signed this request within [`MAX_CLOCK_SKEW`] of `now` (seconds since 1970).
    /// Says nothing of whether the same request was seen before.
    ///
    /// # Errors
    /// [`AuthorizationError::Time`], [`AuthorizationError::Signature`].
    pub fn verify(&self, request: SignedRequest<'_>, now: u64) -> Result<(), AuthorizationError> {
        if self.time.abs_diff(now) > MAX_CLOCK_SKEW {
            return Err(AuthorizationError::Time);
        }
        // No part can hold a line end: then one text is one request.
        let parts = [request.site, request.method, request.target];
        let plain = parts.iter().all(|part| !part.contains(['\n', '\r']));
        if plain && self.key.verifies(text(request, self.time).as_bytes(), &self.signature) {
            Ok(())
        } else {
            Err(AuthorizationError::Signature)
        }
    }
}

fn text(request: SignedRequest<'_>, time: u64) -> String {
    let SignedRequest { site, method, target, body } = request;
    format!("{DOMAIN}\n{site}\n{method}\n{target}\n{time}\n{}", Digest::of(body))
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, time, signature } = self;
        write!(f, "{SCHEME} key={key},time={time},signature={signature}")
    }
}

impl FromStr for Credentials {
    type Err = AuthorizationError;

    fn from_str(value: &str) -> Result<Self, AuthorizationError> {
        read(value).ok_or(AuthorizationError::Malformed)
    }
}

/// Strict: three members, in order, one spelling each.
fn read(value: &str) -> Option<Credentials> {
    let (scheme, members) = value.split_once(' ')?;
    let mut members = members.split(',');
    let mut member = |name: &str| members.next()?.strip_prefix(name)?.strip_prefix('=');
    let (key, time, signature) = (member("key")?, member("time")?, member("signature")?);
    if !scheme.eq_ignore_ascii_case(SCHEME) || members.next().is_some() {
        return None;
    }
    let plain = time.bytes().all(|byte| byte.is_ascii_digit()) && !time.starts_with('0');
    Some(Credentials {
        key: key.parse().ok()?,
        time: time.parse().ok().filter(|_| plain)?,
        signature: signature.parse().ok()?,
    })
}
