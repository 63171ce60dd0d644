use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::combinators::UnsyncBoxBody;
use manyhands_metainfo::AssetPath;

/// The body of an answer to [`Fetch::fetch`].
pub type FetchBody = UnsyncBoxBody<Bytes, BoxError>;

/// The answer to come. An error is the transport's: no answer at all.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Response<FetchBody>, BoxError>> + Send>>;

type BoxError = Box<dyn Error + Send + Sync>;

/// A way to ask the site for an asset as nobody: no cookie, no authorization, no condition.
///
/// A reverse proxy has one (its upstream); a layer around a service may have none, and then assets are
/// hashed while they pass by on their way to a visitor.
pub trait Fetch: Send + Sync + 'static {
    /// Sends one GET with these fields and no others of a visitor's.
    fn fetch(&self, path: &AssetPath, headers: HeaderMap) -> Fetching;
}
