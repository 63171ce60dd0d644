//! Origin octets a demanded octet (or page view) in one arm.

/// A unit as the estimator sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Value {
    pub(crate) octets: f64,
    pub(crate) demand: f64,
    /// Its variance is taken to be in proportion to demand to this power.
    pub(crate) power: f64,
    /// Units wanted about as often: what they save goes together.
    pub(crate) class: usize,
}

/// How far a unit is from the ratio of its arm, as a part of the arm's octets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Residual {
    pub(crate) part: f64,
    pub(crate) demand: f64,
    pub(crate) class: usize,
}

/// A ratio of sums over the units of one arm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mean {
    /// Sum of octets over sum of demand, overhead that belongs to no unit included.
    pub(crate) ratio: f64,
    /// Sum of demand.
    pub(crate) demand: f64,
    /// Units of equal variance whose residuals would say as much of the variance.
    pub(crate) effective: f64,
    pub(crate) residuals: Vec<Residual>,
}

impl Mean {
    /// Of an arm's units, and octets a unit of demand that come on top, known without sampling. `None` where
    /// that is no positive number, or of a single unit.
    ///
    /// Residuals are linearised, (octets - ratio x demand) / all octets, each over 1 - its share of all demand: what
    /// a unit says of the ratio is judged against the others (HC3, close to the jackknife), without which
    /// intervals are too narrow where few units weigh most.
    pub(crate) fn new(units: &[Value], constant: f64) -> Option<Self> {
        let octets: f64 = units.iter().map(|unit| unit.octets).sum();
        let demand: f64 = units.iter().map(|unit| unit.demand).sum();
        let sampled = octets / demand;
        let ratio = sampled + constant;
        if units.len() < 2 || !(ratio > 0.0 && ratio.is_finite()) {
            return None;
        }
        let residual = |unit: &Value| {
            let off = unit.octets - sampled * unit.demand;
            Residual {
                part: off / leverage(unit.demand / demand) / demand / ratio,
                demand: unit.demand,
                class: unit.class,
            }
        };
        let residuals = units.iter().map(residual).collect();
        let effective = effective(units.iter().map(|unit| unit.demand.powf(unit.power)));
        Some(Self { ratio, demand, effective, residuals })
    }

    /// Variance of the ratio's logarithm, if units were drawn from many more.
    pub(crate) fn variance(&self) -> f64 {
        self.residuals.iter().map(|residual| residual.part.powi(2)).sum()
    }
}

/// What is left of an arm without a unit of that share.
pub(crate) fn leverage(share: f64) -> f64 {
    (1.0 - share).max(1e-9)
}

/// How many of equal weight would weigh as much (Kish): (sum w)² / sum w².
pub(crate) fn effective(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights
        .fold((0.0, 0.0), |(sum, squares), weight| (sum + weight, squares + weight * weight));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}
