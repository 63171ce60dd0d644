use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response};
use manyhands_experiment::{Arm, Design};
use manyhands_protocol::mirrors::{BaseUrl, PublicKey};
use serde::Serialize;
use sha2::Sha256;

use super::{Asked, Encoded, NO_CACHE};
use crate::config::{Checked, ConsentMode, Reseed};
use crate::engine::Engine;
use crate::ledger::Assignment;

/// How long a worker may go on without hearing from the site, and how long an announce token lives.
const LEASE: Duration = Duration::from_secs(24 * 3600);

const PRIVATE_NO_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// `site.json`: what the client needs of this site.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Site<'a> {
    v: u8,
    origin: &'a str,
    disabled: bool,
    lease: u64,
    consent: ConsentMode,
    assets: Assets,
    limits: Limits,
    tracker: String,
    stun: Vec<&'a str>,
    /// Base URLs, the healthiest first.
    mirrors: &'a [BaseUrl],
    reseed: Reseed,
    /// The experiment's design, where one runs.
    experiment: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Assets {
    extensions: Vec<&'static str>,
    min_size: u64,
}

/// Bytes and bytes a second.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    slack: f64,
    upload_rate: u64,
    upload_monthly: u64,
    cache: u64,
}

/// The document, made once an hour and mode of consent: the announce token in it changes no faster. The kill
/// switch has it made anew, and so does a mirror that comes or goes.
#[derive(Debug, Default)]
pub(crate) struct SiteDocument {
    made: Mutex<Vec<Made>>,
}

#[derive(Debug)]
struct Made {
    /// Expiry of the token, whether sharing was off, and how visitors are asked.
    of: (u64, bool, ConsentMode),
    mirrors: Vec<BaseUrl>,
    usual: Arc<Encoded>,
    /// What visitors of the arm `untouched` get: as if sharing was switched off.
    untouched: Arc<Encoded>,
}

pub(super) fn answer(asked: &Asked<'_>) -> Response<Bytes> {
    let Asked { engine, headers, visitor, consent, .. } = *asked;
    let consent = consent.unwrap_or(engine.checked().config.consent.mode);
    let expiry = Token::expiry(SystemTime::now());
    let of = (expiry, !engine.sharing().is_on(), consent);
    let mirrors = engine.mirrors_for_browsers();
    let mut made = engine.site().made.lock().unwrap_or_else(PoisonError::into_inner);
    if !made.iter().any(|made| made.of == of && made.mirrors == mirrors) {
        let encoded = |disabled| {
            Arc::new(Encoded::new(document(engine, expiry, disabled, consent, &mirrors)))
        };
        made.retain(|made| (made.of.0, made.of.1) == (of.0, of.1) && made.mirrors == mirrors);
        let (usual, untouched) = (encoded(of.1), encoded(true));
        made.push(Made { of, mirrors, usual, untouched });
    }
    let arm = visitor.bucket.zip(engine.ledger().assignment());
    let arm = arm.map(|(bucket, assignment)| assignment.arm_of_bucket(bucket));
    let chosen = made.iter().find(|made| made.of == of).map(|made| match arm {
        Some(Arm::Untouched) => Arc::clone(&made.untouched),
        _ => Arc::clone(&made.usual),
    });
    drop(made);
    let document = chosen.expect("made above, under the same lock");
    let mut response = document.answer(headers, "application/json");
    // Where visitors are in arms, the next one may be in another.
    let by_visitor = engine.ledger().assignment().is_some_and(Assignment::is_by_visitor);
    let kept = if by_visitor { PRIVATE_NO_CACHE } else { NO_CACHE };
    response.headers_mut().insert(CACHE_CONTROL, kept);
    response
}

fn document(
    engine: &Engine,
    expiry: u64,
    disabled: bool,
    consent: ConsentMode,
    mirrors: &[BaseUrl],
) -> Vec<u8> {
    let Checked { config, origin, policy, stun_url, .. } = engine.checked();
    let site = Site {
        v: 1,
        origin,
        disabled,
        lease: LEASE.as_secs(),
        consent,
        assets: Assets {
            extensions: policy.extensions().collect(),
            min_size: config.assets.min_size,
        },
        limits: Limits {
            slack: config.policy.slack,
            upload_rate: config.upload.rate / 8,
            upload_monthly: config.upload.monthly,
            cache: config.cache.size,
        },
        tracker: format!("{}/tracker?token={}", policy.prefix(), engine.token().issue(expiry)),
        stun: stun_url.as_deref().into_iter().collect(),
        mirrors: if disabled { &[] } else { mirrors },
        reseed: config.swarm.reseed,
        experiment: engine.checked().design.map(|design| match design {
            Design::Crossover { .. } => "crossover",
            Design::Visitors { .. } => "visitors",
        }),
    };
    serde_json::to_vec(&site).unwrap_or_default()
}

/// Short-lived proof that a page of this site was read: keeps other sites off our tracker.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    key: [u8; 32],
}

impl Token {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// When a token issued now ends, in seconds since the epoch: a lease and up to an hour from now.
    pub(crate) fn expiry(now: SystemTime) -> u64 {
        (seconds(now + LEASE) / 3600 + 1) * 3600
    }

    /// `<expiry, hexadecimal seconds>.<first 16 bytes of HMAC-SHA256>`
    fn issue(&self, expiry: u64) -> String {
        let mac = self.mac(expiry).finalize().into_bytes();
        let mac: String = mac.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{expiry:x}.{mac}")
    }

    /// Proof that a mirror was approved when this was issued, until `expiry`:
    /// `m<expiry, hexadecimal seconds>.<key>.<first 16 bytes of HMAC-SHA256>`
    pub(crate) fn issue_mirror(&self, key: &PublicKey, expiry: u64) -> String {
        let mac = self.mirror_mac(key, expiry).finalize().into_bytes();
        let mac: String = mac.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("m{expiry:x}.{key}.{mac}")
    }

    /// The mirror that such a token was issued to.
    pub(crate) fn mirror(&self, token: &str, now: SystemTime) -> Option<PublicKey> {
        let mut parts = token.strip_prefix('m')?.split('.');
        let expiry = u64::from_str_radix(parts.next()?, 16).ok()?;
        let key = parts.next()?.parse().ok()?;
        let mac = from_hex(parts.next()?)?;
        self.mirror_mac(&key, expiry).verify_truncated_left(&mac).ok()?;
        (parts.next().is_none() && expiry > seconds(now)).then_some(key)
    }

    fn mirror_mac(&self, key: &PublicKey, expiry: u64) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(b"manyhands mirror");
        mac.update(key.as_bytes());
        mac.update(&expiry.to_be_bytes());
        mac
    }

    pub(crate) fn admits(&self, token: &str, now: SystemTime) -> bool {
        let parsed = token.split_once('.').and_then(|(expiry, mac)| {
            Some((u64::from_str_radix(expiry, 16).ok()?, from_hex(mac)?))
        });
        let Some((expiry, mac)) = parsed else { return false };
        expiry > seconds(now) && self.mac(expiry).verify_truncated_left(&mac).is_ok()
    }

    fn mac(&self, expiry: u64) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(b"manyhands announce");
        mac.update(&expiry.to_be_bytes());
        mac
    }
}

pub(super) fn from_hex(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrors_token_is_that_mirrors_alone() {
        use manyhands_protocol::mirrors::SecretKey;
        let (token, now) = (Token::new([7; 32]), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let (key, other) = ([1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public())).into();
        let issued = token.issue_mirror(&key, Token::expiry(now));
        assert_eq!(token.mirror(&issued, now), Some(key));
        assert_eq!(token.mirror(&issued, now + LEASE + Duration::from_secs(7200)), None);
        assert_eq!(Token::new([8; 32]).mirror(&issued, now), None);
        assert_eq!(token.mirror(&issued.replace(&key.to_string(), &other.to_string()), now), None);
        // Neither is the other kind.
        assert!(!token.admits(&issued, now) && !token.admits(&issued[1..], now));
        assert_eq!(token.mirror(&token.issue(Token::expiry(now)), now), None);
        for bad in ["", "m", "m1", "m1..", "m1.2.3", &issued[1..], &format!("{issued}.0")] {
            assert_eq!(token.mirror(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn a_token_admits_until_it_expires_and_only_as_issued() {
        let (token, now) = (Token::new([7; 32]), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let issued = token.issue(Token::expiry(now));
        assert!(token.admits(&issued, now));
        assert!(!token.admits(&issued, now + LEASE + Duration::from_secs(7200)));
        assert!(!Token::new([8; 32]).admits(&issued, now));
        let (expiry, mac) = issued.split_once('.').unwrap();
        let later = u64::from_str_radix(expiry, 16).unwrap() + 1;
        assert!(!token.admits(&format!("{later:x}.{mac}"), now));
        for bad in
            ["", ".", "0.", "é.é", &format!("{expiry}.{}", &mac[..30]), &format!("{expiry}.")]
        {
            assert!(!token.admits(bad, now), "{bad}");
        }
    }
}
