//! The lease: what the daemon says holds, for as long as it renews it.
//!
//! A file that the daemon replaces when its content changes, and touches twice a second while it answers on its own
//! socket. Whatever keeps it from that (stopped, hung, killed, disk full) ends the lease by itself.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use manyhands_bridge::{Experiment, HOLDS, Lease};
use manyhands_experiment::Assignment;

use crate::files;

/// How often the file is looked at, in milliseconds.
const LOOK: u64 = 250;
/// Longest lease that is read.
const MOST_BYTES: usize = 1 << 20;

/// What the last lease says, checked.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Another one for each lease of this process, from 1.
    pub(crate) number: u64,
    pub(crate) lease: Lease,
    pub(crate) assignment: Option<Assignment>,
    /// Names the experiment; zero for none.
    pub(crate) experiment: u64,
    /// Where the records are.
    pub(crate) records: PathBuf,
}

/// The file, as it was last seen.
#[derive(Debug)]
pub(crate) struct LeaseFile {
    state: PathBuf,
    looked: Option<u64>,
    /// When it was renewed, in milliseconds; `None` where there is none.
    renewed: Option<u64>,
    content: Vec<u8>,
    leases: u64,
    terms: Option<Rc<Terms>>,
    complaint: Option<String>,
}

impl LeaseFile {
    /// `state` is the daemon's state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            looked: None,
            renewed: None,
            content: Vec::new(),
            leases: 0,
            terms: None,
            complaint: None,
        }
    }

    /// What the last lease says that could be read, whether it still holds or not; `None` before the first.
    pub(crate) fn terms(&mut self, now: u64) -> Option<Rc<Terms>> {
        if self.looked.is_none_or(|looked| looked.abs_diff(now) >= LOOK) {
            self.looked = Some(now);
            self.look();
        }
        self.terms.clone()
    }

    /// Whether it holds, as it was last seen.
    pub(crate) fn holds(&self, now: u64) -> bool {
        self.renewed.is_some_and(|renewed| u128::from(renewed.abs_diff(now)) < HOLDS.as_millis())
    }

    /// Why a lease can't be followed, once a lease.
    pub(crate) fn complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    /// Reads it all: it is short, and neither its time of change, which the daemon renews, nor its inode, which a
    /// file system uses again, would tell that it is another.
    fn look(&mut self) {
        let place = self.state.join(Lease::FILE);
        let read = files::open(&place).ok().and_then(|(file, identity)| {
            Some((files::read_all(&file, identity.size, MOST_BYTES)?, identity))
        });
        let Some((content, identity)) = read else {
            self.renewed = None;
            return;
        };
        if content != self.content {
            self.content = content;
            self.leases += 1;
            match self.read() {
                Ok(terms) => self.terms = Some(Rc::new(terms)),
                Err(why) => {
                    self.terms = None;
                    let place = place.display();
                    self.complaint = Some(format!(
                        "nothing is shared: {place} can not be followed ({why}); the daemon and this module are of \
                         different versions, or something else wrote it"
                    ));
                }
            }
        }
        let renewed = u64::try_from(identity.mtime_ns / 1_000_000).ok();
        self.renewed = renewed.filter(|_| self.terms.is_some());
    }

    fn read(&self) -> Result<Terms, String> {
        let lease = Lease::from_json(&self.content).map_err(|error| error.to_string())?;
        let assignment = lease.experiment.as_ref().map(|it| {
            it.assignment().ok_or_else(|| "the salt of its experiment is none".to_owned())
        });
        let experiment = lease.experiment.as_ref().map_or(0, Experiment::id);
        let records = self.state.join(&lease.records);
        let assignment = assignment.transpose()?;
        Ok(Terms { number: self.leases, lease, assignment, experiment, records })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use manyhands_page::PolicyTerms;

    use super::*;

    struct Daemon {
        state: tempfile::TempDir,
    }

    impl Daemon {
        fn new() -> Self {
            let state = tempfile::tempdir().unwrap();
            fs::create_dir(state.path().join("nginx")).unwrap();
            Self { state }
        }

        fn place(&self) -> PathBuf {
            self.state.path().join(Lease::FILE)
        }

        fn renew(&self, at: u64) {
            let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at);
            File::options().append(true).open(self.place()).unwrap().set_modified(at).unwrap();
        }

        /// In place, so that its inode is that of the one before.
        fn write(&self, content: &str, at: u64) {
            fs::write(self.place(), content).unwrap();
            self.renew(at);
        }
    }

    fn lease_of(policy: PolicyTerms, records: &str, sharing: bool) -> String {
        let mut lease = Lease::new(policy, records.to_owned());
        lease.sharing = sharing;
        String::from_utf8(lease.to_json()).unwrap()
    }

    fn lease(sharing: bool) -> String {
        lease_of(PolicyTerms::default(), "assets/0123456789abcdef", sharing)
    }

    #[test]
    fn a_lease_holds_while_it_is_renewed() {
        let daemon = Daemon::new();
        let mut file = LeaseFile::new(daemon.state.path());
        let mut holds = |now| (file.terms(now).is_some(), file.holds(now));
        assert_eq!(holds(100_000), (false, false));
        daemon.write(&lease(true), 100_100);
        assert_eq!(holds(100_249), (false, false), "looked at a moment ago");
        assert_eq!(holds(100_250), (true, true));
        assert_eq!(holds(101_599), (true, true));
        assert_eq!(holds(101_600), (true, false), "known, but over");
        daemon.renew(101_700);
        assert_eq!(holds(101_900), (true, true));
        // Of a time that is far ahead nothing can be said.
        daemon.renew(110_000);
        assert_eq!(holds(102_200), (true, false));
        daemon.renew(102_500);
        assert_eq!(holds(102_500), (true, true));
        fs::remove_file(daemon.place()).unwrap();
        assert_eq!(holds(102_750), (true, false), "what it said of files is so still");
    }

    #[test]
    fn it_is_read_again_when_it_is_another_and_only_then() {
        let daemon = Daemon::new();
        let mut file = LeaseFile::new(daemon.state.path());
        let (on, off) = (lease(true) + " ", lease(false));
        assert_eq!(on.len(), off.len(), "nothing but the content tells them apart");
        daemon.write(&on, 1_000);
        let first = file.terms(1_000).unwrap();
        daemon.renew(1_500);
        assert!(Rc::ptr_eq(&first, &file.terms(1_500).unwrap()));
        daemon.write(&off, 1_500);
        let second = file.terms(2_000).unwrap();
        assert_eq!((first.lease.sharing, second.lease.sharing), (true, false));
        assert_eq!((first.number, second.number), (1, 2));
    }

    #[test]
    fn what_can_not_be_followed_is_said_once_and_holds_nothing() {
        let daemon = Daemon::new();
        let mut file = LeaseFile::new(daemon.state.path());
        let refused = PolicyTerms { prefix: "x".to_owned(), ..PolicyTerms::default() };
        let contradicts = lease_of(refused, "a", true);
        let climbs = lease_of(PolicyTerms::default(), "../x", true);
        let mut now = 1_000;
        for bad in ["", "{}", "[1", "{\"v\":99}", contradicts.as_str(), climbs.as_str()] {
            daemon.write(&lease(true), now);
            assert!(file.terms(now).is_some() && file.complaint().is_none());
            now += 1_000;
            daemon.write(bad, now);
            assert!(file.terms(now).is_none() && !file.holds(now), "{bad}");
            let complaint = file.complaint().unwrap();
            assert!(complaint.contains("lease.json"), "{complaint}");
            now += 1_000;
            daemon.renew(now);
            assert!(file.terms(now).is_none() && file.complaint().is_none());
            now += 1_000;
        }
    }
}
