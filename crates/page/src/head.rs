//! Request and response heads as borrowed views, whoever holds them.

use http::HeaderMap;

/// Header fields that can be read by name.
///
/// Implemented for [`HeaderMap`] and for slices of `(name, value)` pairs; the nginx module
/// implements it over nginx's own lists, so that no head is copied to be judged.
pub trait Headers {
    /// The values of all field lines called `name` (lower case), in order of arrival.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a;

    /// The names of all fields, in any case; one may come more than once.
    fn names(&self) -> impl Iterator<Item = &str>;
}

impl Headers for HeaderMap {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.keys().map(http::HeaderName::as_str)
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.iter()
            .filter(move |(field, _)| field.as_ref().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name.as_ref())
    }
}

/// A request head, as the visitor sent it (before any edit of ours).
#[derive(Debug)]
pub struct RequestHead<'a, H: ?Sized> {
    /// The method, case-sensitive as in RFC 9110.
    pub method: &'a str,
    /// The path as sent, still percent-encoded, without the query.
    pub path: &'a str,
    /// What follows the `?`; `Some("")` when there is a `?` and nothing after it.
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a H,
}

/// A response head, as the site sent it.
#[derive(Debug)]
pub struct ResponseHead<'a, H: ?Sized> {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: &'a H,
}

impl<H: ?Sized> Clone for RequestHead<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: ?Sized> Copy for RequestHead<'_, H> {}

impl<H: ?Sized> Clone for ResponseHead<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: ?Sized> Copy for ResponseHead<'_, H> {}

impl<H: Headers + ?Sized> RequestHead<'_, H> {
    /// Whether a field line of this name is there at all, even an empty one.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.values(name).next().is_some()
    }

    /// Whether the body (or, for HEAD, the head) of a representation is asked for.
    pub(crate) fn is_get_or_head(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }
}

impl<H: Headers + ?Sized> ResponseHead<'_, H> {
    /// Whether a field line of this name is there at all, even an empty one.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.values(name).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_every_line_of_a_field_whatever_its_case() {
        let pairs = [("Vary", "a"), ("Age", "1"), ("vary", "b")];
        let mut map = HeaderMap::new();
        map.append("vary", "a".parse().unwrap());
        map.append("age", "1".parse().unwrap());
        map.append("vary", "b".parse().unwrap());

        assert_eq!(pairs[..].values("vary").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(Headers::values(&map, "vary").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(Headers::values(&map, "etag").count(), 0);
    }
}
