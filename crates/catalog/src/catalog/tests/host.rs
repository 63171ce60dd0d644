//! A host that believes nothing: it carries out what the catalog wants, and complains when that does
//! not fit what it has seen itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::*;
use crate::entry::Phase;
use crate::job::{Failure, Job};

pub(super) fn path(name: &str) -> AssetPath {
    AssetPath::parse(&format!("/{name}")).unwrap()
}

pub(super) fn version(tag: u8) -> Version {
    let validator = Validator::Etag(format!("\"{tag}\""));
    Version { validator, length: (1 + u64::from(tag)) << 20, file: None }
}

pub(super) struct Host {
    pub(super) catalog: Catalog,
    pub(super) now: Duration,
    /// Jobs under way.
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// What is on disk, and whether it is shown.
    pub(super) shelf: BTreeMap<AssetPath, (Version, bool)>,
    /// Assets whose hashing was put aside.
    aside: BTreeSet<AssetPath>,
    /// The order in which jobs were started.
    pub(super) started: Vec<Job>,
    /// What the last eligible answer said, and whether another has cast doubt on it since.
    latest: HashMap<AssetPath, (Version, bool)>,
    used: BTreeSet<JobId>,
}

impl Host {
    pub(super) fn new(admission: Admission) -> Self {
        Self {
            catalog: Catalog::new(admission),
            now: Duration::from_secs(1),
            jobs: BTreeMap::new(),
            shelf: BTreeMap::new(),
            aside: BTreeSet::new(),
            started: Vec::new(),
            latest: HashMap::new(),
            used: BTreeSet::new(),
        }
    }

    pub(super) fn restore(&mut self, name: &str, tag: u8) {
        let mut out = Vec::new();
        self.shelf.entry(path(name)).or_insert_with(|| (version(tag), false));
        self.catalog.restore(path(name), version(tag), "video/mp4".to_owned(), &mut out);
        self.carry_out(out);
    }

    pub(super) fn ask(
        &mut self,
        name: &str,
        tag: u8,
        prefix: Option<u64>,
        source: Source,
    ) -> Observed {
        let (path, version, mut out) = (path(name), version(tag), Vec::new());
        self.latest.insert(path.clone(), (version.clone(), false));
        let content_type = "video/mp4";
        let demand = Demand { path: &path, version: &version, content_type, prefix, source };
        let observed = self.catalog.observe(self.now, &demand, &mut out);
        if let Some(id) = observed.tee {
            let Source::Passing { .. } = demand.source else { panic!("nothing passes by") };
            let (content_type, source) = (content_type.to_owned(), demand.source);
            let job = Job {
                id,
                bytes: version.length,
                version: version.clone(),
                path: path.clone(),
                content_type,
                source,
            };
            // What made room for it is cancelled first.
            self.carry_out_of(&mut out, |effect| matches!(effect, Effect::Cancel(_)));
            self.start(job);
        }
        self.carry_out(out);
        let shown = self.shelf.get(&path) == Some(&(version, true));
        assert_eq!(observed.state == AssetState::Ready, shown, "ready is what is shown");
        assert_eq!(observed.state, self.catalog.state(&path));
        observed
    }

    pub(super) fn preload(&mut self, name: &str, tag: u8, source: Source) -> AssetState {
        let (path, version, mut out) = (path(name), version(tag), Vec::new());
        self.latest.insert(path.clone(), (version.clone(), false));
        let state = self.catalog.preload(self.now, &path, &version, "video/mp4", source, &mut out);
        self.carry_out(out);
        state
    }

    pub(super) fn finish(&mut self, id: JobId, result: Result<(), Failure>) {
        let job = self.jobs.remove(&id);
        let mut out = Vec::new();
        let counts = self.catalog.finished(self.now, id, result, &mut out);
        assert_eq!(counts, job.is_some(), "a job counts once, unless it was cancelled");
        let changed = job.as_ref().filter(|_| result == Err(Failure::Changed));
        let changed = changed.map(|job| job.path.clone());
        match (job, result) {
            (Some(job), Ok(())) => {
                self.aside.remove(&job.path);
                let before = self.shelf.insert(job.path, (job.version, false));
                assert_eq!(before, None, "nothing is hashed that is ready");
            }
            (Some(job), Err(Failure::Dropped { progress: true })) => {
                self.aside.insert(job.path);
            }
            _ => {}
        }
        self.carry_out(out);
        assert!(changed.is_none_or(|path| !self.aside.contains(&path)), "aside of other bytes");
    }

    pub(super) fn doubt(&mut self, name: &str) {
        let mut out = Vec::new();
        self.catalog.doubt(&path(name), &mut out);
        if let Some((_, doubted)) = self.latest.get_mut(&path(name)) {
            *doubted = true;
        }
        self.carry_out(out);
        assert!(self.shelf.get(&path(name)).is_none_or(|(_, shown)| !shown));
    }

    pub(super) fn stale(&mut self, name: &str) {
        let mut out = Vec::new();
        if let Some(version) = self.catalog.ready_version(&path(name)).cloned() {
            self.catalog.stale(self.now, &path(name), &version, &mut out);
            self.carry_out(out);
            assert!(!self.shelf.contains_key(&path(name)));
        }
    }

    pub(super) fn purge(&mut self, name: &str) -> bool {
        let mut out = Vec::new();
        let known = self.catalog.purge(self.now, &path(name), &mut out);
        self.carry_out(out);
        assert_eq!(self.catalog.state(&path(name)), AssetState::Cold);
        assert!(!self.shelf.contains_key(&path(name)));
        assert!(!self.aside.contains(&path(name)), "of all that was hashed nothing is left");
        assert!(self.jobs.values().all(|job| job.path != path(name)));
        known
    }

    pub(super) fn purge_prefix(&mut self, prefix: &str) -> usize {
        let mut out = Vec::new();
        let below = |path: &&AssetPath| path.as_str().starts_with(prefix);
        let known = |path: &&AssetPath| self.catalog.entries.contains_key(*path);
        let aside: BTreeSet<_> = self.aside.iter().filter(below).filter(known).cloned().collect();
        let count = self.catalog.purge_prefix(self.now, prefix, &mut out);
        self.carry_out(out);
        assert!(self.aside.is_disjoint(&aside), "of what was known nothing is left");
        assert!(self.shelf.keys().all(|path| !path.as_str().starts_with(prefix)));
        assert!(self.jobs.values().all(|job| !job.path.as_str().starts_with(prefix)));
        count
    }

    /// Lets time pass, from one deadline to the next as a host would.
    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let next = self.catalog.next_deadline().map_or(end, |at| at.max(self.now));
            self.now = next.min(end);
            let mut out = Vec::new();
            self.catalog.on_timeout(self.now, &mut out);
            self.carry_out(out);
            let later = self.catalog.next_deadline().is_none_or(|at| at > self.now);
            assert!(later, "a deadline that has passed is dealt with");
            if self.now == end {
                return;
            }
        }
    }

    /// Lets time pass until there is something to do.
    pub(super) fn advance_to_deadline(&mut self) {
        if let Some(at) = self.catalog.next_deadline() {
            self.advance(at.saturating_sub(self.now));
        }
    }

    pub(super) fn state(&self, name: &str) -> AssetState {
        self.catalog.state(&path(name))
    }

    pub(super) fn job_of(&self, name: &str) -> Option<JobId> {
        let mut jobs = self.jobs.values();
        jobs.find(|job| job.path == path(name)).map(|job| job.id)
    }

    fn start(&mut self, job: Job) {
        assert!(self.used.insert(job.id), "a job's name is used once");
        assert!(self.jobs.values().all(|other| other.path != job.path), "one job an asset");
        let (latest, _) = self.latest.get(&job.path).expect("nobody asked for it");
        assert_eq!(job.version, *latest, "what is hashed is what the site sends now");
        assert_eq!(job.bytes, job.version.length);
        self.started.push(job.clone());
        self.jobs.insert(job.id, job);
    }

    fn carry_out_of(&mut self, out: &mut Vec<Effect>, which: impl Fn(&Effect) -> bool) {
        let now: Vec<_> = out.extract_if(.., |effect| which(effect)).collect();
        self.carry_out(now);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Hash(job) => {
                    assert!(matches!(job.source, Source::File(_) | Source::Fetch));
                    self.start(job);
                }
                Effect::Cancel(id) => {
                    assert!(self.jobs.remove(&id).is_some(), "only what runs is cancelled");
                }
                Effect::Retire(path) => {
                    self.shelf.remove(&path);
                    self.aside.remove(&path);
                }
                Effect::Show(path) => {
                    let (version, shown) = self.shelf.get_mut(&path).expect("shown and not there");
                    assert!(!std::mem::replace(shown, true), "shown twice");
                    let latest = self.latest.get(&path);
                    assert_eq!(latest, Some(&(version.clone(), false)), "stale or doubtful");
                }
                Effect::Hide(path) => {
                    let (_, shown) = self.shelf.get_mut(&path).expect("hidden and not there");
                    assert!(std::mem::replace(shown, false), "hidden twice");
                }
            }
        }
    }

    /// What holds after every step.
    pub(super) fn check(&self) {
        let (catalog, bounds) = (&self.catalog, &self.catalog.admission);
        assert!(catalog.cold.len() <= bounds.cold);
        assert!(catalog.refused.len() <= bounds.refused);
        assert!(catalog.ready.len() + catalog.hidden.len() <= bounds.ready);
        assert!(catalog.backlog.len() <= bounds.ready);
        assert!(catalog.queue.len() <= bounds.queue);
        assert!(catalog.jobs.passing() <= bounds.passing);
        assert!(catalog.jobs.len() - catalog.jobs.passing() <= bounds.jobs);

        let mut seen = BTreeSet::new();
        let mut table = |paths: &mut dyn Iterator<Item = &AssetPath>, fits: fn(&Phase) -> bool| {
            for path in paths {
                assert!(seen.insert(path.clone()), "{path} is in two tables");
                assert!(fits(&catalog.entries[path].phase), "{path} is in the wrong table");
            }
        };
        table(&mut catalog.cold.values(), |phase| matches!(phase, Phase::Cold { .. }));
        table(&mut catalog.refused.values(), |phase| matches!(phase, Phase::Refused { .. }));
        table(&mut catalog.backlog.values(), |phase| matches!(phase, Phase::Backlog { .. }));
        table(&mut catalog.queue.paths(), |phase| matches!(phase, Phase::Queued { .. }));
        table(&mut catalog.ready.values(), |it| matches!(it, Phase::Ready { shown: true, .. }));
        table(&mut catalog.hidden.values(), |it| matches!(it, Phase::Ready { shown: false, .. }));
        table(&mut self.jobs.values().map(|job| &job.path), |phase| {
            matches!(phase, Phase::Hashing { .. })
        });
        assert_eq!(seen.len(), catalog.entries.len(), "an entry is in no table");
        assert_eq!(self.jobs.len(), catalog.jobs.len());

        for entry in catalog.entries.values() {
            assert!(entry.interest.prefixes() <= bounds.prefixes.max(16));
        }
        let due = |entry: &&Entry| matches!(entry.phase, Phase::Refused { again: Some(_), .. });
        assert_eq!(catalog.retries.len(), catalog.entries.values().filter(due).count());
        let shown: BTreeSet<_> = catalog.ready().collect();
        let on_shelf = self.shelf.iter().filter(|(_, (_, shown))| *shown).map(|(path, _)| path);
        assert_eq!(shown, on_shelf.collect());
        for path in shown {
            assert_eq!(catalog.ready_version(path), Some(&self.shelf[path].0));
        }
        assert_eq!(self.shelf.len(), catalog.ready.len() + catalog.hidden.len());
        if catalog.jobs.len() - catalog.jobs.passing() < bounds.jobs {
            assert!(
                catalog.backlog.is_empty() && catalog.queue.file().is_none(),
                "idle for nothing"
            );
        }
    }
}
