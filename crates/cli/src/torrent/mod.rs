//! `manyhands torrent create|show|verify`: arguments, progress and output around `manyhands_server`'s
//! torrents.

mod args;
mod check;
mod create;
mod describe;
mod output;
mod size;
mod url;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use manyhands_metainfo::{ParsedTorrent, parse};

pub(crate) use args::TorrentCommand;
pub(crate) use create::bar;
use describe::{Description, print_json, print_text};

/// More than any torrent that is read.
const MAX_TORRENT: u64 = 64 << 20;

pub(crate) fn run(command: TorrentCommand) -> anyhow::Result<()> {
    match command {
        TorrentCommand::Create(args) => create::run(&args),
        TorrentCommand::Verify(args) => check::run(&args),
        TorrentCommand::Show(args) => {
            let torrent = read(&args.file)?;
            let description = Description::new(&torrent);
            if args.json {
                return print_json(&description);
            }
            print_text(&(description.summary() + &description.list()))
        }
    }
}

fn read(path: &Path) -> anyhow::Result<ParsedTorrent> {
    let stdin = path.as_os_str() == "-";
    let name = || if stdin { "the standard input".to_owned() } else { format!("{path:?}") };
    let mut bytes = Vec::new();
    let most = MAX_TORRENT + 1;
    let read = if stdin {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {}", name()))?;
    if bytes.len() as u64 > MAX_TORRENT {
        bail!("{} is not a torrent: it is longer than 64 MiB", name());
    }
    parse(&bytes).with_context(|| format!("{} is not a torrent that can be read", name()))
}
