//! What is answered without the daemon.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;

use common::{Daemon, NOW, everywhere, lease, lease_with, published};
use manyhands_bridge::{Event, Experiment, Swarms};
use manyhands_experiment::{Arm, Design};
use manyhands_metainfo::FileIdentity;
use manyhands_nginx_worker::{Answer, Here};

const PREFIX: &str = "/.well-known/manyhands";

fn below(here: &Here<'_, '_>, method: &str, path: &str, query: Option<&str>) -> Option<Answer> {
    let visitor = here.visitor(&[("user-agent", "x")][..], Some([203, 0, 113, 9].into()));
    here.below_prefix(method, &format!("{PREFIX}{path}"), query, &visitor)
}

fn beside(here: &Here<'_, '_>, method: &str, path: &str, query: Option<&str>) -> Option<Answer> {
    let visitor = here.visitor(&[("user-agent", "x")][..], None);
    here.beside(method, path, query, &visitor)
}

fn swarm(answer: &Answer) -> Option<String> {
    let mut fields = answer.fields().filter(|(name, _)| *name == "manyhands-swarm");
    fields.next().map(|(_, value)| value.to_owned())
}

#[test]
fn every_form_of_what_is_published_is_answered_and_nothing_else() {
    let daemon = Daemon::start();
    daemon.lease(&lease(), NOW);
    daemon.publish(&published("/pub/a%20b.zip"));
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    for form in ["manifest", "torrent", "magnet", "meta4", "sha256"] {
        let answer = below(&here, "GET", &format!("/{form}/pub/a%20b.zip"), None).unwrap();
        assert_eq!(answer.body(), format!("the {form}").as_bytes());
        assert!(answer.fields().any(|field| field == ("content-type", form)));
        assert_eq!(swarm(&answer).is_some(), form == "manifest");
        assert!(answer.transfer.is_some());
        let head = below(&here, "HEAD", &format!("/{form}/pub/a%20b.zip"), None).unwrap();
        assert!(head.transfer.is_none(), "its body is not sent, and not counted");
        // In another spelling of the path it is the same.
        assert!(below(&here, "GET", &format!("/{form}/./pub/a%20%62.zip"), None).is_some());
        assert!(below(&here, "POST", &format!("/{form}/pub/a%20b.zip"), None).is_none());
    }
    for other in
        ["", "/", "/torrent", "/torrent/", "/torrent/pub/b.zip", "/digests/00/1", "/loader.js"]
    {
        assert!(below(&here, "GET", other, None).is_none(), "{other}");
    }
}

#[test]
fn the_same_is_found_beside_the_asset() {
    let daemon = Daemon::start();
    daemon.lease(&lease(), NOW);
    daemon.publish(&published("/pub/a.zip"));
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    for form in ["torrent", "magnet", "meta4", "sha256"] {
        let answer = beside(&here, "GET", &format!("/pub/a.zip.{form}"), None).unwrap();
        assert_eq!(answer.body(), format!("the {form}").as_bytes());
    }
    assert!(beside(&here, "HEAD", "/pub/a.zip.torrent", None).unwrap().transfer.is_none());
    for other in ["/pub/a.zip.manifest", "/pub/a.zip", "/pub/b.zip.torrent", "/pub/a.zip.md5", "x"]
    {
        assert!(beside(&here, "GET", other, None).is_none(), "{other}");
    }
    assert!(beside(&here, "GET", "/pub/a.zip.torrent", Some("")).is_none());
    assert!(beside(&here, "POST", "/pub/a.zip.torrent", None).is_none());
}

#[test]
fn what_is_no_longer_shown_is_gone_within_a_second() {
    let daemon = Daemon::start();
    let asset = published("/a.zip");
    daemon.publish(&asset);
    let (site, location) = (daemon.site(), everywhere());
    let answered = |now: u64| {
        daemon.lease(&lease(), now);
        below(&site.at(&location, now), "GET", "/torrent/a.zip", None).is_some()
    };
    assert!(answered(NOW));
    daemon.unpublish(&asset.path);
    assert!(answered(NOW + 999));
    assert!(!answered(NOW + 1_000));
    daemon.publish(&asset);
    assert!(answered(NOW + 2_000));
}

#[test]
fn what_was_hashed_of_a_file_holds_while_that_is_the_same() {
    let daemon = Daemon::start();
    daemon.lease(&lease(), NOW);
    let file = daemon.state().join("a.zip");
    fs::write(&file, "one").unwrap();
    let identity = FileIdentity::from_metadata(&fs::metadata(&file).unwrap());
    let mut asset = published("/a.zip");
    asset.file = Some((file.clone(), identity));
    daemon.publish(&asset);
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    assert!(below(&here, "GET", "/manifest/a.zip", None).is_some());
    fs::write(&file, "two").unwrap();
    assert!(below(&here, "GET", "/manifest/a.zip", None).is_none());
    assert!(beside(&here, "GET", "/a.zip.torrent", None).is_none());
    fs::remove_file(&file).unwrap();
    assert!(below(&here, "GET", "/manifest/a.zip", None).is_none());
}

#[test]
fn a_manifest_says_who_has_the_file_while_visitors_share() {
    let daemon = Daemon::start();
    let asset = published("/a.zip");
    daemon.publish(&asset);
    let (site, location) = (daemon.site(), everywhere());
    let said = |sharing, renewed: u64, now| {
        daemon.lease(&lease_with(|lease| lease.sharing = sharing), renewed);
        swarm(&below(&site.at(&location, now), "GET", "/manifest/a.zip", None).unwrap()).unwrap()
    };
    assert_eq!(said(true, NOW, NOW), "0/0");
    daemon.swarms(&Swarms::new([(asset.infohash, (3, 4))]));
    assert_eq!(said(true, NOW + 1_000, NOW + 1_000), "3/4");
    assert_eq!(said(false, NOW + 2_000, NOW + 2_000), "off");
    // Nobody is at the tracker.
    assert_eq!(said(true, NOW + 2_000, NOW + 9_000), "off");
}

#[test]
fn who_is_held_out_is_told_off_and_all_are_demand() {
    let daemon = Daemon::start();
    let design = Design::Crossover { holdout: 5_000, hours: 1 };
    let experiment = Experiment::new(design, b"any salt", "https://example.org".to_owned());
    daemon.lease(&lease_with(|lease| lease.experiment = Some(experiment)), NOW);
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    let visitor = here.visitor(&[("user-agent", "x")][..], None);
    let mut arms = [0, 0];
    for number in 0..40 {
        let asset = published(&format!("/{number}.zip"));
        daemon.publish(&asset);
        let answer = below(&here, "GET", &format!("/manifest/{number}.zip"), None).unwrap();
        let arm = here.arm(Some(&asset.path), &visitor).unwrap();
        let expected = if arm == Arm::P2p { "0/0" } else { "off" };
        assert_eq!(swarm(&answer).as_deref(), Some(expected));
        arms[usize::from(arm == Arm::P2p)] += 1;
    }
    assert!(arms.iter().all(|arm| *arm > 5), "{arms:?}");
    below(&here, "GET", "/manifest/7.zip", Some("again"));
    below(&here, "HEAD", "/manifest/7.zip", None);
    below(&here, "GET", "/manifest/7.zip", None);
    site.report(NOW);
    let demand: u64 = daemon
        .events()
        .into_iter()
        .map(|(event, times)| match event {
            Event::Demand { network, robot, .. } => {
                assert!(network.is_some() && !robot);
                times
            }
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(demand, 41);
}
