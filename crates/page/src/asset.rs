//! Files: which ones may be shared. Denied by default: what could be meant for one visitor alone,
//! and what is not plain, is refused.

use std::borrow::Cow;

use manyhands_metainfo::{AssetPath, Validator, Version};

use crate::fields::{
    CacheControl, Disposition, LastModified, Unclear, Vary, content_length, content_range,
    entity_tag, is_cache_control, is_identity, last_modified,
};
use crate::gate::Facts;
use crate::{AssetOffer, Headers, Policy, Reason, ResponseHead, media, url, visitor};

/// Fields by which a server asks for credentials, or answers to them: RFC 9110 (section 11.6 and 11.7),
/// RFC 8053, RFC 9449, Device Bound Session Credentials, the Login Status API.
const OF_AUTHENTICATION: [&str; 12] = [
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
    "optional-www-authenticate",
    "authentication-control",
    "dpop-nonce",
    "sec-session-registration",
    "sec-session-challenge",
    "secure-session-registration",
    "secure-session-challenge",
    "set-login",
];

/// The file that an exchange offers which has passed every gate.
pub(crate) fn offer<Q, R>(facts: Facts<'_, Q, R>) -> Result<AssetOffer, Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let Facts { request, response, policy, cookie, .. } = facts;
    // The gates have filled all four in; one that had not would be a refusal.
    let version = Version {
        validator: facts.validator.ok_or(Reason::NoValidator)?,
        length: facts.length.ok_or(Reason::NoLength)?,
        file: None,
    };
    let demand = request.method == "GET" && visitor::names_site(&request, policy);
    Ok(AssetOffer {
        path: facts.path.ok_or(Reason::Path)?,
        version,
        content_type: facts.content_type.ok_or(Reason::ContentTypeMissing)?.text.to_owned(),
        demand,
        teeable: demand && response.status == 200 && !cookie && !request.has("range"),
    })
}

pub(crate) fn kind<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let content_type = facts.content_type.as_ref().ok_or(Reason::ContentTypeMissing)?;
    facts.known = media::is_allowed(facts.policy.types(), &content_type.essence);
    match facts.known || media::is_unknown(&content_type.essence) {
        true => Ok(()),
        false => Err(Reason::Type),
    }
}

/// Whether [`kind`] refuses a type.
pub(crate) fn refuses(policy: &Policy, essence: &str) -> bool {
    !media::is_allowed(policy.types(), essence) && !media::is_unknown(essence)
}

pub(crate) fn signed_url<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match url::is_key(facts.request.path, facts.request.query) {
        true => Err(Reason::SignedUrl),
        false => Ok(()),
    }
}

/// A query may choose the file, and may be a secret in ways nobody has thought of.
pub(crate) fn query<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match facts.request.query {
        Some(query) if !url::only_breaks_caches(query, facts.policy.queries()) => {
            Err(Reason::Query)
        }
        _ => Ok(()),
    }
}

pub(crate) fn path<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let path = AssetPath::parse(facts.request.path).map_err(|_| Reason::Path)?;
    // A path parameter is a query by another name (`;jsessionid=…`).
    if path.is_directory() || path.as_str().contains(';') {
        return Err(Reason::Path);
    }
    facts.path = Some(path);
    Ok(())
}

pub(crate) fn excluded<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match facts.path.as_ref().is_none_or(|path| facts.policy.is_excluded(path)) {
        true => Err(Reason::Excluded),
        false => Ok(()),
    }
}

pub(crate) fn extension<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let named =
        |path: &AssetPath| media::has_allowed_extension(facts.policy.types(), &path.file_name());
    match facts.known || facts.path.as_ref().is_some_and(named) {
        true => Ok(()),
        false => Err(Reason::Extension),
    }
}

pub(crate) fn request<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    facts.cookie = visitor::is_anonymous(&facts.request, facts.path.as_ref(), facts.policy)?;
    Ok(())
}

pub(crate) fn set_cookie<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    none_of(&facts.response, &["set-cookie", "set-cookie2"], Reason::SetCookie)
}

pub(crate) fn cache_control<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    // No Cache-Control at all is public enough: static servers send none.
    for name in facts.response.headers.names().filter(|name| is_cache_control(name)) {
        let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        let directives = CacheControl::read(facts.response.headers, &name)
            .map_err(|_| Reason::CacheControlUnclear)?;
        if directives.private {
            return Err(Reason::Private);
        }
        if directives.no_store {
            return Err(Reason::NoStore);
        }
        // Visitors who give one another a file are a shared cache, and `s-maxage` speaks to those; so does
        // `max-age` in a field for delivery networks. In `Cache-Control` itself, `max-age=0` says that a
        // copy must be compared with the site first, and that is what happens.
        let for_networks = name != "cache-control";
        if directives.no_cache
            || directives.s_maxage_zero
            || (for_networks && directives.max_age_zero)
        {
            return Err(Reason::NoCache);
        }
        if directives.doubtful {
            return Err(Reason::CacheControlUnclear);
        }
    }
    Ok(())
}

pub(crate) fn pragma<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    none_of(&facts.response, &["pragma"], Reason::NoCache)
}

pub(crate) fn vary<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match Vary::read(facts.response.headers).other {
        true => Err(Reason::Vary),
        false => Ok(()),
    }
}

pub(crate) fn authenticate<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    none_of(&facts.response, &OF_AUTHENTICATION, Reason::Authenticate)
}

pub(crate) fn clear_site_data<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    none_of(&facts.response, &["clear-site-data"], Reason::ClearSiteData)
}

pub(crate) fn encoding<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    is_identity(facts.response.headers).then_some(()).ok_or(Reason::Encoded)
}

pub(crate) fn disposition<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let read = Disposition::read(facts.response.headers);
    read.map(drop).map_err(|_: Unclear| Reason::ContentDisposition)
}

fn none_of<R: Headers + ?Sized>(
    response: &ResponseHead<'_, R>,
    fields: &[&str],
    reason: Reason,
) -> Result<(), Reason> {
    match fields.iter().any(|name| response.has(name)) {
        true => Err(reason),
        false => Ok(()),
    }
}

/// The length of the whole file, whatever part of it is sent.
pub(crate) fn length<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let (request, response) = (&facts.request, &facts.response);
    let length = content_length(response.headers).map_err(|_| Reason::LengthUnclear)?;
    let range = content_range(response.headers).map_err(|_| Reason::RangeUnclear)?;
    facts.length = Some(match (response.status, range) {
        (200, None) => length.ok_or(Reason::NoLength)?,
        (206, Some(range)) if request.method == "GET" && request.has("range") => {
            // `last` is below `complete`, so that neither side can overflow.
            let part = range.last - range.first + 1;
            match length {
                Some(length) if length != part => return Err(Reason::LengthUnclear),
                _ => range.complete,
            }
        }
        _ => return Err(Reason::RangeUnclear),
    });
    Ok(())
}

pub(crate) fn size<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let length = facts.length.ok_or(Reason::NoLength)?;
    if length < facts.policy.min_size() {
        return Err(Reason::TooSmall);
    }
    if length > facts.policy.max_size() && !facts.local {
        return Err(Reason::TooLarge);
    }
    Ok(())
}

pub(crate) fn validator<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let immutable = facts.path.as_ref().is_some_and(|path| facts.policy.is_immutable(path));
    facts.validator = Some(match read_validator(&facts.response) {
        // A strong tag is one thing more that can be checked. Dates are not: one would count only once it
        // is a minute old, and the version would change with it.
        Ok(Validator::LastModified(_)) if immutable => Validator::Immutable,
        Err(reason) if immutable && reason != Reason::EtagUnclear => Validator::Immutable,
        other => other?,
    });
    Ok(())
}

fn read_validator<R: Headers + ?Sized>(
    response: &ResponseHead<'_, R>,
) -> Result<Validator, Reason> {
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
