//! The dashboard: one page without anything from elsewhere, which a script of its own keeps up to date.
//!
//! [`Dashboard`] is all that it shows, gathered by the engine; rendering is a pure function of it, so that the
//! same state gives the same bytes and a browser that has them is told so (304).

mod files;
mod health;
mod mirrors;
mod page;
mod saved;
mod traffic;

pub(super) use page::html;

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, Response};
use manyhands_experiment::Analysis;
use manyhands_metainfo::AssetPath;
use manyhands_page::Reason;
use manyhands_protocol::mirrors::MirrorState;

use crate::engine::{Counts, Engine, Hashing, Sharing, Why};
use crate::ledger::Looked;
use crate::reserved::Encoded;

/// Everything the dashboard shows, at one moment.
#[derive(Debug)]
pub(crate) struct Dashboard {
    /// The site's name, such as `example.org`.
    pub(crate) site: String,
    /// The reserved prefix, without a slash at its end.
    pub(crate) prefix: String,
    pub(crate) sharing: Sharing,
    /// When this process started, in seconds since the epoch.
    pub(crate) since: u64,
    /// `None` where no experiment is configured, or nothing of it can be shown.
    pub(crate) analysis: Option<Analysis>,
    /// Why nothing of the experiment can be shown, where one runs: a line.
    pub(crate) unseen: Option<String>,
    /// Files by the octets that the site sent of them, most first.
    pub(crate) top: Vec<TopAsset>,
    /// Why transfers fell back to plain HTTP, as browsers claim.
    pub(crate) fallbacks: Vec<(String, u64)>,
    /// Pages that got the tag, since the start.
    pub(crate) pages: u64,
    /// Answers with files that may be shared, since the start.
    pub(crate) asset_answers: u64,
    /// The other answers by reason, most first.
    pub(crate) passed: Vec<(Reason, u64)>,
    pub(crate) counts: Counts,
    /// Files that wait, are refused or hidden.
    pub(crate) unshared: Vec<Unshared>,
    /// How many more there are.
    pub(crate) unshared_more: usize,
    pub(crate) jobs: Vec<Hashing>,
    /// The largest swarms.
    pub(crate) swarms: Vec<Swarm>,
    /// Swarms with anybody in them.
    pub(crate) swarms_active: usize,
    /// Those who wait for the operator first.
    pub(crate) mirrors: Vec<MirrorRow>,
    /// Sockets at the tracker.
    pub(crate) connections: usize,
    pub(crate) upload: UploadLimits,
}

/// What was counted of one file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopAsset {
    pub(crate) path: AssetPath,
    /// Its length; `None` where it is not known any more.
    pub(crate) length: Option<u64>,
    /// How often it was wanted.
    pub(crate) wanted: u64,
    /// Octets of it that this site sent.
    pub(crate) sent: u64,
}

/// A file that is not shared now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unshared {
    pub(crate) path: AssetPath,
    pub(crate) why: Why,
    /// When it is tried again, in seconds since the epoch.
    pub(crate) until: Option<u64>,
}

/// A swarm, without anybody's address.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Swarm {
    pub(crate) path: AssetPath,
    /// Visitors and mirrors who have it whole.
    pub(crate) seeds: u64,
    /// Those who don't yet.
    pub(crate) peers: u64,
    /// Whether they are introduced: the crowd is large enough.
    pub(crate) open: bool,
}

/// A mirror.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MirrorRow {
    /// What it is decided about by.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) contact: Option<String>,
    /// Its URL.
    pub(crate) place: Option<String>,
    pub(crate) state: MirrorState,
    pub(crate) listed: bool,
    /// Why it is not, a sentence.
    pub(crate) reason: Option<String>,
    /// Milliseconds.
    pub(crate) latency: Option<u64>,
    /// Files, where that is known.
    pub(crate) holdings: Option<u64>,
    /// Whether browsers can use it, once that is known.
    pub(crate) readable: Option<bool>,
}

/// What a visitor may be asked to give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UploadLimits {
    /// Bits a second.
    pub(crate) rate: u64,
    /// Octets a calendar month.
    pub(crate) monthly: u64,
}

/// Answers `dashboard` to the operator, with what the experiment has found, where there is one.
pub(crate) fn answer(engine: &Engine, headers: &HeaderMap, figures: &Looked) -> Response<Bytes> {
    let page = html(&engine.dashboard(figures)).into_string();
    let mut response =
        Encoded::for_once(page.into_bytes()).answer(headers, "text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, page::POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The policy that the page is sent with.
#[cfg(test)]
pub(super) fn content_security_policy() -> &'static str {
    page::POLICY.to_str().unwrap()
}
