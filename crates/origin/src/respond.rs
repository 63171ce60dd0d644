//! From a request head to an answer: method, path, conditions, range, headers.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, LOCATION, RANGE, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use manyhands_metainfo::{AssetPath, LocalFile};
use rustix::io::Errno;

use crate::beneath::{Wait, join};
use crate::body::FileBody;
use crate::conditions::{Validators, Verdict};
use crate::file::{OpenFile, QUIET};
use crate::media_type::{OCTETS, is_worth_compressing, media_type};
use crate::pad::Pad;
use crate::range::{self, Requested, Span};
use crate::root::{Located, Shared, relative};

/// The part of a request that decides the answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// Looks at a file that keeps changing: a tenth of a second.
const QUIET_TRIES: u32 = 5;

/// Time has to pass, for the disk or for a writer, and the caller said not to.
#[derive(Debug)]
pub(crate) struct WouldWait;

pub(crate) fn respond(
    root: &Arc<Shared>,
    head: &Head,
    wait: Wait,
) -> Result<Response<FileBody>, WouldWait> {
    if head.method != Method::GET && head.method != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, false);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(response);
    }
    let wants_head = head.method == Method::HEAD;
    let Ok(path) = AssetPath::parse(head.uri.path()) else {
        return Ok(plain(StatusCode::BAD_REQUEST, wants_head));
    };
    if let Some(pad) = Pad::named_by(&path) {
        return match root.shows_directory(&pad.directory, wait) {
            Ok(true) => Ok(Answer::pad(root, &pad, &path).build(head)),
            Ok(false) => not_found(root, wants_head, wait),
            Err(error) => refuse(error, &path, wants_head, wait),
        };
    }
    match locate_quiet(root, &path, wait)? {
        Ok(Located::File(file, path)) => Ok(Answer::file(root, &file, &path).build(head)),
        Ok(Located::Directory) => Ok(redirect(&path, head)),
        Ok(Located::Missing) => not_found(root, wants_head, wait),
        Err(error) => refuse(error, &path, wants_head, wait),
    }
}

/// Looks again while somebody seems to be writing to the file, so that what is sent is a version that
/// was there for a moment, and not the half of one.
fn locate_quiet(
    root: &Shared,
    path: &AssetPath,
    wait: Wait,
) -> Result<Result<Located, Errno>, WouldWait> {
    for _ in 0..QUIET_TRIES {
        match root.locate(path, wait) {
            Ok(Located::File(file, _)) if !file.is_quiet((root.options.clock)()) => {
                if wait == Wait::Never {
                    return Err(WouldWait);
                }
                std::thread::sleep(QUIET);
            }
            located => return Ok(located),
        }
    }
    Ok(Err(Errno::BUSY))
}

fn refuse(
    error: Errno,
    path: &AssetPath,
    wants_head: bool,
    wait: Wait,
) -> Result<Response<FileBody>, WouldWait> {
    if error == Errno::AGAIN && wait == Wait::Never {
        return Err(WouldWait);
    }
    if error == Errno::BUSY {
        tracing::debug!(%path, "the file keeps changing");
    } else {
        tracing::error!(%path, %error, "a file could not be opened");
    }
    if !matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::BUSY) {
        return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, wants_head));
    }
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, wants_head);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    Ok(response)
}

/// Relative to the URL asked for, so that it holds under a prefix that something in front stripped.
fn redirect(path: &AssetPath, head: &Head) -> Response<FileBody> {
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = HeaderValue::try_from(format!("./{name}/{query}"))
        .or_else(|_| HeaderValue::try_from(format!("./{name}/")));
    let mut response = plain(StatusCode::MOVED_PERMANENTLY, head.method == Method::HEAD);
    if let Ok(target) = target {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

fn not_found(
    root: &Arc<Shared>,
    wants_head: bool,
    wait: Wait,
) -> Result<Response<FileBody>, WouldWait> {
    let own = AssetPath::parse("/404.html").map(|path| root.locate(&path, wait));
    match own {
        Ok(Err(Errno::AGAIN)) if wait == Wait::Never => Err(WouldWait),
        Ok(Ok(Located::File(file, path))) => {
            let span = Span { start: 0, length: file.length() };
            let answer = Answer::file(root, &file, &path);
            let mut response = Response::new(answer.body(span, wants_head));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response.headers_mut().insert(CONTENT_TYPE, answer.content_type());
            response.headers_mut().insert(CONTENT_LENGTH, file.length().into());
            Ok(response)
        }
        _ => Ok(plain(StatusCode::NOT_FOUND, wants_head)),
    }
}

/// A status and one line that says the same.
fn plain(status: StatusCode, wants_head: bool) -> Response<FileBody> {
    let text =
        format!("{} {}\n", status.as_str(), status.canonical_reason().unwrap_or("No Reason"));
    let length = text.len() as u64;
    let mut response =
        Response::new(if wants_head { FileBody::empty() } else { FileBody::text(text) });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, length.into());
    response
}

pub(crate) fn failure(status: StatusCode) -> Response<FileBody> {
    plain(status, false)
}

/// What is about to be answered with.
struct Answer<'a> {
    root: &'a Shared,
    content: Content<'a>,
    path: &'a AssetPath,
    media_type: String,
    now: SystemTime,
}

enum Content<'a> {
    File(&'a Arc<OpenFile>),
    Pad(&'a Pad),
}

impl<'a> Answer<'a> {
    fn file(root: &'a Shared, file: &'a Arc<OpenFile>, path: &'a AssetPath) -> Self {
        let media_type = media_type(&path.file_name(), root.options.utf8);
        let now = (root.options.clock)();
        Self { root, content: Content::File(file), path, media_type, now }
    }

    fn pad(root: &'a Shared, pad: &'a Pad, path: &'a AssetPath) -> Self {
        let now = (root.options.clock)();
        Self { root, content: Content::Pad(pad), path, media_type: OCTETS.to_owned(), now }
    }

    fn length(&self) -> u64 {
        match self.content {
            Content::File(file) => file.length(),
            Content::Pad(pad) => pad.length,
        }
    }

    fn entity_tag(&self) -> Option<HeaderValue> {
        match self.content {
            Content::File(file) => Some(file.entity_tag(self.now).clone()),
            Content::Pad(pad) => pad.entity_tag(),
        }
    }

    fn last_modified(&self) -> Option<SystemTime> {
        match self.content {
            Content::File(file) => file.last_modified(self.now),
            Content::Pad(_) => None,
        }
    }

    fn build(&self, head: &Head) -> Response<FileBody> {
        let wants_head = head.method == Method::HEAD;
        let tag = self.entity_tag();
        let validators = Validators {
            tag: tag.as_ref().map(HeaderValue::as_bytes).unwrap_or_default(),
            modified: self.last_modified(),
            now: self.now,
        };
        match validators.evaluate(&head.headers) {
            Verdict::Proceed => {}
            Verdict::NotModified => {
                return self.with_validators(StatusCode::NOT_MODIFIED, FileBody::empty());
            }
            Verdict::Failed => return plain(StatusCode::PRECONDITION_FAILED, wants_head),
        }
        // A range is defined for GET only (RFC 9110 14.2): HEAD tells of the whole.
        let mut ranges = head.headers.get_all(RANGE).iter();
        let requested = match (ranges.next(), ranges.next()) {
            (Some(range), None) if !wants_head && validators.range_applies(&head.headers) => {
                range::parse(range.as_bytes(), self.length())
            }
            _ => Requested::Whole,
        };
        match requested {
            Requested::Whole => {
                let whole = Span { start: 0, length: self.length() };
                self.with_bytes(StatusCode::OK, whole, wants_head)
            }
            Requested::One(span) => {
                let mut response = self.with_bytes(StatusCode::PARTIAL_CONTENT, span, false);
                let (first, last, length) = (span.start, span.last(), self.length());
                insert_content_range(&mut response, format!("bytes {first}-{last}/{length}"));
                response
            }
            Requested::Unsatisfiable => {
                let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, false);
                response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                insert_content_range(&mut response, format!("bytes */{}", self.length()));
                response
            }
        }
    }

    fn with_bytes(&self, status: StatusCode, span: Span, wants_head: bool) -> Response<FileBody> {
        let mut response = self.with_validators(status, self.body(span, wants_head));
        response.headers_mut().insert(CONTENT_TYPE, self.content_type());
        response.headers_mut().insert(CONTENT_LENGTH, span.length.into());
        response
    }

    /// What 304 carries, and every answer with bytes too (RFC 9110 15.4.5).
    fn with_validators(&self, status: StatusCode, body: FileBody) -> Response<FileBody> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(tag) = self.entity_tag() {
            headers.insert(ETAG, tag);
        }
        if let Some(modified) = self.last_modified()
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(modified))
        {
            headers.insert(LAST_MODIFIED, date);
        }
        if let Some(value) = self.cache_control() {
            headers.insert(CACHE_CONTROL, value);
        }
        if let Content::File(file) = self.content
            && file.is_settled(self.now)
        {
            response.extensions_mut().insert(LocalFile {
                path: join(&self.root.directory, &relative(self.path)),
                identity: *file.identity(),
            });
        }
        response
    }

    fn body(&self, span: Span, wants_head: bool) -> FileBody {
        if wants_head {
            return FileBody::empty();
        }
        match self.content {
            Content::File(file) => {
                FileBody::span(file.clone(), self.root.buffers.clone(), span.start, span.length)
            }
            Content::Pad(_) => FileBody::zeros(span.length),
        }
    }

    /// What is not text is shared as the file it is: a cache could only spoil it by recoding it.
    fn cache_control(&self) -> Option<HeaderValue> {
        let configured = self.root.options.cache_control.as_ref();
        if is_worth_compressing(&self.media_type) {
            return configured.cloned();
        }
        let Some(configured) = configured else {
            return Some(HeaderValue::from_static("no-transform"));
        };
        let both = [configured.as_bytes(), b", no-transform"].concat();
        HeaderValue::from_bytes(&both).ok()
    }

    fn content_type(&self) -> HeaderValue {
        HeaderValue::try_from(&self.media_type).unwrap_or(HeaderValue::from_static(OCTETS))
    }
}

fn insert_content_range(response: &mut Response<FileBody>, content_range: String) {
    if let Ok(value) = HeaderValue::try_from(content_range) {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
}
