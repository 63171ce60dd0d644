//! The site asked as nobody: without anything of a visitor's, and taken only at the visitor's version.

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_RANGE, HOST, IF_RANGE, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use manyhands_catalog::{Failure, Job};
use manyhands_page::{Decision, RequestHead, ResponseHead, plan};

use super::Engine;
use crate::assets::FetchBody;

/// The site's answer to nobody.
pub(super) struct Anonymous {
    /// The first byte of the asset that the body brings.
    pub(super) from: u64,
    pub(super) body: FetchBody,
}

impl Engine {
    /// Asks for the asset from this byte on; a site that does not answer ranges sends it from the start.
    pub(super) async fn ask(&self, job: &Job, from: u64) -> Result<Anonymous, Failure> {
        if from > 0 {
            let part = format!("bytes={from}-");
            let response = self.send(job, Some(&part)).await?;
            let rest = format!("bytes {from}-{}/{}", job.version.length - 1, job.version.length);
            match response.status() {
                StatusCode::PARTIAL_CONTENT if says(response.headers(), &rest) => {
                    self.judge(job, Some(&part), &response)?;
                    return Ok(Anonymous { from, body: response.into_body() });
                }
                StatusCode::OK => {
                    self.judge(job, Some(&part), &response)?;
                    return Ok(Anonymous { from: 0, body: response.into_body() });
                }
                _ => {}
            }
        }
        let response = self.send(job, None).await?;
        self.judge(job, None, &response)?;
        Ok(Anonymous { from: 0, body: response.into_body() })
    }

    /// Whether anybody gets the version that was hashed, at the price of one byte where the site answers
    /// ranges.
    pub(super) async fn confirm(&self, job: &Job) -> Result<(), Failure> {
        let part = "bytes=0-0";
        let response = self.send(job, Some(part)).await?;
        self.judge(job, Some(part), &response)
    }

    async fn send(&self, job: &Job, part: Option<&str>) -> Result<Response<FetchBody>, Failure> {
        let fetch = self.0.fetch.as_ref().ok_or(Failure::Unreadable)?;
        fetch.fetch(&job.path, self.headers(job, part)).await.map_err(|error| {
            tracing::warn!(path = %job.path, %error, "cannot fetch an asset to hash it");
            Failure::Unreadable
        })
    }

    fn headers(&self, job: &Job, part: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static("manyhands"));
        let host = self.checked().origin.split_once("://").map(|(_, authority)| authority);
        if let Some(Ok(host)) = host.map(HeaderValue::from_str) {
            headers.insert(HOST, host);
        }
        if let Some(Ok(part)) = part.map(HeaderValue::from_str) {
            headers.insert(RANGE, part);
            let version = job.version.validator.as_sent().map(HeaderValue::from_str);
            if let Some(Ok(version)) = version {
                headers.insert(IF_RANGE, version);
            }
        }
        headers
    }

    /// Whether the anonymous answer is the one the visitor got.
    fn judge(
        &self,
        job: &Job,
        part: Option<&str>,
        response: &Response<FetchBody>,
    ) -> Result<(), Failure> {
        let headers = self.headers(job, part);
        let request =
            RequestHead { method: "GET", path: job.path.as_str(), query: None, headers: &headers };
        let head = ResponseHead { status: response.status().as_u16(), headers: response.headers() };
        match plan(&request, &head, self.policy(), false).decision {
            Decision::Asset(offer) if offer.version == job.version => Ok(()),
            // Changed meanwhile, or made for that visitor: a later try will tell.
            Decision::Asset(_) => Err(Failure::Unreadable),
            _ if matches!(response.status().as_u16(), 408 | 425 | 429 | 500..) => {
                Err(Failure::Unreadable)
            }
            _ => Err(Failure::NotPublic),
        }
    }
}

fn says(headers: &HeaderMap, range: &str) -> bool {
    let mut fields = headers.get_all(CONTENT_RANGE).iter();
    fields.next().is_some_and(|field| field.as_bytes() == range.as_bytes())
        && fields.next().is_none()
}
