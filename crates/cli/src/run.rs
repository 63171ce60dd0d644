//! What every serving command does: runtime, port, shutdown.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use manyhands::{Config, PeerAddress};
use manyhands_proxy::{Listener, ServeOptions, TlsFiles};
use tower::Service;

use crate::args::CommonArgs;

/// Raises this process's own limit of open files to what the system allows it: the usual 1,024 are few
/// for a server of WebSockets.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let done = runtime.block_on(work);
    // A hash worker may be in the middle of a large file: nothing is lost if it is not waited for.
    runtime.shutdown_background();
    done
}

/// Takes the port. On loopback its address stands in for an origin that was not configured.
pub(crate) async fn listen(args: &CommonArgs, config: &mut Config) -> anyhow::Result<Listener> {
    let listener =
        Listener::bind(&args.listen).await.with_context(|| format!("--listen {}", args.listen))?;
    let listener = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => {
            listener.with_tls(&TlsFiles { cert: cert.clone(), key: key.clone() })?
        }
        _ => listener,
    };
    let address = listener.local_address()?;
    if config.site.origin.is_none() && address.ip().is_loopback() {
        let scheme = if listener.is_secure() { "https" } else { "http" };
        config.site.origin = Some(format!("{scheme}://{address}"));
    }
    Ok(listener)
}

/// Serves until told to stop (SIGINT, SIGTERM), then lets answers under way end.
pub(crate) async fn serve<S, B>(listener: Listener, service: S) -> anyhow::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let scheme = if listener.is_secure() { "https" } else { "http" };
    let stop = stop()?;
    println!("listening on {scheme}://{}", listener.local_address()?);
    let prepare = |peer, extensions: &mut http::Extensions| {
        extensions.insert(PeerAddress(peer));
    };
    manyhands_proxy::serve(listener, service, ServeOptions::default(), prepare, stop).await;
    Ok(())
}

pub(crate) fn stop() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
