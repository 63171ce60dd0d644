//! A mirror beside sites that are honest, hostile, away, or change their minds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use manyhands_peer::mirror::{
    Mirror, MirrorError, MirrorSettings, MirrorStatus, SiteAddress, SiteStatus,
};
use manyhands_peer::store::StoreError;
use manyhands_protocol::mirrors::MirrorState;
use manyhands_testkit::{FeedSite, Quirk, content, until};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running mirror.
struct Running {
    mirror: Mirror,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    dir: PathBuf,
}

fn settings(dir: &Path) -> MirrorSettings {
    MirrorSettings::new(dir)
        .with_public_url(Some("https://mirror.example/".parse().unwrap()))
        .with_name("test")
}

fn run(settings: MirrorSettings, sites: &[&FeedSite]) -> Running {
    let sites = sites.iter().map(|site| SiteAddress::parse(&site.url()).unwrap()).collect();
    let dir = settings.directory().to_owned();
    let mirror = opened(settings, sites);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn({
        let mirror = mirror.clone();
        async move { mirror.run(async { drop(stopped.await) }).await }
    });
    Running { mirror, stop, task, dir }
}

/// Work on the disk that the last one had begun may still hold the directory for a moment.
fn opened(settings: MirrorSettings, sites: Vec<SiteAddress>) -> Mirror {
    loop {
        match Mirror::open(settings.clone(), sites.clone()) {
            Err(MirrorError::Store(StoreError::InUse(_))) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    fn site(&self) -> SiteStatus {
        self.mirror.status().sites[0].clone()
    }

    /// Waits until so many files are whole.
    async fn whole(&self, count: u64) {
        until("files are whole", async || (self.site().whole == count).then_some(())).await;
    }

    /// Has the feed looked at, until the newest is known.
    async fn look(&self, site: &FeedSite) {
        self.mirror.look();
        until("the feed is known", async || {
            (self.site().sequence == site.sequence()).then_some(())
        })
        .await;
    }

    /// Waits for a trouble that says so.
    async fn trouble(&self, says: &str) {
        until(says, async || {
            self.mirror.look();
            self.site().troubles.iter().any(|trouble| trouble.contains(says)).then_some(())
        })
        .await;
    }

    async fn ask(
        &self,
        method: &str,
        site: &FeedSite,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, Option<Bytes>) {
        let mut request = Request::builder().method(method).uri(format!("/{}{path}", site.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.mirror.answers().answer(&request.body(()).unwrap());
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
        (head.status, head.headers, body)
    }

    async fn status_of(&self, site: &FeedSite, path: &str) -> u16 {
        self.ask("GET", site, path, &[]).await.0.as_u16()
    }

    /// Files of a site on the disk, without those of digests.
    fn on_disk(&self) -> Vec<String> {
        let sites = fs::read_dir(self.dir.join("sites")).unwrap();
        let data = sites.flat_map(|site| fs::read_dir(site.unwrap().path().join("data")).unwrap());
        let names = data.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.contains("digests")).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn it_carries_a_site_and_serves_just_that() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let files: Vec<_> = (0..7_u8)
        .map(|number| {
            let bytes = content(number, 100_000 * usize::from(number) + 1);
            let path = format!("/d/file%20{number}.zip");
            site.put(&path, bytes.clone(), 1);
            (path, bytes)
        })
        .collect();
    let big = content(9, 17 * 1024 * 1024 + 5);
    site.put("/big.zip", big.clone(), 1_000);
    let running = run(settings(dir.path()), &[&site]);
    running.whole(8).await;
    for (path, bytes) in &files {
        let (status, headers, body) = running.ask("GET", &site, path, &[]).await;
        assert_eq!((status, body.unwrap()), (StatusCode::OK, Bytes::from(bytes.clone())), "{path}");
        assert_eq!(headers["content-length"], bytes.len().to_string());
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
        assert_eq!(headers["timing-allow-origin"], "*");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["content-disposition"], "attachment");
        assert_eq!(headers["content-type"], "application/zip");
        assert!(!headers.contains_key("set-cookie"));
    }
    let (_, headers, _) = running.ask("HEAD", &site, "/big.zip", &[("range", "bytes=0-0")]).await;
    assert_eq!(headers["content-length"], big.len().to_string());
    let tag = headers["etag"].to_str().unwrap().to_owned();
    for (range, condition, expected) in [
        ("bytes=70000-9000000", None, Some(70_000..9_000_001)),
        ("bytes=-5", Some(tag.as_str()), Some(big.len() - 5..big.len())),
        ("bytes=5-", None, Some(5..big.len())),
        ("bytes=0-0", Some("\"other\""), None),
        ("bytes=0-0,5-6", None, None),
    ] {
        let mut asked = vec![("range", range)];
        asked.extend(condition.map(|tag| ("if-range", tag)));
        let (status, headers, body) = running.ask("GET", &site, "/big.zip", &asked).await;
        let body = body.unwrap();
        match expected {
            Some(span) => {
                let range = format!("bytes {}-{}/{}", span.start, span.end - 1, big.len());
                assert_eq!(
                    (status, headers["content-range"].to_str().unwrap()),
                    (StatusCode::PARTIAL_CONTENT, &*range)
                );
                assert!(body == big[span], "{range}");
            }
            None => assert!(status == StatusCode::OK && body == big, "{range}"),
        }
    }
    let past = [("range", "bytes=99999999-")];
    assert_eq!(running.ask("GET", &site, "/big.zip", &past).await.0, 416);
    assert_eq!(running.ask("GET", &site, "/big.zip", &[("if-none-match", &tag)]).await.0, 304);
    assert_eq!(running.ask("GET", &site, "/big.zip", &[("if-match", "\"x\"")]).await.0, 412);
    assert_eq!(running.ask("OPTIONS", &site, "/big.zip", &[]).await.0, 204);
    assert_eq!(running.ask("POST", &site, "/big.zip", &[]).await.0, 405);
    for nothing in
        ["", "/", "/d/", "/d", "/none.zip", "/../mirror.key", "/%2e%2e/big.zip", "//big.zip"]
    {
        assert_eq!(running.status_of(&site, nothing).await, 404, "{nothing}");
    }
    for target in ["/", "/other.example/big.zip", "/sites", "/mirror.key"] {
        let request = Request::get(target).body(()).unwrap();
        assert_eq!(running.mirror.answers().answer(&request).status(), 404, "{target}");
    }
    // The site knows.
    until("all is announced", async || {
        let announced = site.announced()?;
        (announced.holdings.len() == 8).then_some(announced)
    })
    .await;
    let announced = site.announced().unwrap();
    let base = format!("https://mirror.example/{}/", site.address);
    assert_eq!(announced.http.unwrap().as_str(), base);
    assert!(running.site().words.contains("manyhands mirrors approve"), "{:?}", running.site());
    assert!(!site.asked().iter().any(|asked| asked.contains("mirror.key")));
    running.stop().await;
}

#[tokio::test]
async fn it_goes_on_where_it_was_without_asking_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut site = FeedSite::start().await;
    let (one, two) = (content(1, 5_000_000), content(2, 3_000_000));
    site.put("/one.zip", one.clone(), 5);
    site.put("/two.zip", two.clone(), 1);
    site.quirk("/two.zip", Some(Quirk::Short));
    let running = run(settings(dir.path()), &[&site]);
    running.whole(1).await;
    running.trouble("broke off").await;
    running.stop().await;
    site.asked();
    site.quirk("/two.zip", None);
    site.stop().await;

    // Away: what is there is served.
    let running = run(settings(dir.path()), &[&site]);
    assert_eq!(running.ask("GET", &site, "/one.zip", &[]).await.2.unwrap(), one);
    running.trouble("can't be reached").await;
    // Back: only the rest is fetched.
    site.listen().await;
    running.whole(2).await;
    assert_eq!(running.ask("GET", &site, "/two.zip", &[]).await.2.unwrap(), two);
    let asked = site.asked();
    assert!(!asked.iter().any(|asked| asked.contains("GET /one.zip")), "{asked:?}");
    assert!(!asked.iter().any(|asked| asked.contains("GET /two.zip bytes=0-")), "{asked:?}");
    assert!(!asked.iter().any(|asked| asked.contains("digests")), "{asked:?}");
    running.stop().await;
    let error = Mirror::open(settings(&dir.path().join("sites")), Vec::new());
    assert!(error.is_ok(), "another directory is another mirror");
    let first = opened(settings(dir.path()), Vec::new());
    let second = Mirror::open(settings(dir.path()), Vec::new()).unwrap_err();
    assert!(matches!(second, MirrorError::Store(StoreError::InUse(_))), "{second}");
    drop(first);
}

#[tokio::test]
async fn a_hostile_site_gets_nothing_wrong_onto_the_disk_or_out() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = FeedSite::start().await;
    let site = FeedSite::start().await;
    for (path, quirk, says) in [
        ("/wrong.zip", Quirk::Wrong, "are not what its digests say"),
        ("/shifted.zip", Quirk::Shifted, "another range"),
        ("/whole.zip", Quirk::Whole, "does not answer ranges"),
        ("/redirect.zip", Quirk::Redirect(format!("{}/x", elsewhere.url())), "redirect"),
        ("/compressed.zip", Quirk::Compressed, "compressed"),
        ("/busy.zip", Quirk::Busy(3_000), "left alone"),
        ("/digests.zip", Quirk::Digests, "do not give its root"),
        ("/pages.zip", Quirk::EndlessDigests, "longer than it may be"),
    ] {
        let bytes = content(3, 9_000_000);
        let root = site.put(path, bytes.clone(), 1);
        site.quirk(path, Some(quirk.clone()));
        let place = dir.path().join(path.trim_matches('/'));
        let running = run(settings(&place), &[&site]);
        running.trouble(says).await;
        let (status, _, body) = running.ask("GET", &site, path, &[]).await;
        assert_eq!(status, 404, "{quirk:?}");
        assert!(body.unwrap().len() < 100);
        // Some of its units may be right: these are served, and no others.
        let (status, _, body) =
            running.ask("GET", &site, path, &[("range", "bytes=65536-131071")]).await;
        assert!(status == 404 || body.unwrap() == bytes[65_536..131_072], "{quirk:?}");
        assert!(!running.on_disk().contains(&root.to_string()), "{quirk:?}");
        running.stop().await;
        site.remove(path, false);
    }
    assert_eq!(elsewhere.asked(), [""; 0], "no redirect is followed");
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_as_far_as_it_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let bytes = content(1, 9_000_000);
    site.put("/endless.zip", bytes.clone(), 1);
    site.quirk("/endless.zip", Some(Quirk::Endless));
    let running = run(settings(dir.path()), &[&site]);
    running.whole(1).await;
    assert!(running.ask("GET", &site, "/endless.zip", &[]).await.2.unwrap() == bytes);
    assert_eq!(running.site().fetched_bytes, 9_000_000);
    running.stop().await;
}

#[tokio::test]
async fn one_bad_file_does_not_hold_up_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    site.put("/bad.zip", content(0, 200_000), 1_000);
    site.quirk("/bad.zip", Some(Quirk::Wrong));
    for number in 1..6 {
        site.put(&format!("/{number}.zip"), content(number, 200_000), 1);
    }
    let running = run(settings(dir.path()), &[&site]);
    running.whole(5).await;
    running.trouble("/bad.zip").await;
    running.stop().await;
}

#[tokio::test]
async fn purged_is_deleted_and_unlisted_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let purged = site.put("/purged.zip", content(1, 3_000_000), 1);
    let unlisted = site.put("/unlisted.zip", content(2, 100_000), 1);
    let kept = site.put("/kept.zip", content(3, 100_000), 1);
    let running = run(settings(dir.path()), &[&site]);
    running.whole(3).await;
    // Somebody is at it, and has had a part.
    let request = Request::get(format!("/{}/purged.zip", site.address)).body(()).unwrap();
    let mut under_way = running.mirror.answers().answer(&request).into_body();
    assert!(under_way.frame().await.unwrap().is_ok());
    site.remove("/purged.zip", true);
    site.remove("/unlisted.zip", false);
    running.look(&site).await;
    assert_eq!(running.status_of(&site, "/purged.zip").await, 404);
    assert_eq!(running.status_of(&site, "/unlisted.zip").await, 404);
    assert_eq!(running.status_of(&site, "/kept.zip").await, 200);
    assert!(under_way.collect().await.is_err(), "it must not end as if it were whole");
    let mut left = [unlisted.to_string(), kept.to_string()];
    left.sort();
    until("it is deleted", async || (running.on_disk() == left).then_some(())).await;
    // Listed again, it is there at once; purged and listed again, it is fetched anew.
    site.asked();
    site.put("/unlisted.zip", content(2, 100_000), 1);
    site.put("/purged.zip", content(1, 3_000_000), 1);
    running.look(&site).await;
    running.whole(3).await;
    let asked = site.asked();
    assert!(!asked.iter().any(|asked| asked.starts_with("GET /unlisted")), "{asked:?}");
    assert!(asked.iter().any(|asked| asked.starts_with("GET /purged")), "{asked:?}");
    assert!(running.on_disk().contains(&purged.to_string()));
    running.stop().await;
}

#[tokio::test]
async fn a_purge_is_seen_within_twenty_seconds_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let root = site.put("/a.zip", content(1, 100_000), 1).to_string();
    let running = run(settings(dir.path()), &[&site]);
    running.whole(1).await;
    until("it is announced", async || site.announced()).await;
    // What the announce's answer rang is over.
    running.look(&site).await;
    site.remove("/a.zip", true);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(20)).await;
    tokio::time::resume();
    until("it is gone", async || (!running.on_disk().contains(&root)).then_some(())).await;
    assert_eq!(running.status_of(&site, "/a.zip").await, 404);
    running.stop().await;
}

#[tokio::test]
async fn a_changed_file_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    let old = site.put("/a.zip", content(1, 300_000), 1);
    let running = run(settings(dir.path()), &[&site]);
    running.whole(1).await;
    let bytes = content(2, 400_000);
    let new = site.put("/a.zip", bytes.clone(), 1);
    running.look(&site).await;
    until("the new one is whole", async || {
        running.on_disk().contains(&new.to_string()).then_some(())
    })
    .await;
    assert_eq!(running.ask("GET", &site, "/a.zip", &[]).await.2.unwrap(), bytes);
    assert_ne!(old, new);
    running.stop().await;
}

#[tokio::test]
async fn the_past_other_keys_and_other_sites_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    site.put("/a.zip", content(1, 100_000), 1);
    let running = run(settings(dir.path()), &[&site]);
    running.whole(1).await;
    let sequence = site.sequence();
    // An older feed, without the file.
    site.remove("/a.zip", false);
    site.turn_back(1, -1_000);
    running.trouble("older than one that was seen").await;
    assert_eq!(running.status_of(&site, "/a.zip").await, 200);
    running.stop().await;
    // Over a restart, too.
    let running = run(settings(dir.path()), &[&site]);
    running.trouble("older than one that was seen").await;
    assert_eq!(running.status_of(&site, "/a.zip").await, 200);
    // A day ago.
    site.turn_back(sequence + 5, -90_000);
    running.trouble("expired").await;
    // Another key.
    site.turn_back(sequence + 5, 0);
    let key = site.key();
    site.change_key(8);
    running.trouble("signed by").await;
    assert_eq!(running.status_of(&site, "/a.zip").await, 200);
    assert_eq!(running.site().site_key.unwrap().to_string(), key);
    running.stop().await;
    // The volunteer says that it is right.
    let address = SiteAddress::parse(&site.url()).unwrap();
    let address = address.with_key(Some(site.key().parse().unwrap()));
    let mirror = opened(settings(dir.path()), vec![address]);
    let working = mirror.clone();
    let task = tokio::spawn(async move { working.run(std::future::pending()).await });
    until("it follows the new key", async || {
        (mirror.status().sites[0].sequence == site.sequence()).then_some(())
    })
    .await;
    assert_eq!(mirror.status().sites[0].listed, 0);
    task.abort();
}

#[tokio::test]
async fn the_budget_goes_to_what_is_asked_for_and_stays_there() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    for number in 0..6_u8 {
        site.put(&format!("/{number}.zip"), content(number, 1_000_000), 10 << number);
    }
    let running = run(settings(dir.path()).with_budget(3_100_000), &[&site]);
    running.whole(3).await;
    for number in 0..6 {
        let expected = if number >= 3 { 200 } else { 404 };
        assert_eq!(running.status_of(&site, &format!("/{number}.zip")).await, expected, "{number}");
    }
    // A little more demand moves nothing; much more does.
    site.asked();
    site.demand("/2.zip", 81);
    running.look(&site).await;
    running.whole(3).await;
    assert!(!site.asked().iter().any(|asked| asked.starts_with("GET /2.zip")));
    site.demand("/2.zip", 8_000);
    running.look(&site).await;
    until("it is there", async || (running.status_of(&site, "/2.zip").await == 200).then_some(()))
        .await;
    assert_eq!(running.status_of(&site, "/3.zip").await, 404);
    assert_eq!(running.on_disk().len(), 3);
    assert!(running.mirror.status().chosen <= 3_100_000);
    running.stop().await;
}

#[tokio::test]
async fn two_sites_share_a_budget_and_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (FeedSite::start().await, FeedSite::start().await);
    one.put("/a.zip", content(1, 1_000_000), 10);
    two.put("/a.zip", content(2, 1_000_000), 1_000);
    two.put("/b.zip", content(3, 1_000_000), 1_000);
    let running = run(settings(dir.path()).with_budget(2_100_000), &[&one, &two]);
    until("the better ones are whole", async || {
        (running.mirror.status().sites[1].whole == 2).then_some(())
    })
    .await;
    assert_eq!(running.status_of(&one, "/a.zip").await, 404);
    assert_eq!(running.ask("GET", &two, "/a.zip", &[]).await.2.unwrap(), content(2, 1_000_000));
    running.stop().await;
    let former = Mirror::former_sites(dir.path());
    let origins: Vec<_> = former.iter().map(|site| site.origin().to_string()).collect();
    assert_eq!(origins, [one.url(), two.url()]);
}

#[tokio::test]
async fn the_operator_decides() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    site.put("/a.zip", content(1, 100_000), 1);
    site.open_feed(false);
    let running = run(settings(dir.path()), &[&site]);
    running.trouble("wait for the operator").await;
    assert_eq!(running.site().state, Some(MirrorState::Pending));
    site.decide(MirrorState::Approved);
    running.whole(1).await;
    until("it is told so", async || running.site().words.starts_with("approved").then_some(()))
        .await;
    // Taken back: nothing is served; given again: nothing is fetched again.
    site.decide(MirrorState::Pending);
    until("nothing is served", async || {
        running.mirror.look();
        (running.status_of(&site, "/a.zip").await == 404).then_some(())
    })
    .await;
    site.asked();
    site.decide(MirrorState::Approved);
    until("it is served again", async || {
        (running.status_of(&site, "/a.zip").await == 200).then_some(())
    })
    .await;
    assert!(!site.asked().iter().any(|asked| asked.starts_with("GET /a.zip")));
    site.decide(MirrorState::Banned);
    until("it is banned", async || (running.status_of(&site, "/a.zip").await == 404).then_some(()))
        .await;
    assert!(running.site().words.contains("banned"), "{}", running.site().words);
    running.stop().await;
    // Over a restart, too.
    let running = run(settings(dir.path()), &[&site]);
    assert_eq!(running.status_of(&site, "/a.zip").await, 404);
    running.stop().await;
}

/// Real connections and a clock that jumps: time passes in steps, and what is under way ends between them.
async fn pass(seconds: u64, mut each: impl FnMut()) {
    tokio::time::pause();
    for _ in 0..seconds / 5 {
        tokio::time::advance(Duration::from_secs(5)).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        std::thread::sleep(Duration::from_millis(2));
        each();
    }
    tokio::time::resume();
}

#[tokio::test]
async fn a_site_that_is_away_is_carried_on_for_a_day_and_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let mut site = FeedSite::start().await;
    site.put("/a.zip", content(1, 100_000), 1);
    let running = run(settings(dir.path()), &[&site]);
    running.whole(1).await;
    site.stop().await;
    pass(600, || {}).await;
    running.trouble("can't be reached").await;
    assert_eq!(running.status_of(&site, "/a.zip").await, 200);
    site.put("/b.zip", content(2, 100_000), 1);
    site.listen().await;
    running.mirror.look();
    running.whole(2).await;
    until("all is well", async || running.site().troubles.is_empty().then_some(())).await;
    site.stop().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(24 * 60 * 60 + 1)).await;
    assert_eq!(running.status_of(&site, "/a.zip").await, 404);
    assert!(running.site().words.contains("not heard of"), "{}", running.site().words);
    tokio::time::resume();
    site.listen().await;
    until("it is served again", async || {
        running.mirror.look();
        (running.status_of(&site, "/a.zip").await == 200).then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn the_status_is_told_to_whoever_asks_at_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let site = FeedSite::start().await;
    site.put("/a.zip", content(1, 100_000), 1);
    assert_eq!(MirrorStatus::of_running(dir.path()).unwrap(), None);
    let running = run(settings(dir.path()), &[&site]);
    running.whole(1).await;
    let asking = dir.path().to_owned();
    let asked = tokio::task::spawn_blocking(move || MirrorStatus::of_running(&asking));
    let status = asked.await.unwrap().unwrap().unwrap();
    assert_eq!((status.sites[0].whole, status.sites[0].listed), (1, 1));
    assert_eq!(status.key, running.mirror.status().key);
    running.stop().await;
    assert_eq!(MirrorStatus::of_running(dir.path()).unwrap(), None);
}
