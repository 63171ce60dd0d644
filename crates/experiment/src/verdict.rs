//! What can be said, in a word and in a sentence that a treasurer understands.

use crate::analysis::{Check, Estimate, Needs, Share, Verdict};

/// Sharing that surely saves less than this part of eligible octets is not worth its upkeep.
const WORTH_HAVING: f64 = 0.01;

/// The verdict of an estimate. What browsers claim has no part in it.
pub(crate) fn of(estimate: &Estimate) -> Verdict {
    if estimate.eligible.interval.high < WORTH_HAVING {
        Verdict::DoesNotPay
    } else if estimate.egress.interval.low > 0.0 {
        Verdict::Saves
    } else {
        Verdict::Undecided
    }
}

/// The verdict in a sentence.
pub(crate) fn sentence(
    verdict: Verdict,
    estimate: Option<&Estimate>,
    needs: Option<&Needs>,
    failed: Option<&Check>,
) -> String {
    match (verdict, estimate) {
        (Verdict::Saves, Some(estimate)) => format!(
            "Sharing saves {} of all that the site would send, and {} of the files that can be shared.",
            percent(&estimate.egress),
            percent(&estimate.eligible),
        ),
        (Verdict::DoesNotPay, Some(estimate)) => format!(
            "It does not pay: of the files that can be shared at most {} is saved. Turn it off.",
            number(estimate.eligible.interval.high.max(0.0)),
        ),
        (Verdict::Undecided, Some(estimate)) => format!(
            "It cannot be told yet whether sharing saves: it looks like {} of all that the site would send.",
            percent(&estimate.egress),
        ),
        (Verdict::SampleRatioMismatch, _) => format!(
            "No figure: the experiment itself is out of order. {}",
            failed.map_or("", |check| &check.sentence),
        ),
        _ => format!("Not enough data yet. {}", needs.map_or("", |needs| &needs.sentence)),
    }
    .trim_end()
    .to_owned()
}

/// `61 % (between 55 and 66 %)`
fn percent(share: &Share) -> String {
    let [low, high] = [share.interval.low, share.interval.high].map(digits);
    format!("{} (between {low} and {high} %)", number(share.value))
}

fn number(share: f64) -> String {
    format!("{} %", digits(share))
}

/// Percent with a digit after the point where there is one before it. Costs beyond all reason are cut off.
fn digits(share: f64) -> String {
    let percent = (100.0 * share).clamp(-999.0, 100.0);
    let rounded =
        if percent.abs() < 10.0 { format!("{percent:.1}") } else { format!("{percent:.0}") };
    if rounded == "-0.0" { "0.0".into() } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interval;

    fn share(low: f64, value: f64, high: f64) -> Share {
        Share { value, interval: Interval { low, high } }
    }

    fn estimate(eligible: Share, egress: Share) -> Estimate {
        let nothing = share(0.0, 0.0, 0.0);
        Estimate {
            eligible,
            shared: nothing,
            egress,
            saved_bytes: nothing,
            fixed: nothing.interval,
            anytime: nothing.interval,
            unadjusted: None,
            adjusted: None,
            winsorised: None,
            net_of_loader: None,
            loader: None,
        }
    }

    #[test]
    fn it_saves_from_a_lower_end_above_nothing_and_does_not_pay_below_an_upper_end_of_a_hundredth()
    {
        for (eligible, egress, verdict) in [
            (share(0.5, 0.6, 0.7), share(0.2, 0.3, 0.4), Verdict::Saves),
            (share(-0.1, 0.2, 0.5), share(-0.05, 0.1, 0.2), Verdict::Undecided),
            (share(-0.2, -0.1, 0.009), share(-0.1, -0.05, 0.005), Verdict::DoesNotPay),
            // Surely something, and surely not worth it.
            (share(0.001, 0.004, 0.008), share(0.0005, 0.001, 0.002), Verdict::DoesNotPay),
            (share(-0.2, -0.1, 0.011), share(-0.1, -0.05, 0.005), Verdict::Undecided),
        ] {
            assert_eq!(of(&estimate(eligible, egress)), verdict, "{eligible:?}");
        }
    }

    #[test]
    fn sentences_are_for_whoever_pays() {
        let saves = estimate(share(0.5, 0.612, 0.7), share(0.021, 0.304, 0.4));
        assert_eq!(
            sentence(Verdict::Saves, Some(&saves), None, None),
            "Sharing saves 30 % (between 2.1 and 40 %) of all that the site would send, and 61 % (between 50 and 70 %) of \
             the files that can be shared."
        );
        let costs = estimate(share(-30.0, -0.5, 0.009), share(-20.0, -0.2, 0.001));
        let said = sentence(Verdict::DoesNotPay, Some(&costs), None, None);
        assert!(said.contains("at most 0.9 %") && said.ends_with("Turn it off."), "{said}");
        let needs = Needs { sentence: "Wait.".into(), seconds: None };
        assert_eq!(
            sentence(Verdict::NotEnoughData, None, Some(&needs), None),
            "Not enough data yet. Wait."
        );
    }
}
