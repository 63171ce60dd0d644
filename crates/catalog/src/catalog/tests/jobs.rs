//! Jobs that end well, badly, late or never.

use super::host::{Host, path, version};
use super::*;
use crate::job::Failure;
use crate::status::Refusal;

const BROKE: Failure = Failure::Dropped { progress: false };
const CAME_FAR: Failure = Failure::Dropped { progress: true };

fn eager() -> Admission {
    Admission::default().with_requests(1).with_prefixes(0)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn file() -> Source {
    Source::File(std::path::Path::new("/srv/a").into())
}

/// Ends the asset's job.
fn end(host: &mut Host, name: &str, result: Result<(), Failure>) {
    let job = host.job_of(name).expect("no job");
    host.finish(job, result);
    host.check();
}

#[test]
fn a_fetch_that_broke_off_is_tried_again_by_itself() {
    let mut host = Host::new(eager());
    host.ask("a", 0, None, Source::Fetch);
    for _ in 0..3 {
        end(&mut host, "a", Err(CAME_FAR));
        assert_eq!(host.catalog.next_deadline(), Some(host.now + seconds(1)));
        host.advance(seconds(1));
    }
    for pause in [60, 120, 240] {
        end(&mut host, "a", Err(BROKE));
        host.advance(seconds(pause - 1));
        assert_eq!(host.state("a"), AssetState::Refused);
        host.advance(seconds(1));
    }
    end(&mut host, "a", Ok(()));
    assert_eq!(host.state("a"), AssetState::Ready);
}

#[test]
fn what_nobody_asks_for_is_not_tried_for_ever() {
    let mut host = Host::new(eager());
    host.ask("a", 0, None, Source::Fetch);
    let mut tries = 0;
    while let Some(job) = host.job_of("a") {
        tries += 1;
        assert!(tries < 50, "for ever");
        host.finish(job, Err(BROKE));
        host.advance_to_deadline();
    }
    assert_eq!(tries, 7);
    host.advance(seconds(24 * 3_600));
    host.ask("a", 0, None, Source::Fetch);
    end(&mut host, "a", Ok(()));
}

#[test]
fn a_retry_does_not_look_for_bytes_that_are_gone() {
    let mut host = Host::new(eager());
    host.ask("a", 0, None, Source::Fetch);
    end(&mut host, "a", Err(BROKE));
    host.ask("a", 1, None, Source::Fetch);
    host.advance(seconds(60));
    assert_eq!(host.job_of("a"), None);
    host.ask("a", 1, None, Source::Fetch);
    assert_eq!(host.jobs[&host.job_of("a").unwrap()].version, version(1));
}

#[test]
fn a_passing_answer_that_breaks_off_is_fetched_where_that_can_be() {
    let mut host = Host::new(eager());
    let passing = Source::Passing { fetch: true };
    assert!(host.ask("a", 0, None, passing.clone()).tee.is_some());
    end(&mut host, "a", Err(CAME_FAR));
    let job = host.job_of("a").unwrap();
    assert_eq!(host.jobs[&job].source, Source::Fetch);
    end(&mut host, "a", Err(CAME_FAR));
    host.advance(seconds(1));
    end(&mut host, "a", Err(BROKE));
    host.advance(seconds(60));
    assert_eq!(host.ask("a", 0, None, passing.clone()).tee, None, "fetched from where it ended");
    host.purge("a");
    assert!(host.ask("a", 0, None, passing).tee.is_some());
}

#[test]
fn what_waits_for_a_fetch_is_hashed_in_passing_once_there_is_room() {
    let mut host = Host::new(eager().with_passing(1));
    let passing = Source::Passing { fetch: true };
    host.ask("file", 0, None, file());
    host.ask("a", 0, None, passing.clone());
    assert_eq!(host.ask("b", 0, None, passing.clone()).tee, None);
    assert_eq!(host.state("b"), AssetState::Queued);
    end(&mut host, "a", Ok(()));
    assert!(host.ask("b", 0, None, passing).tee.is_some());
    host.check();
}

#[test]
fn a_slow_visitor_makes_room_for_others_and_gets_through_at_last() {
    let mut host = Host::new(eager().with_passing(1));
    let passing = Source::Passing { fetch: false };
    host.ask("slow", 0, None, passing.clone());
    // 60 s, and one for its MiB.
    host.advance(seconds(60));
    assert_eq!(host.ask("other", 0, None, passing.clone()).tee, None);
    host.advance(seconds(1));
    assert!(host.ask("other", 0, None, passing.clone()).tee.is_some());
    end(&mut host, "other", Ok(()));
    host.ask("slow", 0, None, passing.clone());
    host.advance(seconds(121));
    assert_eq!(host.ask("third", 0, None, passing).tee, None, "twice the time");
    end(&mut host, "slow", Ok(()));
}

#[test]
fn the_time_of_a_job_grows_with_its_length() {
    let hour = seconds(3_600);
    let mut host = Host::new(eager().with_jobs(2));
    let ten_terabytes = Version { length: 10 << 40, ..version(0) };
    for (source, extra) in [
        (file(), (10 << 40) / (4 << 20)),
        (Source::Fetch, (10 << 40) / (4 << 20)),
        (Source::Passing { fetch: false }, (10 << 40) / (256 << 10)),
    ] {
        let path = path(&format!("{source:?}").replace(['"', '/', '(', ')', '{', '}', ' '], ""));
        let demand = Demand {
            path: &path,
            version: &ten_terabytes,
            content_type: "video/mp4",
            prefix: None,
            source,
        };
        let mut catalog = Catalog::new(eager());
        catalog.observe(NOW, &demand, &mut Vec::new());
        assert_eq!(catalog.next_deadline(), Some(NOW + hour + seconds(extra)));
    }
    host.ask("hangs", 0, None, file());
    host.advance(hour);
    assert_eq!(host.state("hangs"), AssetState::Refused);
    assert_eq!(host.jobs.len(), 0);
    host.advance(seconds(60));
    end(&mut host, "hangs", Ok(()));
}

#[test]
fn small_fetches_do_not_keep_a_large_one_from_the_budget() {
    // 200 MiB an hour; the large one takes 101 of them, the small ones one each.
    let mut host = Host::new(eager().with_fetch_budget(200 << 20));
    host.ask("busy", 0, None, Source::Fetch);
    host.ask("large", 100, None, Source::Fetch);
    let mut small = 0;
    while host.job_of("large").is_none() {
        small += 1;
        assert!(small < 400, "starved");
        for prefix in 0..3 {
            host.ask(&format!("small-{small}"), 0, Some(prefix), Source::Fetch);
        }
        if let Some(job) = host.jobs.keys().next().copied() {
            host.finish(job, Ok(()));
        }
        host.advance(seconds(18));
        host.check();
    }
}

#[test]
fn an_asset_larger_than_the_budget_waits_for_a_full_one() {
    let mut host = Host::new(eager().with_fetch_budget(2 << 20));
    host.ask("a", 0, None, Source::Fetch);
    host.ask("b", 9, None, Source::Fetch);
    host.ask("file", 0, None, file());
    end(&mut host, "a", Ok(()));
    end(&mut host, "file", Ok(()));
    assert_eq!(host.job_of("b"), None);
    host.advance(seconds(1_800));
    end(&mut host, "b", Ok(()));
    host.ask("c", 0, None, Source::Fetch);
    // Ten MiB at two an hour are five hours; what is there for the last of two is half an hour's less.
    assert_eq!(host.catalog.next_deadline(), Some(host.now + seconds(5 * 3_600 - 1_800)));
}

#[test]
fn doubt_in_mid_hash_is_not_forgotten() {
    let mut host = Host::new(eager());
    host.ask("a", 0, None, file());
    host.doubt("a");
    end(&mut host, "a", Ok(()));
    assert_eq!(host.shelf[&path("a")], (version(0), false));
    host.ask("a", 0, None, file());
    assert_eq!(host.shelf[&path("a")], (version(0), true));
    host.check();
}

#[test]
fn a_file_that_never_holds_still_is_left_alone_for_longer_and_longer() {
    let mut host = Host::new(eager());
    let mut tries = 0;
    for _ in 0..24 * 3_600 / 10 {
        host.ask("log", 0, None, file());
        if let Some(job) = host.job_of("log") {
            tries += 1;
            host.finish(job, Err(Failure::Changed));
        }
        host.advance(seconds(10));
    }
    assert!(tries < 8 + 24 * 6 + 8, "{tries} tries in a day");
    let line = host.catalog.assets().next().unwrap();
    assert!(line.refusal.is_none_or(|(why, _)| why == Refusal::Flapping));
}

#[test]
fn what_strangers_do_not_get_is_as_cold_as_anything_a_day_later() {
    let mut host = Host::new(Admission::default());
    for prefix in [1, 2, 3] {
        host.ask("a", 0, Some(prefix), Source::Fetch);
    }
    end(&mut host, "a", Err(Failure::NotPublic));
    let line = host.catalog.assets().next().unwrap();
    let day = host.now + seconds(24 * 3_600);
    assert_eq!(line.refusal, Some((Refusal::NotPublic, day)));
    host.advance(seconds(24 * 3_600 - 1));
    for prefix in 0..10 {
        assert_eq!(host.ask("a", 0, Some(prefix), Source::Fetch).state, AssetState::Refused);
    }
    host.advance(seconds(1));
    for (prefix, state) in [(1, AssetState::Cold), (2, AssetState::Cold), (3, AssetState::Hashing)]
    {
        assert_eq!(host.ask("a", 0, Some(prefix), Source::Fetch).state, state);
    }
}

#[test]
fn a_job_gives_back_no_more_than_it_took() {
    let mut host = Host::new(eager().with_jobs(3).with_fetch_budget(4 << 20));
    for (name, source) in [("a", Source::Fetch), ("b", Source::Fetch), ("file", file())] {
        host.ask(name, 1, None, source);
    }
    for name in ["b", "b", "file"] {
        host.catalog.unread(host.job_of(name).unwrap(), u64::MAX);
    }
    for name in ["a", "b", "file"] {
        end(&mut host, name, Ok(()));
    }
    // Two MiB of four are spent.
    host.ask("c", 3, None, Source::Fetch);
    assert_eq!(host.catalog.next_deadline(), Some(host.now + seconds(1_800)));
}
