//! URLs: which name a file for everybody, and which are keys to one.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The longest value of a parameter that only breaks caches: a SHA-256 in hexadecimal.
const MAX_VALUE: usize = 64;

/// Names of parameters that carry signatures, keys, sessions, persons or the time these end, as they come
/// out of [`folded`].
const CREDENTIALS: [&str; 113] = [
    "account",
    "acl",
    "ak",
    "aspsessionid",
    "bcdn",
    "cfid",
    "cftoken",
    "code",
    "deadline",
    "deviceid",
    "digest",
    "docid",
    "e",
    "ei",
    "email",
    "ex",
    "exp",
    "expiration",
    "expire",
    "expires",
    "expiry",
    "gda",
    "googleaccessid",
    "gsessionid",
    "guid",
    "h",
    "hdnea",
    "hdntl",
    "hdnts",
    "hm",
    "hmac",
    "invite",
    "jsessionid",
    "key",
    "keypairid",
    "kid",
    "login",
    "lsig",
    "mac",
    "mail",
    "md5",
    "nauthsig",
    "nid",
    "ocsig",
    "oe",
    "oh",
    "otp",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "phpsessid",
    "pin",
    "playsessionid",
    "plexsession",
    "policy",
    "pw",
    "pwd",
    "qak",
    "relaystate",
    "resid",
    "rscc",
    "rscd",
    "rsce",
    "rscl",
    "rsct",
    "s",
    "samlart",
    "samlrequest",
    "samlresponse",
    "saoid",
    "scid",
    "sdd",
    "se",
    "ses",
    "sessid",
    "share",
    "shared",
    "sharedname",
    "sid",
    "sig",
    "sign",
    "sip",
    "sk",
    "ske",
    "skoid",
    "sks",
    "skt",
    "sktid",
    "skv",
    "sp",
    "spr",
    "sr",
    "srt",
    "ss",
    "ssid",
    "st",
    "state",
    "suoid",
    "sv",
    "ticket",
    "tk",
    "totp",
    "ttl",
    "uid",
    "uparams",
    "upn",
    "upsig",
    "user",
    "userid",
    "username",
    "uuid",
    "verify",
];

/// What such a name may begin with: presigned URLs of object stores (Amazon, Google, Azure, Alibaba,
/// Tencent, Huawei, Baidu, Volcano, OpenStack Swift), Akamai's tokens, ASP's sessions.
const BEGINNINGS: [&str; 14] = [
    "xamz",
    "xgoog",
    "xms",
    "xoss",
    "xcos",
    "xobs",
    "xbce",
    "xtos",
    "xplex",
    "qsign",
    "qkey",
    "tempurl",
    "hdn",
    "aspsession",
];

/// What such a name may hold.
const PARTS: [&str; 17] = [
    "accesskey",
    "apikey",
    "auth",
    "credential",
    "csrf",
    "expir",
    "hmac",
    "jwt",
    "keypair",
    "nonce",
    "passw",
    "secret",
    "session",
    "signature",
    "signed",
    "token",
    "xsrf",
];

/// A name in the one spelling that is looked up: lower case, letters and digits alone, so that
/// `X-Amz-Signature`, `x_amz_signature` and `__token__[]` are what they are.
fn folded(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a parameter of this name is known to carry a signature, a key, a session or a person.
pub(crate) fn is_credential(name: &str) -> bool {
    let name = folded(name);
    CREDENTIALS.binary_search(&name.as_str()).is_ok()
        || name.ends_with("key")
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || PARTS.iter().any(|part| name.contains(part))
}

/// Whether a URL is a key to what it names: signed, or with a session, a password or a share's token in
/// it. Whoever learns such a URL gets the file, so it must never stand in a torrent.
pub(crate) fn is_key(path: &str, query: Option<&str>) -> bool {
    query.is_some_and(has_credentials) || is_key_path(path)
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Whether any parameter carries one, by its name or by what it is.
fn has_credentials(parameters: &str) -> bool {
    // Decoded first: an escaped separator may still be one to somebody.
    decoded(parameters).split(['&', ';', ',', '~', '?']).any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        is_credential(name) || is_web_token(value)
    })
}

fn is_key_path(path: &str) -> bool {
    let path = decoded(path);
    let (mut before, mut earlier) = ("", "");
    path.split('/').any(|segment| {
        let key = is_key_segment(segment)
            || is_link_with_time(before, segment)
            || is_share(earlier, segment);
        (earlier, before) = (before, segment);
        key
    })
}

fn is_key_segment(segment: &str) -> bool {
    // `file.zip;jsessionid=…`, `exp=…~acl=…~hmac=…`
    let parameters = segment.contains('=') && has_credentials(segment)
        || segment.split_once(';').is_some_and(|(_, parameters)| has_credentials(parameters));
    // `user:password@host`
    let userinfo = segment.split_once('@').is_some_and(|(user, _)| user.contains(':'));
    // Telegram: `/file/bot<number>:<key>/…`
    let bot = segment
        .strip_prefix("bot")
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
    parameters || userinfo || bot || is_web_token(segment)
}

/// A JSON Web Token (RFC 7519): `eyJ` is how `{"` begins in Base64.
fn is_web_token(text: &str) -> bool {
    text.len() >= 20 && text.starts_with("eyJ") && text.bytes().all(is_base64url_or_dot)
}

fn is_base64url_or_dot(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// A digest beside the time it ends, in either order, as nginx's `secure_link` and lighttpd's
/// `mod_secdownload` have them in paths.
fn is_link_with_time(one: &str, other: &str) -> bool {
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digest = |text: &str| match text.len() {
        32 | 40 | 64 => hexadecimal(text),
        22 | 27 | 43 => text.bytes().all(is_base64url_or_dot),
        _ => false,
    };
    let time = |text: &str| match text.len() {
        10 => text.bytes().all(|byte| byte.is_ascii_digit()),
        8 => hexadecimal(text) && text.starts_with(['5', '6', '7', '8']),
        _ => false,
    };
    digest(one) && time(other) || time(one) && digest(other)
}

/// Where software in wide use keeps what only holders of a link should find: Nextcloud and ownCloud
/// (`/s/<token>/download`, `/public.php/…`, `/remote.php/…`), Seafile, Slack, Synology.
fn is_share(earlier: &str, segment: &str) -> bool {
    const PLACES: [&str; 5] = ["public.php", "remote.php", "seafhttp", "files-pri", "fsdownload"];
    let download = earlier.eq_ignore_ascii_case("s") && segment.eq_ignore_ascii_case("download");
    download || PLACES.iter().any(|place| segment.eq_ignore_ascii_case(place))
}

/// Whether a query only breaks caches: each parameter one of `names`, once, with a short plain value.
pub(crate) fn only_breaks_caches(query: &str, names: &[String]) -> bool {
    let mut seen = Vec::new();
    query.split('&').all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        let plain = (1..=MAX_VALUE).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let known = plain && names.iter().any(|known| known == name) && !seen.contains(&name);
        seen.push(name);
        known
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched_and_holds_what_is_looked_up() {
        assert!(CREDENTIALS.is_sorted());
        for name in CREDENTIALS.iter().chain(&BEGINNINGS).chain(&PARTS) {
            assert_eq!(*name, folded(name));
        }
    }

    #[test]
    fn credentials_are_told_by_name_in_any_spelling() {
        for name in [
            "sig",
            "Signature",
            "TOKEN",
            "access_token",
            "X-Amz-Signature",
            "x_amz_credential",
            "x-goog-algorithm",
            "AWSAccessKeyId",
            "Key-Pair-Id",
            "Policy",
            "se",
            "sp",
            "sv",
            "sr",
            "hdnea",
            "hdnts",
            "__token__",
            "token[]",
            "api_key",
            "apikey",
            "key",
            "rlkey",
            "private_token",
            "jsessionid",
            "PHPSESSID",
            "ASPSESSIONIDQQ",
            "temp_url_sig",
            "q-sign-algorithm",
            "q-key-time",
            "oauth_nonce",
            "authuser",
            "X-Plex-Token",
            "md5",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in
            ["v", "ver", "version", "rev", "build", "t", "ts", "cb", "_", "bust", "hash", ""]
        {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn paths_may_be_keys() {
        for path in [
            "/a.zip;jsessionid=1",
            "/a.zip;JSESSIONID",
            "/a.zip%3Bjsessionid=1",
            "/exp=1700000000~acl=%2f*~hmac=00/a.zip",
            "/hdnea=st=1~exp=2/a.zip",
            "/bcdn_token=x&expires=1/a.zip",
            "/user:password@example.org/a.zip",
            "/user%3Apassword%40example.org/a.zip",
            "/file/bot12345:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/a.zip",
            "/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln/a.zip",
            "/0123456789abcdef0123456789abcdef/1700000000/a.zip",
            "/1700000000/0123456789abcdef0123456789abcdef/a.zip",
            "/0123456789abcdef0123456789abcdef/6553f100/a.zip",
            "/p/c8Vn-1N4s0w_8nY3bL9Qzg/1700000000/a.zip",
            "/s/AbCdEfGhIjKlMnO/download/a.zip",
            "/index.php/s/AbCdEfGhIjKlMnO/download",
            "/public.php/dav/files/AbCdEfGhIjKlMnO/a.zip",
            "/seafhttp/files/9f1c/a.zip",
            "/files-pri/T0-F0/download/a.zip",
        ] {
            assert!(is_key(path, None), "{path}");
        }
        for path in [
            "",
            "/",
            "/a.zip",
            "/static/app.0123456789abcdef0123456789abcdef.zip",
            "/0123456789abcdef0123456789abcdef/a.zip",
            "/2023/11/14/a.zip",
            "/@scope/package/a.tgz",
            "/a=b.zip",
            "/downloads/s/a.zip",
            "/pool/main/e/e2fsprogs/e2fsprogs_1.47.0-2_amd64.deb",
            "/x%3D1%2C2.zip",
        ] {
            assert!(!is_key(path, None), "{path}");
        }
    }

    #[test]
    fn only_named_plain_parameters_break_caches() {
        let names = ["v".to_owned(), "_".to_owned()];
        let long = format!("v={}", "a".repeat(64));
        for query in ["v=1", "v=2.0-rc_1", "_=1700000000000", "v=1&_=2", "_=2&v=1", &long] {
            assert!(only_breaks_caches(query, &names), "{query}");
        }
        let longer = format!("{long}a");
        for query in [
            "", "v", "v=", "=1", "v=1&", "&v=1", "v=1&v=2", "V=1", "w=1", "v=1&w=1", "v=a b",
            "v=%31", "%76=1", "v=1;w=2", "v=1=2", "v=a/b", "v=\u{e9}", "v=1?v=2", "v=1#", &longer,
        ] {
            assert!(!only_breaks_caches(query, &names), "{query}");
        }
        assert!(!only_breaks_caches("v=1", &[]));
    }

    proptest::proptest! {
        #[test]
        fn no_url_makes_it_panic(path in "\\PC{0,60}", query in proptest::option::of("\\PC{0,60}")) {
            is_key(&path, query.as_deref());
            let _ = query.map(|query| only_breaks_caches(&query, &["v".to_owned()]));
        }

        /// However it is dressed, a credential is found.
        #[test]
        fn a_credential_among_others_is_found(
            before in proptest::sample::select(vec!["", "v=1&", "a=%26&", "x;", "&&"]),
            name in proptest::sample::select(CREDENTIALS.to_vec()),
            upper in proptest::prelude::any::<bool>(),
            escaped in proptest::prelude::any::<bool>(),
            after in proptest::sample::select(vec!["", "=", "=x", "=x&v=1", "=%00"]),
        ) {
            let name = if upper { name.to_ascii_uppercase() } else { name.to_owned() };
            let name = match escaped {
                true => name.bytes().map(|byte| format!("%{byte:02x}")).collect(),
                false => name,
            };
            let query = format!("{before}{name}{after}");
            proptest::prop_assert!(is_key("/a.zip", Some(&query)), "{}", query);
        }
    }
}
