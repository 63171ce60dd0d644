//! Manyhands inside nginx: `load_module`, `manyhands on;` and one `include`.
//!
//! This crate is the seam only: it shows nginx's structures to the crates that decide (`page`,
//! `experiment`, `metainfo`, the worker's crate) and carries out what they say. It is the one place with `unsafe`
//! code. Reading order: [`conf`] (directives), [`phases`] (a request comes in), [`filters`] (its answer goes
//! out), [`ffi`] (nginx's strings, lists, pools and buffers).
//!
//! Two modules are in the library, because an answer must be seen at two places on its way out: as a whole
//! page, before it is compressed, and as the octets that are sent.

mod answer;
mod conf;
mod ffi;
mod filters;
mod judge;
mod local;
mod phases;
mod process;
mod variables;
mod visit;
mod zone;

use std::ffi::{c_char, c_void};
use std::ptr;

use nginx_sys::{NGX_HTTP_MODULE, ngx_http_module_t, ngx_module_t, ngx_uint_t};

/// Where a page passes whole: behind all that makes it, before all that compresses it.
#[allow(non_upper_case_globals)]
static mut ngx_http_manyhands_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const CONTEXT).cast::<c_void>().cast_mut(),
    commands: (&raw mut conf::COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    init_process: Some(process::begin),
    exit_process: Some(process::end),
    ..ngx_module_t::default()
};

/// Where a body passes as it is sent: behind all that compresses it, before what frames it.
#[allow(non_upper_case_globals)]
static mut ngx_http_manyhands_octets_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const OCTETS_CONTEXT).cast::<c_void>().cast_mut(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    ..ngx_module_t::default()
};

/// The module, as nginx's functions and macros want it.
pub(crate) fn module() -> *mut ngx_module_t {
    &raw mut ngx_http_manyhands_module
}

static CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(variables::register),
    postconfiguration: Some(phases::install),
    create_main_conf: Some(conf::create_main),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(conf::create_location),
    merge_loc_conf: Some(conf::merge_location),
};

static OCTETS_CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: None,
    postconfiguration: Some(filters::install_octets),
    create_main_conf: None,
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: None,
    merge_loc_conf: None,
};

/// A list of pointers that nginx reads, and ends at a null.
#[repr(transparent)]
struct Pointers<T, const N: usize>([*const T; N]);

// SAFETY: the pointers lead to statics; only nginx, which has one thread, looks at them.
unsafe impl<T, const N: usize> Sync for Pointers<T, N> {}

/// The modules of this library.
#[unsafe(no_mangle)]
#[used]
#[allow(non_upper_case_globals, private_interfaces)]
pub static ngx_modules: Pointers<ngx_module_t, 3> = Pointers([
    &raw const ngx_http_manyhands_module,
    &raw const ngx_http_manyhands_octets_module,
    ptr::null(),
]);

/// Their names.
#[unsafe(no_mangle)]
#[used]
#[allow(non_upper_case_globals, private_interfaces)]
pub static ngx_module_names: Pointers<c_char, 3> = Pointers([
    c"ngx_http_manyhands_module".as_ptr(),
    c"ngx_http_manyhands_octets_module".as_ptr(),
    ptr::null(),
]);

/// Each module goes before all that are named behind it, and filters run in the reverse order: octets are counted
/// after compression, and pages seen before it, but after what makes them (`ssi`, `sub_filter`, `add_header`,
/// subrequests put in their place by the postpone filter).
#[unsafe(no_mangle)]
#[used]
#[allow(non_upper_case_globals, private_interfaces)]
pub static ngx_module_order: Pointers<c_char, 14> = Pointers([
    c"ngx_http_manyhands_octets_module".as_ptr(),
    c"ngx_http_gzip_filter_module".as_ptr(),
    c"ngx_http_manyhands_module".as_ptr(),
    c"ngx_http_postpone_filter_module".as_ptr(),
    c"ngx_http_ssi_filter_module".as_ptr(),
    c"ngx_http_charset_filter_module".as_ptr(),
    c"ngx_http_xslt_filter_module".as_ptr(),
    c"ngx_http_image_filter_module".as_ptr(),
    c"ngx_http_sub_filter_module".as_ptr(),
    c"ngx_http_addition_filter_module".as_ptr(),
    c"ngx_http_gunzip_filter_module".as_ptr(),
    c"ngx_http_headers_filter_module".as_ptr(),
    c"ngx_http_copy_filter_module".as_ptr(),
    ptr::null(),
]);
