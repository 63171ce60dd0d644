//! A torrent in words and as JSON; `docs/torrent.md` documents the JSON.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use indicatif::{BinaryBytes, HumanCount};
use manyhands_metainfo::{Digest, InfoHash, Magnet, ParsedTorrent};
use serde::Serialize;

use crate::plain::{self, printable};

/// What `show --json` prints. Names are never renamed, and fields never removed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Description<'a> {
    name: &'a str,
    infohash: Option<InfoHash>,
    infohash_v2: Option<Digest>,
    /// Bytes of all files.
    length: u64,
    piece_length: u32,
    pieces: u64,
    private: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_date: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_url: Option<&'a str>,
    trackers: &'a [Vec<String>],
    web_seeds: &'a [String],
    magnet: Option<String>,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    /// Below the torrent's name, `/` between; of a torrent of one file its name.
    path: String,
    length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pieces_root: Option<Digest>,
}

impl<'a> Description<'a> {
    pub(super) fn new(torrent: &'a ParsedTorrent) -> Self {
        let layout = &torrent.layout;
        let files = layout.files().iter().enumerate().map(|(index, file)| File {
            path: path(torrent, index),
            length: file.length,
            pieces_root: torrent.trees.as_ref().and_then(|trees| Some(trees.get(index)?.root)),
        });
        Self {
            name: layout.name(),
            infohash: torrent.info_hash,
            infohash_v2: torrent.info_hash_v2,
            length: layout.length(),
            piece_length: layout.piece_length(),
            pieces: layout.pieces(),
            private: torrent.private,
            comment: torrent.comment.as_deref(),
            created_by: torrent.created_by.as_deref(),
            creation_date: torrent.creation_date,
            update_url: torrent.update_url.as_deref(),
            trackers: &torrent.trackers,
            web_seeds: &torrent.web_seeds,
            magnet: magnet(torrent),
            files: files.collect(),
        }
    }

    /// The few lines that say which torrent this is.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: String| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{key:<13} {}", printable(&value));
        };
        line("name", self.name.to_owned());
        if let Some(infohash) = self.infohash {
            line("info-hash", infohash.to_string());
        }
        if let Some(infohash) = self.infohash_v2 {
            line("info-hash v2", infohash.to_string());
        }
        line("length", format!("{} bytes ({})", self.length, BinaryBytes(self.length)));
        let (count, each) = (HumanCount(self.pieces), BinaryBytes(self.piece_length.into()));
        line("pieces", format!("{count} of {each}"));
        line("files", HumanCount(self.files.len() as u64).to_string());
        if self.private {
            line("private", "yes".to_owned());
        }
        let lines = [
            ("comment", self.comment.map(str::to_owned)),
            ("created by", self.created_by.map(str::to_owned)),
            ("created", self.creation_date.and_then(date)),
            ("update URL", self.update_url.map(str::to_owned)),
        ];
        for (key, value) in lines {
            if let Some(value) = value {
                line(key, value);
            }
        }
        for tier in self.trackers {
            line("trackers", tier.join(" "));
        }
        for url in self.web_seeds {
            line("web seed", url.clone());
        }
        if let Some(magnet) = &self.magnet {
            line("magnet", magnet.clone());
        }
        text
    }

    /// One line a file.
    pub(super) fn list(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            let _ = writeln!(text, "{:>15} {}", file.length, printable(&file.path));
        }
        text
    }
}

/// The path of a file as the torrent has it.
pub(super) fn path(torrent: &ParsedTorrent, file: usize) -> String {
    match torrent.layout.files().get(file) {
        Some(file) if !file.path.is_empty() => file.path.join("/"),
        _ => torrent.layout.name().to_owned(),
    }
}

/// `None` for what is no date of the years 1970 to 9999.
fn date(seconds: i64) -> Option<String> {
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= LAST)?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some(httpdate::fmt_http_date(time))
}

/// `None` for a torrent of version 2 alone.
fn magnet(torrent: &ParsedTorrent) -> Option<String> {
    let length = torrent.layout.length();
    let mut magnet = Magnet::new(torrent.info_hash?).with_length(length);
    magnet = magnet.with_name(torrent.layout.name());
    if let Some(infohash) = torrent.info_hash_v2 {
        magnet = magnet.with_info_hash_v2(infohash);
    }
    for url in torrent.trackers.iter().flatten() {
        magnet = magnet.with_tracker(url);
    }
    for url in &torrent.web_seeds {
        magnet = magnet.with_web_seed(url);
    }
    Some(magnet.to_string())
}

pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = plain::json(value).context("cannot write JSON")?;
    print_text(&format!("{text}\n"))
}

/// To the standard output. Who closes it (`| head`) has seen enough.
pub(super) fn print_text(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to the standard output")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_is_none_is_not_shown() {
        assert_eq!(date(0).as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert!(date(253_402_300_799).is_some());
        assert_eq!([date(-1), date(253_402_300_800), date(i64::MAX)], [None, None, None]);
    }
}
