//! Random streams of answers against workers that finish, fail, drop and hang as they like.

use proptest::prelude::*;

use super::host::Host;
use super::*;
use crate::job::Failure;

#[derive(Debug, Clone)]
enum Step {
    Ask {
        asset: u8,
        tag: u8,
        prefix: Option<u64>,
        source: Source,
    },
    Preload {
        asset: u8,
        tag: u8,
        source: Source,
    },
    Doubt(u8),
    Stale(u8),
    Purge(u8),
    PurgePrefix(u8),
    Finish {
        nth: usize,
        result: Result<(), Failure>,
    },
    /// A result for a job that ended long ago, or never was.
    Echo(u64),
    Unread {
        nth: usize,
        bytes: u64,
    },
    Advance(u64),
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        4 => Just(Source::File(std::path::Path::new("/srv/a").into())),
        4 => Just(Source::Fetch),
        2 => any::<bool>().prop_map(|fetch| Source::Passing { fetch }),
        1 => Just(Source::None),
    ]
}

fn result() -> impl Strategy<Value = Result<(), Failure>> {
    prop_oneof![
        4 => Just(Ok(())),
        1 => Just(Err(Failure::Changed)),
        2 => any::<bool>().prop_map(|progress| Err(Failure::Dropped { progress })),
        1 => Just(Err(Failure::Unreadable)),
        1 => Just(Err(Failure::NotPublic)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let tag = prop_oneof![6 => Just(0_u8), 1 => 1..3_u8];
    let asset = 0..14_u8;
    let prefix = prop_oneof![1 => Just(None), 6 => (0..40_u64).prop_map(Some)];
    prop_oneof![
        20 => (asset.clone(), tag.clone(), prefix, source())
            .prop_map(|(asset, tag, prefix, source)| Step::Ask { asset, tag, prefix, source }),
        4 => (asset.clone(), tag, source())
            .prop_map(|(asset, tag, source)| Step::Preload { asset, tag, source }),
        2 => asset.clone().prop_map(Step::Doubt),
        1 => asset.clone().prop_map(Step::Stale),
        1 => asset.clone().prop_map(Step::Purge),
        1 => asset.prop_map(Step::PurgePrefix),
        10 => (0..4_usize, result()).prop_map(|(nth, result)| Step::Finish { nth, result }),
        1 => (0..50_u64).prop_map(Step::Echo),
        1 => (0..4_usize, any::<u64>()).prop_map(|(nth, bytes)| Step::Unread { nth, bytes }),
        4 => prop_oneof![0..5_u64, 0..200_u64, 0..100_000_u64].prop_map(Step::Advance),
    ]
}

fn admission() -> impl Strategy<Value = Admission> {
    let counts = (1..4_u32, 0..3_u32, 1..4_usize, 1..7_usize, 1..6_usize, 1..4_usize);
    let rest = (1..3_usize, 0..3_usize, prop_oneof![Just(0), Just(1 << 20), Just(1 << 30)]);
    (counts, rest).prop_map(|((requests, prefixes, queue, cold, ready, refused), rest)| {
        let (jobs, passing, budget) = rest;
        Admission::default()
            .with_requests(requests)
            .with_prefixes(prefixes)
            .with_queue(queue)
            .with_cold(cold)
            .with_ready(ready)
            .with_refused(refused)
            .with_jobs(jobs)
            .with_passing(passing)
            .with_fetch_budget(budget)
    })
}

fn name(asset: u8) -> String {
    format!("{}/{asset}", asset % 3)
}

fn take(host: &mut Host, step: Step) {
    match step {
        Step::Ask { asset, tag, prefix, source } => {
            host.ask(&name(asset), tag, prefix, source);
        }
        Step::Preload { asset, tag, source } => {
            host.preload(&name(asset), tag, source);
        }
        Step::Doubt(asset) => host.doubt(&name(asset)),
        Step::Stale(asset) => host.stale(&name(asset)),
        Step::Purge(asset) => {
            let known = host.catalog.entries.contains_key(&host::path(&name(asset)));
            assert_eq!(host.purge(&name(asset)), known);
        }
        Step::PurgePrefix(asset) => {
            host.purge_prefix(&format!("/{}/", asset % 3));
        }
        Step::Finish { nth, result } => {
            if let Some(&id) = host.jobs.keys().nth(nth) {
                host.finish(id, result);
            }
        }
        Step::Echo(id) => {
            if !host.jobs.contains_key(&JobId(id)) {
                host.finish(JobId(id), Ok(()));
            }
        }
        Step::Unread { nth, bytes } => {
            if let Some(&id) = host.jobs.keys().nth(nth) {
                host.catalog.unread(id, bytes);
            }
        }
        Step::Advance(seconds) => host.advance(Duration::from_secs(seconds)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn whatever_happens_every_table_is_sound_and_nothing_stale_is_shown(
        admission in admission(),
        restored in proptest::collection::vec((0..14_u8, 0..3_u8), 0..6),
        steps in proptest::collection::vec(step(), 1..250),
    ) {
        let mut host = Host::new(admission);
        for (asset, tag) in restored {
            host.restore(&name(asset), tag);
            host.check();
        }
        for step in steps {
            take(&mut host, step);
            host.check();
        }
        // With honest workers, all that waits gets done.
        for _ in 0..200 {
            while let Some((&id, _)) = host.jobs.first_key_value() {
                host.finish(id, Ok(()));
                host.check();
            }
            host.advance(Duration::from_secs(1_800));
        }
        prop_assert_eq!(host.catalog.pending(), 0);
        prop_assert!(host.catalog.retries.is_empty());
    }
}
