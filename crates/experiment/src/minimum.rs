//! The least data that a figure is said of.
//!
//! Chosen by simulation (`tests/coverage.rs`): at these numbers intervals hold what they promise with heavy-tailed
//! sizes, a Zipf popularity and visitors that come in bursts. Below, they do not, and there is no figure.

use crate::analysis::Needs;
use crate::estimate::{control, effective};
use crate::sample::Sample;
use crate::{Arm, Design, Observations};

/// Seconds between `from` and `until`: days and nights differ.
const SECONDS: f64 = 86_400.0;
/// Crossover: wanted units held out.
const UNITS: f64 = 40.0;
/// Crossover: held-out units of equal demand that would weigh as much.
const EFFECTIVE: f64 = 12.0;
/// Crossover: blocks in which something was held out and wanted.
const BLOCKS: f64 = 8.0;
/// Crossover: how often held-out units were wanted.
const DEMAND: f64 = 200.0;
/// Visitors: buckets of an arm that were seen.
const BUCKETS: f64 = 20.0;
/// Visitors: buckets of an arm of equal page views that would weigh as much.
const EFFECTIVE_BUCKETS: f64 = 15.0;
/// Visitors: page views of an arm.
const VIEWS: f64 = 500.0;

/// What is counted, of what is needed.
struct Rule {
    have: f64,
    least: f64,
    what: &'static str,
}

/// What is lacking, where something is.
pub(crate) fn lacking(observations: &Observations, until: u64, sample: &Sample) -> Option<Needs> {
    let from = observations.from.max(observations.began);
    let elapsed = until.saturating_sub(from) as f64;
    let mut rules = vec![Rule { have: elapsed, least: SECONDS, what: "Hours of counting" }];
    match observations.design {
        Design::Crossover { .. } => crossover(sample, &mut rules),
        Design::Visitors { .. } => visitors(observations.design, sample, &mut rules),
    }
    let missing: Vec<&Rule> = rules.iter().filter(|rule| rule.have < rule.least).collect();
    let worst = missing.iter().max_by(|a, b| waits(a).total_cmp(&waits(b)))?;
    let wait = waits(worst);
    let seconds = (wait.is_finite() && elapsed > 0.0)
        .then(|| ((wait - 1.0) * elapsed).ceil().clamp(1.0, 1e15) as u64);
    Some(Needs { sentence: sentence(worst), seconds })
}

/// How many times as long it takes altogether.
fn waits(rule: &Rule) -> f64 {
    rule.least / rule.have
}

/// Without a number: any that stands where a figure is looked for is taken for one.
fn sentence(rule: &Rule) -> String {
    format!("{} are too few yet for a figure.", rule.what)
}

fn crossover(sample: &Sample, rules: &mut Vec<Rule>) {
    let held = sample.side(Arm::Http);
    rules.extend([
        Rule {
            have: held.active as f64,
            least: UNITS,
            what: "Files that were held back for comparison",
        },
        Rule {
            have: effective(held.rows.iter().map(|row| row.demand)),
            least: EFFECTIVE,
            what: "Files held back that carry weight",
        },
        Rule {
            have: held.blocks as f64,
            least: BLOCKS,
            what: "Stretches of time with a file held back",
        },
        Rule {
            have: held.sums.demand as f64,
            least: DEMAND,
            what: "Visits to files held back for comparison",
        },
    ]);
}

fn visitors(design: Design, sample: &Sample, rules: &mut Vec<Rule>) {
    for arm in [control(design), Arm::P2p] {
        let rows = sample.rows(arm);
        let views: f64 = rows.iter().map(|row| row.demand).sum();
        rules.extend([
            Rule { have: rows.len() as f64, least: BUCKETS, what: "Groups of visitors" },
            Rule {
                have: effective(rows.iter().map(|row| row.demand)),
                least: EFFECTIVE_BUCKETS,
                what: "Groups of visitors that carry weight",
            },
            Rule {
                have: views,
                least: VIEWS,
                what: "Page views in a group held back for comparison",
            },
        ]);
    }
}

/// What is lacking where units are many and octets none.
pub(crate) fn nothing_sent() -> Needs {
    Needs {
        sentence: "Nothing was sent yet in one of the groups that are compared.".into(),
        seconds: None,
    }
}
