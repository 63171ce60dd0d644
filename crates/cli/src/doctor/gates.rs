//! The gates of `page`, as rows of the report.

use manyhands_page::{
    Decision, Policy, Reason, RequestHead, ResponseHead, Verdict as Passes, examine,
};

use super::fetch::Answer;
use super::report::{Report, Section};
use super::target::Target;

/// What the gates say of an answer.
pub(crate) struct Judged {
    pub(crate) decision: Decision,
}

impl Judged {
    /// The first gate that did not open.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match &self.decision {
            Decision::PassThrough(reason) => Some(*reason),
            Decision::Page(_) | Decision::Asset(_) => None,
        }
    }
}

/// Walks every gate. `pardon` says why a reason does not stand in the way here, where it does not.
pub(crate) fn walk(
    method: &str,
    target: &Target,
    answer: &Answer,
    policy: &Policy,
    pardon: impl Fn(Reason) -> Option<&'static str>,
    report: &mut Report,
) -> Judged {
    let request =
        RequestHead { method, path: target.path(), query: target.query(), headers: &answer.asked };
    let response = ResponseHead { status: answer.status.as_u16(), headers: &answer.headers };
    let examination = examine(&request, &response, policy, false);
    for gate in &examination.gates {
        match gate.verdict {
            Passes::Passed => report.ok(Section::Gates, gate.name, sentence(gate.passes_when)),
            Passes::NotReached => {
                report.skip(Section::Gates, gate.name, sentence(gate.passes_when));
            }
            Passes::Failed(reason) => {
                let (name, says) = (reason.name(), sentence(reason.sentence()));
                match pardon(reason) {
                    Some(why) => report.warn(Section::Gates, gate.name, name, says, why),
                    None => {
                        let remedy = sentence(reason.remedy());
                        report.refuse(Section::Gates, gate.name, name, says, remedy);
                    }
                }
            }
        }
    }
    Judged { decision: examination.plan.decision }
}

fn sentence(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}
