//! What the daemon and the nginx module tell each other.

use std::path::Path;

use manyhands_bridge::{Lease, MAX_DATAGRAM, Published, Report, Swarms};

/// A lease is read back alike, has a policy, and leads to no file but those of its state directory.
pub fn lease(data: &[u8]) {
    let Ok(lease) = Lease::from_json(data) else { return };
    assert_eq!(Lease::from_json(&lease.to_json()).ok().as_ref(), Some(&lease));
    assert!(lease.policy.check().is_ok());
    let mut parts = Path::new("state").join(&lease.records);
    while parts.pop() && parts != Path::new("state") {
        assert!(parts.starts_with("state"), "{:?}", lease.records);
    }
    let _ = lease.experiment.map(|experiment| (experiment.id(), experiment.assignment()));
}

/// Metainfo and swarms are read back alike.
pub fn published(data: &[u8]) {
    if let Ok(published) = Published::from_json(data) {
        assert_eq!(Published::from_json(&published.to_json()).ok(), Some(published));
    }
    if let Ok(swarms) = Swarms::from_json(data) {
        assert_eq!(Swarms::from_json(&swarms.to_json()).ok(), Some(swarms));
    }
}

/// A report is read back alike, unless it grew past what a datagram holds.
pub fn report(data: &[u8]) {
    let Ok(report) = Report::from_json(data) else { return };
    let again = report.to_json();
    if again.len() <= MAX_DATAGRAM {
        assert_eq!(Report::from_json(&again).ok(), Some(report));
    }
}
