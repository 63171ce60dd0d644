//! Following the site's feed: every 20 s its first page, and all of it when that is new.

use std::time::Duration;

use http::StatusCode;
use http::header::{ETAG, IF_NONE_MATCH};
use manyhands_protocol::mirrors::{
    Envelope, EnvelopeError, FeedAsset, FeedPage, FormatError, MAX_ENVELOPE_BYTES, PublicKey,
    SiteOrigin,
};

use super::site::{Site, Trouble};
use super::web::{Answer, WebError, retry_after};

/// So often that a purge is gone from here within a minute.
pub(super) const POLL: Duration = Duration::from_secs(20);
/// The longest wait for a site that is away.
pub(super) const MOST_POLL: Duration = Duration::from_secs(60);

/// A feed of more pages, or bytes, is carried in part: no site may fill this machine's memory.
const MOST_PAGES: u64 = 100;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Why there is no newer feed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("{0} has no feed for mirrors: is it a site that runs Manyhands, and listed?")]
    None(SiteOrigin),
    #[error("{0} does not let this mirror carry it (yet): {1}")]
    NotAdmitted(SiteOrigin, String),
    #[error("{0} asks to be left alone for a while")]
    Busy(SiteOrigin, Option<Duration>),
    #[error("{0} answers its feed with status {1}")]
    Status(SiteOrigin, StatusCode),
    #[error("the feed of {0} cannot be read: {1}")]
    Format(SiteOrigin, FormatError),
    #[error(
        "the feed of {site} is signed by {now} and not by {pinned} as before: ask the site's operator which is right, and give it as --site-key"
    )]
    OtherKey { site: SiteOrigin, now: PublicKey, pinned: PublicKey },
    #[error("the feed of {0} is not to be trusted: {1}")]
    Envelope(SiteOrigin, EnvelopeError),
    #[error("the feed of {0} is another site's: {1}")]
    OtherSite(SiteOrigin, String),
    #[error("the feed of {0} is older than one that was seen before")]
    Rollback(SiteOrigin),
    #[error("the feed of {0} has expired: its site's clock or cache is wrong")]
    Expired(SiteOrigin),
    #[error("the feed of {0} changed while it was read")]
    Changed(SiteOrigin),
}

/// What a look at the feed found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Same,
    New,
}

/// Looks once. What is purged is gone, and what is not listed is no longer served, when this returns.
pub(super) async fn look(site: &std::sync::Arc<Site>) -> Result<Look, FeedError> {
    let etag = site.etag();
    let headers: Vec<_> = etag.iter().map(|etag| (IF_NONE_MATCH, etag.as_str())).collect();
    let answer = page(site, 0, &headers).await?;
    if answer.status == StatusCode::NOT_MODIFIED {
        site.renew();
        return Ok(Look::Same);
    }
    let mut etag = answer.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let origin = || site.origin().clone();
    let envelope = Envelope::from_json(&answer.body);
    let envelope = envelope.map_err(|error| FeedError::Format(origin(), error))?;
    let record = site.record();
    // Trust on first use: over TLS, it is the site that said so.
    let key = record.key.unwrap_or(envelope.key);
    let first = opened(site, &envelope, key)?;
    if record.is_newer_than(&first) {
        return Err(FeedError::Rollback(origin()));
    }
    if first.expires <= site.web.time() {
        return Err(FeedError::Expired(origin()));
    }
    let purging = (site.clone(), first.purged.clone());
    // A disk that does not let go: nothing of it is served, and it is tried again.
    if let Err(error) = blocking(move || purging.0.purge(&purging.1)).await {
        site.trouble(Trouble::Disk, Some(error.to_string()));
        etag = None;
    }
    let stamp = (first.sequence, first.made, first.expires);
    let assets = rest(site, key, first, answer.body.len()).await?;
    site.list(assets);
    site.follow(key, stamp, etag);
    Ok(Look::New)
}

/// The assets of all pages.
async fn rest(
    site: &Site,
    key: PublicKey,
    first: FeedPage,
    mut bytes: usize,
) -> Result<Vec<FeedAsset>, FeedError> {
    let (sequence, pages) = (first.sequence, first.pages.min(MOST_PAGES));
    let mut assets = first.assets;
    for number in 1..pages {
        let answer = page(site, number, &[]).await?;
        bytes += answer.body.len();
        if bytes > MOST_BYTES {
            tracing::warn!(site = %site.origin(), "the feed is too long: carried in part");
            break;
        }
        let envelope = Envelope::from_json(&answer.body);
        let envelope = envelope.map_err(|error| FeedError::Format(site.origin().clone(), error))?;
        let page = opened(site, &envelope, key)?;
        if page.sequence != sequence || page.page != number {
            return Err(FeedError::Changed(site.origin().clone()));
        }
        assets.extend(page.assets);
    }
    Ok(assets)
}

async fn page(
    site: &Site,
    number: u64,
    headers: &[(http::HeaderName, &str)],
) -> Result<Answer, FeedError> {
    let target = site.reserved(&format!("mirrors/feed/{number}"));
    let answer = site.web.get(&target, headers, MAX_ENVELOPE_BYTES).await?;
    let origin = site.origin().clone();
    match answer.status {
        StatusCode::OK => Ok(answer),
        StatusCode::NOT_MODIFIED if number == 0 && !headers.is_empty() => Ok(answer),
        StatusCode::FORBIDDEN => Err(FeedError::NotAdmitted(origin, said(&answer))),
        StatusCode::NOT_FOUND if number > 0 => Err(FeedError::Changed(origin)),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(FeedError::None(origin)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(FeedError::Busy(origin, retry_after(&answer.headers)))
        }
        status => Err(FeedError::Status(origin, status)),
    }
}

fn opened(site: &Site, envelope: &Envelope, key: PublicKey) -> Result<FeedPage, FeedError> {
    let origin = site.origin().clone();
    let page = match envelope.open(&key) {
        Ok(page) => page,
        Err(EnvelopeError::OtherKey(now)) => {
            return Err(FeedError::OtherKey { site: origin, now, pinned: key });
        }
        Err(error) => return Err(FeedError::Envelope(origin, error)),
    };
    if page.site != origin {
        return Err(FeedError::OtherSite(origin, page.site.to_string()));
    }
    if page.prefix != site.address.prefix {
        return Err(FeedError::OtherSite(origin, page.prefix.to_string()));
    }
    Ok(page)
}

/// What an answer says for people: its first line, cut short.
pub(super) fn said(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Work on the disk, off the threads that serve.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It panicked, or the runtime ends: either way there is nothing to go on with.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}
