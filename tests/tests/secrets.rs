//! Secrets planted wherever a private answer has a place for one, among public files that are shared. Then all
//! that this software says or keeps is searched for them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manyhands_metainfo::Hashes;
use manyhands_testkit::{Answer, Asked, Server, origin, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LENGTH: usize = 200_000;

const SETTINGS: &str = r#"
[site]
suffixes = true
[admission]
requests = 1
prefixes = 1
[assets]
min_size = 1_000
queries = ["v"]
exclude = ["/excluded/"]
public = ["/open/"]
immutable = ["/immutable/"]
list = true
[swarm]
min_prefixes = 1
foreign = "open"
"#;

/// Public by the operator's word, and asked for by visitors with a cookie alone: nothing that they get is hashed,
/// so the site is asked for it as nobody.
const OPEN: &str = "/open/c.zip";

/// Files that everybody may have, and that are shared in the end.
const PUBLIC: [&str; 7] = [
    "/pub/a.zip",
    OPEN,
    "/pub/b.zip",
    "/mixed.zip",
    "/twin.zip",
    "/busted.zip",
    "/immutable/5f2c9a41.zip",
];

/// Every secret by what it is; the rest makes it unlike anything else.
const KINDS: [&str; 39] = [
    "open-cookie",
    "mixed-cookie",
    "mixed-body",
    "mixed-tag",
    "mixed-name",
    "mixed-type",
    "twin-cookie",
    "twin-body",
    "member-cookie",
    "member-body",
    "member-tag",
    "basic",
    "basic-body",
    "realm",
    "api-key",
    "api-body",
    "token",
    "signature",
    "signed-body",
    "busted-value",
    "chosen",
    "chosen-body",
    "session",
    "session-body",
    "share",
    "share-body",
    "private-path",
    "private-body",
    "no-store-path",
    "vary-path",
    "set-cookie-path",
    "set-cookie",
    "location",
    "excluded-path",
    "excluded-body",
    "page-body",
    "referer",
    "agent",
    "host",
];

fn secret(kind: &str) -> String {
    assert!(KINDS.contains(&kind), "{kind}");
    format!("zQ7kX-{kind}-9vJw2")
}

/// A body that holds a secret at its beginning, in its middle and at its end.
fn holding(kind: &str) -> Vec<u8> {
    let mut body: Vec<u8> = secret(kind).into_bytes().into_iter().cycle().take(LENGTH).collect();
    body[1_000..LENGTH - 1_000].fill(b'.');
    let middle = secret(kind);
    body[LENGTH / 2..LENGTH / 2 + middle.len()].copy_from_slice(middle.as_bytes());
    body
}

fn public(path: &str) -> Vec<u8> {
    path.bytes().cycle().take(LENGTH).collect()
}

/// Status, header fields, body.
type Reply = (u16, Vec<(&'static str, String)>, Vec<u8>);

fn shared(path: &str) -> Reply {
    let mut fields = vec![("content-type", "application/zip".to_owned())];
    if !path.starts_with("/immutable/") {
        fields.push(("etag", "\"public-1\"".to_owned()));
    }
    (200, fields, public(path))
}

/// 200, as if it were for everybody, but for the body.
fn plain(kind: &str) -> Reply {
    let (status, fields, _) = shared("/");
    (status, fields, holding(kind))
}

fn with(mut reply: Reply, name: &'static str, value: String) -> Reply {
    reply.1.retain(|field| field.0 != name);
    reply.1.push((name, value));
    reply
}

fn refused(status: u16) -> Reply {
    (status, vec![("content-type", "text/plain".to_owned())], b"no\n".to_vec())
}

/// The site. It tells its visitors apart in every way there is.
fn reply(asked: &Asked) -> Reply {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let knows =
        |name: &str, kind: &str| asked.header(name).is_some_and(|it| it.contains(&secret(kind)));
    let of_folder = |folder: &str| path.starts_with(folder);
    match path {
        "/mixed.zip" if knows("cookie", "mixed-cookie") => {
            let reply = with(plain("mixed-body"), "etag", format!("\"{}\"", secret("mixed-tag")));
            let name = format!("attachment; filename=\"{}.zip\"", secret("mixed-name"));
            let reply = with(reply, "content-disposition", name);
            with(reply, "content-type", format!("application/zip; for={}", secret("mixed-type")))
        }
        // The same tag and the same length for everybody.
        "/twin.zip" if knows("cookie", "twin-cookie") => {
            with(plain("twin-body"), "etag", "\"public-1\"".to_owned())
        }
        "/members.zip" if knows("cookie", "member-cookie") => {
            with(plain("member-body"), "etag", format!("\"{}\"", secret("member-tag")))
        }
        "/basic.zip" if knows("authorization", "basic") => plain("basic-body"),
        "/basic.zip" => {
            with(refused(401), "www-authenticate", format!("Basic realm=\"{}\"", secret("realm")))
        }
        "/key.zip" if knows("x-api-key", "api-key") => plain("api-body"),
        "/signed.zip"
            if query.contains(&secret("token")) || query.contains(&secret("signature")) =>
        {
            plain("signed-body")
        }
        "/choose.zip" if query.contains(&secret("chosen")) => plain("chosen-body"),
        "/account" => {
            let page = format!("<!doctype html><title>x</title><p>{}", secret("page-body"));
            (200, vec![("content-type", "text/html; charset=utf-8".to_owned())], page.into_bytes())
        }
        "/moved.zip" => {
            with(refused(302), "location", format!("/signed.zip?token={}", secret("location")))
        }
        _ if path.contains(";jsessionid=") => plain("session-body"),
        _ if of_folder("/index.php/s/") => plain("share-body"),
        _ if of_folder("/private/") => {
            with(plain("private-body"), "cache-control", "private".to_owned())
        }
        _ if of_folder("/nostore/") => {
            with(plain("private-body"), "cache-control", "no-store".to_owned())
        }
        _ if of_folder("/vary/") => with(plain("private-body"), "vary", "Cookie".to_owned()),
        _ if of_folder("/setcookie/") => {
            with(plain("private-body"), "set-cookie", format!("session={}", secret("set-cookie")))
        }
        _ if of_folder("/excluded/") => plain("excluded-body"),
        _ if PUBLIC.contains(&path) => {
            // A public answer that says to its visitor what it knows of them.
            match asked.header("user-agent") {
                Some(agent) => with(shared(path), "x-seen", agent.to_owned()),
                None => shared(path),
            }
        }
        _ => refused(404),
    }
}

async fn write(asked: &Asked, socket: &mut TcpStream) -> Option<()> {
    let (status, fields, body) = reply(asked);
    let mut answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in fields {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    socket.write_all(answer.as_bytes()).await.ok()?;
    if asked.method != "HEAD" {
        socket.write_all(&body).await.ok()?;
    }
    Some(())
}

/// Every way a visitor may ask for something that is theirs: target and fields.
fn visits() -> Vec<(String, Vec<(&'static str, String)>)> {
    let cookie = |kind: &str| vec![("cookie", format!("session={}", secret(kind)))];
    let at = |path: &str, kind: &str, rest: &str| format!("{path}{}{rest}", secret(kind));
    let mut visits = vec![
        ("/mixed.zip".to_owned(), cookie("mixed-cookie")),
        ("/twin.zip".to_owned(), cookie("twin-cookie")),
        ("/members.zip".to_owned(), cookie("member-cookie")),
        ("/basic.zip".to_owned(), vec![("authorization", format!("Bearer {}", secret("basic")))]),
        ("/basic.zip".to_owned(), vec![]),
        ("/key.zip".to_owned(), vec![("x-api-key", secret("api-key"))]),
        (at("/signed.zip?token=", "token", ""), vec![]),
        (at("/signed.zip?X-Amz-Signature=", "signature", "&X-Amz-Expires=60"), vec![]),
        (at("/signed.zip?v=", "token", ""), vec![]),
        (at("/busted.zip?v=", "busted-value", ""), vec![]),
        (at("/choose.zip?file=", "chosen", ""), vec![]),
        (at("/session.zip;jsessionid=", "session", ""), vec![]),
        (at("/index.php/s/", "share", "/download/a.zip"), vec![]),
        (at("/private/", "private-path", ".zip"), vec![]),
        (at("/nostore/", "no-store-path", ".zip"), vec![]),
        (at("/vary/", "vary-path", ".zip"), vec![]),
        (at("/setcookie/", "set-cookie-path", ".zip"), vec![]),
        (at("/excluded/", "excluded-path", ".zip"), vec![]),
        ("/moved.zip".to_owned(), vec![]),
        ("/account".to_owned(), vec![("sec-fetch-dest", "document".to_owned())]),
        (
            "/account".to_owned(),
            [cookie("member-cookie"), vec![("accept", "text/html".to_owned())]].concat(),
        ),
    ];
    visits.push((OPEN.to_owned(), cookie("open-cookie")));
    for path in PUBLIC.into_iter().filter(|path| *path != OPEN) {
        // Nothing here stands in the way of sharing the file.
        let fields = [
            ("referer", format!("https://example.org/reset?token={}", secret("referer"))),
            ("user-agent", secret("agent")),
        ];
        visits.push((path.to_owned(), fields.to_vec()));
    }
    visits
}

/// A secret in every dress: as it is, escaped, in hexadecimal, in Base64 at each of the three offsets.
fn dresses(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let mut dresses = vec![
        secret.to_owned(),
        secret.to_lowercase(),
        secret.to_uppercase(),
        escaped.to_uppercase(),
        secret.replace('-', "%2D"),
        secret.replace('-', "%2d"),
        hexadecimal.to_uppercase(),
        hexadecimal,
        escaped,
    ];
    for offset in 0..3 {
        let shifted = [&b"???"[..offset], bytes].concat();
        let text = STANDARD.encode(&shifted);
        // The groups that hold nothing but the secret.
        let whole = &text[if offset == 0 { 0 } else { 4 }..shifted.len() / 3 * 4];
        dresses.push(whole.to_owned());
        dresses.push(whole.replace('+', "-").replace('/', "_"));
    }
    dresses
}

/// All that was said or kept, each with where it was found.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn add(&mut self, place: impl Into<String>, bytes: impl AsRef<[u8]>) {
        // All that is searched for is ASCII, which this leaves as it is.
        self.0.push((place.into(), String::from_utf8_lossy(bytes.as_ref()).into_owned()));
    }

    fn answer(&mut self, place: &str, answer: &Answer) {
        let fields: Vec<_> =
            answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        self.add(format!("head of {place}"), fields.join("\n"));
        self.add(place, &answer.body);
    }

    fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            self.add("a file name", path.to_string_lossy().into_owned());
            match path.is_dir() {
                true => self.folder(&path),
                false => self.add(path.to_string_lossy(), fs::read(&path).unwrap_or_default()),
            }
        }
    }

    fn places_of(&self, secret: &str) -> Vec<&str> {
        let dresses = dresses(secret);
        let found =
            self.0.iter().filter(|(_, text)| dresses.iter().any(|dress| text.contains(dress)));
        found.map(|(place, _)| place.as_str()).collect()
    }
}

#[test]
fn a_secret_is_found_in_every_dress() {
    let wanted = secret("share");
    for offset in 0..7 {
        let before = "x".repeat(offset);
        let base64 = STANDARD.encode(format!("{before}{wanted}y"));
        let escaped: String = wanted.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let hexadecimal: String = wanted.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [wanted.clone(), base64, escaped, hexadecimal, wanted.replace('-', "%2D")] {
            let mut said = Said::default();
            said.add("here", format!("{before}{text}z"));
            assert_eq!(said.places_of(&wanted), ["here"], "{text}");
            assert!(said.places_of(&secret("host")).is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_or_kept_holds_a_secret() {
    let requests: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let upstream = {
        let requests = Arc::clone(&requests);
        origin(move |asked, mut socket| {
            requests.lock().unwrap().push(asked.clone());
            async move { write(&asked, &mut socket).await.map(|()| socket) }
        })
        .await
    };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let server = Server::proxy_logging(upstream, &state, SETTINGS, "trace");

    let visits = visits();
    let mut said = Said::default();
    for _ in 0..3 {
        for (target, fields) in &visits {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = server.get(target, &fields).await;
            // The answer is the visitor's own; what was added to it is not for them alone.
            for name in ["link", "repr-digest"] {
                said.add(format!("{name} of an answer"), answer.header(name).unwrap_or_default());
            }
        }
        // One more, who claims another host.
        let mut forger = server.connect().await;
        let forged = format!("GET /pub/a.zip HTTP/1.1\r\nhost: {}.example\r\n\r\n", secret("host"));
        forger.send(forged.as_bytes()).await.unwrap();
        forger.answer().await.unwrap();
    }
    let session = format!("session={}", secret("open-cookie"));
    for path in PUBLIC {
        let below = format!("manifest{path}");
        let cookie = [("cookie", session.as_str())];
        let fields = if path == OPEN { &cookie[..] } else { &[] };
        until(path, || async {
            // Asked for again: what was judged on a visitor's own answer is judged anew on a plain one.
            server.get(path, fields).await;
            let manifest = server.reserved(&below).await;
            (manifest.status == 200).then_some(manifest)
        })
        .await;
    }
    until("an idle server", || async { (server.pending().await == 0).then_some(()) }).await;

    // What is shared is what everybody gets.
    for path in PUBLIC {
        let manifest = server.reserved(&format!("manifest{path}")).await.json();
        let root = Hashes::of(&public(path), 0).0.root.to_string();
        assert_eq!(manifest["root"], root, "{path}");
        assert_eq!(manifest["path"], path);
        said.add(path, server.reserved(&format!("digests/{root}/0")).await.body);
    }

    // Everything there is to be read.
    let mut asked_for: Vec<String> = visits.iter().map(|(target, _)| target.clone()).collect();
    asked_for.extend(visits.iter().map(|(target, _)| target.split('?').next().unwrap().to_owned()));
    asked_for.sort();
    asked_for.dedup();
    for target in &asked_for {
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        let shared = PUBLIC.contains(&path);
        for form in ["manifest", "torrent", "magnet", "meta4", "sha256", "digests"] {
            let answer = server.reserved(&format!("{form}{target}")).await;
            assert!(shared || answer.status == 404, "{form}{target}: {}", answer.status);
            said.answer(&format!("{form} of a file"), &answer);
        }
        for suffix in ["torrent", "magnet", "meta4", "sha256"] {
            let answer = server.get(&format!("{path}.{suffix}{query}"), &[]).await;
            // Where it is the site's answer, it is the site's business.
            if answer.header("link").is_none() && shared {
                said.answer(&format!(".{suffix} of a file"), &answer);
            }
        }
    }
    for name in [
        "",
        "site.json",
        "status.json",
        "assets",
        "assets.json",
        "metrics",
        "dashboard",
        "experiment.json",
        "experiment.csv",
        "purge",
        "beacon",
        "loader.js",
        "diagnostics.js",
        "client.js",
        "sw.js",
        "tracker",
        "nothing",
    ] {
        said.answer(name, &server.reserved(name).await);
    }
    for path in PUBLIC {
        let answer = server.get(path, &[]).await;
        said.answer(path, &answer);
        let link = answer.header("link").unwrap_or_default();
        assert!(link.contains(path), "{path}: {link}");
        assert!(answer.header("repr-digest").is_some(), "{path}");
    }
    let own: Vec<Asked> = {
        let requests = requests.lock().unwrap();
        requests
            .iter()
            .filter(|asked| asked.header("user-agent") == Some("manyhands"))
            .cloned()
            .collect()
    };
    assert!(!own.is_empty(), "the site was asked as nobody");
    for asked in &own {
        assert!(
            PUBLIC.contains(&asked.target.as_str()) || asked.target == "/signed.zip",
            "{}",
            asked.target
        );
        assert!(asked.header("cookie").or(asked.header("authorization")).is_none());
        said.add(
            "our own request",
            format!("{} {} {:?}", asked.method, asked.target, asked.headers),
        );
    }
    said.folder(&state);
    said.add("the log", server.log());

    for kind in KINDS {
        assert_eq!(said.places_of(&secret(kind)), [""; 0], "{kind}");
    }
    // The search would have found what is there.
    assert!(said.places_of("/pub/a.zip").len() > 5);
    assert!(server.log().contains("TRACE"), "the log is as talkative as it can be");
    assert!(said.0.len() > 300, "{}", said.0.len());
}
