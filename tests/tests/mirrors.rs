//! Mirrors of a site: who asks, who is approved, who serves what, who is named where. All over real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use manyhands_metainfo::{AssetPath, Digest, parse};
use manyhands_protocol::mirrors::{
    Announce, AnnounceAnswer, BaseUrl, Credentials, Doubt, Envelope, FeedPage, Holdings,
    MirrorState, SecretKey, SignedRequest,
};
use manyhands_testkit::{Answer, Asked, Client, Config, Server, Site, content, origin, until};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const PREFIX: &str = "/.well-known/manyhands/";
const LENGTH: usize = (1 << 20) + 5;
/// What visitors of a [`Server`] see.
const SERVED_AS: &str = "http://127.0.0.1:1";
const STRANGER: (&str, &str) = ("x-forwarded-for", "203.0.113.9");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A stranger's server with the site's file.
struct Mirror {
    address: SocketAddr,
    served: Arc<Served>,
}

struct Served {
    bytes: Mutex<Vec<u8>>,
    down: AtomicBool,
    asked: AtomicUsize,
}

impl Mirror {
    async fn start() -> Self {
        let served = Arc::new(Served {
            bytes: Mutex::new(content(0, LENGTH)),
            down: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&served);
        let address = origin(move |asked, socket| Arc::clone(&serving).answer(asked, socket)).await;
        Self { address, served }
    }

    fn url(&self) -> BaseUrl {
        format!("http://{}/pub/", self.address).parse().unwrap()
    }

    fn asked(&self) -> usize {
        self.served.asked.load(Ordering::SeqCst)
    }

    fn set_down(&self, down: bool) {
        self.served.down.store(down, Ordering::SeqCst);
    }

    fn spoil(&self, which: impl Fn(usize) -> bool) {
        let mut bytes = self.served.bytes.lock().unwrap();
        let spoilt = bytes.iter_mut().enumerate().filter(|(at, _)| which(*at));
        spoilt.for_each(|(_, byte)| *byte ^= 1);
    }
}

impl Served {
    async fn answer(self: Arc<Self>, asked: Asked, mut socket: TcpStream) -> Option<TcpStream> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return None;
        }
        let bytes = self.bytes.lock().unwrap().clone();
        let answer = match asked.range(bytes.len() as u64) {
            Some((first, last)) if asked.target == "/pub/a%20b.zip" => {
                let body = &bytes[first as usize..=last as usize];
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {first}-{last}/{}\r\n\
                     access-control-allow-origin: *\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    bytes.len(),
                    body.len()
                );
                [head.as_bytes(), body].concat()
            }
            _ => {
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()
            }
        };
        socket.write_all(&answer).await.ok()?;
        None
    }
}

/// A directory with the file that everything here is about.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a b.zip"), content(0, LENGTH)).unwrap();
    directory
}

async fn site(directory: &Path, adjust: impl FnOnce(&mut Config)) -> Site {
    let site = Site::serve(directory, |config| {
        config.mirrors.probes = 1;
        config.listen.trusted = vec!["127.0.0.0/8".to_owned()];
        adjust(config);
    })
    .await;
    site.get("/a%20b.zip", &[]).await;
    site.manifest("/a%20b.zip").await.unwrap();
    site
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn root() -> Digest {
    manyhands_metainfo::Hashes::of(&content(0, LENGTH), 0).0.root
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn announce(url: Option<BaseUrl>) -> Announce {
    let mut announce = Announce::new("A library", 20_000_000_000);
    announce.http = url;
    announce.holdings = Holdings::of([&root()]);
    announce
}

/// A request with a body, which [`Site::ask`] has none of.
async fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let host = address.to_string();
    let mut client = Client::connect(address, &host).await.unwrap();
    let fields: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n{fields}\r\n",
        body.len()
    );
    client.send(&[head.as_bytes(), body].concat()).await.unwrap();
    client.answer().await.unwrap()
}

async fn announced(address: SocketAddr, key: &SecretKey, announce: &Announce, time: u64) -> Answer {
    announced_to(address, &format!("http://{address}"), key, announce, time).await
}

async fn announced_to(
    address: SocketAddr,
    origin: &str,
    key: &SecretKey,
    announce: &Announce,
    time: u64,
) -> Answer {
    let (target, body) = (format!("{PREFIX}mirrors/announce"), announce.to_json());
    let request =
        SignedRequest { site: origin, method: "POST", target: &target, body: body.as_bytes() };
    let signed = Credentials::sign(key, request, time).to_string();
    post(address, &target, &[("authorization", &signed), STRANGER], body.as_bytes()).await
}

fn read(answer: &Answer) -> AnnounceAnswer {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    AnnounceAnswer::from_json(&answer.body).unwrap()
}

async fn decide(address: SocketAddr, mirror: &str, rest: &str) -> u16 {
    let path = format!("{PREFIX}mirrors/decide?mirror={mirror}&state={rest}");
    post(address, &path, &[JSON], b"").await.status
}

async fn get(address: SocketAddr, below: &str, headers: &[(&str, &str)]) -> Answer {
    let mut client = Client::connect(address, &address.to_string()).await.unwrap();
    client.get(&format!("{PREFIX}{below}"), headers).await.unwrap()
}

/// The mirrors, as the operator sees them.
async fn seen(address: SocketAddr) -> Vec<Value> {
    let list = get(address, "mirrors.json", &[]).await.json();
    list["mirrors"].as_array().unwrap().clone()
}

async fn listed(site: &Site) -> Vec<String> {
    let answer = site.get(&format!("{PREFIX}site.json"), &[]).await;
    let document: Value = serde_json::from_slice(answer.body()).unwrap();
    document["mirrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect()
}

async fn until_listed(site: &Site, wanted: &[&BaseUrl]) {
    let wanted: BTreeSet<_> = wanted.iter().map(|url| url.to_string()).collect();
    until("the list of mirrors", || async {
        (listed(site).await.into_iter().collect::<BTreeSet<_>>() == wanted).then_some(())
    })
    .await;
}

async fn feed(address: SocketAddr, headers: &[(&str, &str)]) -> (u16, Option<FeedPage>) {
    let answer = get(address, "mirrors/feed/0", headers).await;
    let page = (answer.status == 200).then(|| {
        let envelope = Envelope::from_json(&answer.body).unwrap();
        envelope.open(&envelope.key).unwrap()
    });
    (answer.status, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_mirror_is_named_everywhere_and_a_lying_one_nowhere() {
    let directory = directory();
    let (good, liar) = (Mirror::start().await, Mirror::start().await);
    let site = site(directory.path(), |config| {
        config.mirrors.urls = vec![liar.url().to_string()];
    })
    .await;
    let (status, before) = feed(site.address, &[]).await;
    assert_eq!((status, before.as_ref().unwrap().assets.len()), (200, 1));

    // It asks, waits, and is not even looked at.
    let key = key(1);
    let waits = read(&announced(site.address, &key, &announce(Some(good.url())), now()).await);
    assert_eq!((waits.state, waits.token), (MirrorState::Pending, None));
    until_listed(&site, &[&liar.url()]).await;
    assert_eq!(good.asked(), 0);

    let name = key.public().to_string();
    assert_eq!(decide(site.address, &name, "approved").await, 200);
    let answer = read(&announced(site.address, &key, &announce(Some(good.url())), now() + 1).await);
    assert_eq!(answer.state, MirrorState::Approved);
    assert!(answer.token.unwrap().starts_with('m'));
    assert_eq!(answer.tracker.unwrap(), format!("ws://{}{PREFIX}tracker", site.address));
    until_listed(&site, &[&good.url(), &liar.url()]).await;

    // One byte of each unit: whichever is looked at.
    liar.spoil(|at| at % 65_536 == 4);
    until_listed(&site, &[&good.url()]).await;
    let all = seen(site.address).await;
    let out = all.iter().find(|it| it["mirror"] == liar.url().as_str()).unwrap();
    assert_eq!((&out["state"], &out["listed"]), (&"banned".into(), &false.into()));
    let reason = out["reason"].as_str().unwrap();
    assert!(reason.starts_with("served wrong bytes of /a%20b.zip (64 KiB unit "), "{reason}");

    let url = format!("{}a%20b.zip", good.url());
    let asset = site.get("/a%20b.zip", &[]).await;
    let links: Vec<_> =
        asset.headers().get_all("link").iter().map(|it| it.to_str().unwrap()).collect();
    assert!(links.contains(&&*format!("<{url}>; rel=\"duplicate\"; pri=1")), "{links:?}");
    assert!(!links.iter().any(|link| link.contains(&liar.address.to_string())), "{links:?}");
    let (headers, manifest) = site.manifest("/a%20b.zip").await.unwrap();
    assert_eq!(headers["manyhands-mirrors"], good.url().as_str());
    let reserved =
        async |form: &str| site.get(&format!("{PREFIX}{form}/a%20b.zip"), &[]).await.into_body();
    let torrent = parse(&reserved("torrent").await).unwrap();
    let own = format!("http://{}/a%20b.zip", site.address);
    assert_eq!(torrent.web_seeds, [own.clone(), url.clone()]);
    assert_eq!(torrent.info_hash.unwrap().to_string(), manifest["infohash"], "as without mirrors");
    let text = |body: Bytes| String::from_utf8(body.to_vec()).unwrap();
    let magnet = text(reserved("magnet").await);
    assert_eq!(magnet.matches("&ws=").count(), 2, "{magnet}");
    let metalink = text(reserved("meta4").await);
    assert!(metalink.contains(&format!("priority=\"1\">{url}<")), "{metalink}");
    assert!(metalink.contains(&format!("priority=\"2\">{own}<")), "{metalink}");

    // The feed tells of the copy once the operator does anything that has it made anew.
    site.ask("POST", &format!("{PREFIX}purge?path=/none"), &[JSON]).await;
    let (_, after) = feed(site.address, &[]).await;
    let after = after.unwrap();
    assert_eq!((after.assets[0].copies, after.assets[0].root), (1, root()));
    assert!(after.sequence > before.unwrap().sequence);
    assert!(after.assets[0].demand > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_down_is_unlisted_and_comes_back() {
    let directory = directory();
    let mirror = Mirror::start().await;
    let site =
        site(directory.path(), |config| config.mirrors.urls = vec![mirror.url().to_string()]).await;
    until_listed(&site, &[&mirror.url()]).await;
    mirror.set_down(true);
    until_listed(&site, &[]).await;
    let all = seen(site.address).await;
    assert_eq!(all[0]["state"], "approved", "it has told no lie");
    assert!(all[0]["reason"].is_string(), "{all:?}");
    let (headers, _) = site.manifest("/a%20b.zip").await.unwrap();
    assert_eq!(headers["manyhands-mirrors"], "", "none is another thing than unknown");
    mirror.set_down(false);
    until_listed(&site, &[&mirror.url()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_late_and_replayed_announces_are_refused() {
    let directory = directory();
    let site = site(directory.path(), |_| {}).await;
    let (key, other) = (key(1), key(2));
    let asked = announce(None);
    let status = async |time| announced(site.address, &key, &asked, time).await.status;
    assert_eq!(status(now() - 400).await, 401, "late");
    assert_eq!(status(now() + 400).await, 401, "early");
    let time = now();
    assert_eq!(status(time).await, 200);
    assert_eq!(status(time).await, 401, "replayed");
    assert_eq!(status(time - 1).await, 401, "older");

    let (target, body) = (format!("{PREFIX}mirrors/announce"), asked.to_json());
    let host = format!("http://{}", site.address);
    let request =
        SignedRequest { site: &host, method: "POST", target: &target, body: body.as_bytes() };
    let signed = |key: &SecretKey, request| Credentials::sign(key, request, time + 1).to_string();
    let swapped =
        signed(&other, request).replace(&other.public().to_string(), &key.public().to_string());
    let elsewhere = signed(&key, SignedRequest { site: "https://example.org", ..request });
    let of_feed = signed(&key, SignedRequest { method: "GET", body: b"", ..request });
    for forged in [&*swapped, &*elsewhere, &*of_feed, "Bearer x", ""] {
        let answer =
            post(site.address, &target, &[("authorization", forged)], body.as_bytes()).await;
        assert_eq!(answer.status, 401, "{forged}");
    }
    let changed = body.replace("A library", "A thief");
    let answer = post(
        site.address,
        &target,
        &[("authorization", &signed(&key, request))],
        changed.as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 401);
    let long = vec![b' '; 5_000];
    let answer =
        post(site.address, &target, &[("authorization", &signed(&key, request))], &long).await;
    assert_eq!(answer.status, 413, "a stranger has little to say");
    assert_eq!(seen(site.address).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_ask_are_bounded() {
    let directory = directory();
    let site = site(directory.path(), |config| config.mirrors.most = 4).await;
    let mut taken = 0;
    for number in 0..200 {
        let answer = announced(site.address, &key(number), &announce(None), now()).await;
        match answer.status {
            200 => taken += 1,
            429 => assert!(answer.header("retry-after").is_some()),
            other => panic!("{other}"),
        }
    }
    assert_eq!((taken, seen(site.address).await.len()), (4, 4));
    let closed = self::site(directory.path(), |config| config.mirrors.register = false).await;
    assert_eq!(announced(closed.address, &key(1), &announce(None), now()).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_is_for_approved_mirrors_unless_the_list_is_public() {
    let directory = directory();
    let site = site(directory.path(), |config| config.assets.list = false).await;
    let key = key(1);
    let target = format!("{PREFIX}mirrors/feed/0");
    let host = format!("http://{}", site.address);
    let request = SignedRequest { site: &host, method: "GET", target: &target, body: b"" };
    let signed = |time| Credentials::sign(&key, request, time).to_string();
    let ask = async |authorization: &str| {
        let mut headers = vec![STRANGER];
        headers.extend((!authorization.is_empty()).then_some(("authorization", authorization)));
        feed(site.address, &headers).await
    };
    assert_eq!(ask("").await.0, 403);
    assert_eq!(ask(&signed(now())).await.0, 403, "unknown");
    announced(site.address, &key, &announce(None), now()).await;
    assert_eq!(ask(&signed(now())).await.0, 403, "waits");
    decide(site.address, &key.public().to_string(), "approved").await;
    let (status, page) = ask(&signed(now())).await;
    assert_eq!((status, page.unwrap().assets.len()), (200, 1));
    assert_eq!(ask(&signed(now() - 400)).await.0, 401, "late");
    let lent = Credentials::sign(&key, SignedRequest { target: "/x", ..request }, now());
    assert_eq!(ask(&lent.to_string()).await.0, 401, "for another address");
    decide(site.address, &key.public().to_string(), "banned&reason=no%20longer").await;
    assert_eq!(ask(&signed(now())).await.0, 403, "banned");
    for operators in ["mirrors.json", "mirrors/decide?mirror=https://m.example/&state=approved"] {
        let method = if operators.contains('?') { "POST" } else { "GET" };
        let answer = site.ask(method, &format!("{PREFIX}{operators}"), &[STRANGER, JSON]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{operators}");
    }
    // Nor can a page elsewhere decide in the operator's name.
    let path = format!("{PREFIX}mirrors/decide?mirror={}&state=approved", key.public());
    for fields in
        [&[][..], &[JSON, ("sec-fetch-site", "cross-site")], &[("content-type", "text/plain")]]
    {
        let answer = site.ask("POST", &path, fields).await;
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{fields:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_and_the_kill_switch_are_in_the_feed_at_once() {
    let directory = directory();
    let site = site(directory.path(), |config| config.assets.list = true).await;
    let first = site.get(&format!("{PREFIX}mirrors/feed/0"), &[STRANGER]).await;
    assert_eq!(first.headers()["cache-control"], "public, max-age=15");
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = [STRANGER, ("if-none-match", tag.as_str())];
    let path = format!("{PREFIX}mirrors/feed/0");
    assert_eq!(site.get(&path, &again).await.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(
        site.get(&format!("{PREFIX}mirrors/feed/1"), &[]).await.status(),
        StatusCode::NOT_FOUND
    );

    let before = feed(site.address, &[STRANGER]).await.1.unwrap();
    site.ask("POST", &format!("{PREFIX}purge?path=/a*"), &[JSON]).await;
    let page = feed(site.address, &[STRANGER]).await.1.unwrap();
    assert!(page.assets.is_empty());
    let purged: Vec<_> = page.purged.iter().map(|purge| purge.path.as_str()).collect();
    assert_eq!(purged, ["/a%20b.zip"]);
    assert!(page.sequence > before.sequence);

    site.get("/a%20b.zip", &[]).await;
    site.manifest("/a%20b.zip").await.unwrap();
    let page = feed(site.address, &[STRANGER]).await.1.unwrap();
    assert_eq!((page.assets.len(), page.purged.len()), (1, 0), "it is there again");
    site.ask("POST", &format!("{PREFIX}switch?sharing=off"), &[JSON]).await;
    assert!(feed(site.address, &[STRANGER]).await.1.unwrap().assets.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_doubt_makes_the_site_look_and_decides_nothing_by_itself() {
    let directory = directory();
    let mirror = Mirror::start().await;
    let site = site(directory.path(), |config| {
        config.mirrors.urls = vec![mirror.url().to_string()];
        // After the first look it would be left alone for a day.
        config.mirrors.probes = 86_400;
    })
    .await;
    until_listed(&site, &[&mirror.url()]).await;
    let document = site.get(&format!("{PREFIX}site.json"), &[]).await;
    let document: Value = serde_json::from_slice(document.body()).unwrap();
    let token = document["tracker"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
    let doubt = async |unit: u64, token: &str| {
        let path = AssetPath::parse("/a%20b.zip").unwrap();
        let body = Doubt::new(mirror.url(), path, unit).to_json();
        let target = format!("{PREFIX}mirrors/doubt?token={token}");
        post(site.address, &target, &[], body.as_bytes()).await.status
    };
    assert_eq!(doubt(3, "").await, 403);
    let asked = mirror.asked();
    assert_eq!(doubt(3, &token).await, 204);
    until("the second look", || async { (mirror.asked() > asked).then_some(()) }).await;
    until_listed(&site, &[&mirror.url()]).await;
    assert_eq!(seen(site.address).await[0]["state"], "approved", "it was right");

    // Only the last unit is wrong, which chance would seldom find.
    mirror.spoil(|at| at == LENGTH - 1);
    assert_eq!(doubt((LENGTH as u64) / 65_536, &token).await, 204);
    until_listed(&site, &[]).await;
    assert_eq!(seen(site.address).await[0]["state"], "banned");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_within_the_sites_own_network_are_never_connected_to() {
    let (directory, state) = (directory(), tempfile::tempdir().unwrap());
    let site = Site::serve(directory.path(), |config| {
        config.site.origin = Some("https://example.org".to_owned());
        config.swarm.lan = false;
        config.state.dir = state.path().to_owned();
        let urls =
            ["https://10.255.255.1:8443/", "https://169.254.169.254/", "https://192.168.1.1/"];
        config.mirrors.urls = urls.map(str::to_owned).to_vec();
    })
    .await;
    let mut visitor = Client::connect(site.address, "example.org").await.unwrap();
    visitor.get("/a%20b.zip", &[]).await.unwrap();
    let key = std::fs::read_to_string(state.path().join("operator.key")).unwrap();
    let key = format!("Bearer {}", key.trim());
    let all = until("the first looks", || async {
        let list = get(site.address, "mirrors.json", &[("authorization", &key)]).await.json();
        let all = list["mirrors"].as_array().unwrap().clone();
        all.iter().all(|mirror| mirror["trouble"].is_string()).then_some(all)
    })
    .await;
    for mirror in all {
        let trouble = mirror["trouble"].as_str().unwrap();
        assert!(trouble.ends_with("which is no public address"), "{trouble}");
    }
    // Who registers is told at once that nobody could reach him.
    let (target, body) = (format!("{PREFIX}mirrors/announce"), {
        announce(Some("http://127.0.0.1:9/".parse().unwrap())).to_json()
    });
    let request = SignedRequest {
        site: "https://example.org",
        method: "POST",
        target: &target,
        body: body.as_bytes(),
    };
    let signed = Credentials::sign(&self::key(1), request, now()).to_string();
    let answer = post(site.address, &target, &[("authorization", &signed)], body.as_bytes()).await;
    assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_and_a_restart_keep_what_the_operator_decided() {
    let (directory, state) = (directory(), tempfile::tempdir().unwrap());
    let settings = "[assets]\nlist = true\n";
    let first = Server::serve(directory.path(), state.path(), settings);
    for number in 1..=3 {
        let asked =
            announced_to(first.address, SERVED_AS, &key(number), &announce(None), now()).await;
        assert_eq!(asked.status, 200);
    }
    decide(first.address, &key(1).public().to_string(), "approved").await;
    decide(first.address, &key(2).public().to_string(), "banned&reason=too%20slow").await;
    let signed_by = feed_key(first.address).await;
    let before = feed(first.address, &[]).await.1.unwrap();
    first.kill();

    let second = Server::serve(directory.path(), state.path(), settings);
    let all = seen(second.address).await;
    let state_of = |number| {
        let key = key(number).public().to_string();
        let one = all.iter().find(|it| it["mirror"] == key.as_str()).unwrap();
        (one["state"].as_str().unwrap(), one["reason"].as_str().unwrap())
    };
    assert_eq!(state_of(1).0, "approved");
    assert_eq!(state_of(2), ("banned", "too slow"));
    assert_eq!(state_of(3).0, "pending");
    assert_eq!(feed_key(second.address).await, signed_by, "mirrors know it");
    let after = feed(second.address, &[]).await.1.unwrap();
    assert!(after.sequence > before.sequence);
    assert_eq!(decide(second.address, &key(3).public().to_string(), "forgotten").await, 200);
    assert_eq!(decide(second.address, &key(3).public().to_string(), "approved").await, 409);
    assert_eq!(seen(second.address).await.len(), 2);
}

async fn feed_key(address: SocketAddr) -> String {
    let answer = get(address, "mirrors/feed/0", &[]).await;
    Envelope::from_json(&answer.body).unwrap().key.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tracker_takes_mirrors_as_the_operator_says() {
    use manyhands::Foreign;
    let directory = directory();
    for (foreign, admitted) in
        [(Foreign::Closed, false), (Foreign::Mirrors, true), (Foreign::Open, true)]
    {
        let site = site(directory.path(), |config| config.swarm.foreign = foreign).await;
        let key = key(1);
        announced(site.address, &key, &announce(None), now()).await;
        decide(site.address, &key.public().to_string(), "approved").await;
        let answer = read(&announced(site.address, &key, &announce(None), now() + 1).await);
        assert_eq!(answer.token.is_some(), admitted, "{foreign:?}");
        let Some(token) = answer.token else { continue };
        let shake = async |token: &str| {
            let url = format!("ws://{}{PREFIX}tracker?token={token}", site.address);
            match tokio_tungstenite::connect_async(url).await {
                Ok(_) => 101,
                Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                    answer.status().as_u16()
                }
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(shake(&token).await, 101, "{foreign:?}");
        let forged = token.replace(&key.public().to_string(), &self::key(2).public().to_string());
        let stranger = if foreign == Foreign::Open { 101 } else { 403 };
        assert_eq!(shake(&forged).await, stranger, "{foreign:?}");
        decide(site.address, &key.public().to_string(), "banned").await;
        assert_eq!(shake(&token).await, stranger, "{foreign:?}");
    }
}
