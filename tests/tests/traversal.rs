//! Whatever a request, a link or the file system says, `manyhands serve` gives out nothing from outside its
//! directory, neither bytes nor hashes, and answers every request.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use manyhands_testkit::{Expected, Server, soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "canary-7f3a9c51-not-for-visitors\n";
const SETTINGS: &str = "[assets]\nmin_size = 1\n";

/// Longer than a unit, so that manifests and torrents say something of it.
fn secret() -> Vec<u8> {
    SECRET.repeat(3_000).into_bytes()
}

fn public() -> Vec<u8> {
    b"public, and as long as the other".repeat(3_000 * SECRET.len() / 32)
}

/// What must not be seen anywhere: the secret, its hashes in every form that anything of ours has, and the keys.
struct Canaries(Vec<Vec<u8>>);

impl Canaries {
    fn new(state: &Path) -> Self {
        let hashes = Expected::of(&secret());
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|it| format!("{it:02x}")).collect() };
        let mut all = vec![SECRET.trim().as_bytes().to_vec(), b"root:x:0:0".to_vec()];
        for hash in [&hashes.pieces[..], &hashes.root, &hashes.sha256, &hashes.units[0]] {
            all.extend([hash.to_vec(), hex(hash).into_bytes()]);
        }
        for key in ["announce.key", "operator.key"] {
            all.extend(fs::read(state.join(key)).map(|key| key.trim_ascii().to_vec()));
        }
        Self(all)
    }

    fn found_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|canary| {
            let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == canary[0]);
            starts.into_iter().any(|(at, _)| bytes[at..].starts_with(canary))
        })
    }
}

/// A directory to serve, among things that must not be served.
struct Farm {
    top: tempfile::TempDir,
    _socket: std::os::unix::net::UnixListener,
}

impl Farm {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let (root, outside) = (top.path().join("www"), top.path().join("www-other"));
        for directory in ["a/b/c", ".hidden", "swapped", "closed"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::create_dir(&outside).unwrap();
        for name in
            ["secret.zip", "www-other/secret.zip", "www/.hidden/secret.zip", "www/.secret.zip"]
        {
            fs::write(top.path().join(name), secret()).unwrap();
        }
        for name in ["public.zip", "a/public.zip", "a/b/c/public.zip", "swapped/secret.zip"] {
            fs::write(root.join(name), public()).unwrap();
        }
        fs::write(root.join("index.html"), "<title>t</title>").unwrap();
        let link = |target: &str, name: &str| symlink(target, root.join(name)).unwrap();
        link("a/public.zip", "inside.zip");
        link("../secret.zip", "out.zip");
        link("../secret.zip", "out.zip.torrent");
        link("../../../secret.zip", "a/b/out.zip");
        link("..", "up");
        link(".", "circle");
        link("../www-other", "beside");
        link("../www/../secret.zip", "round.zip");
        link("/etc/passwd", "passwd.zip");
        link("/", "slash");
        link("/proc/self/root", "proc");
        link("/proc/self/environ", "environ.zip");
        link("/proc/self/fd/0", "descriptor.zip");
        link("/dev/zero", "zero.zip");
        link("/dev/random", "random.zip");
        link("/dev/stdin", "stdin.zip");
        link("loop.zip", "loop.zip");
        link("ping.zip", "pong.zip");
        link("pong.zip", "ping.zip");
        link("nowhere", "dangling.zip");
        let secret = top.path().join("secret.zip");
        link(secret.to_str().unwrap(), "absolute.zip");
        for depth in 0..60 {
            link(&format!("chain{}.zip", depth + 1), &format!("chain{depth}.zip"));
        }
        link("../secret.zip", "chain60.zip");
        let mode = rustix::fs::Mode::from_raw_mode(0o666);
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe.zip"), mode).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(root.join("socket.zip")).unwrap();
        for (name, mode) in [("closed.zip", 0o000), ("closed", 0o000)] {
            let path = root.join(name);
            if name.ends_with(".zip") {
                fs::write(&path, SECRET).unwrap();
            }
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        Self { top, _socket: socket }
    }

    fn root(&self) -> PathBuf {
        self.top.path().join("www")
    }

    fn state(&self) -> PathBuf {
        self.top.path().join("state")
    }

    /// Root reads what nobody may read: then it is no secret.
    fn closed_is_closed(&self) -> bool {
        fs::read(self.root().join("closed.zip")).is_err()
    }
}

/// Request targets that have led servers astray, as bytes on the wire.
fn attacks() -> Vec<Vec<u8>> {
    let ups: [&[u8]; 20] = [
        b"..",
        b"%2e%2e",
        b".%2E",
        b"%252e%252e",
        b"%c0%ae%c0%ae",
        b"%e0%80%ae%e0%80%ae",
        b"\xc0\xae\xc0\xae",
        b"%u002e%u002e",
        b"..%00",
        b"..\x00",
        b"..%ff",
        b"..;x=1",
        b"..%20",
        b"..%0d%0a",
        b"..%5c..",
        b"..\\..",
        b"%2e%2e%2f%2e%2e",
        b"....//",
        b"%ef%bc%8e%ef%bc%8e",
        b"..%09",
    ];
    let slashes: [&[u8]; 9] =
        [b"/", b"%2f", b"%2F", b"%252f", b"%5c", b"\\", b"//", b"/./", b"%c0%af"];
    let mut attacks: Vec<Vec<u8>> = Vec::new();
    for up in ups {
        for slash in slashes {
            let step = [up, slash].concat();
            attacks.push([b"/", &step[..], b"secret.zip"].concat());
            attacks.push([b"/a/b/", &step.repeat(9)[..], b"etc/passwd"].concat());
        }
    }
    for odd in [
        "/out.zip",
        "/a/b/out.zip",
        "/up/secret.zip",
        "/up/",
        "/up",
        "/beside/secret.zip",
        "/round.zip",
        "/passwd.zip",
        "/slash/etc/passwd",
        "/proc/etc/passwd",
        "/environ.zip",
        "/descriptor.zip",
        "/zero.zip",
        "/random.zip",
        "/stdin.zip",
        "/loop.zip",
        "/ping.zip",
        "/dangling.zip",
        "/absolute.zip",
        "/chain0.zip",
        "/chain50.zip",
        "/pipe.zip",
        "/socket.zip",
        "/.secret.zip",
        "/%2esecret.zip",
        "/.hidden/secret.zip",
        "/a/../.secret.zip",
        "/public.zip/../../secret.zip",
        "/public.zip/",
        "/circle/circle/circle/up/secret.zip",
        "//secret.zip",
        "///etc/passwd",
        "//127.0.0.1/../secret.zip",
        "/./",
        "/.",
        "/..",
        "/...",
        "/%",
        "/%2",
        "/%zz",
        "/%00",
        "/?/../secret.zip",
        "/#/../secret.zip",
        "/~/",
        "/~root/",
        "/public.zip%00.html",
        "/C:\\secret.zip",
        "/file:///etc/passwd",
        "file:///etc/passwd",
        "*",
        "secret.zip",
        "../secret.zip",
        "",
        "/swapped/../../secret.zip",
        "/.well-known/../../secret.zip",
        "/.well-known/manyhands/../../../secret.zip",
        "/.well-known/manyhands/..%2f..%2f..%2fsecret.zip",
        "/.well-known/manyhands%2f..%2f..%2fsecret.zip",
        "/.well-known//manyhands/",
        "/.well-known/./manyhands/manifest/out.zip",
        "/.WELL-KNOWN/manyhands/",
        "/.well-known/manyhands/digests/..%2f../0",
        "/.well-known/manyhands/digests/../../../../secret.zip/0",
        "/.well-known/manyhands/announce.key",
        "/.well-known/manyhands/../state/announce.key",
        "/../state/announce.key",
        "/../state/operator.key",
        "/../state/assets/",
        "/.well-known/manyhands/status.json/../../../../secret.zip",
    ] {
        attacks.push(odd.into());
    }
    attacks.push([b"/", &b"../".repeat(2_000)[..], b"etc/passwd"].concat());
    attacks.push([b"/", &b"a/".repeat(5_000)[..], b"public.zip"].concat());
    attacks.push([b"/", &b"%2e%2e%2f".repeat(2_000)[..]].concat());
    attacks.push([b"/", &b"x".repeat(60_000)[..]].concat());
    attacks
}

/// The same thing asked for in every way there is to ask.
fn forms(attack: &[u8], host: &str) -> Vec<Vec<u8>> {
    let request = |method: &str, target: &[u8], more: &str| {
        let start = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
        [&start, format!("host: {host}\r\nconnection: close\r\n{more}\r\n").as_bytes()].concat()
    };
    let bare = attack.strip_prefix(b"/").unwrap_or(attack);
    let reserved = |kind: &str| {
        request("GET", &[b"/.well-known/manyhands/", kind.as_bytes(), b"/", bare].concat(), "")
    };
    let absolute = |to: &str| request("GET", &[b"http://", to.as_bytes(), attack].concat(), "");
    let mut forms = vec![
        request("GET", attack, ""),
        request("GET", attack, "range: bytes=0-99\r\n"),
        request("HEAD", attack, ""),
        request("GET", b"/", &format!("x-original-url: {}\r\n", attack.escape_ascii())),
        request("GET", &[attack, b".torrent"].concat(), ""),
        request("GET", &[attack, b".magnet"].concat(), ""),
        absolute(host),
        absolute("evil.example"),
        absolute("u:p@127.0.0.1:1"),
    ];
    forms.extend(["manifest", "torrent", "magnet", "meta4", "sha256", "digests"].map(reserved));
    forms
}

/// All that comes back for one request, head and body.
async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // Whoever refuses a request early closes before it was sent.
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    answer
}

/// What `serve` knows of in this state, or in any, once it has hashed all that it found.
async fn known(server: &Server, state: Option<&str>) -> Vec<String> {
    until("hashing ends", async || {
        let status = server.status().await;
        let assets = status["assets"].as_array().unwrap().iter();
        let assets = assets.filter(|it| state.is_none_or(|state| it["state"] == state));
        let paths: Vec<String> =
            assets.map(|asset| asset["path"].as_str().unwrap().to_owned()).collect();
        (status["pending"] == 0 && !paths.is_empty()).then_some(paths)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_leads_out_and_every_one_is_answered() {
    let farm = Farm::new();
    let server = Server::serve(&farm.root(), &farm.state(), SETTINGS);
    let canaries = Arc::new(Canaries::new(&farm.state()));
    // What is found without anybody asking: once files are old enough, all that is inside and nothing else.
    let mut expected =
        ["/a/b/c/public.zip", "/a/public.zip", "/inside.zip", "/public.zip", "/swapped/secret.zip"]
            .map(str::to_owned)
            .to_vec();
    if !farm.closed_is_closed() {
        expected.push("/closed.zip".to_owned());
    }
    expected.sort();
    until("all that is inside is shared", async || {
        let mut paths = known(&server, None).await;
        paths.sort();
        assert!(paths.iter().all(|path| expected.contains(path)), "{paths:?}");
        (paths == expected).then_some(())
    })
    .await;

    let attacks = attacks();
    assert!(attacks.len() >= 400, "{}", attacks.len());
    let requests: Vec<_> = attacks.iter().flat_map(|attack| forms(attack, "127.0.0.1:1")).collect();
    let asking = requests.chunks(requests.len().div_ceil(8)).map(|part| {
        let (part, canaries, address) = (part.to_vec(), canaries.clone(), server.address);
        tokio::spawn(async move {
            let mut served = 0;
            for request in part {
                let shown = request[..request.len().min(200)].escape_ascii().to_string();
                let answer = soon(&shown, exchange(address, &request)).await;
                assert!(answer.starts_with(b"HTTP/1.1 "), "no answer to {shown}");
                assert!(!answer.starts_with(b"HTTP/1.1 5"), "{shown}");
                assert!(!canaries.found_in(&answer), "{shown}");
                served += usize::from(answer.starts_with(b"HTTP/1.1 200"));
            }
            served
        })
    });
    let mut served = 0;
    for task in asking.collect::<Vec<_>>() {
        served += task.await.unwrap();
    }
    // Some of it is harmless: `/circle/` is a page, `/?/../secret.zip` the first page.
    assert!(served > 0);
    // The store never heard of it either.
    let mut folders = vec![farm.state()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.metadata().unwrap().is_dir() {
                folders.push(entry.path());
            } else if !entry.file_name().to_string_lossy().ends_with(".key") {
                assert!(!canaries.found_in(&fs::read(entry.path()).unwrap()), "{:?}", entry.path());
            }
        }
    }
}

/// A directory becomes a link out and back, as fast as that goes, while everything about a file in it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_swapped_for_a_link_never_leads_out() {
    let farm = Farm::new();
    let server = Server::serve(&farm.root(), &farm.state(), SETTINGS);
    let canaries = Arc::new(Canaries::new(&farm.state()));
    until("what is inside is shared", async || {
        let paths = known(&server, Some("ready")).await;
        paths.iter().any(|path| path == "/swapped/secret.zip").then_some(())
    })
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    // The file, its manifest, its torrent, its magnet. Each must be met, or nothing was tried: once before the
    // swapping, too, because what changes that often is left alone for a minute.
    let found: Arc<[AtomicU32; 4]> = Arc::default();
    let swapping = {
        let (root, stop, found) = (farm.root(), stop.clone(), found.clone());
        std::thread::spawn(move || {
            while found.iter().any(|it| it.load(Ordering::Relaxed) == 0) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let (real, away, link) =
                (root.join("swapped"), root.join(".away"), root.join("beside"));
            let mut swaps = 0_u32;
            // Now and then it rests, so that everything is also found in either state.
            let rest = |swaps: u32| {
                if swaps.is_multiple_of(64) {
                    std::thread::sleep(Duration::from_millis(15));
                }
            };
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&real, &away).unwrap();
                fs::rename(&link, &real).unwrap();
                rest(swaps);
                fs::rename(&real, &link).unwrap();
                fs::rename(&away, &real).unwrap();
                rest(swaps);
                swaps += 1;
            }
            swaps
        })
    };
    let enough = tokio::time::Instant::now() + Duration::from_secs(3);
    let asking: Vec<_> = (0..6)
        .map(|_| {
            let (address, canaries, found) = (server.address, canaries.clone(), found.clone());
            tokio::spawn(async move {
                let missing = || found.iter().any(|it| it.load(Ordering::Relaxed) == 0);
                while tokio::time::Instant::now() < enough || missing() {
                    let targets = [
                        "/swapped/secret.zip",
                        "/.well-known/manyhands/manifest/swapped/secret.zip",
                        "/.well-known/manyhands/torrent/swapped/secret.zip",
                        "/swapped/secret.zip.magnet",
                    ];
                    for (target, found) in targets.iter().zip(found.iter()) {
                        let request = format!(
                            "GET {target} HTTP/1.1\r\nhost: 127.0.0.1:1\r\nconnection: close\r\n\r\n"
                        );
                        let answer = exchange(address, request.as_bytes()).await;
                        assert!(!canaries.found_in(&answer), "{target}");
                        let whole = answer.starts_with(b"HTTP/1.1 200");
                        found.fetch_add(u32::from(whole), Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for task in asking {
        soon("each is found at least once", task).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = swapping.join().unwrap();
    println!("{swaps} swaps; file, manifest, torrent, magnet found {found:?} times");
    assert!(swaps > 100, "{swaps}");
}

/// A file that becomes a pipe while it waits to be hashed: opening one for reading waits for a writer, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_in_place_of_a_file_does_not_keep_the_worker() {
    let top = tempfile::tempdir().unwrap();
    let (root, state) = (top.path().join("www"), top.path().join("state"));
    fs::create_dir(&root).unwrap();
    // The first in line keeps the only worker busy meanwhile.
    fs::File::create(root.join("0.zip")).unwrap().set_len(200 << 20).unwrap();
    fs::write(root.join("1.zip"), public()).unwrap();
    fs::write(root.join("2.zip"), public()).unwrap();
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let server = Server::serve(&root, &state, SETTINGS);
    until("all three wait", async || (server.pending().await == 3).then_some(())).await;
    fs::remove_file(root.join("1.zip")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("1.zip"), mode).unwrap();
    until("the others are hashed", async || (server.pending().await == 0).then_some(())).await;
    let mut paths = known(&server, Some("ready")).await;
    paths.sort();
    assert_eq!(paths, ["/0.zip", "/2.zip"]);
}
