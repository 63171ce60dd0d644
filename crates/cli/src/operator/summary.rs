//! `status.json` for people.

use std::fmt::Write;

use serde::Deserialize;

use crate::doctor::grouped;
use crate::plain::printable as clean;

/// As much of it as is shown; a process of another version may say less, or more.
#[derive(Deserialize)]
struct Status {
    /// `on`, `off` or `disabled`.
    #[serde(default)]
    sharing: String,
    pages: u64,
    asset_answers: u64,
    #[serde(default)]
    passed_through: Vec<Passed>,
    #[serde(default)]
    assets: Vec<Asset>,
    /// Files that are known beside those listed.
    #[serde(default)]
    omitted: u64,
    #[serde(default)]
    pending: u64,
    #[serde(default)]
    connections: u64,
}

#[derive(Deserialize)]
struct Passed {
    reason: String,
    #[serde(default)]
    sentence: String,
    answers: u64,
}

#[derive(Deserialize)]
struct Asset {
    path: String,
    #[serde(default)]
    swarm: String,
    #[serde(default)]
    state: String,
    /// Why it is not shared.
    #[serde(default)]
    sentence: String,
}

pub(super) fn of(json: &[u8]) -> Result<String, serde_json::Error> {
    let mut status: Status = serde_json::from_slice(json)?;
    let mut out = String::new();
    match status.sharing.as_str() {
        "off" => out.push_str("sharing is switched off, until the operator switches it on\n"),
        "disabled" => {
            out.push_str("sharing is disabled in the configuration: [site] disabled = true\n");
        }
        _ => {}
    }
    let _ = writeln!(
        out,
        "pages tagged: {}; answers with files that may be shared: {}; visitors at the tracker: {}",
        grouped(status.pages),
        grouped(status.asset_answers),
        grouped(status.connections)
    );
    let _ = writeln!(
        out,
        "files known: {}; waiting or being hashed: {}",
        grouped((status.assets.len() as u64).saturating_add(status.omitted)),
        grouped(status.pending)
    );
    let widest = status.assets.iter().map(|asset| asset.path.chars().count()).max().unwrap_or(0);
    for asset in &status.assets {
        let (path, state, swarm) = (clean(&asset.path), clean(&asset.state), clean(&asset.swarm));
        let said: Vec<_> = [state, format!("swarm {swarm}"), clean(&asset.sentence)]
            .into_iter()
            .filter(|text| !text.is_empty() && text != "swarm ")
            .collect();
        let _ = writeln!(out, "  {path:widest$}  {}", said.join(", "));
    }
    if status.omitted > 0 {
        let _ = writeln!(out, "  and {} more", grouped(status.omitted));
    }
    status.passed_through.sort_by_key(|passed| std::cmp::Reverse(passed.answers));
    if !status.passed_through.is_empty() {
        let _ = writeln!(out, "answers left alone, and why");
    }
    for passed in &status.passed_through {
        let count = grouped(passed.answers);
        let why = if passed.sentence.is_empty() { &passed.reason } else { &passed.sentence };
        let _ = writeln!(out, "  {count:>9}  {}", clean(why));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_readable() {
        let json = r#"{"pages": 1200, "asset_answers": 3, "pending": 1, "connections": 2, "new": [], "omitted": 3,
            "passed_through": [
                {"reason": "type", "sentence": "Files of this type are not shared.", "answers": 5},
                {"reason": "query", "sentence": "The URL has a query.", "answers": 70}],
            "assets": [{"path": "/a.iso", "swarm": "1/2"}, {"path": "/longer.iso", "state": "refused", "sentence": "It changes too often."}]}"#;
        assert_eq!(
            of(json.as_bytes()).unwrap(),
            "pages tagged: 1,200; answers with files that may be shared: 3; visitors at the tracker: 2\n\
             files known: 5; waiting or being hashed: 1\n\
             \x20 /a.iso       swarm 1/2\n\
             \x20 /longer.iso  refused, It changes too often.\n\
             \x20 and 3 more\n\
             answers left alone, and why\n\
             \x20        70  The URL has a query.\n\
             \x20         5  Files of this type are not shared.\n"
        );
        assert!(of(b"[]").is_err());
        for (sharing, said) in [
            ("on", "pages tagged: 1;"),
            ("off", "sharing is switched off, "),
            ("disabled", "sharing is disabled in the configuration"),
        ] {
            let json = format!(r#"{{"sharing": "{sharing}", "pages": 1, "asset_answers": 0}}"#);
            assert!(of(json.as_bytes()).unwrap().starts_with(said), "{sharing}");
        }
    }
}
