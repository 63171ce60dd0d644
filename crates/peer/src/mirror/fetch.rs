//! Fetching assets from the site: ranges of many units, verified before they are kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{CONTENT_ENCODING, CONTENT_RANGE, IF_MATCH, RANGE};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use manyhands_metainfo::{Digest, Manifest, UNIT, digests_of};
use manyhands_protocol::mirrors::FeedAsset;
use tokio::time::Instant;

use super::feed::blocking;
use super::rate::Rate;
use super::site::Site;
use super::web::{STALL, WebError, retry_after};
use crate::store::{Asset, Claim, StoreError, WriteError};

/// Units asked for at a time: 8 MiB.
const UNITS_A_RANGE: u64 = 128;
/// Units written, and waited for on the disk, at a time: 2 MiB. A kill costs at most these.
const UNITS_A_WRITE: usize = 32;
/// Ranges of one asset under way.
const RANGES_AN_ASSET: usize = 2;
/// A site must give a range within a minute and the time it takes at so many bytes a second.
const SLOWEST: u64 = 16 * 1024;
/// The longest manifest.
const MAX_MANIFEST: usize = 128 * 1024;

/// Why an asset is not whole yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The site as a whole: wait, then go on.
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("the site asks to be left alone for a while")]
    Busy(Option<Duration>),
    /// This version of it is no longer there: the feed will say so.
    #[error("{0} is not there any more as the feed lists it")]
    Gone(String),
    /// Nothing to be done here: tell, and try again much later.
    #[error("{path} can't be mirrored: {reason}")]
    Unfit { path: String, reason: String },
    #[error("the site serves bytes of {path} that are not what its digests say (unit {unit})")]
    Wrong { path: String, unit: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("withdrawn")]
    Withdrawn,
}

/// Fetches what is missing of an asset. What was fetched before an error is kept.
pub(super) async fn fetch(
    site: &Arc<Site>,
    listed: &FeedAsset,
    rate: &Rate,
) -> Result<(), FetchError> {
    let (root, length) = (listed.root, listed.length);
    let asset = match site.store.opened(&root) {
        Some(asset) => asset,
        None => {
            digests(site, listed).await?;
            let making = site.clone();
            blocking(move || {
                let asset = making.store.create(root, length)?;
                making.shelve()?;
                Ok::<_, StoreError>(asset)
            })
            .await?
        }
    };
    let worker = || async {
        while let Some(claim) = asset.claim(UNITS_A_RANGE) {
            range(site, listed, &asset, &claim, rate).await?;
        }
        Ok::<(), FetchError>(())
    };
    let workers: [_; RANGES_AN_ASSET] = std::array::from_fn(|_| worker());
    futures_util::future::try_join_all(workers).await?;
    if asset.is_withdrawn() { Err(FetchError::Withdrawn) } else { Ok(()) }
}

/// Fetches the digests of an asset, all pages, and keeps them if they give its root.
async fn digests(site: &Arc<Site>, listed: &FeedAsset) -> Result<(), FetchError> {
    let (store, root, length) = (site.clone(), listed.root, listed.length);
    let mut writer = blocking(move || store.store.digests(root, length)).await?;
    let mut number = 0;
    while let Some(size) = writer.next_page() {
        let page = match page(site, &root, number, size).await? {
            Some(page) => page,
            None if number == 0 => first_page(site, listed).await?,
            None => return Err(FetchError::Gone(listed.path.to_string())),
        };
        let added;
        (writer, added) = blocking(move || {
            let added = writer.add(&page);
            (writer, added)
        })
        .await;
        if !added? {
            return Err(unfit(listed, "its digests are not as many as its length asks for"));
        }
        number += 1;
    }
    if blocking(move || writer.finish()).await? {
        Ok(())
    } else {
        Err(unfit(listed, "its digests do not give its root"))
    }
}

/// `None` when the site does not have the page at its own address.
async fn page(
    site: &Site,
    root: &Digest,
    number: u64,
    size: usize,
) -> Result<Option<Vec<Digest>>, FetchError> {
    let target = site.reserved(&format!("digests/{root}/{number}"));
    let answer = site.web.get(&target, &[], size * Digest::SIZE).await?;
    match answer.status {
        StatusCode::OK => Ok(digests_of(&answer.body)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(FetchError::Busy(retry_after(&answer.headers)))
        }
        _ => Ok(None),
    }
}

/// The first page as browsers get it: in the manifest.
async fn first_page(site: &Site, listed: &FeedAsset) -> Result<Vec<Digest>, FetchError> {
    let target = site.reserved(&format!("manifest{}", listed.path));
    let answer = site.web.get(&target, &[], MAX_MANIFEST).await?;
    let text = std::str::from_utf8(&answer.body).ok().filter(|_| answer.status == StatusCode::OK);
    let manifest = text.and_then(|text| Manifest::from_json(text).ok());
    let manifest = manifest.filter(|it| it.root() == listed.root && it.length() == listed.length);
    Ok(manifest.ok_or_else(|| FetchError::Gone(listed.path.to_string()))?.digests())
}

/// Fetches the units of one claim. Whatever whole units came before an error are kept.
async fn range(
    site: &Site,
    listed: &FeedAsset,
    asset: &Arc<Asset>,
    claim: &Claim,
    rate: &Rate,
) -> Result<(), FetchError> {
    let bytes = claim.bytes();
    let asked = format!("bytes={}-{}", bytes.start, bytes.end - 1);
    let mut headers = vec![(RANGE, asked.as_str())];
    headers.extend(listed.etag.as_deref().map(|etag| (IF_MATCH, etag)));
    let response = site.web.open(listed.path.as_str(), &headers).await?;
    check(&response, listed, &bytes)?;

    let mut body = response.into_body();
    let mut left = bytes.end - bytes.start;
    let mut unit = claim.units().start;
    let mut buffer = BytesMut::new();
    let mut patience = Duration::from_secs(60 + left / SLOWEST);
    let came = loop {
        if left == 0 {
            break Ok(());
        }
        let asked = Instant::now();
        let frame = match tokio::time::timeout(STALL.min(patience), body.frame()).await {
            Err(_) => break Err(WebError::Silent(site.origin().to_string()).into()),
            Ok(None | Some(Err(_))) => break Err(WebError::Broken(listed.path.to_string()).into()),
            Ok(Some(Ok(frame))) => frame,
        };
        patience = patience.saturating_sub(asked.elapsed());
        let Ok(mut data) = frame.into_data() else { continue };
        // Whatever comes after what was asked for is not read; an answer without an end costs no more.
        data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= data.len() as u64;
        site.counts.note_fetched(data.len());
        buffer.extend_from_slice(&data);
        rate.pass(data.len()).await;
        if buffer.len() >= UNITS_A_WRITE * UNIT as usize {
            let whole = buffer.len() / UNIT as usize * UNIT as usize;
            let full = buffer.split_to(whole);
            let next = unit + full.len() as u64 / UNIT;
            keep(asset, listed, unit, full).await?;
            unit = next;
        }
    };
    if left > 0 {
        buffer.truncate(buffer.len() / UNIT as usize * UNIT as usize);
    }
    if !buffer.is_empty() {
        keep(asset, listed, unit, buffer).await?;
    }
    came
}

async fn keep(
    asset: &Arc<Asset>,
    listed: &FeedAsset,
    first: u64,
    bytes: BytesMut,
) -> Result<(), FetchError> {
    let asset = asset.clone();
    let path = || listed.path.to_string();
    match blocking(move || asset.write(first, &bytes)).await {
        Ok(()) => Ok(()),
        Err(WriteError::Wrong(unit)) => Err(FetchError::Wrong { path: path(), unit }),
        Err(WriteError::Withdrawn) => Err(FetchError::Withdrawn),
        Err(WriteError::Store(error)) => Err(error.into()),
        Err(WriteError::NoUnits) => Err(unfit(listed, "its units do not fit its length")),
    }
}

/// Whether an answer is just the bytes that were asked for.
fn check(
    response: &Response<Incoming>,
    listed: &FeedAsset,
    bytes: &std::ops::Range<u64>,
) -> Result<(), FetchError> {
    let headers = response.headers();
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, listed.length);
            if headers.get(CONTENT_RANGE).is_none_or(|given| given.as_bytes() != range.as_bytes()) {
                return Err(unfit(
                    listed,
                    "the site answers with another range than was asked for",
                ));
            }
        }
        StatusCode::OK if *bytes == (0..listed.length) => {}
        StatusCode::OK => return Err(unfit(listed, "the site does not answer ranges")),
        StatusCode::PRECONDITION_FAILED
        | StatusCode::RANGE_NOT_SATISFIABLE
        | StatusCode::NOT_FOUND
        | StatusCode::GONE => return Err(FetchError::Gone(listed.path.to_string())),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            return Err(FetchError::Busy(retry_after(headers)));
        }
        status if status.is_redirection() => {
            return Err(unfit(listed, "the site answers with a redirect, and none is followed"));
        }
        status => return Err(unfit(listed, &format!("the site answers with status {status}"))),
    }
    let coding = headers.get(CONTENT_ENCODING).map(|coding| coding.as_bytes());
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(unfit(listed, "the site sends it compressed, though it was asked not to"));
    }
    Ok(())
}

fn unfit(listed: &FeedAsset, reason: &str) -> FetchError {
    FetchError::Unfit { path: listed.path.to_string(), reason: reason.to_owned() }
}
