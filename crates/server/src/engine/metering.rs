//! What leaves is counted, and who may share follows the experiment.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderMap;
use manyhands_experiment::Arm;
use manyhands_metainfo::{AssetPath, InfoHash};

use super::Engine;
use crate::client::Client;
use crate::ledger::{Keeper, Ledger, Meter, Visitor, What, seconds_now};
use crate::reserved::Beacons;

impl Engine {
    /// What matters of who asks, for counting.
    #[must_use]
    pub fn visitor(&self, headers: &HeaderMap, client: &Client) -> Visitor {
        Visitor::of(headers, client, self.ledger().assignment(), self.policy())
    }

    /// Counts an answer that is the site's own and no eligible asset.
    #[must_use]
    pub fn meter_other(&self, visitor: Visitor) -> Meter {
        self.meter(visitor, What::Other)
    }

    /// Counts a page that gets the tag, or would.
    #[must_use]
    pub fn meter_page(&self, visitor: Visitor) -> Meter {
        self.ledger().page(&visitor);
        self.meter(visitor, What::Other)
    }

    /// Takes note that the site could not send what was asked for (status 500 and up).
    pub fn failed(&self, path: &str, visitor: &Visitor) {
        if self.ledger().assignment().is_some()
            && let Ok(path) = AssetPath::parse(path)
            && self.0.shelf.info_hash(&path).is_some()
        {
            self.ledger().failed(&path, visitor);
        }
    }

    pub(crate) fn meter(&self, visitor: Visitor, what: What<'_>) -> Meter {
        Meter::new(self.ledger(), visitor, what)
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    pub(crate) fn keeper(&self) -> &Keeper {
        &self.0.keeper
    }

    pub(crate) fn beacons(&self) -> &Beacons {
        &self.0.beacons
    }

    /// The length of an asset that is shared.
    pub(crate) fn length_of(&self, path: &AssetPath) -> Option<u64> {
        self.0.shelf.length(path)
    }

    /// Lets the swarm of an asset that is shown form, unless the asset is held out now.
    pub(super) fn open_swarm(&self, path: &AssetPath, info_hash: InfoHash) {
        self.0.unassigned.store(true, Ordering::Relaxed);
        let assignment = self.ledger().assignment();
        if assignment.is_none_or(|it| it.arm_of_asset(path, seconds_now()) == Arm::P2p) {
            self.0.tracker.issue(info_hash);
        }
    }

    /// Opens and closes swarms as the experiment has it: at the start of each block, and whenever assets have come
    /// or gone.
    pub(super) fn assign_swarms(&self) {
        let Some(assignment) = self.ledger().assignment() else { return };
        let now = seconds_now();
        let block = assignment.design().block(now);
        // Both, whatever the first says.
        let (new_block, changed) = (
            self.0.assigned_block.swap(block.0, Ordering::Relaxed) != block.0,
            self.0.unassigned.swap(false, Ordering::Relaxed),
        );
        if !new_block && !changed {
            return;
        }
        // Under the catalog's lock, as what retires an asset: no swarm that has just ended is opened again.
        let _catalog = self.catalog();
        let mut counts = [0_u64; 3];
        let mut swarms: HashMap<InfoHash, bool> = HashMap::new();
        for (path, info_hash) in self.0.shelf.shown() {
            let arm = assignment.arm_of_asset(&path, now);
            if let Some(count) = counts.get_mut(arm as usize) {
                *count += 1;
            }
            // Two assets with the same bytes and name are one swarm; the one that is held out is not told of it.
            *swarms.entry(info_hash).or_default() |= arm == Arm::P2p;
        }
        for (info_hash, open) in swarms {
            if open {
                self.0.tracker.issue(info_hash);
            } else {
                self.0.tracker.withdraw(&info_hash);
            }
        }
        self.ledger().set_assigned(block, counts);
    }

    /// How long until a block ends.
    pub(super) fn until_seam(&self) -> Option<Duration> {
        let design = self.ledger().assignment()?.design();
        let now = seconds_now();
        Some(Duration::from_secs(design.next_seam(now).saturating_sub(now)))
    }
}
