//! URLs that go into a torrent, where a mistake is repeated by every client for as long as it exists.

use anyhow::{Context, bail};
use http::Uri;

/// Longest URL that clients, and `torrent show`, read.
const MAX_URL: usize = 4_096;

/// A web seed (BEP 19). For a directory, clients add its name and the path of each file.
pub(super) fn web_seed(url: &str, directory: Option<&str>) -> anyhow::Result<()> {
    let uri = checked(url, &["http", "https"]).with_context(|| format!("--web-seed {url:?}"))?;
    if let Some(name) = directory
        && (!url.ends_with('/') || uri.query().is_some())
    {
        bail!(
            "--web-seed {url:?}: for a directory give the URL of what {name:?} lies in, with a slash \
             at its end; clients add {name:?} and the path of each file"
        );
    }
    Ok(())
}

/// A tier of trackers (BEP 12): URLs with commas between.
pub(super) fn tracker_tier(urls: &str) -> anyhow::Result<Vec<String>> {
    const SCHEMES: [&str; 5] = ["http", "https", "udp", "ws", "wss"];
    let one = |url: &str| {
        let uri = checked(url, &SCHEMES).with_context(|| format!("--tracker {url:?}"))?;
        if uri.scheme_str() == Some("udp") && uri.port_u16().is_none() {
            bail!("--tracker {url:?}: a udp tracker needs a port");
        }
        Ok(url.to_owned())
    };
    urls.split(',').map(str::trim).map(one).collect()
}

/// Where a later version is to be had (BEP 39).
pub(super) fn update_url(url: &str) -> anyhow::Result<()> {
    checked(url, &["http", "https"]).with_context(|| format!("--update-url {url:?}")).map(drop)
}

fn checked(url: &str, schemes: &[&str]) -> anyhow::Result<Uri> {
    if url.len() > MAX_URL {
        bail!("longer than {MAX_URL} bytes");
    }
    if url.is_empty() {
        bail!("there is nothing");
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || has_bad_escape(url) {
        bail!("spaces, letters beyond ASCII and percent signs must be percent-encoded");
    }
    if url.contains('#') {
        bail!("a fragment (#...) is never sent to a server");
    }
    let starts = |scheme: &&str| {
        url.split_once("://").is_some_and(|(given, _)| given.eq_ignore_ascii_case(scheme))
    };
    if !schemes.iter().any(starts) {
        bail!("must begin with {}://", schemes.join(":// or "));
    }
    let uri: Uri = url.parse().context("not a URL")?;
    let authority = uri.authority().context("names no host")?;
    if authority.as_str().contains('@') {
        bail!("carries a user name or a password, which everybody could read in the torrent");
    }
    if authority.host().is_empty() {
        bail!("names no host");
    }
    if authority.host() != authority.as_str() && authority.port_u16().is_none() {
        bail!("has a port that is none");
    }
    Ok(uri)
}

fn has_bad_escape(url: &str) -> bool {
    url.split('%').skip(1).any(|after| {
        !after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_refused_or_a_url_of_a_host(text in "\\PC*|(https?|udp|wss?)://[\\PC]{0,40}") {
            if web_seed(&text, None).is_ok() {
                let uri: Uri = text.parse().unwrap();
                prop_assert!(uri.host().is_some_and(|host| !host.is_empty()));
                prop_assert!(text.is_ascii() && !text.contains([' ', '#', '@']));
            }
            let _ = tracker_tier(&text);
        }
    }

    #[test]
    fn what_clients_can_use_passes() {
        for url in [
            "https://example.org/a%20b.zip",
            "http://127.0.0.1:8080/",
            "http://[::1]:8080/x?y=z",
            "HTTPS://EXAMPLE.org/x",
        ] {
            web_seed(url, None).unwrap();
        }
        web_seed("https://example.org/files/", Some("x")).unwrap();
        let tier = tracker_tier("udp://t.example:6969/announce, wss://t.example,ws://t/x").unwrap();
        assert_eq!(tier, ["udp://t.example:6969/announce", "wss://t.example", "ws://t/x"]);
        update_url("https://example.org/latest.torrent").unwrap();
    }

    #[test]
    fn what_they_cannot_is_refused_and_named() {
        let said = |error: anyhow::Error| format!("{error:#}");
        for (url, word) in [
            ("", "nothing"),
            ("example.org/x", "http:// or https://"),
            ("ftp://example.org/x", "http:// or https://"),
            ("udp://example.org:1/x", "http:// or https://"),
            ("http://", "URL"),
            ("http:///x", "URL"),
            ("http://a b/", "percent-encoded"),
            ("http://e.org/ä", "percent-encoded"),
            ("http://e.org/%zz", "percent-encoded"),
            ("http://e.org/100%", "percent-encoded"),
            ("http://e.org/\n", "percent-encoded"),
            ("http://e.org/#x", "fragment"),
            ("http://me:secret@e.org/", "password"),
            ("http://e.org:99999/", "port"),
            ("http://e.org:/", "port"),
        ] {
            let error = said(web_seed(url, None).unwrap_err());
            assert!(error.contains(word) && error.contains("--web-seed"), "{url}: {error}");
        }
        let long = format!("http://e.org/{}", "x".repeat(MAX_URL));
        assert!(said(web_seed(&long, None).unwrap_err()).contains("longer"));
        for url in ["https://e.org/x", "https://e.org/?x/"] {
            assert!(said(web_seed(url, Some("dir")).unwrap_err()).contains("slash"));
        }
        for tier in ["", "http://a/,", "http://a/,,http://b/", "udp://t/", "magnet:?x", "tcp://t:1"]
        {
            assert!(said(tracker_tier(tier).unwrap_err()).contains("--tracker"), "{tier}");
        }
        assert!(said(update_url("udp://t:1").unwrap_err()).contains("--update-url"));
    }
}
