//! What a site and its mirrors say to each other.

use manyhands_metainfo::AssetPath;
use manyhands_protocol::mirrors::{
    Announce, AnnounceAnswer, BaseUrl, Credentials, Doubt, Envelope, FeedPage, MAX_ANNOUNCE_BYTES,
    PeerAddress, SecretKey, SiteOrigin,
};

use crate::text;

/// An address is kept as it was written, and nothing in it could end a header or a list.
pub fn mirror_address(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(url) = text.parse::<BaseUrl>() {
        let asset = url.of(&AssetPath::parse("/a").expect("a path"));
        assert_eq!((url.as_str(), asset), (text, format!("{text}a")));
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>,;\\".contains(&byte)));
    }
    if let Ok(origin) = text.parse::<SiteOrigin>() {
        assert!(format!("{origin}/").parse::<BaseUrl>().is_ok() || text.starts_with("http://"));
    }
    let _ = text.parse::<PeerAddress>();
}

/// An announce, and an answer to one, is read back alike.
pub fn mirror_announce(data: &[u8]) {
    if let Ok(announce) = Announce::from_json(data, MAX_ANNOUNCE_BYTES) {
        let text = announce.to_json();
        assert_eq!(Announce::from_json(text.as_bytes(), MAX_ANNOUNCE_BYTES), Ok(announce));
    }
    if let Ok(answer) = AnnounceAnswer::from_json(data) {
        assert_eq!(AnnounceAnswer::from_json(answer.to_json().as_bytes()), Ok(answer));
    }
}

/// A header is written as it was read, but for the case of its scheme.
pub fn mirror_authorization(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(credentials) = text.parse::<Credentials>() {
        assert!(credentials.to_string().eq_ignore_ascii_case(text));
    }
}

/// A doubt is read back alike.
pub fn mirror_doubt(data: &[u8]) {
    if let Ok(doubt) = Doubt::from_json(data) {
        let text = doubt.to_json();
        assert!(text.len() > 1024 || Doubt::from_json(text.as_bytes()) == Ok(doubt));
    }
}

/// A page that can be read can be signed, sent and read again; no envelope opens but with its key.
pub fn mirror_feed(data: &[u8]) {
    let key = SecretKey::from_seed(&[7; 32]);
    if let Ok(envelope) = Envelope::from_json(data) {
        assert!(envelope.open(&key.public()).is_err());
    }
    if let Ok(page) = FeedPage::from_json(data) {
        let sent = Envelope::seal(&key, &page).to_json();
        assert_eq!(Envelope::open_json(sent.as_bytes(), &key.public()), Ok(page));
    }
}
