//! The report as a table for people.

use std::fmt::Write;

use super::report::{Check, Report, Section, Verdict};
use crate::plain::printable;

/// Lines are broken here, whatever the terminal: the same report is the same text.
const WIDTH: usize = 100;
const MARK: usize = 9;

/// `colour`: with ANSI escapes.
pub(crate) fn render(report: &Report, colour: bool) -> String {
    let mut out = format!("{}\n", printable(&report.url));
    let widest = report.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let mut sections: Vec<Section> = Vec::new();
    for check in &report.checks {
        if !sections.contains(&check.section) {
            sections.push(check.section);
        }
    }
    for section in sections {
        let _ = writeln!(out, "\n{}", painted(section.title(), "1", colour));
        let rows: Vec<_> = report.checks.iter().filter(|check| check.section == section).collect();
        let open = open_gates(&rows);
        for check in rows {
            if open.is_none() || check.verdict != Verdict::Ok {
                line(&mut out, check, widest, colour);
            }
        }
        if let Some(open) = open {
            line(&mut out, &open, widest, colour);
        }
    }
    let paint = if report.verdict.ok { "1;32" } else { "1;31" };
    out.push('\n');
    let mut text = String::new();
    wrapped(&mut text, &printable(&report.verdict.text), 0);
    let _ = writeln!(out, "{}", painted(text.trim_end(), paint, colour));
    out
}

/// Gates are many, and those that are open say nothing new: one row for all of them.
fn open_gates(rows: &[&Check]) -> Option<Check> {
    let open = rows.iter().filter(|row| row.verdict == Verdict::Ok);
    let names: Vec<_> = open.map(|row| row.name).collect();
    let is_gates = rows.iter().all(|row| row.section == Section::Gates);
    (is_gates && !names.is_empty()).then(|| Check {
        section: Section::Gates,
        name: "open",
        verdict: Verdict::Ok,
        says: names.join(", "),
        reason: None,
        remedy: None,
    })
}

fn line(out: &mut String, check: &Check, widest: usize, colour: bool) {
    let (mark, paint) = match check.verdict {
        Verdict::Ok => ("ok", "32"),
        Verdict::Warning => ("warning", "33"),
        Verdict::Refused => ("REFUSED", "31"),
        Verdict::NotReached => ("-", "2"),
    };
    let indent = 2 + MARK + widest + 2;
    let mark = painted(&format!("{mark:MARK$}"), paint, colour);
    let name = check.name;
    let _ = write!(out, "  {mark}{name:widest$}  ");
    wrapped(out, &printable(&check.says), indent);
    if let Some(remedy) = &check.remedy {
        let _ = write!(out, "{:indent$}", "");
        wrapped(out, &format!("-> {}", printable(remedy)), indent + 3);
    }
}

/// Breaks at spaces; the first line begins where the cursor is.
fn wrapped(out: &mut String, text: &str, indent: usize) {
    let mut column = indent;
    for (at, word) in text.split(' ').enumerate() {
        let long = word.chars().count();
        if at > 0 && column + 1 + long > WIDTH {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += long;
    }
    out.push('\n');
}

fn painted(text: &str, paint: &str, colour: bool) -> String {
    if colour { format!("\x1b[{paint}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new("http://a/b".to_owned());
        report.ok(Section::Reach, "address", "127.0.0.1");
        report.refuse(
            Section::Gates,
            "etag",
            "weak_etag",
            "a \x1b[2Jtag\u{9b}2J \u{202e}".repeat(12),
            "fix it",
        );
        report.conclude("not_shared", false, "not shared");
        report
    }

    #[test]
    fn what_a_server_sent_does_not_steer_the_terminal() {
        let text = render(&report(), false);
        assert!(!text.contains(['\x1b', '\u{9b}', '\u{202e}']), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("-> fix it"), "{text}");
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let mut plain = String::new();
        let coloured = render(&report(), true);
        for (at, part) in coloured.split("\x1b[").enumerate() {
            plain.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert_eq!(plain, render(&report(), false));
    }
}
