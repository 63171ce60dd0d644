use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use manyhands_page::Reason;
use serde::Serialize;

use super::{Asked, operator};

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

#[derive(Serialize)]
struct Status {
    pages: u64,
    asset_answers: u64,
    passed_through: Vec<Passed>,
    assets: Vec<Shared>,
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
struct Shared {
    path: String,
    swarm: String,
}

/// `status.json`, for the operator.
pub(super) fn answer(asked: &Asked<'_>) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::refused(asked);
    }
    let engine = asked.engine;
    let (pages, asset_answers, passed_through) = {
        let counts = engine.counters().lock();
        let passed = counts.passed.iter().map(|(name, (answers, reason))| Passed {
            reason: name,
            sentence: reason.sentence(),
            answers: *answers,
        });
        (counts.pages, counts.assets, passed.collect())
    };
    let (ready, pending) = engine.inventory();
    let assets = ready
        .into_iter()
        .map(|path| Shared {
            swarm: engine
                .ready(&path)
                .map(|ready| engine.tracker().swarm_header(&ready.info_hash))
                .and_then(|header| header.to_str().map(str::to_owned).ok())
                .unwrap_or_default(),
            path: path.to_string(),
        })
        .collect();
    let connections = engine.tracker().connections();
    let status = Status { pages, asset_answers, passed_through, assets, pending, connections };
    let mut response = Response::new(serde_json::to_vec_pretty(&status).unwrap_or_default().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    operator::for_the_operator(&mut response);
    response
}
