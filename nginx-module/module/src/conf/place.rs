//! A location where Manyhands is on.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use manyhands_nginx_worker::{Counters, Here, Location, Values, events_socket};
use nginx_sys::ngx_conf_t;

use super::Main;
use crate::process::now;
use crate::zone::Zone;

/// Where Debian's package has the sidecar's state.
const DEFAULT_STATE: &str = "/var/lib/manyhands";
/// Where Debian's package has the sidecar's socket.
pub(crate) const DEFAULT_DAEMON: &str = "unix:/run/manyhands/sidecar.sock";

/// A sidecar as nginx sees it: a directory to read, a socket to talk to.
#[derive(Debug)]
pub(crate) struct Site {
    state: PathBuf,
    /// With `unix:` in front.
    daemon: String,
    zone: Zone,
    /// What this process knows of it: opened by workers only.
    known: OnceCell<manyhands_nginx_worker::Site<'static>>,
}

/// A location where Manyhands is on.
#[derive(Debug)]
pub(crate) struct Place {
    site: Rc<Site>,
    location: Location,
}

impl Site {
    /// What this worker knows of it.
    pub(crate) fn known(&self) -> &manyhands_nginx_worker::Site<'static> {
        self.known.get_or_init(|| {
            let path = self.daemon.strip_prefix("unix:").unwrap_or(&self.daemon);
            let events = events_socket(Path::new(path));
            let counters = self.zone.words().and_then(|words| Counters::attach(words, Zone::SITE));
            manyhands_nginx_worker::Site::new(&self.state, &events, counters)
        })
    }
}

impl Place {
    /// `None` where Manyhands is off. The error says what does not go together.
    ///
    /// # Safety
    /// `cf` is the configuration that is being read.
    pub(super) unsafe fn of(
        cf: *mut ngx_conf_t,
        main: &Main,
        values: &Values,
    ) -> Result<Option<Self>, String> {
        if let (Some(min), Some(max)) = (values.min_size, values.max_size)
            && min > max
        {
            return Err(format!(
                "\"manyhands_min_size\" ({min} bytes) is greater than \"manyhands_max_size\" ({max} bytes), \
                 so no file could be shared; lower the one or raise the other"
            ));
        }
        if values.on != Some(true) {
            return Ok(None);
        }
        let state = values.state.as_deref().map_or(Path::new(DEFAULT_STATE), PathBuf::as_path);
        let daemon = values.daemon.as_deref().unwrap_or(DEFAULT_DAEMON);
        let mut sites = main.sites.borrow_mut();
        let known = sites.iter().find(|site| site.state == state && site.daemon == daemon);
        let site = match known {
            Some(site) => Rc::clone(site),
            None => {
                // SAFETY: `cf` is the configuration that is being read.
                let zone = unsafe { Zone::of(cf, state) };
                let site = Rc::new(Site {
                    state: state.to_owned(),
                    daemon: daemon.to_owned(),
                    zone: zone.ok_or("there is no memory for the counters; free some")?,
                    known: OnceCell::new(),
                });
                sites.push(Rc::clone(&site));
                site
            }
        };
        Ok(Some(Self { site, location: Location::new(values.directives()) }))
    }

    pub(crate) fn known(&self) -> &manyhands_nginx_worker::Site<'static> {
        self.site.known()
    }

    /// What holds here now.
    pub(crate) fn here(&self) -> Here<'_, 'static> {
        let here = self.known().at(&self.location, now());
        while let Some(complaint) = self.known().complaint() {
            crate::process::complain(&complaint);
        }
        here
    }
}
