//! The daemon behind the nginx module: the reserved prefix on a socket file, and the files the module reads.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context, bail};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use manyhands::{Config, ConsentMode, ManyhandsLayer, PeerAddress};
use manyhands_proxy::{UnixMailbox, UnixPort, Upstream, UpstreamConfig, serve_unix};
use manyhands_server::{Sidecar, events_socket};
use tower::{Layer, ServiceExt, service_fn};

use crate::args::SidecarArgs;
use crate::{run, settings};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// How `manyhands_consent` of an nginx configuration gets here.
const CONSENT: HeaderName = HeaderName::from_static("manyhands-consent");

/// The address of nginx, which tells that of the visitor.
const NGINX: &str = "127.0.0.1";

pub(crate) fn run(args: SidecarArgs) -> anyhow::Result<()> {
    let mut config = settings::load(&Config::default(), &args.settings)?;
    let Some(origin) = config.site.origin.clone() else {
        bail!(
            "the site's origin is missing: set [site] origin or --origin to what visitors see, such as https://example.org"
        );
    };
    let through = args.through.as_deref().unwrap_or(&origin);
    let upstream = UpstreamConfig::new(through).with_extra_roots(args.through_ca);
    let upstream = Upstream::new(upstream).context("--through")?;
    config.listen.trusted.push(NGINX.to_owned());
    run::block_on(async {
        let stop = run::stop()?;
        let layer = ManyhandsLayer::with_fetch(config, Arc::new(upstream))?;
        let port = UnixPort::bind(&args.socket)?;
        let UnixMailbox { socket, file } = UnixMailbox::bind(&events_socket(&args.socket))?;
        let sidecar = Sidecar::open(layer.engine().clone(), &args.socket, socket)
            .context("cannot write what nginx is to read into the state directory")?;
        layer.engine().wake();
        println!("listening on {}", args.socket.display());
        let service = layer.layer(service_fn(elsewhere)).map_request(of_nginx);
        tokio::select! {
            () = serve_unix(port, service, stop) => {}
            () = sidecar.run() => {}
        }
        drop(file);
        Ok(())
    })
}

/// Puts into place what nginx says of the visitor. Without a word of it nobody is on this machine: the socket is
/// nginx's, and not the operator's.
fn of_nginx(mut request: Request<Incoming>) -> Request<Incoming> {
    let headers = request.headers_mut();
    if !headers.contains_key(X_FORWARDED_FOR) {
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("unknown"));
    }
    let consent = headers.remove(CONSENT).and_then(|mode| consent(&mode));
    let extensions = request.extensions_mut();
    if let Some(consent) = consent {
        extensions.insert(consent);
    }
    extensions.insert(PeerAddress((std::net::Ipv4Addr::LOCALHOST, 0).into()));
    request
}

fn consent(mode: &HeaderValue) -> Option<ConsentMode> {
    match mode.as_bytes() {
        b"ask" => Some(ConsentMode::Ask),
        b"notice" => Some(ConsentMode::Notice),
        b"external" => Some(ConsentMode::External),
        _ => None,
    }
}

/// What is not ours is nginx's.
async fn elsewhere(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let text = "only the reserved prefix is answered here\n".to_owned();
    let mut response = Response::new(text);
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}
