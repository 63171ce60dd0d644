use proptest::prelude::*;

use super::*;

/// 13 October 2026, 13:35:36 UTC.
const MOMENT: i64 = 1_791_898_536_000;

fn parse(line: &str) -> Result<Entry<'_>, Malformed> {
    // A parser that has seen other times reads this one alike.
    let mut parser = LineParser::default();
    let _ = parser.parse(br#"h - - [01/Jan/2000:00:00:00 +0000] "-" 400 0"#);
    parser.parse(line.as_bytes())
}

/// Address, host, method, target, status, octets, agent.
type Said<'a> = (&'a str, Option<&'a str>, &'a str, &'a str, u16, u64, Option<&'a str>);

fn said<'a>(entry: &'a Entry<'_>) -> Said<'a> {
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).unwrap();
    (
        text(entry.address),
        entry.host.as_deref().map(text),
        text(entry.method),
        text(&entry.target),
        entry.status,
        entry.octets,
        entry.agent.as_deref().map(text),
    )
}

#[test]
fn combined_and_its_kin_are_read() {
    let cases: [(&str, Said<'_>); 8] = [
        (
            r#"192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] "GET /a.zip HTTP/1.1" 200 2326 "https://example.org/" "Mozilla/5.0 (X11)""#,
            ("192.0.2.1", None, "GET", "/a.zip", 200, 2326, Some("Mozilla/5.0 (X11)")),
        ),
        (
            r#"192.0.2.1 - frank [13/Oct/2026:15:35:36 +0200] "GET /a.zip HTTP/2.0" 304 -"#,
            ("192.0.2.1", None, "GET", "/a.zip", 304, 0, None),
        ),
        (
            r#"www.example.org:443 2001:db8::7 - - [13/Oct/2026:13:35:36 +0000] "GET /a.zip?v=1 HTTP/1.1" 206 5 "-" "x""#,
            ("2001:db8::7", Some("www.example.org"), "GET", "/a.zip?v=1", 206, 5, Some("x")),
        ),
        (
            r#"::ffff:192.0.2.1 - a [b] c [13/Oct/2026:13:35:36 +0000] "GET /a HTTP/1.1" 200 1 "-" "-""#,
            ("::ffff:192.0.2.1", None, "GET", "/a", 200, 1, Some("-")),
        ),
        (
            r#"host.example.net - - [13/Oct/2026:13:35:36 +0000] "GET /\"q\"\x20\\ HTTP/1.1" 200 1 "a\"b" "c\x22d \"e\"""#,
            ("host.example.net", None, "GET", r#"/"q" \"#, 200, 1, Some(r#"c"d "e""#)),
        ),
        (
            r#"192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] "\x16\x03\x01" 400 150 "-" "-""#,
            ("192.0.2.1", None, r"\x16\x03\x01", "", 400, 150, Some("-")),
        ),
        (
            r#"192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] "" 408 0 "-" "-""#,
            ("192.0.2.1", None, "", "", 408, 0, Some("-")),
        ),
        (
            r#"192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] "GET http://example.org/a.zip HTTP/1.0" 200 7 "-" "x" "203.0.113.9""#,
            ("192.0.2.1", None, "GET", "/a.zip", 200, 7, Some("x")),
        ),
    ];
    for (line, expected) in cases {
        let entry = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(said(&entry), expected, "{line}");
        assert_eq!((entry.start, entry.duration), (MOMENT, None), "{line}");
    }
}

#[test]
fn a_users_name_means_credentials() {
    for (who, authenticated) in [
        ("192.0.2.1 - -", false),
        ("192.0.2.1 - ", false),
        ("192.0.2.1 - frank", true),
        ("192.0.2.1 - frank the first", true),
        ("example.org:80 192.0.2.1 - -", false),
        ("example.org:80 192.0.2.1 - frank", true),
        ("host.example.net - -", false),
    ] {
        let line = format!("{who} [13/Oct/2026:13:35:36 +0000] \"GET / HTTP/1.1\" 200 1");
        assert_eq!(parse(&line).unwrap().authenticated, authenticated, "{who}");
    }
    for (user, authenticated) in [("", false), ("-", false), ("frank", true)] {
        let line =
            format!(r#"{{"ts":1,"ip":"::1","uri":"/","status":200,"remote_user":"{user}"}}"#);
        assert_eq!(parse(&line).unwrap().authenticated, authenticated, "{user}");
    }
}

#[test]
fn a_request_time_behind_the_agent_says_when_it_began() {
    let line = r#"192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] "GET /a.zip HTTP/1.1" 200 7 "-" "x""#;
    for (behind, millis) in [
        (" 12.500", Some(12_500)),
        (" \"203.0.113.9\" 0.004 0.003", Some(4)),
        (" rt=1.000 uct=0.001", Some(1_000)),
        (" request_time=\"3.250\"", Some(3_250)),
        (" 17 example.org 1.5", None),
        ("", None),
    ] {
        let line = format!("{line}{behind}");
        let entry = parse(&line).unwrap();
        assert_eq!((entry.duration, entry.start), (millis, MOMENT - millis.unwrap_or(0)), "{line}");
    }
}

#[test]
fn json_of_nginx_caddy_and_traefik_is_read() {
    let nginx = r#"{"time_iso8601":"2026-10-13T13:35:36+00:00","remote_addr":"2001:db8::1","request":"GET \/a%20\"b\".zip?v=1 HTTP\/2.0","status":"206","body_bytes_sent":"1048576","request_time":"2.500","http_user_agent":"Mozilla/5.0 \u00e9","host":"example.org:443","sent_http_content_type":"application/zip"}"#;
    let entry = parse(nginx).unwrap();
    let expected = (
        "2001:db8::1",
        Some("example.org"),
        "GET",
        r#"/a%20"b".zip?v=1"#,
        206,
        1 << 20,
        Some("Mozilla/5.0 \u{e9}"),
    );
    assert_eq!(said(&entry), expected);
    assert_eq!((entry.start, entry.duration), (MOMENT - 2_500, Some(2_500)));
    assert_eq!(entry.content_type, Some(&b"application/zip"[..]));

    let split = r#"{"msec": 1791898536.000, "remote_addr": "192.0.2.1", "request_method": "HEAD", "uri": "/a.zip", "args": "v=1", "status": 200, "bytes_sent": 9}"#;
    let entry = parse(split).unwrap();
    assert_eq!(said(&entry), ("192.0.2.1", None, "HEAD", "/a.zip?v=1", 200, 9, None));

    let caddy = r#"{"level":"info","ts":1791898536.0,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.1","remote_port":"41342","client_ip":"192.0.2.1","proto":"HTTP/2.0","method":"GET","host":"example.org","uri":"/a.zip","headers":{"User-Agent":["curl/7.82.0"],"Accept":["*/*"],"Content-Type":["x/y"]},"tls":{"resumed":false,"version":772,"server_name":"other.example"}},"bytes_read":0,"user_id":"","duration":0.25,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"],"Content-Type":["application/zip"]}}"#;
    let entry = parse(caddy).unwrap();
    let expected =
        ("192.0.2.1", Some("example.org"), "GET", "/a.zip", 200, 10_900, Some("curl/7.82.0"));
    assert_eq!(said(&entry), expected);
    assert_eq!((entry.start, entry.duration), (MOMENT - 250, Some(250)));
    assert_eq!(entry.content_type, Some(&b"application/zip"[..]));

    let traefik = r#"{"ClientAddr":"10.0.0.1:4000","ClientHost":"192.0.2.1","DownstreamContentSize":19,"DownstreamStatus":200,"Duration":250000000,"RequestHost":"example.org","RequestMethod":"GET","RequestPath":"/a.zip","StartUTC":"2026-10-13T13:35:36Z","request_User-Agent":"x","time":"2026-10-13T13:35:37Z"}"#;
    let entry = parse(traefik).unwrap();
    assert_eq!(
        said(&entry),
        ("192.0.2.1", Some("example.org"), "GET", "/a.zip", 200, 19, Some("x"))
    );
    assert_eq!((entry.start, entry.duration), (MOMENT, Some(250)));
}

#[test]
fn a_malformed_line_says_what_is_missing() {
    for (line, expected) in [
        ("hello", Malformed::Time),
        ("192.0.2.1 - - [13/Oct/2026:13:35:36 +0000]", Malformed::Time),
        ("192.0.2.1 - - [13/Xxx/2026:13:35:36 +0000] \"GET / HTTP/1.1\" 200 1", Malformed::Time),
        (" [13/Oct/2026:13:35:36 +0000] \"GET / HTTP/1.1\" 200 1", Malformed::Address),
        ("192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] GET /", Malformed::Request),
        ("192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] \"GET / HTTP/1.1", Malformed::Request),
        ("192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] \"GET /\\\"", Malformed::Request),
        ("192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] \"GET / HTTP/1.1\" x00 1", Malformed::Status),
        ("192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] \"GET / HTTP/1.1\" 200", Malformed::Octets),
        ("192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] \"GET / HTTP/1.1\" 200 1k", Malformed::Octets),
        ("{", Malformed::Json),
        ("{}x", Malformed::Json),
        ("{\"a\":}", Malformed::Json),
        ("{\"a\":\"\\\"}", Malformed::Json),
        ("{}", Malformed::Request),
        ("{\"request\":\"GET / HTTP/1.1\"}", Malformed::Time),
        ("{\"request\":\"GET / HTTP/1.1\",\"ts\":1,\"status\":200}", Malformed::Address),
        ("{\"request\":\"GET / HTTP/1.1\",\"ts\":1,\"ip\":\"x\"}", Malformed::Status),
    ] {
        assert_eq!(parse(line), Err(expected), "{line}");
    }
    let deep = "{\"a\":".repeat(1_000);
    assert_eq!(parse(&deep), Err(Malformed::Json));
    let deep = format!("{{\"a\":{}", "[".repeat(1_000));
    assert_eq!(parse(&deep), Err(Malformed::Json));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(line in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut parser = LineParser::default();
        let _ = parser.parse(&line);
    }

    /// Lines of the right kind with something wrong in them reach further than noise does.
    #[test]
    fn no_damaged_line_makes_it_panic(
        which in 0..3_usize,
        at in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        byte in any::<u8>(),
    ) {
        let mut line = [
            &br#"example.org:80 192.0.2.1 - - [13/Oct/2026:13:35:36 +0000] "GET /\x22 HTTP/1.1" 200 1 "-" "x\"" 0.001"#[..],
            br#"{"ts":1791898536.5,"request":{"remote_ip":"192.0.2.1","uri":"/\u00e9\ud83d\ude00","headers":{"User-Agent":["x"]}},"duration":0.5,"status":200,"size":1}"#,
            br#"{"time":"2026-10-13T13:35:36+00:00","ip":"::1","request":"GET \/ HTTP\/1.1","status":"200","bytes":"1","request_time":"0.1"}"#,
        ][which].to_vec();
        let at = at.index(line.len());
        if cut { line.truncate(at) } else { line[at] = byte }
        let mut parser = LineParser::default();
        let _ = parser.parse(&line);
    }

    /// What is written as a Combined line is read back.
    #[test]
    fn a_written_line_is_read_back(
        target in "/[!-~&&[^\"\\\\]]{0,40}",
        agent in "[ -~&&[^\"\\\\]]{1,60}",
        status in 100..600_u16,
        octets in 0..u64::from(u32::MAX) * 1_000,
        v6 in any::<u128>(),
    ) {
        prop_assume!(!target.contains("://"));
        let address = std::net::Ipv6Addr::from(v6).to_string();
        let line = format!(r#"{address} - - [13/Oct/2026:13:35:36 +0000] "GET {target} HTTP/1.1" {status} {octets} "-" "{agent}""#);
        let entry = parse(&line).unwrap();
        prop_assert_eq!(said(&entry), (&*address, None, "GET", &*target, status, octets, Some(&*agent)));
    }
}
