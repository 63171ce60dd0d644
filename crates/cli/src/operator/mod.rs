//! `manyhands purge`, `manyhands status` and `manyhands mirrors`: what the operator asks the running process,
//! through its reserved prefix.
//!
//! Front doors: [`purge`], [`status`] and [`mirrors`](fn@mirrors). `process` finds the process and says who asks.

mod args;
mod mirrors;
mod process;
mod summary;

pub(crate) use args::{PurgeArgs, StatusArgs};
pub(crate) use mirrors::{MirrorsArgs, run as mirrors};

use anyhow::{Context, anyhow};
use serde::Deserialize;

use crate::doctor::grouped;
use crate::plain::{self, print};

use self::process::Process;

/// Bytes of one query; a process takes 8 KiB and 1,000 paths, of which each takes at least 7 bytes.
const MOST_QUERY: usize = 6_000;

#[derive(Deserialize)]
struct Purged {
    purged: u64,
}

/// Forgets what is known of files; they are hashed anew when they are wanted again.
pub(crate) fn purge(args: PurgeArgs) -> anyhow::Result<()> {
    let process = Process::of(&args.process)?;
    let mut purged: u64 = 0;
    let queries = queries(&args.paths);
    for (number, query) in queries.iter().enumerate() {
        let answer = one(&process, query).map_err(|error| match number {
            0 => error,
            // A request is carried out whole or not at all; several are not.
            _ => anyhow!(
                "{error}; {number} of {} requests were carried out before, and {} files forgotten: \
                 purge all of them again",
                queries.len(),
                grouped(purged)
            ),
        })?;
        purged = purged.saturating_add(answer.purged);
    }
    match purged {
        0 => println!("purged nothing: none of them was known"),
        1 => println!("purged 1 file"),
        _ => println!("purged {} files", grouped(purged)),
    }
    Ok(())
}

fn one(process: &Process, query: &str) -> anyhow::Result<Purged> {
    let answer = process.post(&format!("purge?{query}"))?;
    serde_json::from_slice(&answer)
        .map_err(|_| anyhow!("{process} answered something else than a purge; is it Manyhands?"))
}

/// `path=/a.iso&path=/old/*`, as many as it takes: a request has only so much room.
fn queries(paths: &[String]) -> Vec<String> {
    let mut queries: Vec<String> = Vec::new();
    for path in paths {
        let field = format!("path={}", escaped(path));
        match queries.last_mut() {
            Some(last) if last.len() + 1 + field.len() <= MOST_QUERY => {
                last.push('&');
                last.push_str(&field);
            }
            _ => queries.push(field),
        }
    }
    queries
}

/// All but what means nothing in a query. A path is given as it stands in URLs, so that its own escapes
/// are escaped once more.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b'*' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What the process shares, and why not the rest.
pub(crate) fn status(args: StatusArgs) -> anyhow::Result<()> {
    let process = Process::of(&args.process)?;
    let answer = process.get("status.json")?;
    let text = match args.json {
        true => plain::escaped(&String::from_utf8(answer).context("the answer is not text")?),
        false => summary::of(&answer).map_err(|_| {
            anyhow!("{process} answered something else than its status; is it Manyhands?")
        })?,
    };
    print(&text)
}

/// A text on a terminal or into a pipe, with its line's end.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_sent_in_as_many_queries_as_it_takes() {
        let paths = ["/a b.iso", "/a%20b+&.iso", "/old/*"].map(str::to_owned);
        assert_eq!(queries(&paths), ["path=/a%20b.iso&path=/a%2520b%2B%26.iso&path=/old/*"]);
        let many = vec!["/x".to_owned(); 2_000];
        let queries = queries(&many);
        assert!(queries.iter().all(|query| query.len() <= MOST_QUERY));
        assert_eq!(queries.join("&").matches("path=").count(), 2_000);
        assert!(queries.iter().all(|query| query.matches("path=").count() <= 1_000));
    }
}
