//! Looking again and again: an asymptotic confidence sequence.

use crate::distribution::{ALPHA, normal_quantile};

/// r² n*: where the mixture is narrowest, at the planned end.
fn tuning() -> f64 {
    let doubled = -2.0 * ALPHA.ln();
    doubled + doubled.ln() + 1.0
}

/// How many standard errors an interval reaches that holds at all looks together: a Gaussian mixture (Robbins
/// 1970; Waudby-Smith et al., asymptotic confidence sequences), √(2 (x+1)/x · ln(√(x+1)/α)) with x = r² n.
///
/// What a look adds is taken from the plan, n/n* = elapsed / planned, never from the data. The standard error is
/// itself estimated; `quantile`, Student's t, over the normal one makes up for it as in a fixed interval.
pub(crate) fn multiplier(information: f64, quantile: f64) -> f64 {
    let x = tuning() * information.max(0.0);
    if x <= 0.0 {
        return f64::INFINITY;
    }
    let asymptotic = (2.0 * (x + 1.0) / x * ((x + 1.0).sqrt() / ALPHA).ln()).sqrt();
    asymptotic * quantile / normal_quantile()
}
