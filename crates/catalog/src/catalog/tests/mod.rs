//! What the catalog promises, step by step, with a clock that stands still.

mod host;
mod jobs;
mod listed;
mod liveness;
mod queueing;
mod random;
mod reference;

use super::*;
use crate::job::{Failure, Job};
use manyhands_metainfo::Validator;

const NOW: Duration = Duration::from_secs(1);

fn path(name: &str) -> AssetPath {
    AssetPath::parse(&format!("/{name}")).unwrap()
}

fn version(tag: &str) -> Version {
    Version { validator: Validator::Etag(format!("\"{tag}\"")), length: 2 << 20, file: None }
}

fn file() -> Source {
    Source::File(std::path::Path::new("/srv/a").into())
}

struct Site {
    catalog: Catalog,
    out: Vec<Effect>,
}

impl Site {
    fn new(admission: Admission) -> Self {
        Self { catalog: Catalog::new(admission), out: Vec::new() }
    }

    fn ask(&mut self, name: &str, tag: &str, prefix: Option<u64>, source: Source) -> Observed {
        let demand = Demand {
            path: &path(name),
            version: &version(tag),
            content_type: "application/zip",
            prefix,
            source,
        };
        self.catalog.observe(NOW, &demand, &mut self.out)
    }

    fn jobs(&mut self) -> Vec<Job> {
        self.out
            .drain(..)
            .filter_map(|effect| match effect {
                Effect::Hash(job) => Some(job),
                Effect::Cancel(_) | Effect::Retire(_) | Effect::Show(_) | Effect::Hide(_) => None,
            })
            .collect()
    }
}

#[test]
fn three_requests_from_two_prefixes_make_an_asset_hot() {
    let mut site = Site::new(Admission::default());
    for _ in 0..10 {
        assert_eq!(site.ask("a", "1", Some(1), file()).state, AssetState::Cold);
    }
    assert_eq!(site.ask("a", "1", Some(2), file()).state, AssetState::Hashing);
    let jobs = site.jobs();
    assert_eq!(jobs.len(), 1);
    assert!(site.catalog.finished(NOW, jobs[0].id, Ok(()), &mut site.out));
    assert_eq!(site.ask("a", "1", Some(1), file()).state, AssetState::Ready);
}

#[test]
fn another_version_retires_the_old_one_and_is_hashed_at_once() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    site.ask("a", "1", None, file());
    let job = site.jobs().remove(0);
    site.catalog.finished(NOW, job.id, Ok(()), &mut site.out);
    assert_eq!(site.out.split_off(0), [Effect::Show(path("a"))]);
    let seen = site.ask("a", "2", None, file());
    assert_eq!(site.out[0], Effect::Retire(path("a")));
    assert_eq!(seen.state, AssetState::Hashing);
    assert_eq!(site.jobs()[0].version, version("2"));
}

#[test]
fn a_version_that_changes_in_mid_hash_cancels_the_job() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    site.ask("a", "1", None, file());
    let job = site.jobs().remove(0);
    site.ask("a", "2", None, file());
    assert!(site.out.contains(&Effect::Cancel(job.id)));
    assert!(!site.catalog.finished(NOW, job.id, Ok(()), &mut site.out));
    assert_eq!(site.catalog.state(&path("a")), AssetState::Hashing);
}

#[test]
fn what_a_former_process_hashed_is_served_only_once_confirmed() {
    let mut site = Site::new(Admission::default());
    for name in ["same", "other"] {
        site.catalog.restore(path(name), version("1"), "application/zip".to_owned(), &mut site.out);
        assert_eq!(site.catalog.ready_version(&path(name)), None);
    }
    site.ask("same", "1", Some(1), file());
    assert_eq!(site.catalog.ready_version(&path("same")), Some(&version("1")));
    assert_eq!(site.out.split_off(0), [Effect::Show(path("same"))]);
    site.ask("other", "2", Some(1), file());
    assert_eq!(site.catalog.ready_version(&path("other")), None);
    assert_eq!(site.out[0], Effect::Retire(path("other")));
}

#[test]
fn a_doubted_asset_is_hidden_until_an_answer_confirms_it() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    site.ask("a", "1", None, file());
    let job = site.jobs().remove(0);
    site.catalog.finished(NOW, job.id, Ok(()), &mut site.out);
    site.out.clear();
    site.catalog.doubt(&path("a"), &mut site.out);
    site.catalog.doubt(&path("a"), &mut site.out);
    assert_eq!(site.out.split_off(0), [Effect::Hide(path("a"))]);
    assert_eq!(site.catalog.ready_version(&path("a")), None);
    site.ask("a", "1", None, file());
    assert_eq!(site.out.split_off(0), [Effect::Show(path("a"))]);
    assert_eq!(site.catalog.ready_version(&path("a")), Some(&version("1")));
}

#[test]
fn a_stale_asset_is_hashed_again_at_the_next_answer_whoever_asks() {
    let mut site = Site::new(Admission::default());
    for prefix in 1..=3 {
        site.ask("a", "1", Some(prefix), file());
    }
    let job = site.jobs().remove(0);
    site.catalog.finished(NOW, job.id, Ok(()), &mut site.out);
    site.out.clear();
    site.catalog.stale(NOW, &path("a"), &version("other"), &mut site.out);
    assert_eq!(site.out, []);
    site.catalog.stale(NOW, &path("a"), &version("1"), &mut site.out);
    assert_eq!(site.out.split_off(0), [Effect::Retire(path("a"))]);
    assert_eq!(site.ask("a", "2", Some(1), file()).state, AssetState::Hashing);
}

#[test]
fn a_preloaded_asset_that_only_passes_by_waits_for_its_next_answer() {
    let mut site = Site::new(Admission::default());
    let (path, version) = (path("a"), version("1"));
    site.catalog.preload(
        NOW,
        &path,
        &version,
        "application/zip",
        Source::Passing { fetch: false },
        &mut site.out,
    );
    assert_eq!(site.catalog.pending(), 0);
    assert!(site.ask("a", "1", Some(1), Source::Passing { fetch: false }).tee.is_some());
}

#[test]
fn answers_that_flap_are_refused() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    let mut last = AssetState::Cold;
    for turn in 0..20 {
        last = site.ask("a", if turn % 2 == 0 { "1" } else { "2" }, None, file()).state;
    }
    assert_eq!(last, AssetState::Refused);
}

#[test]
fn a_passing_answer_is_hashed_once_and_an_aborted_one_tried_again() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    let first = site.ask("a", "1", None, Source::Passing { fetch: false });
    let job = first.tee.unwrap();
    assert_eq!(site.ask("a", "1", None, Source::Passing { fetch: false }).tee, None);
    site.catalog.finished(NOW, job, Err(Failure::Dropped { progress: false }), &mut site.out);
    assert!(site.ask("a", "1", None, Source::Passing { fetch: false }).tee.is_some());
}

#[test]
fn what_an_anonymous_visitor_does_not_get_is_not_shared() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    site.ask("a", "1", None, Source::Fetch);
    let job = site.jobs().remove(0);
    site.catalog.finished(NOW, job.id, Err(Failure::NotPublic), &mut site.out);
    for _ in 0..100 {
        assert_eq!(site.ask("a", "1", None, Source::Fetch).state, AssetState::Refused);
    }
}

#[test]
fn tables_stay_within_their_bounds_and_a_hot_asset_gets_through() {
    let admission = Admission::default().with_cold(100).with_queue(10);
    let mut site = Site::new(admission);
    for n in 0..10_000 {
        let name = format!("cold-{n}");
        site.ask(&name, "1", Some(1), file());
        if n % 10 == 0 {
            site.ask("hot", "1", Some(n), file());
        }
        assert!(site.catalog.entries.len() <= 100 + 10 + 2);
    }
    assert_eq!(site.jobs()[0].path, path("hot"));
}

#[test]
fn a_job_past_its_deadline_is_cancelled_and_the_next_one_starts() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    site.ask("slow", "1", None, file());
    site.ask("next", "1", None, file());
    let slow = site.jobs().remove(0);
    let deadline = site.catalog.next_deadline().unwrap();
    site.catalog.on_timeout(deadline, &mut site.out);
    assert_eq!(site.out[0], Effect::Cancel(slow.id));
    assert_eq!(site.jobs()[0].path, path("next"));
}

#[test]
fn a_purged_asset_is_retired_and_starts_over() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    for name in ["pub/a", "pub/b", "other"] {
        site.ask(name, "1", None, file());
    }
    let job = site.jobs().remove(0);
    site.catalog.finished(NOW, job.id, Ok(()), &mut site.out);
    let next = site.jobs().remove(0);
    assert!(site.catalog.purge(NOW, &path("pub/a"), &mut site.out));
    assert_eq!(site.out.split_off(0), [Effect::Retire(path("pub/a"))]);
    assert_eq!(site.catalog.purge_prefix(NOW, "/pub/", &mut site.out), 1);
    assert_eq!(site.out.remove(0), Effect::Cancel(next.id));
    assert_eq!(site.out.remove(0), Effect::Retire(path("pub/b")));
    assert_eq!(site.jobs()[0].path, path("other"));
    assert!(!site.catalog.finished(NOW, next.id, Ok(()), &mut site.out));
    assert_eq!(site.catalog.assets().count(), 1);
}

/// The host may have put hashing aside of any of them: it must not go on with other bytes.
#[test]
fn a_purge_retires_in_every_phase_and_what_is_unknown() {
    let admission = Admission::default().with_requests(1).with_prefixes(0);
    for prefix in [false, true] {
        let mut site = Site::new(admission.clone());
        site.ask("p/refused", "1", None, file());
        let job = site.jobs().remove(0);
        site.catalog.finished(NOW, job.id, Err(Failure::Unreadable), &mut site.out);
        for name in ["p/hashing", "p/queued"] {
            site.ask(name, "1", None, file());
        }
        site.ask("p/cold", "1", None, Source::None);
        for (name, state) in [
            ("p/cold", AssetState::Cold),
            ("p/queued", AssetState::Queued),
            ("p/hashing", AssetState::Hashing),
            ("p/refused", AssetState::Refused),
        ] {
            assert_eq!(site.catalog.state(&path(name)), state);
            if prefix {
                continue;
            }
            site.out.clear();
            assert!(site.catalog.purge(NOW, &path(name), &mut site.out));
            assert!(site.out.contains(&Effect::Retire(path(name))), "{name}");
        }
        site.out.clear();
        if prefix {
            assert_eq!(site.catalog.purge_prefix(NOW, "/p/", &mut site.out), 4);
            let retired = |effect: &&Effect| matches!(effect, Effect::Retire(_));
            assert_eq!(site.out.iter().filter(retired).count(), 4);
        } else {
            assert!(!site.catalog.purge(NOW, &path("p/unknown"), &mut site.out));
            assert_eq!(site.out, [Effect::Retire(path("p/unknown"))]);
        }
    }
}

/// Where a validator says little, a length that comes back must not bring old work back.
#[test]
fn other_bytes_retire_what_was_put_aside_of_the_former() {
    let mut site = Site::new(Admission::default().with_requests(1).with_prefixes(0));
    site.ask("a", "1", None, file());
    let job = site.jobs().remove(0);
    site.ask("a", "2", None, Source::None);
    assert_eq!(site.out.split_off(0), [Effect::Cancel(job.id), Effect::Retire(path("a"))]);
    site.ask("a", "2", None, file());
    let job = site.jobs().remove(0);
    site.catalog.finished(NOW, job.id, Err(Failure::Changed), &mut site.out);
    assert_eq!(site.out, [Effect::Retire(path("a"))]);
}

#[test]
fn an_answer_too_many_to_be_hashed_in_passing_is_fetched() {
    let admission = Admission::default().with_requests(1).with_prefixes(0).with_passing(1);
    let mut site = Site::new(admission);
    assert!(site.ask("a", "1", None, Source::Passing { fetch: true }).tee.is_some());
    assert_eq!(site.ask("b", "1", None, Source::Passing { fetch: false }).state, AssetState::Cold);
    assert_eq!(site.ask("b", "1", None, Source::Passing { fetch: true }).tee, None);
    let job = site.jobs().remove(0);
    assert_eq!((job.path, job.source, job.bytes), (path("b"), Source::Fetch, 2 << 20));
}

#[test]
fn fetches_wait_for_the_budget_and_files_need_none() {
    let admission = Admission::default().with_requests(1).with_prefixes(0).with_jobs(2);
    let mut site = Site::new(admission.with_fetch_budget(4 << 20));
    for name in ["a", "b"] {
        site.ask(name, "1", None, Source::Fetch);
    }
    for job in site.jobs() {
        site.catalog.finished(NOW, job.id, Ok(()), &mut site.out);
    }
    site.ask("c", "1", None, Source::Fetch);
    assert_eq!(site.jobs(), []);
    let due = site.catalog.next_deadline().unwrap();
    assert_eq!(due, NOW + Duration::from_secs(1_800));
    site.catalog.on_timeout(due, &mut site.out);
    let job = site.jobs().remove(0);
    site.catalog.unread(job.id, 1 << 20);
    site.catalog.finished(due, job.id, Ok(()), &mut site.out);
    site.ask("d", "1", None, Source::Fetch);
    assert_eq!(site.catalog.next_deadline().unwrap(), due + Duration::from_secs(900));
}
