//! The file behind an answer, where nginx serves it itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use manyhands_metainfo::{FileIdentity, LocalFile};
use nginx_sys::{ngx_http_map_uri_to_path, ngx_str_t};

use crate::ffi::{Request, bytes};

/// The regular file whose content this answer is. `None` where the answer comes from elsewhere or the two do not agree.
pub(crate) fn file(request: Request<'_>) -> Option<LocalFile> {
    let raw = request.raw();
    if !raw.upstream.is_null() || raw.internal() != 0 {
        return None;
    }
    let length = u64::try_from(raw.headers_out.content_length_n).ok()?;
    let modified = raw.headers_out.last_modified_time;
    let path = path(request)?;
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let identity = FileIdentity::from_metadata(&metadata);
    let seconds = identity.mtime_ns.div_euclid(1_000_000_000);
    (identity.size == length && seconds == i128::from(modified))
        .then_some(LocalFile { path, identity })
}

fn path(request: Request<'_>) -> Option<PathBuf> {
    let mut path = ngx_str_t::empty();
    let mut root = 0;
    // SAFETY: the request is under way; nginx makes the path in its pool, with a zero behind it.
    let last =
        unsafe { ngx_http_map_uri_to_path(request.as_ptr(), &raw mut path, &raw mut root, 0) };
    if last.is_null() {
        return None;
    }
    path.len = (last as usize).checked_sub(path.data as usize)?;
    // SAFETY: as above.
    Some(Path::new(OsStr::from_bytes(unsafe { bytes(path) })).to_owned())
}
