//! The request line, and the target without what names the site.

use memchr::{memchr, memmem};

/// Method and target of `GET /a.zip HTTP/1.1`. What is none, such as a TLS handshake sent to a plain port,
/// is a method that no rule knows.
pub(super) fn request(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(space) = memchr(b' ', line) else { return (line, b"") };
    let (method, rest) = (&line[..space], &line[space + 1..]);
    // HTTP/0.9 has no version.
    let target = match rest.iter().rposition(|&byte| byte == b' ') {
        Some(at) if rest[at + 1..].starts_with(b"HTTP/") => &rest[..at],
        _ => rest,
    };
    (method, path_of(target))
}

/// A target as proxies are asked (`GET http://example.org/a.zip`) is that of its path.
pub(super) fn path_of(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    match memmem::find(target, b"://") {
        Some(at) if at < 8 => {
            let rest = &target[at + 3..];
            memchr(b'/', rest).map_or(b"/", |at| &rest[at..])
        }
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_has_three_words_or_fewer() {
        for (line, method, target) in [
            ("GET /a.zip HTTP/1.1", "GET", "/a.zip"),
            ("GET /a b.zip HTTP/2.0", "GET", "/a b.zip"),
            ("GET /", "GET", "/"),
            ("GET http://example.org/a?b HTTP/1.0", "GET", "/a?b"),
            ("GET https://example.org HTTP/1.0", "GET", "/"),
            ("GET /?u=http://x/ HTTP/1.0", "GET", "/?u=http://x/"),
            ("-", "-", ""),
            ("", "", ""),
            ("\u{16}\u{3}", "\u{16}\u{3}", ""),
        ] {
            assert_eq!(request(line.as_bytes()), (method.as_bytes(), target.as_bytes()), "{line}");
        }
    }
}
