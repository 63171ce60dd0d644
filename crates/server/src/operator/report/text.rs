use std::fmt::Write;

use manyhands_experiment::{Analysis, Arm, Comparison, Estimate};

use super::Report;
use crate::operator::headline::{Headline, Tone};
use crate::operator::numbers::{self, Spoken};
use crate::operator::words;

const WIDTH: usize = 80;

/// Every line ends within [`WIDTH`], and there is nothing in it that a pipe would not carry.
pub(super) fn of(report: &Report) -> String {
    let mut out = Text::default();
    let analysis = report.analysis.as_ref();
    let headline = Headline::of(&report.site, analysis);
    out.line(&format!("What sharing saves {}", report.site));
    if let Some(analysis) = analysis {
        out.paragraph(&format!(
            "{}; made {}",
            words::period(analysis),
            numbers::moment(report.made)
        ));
    }
    out.blank();
    match (&headline.figure, headline.tone) {
        (Some(figure), Tone::Good) => {
            out.paragraph(&format!("{} {}.", figure.value, headline.title));
        }
        _ => out.paragraph(&format!("{}.", headline.title)),
    }
    headline.sentences.iter().for_each(|sentence| out.paragraph(sentence));
    headline.money.iter().for_each(|sentence| out.paragraph(sentence));
    headline.warning.iter().for_each(|warning| out.paragraph(warning));
    headline.trust.iter().for_each(|sentence| out.paragraph(sentence));
    headline.advice.iter().for_each(|advice| out.paragraph(advice));
    match analysis {
        Some(analysis) => measured(&mut out, analysis),
        None => words::TURN_ON.lines().for_each(|line| out.line(&format!("    {line}"))),
    }
    numbers::plain(&out.0)
}

fn measured(out: &mut Text, analysis: &Analysis) {
    out.blank();
    out.paragraph(&format!("Verdict: {}. {}", words::verdict(analysis.verdict), analysis.sentence));
    if let Some(estimate) = &analysis.estimate {
        saved(out, analysis, estimate);
    }
    side_by_side(out, analysis);
    waits(out, analysis);
    if !analysis.checks.is_empty() {
        out.heading("Checks of the experiment itself");
        for check in &analysis.checks {
            let word = if check.passed { "passed" } else { "FAILED" };
            out.item(word, &check.sentence);
        }
    }
    out.heading("How it was measured");
    out.paragraph(analysis.estimand);
    out.paragraph(&words::measured(analysis));
    out.heading("What is not claimed");
    words::NOT_CLAIMED.iter().for_each(|sentence| out.item("-", sentence));
}

fn saved(out: &mut Text, analysis: &Analysis, estimate: &Estimate) {
    out.heading("What is saved");
    out.row("", &["estimate", "95 % interval"]);
    let mut rows: Vec<(&str, Spoken)> = words::figures(estimate).into();
    if let Some(money) = &analysis.money {
        let named = [("In money", &money.saved), ("In money, 30 days", &money.monthly)];
        let spoken = named.into_iter().filter_map(|(name, share)| {
            Some((name, numbers::money(&money.currency, share.as_ref()?)))
        });
        rows.extend(spoken);
    }
    for (name, spoken) in rows {
        out.row(name, &[&spoken.value, &spoken.range()]);
    }
    if let Some(money) = &analysis.money {
        out.paragraph(&money.sentence);
    }
}

fn side_by_side(out: &mut Text, analysis: &Analysis) {
    let arms: Vec<_> = words::arms(analysis);
    out.heading("Side by side");
    out.row("", &arms.iter().map(|arm| words::arm(arm.arm)).collect::<Vec<_>>());
    for (name, cell) in words::lines(analysis) {
        let cells: Vec<_> = arms.iter().map(|arm| cell(arm)).collect();
        out.row(name, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn waits(out: &mut Text, analysis: &Analysis) {
    let judged: Vec<_> = analysis.latency.iter().filter(|one| one.margin.is_some()).collect();
    if judged.is_empty() || analysis.estimate.is_none() {
        return;
    }
    out.heading("Waiting times of visitors, as their browsers claim");
    for comparison in judged {
        out.item(if comparison.hurts { "HURTS" } else { "ok" }, &wait(comparison));
    }
}

fn wait(comparison: &Comparison) -> String {
    let time = |arm: Option<Arm>| {
        let share = comparison.arms.iter().find(|summary| Some(summary.arm) == arm)?.milliseconds?;
        Some(numbers::time(share.value))
    };
    let times = match (time(words::control(comparison)), time(Some(Arm::P2p))) {
        (Some(without), Some(with)) => format!("{without} without, {with} with sharing"),
        _ => "too few reports on one side".to_owned(),
    };
    let ratio = comparison.ratio.map_or_else(String::new, |ratio| {
        format!(
            "; {} ({} to {})",
            numbers::slower(ratio.value),
            numbers::slower(ratio.interval.low),
            numbers::slower(ratio.interval.high)
        )
    });
    format!("{}: {times}{ratio}", words::timed(comparison))
}

/// Text that grows line by line.
#[derive(Default)]
struct Text(String);

impl Text {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    fn line(&mut self, text: &str) {
        self.wrapped("", "", text);
    }

    fn paragraph(&mut self, text: &str) {
        self.wrapped("", "", text);
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "\n{text}\n{}", "-".repeat(text.chars().count()));
    }

    fn item(&mut self, mark: &str, text: &str) {
        let indent = " ".repeat(mark.chars().count() + 2);
        self.wrapped(&format!("{mark}  "), &indent, text);
    }

    /// A name and one to three columns at the right; a name that is too long has a line of its own.
    fn row(&mut self, name: &str, cells: &[&str]) {
        const CELL: usize = 16;
        let cells: String = cells
            .iter()
            .map(|cell| {
                format!(" {cell:>width$}", width = if cells.len() == 2 { CELL + 4 } else { CELL })
            })
            .collect();
        let room = WIDTH.saturating_sub(cells.chars().count());
        if name.chars().count() > room {
            self.line(name);
            let _ = writeln!(self.0, "{:room$}{cells}", "");
        } else {
            let _ = writeln!(self.0, "{name:room$}{cells}");
        }
    }

    /// Broken at spaces; a word longer than a line is cut.
    fn wrapped(&mut self, first: &str, indent: &str, text: &str) {
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let mut word = word;
            loop {
                let gap = usize::from(!is_empty);
                let room = WIDTH.saturating_sub(line.chars().count() + gap);
                if word.chars().count() <= room {
                    line.push_str(if is_empty { "" } else { " " });
                    line.push_str(word);
                    is_empty = false;
                    break;
                }
                if is_empty {
                    let cut = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
                    let (now, later) = word.split_at(cut);
                    line.push_str(now);
                    word = later;
                }
                let _ = writeln!(self.0, "{}", line.trim_end());
                line = indent.to_owned();
                is_empty = true;
            }
        }
        let _ = writeln!(self.0, "{}", line.trim_end());
    }
}
