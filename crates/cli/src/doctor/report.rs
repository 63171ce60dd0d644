//! What was found: checks in order, and one conclusion. Serialised as it stands (docs/doctor.md).

use serde::Serialize;

use super::failure::Failure;

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could.
    Warning,
    /// Stands in the way.
    Refused,
    /// Could not be looked at, because something before it stands in the way.
    NotReached,
}

/// What a check is about; the groups of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Section {
    Reach,
    Manyhands,
    Page,
    Asset,
    Gates,
    Metainfo,
    Proof,
    Peers,
}

impl Section {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Reach => "Reaching it",
            Self::Manyhands => "Manyhands",
            Self::Page => "The page",
            Self::Asset => "The file over HTTP",
            Self::Gates => "Gates",
            Self::Metainfo => "Metainfo",
            Self::Proof => "Proof",
            Self::Peers => "How visitors meet",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) section: Section,
    /// Stable, in snake case.
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    /// One sentence without its full stop.
    pub(crate) says: String,
    /// A stable name for what stands in the way, in snake case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

/// What the URL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Page,
    Asset,
    /// Not known: there was no answer, or an error.
    Unknown,
}

/// The last line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conclusion {
    /// Stable, in snake case.
    pub(crate) code: &'static str,
    /// Whether the file is shared or the page tagged, and nothing stands in the way.
    pub(crate) ok: bool,
    /// One line for a person.
    pub(crate) text: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    v: u8,
    /// As it was given.
    pub(crate) url: String,
    pub(crate) kind: Kind,
    pub(crate) checks: Vec<Check>,
    pub(crate) verdict: Conclusion,
}

impl Report {
    pub(crate) fn new(url: String) -> Self {
        let verdict = Conclusion { code: "unknown", ok: false, text: String::new() };
        Self { v: 1, url, kind: Kind::Unknown, checks: Vec::new(), verdict }
    }

    pub(crate) fn ok(&mut self, section: Section, name: &'static str, says: impl Into<String>) {
        self.add(section, name, Verdict::Ok, says.into(), None, None);
    }

    pub(crate) fn warn(
        &mut self,
        section: Section,
        name: &'static str,
        reason: &'static str,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(section, name, Verdict::Warning, says.into(), Some(reason), Some(remedy.into()));
    }

    pub(crate) fn refuse(
        &mut self,
        section: Section,
        name: &'static str,
        reason: &'static str,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.checks.push(Check::refused(section, name, reason, says, remedy));
    }

    pub(crate) fn skip(&mut self, section: Section, name: &'static str, says: impl Into<String>) {
        self.add(section, name, Verdict::NotReached, says.into(), None, None);
    }

    /// A request that got no answer.
    pub(crate) fn failed(&mut self, section: Section, name: &'static str, failure: &Failure) {
        self.refuse(section, name, failure.name(), failure.to_string(), failure.remedy());
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// The first check that stands in the way.
    pub(crate) fn obstacle(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.verdict == Verdict::Refused)
    }

    pub(crate) fn conclude(&mut self, code: &'static str, ok: bool, text: impl Into<String>) {
        self.verdict = Conclusion { code, ok, text: text.into() };
    }

    fn add(
        &mut self,
        section: Section,
        name: &'static str,
        verdict: Verdict,
        says: String,
        reason: Option<&'static str>,
        remedy: Option<String>,
    ) {
        self.checks.push(Check { section, name, verdict, says, reason, remedy });
    }
}

impl Check {
    pub(crate) fn refused(
        section: Section,
        name: &'static str,
        reason: &'static str,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (says, remedy) = (says.into(), Some(remedy.into()));
        Self { section, name, verdict: Verdict::Refused, says, reason: Some(reason), remedy }
    }

    /// "what is wrong; what to do": for the conclusion.
    pub(crate) fn because(&self) -> String {
        let says = within(self.says.trim_end_matches('.'));
        match &self.remedy {
            Some(remedy) => format!("{says}; {}", within(remedy)),
            None => says,
        }
    }
}

/// A sentence as a part of another: its first word without the capital, unless that is a name.
fn within(sentence: &str) -> String {
    const NAMES: [&str; 6] = ["Link", "Manyhands", "Pragma", "Range", "Trusted", "Vary"];
    let word = sentence.split(' ').next().unwrap_or_default();
    let mut letters = word.chars();
    let capital = letters.next().filter(char::is_ascii_uppercase);
    let plain = letters.all(|letter| letter.is_ascii_lowercase()) && !NAMES.contains(&word);
    match capital.filter(|_| plain) {
        Some(capital) => {
            format!("{}{}", capital.to_ascii_lowercase(), sentence.get(1..).unwrap_or_default())
        }
        None => sentence.to_owned(),
    }
}

/// 1234567 as "1,234,567".
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_within_another_has_no_capital_but_of_names() {
        for (sentence, is) in [
            ("The ETag is weak", "the ETag is weak"),
            ("A file", "a file"),
            ("Cache-Control says no", "Cache-Control says no"),
            ("HEAD differs", "HEAD differs"),
            ("Vary is there", "Vary is there"),
            ("http://a", "http://a"),
            ("", ""),
        ] {
            assert_eq!(within(sentence), is);
        }
    }

    #[test]
    fn long_numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
