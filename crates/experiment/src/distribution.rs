//! Quantiles and tails, in the few forms that are needed here.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// An interval leaves out this much, on both sides together.
pub(crate) const ALPHA: f64 = 0.05;

/// More degrees of freedom than this are the normal distribution.
const MANY: f64 = 1e5;

/// The quantile of a two-sided 95 % interval of Student's t. Less than one degree of freedom counts as one:
/// intervals there are wide beyond use.
pub(crate) fn t_quantile(freedom: f64) -> f64 {
    if freedom >= MANY {
        return normal_quantile();
    }
    let freedom = freedom.max(1.0);
    StudentsT::new(0.0, 1.0, freedom)
        .map_or(f64::INFINITY, |student| student.inverse_cdf(1.0 - ALPHA / 2.0))
}

/// The same of the normal distribution.
pub(crate) fn normal_quantile() -> f64 {
    1.959_963_984_540_054
}

/// The probability of something at least so far from the middle, on either side.
pub(crate) fn normal_p(z: f64) -> f64 {
    (2.0 * Normal::standard().sf(z.abs())).min(1.0)
}

/// The probability of a chi-square of at least so much; 1 where there is nothing to compare.
pub(crate) fn chi_square_p(statistic: f64, freedom: usize) -> f64 {
    if freedom == 0 || statistic.is_nan() || statistic <= 0.0 {
        return 1.0;
    }
    ChiSquared::new(freedom as f64).map_or(1.0, |distribution| distribution.sf(statistic))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Values of SciPy: `tests/golden/make.py`.
    #[test]
    fn quantiles_and_tails_are_those_of_scipy() {
        let golden: Value =
            serde_json::from_str(include_str!("../tests/golden/golden.json")).unwrap();
        let rows = |name: &str| -> Vec<Vec<f64>> {
            let row = |row: &Value| {
                row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
            };
            golden[name].as_array().unwrap().iter().map(row).collect()
        };
        let same = |got: f64, golden: f64| {
            assert!((got - golden).abs() <= 1e-9 * golden.abs(), "{got} {golden}");
        };
        rows("t").iter().for_each(|row| same(t_quantile(row[0]), row[1]));
        rows("normal_p").iter().for_each(|row| same(normal_p(row[0]), row[1]));
        rows("chi_square_p")
            .iter()
            .for_each(|row| same(chi_square_p(row[0], row[1] as usize), row[2]));
        for row in rows("multiplier") {
            same(crate::estimate::multiplier(row[0], normal_quantile()), row[1]);
        }
    }
}
