use bytes::Bytes;
use http::{Method, Response, StatusCode};
use manyhands_metainfo::AssetPath;

use super::beacon::{self, BeaconToken, Refusal};
use super::{Asked, asset_path};
use crate::engine::Engine;
use crate::ledger::{Meter, Visitor, What};

/// An answer of ours, and what counts its body.
#[derive(Debug)]
pub struct Ours {
    /// The answer.
    pub response: Response<Bytes>,
    /// To be told what is sent.
    pub meter: Meter,
}

/// What a host does with a request below the reserved prefix.
#[derive(Debug)]
pub enum Answer {
    /// Send this.
    Ready(Ours),
    /// Read the request's body first.
    Awaited(AwaitedBody),
}

/// A request whose body is wanted, up to a length.
#[derive(Debug)]
pub struct AwaitedBody {
    engine: Engine,
    visitor: Visitor,
    token: BeaconToken,
}

impl AwaitedBody {
    /// Most bytes that are of use; a host may stop reading past it.
    pub const MOST: usize = beacon::MOST_BYTES;

    /// The answer, with what was read of the body: more than [`AwaitedBody::MOST`] are refused.
    #[must_use]
    pub fn answer(self, body: &[u8]) -> Ours {
        let response = beacon::report(&self.engine, &self.token, body);
        ours(&self.engine, self.visitor, &Method::POST, "beacon", response)
    }
}

/// A report's head was taken, or not.
pub(super) fn awaited(asked: &Asked<'_>) -> Result<AwaitedBody, Refusal> {
    let token = beacon::admitted(asked)?;
    Ok(AwaitedBody { engine: asked.engine.clone(), visitor: asked.visitor, token })
}

/// Counts what exists because of this software; what the operator looks at does not.
pub(super) fn ours(
    engine: &Engine,
    visitor: Visitor,
    method: &Method,
    path: &str,
    response: Response<Bytes>,
) -> Ours {
    let meter = match toll(path) {
        // The tracker counts its own messages.
        Some(asset)
            if *method != Method::HEAD && response.status() != StatusCode::SWITCHING_PROTOCOLS =>
        {
            // Whatever a stranger writes there, only what is shared is a unit.
            let shared = matches!(response.status(), StatusCode::OK | StatusCode::NOT_MODIFIED);
            let asset = asset.filter(|_| shared);
            engine.meter(visitor, What::Overhead(asset.as_ref()))
        }
        _ => Meter::none(),
    };
    Ours { response, meter }
}

/// Whether visitors pay for a path below the prefix, and for which asset.
fn toll(path: &str) -> Option<Option<AssetPath>> {
    match path.split_once('/') {
        Some(("manifest", asset)) => Some(asset_path(asset)),
        Some(("digests" | "torrent" | "magnet" | "meta4" | "sha256", _)) => Some(None),
        Some(_) => None,
        None => {
            let script = path.ends_with(".js");
            (script || matches!(path, "site.json" | "beacon" | "tracker")).then_some(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_pay_for_what_is_sent_to_them_alone() {
        let manifest = AssetPath::parse("/pub/a.iso").unwrap();
        assert_eq!(toll("manifest/pub/a.iso"), Some(Some(manifest)));
        for common in ["loader.js", "site.json", "beacon", "torrent/a.iso", "digests/00/1"] {
            assert_eq!(toll(common), Some(None), "{common}");
        }
        for operator in ["status.json", "dashboard", "experiment.csv", "metrics", "purge", "x/y"] {
            assert_eq!(toll(operator), None, "{operator}");
        }
    }
}
