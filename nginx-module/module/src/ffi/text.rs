use nginx_sys::ngx_str_t;

/// The bytes of a string of nginx's.
///
/// # Safety
/// The string is valid, and stays so and unchanged for `'a`.
pub(crate) unsafe fn bytes<'a>(text: ngx_str_t) -> &'a [u8] {
    if text.len == 0 || text.data.is_null() {
        return &[];
    }
    // SAFETY: a string of nginx's has `len` readable bytes at `data`; the caller answers for the lifetime.
    unsafe { std::slice::from_raw_parts(text.data, text.len) }
}
