//! What is said first: how much is saved, in money too, and whether to believe it; or why nothing can be said.
//!
//! The same words stand on top of the dashboard and of the report. Without an estimate there is no figure in
//! them, not even a small one: people keep numbers and forget how they were hedged.

use manyhands_experiment::{Analysis, Design, Estimate, Money, Verdict};

use super::numbers::{self, Spoken};

/// How a headline is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// It pays.
    Good,
    /// Nothing can be said yet.
    Waiting,
    /// There are figures, and they don't decide.
    Open,
    /// Something has to be done.
    Bad,
}

/// The first lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    pub(super) tone: Tone,
    /// Share of everything that the site would have to send.
    pub(super) figure: Option<Spoken>,
    /// One sentence, without its full stop.
    pub(super) title: String,
    /// The share with its interval; or why there is none.
    pub(super) sentences: Vec<String>,
    /// What was saved in money.
    pub(super) money: Option<String>,
    /// Why to believe it.
    pub(super) trust: Option<String>,
    /// What browsers claim that would speak against it.
    pub(super) warning: Option<String>,
    /// What to do about it.
    pub(super) advice: Option<String>,
}

impl Headline {
    /// `site` is the name of the site, such as `example.org`.
    pub(super) fn of(site: &str, analysis: Option<&Analysis>) -> Self {
        let Some(analysis) = analysis else { return Self::unmeasured() };
        match (analysis.verdict, &analysis.estimate) {
            (Verdict::SampleRatioMismatch, _) => Self::mismatched(analysis),
            (Verdict::NotEnoughData, _) | (_, None) => Self::early(analysis),
            (verdict, Some(estimate)) => Self::estimated(site, analysis, verdict, estimate),
        }
    }

    /// Without a figure.
    fn none(tone: Tone, title: String, sentences: Vec<String>) -> Self {
        let (figure, money, trust, warning, advice) = Default::default();
        Self { tone, figure, title, sentences, money, trust, warning, advice }
    }

    fn unmeasured() -> Self {
        let sentence = "Bytes that visitors gave one another are not bytes saved: nobody knows how many of them would \
                        have been asked of this site. Only an experiment tells, in which sharing is held back at \
                        random for a small part of the files and times.";
        Self {
            advice: Some("Turn the experiment on in manyhands.toml, and restart:".to_owned()),
            ..Self::none(
                Tone::Waiting,
                "No saving can be stated: it is not being measured".to_owned(),
                vec![sentence.to_owned()],
            )
        }
    }

    /// Where an experiment runs and nothing of it can be shown.
    pub(super) fn unseen(why: &str) -> Self {
        Self::none(Tone::Waiting, "No figure can be shown now".to_owned(), vec![why.to_owned()])
    }

    fn early(analysis: &Analysis) -> Self {
        let needs = analysis.needs.as_ref();
        let left = needs.and_then(|needs| needs.seconds).map(numbers::about_more);
        let title = match left {
            Some(left) => format!("Not enough data yet: {left}"),
            None => "Not enough data yet".to_owned(),
        };
        let lacking = needs.map_or(&analysis.sentence, |needs| &needs.sentence);
        let on_purpose =
            "Until then there is no figure here on purpose: an early one would be a guess.";
        Self {
            warning: analysis.warning.as_deref().map(without_shares),
            ..Self::none(Tone::Waiting, title, vec![without_shares(lacking), on_purpose.to_owned()])
        }
    }

    fn mismatched(analysis: &Analysis) -> Self {
        let failed = analysis.checks.iter().filter(|check| !check.passed);
        let failed: Vec<_> = failed.map(|check| check.sentence.clone()).collect();
        let advice = "Find out what treats the two sides differently (a cache in front, a filter, a second \
                      configuration), then start anew with another [experiment] salt.";
        Self {
            advice: Some(advice.to_owned()),
            ..Self::none(
                Tone::Bad,
                "Nothing can be said: the experiment is not as it was set up".to_owned(),
                if failed.is_empty() { vec![analysis.sentence.clone()] } else { failed },
            )
        }
    }

    fn estimated(site: &str, analysis: &Analysis, verdict: Verdict, estimate: &Estimate) -> Self {
        let egress = numbers::percent(&estimate.egress);
        let (tone, title, advice) = match verdict {
            Verdict::Saves => {
                (Tone::Good, format!("of all that {site} would have to send is saved"), None)
            }
            Verdict::DoesNotPay => (
                Tone::Bad,
                "It does not pay: turn it off".to_owned(),
                Some("There is too little to save here. Turned off, it costs nothing more."),
            ),
            // What a later version may say is no clear yes.
            _ => (
                Tone::Open,
                "Undecided: it may save something or nothing".to_owned(),
                Some("Leave it running: the interval narrows as more is counted."),
            ),
        };
        let share = match tone {
            Tone::Good => format!(
                "With 95 % confidence it is {}: visitors gave it to one another, and this site did not have to. Pages \
                 and small files are not shared; of the files that can be it is {}.",
                egress.between(),
                numbers::percent(&estimate.eligible).value
            ),
            _ => format!(
                "With 95 % confidence {} of all that {site} would have to send is saved; the best guess is {}.",
                egress.between(),
                egress.value
            ),
        };
        Self {
            figure: Some(egress),
            money: analysis.money.as_ref().and_then(|money| said(money, analysis)),
            trust: Some(trust(analysis)),
            warning: analysis.warning.clone(),
            advice: advice.map(str::to_owned),
            ..Self::none(tone, title, vec![share])
        }
    }
}

/// What a sentence says before its first share. Of a site that has no figure yet none is shown, whatever it is a
/// share of: "12 %" would be taken for the saving.
fn without_shares(sentence: &str) -> String {
    let Some(at) = sentence.find('%') else { return sentence.to_owned() };
    let before = sentence.get(..at).unwrap_or_default();
    let end = before.rfind([':', '.', ';']).unwrap_or(0);
    match before.get(..end).unwrap_or_default().trim_end() {
        "" => String::new(),
        said => format!("{said}."),
    }
}

/// What was saved in money.
fn said(money: &Money, analysis: &Analysis) -> Option<String> {
    let saved = money.saved?;
    if saved.value == 0.0 && saved.interval.low == 0.0 && saved.interval.high == 0.0 {
        return Some(format!("No money is saved. {}", money.sentence));
    }
    let spoken = numbers::money(&money.currency, &saved);
    let (from, until) = (numbers::day(analysis.from), numbers::day(analysis.until));
    let mut text = format!("{} saved from {from} to {until} ({})", spoken.value, spoken.between());
    if let Some(monthly) = &money.monthly {
        let monthly = numbers::money(&money.currency, monthly);
        text.push_str(&format!("; at this pace {} a month ({})", monthly.value, monthly.between()));
    }
    text.push('.');
    Some(text)
}

/// Why it is to be believed, in one sentence.
fn trust(analysis: &Analysis) -> String {
    let passed = analysis.checks.iter().filter(|check| check.passed).count();
    let checks = match (passed, analysis.checks.len()) {
        (_, 0) => String::new(),
        (1, 1) => " The check of the experiment itself is passed.".to_owned(),
        (passed, all) if passed == all => {
            format!(" All {all} checks of the experiment itself are passed.")
        }
        (passed, all) => {
            format!(" {} of {all} checks of the experiment itself failed.", all - passed)
        }
    };
    format!(
        "Counted by this server, not by browsers, {}, over {}.{checks}",
        against(analysis.design),
        numbers::days(analysis.until.saturating_sub(analysis.from))
    )
}

/// What sharing is compared with.
pub(super) fn against(design: Design) -> String {
    match design {
        Design::Crossover { holdout, hours } => format!(
            "against a random {} of files and times ({hours}-hour blocks) without sharing",
            part(holdout)
        ),
        Design::Visitors { .. } => "against a random tenth of visitors without sharing".to_owned(),
    }
}

/// Parts of 10,000 in words, without a percentage.
fn part(holdout: u32) -> String {
    match holdout {
        5_000 => "half".to_owned(),
        1_000 => "tenth".to_owned(),
        holdout if holdout > 0 && 10_000_u32.is_multiple_of(holdout) => {
            format!("one in {}", 10_000 / holdout)
        }
        holdout => format!("{} in 10,000", numbers::count(holdout.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stops_before_its_first_share() {
        for (sentence, said) in [
            ("Visits are too few yet.", "Visits are too few yet."),
            ("Visits are too few yet: 12 % of what a figure takes.", "Visits are too few yet."),
            ("One. Two; 3 % of it. Four: 5 %.", "One. Two."),
            ("12 % of it.", ""),
        ] {
            assert_eq!(without_shares(sentence), said);
        }
    }

    #[test]
    fn what_is_held_out_is_said_in_words() {
        for (holdout, said) in
            [(1_000, "tenth"), (5_000, "half"), (500, "one in 20"), (1_500, "1,500 in 10,000")]
        {
            assert_eq!(part(holdout), said);
        }
    }
}
