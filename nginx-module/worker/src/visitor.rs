use std::net::IpAddr;

use manyhands_bridge::Network;
use manyhands_experiment::{self as experiment, Bucket, is_robot};
use manyhands_page::{Headers, Policy, own_cookie};

use crate::lease::Terms;

/// Who asks, as far as it matters for counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visitor {
    pub(crate) counted: experiment::Visitor,
    pub(crate) network: Option<Network>,
}

impl Visitor {
    /// Reads who asks; the cookie only where there is an experiment that goes by it.
    pub(crate) fn of<H: Headers + ?Sized>(
        headers: &H,
        address: Option<IpAddr>,
        policy: &Policy,
        terms: Option<&Terms>,
    ) -> Self {
        let by_visitor = terms
            .and_then(|terms| terms.assignment.as_ref())
            .is_some_and(experiment::Assignment::is_by_visitor);
        let cookie = by_visitor.then(|| own_cookie(headers, policy)).flatten();
        let bucket = cookie.and_then(|value| str::from_utf8(value).ok()).and_then(Bucket::parse);
        let robot = headers.values("user-agent").next().is_some_and(is_robot);
        Self { counted: experiment::Visitor { robot, bucket }, network: address.map(Network::from) }
    }

    /// As the daemon is told.
    pub(crate) fn bucket(&self) -> Option<u16> {
        self.counted.bucket.map(Bucket::number)
    }
}
