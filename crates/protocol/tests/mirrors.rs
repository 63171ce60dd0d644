//! The documents of mirrors: read back as written, refused when anything was changed or is too much.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{AssetPath, Digest, InfoHash};
use manyhands_protocol::mirrors::{
    Announce, AnnounceAnswer, AuthorizationError, BaseUrl, Credentials, Doubt, Envelope,
    EnvelopeError, FEED_LIFETIME, FeedAsset, FeedPage, FormatError, Holdings, MAX_ANNOUNCE_BYTES,
    MAX_CLOCK_SKEW, MAX_DOUBT_BYTES, MAX_FEED_ASSETS, MAX_HOLDINGS, MAX_STRANGER_BYTES,
    MirrorState, PeerAddress, Purge, SecretKey, SignedRequest,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn page() -> FeedPage {
    let mut page = FeedPage::new(
        "https://example.org".parse().unwrap(),
        AssetPath::parse("/.well-known/manyhands/").unwrap(),
        9,
        1_790_000_000,
    );
    page.assets.push(asset("/a/b.iso"));
    page
}

fn asset(path: &str) -> FeedAsset {
    FeedAsset {
        path: AssetPath::parse(path).unwrap(),
        length: 1,
        etag: Some("\"x\"".to_owned()),
        infohash: InfoHash::from_bytes([1; 20]),
        root: Digest::from_bytes([2; 32]),
        piece_length: 262_144,
        content_type: "application/octet-stream".to_owned(),
        demand: 3,
        copies: 2,
    }
}

/// The page with one member changed, read again.
fn changed(member: &str, value: Value) -> Result<FeedPage, FormatError> {
    let mut document: Value = serde_json::from_str(&page().to_json()).unwrap();
    *document.pointer_mut(member).unwrap_or_else(|| panic!("{member}")) = value;
    FeedPage::from_json(document.to_string().as_bytes())
}

#[test]
fn the_feed_has_the_members_that_other_programs_read() {
    let document: Value = serde_json::from_str(&page().to_json()).unwrap();
    let expected = json!({
        "v": 1, "site": "https://example.org", "prefix": "/.well-known/manyhands/", "sequence": 9,
        "made": 1_790_000_000_u64, "expires": 1_790_086_400_u64, "page": 0, "pages": 1,
        "assets": [{
            "path": "/a/b.iso", "length": 1, "etag": "\"x\"", "infohash": "01".repeat(20),
            "root": "02".repeat(32), "pieceLength": 262_144, "type": "application/octet-stream",
            "demand": 3, "copies": 2,
        }],
        "purged": [],
    });
    assert_eq!(document, expected);
    let envelope: Value = serde_json::from_str(&Envelope::seal(&key(), &page()).to_json()).unwrap();
    assert_eq!(envelope["v"], 1);
    assert_eq!(envelope["key"], key().public().to_string());
    assert_eq!(envelope["signature"].as_str().unwrap().len(), 128);
    assert_eq!(envelope["signed"].as_str().unwrap(), page().to_json());
}

#[test]
fn a_feed_that_contradicts_the_rules_is_refused() {
    assert_eq!(changed("/sequence", json!(10)).unwrap().sequence, 10);
    for (member, value) in [
        ("/v", json!(2)),
        ("/v", json!("1")),
        ("/site", json!("https://example.org/")),
        ("/prefix", json!("/x")),
        ("/prefix", json!("x/")),
        ("/sequence", json!(-1)),
        ("/sequence", json!(1_u64 << 53)),
        ("/expires", json!(1_790_000_000)),
        ("/expires", json!(1_790_000_001 + FEED_LIFETIME)),
        ("/page", json!(1)),
        ("/pages", json!(0)),
        ("/pages", json!(10_001)),
        ("/assets/0/path", json!("/a/../../b")),
        ("/assets/0/path", json!("/a/")),
        ("/assets/0/length", json!(1_u64 << 53)),
        ("/assets/0/etag", json!("W/\"x\"")),
        ("/assets/0/etag", json!("x")),
        ("/assets/0/etag", json!("\"x\r\n\"")),
        ("/assets/0/infohash", json!("01")),
        ("/assets/0/root", json!("02".repeat(31))),
        ("/assets/0/pieceLength", json!(0)),
        ("/assets/0/pieceLength", json!(262_143)),
        ("/assets/0/type", json!("text/plain\r\nset-cookie: a=b")),
        ("/purged", json!([{"path": "b", "at": 1}])),
    ] {
        assert!(changed(member, value.clone()).is_err(), "{member} {value}");
    }

    let mut twice = page();
    twice.assets.push(asset("/a/%62.iso"));
    assert!(FeedPage::from_json(twice.to_json().as_bytes()).is_err());
    let mut late = page();
    (late.page, late.pages) = (1, 2);
    late.purged.push(Purge { path: AssetPath::parse("/c").unwrap(), at: 1 });
    assert!(FeedPage::from_json(late.to_json().as_bytes()).is_err());
    late.page = 0;
    assert_eq!(FeedPage::from_json(late.to_json().as_bytes()), Ok(late));
    let mut many = page();
    many.assets = (0..MAX_FEED_ASSETS).map(|number| asset(&format!("/{number}"))).collect();
    assert!(FeedPage::from_json(many.to_json().as_bytes()).is_ok());
    many.assets.push(asset("/more"));
    assert!(FeedPage::from_json(many.to_json().as_bytes()).is_err());
    let repeated = page().to_json().replacen("{", "{\"page\":0,", 1);
    assert_eq!(FeedPage::from_json(repeated.as_bytes()), Err(FormatError::Malformed));
}

#[test]
fn an_envelope_opens_with_its_key_only() {
    let sealed = Envelope::seal(&key(), &page());
    assert_eq!(Envelope::open_json(sealed.to_json().as_bytes(), &key().public()), Ok(page()));

    let other = SecretKey::from_seed(&[8; 32]).public();
    assert_eq!(sealed.open(&other), Err(EnvelopeError::OtherKey(key().public())));
    let mut forged = sealed.clone();
    forged.key = other;
    assert_eq!(forged.open(&other), Err(EnvelopeError::Signature));
    // A signature without the first line is one for another purpose.
    let bare = key().sign(page().to_json().as_bytes());
    let forged = sealed.to_json();
    let signature = serde_json::from_str::<Value>(&forged).unwrap()["signature"].clone();
    let forged = forged.replace(signature.as_str().unwrap(), &bare.to_string());
    let opened = Envelope::open_json(forged.as_bytes(), &key().public());
    assert_eq!(opened, Err(EnvelopeError::Signature));
}

#[test]
fn a_signed_request_is_good_for_that_request_and_that_time_only() {
    let now = 1_790_000_000;
    let request = SignedRequest {
        site: "https://example.org",
        method: "POST",
        target: "/.well-known/manyhands/mirrors/announce",
        body: b"{}",
    };
    let signed = Credentials::sign(&key(), request, now);
    let read: Credentials = signed.to_string().parse().unwrap();
    assert_eq!((read, read.key), (signed, key().public()));
    for clock in [now - MAX_CLOCK_SKEW, now, now + MAX_CLOCK_SKEW] {
        assert_eq!(read.verify(request, clock), Ok(()));
    }
    for clock in [0, now - MAX_CLOCK_SKEW - 1, now + MAX_CLOCK_SKEW + 1, u64::MAX] {
        assert_eq!(read.verify(request, clock), Err(AuthorizationError::Time));
    }
    for other in [
        SignedRequest { site: "https://example.com", ..request },
        SignedRequest { method: "GET", ..request },
        SignedRequest { target: "/.well-known/manyhands/mirrors/decide", ..request },
        SignedRequest { body: b"{} ", ..request },
        SignedRequest { site: "https://example.org\nPOST", method: "", ..request },
    ] {
        assert_eq!(read.verify(other, now), Err(AuthorizationError::Signature), "{other:?}");
    }
    let later = signed.to_string().replace(&format!("time={now}"), &format!("time={}", now + 1));
    let later: Credentials = later.parse().unwrap();
    assert_eq!(later.verify(request, now), Err(AuthorizationError::Signature));
}

#[test]
fn a_header_has_one_spelling() {
    let request =
        SignedRequest { site: "https://a.example", method: "GET", target: "/", body: b"" };
    let good = Credentials::sign(&key(), request, 17).to_string();
    assert!(good.parse::<Credentials>().is_ok());
    assert!(good.replacen("Manyhands", "manyhands", 1).parse::<Credentials>().is_ok());
    for bad in [
        "",
        "Manyhands-Mirror",
        "Bearer abc",
        &good.replacen(' ', "  ", 1),
        &good.replacen(',', ", ", 1),
        &good.replacen("time=17", "time=017", 1),
        &good.replacen("time=17", "time=+17", 1),
        &good.replacen("time=17", "time=", 1),
        &good.replacen("time=17", "time=99999999999999999999", 1),
        &good.replacen("key=", "", 1),
        &good.replacen("key=", "signature=", 1),
        &format!("{good},"),
        &format!("{good}0"),
        &format!("{good},time=18"),
        &good.to_uppercase(),
    ] {
        assert_eq!(bad.parse::<Credentials>(), Err(AuthorizationError::Malformed), "{bad}");
    }
}

#[test]
fn an_announce_says_who_and_what_within_bounds() {
    let roots = [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"a")];
    let mut announce = Announce::new("A library", 20_000_000_000);
    announce.http = Some("https://mirror.example/example.org/".parse().unwrap());
    announce.tcp = Some("mirror.example:6881".parse().unwrap());
    announce.holdings = Holdings::of(&roots);
    assert_eq!(announce.holdings.len(), 2);
    assert!(announce.holdings.contains(&roots[1]) && !announce.holdings.contains(&Digest::ZERO));
    let text = announce.to_json();
    assert_eq!(Announce::from_json(text.as_bytes(), MAX_STRANGER_BYTES), Ok(announce));

    let read = |member: &str, value: Value| {
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document[member] = value;
        Announce::from_json(document.to_string().as_bytes(), MAX_STRANGER_BYTES)
    };
    assert!(read("contact", json!("a@mirror.example")).is_ok());
    assert!(read("http", json!(null)).is_ok());
    for (member, value) in [
        ("name", json!("")),
        ("name", json!(" ")),
        ("name", json!("é".repeat(81))),
        ("name", json!("a\nb")),
        ("contact", json!("\u{1b}[2J")),
        ("contact", json!("x".repeat(201))),
        ("http", json!("http://mirror.example/")),
        ("tcp", json!("mirror.example")),
        ("webrtc", json!("yes")),
        ("budget", json!(-1)),
        ("budget", json!(1_u64 << 53)),
        ("holdings", json!("AAAA")),
        ("holdings", json!("AAAAAAAAAAAAAAAAAAAAAA==")),
        ("holdings", json!([])),
    ] {
        assert!(read(member, value.clone()).is_err(), "{member} {value}");
    }
}

#[test]
fn the_largest_set_of_holdings_fits_an_announce() {
    let roots: Vec<_> = (0..=MAX_HOLDINGS).map(|n| Digest::of(&n.to_le_bytes())).collect();
    let mut announce = Announce::new("n", 0);
    announce.holdings = Holdings::of(&roots);
    assert_eq!(announce.holdings.len(), MAX_HOLDINGS);
    let text = announce.to_json();
    assert_eq!(Announce::from_json(text.as_bytes(), MAX_ANNOUNCE_BYTES), Ok(announce));
    let refused = Announce::from_json(text.as_bytes(), MAX_STRANGER_BYTES);
    assert_eq!(refused, Err(FormatError::TooLong(MAX_STRANGER_BYTES)));
}

#[test]
fn an_answer_holds_nothing_that_would_break_a_url_or_a_terminal() {
    let mut answer = AnnounceAnswer::new(MirrorState::Approved, 300);
    answer.token = Some("abc.DEF-1".to_owned());
    answer.tracker = Some("wss://example.org/.well-known/manyhands/tracker".to_owned());
    let text = answer.to_json();
    assert_eq!(AnnounceAnswer::from_json(text.as_bytes()), Ok(answer));
    for (member, value) in [
        ("state", json!("friend")),
        ("reason", json!("\u{1b}]0;x\u{7}")),
        ("reason", json!("x".repeat(501))),
        ("token", json!("")),
        ("token", json!("a b")),
        ("tracker", json!("https://example.org/")),
        ("tracker", json!("wss://example.org/\n")),
        ("next", json!(0)),
    ] {
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document[member] = value;
        assert!(AnnounceAnswer::from_json(document.to_string().as_bytes()).is_err(), "{document}");
    }
}

#[test]
fn a_doubt_names_one_unit() {
    let mirror: BaseUrl = "https://mirror.example/".parse().unwrap();
    let doubt = Doubt::new(mirror, AssetPath::parse("/a").unwrap(), 3);
    let text = doubt.to_json();
    assert_eq!(text, r#"{"v":1,"mirror":"https://mirror.example/","path":"/a","unit":3}"#);
    assert_eq!(Doubt::from_json(text.as_bytes()), Ok(doubt));
    let padded = format!("{text}{}", " ".repeat(MAX_DOUBT_BYTES));
    assert_eq!(Doubt::from_json(padded.as_bytes()), Err(FormatError::TooLong(MAX_DOUBT_BYTES)));
    assert!(Doubt::from_json(text.replace(":3", ":-3").as_bytes()).is_err());
}

/// Texts as people write them, and worse.
fn a_text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,90}", "[ -~]{0,90}", "(http|https|wss)://[a-z0-9.:@\\[\\]-]{0,20}/.{0,9}"]
}

fn an_asset() -> impl Strategy<Value = FeedAsset> {
    let numbers = (0..1_u64 << 53, 14_u32..25, 0..1_u64 << 53, 0..9_u64);
    let names = ("(/[a-z%&;,' ]{1,9}){1,3}", "[!#-~]{0,20}", "[a-z]{1,9}/[a-z0-9; =-]{1,20}");
    (names, numbers, any::<[u8; 20]>(), any::<[u8; 32]>()).prop_filter_map(
        "a path that is none",
        |((path, tag, content_type), (length, shift, demand, copies), info_hash, root)| {
            Some(FeedAsset {
                path: AssetPath::parse(&path).ok()?,
                length,
                etag: Some(format!("\"{tag}\"")).filter(|_| length % 3 != 0),
                infohash: InfoHash::from_bytes(info_hash),
                root: Digest::from_bytes(root),
                piece_length: 1 << shift,
                content_type,
                demand,
                copies,
            })
        },
    )
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(assets in prop::collection::vec(an_asset(), 0..20), seed: [u8; 32]) {
        let key = SecretKey::from_seed(&seed);
        let mut page = page();
        let mut seen = std::collections::BTreeSet::new();
        page.assets = assets.into_iter().filter(|asset| seen.insert(asset.path.clone())).collect();
        let text = Envelope::seal(&key, &page).to_json();
        prop_assert_eq!(Envelope::open_json(text.as_bytes(), &key.public()), Ok(page));
    }

    #[test]
    fn one_changed_bit_closes_an_envelope(place: prop::sample::Index, bit in 0..8_u32) {
        let mut bytes = Envelope::seal(&key(), &page()).to_json().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        // Only a change that leaves the same page with the same signature may pass: of white space
        // there is none to change.
        if let Ok(opened) = Envelope::open_json(&bytes, &key().public()) {
            prop_assert_eq!(opened, page());
        }
    }

    #[test]
    fn a_request_is_verified_as_sent_and_as_nothing_else(
        target in "/[ -~]{0,40}", other in "/[ -~]{0,40}",
        body: Vec<u8>, time in 1..u64::MAX / 2, seed: [u8; 32],
    ) {
        let key = SecretKey::from_seed(&seed);
        let request =
            SignedRequest { site: "https://example.org", method: "GET", target: &target, body: &body };
        let signed = Credentials::sign(&key, request, time).to_string();
        let read: Credentials = signed.parse().unwrap();
        prop_assert_eq!(read.verify(request, time), Ok(()));
        let elsewhere = SignedRequest { target: &other, ..request };
        prop_assert_eq!(read.verify(elsewhere, time).is_ok(), target == other);
    }

    #[test]
    fn nothing_that_is_read_panics_and_all_is_read_back(text in a_text(), bytes: Vec<u8>) {
        for address in [text.clone(), format!("https://{text}"), format!("https://a.b/{text}/")] {
            if let Ok(url) = address.parse::<BaseUrl>() {
                prop_assert_eq!(url.as_str(), &address);
                prop_assert!(!address.contains([' ', ',', '<', '>', '"', '\\']));
                prop_assert!(address.is_ascii() && url.of(&AssetPath::parse("/a").unwrap()).ends_with("/a"));
            }
        }
        let _ = (text.parse::<PeerAddress>(), text.parse::<Credentials>());
        let _ = (FeedPage::from_json(&bytes), Envelope::from_json(&bytes), Doubt::from_json(&bytes));
        let _ = (Announce::from_json(&bytes, 4096), AnnounceAnswer::from_json(&bytes));
        if let Ok(holdings) = Holdings::from_base64(&text) {
            prop_assert_eq!(holdings.to_base64(), text);
        }
    }

    #[test]
    fn holdings_are_a_set(roots in prop::collection::vec(any::<[u8; 32]>(), 0..40)) {
        let roots: Vec<_> = roots.into_iter().map(Digest::from_bytes).collect();
        let holdings = Holdings::of(&roots);
        prop_assert!(roots.iter().all(|root| holdings.contains(root)));
        prop_assert_eq!(Holdings::from_base64(&holdings.to_base64()), Ok(holdings));
    }
}
