//! Intervals hold what they promise: a thousand worlds each whose truth is known.
//!
//! Figures of every scene, as in `docs/experiment.md`: add `--no-capture`.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod world;

use world::{Sharing, World, crossover, tallies, visitors};

const SEEDS: u32 = 1_000;

const TENTH: Sharing = Sharing { most: 0.17, half: 1.0, effects: true };
const FORTY: Sharing = Sharing { most: 0.62, half: 1.0, effects: true };
const EIGHTY: Sharing = Sharing { most: 0.97, half: 0.3, effects: true };

/// So little that every second world of it has no figure.
const SMALLEST: crossover::Site =
    crossover::Site { assets: 20, days: 14, visits: 60.0, zipf: 1.0, sigma: 1.5 };
/// Three times the files, five times the visits.
const LARGER: crossover::Site =
    crossover::Site { assets: 60, days: 14, visits: 100.0, zipf: 1.0, sigma: 1.5 };

const FEW: visitors::Site =
    visitors::Site { assets: 30, days: 7, bursts: 2_500, blocks: 1, zipf: 0.9, sigma: 1.5 };
const MORE: visitors::Site = visitors::Site { bursts: 6_000, ..FEW };

const SHARINGS: [Sharing; 4] = [Sharing::NONE, TENTH, FORTY, EIGHTY];
const EFFECTS: [f64; 4] = [0.0, 0.1, 0.4, 0.8];

/// Where nothing differs, intervals that leave out 0 are as rare as promised; where something does, intervals hold
/// the truth of the world they are of as often as promised.
fn holds_its_promise(scene: &str, worlds: impl Fn(u64) -> Vec<World>) {
    let tallies = tallies(SEEDS, worlds);
    for (tally, effect) in tallies.iter().zip(EFFECTS) {
        let line = format!("{scene}, {effect}: {}", tally.line());
        println!("{line}");
        assert_eq!(tally.figures, SEEDS, "{line}");
        let truth = tally.stated / f64::from(tally.figures);
        assert!((truth - effect).abs() < 0.06, "{line}");
        assert!((0.93..=0.97).contains(&tally.coverage()), "{line}");
        assert!(tally.refused <= SEEDS / 200, "arms were as assigned: {line}");
        if effect == 0.0 {
            assert!((0.035..=0.065).contains(&tally.alarm_rate()), "{line}");
        }
    }
}

#[test]
fn a_crossover_of_the_least_traffic_holds_the_truth() {
    holds_its_promise("least", |seed| crossover::worlds(SMALLEST, &SHARINGS, seed));
}

#[test]
fn a_crossover_of_more_traffic_holds_the_truth() {
    holds_its_promise("more", |seed| crossover::worlds(LARGER, &SHARINGS, seed));
}

#[test]
fn groups_of_few_visitors_hold_the_truth() {
    holds_its_promise("few", |seed| visitors::worlds(FEW, &SHARINGS, seed));
}

#[test]
fn groups_of_more_visitors_hold_the_truth() {
    holds_its_promise("many", |seed| visitors::worlds(MORE, &SHARINGS, seed));
}

/// Looks at the end of each of a hundred blocks.
fn looks(world: impl Fn(u64) -> Vec<World>) -> [f64; 2] {
    let (mut before, mut ever, mut seeds) = (0.0, 0.0, 0.0);
    for seed in 1..=u64::from(SEEDS) {
        let worlds = world(seed);
        let analysis = manyhands_experiment::analyse(&worlds[0].observations);
        let Some(estimate) = analysis.estimate else { continue };
        seeds += 1.0;
        let off =
            |interval: manyhands_experiment::Interval| interval.low > 0.0 || interval.high < 0.0;
        let early = analysis.series.iter().any(|point| off(point.eligible.interval));
        before += f64::from(u8::from(early));
        ever += f64::from(u8::from(early || off(estimate.fixed)));
    }
    let rates = [before / seeds, ever / seeds];
    println!("{seeds} worlds: {rates:.4?}");
    rates
}

#[test]
fn a_hundred_looks_raise_no_more_false_alarms_than_one() {
    let site = crossover::Site { days: 25, ..SMALLEST };
    let [anytime, _] = looks(|seed| crossover::worlds(site, &[Sharing::NONE], seed));
    assert!(anytime <= 0.05, "{anytime}");
    let site = visitors::Site { days: 25, blocks: 100, ..FEW };
    let [anytime, _] = looks(|seed| visitors::worlds(site, &[Sharing::NONE], seed));
    assert!(anytime <= 0.05, "{anytime}");
}
