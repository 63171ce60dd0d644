use bytes::Bytes;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderValue, Method, Response, StatusCode};
use manyhands_metainfo::AssetPath;
use manyhands_protocol::mirrors::MAX_DOUBT_BYTES;

use super::beacon::{self, BeaconToken};
use super::mirrors::{self, AwaitedAnnounce};
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
    of: Of,
}

/// What the body is of.
#[derive(Debug)]
enum Of {
    Report(BeaconToken),
    Announce(Box<AwaitedAnnounce>),
    Doubt,
}

impl AwaitedBody {
    /// Most bytes that are of use; a host may stop reading past it.
    #[must_use]
    pub fn most(&self) -> usize {
        match &self.of {
            Of::Report(_) => beacon::MOST_BYTES,
            Of::Announce(announce) => announce.most(),
            Of::Doubt => MAX_DOUBT_BYTES,
        }
    }

    /// The answer, with what was read of the body: more than [`AwaitedBody::most`] are refused.
    #[must_use]
    pub fn answer(self, body: &[u8]) -> Ours {
        let (path, mut response) = match &self.of {
            Of::Report(token) => ("beacon", beacon::report(&self.engine, token, body)),
            Of::Announce(announce) => ("mirrors/announce", announce.answer(&self.engine, body)),
            Of::Doubt => ("mirrors/doubt", mirrors::doubted(&self.engine, body)),
        };
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        ours(&self.engine, self.visitor, &Method::POST, path, response)
    }
}

/// The head of a request with a body was taken, or not. `None`: `path` takes no body.
pub(super) fn awaited(
    asked: &Asked<'_>,
    path: &str,
) -> Option<Result<AwaitedBody, Box<Response<Bytes>>>> {
    let of = match path {
        "beacon" => {
            beacon::admitted(asked).map(Of::Report).map_err(|refusal| Box::new(refusal.into()))
        }
        "mirrors/announce" => mirrors::announced(asked).map(|it| Of::Announce(Box::new(it))),
        "mirrors/doubt" => mirrors::may_doubt(asked).map(|()| Of::Doubt),
        _ => return None,
    };
    let (engine, visitor) = (asked.engine.clone(), asked.visitor);
    Some(of.map(|of| AwaitedBody { engine, visitor, of }))
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
