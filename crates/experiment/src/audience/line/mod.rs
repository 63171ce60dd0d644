//! One line of an access log: what it says of one answer.

mod combined;
mod json;
mod request;
mod split;
mod time;

use std::borrow::Cow;

pub(super) use combined::address;
pub use split::Lines;

/// What a line says. Text is without the escapes of its format, and whatever bytes a stranger sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When the request came, in milliseconds since the epoch; where the line has no duration, the time it
    /// has, which is when the request came (Apache) or when it was answered (nginx).
    pub start: i64,
    /// How long it took to answer, in milliseconds.
    pub duration: Option<i64>,
    /// The visitor, as the log has it: an address, or a name.
    pub address: &'a [u8],
    /// Whether a user's name stands there: the request had credentials.
    pub authenticated: bool,
    /// The site, without a port.
    pub host: Option<Cow<'a, [u8]>>,
    /// As sent.
    pub method: &'a [u8],
    /// Path and query, as sent.
    pub target: Cow<'a, [u8]>,
    /// Status code.
    pub status: u16,
    /// Octets sent; most formats have those of the body alone.
    pub octets: u64,
    /// `User-Agent`.
    pub agent: Option<Cow<'a, [u8]>>,
    /// `Content-Type` of the answer.
    pub content_type: Option<&'a [u8]>,
}

/// Why a line says nothing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Malformed {
    /// No time where one should be.
    #[error("no time that can be read")]
    Time,
    /// No visitor.
    #[error("no visitor's address")]
    Address,
    /// No request line, or one without an end.
    #[error("no request that can be read")]
    Request,
    /// No status code.
    #[error("no status code")]
    Status,
    /// No octets.
    #[error("no number of octets")]
    Octets,
    /// It begins as JSON and is none.
    #[error("not a JSON object")]
    Json,
}

/// Reads lines. The format is told anew for each: files that changed it half-way are common.
#[derive(Debug, Default)]
pub struct LineParser {
    clock: Clock,
}

impl LineParser {
    /// Reads one line, without its end.
    ///
    /// # Errors
    /// The first thing that is missing. Nothing of such a line is used.
    pub fn parse<'a>(&mut self, line: &'a [u8]) -> Result<Entry<'a>, Malformed> {
        match line.first() {
            Some(b'{') => json::parse(line),
            _ => combined::parse(line, &mut self.clock),
        }
    }
}

/// The last time read: a busy log has many lines a second.
#[derive(Debug, Default)]
struct Clock {
    text: [u8; time::CLF],
    moment: Option<i64>,
}

impl Clock {
    fn common(&mut self, text: &[u8]) -> Option<i64> {
        if text != self.text {
            self.text = text.try_into().ok()?;
            self.moment = time::common(text);
        }
        self.moment
    }
}

#[cfg(test)]
mod tests;
