//! The site asked as nobody, without anything of a visitor's: for assets that the operator listed, and for
//! those that a visitor got, which are taken only in that visitor's version.

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_RANGE, HOST, IF_RANGE, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use manyhands_catalog::{Failure, Job, Source};
use manyhands_metainfo::{AssetPath, Version};
use manyhands_page::{AssetOffer, Decision, Reason, RequestHead, ResponseHead, plan};

use super::Engine;
use crate::assets::{Ends, FetchBody};

const FIRST_BYTE: &str = "bytes=0-0";

/// A part of an asset, in one version if that is known.
struct Part<'a> {
    range: String,
    of: Option<&'a Version>,
}

/// An answer, and the file it offers to everybody, or why it offers none.
struct Answer {
    response: Response<FetchBody>,
    decision: Result<AssetOffer, Reason>,
}

impl Answer {
    fn offer(&self) -> Result<&AssetOffer, Failure> {
        let status = self.response.status().as_u16();
        self.decision.as_ref().map_err(|_| match status {
            // A site that is busy or broken says nothing of the file.
            408 | 425 | 429 | 500.. => Failure::Unreadable,
            _ => Failure::NotPublic,
        })
    }

    /// The body, if it is of the version that the job is for.
    fn body_for(self, job: &Job) -> Result<FetchBody, Failure> {
        same(job, self.offer()?)?;
        Ok(self.response.into_body())
    }
}

/// The site's answer to nobody.
pub(super) struct Anonymous {
    /// The first byte of the asset that the body brings.
    pub(super) from: u64,
    pub(super) body: FetchBody,
}

impl Engine {
    /// Asks for the asset from this byte on; a site that does not answer ranges sends it from the start.
    pub(super) async fn ask(&self, job: &Job, from: u64) -> Result<Anonymous, Failure> {
        let Version { length, .. } = job.version;
        if from > 0 {
            let part = Part { range: format!("bytes={from}-"), of: Some(&job.version) };
            let answer = self.send(&job.path, Some(part)).await?;
            let rest = format!("bytes {from}-{}/{length}", length - 1);
            let from = match answer.response.status() {
                StatusCode::PARTIAL_CONTENT if says(answer.response.headers(), &rest) => Some(from),
                StatusCode::OK => Some(0),
                _ => None,
            };
            if let Some(from) = from {
                let body = answer.body_for(job)?;
                return Ok(Anonymous { from, body });
            }
        }
        let body = self.send(&job.path, None).await?.body_for(job)?;
        Ok(Anonymous { from: 0, body })
    }

    /// Whether anybody gets what a visitor got: the same version, and the same bytes at both ends, because
    /// some sites make a file anew for each visitor and call it by one name.
    pub(super) async fn confirm(&self, job: &Job, ends: &Ends) -> Result<(), Failure> {
        let length = job.version.length;
        let first = (0, ends.first.len() as u64, &ends.first);
        let last = (length - ends.last.len() as u64, length, &ends.last);
        // Of an empty file there is nothing to tell apart.
        for (from, to, expected) in [first, last].into_iter().filter(|(from, to, _)| from < to) {
            let (range, of) = (format!("bytes={from}-{}", to - 1), Some(&job.version));
            let answer = self.send(&job.path, Some(Part { range, of })).await?;
            let part = format!("bytes {from}-{}/{length}", to - 1);
            let whole = match answer.response.status() {
                StatusCode::PARTIAL_CONTENT if says(answer.response.headers(), &part) => false,
                StatusCode::OK if from == 0 => true,
                // A site that answers no ranges was held to the first end.
                StatusCode::OK => return same(job, answer.offer()?),
                _ => return Err(answer.offer().err().unwrap_or(Failure::Unreadable)),
            };
            let body = answer.body_for(job)?;
            if !begins_with(body, expected).await.ok_or(Failure::Unreadable)? {
                return Err(Failure::NotPublic);
            }
            if whole {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The version that anybody gets.
    pub(super) async fn offered_to_anybody(&self, path: &AssetPath) -> Result<Version, Failure> {
        let part = Part { range: FIRST_BYTE.to_owned(), of: None };
        let answer = self.send(path, Some(part)).await?;
        Ok(answer.offer()?.version.clone())
    }

    /// Admits what the operator listed, without waiting for a visitor. Returns what the site could not be asked
    /// for: it may start later than this process.
    pub(super) async fn preload_listed(&self, listed: Vec<AssetPath>) -> Vec<AssetPath> {
        let mut unasked = Vec::new();
        for path in listed {
            let part = Part { range: FIRST_BYTE.to_owned(), of: None };
            let Ok(answer) = self.send(&path, Some(part)).await else {
                unasked.push(path);
                continue;
            };
            match answer.decision {
                Ok(offer) => self.preload(&offer, &offer.version, Source::Fetch),
                Err(_) if answer.response.status().is_server_error() => unasked.push(path),
                Err(reason) => tracing::warn!(
                    %path,
                    reason = reason.name(),
                    "listed under [assets] preload, but not shared: {reason} {}",
                    reason.remedy()
                ),
            }
        }
        unasked
    }

    /// One GET, and what its answer offers.
    async fn send(&self, path: &AssetPath, part: Option<Part<'_>>) -> Result<Answer, Failure> {
        let fetch = self.0.fetch.as_ref().ok_or(Failure::Unreadable)?;
        let headers = self.headers(part);
        let mut answered = fetch.fetch(path, headers.clone()).await;
        if answered.is_err() {
            // A connection kept from before may have been closed in this very moment.
            answered = fetch.fetch(path, headers.clone()).await;
        }
        let response = answered.map_err(|error| {
            tracing::warn!(%path, %error, "cannot fetch an asset to hash it");
            Failure::Unreadable
        })?;
        let request =
            RequestHead { method: "GET", path: path.as_str(), query: None, headers: &headers };
        let status = response.status().as_u16();
        let head = ResponseHead { status, headers: response.headers() };
        let decision = match plan(&request, &head, self.policy(), false).decision {
            Decision::Asset(offer) => Ok(offer),
            Decision::PassThrough(reason) => Err(reason),
            Decision::Page(_) => Err(Reason::Type),
        };
        Ok(Answer { response, decision })
    }

    fn headers(&self, part: Option<Part<'_>>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static("manyhands"));
        let host = self.checked().origin.split_once("://").map(|(_, authority)| authority);
        let mut insert = |name: HeaderName, value: Option<&str>| {
            if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
                headers.insert(name, value);
            }
        };
        insert(HOST, host);
        if let Some(Part { range, of }) = part {
            insert(RANGE, Some(&range));
            insert(IF_RANGE, of.and_then(|version| version.validator.as_sent()));
        }
        headers
    }
}

/// Changed meanwhile, or made for that visitor: a later try will tell.
fn same(job: &Job, offer: &AssetOffer) -> Result<(), Failure> {
    if offer.version == job.version { Ok(()) } else { Err(Failure::Unreadable) }
}

/// Whether a body begins with these bytes; `None` when it breaks off before.
async fn begins_with(mut body: FetchBody, expected: &[u8]) -> Option<bool> {
    let mut left = expected;
    while !left.is_empty() {
        let Ok(data) = body.frame().await?.ok()?.into_data() else { continue };
        let (now, later) = left.split_at(data.len().min(left.len()));
        if data.get(..now.len()) != Some(now) {
            return Some(false);
        }
        left = later;
    }
    Some(true)
}

fn says(headers: &HeaderMap, range: &str) -> bool {
    let mut fields = headers.get_all(CONTENT_RANGE).iter();
    fields.next().is_some_and(|field| field.as_bytes() == range.as_bytes())
        && fields.next().is_none()
}
