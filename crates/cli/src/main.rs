//! The `manyhands` command: argument parsing and wiring, nothing else.
//!
//! Exit codes: 0 done, 1 failed (one line on stderr: what, why, what to do), 2 usage. `doctor` exits with 1
//! when its report is not a happy one.

mod args;
mod demo;
mod doctor;
mod estimate;
mod mirror;
mod operator;
mod plain;
mod preload;
mod proxy;
mod report;
mod run;
mod serve;
mod settings;
mod sidecar;
mod torrent;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Command, ConfigCommand};

fn main() -> ExitCode {
    let command = args::Args::parse().command;
    let filter =
        EnvFilter::try_from_env("MANYHANDS_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match command {
        Command::Serve(args) => done(serve::run(args)),
        Command::Proxy(args) => done(proxy::run(args)),
        Command::Sidecar(args) => done(sidecar::run(args)),
        // The report says it all: an unhappy one has an exit code, but no line of its own.
        Command::Doctor(args) => doctor::run(args),
        Command::Estimate(args) => done(estimate::run(&args)),
        Command::Mirror(args) => done(mirror::run(args)),
        Command::Purge(args) => done(operator::purge(args)),
        Command::Status(args) => done(operator::status(args)),
        Command::Mirrors(args) => done(operator::mirrors(args)),
        Command::Report(args) => done(report::run(&args)),
        Command::Torrent { command } => done(torrent::run(command)),
        Command::Config { command: ConfigCommand::Default } => done(settings::print_default()),
        Command::Config { command: ConfigCommand::Check { file } } => done(settings::check(&file)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // One line, causes included; a chain that says a thing twice says it once.
            let mut line = error.to_string();
            for cause in error.chain().skip(1).map(ToString::to_string) {
                if !line.contains(&cause) {
                    line = format!("{line}: {cause}");
                }
            }
            // What others said may be part of it.
            eprintln!("manyhands: {}", plain::printable(&line.replace('\n', " ")));
            ExitCode::from(1)
        }
    }
}

fn done(outcome: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    outcome.map(|()| ExitCode::SUCCESS)
}
