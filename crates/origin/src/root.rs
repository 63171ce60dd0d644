//! A directory as a tower service.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use manyhands_metainfo::AssetPath;
use rustix::io::Errno;
use tokio::task::{JoinHandle, spawn_blocking};
use tower_service::Service;

use crate::beneath::{Beneath, Wait};
use crate::body::FileBody;
use crate::buffer::Buffers;
use crate::cache::OpenFiles;
use crate::file::{OpenFile, Opened};
use crate::options::StaticOptions;
use crate::respond::{self, Head};

/// Why a directory cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is something else at that path.
    #[error("`{}` is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The system refused.
    #[error("cannot open the directory `{}`", .path.display())]
    Refused {
        /// As it was asked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// The files beneath one directory, over HTTP.
///
/// A `tower` service for GET and HEAD. Regular files only, opened so that no path and no link leads
/// out of the directory; names that start with a dot are not served, except `/.well-known` and the pad
/// files of hybrid torrents, `<directory>/.pad/<length>`, which are zeros and lie on no disk. A directory
/// answers with its `index.html`; a missing file with the root's `404.html` where there is one. Answers
/// carry a strong `ETag` (weak while the file is younger than 2 s), honour conditions and single
/// ranges, and carry a [`LocalFile`](manyhands_metainfo::LocalFile) extension when the file is settled.
///
/// Call it within a tokio runtime. Clones share one cache of open files and are cheap.
#[derive(Clone, Debug)]
pub struct StaticRoot(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) beneath: Beneath,
    pub(crate) options: StaticOptions,
    pub(crate) buffers: Buffers,
    open_files: OpenFiles,
}

/// What a path names.
pub(crate) enum Located {
    /// A file and the path under which it is one: with `index.html` for a directory.
    File(Arc<OpenFile>, AssetPath),
    /// A directory asked for without its slash.
    Directory,
    Missing,
}

impl StaticRoot {
    /// Opens `directory`; everything is resolved beneath it from now on, even when it is renamed.
    ///
    /// # Errors
    /// When it does not exist, is not a directory or may not be read.
    pub fn open(directory: &Path, options: StaticOptions) -> Result<Self, OpenError> {
        let refused = |cause| OpenError::Refused { path: directory.to_owned(), cause };
        let absolute = directory.canonicalize().map_err(refused)?;
        let beneath = match Beneath::open(&absolute) {
            Err(Errno::NOTDIR) => return Err(OpenError::NotADirectory(directory.to_owned())),
            opened => opened.map_err(|error| refused(error.into()))?,
        };
        let open_files = OpenFiles::new(options.open_files, options.revalidate);
        let buffers = Buffers::default();
        Ok(Self(Arc::new(Shared { directory: absolute, beneath, options, buffers, open_files })))
    }

    /// The directory, absolute and without links.
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Shared {
    pub(crate) fn locate(&self, path: &AssetPath, wait: Wait) -> Result<Located, Errno> {
        if is_hidden(path) {
            return Ok(Located::Missing);
        }
        let index = path.is_directory().then(|| AssetPath::parse(&format!("{path}index.html")));
        let path = match index {
            None => path.clone(),
            Some(Ok(index)) => index,
            Some(Err(_)) => return Ok(Located::Missing),
        };
        let was_directory = path.as_str().ends_with("/index.html");
        if let Some(file) = self.open_files.look_up(&path) {
            return Ok(Located::File(file, path));
        }
        let opened = self
            .beneath
            .open_file(&relative(&path), wait)
            .and_then(|descriptor| OpenFile::from_descriptor(descriptor).map_err(to_errno));
        match opened {
            Ok(Opened::File(file)) => {
                Ok(Located::File(self.open_files.remember(&path, file), path))
            }
            Ok(Opened::Directory) if !was_directory => Ok(Located::Directory),
            Ok(Opened::Directory | Opened::Special) => Ok(Located::Missing),
            Err(error) if names_nothing(error) => {
                self.open_files.forget(&path);
                Ok(Located::Missing)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether visitors may know of a directory: it is there, and no part of its path is hidden.
    pub(crate) fn shows_directory(&self, path: &AssetPath, wait: Wait) -> Result<bool, Errno> {
        if is_hidden(path) {
            return Ok(false);
        }
        match self.beneath.is_directory(&relative(path), wait) {
            Ok(()) => Ok(true),
            Err(error) if names_nothing(error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The path below the root as the file system spells it.
pub(crate) fn relative(path: &AssetPath) -> String {
    let mut relative = String::with_capacity(path.as_str().len());
    for segment in path.decoded_segments() {
        if !relative.is_empty() {
            relative.push('/');
        }
        relative.push_str(&segment);
    }
    relative
}

/// Names with a leading dot are not for visitors; `/.well-known` is (RFC 8615). Pad files are answered
/// before this is asked.
pub(crate) fn is_hidden(path: &AssetPath) -> bool {
    path.decoded_segments()
        .enumerate()
        .any(|(depth, name)| name.starts_with('.') && !(depth == 0 && name == ".well-known"))
}

/// The path leads nowhere, or nowhere it may: the visitor is told the same for all of these.
fn names_nothing(error: Errno) -> bool {
    matches!(
        error,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::ACCESS
            | Errno::PERM
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::ILSEQ
            | Errno::NXIO
            | Errno::NODEV
            | Errno::OPNOTSUPP
    )
}

fn to_errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

impl<B> Service<Request<B>> for StaticRoot {
    type Response = Response<FileBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let (parts, _) = request.into_parts();
        let head = Head { method: parts.method, uri: parts.uri, headers: parts.headers };
        match respond::respond(&self.0, &head, Wait::Never) {
            Ok(response) => ResponseFuture(State::Ready(Some(response))),
            Err(respond::WouldWait) => {
                let shared = self.0.clone();
                ResponseFuture(State::Opening(spawn_blocking(move || {
                    respond::respond(&shared, &head, Wait::Allowed)
                        .unwrap_or_else(|_| respond::failure(StatusCode::SERVICE_UNAVAILABLE))
                })))
            }
        }
    }
}

/// The answer of a [`StaticRoot`]: ready at once unless the disk has to be asked for the path.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(State);

#[derive(Debug)]
enum State {
    Ready(Option<Response<FileBody>>),
    Opening(JoinHandle<Response<FileBody>>),
}

impl Future for ResponseFuture {
    type Output = Result<Response<FileBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.0 {
            State::Ready(response) => response.take(),
            State::Opening(opening) => ready!(Pin::new(opening).poll(context)).ok(),
        };
        // Nothing to give: the runtime is shutting down, or the future was polled again.
        let failure = || respond::failure(StatusCode::INTERNAL_SERVER_ERROR);
        Poll::Ready(Ok(response.unwrap_or_else(failure)))
    }
}
