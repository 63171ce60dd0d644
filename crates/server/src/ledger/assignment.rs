use http::HeaderMap;
use http::header::USER_AGENT;
use manyhands_experiment::{self as experiment, Arm, Bucket, Design, Salt, is_robot};
use manyhands_metainfo::AssetPath;
use manyhands_page::{Policy, own_cookie};
use manyhands_protocol::tracker::Prefix;
use sha2::{Digest as _, Sha256};

use crate::client::Client;

/// The experiment that runs, and what the database calls it.
#[derive(Debug)]
pub(crate) struct Assignment {
    running: experiment::Assignment,
    id: u64,
    planned_days: u32,
}

/// What matters of who asks, for counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Says to be a robot: in no arm.
    pub(crate) robot: bool,
    /// The group of visitors, where the experiment goes by those and this one is in one.
    pub(crate) bucket: Option<Bucket>,
    /// The address prefix, where it is known and not this machine's own (a proxy in front that was not declared
    /// trusted, or a developer).
    pub(crate) network: Option<u64>,
}

impl Assignment {
    pub(crate) fn new(design: Design, salt: &[u8], origin: String, planned_days: u32) -> Self {
        let text = format!("{design:?} {origin} ");
        let digest = Sha256::new().chain_update(text).chain_update(salt).finalize();
        let [a, b, c, d, e, f, ..] = digest.0;
        // Positive in the database's signed integers, and exact in JSON.
        let id = u64::from_be_bytes([0, 0, a & 0x1f, b, c, d, e, f]);
        let running = experiment::Assignment::new(design, Salt::new(salt), origin);
        Self { running, id, planned_days }
    }

    /// Which arm is whose.
    pub(crate) fn running(&self) -> &experiment::Assignment {
        &self.running
    }

    pub(crate) fn design(&self) -> Design {
        self.running.design()
    }

    /// Names design and salt, and tells nothing of the latter.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn planned_days(&self) -> u32 {
        self.planned_days
    }

    pub(crate) fn is_by_visitor(&self) -> bool {
        self.running.is_by_visitor()
    }

    /// The arm in which a visitor gets an asset at a time. Who is in no bucket shares: outside the estimate.
    pub(crate) fn arm(&self, asset: &AssetPath, visitor: &Visitor, now: u64) -> Arm {
        self.running.arm(asset.as_str(), visitor.counted(), now)
    }

    /// The arm of an asset for everybody; always [`Arm::P2p`] where visitors are assigned.
    pub(crate) fn arm_of_asset(&self, asset: &AssetPath, now: u64) -> Arm {
        self.running.arm_of_asset(asset.as_str(), self.design().block(now))
    }

    pub(crate) fn arm_of_bucket(&self, bucket: Bucket) -> Arm {
        self.running.arm_of_bucket(bucket)
    }

    /// How many buckets are in each arm.
    pub(crate) fn buckets(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for bucket in (0..Bucket::COUNT).filter_map(Bucket::new) {
            if let Some(count) = counts.get_mut(self.arm_of_bucket(bucket) as usize) {
                *count += 1;
            }
        }
        counts
    }
}

impl Visitor {
    /// What the experiment goes by.
    pub(crate) fn counted(&self) -> experiment::Visitor {
        experiment::Visitor { robot: self.robot, bucket: self.bucket }
    }

    /// Who asked a web server's module.
    pub(crate) fn reported(robot: bool, bucket: Option<Bucket>, client: &Client) -> Self {
        Self { robot, bucket, network: network(client) }
    }

    /// Reads who asks; the cookie only where there is an experiment that goes by it.
    pub(crate) fn of(
        headers: &HeaderMap,
        client: &Client,
        assignment: Option<&Assignment>,
        policy: &Policy,
    ) -> Self {
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let cookie = assignment
            .filter(|assignment| assignment.is_by_visitor())
            .and_then(|_| own_cookie(headers, policy));
        let bucket = cookie.and_then(|value| std::str::from_utf8(value).ok());
        Self {
            robot: agent.is_some_and(is_robot),
            bucket: bucket.and_then(Bucket::parse),
            network: network(client),
        }
    }
}

fn network(client: &Client) -> Option<u64> {
    let known = client.address().is_some_and(|address| !address.is_loopback());
    client.prefix().filter(|_| known).map(Prefix::to_bits)
}
