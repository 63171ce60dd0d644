//! A synthetic month through the real counters, meters, thread's work and database, by a clock of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_experiment::{Arm, Billing, BillingModel, Design, Verdict, analyse};
use manyhands_metainfo::AssetPath;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::keeper::{Keeper, Writer};
use super::store::{Archive, Period, Terms};
use super::{Assignment, Ledger, Meter, Visitor, What};

const DAY: u64 = 86_400;
const MONTH: u64 = 28 * DAY;
/// 1 November 2026, the start of a block.
const START: u64 = 1_793_491_200;
const ASSETS: usize = 40;
/// What the origin sends of what is wanted where visitors share.
const FROM_ORIGIN: f64 = 0.35;
const SCRIPTS: usize = 9_000;
const MANIFEST: usize = 1_500;

static NOW: AtomicU64 = AtomicU64::new(START);

fn clock() -> u64 {
    NOW.load(Ordering::Relaxed)
}

struct World {
    dice: StdRng,
    /// Path, length, and visits a block.
    assets: Vec<(AssetPath, u64, f64)>,
    /// Octets with everybody sharing, and with nobody.
    all: f64,
    none: f64,
}

impl World {
    fn new() -> Self {
        let mut dice = StdRng::seed_from_u64(11);
        let asset = |rank: usize| {
            let path = AssetPath::parse(&format!("/{rank}.iso")).unwrap();
            let length = (2.0_e6 * (dice.random::<f64>() * 4.0).exp()) as u64;
            (path, length, 40.0 / (rank as f64 + 1.0))
        };
        let assets = (0..ASSETS).map(asset).collect();
        Self { dice, assets, all: 0.0, none: 0.0 }
    }

    /// One visit to one asset, counted as the layer would.
    fn visit(&mut self, ledger: &std::sync::Arc<Ledger>, number: usize, counts: bool) {
        let (path, length, _) = self.assets[number].clone();
        let visitor = Visitor::default();
        let send = |what: What<'_>, octets: usize| {
            let mut meter = Meter::new(ledger, visitor, what);
            meter.sent(octets);
            meter.ended();
        };
        send(What::Overhead(None), SCRIPTS);
        send(What::Overhead(Some(&path)), MANIFEST);
        ledger.demand(&path, length, &visitor);
        // Many leave before the end.
        let wanted = length as f64 * self.dice.random::<f64>().sqrt();
        let shared = wanted * (FROM_ORIGIN + 0.2 * (self.dice.random::<f64>() - 0.5));
        let octets = if ledger.arm(&path, &visitor) == Arm::P2p { shared } else { wanted };
        send(What::Shared(&path), octets as usize);
        if counts {
            self.none += wanted;
            self.all += shared + (SCRIPTS + MANIFEST) as f64;
        }
    }

    fn block(&mut self, ledger: &std::sync::Arc<Ledger>, start: u64) {
        // The first quarter of an hour: whatever happens in it must not matter.
        NOW.store(start + 300, Ordering::Relaxed);
        for number in 0..5 {
            self.visit(ledger, number, false);
        }
        for number in 0..ASSETS {
            let mean = self.assets[number].2;
            // Crowds come and go.
            let visits = (mean * 2.0 * self.dice.random::<f64>()).round() as u64;
            for _ in 0..visits {
                NOW.store(start + 1_000 + self.dice.random_range(0..20_000), Ordering::Relaxed);
                self.visit(ledger, number, true);
            }
        }
    }
}

#[test]
fn a_month_of_known_effect_is_found_within_its_interval() {
    let dir = tempfile::tempdir().unwrap();
    let origin = "https://example.org".to_owned();
    let assignment = Assignment::new(Design::DEFAULT, b"a salt of ours", origin, 28);
    let seconds = Design::DEFAULT.block_seconds();
    let ledger = Ledger::with_clock(Some(assignment), clock);
    let billing = Billing { model: BillingModel::PerGb, price: 0.05, currency: "EUR".to_owned() };
    let terms = Terms { billing, slack: 1.25 };
    let keeper = Keeper::new(std::sync::Arc::clone(&ledger), dir.path(), terms.clone(), 400);
    let mut writer = Writer::new();
    let mut world = World::new();
    for start in (START..START + MONTH).step_by(usize::try_from(seconds).unwrap()) {
        let assignment = ledger.assignment().unwrap();
        let mut assigned = [0; 3];
        for (path, ..) in &world.assets {
            assigned[assignment.arm_of_asset(path, start) as usize] += 1;
        }
        ledger.set_assigned(Design::DEFAULT.block(start), assigned);
        world.block(&ledger, start);
        NOW.store(start + seconds - 1, Ordering::Relaxed);
        keeper.flush(&mut writer);
    }
    let truth = 1.0 - world.all / world.none;
    let archive = Archive::open(&[dir.path().to_owned()]).unwrap();
    let observations = archive.observations(None, Period::default(), terms).unwrap();
    let analysis = analyse(&observations);
    assert_eq!(analysis.verdict, Verdict::Saves, "{}", analysis.sentence);
    let shared = analysis.estimate.as_ref().unwrap().shared;
    let (low, high) = (shared.interval.low, shared.interval.high);
    assert!((low..=high).contains(&truth), "{truth} and {shared:?}");
    assert!(high - low < 0.25, "{shared:?} says little");
    // Sums are those of the world: nothing lost between meter and disk.
    let origin: u64 = observations.units.iter().map(|unit| unit.sums.origin_bytes).sum();
    let shared: u64 = observations.slots.iter().map(|slot| slot.traffic.shared_bytes).sum();
    assert!(origin < shared, "what is sent at the start of a block is traffic and in no unit");
    // A size that says how much a month takes.
    let size = std::fs::metadata(dir.path().join("experiment.sqlite")).unwrap().len();
    assert!(size < 28 << 20, "{size} bytes for a month");
}
