use std::fmt::Write;
use std::path::Path;

use anyhow::bail;
use manyhands_metainfo::ParsedTorrent;
use manyhands_server::{FileCheckState, TorrentCheck, verify_torrent};
use serde::Serialize;

use super::args::VerifyArgs;
use super::create::{advance, bar};
use super::describe::{path, print_json, print_text};
use crate::plain::printable;

/// What `verify --json` prints.
#[derive(Serialize)]
struct Report {
    whole: bool,
    pieces: u64,
    bad: Vec<u64>,
    missing: Vec<u64>,
    files: Vec<File>,
    extra: Vec<String>,
}

#[derive(Serialize)]
struct File {
    path: String,
    length: u64,
    state: &'static str,
    /// Length on disk, where that is what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<u64>,
    /// What the system said, or what else is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    damaged: Vec<u64>,
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let torrent = super::read(&args.file)?;
    let bar = bar(Some(torrent.layout.length()));
    let check = verify_torrent(&torrent, &args.path, |bytes| advance(&bar, bytes));
    bar.finish_and_clear();
    let whole = check.is_whole();
    let problem = problem(&check, &torrent, &args.path);
    let report = Report::new(&torrent, check, whole);
    if args.json {
        print_json(&report)?;
    } else {
        print_text(&report.text())?;
    }
    match problem {
        Some(problem) if !whole => bail!("{problem}"),
        _ => Ok(()),
    }
}

/// The one line of a failure.
fn problem(check: &TorrentCheck, torrent: &ParsedTorrent, path: &Path) -> Option<String> {
    let wrong = check.files.iter().filter(|file| file.state != FileCheckState::Whole).count();
    let (bad, missing) = (check.bad.len(), check.missing.len());
    (wrong + bad + missing > 0).then(|| {
        format!(
            "{path:?} is not {:?} as the torrent has it: of {} pieces {bad} are wrong, {missing} not there; \
             {wrong} of {} files are not as they should be",
            torrent.layout.name(),
            check.pieces,
            check.files.len(),
        )
    })
}

impl Report {
    fn new(torrent: &ParsedTorrent, check: TorrentCheck, whole: bool) -> Self {
        let lengths = torrent.layout.files().iter().map(|file| file.length);
        let files = check.files.into_iter().zip(lengths).enumerate();
        let files = files.map(|(index, (file, length))| {
            let (state, actual, detail) = match file.state {
                FileCheckState::Whole => ("whole", None, None),
                FileCheckState::Damaged => ("damaged", None, None),
                FileCheckState::Missing => ("missing", None, None),
                FileCheckState::Length { actual } => ("length", Some(actual), None),
                FileCheckState::NotAFile(kind) => ("not-a-file", None, Some(kind.to_owned())),
                FileCheckState::Unreadable(error) => ("unreadable", None, Some(error)),
                FileCheckState::Changed => ("changed", None, None),
            };
            File {
                path: path(torrent, index),
                length,
                state,
                actual,
                detail,
                damaged: file.damaged,
            }
        });
        Self {
            whole,
            pieces: check.pieces,
            bad: check.bad,
            missing: check.missing,
            files: files.collect(),
            extra: check.extra.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for file in self.files.iter().filter(|file| file.state != "whole") {
            let _ = write!(text, "{:<10} {}", file.state, printable(&file.path));
            if let Some(actual) = file.actual {
                let _ = write!(text, ": {actual} bytes instead of {}", file.length);
            }
            if let Some(detail) = &file.detail {
                let _ = write!(text, ": {}", printable(detail));
            }
            if !file.damaged.is_empty() {
                let _ = write!(text, ": pieces {}", ranges(&file.damaged));
            }
            text.push('\n');
        }
        for path in &self.extra {
            let _ = writeln!(text, "{:<10} {}", "extra", printable(path));
        }
        if !self.bad.is_empty() {
            let _ = writeln!(text, "bad pieces {}", ranges(&self.bad));
        }
        if !self.missing.is_empty() {
            let _ = writeln!(text, "missing pieces {}", ranges(&self.missing));
        }
        if self.whole {
            let _ = writeln!(text, "whole: {} pieces, {} files", self.pieces, self.files.len());
        }
        text
    }
}

/// `0-3, 7`: of numbers in order.
fn ranges(numbers: &[u64]) -> String {
    let follows = |one: &u64, next: &u64| one.checked_add(1) == Some(*next);
    let parts = numbers.chunk_by(follows).filter_map(|run| match run {
        [] => None,
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn runs_of_pieces_are_written_as_ranges() {
        assert_eq!(super::ranges(&[0, 1, 2, 4, 6, 7]), "0-2, 4, 6-7");
        assert_eq!(super::ranges(&[]), "");
    }
}
