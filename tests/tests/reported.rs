//! What browsers report of themselves: taken once, within bounds, and nothing but a claim.
#![allow(clippy::unwrap_used, reason = "tests")]

use manyhands_testkit::{Answer, Server, experiment, until};
use serde_json::Value;

const LENGTH: u64 = 1 << 20;

struct Site {
    server: Server,
    _top: tempfile::TempDir,
}

impl Site {
    async fn start(settings: &str) -> Self {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("www");
        std::fs::create_dir(&root).unwrap();
        std::fs::File::create(root.join("a.iso")).unwrap().set_len(LENGTH).unwrap();
        let server = Server::serve(&root, &top.path().join("state"), settings);
        until("the file to be shared", || async {
            (server.reserved("manifest/a.iso?again").await.status == 200).then_some(())
        })
        .await;
        Self { server, _top: top }
    }

    async fn token(&self) -> String {
        let answer = self.server.reserved("beacon").await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    async fn report(&self, token: &str, body: &str) -> Answer {
        let mut client = self.server.connect().await;
        let length = body.len().to_string();
        let target = format!("/.well-known/manyhands/beacon?token={token}");
        client.ask("POST", &target, &[("content-length", &length)]).await.unwrap();
        // Whoever refuses by the head does not wait for the body.
        let _refused = client.send(body.as_bytes()).await;
        client.answer().await.unwrap()
    }

    async fn analysis(&self) -> Value {
        until("sums to be written", || async {
            let answer = self.server.reserved("experiment.json").await;
            (answer.status == 200).then(|| answer.json())
        })
        .await
    }
}

#[tokio::test]
async fn a_report_is_taken_once_and_within_bounds() {
    let site = Site::start(&experiment("a salt of ours")).await;
    let good = r#"{"v":1,"assets":[],"lcp":1200,"uploaded":0}"#;
    let token = site.token().await;
    for (body, status) in [
        ("", 400),
        ("[]", 400),
        (r#"{"v":2,"assets":[]}"#, 400),
        (&format!(r#"{{"v":1,"lcp":1,"x":"{}"}}"#, "y".repeat(5_000)), 413),
        // What was refused used nothing up.
        (good, 204),
        (good, 409),
    ] {
        assert_eq!(site.report(&token, body).await.status, status, "{body}");
    }
    for forged in ["", "x", &token.replacen('.', ".1", 1), &format!("{token}0")] {
        assert_eq!(site.report(forged, good).await.status, 403, "{forged}");
    }
    assert_ne!(site.token().await, token);
}

#[tokio::test]
async fn chunks_without_a_length_are_read_up_to_the_bound() {
    let site = Site::start(&experiment("a salt of ours")).await;
    let token = site.token().await;
    let mut client = site.server.connect().await;
    let target = format!("/.well-known/manyhands/beacon?token={token}");
    client.ask("POST", &target, &[("transfer-encoding", "chunked")]).await.unwrap();
    let chunk = format!("400\r\n{}\r\n", "z".repeat(0x400));
    for _ in 0..6 {
        let _refused = client.send(chunk.as_bytes()).await;
    }
    let _refused = client.send(b"0\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 413);
    assert_eq!(site.report(&token, r#"{"v":1}"#).await.status, 204);
}

#[tokio::test]
async fn where_no_experiment_runs_nobody_is_asked_to_report() {
    let site = Site::start("[assets]\nmin_size = 1\n").await;
    assert_eq!(site.server.reserved("beacon").await.status, 404);
    assert_eq!(site.report("x", "{}").await.status, 404);
    assert_eq!(site.server.reserved("experiment.json").await.status, 404);
    assert_eq!(site.server.reserved("site.json").await.json()["experiment"], Value::Null);
}

#[tokio::test]
async fn absurd_claims_are_shown_as_claims_and_move_nothing() {
    let site = Site::start(&experiment("a salt of ours")).await;
    for _ in 0..3 {
        site.server.reserved("manifest/a.iso").await;
        site.server.get("/a.iso", &[]).await;
    }
    let counted = |analysis: &Value| {
        let arms = analysis["arms"].as_array().unwrap().clone();
        let sums = arms.iter().map(|arm| {
            ["demand", "requests", "origin_bytes"].map(|name| arm[name].as_u64().unwrap())
        });
        sums.collect::<Vec<_>>()
    };
    let before = until("what was sent to be analysed", || async {
        let analysis = site.analysis().await;
        let sent: u64 = counted(&analysis).iter().map(|sums| sums[2]).sum();
        (sent == 3 * LENGTH).then_some(analysis)
    })
    .await;
    let absurd = r#"{"v":1,"lcp":9e9,"inp":-5,"uploaded":1e300,"assets":[{"path":"/a.iso","demand":true,
        "first":0.001,"done":0.001,"peers":1e300,"origin":-1,"wasted":1e300,"stalls":1e9,"fallback":"x"}]}"#;
    for _ in 0..50 {
        assert_eq!(site.report(&site.token().await, absurd).await.status, 204);
    }
    let after = until("claims to be analysed", || async {
        let analysis = site.analysis().await;
        let arms = analysis["arms"].as_array().unwrap().clone();
        let reports = arms.iter().map(|arm| arm["claimed"]["reports"].as_u64().unwrap());
        (reports.sum::<u64>() == 50).then_some(analysis)
    })
    .await;
    assert_eq!(counted(&after), counted(&before));
    for member in ["verdict", "estimate", "money"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    // Clamped to what one visit could have had.
    let arms = after["arms"].as_array().unwrap();
    let peers: u64 = arms.iter().map(|arm| arm["claimed"]["peer_bytes"].as_u64().unwrap()).sum();
    assert_eq!(peers, 50 * 4 * LENGTH);
}
