//! The browser client, built and embedded: what `server` answers under the reserved prefix.
//!
//! Sources are in `ts/`, the committed bundles in `assets/`; `npm run build` makes one from the other. A layer of its own with
//! no dependencies: [`LOADER`], [`CLIENT`], [`DIAGNOSTICS`], [`WORKER`] and [`WORKER_OFF`] are all there is.

/// `loader.js`: what pages load. Gates, consent, and the way to the rest.
pub const LOADER: &str = include_str!("../assets/loader.js");
/// `client.js`: the peer-to-peer client, an ES module loaded only when needed.
pub const CLIENT: &str = include_str!("../assets/client.js");
/// `diagnostics.js`: what a page tells of itself; an ES module loaded only while an experiment runs.
pub const DIAGNOSTICS: &str = include_str!("../assets/diagnostics.js");
/// `sw.js`: the service worker. Serve it with `Service-Worker-Allowed: /` and `Cache-Control: no-cache`.
pub const WORKER: &str = include_str!("../assets/sw.js");
/// The kill switch: served in place of [`WORKER`], at the same address, it deletes the client's caches and unregisters itself.
pub const WORKER_OFF: &str = include_str!("../assets/sw-off.js");

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};
    use std::{
        fmt::Write,
        fs,
        path::{Path, PathBuf},
    };

    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    /// The same as `digest` in `build.mjs`: every source as "path NUL content NUL", in byte order of the paths.
    #[test]
    fn assets_are_built_from_the_sources_as_they_stand() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = vec![root.join("build.mjs"), root.join("package-lock.json")];
        collect(&root.join("ts"), &mut files);
        let mut named: Vec<(String, PathBuf)> = files
            .into_iter()
            .map(|path| {
                let relative = path.strip_prefix(root).unwrap();
                let parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
                (parts.join("/"), path)
            })
            .collect();
        named.sort();
        let mut hasher = Sha256::new();
        for (name, path) in named {
            hasher.update(name);
            hasher.update([0]);
            hasher.update(fs::read(path).unwrap());
            hasher.update([0]);
        }
        let digest = hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        assert_eq!(
            digest,
            include_str!("../assets/digest.txt").trim(),
            "run `npm ci && npm run build` in crates/client"
        );
    }

    #[test]
    fn scripts_are_whole() {
        use super::{CLIENT, DIAGNOSTICS, LOADER, WORKER, WORKER_OFF};
        for script in [LOADER, CLIENT, DIAGNOSTICS, WORKER, WORKER_OFF] {
            assert!(script.ends_with('\n') && !script.contains("sourceMappingURL"));
        }
    }
}
