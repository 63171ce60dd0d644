use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use manyhands_page::Reason;
use serde::Serialize;

use super::{Asked, operator, plain, query};
use crate::engine::{Engine, Known, Overview, Standing};

/// What happened to the answers that passed, so that "nothing happens" has a reason.
///
/// Every request counts here, on whatever thread: no lock, and no order among the counts.
#[derive(Debug)]
pub(crate) struct Counters {
    pages: AtomicU64,
    assets: AtomicU64,
    /// In the order of [`Reason::ALL`].
    passed: [AtomicU64; Reason::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        let passed = std::array::from_fn(|_| AtomicU64::default());
        Self { pages: AtomicU64::default(), assets: AtomicU64::default(), passed }
    }
}

impl Counters {
    pub(crate) fn page(&self) {
        self.add_pages(1);
    }

    pub(crate) fn add_pages(&self, more: u64) {
        self.pages.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn asset(&self) {
        self.assets.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn passed(&self, reason: Reason) {
        self.add_passed(reason, 1);
    }

    pub(crate) fn add_passed(&self, reason: Reason, more: u64) {
        // The order of declaration is that of `Reason::ALL`.
        if let Some(count) = self.passed.get(reason as usize) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Pages that got the tag.
    pub(crate) fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Answers with files that may be shared.
    pub(crate) fn assets(&self) -> u64 {
        self.assets.load(Ordering::Relaxed)
    }

    /// The others, by reason, where there are any; in the order of the reasons' names.
    pub(crate) fn reasons(&self) -> Vec<(Reason, u64)> {
        let counts = self.passed.iter().map(|count| count.load(Ordering::Relaxed));
        let mut counts: Vec<_> =
            Reason::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0).collect();
        counts.sort_unstable_by_key(|(reason, _)| reason.name());
        counts
    }
}

/// `status.json`: stable; `docs/operator.md` says what each member is.
#[derive(Serialize)]
struct Status<'a> {
    v: u8,
    sharing: &'static str,
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
    let counters = engine.counters();
    let passed_through = counters.reasons().into_iter().map(|(reason, answers)| Passed {
        reason: reason.name(),
        sentence: reason.sentence(),
        answers,
    });
    let Overview { counts, assets, omitted } = engine.overview(under);
    let mut jobs: Vec<Job> = engine
        .hashing()
        .into_iter()
        .map(|job| Job { path: job.path.to_string(), hashed: job.position, length: job.length })
        .collect();
    jobs.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    let status = Status {
        v: 1,
        sharing: engine.sharing().name(),
        pages: counters.pages(),
        asset_answers: counters.assets(),
        passed_through: passed_through.collect(),
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
        let until = match known.standing {
            Standing::Refused(_, until) => until.duration_since(UNIX_EPOCH).ok(),
            _ => None,
        };
        let why = known.standing.why().map(|why| Why {
            reason: why.reason,
            sentence: why.sentence,
            until: until.map(|since| since.as_secs()),
        });
        Self { path: known.path.as_str(), state: known.standing.name(), swarm, why }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use manyhands_catalog::Refusal;
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
    fn each_reason_is_counted_by_itself_on_however_many_threads() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (at, reason) in Reason::ALL.iter().enumerate() {
                        (0..at).for_each(|_| counters.passed(*reason));
                    }
                    counters.page();
                    counters.asset();
                });
            }
        });
        let reasons = counters.reasons();
        // The first was never met.
        assert_eq!(reasons.len(), Reason::ALL.len() - 1);
        for (reason, count) in &reasons {
            let at = Reason::ALL.iter().position(|one| one == reason).unwrap();
            assert_eq!(*count, 4 * at as u64, "{reason:?}");
        }
        assert!(reasons.is_sorted_by_key(|(reason, _)| reason.name()));
        assert_eq!((counters.pages(), counters.assets()), (4, 4));
    }

    #[test]
    fn a_path_to_look_below_is_decoded() {
        assert_eq!(under("").as_deref(), Some(""));
        assert_eq!(under("x=1&under=%2Fa%2Bb+c%2520/").as_deref(), Some("/a+b+c%20/"));
        assert_eq!(under("under=%FF"), None);
    }
}
