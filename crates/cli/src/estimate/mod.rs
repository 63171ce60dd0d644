//! `manyhands estimate`: reads access logs into `manyhands_experiment::audience`, prints what comes out.

mod args;
mod logs;
mod money;
mod rules;
mod source;
mod text;

use std::io::{self, Write};

use anyhow::{Context, bail};
use manyhands::Config;
use manyhands_experiment::audience::{Assumptions, Forecast, Mirrors, Range, Replay};
use serde::Serialize;

use crate::plain::{json, printable};
use crate::{settings, torrent};

pub(crate) use args::EstimateArgs;
use money::Money;
use rules::SiteRules;
use source::Source;

/// What is printed with `--json`; `docs/estimate.md` documents it.
#[derive(Serialize)]
struct Estimate {
    #[serde(flatten)]
    forecast: Forecast,
    money: Option<Money>,
}

pub(crate) fn run(args: &EstimateArgs) -> anyhow::Result<()> {
    let config = settings::of_file(args.config.as_deref())?;
    let sources: Vec<_> = args.logs.iter().map(|path| Source::new(path)).collect();
    if sources.iter().filter(|source| source.is_stdin()).count() > 1 {
        bail!("- stands for the standard input, which can be read only once; name it once");
    }
    let mirrors =
        Mirrors { count: args.mirrors, budget: args.mirror_budget, rate: args.mirror_rate * 1e6 };
    let mut replay = Replay::new(SiteRules::new(&config)?, assumptions(&config, args), mirrors);
    let sizes: Option<Vec<u64>> = sources.iter().map(Source::size).collect();
    let bar = torrent::bar(sizes.map(|sizes| sizes.iter().sum()));
    let read = logs::read(sources, &mut replay, &bar);
    bar.finish_and_clear();
    let samples = read?;
    let forecast = replay.finish(args.top);
    if forecast.log.requests == 0 {
        bail!("the logs are empty; give logs of some weeks, rotated ones too");
    }
    if args.verbose {
        for sample in &samples.0 {
            eprintln!("manyhands: not read, {}", printable(sample));
        }
    }
    let money = args.price_per_gb.map(|price| Money::new(&forecast, price, &args.currency));
    let estimate = Estimate { forecast, money };
    let output = match args.json {
        true => json(&estimate)? + "\n",
        false => text::of(&estimate.forecast, estimate.money.as_ref(), args),
    };
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(output.as_bytes()).and_then(|()| stdout.flush());
    written.context("cannot write to the standard output")
}

fn assumptions(config: &Config, args: &EstimateArgs) -> Assumptions {
    let (up, down) = (args.uplink * 1e6, args.downlink * 1e6);
    let (slack, usual) = (config.policy.slack, Assumptions::default());
    Assumptions {
        uplink: Range::new(up / 2.0, up, up * 2.0),
        // A rate of a line is far below 2^53.
        upload_limit: config.upload.rate as f64,
        downlink: Range::new(down * 2.5, down, down / 2.0),
        slack: Range::new(usual.slack.low, slack, slack),
        min_prefixes: config.swarm.min_prefixes,
        admission_requests: config.admission.requests,
        admission_prefixes: config.admission.prefixes,
        ..usual
    }
}
