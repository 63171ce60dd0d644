//! The same figure in three other ways. None is the headline; where one is far from it, that is a reason to look.

use super::contrast::LogRatio;
use super::ratio::{Mean, Residual, Value, leverage};
use super::values;
use crate::sample::Row;

/// Units an arm that have a pre-period, below which there is nothing to adjust by.
const LEAST_BEFORE: usize = 20;
/// One unit in so many is cut down.
const WINSORISED: usize = 1_000;

/// Mean octets an assigned unit, wanted or not: the assignment alone makes arms comparable, and demand is not
/// used at all.
pub(super) fn unadjusted(
    treated: &[Row],
    control: &[Row],
    site: f64,
    (assigned_treated, assigned_control): (f64, f64),
) -> Option<LogRatio> {
    let demand: f64 = treated.iter().map(|row| row.demand).sum();
    let treated = mean_of_assigned(&values(treated, true), assigned_treated, site * demand)?;
    let control = mean_of_assigned(&values(control, false), assigned_control, 0.0)?;
    Some(LogRatio::between(&treated, &control))
}

/// A mean over units, of which those not listed sent nothing.
fn mean_of_assigned(listed: &[Value], assigned: f64, constant: f64) -> Option<Mean> {
    if assigned < 2.0 || assigned < listed.len() as f64 {
        return None;
    }
    let sum: f64 = listed.iter().map(|unit| unit.octets).sum();
    let squares: f64 = listed.iter().map(|unit| unit.octets.powi(2)).sum();
    let (middle, ratio) = (sum / assigned, (sum + constant) / assigned);
    let scale = (assigned * (assigned - 1.0)).sqrt() * ratio;
    let residual =
        |octets: f64| Residual { part: (octets - middle) / scale, demand: 0.0, class: 0 };
    let silent = assigned - listed.len() as f64;
    // Those that sent nothing are all alike: one residual stands for them.
    let all_silent = Residual { part: -middle / scale * silent.sqrt(), demand: 0.0, class: 0 };
    let residuals: Vec<Residual> =
        listed.iter().map(|unit| residual(unit.octets)).chain([all_silent]).collect();
    // Zeros say little about the spread of what is not zero: few large units are few.
    let effective = sum * sum / squares;
    let usable = ratio > 0.0 && effective.is_finite() && scale.is_finite();
    usable.then_some(Mean { ratio, demand: assigned, effective, residuals })
}

/// CUPED: what differs between the arms already in the pre-period is taken off, as far as the pre-period
/// foretells (Deng et al. 2013, on linearised values). Units without a pre-period count as average ones.
pub(super) fn adjusted(treated: &[Row], control: &[Row], site: f64) -> Option<LogRatio> {
    let treated = Linearised::new(treated, true, site)?;
    let control = Linearised::new(control, false, 0.0)?;
    let (products, squares) = [&treated, &control].iter().fold((0.0, 0.0), |sums, arm| {
        arm.units.iter().fold(sums, |(products, squares), unit| {
            (products + unit.off * unit.before, squares + unit.before * unit.before)
        })
    });
    let slope = if squares > 0.0 { products / squares } else { 0.0 };
    let ratio = LogRatio::between(&treated.less(slope), &control.less(slope));
    ratio.log.is_finite().then_some(ratio)
}

/// An arm with its pre-period.
struct Linearised {
    mean: Mean,
    units: Vec<LinearisedUnit>,
    /// The pre-period's ratio, weighed by demand.
    before: f64,
}

/// A unit's distance from its arm, in units of the arm's mean demand.
struct LinearisedUnit {
    /// That of its octets, as a part of the arm's ratio.
    off: f64,
    /// That of its pre-period.
    before: f64,
    /// See [`leverage`].
    leverage: f64,
}

impl Linearised {
    fn new(rows: &[Row], overhead: bool, site: f64) -> Option<Self> {
        if rows.iter().filter(|row| row.before.is_some()).count() < LEAST_BEFORE {
            return None;
        }
        let values = values(rows, overhead);
        let mean = Mean::new(&values, site)?;
        let (sum, weight) = rows
            .iter()
            .filter_map(|row| row.before.map(|before| (before * row.demand, row.demand)))
            .fold((0.0, 0.0), |(sum, weight), (x, d)| (sum + x, weight + d));
        let before = sum / weight;
        if !before.is_finite() {
            return None;
        }
        let sampled = mean.ratio - site;
        let each = mean.demand / rows.len() as f64;
        let unit = |(row, value): (&Row, &Value)| LinearisedUnit {
            off: (value.octets - sampled * value.demand) / mean.ratio / each,
            before: row.before.map_or(0.0, |x| (x - before) * value.demand / each),
            leverage: leverage(value.demand / mean.demand),
        };
        let units = rows.iter().zip(&values).map(unit).collect();
        Some(Self { mean, units, before })
    }

    /// The arm's mean, had its pre-period been nothing.
    fn less(&self, slope: f64) -> Mean {
        let count = self.units.len() as f64;
        let residual = |(unit, residual): (&LinearisedUnit, &Residual)| Residual {
            part: (unit.off - slope * unit.before) / unit.leverage / count,
            ..*residual
        };
        Mean {
            ratio: self.mean.ratio * (-slope * self.before).exp(),
            residuals: self.units.iter().zip(&self.mean.residuals).map(residual).collect(),
            ..self.mean
        }
    }
}

/// The largest units cut down to the demand of the next: whether the figure hangs on a handful of them.
pub(super) fn winsorised(treated: &[Row], control: &[Row], site: f64) -> Option<LogRatio> {
    let treated = Mean::new(&cut(&values(treated, true)), site)?;
    let control = Mean::new(&cut(&values(control, false)), 0.0)?;
    Some(LogRatio::between(&treated, &control))
}

fn cut(units: &[Value]) -> Vec<Value> {
    let mut demands: Vec<f64> = units.iter().map(|unit| unit.demand).collect();
    demands.sort_by(|a, b| b.total_cmp(a));
    let Some(limit) = demands.get(units.len().div_ceil(WINSORISED)).copied() else {
        return units.to_vec();
    };
    let shrink = |unit: &Value| {
        let factor = if unit.demand > limit { limit / unit.demand } else { 1.0 };
        Value { octets: unit.octets * factor, demand: unit.demand * factor, ..*unit }
    };
    units.iter().map(shrink).collect()
}
