//! The kill switch: whether visitors share at all. The configuration has the first word, the operator of the
//! running process the second, and that one outlives the process: a file in the state directory says it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Engine;

const FILE: &str = "sharing-off";

/// Whether visitors share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    On,
    /// Switched off in the running process, or by the file.
    Off,
    /// `[site] disabled = true`, which nothing but the configuration takes back.
    Disabled,
}

impl Sharing {
    /// A stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Disabled => "disabled",
        }
    }

    pub(crate) fn is_on(self) -> bool {
        self == Self::On
    }
}

/// Why the switch did not do all it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwitchError {
    /// The configuration says no.
    #[error(
        "sharing is disabled in the configuration, which this switch cannot overrule: set [site] disabled = \
         false and restart"
    )]
    Disabled,
    /// It is off, until a restart.
    #[error(
        "sharing is off, but a restart would turn it on again, because {place} cannot be written ({source}): \
         make the state directory writable and switch it off once more"
    )]
    NotKept {
        /// The file.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is still off.
    #[error(
        "sharing is still off, because {place} cannot be removed ({source}): remove it by hand"
    )]
    NotTakenBack {
        /// The file.
        place: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The switch of one process. Reading it is one atomic load: every request does.
#[derive(Debug)]
pub(super) struct Switch {
    disabled: bool,
    off: AtomicBool,
    place: PathBuf,
    /// Whether the file was there when it was last looked at; held while that is changed.
    seen: Mutex<bool>,
}

impl Switch {
    /// As the last process left it.
    pub(super) fn open(dir: &Path, disabled: bool) -> io::Result<Self> {
        let place = dir.join(FILE);
        let off = fs::exists(&place)?;
        Ok(Self { disabled, off: AtomicBool::new(off), place, seen: Mutex::new(off) })
    }

    pub(super) fn sharing(&self) -> Sharing {
        match (self.disabled, self.off.load(Ordering::Relaxed)) {
            (true, _) => Sharing::Disabled,
            (false, true) => Sharing::Off,
            (false, false) => Sharing::On,
        }
    }

    /// Off holds at once, whatever the disk says; on only when no restart would say otherwise.
    fn turn(&self, on: bool) -> Result<(), SwitchError> {
        if self.disabled && on {
            return Err(SwitchError::Disabled);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let place = || self.place.display().to_string();
        if on {
            match fs::remove_file(&self.place) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(SwitchError::NotTakenBack { place: place(), source });
                }
                _ => {}
            }
            self.off.store(false, Ordering::Relaxed);
            *seen = false;
            return Ok(());
        }
        self.off.store(true, Ordering::Relaxed);
        self.keep().map_err(|source| SwitchError::NotKept { place: place(), source })?;
        *seen = true;
        Ok(())
    }

    /// Follows the file where somebody else made or removed it: another process on the same state directory, or
    /// a person with a shell and no key. Returns whether anything changed.
    fn look(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A disk in trouble says nothing.
        let Ok(there) = fs::exists(&self.place) else { return false };
        if there == *seen {
            return false;
        }
        *seen = there;
        self.off.swap(there, Ordering::Relaxed) != there
    }

    fn keep(&self) -> io::Result<()> {
        let mut file = File::create(&self.place)?;
        file.write_all(b"Sharing was switched off. Remove this file to switch it on again.\n")?;
        file.sync_all()?;
        #[cfg(unix)]
        if let Some(dir) = self.place.parent() {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }
}

impl Engine {
    /// Whether visitors share.
    pub(crate) fn sharing(&self) -> Sharing {
        self.0.switch.sharing()
    }

    /// Turns the kill switch: pages, worker, `site.json` and tracker follow before this returns.
    pub(crate) fn switch(&self, on: bool) -> Result<Sharing, SwitchError> {
        let turned = self.0.switch.turn(on);
        self.follow_switch();
        turned.map(|()| self.sharing())
    }

    /// Looks whether the file says something new.
    pub(super) fn look_at_switch(&self) {
        if self.0.switch.look() {
            self.follow_switch();
        }
    }

    fn follow_switch(&self) {
        // Of two that turn it at once, whoever comes last sees what holds.
        let _turning = self.0.switch.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sharing = self.sharing();
        self.0.tracker.set_open(sharing.is_on());
        self.0.ledger.pause(!sharing.is_on());
        tracing::warn!(sharing = sharing.name(), "the kill switch was turned");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_switched_off_stays_off_in_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let switch = Switch::open(dir.path(), false).unwrap();
        assert_eq!(switch.sharing(), Sharing::On);
        switch.turn(false).unwrap();
        assert_eq!(switch.sharing(), Sharing::Off);
        let next = Switch::open(dir.path(), false).unwrap();
        assert_eq!(next.sharing(), Sharing::Off);
        // Twice is once.
        next.turn(false).unwrap();
        next.turn(true).unwrap();
        next.turn(true).unwrap();
        assert_eq!(Switch::open(dir.path(), false).unwrap().sharing(), Sharing::On);
    }

    #[test]
    fn what_the_configuration_disables_no_switch_turns_on() {
        let dir = tempfile::tempdir().unwrap();
        let switch = Switch::open(dir.path(), true).unwrap();
        assert_eq!(switch.sharing(), Sharing::Disabled);
        assert!(matches!(switch.turn(true), Err(SwitchError::Disabled)));
        // Off is kept all the same, for when the configuration changes its mind.
        switch.turn(false).unwrap();
        assert_eq!(switch.sharing(), Sharing::Disabled);
        assert_eq!(Switch::open(dir.path(), false).unwrap().sharing(), Sharing::Off);
    }

    #[test]
    fn off_is_off_though_the_disk_refuses_and_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        let switch = Switch::open(&state, false).unwrap();
        fs::remove_dir(&state).unwrap();
        assert!(matches!(switch.turn(false), Err(SwitchError::NotKept { .. })));
        assert_eq!(switch.sharing(), Sharing::Off);
        assert!(!switch.look(), "that there is no file is nothing new");
        assert_eq!(switch.sharing(), Sharing::Off);
    }

    #[test]
    fn on_is_not_said_while_a_restart_would_say_off() {
        let dir = tempfile::tempdir().unwrap();
        // What is no file can't be removed as one.
        fs::create_dir(dir.path().join(FILE)).unwrap();
        let switch = Switch::open(dir.path(), false).unwrap();
        assert!(matches!(switch.turn(true), Err(SwitchError::NotTakenBack { .. })));
        assert_eq!(switch.sharing(), Sharing::Off);
    }

    #[test]
    fn a_file_made_by_somebody_else_is_followed_once() {
        let dir = tempfile::tempdir().unwrap();
        let switch = Switch::open(dir.path(), false).unwrap();
        assert!(!switch.look());
        fs::write(dir.path().join(FILE), "").unwrap();
        assert!(switch.look() && !switch.look());
        assert_eq!(switch.sharing(), Sharing::Off);
        fs::remove_file(dir.path().join(FILE)).unwrap();
        assert!(switch.look() && !switch.look());
        assert_eq!(switch.sharing(), Sharing::On);
    }
}
