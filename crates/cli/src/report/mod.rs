//! `manyhands report`: what the experiment has found, from what the site's processes have written down. None of
//! them has to run.

mod args;
mod period;

pub(crate) use args::ReportArgs;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use manyhands_experiment::analyse;
use manyhands_server::{Archive, Report, Terms};

use crate::settings;

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let config = settings::of_file(args.config.as_deref())?;
    let dirs = match args.state.is_empty() {
        true => vec![config.experiment.dir.as_ref().unwrap_or(&config.state.dir).clone()],
        false => args.state.clone(),
    };
    let period = args.period();
    if period.from.zip(period.until).is_some_and(|(from, until)| from >= until) {
        bail!("the period ends before it begins: give --from a day before --until");
    }
    let archive = Archive::open(&dirs)?;
    let out = &mut BufWriter::new(io::stdout().lock());
    if args.csv {
        return finish(archive.write_csv(None, period, out)?.and_then(|()| out.flush()));
    }
    let terms = Terms { billing: config.billing()?, slack: config.policy.slack };
    let analysis = analyse(&archive.observations(None, period, terms)?);
    let text = if args.json {
        serde_json::to_string_pretty(&analysis)? + "\n"
    } else {
        let site = config.site.origin.as_deref().map_or("this site", host).to_owned();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let report = Report::new(site, now, Some(analysis));
        if args.html { report.html() } else { report.text() }
    };
    finish(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Whoever reads may have had enough: `| head`.
fn finish(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write the report"),
    }
}

fn host(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}
