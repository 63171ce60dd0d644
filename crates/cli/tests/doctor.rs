//! What `manyhands doctor` says of real servers: verdict, reason, remedy, last line, exit code.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Answer, Asked, in_front, manyhands, origin};
use manyhands_proxy::{Listener, ServeOptions, TlsFiles, Upstream, UpstreamConfig};
use manyhands_testkit::{Site, content};
use serde_json::Value;

const PAGE: &str = "<!doctype html><html><head><title>t</title></head><body>\
    <a href=\"/big.zip\">the file</a></body></html>";
const ETAG: &str = "ETag: \"v1\"";
const ZIP: &str = "Content-Type: application/zip";
const LENGTH: usize = 2_000_000;

/// A report as JSON, and whether the command was happy.
struct Report(Value, bool);

impl Report {
    async fn of(url: &str, more: &[&str]) -> Self {
        let patience = if more.contains(&"--timeout") { &[][..] } else { &["--timeout", "5"] };
        let args = [&["doctor", url, "--json"], patience, more].concat();
        let output = manyhands(Path::new("."), &args).await;
        let json = serde_json::from_slice(&output.stdout);
        let json: Value = json.unwrap_or_else(|_| panic!("{output:?}"));
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "{output:?}");
        assert_eq!(json["verdict"]["ok"] == true, code == Some(0), "{json:#}");
        assert_eq!(json["v"], 1);
        for check in json["checks"].as_array().unwrap() {
            // Whatever stands in the way has a name and a remedy.
            let explained = check["reason"].is_string() && check["remedy"].is_string();
            let open = check["verdict"] == "ok" || check["verdict"] == "not_reached";
            assert!(open != explained, "{check:#}");
        }
        Self(json, code == Some(0))
    }

    async fn at(address: SocketAddr, path: &str) -> Self {
        Self::of(&format!("http://{address}{path}"), &[]).await
    }

    fn code(&self) -> &str {
        self.0["verdict"]["code"].as_str().unwrap()
    }

    fn line(&self) -> &str {
        self.0["verdict"]["text"].as_str().unwrap()
    }

    fn check(&self, section: &str, name: &str) -> &Value {
        let checks = self.0["checks"].as_array().unwrap();
        let found =
            checks.iter().find(|check| check["section"] == section && check["name"] == name);
        found.unwrap_or_else(|| panic!("no {section} {name} in {:#}", self.0))
    }

    fn verdict(&self, section: &str, name: &str) -> &str {
        self.check(section, name)["verdict"].as_str().unwrap()
    }

    fn reason(&self, section: &str, name: &str) -> &str {
        self.check(section, name)["reason"].as_str().unwrap_or("none")
    }

    /// Every check that stands in the way or could be better, by its reason.
    fn reasons(&self) -> Vec<&str> {
        let checks = self.0["checks"].as_array().unwrap();
        checks.iter().filter_map(|check| check["reason"].as_str()).collect()
    }
}

fn big(asked: &Asked, fields: &str, etag: &str) -> Answer {
    Answer::file(asked, fields, etag, &content(0, LENGTH))
}

fn files() -> tempfile::TempDir {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("big.zip"), content(0, LENGTH)).unwrap();
    std::fs::write(files.path().join("index.html"), PAGE).unwrap();
    files
}

/// A site with a shared file.
async fn sharing() -> (tempfile::TempDir, Site) {
    let files = files();
    let site = Site::serve(files.path(), |_| {}).await;
    site.get("/big.zip", &[]).await;
    site.manifest("/big.zip").await.unwrap();
    (files, site)
}

#[tokio::test]
async fn a_shared_file() {
    let (_files, site) = sharing().await;
    let report = Report::at(site.address, "/big.zip").await;
    assert!(report.1);
    assert_eq!((report.code(), report.line()), ("shared", "shared: 2,000,000 bytes, swarm 0/0"));
    assert_eq!(report.0["kind"], "asset");
    assert_eq!(report.reasons(), [""; 0], "{:#}", report.0);
    for (section, name) in [
        ("asset", "range"),
        ("asset", "if_range"),
        ("asset", "same_again"),
        ("gates", "validator"),
        ("metainfo", "manifest"),
        ("metainfo", "torrent"),
        ("metainfo", "magnet"),
        ("metainfo", "digests"),
        ("metainfo", "web_seed"),
        ("metainfo", "fields"),
        ("proof", "middle_unit"),
        ("proof", "last_unit"),
        ("peers", "tracker"),
    ] {
        assert_eq!(report.verdict(section, name), "ok", "{name}");
    }
}

#[tokio::test]
async fn a_file_that_nobody_wants_yet() {
    let files = files();
    let site = Site::serve(files.path(), |config| {
        (config.admission.requests, config.admission.prefixes) = (3, 2);
    })
    .await;
    let report = Report::at(site.address, "/big.zip").await;
    assert!(!report.1);
    assert_eq!(report.code(), "eligible");
    assert!(report.line().contains("needs 3 requests from 2 networks (by default)"));
    assert_eq!(report.verdict("metainfo", "manifest"), "not_reached");
    assert_eq!(report.reasons(), [""; 0], "{:#}", report.0);

    let config = files.path().join("site.toml");
    std::fs::write(&config, "[admission]\nrequests = 7\nprefixes = 1\n").unwrap();
    let url = format!("http://{}/big.zip", site.address);
    let report = Report::of(&url, &["--config", config.to_str().unwrap()]).await;
    assert!(report.line().contains("needs 7 requests from 1 network, "), "{}", report.line());
}

#[tokio::test]
async fn a_page_with_the_script() {
    let (_files, site) = sharing().await;
    let report = Report::at(site.address, "/").await;
    assert!(report.1, "{:#}", report.0);
    assert_eq!((report.code(), &report.0["kind"]), ("tagged", &"page".into()));
    assert_eq!(report.reasons(), [""; 0], "{:#}", report.0);
    let tag = report.check("page", "tag")["says"].as_str().unwrap();
    assert_eq!(tag, "there once, at byte 27, in the head");
    assert!(report.check("page", "links")["says"].as_str().unwrap().contains("/big.zip"));
}

#[tokio::test]
async fn a_page_that_does_not_admit_the_script() {
    for (policy, gate, reason) in [
        ("script-src https://cdn.example", "csp_script", "csp_script"),
        ("connect-src 'none'", "csp_connect", "csp_connect"),
        ("worker-src 'none'", "csp_worker", "csp_worker"),
    ] {
        let fields = format!("Content-Type: text/html\nContent-Security-Policy: {policy}");
        let site = origin(move |_| Answer::new("200 OK", &fields, PAGE)).await;
        let site = Site::proxy(site, |_| {}).await;
        let report = Report::at(site.address, "/").await;
        assert_eq!(report.code(), "not_tagged");
        assert_eq!(report.verdict("gates", gate), "refused");
        assert_eq!(report.reason("gates", gate), reason);
        assert!(report.line().contains("'self'"), "{}", report.line());
        assert_eq!(report.verdict("page", "tag"), "not_reached");
    }
}

#[tokio::test]
async fn a_page_that_has_the_script_but_not_the_right_to_run_it() {
    let tag = "<script defer src=/.well-known/manyhands/loader.js></script>";
    let page = PAGE.replace("<title>", &format!("{tag}<title>"));
    let head = "Content-Type: text/html\nCache-Control: no-transform";
    for (more, code) in
        [("", "tagged"), ("\nContent-Security-Policy: connect-src 'none'", "tagged_in_vain")]
    {
        let (page, fields) = (page.clone(), format!("{head}{more}"));
        let site = origin(move |_| Answer::new("200 OK", &fields, page.clone())).await;
        let site = Site::proxy(site, |_| {}).await;
        let report = Report::at(site.address, "/").await;
        assert_eq!(report.code(), code, "{:#}", report.0);
        // no-transform keeps Manyhands from tagging, which nobody needs here.
        assert_eq!(report.verdict("gates", "transform"), "warning");
    }
}

/// What the server behind answers to the same request.
fn passed_on(asked: &Asked, behind: SocketAddr) -> Answer {
    let mut stream = std::net::TcpStream::connect(behind).unwrap();
    let fields: String = asked
        .fields
        .iter()
        .filter(|(name, _)| name != "host" && name != "connection")
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!("GET {} HTTP/1.1\r\nHost: {behind}\r\nConnection: close\r\n", asked.target);
    stream.write_all(format!("{head}{fields}\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    Answer(format!("{}\r\n", String::from_utf8_lossy(&bytes[..end])), bytes[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_do_not_pass_through_the_layer() {
    let (_files, site) = sharing().await;
    let behind = site.address;
    // A proxy that sends the prefix to Manyhands and pages straight to the application.
    let front = origin(move |asked: &Asked| {
        if !asked.target.starts_with("/.well-known/manyhands/") {
            return Answer::new("200 OK", "Content-Type: text/html", PAGE);
        }
        // Blocks while the site, in the same runtime, answers.
        tokio::task::block_in_place(|| passed_on(asked, behind))
    })
    .await;
    let report = Report::at(front, "/").await;
    assert_eq!(report.code(), "not_tagged");
    assert_eq!(report.reason("page", "tag"), "not_injected");
    let remedy = report.check("page", "tag")["remedy"].as_str().unwrap();
    assert!(remedy.contains("pass through Manyhands"), "{remedy}");
}

#[tokio::test]
async fn a_page_that_is_no_document() {
    let site = origin(|_| Answer::new("200 OK", "Content-Type: text/html", "<p>a part")).await;
    let site = Site::proxy(site, |_| {}).await;
    let report = Report::at(site.address, "/").await;
    assert_eq!((report.code(), report.reason("page", "tag")), ("not_tagged", "no_place"));
}

#[tokio::test]
async fn files_that_are_not_for_everybody() {
    for (path, fields, etag, gate, reason) in [
        ("/a.zip", ZIP, "ETag: W/\"v1\"", "validator", "weak_etag"),
        ("/a.zip", ZIP, "X-None: x", "validator", "no_validator"),
        (
            "/a.zip",
            "Content-Type: application/zip\nSet-Cookie: a=b",
            ETAG,
            "set_cookie",
            "set_cookie",
        ),
        (
            "/a.zip",
            "Content-Type: application/zip\nCache-Control: private",
            ETAG,
            "cache_control",
            "private",
        ),
        ("/a.zip", "Content-Type: application/zip\nVary: Cookie", ETAG, "vary", "vary"),
        (
            "/a.zip",
            "Content-Type: application/zip\nContent-Encoding: gzip",
            ETAG,
            "encoding",
            "encoded",
        ),
        ("/a.zip?v=2", ZIP, ETAG, "query", "query"),
        ("/a.png", "Content-Type: image/png", ETAG, "type", "type"),
        ("/a", "Content-Type: application/octet-stream", ETAG, "extension", "extension"),
    ] {
        let bare = origin(move |asked| big(asked, fields, etag)).await;
        let report = Report::at(bare, path).await;
        assert_eq!(report.code(), "no_manyhands_not_eligible", "{reason}");
        assert_eq!(report.verdict("gates", gate), "refused", "{reason}");
        assert_eq!(report.reason("gates", gate), reason);

        let site = Site::proxy(bare, |_| {}).await;
        let report = Report::at(site.address, path).await;
        assert_eq!(report.code(), "not_shared", "{reason}");
        assert_eq!(report.reason("gates", gate), reason);
        let remedy = report.check("gates", gate)["remedy"].as_str().unwrap().to_lowercase();
        assert!(report.line().to_lowercase().contains(&remedy), "{}", report.line());
    }
}

#[tokio::test]
async fn what_the_running_site_shares_is_not_refused_by_default_settings() {
    let fields = "Content-Type: application/pdf";
    let bare = origin(move |asked| big(asked, fields, ETAG)).await;
    let site =
        Site::proxy(bare, |config| config.assets.types = vec!["application/pdf".into()]).await;
    site.get("/a.pdf", &[]).await;
    site.manifest("/a.pdf").await.unwrap();
    let report = Report::at(site.address, "/a.pdf").await;
    assert_eq!((report.code(), report.verdict("gates", "type")), ("shared", "warning"));
}

#[tokio::test]
async fn an_address_that_redirects() {
    let bare = origin(|asked| match asked.target.as_str() {
        "/latest.zip" => Answer::new("302 Found", "Location: files/v1.zip", ""),
        _ => big(asked, ZIP, ETAG),
    })
    .await;
    let site = Site::proxy(bare, |_| {}).await;
    let report = Report::at(site.address, "/latest.zip").await;
    assert_eq!(
        (report.verdict("reach", "redirect"), report.reason("asset", "address")),
        ("warning", "redirect")
    );
    assert!(!report.1);
    let to = format!("http://{}/files/v1.zip", site.address);
    assert!(report.line().contains(&to), "{}", report.line());

    let report = Report::of(&format!("http://{}/loop", endless().await), &[]).await;
    assert_eq!((report.code(), report.line().contains("8 redirects")), ("not_reached", true));
}

async fn endless() -> SocketAddr {
    origin(|asked| Answer::new("301 Moved", &format!("Location: {}x", asked.target), "")).await
}

#[tokio::test]
async fn ranges_that_are_not_exact() {
    // Compressed for browsers, whole for others.
    let compressing = origin(|asked| {
        let coded = asked.range().is_some()
            && asked.field("accept-encoding").is_some_and(|codings| codings.contains("gzip"));
        let coding = if coded { "\nContent-Encoding: gzip" } else { "" };
        big(asked, &format!("{ZIP}{coding}"), ETAG)
    })
    .await;
    let report = Report::at(compressing, "/a.zip").await;
    assert_eq!(report.verdict("asset", "range"), "ok");
    assert_eq!(report.reason("asset", "range_coding"), "range_compressed");
    assert!(report.line().contains("do not compress"), "{}", report.line());

    let whole =
        origin(|_| Answer::new("200 OK", &format!("{ZIP}\n{ETAG}"), content(0, LENGTH))).await;
    let report = Report::at(whole, "/a.zip").await;
    assert_eq!(report.reason("asset", "range"), "no_ranges");
    assert_eq!(report.verdict("asset", "if_range"), "not_reached");

    let forgetful = origin(|asked| {
        let mut asked = asked.clone();
        asked.fields.retain(|(name, _)| name != "if-range");
        big(&asked, ZIP, ETAG)
    })
    .await;
    let report = Report::at(forgetful, "/a.zip").await;
    assert_eq!(
        (report.reason("asset", "if_range"), report.verdict("asset", "if_range")),
        ("if_range_ignored", "warning")
    );

    let off_by_one = origin(|asked| {
        let mut answer = big(asked, ZIP, ETAG);
        answer.0 = answer.0.replace("bytes 0-0/", "bytes 0-1/");
        answer
    })
    .await;
    assert_eq!(Report::at(off_by_one, "/a.zip").await.reason("asset", "range"), "no_ranges");
}

#[tokio::test]
async fn servers_that_do_not_agree() {
    let turn = AtomicUsize::new(0);
    let balanced = origin(move |asked| {
        let server = turn.fetch_add(1, Ordering::Relaxed) % 2;
        big(asked, ZIP, &format!("ETag: \"server-{server}\""))
    })
    .await;
    let report = Report::at(balanced, "/a.zip").await;
    assert_eq!(report.reason("asset", "same_again"), "unstable_etag");
    assert!(report.line().contains("different ETags"), "{}", report.line());

    let lying = origin(|asked| match asked.method.as_str() {
        "HEAD" => Answer::new("200 OK", &format!("{ZIP}\nETag: \"other\""), ""),
        _ => big(asked, ZIP, ETAG),
    })
    .await;
    let report = Report::at(lying, "/a.zip").await;
    assert_eq!(
        (report.reason("asset", "head"), report.verdict("asset", "head")),
        ("head_differs", "warning")
    );
}

#[tokio::test]
async fn bytes_that_are_not_those_that_were_hashed() {
    let spoilt = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = spoilt.clone();
    let bare = origin(move |asked| {
        let mut bytes = content(0, LENGTH);
        if now.load(Ordering::Relaxed) {
            *bytes.last_mut().unwrap() ^= 1;
        }
        Answer::file(asked, ZIP, ETAG, &bytes)
    })
    .await;
    let site = Site::proxy(bare, |_| {}).await;
    site.get("/a.zip", &[]).await;
    site.manifest("/a.zip").await.unwrap();
    assert!(Report::at(site.address, "/a.zip").await.1);
    spoilt.store(true, Ordering::Relaxed);
    let report = Report::at(site.address, "/a.zip").await;
    assert_eq!(report.code(), "shared_in_vain");
    assert_eq!(report.verdict("proof", "middle_unit"), "ok");
    assert_eq!(report.reason("proof", "last_unit"), "unit_differs");
    assert!(report.line().contains("manyhands purge"), "{}", report.line());
}

#[tokio::test]
async fn a_proxy_in_front_that_drops_upgrade() {
    let (_files, site) = sharing().await;
    let hop = |line: &str| !line.starts_with("upgrade:") && !line.starts_with("connection:");
    let front = in_front(site.address, hop).await;
    // The torrents name the site's own origin: the proxy in front is another.
    for (path, code) in [("/big.zip", "shared_in_vain"), ("/", "tagged_in_vain")] {
        let report = Report::at(front, path).await;
        assert_eq!(report.reason("peers", "tracker"), "tracker_upgrade");
        assert!(
            report.check("peers", "tracker")["remedy"]
                .as_str()
                .unwrap()
                .contains("proxy_http_version")
        );
        assert_eq!(report.code(), code);
    }
    let transparent = in_front(site.address, |_| true).await;
    let report = Report::at(transparent, "/big.zip").await;
    assert_eq!(report.verdict("peers", "tracker"), "ok");
}

#[tokio::test]
async fn stun_is_asked_where_it_is_configured() {
    let files = files();
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::serve(files.path(), |config| {
        (config.stun.listen, config.stun.host) = (free, Some("127.0.0.1".to_owned()));
    })
    .await;
    let report = Report::at(site.address, "/").await;
    assert_eq!(report.verdict("peers", "stun"), "ok", "{:#}", report.0);
    assert!(report.check("peers", "stun")["says"].as_str().unwrap().ends_with("is 127.0.0.1"));
}

#[tokio::test]
async fn a_proxy_in_front_that_strips_fields() {
    let (_files, site) = sharing().await;
    let front = in_front(site.address, |line| !line.starts_with("service-worker-allowed")).await;
    let report = Report::at(front, "/").await;
    assert_eq!(report.reason("manyhands", "worker"), "service_worker_allowed");
    let front = in_front(site.address, |line| {
        !["link:", "manyhands-swarm:"].iter().any(|name| line.starts_with(name))
    })
    .await;
    let report = Report::at(front, "/big.zip").await;
    assert_eq!(report.reason("metainfo", "swarm"), "swarm_unclear");
    assert_eq!(report.reason("metainfo", "fields"), "fields_missing");
}

#[tokio::test]
async fn a_site_that_is_switched_off_or_has_another_origin() {
    let files = files();
    let site = Site::serve(files.path(), |config| config.site.disabled = true).await;
    let report = Report::at(site.address, "/").await;
    assert_eq!(
        (report.code(), report.reason("manyhands", "switched_on")),
        ("not_tagged", "disabled")
    );
    let origin = Some("https://example.org".to_owned());
    let site = Site::serve(files.path(), |config| config.site.origin = origin).await;
    let report = Report::at(site.address, "/").await;
    assert_eq!(report.reason("manyhands", "origin"), "origin_host");
    assert!(report.line().contains("https://example.org"), "{}", report.line());
}

#[tokio::test]
async fn a_prefix_is_found_by_the_page_or_told_by_the_configuration() {
    let files = files();
    let site = Site::serve(files.path(), |config| config.site.prefix = "/_mh/".into()).await;
    site.get("/big.zip", &[]).await;
    assert_eq!(Report::at(site.address, "/").await.code(), "tagged");
    let report = Report::at(site.address, "/big.zip").await;
    assert_eq!(report.reason("manyhands", "site_json"), "no_manyhands");
    let config = files.path().join("site.toml");
    std::fs::write(&config, "[site]\nprefix = \"/_mh/\"\n").unwrap();
    while site.get("/_mh/manifest/big.zip", &[]).await.status() != 200 {
        tokio::task::yield_now().await;
    }
    let url = format!("http://{}/big.zip", site.address);
    let report = Report::of(&url, &["--config", config.to_str().unwrap()]).await;
    assert_eq!(report.code(), "shared", "{:#}", report.0);
}

#[tokio::test]
async fn a_site_without_manyhands() {
    let files = files();
    let bare = manyhands_testkit::plain(files.path()).await;
    for (path, would) in [("/big.zip", "would be shared"), ("/", "would get the script")] {
        let report = Report::at(bare, path).await;
        assert_eq!((report.code(), report.1), ("no_manyhands", false));
        assert!(report.line().contains(would), "{}", report.line());
        assert_eq!(report.verdict("manyhands", "site_json"), "refused");
    }
    let report = Report::at(bare, "/nothing.zip").await;
    assert_eq!((report.code(), report.reason("reach", "answer")), ("not_reached", "not_found"));
}

#[tokio::test]
async fn nobody_there() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = Report::at(gone, "/").await;
    assert_eq!(report.code(), "not_reached");
    assert_eq!(report.reason("reach", "connection"), "connection_refused");
    let report = Report::of("http://does-not-exist.invalid/", &[]).await;
    assert_eq!(report.reason("reach", "address"), "name_not_found");

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let report = Report::of(&url, &["--timeout", "1"]).await;
    assert_eq!(report.reason("reach", "answer"), "answer_timeout");
    assert!(report.line().contains("--timeout"), "{}", report.line());

    let babbling = origin(|_| Answer("hello\r\n".into(), Vec::new())).await;
    assert_eq!(Report::at(babbling, "/").await.reason("reach", "answer"), "not_http");
}

#[tokio::test]
async fn certificates() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let bare = origin(|asked| big(asked, ZIP, ETAG)).await;
    let upstream = Upstream::new(UpstreamConfig::new(format!("http://{bare}"))).unwrap();
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let listener = listener.with_tls(&TlsFiles { cert: cert.clone(), key }).unwrap();
    let port = listener.local_address().unwrap().port();
    let serving = manyhands_proxy::serve(
        listener,
        upstream,
        ServeOptions::default(),
        |_, _| {},
        std::future::pending(),
    );
    tokio::spawn(serving);

    let report = Report::of(&format!("https://localhost:{port}/a.zip"), &[]).await;
    assert_eq!((report.code(), report.reason("reach", "tls")), ("not_reached", "tls"));
    assert!(report.line().contains("--ca"), "{}", report.line());
    let trusted = ["--ca", cert.to_str().unwrap()];
    let report = Report::of(&format!("https://localhost:{port}/a.zip"), &trusted).await;
    assert_eq!(
        (report.code(), report.verdict("reach", "tls")),
        ("no_manyhands", "ok"),
        "{:#}",
        report.0
    );
    let report = Report::of(&format!("https://127.0.0.1:{port}/a.zip"), &trusted).await;
    assert!(report.line().contains("another name"), "{}", report.line());
    // A port that does not speak TLS.
    let plain = manyhands_testkit::plain(directory.path()).await;
    let report = Report::of(&format!("https://{plain}/a.zip"), &[]).await;
    assert!(report.line().contains("does not speak TLS"), "{}", report.line());
}

#[tokio::test]
async fn a_stranger_sends_nothing_that_says_who_it_is() {
    let log = common::Log::default();
    let kept = log.clone();
    let bare = origin(move |asked| {
        kept.push(asked);
        big(asked, &format!("{ZIP}\nSet-Cookie: session=1"), ETAG)
    })
    .await;
    Report::at(bare, "/a.zip").await;
    let all = log.all();
    assert!(all.len() > 8, "{}", all.len());
    for asked in all {
        assert_eq!((asked.field("cookie"), asked.field("authorization")), (None, None));
    }
}

#[tokio::test]
async fn usage() {
    let here = Path::new(".");
    for args in [
        &["doctor"][..],
        &["doctor", "example.org"],
        &["doctor", "ftp://example.org/"],
        &["doctor", "https://me:secret@example.org/"],
        &["doctor", "http://127.0.0.1/", "--timeout", "0"],
    ] {
        assert_eq!(manyhands(here, args).await.status.code(), Some(2), "{args:?}");
    }
    let output = manyhands(here, &["doctor", "http://127.0.0.1/", "--config", "none.toml"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.toml"));
}

async fn text(address: SocketAddr, path: &str) -> String {
    let url = format!("http://{address}{path}");
    let output = manyhands(Path::new("."), &["doctor", &url, "--timeout", "5"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let port = address.port().to_string();
    text.replace(&address.to_string(), "HOST").replace(&format!("port {port} "), "port PORT ")
}

#[tokio::test]
async fn the_table_of_a_file() {
    let bare = origin(|asked| big(asked, ZIP, "ETag: W/\"v1\"")).await;
    assert_eq!(text(bare, "/a.zip").await, include_str!("doctor/file.txt"));
}

#[tokio::test]
async fn the_table_of_a_page() {
    let bare = origin(|_| Answer::new("200 OK", "Content-Type: text/html", PAGE)).await;
    let site = Site::proxy(bare, |_| {}).await;
    assert_eq!(text(site.address, "/").await, include_str!("doctor/page.txt"));
}

#[tokio::test]
async fn the_table_of_nobody() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(text(gone, "/").await, include_str!("doctor/nobody.txt"));
}
