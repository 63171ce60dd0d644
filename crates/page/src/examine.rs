//! Every gate at once: what an operator wants to know who asks why a response is left alone.

use crate::gate::{ENTRY, Facts};
use crate::{Headers, Plan, Policy, Reason, RequestHead, ResponseHead, plan};

/// All that can be said of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// What is done: exactly what [`plan`] says.
    pub plan: Plan,
    /// The gates in the order they are walked: those of every response, then those of a page or of a
    /// file. The first that failed is the plan's reason.
    pub gates: Vec<Gate>,
}

/// One gate, and whether the exchange passes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// A stable name in snake case, unique among the gates of one examination.
    pub name: &'static str,
    /// What it takes, in one sentence.
    pub passes_when: &'static str,
    /// Whether it does.
    pub verdict: Verdict,
}

/// The answer of one gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It lets the exchange pass.
    Passed,
    /// It does not, by itself, whatever the others say.
    Failed(Reason),
    /// It depends on a gate that failed: there is nothing to judge.
    NotReached,
}

/// Judges an exchange as [`plan`] does, and does not stop at the first refusal.
///
/// A response without a readable type is examined as a page where the request is a visitor's going
/// to one, else as a file. Costs what `plan` costs, about twice over: for diagnosis, not for traffic.
///
/// ```
/// use manyhands_page::{Policy, Reason, RequestHead, ResponseHead, Verdict, examine};
///
/// let none: [(&str, &str); 0] = [];
/// let response = [("content-type", "application/zip"), ("set-cookie", "a=b"), ("etag", "W/\"1\"")];
/// let examination = examine(
///     &RequestHead { method: "GET", path: "/big.zip", query: None, headers: &none[..] },
///     &ResponseHead { status: 200, headers: &response[..] },
///     &Policy::default(),
///     false,
/// );
/// let failed: Vec<_> = examination
///     .gates
///     .iter()
///     .filter_map(|gate| match gate.verdict {
///         Verdict::Failed(reason) => Some(reason),
///         Verdict::Passed | Verdict::NotReached => None,
///     })
///     .collect();
/// assert_eq!(failed, [Reason::SetCookie, Reason::NoLength, Reason::WeakEtag]);
/// ```
pub fn examine<Q, R>(
    request: &RequestHead<'_, Q>,
    response: &ResponseHead<'_, R>,
    policy: &Policy,
    local: bool,
) -> Examination
where
    Q: Headers + ?Sized,
    R: Headers + ?Sized,
{
    let mut facts = Facts::new(request, response, policy, local);
    let mut passed = Vec::new();
    let mut gates = Vec::new();
    let mut walk = |steps: &[crate::gate::Step], facts: &mut Facts<'_, Q, R>| {
        for step in steps {
            let reached = step.needs().iter().all(|need| passed.contains(need));
            let verdict = match reached.then(|| step.check(facts)) {
                Some(Ok(())) => {
                    passed.push(*step);
                    Verdict::Passed
                }
                Some(Err(reason)) => Verdict::Failed(reason),
                None => Verdict::NotReached,
            };
            gates.push(Gate { name: step.name(), passes_when: step.passes_when(), verdict });
        }
    };
    walk(ENTRY, &mut facts);
    let kind = facts.kind();
    walk(kind.steps(), &mut facts);
    Examination { plan: plan(request, response, policy, local), gates }
}
