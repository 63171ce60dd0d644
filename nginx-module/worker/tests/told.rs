//! What the daemon is told, and what happens while nobody listens.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Daemon, NOW, everywhere, lease, offer};
use manyhands_bridge::{Event, Report};
use manyhands_experiment::TrafficField;
use manyhands_metainfo::{AssetPath, FileIdentity, LocalFile};
use manyhands_nginx_worker::{Here, Visitor};
use manyhands_page::{Doubt, Reason};

fn path(name: &str) -> AssetPath {
    AssetPath::parse(name).unwrap()
}

fn visitor(here: &Here<'_, '_>, last: u8) -> Visitor {
    here.visitor(&[("user-agent", "x")][..], Some([203, 0, last, 9].into()))
}

#[test]
fn an_eligible_answer_is_told_with_all_the_daemon_needs_once_for_all_that_are_alike() {
    let daemon = Daemon::start();
    daemon.lease(&lease(), NOW);
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    let file = LocalFile {
        path: "/srv/www/a.zip".into(),
        identity: FileIdentity { device: 1, inode: 2, size: 3, mtime_ns: 4, ctime_ns: 5 },
    };
    let offer = offer(path("/a.zip"));
    for last in [1, 2, 1, 1] {
        let offered = here.asset(&offer, Some(&file), &visitor(&here, last));
        assert!(offered.info_hash.is_none() && offered.edits.is_empty());
    }
    site.report(NOW);
    let events = daemon.events();
    assert_eq!(events.iter().map(|(_, times)| *times).collect::<Vec<_>>(), [3, 1]);
    for (event, _) in events {
        let Event::Answer { path, version, content_type, demand, preload, file, network } = event
        else {
            panic!("{event:?}")
        };
        assert_eq!((path.as_str(), &*content_type), ("/a.zip", "application/zip"));
        assert_eq!((demand, preload), (true, false));
        assert_eq!(version.file.map(|file| file.inode), Some(2));
        assert_eq!(file, Some("/srv/www/a.zip".into()));
        assert!(network.is_some());
    }
}

#[test]
fn an_asset_on_record_is_announced_and_its_octets_are_shared_ones() {
    let daemon = Daemon::start();
    let offer = daemon.record("/a.zip");
    daemon.lease(&lease(), NOW);
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    let mut offered = here.asset(&offer, None, &visitor(&here, 1));
    assert!(offered.info_hash.is_some());
    assert_eq!(offered.edits.iter().count(), 3, "torrent, Metalink, digest");
    site.progress(&mut offered.transfer, 1_000, NOW);
    site.end(offered.transfer, false, NOW);
    // Another version of it is not.
    let mut other = offer.clone();
    other.version.length += 1;
    assert!(here.asset(&other, None, &visitor(&here, 1)).info_hash.is_none());
    // A HEAD is announced too, and nobody's.
    other = offer;
    other.demand = false;
    let head = here.asset(&other, None, &visitor(&here, 1));
    assert!(head.info_hash.is_some());
    site.end(head.transfer, true, NOW);
    site.report(NOW);
    let traffic = daemon.heard().into_iter().map(|report| report.traffic);
    let traffic = traffic.fold([0; TrafficField::COUNT], |mut sum, more| {
        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        sum
    });
    let of = |field| traffic[field as usize];
    assert_eq!((of(TrafficField::Shared), of(TrafficField::Treated)), (1_000, 1_000));
    assert_eq!(of(TrafficField::AssetRequests), 2, "one shared, one not");
}

#[test]
fn nothing_is_lost_while_nobody_listens_but_what_is_past_the_bound() {
    let daemon = Daemon::start();
    daemon.lease(&lease(), NOW);
    let location = everywhere();
    let elsewhere = tempfile::tempdir().unwrap();
    let socket = elsewhere.path().join("events");
    let site = manyhands_nginx_worker::Site::new(
        daemon.state(),
        &socket,
        manyhands_nginx_worker::Counters::attach(&daemon.zone, 1),
    );
    let here = site.at(&location, NOW);
    for number in 0..600 {
        let offer = offer(path(&format!("/{number}.zip")));
        let mut offered = here.asset(&offer, None, &visitor(&here, 1));
        site.progress(&mut offered.transfer, 10, NOW);
        site.end(offered.transfer, true, NOW);
        let _ = here.passed(Reason::Status, None, &visitor(&here, 1));
        site.tagged();
        site.report(NOW + number);
    }
    let listener = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (mut events, mut octets, mut passed, mut tagged) = (0, 0, 0, 0);
    let mut bytes = vec![0; 1 << 17];
    for round in 0..50 {
        site.report(NOW + 1_000 + round);
        while let Ok(length) = listener.recv(&mut bytes) {
            assert!(length <= 60_000);
            let report = Report::from_json(&bytes[..length]).unwrap();
            events += report.events.len();
            octets += report.traffic[TrafficField::Unshared as usize];
            passed += report.passed.get(Reason::Status.name()).unwrap_or(&0);
            tagged += report.tagged;
        }
    }
    assert_eq!((events, octets, passed, tagged), (512, 6_000, 600, 600));
}

#[test]
fn a_doubt_is_never_overtaken_by_an_answer_that_came_before_it() {
    let daemon = Daemon::start();
    daemon.lease(&lease(), NOW);
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    let doubt = Doubt::Certain(path("/a.zip"));
    let eligible = offer(path("/a.zip"));
    let doubted = || drop(here.passed(Reason::Private, Some(&doubt), &visitor(&here, 1)));
    let offered = || drop(here.asset(&eligible, None, &visitor(&here, 1)));
    doubted();
    offered();
    doubted();
    site.report(NOW);
    let kinds: Vec<_> = daemon
        .events()
        .iter()
        .map(|(event, times)| (matches!(event, Event::Doubt { .. }), *times))
        .collect();
    assert_eq!(kinds, [(false, 1), (true, 2)]);
}

#[test]
fn a_scan_for_what_is_not_there_pushes_nothing_out() {
    let daemon = Daemon::start();
    let known = daemon.record("/known.zip");
    daemon.lease(&lease(), NOW);
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    let doubt = |path: AssetPath| {
        let doubt = Doubt::Certain(path);
        drop(here.passed(Reason::Status, Some(&doubt), &visitor(&here, 1)));
    };
    for number in 0..2_000 {
        doubt(path(&format!("/scan/{number}")));
    }
    for number in 0..400 {
        let _ = here.asset(&offer(path(&format!("/{number}.zip"))), None, &visitor(&here, 1));
    }
    doubt(known.path.clone());
    site.report(NOW);
    let events = daemon.events();
    assert_eq!(events.len(), 512);
    let answers = events.iter().filter(|(event, _)| matches!(event, Event::Answer { .. })).count();
    assert_eq!(answers, 400);
    assert!(matches!(&events.last().unwrap().0, Event::Doubt { path, .. } if *path == known.path));
}

#[test]
fn reports_are_cut_to_datagrams_and_what_fits_in_none_is_left_out() {
    let daemon = Daemon::start();
    daemon.lease(&lease(), NOW);
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    for number in 0..100 {
        let mut offer = offer(path(&format!("/{number}{}", "x".repeat(2_000))));
        if number % 10 == 0 {
            // Each quote is two bytes in JSON.
            offer.content_type = "\"".repeat(20_000);
        }
        let _ = here.asset(&offer, None, &visitor(&here, 1));
        let _ = here.passed(Reason::Status, None, &visitor(&here, 1));
    }
    let (mut events, mut passed) = (0, 0);
    for round in 0..50 {
        site.report(NOW + round);
        for report in daemon.heard() {
            events += report.events.len();
            passed += report.passed.get(Reason::Status.name()).unwrap_or(&0);
        }
    }
    assert_eq!((events, passed), (90, 100));
}

#[test]
fn a_short_answer_casts_doubt_on_what_is_on_record_alone() {
    let daemon = Daemon::start();
    daemon.record("/a.zip");
    daemon.lease(&lease(), NOW);
    let (site, location) = (daemon.site(), everywhere());
    let beyond = |path: &str, now| site.at(&location, now).is_beyond_doubt(path);
    assert!(!beyond("/a.zip", NOW));
    // Spelled otherwise it is another address; and what is no path is nobody's.
    for path in ["/b.zip", "/./a.zip", "/%61.zip", "/", "a.zip", ""] {
        assert!(beyond(path, NOW) && beyond(path, NOW), "{path}");
    }
    // What is published is found within a second.
    daemon.record("/b.zip");
    assert!(!beyond("/b.zip", NOW + 1_000));
}

#[test]
fn a_type_is_judged_once_and_by_all_that_is_said_of_it() {
    let daemon = Daemon::start();
    daemon.lease(&lease(), NOW);
    let (site, location) = (daemon.site(), everywhere());
    let here = site.at(&location, NOW);
    for _ in 0..2 {
        for (content_type, charset, refused) in [
            ("text/css", "", true),
            ("text/css", "utf-8", true),
            ("text/html", "", false),
            ("application/zip", "", false),
            ("text/css, text/html", "", false),
            ("text/css; charset=a", "b", false),
            ("", "", false),
        ] {
            let refuses = here.refuses_type(content_type.as_bytes(), charset.as_bytes());
            assert_eq!(refuses, refused, "{content_type} {charset}");
        }
    }
    // More than are remembered.
    for number in 0..100 {
        assert!(here.refuses_type(format!("image/x{number}").as_bytes(), b""));
    }
}
