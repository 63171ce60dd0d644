//! Whatever is observed: no panic, nothing that is no number, no matter in which order; and what browsers claim moves
//! nothing that the server counted.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod world;

use manyhands_experiment::{
    Analysis, Arm, Billing, BillingModel, Block, Claims, Design, Histogram, Latency, Metric,
    Observations, SizeClass, Slot, Sums, Traffic, Unit, Verdict, analyse,
};
use proptest::prelude::*;
use world::{Sharing, crossover};

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        0..1_000_u64,
        0..1_000_000_000_000_u64,
        Just(u64::MAX),
        any::<u64>()
    ]
}

fn arm() -> impl Strategy<Value = Arm> {
    prop_oneof![Just(Arm::Untouched), Just(Arm::Http), Just(Arm::P2p)]
}

fn before() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        Just(Some(f64::NAN)),
        Just(Some(f64::INFINITY)),
        any::<f64>().prop_map(Some),
        (0.0..2.0).prop_map(Some)
    ]
}

fn unit() -> impl Strategy<Value = Unit> {
    let sums = prop::array::uniform7(number()).prop_map(
        |[demand, demand_bytes, requests, origin_bytes, overhead_bytes, aborted, failed]| Sums {
            demand,
            demand_bytes,
            requests,
            origin_bytes,
            overhead_bytes,
            aborted,
            failed,
        },
    );
    (arm(), prop_oneof![0..60_u64, number()], 0..1_024_u64, sums, before()).prop_map(
        |(arm, block, key, sums, before)| Unit { arm, block: Block(block), key, sums, before },
    )
}

fn slot() -> impl Strategy<Value = Slot> {
    (number(), prop::array::uniform5(number())).prop_map(
        |(number, [other_bytes, unshared_bytes, shared_bytes, treated_bytes, overhead_bytes])| {
            Slot {
                number,
                traffic: Traffic {
                    other_bytes,
                    unshared_bytes,
                    shared_bytes,
                    treated_bytes,
                    overhead_bytes,
                    ..Traffic::default()
                },
            }
        },
    )
}

fn latency() -> impl Strategy<Value = Latency> {
    let metric = prop::sample::select(&Metric::ALL[..]);
    let class = prop::sample::select(&SizeClass::ALL[..]);
    (arm(), metric, class, number(), 0..64_usize, number()).prop_map(
        |(arm, metric, class, cluster, bin, count)| {
            let mut times = Histogram::default();
            times.0[bin] = count;
            Latency { arm, metric, class, cluster, times }
        },
    )
}

fn claims() -> impl Strategy<Value = Claims> {
    (number(), number(), number()).prop_map(|(tokens, reports, peer_bytes)| Claims {
        tokens,
        reports,
        peer_bytes,
        ..Claims::default()
    })
}

fn any_observations() -> impl Strategy<Value = Observations> {
    let design = prop_oneof![
        (1..=5_000_u32, 1..=168_u32)
            .prop_map(|(holdout, hours)| Design::Crossover { holdout, hours }),
        (1..=168_u32).prop_map(|hours| Design::Visitors { hours }),
    ];
    let model =
        prop_oneof![Just(BillingModel::Flat), Just(BillingModel::PerGb), Just(BillingModel::P95)];
    (
        (design, number(), any::<u32>(), number(), number()),
        prop::collection::vec(unit(), 0..300),
        prop::array::uniform3(number()),
        prop::collection::vec(slot(), 0..20),
        prop::collection::vec(latency(), 0..60),
        prop::array::uniform3(claims()),
        (model, any::<f64>()),
    )
        .prop_map(
            |(
                (design, began, planned_days, from, until),
                units,
                assigned,
                slots,
                latencies,
                claims,
                (model, price),
            )| {
                let billing = Billing { model, price, currency: "EUR".into() };
                Observations {
                    slack: 1.25,
                    design,
                    began,
                    planned_days,
                    from,
                    until,
                    units,
                    assigned,
                    slots,
                    latencies,
                    claims,
                    billing,
                }
            },
        )
}

/// Every number of a document; JSON has none that is not finite and writes `null` instead.
fn without_null(analysis: &Analysis) -> Result<(), TestCaseError> {
    let known = [
        "adjusted",
        "unadjusted",
        "winsorised",
        "net_of_loader",
        "loader",
        "needs",
        "seconds",
        "estimate",
        "money",
        "saved",
        "monthly",
        "warning",
        "claimed_ratio",
        "return_rate",
        "milliseconds",
        "ratio",
        "margin",
    ];
    let json = serde_json::to_value(analysis).expect("it is JSON");
    let mut open = vec![("", &json)];
    while let Some((name, value)) = open.pop() {
        prop_assert!(!value.is_null() || known.contains(&name), "{name}");
        match value {
            serde_json::Value::Array(all) => open.extend(all.iter().map(|one| (name, one))),
            serde_json::Value::Object(all) => {
                open.extend(all.iter().map(|(name, one)| (&name[..], one)))
            }
            _ => {}
        }
    }
    Ok(())
}

/// A world with a figure.
fn observed(seed: u64) -> Observations {
    let site = crossover::Site { assets: 30, days: 14, visits: 100.0, zipf: 0.7, sigma: 0.7 };
    let sharing = Sharing { most: 0.62, half: 1.0, effects: true };
    let mut observations = crossover::worlds(site, &[sharing], seed).remove(0).observations;
    observations.billing = Billing { model: BillingModel::P95, price: 3.0, currency: "EUR".into() };
    observations
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_analysis_of_anything_is_made_of_numbers(observations in any_observations()) {
        let analysis = analyse(&observations);
        without_null(&analysis)?;
        prop_assert_eq!(analysis.estimate.is_some(), matches!(analysis.verdict, Verdict::Saves | Verdict::DoesNotPay | Verdict::Undecided));
        if let Some(estimate) = &analysis.estimate {
            for share in [estimate.eligible, estimate.shared, estimate.egress, estimate.saved_bytes] {
                prop_assert!(share.interval.low <= share.value && share.value <= share.interval.high, "{:?}", share);
            }
        }
    }

    #[test]
    fn an_extreme_unit_among_good_ones_leaves_numbers(seed in 1..50_u64, odd in prop::collection::vec(unit(), 1..4)) {
        let mut observations = observed(seed);
        observations.units.extend(odd);
        without_null(&analyse(&observations))?;
    }

    #[test]
    fn the_order_of_units_and_slots_changes_nothing(seed in 1..50_u64, turns in 0..400_usize) {
        let observations = observed(seed);
        let mut turned = observations.clone();
        turned.units.reverse();
        let turns = turns % turned.units.len();
        turned.units.rotate_left(turns);
        turned.slots.reverse();
        prop_assert_eq!(analyse(&observations), analyse(&turned));
    }

    #[test]
    fn a_unit_in_two_halves_is_the_unit(seed in 1..50_u64) {
        let observations = observed(seed);
        let mut halves = observations.clone();
        halves.units = observations.units.iter().flat_map(|unit| {
            let half = Sums { origin_bytes: unit.sums.origin_bytes / 3, demand: unit.sums.demand / 2, ..Sums::default() };
            let rest = Sums { origin_bytes: unit.sums.origin_bytes - half.origin_bytes, demand: unit.sums.demand - half.demand, ..unit.sums };
            [Unit { sums: half, ..*unit }, Unit { sums: rest, ..*unit }]
        }).collect();
        prop_assert_eq!(analyse(&observations), analyse(&halves));
    }

    #[test]
    fn whatever_browsers_claim_no_figure_and_no_verdict_moves(
        seed in 1..50_u64,
        latencies in prop::collection::vec(latency(), 0..200),
        claims in prop::array::uniform3(claims()),
    ) {
        let honest = observed(seed);
        let lied = Observations { latencies, claims, ..honest.clone() };
        let (honest, lied) = (analyse(&honest), analyse(&lied));
        prop_assert_eq!(honest.verdict, lied.verdict);
        prop_assert_eq!(honest.sentence, lied.sentence);
        prop_assert_eq!(honest.needs, lied.needs);
        prop_assert_eq!(honest.estimate, lied.estimate);
        prop_assert_eq!(honest.money, lied.money);
        prop_assert_eq!(honest.series, lied.series);
    }
}

/// All clients claim that sharing made everything a minute late and carried an exabyte.
#[test]
fn liars_all_of_them_raise_a_warning_that_says_who_claims_it_and_move_nothing() {
    let honest = observed(7);
    let mut lied = honest.clone();
    for arm in [Arm::Http, Arm::P2p] {
        for cluster in 0..60 {
            let mut times = Histogram::default();
            let slow = if arm == Arm::P2p { 30_000.0 } else { 1_000.0 };
            (0..40).for_each(|step| times.record(slow + f64::from(step)));
            let (metric, class) = (Metric::Completion, SizeClass::Medium);
            lied.latencies.push(Latency { arm, metric, class, cluster, times });
        }
    }
    lied.claims =
        [Claims { tokens: 100, reports: 100, peer_bytes: 1 << 60, ..Claims::default() }; 3];
    let (honest, lied) = (analyse(&honest), analyse(&lied));
    assert_eq!((honest.verdict, &honest.estimate), (lied.verdict, &lied.estimate));
    assert_eq!(honest.verdict, Verdict::Saves);
    assert_eq!(honest.warning, None);
    let warning = lied.warning.unwrap();
    assert!(warning.starts_with("Browsers claim"), "{warning}");
    assert!(lied.latency.iter().any(|comparison| comparison.hurts));
    assert!(lied.claimed_ratio.unwrap() > 1_000.0);
}

#[test]
fn a_dropped_arm_is_refused_whatever_else_is_counted() {
    let good = observed(3);
    assert_eq!(analyse(&good).verdict, Verdict::Saves);
    let mut dropped = good.clone();
    dropped.units.retain(|unit| unit.arm != Arm::Http);
    let mut thinned = good;
    thinned.units.retain(|unit| unit.arm != Arm::P2p || unit.key % 2 == 0);
    for observations in [dropped, thinned] {
        let analysis = analyse(&observations);
        assert_eq!(analysis.verdict, Verdict::SampleRatioMismatch, "{:?}", analysis.checks);
        assert_eq!((analysis.estimate, analysis.money), (None, None));
        assert!(analysis.series.is_empty());
    }
}
