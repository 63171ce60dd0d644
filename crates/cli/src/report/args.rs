use clap::Args;
use manyhands_server::Period;

use super::PathBuf;
use super::period::{Edge, first_of, last_of};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Directory with the experiment ([experiment] dir, else [state] dir); give it once for each server of the
    /// site that keeps its own: their sums are added up
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Vec<PathBuf>,
    /// Its configuration, for the state directory, the name of the site and its prices
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// First day, such as 2026-11-01 (UTC), or a time, such as 2026-11-01T12:00:00Z
    #[arg(long, value_name = "DATE", value_parser = first_of)]
    from: Option<Edge>,
    /// Last day, which is part of it, or a time, which is not
    #[arg(long, value_name = "DATE", value_parser = last_of)]
    until: Option<Edge>,
    /// Print the analysis as it is, for programs
    #[arg(long, conflicts_with_all = ["csv", "html"])]
    pub(crate) json: bool,
    /// Print the raw sums of every unit, for whoever wants to reckon for himself
    #[arg(long, conflicts_with = "html")]
    pub(crate) csv: bool,
    /// Print one page for a browser, or for paper
    #[arg(long)]
    pub(crate) html: bool,
}

impl ReportArgs {
    pub(crate) fn period(&self) -> Period {
        Period {
            from: self.from.map(|Edge(seconds)| seconds),
            until: self.until.map(|Edge(seconds)| seconds),
        }
    }
}
