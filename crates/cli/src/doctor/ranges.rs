//! Parts of a file: exact, of the same version, uncompressed (RFC 9110, section 14).

use http::StatusCode;

use super::asset::{FETCH, File};
use super::failure::Failure;
use super::fetch::{Answer, Ask, Client};
use super::report::{Report, Section};
use super::target::Target;

/// As long as no part that is asked for here.
const MOST: usize = 128 * 1024;

/// Asks for `first..=last`; an answer that is no exact 206 is refused in one sentence.
pub(crate) async fn part(
    client: &Client,
    target: &Target,
    (first, last): (u64, u64),
    length: u64,
    more: &[(&str, &str)],
) -> Result<Answer, String> {
    let range = format!("bytes={first}-{last}");
    let fields = [&FETCH[..], &[("range", &range)], more].concat();
    let asked: Result<Answer, Failure> = client.ask(Ask::get(target, &fields).reading(MOST)).await;
    let answer = asked.map_err(|failure| failure.to_string())?;
    if answer.status != StatusCode::PARTIAL_CONTENT {
        return Err(format!("asked for {range}, got status {}", answer.status.as_u16()));
    }
    let wanted = format!("bytes {first}-{last}/{length}");
    let sent = answer.field("content-range").unwrap_or_default();
    if sent != wanted {
        return Err(format!("asked for {range}, got Content-Range {sent:?} instead of {wanted:?}"));
    }
    if let Some(coding) = answer.field("content-encoding").filter(|coding| coding != "identity") {
        return Err(format!("asked for {range}, got a part of the {coding}-compressed file"));
    }
    let bytes = last - first + 1;
    if answer.body.len() as u64 != bytes || !answer.whole {
        return Err(format!("asked for {bytes} bytes, got {} ", answer.body.len()));
    }
    Ok(answer)
}

pub(crate) async fn look(client: &Client, target: &Target, file: &File, report: &mut Report) {
    let Some(length) = file.length.filter(|length| *length > 0) else {
        return report.skip(Section::Asset, "range", "the length is not known");
    };
    let identity = [("accept-encoding", "identity")];
    match part(client, target, (0, 0), length, &identity).await {
        Ok(answer) if answer.field("etag") != file.etag => report.refuse(
            Section::Asset,
            "range",
            "range_etag",
            format!(
                "a part carries the ETag {}, the whole file {}",
                answer.field("etag").unwrap_or_else(|| "none".to_owned()),
                file.etag.as_deref().unwrap_or("none")
            ),
            "send the same strong ETag with 206 as with 200",
        ),
        Ok(_) => report.ok(Section::Asset, "range", "Range: bytes=0-0 gets exactly one byte (206)"),
        Err(says) => {
            report.refuse(
                Section::Asset,
                "range",
                "no_ranges",
                says,
                "let the server answer ranges (Accept-Ranges: bytes) and nothing in front strip them: \
                 visitors ask the site for what no other visitor has yet",
            );
            report.skip(Section::Asset, "range_coding", "ranges are not answered");
            return report.skip(Section::Asset, "if_range", "ranges are not answered");
        }
    }
    let compressed = [("accept-encoding", "gzip, deflate, br, zstd")];
    match part(client, target, (0, 0), length, &compressed).await {
        Ok(_) => {
            report.ok(Section::Asset, "range_coding", "parts are not compressed, whatever is accepted");
        }
        Err(says) => report.refuse(
            Section::Asset,
            "range_coding",
            "range_compressed",
            format!("with Accept-Encoding as browsers send it: {says}"),
            "do not compress files of this type (they are compressed already): neither the server nor \
             a cache in front",
        ),
    }
    if_range(client, target, file, length, report).await;
}

/// Without it a client that continues after a change would join two versions.
async fn if_range(client: &Client, target: &Target, file: &File, length: u64, report: &mut Report) {
    let Some(validator) = file.validator() else {
        return report.skip(Section::Asset, "if_range", "there is no strong validator to ask with");
    };
    let identity = ("accept-encoding", "identity");
    let same = part(client, target, (0, 0), length, &[identity, ("if-range", validator)]).await;
    if let Err(says) = same {
        return report.refuse(
            Section::Asset,
            "if_range",
            "if_range_refused",
            format!("If-Range with the file's own validator: {says}"),
            "let the server compare If-Range with the ETag (or date) it sends",
        );
    }
    let other = match validator.starts_with('"') {
        true => "\"manyhands-doctor-no-such-version\"",
        false => "Thu, 01 Jan 1970 00:00:00 GMT",
    };
    let fields = [&FETCH[..], &[identity, ("if-range", other), ("range", "bytes=0-0")]].concat();
    match client.ask(Ask::get(target, &fields)).await {
        Ok(answer) if answer.status == StatusCode::OK => {
            report.ok(Section::Asset, "if_range", "If-Range is honoured");
        }
        Ok(answer) => report.warn(
            Section::Asset,
            "if_range",
            "if_range_ignored",
            format!(
                "If-Range with another version's validator got status {}, not the whole file",
                answer.status.as_u16()
            ),
            "let the server honour If-Range: downloads that are continued after a change would be \
             broken (ours notice and start again)",
        ),
        Err(failure) => report.failed(Section::Asset, "if_range", &failure),
    }
}
