//! `kill -9` at any moment: what was ready stays ready and is not hashed again, nothing half-done is ever served, and
//! nothing is left behind.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use manyhands_metainfo::{AssetPath, Record, parse};
use manyhands_testkit::{Client, Expected, Server, until, zeros};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SETTINGS: &str = "[assets]\nmin_size = 1\n";
const ROUNDS: usize = 50;
const SMALL: usize = 150;
const LARGE: usize = 3;
/// After this long a file's version can be relied upon.
const SETTLED: Duration = Duration::from_millis(2_100);

/// One served file: what its hashes must be now, and the record that was made of it.
struct Served {
    name: String,
    expected: Expected,
    changed: Instant,
    /// Where its record lies, once it was seen to be ready: inode and modification time.
    record: Option<(u64, i64)>,
}

struct Site {
    top: tempfile::TempDir,
    state: PathBuf,
    files: Vec<Served>,
    dice: StdRng,
}

impl Site {
    fn new(seed: u64) -> Self {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir(top.path().join("www")).unwrap();
        let state = top.path().join("state");
        let mut site = Self { top, state, files: Vec::new(), dice: StdRng::seed_from_u64(seed) };
        for number in 0..SMALL + LARGE {
            site.files.push(Served {
                name: format!("{number:03}.zip"),
                expected: Expected::of(&[]),
                changed: Instant::now(),
                record: None,
            });
            site.rewrite(number);
        }
        site
    }

    fn root(&self) -> PathBuf {
        self.top.path().join("www")
    }

    /// New bytes for a file; the last few are large, so that a kill meets them half hashed.
    fn rewrite(&mut self, number: usize) {
        let length = match number < SMALL {
            true => self.dice.random_range(1..100_000),
            false => 12_000_000 + self.dice.random_range(0..1_000_000),
        };
        let word: [u8; 16] = self.dice.random();
        let mut bytes = word.repeat(length / 16 + 1);
        bytes.truncate(length);
        // Not all units alike.
        for at in (0..length).step_by(10_000) {
            bytes[at] = (at / 10_000) as u8;
        }
        let file = &mut self.files[number];
        fs::write(self.top.path().join("www").join(&file.name), &bytes).unwrap();
        (file.expected, file.record, file.changed) = (Expected::of(&bytes), None, Instant::now());
    }

    fn record_of(&self, number: usize) -> Option<(u64, i64)> {
        let path = AssetPath::parse(&format!("/{}", self.files[number].name)).unwrap();
        let name = Record::file_name_of(&path);
        let sites = fs::read_dir(self.state.join("assets")).unwrap();
        let places = sites.map(|site| site.unwrap().path().join(&name));
        let metadata = places.filter_map(|place| fs::metadata(place).ok()).next()?;
        Some((metadata.ino(), metadata.mtime_nsec() + metadata.mtime() * 1_000_000_000))
    }

    /// Looks at the metainfo of one file; true when there is any. What there is must be right.
    async fn look(&mut self, client: &mut Client, number: usize) -> bool {
        let Served { name, expected, .. } = &self.files[number];
        let below = |kind: &str| format!("/.well-known/manyhands/{kind}/{name}");
        let answer = client.get(&below("manifest"), &[]).await.unwrap();
        if answer.status != 200 {
            return false;
        }
        let manifest = answer.json();
        assert_eq!(manifest["root"], expected.root_text(), "{name}");
        assert_eq!(manifest["length"], expected.length, "{name}");
        let answer = client.get(&below("torrent"), &[]).await.unwrap();
        if answer.status == 200 {
            assert!(parse(&answer.body).unwrap().pieces == expected.pieces, "{name}");
        }
        let record = self.record_of(number);
        let before = self.files[number].record;
        assert!(before.is_none() || record == before, "{name} was hashed again");
        self.files[number].record = record;
        true
    }
}

/// All that lies below a directory, by name.
fn listing(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_owned();
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    all
}

/// Whether this is a record in the making, of a process that was started then.
fn is_half_done(file: &Path, started: SystemTime) -> bool {
    let written = fs::metadata(file).unwrap().modified().unwrap();
    file.extension().is_some_and(|extension| extension == "new") && written >= started
}

/// Until everything is hashed.
async fn finish(site: &mut Site, server: &Server) {
    let mut client = server.connect().await;
    for number in 0..site.files.len() {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !site.look(&mut client, number).await {
            assert!(Instant::now() < deadline, "{} never becomes ready", site.files[number].name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    until("hashing ends", async || (server.pending().await == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_nothing_repeat_nothing_and_leave_nothing() {
    let mut site = Site::new(11);
    let began = Instant::now();
    let (mut kept, mut looked, mut most_files, mut half_done) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let started = SystemTime::now();
        let server = Server::serve(&site.root(), &site.state, SETTINGS);
        let mut client = server.connect().await;
        // What was ready is ready again, by nothing more than being looked for.
        let ready: Vec<usize> =
            (0..site.files.len()).filter(|number| site.files[*number].record.is_some()).collect();
        let again = (0..20.min(ready.len())).map(|_| ready[site.dice.random_range(0..ready.len())]);
        for number in again.collect::<Vec<_>>() {
            let deadline = Instant::now() + Duration::from_secs(60);
            while !site.look(&mut client, number).await {
                let name = &site.files[number].name;
                assert!(Instant::now() < deadline, "round {round}: {name} was ready, and is not");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            kept += 1;
        }
        // Then anything, until the moment comes.
        let moment = Instant::now() + Duration::from_micros(site.dice.random_range(0..220_000));
        while Instant::now() < moment {
            let number = site.dice.random_range(0..site.files.len());
            looked += u32::from(site.look(&mut client, number).await);
        }
        server.kill();
        let left = listing(&site.state);
        most_files = most_files.max(left.len());
        half_done +=
            u32::from(left.keys().any(|name| is_half_done(&site.state.join(name), started)));
        // Some files change between one process and the next.
        if round < ROUNDS - 8 {
            let number = site.dice.random_range(0..site.files.len());
            site.rewrite(number);
        }
    }
    println!(
        "{ROUNDS} kills in {:?}: {half_done} with a file half hashed or half written; {kept} found ready \
         again, {looked} looked at",
        began.elapsed()
    );
    assert!(kept > 100, "{kept}");
    assert!(half_done >= 3, "{half_done}");
    // A record a file, and a few more: one that is being written, keys and locks.
    assert!(most_files <= site.files.len() + 16, "{most_files} files in the state directory");

    let settled = site.files.iter().map(|file| file.changed).max().unwrap() + SETTLED;
    tokio::time::sleep(settled.saturating_duration_since(Instant::now())).await;
    let server = Server::serve(&site.root(), &site.state, SETTINGS);
    finish(&mut site, &server).await;
    server.kill();
    let killed = listing(&site.state);

    site.state = site.top.path().join("fresh");
    site.files.iter_mut().for_each(|file| file.record = None);
    let server = Server::serve(&site.root(), &site.state, SETTINGS);
    finish(&mut site, &server).await;
    server.kill();
    // All that so many deaths left is what one quiet life leaves.
    let quiet = listing(&site.state);
    assert_eq!(killed.keys().collect::<Vec<_>>(), quiet.keys().collect::<Vec<_>>());
    let keyed = |name: &Path| name.extension().is_some_and(|extension| extension == "key");
    let differing: HashMap<_, _> =
        killed.iter().filter(|(name, bytes)| !keyed(name) && quiet[*name] != **bytes).collect();
    assert!(differing.is_empty(), "{:?}", differing.keys());
}

/// How far the file under way is hashed; nothing while none is.
async fn hashed(server: &Server) -> Option<u64> {
    let status = server.status().await;
    let jobs = status["jobs"].as_array().unwrap();
    jobs.first().map(|job| job["hashed"].as_u64().unwrap())
}

/// Waits until more than so many bytes of a file are hashed; says how many then are.
async fn hashed_beyond(server: &Server, bytes: u64, poll: Duration, deadline: Instant) -> u64 {
    loop {
        assert!(Instant::now() < deadline, "never more than {bytes} bytes hashed");
        if let Some(at) = hashed(server).await.filter(|at| *at > bytes) {
            return at;
        }
        tokio::time::sleep(poll).await;
    }
}

/// Kills the hashing of a file of zeros as soon as more than so many bytes of it are hashed.
async fn kill_and_go_on(length: u64, beyond: u64) {
    let top = tempfile::tempdir().unwrap();
    let (root, state) = (top.path().join("www"), top.path().join("state"));
    fs::create_dir(&root).unwrap();
    fs::File::create(root.join("huge.zip")).unwrap().set_len(length).unwrap();
    tokio::time::sleep(SETTLED).await;
    let (began, poll) = (Instant::now(), Duration::from_millis(10));
    let deadline = began + Duration::from_secs(3_600);
    let server = Server::serve(&root, &state, SETTINGS);
    let killed_at = hashed_beyond(&server, beyond, poll, deadline).await;
    let first = server.memory();
    server.kill();

    let server = Server::serve(&root, &state, SETTINGS);
    let resumed_at = hashed_beyond(&server, 0, poll, deadline).await;
    let manifest = loop {
        tokio::time::sleep(poll * 10).await;
        assert!(Instant::now() < deadline);
        let answer = server.reserved("manifest/huge.zip").await;
        if answer.status == 200 {
            break answer.json();
        }
    };
    let second = server.memory();
    // What was put aside last is at most a sixty-fourth of the file back, or a gibibyte; a piece or so more.
    let (read, lost) = (server.bytes_read(), (length / 64).max(1 << 30) + (64 << 20));
    println!(
        "killed at {killed_at}, went on at {resumed_at}, then {read} bytes read; {:?}; {first:?}, {second:?}",
        began.elapsed()
    );
    assert!(resumed_at + lost >= killed_at, "{killed_at} {resumed_at}");
    assert!(resumed_at >= beyond / 2, "{killed_at} {resumed_at}");
    assert!(killed_at + read < length + lost, "{killed_at} {read}");
    let (expected, full, last, pieces) = zeros(length);
    let hex: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(manifest["root"], hex);
    let torrent = parse(&server.reserved("torrent/huge.zip").await.body).unwrap();
    let mut all = full.repeat(usize::try_from(pieces).unwrap() - 1);
    all.extend_from_slice(&last);
    assert!(torrent.pieces == all);
    for memory in [first, second] {
        assert!(memory.peak < 200 << 20, "{memory:?}");
    }
}

/// Work is put aside after each gibibyte.
#[tokio::test(flavor = "multi_thread")]
async fn hashing_3_gib_goes_on_where_it_was_killed() {
    kill_and_go_on((3 << 30) + 1, 2 << 30).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "hashes 120 GB of nothing"]
async fn hashing_120_gb_goes_on_where_it_was_killed() {
    kill_and_go_on(120_000_000_001, 40_000_000_000).await;
}
