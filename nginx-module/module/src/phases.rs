//! A request comes in: what the site is asked for, and what is answered without it.

use manyhands_page::{RequestHead, request_plan};
use nginx_sys::{
    NGX_DECLINED, NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_array_push, ngx_conf_t,
    ngx_http_conf_ctx_t, ngx_http_core_main_conf_t, ngx_http_core_module, ngx_http_handler_pt,
    ngx_http_phases, ngx_http_phases_NGX_HTTP_LOG_PHASE, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE,
    ngx_http_request_t, ngx_int_t,
};

use crate::answer::Answer;
use crate::ffi::{Request, caught, guarded};
use crate::judge::count_passed;
use crate::visit::{Answering, Visit};
use crate::{conf, filters};

/// Puts handlers and filters in their places. Where Manyhands is on nowhere, nothing is put anywhere.
pub(crate) unsafe extern "C" fn install(cf: *mut ngx_conf_t) -> ngx_int_t {
    guarded(NGX_ERROR as ngx_int_t, || {
        // SAFETY: `cf` is the configuration that is being read, and all levels are merged.
        unsafe {
            if conf::main(cf).sites.borrow().is_empty() {
                return NGX_OK as ngx_int_t;
            }
            let asked = handle(cf, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, ask);
            let logged = handle(cf, ngx_http_phases_NGX_HTTP_LOG_PHASE, log);
            if asked.and(logged).is_none() {
                return NGX_ERROR as ngx_int_t;
            }
            filters::install_page();
        }
        NGX_OK as ngx_int_t
    })
}

/// # Safety
/// `cf` is the configuration that is being read.
unsafe fn handle(
    cf: *mut ngx_conf_t,
    phase: ngx_http_phases,
    handler: unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t,
) -> Option<()> {
    // SAFETY: the core module's configuration is there when others are asked, with a list for each phase.
    unsafe {
        let context = &*(*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        let core = (*context.main_conf.add(ngx_http_core_module.ctx_index))
            .cast::<ngx_http_core_main_conf_t>();
        let phase = (*core).phases.get_mut(phase as usize)?;
        let place = ngx_array_push(&raw mut phase.handlers).cast::<ngx_http_handler_pt>();
        *place.as_mut()? = Some(handler);
    }
    Some(())
}

/// Before access is checked: the site is asked for pages without a coding.
unsafe extern "C" fn ask(request: *mut ngx_http_request_t) -> ngx_int_t {
    caught(|| {
        // SAFETY: nginx calls with a request that is under way.
        let request = unsafe { Request::of(request)? };
        request.is_main().then(|| prepare(request))?
    });
    NGX_DECLINED as ngx_int_t
}

fn prepare(request: Request<'_>) -> Option<()> {
    // SAFETY: the request is under way.
    let place = unsafe { conf::location(request.as_ptr()) }.place()?;
    // A redirect within nginx comes by again.
    if Visit::with(request, |visit| visit.asked) == Some(true) {
        return None;
    }
    let here = place.here();
    let policy = here.policy();
    let (method, (path, query)) = (request.method()?, request.target()?);
    let asked = request.asked();
    if policy.is_reserved(path) {
        let visitor = here.visitor(&asked, request.address());
        let answer = here.below_prefix(method, path, query, &visitor)?;
        Visit::begin(request, |visit| {
            visit.asked = true;
            visit.answer = Some(answer);
        })?;
        // SAFETY: the request is under way, and nginx has not chosen yet who answers it.
        unsafe { (*request.as_ptr()).content_handler = Some(content) };
        return Some(());
    }
    let head = RequestHead { method, path, query, headers: &asked };
    let edits = request_plan(&head, policy).edits;
    if edits.is_empty() {
        return None;
    }
    Visit::begin(request, |visit| visit.asked = true)?;
    request.edit_asked(&edits)
}

/// Below the prefix: what is known without the daemon.
unsafe extern "C" fn content(request: *mut ngx_http_request_t) -> ngx_int_t {
    let sent = caught(|| {
        // SAFETY: nginx calls with a request that is under way.
        let request = unsafe { Request::of(request)? };
        Visit::with(request, |visit| visit.answering = Answering::Content)?;
        Some(Answer::of(request)?.send(request))
    });
    sent.flatten().unwrap_or(NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t)
}

/// All is done: takes stock.
unsafe extern "C" fn log(request: *mut ngx_http_request_t) -> ngx_int_t {
    caught(|| {
        // SAFETY: nginx calls with a request that it is about to free.
        let request = unsafe { Request::of(request)? };
        if !request.is_main() {
            return None;
        }
        match Visit::passed(request) {
            Some(reason) => count_passed(request, reason),
            None => Visit::with(request, |visit| visit.end(request)),
        }
    });
    NGX_OK as ngx_int_t
}
