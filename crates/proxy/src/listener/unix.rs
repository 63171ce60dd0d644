//! A socket file for a web server on the same machine: what it lets through is what is served.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{UnixDatagram, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tower_service::Service;

use crate::BoxError;

/// How long a head may take. The web server has read it whole before it asks.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long answers under way are waited for when told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted.
const BACK_OFF: Duration = Duration::from_millis(250);
/// Owner and group.
const MODE: u32 = 0o660;

/// Why a socket file can't be listened on: what, why, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixBindError {
    /// Somebody answers there.
    #[error("cannot listen on {0}: another process does; stop it, or choose another path")]
    InUse(PathBuf),
    /// Something else is there.
    #[error("cannot listen on {0}: there is something that is no socket; choose another path")]
    NoSocket(PathBuf),
    /// Anything else.
    #[error("cannot listen on {path}: {cause}; its directory must be there and writable")]
    Other {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// A socket file, removed again when this is dropped. For owner and group alone.
#[derive(Debug)]
pub struct UnixPort {
    listener: UnixListener,
    _file: SocketFile,
}

/// A socket file for datagrams, removed again when this is dropped. For owner and group alone.
#[derive(Debug)]
pub struct UnixMailbox {
    /// The socket.
    pub socket: UnixDatagram,
    /// Keep it as long as the socket is to be found.
    pub file: SocketFile,
}

/// A name in the file system that goes with its socket.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl UnixPort {
    /// Listens on `path`. What a former process left there is replaced.
    ///
    /// # Errors
    /// In one line that a person can act on.
    pub fn bind(path: &Path) -> Result<Self, UnixBindError> {
        make_room(path, |path| std::os::unix::net::UnixStream::connect(path).map(drop))?;
        let listener = UnixListener::bind(path).map_err(|cause| other(path, cause))?;
        let file = guard(path)?;
        Ok(Self { listener, _file: file })
    }
}

impl UnixMailbox {
    /// Takes datagrams on `path`. What a former process left there is replaced.
    ///
    /// # Errors
    /// In one line that a person can act on.
    pub fn bind(path: &Path) -> Result<Self, UnixBindError> {
        make_room(path, |path| std::os::unix::net::UnixDatagram::unbound()?.connect(path))?;
        let socket = UnixDatagram::bind(path).map_err(|cause| other(path, cause))?;
        Ok(Self { socket, file: guard(path)? })
    }
}

fn other(path: &Path, cause: io::Error) -> UnixBindError {
    UnixBindError::Other { path: path.to_owned(), cause }
}

/// Removes a socket that nobody listens on any more.
fn make_room(path: &Path, connect: fn(&Path) -> io::Result<()>) -> Result<(), UnixBindError> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(UnixBindError::NoSocket(path.to_owned()));
    }
    match connect(path) {
        Ok(()) => Err(UnixBindError::InUse(path.to_owned())),
        Err(_) => std::fs::remove_file(path).map_err(|cause| other(path, cause)),
    }
}

fn guard(path: &Path) -> Result<SocketFile, UnixBindError> {
    let file = SocketFile(path.to_owned());
    let mode = std::fs::Permissions::from_mode(MODE);
    std::fs::set_permissions(path, mode).map_err(|cause| other(path, cause))?;
    Ok(file)
}

/// Serves the connections of a socket file until `shutdown` resolves; then accepts no more, and lets answers under
/// way end for a moment. HTTP/1.1 with upgrades.
pub async fn serve_unix<S, B>(port: UnixPort, service: S, shutdown: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = port.listener.accept() => accepted,
        };
        let stream: UnixStream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        let service = service.clone();
        let answer = service_fn(move |request| service.clone().call(request));
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), answer);
        let connection = graceful.watch(connection.into_owned());
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the web server ended with an error");
            }
        });
    }
    drop(port);
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_is_replaced_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = UnixPort::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(matches!(UnixPort::bind(&path), Err(UnixBindError::InUse(_))));
        drop(first);
        assert!(!path.exists());
        // As a kill leaves it.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(UnixPort::bind(&path).unwrap());
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(UnixPort::bind(&path), Err(UnixBindError::NoSocket(_))));
        assert!(matches!(UnixMailbox::bind(&path), Err(UnixBindError::NoSocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let nowhere = dir.path().join("no/s");
        let error = UnixPort::bind(&nowhere).unwrap_err().to_string();
        assert!(error.contains("its directory must be there"), "{error}");
    }
}
