use nginx_sys::{
    NGX_LOG_EMERG, ngx_conf_log_error, ngx_conf_t, ngx_log_error_core, ngx_log_t, ngx_uint_t,
};

/// Says why a configuration is refused, with file and line.
///
/// # Safety
/// `cf` is the configuration that is being read.
pub(crate) unsafe fn refuse(cf: *mut ngx_conf_t, message: &str) {
    // SAFETY: `%*s` takes a length and as many bytes.
    unsafe {
        ngx_conf_log_error(
            NGX_LOG_EMERG as ngx_uint_t,
            cf,
            0,
            c"%*s".as_ptr(),
            message.len(),
            message.as_ptr(),
        );
    }
}

/// Writes a line to a log, if it takes lines of this level.
///
/// # Safety
/// The log is valid.
pub(crate) unsafe fn report(level: u32, log: *mut ngx_log_t, message: &str) {
    let level = level as ngx_uint_t;
    // SAFETY: the log is valid; `%*s` takes a length and as many bytes.
    unsafe {
        if level <= (*log).log_level {
            ngx_log_error_core(level, log, 0, c"%*s".as_ptr(), message.len(), message.as_ptr());
        }
    }
}
