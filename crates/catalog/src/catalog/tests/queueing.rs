//! Who waits, who gives way and who is next.

use super::host::{Host, path};
use super::*;

fn file() -> Source {
    Source::File(std::path::Path::new("/srv/a").into())
}

/// Asks until the asset is hot and no more.
fn heat(host: &mut Host, name: &str) {
    for prefix in [1, 2, 2] {
        host.ask(name, 0, Some(prefix), file());
    }
}

#[test]
fn demand_counts_on_in_the_queue_and_the_least_wanted_gives_way() {
    let mut host = Host::new(Admission::default().with_queue(2));
    for name in ["busy", "old", "wanted"] {
        heat(&mut host, name);
    }
    host.ask("old", 0, Some(1), file());
    for prefix in 3..6 {
        host.ask("wanted", 0, Some(prefix), file());
    }
    heat(&mut host, "new");
    assert_eq!(host.state("new"), AssetState::Cold, "asked for less than those that wait");
    host.ask("new", 0, Some(1), file());
    assert_eq!(host.state("new"), AssetState::Queued, "as often, and more lately");
    assert_eq!(host.state("old"), AssetState::Cold);
    host.ask("old", 0, Some(3), file());
    assert_eq!(host.state("old"), AssetState::Queued, "what was asked before still counts");
    assert_eq!(host.state("wanted"), AssetState::Queued);
    host.check();
    host.finish(host.job_of("busy").unwrap(), Ok(()));
    host.finish(host.job_of("wanted").unwrap(), Ok(()));
    assert!(host.job_of("old").is_some());
}

#[test]
fn who_takes_the_place_of_another_keeps_what_is_known_of_it() {
    let mut host = Host::new(Admission::default().with_queue(1).with_cold(1));
    for name in ["busy", "giving-way", "comes"] {
        heat(&mut host, name);
    }
    let line = host.catalog.assets().find(|it| *it.path == path("comes")).unwrap();
    assert_eq!((line.state, line.requests, line.prefixes), (AssetState::Queued, 3, 2));

    let mut host = Host::new(Admission::default().with_passing(1).with_cold(1));
    let passing = Source::Passing { fetch: false };
    for name in ["slow", "comes"] {
        for prefix in [1, 2, 2] {
            host.ask(name, 0, Some(prefix), passing.clone());
        }
    }
    host.advance(Duration::from_secs(61));
    assert!(host.ask("comes", 0, Some(3), passing).tee.is_some());
    let line = host.catalog.assets().find(|it| *it.path == path("comes")).unwrap();
    assert_eq!((line.state, line.requests, line.prefixes), (AssetState::Hashing, 4, 3));
    host.check();
}

#[test]
fn files_and_fetches_share_one_queue() {
    for (first, second) in [(file(), Source::Fetch), (Source::Fetch, file())] {
        let mut host = Host::new(Admission::default().with_queue(2).with_fetch_budget(1));
        // Takes all of the budget and the only worker.
        for (name, source) in [("spent", Source::Fetch), ("least", first), ("more", second)] {
            for prefix in [1, 2, 2] {
                host.ask(name, 0, Some(prefix), source.clone());
            }
        }
        host.ask("more", 0, Some(3), Source::None);
        heat(&mut host, "new");
        assert_eq!(host.state("least"), AssetState::Cold);
        assert_eq!(
            (host.state("more"), host.state("new")),
            (AssetState::Queued, AssetState::Queued)
        );
        host.check();
    }
}

#[test]
fn thirty_thousand_hot_names_do_not_keep_out_the_one_that_is_wanted() {
    let mut host = Host::new(Admission::default());
    for n in 0..30_000_u64 {
        heat(&mut host, &format!("flood-{n}"));
        if n % 1_000 == 0 {
            host.ask("hot", 0, Some(n), file());
        }
        assert!(host.catalog.queue.len() <= 1_000);
        assert!(host.catalog.entries.len() <= 1_000 + 10_000 + 1);
    }
    host.check();
    assert_eq!(host.state("hot"), AssetState::Queued);
    let current = *host.jobs.keys().next().unwrap();
    host.finish(current, Ok(()));
    if host.job_of("hot").is_none() {
        let current = *host.jobs.keys().next().unwrap();
        host.finish(current, Ok(()));
    }
    host.finish(host.job_of("hot").unwrap(), Ok(()));
    assert!(host.shelf[&path("hot")].1);
}

#[test]
fn what_few_want_is_not_overtaken_for_ever() {
    let mut host = Host::new(Admission::default().with_queue(10));
    heat(&mut host, "busy");
    heat(&mut host, "modest");
    // Nine that are wanted by more, and one more of that kind for each that gets its turn.
    for n in 0..100 {
        let name = format!("loud-{n}");
        for prefix in 0..8 {
            host.ask(&name, 0, Some(prefix), file());
        }
        if n >= 8 {
            let current = *host.jobs.keys().next().unwrap();
            host.finish(current, Ok(()));
        }
        if host.job_of("modest").is_some() {
            assert!(n <= 8 + 20, "after {n}");
            return;
        }
    }
    panic!("starved");
}

#[test]
fn prefixes_and_names_are_forgotten_before_they_fill_the_memory() {
    let mut host = Host::new(Admission::default().with_cold(50).with_refused(5));
    for n in 0..200_u64 {
        host.ask(&format!("cold-{n}"), 0, Some(n), file());
        host.ask("popular", 0, Some(n), Source::None);
        host.check();
    }
    assert_eq!(host.catalog.cold.len(), 50);
    let popular = host.catalog.assets().find(|it| *it.path == path("popular")).unwrap();
    assert_eq!((popular.requests, popular.prefixes), (200, 16));
    for n in 0..20 {
        let name = format!("secret-{n}");
        heat(&mut host, &name);
        host.finish(host.job_of(&name).unwrap(), Err(Failure::NotPublic));
        host.check();
    }
    assert_eq!(host.catalog.refused.len(), 5);
    assert_eq!(
        (host.state("secret-14"), host.state("secret-15")),
        (AssetState::Cold, AssetState::Refused)
    );
}
