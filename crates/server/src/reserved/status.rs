use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use manyhands_catalog::Refusal;
use manyhands_page::Reason;
use serde::Serialize;

use super::{Asked, operator, plain, query};
use crate::engine::{Engine, Known, Overview, Standing};

/// What happened to the answers that passed, so that "nothing happens" has a reason.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    pages: u64,
    assets: u64,
    passed: BTreeMap<&'static str, (u64, Reason)>,
}

impl Counters {
    pub(crate) fn page(&self) {
        self.lock().pages += 1;
    }

    pub(crate) fn asset(&self) {
        self.lock().assets += 1;
    }

    pub(crate) fn passed(&self, reason: Reason) {
        self.lock().passed.entry(reason.name()).or_insert((0, reason)).0 += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `status.json`: stable; `docs/operator.md` says what each member is.
#[derive(Serialize)]
struct Status<'a> {
    v: u8,
    pages: u64,
    asset_answers: u64,
    passed_through: Vec<Passed>,
    counts: States,
    jobs: Vec<Job>,
    assets: Vec<Asset<'a>>,
    omitted: usize,
    pending: usize,
    connections: usize,
}

#[derive(Serialize)]
struct Passed {
    reason: &'static str,
    sentence: &'static str,
    answers: u64,
}

#[derive(Serialize)]
struct States {
    cold: usize,
    queued: usize,
    hashing: usize,
    ready: usize,
    hidden: usize,
    refused: usize,
}

#[derive(Serialize)]
struct Job {
    path: String,
    hashed: u64,
    length: u64,
}

#[derive(Serialize)]
struct Asset<'a> {
    path: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    swarm: Option<String>,
    #[serde(flatten)]
    why: Option<Why>,
}

/// Why an asset is not shared.
#[derive(Serialize)]
struct Why {
    reason: &'static str,
    sentence: &'static str,
    /// Seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// `status.json`, for the operator. `?under=/pub/` names assets below a path alone.
pub(super) fn answer(asked: &Asked<'_>) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::refused(asked);
    }
    let mut response = match under(asked.uri.query().unwrap_or_default()) {
        Some(under) => status(asked.engine, &under),
        None => plain(StatusCode::BAD_REQUEST, "under is the beginning of a path, encoded"),
    };
    operator::for_the_operator(&mut response);
    response
}

fn under(text: &str) -> Option<String> {
    let value = query::fields(text).find_map(|(name, value)| (name == "under").then_some(value));
    value.map_or(Some(String::new()), query::decoded)
}

fn status(engine: &Engine, under: &str) -> Response<Bytes> {
    let (pages, asset_answers, passed_through) = {
        let counts = engine.counters().lock();
        let passed = counts.passed.iter().map(|(name, (answers, reason))| Passed {
            reason: name,
            sentence: reason.sentence(),
            answers: *answers,
        });
        (counts.pages, counts.assets, passed.collect())
    };
    let Overview { counts, assets, omitted } = engine.overview(under);
    let mut jobs: Vec<Job> = engine
        .hashing()
        .into_iter()
        .map(|job| Job { path: job.path.to_string(), hashed: job.position, length: job.length })
        .collect();
    jobs.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    let status = Status {
        v: 1,
        pages,
        asset_answers,
        passed_through,
        counts: States {
            cold: counts.cold,
            queued: counts.queued,
            hashing: counts.hashing,
            ready: counts.ready,
            hidden: counts.hidden,
            refused: counts.refused,
        },
        jobs,
        assets: assets.iter().map(|known| Asset::of(known, swarm(known, engine))).collect(),
        omitted,
        pending: counts.queued + counts.hashing,
        connections: engine.tracker().connections(),
    };
    let mut response = Response::new(serde_json::to_vec_pretty(&status).unwrap_or_default().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The swarm of what is shared: `<complete>/<incomplete>`.
fn swarm(known: &Known, engine: &Engine) -> Option<String> {
    let info_hash = known.info_hash.filter(|_| known.standing == Standing::Ready)?;
    engine.tracker().swarm_header(&info_hash).to_str().map(str::to_owned).ok()
}

impl<'a> Asset<'a> {
    fn of(known: &'a Known, swarm: Option<String>) -> Self {
        let because = |reason, sentence| Some(Why { reason, sentence, until: None });
        let (state, why) = match known.standing {
            Standing::Ready => ("ready", None),
            Standing::Cold => ("cold", because("demand", DEMAND)),
            Standing::Queued => ("queued", because("queue", "It waits for its turn to be hashed.")),
            Standing::Hashing => ("hashing", because("hashing", "It is being read and hashed.")),
            Standing::Hidden => ("hidden", because("unconfirmed", UNCONFIRMED)),
            Standing::Refused(refusal, until) => {
                let (reason, sentence) = refused(refusal);
                let until = until.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
                ("refused", Some(Why { reason, sentence, until }))
            }
        };
        Self { path: known.path.as_str(), state, swarm, why }
    }
}

const DEMAND: &str = "It was not asked for often enough yet, or from too few networks ([admission] \
                      requests, prefixes).";
const UNCONFIRMED: &str = "It was hashed, but the last answer for it was not for everybody, or there was \
                           none since the start; the next one with the same bytes brings it back.";

fn refused(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::Flapping => (
            "flapping",
            "Answers for it differ from one to the next: they may be made for whoever asks.",
        ),
        Refusal::NotPublic => (
            "not_public",
            "Somebody unknown who asked for it did not get it, or got something else.",
        ),
        Refusal::Unreadable => {
            ("unreadable", "Its bytes could not be read, or did not all come; it is tried again.")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use manyhands_metainfo::AssetPath;

    use super::*;

    #[test]
    fn what_is_not_shared_says_why_and_until_when() {
        let until = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for (standing, state, reason) in [
            (Standing::Ready, "ready", None),
            (Standing::Cold, "cold", Some("demand")),
            (Standing::Queued, "queued", Some("queue")),
            (Standing::Hashing, "hashing", Some("hashing")),
            (Standing::Hidden, "hidden", Some("unconfirmed")),
            (Standing::Refused(Refusal::Flapping, until), "refused", Some("flapping")),
            (Standing::Refused(Refusal::NotPublic, until), "refused", Some("not_public")),
            (Standing::Refused(Refusal::Unreadable, until), "refused", Some("unreadable")),
        ] {
            let path = AssetPath::parse("/a.iso").unwrap();
            let known = Known { path, standing, info_hash: None };
            let json = serde_json::to_value(Asset::of(&known, None)).unwrap();
            assert_eq!((&json["path"], &json["state"]), (&"/a.iso".into(), &state.into()));
            assert_eq!(json.get("reason").and_then(|reason| reason.as_str()), reason);
            let sentence = json.get("sentence").and_then(|sentence| sentence.as_str());
            assert_eq!(sentence.is_some_and(|text| text.ends_with('.')), reason.is_some());
            let refused = matches!(standing, Standing::Refused(..));
            assert_eq!(json.get("until").is_some_and(|at| *at == 1_800_000_000), refused);
        }
    }

    #[test]
    fn a_path_to_look_below_is_decoded() {
        assert_eq!(under("").as_deref(), Some(""));
        assert_eq!(under("x=1&under=%2Fa%2Bb+c%2520/").as_deref(), Some("/a+b+c%20/"));
        assert_eq!(under("under=%FF"), None);
    }
}
