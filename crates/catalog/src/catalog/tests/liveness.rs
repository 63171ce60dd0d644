//! A hot asset becomes ready, whatever else is asked for and however badly that goes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::host::Host;
use super::*;
use crate::job::Failure;

const DEADLINE: u64 = 60;
/// How long our own reading takes.
const HONEST: u64 = DEADLINE - 5;

/// What becomes of a job of the adversary's, and after how many seconds.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Ends(Result<(), Failure>, u64),
    Hangs,
}

fn fate() -> impl Strategy<Value = Fate> {
    let time = 1..=DEADLINE;
    prop_oneof![
        time.clone().prop_map(|time| Fate::Ends(Ok(()), time)),
        time.clone().prop_map(|time| Fate::Ends(Err(Failure::Unreadable), time)),
        time.clone().prop_map(|time| Fate::Ends(Err(Failure::NotPublic), time)),
        time.prop_map(|time| Fate::Ends(Err(Failure::Dropped { progress: true }), time)),
        Just(Fate::Hangs),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(Source::File(std::path::Path::new("/srv/a").into())),
        Just(Source::Fetch),
        Just(Source::Passing { fetch: true }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_hot_asset_becomes_ready_in_time(
        fates in proptest::collection::vec(fate(), 1..30),
        sources in proptest::collection::vec(source(), 1..5),
        hot_source in source(),
        // New names a second, and requests for each of them.
        names in 1..20_u64,
        requests in 3..7_u64,
        listed in 0..50_u64,
        breaks in 0..3_u64,
        budget in prop_oneof![Just(0), Just(64_u64 << 20)],
    ) {
        let admission = Admission::default()
            .with_queue(10)
            .with_cold(100)
            .with_passing(2)
            .with_deadline(Duration::from_secs(DEADLINE))
            .with_fetch_budget(budget);
        let mut host = Host::new(admission);
        let file = Source::File(std::path::Path::new("/srv/a").into());
        for n in 0..listed {
            host.preload(&format!("listed-{n}"), 0, file.clone());
        }
        // Hot and wanted most after seven seconds; then two turns of its kind, each after one job of
        // either other kind and a wait for the budget, and the job that is under way. That often again
        // for each time it breaks off.
        let turns = 6 * (DEADLINE + 1) + 2 * 57;
        let bound = 7 + (DEADLINE + 1) + (breaks + 1) * (turns + 2);
        let mut broken = 0;
        let mut ends: BTreeMap<JobId, (u64, Result<(), Failure>)> = BTreeMap::new();
        let mut looked_at = 0;
        for second in 0..bound {
            for name in 0..names {
                let source = &sources[(name as usize) % sources.len()];
                for request in 0..requests {
                    let name = format!("flood-{second}-{name}");
                    host.ask(&name, 0, Some(request % 3), source.clone());
                }
            }
            host.ask("hot", 0, Some(1_000 + second), hot_source.clone());
            for job in &host.started[looked_at..] {
                let hot = job.path.as_str() == "/hot";
                let passing = matches!(job.source, Source::Passing { .. });
                let fate = fates[(job.id.0 as usize) % fates.len()];
                let fate = match fate {
                    // A visitor may do with the answer what they like; our own reading is honest.
                    _ if hot && !passing && broken < breaks => {
                        broken += 1;
                        Fate::Ends(Err(Failure::Dropped { progress: true }), HONEST)
                    }
                    _ if hot && !passing => Fate::Ends(Ok(()), HONEST),
                    Fate::Ends(Err(_), time) if hot => {
                        Fate::Ends(Err(Failure::Dropped { progress: false }), time)
                    }
                    fate => fate,
                };
                if let Fate::Ends(result, time) = fate {
                    ends.insert(job.id, (second + time, result));
                }
            }
            looked_at = host.started.len();
            host.advance(Duration::from_secs(1));
            for job in host.jobs.keys().copied().collect::<Vec<_>>() {
                if let Some((at, result)) = ends.get(&job).copied()
                    && at <= second
                {
                    host.finish(job, result);
                }
            }
            host.check();
            if host.state("hot") == AssetState::Ready {
                return Ok(());
            }
        }
        prop_assert!(false, "not ready after {bound} s: {:?}", host.state("hot"));
    }
}
