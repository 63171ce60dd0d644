//! Drawings. Everything that is drawn is also said in words or in a table beside it, so all of it is hidden from
//! screen readers but the plot, which has a name.
//!
//! Sizes are given in percent of whatever room there is, and letters keep their size: one drawing for a phone, a
//! desk and paper. A Content-Security-Policy without inline styles can carry it, because only attributes are used.

use manyhands_experiment::{Point, Share};
use maud::{Markup, html};

use super::numbers;

/// Points of a plot, at most: more than a screen has columns for would only make it slow.
const MOST_POINTS: usize = 240;
/// Rows of the table that says the same.
const MOST_ROWS: usize = 28;
/// A saving below this is drawn at the bottom: early intervals reach far.
const LOWEST: f64 = -0.5;

/// A part of a whole.
pub(super) fn bar(fraction: f64) -> Markup {
    let width = percent(finite(fraction, 0.0).clamp(0.0, 1.0));
    html! {
        svg.bar aria-hidden="true" {
            rect.track x="0" y="0" width="100%" height="100%" rx="3" {}
            rect.fill x="0" y="0" width=(width) height="100%" rx="3" {}
        }
    }
}

/// An estimate on a scale from nothing to everything (or from what it may cost), with its interval.
pub(super) fn interval(share: &Share) -> Markup {
    let low = finite(share.interval.low, LOWEST).clamp(LOWEST, 1.0);
    let high = finite(share.interval.high, 1.0).clamp(low, 1.0);
    let bottom = if low < 0.0 { (low * 10.0).floor() / 10.0 } else { 0.0 };
    let at = |value: f64| (value - bottom) / (1.0 - bottom);
    let value = finite(share.value, low).clamp(low, high);
    html! {
        svg.interval aria-hidden="true" height="52" {
            line.axis x1="0" x2="100%" y1="22" y2="22" {}
            @if bottom < 0.0 {
                line.axis x1=(percent(at(0.0))) x2=(percent(at(0.0))) y1="14" y2="30" {}
                text x=(percent(at(0.0))) y="48" text-anchor="middle" { "0" }
            } @else {
                text x="0" y="48" { "nothing" }
            }
            rect.band x=(percent(at(low))) y="12" width=(percent(at(high) - at(low))) height="20" rx="4" {}
            line.mark x1=(percent(at(value))) x2=(percent(at(value))) y1="6" y2="38" {}
            text x="100%" y="48" text-anchor="end" { "all traffic" }
        }
    }
}

/// The saving over time with its interval. `label` names it; `height` is that of the field, in pixels, because
/// letters stand above and below it.
pub(super) fn over_time(series: &[Point], label: &str, height: u16) -> Markup {
    let points = thinned(series, MOST_POINTS);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return html! {} };
    let lows = points.iter().map(|point| point.eligible.interval.low);
    let lowest = lows.filter(|low| low.is_finite()).fold(0.0, f64::min).max(LOWEST);
    // In quarters, so that the lines of the grid have round names.
    let bottom = (lowest * 4.0).floor() / 4.0;
    let span = last.at.saturating_sub(first.at).max(1) as f64;
    let x = |point: &Point| 1_000.0 * point.at.saturating_sub(first.at) as f64 / span;
    let y = |value: f64| {
        1_000.0 * (1.0 - (finite(value, bottom).clamp(bottom, 1.0) - bottom) / (1.0 - bottom))
    };
    let upper = points.iter().map(|point| (x(point), y(finite(point.eligible.interval.high, 1.0))));
    let lower = points.iter().rev().map(|point| (x(point), y(point.eligible.interval.low)));
    let line = points.iter().map(|point| (x(point), y(point.eligible.value)));
    let grid = (0..).map(|step| 1.0 - 0.25 * f64::from(step)).take_while(|value| *value >= bottom);
    let unit = f64::from(height) / 1_000.0;
    let middle = first.at + last.at.saturating_sub(first.at) / 2;
    html! {
        svg.plot role="img" aria-label=(label) height=(height + 44) {
            svg.field x="0" y="12" width="100%" height=(height) viewBox="0 0 1000 1000" preserveAspectRatio="none" {
                @for value in grid.clone() {
                    line class=(if value == 0.0 { "zero" } else { "grid" }) x1="0" x2="1000" y1=(round(y(value))) y2=(round(y(value))) {}
                }
                polygon.band points=(path(upper.chain(lower))) {}
                polyline.line points=(path(line)) {}
            }
            @for value in grid {
                text x="0" y=(round(12.0 + unit * y(value) - 4.0)) { (numbers::axis(value)) }
            }
            text.now x="100%" y=(round(12.0 + unit * y(last.eligible.value) - 8.0)) text-anchor="end" {
                (numbers::percent(&last.eligible).value)
            }
            text y=(height + 32) x="0" { (numbers::day(first.at)) }
            @if points.len() > 2 {
                text y=(height + 32) x="50%" text-anchor="middle" { (numbers::day(middle)) }
            }
            text y=(height + 32) x="100%" text-anchor="end" { (numbers::day(last.at)) }
        }
    }
}

/// Rows of the table that says the same: evenly spread, the first and the last among them.
pub(super) fn rows(series: &[Point]) -> Vec<Point> {
    thinned(series, MOST_ROWS)
}

fn thinned(series: &[Point], most: usize) -> Vec<Point> {
    if series.len() <= most {
        return series.to_vec();
    }
    let at = |step: usize| series.get(step * (series.len() - 1) / (most - 1)).copied();
    (0..most).filter_map(at).collect()
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    points.fold(String::new(), |mut path, (x, y)| {
        if !path.is_empty() {
            path.push(' ');
        }
        path + &format!("{},{}", round(x), round(y))
    })
}

/// A tenth of a thousandth of the room is finer than any screen.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn percent(fraction: f64) -> String {
    format!("{:.2}%", fraction * 100.0)
}

fn finite(value: f64, otherwise: f64) -> f64 {
    if value.is_finite() { value } else { otherwise }
}

#[cfg(test)]
mod tests {
    use manyhands_experiment::Interval;

    use super::*;

    fn share(value: f64, low: f64, high: f64) -> Share {
        Share { value, interval: Interval { low, high } }
    }

    #[test]
    fn a_drawing_stays_within_its_room_whatever_the_estimate() {
        let wild = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -40.0, 0.0, 0.3, 1.0, 7.0];
        for value in wild {
            for low in wild {
                for high in wild {
                    let share = share(value, low, high);
                    let points = [0, 1, 1].map(|at| Point { at, eligible: share });
                    let drawn = [interval(&share), over_time(&points, "x", 224), bar(value)]
                        .map(Markup::into_string)
                        .concat();
                    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
                    assert!(!drawn.contains("\"-"), "{drawn}");
                }
            }
        }
    }

    #[test]
    fn a_long_series_is_thinned_between_its_ends() {
        let point = |at| Point { at, eligible: share(0.5, 0.4, 0.6) };
        let series: Vec<_> = (0..10_000).map(point).collect();
        let rows = rows(&series);
        assert_eq!((rows.len(), rows[0].at, rows[MOST_ROWS - 1].at), (MOST_ROWS, 0, 9_999));
        assert!(rows.windows(2).all(|pair| pair[0].at < pair[1].at));
        assert_eq!(super::rows(&series[..3]).len(), 3);
    }

    #[test]
    fn of_nothing_nothing_is_drawn() {
        assert_eq!(over_time(&[], "x", 224).into_string(), "");
    }
}
