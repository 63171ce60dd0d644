//! Paths: what attackers and careless programs write, and what becomes of it.

use manyhands_metainfo::{
    AssetPath,
    PathError::{self, *},
};
use proptest::prelude::*;

/// Attempts to leave the root or to smuggle in another separator; each is refused.
const REFUSED: &[(&str, PathError)] = &[
    // climbing
    ("/..", Climbs),
    ("/../", Climbs),
    ("/../etc/passwd", Climbs),
    ("/../../etc/passwd", Climbs),
    ("/../../../../../../../../etc/passwd", Climbs),
    ("/a/../..", Climbs),
    ("/a/../../etc/passwd", Climbs),
    ("/a/b/../../../etc/passwd", Climbs),
    ("/./../etc/passwd", Climbs),
    ("/a/./../../b", Climbs),
    ("/a/../b/../../c", Climbs),
    ("/a/../../a/b", Climbs),
    ("/%2e%2e/etc/passwd", Climbs),
    ("/%2E%2E/etc/passwd", Climbs),
    ("/%2e%2E/etc/passwd", Climbs),
    ("/%2e./etc/passwd", Climbs),
    ("/.%2e/etc/passwd", Climbs),
    ("/.%2E/.%2e/etc/passwd", Climbs),
    ("/a/%2e%2e/%2e%2e/etc/passwd", Climbs),
    ("/%2e/%2e%2e/x", Climbs),
    ("/%2e%2e", Climbs),
    ("/%2e%2e/", Climbs),
    // encoded slashes
    ("/..%2f", EncodedSlash),
    ("/..%2fetc/passwd", EncodedSlash),
    ("/..%2Fetc%2Fpasswd", EncodedSlash),
    ("/%2e%2e%2f", EncodedSlash),
    ("/%2e%2e%2fetc%2fpasswd", EncodedSlash),
    ("/%2E%2E%2F%2E%2E%2Fetc", EncodedSlash),
    ("/a%2f..%2f..%2fetc", EncodedSlash),
    ("/a%2fb", EncodedSlash),
    ("/%2f", EncodedSlash),
    ("/%2fetc/passwd", EncodedSlash),
    ("/%2F%2Fhost/share", EncodedSlash),
    ("/a/..%2f..%2f..%2f..%2fetc/passwd", EncodedSlash),
    ("/static/%2e%2e%2fsecret", EncodedSlash),
    ("/a;%2f..", EncodedSlash),
    // backslashes
    ("/..\\", Backslash),
    ("/..\\..\\windows\\win.ini", Backslash),
    ("/a\\b", Backslash),
    ("/\\host\\share", Backslash),
    ("/a/..\\..\\b", Backslash),
    ("/..%5c", Backslash),
    ("/..%5C..%5Cwindows", Backslash),
    ("/%5c%5chost%5cshare", Backslash),
    ("/a%5cb", Backslash),
    ("/%2e%2e%5c%2e%2e%5cetc", Backslash),
    ("/..%5c/x", Backslash),
    ("/C:%5cwindows", Backslash),
    ("/C:\\windows", Backslash),
    // control characters
    ("/a%00", Control),
    ("/a.zip%00.html", Control),
    ("/%00/etc/passwd", Control),
    ("/..%00/etc/passwd", Control),
    ("/..%00", Control),
    ("/%00", Control),
    ("/a\0b", Control),
    ("/\0", Control),
    ("/a%0d%0aSet-Cookie:x", Control),
    ("/a\r\nb", Control),
    ("/a%0ab", Control),
    ("/a\tb", Control),
    ("/a%09b", Control),
    ("/a%1bb", Control),
    ("/a%7f", Control),
    ("/a\u{7f}", Control),
    ("/a%c2%85b", Control),
    ("/a\u{85}b", Control),
    ("/a%C2%80", Control),
    ("/a/%01/../b", Control),
    // not UTF-8: overlong forms of '.', '/' and '\', Latin-1, surrogates, stray bytes
    ("/%c0%ae%c0%ae/etc/passwd", NotUtf8),
    ("/%C0%AE%C0%AE%C0%AFetc", NotUtf8),
    ("/..%c0%af..%c0%afetc/passwd", NotUtf8),
    ("/..%c1%9c..%c1%9cwindows", NotUtf8),
    ("/..%c1%af", NotUtf8),
    ("/%e0%80%ae%e0%80%ae/etc", NotUtf8),
    ("/%e0%80%af", NotUtf8),
    ("/%f0%80%80%af", NotUtf8),
    ("/%f8%80%80%80%af", NotUtf8),
    ("/%fc%80%80%80%80%ae", NotUtf8),
    ("/..%c0%2f", EncodedSlash),
    ("/%c0%80", NotUtf8),
    ("/caf%e9.zip", NotUtf8),
    ("/%ff", NotUtf8),
    ("/%80", NotUtf8),
    ("/%ed%a0%80", NotUtf8),
    ("/%f4%90%80%80", NotUtf8),
    ("/%c3", NotUtf8),
    ("/%c3/%a4", NotUtf8),
    ("/%fe%ff%2e", NotUtf8),
    // malformed escapes
    ("/%", BadEscape),
    ("/%2", BadEscape),
    ("/a%", BadEscape),
    ("/a%2", BadEscape),
    ("/%zz", BadEscape),
    ("/%2g", BadEscape),
    ("/%g2", BadEscape),
    ("/%%32%65", BadEscape),
    ("/%%2e", BadEscape),
    ("/%u002e%u002e/etc", BadEscape),
    ("/%uff0e", BadEscape),
    ("/% 2e", BadEscape),
    ("/%+2e", BadEscape),
    ("/%2/..", BadEscape),
    ("/%é", BadEscape),
    ("/..%", BadEscape),
    // not absolute
    ("..", NotAbsolute),
    ("../etc/passwd", NotAbsolute),
    ("etc/passwd", NotAbsolute),
    (".", NotAbsolute),
    ("*", NotAbsolute),
    ("http://example.org/a", NotAbsolute),
    ("file:///etc/passwd", NotAbsolute),
    ("%2fetc/passwd", NotAbsolute),
    ("\\etc\\passwd", NotAbsolute),
    ("C:/windows", NotAbsolute),
    (" /a", NotAbsolute),
    ("", Empty),
    // empty segments
    ("//", EmptySegment),
    ("//etc/passwd", EmptySegment),
    ("///etc/passwd", EmptySegment),
    ("//host/share", EmptySegment),
    ("/a//b", EmptySegment),
    ("/a//", EmptySegment),
    ("/a//../b", EmptySegment),
    ("/a/..//etc/passwd", EmptySegment),
    ("/.//etc", EmptySegment),
    ("/a/.//..//../etc", EmptySegment),
    // more than a path
    ("/a?b", NotAPath),
    ("/a?../../etc", NotAPath),
    ("/a#b", NotAPath),
    ("/..#", NotAPath),
    ("/..?", NotAPath),
];

/// What looks like an attempt and is harmless: where it ends up, and under which name.
const HARMLESS: &[(&str, &str, &str)] = &[
    ("/", "/", "index"),
    ("/.", "/", "index"),
    ("/./", "/", "index"),
    ("/a/..", "/", "index"),
    ("/a/../", "/", "index"),
    ("/a", "/a", "a"),
    ("/a/", "/a/", "a"),
    ("/a/.", "/a/", "a"),
    ("/a/b/..", "/a/", "a"),
    ("/a/b/../c", "/a/c", "c"),
    ("/a/./b", "/a/b", "b"),
    ("/a/%2e/b", "/a/b", "b"),
    ("/a/%2E%2e/b", "/b", "b"),
    ("/...", "/...", "..."),
    ("/.../x", "/.../x", "x"),
    ("/..a", "/..a", "..a"),
    ("/a..", "/a..", "a.."),
    ("/.hidden", "/.hidden", ".hidden"),
    ("/%2ehidden", "/.hidden", ".hidden"),
    // decoded once: what is left of a double encoding is a name like any other
    ("/%252e%252e/etc", "/%252e%252e/etc", "etc"),
    ("/%252e%252e", "/%252e%252e", "%2e%2e"),
    ("/..%252f..%252fetc", "/..%252f..%252fetc", "..%2f..%2fetc"),
    ("/%25", "/%25", "%"),
    ("/%2500", "/%2500", "%00"),
    ("/%25%32%65", "/%252e", "%2e"),
    // one spelling
    ("/%41%7e%2D%5f", "/A~-_", "A~-_"),
    ("/b%20c.zip", "/b%20c.zip", "b c.zip"),
    ("/b c.zip", "/b%20c.zip", "b c.zip"),
    ("/%c3%a4", "/%C3%A4", "ä"),
    ("/ä", "/%C3%A4", "ä"),
    ("/日本.zip", "/%E6%97%A5%E6%9C%AC.zip", "日本.zip"),
    ("/a[1]{2}|^`<>\"", "/a%5B1%5D%7B2%7D%7C%5E%60%3C%3E%22", "a[1]{2}|^`<>\""),
    ("/a!$&'()*+,;=:@", "/a!$&'()*+,;=:@", "a!$&'()*+,;=:@"),
    // RFC 3986: an escaped delimiter is not the delimiter
    ("/a%28b%29", "/a%28b%29", "a(b)"),
    ("/a%3Fb", "/a%3Fb", "a?b"),
    ("/a%23b", "/a%23b", "a#b"),
    ("/..;/x", "/..;/x", "x"),
    ("/~root/x", "/~root/x", "x"),
    ("/C:/windows", "/C:/windows", "windows"),
    // what Unicode calls a full stop or a slash is neither
    ("/\u{ff0e}\u{ff0e}/x", "/%EF%BC%8E%EF%BC%8E/x", "x"),
    ("/%e2%88%95", "/%E2%88%95", "\u{2215}"),
];

#[test]
fn attempts_to_leave_the_root_are_refused() {
    assert!(REFUSED.len() >= 130);
    for (path, error) in REFUSED {
        assert_eq!(AssetPath::parse(path), Err(*error), "{path:?}");
    }
}

#[test]
fn harmless_paths_have_one_spelling() {
    for (raw, normal, name) in HARMLESS {
        let path = AssetPath::parse(raw).unwrap();
        assert_eq!((path.as_str(), &*path.file_name()), (*normal, *name), "{raw:?}");
        assert_eq!(AssetPath::parse(normal), Ok(path.clone()), "{raw:?}");
        assert_eq!(path.is_directory(), normal.ends_with('/'));
    }
}

#[test]
fn segments_are_decoded_once() {
    let path = AssetPath::parse("/a%20b/%C3%A4/%252e/c").unwrap();
    assert_eq!(path.decoded_segments().collect::<Vec<_>>(), ["a b", "ä", "%2e", "c"]);
    assert_eq!(AssetPath::parse("/").unwrap().decoded_segments().count(), 0);
}

#[test]
fn length_is_limited_as_written_and_as_normalised() {
    let longest = format!("/{}", "a".repeat(2_047));
    assert!(AssetPath::parse(&longest).is_ok());
    assert_eq!(AssetPath::parse(&format!("{longest}a")), Err(TooLong));
    assert_eq!(AssetPath::parse(&format!("/{}", " ".repeat(700))), Err(TooLong));
    assert_eq!(AssetPath::parse(&"/%61".repeat(600)), Err(TooLong));
    assert_eq!(AssetPath::parse(&"/a/..".repeat(1_000)), Err(TooLong));
}

#[test]
fn json_holds_the_path_and_refuses_what_is_none() {
    let path = AssetPath::parse("/a b").unwrap();
    assert_eq!(serde_json::to_string(&path).unwrap(), r#""/a%20b""#);
    assert_eq!(serde_json::from_str::<AssetPath>(r#""/a%20b""#).unwrap(), path);
    assert!(serde_json::from_str::<AssetPath>(r#""/../b""#).is_err());
}

#[test]
fn a_name_too_long_for_a_file_keeps_its_end() {
    let name = |segment: &str| AssetPath::parse(&format!("/{segment}")).unwrap().file_name();
    let fits = format!("{}.zip", "x".repeat(251));
    assert_eq!(name(&fits), fits);
    assert_eq!(name(&format!("y{fits}")), fits);
    // Three bytes a character: the cut falls inside the first, which goes as a whole.
    let cut = name(&format!("{}.zip", "日".repeat(84)));
    assert_eq!(cut, format!("{}.zip", "日".repeat(83)));
}

/// Everything a path is made of, densely.
fn tricky() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "%25", "2e", "%c3", "%a4", "%c3%a4",
        "%00", "%", "\\", "?", "#", "a", "~", "%7e", "ä", " ", "\0", ":", "%3A", "\u{202e}",
    ]);
    prop::collection::vec(atom, 0..12).prop_map(|atoms| format!("/{}", atoms.concat()))
}

fn check(raw: &str) -> Result<(), TestCaseError> {
    let Ok(path) = AssetPath::parse(raw) else { return Ok(()) };
    prop_assert_eq!(&AssetPath::parse(path.as_str()), &Ok(path.clone()), "normal form is stable");
    prop_assert!(path.as_str().starts_with('/') && path.as_str().is_ascii());
    prop_assert!(!path.as_str().contains("//"));
    let mut names: Vec<_> = path.decoded_segments().map(String::from).collect();
    names.push(path.file_name());
    for name in names {
        prop_assert!(!matches!(&*name, "" | "." | ".."), "{:?} in {:?}", name, raw);
        prop_assert!(!name.contains(['/', '\\', '\0']) && !name.contains(char::is_control));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn what_is_accepted_is_safe(raw in tricky()) {
        check(&raw)?;
    }

    #[test]
    fn any_text_is_accepted_safely_or_refused(raw in any::<String>()) {
        check(&raw)?;
        check(&format!("/{raw}"))?;
    }
}
