//! No private answer is offered. Requests, answers and URLs as they are met in the field, each with a mark
//! that was put there by hand from what the RFC or the maker's manual says of it: may everybody have this?
//! The oracle is the conjunction of the three marks. It parses nothing.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::collections::HashSet;

use manyhands_page::{Decision, Policy, RequestHead, ResponseHead, plan};

type Line = (&'static str, &'static str);

/// Everybody may have it.
const YES: bool = true;
/// It is for somebody, or nobody can be sure that it is for all.
const NO: bool = false;

const BASE: &[Line] =
    &[("content-type", "application/zip"), ("content-length", "5000000"), ("etag", "\"v1\"")];

/// Paths with queries. The policy has `queries = ["v", "ver"]` and `exclude = ["/intranet/"]`.
const URLS: &[(&str, bool)] = &[
    // Plain files
    ("/big.zip", YES),
    ("/pub/a%20b/big.tar.gz", YES),
    ("/%7Euser/film.mp4", YES),
    ("/owner/project/releases/download/v1.2.3/project-1.2.3-linux.zip", YES),
    ("/debian/pool/main/l/linux/linux-image_6.1.0+1~bpo12_amd64.deb", YES),
    ("/@scope/package/-/package-1.0.0.tgz", YES),
    ("/static/media/intro.5f2c9a41d8e07b36.mp4", YES),
    ("/blobs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.zip", YES),
    ("/2026/11/22/episode-12.mp3", YES),
    ("/%E6%96%87%E4%BB%B6.zip", YES),
    // Cache busters
    ("/big.zip?v=1.2.3", YES),
    ("/big.zip?ver=2026-11-22&v=5f2c9a41", YES),
    ("/big.zip?v=", NO),
    ("/big.zip?v", NO),
    ("/big.zip?v=1&v=2", NO),
    ("/big.zip?V=1", NO),
    ("/big.zip?v=%31", NO),
    ("/big.zip?v=../x", NO),
    ("/big.zip?v=1&w=2", NO),
    ("/big.zip?v=1;w=2", NO),
    ("/big.zip?v=1&", NO),
    ("/big.zip?v=00000000000000000000000000000000000000000000000000000000000000000", NO),
    ("/big.zip?v=1&token=5f2c9a41", NO),
    ("/big.zip?v=eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", NO),
    ("/big.zip?", NO),
    ("/big.zip?id=7", NO),
    // Amazon S3, version 4 and 2
    (
        "/bucket/big.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027d0",
        NO,
    ),
    (
        "/bucket/big.zip?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1141889120&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D",
        NO,
    ),
    // CloudFront, canned and custom policy
    (
        "/big.zip?Expires=1357034400&Signature=nitfHRCrtziwO2HwPfWw~yYDhUF5EwRunQA&Key-Pair-Id=K2JCJMDEHXQW5F",
        NO,
    ),
    (
        "/big.zip?Policy=eyANCiAgICEXAMPLEW1lbnQiOiBbeyANCiAgICAgICJSZXNvdXJjZSI6Imh0dHA6&Signature=nitfHRC&Key-Pair-Id=K2JCJMDEHXQW5F",
        NO,
    ),
    // Google Cloud Storage, Media CDN
    (
        "/bucket/big.zip?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=x%40y.iam.gserviceaccount.com&X-Goog-Signature=247a2aa4",
        NO,
    ),
    (
        "/bucket/big.zip?GoogleAccessId=x@y.iam.gserviceaccount.com&Expires=1458238630&Signature=VVUgfqviDCov",
        NO,
    ),
    ("/big.zip?Expires=1664546800&KeyName=key-set&Signature=8iPjbLS", NO),
    ("/edge-cache-token=URLPrefix=aHR0cHM6&Expires=1664546800&KeyName=k&Signature=x/big.zip", NO),
    // Azure, account and user delegation SAS
    (
        "/container/big.zip?sp=r&st=2026-11-22T00:00:00Z&se=2026-11-23T00:00:00Z&spr=https&sv=2022-11-02&sr=b&sig=Rcp6gQRfV7WDlURdVTqCa%2BqEArnfJxDgE%2BKH3TCChIs%3D",
        NO,
    ),
    (
        "/container/big.zip?skoid=3e0c&sktid=72f9&skt=2026-11-22&ske=2026-11-23&sks=b&skv=2022-11-02&sig=x",
        NO,
    ),
    ("/container/big.zip?se=2026-11-23", NO),
    // Other object stores: Alibaba, Tencent, Huawei, Swift, Backblaze
    ("/big.zip?OSSAccessKeyId=LTAI&Expires=1700000000&Signature=x&security-token=y", NO),
    (
        "/big.zip?q-sign-algorithm=sha1&q-ak=AKID&q-sign-time=1;2&q-key-time=1;2&q-header-list=&q-url-param-list=&q-signature=x",
        NO,
    ),
    ("/big.zip?AccessKeyId=x&Expires=1&x-obs-security-token=y", NO),
    (
        "/v1/AUTH_account/container/big.zip?temp_url_sig=732fcac368abb10c78a4&temp_url_expires=1440619048",
        NO,
    ),
    ("/file/bucket/big.zip?Authorization=3_20260101000000_x", NO),
    // Akamai, in the query and in the path
    ("/big.zip?hdnea=st=1700000000~exp=1700003600~acl=/*~hmac=5f2c9a41", NO),
    ("/big.zip?hdnts=exp=1700003600~acl=/*~hmac=5f2c9a41", NO),
    ("/big.zip?__token__=exp=1700003600~hmac=5f2c9a41", NO),
    ("/hdntl=exp=1700003600~acl=%2f*~data=hdntl~hmac=5f2c9a41/big.zip", NO),
    ("/exp=1700003600~acl=%2f*~hmac=5f2c9a41/big.zip", NO),
    // Fastly, Bunny, KeyCDN, Cloudflare, nginx secure_link, lighttpd secdownload
    ("/big.zip?token=1700003600_5f2c9a41d8e07b36", NO),
    ("/big.zip?token=x&expires=1700003600&token_path=/", NO),
    ("/bcdn_token=x&expires=1700003600&token_path=%2F/big.zip", NO),
    ("/big.zip?token=x&expire=1700003600", NO),
    ("/big.zip?verify=1700003600-x%3D", NO),
    ("/big.zip?md5=c8Vn-1N4s0w_8nY3bL9Qzg&expires=1700003600", NO),
    ("/big.zip?st=c8Vn-1N4s0w_8nY3bL9Qzg&e=1700003600", NO),
    ("/video/c8Vn-1N4s0w_8nY3bL9Qzg/1700003600/big.zip", NO),
    ("/dl/5f2c9a41d8e07b365f2c9a41d8e07b36/6553f100/big.zip", NO),
    // Sessions
    ("/big.zip;jsessionid=1A530637289A03B07199A44E8D531427", NO),
    ("/big.zip%3bJSESSIONID=1A530637289A03B07199A44E8D531427", NO),
    ("/big.zip;v=1", NO),
    ("/big.zip?PHPSESSID=298zf09hf012fh2", NO),
    ("/big.zip?ASPSESSIONIDQQABCDEF=x", NO),
    ("/big.zip?sid=298zf09hf012fh2", NO),
    // GitHub, GitLab, Bitbucket
    ("/owner/project/main/big.zip?token=AAAAB3NzaC1yc2EAAAADAQABAAAB", NO),
    ("/owner/project/-/archive/main/big.zip?private_token=glpat-xxxxxxxxxxxxxxxxxxxx", NO),
    ("/api/v4/projects/1/jobs/2/artifacts/big.zip?job_token=64_x", NO),
    ("/owner/project/downloads/big.zip?jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", NO),
    // Shares: Nextcloud, ownCloud, Seafile, Dropbox, OneDrive, SharePoint, Google Drive
    ("/index.php/s/AbCdEfGhIjKlMnO/download", NO),
    ("/s/AbCdEfGhIjKlMnO/download/big.zip", NO),
    ("/s/AbCdEfGhIjKlMnO/download?path=%2F&files=big.zip", NO),
    ("/public.php/dav/files/AbCdEfGhIjKlMnO/big.zip", NO),
    ("/remote.php/dav/files/user/big.zip", NO),
    ("/seafhttp/files/0b6ef5f9-32d0-4b5b-9a4f-2d0b7d8f5c11/big.zip", NO),
    ("/f/7a1f2c/?dl=1", NO),
    ("/scl/fi/abc/big.zip?rlkey=l1aufk5dcmi5&dl=1", NO),
    ("/download.aspx?resid=1&authkey=%21AK", NO),
    ("/big.zip?tempauth=v1.eyJzaXRlaWQiOiI", NO),
    ("/uc?export=download&id=0B1&resourcekey=0-x", NO),
    // Messengers: Slack, Discord, Telegram, Mattermost
    ("/files-pri/T024BE7LD-F024BERPE/download/big.zip", NO),
    ("/files-pri/T024BE7LD-F024BERPE/big.zip?pub_secret=8004f909b1", NO),
    ("/attachments/1/2/big.zip?ex=65d903de&is=65c68ede&hm=2481f30d", NO),
    ("/file/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/documents/big.zip", NO),
    ("/files/o5j1x8/public?h=5f2c9a41", NO),
    // Media servers, learning, shops
    ("/Items/1/Download?api_key=5f2c9a41", NO),
    ("/library/parts/1/file.zip?download=1&X-Plex-Token=5f2c9a41", NO),
    ("/webservice/pluginfile.php/1/big.zip?token=5f2c9a41&forcedownload=1", NO),
    ("/wp-content/big.zip?_wpnonce=5f2c9a41", NO),
    ("/reset/big.zip?email=somebody%40example.org", NO),
    // Tokens and names in paths
    ("/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl/big.zip", NO),
    ("/user:password@example.org/big.zip", NO),
    ("/user%3apassword%40example.org/big.zip", NO),
    // Excluded
    ("/intranet/big.zip", NO),
    ("/Intranet/big.zip", NO),
    ("/%69ntranet/big.zip", NO),
    ("/pub/../intranet/big.zip", NO),
    // Two readings, or no file
    ("/", NO),
    ("/pub/", NO),
    ("big.zip", NO),
    ("*", NO),
    ("/a//big.zip", NO),
    ("/../big.zip", NO),
    ("/a%2Fbig.zip", NO),
    ("/a%5Cbig.zip", NO),
    ("/a%00.zip", NO),
    ("/a%zz.zip", NO),
    ("/%ff.zip", NO),
    ("/%c0%afbig.zip", NO),
    ("/.well-known/manyhands/manifest/big.zip", NO),
    ("/.well-known/manyhands/status.json", NO),
];

const REQUESTS: &[(&[Line], bool)] = &[
    (&[], YES),
    (&[("accept", "*/*"), ("accept-encoding", "gzip, br"), ("user-agent", "x")], YES),
    (&[("referer", "https://example.org/"), ("accept-language", "en")], YES),
    (&[("sec-fetch-dest", "document"), ("sec-ch-ua-mobile", "?0"), ("sec-gpc", "1")], YES),
    (&[("cache-control", "no-cache"), ("pragma", "no-cache")], YES),
    (&[("content-length", "0")], YES),
    (&[("cookie", "manyhands_b=512")], YES),
    (&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")], YES),
    (&[("cookie", "session=1")], NO),
    (&[("cookie", "manyhands_b=512; session=1")], NO),
    (&[("cookie", "manyhands_b=512"), ("cookie", "session=1")], NO),
    (&[("cookie", "")], NO),
    (&[("Cookie", "session=1")], NO),
    (&[("authorization", "Basic dXNlcjpwYXNz")], NO),
    (&[("AUTHORIZATION", "")], NO),
    (&[("proxy-authorization", "Basic dXNlcjpwYXNz")], NO),
    (&[("x-api-key", "k")], NO),
    (&[("private-token", "glpat-x")], NO),
    (&[("x-amz-security-token", "x")], NO),
    (&[("cf-access-jwt-assertion", "eyJ")], NO),
    (&[("x-forwarded-user", "somebody")], NO),
    (&[("x-forwarded-client-cert", "By=x")], NO),
    (&[("ssl-client-verify", "SUCCESS")], NO),
    (&[("remote-user", "somebody")], NO),
    (&[("tailscale-user-login", "somebody")], NO),
    (&[("dpop", "x")], NO),
    (&[("sec-session-response", "x")], NO),
    (&[("x-csrf-token", "x")], NO),
    (&[("x-http-method-override", "DELETE")], NO),
    (&[("x-original-url", "/admin")], NO),
    (&[("content-length", "9")], NO),
    (&[("transfer-encoding", "chunked")], NO),
    (&[("cache-control", "no-store")], NO),
    (&[("cache-control", "max-age=0, NO-STORE")], NO),
];

/// Lines in place of their namesakes in [`BASE`].
const ANSWERS: &[(&[Line], bool)] = &[
    (&[], YES),
    (&[("cache-control", "public, max-age=31536000, immutable")], YES),
    (&[("cache-control", "Max-Age=60 , PUBLIC")], YES),
    (&[("cache-control", "max-age=60"), ("cache-control", "must-revalidate")], YES),
    (&[("cache-control", "public, max-age=0, must-revalidate")], YES),
    (&[("cache-control", "s-maxage=600, stale-while-revalidate=30, stale-if-error=1")], YES),
    (&[("cache-control", "max-age=604800, must-understand")], YES),
    (&[("cache-control", "no-transform")], YES),
    (&[("cache-control", " , ,public,")], YES),
    (&[("cdn-cache-control", "max-age=600")], YES),
    (&[("vary", "Accept-Encoding")], YES),
    (&[("vary", "accept-encoding , ACCEPT-ENCODING"), ("vary", "")], YES),
    (&[("expires", "Thu, 01 Dec 2033 16:00:00 GMT")], YES),
    (&[("content-disposition", "attachment; filename=\"a, b; c.zip\"")], YES),
    (&[("content-disposition", "inline")], YES),
    (&[("content-encoding", "identity")], YES),
    (&[("content-type", "video/mp4; codecs=\"avc1.4d002a, mp4a.40.2\"")], YES),
    (&[("content-type", "APPLICATION/X-TAR")], YES),
    (&[("etag", "\"a,b;c=W/\\\"")], YES),
    (&[("etag", "\"\"")], YES),
    (&[("access-control-allow-origin", "*"), ("server", "x"), ("age", "9")], YES),
    (&[("strict-transport-security", "max-age=1"), ("x-content-type-options", "nosniff")], YES),
    // RFC 9111: what caches must not keep, or not for all
    (&[("cache-control", "private")], NO),
    (&[("cache-control", "PRIVATE")], NO),
    (&[("cache-control", "private, max-age=60")], NO),
    (&[("cache-control", "max-age=60,private")], NO),
    (&[("cache-control", "public, private")], NO),
    (&[("cache-control", "private=\"x-name\"")], NO),
    (&[("cache-control", "private=\"a, b\", public")], NO),
    (&[("cache-control", "max-age=60"), ("cache-control", "private")], NO),
    (&[("Cache-Control", "private"), ("cache-control", "public")], NO),
    (&[("cache-control", "no-store")], NO),
    (&[("cache-control", "must-understand, no-store")], NO),
    (&[("cache-control", "no-store, no-cache, must-revalidate, post-check=0, pre-check=0")], NO),
    (&[("cache-control", "no-cache")], NO),
    (&[("cache-control", "no-cache=\"set-cookie\"")], NO),
    (&[("cache-control", "public\t,\tno-cache")], NO),
    (&[("cache-control", "public, s-maxage=0")], NO),
    (&[("cache-control", "S-MaxAge=00, max-age=60")], NO),
    (&[("pragma", "no-cache")], NO),
    (&[("pragma", "")], NO),
    // Not plain
    (&[("cache-control", "public, nostore")], NO),
    (&[("cache-control", "no_store")], NO),
    (&[("cache-control", "privat")], NO),
    (&[("cache-control", "'private'")], NO),
    (&[("cache-control", "\"private\"")], NO),
    (&[("cache-control", "public private")], NO),
    (&[("cache-control", "public; private")], NO),
    (&[("cache-control", "x=\"private")], NO),
    (&[("cache-control", "x=\"a"), ("cache-control", "b\", public")], NO),
    (&[("cache-control", "max-age=-1")], NO),
    (&[("cache-control", "max-age=1, max-age=2")], NO),
    (&[("cache-control", "max-age =60")], NO),
    (&[("cache-control", "max-age= 60")], NO),
    (&[("cache-control", "max-age")], NO),
    (&[("cache-control", "public=yes")], NO),
    (&[("cache-control", "public, \u{440}rivate")], NO),
    (&[("cache-control", "group=\"staff\"")], NO),
    // For the caches of somebody else, as visitors are
    (&[("cdn-cache-control", "private")], NO),
    (&[("CDN-Cache-Control", "no-store")], NO),
    (&[("cdn-cache-control", "max-age=0")], NO),
    (&[("cloudflare-cdn-cache-control", "no-cache")], NO),
    (&[("vercel-cdn-cache-control", "private")], NO),
    (&[("akamai-cache-control", "no-store")], NO),
    (&[("surrogate-control", "no-store")], NO),
    (&[("surrogate-control", "no-store-remote, max-age=60")], NO),
    (&[("surrogate-control", "content=\"ESI/1.0\"")], NO),
    (&[("edge-control", "no-store")], NO),
    (&[("edge-control", "!no-store, cache-maxage=1h")], NO),
    // Varying
    (&[("vary", "*")], NO),
    (&[("vary", "Cookie")], NO),
    (&[("vary", "Authorization")], NO),
    (&[("vary", "Accept-Encoding, Cookie")], NO),
    (&[("vary", "Accept-Encoding"), ("vary", "Cookie")], NO),
    (&[("vary", "Origin, Access-Control-Request-Headers")], NO),
    (&[("vary", "negotiate,accept-language")], NO),
    (&[("vary", "Accept-Encoding;q=1")], NO),
    (&[("vary", "\"Accept-Encoding\"")], NO),
    (&[("vary", "Accept\u{2d}Encoding\u{a0}")], NO),
    // Sessions and authentication
    (&[("set-cookie", "session=1; HttpOnly")], NO),
    (&[("set-cookie", "")], NO),
    (&[("Set-Cookie", "lang=en"), ("cache-control", "public")], NO),
    (&[("set-cookie2", "a=b")], NO),
    (&[("www-authenticate", "Negotiate oYG")], NO),
    (&[("proxy-authenticate", "Basic")], NO),
    (&[("authentication-info", "nextnonce=\"x\"")], NO),
    (&[("proxy-authentication-info", "x")], NO),
    (&[("authentication-control", "x")], NO),
    (&[("set-login", "logged-in")], NO),
    (&[("sec-session-registration", "(ES256);path=\"/\"")], NO),
    (&[("clear-site-data", "\"cookies\"")], NO),
    // What may run in a page, or is none of the kinds that are shared
    (&[("content-type", "text/html")], NO),
    (&[("content-type", "Text/HTML; charset=utf-8")], NO),
    (&[("content-type", "application/xhtml+xml")], NO),
    (&[("content-type", "image/svg+xml")], NO),
    (&[("content-type", "text/javascript")], NO),
    (&[("content-type", "text/css")], NO),
    (&[("content-type", "application/wasm")], NO),
    (&[("content-type", "application/pdf")], NO),
    (&[("content-type", "application/json")], NO),
    (&[("content-type", "multipart/byteranges; boundary=x")], NO),
    (&[("content-type", "message/rfc822")], NO),
    (&[("content-type", "application/signed-exchange;v=b3")], NO),
    (&[("content-type", "application/zip, text/html")], NO),
    (&[("content-type", "text/html, application/zip")], NO),
    (&[("content-type", "application/zip"), ("content-type", "text/html")], NO),
    (&[("content-type", "application/zip; a=1; a=2")], NO),
    (&[("content-type", "application/zip\u{a0}")], NO),
    (&[("content-type", "application/zip; name=\"\u{e9}.zip\"")], NO),
    (&[("content-type", "")], NO),
    // Not the plain bytes of the whole
    (&[("content-encoding", "gzip")], NO),
    (&[("content-encoding", "identity"), ("content-encoding", "br")], NO),
    (&[("content-encoding", "")], NO),
    (&[("content-range", "bytes 0-4999999/5000000")], NO),
    (&[("content-length", "5000000"), ("content-length", "5000000")], NO),
    (&[("content-length", "5000000, 5000000")], NO),
    (&[("content-length", "-5000000")], NO),
    (&[("content-length", "5e6")], NO),
    (&[("content-length", "18446744073709551616")], NO),
    (&[("content-length", "1048575")], NO),
    (&[("content-length", "4294967297")], NO),
    (&[("transfer-encoding", "chunked")], NO),
    (&[("content-disposition", "form-data; name=x")], NO),
    (&[("content-disposition", "attachment; filename=a b.zip")], NO),
    // No version
    (&[("etag", "W/\"v1\"")], NO),
    (&[("etag", "v1")], NO),
    (&[("etag", "\"v 1\"")], NO),
    (&[("etag", "\"v1\", \"v2\"")], NO),
    (&[("etag", "\"v1\""), ("etag", "\"v2\"")], NO),
    (&[("etag", "\"v\u{e9}\"")], NO),
    (&[("etag", "\"v1")], NO),
    (&[("etag", "*")], NO),
];

/// The policy that the marks of [`URLS`] are for.
fn policy() -> Policy {
    Policy::default().with_queries(["v", "ver"]).unwrap().with_exclude(["/intranet/"]).unwrap()
}

fn answer(lines: &[Line]) -> Vec<Line> {
    let replaced = |base: &&Line| !lines.iter().any(|line| line.0 == base.0);
    BASE.iter().filter(replaced).chain(lines).copied().collect()
}

fn offered(
    method: &str,
    url: &str,
    asked: &[Line],
    status: u16,
    lines: &[Line],
    policy: &Policy,
) -> Option<String> {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let request = RequestHead { method, path, query, headers: asked };
    let response = ResponseHead { status, headers: lines };
    match plan(&request, &response, policy, false).decision {
        Decision::Asset(offer) => Some(offer.path.as_str().to_owned()),
        Decision::Page(_) | Decision::PassThrough(_) => None,
    }
}

#[test]
fn what_is_not_for_everybody_is_never_offered_and_all_else_is() {
    let policy = policy();
    let answers: Vec<_> =
        ANSWERS.iter().map(|(lines, for_all)| (answer(lines), *for_all)).collect();
    // 400 combinations of headers on 30 shapes of URLs were the goal.
    assert!(REQUESTS.len() * answers.len() >= 4_000 && URLS.len() >= 100);
    let distinct: HashSet<_> = URLS.iter().map(|(url, _)| url).collect();
    assert_eq!(distinct.len(), URLS.len());

    let (mut cases, mut shared) = (0, 0);
    for (asked, anybody) in REQUESTS {
        for (lines, public) in &answers {
            for (url, plain) in URLS {
                let offered = offered("GET", url, asked, 200, lines, &policy);
                let may = *anybody && *public && *plain;
                assert_eq!(offered.is_some(), may, "{url} {asked:?} {lines:?}");
                // Nothing but the path is ever published.
                let bare = |path: &String| !path.contains(['?', '&', '=', ';', '#']);
                assert!(offered.as_ref().is_none_or(bare), "{offered:?}");
                cases += 1;
                shared += usize::from(may);
            }
        }
    }
    assert!(cases > 400_000 && shared > 2_000, "{shared} of {cases}");
}

#[test]
fn only_a_successful_question_is_answered_for_everybody() {
    let policy = policy();
    for (lines, public) in ANSWERS {
        let lines = answer(lines);
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get", "QUERY"] {
            for status in [200, 201, 203, 204, 206, 226, 301, 304, 307, 401, 403, 404, 410, 500] {
                let may = *public && status == 200 && matches!(method, "GET" | "HEAD");
                let offered = offered(method, "/big.zip", &[], status, &lines, &policy);
                assert_eq!(offered.is_some(), may, "{method} {status} {lines:?}");
            }
        }
    }
}

/// What no setting opens: the answers, requests and URLs above, with everything allowed that can be.
#[test]
fn no_setting_publishes_what_is_private() {
    let open = Policy::default()
        .with_public(["/"])
        .and_then(|policy| policy.with_immutable(["/"]))
        .and_then(|policy| policy.with_sizes(0, u64::MAX))
        .and_then(|policy| policy.with_types(["application/zip", "application/pdf", "video/*"]))
        .and_then(|policy| policy.with_queries(["v", "id", "files", "path", "dl", "download"]))
        .unwrap();
    let of_cookies =
        |lines: &[Line]| lines.iter().any(|line| line.0.eq_ignore_ascii_case("cookie"));
    for (asked, anybody) in REQUESTS {
        if !anybody && !of_cookies(asked) {
            assert_eq!(offered("GET", "/big.zip", asked, 200, BASE, &open), None, "{asked:?}");
        }
    }
    let opened = ["content-length", "etag"];
    for (lines, public) in ANSWERS {
        let of_size_or_version = lines
            .iter()
            .any(|line| opened.contains(&line.0) || *line == ("content-type", "application/pdf"));
        if !public && !of_size_or_version {
            let lines = answer(lines);
            assert_eq!(offered("GET", "/big.zip", &[], 200, &lines, &open), None, "{lines:?}");
        }
    }
    let keys = URLS
        .iter()
        .skip_while(|(url, _)| !url.contains("X-Amz"))
        .take_while(|(url, _)| !url.contains("intranet"));
    let mut count = 0;
    for (url, _) in keys {
        assert_eq!(offered("GET", url, &[], 200, BASE, &open), None, "{url}");
        count += 1;
    }
    assert!(count > 60, "{count}");
}
