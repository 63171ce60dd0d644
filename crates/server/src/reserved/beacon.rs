//! `beacon`: what a browser says of one page view, once, with a token that it asked for.
//!
//! Anybody can say anything. So it is read within bounds, clamped to what is possible, and shown beside the
//! figures as a claim; no estimate is made of it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use manyhands_experiment::Bucket;
use manyhands_metainfo::AssetPath;
use rand::Rng;
use serde::Deserialize;
use sha2::Sha256;

use super::{Asked, NO_STORE, plain, query};
use crate::engine::Engine;
use crate::ledger::{Report, Reported, Visitor, seconds_now};

/// Longest report, in bytes.
pub(crate) const MOST_BYTES: usize = 4 << 10;
/// Most assets in one.
const MOST_ASSETS: usize = 16;
/// Seconds a token lives: a page may be open for a day.
const LIFE: u64 = 24 * 3_600;
/// Most tokens of one life that may be used; past it reports are turned away until older ones have run out.
const MOST_USED: usize = 500_000;
/// No time that is reported is longer: an hour.
const LONGEST: f64 = 3_600_000.0;
/// No asset was transferred more often than so many times in one page view.
const MOST_TIMES: u64 = 4;
const MOST_STALLS: u64 = 1_000;

/// Gives out tokens and takes each once. A token is stateless until it is used.
#[derive(Debug)]
pub(crate) struct Beacons {
    key: [u8; 32],
    used: Mutex<Used>,
}

/// Tokens used in this and in the former life.
#[derive(Debug, Default)]
struct Used {
    life: u64,
    now: HashSet<u64>,
    former: HashSet<u64>,
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BeaconToken {
    at: u64,
    bucket: Option<Bucket>,
    nonce: u64,
}

impl Beacons {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key, used: Mutex::default() }
    }

    /// `<seconds>.<bucket or ->.<nonce>.<first 16 bytes of HMAC-SHA256>`, hexadecimal but for the bucket.
    fn issue(&self, at: u64, bucket: Option<Bucket>, nonce: u64) -> String {
        let bucket = bucket.map_or("-".to_owned(), |bucket| bucket.number().to_string());
        let text = format!("{at:x}.{bucket}.{nonce:x}");
        let mac = self.mac(&text).finalize().into_bytes();
        let mac: String = mac.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{text}.{mac}")
    }

    /// Reads a token that this site gave out within its life.
    fn read(&self, token: &str, now: u64) -> Option<BeaconToken> {
        let (text, mac) = token.rsplit_once('.')?;
        let mac = super::site::from_hex(mac)?;
        self.mac(text).verify_truncated_left(&mac).ok()?;
        let mut parts = text.split('.');
        let (at, bucket, nonce) = (parts.next()?, parts.next()?, parts.next()?);
        let at = u64::from_str_radix(at, 16).ok()?;
        let bucket = if bucket == "-" { None } else { Some(Bucket::parse(bucket)?) };
        let nonce = u64::from_str_radix(nonce, 16).ok()?;
        (at <= now && now - at < LIFE).then_some(BeaconToken { at, bucket, nonce })
    }

    /// Whether a token had not been used; it is from now on.
    fn redeem(&self, token: &BeaconToken, now: u64) -> Result<(), Refused> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let life = now / LIFE;
        if life != used.life {
            let ended = std::mem::take(&mut used.now);
            used.former = if life == used.life + 1 { ended } else { HashSet::new() };
            used.life = life;
        }
        if used.now.contains(&token.nonce) || used.former.contains(&token.nonce) {
            return Err(Refused::Used);
        }
        if used.now.len() >= MOST_USED {
            return Err(Refused::TooMany);
        }
        used.now.insert(token.nonce);
        Ok(())
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(b"manyhands beacon");
        mac.update(text.as_bytes());
        mac
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Used,
    TooMany,
}

/// Why a report is not taken.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, &'static str);

impl From<Refusal> for Response<Bytes> {
    fn from(Refusal(status, text): Refusal) -> Self {
        plain(status, text)
    }
}

const NO_EXPERIMENT: Refusal = Refusal(StatusCode::NOT_FOUND, "no experiment runs here");
const TOO_LONG: Refusal =
    Refusal(StatusCode::PAYLOAD_TOO_LARGE, "a report has at most 4,096 bytes");

/// `GET beacon`
pub(super) fn token(asked: &Asked<'_>) -> Response<Bytes> {
    let Asked { engine, visitor, .. } = *asked;
    if engine.ledger().assignment().is_none() {
        return NO_EXPERIMENT.into();
    }
    let now = seconds_now();
    engine.ledger().token_given(&visitor, now);
    let token = engine.beacons().issue(now, visitor.bucket, rand::rng().next_u64());
    let mut response = Response::new(format!("{{\"token\":\"{token}\"}}").into());
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// `POST beacon?token=…`, its head: whether a body is worth waiting for.
pub(super) fn admitted(asked: &Asked<'_>) -> Result<BeaconToken, Refusal> {
    let Asked { engine, uri, headers, visitor, .. } = *asked;
    if engine.ledger().assignment().is_none() {
        return Err(NO_EXPERIMENT);
    }
    let token = query::fields(uri.query().unwrap_or_default())
        .find_map(|(name, value)| (name == "token").then_some(value));
    let token = token.and_then(|token| engine.beacons().read(token, seconds_now()));
    let token = token.ok_or(Refusal(StatusCode::FORBIDDEN, "ask for a token first"))?;
    let length = headers.get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MOST_BYTES) {
        return Err(TOO_LONG);
    }
    // Whoever has another bucket now is another visitor.
    if visitor.bucket != token.bucket {
        return Err(Refusal(StatusCode::FORBIDDEN, "the token is another visitor's"));
    }
    Ok(token)
}

/// `POST beacon?token=…`, with its body.
pub(crate) fn report(engine: &Engine, token: &BeaconToken, body: &[u8]) -> Response<Bytes> {
    if body.len() > MOST_BYTES {
        return TOO_LONG.into();
    }
    let Ok(said) = serde_json::from_slice::<Said>(body) else {
        return plain(StatusCode::BAD_REQUEST, "a report is JSON, as the documentation has it");
    };
    if said.v != 1 {
        return plain(StatusCode::BAD_REQUEST, "reports of version 1 are understood");
    }
    match engine.beacons().redeem(token, seconds_now()) {
        Ok(()) => {}
        Err(Refused::Used) => return plain(StatusCode::CONFLICT, "this token has been used"),
        Err(Refused::TooMany) => {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many reports today");
        }
    }
    let report =
        said.clamped(token, engine.checked().config.upload.monthly, |path| engine.length_of(path));
    engine.ledger().claim(&report);
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// As it comes from the browser. What is unknown is passed over: clients are newer and older than servers.
#[derive(Debug, Deserialize)]
struct Said {
    v: u32,
    #[serde(default)]
    assets: Vec<SaidAsset>,
    lcp: Option<f64>,
    inp: Option<f64>,
    #[serde(default)]
    uploaded: f64,
}

#[derive(Debug, Deserialize)]
struct SaidAsset {
    path: String,
    #[serde(default)]
    demand: bool,
    first: Option<f64>,
    done: Option<f64>,
    #[serde(default)]
    peers: f64,
    #[serde(default)]
    origin: f64,
    #[serde(default)]
    mirrors: f64,
    #[serde(default)]
    wasted: f64,
    #[serde(default)]
    stalls: f64,
    #[serde(default)]
    stalled: f64,
    fallback: Option<String>,
}

impl Said {
    /// What of it is possible: of assets that are shared, and no more than could have been transferred.
    fn clamped(
        self,
        token: &BeaconToken,
        most_uploaded: u64,
        length_of: impl Fn(&AssetPath) -> Option<u64>,
    ) -> Report {
        let asset = |said: SaidAsset| {
            let path = AssetPath::parse(&said.path).ok()?;
            let length = length_of(&path)?;
            let bytes = |said: f64| octets(said, length.saturating_mul(MOST_TIMES));
            Some(Reported {
                demand: said.demand,
                first: milliseconds(said.first),
                done: milliseconds(said.done),
                stalled: milliseconds(Some(said.stalled)).unwrap_or_default(),
                stalls: octets(said.stalls, MOST_STALLS),
                peer_bytes: bytes(said.peers),
                origin_bytes: bytes(said.origin),
                mirror_bytes: bytes(said.mirrors),
                wasted_bytes: bytes(said.wasted),
                fallback: said.fallback.as_deref().map(known_fallback),
                path,
                length,
            })
        };
        let mut seen = HashSet::new();
        let assets = self.assets.into_iter().take(MOST_ASSETS).filter_map(asset);
        Report {
            at: token.at,
            visitor: Visitor { bucket: token.bucket, ..Visitor::default() },
            assets: assets.filter(|asset| seen.insert(asset.path.clone())).collect(),
            lcp: milliseconds(self.lcp),
            inp: milliseconds(self.inp),
            uploaded_bytes: octets(self.uploaded, most_uploaded),
        }
    }
}

/// Why the client gives up a transfer; whatever else is said is `other`, so that nobody can fill the table.
fn known_fallback(said: &str) -> &'static str {
    const KNOWN: [&str; 2] = ["changed", "network"];
    KNOWN.into_iter().find(|known| *known == said).unwrap_or("other")
}

/// A cast from float saturates, and makes 0 of what is negative or no number.
fn octets(said: f64, most: u64) -> u64 {
    (said as u64).min(most)
}

fn milliseconds(said: Option<f64>) -> Option<f64> {
    said.filter(|said| (0.0..=LONGEST).contains(said))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_token_is_taken_once_within_its_life_and_only_as_given() {
        let beacons = Beacons::new([7; 32]);
        for bucket in [None, Bucket::new(1_023)] {
            let token = beacons.issue(NOW, bucket, 99);
            let read = beacons.read(&token, NOW + LIFE - 1).unwrap();
            assert_eq!(read, BeaconToken { at: NOW, bucket, nonce: 99 });
            assert_eq!(beacons.read(&token, NOW + LIFE), None);
            assert_eq!(beacons.read(&token, NOW - 1), None);
            assert_eq!(Beacons::new([8; 32]).read(&token, NOW), None);
            let other = token.replacen('.', ".1", 1);
            assert_eq!(beacons.read(&other, NOW), None);
        }
        let once = BeaconToken { at: NOW, bucket: None, nonce: 5 };
        assert_eq!(beacons.redeem(&once, NOW), Ok(()));
        assert_eq!(beacons.redeem(&once, NOW + 1), Err(Refused::Used));
        // As long as it could be sent again it is remembered.
        assert_eq!(beacons.redeem(&once, NOW + LIFE), Err(Refused::Used));
        let other = BeaconToken { nonce: 6, ..once };
        assert_eq!(beacons.redeem(&other, NOW + LIFE), Ok(()));
    }

    #[test]
    fn tokens_used_in_one_life_are_bounded() {
        let beacons = Beacons::new([7; 32]);
        let token = |nonce| BeaconToken { at: NOW, bucket: None, nonce };
        for nonce in 0..MOST_USED as u64 {
            assert_eq!(beacons.redeem(&token(nonce), NOW), Ok(()));
        }
        assert_eq!(beacons.redeem(&token(u64::MAX), NOW), Err(Refused::TooMany));
        assert_eq!(beacons.redeem(&token(u64::MAX), NOW + LIFE), Ok(()));
    }

    fn clamped(text: &str) -> Option<Report> {
        let said = serde_json::from_str::<Said>(text).ok()?;
        let token = BeaconToken { at: NOW, bucket: None, nonce: 1 };
        let length = |path: &AssetPath| (path.as_str() == "/a.iso").then_some(1_000);
        Some(said.clamped(&token, 10_000, length))
    }

    #[test]
    fn what_is_impossible_is_cut_down_and_what_is_unknown_passed_over() {
        let report = clamped(
            r#"{"v":1,"lcp":-1,"inp":1e300,"uploaded":1e18,"new":[],"assets":[
                {"path":"/a.iso","size":1,"first":12.5,"done":null,"peers":1e15,"origin":-5,"mirrors":3999.9,
                 "wasted":0,"stalls":1e9,"stalled":40,"fallback":"<script>"},
                {"path":"/a.iso","peers":5},{"path":"/other.iso","peers":5},{"path":"nonsense"}]}"#,
        )
        .unwrap();
        assert_eq!((report.lcp, report.inp, report.uploaded_bytes), (None, None, 10_000));
        let [asset] = &report.assets[..] else { panic!("{:?}", report.assets) };
        assert_eq!((asset.first, asset.done, asset.stalls), (Some(12.5), None, MOST_STALLS));
        assert_eq!((asset.peer_bytes, asset.origin_bytes, asset.mirror_bytes), (4_000, 0, 3_999));
        assert_eq!(asset.fallback, Some("other"));
    }

    proptest! {
        #[test]
        fn whatever_is_said_stays_within_bounds(
            numbers in proptest::collection::vec(any::<f64>(), 8),
            reason in "\\PC{0,20}",
        ) {
            let text = |at: usize| serde_json::to_string(&numbers[at]).unwrap();
            let reason = serde_json::to_string(&reason).unwrap();
            let text = format!(
                r#"{{"v":1,"lcp":{},"uploaded":{},"assets":[{{"path":"/a.iso","first":{},"peers":{},
                   "origin":{},"wasted":{},"stalls":{},"stalled":{},"fallback":{reason}}}]}}"#,
                text(0), text(1), text(2), text(3), text(4), text(5), text(6), text(7),
            );
            if let Some(report) = clamped(&text) {
                prop_assert!(report.uploaded_bytes <= 10_000);
                for asset in &report.assets {
                    prop_assert!(asset.peer_bytes + asset.origin_bytes + asset.wasted_bytes <= 12_000);
                    prop_assert!(asset.first.is_none_or(|first| (0.0..=LONGEST).contains(&first)));
                    prop_assert!(asset.stalls <= MOST_STALLS && asset.stalled <= LONGEST);
                }
            }
        }

        #[test]
        fn any_text_is_a_token_or_none(text in "[0-9a-f.\\-]{0,60}") {
            prop_assert_eq!(Beacons::new([1; 32]).read(&text, NOW), None);
        }
    }
}
