//! A file over plain HTTP: is it one and the same for everybody, and can parts of it be had?

use http::{Method, StatusCode};
use manyhands_page::{Policy, Reason};

use super::between;
use super::failure::Failure;
use super::fetch::{Answer, Ask, Client};
use super::gates::{self, Judged};
use super::reach::Visit;
use super::report::{Report, Section, grouped};
use super::target::Target;

/// What a script of a page sends that fetches a file.
pub(crate) const FETCH: [(&str, &str); 4] = [
    ("accept", "*/*"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-origin"),
];
const COMPRESSED: (&str, &str) = ("accept-encoding", "gzip, deflate, br, zstd");

/// What the answers agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// As sent.
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    pub(crate) length: Option<u64>,
    pub(crate) content_type: String,
}

impl File {
    fn of(answer: &Answer) -> Self {
        Self {
            etag: answer.field("etag"),
            last_modified: answer.field("last-modified"),
            length: answer.field("content-length").and_then(|length| length.parse().ok()),
            content_type: answer.field("content-type").unwrap_or_default(),
        }
    }

    pub(crate) fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|tag| !tag.starts_with("W/"))
    }

    /// What stands for the version in `If-Range`: a strong tag, else the date.
    pub(crate) fn validator(&self) -> Option<&str> {
        let date = self.last_modified.as_deref().filter(|_| self.etag.is_none());
        self.strong_etag().or(date)
    }
}

pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) answer: Answer,
}

pub(crate) async fn look(client: &Client, visit: &Visit, report: &mut Report) -> Option<Found> {
    let fields = [&FETCH[..], &[COMPRESSED]].concat();
    let answer = match client.ask(Ask::get(&visit.target, &fields)).await {
        Ok(answer) => answer,
        Err(failure) => {
            report.failed(Section::Asset, "answer", &failure);
            return None;
        }
    };
    let file = File::of(&answer);
    describe(&answer, &file, report);
    same_again(client, visit, &file, report).await;
    head(client, visit, &file, report).await;
    Some(Found { file, answer })
}

/// Walks the gates. Those that are the operator's to set are no obstacle where the running site shares
/// the file all the same.
pub(crate) fn gates(
    target: &Target,
    found: &Found,
    policy: &Policy,
    is_shared: bool,
    report: &mut Report,
) -> Judged {
    let pardon = |reason: Reason| {
        let is_setting = matches!(
            reason,
            Reason::Extension
                | Reason::NoValidator
                | Reason::TooLarge
                | Reason::TooSmall
                | Reason::Type
                | Reason::Unsettled
                | Reason::WeakEtag
        );
        (is_shared && is_setting).then_some(
            "nothing to do: the running site shares it all the same; --config judges by its settings",
        )
    };
    gates::walk("GET", target, &found.answer, policy, pardon, report)
}

fn describe(answer: &Answer, file: &File, report: &mut Report) {
    let length = file
        .length
        .map_or("length unknown".to_owned(), |length| format!("{} bytes", grouped(length)));
    let kind = if file.content_type.is_empty() { "no type" } else { &file.content_type };
    let tag = file.etag.as_deref().unwrap_or("no ETag");
    let status = answer.status.as_u16();
    report.ok(Section::Asset, "answer", format!("{status}, {kind}, {length}, {tag}"));
    if let Some(signs) = between::described(answer) {
        report.ok(Section::Asset, "in_between", format!("it came by way of others: {signs}"));
    }
}

/// A balancer may have answered from another server this time.
async fn same_again(client: &Client, visit: &Visit, file: &File, report: &mut Report) {
    let fields = [&FETCH[..], &[COMPRESSED]].concat();
    let mut ask = Ask::get(&visit.target, &fields);
    // Another address of the name, where there is one.
    ask.address = visit.addresses.iter().copied().find(|other| *other != visit.answer.address);
    let again = match client.ask(ask).await {
        Ok(again) => again,
        // A dead address has been reported where the site was reached.
        Err(failure) if visit.addresses.len() > 1 => {
            return report.skip(Section::Asset, "same_again", failure.to_string());
        }
        Err(failure) => return report.failed(Section::Asset, "same_again", &failure),
    };
    let again = File::of(&again);
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    if again == *file {
        report.ok(
            Section::Asset,
            "same_again",
            "two requests agree in ETag, date, length and type",
        );
    } else if again.etag != file.etag {
        report.refuse(
            Section::Asset,
            "same_again",
            "unstable_etag",
            format!(
                "two requests got different ETags: {} and {}",
                shown(&file.etag),
                shown(&again.etag)
            ),
            "make every server behind this name derive the ETag from size and time of the file (Apache: \
             FileETag MTime Size), and copy files with their times (rsync -t)",
        );
    } else if again.length != file.length {
        report.refuse(
            Section::Asset,
            "same_again",
            "unstable_length",
            "two requests got different lengths",
            "make every server behind this name hold the same file",
        );
    } else if again.last_modified != file.last_modified && file.etag.is_none() {
        report.refuse(
            Section::Asset,
            "same_again",
            "unstable_date",
            format!(
                "two requests got different dates: {} and {}",
                shown(&file.last_modified),
                shown(&again.last_modified)
            ),
            "copy files to all servers with their times (rsync -t), or send a strong ETag",
        );
    } else {
        report.warn(
            Section::Asset,
            "same_again",
            "unstable_fields",
            "two requests got different types or dates for one version",
            "configure every server behind this name alike",
        );
    }
}

async fn head(client: &Client, visit: &Visit, file: &File, report: &mut Report) {
    let fields = [&FETCH[..], &[COMPRESSED]].concat();
    let ask = Ask { method: Method::HEAD, ..Ask::get(&visit.target, &fields) };
    let answer: Result<Answer, Failure> = client.ask(ask).await;
    let mut warn = |reason, says: String| {
        let remedy = "answer HEAD as GET, without the body: download programs ask it first";
        report.warn(Section::Asset, "head", reason, says, remedy);
    };
    match answer {
        Err(failure) => warn(failure.name(), format!("HEAD: {failure}")),
        Ok(answer) if answer.status != StatusCode::OK => {
            warn("head_status", format!("HEAD is answered with status {}", answer.status.as_u16()));
        }
        Ok(answer) => {
            let told = File::of(&answer);
            // RFC 9110, section 9.3.2: a length may be left out.
            let length = told.length.is_none() || told.length == file.length;
            if length && told.etag == file.etag {
                report.ok(Section::Asset, "head", "HEAD agrees with GET");
            } else {
                warn("head_differs", "HEAD tells another length or ETag than GET".to_owned());
            }
        }
    }
}
