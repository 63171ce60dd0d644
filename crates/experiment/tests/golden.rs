//! Figures against those of NumPy, SciPy and confseq: `golden/make.py` makes `golden/golden.json`.

use manyhands_experiment::{
    Analysis, Arm, Billing, BillingModel, Block, Design, Histogram, Interval, Latency, Metric,
    Observations, Share, SizeClass, Slot, Sums, Traffic, Unit, analyse,
};
use serde_json::Value;

const DAY: u64 = 86_400;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/golden.json")).expect("the file is JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn whole(value: &Value) -> u64 {
    value.as_u64().expect("a whole number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn same(got: f64, golden: f64, what: &str) {
    assert!((got - golden).abs() <= 1e-9 * golden.abs().max(1e-3), "{what}: {got} {golden}");
}

fn same_share(got: Share, golden: &Value, what: &str) {
    same(got.value, number(&golden["value"]), what);
    same_interval(got.interval, golden, what);
}

fn same_interval(got: Interval, golden: &Value, what: &str) {
    same(got.low, number(&golden["low"]), what);
    same(got.high, number(&golden["high"]), what);
}

fn observations(days: u64, planned: u64) -> Observations {
    Observations {
        design: Design::DEFAULT,
        began: 0,
        planned_days: u32::try_from(planned).expect("few days"),
        from: 0,
        until: days * DAY,
        units: Vec::new(),
        assigned: [0; 3],
        slots: Vec::new(),
        latencies: Vec::new(),
        claims: Default::default(),
        billing: Billing { model: BillingModel::Flat, price: 0.0, currency: "EUR".into() },
        slack: 1.25,
    }
}

fn crossover(golden: &Value) -> Observations {
    let mut all = observations(whole(&golden["days"]), whole(&golden["planned"]));
    let unit = |(key, unit): (u64, &Value)| Unit {
        arm: if unit["held"] == true { Arm::Http } else { Arm::P2p },
        block: Block(key % 40),
        key,
        sums: Sums {
            demand: whole(&unit["visits"]),
            demand_bytes: whole(&unit["demand"]),
            requests: whole(&unit["visits"]),
            origin_bytes: whole(&unit["origin"]),
            overhead_bytes: whole(&unit["overhead"]),
            ..Sums::default()
        },
        before: unit["before"].as_f64(),
    };
    all.units = (0..).zip(list(&golden["units"])).map(unit).collect();
    all.assigned = [0, whole(&golden["assigned"]["http"]), whole(&golden["assigned"]["p2p"])];
    let sum = |part: fn(&Unit) -> u64| all.units.iter().map(part).sum::<u64>();
    let traffic = Traffic {
        shared_bytes: sum(|unit| unit.sums.origin_bytes),
        treated_bytes: sum(|unit| if unit.arm == Arm::P2p { unit.sums.origin_bytes } else { 0 }),
        overhead_bytes: sum(|unit| unit.sums.overhead_bytes) + whole(&golden["site"]),
        ..Traffic::default()
    };
    all.slots = vec![Slot { number: 0, traffic }];
    all
}

fn p(analysis: &Analysis, name: &str) -> f64 {
    analysis.checks.iter().find(|check| check.name == name).expect("the check is there").p
}

#[test]
fn a_crossover_is_that_of_other_peoples_code() {
    let golden = &golden()["crossover"];
    let analysis = analyse(&crossover(golden));
    same(p(&analysis, "units"), number(&golden["units_p"]), "units");
    same(p(&analysis, "demand"), number(&golden["demand_p"]), "demand");
    let estimate = analysis.estimate.expect("there is enough");
    same_share(estimate.shared, &golden["shared"], "shared");
    same_interval(estimate.fixed, &golden["fixed"], "fixed");
    same_interval(estimate.anytime, &golden["anytime"], "anytime");
    for (got, name) in [
        (estimate.unadjusted, "unadjusted"),
        (estimate.adjusted, "adjusted"),
        (estimate.winsorised, "winsorised"),
    ] {
        same_share(got.expect("there is enough"), &golden[name], name);
    }
}

#[test]
fn the_pre_period_narrows_the_interval() {
    let estimate = analyse(&crossover(&golden()["crossover"])).estimate.expect("there is enough");
    let width = |share: Share| share.interval.high - share.interval.low;
    let adjusted = estimate.adjusted.expect("there is a pre-period");
    assert!(width(adjusted) < 0.6 * width(estimate.shared));
}

/// Expected values by the classical textbook form, without the corrections for few units: close, as it has to be
/// with many.
#[test]
fn many_buckets_have_the_interval_of_the_delta_method_with_covariance() {
    let mut all = observations(10, 10);
    all.design = Design::Visitors { hours: 6 };
    all.assigned = [400, 0, 400];
    let bucket = |key: u64| {
        let arm = if key < 400 { Arm::Untouched } else { Arm::P2p };
        let views = 50 + key * 7 % 31;
        let noise = key * 13 % 17;
        let origin = (views * 1_000 + noise * 900) * if arm == Arm::P2p { 4 } else { 10 };
        let sums = Sums { demand: views, requests: views, origin_bytes: origin, ..Sums::default() };
        Unit { arm, block: Block(0), key, sums, before: None }
    };
    all.units = (0..800).map(bucket).collect();
    let variance = |arm: Arm| {
        let of = |part: fn(&Unit) -> u64| -> Vec<f64> {
            let units = all.units.iter().filter(|unit| unit.arm == arm);
            units.map(|unit| part(unit) as f64).collect()
        };
        let (b, v) = (of(|unit| unit.sums.origin_bytes), of(|unit| unit.sums.demand));
        let n = b.len() as f64;
        let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
        let (mb, mv) = (mean(&b), mean(&v));
        let moment = |x: &[f64], mx: f64, y: &[f64], my: f64| {
            x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / (n - 1.0)
        };
        let relative = moment(&b, mb, &b, mb) / mb / mb - 2.0 * moment(&b, mb, &v, mv) / mb / mv
            + moment(&v, mv, &v, mv) / mv / mv;
        relative / n
    };
    let half = 1.963 * (variance(Arm::Untouched) + variance(Arm::P2p)).sqrt();
    // The design's weights make no sense of 400 and 400; the check would refuse them.
    all.assigned = [0; 3];
    let analysis = analyse(&all);
    let Some(estimate) = analysis.estimate else {
        panic!("{:?} {:?}", analysis.needs, analysis.checks)
    };
    let got = ((1.0 - estimate.fixed.low) / (1.0 - estimate.fixed.high)).ln() / 2.0;
    assert!((got / half - 1.0).abs() < 0.02, "{got} {half}");
}

#[test]
fn a_quantile_of_times_is_that_of_other_peoples_code() {
    let golden = &golden()["quantile"];
    let mut all = observations(10, 10);
    for (cluster, bins) in (0..).zip(list(&golden["clusters"])) {
        let mut times = Histogram::default();
        times.0.iter_mut().zip(list(bins)).for_each(|(bin, count)| *bin = whole(count));
        let (metric, class) = (Metric::Completion, SizeClass::Small);
        all.latencies.push(Latency { arm: Arm::P2p, metric, class, cluster, times });
    }
    let analysis = analyse(&all);
    let [comparison] = &analysis.latency[..] else { panic!("{:?}", analysis.latency) };
    let arm = comparison.arms.iter().find(|arm| arm.arm == Arm::P2p).expect("it was timed");
    let got = arm.milliseconds.expect("there are enough");
    let golden: Vec<f64> = list(&golden["milliseconds"]).iter().map(number).collect();
    same(got.value, golden[0], "value");
    same(got.interval.low, golden[1], "low");
    same(got.interval.high, golden[2], "high");
    assert_eq!(comparison.ratio, None);
}
