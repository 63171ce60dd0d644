use std::ffi::c_void;
use std::ptr;

use nginx_sys::{ngx_pnalloc, ngx_pool_cleanup_add, ngx_pool_t, ngx_str_t};

use super::guarded;

/// Gives a value to a pool: it is dropped when the pool is. Null when there is no memory.
///
/// # Safety
/// The pool is valid, and nothing looks at the value once the pool is gone.
pub(crate) unsafe fn keep<T>(pool: *mut ngx_pool_t, value: T) -> *mut T {
    // SAFETY: the pool is valid; with size 0 only the entry itself is made.
    let cleanup = unsafe { ngx_pool_cleanup_add(pool, 0) };
    if cleanup.is_null() {
        return ptr::null_mut();
    }
    let kept = Box::into_raw(Box::new(value));
    // SAFETY: nginx has just made the entry, and calls the handler once, with `data`.
    unsafe {
        (*cleanup).data = kept.cast();
        (*cleanup).handler = Some(release::<T>);
    }
    kept
}

unsafe extern "C" fn release<T>(kept: *mut c_void) {
    // SAFETY: `keep` made this pointer from a box, and nginx calls a cleanup handler once.
    guarded((), || drop(unsafe { Box::from_raw(kept.cast::<T>()) }));
}

/// A copy of bytes in a pool. `None` when there is no memory.
///
/// # Safety
/// The pool is valid.
pub(crate) unsafe fn copied(pool: *mut ngx_pool_t, bytes: &[u8]) -> Option<ngx_str_t> {
    // SAFETY: the pool is valid.
    let data = unsafe { ngx_pnalloc(pool, bytes.len().max(1)) }.cast::<u8>();
    if data.is_null() {
        return None;
    }
    // SAFETY: `data` has room for all bytes, and is new: the two do not overlap.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
    Some(ngx_str_t { len: bytes.len(), data })
}
