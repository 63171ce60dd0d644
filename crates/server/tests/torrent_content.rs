//! What goes into a torrent, what stays out, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{fifo, found, keep_on, make, options};
use manyhands_server::{ContentError, MakeError, TorrentContent, make_torrent};

#[test]
fn hidden_and_special_files_stay_out_and_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("site");
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::write(root.join(".git/config"), "secret").unwrap();
    fs::write(root.join(".env"), "secret").unwrap();
    fs::write(root.join("file"), "public").unwrap();
    fifo(&root.join("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();

    let content = found(&root).unwrap();
    assert_eq!((content.count(), content.length()), (1, 6));
    let mut left_out: Vec<_> =
        content.left_out().iter().map(|one| (one.path.clone(), one.why)).collect();
    left_out.sort();
    let expected = [(".env", "hidden"), (".git", "hidden"), ("pipe", "FIFO"), ("socket", "socket")];
    assert_eq!(left_out, expected.map(|(name, why)| (root.join(name), why)));
    assert_eq!(make_torrent(&content, options(false), keep_on).unwrap().layout().length(), 6);

    let all = TorrentContent::find(&root, true).unwrap();
    assert_eq!(all.count(), 3);
    for special in [root.join("pipe"), root.join("socket"), "/dev/zero".into()] {
        let error = found(&special).unwrap_err();
        assert!(matches!(error, ContentError::Special { .. }), "{error}");
    }
    assert!(found(&root.join(".env")).is_ok(), "the path given is never left out");
}

#[test]
fn links_are_followed_within_and_refused_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    fs::create_dir_all(root.join("v1")).unwrap();
    fs::create_dir_all(dir.path().join("tree-other")).unwrap();
    fs::write(root.join("v1/file"), "inside").unwrap();
    fs::write(dir.path().join("outside"), "outside").unwrap();
    symlink("v1", root.join("latest")).unwrap();
    symlink("v1/file", root.join("shortcut")).unwrap();
    symlink(root.join("v1"), root.join("absolute")).unwrap();
    let torrent = make(&root, options(false));
    let paths: Vec<_> = torrent.layout().files().iter().map(|file| file.path.join("/")).collect();
    assert_eq!(paths, ["absolute/file", "latest/file", "shortcut", "v1/file"]);

    for (target, resolves) in [
        ("../outside", true),
        ("../tree-other", true),
        ("/etc/passwd", true),
        ("/", true),
        ("nowhere", false),
        ("bad link", false),
    ] {
        let link = root.join("bad link");
        symlink(target, &link).unwrap();
        let error = found(&root).unwrap_err();
        assert_eq!(matches!(error, ContentError::LeadsOut { .. }), resolves, "{error}");
        assert!(error.to_string().contains("bad link"), "{error}");
        fs::remove_file(link).unwrap();
    }
    // Met first by whichever of its names comes first.
    symlink("..", root.join("v1/up")).unwrap();
    assert!(matches!(found(&root).unwrap_err(), ContentError::Loop(at) if at.ends_with("up")));

    symlink("tree/v1/file", dir.path().join("given")).unwrap();
    let given = make(&dir.path().join("given"), options(false));
    assert_eq!((given.name(), given.layout().length()), ("given", 6));
}

#[test]
fn names_that_no_torrent_can_carry_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    fs::create_dir(&root).unwrap();
    let latin = OsStr::from_bytes(b"gr\xfc\xdfe");
    fs::write(root.join(latin), "x").unwrap();
    assert!(matches!(found(&root).unwrap_err(), ContentError::NotUtf8(_)));
    fs::remove_file(root.join(latin)).unwrap();

    let by_itself = dir.path().join(latin);
    fs::write(&by_itself, "x").unwrap();
    let content = found(&by_itself).unwrap();
    let error = content.layout(options(false)).unwrap_err().to_string();
    assert!(error.contains("--name"), "{error}");
    assert!(content.with_name("größe").layout(options(false)).is_ok());

    for name in ["new\nline", "back\\slash"] {
        fs::write(root.join(name), "x").unwrap();
        let error = found(&root).unwrap().layout(options(false)).unwrap_err();
        assert!(matches!(error, MakeError::Layout(_)), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        fs::remove_file(root.join(name)).unwrap();
    }
    assert!(matches!(found(Path::new("/nowhere")), Err(ContentError::Unreadable { .. })));
    assert_eq!(found(&root.join("../tree/.")).map(|_| ()).ok(), Some(()));
}

#[test]
fn a_path_without_a_last_name_has_the_name_of_its_directory() {
    let (_dir, root) = common::tree();
    let torrent = make(&root.join("a/.."), options(false));
    assert_eq!(torrent.name(), "the tree");
}

#[test]
fn a_file_nobody_may_read_is_named_before_any_is_hashed() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        return;
    }
    let (_dir, root) = common::tree();
    fs::set_permissions(root.join("z"), fs::Permissions::from_mode(0o000)).unwrap();
    let error = found(&root).unwrap_err();
    assert!(matches!(error, ContentError::Unreadable { path, .. } if path.ends_with("z")));
}
