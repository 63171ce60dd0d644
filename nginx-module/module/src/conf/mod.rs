//! What the owner writes: directives, checked when nginx reads them and merged from the outer level to the inner.

mod directives;
mod place;

pub(crate) use directives::COMMANDS;
pub(crate) use place::{DEFAULT_DAEMON, Place, Site};

use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::ptr;
use std::rc::Rc;

use manyhands_nginx_worker::Values;
use nginx_sys::{ngx_conf_t, ngx_http_conf_ctx_t, ngx_http_request_t};
use ngx::core::NGX_CONF_ERROR;

use crate::ffi::{guarded, keep, refuse};

/// The whole configuration's.
#[derive(Debug, Default)]
pub(crate) struct Main {
    /// One for each pair of state directory and daemon.
    pub(crate) sites: RefCell<Vec<Rc<Site>>>,
}

/// A level's: `http`, `server`, `location`, `if` in one.
#[derive(Debug, Default)]
pub(crate) struct Location {
    /// As written here; after the merge, with what is inherited.
    values: Values,
    /// Where Manyhands is on, after the merge.
    place: Option<Place>,
}

impl Location {
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }
}

pub(crate) unsafe extern "C" fn create_main(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls with a valid configuration; its pool lives as long as what is made of it.
    guarded(ptr::null_mut(), || unsafe { keep((*cf).pool, Main::default()).cast() })
}

pub(crate) unsafe extern "C" fn create_location(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: as above.
    guarded(ptr::null_mut(), || unsafe { keep((*cf).pool, Location::default()).cast() })
}

pub(crate) unsafe extern "C" fn merge_location(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    guarded(NGX_CONF_ERROR, || {
        // SAFETY: nginx merges what `create_location` made, two levels at a time; nothing else refers to them.
        let (outer, inner) =
            unsafe { (&*outer.cast::<Location>(), &mut *inner.cast::<Location>()) };
        inner.values.inherit(&outer.values);
        // SAFETY: `cf` is the configuration that is being read.
        match unsafe { Place::of(cf, main(cf), &inner.values) } {
            Ok(place) => {
                inner.place = place;
                ptr::null_mut()
            }
            Err(message) => {
                // SAFETY: as above.
                unsafe { refuse(cf, &message) };
                NGX_CONF_ERROR
            }
        }
    })
}

/// What the whole configuration has.
///
/// # Safety
/// `cf` is the configuration that is being read.
pub(crate) unsafe fn main<'c>(cf: *mut ngx_conf_t) -> &'c Main {
    // SAFETY: `ctx` is that of the `http` block, with what `create_main` made.
    unsafe {
        let context = &*(*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        &*(*context.main_conf.add((*crate::module()).ctx_index)).cast::<Main>()
    }
}

/// The configuration of the location that a request is in now.
///
/// # Safety
/// The request is under way.
pub(crate) unsafe fn location<'r>(request: *mut ngx_http_request_t) -> &'r Location {
    // SAFETY: nginx keeps one of these for each module, made by `create_location`, as long as there are requests.
    unsafe { &*(*(*request).loc_conf.add((*crate::module()).ctx_index)).cast::<Location>() }
}
