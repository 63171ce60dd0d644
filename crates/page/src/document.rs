//! Pages: which ones are rewritten, and what that changes in their heads.

use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderName, HeaderValue, VARY,
};

use crate::fields::{
    CacheControl, ContentType, Disposition, EntityTag, Vary, content_length, entity_tag,
    is_identity, lists_weak_twin, preferred_coding,
};
use crate::gate::Facts;
use crate::request::is_navigation;
use crate::{
    Coding, HeaderEdits, Headers, PageRewrite, Policy, Reason, RequestHead, ResponseHead, Restore,
    csp,
};

/// Smaller bodies gain nothing from compression: they fit one packet as they are.
const MIN_COMPRESSED: u64 = 1_024;

/// Digests of the bytes that are sent or of the representation (RFC 9530, RFC 3230, RFC 1864).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// A page that is rewritten.
pub(crate) struct Verdict {
    pub(crate) edits: HeaderEdits,
    pub(crate) rewrite: PageRewrite,
}

/// The response's type, which must be there and clear.
pub(crate) fn content_type<'a, R: Headers + ?Sized>(
    response: &ResponseHead<'a, R>,
) -> Result<ContentType<'a>, Reason> {
    ContentType::read(response.headers)
        .map_err(|_| Reason::ContentTypeUnclear)?
        .ok_or(Reason::ContentTypeMissing)
}

/// How a page is rewritten that has passed every gate.
pub(crate) fn rewrite<Q, R>(facts: Facts<'_, Q, R>) -> Verdict
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let recompress = coding(&facts.request, &facts.response, facts.policy);
    let mut edits = changed_body(&facts.response, facts.tag.as_ref());
    if let Some(coding) = recompress {
        compressed(&facts.response, coding, &mut edits);
    }
    let tag = script(facts.policy, facts.nonce);
    Verdict { edits, rewrite: PageRewrite { tag, recompress } }
}

pub(crate) fn pages<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    facts.policy.pages().then_some(()).ok_or(Reason::PagesOff)
}

pub(crate) fn whole<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match facts.response.status != 200 || facts.response.has("content-range") {
        true => Err(Reason::PartialPage),
        false => Ok(()),
    }
}

pub(crate) fn navigation<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    is_navigation(&facts.request).then_some(()).ok_or(Reason::NotNavigation)
}

pub(crate) fn charset<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let compatible = facts.content_type.as_ref().is_some_and(ContentType::is_ascii_compatible);
    compatible.then_some(()).ok_or(Reason::Charset)
}

pub(crate) fn encoding<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    is_identity(facts.response.headers).then_some(()).ok_or(Reason::Encoded)
}

pub(crate) fn transform<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    may_transform(&facts.response)
}

pub(crate) fn signature<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match is_signed(&facts.response) {
        true => Err(Reason::Signed),
        false => Ok(()),
    }
}

pub(crate) fn disposition<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match Disposition::read(facts.response.headers) {
        Ok(Disposition::Inline) => Ok(()),
        Ok(Disposition::Attachment) => Err(Reason::Attachment),
        Err(_) => Err(Reason::ContentDisposition),
    }
}

pub(crate) fn integrity_policy<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match facts.response.has("integrity-policy") {
        true => Err(Reason::IntegrityPolicy),
        false => Ok(()),
    }
}

pub(crate) fn etag<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    facts.tag = entity_tag(facts.response.headers).map_err(|_| Reason::EtagUnclear)?;
    Ok(())
}

pub(crate) fn csp<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    facts.csp = csp::read(facts.response.headers)?;
    Ok(())
}

pub(crate) fn csp_sandbox<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    csp::admit_scripts_at_all(&facts.csp)
}

pub(crate) fn csp_trusted_types<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    csp::admit_plain_strings(&facts.csp)
}

pub(crate) fn csp_webrtc<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    csp::admit_webrtc(&facts.csp)
}

pub(crate) fn csp_connect<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    csp::admit_connections(&facts.csp, facts.policy)
}

pub(crate) fn csp_worker<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    csp::admit_worker(&facts.csp, facts.policy)
}

pub(crate) fn csp_script<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    facts.nonce = csp::admit_script(&facts.csp, facts.policy)?;
    Ok(())
}

pub(crate) fn body<Q, R>(facts: &mut Facts<'_, Q, R>) -> Result<(), Reason>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    match facts.request.method {
        "HEAD" => Err(Reason::HeadOfPage),
        _ => Ok(()),
    }
}

/// The whole script element. Prefix and nonce consist of letters, digits and `._~-/+=`.
fn script(policy: &Policy, nonce: Option<String>) -> String {
    let nonce = nonce.map(|nonce| format!(" nonce=\"{nonce}\"")).unwrap_or_default();
    format!("<script defer src=\"{}/loader.js\"{nonce}></script>", policy.prefix())
}

/// Whether the body may be changed at all.
fn is_transformable<R: Headers + ?Sized>(response: &ResponseHead<'_, R>) -> bool {
    is_identity(response.headers) && may_transform(response).is_ok() && !is_signed(response)
}

fn may_transform<R: Headers + ?Sized>(response: &ResponseHead<'_, R>) -> Result<(), Reason> {
    match CacheControl::read(response.headers, "cache-control") {
        Err(_) => Err(Reason::CacheControlUnclear),
        Ok(read) if read.no_transform => Err(Reason::NoTransform),
        Ok(_) => Ok(()),
    }
}

fn is_signed<R: Headers + ?Sized>(response: &ResponseHead<'_, R>) -> bool {
    response.has("signature") || response.has("signature-input")
}

/// What no longer holds when other bytes are sent than the site sent.
fn changed_body<R: Headers + ?Sized>(
    response: &ResponseHead<'_, R>,
    tag: Option<&EntityTag>,
) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    weaken(tag, &mut edits);
    for name in [CONTENT_LENGTH, ACCEPT_RANGES] {
        if response.has(name.as_str()) {
            edits.remove(name);
        }
    }
    for name in DIGESTS {
        if response.has(name) {
            edits.remove(HeaderName::from_static(name));
        }
    }
    edits
}

/// The tag still tells versions apart, but no longer promises equal bytes.
fn weaken(tag: Option<&EntityTag>, edits: &mut HeaderEdits) {
    if let Some(tag) = tag.filter(|tag| !tag.weak)
        && let Ok(weak) = HeaderValue::try_from(tag.weakened())
    {
        edits.set(ETAG, weak);
    }
}

/// How to compress a body that is uncompressed because we asked for `identity`.
fn coding<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
) -> Option<Coding>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let small = content_length(response.headers)
        .ok()
        .flatten()
        .is_some_and(|length| length < MIN_COMPRESSED);
    if small || !policy.recompress() {
        return None;
    }
    preferred_coding(request.headers)
}

fn compressed<R: Headers + ?Sized>(
    response: &ResponseHead<'_, R>,
    coding: Coding,
    edits: &mut HeaderEdits,
) {
    edits.set(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    if !Vary::read(response.headers).encoding {
        edits.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// How to give a navigation that is passed through the compression which our asking for `identity`
/// has cost it.
pub(crate) fn restore<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
) -> Option<Restore>
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let asked = policy.pages() && !policy.is_reserved(request.path) && is_navigation(request);
    if !asked || response.status != 200 || response.has("content-range") {
        return None;
    }
    if !content_type(response).ok()?.is_text() || !is_transformable(response) {
        return None;
    }
    let tag = entity_tag(response.headers).ok()?;
    let coding = coding(request, response, policy)?;
    let mut edits = changed_body(response, tag.as_ref());
    compressed(response, coding, &mut edits);
    Some(Restore { coding, edits })
}

/// A 304 for a page we had rewritten: the visitor holds the weak tag we gave it, and keeps it.
pub(crate) fn not_modified_edits<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
) -> HeaderEdits
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let mut edits = HeaderEdits::default();
    let ours = response.status == 304
        && policy.pages()
        && request.is_get_or_head()
        && !policy.is_reserved(request.path);
    if ours
        && let Ok(Some(tag)) = entity_tag(response.headers)
        && lists_weak_twin(request.headers, &tag)
    {
        weaken(Some(&tag), &mut edits);
        // The 200 this stands for may have been compressed, and said so.
        let compressible = policy.recompress() && preferred_coding(request.headers).is_some();
        if compressible && !Vary::read(response.headers).encoding {
            edits.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
    }
    edits
}
