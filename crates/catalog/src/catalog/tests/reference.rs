//! The order in which hot assets get their turn, against a model that knows no table: a list, looked
//! through from end to end.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::host::{Host, path};
use super::*;

const QUEUE: usize = 4;

#[derive(Debug, Default, Clone)]
struct Asset {
    name: u8,
    prefixes: BTreeSet<u64>,
    requests: usize,
    asked: usize,
    queued: Option<usize>,
    done: bool,
}

/// One worker, always files, nothing fails, nothing is forgotten.
#[derive(Default)]
struct Model {
    assets: Vec<Asset>,
    working: Option<u8>,
    started: Vec<u8>,
    clock: usize,
    oldest_next: bool,
}

impl Model {
    fn ask(&mut self, name: u8, prefix: u64) {
        self.clock += 1;
        let clock = self.clock;
        if !self.assets.iter().any(|asset| asset.name == name) {
            self.assets.push(Asset { name, ..Asset::default() });
        }
        let Some(asset) = self.assets.iter_mut().find(|asset| asset.name == name) else { return };
        if asset.done {
            return;
        }
        asset.prefixes.insert(prefix);
        (asset.requests, asset.asked) = (asset.requests + 1, clock);
        if asset.requests >= 3 && asset.prefixes.len() >= 2 && asset.queued.is_none() {
            asset.queued = Some(clock);
        }
        let waiting = self.assets.iter_mut().filter(|asset| asset.queued.is_some());
        let mut waiting: Vec<_> = waiting.collect();
        if waiting.len() > QUEUE
            && let Some(least) = waiting
                .iter_mut()
                .min_by_key(|asset| (asset.prefixes.len(), asset.requests, asset.asked))
        {
            least.queued = None;
        }
        self.start();
    }

    fn finish(&mut self) {
        self.working = None;
        self.start();
    }

    fn start(&mut self) {
        if self.working.is_some() {
            return;
        }
        let waiting = self.assets.iter_mut().filter(|asset| asset.queued.is_some());
        let next = if self.oldest_next {
            waiting.min_by_key(|asset| asset.queued)
        } else {
            waiting.max_by_key(|asset| (asset.prefixes.len(), asset.requests, asset.asked))
        };
        if let Some(asset) = next {
            (asset.queued, asset.done) = (None, true);
            self.working = Some(asset.name);
            self.started.push(asset.name);
            self.oldest_next = !self.oldest_next;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn assets_get_their_turn_by_demand_and_by_age(
        steps in proptest::collection::vec(
            prop_oneof![9 => (0..16_u8, 0..6_u64).prop_map(Some), 1 => Just(None)],
            1..300,
        ),
    ) {
        let mut host = Host::new(Admission::default().with_queue(QUEUE));
        let mut model = Model::default();
        let file = Source::File(std::path::Path::new("/srv/a").into());
        for step in steps {
            match step {
                Some((name, prefix)) => {
                    host.ask(&name.to_string(), 0, Some(prefix), file.clone());
                    model.ask(name, prefix);
                }
                None => {
                    if let Some((&id, _)) = host.jobs.first_key_value() {
                        host.finish(id, Ok(()));
                    }
                    model.finish();
                }
            }
        }
        let started: Vec<_> = host.started.iter().map(|job| job.path.clone()).collect();
        let expected: Vec<_> = model.started.iter().map(|name| path(&name.to_string())).collect();
        prop_assert_eq!(started, expected);
    }
}
