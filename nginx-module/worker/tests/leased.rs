//! Pages are rewritten, and visitors share, while the daemon says so and for no longer.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::rc::Rc;

use common::{Daemon, NOW, everywhere, lease, lease_with, published};
use manyhands_nginx_worker::{Directives, Here, Location};
use manyhands_page::{Decision, Policy, PolicyTerms, RequestHead, ResponseHead, plan};

fn injects(policy: &Policy) -> bool {
    let asked = [("sec-fetch-dest", "document")];
    let answered = [("content-type", "text/html; charset=utf-8"), ("content-length", "9000")];
    let request = RequestHead { method: "GET", path: "/", query: None, headers: &asked[..] };
    let response = ResponseHead { status: 200, headers: &answered[..] };
    matches!(plan(&request, &response, policy, false).decision, Decision::Page(_))
}

/// Whether pages are rewritten, and whether metainfo is served.
fn seen(here: &Here<'_, '_>) -> (bool, bool) {
    let visitor = here.visitor(&[("accept", "*/*")][..], None);
    let torrent = here.below_prefix("GET", "/.well-known/manyhands/torrent/a.zip", None, &visitor);
    assert_eq!(here.is_sharing(), injects(here.policy()));
    (here.is_sharing(), torrent.is_some())
}

#[test]
fn a_daemon_that_stops_is_noticed_and_one_that_comes_back_too() {
    let daemon = Daemon::start();
    daemon.publish(&published("/a.zip"));
    let (site, location) = (daemon.site(), everywhere());
    assert_eq!(seen(&site.at(&location, NOW)), (false, false), "there is no lease yet");
    daemon.lease(&lease(), NOW + 1_000);
    assert_eq!(seen(&site.at(&location, NOW + 1_000)), (true, true));
    assert_eq!(seen(&site.at(&location, NOW + 2_499)), (true, true));
    assert_eq!(seen(&site.at(&location, NOW + 2_500)), (false, true));
    daemon.lease(&lease(), NOW + 9_000);
    assert_eq!(seen(&site.at(&location, NOW + 9_000)), (true, true));
    assert_eq!(site.complaint(), None);
}

#[test]
fn the_kill_switch_is_followed_within_a_quarter_second() {
    let daemon = Daemon::start();
    daemon.publish(&published("/a.zip"));
    let (site, location) = (daemon.site(), everywhere());
    daemon.lease(&lease(), NOW);
    assert_eq!(seen(&site.at(&location, NOW)), (true, true));
    daemon.lease(&lease_with(|lease| lease.sharing = false), NOW);
    assert_eq!(seen(&site.at(&location, NOW + 249)), (true, true));
    assert_eq!(seen(&site.at(&location, NOW + 250)), (false, true));
    daemon.lease(&lease(), NOW + 500);
    assert_eq!(seen(&site.at(&location, NOW + 500)), (true, true));
}

#[test]
fn a_directive_holds_for_its_location_and_the_lease_for_the_rest() {
    let daemon = Daemon::start();
    let site = daemon.site();
    let policy = PolicyTerms { min_size: 100, max_size: 200, ..lease().policy };
    let other = lease_with(|lease| (lease.policy, lease.suffixes) = (policy, false));
    daemon.lease(&other, NOW);
    let at = |directives: Directives| Location::new(directives);
    let none = Directives::default;
    let sizes = |location: &Location| {
        let here = site.at(location, NOW);
        (here.policy().min_size(), here.policy().max_size())
    };
    assert_eq!(sizes(&at(none())), (100, 200));
    assert_eq!(sizes(&at(Directives { min_size: Some(150), ..none() })), (150, 200));
    assert_eq!(sizes(&at(Directives { min_size: Some(900), ..none() })), (900, 900));
    assert_eq!(sizes(&at(Directives { max_size: Some(50), ..none() })), (50, 50));
    let types = Some(Rc::from(["audio/*".to_owned()]));
    let audio = at(Directives { types, ..none() });
    assert!(site.at(&audio, NOW).policy().extensions().all(|it| it != "zip"));
    assert!(site.at(&at(none()), NOW).policy().extensions().any(|it| it == "zip"));
    let quiet = at(Directives { inject_off: true, ..none() });
    let quiet = site.at(&quiet, NOW);
    assert!(quiet.is_sharing() && !injects(quiet.policy()));
    // Suffixes are off at the daemon, and on here.
    daemon.publish(&published("/a.zip"));
    let beside = |suffixes| {
        let location = at(Directives { suffixes, ..none() });
        let here = site.at(&location, NOW);
        let visitor = here.visitor(&[("accept", "*/*")][..], None);
        here.beside("GET", "/a.zip.torrent", None, &visitor).is_some()
    };
    assert_eq!((beside(None), beside(Some(true)), beside(Some(false))), (false, true, false));
    // A new lease is a new policy.
    daemon.lease(&lease(), NOW + 250);
    let location = at(none());
    assert_eq!(site.at(&location, NOW + 250).policy().min_size(), 1 << 20);
}

#[test]
fn where_a_directive_contradicts_the_daemon_nothing_is_shared_and_it_is_said_once_a_lease() {
    let daemon = Daemon::start();
    daemon.publish(&published("/a.zip"));
    let offer = daemon.record("/a.zip");
    daemon.lease(&lease(), NOW);
    let site = daemon.site();
    for (directives, names) in [
        (
            Directives { site: Some("https://example.net".into()), ..Directives::default() },
            "manyhands_site",
        ),
        (Directives { prefix: Some("/mh".into()), ..Directives::default() }, "manyhands_prefix"),
    ] {
        let location = Location::new(directives);
        let here = site.at(&location, NOW);
        assert_eq!(seen(&here), (false, false));
        let visitor = here.visitor(&[("accept", "*/*")][..], None);
        let offered = here.asset(&offer, None, &visitor);
        assert!(offered.edits.is_empty() && offered.info_hash.is_none());
        let complaint = site.complaint().unwrap();
        assert!(complaint.contains(names), "{complaint}");
        site.at(&location, NOW + 10);
        assert_eq!(site.complaint(), None);
    }
    let same = Directives {
        site: Some("https://example.org/".into()),
        prefix: Some("/.well-known/manyhands/".into()),
        ..Directives::default()
    };
    assert_eq!(seen(&site.at(&Location::new(same), NOW)), (true, true));
    site.report(NOW);
    assert_eq!(daemon.events(), []);
}

#[test]
fn a_bad_value_is_refused_when_the_configuration_is_read() {
    let check = |directives: Directives| directives.check().map_err(|error| error.to_string());
    let none = Directives::default;
    assert_eq!(check(none()), Ok(()));
    let html: Rc<[String]> = ["text/html".to_owned()].into();
    for (directives, says) in [
        (Directives { types: Some(html), ..none() }, "text/html"),
        (Directives { prefix: Some("mh".into()), ..none() }, "mh"),
        (Directives { site: Some("example.org".into()), ..none() }, "https://host"),
        (Directives { min_size: Some(9), max_size: Some(8), ..none() }, "9"),
    ] {
        assert!(check(directives).unwrap_err().contains(says));
    }
}
