//! The one line at the end.

use manyhands::Config;

use super::inside::Standing;
use super::metainfo::Shared;
use super::presence::Presence;
use super::report::{Check, Report, Section, Verdict, grouped};
use super::target::Target;

/// There was no answer, or one that is no page and no file.
pub(crate) fn unreachable(report: &mut Report) {
    let why = report.obstacle().map(Check::because).unwrap_or_default();
    report.conclude("not_reached", false, format!("not reached: {why}"));
}

pub(crate) fn page(target: &Target, presence: Option<&Presence>, report: &mut Report) {
    let tagged = report
        .find("tag")
        .is_some_and(|check| matches!(check.verdict, Verdict::Ok | Verdict::Warning));
    match (presence, report.obstacle().map(Check::because)) {
        (None, _) => bare("page", "get the script", target, report),
        (Some(_), None) => {
            let text = "tagged: visitors of this page load Manyhands";
            report.conclude("tagged", true, text);
        }
        (Some(_), Some(why)) if tagged => {
            report.conclude("tagged_in_vain", false, format!("tagged, but {why}"));
        }
        (Some(_), Some(why)) => {
            report.conclude("not_tagged", false, format!("not tagged, because {why}"));
        }
    }
}

/// What is known of a file that Manyhands might share.
pub(crate) struct Outcome<'a> {
    pub(crate) target: &'a Target,
    pub(crate) presence: Option<&'a Presence>,
    pub(crate) shared: Option<&'a Shared>,
    /// What the operator of this machine may know.
    pub(crate) standing: Standing,
    pub(crate) config: &'a Config,
    /// Whether `config` was given, or stands for the defaults.
    pub(crate) given: bool,
}

pub(crate) fn asset(outcome: &Outcome<'_>, report: &mut Report) {
    let why = report.obstacle().map(Check::because);
    match (outcome.presence, outcome.shared, why) {
        (None, _, _) => bare("file", "be shared", outcome.target, report),
        (Some(_), Some(shared), None) => {
            let length = grouped(shared.manifest.length());
            let text = format!("shared: {length} bytes, swarm {}", shared.swarm);
            report.conclude("shared", true, text);
        }
        (Some(_), Some(_), Some(why)) => {
            report.conclude("shared_in_vain", false, format!("shared, but {why}"));
        }
        (Some(_), None, Some(why)) => {
            report.conclude("not_shared", false, format!("not shared, because {why}"));
        }
        (Some(_), None, None) => match &outcome.standing {
            Standing::InWork => {
                report.conclude(
                    "hashing",
                    false,
                    "eligible and wanted: being hashed, ask again soon",
                );
            }
            Standing::Refused(sentence) => {
                let sentence = sentence.trim_end_matches('.');
                let text = format!("every gate is open, but it is not shared for now: {sentence}");
                report.conclude("refused_for_now", false, text);
            }
            Standing::Unknown => report.conclude("eligible", false, cold(outcome)),
        },
    }
}

fn cold(outcome: &Outcome<'_>) -> String {
    let admission = &outcome.config.admission;
    let (requests, prefixes) = (admission.requests, admission.prefixes);
    let plural = |count: u32, one: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    let by_default = if outcome.given { "" } else { " (by default)" };
    format!(
        "eligible, not hot yet: needs {} from {}{by_default}, or its path under [assets] preload",
        plural(requests, "request"),
        plural(prefixes, "network")
    )
}

/// Without Manyhands: what would happen with it.
fn bare(what: &str, done: &str, target: &Target, report: &mut Report) {
    let of_its_own =
        |check: &&Check| check.verdict == Verdict::Refused && check.section != Section::Manyhands;
    let why = report.checks.iter().find(of_its_own).map(Check::because);
    let first = format!("Manyhands is not in front of {}", target.origin());
    match why {
        None => {
            let text =
                format!("{first}; with it this {what} would {done}: see `manyhands proxy --help`");
            report.conclude("no_manyhands", false, text);
        }
        Some(why) => {
            let text = format!("{first}, and with it this {what} would not {done}, because {why}");
            report.conclude("no_manyhands_not_eligible", false, text);
        }
    }
}
