//! What a server counts of the bodies it sends: which octets go where. Every host counts by these rules, so that
//! its sums mean what the estimators take them for.

use crate::{Arm, Assignment, Bucket, Sums, Traffic, Visitor};

/// The fields of [`Sums`], in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitField {
    /// See [`Sums::demand`].
    Demand,
    /// See [`Sums::demand_bytes`].
    DemandBytes,
    /// See [`Sums::requests`].
    Requests,
    /// See [`Sums::origin_bytes`].
    OriginBytes,
    /// See [`Sums::overhead_bytes`].
    OverheadBytes,
    /// See [`Sums::aborted`].
    Aborted,
    /// See [`Sums::failed`].
    Failed,
}

impl UnitField {
    /// How many there are.
    pub const COUNT: usize = 7;
}

impl From<[u64; UnitField::COUNT]> for Sums {
    fn from(cells: [u64; UnitField::COUNT]) -> Self {
        let [demand, demand_bytes, requests, origin_bytes, overhead_bytes, aborted, failed] = cells;
        Self { demand, demand_bytes, requests, origin_bytes, overhead_bytes, aborted, failed }
    }
}

/// The fields of [`Traffic`], in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficField {
    /// See [`Traffic::other_bytes`].
    Other,
    /// See [`Traffic::unshared_bytes`].
    Unshared,
    /// See [`Traffic::shared_bytes`].
    Shared,
    /// See [`Traffic::treated_bytes`].
    Treated,
    /// See [`Traffic::overhead_bytes`].
    Overhead,
    /// See [`Traffic::pages`].
    Pages,
    /// See [`Traffic::asset_requests`].
    AssetRequests,
    /// See [`Traffic::bot_requests`].
    BotRequests,
    /// See [`Traffic::bot_bytes`].
    Bot,
}

impl TrafficField {
    /// How many there are.
    pub const COUNT: usize = 9;
}

impl From<[u64; TrafficField::COUNT]> for Traffic {
    fn from(cells: [u64; TrafficField::COUNT]) -> Self {
        let [other_bytes, unshared_bytes, shared_bytes, treated_bytes, overhead_bytes, rest @ ..] =
            cells;
        let [pages, asset_requests, bot_requests, bot_bytes] = rest;
        Self {
            other_bytes,
            unshared_bytes,
            shared_bytes,
            treated_bytes,
            overhead_bytes,
            pages,
            asset_requests,
            bot_requests,
            bot_bytes,
        }
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The site's own, and no eligible asset.
    Other,
    /// An eligible asset that is not shared.
    Unshared,
    /// A shared asset, or a part of one.
    Shared,
    /// Something of ours, for one asset or for all.
    Overhead,
}

impl Sent {
    /// Where its octets go among all traffic.
    #[must_use]
    pub fn traffic(self) -> TrafficField {
        match self {
            Self::Other => TrafficField::Other,
            Self::Unshared => TrafficField::Unshared,
            Self::Shared => TrafficField::Shared,
            Self::Overhead => TrafficField::Overhead,
        }
    }

    /// Where its octets go in a unit, if they may belong to one.
    #[must_use]
    pub fn unit(self) -> Option<UnitField> {
        match self {
            Self::Other | Self::Unshared => None,
            Self::Shared => Some(UnitField::OriginBytes),
            Self::Overhead => Some(UnitField::OverheadBytes),
        }
    }

    /// Whether it is an asset's body.
    #[must_use]
    pub fn is_asset(self) -> bool {
        matches!(self, Self::Unshared | Self::Shared)
    }
}

/// Which unit something counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject<'a> {
    /// An asset, by its path.
    Asset(&'a str),
    /// A group of visitors.
    Bucket(Bucket),
}

/// Where octets belong, until the next seam of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribution<'a> {
    /// The unit; `None` where they are in none now: robots, burn-in, visitors in no bucket.
    pub unit: Option<Subject<'a>>,
    /// Whether whoever gets them might have got them from others.
    pub treated: bool,
    /// When to ask again, in seconds since the epoch: a transfer may outlast its block.
    pub until: u64,
}

impl<'a> Attribution<'a> {
    /// `asset` is the path of the asset that the body is of, or is about; `now` is in seconds since the epoch.
    #[must_use]
    pub fn of(
        assignment: Option<&Assignment>,
        sent: Sent,
        asset: Option<&'a str>,
        visitor: Visitor,
        now: u64,
    ) -> Self {
        let Some(assignment) = assignment else {
            let treated = sent == Sent::Shared && !visitor.robot;
            return Self { unit: None, treated, until: u64::MAX };
        };
        if sent.unit().is_none() {
            return Self { unit: None, treated: false, until: u64::MAX };
        }
        let until = assignment.design().next_seam(now);
        if visitor.robot {
            return Self { unit: None, treated: false, until };
        }
        let arm = match (asset, visitor.bucket) {
            // In no bucket: those who refused, or cannot share, are among them.
            (_, None) if assignment.is_by_visitor() => None,
            (Some(asset), _) => Some(assignment.arm(asset, visitor, now)),
            (None, _) => None,
        };
        let treated = sent == Sent::Shared && arm == Some(Arm::P2p);
        Self { unit: assignment.subject(asset, visitor, now), treated, until }
    }
}

impl Assignment {
    /// The unit in which something counts that has to do with this asset and this visitor; `None` where it is in
    /// none now. `now` is in seconds since the epoch.
    #[must_use]
    pub fn subject<'a>(
        &self,
        asset: Option<&'a str>,
        visitor: Visitor,
        now: u64,
    ) -> Option<Subject<'a>> {
        if visitor.robot || self.design().is_burn_in(now) {
            return None;
        }
        match self.is_by_visitor() {
            true => visitor.bucket.map(Subject::Bucket),
            false => asset.map(Subject::Asset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Design, Salt};

    const HOUR: u64 = 3_600;
    const ASSET: Option<&str> = Some("/a.iso");

    fn crossover(holdout: u32) -> Assignment {
        let design = Design::Crossover { holdout, hours: 1 };
        Assignment::new(design, Salt::new(*b"any salt"), "https://example.org".to_owned())
    }

    #[test]
    fn the_fields_are_in_the_order_of_the_sums() {
        let sums = Sums::from([1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((sums.demand, sums.origin_bytes, sums.failed), (1, 4, 7));
        assert_eq!(UnitField::Failed as usize + 1, UnitField::COUNT);
        let traffic = Traffic::from([1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((traffic.other_bytes, traffic.overhead_bytes, traffic.bot_bytes), (1, 5, 9));
        assert_eq!(TrafficField::Bot as usize + 1, TrafficField::COUNT);
    }

    #[test]
    fn octets_of_a_shared_asset_are_its_units_until_the_block_ends() {
        let (assignment, visitor) = (crossover(1), Visitor::default());
        let of = |now| Attribution::of(Some(&assignment), Sent::Shared, ASSET, visitor, now);
        let then = of(HOUR + 1_000);
        let unit = Some(Subject::Asset("/a.iso"));
        assert_eq!(then, Attribution { unit, treated: true, until: 2 * HOUR });
        // The burn-in counts for nothing, but the octets are treated ones.
        assert_eq!(of(HOUR + 1), Attribution { unit: None, treated: true, until: HOUR + 900 });
    }

    #[test]
    fn robots_are_in_no_unit_and_nobody_is_without_an_experiment() {
        let robot = Visitor { robot: true, bucket: None };
        let of = |assignment: Option<&Assignment>, visitor| {
            Attribution::of(assignment, Sent::Shared, ASSET, visitor, HOUR + 1_000)
        };
        let assignment = crossover(1);
        assert_eq!((of(Some(&assignment), robot).unit, of(None, robot).treated), (None, false));
        assert!(!of(Some(&assignment), robot).treated);
        let shared = of(None, Visitor::default());
        assert_eq!((shared.unit, shared.treated, shared.until), (None, true, u64::MAX));
    }

    #[test]
    fn what_is_no_asset_and_not_ours_is_in_no_unit() {
        let assignment = crossover(1);
        for sent in [Sent::Other, Sent::Unshared] {
            let visitor = Visitor::default();
            let of = Attribution::of(Some(&assignment), sent, ASSET, visitor, HOUR + 1_000);
            assert_eq!((of.unit, of.treated, of.until), (None, false, u64::MAX));
        }
    }

    #[test]
    fn among_visitors_the_bucket_is_the_unit() {
        let design = Design::Visitors { hours: 1 };
        let assignment = Assignment::new(design, Salt::new(*b"any salt"), String::new());
        let of = |bucket, sent| {
            let visitor = Visitor { robot: false, bucket };
            Attribution::of(Some(&assignment), sent, ASSET, visitor, HOUR)
        };
        for bucket in (0..Bucket::COUNT).filter_map(Bucket::new) {
            let shared = of(Some(bucket), Sent::Shared);
            assert_eq!(shared.unit, Some(Subject::Bucket(bucket)));
            assert_eq!(shared.treated, assignment.arm_of_bucket(bucket) == Arm::P2p);
            assert!(!of(Some(bucket), Sent::Overhead).treated);
        }
        assert_eq!(of(None, Sent::Shared).unit, None);
        assert!(!of(None, Sent::Shared).treated);
    }
}
