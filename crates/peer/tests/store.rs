//! The store: what is verified stays, what is not is never read, whatever happens in between.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use manyhands_metainfo::{DIGESTS_PER_PAGE, Digest, Hashes, UNIT};
use manyhands_peer::store::{Asset, ReadError, SiteStore, Store, StoreError, WriteError};
use proptest::prelude::*;

const U: usize = UNIT as usize;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + (at >> 8) * 7 + (at >> 16) * 13) as u8).collect()
}

struct File {
    bytes: Vec<u8>,
    root: Digest,
    digests: Vec<Digest>,
}

impl File {
    fn of(length: usize) -> Self {
        let bytes = content(length);
        let (hashes, digests) = Hashes::of(&bytes, 0);
        Self { bytes, root: hashes.root, digests }
    }

    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn put_digests(&self, site: &SiteStore) -> bool {
        let mut writer = site.digests(self.root, self.length()).unwrap();
        for page in self.digests.chunks(DIGESTS_PER_PAGE) {
            assert_eq!(writer.next_page(), Some(page.len()));
            assert!(writer.add(page).unwrap());
        }
        writer.finish().unwrap()
    }

    fn create(&self, site: &SiteStore) -> Arc<Asset> {
        assert!(self.put_digests(site));
        site.create(self.root, self.length()).unwrap()
    }

    fn unit(&self, unit: usize) -> &[u8] {
        &self.bytes[unit * U..self.bytes.len().min((unit + 1) * U)]
    }
}

fn names(site: &SiteStore) -> Vec<String> {
    let entries = fs::read_dir(site.directory().join("data")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn units_are_kept_over_restarts_and_the_whole_gets_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::of(5 * U + 77);
    {
        let store = Store::open(dir.path()).unwrap();
        let site = store.site("a.example").unwrap();
        let asset = file.create(&site);
        asset.write(1, &file.bytes[U..3 * U]).unwrap();
        asset.write(5, file.unit(5)).unwrap();
        assert_eq!(asset.held_bytes(), 2 * UNIT + 77);
        assert_eq!(asset.read(UNIT + 5..3 * UNIT).unwrap(), file.bytes[U + 5..3 * U]);
    }
    let store = Store::open(dir.path()).unwrap();
    let site = store.site("a.example").unwrap();
    let asset = site.find(&file.root, file.length()).unwrap().unwrap();
    let held: Vec<_> = (0..6).filter(|unit| asset.have().has(*unit)).collect();
    assert_eq!(held, [1, 2, 5]);
    assert!(matches!(asset.read(0..1), Err(ReadError::Unverified)));
    asset.write(3, &file.bytes[3 * U..5 * U]).unwrap();
    assert!(!asset.is_whole());
    asset.write(0, file.unit(0)).unwrap();
    assert!(asset.is_whole());
    assert_eq!(asset.held_bytes(), file.length());
    let root = file.root.to_string();
    assert_eq!(names(&site), [root.clone(), format!("{root}.digests")]);
    assert_eq!(asset.read(0..file.length()).unwrap(), file.bytes);
    drop((asset, site, store));

    let store = Store::open(dir.path()).unwrap();
    let site = store.site("a.example").unwrap();
    assert_eq!(site.roots().unwrap(), [file.root]);
    let asset = site.find(&file.root, file.length()).unwrap().unwrap();
    assert!(asset.is_whole());
    assert_eq!(fs::read(site.directory().join("data").join(root)).unwrap(), file.bytes);
}

#[test]
fn wrong_bytes_are_refused_and_what_was_right_before_them_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let site = store.site("a.example").unwrap();
    let file = File::of(4 * U);
    let asset = file.create(&site);
    let mut bytes = file.bytes[U..4 * U].to_vec();
    bytes[U + 9] ^= 1;
    assert!(matches!(asset.write(1, &bytes), Err(WriteError::Wrong(2))));
    let held: Vec<_> = (0..4).filter(|unit| asset.have().has(*unit)).collect();
    assert_eq!(held, [1]);
    for (first, length) in [(0, 0), (0, U - 1), (0, U + 1), (3, 2 * U), (4, 1), (u64::MAX, U)] {
        let bytes = vec![0; length];
        assert!(matches!(asset.write(first, &bytes), Err(WriteError::NoUnits)), "{first} {length}");
    }
    for range in [0..1, 0..2 * UNIT, UNIT..2 * UNIT + 1, 5..5, 4 * UNIT..4 * UNIT + 1, 9..u64::MAX]
    {
        assert!(matches!(asset.read(range.clone()), Err(ReadError::Unverified)), "{range:?}");
    }
}

#[test]
fn digests_of_another_asset_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let site = store.site("a.example").unwrap();
    // More than one page.
    let mut file = File::of((DIGESTS_PER_PAGE + 3) * U);
    let root = file.root;
    file.root = Digest::of(b"another");
    assert!(!file.put_digests(&site));
    assert_eq!(names(&site), [""; 0]);
    assert!(matches!(site.create(file.root, file.length()), Err(StoreError::Damaged { .. })));
    file.root = root;
    assert!(file.put_digests(&site));
    let mut writer = site.digests(root, file.length()).unwrap();
    assert!(!writer.add(&file.digests[..5]).unwrap());
    // Changed on the disk: not believed.
    let place = site.directory().join("data").join(format!("{root}.digests"));
    let mut digests = fs::read(&place).unwrap();
    digests[77] ^= 1;
    fs::write(&place, digests).unwrap();
    assert!(matches!(site.create(root, file.length()), Err(StoreError::Damaged { .. })));
}

#[test]
fn files_that_do_not_fit_count_as_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::of(3 * U);
    let whole = |dir: &Path| {
        let store = Store::open(dir).unwrap();
        let site = store.site("a.example").unwrap();
        let asset = file.create(&site);
        asset.write(0, &file.bytes[..2 * U]).unwrap();
        site.directory().join("data")
    };
    let data = whole(dir.path());
    let root = file.root.to_string();
    let found = || {
        let store = Store::open(dir.path()).unwrap();
        let site = store.site("a.example").unwrap();
        site.find(&file.root, file.length()).unwrap().map(|asset| asset.have().held())
    };
    assert_eq!(found(), Some(2));
    let have = data.join(format!("{root}.have"));
    fs::write(&have, [0xff]).unwrap();
    assert_eq!(found(), Some(0), "bits beyond the last unit");
    fs::write(&have, [0x80, 0]).unwrap();
    assert_eq!(found(), Some(0), "too many bytes");
    fs::write(&have, [0x80]).unwrap();
    assert_eq!(found(), Some(1));
    fs::File::options()
        .write(true)
        .open(data.join(format!("{root}.part")))
        .unwrap()
        .set_len(5)
        .unwrap();
    assert_eq!(found(), None, "data of another length");
    fs::write(data.join(&root), b"short").unwrap();
    assert_eq!(found(), None);
}

#[test]
fn one_process_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[test]
fn removed_is_gone_for_those_who_are_at_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let site = store.site("a.example").unwrap();
    let file = File::of(2 * U);
    let asset = file.create(&site);
    asset.write(0, file.unit(0)).unwrap();
    site.remove(&file.root).unwrap();
    assert_eq!(names(&site), [""; 0]);
    assert!(matches!(asset.read(0..1), Err(ReadError::Withdrawn)));
    assert!(matches!(asset.write(1, file.unit(1)), Err(WriteError::Withdrawn)));
    assert!(asset.claim(1).is_none());
    assert_eq!(names(&site), [""; 0], "nothing came back");
    // A new copy is another one.
    let again = file.create(&site);
    again.write(0, &file.bytes).unwrap();
    assert!(again.is_whole() && asset.is_withdrawn());
}

#[test]
fn two_sources_never_fetch_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let site = store.site("a.example").unwrap();
    let file = File::of(10 * U - 1);
    let asset = file.create(&site);
    asset.write(4, file.unit(4)).unwrap();
    let one = asset.claim(3).unwrap();
    let two = asset.claim(3).unwrap();
    let three = asset.claim(100).unwrap();
    assert_eq!((one.units(), two.units(), three.units()), (0..3, 3..4, 5..10));
    assert_eq!(three.bytes(), 5 * UNIT..10 * UNIT - 1);
    assert!(asset.claim(1).is_none());
    drop(two);
    assert_eq!(asset.claim(9).unwrap().units(), 3..4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn reads_are_the_slice_or_a_refusal(
        length in 1_usize..4 * U,
        order in proptest::collection::vec(0_usize..4, 0..4),
        start in 0_u64..4 * UNIT, size in 0_u64..2 * UNIT,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let site = store.site("a.example").unwrap();
        let file = File::of(length);
        let asset = file.create(&site);
        let units = length.div_ceil(U);
        for unit in order.into_iter().filter(|unit| *unit < units) {
            asset.write(unit as u64, file.unit(unit)).unwrap();
        }
        let end = start + size;
        let verified = size > 0
            && end <= file.length()
            && (start / UNIT..end.div_ceil(UNIT)).all(|unit| asset.have().has(unit));
        match asset.read(start..end) {
            Ok(bytes) => {
                prop_assert!(verified);
                prop_assert_eq!(&bytes[..], &file.bytes[start as usize..end as usize]);
            }
            Err(error) => prop_assert!(!verified, "{}", error),
        }
    }
}
