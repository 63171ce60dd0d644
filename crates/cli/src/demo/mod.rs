//! The demonstration site: a small encyclopaedia, a film and an archive. Pages are embedded; what is
//! large is made at first start.

mod line;
mod webm;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use manyhands::Config;

pub(crate) use crate::demo::line::NarrowLine;
use crate::demo::webm::Clip;

const CLIP: &[u8] = include_bytes!("../../demo/clip.webm");
/// Ten seconds, sixty times over.
const FILM_TURNS: u64 = 60;
const TABLE_BYTES: u64 = 64 << 20;
/// Written last: names what made the files, so that another release makes them anew.
const MARK: &str = concat!(".made-by-", env!("CARGO_PKG_VERSION"), "-1");

/// What to look at.
pub(crate) const GUIDE: &str = "\
The demo mirror is ready. Open it in two browsers (or one and a private window of it), download the
archive or play the film in one, then in the other: the badge in the corner shows what came from whom.
Settings for trying things out: the large files share a line of 32 Mbit/s, so that help is needed;
visitors give as fast as they can; those on this network meet by private addresses; they are told and
not asked; one visitor is a crowd; any WebTorrent client may join. Not for a public site.";

/// The settings of the demo: those for development, with uploads as fast as the browser can.
pub(crate) fn config() -> Config {
    let mut config = Config::dev();
    config.upload.rate = 1_000_000_000;
    config
}

macro_rules! pages {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("../../demo/site/", $path)).as_slice())),*]
    };
}

const PAGES: [(&str, &[u8]); 11] = pages![
    "index.html",
    "watch.html",
    "style.css",
    "images/mandelbrot.jpg",
    "images/swarm.jpg",
    "images/tree.svg",
    "wiki/bittorrent.html",
    "wiki/flash-crowd.html",
    "wiki/merkle-tree.html",
    "wiki/mirror.html",
    "wiki/webrtc.html",
];

/// Makes the site below the state directory, unless it is there; returns its root.
pub(crate) fn prepare(state: &Path) -> anyhow::Result<PathBuf> {
    let root = state.join("demo");
    let context = || {
        format!(
            "cannot make the demo site in {}; choose another place with --state",
            root.display()
        )
    };
    make(&root).with_context(context)?;
    Ok(root)
}

fn make(root: &Path) -> io::Result<()> {
    for (path, content) in PAGES {
        let place = root.join(path);
        if fs::read(&place).ok().as_deref() != Some(content) {
            write(&place, |file| file.write_all(content))?;
        }
    }
    if root.join(MARK).exists() {
        return Ok(());
    }
    let clip = Clip::parse(CLIP).expect("the embedded clip is one, as a test shows");
    let total = CLIP.len() as u64 * FILM_TURNS + TABLE_BYTES;
    let bar =
        ProgressBar::new(total).with_style(style()).with_message("making the demo's large files");
    write(&root.join("files/many-hands.webm"), |file| {
        clip.repeat(FILM_TURNS, &mut bar.wrap_write(file))
    })?;
    write(&root.join("files/library.tar"), |file| archive(&mut bar.wrap_write(file)))?;
    fs::write(root.join(MARK), b"")?;
    bar.finish_and_clear();
    Ok(())
}

/// Bytes done, on a terminal; nothing anywhere else.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Writes beside the place and renames, so that a start that was interrupted leaves nothing half made.
fn write(
    place: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    if let Some(directory) = place.parent() {
        fs::create_dir_all(directory)?;
    }
    let beside = place.with_extension("new");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&beside)?);
    content(&mut file)?;
    file.into_inner()?.sync_all()?;
    fs::rename(beside, place)
}

/// All pages and a large table.
fn archive(out: &mut impl Write) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    let mut append = |path: String, size: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        tar.append_data(&mut header, path, content)
    };
    for (path, mut content) in PAGES {
        append(format!("library/{path}"), content.len() as u64, &mut content)?;
    }
    append(
        "library/measurements.csv".to_owned(),
        TABLE_BYTES,
        &mut Table::default().take(TABLE_BYTES),
    )?;
    tar.finish()
}

/// An endless table of made-up measurements, the same every time.
#[derive(Default)]
struct Table {
    row: u64,
    line: Vec<u8>,
    at: usize,
}

impl Read for Table {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < buffer.len() {
            if self.at == self.line.len() {
                // splitmix64: looks like noise, needs no table of its own.
                let mut noise = self.row.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                noise = (noise ^ noise >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                noise = (noise ^ noise >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
                noise ^= noise >> 31;
                let (seconds, celsius, hectopascal) = (self.row * 10, noise % 4_000, noise >> 32);
                self.line.clear();
                writeln!(
                    self.line,
                    "{seconds},{}.{:02},{}.{},{noise:016x}",
                    celsius / 100,
                    celsius % 100,
                    980 + hectopascal % 50,
                    hectopascal / 50 % 10
                )?;
                (self.row, self.at) = (self.row + 1, 0);
            }
            let rest = self.line.get(self.at..).unwrap_or_default();
            let room = buffer.get_mut(written..).unwrap_or_default();
            let taken = rest.len().min(room.len());
            room.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            (self.at, written) = (self.at + taken, written + taken);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_holds_the_pages_and_the_table_and_is_the_same_every_time() {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        archive(&mut first).unwrap();
        archive(&mut second).unwrap();
        assert!(first == second);
        assert!(first.len() as u64 > 60 << 20);
        let mut sizes = std::collections::HashMap::new();
        for entry in tar::Archive::new(&first[..]).entries().unwrap() {
            let entry = entry.unwrap();
            sizes.insert(entry.path().unwrap().display().to_string(), entry.size());
        }
        assert_eq!(sizes["library/measurements.csv"], TABLE_BYTES);
        assert_eq!(sizes.len(), PAGES.len() + 1);
    }

    #[test]
    fn every_page_of_the_repository_is_embedded() {
        let mut found = Vec::new();
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/site");
        let mut directories = vec![site.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    found.push(path.strip_prefix(&site).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        let mut embedded = PAGES.map(|(path, _)| path.to_owned());
        embedded.sort();
        assert_eq!(found, embedded);
    }
}
