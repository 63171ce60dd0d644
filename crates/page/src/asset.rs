//! Files: which ones may be shared. Denied by default: what could be meant for one visitor alone,
//! and what is not plain, is refused.

use manyhands_metainfo::{AssetPath, Validator, Version};

use crate::fields::{
    CacheControl, ContentType, Disposition, LastModified, Vary, content_length, content_range,
    entity_tag, has_foreign_cookie, is_identity, last_modified,
};
use crate::{AssetOffer, Headers, Policy, Reason, RequestHead, ResponseHead, media};

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
    if path.is_directory() {
        return Err(Reason::Path);
    }
    if !known && !media::has_allowed_extension(policy.types(), &path.file_name()) {
        return Err(Reason::Extension);
    }
    let cookie = is_anonymous(request, &path, policy)?;
    is_public(response)?;
    let length = complete_length(request, response)?;
    if length < policy.min_size() {
        return Err(Reason::TooSmall);
    }
    if length > policy.max_size() && !local {
        return Err(Reason::TooLarge);
    }
    let version = Version { validator: validator(response)?, length, file: None };
    let demand = request.method == "GET" && names_site(request, policy);
    Ok(AssetOffer {
        path,
        version,
        content_type: content_type.text.clone(),
        demand,
        teeable: demand && response.status == 200 && !cookie && !request.has("range"),
    })
}

/// Whether the request names the site, or nobody. Another virtual host behind the same port may have
/// another file under the same path.
fn names_site<Q: Headers + ?Sized>(request: &RequestHead<'_, Q>, policy: &Policy) -> bool {
    request.headers.values("host").all(|host| policy.is_site(host))
}

/// Whether nothing in the request speaks for a particular visitor. A foreign cookie is let by where
/// the operator called the path public, and only there: `Cache-Control: public` is often set for
/// whole sites, logins included, and demand counted from logged-in visitors would make us fetch,
/// list and announce files that only they should know of. Returns whether there was one.
fn is_anonymous<Q: Headers + ?Sized>(
    request: &RequestHead<'_, Q>,
    path: &AssetPath,
    policy: &Policy,
) -> Result<bool, Reason> {
    if request.has("authorization") || request.has("proxy-authorization") {
        return Err(Reason::Authorization);
    }
    let cookie = has_foreign_cookie(request.headers, policy.cookie());
    if cookie && !policy.is_public(path.as_str()) {
        return Err(Reason::RequestCookie);
    }
    Ok(cookie)
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
    const PARTICULAR: [&str; 8] = [
        "authorization",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "proxy-authorization",
        "range",
    ];
    let plain = request.is_get_or_head()
        && request.query.is_none()
        && !PARTICULAR.iter().any(|name| request.has(name))
        && !has_foreign_cookie(request.headers, policy.cookie())
        && names_site(request, policy);
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
