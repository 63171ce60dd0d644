//! What the operator lists: a whole directory at start.

use super::host::{Host, path};
use super::*;
use crate::job::Failure;

fn file() -> Source {
    Source::File(std::path::Path::new("/srv/a").into())
}

#[test]
fn a_directory_of_a_hundred_thousand_files_is_hashed_to_the_last() {
    let mut host = Host::new(Admission::default());
    for n in 0..100_000 {
        assert_ne!(host.preload(&n.to_string(), 0, file()), AssetState::Cold);
    }
    assert_eq!(host.catalog.pending(), 100_000);
    host.check();
    while let Some((&job, _)) = host.jobs.first_key_value() {
        host.finish(job, Ok(()));
    }
    assert_eq!(host.shelf.values().filter(|(_, shown)| *shown).count(), 100_000);
    host.check();
    // One more is hashed only when somebody wants it, and then in the place of one nobody asked for.
    assert_eq!(host.preload("more", 0, file()), AssetState::Cold);
    assert_eq!((host.jobs.len(), host.catalog.entries.len()), (0, 100_000));
    for prefix in [1, 2, 3] {
        host.ask("more", 0, Some(prefix), file());
    }
    host.finish(host.job_of("more").unwrap(), Ok(()));
    assert!(host.shelf.contains_key(&path("more")) && !host.shelf.contains_key(&path("0")));
    assert_eq!(host.shelf.len(), 100_000);
}

#[test]
fn a_listed_file_that_is_asked_for_is_next() {
    let mut host = Host::new(Admission::default());
    for n in 0..100 {
        host.preload(&n.to_string(), 0, file());
    }
    host.ask("77", 0, Some(1), file());
    host.check();
    for _ in 0..2 {
        if host.job_of("77").is_none() {
            let current = *host.jobs.keys().next().unwrap();
            host.finish(current, Ok(()));
        }
    }
    assert!(host.job_of("77").is_some());
}

#[test]
fn visitors_and_the_list_take_turns() {
    let mut host = Host::new(Admission::default());
    for n in 0..10 {
        host.preload(&format!("listed-{n}"), 0, file());
    }
    for n in 0..100 {
        for prefix in [1, 2, 3] {
            host.ask(&format!("asked-{n}"), 0, Some(prefix), file());
        }
    }
    for _ in 0..20 {
        let current = *host.jobs.keys().next().unwrap();
        host.finish(current, Ok(()));
    }
    let listed = host.started.iter().filter(|job| job.path.as_str().starts_with("/listed")).count();
    assert_eq!(listed, 10, "every other job");
}

#[test]
fn a_listed_file_pushed_out_of_the_queue_waits_on() {
    let mut host = Host::new(Admission::default().with_queue(1));
    host.preload("busy", 0, file());
    host.preload("listed", 0, file());
    host.ask("listed", 0, Some(1), file());
    for prefix in [1, 2, 3] {
        host.ask("wanted", 0, Some(prefix), file());
    }
    host.check();
    assert_eq!(host.state("listed"), AssetState::Queued);
    for _ in 0..3 {
        let current = *host.jobs.keys().next().unwrap();
        host.finish(current, Ok(()));
    }
    assert_eq!(host.state("listed"), AssetState::Ready);
}

#[test]
fn a_listed_file_that_can_not_be_read_is_tried_again_by_itself() {
    let mut host = Host::new(Admission::default());
    host.preload("a", 0, file());
    for _ in 0..20 {
        host.finish(host.job_of("a").unwrap(), Err(Failure::Unreadable));
        host.check();
        host.advance_to_deadline();
    }
    host.finish(host.job_of("a").unwrap(), Ok(()));
    assert_eq!(host.state("a"), AssetState::Ready);
}

#[test]
fn a_list_pushes_out_neither_what_is_ready_nor_what_visitors_ask_for() {
    let mut host = Host::new(Admission::default().with_ready(3).with_cold(3));
    for name in ["a", "b"] {
        host.restore(name, 0);
    }
    for name in ["c", "d", "e"] {
        host.ask(name, 0, Some(1), file());
    }
    for n in 0..10 {
        host.preload(&n.to_string(), 0, file());
        host.check();
    }
    while let Some((&job, _)) = host.jobs.first_key_value() {
        host.finish(job, Ok(()));
        host.check();
    }
    // What an earlier process left behind and nobody confirmed gives way; three are ready.
    let ready: Vec<_> = host.catalog.ready().cloned().collect();
    assert_eq!(ready, [path("0"), path("1"), path("2")]);
    assert_eq!(host.catalog.cold.len(), 2, "one name made room for the first of the list");
}

#[test]
fn what_is_confirmed_by_a_list_is_shown_and_not_hashed_again() {
    let mut host = Host::new(Admission::default());
    for name in ["same", "other", "gone"] {
        host.restore(name, 0);
    }
    host.preload("same", 0, file());
    host.preload("other", 1, file());
    host.check();
    assert_eq!(host.shelf.get(&path("same")).map(|(_, shown)| *shown), Some(true));
    assert_eq!(host.shelf.get(&path("gone")).map(|(_, shown)| *shown), Some(false));
    assert!(!host.shelf.contains_key(&path("other")));
    assert!(host.job_of("other").is_some() && host.jobs.len() == 1);
}
