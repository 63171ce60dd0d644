//! Telling the site that this mirror is there and what it holds.

use std::time::Duration;

use http::StatusCode;
use manyhands_protocol::mirrors::{
    Announce, AnnounceAnswer, FormatError, Holdings, MAX_ANSWER_BYTES, MAX_STRANGER_BYTES,
    MirrorState, SiteOrigin,
};

use super::feed::said;
use super::settings::MirrorSettings;
use super::site::Site;
use super::web::{WebError, retry_after};

/// Between announces, whatever the site asks for.
const LEAST: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, thiserror::Error)]
pub(super) enum AnnounceError {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("{0} takes no announces of mirrors: {1}")]
    Refused(SiteOrigin, String),
    #[error("{0} has too many mirrors waiting for its operator: trying again later")]
    Busy(SiteOrigin, Option<Duration>),
    #[error("what {0} says to an announce cannot be read: {1}")]
    Format(SiteOrigin, FormatError),
}

/// The base URL of one site at this mirror.
pub(super) fn base_of(settings: &MirrorSettings, site: &Site) -> Option<String> {
    let public = settings.public.as_ref()?;
    Some(format!("{public}{}/", site.address.authority()))
}

/// Announces once. Returns how long to wait, and whether what the operator says is news.
pub(super) async fn announce(
    site: &Site,
    settings: &MirrorSettings,
) -> Result<(Duration, bool), AnnounceError> {
    let mut announce = Announce::new(settings.name.clone(), settings.budget);
    announce.contact.clone_from(&settings.contact);
    announce.http = base_of(settings, site).and_then(|base| base.parse().ok());
    announce.holdings = Holdings::of(&site.whole());
    let mut json = announce.to_json();
    // Only those who are approved may be long.
    if json.len() > MAX_STRANGER_BYTES && site.record().standing != Some(MirrorState::Approved) {
        announce.holdings = Holdings::default();
        json = announce.to_json();
    }
    let target = site.reserved("mirrors/announce");
    let answer = site.web.post(&target, json, MAX_ANSWER_BYTES).await?;
    let origin = site.origin().clone();
    match answer.status {
        StatusCode::OK => {}
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            return Err(AnnounceError::Busy(origin, retry_after(&answer.headers)));
        }
        _ => {
            let words = said(&answer);
            let words = if words.is_empty() { answer.status.to_string() } else { words };
            return Err(AnnounceError::Refused(origin, words));
        }
    }
    let answer = AnnounceAnswer::from_json(&answer.body);
    let answer = answer.map_err(|error| AnnounceError::Format(origin, error))?;
    let is_news = site.decide(answer.state, answer.reason);
    Ok((Duration::from_secs(answer.next).clamp(LEAST, MOST), is_news))
}
