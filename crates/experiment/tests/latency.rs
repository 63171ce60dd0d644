//! Times of arms are compared as honestly as octets: by cluster, because times of a cluster go together.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod world;

use manyhands_experiment::{
    Analysis, Arm, Comparison, Design, Histogram, Latency, Metric, Observations, SizeClass,
    Verdict, analyse,
};
use world::{Draw, observations};

/// Times of both arms in so many clusters, `slower` in the treated.
fn timed(seed: u64, metric: Metric, clusters: u64, each: u64, slower: f64) -> Observations {
    let mut draw = Draw::new(seed);
    let mut all = observations(Design::DEFAULT, 14, Vec::new(), [0; 3], Vec::new());
    let class = if metric == Metric::Lcp { SizeClass::Page } else { SizeClass::Medium };
    for (arm, factor) in [(Arm::Http, 1.0), (Arm::P2p, slower)] {
        for cluster in 0..clusters {
            let mut times = Histogram::default();
            let middle = 600.0 * draw.lognormal(0.25);
            for _ in 0..draw.poisson(each as f64) {
                times.record(factor * middle * draw.lognormal(0.7));
            }
            all.latencies.push(Latency { arm, metric, class, cluster, times });
        }
    }
    all
}

fn comparison(analysis: &Analysis) -> &Comparison {
    assert_eq!(analysis.verdict, Verdict::NotEnoughData, "times make no verdict");
    analysis.latency.first().expect("something was timed")
}

#[test]
fn the_interval_of_a_ratio_holds_the_truth() {
    for (metric, slower) in
        [(Metric::Completion, 1.0), (Metric::Completion, 1.4), (Metric::Lcp, 1.1)]
    {
        let held = (1..=1_000)
            .filter(|seed| {
                let analysis = analyse(&timed(*seed, metric, 60, 25, slower));
                let ratio = comparison(&analysis).ratio.expect("there are enough");
                ratio.interval.low <= slower && slower <= ratio.interval.high
            })
            .count();
        println!("{metric:?} {slower}: {held} of 1000");
        assert!((930..=970).contains(&held), "{metric:?} {slower}: {held}");
    }
}

#[test]
fn a_guardrail_warns_when_the_whole_interval_is_beyond_the_margin() {
    let warnings = |slower: f64| {
        let all = (1..=200).map(|seed| analyse(&timed(seed, Metric::Lcp, 60, 40, slower)));
        all.filter(|analysis| analysis.warning.is_some()).count()
    };
    // At the margin one in forty by chance: one end of a 95 % interval.
    assert!(warnings(1.03) <= 12);
    assert!(warnings(1.0) <= 10);
    assert!(warnings(1.6) >= 195);
    let analysis = analyse(&timed(1, Metric::Lcp, 60, 40, 1.6));
    assert!(comparison(&analysis).hurts);
    assert!(analysis.warning.expect("it hurts").contains("pages show their largest part"));
}

#[test]
fn what_is_no_guardrail_is_shown_and_not_judged() {
    let analysis = analyse(&timed(1, Metric::FirstByte, 60, 40, 3.0));
    let comparison = comparison(&analysis);
    assert!(comparison.ratio.expect("there are enough").interval.low > 2.0);
    assert_eq!((comparison.margin, comparison.hurts, &analysis.warning), (None, false, &None));
}

#[test]
fn few_times_and_few_clusters_have_no_quantile() {
    for (clusters, each) in [(60, 2), (12, 500)] {
        let analysis = analyse(&timed(1, Metric::Completion, clusters, each, 1.0));
        let comparison = comparison(&analysis);
        assert_eq!(comparison.ratio, None);
        assert!(comparison.arms.iter().all(|arm| arm.milliseconds.is_none()));
        assert!(comparison.arms.iter().any(|arm| arm.count > 0));
    }
}

#[test]
fn a_quantile_in_the_open_bin_has_no_value() {
    let analysis = analyse(&timed(1, Metric::Completion, 60, 40, 200.0));
    assert_eq!(comparison(&analysis).ratio, None);
}
