use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use http::Uri;
use manyhands::{Config, ManyhandsLayer};
use manyhands_proxy::{Upstream, UpstreamConfig};
use tokio::net::TcpStream;
use tower::Layer;

use crate::args::ProxyArgs;
use crate::{run, settings};

/// How long the upstream may take to let us in at start.
const REACH: Duration = Duration::from_secs(5);

pub(crate) fn run(args: ProxyArgs) -> anyhow::Result<()> {
    let mut config = settings::load(&Config::default(), &args.common.settings)?;
    let upstream = UpstreamConfig::new(&args.upstream)
        .with_trusted(config.trusted()?)
        .with_extra_roots(args.upstream_ca);
    let upstream = Upstream::new(upstream).context("--upstream")?;
    run::block_on(async {
        reach(&args.upstream).await?;
        let listener = run::listen(&args.common, &mut config).await?;
        let layer = ManyhandsLayer::with_fetch(config, Arc::new(upstream.clone()))?;
        layer.engine().wake();
        run::serve(listener, layer.layer(upstream)).await
    })
}

/// A mistyped upstream should show at start, not as a 502 to the first visitor.
async fn reach(upstream: &str) -> anyhow::Result<()> {
    let uri: Uri = upstream.parse().context("--upstream")?;
    let (host, scheme) = (uri.host().unwrap_or_default(), uri.scheme_str());
    let port = uri.port_u16().unwrap_or(if scheme == Some("https") { 443 } else { 80 });
    let connecting = TcpStream::connect((host.trim_matches(['[', ']']), port));
    let connected = tokio::time::timeout(REACH, connecting).await;
    let why = match connected {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", REACH.as_secs()),
    };
    Err(anyhow!(
        "cannot reach the upstream {upstream}: {why}; start it first, or correct --upstream"
    ))
}
