use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::doctor::DoctorArgs;
use crate::estimate::EstimateArgs;
use crate::mirror::MirrorArgs;
use crate::operator::{MirrorsArgs, PurgeArgs, StatusArgs};
use crate::report::ReportArgs;
use crate::torrent::TorrentCommand;

/// Turns a web site's visitors into its CDN: large files come from other visitors, verified, with the
/// site itself as the fallback for every byte.
#[derive(Debug, Parser)]
#[command(name = "manyhands", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a directory as a static mirror
    Serve(ServeArgs),
    /// Stand in front of an existing site
    Proxy(ProxyArgs),
    /// Stand behind the nginx module
    Sidecar(SidecarArgs),
    /// Carry sites of others on this machine's disk, and serve them to their visitors
    Mirror(MirrorArgs),
    /// Make, read and check torrents
    Torrent {
        #[command(subcommand)]
        command: TorrentCommand,
    },
    /// Say of a page or file whether it is shared, and if not, why and what to do
    Doctor(DoctorArgs),
    /// Say from access logs what sharing would have saved, before anything is installed
    Estimate(EstimateArgs),
    /// Make a running process forget what it knows of files
    Purge(PurgeArgs),
    /// Show what a running process shares, and why not the rest
    Status(StatusArgs),
    /// Show who else carries the site, and approve or ban mirrors
    Mirrors(MirrorsArgs),
    /// Say what the experiment has found: what sharing saves, and whether to believe it
    Report(ReportArgs),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every field with its default
    Default,
    /// Read a file as `serve` and `proxy` would
    Check {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    /// The directory to serve
    #[arg(required_unless_present = "demo", conflicts_with = "demo")]
    pub(crate) directory: Option<PathBuf>,
    /// Serve a demonstration site made at first start, with settings for trying things out
    #[arg(long)]
    pub(crate) demo: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ProxyArgs {
    /// The site to stand in front of, such as http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,
    /// Certificate authorities (PEM) to accept for an https upstream, beside the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SidecarArgs {
    /// The socket file to answer nginx on, as in `manyhands_daemon unix:PATH`
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: PathBuf,
    /// Where nginx is asked for files that can't be read from the disk, such as http://127.0.0.1; by default
    /// what visitors see
    #[arg(long, value_name = "URL")]
    pub(crate) through: Option<String>,
    /// Certificate authorities (PEM) to accept there, beside the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) through_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// Where the configuration comes from.
#[derive(Debug, ClapArgs)]
pub(crate) struct SettingsArgs {
    /// Configuration file (TOML); `manyhands config default` prints one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What visitors see, such as https://example.org ([site] origin); needed off loopback
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// Directory for metainfo and keys ([state] dir)
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CommonArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Certificate chain (PEM): serve TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}
