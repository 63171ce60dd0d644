//! Where a torrent is written to: looked at before the work, written in one step after it.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use manyhands_server::TorrentContent;

/// Longest file name on the usual file systems.
const MAX_NAME: usize = 255;

#[derive(Debug)]
pub(super) enum Output {
    Stdout,
    File { path: PathBuf, force: bool },
}

impl Output {
    /// Finds out what would be in the way, before hours of hashing.
    pub(super) fn new(wanted: Option<&Path>, name: &str, force: bool) -> anyhow::Result<Self> {
        if wanted.is_some_and(|path| path.as_os_str() == "-") {
            if io::stdout().is_terminal() {
                bail!(
                    "a torrent is not text for a terminal: send the standard output to a file, or use -o FILE"
                );
            }
            return Ok(Self::Stdout);
        }
        let path = wanted.map_or_else(|| format!("{name}.torrent").into(), Path::to_owned);
        let Some(file_name) = path.file_name() else { bail!("-o {path:?} names no file") };
        if file_name.len() > MAX_NAME {
            bail!(
                "the name of the torrent file would be longer than {MAX_NAME} bytes; choose one with -o"
            );
        }
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                bail!("-o {path:?} is a directory; name a file in it")
            }
            Ok(_) if !force => return Err(exists(&path)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot write {path:?}"));
            }
            Ok(_) | Err(_) => {}
        }
        let directory = directory(&path);
        let metadata = fs::metadata(directory);
        if !metadata.with_context(|| format!("cannot write to {directory:?}"))?.is_dir() {
            bail!("cannot write to {directory:?}: it is not a directory");
        }
        rustix::fs::access(directory, rustix::fs::Access::WRITE_OK)
            .with_context(|| format!("cannot write to {directory:?}"))?;
        Ok(Self::File { path, force })
    }

    /// Overwriting a file that the torrent describes would make the torrent wrong as it is written.
    pub(super) fn is_apart_from(&self, content: &TorrentContent) -> anyhow::Result<()> {
        match self {
            Self::File { path, .. } if content.has(path) => {
                bail!("{path:?} is itself one of the files; choose another place with -o")
            }
            Self::File { .. } | Self::Stdout => Ok(()),
        }
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File { path, .. } => Some(path),
        }
    }

    /// All of it or nothing, also when the power goes.
    pub(super) fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
                written.context("cannot write to the standard output")
            }
            Self::File { path, force } => write_file(path, bytes, *force),
        }
    }
}

fn write_file(path: &Path, bytes: &[u8], force: bool) -> anyhow::Result<()> {
    let beside = Beside::create(path).with_context(|| format!("cannot write {path:?}"))?;
    let placed = beside.fill(bytes).and_then(|()| beside.place(path, force));
    placed.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => anyhow!(error).context(format!("cannot write {path:?}")),
    })
}

fn exists(path: &Path) -> anyhow::Error {
    anyhow!("{path:?} is there already; --force overwrites it, -o names another")
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A new file in the directory of the one wanted; removed unless it was renamed.
struct Beside {
    file: File,
    path: PathBuf,
}

impl Beside {
    fn create(wanted: &Path) -> io::Result<Self> {
        // Nobody else has our process number in this directory, but for a file left by one killed.
        let mut turn = 0;
        loop {
            let name = format!(".manyhands-{}-{turn}.torrent.new", std::process::id());
            let path = directory(wanted).join(name);
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { file, path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && turn < 100 => {
                    turn += 1
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.file).write_all(bytes)?;
        self.file.sync_all()
    }

    /// A link is refused where a file is already, a rename is not. Not every file system has links.
    fn place(&self, wanted: &Path, force: bool) -> io::Result<()> {
        if force {
            return fs::rename(&self.path, wanted);
        }
        match fs::hard_link(&self.path, wanted) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) if fs::symlink_metadata(wanted).is_ok() => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            Err(_) => fs::rename(&self.path, wanted),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After a rename there is nothing of this name.
        let _ = fs::remove_file(&self.path);
    }
}
