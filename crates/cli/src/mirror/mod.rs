//! `manyhands mirror`: the program a volunteer runs, around `manyhands_peer::mirror`.

mod amount;
mod args;
mod show;

use std::future::pending;
use std::time::Duration;

use anyhow::{Context, bail};
use manyhands_peer::mirror::{Mirror, MirrorSettings, MirrorStatus, Remote};
use manyhands_protocol::mirrors::BaseUrl;
use manyhands_proxy::{Listener, ServeOptions, TlsFiles, serve};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use args::MirrorArgs;

use crate::{plain, run};

/// A volunteer's machine is small, and a mirror has no reason to wait long for anybody.
fn options() -> ServeOptions {
    ServeOptions::default()
        .with_max_connections(1_024)
        .with_max_an_address(64)
        .with_write_timeout(Duration::from_secs(20))
        .with_idle_timeout(Duration::from_secs(60))
        .with_drain_timeout(Duration::from_secs(10))
}

pub(crate) fn run(args: MirrorArgs) -> anyhow::Result<()> {
    if args.status {
        return status(&args);
    }
    let mut sites = args.sites.clone();
    if sites.is_empty() {
        sites = Mirror::former_sites(&args.dir);
    }
    if sites.is_empty() {
        bail!("which site? Give its URL: manyhands mirror https://example.org/");
    }
    if args.site_key.is_some() {
        let [site] = &mut sites[..] else {
            bail!("--site-key is one site's: start with that site alone, it is remembered");
        };
        *site = site.clone().with_key(args.site_key);
    }
    run::block_on(async {
        let stop = run::stop()?;
        let listener = Listener::bind(&args.listen)
            .await
            .with_context(|| format!("--listen {}", args.listen))?;
        let listener = match (&args.tls_cert, &args.tls_key) {
            (Some(cert), Some(key)) => {
                listener.with_tls(&TlsFiles { cert: cert.clone(), key: key.clone() })?
            }
            _ => listener,
        };
        let scheme = if listener.is_secure() { "https" } else { "http" };
        let address = listener.local_address()?;
        let public = match &args.public_url {
            Some(url) => Some(url.clone()),
            // To try it out on one machine.
            None if address.ip().is_loopback() => {
                format!("{scheme}://{address}/").parse::<BaseUrl>().ok()
            }
            None => None,
        };
        let settings = MirrorSettings::new(&args.dir)
            .with_budget(args.budget)
            .with_public_url(public.clone())
            .with_rate(args.rate)
            .with_hours(args.hours)
            .with_name(&args.name)
            .with_contact(args.contact.clone());
        let mirror = Mirror::open(settings, sites)?;
        println!("listening on {scheme}://{address}");
        println!("this mirror's key is {}", mirror.status().key);
        match public {
            Some(url) => println!("visitors reach it at {url}"),
            None => println!(
                "no --public-url: the sites send no visitors here until they are told where that is"
            ),
        }
        let prepare = |peer, extensions: &mut http::Extensions| {
            extensions.insert(Remote(peer));
        };
        let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        // The usual signal for "what you read may have changed".
        let look = async {
            while hangup.recv().await.is_some() {
                mirror.look();
            }
        };
        tokio::select! {
            () = look => {}
            () = serve(listener, mirror.answers(), options(), prepare, stop) => {}
            () = mirror.run(pending()) => {}
            () = show::follow(&mirror) => {}
        }
        Ok(())
    })
}

fn status(args: &MirrorArgs) -> anyhow::Result<()> {
    let dir = args.dir.display();
    let status = MirrorStatus::of_running(&args.dir);
    let status = status.with_context(|| format!("cannot ask the mirror in {dir}"))?;
    let Some(status) = status else {
        bail!("no mirror runs in {dir}: start it, or say with --dir where it is");
    };
    let text = if args.json { plain::json(&status)? } else { show::text(&status) };
    plain::print(&text)
}
