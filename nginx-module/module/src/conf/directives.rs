//! The table of directives, and what nginx calls when it meets one.

use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::ptr;
use std::rc::Rc;

use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_TAKE1, NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET,
    NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF, NGX_OK, ngx_command_t, ngx_conf_full_name, ngx_conf_t,
    ngx_int_t, ngx_str_t, ngx_uint_t,
};
use ngx::core::NGX_CONF_ERROR;
use ngx::ngx_string;

use super::Location;
use crate::ffi::{bytes, copied, guarded, refuse};

const SERVERS: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF;
const LOCATIONS: u32 = SERVERS | NGX_HTTP_LOC_CONF;

/// All of the module's directives; nginx reads the table up to its empty end.
pub(crate) static mut COMMANDS: [ngx_command_t; 14] = [
    directive(ngx_string!("manyhands"), LOCATIONS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_state"), LOCATIONS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_daemon"), LOCATIONS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_prefix"), SERVERS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_min_size"), LOCATIONS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_max_size"), LOCATIONS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_types"), LOCATIONS | NGX_CONF_1MORE),
    directive(ngx_string!("manyhands_preload"), LOCATIONS | NGX_CONF_1MORE),
    directive(ngx_string!("manyhands_site"), SERVERS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_consent"), SERVERS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_experiment"), LOCATIONS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_inject"), LOCATIONS | NGX_CONF_TAKE1),
    directive(ngx_string!("manyhands_suffixes"), LOCATIONS | NGX_CONF_TAKE1),
    ngx_command_t::empty(),
];

const fn directive(name: ngx_str_t, kind: u32) -> ngx_command_t {
    ngx_command_t {
        name,
        type_: kind as ngx_uint_t,
        set: Some(set),
        conf: NGX_HTTP_LOC_CONF_OFFSET,
        offset: 0,
        post: ptr::null_mut(),
    }
}

unsafe extern "C" fn set(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    guarded(NGX_CONF_ERROR, || {
        // SAFETY: nginx calls with what `create_location` made for this level.
        let level = unsafe { &mut *conf.cast::<Location>() };
        // SAFETY: the words of the directive stand in `args`, its name first, while nginx deals with it.
        let words: Vec<&[u8]> = unsafe {
            let words = (*(*cf).args).as_slice::<ngx_str_t>();
            words.iter().map(|word| bytes(*word)).collect()
        };
        // SAFETY: nginx calls with an entry of the table above.
        let name = str::from_utf8(unsafe { bytes((*command).name) }).unwrap_or_default();
        let words: Result<Vec<&str>, _> = words.iter().map(|word| str::from_utf8(word)).collect();
        let taken = match words {
            Ok(words) => level.values.set(name, words.get(1..).unwrap_or_default()),
            Err(_) => Err("the value is not UTF-8; write it in UTF-8".to_owned()),
        };
        // SAFETY: `cf` is the configuration that is being read.
        let taken = taken.and_then(|()| unsafe { absolute(cf, &mut level.values.state) });
        match taken {
            Ok(()) => ptr::null_mut(),
            Err(message) => {
                // SAFETY: as above.
                unsafe { refuse(cf, &format!("\"{name}\": {message}")) };
                NGX_CONF_ERROR
            }
        }
    })
}

/// A relative directory is one below nginx's own, as everywhere in its configuration.
///
/// # Safety
/// `cf` is the configuration that is being read.
unsafe fn absolute(cf: *mut ngx_conf_t, path: &mut Option<Rc<PathBuf>>) -> Result<(), String> {
    let Some(relative) = path.as_ref().filter(|path| path.is_relative()) else { return Ok(()) };
    let no_memory = || "there is no memory left; free some".to_owned();
    // SAFETY: pool and cycle are those of the configuration; nginx wants a zero behind the name.
    let whole = unsafe {
        let text = format!("{}\0", relative.display());
        let mut name = copied((*cf).pool, text.as_bytes()).ok_or_else(no_memory)?;
        name.len -= 1;
        if ngx_conf_full_name((*cf).cycle, &raw mut name, 0) != NGX_OK as ngx_int_t {
            return Err(no_memory());
        }
        String::from_utf8_lossy(bytes(name)).into_owned()
    };
    *path = Some(Rc::new(PathBuf::from(whole)));
    Ok(())
}
