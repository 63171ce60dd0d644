//! Memory that all workers share, and that outlives each of them: counters.

use std::ffi::c_void;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use manyhands_nginx_worker::Counters;
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_conf_t, ngx_int_t, ngx_shared_memory_add, ngx_shm_zone_t,
    ngx_slab_alloc, ngx_slab_pool_t,
};

use crate::ffi::{copied, guarded};

/// Room for some six thousand units of the experiment.
const WORDS: usize = 65_536;
/// What nginx's allocator needs for itself.
const OVERHEAD: usize = 64 << 10;

/// A zone that nginx makes, or takes over from the configuration before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zone(*mut ngx_shm_zone_t);

impl Zone {
    /// Names what is in the zone: that has but one site, and its name says which.
    pub(crate) const SITE: u64 = 1;

    /// The zone of a state directory. `None` when there is no memory.
    ///
    /// # Safety
    /// `cf` is the configuration that is being read.
    pub(crate) unsafe fn of(cf: *mut ngx_conf_t, state: &Path) -> Option<Self> {
        let name = format!("manyhands:{}", state.display());
        // SAFETY: name and zone belong to the configuration.
        unsafe {
            let mut name = copied((*cf).pool, name.as_bytes())?;
            let size = WORDS * size_of::<AtomicU64>() + OVERHEAD;
            let zone =
                ngx_shared_memory_add(cf, &raw mut name, size, crate::module().cast::<c_void>());
            zone.as_mut()?.init = Some(init);
            Some(Self(zone))
        }
    }

    /// Its words; zero when it is new. `None` before nginx has made it.
    pub(crate) fn words(self) -> Option<&'static [AtomicU64]> {
        // SAFETY: `init` has put them there; the zone stays mapped as long as any worker of its configuration runs, and
        // every bit pattern is a number.
        unsafe {
            let words = (*self.0).data.cast::<AtomicU64>();
            (!words.is_null()).then(|| std::slice::from_raw_parts(words, WORDS))
        }
    }
}

unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, before: *mut c_void) -> ngx_int_t {
    guarded(NGX_ERROR as ngx_int_t, || {
        // SAFETY: nginx calls with a zone that is mapped, and with the data of the zone it was before, if it was one.
        unsafe {
            if !before.is_null() {
                (*zone).data = before;
                return NGX_OK as ngx_int_t;
            }
            let pool = (*zone).shm.addr.cast::<ngx_slab_pool_t>();
            let size = WORDS * size_of::<AtomicU64>();
            let words = ngx_slab_alloc(pool, size).cast::<u8>();
            if words.is_null() {
                return NGX_ERROR as ngx_int_t;
            }
            words.write_bytes(0, size);
            // Before there is a worker: two of them could each take it for new.
            let all = std::slice::from_raw_parts(words.cast::<AtomicU64>(), WORDS);
            if Counters::attach(all, Zone::SITE).is_none() {
                return NGX_ERROR as ngx_int_t;
            }
            (*pool).data = words.cast();
            (*zone).data = words.cast();
        }
        NGX_OK as ngx_int_t
    })
}
