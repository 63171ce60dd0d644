//! All files of a root, for what wants to know them before anybody asks.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use manyhands_metainfo::{AssetPath, LocalFile};
use rustix::fs::{AtFlags, Dir, FileType, statat};

use crate::beneath::{Wait, join};
use crate::file::{OpenFile, Opened};
use crate::media_type::media_type;
use crate::root::{Shared, StaticRoot, is_hidden, relative};

/// Directories deeper than this are left out.
const MAX_DEPTH: usize = 64;

/// One file as it would be answered with.
#[derive(Clone, Debug)]
pub struct WalkEntry {
    /// The path to ask for it.
    pub path: AssetPath,
    /// The file and its version.
    pub file: LocalFile,
    /// As in `Content-Type`.
    pub content_type: String,
    /// As in `ETag`, strong. `None` while the file is younger than 2 s: look again later.
    pub etag: Option<String>,
}

/// An iterator over the files of a [`StaticRoot`]; see [`StaticRoot::walk`].
#[derive(Debug)]
pub struct Walk {
    root: Arc<Shared>,
    /// Still to be listed, with their depth.
    directories: Vec<(AssetPath, usize)>,
    files: VecDeque<AssetPath>,
    /// Directory entries that may still be looked at.
    budget: usize,
}

impl StaticRoot {
    /// Iterates over the files that would be served, directory by directory in the order of names,
    /// looking at no more than `max_entries` names. Blocking: not for a thread that serves.
    ///
    /// Left out: hidden names, names that are not UTF-8 or no path, whatever lies behind a link to a
    /// directory (it may lead in circles, and its files have a name of their own), depths above 64,
    /// and files that may not be read. A directory that cannot be listed is logged and left out.
    pub fn walk(&self, max_entries: usize) -> Walk {
        let directories = AssetPath::parse("/").map(|root| vec![(root, 0)]).unwrap_or_default();
        Walk {
            root: self.shared().clone(),
            directories,
            files: VecDeque::new(),
            budget: max_entries,
        }
    }
}

impl Iterator for Walk {
    type Item = WalkEntry;

    fn next(&mut self) -> Option<WalkEntry> {
        loop {
            if let Some(path) = self.files.pop_front() {
                match self.describe(path) {
                    Some(entry) => return Some(entry),
                    None => continue,
                }
            }
            let (directory, depth) = self.directories.pop()?;
            if let Err(error) = self.list(&directory, depth) {
                tracing::warn!(%directory, %error, "a directory could not be listed");
            }
        }
    }
}

impl Walk {
    fn list(&mut self, directory: &AssetPath, depth: usize) -> io::Result<()> {
        let descriptor = self.root.beneath.open_file(&relative(directory), Wait::Allowed)?;
        let mut below = Vec::new();
        for entry in Dir::read_from(&descriptor)? {
            if self.budget == 0 {
                tracing::warn!("too many files: some are not looked at");
                break;
            }
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            self.budget -= 1;
            // Some file systems do not tell what an entry is.
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = statat(&descriptor, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                kind => kind,
            };
            let slash = if kind == FileType::Directory { "/" } else { "" };
            let Ok(path) = AssetPath::parse(&format!("{directory}{}{slash}", escape(name))) else {
                tracing::debug!(%directory, name, "not a name that a URL can have");
                continue;
            };
            if is_hidden(&path) {
                continue;
            }
            below.push((path, kind));
        }
        below.sort_by(|(left, _), (right, _)| left.cmp(right));
        for (path, kind) in below.into_iter().rev() {
            match kind {
                FileType::Directory if depth < MAX_DEPTH => {
                    self.directories.push((path, depth + 1))
                }
                FileType::RegularFile | FileType::Symlink => {
                    self.files.push_front(path);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn describe(&self, path: AssetPath) -> Option<WalkEntry> {
        let relative = relative(&path);
        let opened = self.root.beneath.open_file(&relative, Wait::Allowed);
        let Ok(Opened::File(file)) = OpenFile::from_descriptor(opened.ok()?) else { return None };
        let now = (self.root.options.clock)();
        let etag = file.entity_tag(now).to_str().ok().filter(|_| file.is_settled(now));
        Some(WalkEntry {
            file: LocalFile {
                path: join(&self.root.directory, &relative),
                identity: *file.identity(),
            },
            content_type: media_type(&path.file_name(), self.root.options.utf8),
            etag: etag.map(str::to_owned),
            path,
        })
    }
}

/// What would end a path or start an escape; [`AssetPath`] escapes the rest.
fn escape(name: &str) -> String {
    name.replace('%', "%25").replace('?', "%3F").replace('#', "%23")
}
