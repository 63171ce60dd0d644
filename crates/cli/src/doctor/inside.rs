//! What the operator's own machine may know more than a stranger: `status.json`, without any key.

use http::StatusCode;
use manyhands_metainfo::AssetPath;
use serde::Deserialize;

use super::coding::decoded;
use super::fetch::{Ask, Client};
use super::presence::Presence;
use super::target::Target;

const MOST: usize = 16 * 1024 * 1024;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    pending: u64,
    assets: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    path: String,
    state: String,
}

/// Whether the catalog has this file queued or hashes it. False where a stranger is not told.
pub(crate) async fn is_in_work(
    client: &Client,
    target: &Target,
    presence: &Presence,
    path: &AssetPath,
) -> bool {
    let Ok(target) = target.at(&format!("{}/status.json", presence.prefix)) else { return false };
    let asked = client.ask(Ask::get(&target, &[("accept", "*/*")]).reading(MOST)).await;
    let Ok(answer) = asked else { return false };
    if answer.status != StatusCode::OK {
        return false;
    }
    let body = decoded(&answer, MOST).unwrap_or_default();
    let status: Status = serde_json::from_slice(&body).unwrap_or_default();
    let entry = status.assets.iter().find(|entry| entry.path == path.as_str());
    match entry.map(|entry| entry.state.as_str()) {
        Some("queued" | "hashing") => true,
        Some(_) => false,
        // Of a site that lists what is ready alone: something is in work, maybe this.
        None => status.pending > 0,
    }
}
