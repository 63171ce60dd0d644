//! Admits every eligible file of a root at once: `serve` knows its files, and need not wait for demand.

use std::time::Duration;

use manyhands::Engine;
use manyhands_origin::{StaticRoot, WalkEntry};
use manyhands_page::{Decision, RequestHead, ResponseHead, plan};

/// Names looked at in one root.
const MOST_ENTRIES: usize = 1_000_000;
/// A file written just now has no version to rely on yet; it is looked at again once it has settled.
const SETTLE: Duration = Duration::from_millis(2_100);

/// Walks the root on a thread of its own; returns when all that is eligible has been admitted.
pub(crate) async fn all(root: StaticRoot, engine: Engine) {
    let walk = {
        let (root, engine) = (root.clone(), engine.clone());
        move || root.walk(MOST_ENTRIES).filter(|entry| !admit(&engine, entry)).count()
    };
    let unsettled = tokio::task::spawn_blocking(walk.clone()).await;
    if unsettled.is_ok_and(|count| count > 0) {
        tokio::time::sleep(SETTLE).await;
        let _ = tokio::task::spawn_blocking(walk).await;
    }
}

/// Judges a file by the answer it would be served with. False while it is too young to tell.
fn admit(engine: &Engine, entry: &WalkEntry) -> bool {
    let Some(etag) = &entry.etag else { return false };
    let length = entry.file.identity.size.to_string();
    let headers = [
        ("content-type", entry.content_type.as_str()),
        ("content-length", &length),
        ("etag", etag),
    ];
    let none: [(&str, &str); 0] = [];
    let request =
        RequestHead { method: "GET", path: entry.path.as_str(), query: None, headers: &none[..] };
    let response = ResponseHead { status: 200, headers: &headers[..] };
    if let Decision::Asset(offer) = plan(&request, &response, engine.policy(), true).decision {
        engine.preload_file(&offer, &entry.file);
    }
    true
}
