//! `<asset path>.torrent` and `<asset path>.magnet`: the same answers under the asset's own address, where
//! a person would look for them.

use bytes::Bytes;
use http::{Method, Request, Response};
use manyhands_metainfo::AssetPath;

use super::{magnet_of, torrent_of};
use crate::engine::Engine;

/// Answers for a ready asset; `None` for all else, which is the site's.
pub(crate) fn answer<B>(engine: &Engine, request: &Request<B>) -> Option<Response<Bytes>> {
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    if !get || request.uri().query().is_some() {
        return None;
    }
    let (asset, kind) = request.uri().path().rsplit_once('.')?;
    let answer = match kind {
        "torrent" => torrent_of,
        "magnet" => magnet_of,
        _ => return None,
    };
    let ready = engine.ready(&AssetPath::parse(asset).ok()?)?;
    Some(answer(&ready))
}
