//! What mirrors, and the operator about them, ask below the prefix.
//!
//! | address | who asks |
//! |---|---|
//! | `GET mirrors/feed/<page>` | everybody where the list is public, else approved mirrors and the operator |
//! | `POST mirrors/announce` | whoever has a key |
//! | `POST mirrors/doubt` | a browser that has a page of this site |
//! | `POST mirrors/decide` | the operator |
//! | `GET mirrors.json` | the operator |

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use manyhands_protocol::mirrors::{
    Announce, AnnounceAnswer, BaseUrl, Credentials, Doubt, MAX_DOUBT_BYTES, MirrorState,
    SignedRequest,
};
use manyhands_protocol::tracker::Prefix;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{Asked, NO_STORE, Token, operator, plain, query};
use crate::config::Foreign;
use crate::engine::Engine;
use crate::ledger::seconds_now;
use crate::mirrors::{Decision, Mirror, MirrorId, Untaken};

/// Where a file's holders are named in its manifest's answer.
pub(super) const MIRRORS: HeaderName = HeaderName::from_static("manyhands-mirrors");

/// Seconds until a mirror should announce again, and one that the site is done with.
const NEXT: u64 = 60;
const NEXT_BANNED: u64 = 3_600;
/// Longest reason for a ban, in characters.
const LONGEST_REASON: usize = 300;
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=15");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=15");

/// The answer to what goes no further.
type Refusal = Box<Response<Bytes>>;

/// An announce whose body is awaited.
#[derive(Debug)]
pub(super) struct AwaitedAnnounce {
    credentials: Credentials,
    /// Path and query, as signed.
    target: String,
    most: usize,
    _large: Option<OwnedSemaphorePermit>,
    from: Option<Prefix>,
}

/// Answers `mirrors/feed/<page>`.
pub(super) fn feed(asked: &Asked<'_>, page: &str) -> Response<Bytes> {
    let open = asked.engine.checked().config.assets.list;
    if !open
        && !operator::asks(asked)
        && let Err(refusal) = approved(asked)
    {
        return *refusal;
    }
    // One address a page.
    let number = page.parse::<usize>().ok().filter(|number| number.to_string() == page);
    let feed = asked.engine.feed();
    let Some(document) = number.and_then(|number| feed.page(number)) else {
        return plain(
            StatusCode::NOT_FOUND,
            "the feed has no such page; the first is mirrors/feed/0",
        );
    };
    let mut response = document.answer();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, if open { PUBLIC } else { PRIVATE });
    if !open {
        headers.insert(VARY, HeaderValue::from_static("authorization"));
    }
    response
}

/// Whether a mirror asks that the operator has approved. A request may come twice: who could repeat it has
/// seen the answer.
fn approved(asked: &Asked<'_>) -> Result<(), Refusal> {
    let refused = || {
        plain(
            StatusCode::FORBIDDEN,
            "for approved mirrors: announce to mirrors/announce, and have the operator approve your key",
        )
    };
    if !asked.headers.contains_key(AUTHORIZATION) {
        return Err(refused().into());
    }
    let credentials = credentials(asked)?;
    let (engine, target) = (asked.engine, target(asked));
    let request = SignedRequest {
        site: engine.checked().site.as_str(),
        method: asked.method.as_str(),
        target: &target,
        body: b"",
    };
    let verified = credentials.verify(request, seconds_now());
    verified.map_err(|error| unauthorized(&error.to_string()))?;
    match engine.mirrors().state_of(&credentials.key) {
        Some(MirrorState::Approved) => Ok(()),
        _ => Err(refused().into()),
    }
}

fn credentials(asked: &Asked<'_>) -> Result<Credentials, Refusal> {
    let mut fields = asked.headers.get_all(AUTHORIZATION).iter();
    let field = match (fields.next(), fields.next()) {
        (Some(field), None) => field.to_str().unwrap_or_default(),
        _ => "",
    };
    field.parse::<Credentials>().map_err(|error| unauthorized(&error.to_string()).into())
}

fn target(asked: &Asked<'_>) -> String {
    asked.uri.path_and_query().map_or_else(String::new, |target| target.as_str().to_owned())
}

fn unauthorized(why: &str) -> Response<Bytes> {
    let mut response = plain(StatusCode::UNAUTHORIZED, why);
    let challenge = HeaderValue::from_static("Manyhands-Mirror");
    response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
    response
}

/// Takes the head of an announce.
pub(super) fn announced(asked: &Asked<'_>) -> Result<AwaitedAnnounce, Refusal> {
    let credentials = credentials(asked)?;
    let Some((most, large)) = asked.engine.mirrors().room_for(&credentials.key) else {
        return Err(later(StatusCode::SERVICE_UNAVAILABLE, "too many announces at once").into());
    };
    let (target, from) = (target(asked), asked.client.prefix());
    Ok(AwaitedAnnounce { credentials, target, most, _large: large, from })
}

impl AwaitedAnnounce {
    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn answer(&self, engine: &Engine, body: &[u8]) -> Response<Bytes> {
        if body.len() > self.most {
            return plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!(
                    "at most {} bytes; a mirror that is not approved yet leaves its holdings out",
                    self.most
                ),
            );
        }
        let (Credentials { key, time, .. }, now) = (self.credentials, seconds_now());
        let request = SignedRequest {
            site: engine.checked().site.as_str(),
            method: "POST",
            target: &self.target,
            body,
        };
        if let Err(error) = self.credentials.verify(request, now) {
            return unauthorized(&error.to_string());
        }
        let announce = match Announce::from_json(body, self.most) {
            Ok(announce) => announce,
            Err(error) => {
                return plain(StatusCode::BAD_REQUEST, &format!("the announce is {error}"));
            }
        };
        let here = announce.http.as_ref().is_some_and(BaseUrl::is_loopback);
        if here && !engine.checked().site.is_loopback() {
            return plain(
                StatusCode::BAD_REQUEST,
                "no visitor can reach a mirror at a loopback name",
            );
        }
        match engine.mirrors().announce(key, time, announce, self.from, now) {
            Ok((state, reason)) => self.taken(engine, state, reason),
            Err(Untaken::Replayed) => unauthorized(
                "signed no later than an announce before it: sign each with a later time",
            ),
            Err(Untaken::Full) => later(
                StatusCode::TOO_MANY_REQUESTS,
                "too many mirrors wait for the operator already; ask again later",
            ),
            Err(Untaken::Closed) => plain(
                StatusCode::FORBIDDEN,
                "this site takes no new mirrors ([mirrors] register = false)",
            ),
        }
    }

    fn taken(
        &self,
        engine: &Engine,
        state: MirrorState,
        reason: Option<String>,
    ) -> Response<Bytes> {
        let checked = engine.checked();
        let next = if state == MirrorState::Banned { NEXT_BANNED } else { NEXT };
        let mut answer = AnnounceAnswer::new(state, next);
        answer.reason = reason;
        let meets =
            state == MirrorState::Approved && checked.config.swarm.foreign != Foreign::Closed;
        if meets && engine.tracker().is_open() {
            let expiry = Token::expiry(SystemTime::now());
            answer.token = Some(engine.token().issue_mirror(&self.credentials.key, expiry));
            let socket = checked.origin.replacen("http", "ws", 1);
            answer.tracker = Some(format!("{socket}{}/tracker", checked.policy.prefix()));
        }
        json(answer.to_json())
    }
}

fn later(status: StatusCode, text: &str) -> Response<Bytes> {
    let mut response = plain(status, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("600"));
    response
}

fn json(text: String) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// Takes the head of a doubt: whoever has it has read a page of this site within a day.
pub(super) fn may_doubt(asked: &Asked<'_>) -> Result<(), Refusal> {
    let mut fields = query::fields(asked.uri.query().unwrap_or_default());
    let token = fields.find_map(|(name, value)| (name == "token").then_some(value));
    match token.is_some_and(|token| asked.engine.token().admits(token, SystemTime::now())) {
        true => Ok(()),
        false => {
            let why = "a doubt needs the tracker's token of site.json";
            Err(plain(StatusCode::FORBIDDEN, why).into())
        }
    }
}

/// Takes note of a doubt. What comes of it, the browser is not told: the site looks for itself.
pub(super) fn doubted(engine: &Engine, body: &[u8]) -> Response<Bytes> {
    if body.len() > MAX_DOUBT_BYTES {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "a doubt has at most 1 KiB");
    }
    match Doubt::from_json(body) {
        Ok(Doubt { mirror, path, unit, .. }) => {
            engine.mirrors().doubt(&mirror, &path, unit);
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
            response
        }
        Err(error) => plain(StatusCode::BAD_REQUEST, &format!("the doubt is {error}")),
    }
}

/// Answers `mirrors/decide`: in the query and not in a body, as with `purge`.
pub(super) fn decide(asked: &Asked<'_>) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::refused(asked);
    }
    let mut response = if !operator::is_deliberate(asked.headers) {
        operator::not_deliberate("a decision about a mirror")
    } else {
        match decision(asked.uri.query().unwrap_or_default()) {
            Ok((id, decision)) => decided(asked.engine, &id, decision),
            Err(problem) => plain(StatusCode::BAD_REQUEST, problem),
        }
    };
    operator::for_the_operator(&mut response);
    response
}

fn decided(engine: &Engine, id: &MirrorId, decision: Decision) -> Response<Bytes> {
    match engine.decide(id, decision.clone()) {
        Ok(true) => {
            tracing::info!(mirror = %id, ?decision, "decided by the operator");
            let found = engine.mirrors().all().into_iter().find(|mirror| mirror.entry.id == *id);
            let seen = found.as_ref().map(Seen::of);
            json(serde_json::json!({ "mirror": id, "now": seen }).to_string() + "\n")
        }
        Ok(false) => plain(
            StatusCode::CONFLICT,
            "no mirror is called so: see mirrors.json, or `manyhands mirrors`, for those there are",
        ),
        Err(error) => {
            tracing::error!(%error, "a decision about a mirror can't be written");
            let text = format!(
                "it holds until this process ends, but can't be written to the state directory: {error}"
            );
            plain(StatusCode::INTERNAL_SERVER_ERROR, &text)
        }
    }
}

fn decision(text: &str) -> Result<(MirrorId, Decision), &'static str> {
    const USAGE: &str = "say mirrors/decide?mirror=KEY-or-URL&state=approved, banned (with a reason= if you like) \
                         or forgotten";
    let (mut mirror, mut state, mut reason) = (None, None, None);
    for (name, value) in query::fields(text) {
        let place = match name {
            "mirror" => &mut mirror,
            "state" => &mut state,
            "reason" => &mut reason,
            _ => return Err(USAGE),
        };
        let value = query::decoded(value).ok_or(USAGE)?;
        if place.replace(value).is_some() {
            return Err(USAGE);
        }
    }
    let id = mirror.and_then(|mirror| mirror.parse().ok()).ok_or(USAGE)?;
    let too_long =
        |text: &String| text.chars().count() > LONGEST_REASON || text.chars().any(char::is_control);
    if reason.as_ref().is_some_and(too_long) {
        return Err("a reason is one line of at most 300 characters");
    }
    let decision = match (state.as_deref(), reason) {
        (Some("approved"), None) => Decision::Approve,
        (Some("banned"), reason) => Decision::Ban(reason.filter(|reason| !reason.is_empty())),
        (Some("forgotten"), None) => Decision::Forget,
        _ => return Err(USAGE),
    };
    Ok((id, decision))
}

/// Answers `mirrors.json`.
pub(super) fn list(asked: &Asked<'_>) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::refused(asked);
    }
    let (engine, all) = (asked.engine, asked.engine.mirrors().all());
    let checked = engine.checked();
    let list = List {
        v: 1,
        key: engine.mirrors().key().to_string(),
        feed: format!("{}{}/mirrors/feed/0", checked.origin, checked.policy.prefix()),
        register: checked.config.mirrors.register,
        mirrors: all.iter().map(Seen::of).collect(),
    };
    let mut response = json(serde_json::to_string(&list).unwrap_or_default());
    operator::for_the_operator(&mut response);
    response
}

/// `mirrors.json`: stable.
#[derive(Serialize)]
struct List<'a> {
    v: u8,
    /// What the feed is signed with.
    key: String,
    feed: String,
    register: bool,
    mirrors: Vec<Seen<'a>>,
}

/// One mirror, for the operator. Times are seconds since 1970.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seen<'a> {
    /// A key or a URL: what to decide about it by.
    mirror: &'a MirrorId,
    state: MirrorState,
    /// Whether readers are sent there.
    listed: bool,
    /// Why not, a sentence.
    reason: Option<String>,
    since: u64,
    name: &'a str,
    contact: Option<&'a str>,
    http: Option<&'a str>,
    tcp: Option<&'a str>,
    webrtc: bool,
    budget: u64,
    /// Files it says it has; of one without software of ours nothing is known.
    holdings: Option<usize>,
    announced: Option<u64>,
    probed: Option<u64>,
    /// Units that were right, since the start.
    units: u64,
    /// Milliseconds.
    latency: Option<f64>,
    /// Octets a second.
    rate: Option<u64>,
    /// Whether browsers can use it (CORS); null before the first probe.
    browsers: Option<bool>,
    trouble: Option<&'a str>,
}

impl<'a> Seen<'a> {
    fn of(mirror: &'a Mirror) -> Self {
        let Mirror { entry, health, .. } = mirror;
        let by_key = matches!(entry.id, MirrorId::Key(_));
        let milliseconds =
            |latency: std::time::Duration| (latency.as_secs_f64() * 1e4).round() / 10.0;
        Self {
            mirror: &entry.id,
            state: entry.state,
            listed: mirror.listed().is_some(),
            reason: mirror.reason(),
            since: entry.since,
            name: &entry.name,
            contact: entry.contact.as_deref(),
            http: entry.http.as_ref().map(BaseUrl::as_str),
            tcp: entry.tcp.as_ref().map(|tcp| tcp.as_str()),
            webrtc: entry.webrtc,
            budget: entry.budget,
            holdings: by_key.then(|| mirror.holdings.len()),
            announced: by_key.then_some(entry.signed),
            probed: health.probed(),
            units: health.units(),
            latency: health.latency().map(milliseconds),
            rate: health.rate(),
            browsers: health.latency().map(|_| health.is_readable()),
            trouble: health.trouble(),
        }
    }
}

/// The value of `Manyhands-Mirrors`: base URLs, the best first; empty for none.
pub(super) fn holders(urls: &[BaseUrl]) -> HeaderValue {
    let urls: Vec<_> = urls.iter().map(BaseUrl::as_str).collect();
    HeaderValue::try_from(urls.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_word_decides() {
        let url = "https://m.example/pub/";
        let id: MirrorId = url.parse().unwrap();
        let of =
            |rest: &str| decision(&format!("mirror={url}&{rest}")).map(|(_, decision)| decision);
        assert_eq!(decision(&format!("state=approved&mirror={url}")), Ok((id, Decision::Approve)));
        assert_eq!(of("state=banned"), Ok(Decision::Ban(None)));
        assert_eq!(
            of("state=banned&reason=too%20slow"),
            Ok(Decision::Ban(Some("too slow".into())))
        );
        assert_eq!(of("state=forgotten"), Ok(Decision::Forget));
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert!(decision(&format!("mirror={key}&state=approved")).is_ok());
        for bad in [
            "",
            "state=",
            "state=pending",
            "state=Approved",
            "state=approved&state=banned",
            "state=approved&reason=x",
            "state=banned&reason=a%0Ab",
            "state=banned&why=x",
            "state=approved&mirror=https://n.example/",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
        for bad in ["state=approved", "mirror=&state=approved", "mirror=m.example&state=approved"] {
            assert!(decision(bad).is_err(), "{bad}");
        }
    }
}
