//! One JSON object a line: nginx with `escape=json` and the usual names, Caddy, Traefik.
//!
//! Read without building anything: keys that are known are noted as they come, the rest is stepped over.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::combined::without_port;
use super::request::{path_of, request};
use super::{Entry, Malformed, time};

/// Deeper objects are no access log.
const DEPTH: usize = 12;
/// Longer keys are none we know.
const KEY: usize = 32;

pub(super) fn parse(line: &[u8]) -> Result<Entry<'_>, Malformed> {
    let mut scanner = Scanner { text: line, at: 0, found: Found::default() };
    scanner.object(Place::Top, 0).ok_or(Malformed::Json)?;
    scanner.spaces();
    if scanner.at != line.len() {
        return Err(Malformed::Json);
    }
    scanner.found.entry()
}

/// Where in the object a key stands: Caddy has what was asked, and header fields, in objects of their own.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Top,
    Request,
    RequestFields,
    ResponseFields,
    Elsewhere,
}

/// A value that is no object: text between quotes, or a bare word.
#[derive(Clone, Copy)]
struct Value<'a> {
    text: &'a [u8],
    escaped: bool,
}

#[derive(Default)]
struct Found<'a> {
    start: Option<i64>,
    end: Option<i64>,
    /// In milliseconds.
    duration: Option<i64>,
    address: Option<&'a [u8]>,
    client: Option<&'a [u8]>,
    authenticated: bool,
    host: Option<&'a [u8]>,
    request: Option<Value<'a>>,
    method: Option<&'a [u8]>,
    /// As asked, with the query.
    asked: Option<Value<'a>>,
    path: Option<Value<'a>>,
    query: Option<Value<'a>>,
    status: Option<&'a [u8]>,
    body: Option<&'a [u8]>,
    octets: Option<&'a [u8]>,
    agent: Option<Value<'a>>,
    content_type: Option<&'a [u8]>,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    found: Found<'a>,
}

impl<'a> Scanner<'a> {
    fn spaces(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.spaces();
        (self.text.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    /// From one brace to the other. `None`: no JSON.
    fn object(&mut self, place: Place, depth: usize) -> Option<()> {
        self.take(b'{')?;
        if depth > DEPTH {
            return None;
        }
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.spaces();
            let key = self.string()?;
            self.take(b':')?;
            self.value(place, key.text, depth)?;
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn value(&mut self, place: Place, key: &'a [u8], depth: usize) -> Option<()> {
        self.spaces();
        match self.text.get(self.at)? {
            b'{' => {
                let place = match (place, key) {
                    (Place::Top, b"request") => Place::Request,
                    (Place::Request, b"headers") => Place::RequestFields,
                    (Place::Top, b"resp_headers") => Place::ResponseFields,
                    _ => Place::Elsewhere,
                };
                self.object(place, depth + 1)
            }
            b'[' => self.array(place, key, depth),
            b'"' => {
                let value = self.string()?;
                self.found.note(place, key, value, true);
                Some(())
            }
            _ => {
                let value = self.word()?;
                self.found.note(place, key, value, false);
                Some(())
            }
        }
    }

    /// Field lines of one name are an array: the first counts.
    fn array(&mut self, place: Place, key: &'a [u8], depth: usize) -> Option<()> {
        self.take(b'[')?;
        if depth > DEPTH {
            return None;
        }
        if self.take(b']').is_some() {
            return Some(());
        }
        let mut place = place;
        loop {
            self.value(place, key, depth + 1)?;
            place = Place::Elsewhere;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn string(&mut self) -> Option<Value<'a>> {
        self.take(b'"')?;
        let (from, mut escaped) = (self.at, false);
        loop {
            self.at += memchr2(b'"', b'\\', self.text.get(self.at..)?)?;
            if self.text[self.at] == b'"' {
                self.at += 1;
                return Some(Value { text: &self.text[from..self.at - 1], escaped });
            }
            escaped = true;
            self.at += 2;
        }
    }

    /// A number, `true`, `false`, `null`.
    fn word(&mut self) -> Option<Value<'a>> {
        let rest = &self.text[self.at..];
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'));
        let (word, _) = rest.split_at(length.count());
        self.at += word.len();
        (!word.is_empty()).then_some(Value { text: word, escaped: false })
    }
}

/// What stands for "nothing".
fn is_nothing(text: &[u8]) -> bool {
    matches!(text, b"" | b"-" | b"null")
}

impl<'a> Found<'a> {
    fn note(&mut self, place: Place, key: &[u8], value: Value<'a>, quoted: bool) {
        let mut name = [0; KEY];
        let Some(name) = name.get_mut(..key.len()) else { return };
        for (to, from) in name.iter_mut().zip(key) {
            *to = if *from == b'-' { b'_' } else { from.to_ascii_lowercase() };
        }
        if is_nothing(value.text) {
            return;
        }
        match place {
            Place::Top | Place::Request => self.note_plain(name, key, value, quoted),
            Place::RequestFields if name == b"user_agent" => self.agent = Some(value),
            Place::ResponseFields if name == b"content_type" => {
                self.content_type = Some(value.text);
            }
            Place::RequestFields | Place::ResponseFields | Place::Elsewhere => {}
        }
    }

    fn note_plain(&mut self, name: &[u8], key: &[u8], value: Value<'a>, quoted: bool) {
        let text = value.text;
        match name {
            b"time_iso8601" | b"time_local" | b"time" | b"timestamp" | b"@timestamp" | b"msec"
            | b"ts" | b"date" | b"datetime" => {
                self.end = self.end.or_else(|| time::any(text));
            }
            // Traefik; it has the time of logging as `time`, too.
            b"startutc" => self.start = time::any(text),
            b"client_ip" | b"clienthost" => self.client = Some(text),
            b"remote_addr" | b"remote_ip" | b"clientip" | b"client_addr" | b"client" | b"ip" => {
                self.address.get_or_insert(text);
            }
            b"remote_user" | b"user_id" | b"clientusername" => self.authenticated = true,
            b"host" | b"http_host" | b"server_name" | b"vhost" | b"requesthost" => {
                self.host.get_or_insert(text);
            }
            b"request" => self.request = Some(value),
            b"method" | b"request_method" | b"requestmethod" => self.method = Some(text),
            b"request_uri" | b"requestpath" => self.asked = Some(value),
            b"uri" | b"url" | b"path" => self.path = Some(value),
            b"args" | b"query_string" => self.query = Some(value),
            b"status" | b"status_code" | b"downstreamstatus" => self.status = Some(text),
            b"body_bytes_sent" | b"downstreamcontentsize" => self.body = Some(text),
            b"bytes_sent" | b"bytes" | b"size" | b"response_size" => self.octets = Some(text),
            b"http_user_agent"
            | b"user_agent"
            | b"useragent"
            | b"agent"
            | b"request_user_agent" => self.agent = Some(value),
            b"sent_http_content_type" | b"content_type" => self.content_type = Some(text),
            b"request_time" => self.duration = fraction(text, 1e3),
            // Traefik writes nanoseconds, Caddy seconds.
            b"duration" if key == b"Duration" => self.duration = fraction(text, 1e-6),
            b"duration" if !quoted => self.duration = fraction(text, 1e3),
            b"duration_ms" => self.duration = fraction(text, 1.0),
            _ => {}
        }
    }

    fn entry(self) -> Result<Entry<'a>, Malformed> {
        let (method, target) = match (self.asked.or(self.path), self.request) {
            (Some(target), _) => {
                let method = self.method.unwrap_or(b"GET");
                let mut target = value(target, path_of);
                let query = self.asked.is_none().then_some(self.query).flatten();
                if let (Some(query), None) = (query, memchr(b'?', &target)) {
                    let query = value(query, |text| text);
                    target = Cow::Owned([&target, &b"?"[..], &query].concat());
                }
                (method, target)
            }
            (None, Some(line)) => {
                // A method has nothing to escape.
                (request(line.text).0, value(line, |text| request(text).1))
            }
            (None, None) => return Err(Malformed::Request),
        };
        let start = match (self.start, self.end) {
            (Some(start), _) => start,
            (None, Some(end)) => {
                end.checked_sub(self.duration.unwrap_or(0)).ok_or(Malformed::Time)?
            }
            (None, None) => return Err(Malformed::Time),
        };
        let status = self.status.and_then(time::digits);
        let octets = self.body.or(self.octets);
        Ok(Entry {
            start,
            duration: self.duration,
            address: self.client.or(self.address).ok_or(Malformed::Address)?,
            authenticated: self.authenticated,
            host: self.host.map(without_port).map(Cow::Borrowed),
            method,
            target,
            status: status.and_then(|it| u16::try_from(it).ok()).ok_or(Malformed::Status)?,
            octets: octets.map_or(Some(0), time::digits).ok_or(Malformed::Octets)?.unsigned_abs(),
            agent: self.agent.map(|agent| value(agent, |text| text)),
            content_type: self.content_type,
        })
    }
}

/// A duration in milliseconds.
fn fraction(text: &[u8], factor: f64) -> Option<i64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    // A century is more than an answer takes; what is not finite is not below it.
    let millis = number * factor;
    (0.0..3.2e12).contains(&millis).then_some(millis as i64)
}

/// The part of a value that is wanted, without JSON's escapes.
fn value<'a>(value: Value<'a>, part: for<'b> fn(&'b [u8]) -> &'b [u8]) -> Cow<'a, [u8]> {
    if !value.escaped {
        return Cow::Borrowed(part(value.text));
    }
    let plain = unescaped(value.text);
    Cow::Owned(part(&plain).to_vec())
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        let used = match (byte, tail.first()) {
            (b'\\', Some(b'u')) => {
                let (c, used) = unicode(tail);
                plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                used + 1
            }
            (b'\\', Some(other)) => {
                plain.push(match other {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    other => *other,
                });
                2
            }
            (other, _) => {
                plain.push(*other);
                1
            }
        };
        rest = rest.get(used..).unwrap_or_default();
    }
    plain
}

/// The character of `uXXXX` or of two surrogates, and how many bytes it takes.
fn unicode(text: &[u8]) -> (char, usize) {
    let unit = |from: usize| {
        let digits = std::str::from_utf8(text.get(from..from + 4)?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(1) else { return (char::REPLACEMENT_CHARACTER, 1) };
    let second = (text.get(5..7) == Some(b"\\u")).then(|| unit(7)).flatten();
    let units = [first, second.unwrap_or(0)];
    match char::decode_utf16(units).next() {
        Some(Ok(c)) if c.len_utf16() == 2 => (c, 11),
        Some(Ok(c)) => (c, 5),
        _ => (char::REPLACEMENT_CHARACTER, 5),
    }
}
