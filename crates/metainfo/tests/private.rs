//! BEP 27: the key stands in its place, is read back, and names another swarm.
#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure")]

use manyhands_metainfo::{Layout, Torrent, parse};

#[test]
fn a_private_torrent_says_so_in_its_info() {
    let layout = Layout::file("a.zip", 3, 65_536, false).unwrap();
    let open = Torrent::from_layout(&layout, vec![7; 20], None).unwrap();
    let private = open.clone().with_private(true);
    assert_ne!(open.info_hash(), private.info_hash());
    let bytes = private.to_bytes();
    let end: &[u8] = b"\x07\x077:privatei1eee";
    assert!(bytes.ends_with(end), "{}", bytes.escape_ascii());
    let parsed = parse(&bytes).unwrap();
    assert!(parsed.private);
    assert_eq!(parsed.info_hash, Some(private.info_hash()));
    assert!(!parse(&open.with_private(false).to_bytes()).unwrap().private);
}
