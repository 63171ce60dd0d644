use std::ops::ControlFlow;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use manyhands_metainfo::{ParsedTorrent, Torrent, parse};
use manyhands_server::{MakeOptions, TorrentContent, make_torrent, make_torrent_of_stream};
use serde::Serialize;

use super::args::CreateArgs;
use super::describe::{Description, print_json, print_text};
use super::output::Output;
use super::{size, url};
use crate::plain::printable;

/// Left-out paths named one by one; of more, the number.
const NAMED: usize = 5;

/// What `create --json` prints: what `show --json` does, and these.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    /// The file written; null for the standard output.
    torrent: Option<String>,
    /// Paths that were found and left out.
    left_out: Vec<LeftOut>,
    #[serde(flatten)]
    description: Description<'a>,
}

#[derive(Serialize)]
struct LeftOut {
    path: String,
    why: &'static str,
}

pub(super) fn run(args: &CreateArgs) -> anyhow::Result<()> {
    if args.json && args.output.as_deref().is_some_and(|path| path.as_os_str() == "-") {
        bail!("--json and -o - would both go to the standard output; name a file with -o");
    }
    let stdin = args.path.as_os_str() == "-";
    let mut options = MakeOptions::default().with_hybrid(args.hybrid);
    if let Some(text) = &args.piece_length {
        options = options.with_piece_length(size::parse(text)?);
    }
    let tiers = args.tracker.iter().map(|urls| url::tracker_tier(urls));
    let tiers = tiers.collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(update) = &args.update_url {
        url::update_url(update)?;
    }

    let (torrent, output, left_out) = if stdin {
        let name =
            args.name.as_deref().context("the standard input has no name: give one with --name")?;
        let output = checked(args, name, None)?;
        let bar = bar(None);
        let stream = std::io::stdin().lock();
        let torrent = make_torrent_of_stream(stream, name, options, |bytes| advance(&bar, bytes));
        bar.finish_and_clear();
        (torrent?, output, Vec::new())
    } else {
        let mut content = TorrentContent::find(&args.path, args.hidden)?;
        if let Some(name) = &args.name {
            content = content.with_name(name);
        }
        let layout = content.layout(options)?;
        let output = checked(args, layout.name(), (!content.is_file()).then_some(layout.name()))?;
        output.is_apart_from(&content)?;
        let bar = bar(Some(content.length()));
        let torrent = make_torrent(&content, options, |bytes| advance(&bar, bytes));
        bar.finish_and_clear();
        (torrent?, output, content.left_out().to_vec())
    };

    let bytes = with_settings(torrent, args, tiers).to_bytes();
    // What is written is what `show` reads: also a check of ourselves.
    let parsed = parse(&bytes).context("the torrent made is one that clients would refuse")?;
    output.write(&bytes)?;
    report(args, &output, &parsed, &left_out)
}

/// All that can be known to be wrong before the first byte is hashed.
fn checked(args: &CreateArgs, name: &str, directory: Option<&str>) -> anyhow::Result<Output> {
    for url in &args.web_seed {
        url::web_seed(url, directory)?;
    }
    Output::new(args.output.as_deref(), name, args.force)
}

fn with_settings<'a>(
    mut torrent: Torrent<'a>,
    args: &CreateArgs,
    tiers: Vec<Vec<String>>,
) -> Torrent<'a> {
    torrent = torrent.with_private(args.private);
    for url in &args.web_seed {
        torrent = torrent.with_web_seed(url);
    }
    for tier in tiers {
        torrent = torrent.with_tracker_tier(tier);
    }
    if let Some(url) = &args.update_url {
        torrent = torrent.with_update_url(url);
    }
    match &args.comment {
        Some(comment) => torrent.with_comment(comment),
        None => torrent,
    }
}

fn report(
    args: &CreateArgs,
    output: &Output,
    parsed: &ParsedTorrent,
    left_out: &[manyhands_server::LeftOut],
) -> anyhow::Result<()> {
    let description = Description::new(parsed);
    let path = output.path().map(|path| path.to_string_lossy().into_owned());
    if args.json {
        let left_out = left_out.iter().map(|left_out| LeftOut {
            path: left_out.path.to_string_lossy().into_owned(),
            why: left_out.why,
        });
        let created = Created { torrent: path, left_out: left_out.collect(), description };
        return print_json(&created);
    }
    for left_out in left_out.iter().take(NAMED) {
        let path = left_out.path.to_string_lossy();
        let remedy = if left_out.why == "hidden" { "; --hidden takes it along" } else { "" };
        eprintln!("manyhands: left out {} ({}{remedy})", printable(&path), left_out.why);
    }
    if left_out.len() > NAMED {
        eprintln!("manyhands: left out {} more", left_out.len() - NAMED);
    }
    match path {
        Some(path) => print_text(&format!(
            "{:<13} {}\n{}",
            "torrent",
            printable(&path),
            description.summary()
        )),
        None => {
            eprint!("{}", description.summary());
            Ok(())
        }
    }
}

/// On a terminal only, on the standard error.
pub(crate) fn bar(length: Option<u64>) -> ProgressBar {
    const KNOWN: &str = "{bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
    const UNKNOWN: &str = "{spinner} {binary_bytes} {binary_bytes_per_sec}";
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), KNOWN),
        None => (ProgressBar::new_spinner(), UNKNOWN),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

pub(super) fn advance(bar: &ProgressBar, bytes: u64) -> ControlFlow<()> {
    bar.set_position(bytes);
    ControlFlow::Continue(())
}
