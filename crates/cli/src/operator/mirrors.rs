//! `manyhands mirrors`: who carries the site, and who may.

use std::fmt::Write as _;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use serde::Deserialize;

use super::args::ProcessArgs;
use super::escaped;
use super::process::Process;
use crate::doctor::grouped;
use crate::plain::{self, print, printable as clean};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct MirrorsArgs {
    #[command(subcommand)]
    command: Option<MirrorsCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum MirrorsCommand {
    /// Show all mirrors, those who wait first
    List(ListArgs),
    /// Let a mirror carry the site, or lift a ban
    Approve(DecideArgs),
    /// Put a mirror out, for good
    Ban(BanArgs),
    /// Forget a mirror, as if it had never asked
    Forget(DecideArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print what the process says as it is (JSON)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    process: ProcessArgs,
}

#[derive(Debug, Args)]
struct DecideArgs {
    /// Its key (64 digits) or, of one listed in [mirrors] urls, its URL
    #[arg(value_name = "KEY|URL")]
    mirror: String,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
struct BanArgs {
    #[command(flatten)]
    decide: DecideArgs,
    /// Why: the mirror is told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// As much of `mirrors.json` as is shown.
#[derive(Deserialize)]
struct List {
    key: String,
    mirrors: Vec<Mirror>,
}

#[derive(Deserialize)]
struct Mirror {
    mirror: String,
    state: String,
    listed: bool,
    reason: Option<String>,
    name: String,
    contact: Option<String>,
    http: Option<String>,
    #[serde(default)]
    budget: u64,
    holdings: Option<u64>,
    latency: Option<f64>,
    rate: Option<u64>,
    browsers: Option<bool>,
}

/// What became of a decision.
#[derive(Deserialize)]
struct Decided {
    mirror: String,
}

pub(crate) fn run(args: MirrorsArgs) -> anyhow::Result<()> {
    match args.command {
        None => list(&args.list),
        Some(MirrorsCommand::List(args)) => list(&args),
        Some(MirrorsCommand::Approve(args)) => decide(&args, "approved", None),
        Some(MirrorsCommand::Ban(args)) => decide(&args.decide, "banned", args.reason.as_deref()),
        Some(MirrorsCommand::Forget(args)) => decide(&args, "forgotten", None),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<()> {
    let process = Process::of(&args.process)?;
    let answer = process.get("mirrors.json")?;
    let text = match args.json {
        true => plain::escaped(&String::from_utf8(answer).context("the answer is not text")?),
        false => summary(&answer).map_err(|_| {
            anyhow!("{process} answered something else than its mirrors; is it Manyhands?")
        })?,
    };
    print(&text)
}

fn decide(args: &DecideArgs, state: &str, reason: Option<&str>) -> anyhow::Result<()> {
    let process = Process::of(&args.list.process)?;
    let mut query = format!("mirror={}&state={state}", escaped(&args.mirror));
    if let Some(reason) = reason {
        query = format!("{query}&reason={}", escaped(reason));
    }
    let answer = process.post(&format!("mirrors/decide?{query}"))?;
    let decided: Decided = serde_json::from_slice(&answer)
        .map_err(|_| anyhow!("{process} answered something else than a decision"))?;
    if args.list.json {
        return print(&plain::escaped(
            &String::from_utf8(answer).context("the answer is not text")?,
        ));
    }
    print(&format!("{state}: {}", clean(&decided.mirror)))
}

fn summary(json: &[u8]) -> Result<String, serde_json::Error> {
    let List { key, mut mirrors } = serde_json::from_slice(json)?;
    let mut out = String::new();
    let listed = mirrors.iter().filter(|mirror| mirror.listed).count();
    let _ = writeln!(out, "mirrors: {}; readers are sent to: {listed}", mirrors.len());
    let order = |mirror: &Mirror| match mirror.state.as_str() {
        "pending" => 0,
        "approved" => 1,
        _ => 2,
    };
    mirrors.sort_by_key(order);
    for mirror in &mirrors {
        let _ = writeln!(out, "  {}", clean(&mirror.mirror));
        let who = [Some(&mirror.name), mirror.http.as_ref(), mirror.contact.as_ref()];
        let mut who: Vec<_> = who.into_iter().flatten().map(|text| clean(text)).collect();
        who.dedup();
        let _ = writeln!(out, "    {}", who.join(", "));
        let mut said = vec![clean(&mirror.state)];
        if mirror.listed {
            said.push("healthy".to_owned());
        }
        said.extend(mirror.latency.map(|latency| format!("{latency} ms")));
        said.extend(mirror.rate.map(|rate| format!("{} kB/s", grouped(rate / 1_000))));
        said.extend(mirror.holdings.map(|files| format!("holds {} files", grouped(files))));
        if mirror.budget > 0 {
            said.push(format!("gives {} MB", grouped(mirror.budget / 1_000_000)));
        }
        if mirror.browsers == Some(false) {
            said.push("not for browsers: it sends no Access-Control-Allow-Origin".to_owned());
        }
        let _ = writeln!(out, "    {}", said.join(", "));
        if let Some(reason) = &mirror.reason {
            let _ = writeln!(out, "    not listed: {}", clean(reason));
        }
    }
    let _ = writeln!(out, "this site signs its feed with {}", clean(&key));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_come_first_and_what_is_wrong_is_said() {
        let json = r#"{"v":1,"key":"d75a","new":1,"mirrors":[
            {"mirror":"https://b.example/","state":"banned","listed":false,"reason":"served wrong bytes of /a","name":"b.example",
             "contact":null,"http":"https://b.example/","holdings":null,"latency":null,"rate":null,"browsers":null},
            {"mirror":"aa","state":"approved","listed":true,"reason":null,"name":"A library","contact":"a@m.example",
             "http":"https://m.example/x/","budget":20000000000,"holdings":1200,"latency":12.5,"rate":8100000,"browsers":false},
            {"mirror":"bb","state":"pending","listed":false,"reason":"waits","name":"N\u001b[2J","contact":null,"http":null,
             "holdings":0,"latency":null,"rate":null,"browsers":null}]}"#;
        assert_eq!(
            summary(json.as_bytes()).unwrap(),
            "mirrors: 3; readers are sent to: 1\n\
             \x20 bb\n\
             \x20   N\u{fffd}[2J\n\
             \x20   pending, holds 0 files\n\
             \x20   not listed: waits\n\
             \x20 aa\n\
             \x20   A library, https://m.example/x/, a@m.example\n\
             \x20   approved, healthy, 12.5 ms, 8,100 kB/s, holds 1,200 files, gives 20,000 MB, not for browsers: it \
             sends no Access-Control-Allow-Origin\n\
             \x20 https://b.example/\n\
             \x20   b.example, https://b.example/\n\
             \x20   banned\n\
             \x20   not listed: served wrong bytes of /a\n\
             this site signs its feed with d75a\n"
        );
        assert!(summary(b"[]").is_err());
    }
}
