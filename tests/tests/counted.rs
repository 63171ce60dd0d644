//! What the server counts is what was sent: every octet of a completed transfer, and of an aborted one what was
//! delivered and at most the buffers on its way.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use manyhands_testkit::{Client, Server, experiment, until};

const MIB: u64 = 1 << 20;
/// What the two ends of a loopback connection may hold between them, and the server's own buffers.
const BUFFERS: u64 = 16 * MIB;

/// A line of `experiment.csv`, by its column.
type Unit = HashMap<String, String>;

async fn units(server: &Server) -> Vec<Unit> {
    let answer = server.reserved("experiment.csv").await;
    if answer.status == 404 {
        return Vec::new();
    }
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let text = String::from_utf8(answer.body).unwrap();
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').map(str::to_owned).collect();
    lines
        .map(|line| names.iter().cloned().zip(line.split(',').map(str::to_owned)).collect())
        .collect()
}

fn sum(units: &[Unit], path: &str, column: &str) -> u64 {
    let of_path = units.iter().filter(|unit| unit["unit"] == path);
    of_path.map(|unit| unit[column].parse::<u64>().unwrap()).sum()
}

async fn settled(server: &Server, path: &str, column: &str, expected: u64) {
    until(&format!("{column} of {path} to be {expected}"), || async {
        (sum(&units(server).await, path, column) >= expected).then_some(())
    })
    .await;
    assert_eq!(sum(&units(server).await, path, column), expected, "{column} of {path}");
}

async fn shared(server: &Server, path: &str) {
    until("the file to be shared", || async {
        let answer = server.reserved(&format!("manifest{path}?again")).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

fn directory(top: &Path, files: &[(&str, u64)]) -> PathBuf {
    let root = top.join("www");
    std::fs::create_dir_all(&root).unwrap();
    for (name, length) in files {
        std::fs::File::create(root.join(name)).unwrap().set_len(*length).unwrap();
    }
    root
}

#[tokio::test]
async fn completed_transfers_are_counted_to_the_octet() {
    let top = tempfile::tempdir().unwrap();
    let root = directory(top.path(), &[("a.iso", 5 * MIB + 7), ("b.iso", MIB)]);
    let server = Server::serve(&root, &top.path().join("state"), &experiment("a salt of ours"));
    shared(&server, "/a.iso").await;
    shared(&server, "/b.iso").await;
    let mut delivered = 0;
    let mut client = server.connect().await;
    for range in ["bytes=0-0", "bytes=100-1048675", "bytes=-5", "bytes=5242880-"] {
        let answer = client.get("/a.iso", &[("range", range)]).await.unwrap();
        assert_eq!(answer.status, 206);
        delivered += answer.body.len() as u64;
    }
    delivered += client.get("/a.iso", &[]).await.unwrap().body.len() as u64;
    // No body: no octets, though it is a request.
    client.ask("HEAD", "/a.iso", &[]).await.unwrap();
    client.head(true).await.unwrap();
    let etag = client.get("/b.iso", &[]).await.unwrap().header("etag").unwrap().to_owned();
    assert_eq!(client.get("/b.iso", &[("if-none-match", &etag)]).await.unwrap().status, 304);
    settled(&server, "/a.iso", "origin_bytes", delivered).await;
    settled(&server, "/b.iso", "origin_bytes", MIB).await;
    let counted = units(&server).await;
    assert_eq!(sum(&counted, "/a.iso", "requests"), 5);
    assert_eq!(sum(&counted, "/a.iso", "aborted"), 0);
    assert_eq!(
        sum(&counted, "/a.iso", "demand"),
        0,
        "only the manifest shows that a page wants it"
    );
}

#[tokio::test]
async fn an_aborted_transfer_counts_what_was_delivered_and_at_most_the_buffers() {
    const LENGTH: u64 = 256 * MIB;
    let top = tempfile::tempdir().unwrap();
    let root = directory(top.path(), &[("a.iso", LENGTH)]);
    let server = Server::serve(&root, &top.path().join("state"), &experiment("a salt of ours"));
    shared(&server, "/a.iso").await;
    let mut delivered = 0;
    for _ in 0..3 {
        let mut client = server.connect_narrow().await;
        client.ask("GET", "/a.iso", &[]).await.unwrap();
        client.head(false).await.unwrap();
        let mut got = 0;
        while got < 10 * MIB {
            got += client.part().await.unwrap().unwrap().len() as u64;
        }
        delivered += got;
    }
    settled(&server, "/a.iso", "aborted", 3).await;
    let counted = sum(&units(&server).await, "/a.iso", "origin_bytes");
    assert!((delivered..delivered + 3 * BUFFERS).contains(&counted), "{counted} for {delivered}");
}

#[tokio::test]
async fn a_page_view_wants_an_asset_once_whoever_is_held_out() {
    let top = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..40).map(|number| format!("{number}.iso")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), MIB)).collect();
    let root = directory(top.path(), &files);
    let mut settings = experiment("a salt of ours");
    settings.push_str("holdout = 5000\n");
    let server = Server::serve(&root, &top.path().join("state"), &settings);
    let mut held_out = 0;
    for name in &names {
        shared(&server, &format!("/{name}")).await;
        let first = server.reserved(&format!("manifest/{name}")).await;
        held_out += usize::from(first.header("manyhands-swarm") == Some("off"));
        // A client that asks again says so, and whoever asks for the head alone wants nothing.
        server.reserved(&format!("manifest/{name}?again")).await;
        let mut client = server.connect().await;
        let target = format!("/.well-known/manyhands/manifest/{name}");
        client.ask("HEAD", &target, &[]).await.unwrap();
        client.head(true).await.unwrap();
    }
    for name in &names {
        settled(&server, &format!("/{name}"), "demand", 1).await;
        settled(&server, &format!("/{name}"), "demand_bytes", MIB).await;
    }
    let counted = units(&server).await;
    let http = counted.iter().filter(|unit| unit["arm"] == "http").count();
    assert_eq!(http, held_out, "what the manifest says and what is counted is one");
    assert!((8..33).contains(&held_out), "half of 40: {held_out}");
    // In either arm the manifest itself is overhead.
    assert!(counted.iter().all(|unit| unit["overhead_bytes"].parse::<u64>().unwrap() > 100));
}

#[tokio::test]
async fn what_a_stranger_writes_into_an_address_is_no_unit() {
    let top = tempfile::tempdir().unwrap();
    let root = directory(top.path(), &[("a.iso", MIB)]);
    let server = Server::serve(&root, &top.path().join("state"), &experiment("a salt of ours"));
    shared(&server, "/a.iso").await;
    let mut client = server.connect().await;
    for (number, method) in (0..90).zip(["GET", "POST", "OPTIONS"].into_iter().cycle()) {
        let target = format!("/.well-known/manyhands/manifest/{number}.iso");
        client.ask(method, &target, &[("content-length", "0")]).await.unwrap();
        assert!(matches!(client.answer().await.unwrap().status, 404 | 405));
    }
    server.get("/a.iso", &[]).await;
    settled(&server, "/a.iso", "origin_bytes", MIB).await;
    let counted = units(&server).await;
    assert!(counted.iter().all(|unit| unit["unit"] == "/a.iso"), "{counted:?}");
}

#[tokio::test]
async fn a_database_that_is_broken_breaks_nothing_else() {
    let top = tempfile::tempdir().unwrap();
    let root = directory(top.path(), &[("a.iso", MIB)]);
    let state = top.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let file = state.join("experiment.sqlite");
    std::fs::write(&file, "this is no database, and long enough to be taken for one".repeat(100))
        .unwrap();
    let server = Server::serve(&root, &state, &experiment("a salt of ours"));
    shared(&server, "/a.iso").await;
    assert_eq!(server.get("/a.iso", &[]).await.body.len() as u64, MIB);
    let page = until("the dashboard to say so", || async {
        let answer = server.reserved("dashboard").await;
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).unwrap();
        text.contains("No figure can be shown now").then_some(text)
    })
    .await;
    assert!(page.contains("experiment.sqlite") && page.contains("Forget a file"), "{page}");
    assert_eq!(server.reserved("experiment.json").await.status, 500);
    // Moved away, it is begun anew, with all that was counted meanwhile.
    std::fs::rename(&file, state.join("damaged")).unwrap();
    settled(&server, "/a.iso", "origin_bytes", MIB).await;
}

#[tokio::test]
async fn robots_are_in_no_arm_and_are_counted_apart() {
    let top = tempfile::tempdir().unwrap();
    let root = directory(top.path(), &[("a.iso", MIB)]);
    let server = Server::serve(&root, &top.path().join("state"), &experiment("a salt of ours"));
    shared(&server, "/a.iso").await;
    let googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let mut client = server.connect().await;
    client.get("/a.iso", &[("user-agent", googlebot)]).await.unwrap();
    client.get("/a.iso", &[("user-agent", "Wget/1.21.3")]).await.unwrap();
    settled(&server, "/a.iso", "origin_bytes", MIB).await;
    let metrics = String::from_utf8(server.reserved("metrics").await.body).unwrap();
    let line = |name: &str| {
        let found = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        found.trim().parse::<u64>().unwrap()
    };
    assert_eq!(line("manyhands_robot_bytes_total"), MIB);
    assert_eq!(line("manyhands_robot_requests_total"), 1);
    assert_eq!(line("manyhands_sent_bytes_total{kind=\"asset_shared\"}"), 2 * MIB);
    assert!(line("manyhands_arm_origin_bytes_total{arm=\"p2p\"}") <= MIB);
}

#[tokio::test]
async fn in_the_visitors_design_a_bucket_gets_what_its_arm_has() {
    let top = tempfile::tempdir().unwrap();
    let root = directory(top.path(), &[("a.iso", MIB)]);
    std::fs::write(root.join("index.html"), "<!doctype html><title>x</title><p>x").unwrap();
    let settings = experiment("a salt of ours").replace("crossover", "visitors")
        + "[consent]\nmode = \"notice\"\n";
    let server = Server::serve(&root, &top.path().join("state"), &settings);
    shared(&server, "/a.iso").await;
    let mut arms: HashMap<String, usize> = HashMap::new();
    let mut client = server.connect().await;
    for bucket in 0..1_024 {
        let cookie = format!("manyhands_b={bucket}");
        let fields = [("cookie", cookie.as_str())];
        let answer = client.get("/.well-known/manyhands/manifest/a.iso", &fields).await.unwrap();
        let off = answer.header("manyhands-swarm") == Some("off");
        assert!(answer.header("cache-control").unwrap().starts_with("private"));
        let site = client.get("/.well-known/manyhands/site.json", &fields).await.unwrap().json();
        assert_eq!(site["experiment"], "visitors");
        let arm = match (off, site["disabled"].as_bool().unwrap()) {
            (true, true) => "untouched",
            (true, false) => "http",
            (false, false) => "p2p",
            (false, true) => panic!("{bucket}: told to share and to be off"),
        };
        *arms.entry(arm.to_owned()).or_default() += 1;
        let page = [fields[0], ("accept", "text/html")];
        assert_eq!(client.get("/", &page).await.unwrap().status, 200);
        client.get("/a.iso", &[fields[0], ("range", "bytes=0-99")]).await.unwrap();
    }
    assert!((25..80).contains(&arms["untouched"]) && (25..80).contains(&arms["http"]), "{arms:?}");
    // Without a cookie: full deployment, and outside the estimate.
    let mut other = Client::connect(server.address, "127.0.0.1:1").await.unwrap();
    let answer = other.get("/.well-known/manyhands/manifest/a.iso", &[]).await.unwrap();
    assert_ne!(answer.header("manyhands-swarm"), Some("off"));
    other.get("/a.iso", &[]).await.unwrap();
    until("all to be written", || async {
        let all = units(&server).await;
        let octets = all.iter().map(|unit| unit["origin_bytes"].parse::<u64>().unwrap());
        (octets.sum::<u64>() == 1_024 * 100).then_some(())
    })
    .await;
    let counted = units(&server).await;
    for (arm, buckets) in arms {
        let of_arm: Vec<_> = counted.iter().filter(|unit| unit["arm"] == arm).collect();
        assert_eq!(of_arm.len(), buckets, "{arm}");
        assert!(of_arm.iter().all(|unit| unit["demand"] == "1" && unit["origin_bytes"] == "100"));
    }
}
