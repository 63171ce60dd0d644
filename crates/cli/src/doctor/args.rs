use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::target::Target;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The page or file to look at, such as https://example.org/pub/disk.iso
    pub(crate) url: Target,
    /// Print the report as JSON (docs/doctor.md)
    #[arg(long)]
    pub(crate) json: bool,
    /// Judge by this configuration; without it, by the defaults and what the running site tells
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

/// How a server is reached: the same for every command that asks one.
#[derive(Debug, Args)]
pub(crate) struct ReachArgs {
    /// Certificate authorities (PEM) to accept beside the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Seconds that each step (connecting, TLS, an answer) may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u64>().ok().filter(|seconds| (1..=600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "a whole number from 1 to 600".to_owned())
}
