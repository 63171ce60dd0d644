//! What access logs and other directives may ask: `$manyhands_reason`, `$manyhands_arm`, `$manyhands_infohash`,
//! `$manyhands_daemon`, `$manyhands_consent`.

use nginx_sys::{
    NGX_ERROR, NGX_HTTP_VAR_NOCACHEABLE, NGX_OK, ngx_conf_t, ngx_http_add_variable,
    ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_str_t, ngx_uint_t,
};
use ngx::ngx_string;

use crate::conf::{self, DEFAULT_DAEMON};
use crate::ffi::{Request, copied, guarded};
use crate::visit::Visit;

/// Finds a variable's value in a request.
type Find = fn(Request<'_>) -> Option<String>;

/// The variables.
const VARIABLES: [(ngx_str_t, Find); 5] = [
    (ngx_string!("manyhands_reason"), reason),
    (ngx_string!("manyhands_arm"), arm),
    (ngx_string!("manyhands_infohash"), info_hash),
    (ngx_string!("manyhands_daemon"), daemon),
    (ngx_string!("manyhands_consent"), consent),
];

/// Makes the variables known, before the configuration that uses them is read.
pub(crate) unsafe extern "C" fn register(cf: *mut ngx_conf_t) -> ngx_int_t {
    guarded(NGX_ERROR as ngx_int_t, || {
        for (number, (mut name, _)) in VARIABLES.into_iter().enumerate() {
            // SAFETY: `cf` is the configuration that is being read; nginx copies the name.
            let variable = unsafe {
                ngx_http_add_variable(cf, &raw mut name, NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t)
            };
            if variable.is_null() {
                return NGX_ERROR as ngx_int_t;
            }
            // SAFETY: nginx has just made it.
            unsafe {
                (*variable).get_handler = Some(evaluate);
                (*variable).data = number;
            }
        }
        NGX_OK as ngx_int_t
    })
}

unsafe extern "C" fn evaluate(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    number: usize,
) -> ngx_int_t {
    guarded(NGX_ERROR as ngx_int_t, || {
        // SAFETY: nginx asks about a request that is under way; what its subrequests ask is asked about it.
        let request = unsafe { Request::of((*request).main) };
        let value_of = |request| VARIABLES.get(number).and_then(|(_, find)| find(request));
        let text = request.and_then(value_of).unwrap_or_default();
        // SAFETY: the value is nginx's; the copy lives as long as the request.
        unsafe {
            let copy = request.and_then(|request| copied(request.pool(), text.as_bytes()));
            let Some(copy) = copy else { return NGX_ERROR as ngx_int_t };
            (*value).data = copy.data;
            (*value).set_len(copy.len as _);
            (*value).set_valid(1);
            (*value).set_no_cacheable(1);
            (*value).set_not_found(0);
        }
        NGX_OK as ngx_int_t
    })
}

/// Why the answer went out as it came; empty for pages with the tag and for files that may be shared.
fn reason(request: Request<'_>) -> Option<String> {
    let of_visit = || Visit::with(request, |visit| visit.reason())?;
    Some(Visit::passed(request).or_else(of_visit)?.name().to_owned())
}

/// In which arm of the experiment the answer is.
fn arm(request: Request<'_>) -> Option<String> {
    if Visit::passed(request).is_some() {
        // SAFETY: the request is under way.
        let here = unsafe { conf::location(request.as_ptr()) }.place()?.here();
        let visitor = here.visitor(&request.asked(), request.address());
        return Some(here.arm(None, &visitor)?.name().to_owned());
    }
    Visit::with(request, |visit| {
        let here = visit.place?.here();
        let arm = here.arm(visit.asset.as_ref(), visit.visitor.as_ref()?)?;
        Some(arm.name().to_owned())
    })?
}

/// The swarm of a file that is shared.
fn info_hash(request: Request<'_>) -> Option<String> {
    Visit::with(request, |visit| Some(visit.info_hash?.to_string()))?
}

/// Where the include sends what lies below the prefix: never empty, so that `proxy_pass` has an address where
/// Manyhands is off.
fn daemon(request: Request<'_>) -> Option<String> {
    // SAFETY: the request is under way.
    let location = unsafe { conf::location(request.as_ptr()) };
    Some(location.values().daemon.as_deref().unwrap_or(DEFAULT_DAEMON).to_owned())
}

/// Empty where no directive says how to ask: the sidecar's own configuration holds then.
fn consent(request: Request<'_>) -> Option<String> {
    // SAFETY: as above.
    let location = unsafe { conf::location(request.as_ptr()) };
    location.values().consent.map(|consent| consent.name().to_owned())
}
