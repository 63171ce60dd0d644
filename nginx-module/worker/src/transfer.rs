//! One body on its way, counted as `manyhands-experiment` has it.

use manyhands_experiment::{
    Assignment, Attribution, Block, Sent, Subject, TrafficField, UnitField, Visitor,
};
use manyhands_metainfo::AssetPath;

use crate::counters::{Counters, Unit};

/// What a transfer is counted by, at this moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) counters: Option<Counters<'a>>,
    pub(crate) assignment: Option<&'a Assignment>,
    /// Names the experiment.
    pub(crate) experiment: u64,
    /// Whether sharing is switched off: no arm is what it should be, and nothing is counted in any.
    pub(crate) paused: bool,
    /// Seconds since the epoch.
    pub(crate) now: u64,
}

/// A body that is being sent, from its head to its end.
#[derive(Debug)]
pub struct Transfer {
    sent: Sent,
    asset: Option<AssetPath>,
    visitor: Visitor,
    /// Whether what comes from this place is in an arm.
    in_arms: bool,
    /// Where octets belong now, if anywhere.
    unit: Option<(Unit, Block)>,
    treated: bool,
    /// When to ask again, in seconds since the epoch.
    until: u64,
    /// What it was settled by.
    experiment: u64,
    octets: u64,
}

impl Transfer {
    pub(crate) fn begin(
        ground: &Ground<'_>,
        sent: Sent,
        asset: Option<AssetPath>,
        visitor: Visitor,
        in_arms: bool,
    ) -> Self {
        let mut transfer = Self {
            sent,
            asset,
            visitor,
            in_arms,
            unit: None,
            treated: false,
            until: 0,
            experiment: 0,
            octets: 0,
        };
        transfer.settle(ground);
        if visitor.robot {
            transfer.add_traffic(ground, TrafficField::BotRequests, 1);
        }
        if sent.is_asset() {
            transfer.add_traffic(ground, TrafficField::AssetRequests, 1);
        }
        if sent == Sent::Shared {
            transfer.add_unit(ground, UnitField::Requests, 1);
        }
        transfer
    }

    /// Takes note that so many octets of it are on their way, from its first.
    pub(crate) fn progress(&mut self, ground: &Ground<'_>, octets: u64) {
        let more = octets.saturating_sub(self.octets);
        if more == 0 {
            return;
        }
        self.octets = octets;
        if ground.now >= self.until || ground.experiment != self.experiment {
            self.settle(ground);
        }
        if ground.paused {
            // Whatever is under way, in whichever arm, counts no further.
            (self.unit, self.treated) = (None, false);
        }
        self.add_traffic(ground, self.sent.traffic(), more);
        if self.treated {
            self.add_traffic(ground, TrafficField::Treated, more);
        }
        if self.visitor.robot {
            self.add_traffic(ground, TrafficField::Bot, more);
        }
        if let Some(field) = self.sent.unit() {
            self.add_unit(ground, field, more);
        }
    }

    /// Takes note of its end; `whole` says whether all that was promised is on its way.
    pub(crate) fn end(self, ground: &Ground<'_>, whole: bool) {
        if self.sent == Sent::Shared && !whole {
            self.add_unit(ground, UnitField::Aborted, 1);
        }
    }

    /// Octets so far.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Finds out where octets belong from now on: a transfer may outlast its block.
    fn settle(&mut self, ground: &Ground<'_>) {
        let path = self.asset.as_ref().map(|asset| asset.as_str());
        let Attribution { unit, treated, until } =
            Attribution::of(ground.assignment, self.sent, path, self.visitor, ground.now);
        let unit = unit.filter(|_| self.in_arms && !ground.paused).and_then(|unit| match unit {
            Subject::Asset(_) => self.asset.as_ref().map(Unit::of_asset),
            Subject::Bucket(bucket) => Some(Unit::Bucket(bucket)),
        });
        let block = ground.assignment.map(|assignment| assignment.design().block(ground.now));
        self.unit = unit.zip(block);
        (self.treated, self.until, self.experiment) = (treated, until, ground.experiment);
    }

    fn add_traffic(&self, ground: &Ground<'_>, field: TrafficField, more: u64) {
        if let Some(counters) = ground.counters {
            counters.add_traffic(field, more);
        }
    }

    fn add_unit(&self, ground: &Ground<'_>, field: UnitField, more: u64) {
        let (Some(counters), Some((unit, block))) = (ground.counters, self.unit) else { return };
        if !counters.add_unit(unit, block.0, field, more)
            && let (Unit::Asset(_), Some(asset)) = (unit, &self.asset)
            && let Some(assignment) = ground.assignment
        {
            let arm = assignment.arm_of_asset(asset.as_str(), block);
            counters.add_unit(Unit::Rest(arm), block.0, field, more);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use manyhands_experiment::{Arm, Bucket, Design, Salt};
    use proptest::prelude::*;

    use super::*;
    use crate::counters::{DrainTerms, UnitCounts};

    const HOUR: u64 = 3_600;
    /// In the second block, past its burn-in.
    const THEN: u64 = HOUR + 1_000;
    const ROBOT: Visitor = Visitor { robot: true, bucket: None };
    const READER: Visitor = Visitor { robot: false, bucket: None };

    fn assignment(design: Design) -> Assignment {
        Assignment::new(design, Salt::new(*b"any salt"), "https://example.org".to_owned())
    }

    fn crossover() -> Assignment {
        assignment(Design::Crossover { holdout: 5_000, hours: 1 })
    }

    /// An asset that is in this arm in the block of [`THEN`].
    fn asset(assignment: &Assignment, arm: Arm) -> AssetPath {
        let assets = (0..).map(|number| AssetPath::parse(&format!("/{number}.iso")).unwrap());
        let is = |asset: &AssetPath| assignment.arm(asset.as_str(), READER, THEN) == arm;
        assets.into_iter().find(is).unwrap()
    }

    struct Zone(Vec<AtomicU64>);

    impl Zone {
        fn new() -> Self {
            let zone = Self((0..Counters::LEAST_WORDS).map(|_| AtomicU64::new(0)).collect());
            zone.drained();
            zone
        }

        fn counters(&self) -> Counters<'_> {
            Counters::attach(&self.0, 1).unwrap()
        }

        fn ground<'a>(&'a self, assignment: Option<&'a Assignment>, now: u64) -> Ground<'a> {
            let counters = Some(self.counters());
            Ground { counters, assignment, experiment: 1, paused: false, now }
        }

        fn drained(&self) -> ([u64; TrafficField::COUNT], Vec<UnitCounts>) {
            let terms = DrainTerms { now: 1, experiment: 1, block: None, thorough: true };
            let mut drain = self.counters().drain(terms).unwrap();
            (drain.traffic(), drain.units(usize::MAX))
        }
    }

    fn traffic(of: &[(TrafficField, u64)]) -> [u64; TrafficField::COUNT] {
        let mut traffic = [0; TrafficField::COUNT];
        of.iter().for_each(|(field, octets)| traffic[*field as usize] = *octets);
        traffic
    }

    fn sums(of: &[(UnitField, u64)]) -> [u64; UnitField::COUNT] {
        let mut sums = [0; UnitField::COUNT];
        of.iter().for_each(|(field, more)| sums[*field as usize] = *more);
        sums
    }

    #[test]
    fn a_shared_asset_is_its_units_and_treated_where_it_is_not_held_out() {
        use TrafficField::{AssetRequests, Shared, Treated};
        let (zone, assignment) = (Zone::new(), crossover());
        for (arm, treated) in [(Arm::P2p, 70), (Arm::Http, 0)] {
            let (ground, asset) = (zone.ground(Some(&assignment), THEN), asset(&assignment, arm));
            let unit = Unit::of_asset(&asset);
            let mut transfer = Transfer::begin(&ground, Sent::Shared, Some(asset), READER, true);
            for octets in [0, 10, 10, 5, 70] {
                transfer.progress(&ground, octets);
            }
            transfer.end(&ground, false);
            let expected = traffic(&[(Shared, 70), (Treated, treated), (AssetRequests, 1)]);
            let of_unit =
                [(UnitField::Requests, 1), (UnitField::OriginBytes, 70), (UnitField::Aborted, 1)];
            let units = vec![UnitCounts { unit, block: 1, sums: sums(&of_unit) }];
            assert_eq!(zone.drained(), (expected, units), "{arm:?}");
        }
    }

    #[test]
    fn robots_and_all_that_is_no_shared_asset_are_in_no_unit() {
        use TrafficField::{AssetRequests, Bot, BotRequests, Other, Overhead, Shared, Unshared};
        let (zone, assignment) = (Zone::new(), crossover());
        let asset = asset(&assignment, Arm::P2p);
        let count = |sent, asset: Option<&AssetPath>, visitor, in_arms| {
            let ground = zone.ground(Some(&assignment), THEN);
            let mut transfer = Transfer::begin(&ground, sent, asset.cloned(), visitor, in_arms);
            transfer.progress(&ground, 9);
            transfer.end(&ground, false);
            zone.drained()
        };
        for (sent, expected) in [
            (Sent::Other, &[(Other, 9)][..]),
            (Sent::Unshared, &[(Unshared, 9), (AssetRequests, 1)]),
            (Sent::Overhead, &[(Overhead, 9)]),
        ] {
            assert_eq!(count(sent, None, READER, true), (traffic(expected), vec![]), "{sent:?}");
        }
        let of_robot = [(Shared, 9), (AssetRequests, 1), (BotRequests, 1), (Bot, 9)];
        let robot = count(Sent::Shared, Some(&asset), ROBOT, true);
        assert_eq!(robot, (traffic(&of_robot), vec![]));
        let of_manifest = count(Sent::Overhead, Some(&asset), READER, true);
        assert_eq!(of_manifest.1[0].sums, sums(&[(UnitField::OverheadBytes, 9)]));
        // From a place that is in no experiment, it is treated all the same.
        let (all, units) = count(Sent::Shared, Some(&asset), READER, false);
        assert_eq!((all[TrafficField::Treated as usize], units), (9, vec![]));
    }

    #[test]
    fn a_transfer_that_outlasts_its_block_counts_in_the_next_after_the_burn_in() {
        let (zone, assignment) = (Zone::new(), crossover());
        let asset = asset(&assignment, Arm::P2p);
        let at = |now| zone.ground(Some(&assignment), now);
        let mut transfer = Transfer::begin(&at(THEN), Sent::Shared, Some(asset), READER, true);
        for (now, octets) in
            [(THEN, 1), (2 * HOUR - 1, 11), (2 * HOUR, 111), (2 * HOUR + 900, 1_111)]
        {
            transfer.progress(&at(now), octets);
        }
        transfer.end(&at(2 * HOUR + 901), true);
        let (all, mut units) = zone.drained();
        units.sort_unstable_by_key(|unit| unit.block);
        let blocks: Vec<_> = units.iter().map(|unit| (unit.block, unit.sums[3])).collect();
        assert_eq!(blocks, [(1, 11), (2, 1_000)], "a hundred were in the burn-in");
        assert_eq!(all[TrafficField::Shared as usize], 1_111);
        assert_eq!(units.iter().map(|unit| unit.sums[UnitField::Aborted as usize]).sum::<u64>(), 0);
    }

    #[test]
    fn while_sharing_is_off_nothing_counts_in_an_arm() {
        let (zone, assignment) = (Zone::new(), crossover());
        let asset = asset(&assignment, Arm::P2p);
        let on = zone.ground(Some(&assignment), THEN);
        let off = Ground { paused: true, ..on };
        let mut transfer = Transfer::begin(&on, Sent::Shared, Some(asset), READER, true);
        for (ground, octets) in [(&on, 1), (&off, 11), (&on, 111)] {
            transfer.progress(ground, octets);
        }
        transfer.end(&on, false);
        let (all, units) = zone.drained();
        assert_eq!(
            (all[TrafficField::Shared as usize], all[TrafficField::Treated as usize]),
            (111, 1)
        );
        assert_eq!(units[0].sums, sums(&[(UnitField::Requests, 1), (UnitField::OriginBytes, 1)]));
    }

    #[test]
    fn among_visitors_a_bucket_is_the_unit() {
        let (zone, assignment) = (Zone::new(), assignment(Design::Visitors { hours: 1 }));
        let bucket = Bucket::new(7).unwrap();
        let visitor = Visitor { robot: false, bucket: Some(bucket) };
        for (visitor, expected) in [(visitor, Some(Unit::Bucket(bucket))), (READER, None)] {
            let ground = zone.ground(Some(&assignment), THEN);
            let asset = AssetPath::parse("/a.iso").unwrap();
            let mut transfer = Transfer::begin(&ground, Sent::Shared, Some(asset), visitor, true);
            transfer.progress(&ground, 9);
            transfer.end(&ground, true);
            assert_eq!(zone.drained().1.first().map(|counts| counts.unit), expected);
        }
    }

    #[test]
    fn an_experiment_that_begins_meanwhile_is_followed_at_once() {
        let (zone, assignment) = (Zone::new(), crossover());
        let asset = asset(&assignment, Arm::Http);
        let none = Ground { assignment: None, experiment: 0, ..zone.ground(None, THEN) };
        let mut transfer = Transfer::begin(&none, Sent::Shared, Some(asset), READER, true);
        transfer.progress(&none, 5);
        transfer.progress(&zone.ground(Some(&assignment), THEN), 12);
        let (all, units) = zone.drained();
        assert_eq!((all[TrafficField::Treated as usize], units[0].sums[3]), (5, 7));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]

        /// However many units there are, every octet is in traffic, and in a unit or among the rest of its arm.
        #[test]
        fn no_octet_is_lost_when_units_are_more_than_there_is_room_for(assets in 1_usize..2_000) {
            let (zone, assignment) = (Zone::new(), crossover());
            let ground = zone.ground(Some(&assignment), THEN);
            let mut held_out = 0;
            for number in 0..assets {
                let asset = AssetPath::parse(&format!("/{number}.iso")).unwrap();
                let arm = assignment.arm(asset.as_str(), READER, THEN);
                held_out += if arm == Arm::Http { 3 } else { 0 };
                let mut transfer = Transfer::begin(&ground, Sent::Shared, Some(asset), READER, true);
                transfer.progress(&ground, 3);
                transfer.end(&ground, true);
            }
            let (all, units) = zone.drained();
            let octets = 3 * assets as u64;
            prop_assert_eq!(all[TrafficField::Shared as usize], octets);
            prop_assert_eq!(all[TrafficField::Treated as usize], octets - held_out);
            let in_units: u64 = units.iter().map(|unit| unit.sums[UnitField::OriginBytes as usize]).sum();
            prop_assert_eq!(in_units, octets);
            let rest = |arm| units.iter().filter(|it| it.unit == Unit::Rest(arm)).count();
            prop_assert!(rest(Arm::P2p) <= 1 && rest(Arm::Http) <= 1);
            prop_assert!(assets < 400 || rest(Arm::P2p) == 1);
        }
    }
}
