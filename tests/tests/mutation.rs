//! Files and upstreams that change as fast as they can, while visitors read: whatever one strong validator stands
//! for is one version, in every body, every range put together, every manifest, torrent and digest.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use manyhands_metainfo::parse;
use manyhands_testkit::{Answer, Asked, Client, Expected, Server, Versions, origin};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const SHORT: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(60);

/// The whole of a version and the two shorter forms in which it may appear. Files are longer than what the system takes
/// off a server's hands at once, so that they change in the middle of being sent.
const OF_FILES: [usize; 3] = [4_194_304, 3_600_003, 3_000_001];
const OF_UPSTREAM: [usize; 3] = [1_310_720, 1_100_003, 700_001];

/// The version, and its length; nothing is of every version.
type Form = (Option<u32>, u64);

/// What is known of the validators met so far. Two things said of one are a mixture.
struct Ledger {
    versions: Versions,
    lengths: [usize; 3],
    /// Paths whose every answer is of one version, whatever stands for it: nothing is written in place there.
    pure: fn(&str) -> bool,
    /// By path and validator: version and length.
    met: Mutex<HashMap<(String, String), Form>>,
    /// Version and form by root, by SHA-256 (as `Repr-Digest` writes it) and by v1 pieces.
    roots: HashMap<String, Form>,
    digests: HashMap<String, Form>,
    pieces: HashMap<Vec<u8>, Form>,
    units: HashMap<String, Vec<[u8; 32]>>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    wholes: AtomicU64,
    assembled: AtomicU64,
    restarted: AtomicU64,
    /// Ranges of the version that `If-Match` named, and answers that there is none such.
    matched: AtomicU64,
    unmatched: AtomicU64,
    cut_off: AtomicU64,
    refused: AtomicU64,
    /// Bodies without a strong validator: where all are of one version, and of mixed ones elsewhere.
    weak: AtomicU64,
    mixed: AtomicU64,
    manifests: AtomicU64,
    torrents: AtomicU64,
    pages: AtomicU64,
    digests: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Ledger {
    fn new(count: u32, lengths: [usize; 3], pure: fn(&str) -> bool) -> Self {
        let versions = Versions::new(1, count, lengths[0]);
        let mut ledger = Self {
            met: Mutex::default(),
            roots: HashMap::new(),
            digests: HashMap::new(),
            pieces: HashMap::new(),
            units: HashMap::new(),
            counts: Counts::default(),
            versions: Versions::new(0, 0, 0),
            lengths,
            pure,
        };
        let forms = versions.numbers().flat_map(|version| {
            lengths.map(|length| (Some(version), &versions.content(version)[..length]))
        });
        for (version, bytes) in forms.chain([(None, &[][..])]) {
            let what = (version, bytes.len() as u64);
            let expected = Expected::of(bytes);
            ledger.roots.insert(expected.root_text(), what);
            ledger.units.insert(expected.root_text(), expected.units.clone());
            ledger.digests.insert(expected.repr_digest(), what);
            ledger.pieces.insert(expected.pieces, what);
        }
        Self { versions, ..ledger }
    }

    /// Whether everything happened at least once: else it proves nothing that all is well.
    fn was_tried(&self) -> bool {
        let counts = &self.counts;
        let cut_off = self.lengths == OF_UPSTREAM || counts.cut_off.load(Ordering::Relaxed) > 0;
        let all = [
            &counts.wholes,
            &counts.assembled,
            &counts.restarted,
            &counts.matched,
            &counts.unmatched,
            &counts.weak,
            &counts.manifests,
            &counts.torrents,
            &counts.pages,
            &counts.digests,
        ];
        cut_off && all.iter().all(|counter| counter.load(Ordering::Relaxed) > 0)
    }

    /// Takes note of what a validator stands for.
    fn claim(&self, path: &str, validator: &str, what: Form, by: &str) {
        let mut met = self.met.lock().unwrap();
        let key = (path.to_owned(), validator.to_owned());
        let known = *met.entry(key).or_insert(what);
        assert_eq!(known, what, "{path} {validator}: {by} says another version than before");
    }

    /// Takes in a whole body, or one put together.
    fn body(&self, path: &str, validator: Option<&str>, body: &[u8], by: &str) {
        let Some(validator) = validator else { return self.weak_part(path, 0, body, by) };
        let version = self.versions.identify(body, 0);
        let version = version.unwrap_or_else(|mixed| panic!("{path} {validator}, {by}: {mixed}"));
        self.claim(path, validator, (version, body.len() as u64), by);
    }

    /// Takes in what came without a strong validator.
    fn weak_part(&self, path: &str, offset: usize, body: &[u8], by: &str) {
        match self.versions.identify(body, offset) {
            Err(mixed) if (self.pure)(path) => panic!("{path} without a validator, {by}: {mixed}"),
            Err(_) => count(&self.counts.mixed),
            Ok(_) if (self.pure)(path) => count(&self.counts.weak),
            Ok(_) => {}
        }
    }

    /// What an answer's head says of the whole.
    fn head(&self, path: &str, validator: Option<&str>, answer: &Answer) {
        if let (Some(validator), Some(digest)) = (validator, answer.header("repr-digest")) {
            let what = self.digests.get(digest);
            let what = what.unwrap_or_else(|| panic!("{path}: {digest} is of no version"));
            self.claim(path, validator, *what, "Repr-Digest");
            count(&self.counts.digests);
        }
    }
}

/// The validator that a careful client would put ranges together under.
fn validator(answer: &Answer) -> Option<&str> {
    if answer.header("etag").is_some() {
        return answer.strong_tag();
    }
    // RFC 9110, section 8.8.2.2: old enough against the date of the answer.
    let date = |name| Some(httpdate::parse_http_date(answer.header(name)?).unwrap());
    let age = date("date")?.duration_since(date("last-modified")?).ok()?;
    answer.header("last-modified").filter(|_| age >= Duration::from_secs(60))
}

/// One of those who read, until the time is over.
struct Reader {
    ledger: Arc<Ledger>,
    server: Arc<Server>,
    client: Client,
    dice: StdRng,
}

impl Reader {
    async fn run(mut self, paths: Arc<dyn Fn(&mut StdRng) -> String + Send + Sync>, end: Instant) {
        let patience = end + Duration::from_secs(60);
        while Instant::now() < end || (Instant::now() < patience && !self.ledger.was_tried()) {
            let path = paths(&mut self.dice);
            let done = match self.dice.random_range(0..10) {
                0..5 => self.whole(&path).await,
                5..8 => self.ranges(&path).await,
                _ => self.metainfo(&path).await,
            };
            if done.is_err() {
                count(&self.ledger.counts.cut_off);
                self.client = self.reconnect().await;
            }
        }
    }

    async fn reconnect(&mut self) -> Client {
        match self.dice.random_range(0..3) {
            0 => self.server.connect().await,
            _ => self.server.connect_narrow().await,
        }
    }

    /// Rests for a moment now and then, so that a file changes within a body and between two ranges.
    async fn dawdle(&mut self) {
        if self.dice.random_range(0..4) == 0 {
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(1..40))).await;
        }
    }

    async fn whole(&mut self, path: &str) -> std::io::Result<()> {
        self.client.ask("GET", path, &[]).await?;
        let mut answer = self.client.head(false).await?;
        while let Some(part) = self.client.part().await? {
            answer.body.extend_from_slice(&part);
            self.dawdle().await;
        }
        if answer.status != 200 {
            count(&self.ledger.counts.refused);
            return Ok(());
        }
        self.ledger.head(path, validator(&answer), &answer);
        self.ledger.body(path, validator(&answer), &answer.body, "a whole body");
        count(&self.ledger.counts.wholes);
        Ok(())
    }

    /// As a web seed is read: many ranges, put together while they are of one version.
    async fn ranges(&mut self, path: &str) -> std::io::Result<()> {
        let mut under: Option<(String, u64)> = None;
        let mut body = Vec::new();
        for _ in 0..60 {
            let size = 16_384 << self.dice.random_range(0..7);
            let range = format!("bytes={}-{}", body.len(), body.len() + size - 1);
            let mut fields = vec![("range", range.as_str())];
            // A third of them look at what they get, the others have the server look.
            let condition = match (self.dice.random_range(0..3), &under) {
                (1, Some((validator, _))) => Some(("if-range", validator.as_str())),
                // A date is no tag.
                (2, Some((tag, _))) if tag.starts_with('"') => Some(("if-match", tag.as_str())),
                _ => None,
            };
            fields.extend(condition);
            let answer = self.client.get(path, &fields).await?;
            self.dawdle().await;
            let now = validator(&answer).map(str::to_owned);
            self.ledger.head(path, now.as_deref(), &answer);
            if let Some(("if-match", tag)) = condition {
                let counts = &self.ledger.counts;
                match answer.status {
                    200 | 206 => {
                        let of = now.as_deref();
                        assert_eq!(of, Some(tag), "{path}: If-Match: {tag} gave another version");
                        count(&counts.matched);
                    }
                    412 => count(&counts.unmatched),
                    _ => {}
                }
            }
            match (answer.status, now) {
                (200, now) => {
                    self.ledger.body(path, now.as_deref(), &answer.body, "instead of a range");
                    count(&self.ledger.counts.wholes);
                    return Ok(());
                }
                (206, Some(now)) => {
                    let range = answer.header("content-range").unwrap();
                    let (place, length) = range.split_once('/').unwrap();
                    let length: u64 = length.parse().unwrap();
                    let last = body.len() + answer.body.len() - 1;
                    assert_eq!(place, format!("bytes {}-{last}", body.len()), "{path}");
                    match &under {
                        Some((before, _)) if *before != now => {
                            assert!(
                                condition.is_none(),
                                "{path}: {condition:?} gave a part of {now}"
                            );
                            count(&self.ledger.counts.restarted);
                            return Ok(());
                        }
                        _ => {}
                    }
                    under = Some((now, length));
                    body.extend_from_slice(&answer.body);
                    if body.len() as u64 == length {
                        let validator = under.map(|(validator, _)| validator);
                        self.ledger.body(path, validator.as_deref(), &body, "ranges");
                        count(&self.ledger.counts.assembled);
                        return Ok(());
                    }
                }
                (206, None) => {
                    self.ledger.weak_part(path, body.len(), &answer.body, "a range");
                    if under.is_some() {
                        count(&self.ledger.counts.restarted);
                    }
                    return Ok(());
                }
                _ => {
                    count(&self.ledger.counts.refused);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn metainfo(&mut self, path: &str) -> std::io::Result<()> {
        let below = |kind: &str| format!("/.well-known/manyhands/{kind}{path}");
        let ledger = self.ledger.clone();
        let answer = self.client.get(&below("manifest"), &[]).await?;
        if answer.status == 200 {
            let manifest = answer.json();
            let root = manifest["root"].as_str().unwrap();
            let what = ledger.roots.get(root);
            let what = *what.unwrap_or_else(|| panic!("{path}: a manifest of no version"));
            assert_eq!(manifest["length"], what.1, "{path}");
            // Without a tag a manifest is bound to nothing but its root.
            if let Some(tag) = manifest["etag"].as_str() {
                ledger.claim(path, tag, what, "a manifest");
            }
            count(&ledger.counts.manifests);
            let page = format!("/.well-known/manyhands/digests/{root}/0");
            let page = self.client.get(&page, &[]).await?;
            if page.status == 200 {
                assert!(
                    page.body == ledger.units[root].concat(),
                    "{path}: digests of another root"
                );
                count(&ledger.counts.pages);
            }
        }
        let answer = self.client.get(&below("torrent"), &[]).await?;
        if answer.status == 200 {
            let torrent = parse(&answer.body).unwrap();
            let what = ledger.pieces.get(&torrent.pieces);
            let what = what.unwrap_or_else(|| panic!("{path}: a torrent of no version"));
            assert_eq!(torrent.layout.total(), what.1, "{path}");
            count(&ledger.counts.torrents);
        }
        Ok(())
    }
}

async fn read(
    ledger: &Arc<Ledger>,
    server: Arc<Server>,
    readers: u64,
    time: Duration,
    paths: impl Fn(&mut StdRng) -> String + Send + Sync + 'static,
) {
    let (paths, end) = (Arc::new(paths), Instant::now() + time);
    let mut reading = Vec::new();
    for seed in 0..readers {
        let (ledger, server) = (ledger.clone(), server.clone());
        let (client, dice) = (server.connect().await, StdRng::seed_from_u64(seed));
        let mut reader = Reader { ledger, server, client, dice };
        reader.client = reader.reconnect().await;
        reading.push(tokio::spawn(reader.run(paths.clone(), end)));
    }
    for task in reading {
        task.await.unwrap();
    }
}

// ---- files ------------------------------------------------------------------------------------------------

/// Changes one file in all the ways there are, or by nothing but putting another in its place. Each is over within one call of the system where it can be, so that
/// no half of a version ever looks old; between two bursts it rests for so long that the file counts as settled.
fn vandal(
    path: &Path,
    ledger: &Ledger,
    seed: u64,
    restless: bool,
    renames: bool,
    stop: &AtomicBool,
) -> u64 {
    let mut dice = StdRng::seed_from_u64(1_000 + seed);
    let (beside, lengths) = (path.with_extension("new"), ledger.lengths);
    let open = || File::options().write(true).open(path).unwrap();
    let mut edits = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..dice.random_range(1..8) {
            let version = dice.random_range(ledger.versions.numbers());
            let whole = ledger.versions.content(version);
            let form = &whole[..lengths[dice.random_range(0..lengths.len())]];
            match if renames { 2 } else { dice.random_range(0..5) } {
                0 => {
                    // In place, and of the same length.
                    let file = open();
                    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
                    file.write_all_at(&whole[..length], 0).unwrap();
                }
                1 => fs::write(path, form).unwrap(),
                2 => {
                    fs::write(&beside, form).unwrap();
                    fs::rename(&beside, path).unwrap();
                }
                3 => {
                    // Replaced by the start of a version, the rest appended later.
                    fs::write(&beside, &whole[..lengths[2]]).unwrap();
                    fs::rename(&beside, path).unwrap();
                    let mut file = File::options().append(true).open(path).unwrap();
                    file.write_all(&whole[lengths[2]..lengths[1]]).unwrap();
                    file.write_all(&whole[lengths[1]..]).unwrap();
                }
                _ => {
                    let file = open();
                    let before = file.metadata().unwrap();
                    let length = usize::try_from(before.len()).unwrap();
                    file.write_all_at(&whole[..length], 0).unwrap();
                    file.set_modified(before.modified().unwrap()).unwrap();
                }
            }
            edits += 1;
        }
        let rest = if restless { 1..90 } else { 2_010..4_500 };
        let rest = Instant::now() + Duration::from_millis(dice.random_range(rest));
        while Instant::now() < rest && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    edits
}

const FILES: u64 = 12;

/// Whether a file changes by renames alone: two of those that rest, and one that does not.
fn is_renamed(path: &str) -> bool {
    ["7.zip", "8.zip", "9.zip"].contains(&path.trim_start_matches('/'))
}

async fn files_change(time: Duration) {
    let top = tempfile::tempdir().unwrap();
    let root = top.path().join("www");
    fs::create_dir(&root).unwrap();
    let ledger = Arc::new(Ledger::new(8, OF_FILES, is_renamed));
    let names: Vec<String> = (0..FILES).map(|file| format!("{file}.zip")).collect();
    for name in &names {
        fs::write(root.join(name), ledger.versions.content(1)).unwrap();
    }
    let server =
        Arc::new(Server::serve(&root, &top.path().join("state"), "[assets]\nmin_size = 1\n"));
    let stop = Arc::new(AtomicBool::new(false));
    let vandals: Vec<_> = (0..)
        .zip(&names)
        .map(|(seed, name)| {
            let (path, ledger, stop) = (root.join(name), ledger.clone(), stop.clone());
            // The last three are never left alone.
            let (restless, renames) = (seed >= FILES - 3, is_renamed(name));
            std::thread::spawn(move || vandal(&path, &ledger, seed, restless, renames, &stop))
        })
        .collect();
    let paths = move |dice: &mut StdRng| format!("/{}", names[dice.random_range(0..names.len())]);
    read(&ledger, server, 20, time, paths).await;
    stop.store(true, Ordering::Relaxed);
    let edits: u64 = vandals.into_iter().map(|thread| thread.join().unwrap()).sum();
    let (counts, met) = (&ledger.counts, ledger.met.lock().unwrap().len());
    println!("files: {edits} edits, {met} strong validators, {counts:?}");
    assert!(ledger.was_tried(), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_validator_is_one_version_while_files_change() {
    files_change(SHORT).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute"]
async fn one_validator_is_one_version_while_files_change_for_a_minute() {
    files_change(LONG).await;
}

// ---- an upstream ------------------------------------------------------------------------------------------

/// An upstream whose file at `/EVERY/TAG/AGE/NAME.zip` is another version after so many requests; with a strong tag,
/// with a weak one, or with a date alone. Some answer ranges, some do not.
struct Fickle {
    ledger: Arc<Ledger>,
    requests: Mutex<HashMap<String, Arc<AtomicU32>>>,
}

impl Fickle {
    async fn answer(self: Arc<Self>, asked: Asked, mut socket: TcpStream) -> Option<TcpStream> {
        let mut parts = asked.target.trim_start_matches('/').split('/');
        let every: u32 = parts.next()?.parse().ok()?;
        let kind = parts.next()?;
        let requests =
            self.requests.lock().unwrap().entry(asked.target.clone()).or_default().clone();
        // Where it takes turns, the version is a new one; validators never come back.
        let turn = requests.fetch_add(1, Ordering::Relaxed) / every;
        let count = u32::try_from(self.ledger.versions.numbers().len()).unwrap();
        let version = 1 + turn % count;
        let length = self.ledger.lengths[(turn % 3) as usize];
        let content = &self.ledger.versions.content(version)[..length];
        let now = SystemTime::now();
        let told = if kind == "date" {
            let modified = now - Duration::from_secs(200_000_000) + Duration::from_secs(60) * turn;
            let modified =
                modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 60 * 60;
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(modified);
            format!("last-modified: {}", httpdate::fmt_http_date(modified))
        } else {
            format!("etag: {}\"{turn}\"", if kind == "weak" { "W/" } else { "" })
        };
        let validator = told.split_once(": ").unwrap().1;
        let same = |given: &str| given == validator && !given.starts_with("W/");
        let current = asked.header("if-range").is_none_or(same);
        let matching = asked.header("if-match").is_none_or(same);
        let range = asked.range(length as u64).filter(|_| current && every != 50);
        let common = format!(
            "{told}\r\ndate: {}\r\ncontent-type: application/zip\r\n",
            httpdate::fmt_http_date(now)
        );
        let (head, body) = match range {
            _ if !matching => ("HTTP/1.1 412 No\r\ncontent-length: 0\r\n\r\n".to_owned(), &[][..]),
            Some((first, last)) => {
                let body =
                    &content[usize::try_from(first).unwrap()..=usize::try_from(last).unwrap()];
                let range = format!("content-range: bytes {first}-{last}/{length}");
                let size = body.len();
                let head = format!(
                    "HTTP/1.1 206 Part\r\n{common}{range}\r\ncontent-length: {size}\r\n\r\n"
                );
                (head, body)
            }
            None => {
                (format!("HTTP/1.1 200 OK\r\n{common}content-length: {length}\r\n\r\n"), content)
            }
        };
        socket.write_all(head.as_bytes()).await.ok()?;
        socket.write_all(body).await.ok()?;
        Some(socket)
    }
}

async fn upstream_changes(time: Duration) {
    let top = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::new(16, OF_UPSTREAM, |_| true));
    let fickle = Arc::new(Fickle { ledger: ledger.clone(), requests: Mutex::default() });
    let upstream = origin(move |asked, socket| fickle.clone().answer(asked, socket)).await;
    let settings = "[assets]\nmin_size = 1\n[admission]\nrequests = 1\nprefixes = 0\n";
    let server = Arc::new(Server::proxy(upstream, &top.path().join("state"), settings));
    let began = Instant::now();
    // What changes too often is left alone for a minute; so there are new files all the time.
    let paths = move |dice: &mut StdRng| {
        let every = [1, 2, 3, 7, 20, 50, 200][dice.random_range(0..7)];
        let kind = ["tag", "date", "weak"][dice.random_range(0..3)];
        format!("/{every}/{kind}/{}/a.zip", began.elapsed().as_secs() / 2)
    };
    read(&ledger, server, 16, time, paths).await;
    let (counts, met) = (&ledger.counts, ledger.met.lock().unwrap().len());
    println!("upstream: {met} strong validators, {counts:?}");
    assert!(ledger.was_tried(), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_validator_is_one_version_while_the_upstream_changes() {
    upstream_changes(SHORT).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute"]
async fn one_validator_is_one_version_while_the_upstream_changes_for_a_minute() {
    upstream_changes(LONG).await;
}
