//! Common, Combined and vhost_combined lines, of Apache, nginx and all who write alike:
//! `[host] address identity user [time] "request" status octets ["referrer" "agent" …]`.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use memchr::{memchr, memchr2};

use super::request::request;
use super::{Clock, Entry, Malformed, time};

pub(super) fn parse<'a>(line: &'a [u8], clock: &mut Clock) -> Result<Entry<'a>, Malformed> {
    let (before, moment, rest) = around_time(line, clock)?;
    let Who { host, address, authenticated } = who(before)?;
    let rest = rest.strip_prefix(b"\"").ok_or(Malformed::Request)?;
    let (asked, rest) = quoted(rest).ok_or(Malformed::Request)?;
    let (method, target) = request(asked);
    let rest = rest.strip_prefix(b" ").ok_or(Malformed::Status)?;
    let (status, rest) = rest.split_at_checked(3).ok_or(Malformed::Status)?;
    let status = time::digits(status).and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or(Malformed::Status)?;
    let rest = rest.strip_prefix(b" ").ok_or(Malformed::Octets)?;
    let (octets, rest) = rest.split_at(memchr(b' ', rest).unwrap_or(rest.len()));
    let octets = match octets {
        b"-" => 0,
        octets => time::digits(octets).ok_or(Malformed::Octets)?.unsigned_abs(),
    };
    let (agent, rest) = match rest.strip_prefix(b" \"").and_then(quoted) {
        Some((_, rest)) => match rest.strip_prefix(b" \"").and_then(quoted) {
            Some((agent, rest)) => (Some(agent), rest),
            None => (None, rest),
        },
        None => (None, rest),
    };
    let duration = if rest.is_empty() { None } else { duration(rest) };
    Ok(Entry {
        start: moment - duration.unwrap_or(0),
        duration,
        address,
        authenticated,
        host: host.map(Cow::Borrowed),
        method,
        target: unescaped(target),
        status,
        octets,
        agent: agent.map(unescaped),
        content_type: None,
    })
}

/// What stands before the time, the time, and what stands behind it. A user's name may have brackets.
fn around_time<'a>(
    line: &'a [u8],
    clock: &mut Clock,
) -> Result<(&'a [u8], i64, &'a [u8]), Malformed> {
    let mut from = 0;
    while let Some(at) = memchr(b'[', &line[from..]) {
        let at = from + at;
        from = at + 1;
        let text = line.get(from..from + time::CLF);
        let closed = line.get(from + time::CLF..from + time::CLF + 2) == Some(b"] ");
        if let (Some(text), true) = (text, closed && at > 0 && line[at - 1] == b' ') {
            let moment = clock.common(text).ok_or(Malformed::Time)?;
            return Ok((&line[..at - 1], moment, &line[from + time::CLF + 2..]));
        }
    }
    Err(Malformed::Time)
}

struct Who<'a> {
    /// Where the line names one.
    host: Option<&'a [u8]>,
    address: &'a [u8],
    authenticated: bool,
}

/// `[site] address identity user`; the user's name may have spaces.
fn who(before: &[u8]) -> Result<Who<'_>, Malformed> {
    let (first, rest) = word(before);
    if first.is_empty() || rest.is_empty() {
        return Err(Malformed::Address);
    }
    let (second, after) = word(rest);
    // `example.org:443 192.0.2.1 - -`. What is no address else is a name, where the server looks names up.
    let (host, address, rest) = match !is_address(first) && is_address(second) {
        true => (Some(without_port(first)), second, after),
        false => (None, first, rest),
    };
    let (_identity, user) = word(rest);
    Ok(Who { host, address, authenticated: !matches!(user, b"" | b"-" | b"\"\"") })
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b' ', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

fn is_address(word: &[u8]) -> bool {
    if word.first().is_some_and(u8::is_ascii_digit)
        && word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    {
        return word.iter().filter(|byte| **byte == b'.').count() == 3;
    }
    memchr(b':', word).is_some()
        && std::str::from_utf8(word).is_ok_and(|word| word.parse::<Ipv6Addr>().is_ok())
}

/// The address in a word, which may have a port or brackets.
pub(in super::super) fn address(word: &[u8]) -> Option<IpAddr> {
    let word = std::str::from_utf8(word).ok()?;
    let parsed = word.parse().ok();
    parsed.or_else(|| word.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
}

pub(super) fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|&byte| byte == b':') {
        Some(at) if at + 1 < host.len() && host[at + 1..].iter().all(u8::is_ascii_digit) => {
            &host[..at]
        }
        _ => host,
    }
}

/// What stands before the next quote that no backslash escapes, and what behind it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', text.get(from..)?)?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        from = at + 2;
    }
}

/// Without the escapes of Apache and nginx: `\"`, `\\`, `\xHH`, `\n`, `\t`.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', text) else { return Cow::Borrowed(text) };
    let mut plain = text[..first].to_vec();
    let mut rest = &text[first..];
    while let [byte, tail @ ..] = rest {
        let hexadecimal = |at: usize| char::from(*tail.get(at)?).to_digit(16);
        let (byte, used) = match (byte, tail.first()) {
            (b'\\', Some(b'x')) => match (hexadecimal(1), hexadecimal(2)) {
                // Two hexadecimal digits are below 256.
                (Some(high), Some(low)) => ((high * 16 + low) as u8, 4),
                _ => (b'\\', 1),
            },
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b't')) => (b'\t', 2),
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(other)) => (*other, 2),
            (other, _) => (*other, 1),
        };
        plain.push(byte);
        rest = &rest[used..];
    }
    Cow::Owned(plain)
}

/// How long the answer took: `rt=0.123`, `request_time=0.123`, or the first word that looks like nginx's
/// `$request_time`, which has three decimals.
fn duration(rest: &[u8]) -> Option<i64> {
    rest.split(|&byte| byte == b' ').find_map(|word| {
        let value =
            [&b"rt="[..], b"request_time="].iter().find_map(|name| word.strip_prefix(*name));
        let value = value.unwrap_or(word);
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let value = value.strip_suffix(b"\"").unwrap_or(value);
        let (whole, decimals) = value.split_at_checked(value.len().checked_sub(4)?)?;
        let decimals = time::digits(decimals.strip_prefix(b".")?)?;
        // Ten digits of seconds are more than a log spans.
        let whole = time::digits(whole).filter(|whole| *whole < 1_000_000_000)?;
        Some(whole * 1_000 + decimals)
    })
}
