//! How two arms compare, on the log scale, and how far off that may be.

use crate::distribution::t_quantile;
use crate::estimate::ratio::Mean;
use crate::estimate::sequence;

/// ln(treated / control) with what its intervals are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogRatio {
    /// The estimate.
    pub(crate) log: f64,
    /// Its standard error.
    pub(crate) error: f64,
    /// How many of them a 95 % interval for one look reaches: Student's t.
    pub(crate) quantile: f64,
}

/// Logarithms are cut off here: e^100 is far beyond any ratio of octets, and its products stay finite.
const FARTHEST: f64 = 100.0;
/// Classes of demand; one for every octave.
const CLASSES: usize = 65;
/// Treated units in a class below which they have no trend.
const LEAST_IN_CLASS: usize = 10;

impl LogRatio {
    /// Of two arms.
    pub(crate) fn between(treated: &Mean, control: &Mean) -> Self {
        let held = control.demand / (treated.demand + control.demand);
        let parts = [held * treated.variance(), (1.0 - held) * control.variance()];
        let variance = parts[0] + parts[1] + 2.0 * covariance(treated, control, held);
        // Satterthwaite, with as many degrees of freedom in an arm as it has effective units, less one.
        let freedom = (parts[0] + parts[1]).powi(2)
            / (parts[0].powi(2) / (treated.effective - 1.0).max(0.1)
                + parts[1].powi(2) / (control.effective - 1.0).max(0.1));
        let freedom = if freedom.is_finite() { freedom } else { control.effective - 1.0 };
        Self {
            log: (treated.ratio / control.ratio).ln(),
            error: variance.sqrt(),
            quantile: t_quantile(freedom),
        }
    }

    /// Ends of the 95 % interval for one look.
    pub(crate) fn fixed(&self) -> (f64, f64) {
        self.around(self.quantile)
    }

    /// Ends of the 95 % interval for any number of looks; `information` is that gathered so far over that planned.
    pub(crate) fn anytime(&self, information: f64) -> (f64, f64) {
        self.around(sequence::multiplier(information, self.quantile))
    }

    fn around(&self, times: f64) -> (f64, f64) {
        let half = if self.error == 0.0 { 0.0 } else { self.error * times };
        (cut(self.log - half), cut(self.log + half))
    }

    /// The estimate, within what can be reckoned with.
    pub(crate) fn point(&self) -> f64 {
        cut(self.log)
    }
}

fn cut(log: f64) -> f64 {
    log.clamp(-FARTHEST, FARTHEST)
}

/// The covariance of what the units of a period would send shared and what they would send held out, which makes
/// the arms' errors one: what only one of them shows of each unit.
///
/// The units of a period are all there are; only their other outcome is unknown. With q the control's part of demand
/// and V the variances the contrast's is q V_treated + (1 - q) V_control + 2 C. Nobody can see C, and it is at most
/// √(q (1 - q) V_treated V_control) (Neyman 1923). Part of it can be seen: that treated units wanted often save
/// more, and what held-out ones of the same class show. Only what such a trend leaves is taken at its bound.
fn covariance(treated: &Mean, control: &Mean, held: f64) -> f64 {
    let mut classes = [(0, 0.0, 0.0); CLASSES];
    for unit in &treated.residuals {
        let (count, products, squares) = &mut classes[unit.class.min(CLASSES - 1)];
        *count += 1;
        *products += unit.part * unit.demand;
        *squares += unit.demand * unit.demand;
    }
    let trend = classes.map(|(count, products, squares)| {
        if count >= LEAST_IN_CLASS && squares > 0.0 { products / squares } else { 0.0 }
    });
    let expected = |class: usize, demand: f64| trend[class.min(CLASSES - 1)] * demand;
    let left: f64 = treated
        .residuals
        .iter()
        .map(|unit| (unit.part - expected(unit.class, unit.demand)).powi(2))
        .sum();
    let seen: f64 = control
        .residuals
        .iter()
        .map(|unit| unit.part * expected(unit.class, unit.demand) * (1.0 - held))
        .sum();
    seen.max(0.0) + (held * (1.0 - held) * left * control.variance()).sqrt()
}
