//! What the tests of this folder share: a root in a temporary directory, and one request.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use manyhands_metainfo::LocalFile;
use manyhands_origin::{BodyError, FileBody, StaticOptions, StaticRoot};
use tower::ServiceExt;

/// An hour ahead: every file is settled.
pub(crate) fn settled() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

pub(crate) fn options() -> StaticOptions {
    StaticOptions::default().with_clock(settled)
}

pub(crate) fn open(directory: &Path) -> StaticRoot {
    StaticRoot::open(directory, options()).unwrap()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) local: Option<LocalFile>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} twice");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) async fn start(
    root: &StaticRoot,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> http::Response<FileBody> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    root.clone().oneshot(request.body(()).unwrap()).await.unwrap()
}

pub(crate) async fn finish(response: http::Response<FileBody>) -> Result<Answer, BodyError> {
    let (parts, body) = response.into_parts();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        local: parts.extensions.get::<LocalFile>().cloned(),
        body: body.collect().await?.to_bytes(),
    })
}

pub(crate) async fn get(root: &StaticRoot, path: &str, headers: &[(&str, &str)]) -> Answer {
    finish(start(root, Method::GET, path, headers).await).await.unwrap()
}

pub(crate) async fn head(root: &StaticRoot, path: &str, headers: &[(&str, &str)]) -> Answer {
    finish(start(root, Method::HEAD, path, headers).await).await.unwrap()
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
