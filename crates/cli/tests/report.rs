//! `manyhands report`: the same figures in four forms, of what a process wrote before it ended.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

use manyhands_testkit::{Server, experiment, until};

fn report(state: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands"));
    command.arg("report").arg("--state").arg(state).args(args);
    command.output().unwrap()
}

fn said(state: &Path, args: &[&str]) -> String {
    let output = report(state, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A site that was visited once, and has ended.
async fn visited(top: &Path) -> std::path::PathBuf {
    let (root, state) = (top.join("www"), top.join("state"));
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a.iso"), vec![7; 100_000]).unwrap();
    let server = Server::serve(&root, &state, &experiment("a salt of ours"));
    until("the file to be shared", || async {
        (server.reserved("manifest/a.iso").await.status == 200).then_some(())
    })
    .await;
    server.get("/a.iso", &[]).await;
    until("it to be written", || async {
        let csv = server.reserved("experiment.csv").await;
        String::from_utf8(csv.body).unwrap().contains(",100000,").then_some(())
    })
    .await;
    server.kill();
    state
}

#[tokio::test]
async fn one_experiment_in_every_form() {
    let top = tempfile::tempdir().unwrap();
    let state = visited(top.path()).await;
    let text = said(&state, &[]);
    assert!(text.contains("Not enough data yet"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let html = said(&state, &["--html"]);
    assert!(
        html.to_lowercase().starts_with("<!doctype html>") && html.contains("Not enough data yet")
    );
    for form in [&text, &html] {
        // Percent are in the style sheet, too.
        let said = form.split("</style>").last().unwrap();
        assert!(!said.contains(" %"), "a figure where there is none: {said}");
    }
    let json: serde_json::Value = serde_json::from_str(&said(&state, &["--json"])).unwrap();
    assert_eq!((&json["v"], &json["verdict"]), (&1.into(), &"not_enough_data".into()));
    assert!(json["estimate"].is_null() && json["money"].is_null());
    let csv = said(&state, &["--csv"]);
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().starts_with("experiment,block,arm,unit,demand,"));
    assert!(lines.next().unwrap().contains(",/a.iso,"));
    // Of a time before there is nothing, and that is no error.
    assert_eq!(said(&state, &["--csv", "--until", "2020-01-01"]).lines().count(), 1);
}

#[tokio::test]
async fn what_can_not_be_reported_is_one_line_with_a_remedy() {
    let top = tempfile::tempdir().unwrap();
    let empty = top.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    std::fs::create_dir(top.path().join("bad")).unwrap();
    std::fs::write(top.path().join("bad/experiment.sqlite"), "no database ".repeat(200)).unwrap();
    for (state, args, remedy) in [
        (&empty, &[][..], "set [experiment] design"),
        (&top.path().join("bad"), &[], "move it away"),
        (&empty, &["--from", "2026-11-02", "--until", "2026-11-01"], "--from a day before"),
    ] {
        let output = report(state, args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.contains(remedy), "{error}");
    }
    assert_eq!(report(&empty, &["--from", "yesterday"]).status.code(), Some(2));
    assert_eq!(report(&empty, &["--json", "--csv"]).status.code(), Some(2));
}
