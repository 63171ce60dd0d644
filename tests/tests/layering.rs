//! The layers of the workspace: which crate may be built upon which. `docs/architecture.md` says why;
//! this table is what holds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use serde_json::Value;

/// Every crate, and the crates of this workspace that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    // L0 and L1: no IO
    ("manyhands-metainfo", &[]),
    ("manyhands-protocol", &["manyhands-metainfo"]),
    ("manyhands-page", &["manyhands-metainfo"]),
    ("manyhands-experiment", &[]),
    // Between the daemon and a web server's module: documents of all three.
    ("manyhands-bridge", &["manyhands-experiment", "manyhands-metainfo", "manyhands-page"]),
    ("manyhands-catalog", &["manyhands-metainfo", "manyhands-page"]),
    // L2
    ("manyhands-client", &[]),
    ("manyhands-origin", &["manyhands-metainfo", "manyhands-page"]),
    ("manyhands-peer", &["manyhands-metainfo", "manyhands-protocol"]),
    (
        "manyhands-server",
        &[
            "manyhands-bridge",
            "manyhands-catalog",
            "manyhands-client",
            "manyhands-experiment",
            "manyhands-metainfo",
            "manyhands-page",
            "manyhands-protocol",
        ],
    ),
    // L3
    ("manyhands", &["manyhands-page", "manyhands-server"]),
    ("manyhands-proxy", &["manyhands"]),
    ("manyhands-cli", ALL),
];

/// Every crate of the table. What is not published (tests, examples) needs no line: it may build upon
/// all of these, and none of these upon it.
const ALL: &[&str] = &[
    "manyhands",
    "manyhands-bridge",
    "manyhands-catalog",
    "manyhands-client",
    "manyhands-experiment",
    "manyhands-metainfo",
    "manyhands-origin",
    "manyhands-page",
    "manyhands-peer",
    "manyhands-protocol",
    "manyhands-proxy",
    "manyhands-server",
];

/// What is wrong with the workspace that `cargo metadata` describes, a sentence each. Dependencies
/// for tests are free; optional ones, those of one platform and those of build scripts count.
fn forbidden(metadata: &Value) -> Vec<String> {
    let mut sentences = Vec::new();
    for package in list(metadata, "packages") {
        let from = name(package);
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == from) else {
            if package["publish"].as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            sentences.push(format!("{from} has no layer yet: give it a line in this test"));
            continue;
        };
        for dependency in list(package, "dependencies") {
            // What comes from a registry has a source; what lies in this workspace has a path.
            let within = dependency["source"].is_null() && dependency["path"].is_string();
            let to = name(dependency);
            if within && dependency["kind"] != "dev" && !allowed.contains(&to) {
                sentences
                    .push(format!("{from} must not depend on {to}: its layer does not allow it"));
            }
        }
    }
    sentences
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list of {key}: {value}"))
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_else(|| panic!("no name: {value}"))
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn crates_depend_on_lower_layers_only() {
    let metadata = metadata();
    assert!(list(&metadata, "packages").len() > 10);
    let sentences = forbidden(&metadata);
    assert!(sentences.is_empty(), "\n{}\n", sentences.join("\n"));
}

/// The first command a newcomer pastes is `cargo run --release -- serve --demo`.
#[test]
fn cargo_run_means_the_command() {
    let metadata = metadata();
    let programs = list(&metadata, "packages").iter().filter(|it| it["default_run"].is_string());
    let programs: Vec<_> = programs.map(|it| (name(it), it["default_run"].as_str())).collect();
    assert_eq!(programs, [("manyhands-cli", Some("manyhands"))]);
}

#[test]
fn an_arrow_upwards_and_an_unknown_crate_are_found() {
    let metadata = serde_json::json!({"packages": [
        {"name": "manyhands-page", "dependencies": [
            {"name": "http", "source": "registry", "kind": null},
            {"name": "manyhands-metainfo", "source": null, "kind": null, "path": "/m"},
            {"name": "manyhands-server", "source": null, "kind": null, "path": "/s"},
            {"name": "manyhands-origin", "source": null, "kind": "dev", "path": "/o"},
            {"name": "manyhands-testkit", "source": null, "kind": "build", "path": "/t"},
        ]},
        {"name": "manyhands-new", "publish": null, "dependencies": []},
        {"name": "manyhands-testkit", "publish": [], "dependencies": [
            {"name": "manyhands-page", "source": null, "kind": null, "path": "/p"},
        ]},
    ]});
    assert_eq!(
        forbidden(&metadata),
        [
            "manyhands-page must not depend on manyhands-server: its layer does not allow it",
            "manyhands-page must not depend on manyhands-testkit: its layer does not allow it",
            "manyhands-new has no layer yet: give it a line in this test",
        ]
    );
}
