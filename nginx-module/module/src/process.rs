//! A worker process: what it does besides answering.

use std::mem::MaybeUninit;
use std::panic;

use nginx_sys::{
    NGX_LOG_ALERT, NGX_LOG_ERR, NGX_OK, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_add_timer,
    ngx_cached_time, ngx_connection_t, ngx_cycle, ngx_cycle_t, ngx_event_t, ngx_http_conf_ctx_t,
    ngx_http_module, ngx_int_t, ngx_process,
};

use crate::conf::Main;
use crate::ffi::{guarded, report};

/// How often the daemon is told what came, in milliseconds.
const TICK: usize = 200;

static mut TIMER: MaybeUninit<ngx_event_t> = MaybeUninit::zeroed();
/// What nginx's debug log takes the timer's connection for.
static mut CONNECTION: MaybeUninit<ngx_connection_t> = MaybeUninit::zeroed();

/// A worker begins. Nothing of ours has run in it before but what reads the configuration.
pub(crate) unsafe extern "C" fn begin(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guarded((), || {
        // SAFETY: nginx calls with the cycle of the configuration that holds.
        let main = unsafe { main(cycle) };
        // SAFETY: nginx has one thread.
        let kind = u32::try_from(unsafe { ngx_process }).unwrap_or_default();
        let is_worker = kind == NGX_PROCESS_WORKER || kind == NGX_PROCESS_SINGLE;
        if !is_worker || main.is_none_or(|main| main.sites.borrow().is_empty()) {
            return;
        }
        panic::set_hook(Box::new(|panic| {
            // SAFETY: a worker has a cycle, and that has a log.
            unsafe { report(NGX_LOG_ALERT, (*ngx_cycle).log, &format!("manyhands: {panic}")) };
        }));
        // SAFETY: nginx has one thread; zeros are an idle event, and a connection without a socket but for its number.
        unsafe {
            let connection = (&raw mut CONNECTION).cast::<ngx_connection_t>();
            (*connection).fd = -1;
            let timer = (&raw mut TIMER).cast::<ngx_event_t>();
            (*timer).data = connection.cast();
            (*timer).log = (*cycle).log;
            (*timer).handler = Some(tick);
            // A worker that has no more visitors does not wait for it.
            (*timer).set_cancelable(1);
            ngx_add_timer(timer, TICK);
        }
    });
    NGX_OK as ngx_int_t
}

/// A worker ends: what it has not told yet, it tells now.
pub(crate) unsafe extern "C" fn end(cycle: *mut ngx_cycle_t) {
    // SAFETY: nginx calls with the cycle of the configuration that holds.
    guarded((), || unsafe { flush(cycle) });
}

unsafe extern "C" fn tick(timer: *mut ngx_event_t) {
    // SAFETY: nginx has one thread, and always a cycle. After a reload without a master it is another one.
    guarded((), || unsafe {
        (*timer).log = (*ngx_cycle).log;
        flush(ngx_cycle);
    });
    // SAFETY: it is the timer of `begin`.
    guarded((), || unsafe { ngx_add_timer(timer, TICK) });
}

/// # Safety
/// The cycle is valid.
unsafe fn flush(cycle: *mut ngx_cycle_t) {
    // SAFETY: the caller answers for the cycle.
    let Some(main) = (unsafe { main(cycle) }) else { return };
    for site in main.sites.borrow().iter() {
        site.known().report(now());
    }
}

/// Says in the error log what keeps visitors from sharing.
pub(crate) fn complain(complaint: &str) {
    // SAFETY: a worker has a cycle, and that has a log.
    unsafe { report(NGX_LOG_ERR, (*ngx_cycle).log, &format!("manyhands: {complaint}")) };
}

/// Milliseconds since the epoch, as of the event that is being dealt with.
pub(crate) fn now() -> u64 {
    // SAFETY: nginx renews the time between events.
    let time = unsafe { &*ngx_cached_time };
    u64::try_from(time.sec).unwrap_or_default() * 1_000 + time.msec as u64
}

/// # Safety
/// The cycle is valid.
unsafe fn main<'c>(cycle: *mut ngx_cycle_t) -> Option<&'c Main> {
    // SAFETY: each module has a place in `conf_ctx`, that of `http` being null without an `http` block; in its lists
    // each HTTP module has one, with what `create_main` made.
    unsafe {
        let context = (*(*cycle).conf_ctx.add(ngx_http_module.index))
            .cast::<ngx_http_conf_ctx_t>()
            .as_ref()?;
        (*context.main_conf.add((*crate::module()).ctx_index)).cast::<Main>().as_ref()
    }
}
