//! What the operator's own machine may know more than a stranger: `status.json`, without any key.

use http::StatusCode;
use manyhands_metainfo::AssetPath;
use serde::Deserialize;

use super::coding::decoded;
use super::fetch::{Ask, Client};
use super::presence::Presence;
use super::target::Target;

const MOST: usize = 16 * 1024 * 1024;

/// How the catalog of this site has a file that is not shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A stranger is not told; or it is simply not wanted yet.
    Unknown,
    /// Queued, or being hashed.
    InWork,
    /// Refused or hidden for now: why, in a sentence.
    Refused(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    assets: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    path: String,
    state: String,
    sentence: String,
}

pub(crate) async fn standing(
    client: &Client,
    target: &Target,
    presence: &Presence,
    path: &AssetPath,
) -> Standing {
    // A path holds no & and no # that is not escaped; its own escapes are escaped once more.
    let under = path.as_str().replace('%', "%25").replace('&', "%26").replace('+', "%2B");
    let document = format!("{}/status.json?under={under}", presence.prefix);
    let Ok(target) = target.at(&document) else { return Standing::Unknown };
    let asked = client.ask(Ask::get(&target, &[("accept", "*/*")]).reading(MOST)).await;
    let Ok(answer) = asked else { return Standing::Unknown };
    if answer.status != StatusCode::OK {
        return Standing::Unknown;
    }
    let body = decoded(&answer, MOST).unwrap_or_default();
    let status: Status = serde_json::from_slice(&body).unwrap_or_default();
    let entry = status.assets.into_iter().find(|entry| entry.path == path.as_str());
    match entry {
        Some(entry) => match entry.state.as_str() {
            "queued" | "hashing" => Standing::InWork,
            "refused" | "hidden" if !entry.sentence.is_empty() => Standing::Refused(entry.sentence),
            _ => Standing::Unknown,
        },
        None => Standing::Unknown,
    }
}
