//! Fuzz targets for everything that reads bytes of strangers: one function a parser, over bytes.
//!
//! No layer: a test. [`TARGETS`] lists them. Each is at most ten lines around public functions and
//! asserts what must hold for *any* input, such as that what was written is read back alike; that
//! nothing panics is asserted by itself.
//!
//! The same functions run in two ways. `cargo test` replays every file below `corpus/`, on any
//! toolchain. `tests/fuzz/run` looks for new inputs with libFuzzer (feature `libfuzzer`). An input
//! that found a bug stays in the corpus, named after the bug.

mod bridge;
mod experiment;
mod metainfo;
mod mirrors;
mod page;
mod protocol;
mod server;
mod wire;

use std::process::ExitCode;

#[cfg(feature = "libfuzzer")]
#[doc(hidden)]
pub use libfuzzer_sys;

pub use bridge::{lease, published, report};
pub use experiment::access_log;
pub use metainfo::{asset_path, manifest, progress, record, torrent};
pub use mirrors::{
    mirror_address, mirror_announce, mirror_authorization, mirror_doubt, mirror_feed,
};
pub use page::{csp, head, injected_tree, injector};
pub use protocol::{sdp, stun, swarms, tracker_message};
pub use server::config;
pub use wire::wire;

/// A target: takes any bytes, panics when a promise is broken.
pub type Target = fn(&[u8]);

/// All targets, by the names of their programs and of their folders below `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("access_log", access_log),
    ("asset_path", asset_path),
    ("config", config),
    ("csp", csp),
    ("head", head),
    ("injected_tree", injected_tree),
    ("injector", injector),
    ("lease", lease),
    ("manifest", manifest),
    ("mirror_address", mirror_address),
    ("mirror_announce", mirror_announce),
    ("mirror_authorization", mirror_authorization),
    ("mirror_doubt", mirror_doubt),
    ("mirror_feed", mirror_feed),
    ("progress", progress),
    ("published", published),
    ("record", record),
    ("report", report),
    ("sdp", sdp),
    ("stun", stun),
    ("swarms", swarms),
    ("torrent", torrent),
    ("tracker_message", tracker_message),
    ("wire", wire),
];

/// Makes a program of a target: with the feature `libfuzzer` a fuzzer, else one that replays the
/// files it is given.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        use $crate::libfuzzer_sys;
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name(data));
    };
}

/// Makes a program of a target: with the feature `libfuzzer` a fuzzer, else one that replays the
/// files it is given.
#[cfg(not(feature = "libfuzzer"))]
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        fn main() -> ::std::process::ExitCode {
            $crate::replay($crate::$name)
        }
    };
}

/// Runs a target over the files named on the command line.
pub fn replay(target: Target) -> ExitCode {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    for file in &files {
        match std::fs::read(file) {
            Ok(data) => target(&data),
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{} inputs replayed; to fuzz, use tests/fuzz/run", files.len());
    ExitCode::SUCCESS
}

/// What a text parser is given: most of them take `&str`.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn entries(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn stems(folder: &str) -> BTreeSet<String> {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries(folder).into_iter().map(stem).collect()
    }

    #[test]
    fn every_input_of_the_corpus_holds() {
        for (name, target) in TARGETS {
            let inputs = entries(&format!("corpus/{name}"));
            assert!(!inputs.is_empty(), "{name} has no corpus");
            for input in inputs {
                let data = fs::read(&input).unwrap();
                let outcome = std::panic::catch_unwind(|| target(&data));
                assert!(outcome.is_ok(), "{name} fails on {}", input.display());
            }
        }
    }

    #[test]
    fn every_target_has_a_program_and_a_corpus() {
        let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(stems("fuzz_targets"), names);
        assert_eq!(stems("corpus"), names);
    }
}
