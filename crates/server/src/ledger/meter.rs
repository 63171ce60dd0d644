use std::sync::Arc;

use manyhands_experiment::{Attribution, Sent, TrafficField, UnitField};
use manyhands_metainfo::AssetPath;

use super::units::{Place, Subject};
use super::{Ledger, Visitor};

/// What a body is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    /// The site's own, and no eligible asset.
    Other,
    /// An eligible asset that is not shared.
    Unshared,
    /// A shared asset, or a part of one.
    Shared(&'a AssetPath),
    /// Something of ours, for one asset or for all.
    Overhead(Option<&'a AssetPath>),
}

/// Counts one body while it is sent; dropped before its end, the transfer was aborted.
///
/// Counted are octets handed to the connection. Of a transfer that breaks off that is what was delivered, and up
/// to a send buffer more.
#[derive(Debug, Default)]
pub struct Meter(Option<Counting>);

#[derive(Debug)]
struct Counting {
    ledger: Arc<Ledger>,
    visitor: Visitor,
    sent: Sent,
    asset: Option<AssetPath>,
    /// Where octets belong now, if anywhere.
    place: Option<Place>,
    treated: bool,
    /// When to ask again, in seconds since the epoch.
    until: u64,
    /// Octets that are still to come, where that is known.
    left: Option<u64>,
    ended: bool,
}

impl Meter {
    /// Counts nothing.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn new(ledger: &Arc<Ledger>, visitor: Visitor, what: What<'_>) -> Self {
        let (sent, asset) = match what {
            What::Other => (Sent::Other, None),
            What::Unshared => (Sent::Unshared, None),
            What::Shared(asset) => (Sent::Shared, Some(asset.clone())),
            What::Overhead(asset) => (Sent::Overhead, asset.cloned()),
        };
        let mut counting = Counting {
            ledger: Arc::clone(ledger),
            visitor,
            sent,
            asset,
            place: None,
            treated: false,
            until: 0,
            left: None,
            ended: false,
        };
        counting.settle();
        counting.begin();
        Self(Some(counting))
    }

    /// Takes note of octets on their way.
    pub fn sent(&mut self, octets: usize) {
        if let Some(counting) = &mut self.0 {
            counting.sent(octets as u64);
        }
    }

    /// Says how long the body will be: at its last octet it has ended. Connections ask for no more than they need,
    /// and not every body knows its own end.
    pub fn expect(&mut self, octets: u64) {
        if let Some(counting) = &mut self.0 {
            counting.left = Some(octets);
        }
    }

    /// Takes note that the body was sent to its end.
    pub fn ended(&mut self) {
        if let Some(counting) = &mut self.0 {
            counting.ended = true;
        }
    }
}

impl Counting {
    fn begin(&self) {
        if self.visitor.robot {
            self.ledger.traffic.add(TrafficField::BotRequests as usize, 1);
        }
        if self.sent.is_asset() {
            self.ledger.traffic.add(TrafficField::AssetRequests as usize, 1);
        }
        if let (Sent::Shared, Some(place)) = (self.sent, &self.place) {
            self.ledger.add_unit(place, UnitField::Requests, 1);
        }
    }

    fn sent(&mut self, octets: u64) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(octets);
            self.ended |= *left == 0;
        }
        if self.until < u64::MAX && self.ledger.now() >= self.until {
            self.settle();
        }
        if self.ledger.is_paused() {
            // Whatever is under way, in whichever arm, counts no further.
            (self.place, self.treated) = (None, false);
        }
        let traffic = &self.ledger.traffic;
        traffic.add(self.sent.traffic() as usize, octets);
        if self.treated {
            traffic.add(TrafficField::Treated as usize, octets);
        }
        if self.visitor.robot {
            traffic.add(TrafficField::Bot as usize, octets);
        }
        if let (Some(place), Some(field)) = (&self.place, self.sent.unit()) {
            self.ledger.add_unit(place, field, octets);
        }
    }

    /// Finds out where octets belong from now on: a transfer may outlast its block.
    fn settle(&mut self) {
        let assignment = self.ledger.assignment().map(|assignment| assignment.running());
        let (asset, visitor) = (self.asset.as_ref(), self.visitor.counted());
        let now = if self.sent.unit().is_some() { self.ledger.now() } else { 0 };
        let path = asset.map(AssetPath::as_str);
        let of = Attribution::of(assignment, self.sent, path, visitor, now);
        let subject = of.unit.and_then(|unit| Subject::of(unit, asset));
        let place = subject.and_then(|subject| self.ledger.place(subject, now));
        (self.place, self.treated, self.until) = (place, of.treated, of.until);
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let (Sent::Shared, Some(place), false) = (self.sent, &self.place, self.ended) {
            self.ledger.add_unit(place, UnitField::Aborted, 1);
        }
    }
}
