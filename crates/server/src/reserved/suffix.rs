//! `<asset path>.torrent` and its like: the same answers under the asset's own address, where a person
//! would look for them.

use bytes::Bytes;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};
use manyhands_metainfo::AssetPath;

use super::document;
use super::metainfo::Form;
use crate::engine::Engine;

/// Answers for a ready asset; `None` for all else, which is the site's. Asked only once the site itself
/// has nothing there: many a mirror has such files of its own.
pub(crate) fn beside(
    engine: &Engine,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Response<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) || uri.query().is_some() {
        return None;
    }
    let (asset, form) = uri.path().rsplit_once('.')?;
    let form = Form::of(form)?;
    let ready = engine.ready(&AssetPath::parse(asset).ok()?)?;
    let mut response = document::finish(
        method,
        headers,
        form.answer(engine, &ready, &engine.duplicates(ready.path())),
    );
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(response)
}
