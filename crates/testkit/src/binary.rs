use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The `manyhands` command: `TEST_BINARY`, else the one beside the running test, built when it is older than its
/// sources (a run of the whole workspace has just built it; a run of one package has not).
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("TEST_BINARY") {
        return named.into();
    }
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/name-hash
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("manyhands");
    let built = fs::metadata(&binary).and_then(|binary| binary.modified()).ok();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    if built.is_none_or(|built| newest_source(&top) > built) {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&top).args(["build", "--quiet", "--package", "manyhands-cli"]);
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.file_name() == Some(OsStr::new("release")) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "cannot build the manyhands command");
    }
    binary
}

/// When a source of the command was last touched.
fn newest_source(top: &Path) -> SystemTime {
    let crates = fs::read_dir(top.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    crates
        .filter(|folder| !folder.ends_with("testkit"))
        .chain([top.join("middleware")])
        .map(|folder| newest(&folder.join("src")))
        .max()
        .unwrap()
}

fn newest(folder: &Path) -> SystemTime {
    let Ok(entries) = fs::read_dir(folder) else { return SystemTime::UNIX_EPOCH };
    let times = entries.map(|entry| {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() { newest(&entry.path()) } else { metadata.modified().unwrap() }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
