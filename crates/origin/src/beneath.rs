//! Opening files beneath a directory, whatever the path says.
//!
//! On Linux the kernel does it: `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS` resolves the
//! whole path at once, so that no rename between two steps can lead outside. Where the call does not
//! exist (older kernels, other systems, containers that filter it) the path is walked component by
//! component with `O_NOFOLLOW`, symbolic links being resolved here. Both ways a link is followed only
//! while it stays beneath: an absolute target is refused even when it points back inside.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;
/// Tries when the kernel sees a rename while it checks a `..` in a link (`EAGAIN`).
#[cfg(target_os = "linux")]
const MAX_RACES: usize = 8;

/// May the call touch the disk?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// Answer from what the kernel has cached, else [`Errno::AGAIN`].
    Never,
    /// Look it up on disk. To be called where blocking is allowed.
    Allowed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resolver {
    #[cfg(target_os = "linux")]
    Kernel {
        can_refuse_to_wait: bool,
    },
    Walk,
}

/// An open directory and the way to open what is beneath it.
#[derive(Debug)]
pub(crate) struct Beneath {
    directory: OwnedFd,
    resolver: Resolver,
}

/// `O_NONBLOCK` lets the open of a FIFO return at once; `O_NOCTTY` keeps a terminal from adopting us.
fn read_flags() -> OFlags {
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY
}

/// To learn that a directory is there: nothing is opened for reading, and what is no directory is not
/// opened at all.
fn presence_flags() -> OFlags {
    #[cfg(target_os = "linux")]
    return OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
    #[cfg(not(target_os = "linux"))]
    directory_flags()
}

impl Beneath {
    pub(crate) fn open(directory: &Path) -> Result<Self, Errno> {
        let directory = rustix::fs::open(directory, directory_flags(), Mode::empty())?;
        let resolver = Resolver::probe(directory.as_fd());
        Ok(Self { directory, resolver })
    }

    /// The same directory by the component walk, so that tests can compare the two.
    #[cfg(test)]
    pub(crate) fn open_walking(directory: &Path) -> Result<Self, Errno> {
        Ok(Self { resolver: Resolver::Walk, ..Self::open(directory)? })
    }

    /// Opens `path`, which is relative; the empty path is the directory itself.
    pub(crate) fn open_file(&self, path: &str, wait: Wait) -> Result<OwnedFd, Errno> {
        self.open_as(path, wait, read_flags())
    }

    /// Whether `path` is a directory; an error says why not.
    pub(crate) fn is_directory(&self, path: &str, wait: Wait) -> Result<(), Errno> {
        self.open_as(path, wait, presence_flags()).map(drop)
    }

    fn open_as(&self, path: &str, wait: Wait, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        match self.resolver {
            #[cfg(target_os = "linux")]
            Resolver::Kernel { can_refuse_to_wait } => {
                if wait == Wait::Never && !can_refuse_to_wait {
                    return Err(Errno::AGAIN);
                }
                open_by_kernel(self.directory.as_fd(), path, wait, flags)
            }
            Resolver::Walk if wait == Wait::Never => Err(Errno::AGAIN),
            Resolver::Walk => open_by_walking(self.directory.as_fd(), path, flags),
        }
    }
}

impl Resolver {
    #[cfg(target_os = "linux")]
    fn probe(directory: BorrowedFd<'_>) -> Self {
        use rustix::fs::ResolveFlags;
        let works = |resolve| {
            rustix::fs::openat2(directory, ".", directory_flags(), Mode::empty(), resolve).is_ok()
        };
        if !works(kernel_rules()) {
            tracing::info!("openat2 is not available: paths are walked component by component");
            return Self::Walk;
        }
        // RESOLVE_CACHED came with Linux 5.12; older kernels refuse the flag.
        Self::Kernel { can_refuse_to_wait: works(kernel_rules() | ResolveFlags::CACHED) }
    }

    #[cfg(not(target_os = "linux"))]
    fn probe(_directory: BorrowedFd<'_>) -> Self {
        Self::Walk
    }
}

#[cfg(target_os = "linux")]
fn kernel_rules() -> rustix::fs::ResolveFlags {
    rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_MAGICLINKS
}

#[cfg(target_os = "linux")]
fn open_by_kernel(
    directory: BorrowedFd<'_>,
    path: &str,
    wait: Wait,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    if wait == Wait::Never {
        let rules = kernel_rules() | ResolveFlags::CACHED;
        return openat2(directory, path, flags, Mode::empty(), rules);
    }
    for _ in 0..MAX_RACES {
        match openat2(directory, path, flags, Mode::empty(), kernel_rules()) {
            Err(Errno::AGAIN) => {}
            opened => return opened,
        }
    }
    Err(Errno::BUSY)
}

/// One component at a time, never following a link blindly. A directory renamed meanwhile cannot lead
/// outside: `..` pops our own stack of open directories and never asks the file system.
fn open_by_walking(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut pending: VecDeque<CString> = components(path.as_bytes())?;
    let mut wants_directory = path.ends_with('/');
    let mut stack: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(name) = pending.pop_front() {
        let here = stack.last().map_or(root, |directory| directory.as_fd());
        if name.as_bytes() == b".." {
            stack.pop().ok_or(Errno::XDEV)?;
            continue;
        }
        let last = pending.is_empty() && !wants_directory;
        let flags = if last { flags } else { directory_flags() } | OFlags::NOFOLLOW;
        match openat(here, &name, flags, Mode::empty()) {
            Ok(file) if last => return Ok(file),
            Ok(directory) => stack.push(directory),
            // Which of these a link gives differs between systems; `readlinkat` tells.
            Err(error @ (Errno::LOOP | Errno::NOTDIR | Errno::MLINK)) => {
                let target = readlinkat(here, &name, Vec::new()).map_err(|_| error)?;
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                if target.as_bytes().starts_with(b"/") {
                    return Err(Errno::XDEV);
                }
                wants_directory |= pending.is_empty() && target.as_bytes().ends_with(b"/");
                for part in components(target.as_bytes())?.into_iter().rev() {
                    pending.push_front(part);
                }
            }
            Err(error) => return Err(error),
        }
    }
    match stack.pop() {
        Some(directory) => Ok(directory),
        None => openat(root, ".", directory_flags(), Mode::empty()),
    }
}

fn components(path: &[u8]) -> Result<VecDeque<CString>, Errno> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(|part| CString::new(part).map_err(|_| Errno::INVAL))
        .collect()
}

/// A path below the root as the system sees it, for messages and for [`LocalFile`].
///
/// [`LocalFile`]: manyhands_metainfo::LocalFile
pub(crate) fn join(root: &Path, relative: &str) -> std::path::PathBuf {
    root.join(OsStr::from_bytes(relative.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    /// A farm of links: inside, outside, absolute, looping, through the parent, magic.
    fn farm() -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(top.path().join("secret")).unwrap();
        std::fs::write(top.path().join("secret/key"), "SECRET").unwrap();
        std::fs::write(top.path().join("rootling"), "SECRET").unwrap();
        std::fs::write(root.join("a/b/file"), "inside").unwrap();
        std::fs::write(root.join("top"), "inside").unwrap();
        let links: &[(&str, &str)] = &[
            ("in-file", "a/b/file"),
            ("in-dir", "a/b"),
            ("in-dir-slash", "a/b/"),
            ("a/up", "../top"),
            ("a/b/up-two", "../../top"),
            ("a/b/round", "../../a/b/file"),
            ("chain-1", "chain-2"),
            ("chain-2", "in-dir/file"),
            ("file-slash", "top/"),
            ("self", "self"),
            ("loop-1", "loop-2"),
            ("loop-2", "loop-1"),
            ("out-file", "../secret/key"),
            ("out-dir", "../secret"),
            ("out-and-back", "../root/top"),
            ("sibling", "../rootling"),
            ("a/b/out", "../../../secret/key"),
            ("abs-etc", "/etc/passwd"),
            ("abs-slash", "/"),
            ("proc-root", "/proc/self/root"),
            ("proc-cwd", "/proc/self/cwd"),
            ("dangling", "nowhere"),
            ("dot", "."),
            ("parent", ".."),
        ];
        for (name, target) in links {
            symlink(target, root.join(name)).unwrap();
        }
        symlink(root.join("top"), root.join("abs-inside")).unwrap();
        top
    }

    fn paths() -> Vec<String> {
        let mut names: Vec<String> = [
            "",
            ".",
            "top",
            "a",
            "a/b",
            "a/b/",
            "a/b/file",
            "a/b/file/",
            "in-file",
            "in-dir/file",
            "in-dir-slash/file",
            "in-dir-slash",
            "a/up",
            "a/b/up-two",
            "a/b/round",
            "chain-1",
            "chain-2",
            "file-slash",
            "self",
            "loop-1",
            "out-file",
            "out-dir",
            "out-dir/key",
            "out-and-back",
            "sibling",
            "a/b/out",
            "abs-etc",
            "abs-slash",
            "abs-slash/etc/passwd",
            "proc-root",
            "proc-root/etc/passwd",
            "proc-cwd",
            "dangling",
            "abs-inside",
            "dot/top",
            "dot/dot/a/up",
            "parent",
            "parent/rootling",
            "parent/root/top",
            "top/x",
            "missing/x",
            "..",
            "../rootling",
            "a/../top",
            "a/../../rootling",
            "a/b/../../top",
        ]
        .map(String::from)
        .to_vec();
        for depth in 1..6 {
            names.push(format!("{}rootling", "../".repeat(depth)));
            names.push(format!("a/b/{}etc/passwd", "../".repeat(depth + 2)));
            names.push(format!("{}top", "dot/".repeat(depth * 10)));
        }
        names
    }

    fn content(opened: Result<OwnedFd, Errno>) -> Option<Result<String, &'static str>> {
        let mut file = std::fs::File::from(opened.ok()?);
        if file.metadata().unwrap().is_dir() {
            return Some(Err("directory"));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        Some(Ok(text))
    }

    #[test]
    fn nothing_outside_is_ever_opened_and_both_resolvers_agree() {
        let top = farm();
        let root = top.path().join("root");
        let kernel = Beneath::open(&root).unwrap();
        let walk = Beneath::open_walking(&root).unwrap();
        let mut served = 0;
        for path in paths() {
            let by_walk = content(walk.open_file(&path, Wait::Allowed));
            assert_ne!(by_walk, Some(Ok("SECRET".into())), "{path}");
            if let Some(Ok(text)) = &by_walk {
                assert_eq!(text, "inside", "{path}");
                served += 1;
            }
            let by_kernel = content(kernel.open_file(&path, Wait::Allowed));
            assert_eq!(by_kernel, by_walk, "{path}");
        }
        assert!(served >= 15, "{served}");
    }

    #[test]
    fn the_outside_stays_out_even_as_a_directory() {
        let top = farm();
        for beneath in [
            Beneath::open(&top.path().join("root")).unwrap(),
            Beneath::open_walking(&top.path().join("root")).unwrap(),
        ] {
            for path in ["out-dir", "abs-slash", "proc-root", "proc-cwd", "parent", ".."] {
                assert!(beneath.open_file(path, Wait::Allowed).is_err(), "{path}");
            }
        }
    }

    #[test]
    fn a_fifo_does_not_hang_the_open() {
        let top = farm();
        let root = top.path().join("root");
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), Mode::from_raw_mode(0o600))
            .unwrap();
        for beneath in [Beneath::open(&root).unwrap(), Beneath::open_walking(&root).unwrap()] {
            assert!(beneath.open_file("pipe", Wait::Allowed).is_ok());
        }
    }

    #[test]
    fn the_walk_never_claims_to_answer_without_waiting() {
        let top = farm();
        let walk = Beneath::open_walking(&top.path().join("root")).unwrap();
        assert_eq!(walk.open_file("top", Wait::Never).unwrap_err(), Errno::AGAIN);
    }
}
