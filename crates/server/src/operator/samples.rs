//! A site as it might be: for tests, and for the pages that are looked at.

use std::time::Duration;

use manyhands_catalog::Refusal;
use manyhands_experiment::{
    Analysis, Arm, ArmSummary, Check, Claims, Comparison, Design, Estimate, Interval,
    LatencySummary, Metric, Money, Needs, Point, Share, SizeClass, Traffic, Verdict,
};
use manyhands_metainfo::AssetPath;
use manyhands_page::Reason;
use manyhands_protocol::mirrors::MirrorState;

use super::dashboard::{Dashboard, MirrorRow, Swarm, TopAsset, Unshared, UploadLimits};
use crate::engine::{Counts, Hashing, Sharing, Standing};

/// 2 Nov 2026, 00:00 UTC.
pub(super) const BEGAN: u64 = 1_793_577_600;
const DAY: u64 = 86_400;
const BLOCK: u64 = 6 * 3_600;
const TB: f64 = 1e12;

pub(super) fn share(value: f64, low: f64, high: f64) -> Share {
    Share { value, interval: Interval { low, high } }
}

/// An analysis after four weeks with this verdict.
pub(super) fn analysis(verdict: Verdict) -> Analysis {
    let until = BEGAN + 28 * DAY;
    let is_estimated = !matches!(verdict, Verdict::NotEnoughData | Verdict::SampleRatioMismatch);
    let level = match verdict {
        Verdict::DoesNotPay => 0.012,
        Verdict::Undecided => 0.05,
        _ => 0.62,
    };
    Analysis {
        v: 1,
        method: "crossover-delta-cs/1",
        estimand: "Share of origin bytes on eligible assets that full deployment saves against none, overhead taken \
                   off.",
        design: Design::DEFAULT,
        began: BEGAN,
        planned_end: BEGAN + 42 * DAY,
        from: BEGAN,
        until,
        verdict,
        sentence: sentence(verdict).to_owned(),
        warning: None,
        needs: (verdict == Verdict::NotEnoughData).then(|| Needs {
            sentence: "Visits to files held back for comparison are too few yet."
                .to_owned(),
            seconds: Some(9 * DAY),
        }),
        estimate: is_estimated.then(|| estimate(level)),
        money: is_estimated.then(|| Money {
            currency: "EUR".to_owned(),
            saved: Some(share(level * 903.0, (level - 0.065) * 903.0, (level + 0.058) * 903.0)),
            monthly: Some(share(level * 967.0, (level - 0.065) * 967.0, (level + 0.058) * 967.0)),
            sentence: "Reckoned at EUR 0.04 for each gigabyte that was not sent, the price in the configuration.".to_owned(),
        }),
        checks: checks(verdict),
        arms: vec![
            arm(Arm::Http, 0.1, 0.0),
            arm(Arm::P2p, 0.9, if is_estimated { level } else { 0.5 }),
        ],
        latency: vec![
            compared(Metric::FirstByte, SizeClass::Medium, 0.75, 212.0, 0.99, Some(1.03)),
            compared(Metric::Completion, SizeClass::Large, 0.95, 41_300.0, 0.92, Some(1.03)),
            compared(Metric::Lcp, SizeClass::Page, 0.75, 1_840.0, 1.006, Some(1.03)),
            compared(Metric::Stall, SizeClass::Large, 0.75, 310.0, 1.01, None),
        ],
        claimed_ratio: is_estimated.then_some(0.94),
        traffic: Traffic {
            other_bytes: (2.1 * TB) as u64,
            unshared_bytes: (1.4 * TB) as u64,
            shared_bytes: (12.2 * TB) as u64,
            treated_bytes: (9.6 * TB) as u64,
            overhead_bytes: (0.021 * TB) as u64,
            pages: 4_812_330,
            asset_requests: 261_118,
            bot_requests: 38_900,
            bot_bytes: (0.31 * TB) as u64,
        },
        series: if is_estimated { series(level) } else { Vec::new() },
    }
}

fn sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotEnoughData => {
            "Not enough data yet. Visits to files held back for comparison are too few yet."
        }
        Verdict::SampleRatioMismatch => "The arms are not as they were assigned.",
        Verdict::Saves => {
            "Sharing saves 47 % (between 42 and 51 %) of all that the site would send, and 62 % (between 56 and 68 %) of the files that can be shared."
        }
        Verdict::DoesNotPay => {
            "It does not pay: of the files that can be shared at most 0.6 % is saved. Turn it off."
        }
        _ => "The interval still holds both a saving and none.",
    }
}

fn estimate(level: f64) -> Estimate {
    let of =
        |factor: f64| share(level * factor, (level - 0.065) * factor, (level + 0.058) * factor);
    Estimate {
        eligible: of(1.0),
        shared: of(1.11),
        egress: of(0.755),
        saved_bytes: of(22.6 * TB),
        fixed: Interval { low: level * 1.11 - 0.041, high: level * 1.11 + 0.037 },
        anytime: Interval { low: (level - 0.065) * 1.11, high: (level + 0.058) * 1.11 },
        unadjusted: Some(share(level * 1.09, level - 0.08, level + 0.14)),
        adjusted: None,
        winsorised: Some(of(1.105)),
        net_of_loader: None,
        loader: None,
    }
}

fn checks(verdict: Verdict) -> Vec<Check> {
    let mismatch = verdict == Verdict::SampleRatioMismatch;
    let check =
        |name, passed, p, sentence: &str| Check { name, passed, p, sentence: sentence.to_owned() };
    vec![
        if mismatch {
            check(
                "units",
                false,
                0.000_01,
                "Of 41,216 units 1,204 were held out, where a tenth should have been: something in front treats them apart.",
            )
        } else {
            check(
                "units",
                true,
                0.41,
                "Of 41,216 units 4,098 were held out, as assigned (p = 0.41).",
            )
        },
        check(
            "demand",
            true,
            0.22,
            "Held-out files were wanted as often as shared ones (p = 0.22).",
        ),
        check("return_rate", true, 0.63, "Both sides return reports equally often (p = 0.63)."),
    ]
}

fn arm(arm: Arm, weight: f64, saved: f64) -> ArmSummary {
    let demand = (214_000.0 * weight) as u64;
    let demand_bytes = (27.0 * TB * weight) as u64;
    let peer_bytes = (demand_bytes as f64 * saved * 0.97) as u64;
    ArmSummary {
        arm,
        weight,
        assigned: (41_216.0 * weight) as u64,
        active: (9_310.0 * weight) as u64,
        demand,
        demand_bytes,
        requests: (261_118.0 * weight) as u64,
        origin_bytes: (demand_bytes as f64 * (0.97 - 0.93 * saved)) as u64,
        overhead_bytes: (21e9 * weight) as u64,
        aborted: (3_020.0 * weight) as u64,
        failed: (41.0 * weight) as u64,
        claimed: Claims {
            tokens: demand,
            reports: (demand as f64 * 0.71) as u64,
            peer_bytes,
            origin_bytes: demand_bytes - peer_bytes,
            mirror_bytes: 0,
            wasted_bytes: peer_bytes / 140,
            uploaded_bytes: peer_bytes,
            stalls: demand / 212,
            completed: demand / 2,
            fallbacks: if saved > 0.0 { demand / 90 } else { 0 },
        },
        return_rate: Some(0.71),
    }
}

fn compared(
    metric: Metric,
    class: SizeClass,
    quantile: f64,
    ms: f64,
    ratio: f64,
    margin: Option<f64>,
) -> Comparison {
    let summary = |arm, count, ms: f64| LatencySummary {
        arm,
        count,
        milliseconds: Some(share(ms, ms * 0.97, ms * 1.03)),
    };
    let ratio = share(ratio, ratio - 0.012, ratio + 0.012);
    Comparison {
        metric,
        class,
        quantile,
        arms: vec![summary(Arm::Http, 14_820, ms), summary(Arm::P2p, 133_102, ms * ratio.value)],
        ratio: Some(ratio),
        margin,
        hurts: margin.is_some_and(|margin| ratio.interval.low > margin),
    }
}

/// Settles on `level` as the interval narrows: what four weeks of six-hour blocks look like.
fn series(level: f64) -> Vec<Point> {
    let last = Point { at: BEGAN + 28 * DAY, eligible: share(level, level - 0.065, level + 0.058) };
    (8..28 * 4)
        .map(|block| {
            let n = f64::from(block);
            let wave = 0.16 * (n / 7.0).sin() / n.sqrt() + 0.05 * (n / 2.3).cos() / n.sqrt();
            let value = level + wave - 0.35 / n;
            let half = 0.66 / n.sqrt();
            Point {
                at: BEGAN + u64::from(block as u32) * BLOCK,
                eligible: share(value, value - half * 1.06, (value + half).min(1.0)),
            }
        })
        .chain([last])
        .collect()
}

/// The whole dashboard of a site that shares, in the fourth week.
pub(super) fn dashboard(analysis: Option<Analysis>) -> Dashboard {
    let path = |path: &str| AssetPath::parse(path).unwrap();
    let top = |name: &str, gigabytes: f64, wanted, sent: f64| TopAsset {
        path: path(name),
        length: Some((gigabytes * 1e9) as u64),
        wanted,
        sent: (sent * TB) as u64,
    };
    let swarm = |name: &str, seeds, peers, open| Swarm { path: path(name), seeds, peers, open };
    let until = std::time::UNIX_EPOCH + Duration::from_secs(BEGAN + 29 * DAY);
    let unshared = |name: &str, standing: Standing| Unshared {
        path: path(name),
        why: standing.why().unwrap(),
        until: matches!(standing, Standing::Refused(..)).then_some(BEGAN + 29 * DAY),
    };
    Dashboard {
        site: "library.example.org".to_owned(),
        prefix: "/.well-known/manyhands".to_owned(),
        sharing: Sharing::On,
        since: BEGAN - 4 * DAY + 31_740,
        unseen: None,
        fallbacks: match analysis {
            Some(_) => vec![("network".to_owned(), 120), ("changed".to_owned(), 3)],
            None => Vec::new(),
        },
        top: if analysis.is_some() {
            vec![
                top("/zim/wikipedia_en_all_maxi_2026-10.zim", 111.4, 41_220, 2.94),
                top("/maps/planet-2026-11.osm.pbf", 84.2, 9_118, 1.71),
                top("/iso/debian-live-13.2.0-amd64-gnome.iso", 3.4, 88_014, 0.92),
                top("/lectures/2026/%C3%96ffentliche%20Vorlesung%2007.mp4", 1.1, 52_906, 0.44),
                top("/data/census-2025-microdata.tar.zst", 18.6, 1_204, 0.21),
            ]
        } else {
            Vec::new()
        },
        analysis,
        pages: 4_812_330,
        asset_answers: 261_118,
        passed: vec![
            (Reason::TooSmall, 1_204_331),
            (Reason::Type, 318_204),
            (Reason::RequestCookie, 41_877),
            (Reason::WeakEtag, 9_032),
        ],
        counts: Counts { cold: 312, queued: 4, hashing: 1, ready: 1_288, hidden: 1, refused: 2 },
        unshared: vec![
            unshared("/zim/wiktionary_fr_all_2026-11.zim", Standing::Hashing),
            unshared("/iso/debian-13.2.0-amd64-netinst.iso", Standing::Queued),
            unshared("/export/nightly.tar.gz", Standing::Refused(Refusal::Flapping, until)),
            unshared("/members/yearbook.zip", Standing::Refused(Refusal::NotPublic, until)),
        ],
        unshared_more: 4,
        jobs: vec![Hashing {
            path: path("/zim/wiktionary_fr_all_2026-11.zim"),
            position: 2_910_000_000,
            length: 5_240_000_000,
        }],
        swarms: vec![
            swarm("/zim/wikipedia_en_all_maxi_2026-10.zim", 41, 212, true),
            swarm("/iso/debian-live-13.2.0-amd64-gnome.iso", 88, 61, true),
            swarm("/lectures/2026/%C3%96ffentliche%20Vorlesung%2007.mp4", 9, 74, true),
            swarm("/data/census-2025-microdata.tar.zst", 1, 2, false),
        ],
        mirrors: vec![
            MirrorRow {
                id: "7d7a4e1cbb7fb6e4b5d2a9ce0a1d6f00c1f0bfb1e3b5a3a7c6c2f0b1d4e5f607".to_owned(),
                name: "University library".to_owned(),
                contact: Some("mirror@library.example".to_owned()),
                place: Some("https://mirror.library.example/library.example.org/".to_owned()),
                state: MirrorState::Pending,
                listed: false,
                reason: Some("waits for the operator's approval".to_owned()),
                latency: None,
                holdings: Some(0),
                readable: None,
            },
            MirrorRow {
                id: "https://bucket.example.net/library/".to_owned(),
                name: "bucket.example.net".to_owned(),
                contact: None,
                place: Some("https://bucket.example.net/library/".to_owned()),
                state: MirrorState::Approved,
                listed: true,
                reason: None,
                latency: Some(38),
                holdings: None,
                readable: Some(false),
            },
        ],
        swarms_active: 37,
        connections: 496,
        upload: UploadLimits { rate: 10_000_000, monthly: 10 << 30 },
    }
}
