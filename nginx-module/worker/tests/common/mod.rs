//! A daemon as a worker sees it: a directory of files, and a socket that hears reports.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use manyhands_bridge::{Event, Form, Lease, Published, Report, Swarms};
use manyhands_metainfo::{AssetPath, Hasher, InfoHash, Record, Validator, Version, piece_length};
use manyhands_nginx_worker::{Counters, Directives, Location, Site};
use manyhands_page::{AssetOffer, PolicyTerms};

/// When it is: past the burn-in of a block, whatever its hours.
pub(crate) const NOW: u64 = 1_800_000_000_000 + 1_000_000;
pub(crate) const CONTENT: &[u8] = &[7; 2 << 20];

pub(crate) struct Daemon {
    dir: tempfile::TempDir,
    socket: UnixDatagram,
    pub(crate) zone: Vec<AtomicU64>,
}

impl Daemon {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(Published::DIR)).unwrap();
        fs::create_dir_all(dir.path().join(lease().records)).unwrap();
        let socket = UnixDatagram::bind(dir.path().join("events")).unwrap();
        socket.set_nonblocking(true).unwrap();
        let zone = (0..Counters::LEAST_WORDS).map(|_| AtomicU64::new(0)).collect();
        Self { dir, socket, zone }
    }

    pub(crate) fn state(&self) -> &Path {
        self.dir.path()
    }

    /// A worker that looks at it.
    pub(crate) fn site(&self) -> Site<'_> {
        Site::new(self.dir.path(), &self.dir.path().join("events"), Counters::attach(&self.zone, 1))
    }

    pub(crate) fn lease(&self, lease: &Lease, renewed: u64) {
        let place = self.dir.path().join(Lease::FILE);
        replace(&place, &lease.to_json());
        let renewed = SystemTime::UNIX_EPOCH + Duration::from_millis(renewed);
        File::options().append(true).open(place).unwrap().set_modified(renewed).unwrap();
    }

    /// Puts an asset on record, and says how its answers look.
    pub(crate) fn record(&self, path: &str) -> AssetOffer {
        let path = AssetPath::parse(path).unwrap();
        let length = CONTENT.len() as u64;
        let (mut hasher, mut digests) = (Hasher::new(length, piece_length(length)), Vec::new());
        hasher.update(CONTENT, &mut digests).unwrap();
        let offer = offer(path);
        let record = Record {
            path: offer.path.clone(),
            content_type: offer.content_type.clone(),
            version: offer.version.clone(),
            hashes: hasher.finish().unwrap(),
        };
        let place = self.dir.path().join(lease().records).join(record.file_name());
        replace(&place, &record.to_bytes(&digests));
        offer
    }

    pub(crate) fn publish(&self, published: &Published) {
        replace(&self.published(&published.path), &published.to_json());
    }

    pub(crate) fn unpublish(&self, path: &AssetPath) {
        fs::remove_file(self.published(path)).unwrap();
    }

    pub(crate) fn swarms(&self, swarms: &Swarms) {
        replace(&self.dir.path().join(Swarms::FILE), &swarms.to_json());
    }

    /// What it was told since the last time.
    pub(crate) fn heard(&self) -> Vec<Report> {
        let mut bytes = vec![0; 1 << 17];
        let mut reports = Vec::new();
        while let Ok(length) = self.socket.recv(&mut bytes) {
            assert!(length <= 60_000, "{length}");
            reports.push(Report::from_json(&bytes[..length]).unwrap());
        }
        reports
    }

    pub(crate) fn events(&self) -> Vec<(Event, u64)> {
        self.heard().into_iter().flat_map(|report| report.events).collect()
    }

    fn published(&self, path: &AssetPath) -> PathBuf {
        self.dir.path().join(Published::DIR).join(Published::file_name_of(path))
    }
}

fn replace(place: &Path, content: &[u8]) {
    let new = place.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, place).unwrap();
}

pub(crate) fn lease() -> Lease {
    let origin = Some("https://example.org".to_owned());
    let policy = PolicyTerms { origin, ..PolicyTerms::default() };
    let mut lease = Lease::new(policy, "assets/0123456789abcdef".to_owned());
    (lease.sharing, lease.suffixes) = (true, true);
    lease
}

/// The same, but for something.
pub(crate) fn lease_with(change: impl FnOnce(&mut Lease)) -> Lease {
    let mut lease = lease();
    change(&mut lease);
    lease
}

pub(crate) fn offer(path: AssetPath) -> AssetOffer {
    let validator = Validator::Etag("\"v1\"".to_owned());
    AssetOffer {
        path,
        version: Version { validator, length: CONTENT.len() as u64, file: None },
        content_type: "application/zip".to_owned(),
        demand: true,
        teeable: true,
    }
}

pub(crate) fn published(path: &str) -> Published {
    let form = |name: &str| Form {
        fields: vec![("content-type".to_owned(), name.to_owned())],
        body: format!("the {name}").into_bytes(),
    };
    let forms = ["manifest", "torrent", "magnet", "meta4", "sha256"].map(form);
    Published::new(AssetPath::parse(path).unwrap(), InfoHash::from_bytes([7; 20]), None, forms)
}

pub(crate) fn everywhere() -> Location {
    Location::new(Directives::default())
}
