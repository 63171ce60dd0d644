//! Arms that are not as assigned are refused; arms that chance made odd are not.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod world;

use manyhands_experiment::{
    Analysis, Arm, Block, Check, Claims, Design, Observations, Sums, Unit, Verdict, analyse,
};
use world::{Sharing, observations, visitors};

fn unit(key: u64, arm: Arm, demand: u64) -> Unit {
    let origin_bytes = if arm == Arm::P2p { demand * 5 } else { demand * 10 };
    let sums = Sums {
        demand,
        demand_bytes: demand * 10,
        requests: demand,
        origin_bytes,
        ..Sums::default()
    };
    Unit { arm, block: Block(key % 56), key, sums, before: None }
}

/// A thousand units, a tenth of them held out.
fn crossover(demand: impl Fn(u64, Arm) -> u64) -> Observations {
    let one = |key: u64| {
        let arm = if key.is_multiple_of(10) { Arm::Http } else { Arm::P2p };
        unit(key, arm, demand(key, arm))
    };
    observations(Design::DEFAULT, 14, (0..1_000).map(one).collect(), [0, 100, 900], Vec::new())
}

fn check<'a>(analysis: &'a Analysis, name: &str) -> &'a Check {
    analysis.checks.iter().find(|check| check.name == name).expect("the check is there")
}

#[test]
fn demand_that_depends_on_the_arm_is_refused() {
    let even = analyse(&crossover(|key, _| 100 + key % 7));
    assert!(even.checks.iter().all(|check| check.passed), "{:?}", even.checks);
    assert_ne!(even.verdict, Verdict::SampleRatioMismatch);
    let odd = analyse(&crossover(|key, arm| if arm == Arm::Http { 250 } else { 100 } + key % 7));
    assert!(!check(&odd, "demand").passed);
    assert!(check(&odd, "units").passed);
    assert_eq!((odd.verdict, odd.estimate), (Verdict::SampleRatioMismatch, None));
    assert!(odd.sentence.contains("http has"), "{}", odd.sentence);
}

/// A normal tail makes one in 30,000 of it. It is one in a hundred.
#[test]
fn the_two_most_popular_files_both_held_out_are_chance() {
    let analysis = analyse(&crossover(|key, _| if key == 10 || key == 20 { 1 << 40 } else { 100 }));
    let demand = check(&analysis, "demand");
    assert!(demand.passed && demand.p >= 0.01, "{demand:?}");
}

#[test]
fn units_that_were_assigned_otherwise_are_refused() {
    let mut all = crossover(|key, _| 100 + key % 7);
    all.assigned = [0, 300, 700];
    let analysis = analyse(&all);
    assert!(!check(&analysis, "units").passed);
    assert_eq!(analysis.verdict, Verdict::SampleRatioMismatch);
}

/// All buckets seen, and seen about as often; `http` at so many of ten page views.
fn groups_of_visitors(tenths: u64) -> Observations {
    let one = |key: u64| {
        let arm = match key % 20 {
            0 => Arm::Untouched,
            1 => Arm::Http,
            _ => Arm::P2p,
        };
        let views = 400 + key * 37 % 200;
        unit(key, arm, if arm == Arm::Http { views * tenths / 10 } else { views })
    };
    let units: Vec<Unit> = (0..1_024).map(one).collect();
    let design = Design::Visitors { hours: 6 };
    observations(design, 14, units, [52, 52, 920], Vec::new())
}

#[test]
fn an_arm_of_visitors_that_loses_page_views_is_refused() {
    let good = groups_of_visitors(10);
    assert_ne!(analyse(&good).verdict, Verdict::SampleRatioMismatch);
    let lost = analyse(&groups_of_visitors(8));
    assert!(!check(&lost, "demand").passed);
    assert_eq!(lost.verdict, Verdict::SampleRatioMismatch);
    let mut gone = good;
    gone.units.retain(|unit| unit.arm != Arm::Untouched);
    let analysis = analyse(&gone);
    assert!(!check(&analysis, "units").passed);
    assert_eq!(analysis.verdict, Verdict::SampleRatioMismatch);
}

#[test]
fn an_uneven_return_of_reports_is_shown_and_refuses_nothing() {
    let mut all = crossover(|key, _| 100 + key % 7);
    let claims = |tokens, reports| Claims { tokens, reports, ..Claims::default() };
    all.claims = [Claims::default(), claims(1_000, 900), claims(9_000, 4_000)];
    let analysis = analyse(&all);
    assert!(!check(&analysis, "return_rate").passed);
    assert_ne!(analysis.verdict, Verdict::SampleRatioMismatch);
    assert!(analysis.estimate.is_some());
    assert_eq!(analysis.arms.iter().map(|arm| arm.return_rate).next(), Some(Some(0.9)));
}

#[test]
fn buckets_a_block_make_a_series_and_the_same_figures_as_buckets_alone() {
    let site =
        visitors::Site { assets: 30, days: 7, bursts: 6_000, blocks: 28, zipf: 0.9, sigma: 1.5 };
    let sharing = Sharing { most: 0.62, half: 1.0, effects: true };
    let blocks = visitors::worlds(site, &[sharing], 1).remove(0).observations;
    let mut alone = blocks.clone();
    let mut buckets = std::collections::BTreeMap::<(Arm, u64), Unit>::new();
    for unit in &blocks.units {
        buckets
            .entry((unit.arm, unit.key))
            .and_modify(|sum| sum.sums.add(&unit.sums))
            .or_insert(*unit);
    }
    alone.units = buckets.into_values().collect();
    let (blocks, alone) = (analyse(&blocks), analyse(&alone));
    let [one, other] =
        [&blocks, &alone].map(|analysis| analysis.estimate.as_ref().expect("there is enough"));
    assert!((one.shared.value - other.shared.value).abs() < 1e-12);
    assert!((one.fixed.low - other.fixed.low).abs() < 1e-12);
    assert!(one.net_of_loader.is_some() && one.loader.is_some());
    assert!(alone.series.is_empty());
    let last = blocks.series.last().expect("there is a series");
    assert!((last.eligible.value - one.eligible.value).abs() < 1e-12);
}
