//! Files: which ones may be shared. Denied by default: what could be meant for one visitor alone,
//! and what is not plain, is refused.

use manyhands_metainfo::{AssetPath, Validator, Version};

use crate::fields::{
    CacheControl, ContentType, Disposition, LastModified, Vary, content_length, content_range,
    entity_tag, is_identity, last_modified,
};
use crate::{AssetOffer, Headers, Policy, Reason, RequestHead, ResponseHead, media, visitor};

/// Whether this response offers a file that may be shared.
pub(crate) fn offer<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    content_type: &ContentType,
    policy: &Policy,
    local: bool,
) -> Result<AssetOffer, Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    // First, because it tells most: style sheets and pictures are refused for what they are.
    let known = media::is_allowed(policy.types(), &content_type.essence);
    if !known && !media::is_unknown(&content_type.essence) {
        return Err(Reason::Type);
    }
    // A query may carry a signature or a token, and then the web seed's URL would hold it.
    if request.query.is_some() {
        return Err(Reason::Query);
    }
    let path = AssetPath::parse(request.path).map_err(|_| Reason::Path)?;
    // A path parameter is a query by another name (`;jsessionid=…`).
    if path.is_directory() || path.as_str().contains(';') {
        return Err(Reason::Path);
    }
    if !known && !media::has_allowed_extension(policy.types(), &path.file_name()) {
        return Err(Reason::Extension);
    }
    let cookie = visitor::is_anonymous(request, Some(&path), policy)?;
    is_public(response)?;
    let length = complete_length(request, response)?;
    if length < policy.min_size() {
        return Err(Reason::TooSmall);
    }
    if length > policy.max_size() && !local {
        return Err(Reason::TooLarge);
    }
    let version = Version { validator: validator(response)?, length, file: None };
    let demand = request.method == "GET" && visitor::names_site(request, policy);
    Ok(AssetOffer {
        path,
        version,
        content_type: content_type.text.clone(),
        demand,
        teeable: demand && response.status == 200 && !cookie && !request.has("range"),
    })
}

/// The path of which this refusal says that there is no file for everybody (any more). Only a request
/// without anything particular to it can say so, or one visitor could speak for all; a server that is
/// busy or broken says nothing, and a coding is the visitor's choice.
pub(crate) fn doubt<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
    reason: Reason,
) -> Option<AssetPath>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let plain = request.is_get_or_head()
        && request.query.is_none()
        && ![
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "range",
        ]
        .iter()
        .any(|name| request.has(name))
        && matches!(visitor::is_anonymous(request, None, policy), Ok(false))
        && visitor::names_site(request, policy);
    let says_nothing = matches!(response.status, 304 | 408 | 429 | 500..)
        || matches!(reason, Reason::Encoded | Reason::Reserved);
    if !plain || says_nothing {
        return None;
    }
    AssetPath::parse(request.path).ok()
}

/// Whether the response is the same for everybody, and plain bytes.
fn is_public<R: Headers + ?Sized>(response: &ResponseHead<'_, R>) -> Result<(), Reason> {
    let any = |names: &[&str]| names.iter().any(|name| response.has(name));
    if any(&["set-cookie", "set-cookie2"]) {
        return Err(Reason::SetCookie);
    }
    // No Cache-Control at all is public enough: static servers send none.
    for name in ["cache-control", "cdn-cache-control", "surrogate-control"] {
        let directives =
            CacheControl::read(response.headers, name).map_err(|_| Reason::CacheControlUnclear)?;
        if directives.private {
            return Err(Reason::Private);
        }
        if directives.no_store {
            return Err(Reason::NoStore);
        }
        if directives.no_cache {
            return Err(Reason::NoCache);
        }
    }
    if response.has("pragma") {
        return Err(Reason::NoCache);
    }
    if Vary::read(response.headers).other {
        return Err(Reason::Vary);
    }
    if any(&["www-authenticate", "proxy-authenticate", "authentication-info"]) {
        return Err(Reason::Authenticate);
    }
    if any(&["clear-site-data"]) {
        return Err(Reason::ClearSiteData);
    }
    if !is_identity(response.headers) {
        return Err(Reason::Encoded);
    }
    Disposition::read(response.headers).map_err(|_| Reason::ContentDisposition)?;
    Ok(())
}

/// The length of the whole file, whatever part of it is sent.
fn complete_length<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
) -> Result<u64, Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let length = content_length(response.headers).map_err(|_| Reason::LengthUnclear)?;
    let range = content_range(response.headers).map_err(|_| Reason::RangeUnclear)?;
    match (response.status, range) {
        (200, None) => length.ok_or(Reason::NoLength),
        (206, Some(range)) if request.method == "GET" && request.has("range") => {
            // `last` is below `complete`, so that neither side can overflow.
            let part = range.last - range.first + 1;
            match length {
                Some(length) if length != part => Err(Reason::LengthUnclear),
                _ => Ok(range.complete),
            }
        }
        _ => Err(Reason::RangeUnclear),
    }
}

fn validator<R: Headers + ?Sized>(response: &ResponseHead<'_, R>) -> Result<Validator, Reason> {
    match entity_tag(response.headers) {
        Ok(Some(tag)) if tag.weak => Err(Reason::WeakEtag),
        Ok(Some(tag)) => Ok(Validator::Etag(tag.opaque)),
        Err(_) => Err(Reason::EtagUnclear),
        Ok(None) => match last_modified(response.headers) {
            Ok(LastModified::Settled(date)) => Ok(Validator::LastModified(date)),
            Ok(LastModified::Unsettled) => Err(Reason::Unsettled),
            Ok(LastModified::Unknown) => Err(Reason::NoValidator),
            Err(_) => Err(Reason::DateUnclear),
        },
    }
}
