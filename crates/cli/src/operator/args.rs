use std::path::PathBuf;

use clap::Args;

use manyhands_metainfo::AssetPath;

use crate::doctor::{ReachArgs, Target};

/// Which running process to talk to, and how to prove that the operator does.
#[derive(Debug, Args)]
pub(crate) struct ProcessArgs {
    /// Where it answers; without it [site] origin of --config, else http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    pub(crate) site: Option<Target>,
    /// Its state directory, with operator.key ([state] dir). The key is sent to another machine only when this
    /// or --config is given, and by https only
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Its configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// Paths such as /a.iso, or all below one: /old/... (or '/old/*')
    #[arg(required = true, value_parser = pattern)]
    pub(crate) paths: Vec<String>,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print what the process says as it is (JSON)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// What the process understands: a path, or a prefix with a `*` at its end.
fn pattern(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!(
            "a path starts with a slash: write /{}",
            text.trim_start_matches("./")
        ));
    }
    let pattern = match text.strip_suffix("...") {
        Some(prefix) if prefix.ends_with('/') => format!("{prefix}*"),
        _ => text.to_owned(),
    };
    let prefix = pattern.strip_suffix('*');
    if prefix.unwrap_or(&pattern).contains(['*', '?', '#']) {
        return Err("one * at the end stands for all below; a path has no ? and no #".to_owned());
    }
    // As the process reads it: what it would refuse is found before anything is purged.
    let path = prefix.map_or_else(|| pattern.clone(), |prefix| format!("{prefix}x"));
    let read = AssetPath::parse(&path).map_err(|error| error.to_string())?;
    if prefix.is_some() && !read.as_str().ends_with('x') {
        return Err("what stands before the * is no beginning of a path".to_owned());
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_prefixes() {
        for (text, is) in [
            ("/a.iso", "/a.iso"),
            ("/old/...", "/old/*"),
            ("/old/*", "/old/*"),
            ("/a...", "/a..."),
            ("/*", "/*"),
        ] {
            assert_eq!(pattern(text).as_deref(), Ok(is));
        }
        for bad in [
            "",
            "a.iso",
            "/a*b",
            "/a?b",
            "/**",
            "//b",
            "/a%",
            "/a%*",
            "/../a",
            "https://example.org/a",
        ] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }
}
