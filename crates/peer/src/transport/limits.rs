//! How many connections, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bounds on connections. An idle WebRTC connection costs about 260 kB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    connections: usize,
    per_address: usize,
    offers: usize,
    offer_age: Duration,
    open: Duration,
}

impl Default for Limits {
    /// 500 connections, 4 from one address, 64 pending offers of 30 s, 20 s to open.
    fn default() -> Self {
        Self {
            connections: 500,
            per_address: 4,
            offers: 64,
            offer_age: Duration::from_secs(30),
            open: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// Connections at once, those that open included. Default 500: about 130 MB.
    #[must_use]
    pub fn with_connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// Connections with one IP address at once. Default 4: a household shares an address, an attacker has one.
    #[must_use]
    pub fn with_per_address(mut self, most: usize) -> Self {
        self.per_address = most;
        self
    }

    /// Offers of ours that wait for an answer. Default 64; each is a connection too.
    #[must_use]
    pub fn with_offers(mut self, most: usize) -> Self {
        self.offers = most;
        self
    }

    /// How long an offer waits for its answer. Default 30 s.
    #[must_use]
    pub fn with_offer_age(mut self, age: Duration) -> Self {
        self.offer_age = age;
        self
    }

    /// How long a connection may take to open. Default 20 s; up to 3 s were seen.
    #[must_use]
    pub fn with_open(mut self, deadline: Duration) -> Self {
        self.open = deadline;
        self
    }

    /// See [`with_offer_age`](Self::with_offer_age).
    pub fn offer_age(&self) -> Duration {
        self.offer_age
    }

    /// See [`with_open`](Self::with_open).
    pub fn open(&self) -> Duration {
        self.open
    }
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Busy {
    /// [`Limits::with_connections`].
    #[error("as many connections as the limit allows")]
    Connections,
    /// [`Limits::with_per_address`].
    #[error("as many connections with this address as the limit allows")]
    Address,
    /// [`Limits::with_offers`].
    #[error("as many pending offers as the limit allows")]
    Offers,
}

/// Counts connections against [`Limits`].
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    limits: Limits,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    connections: usize,
    offers: usize,
    addresses: HashMap<IpAddr, usize>,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(Counts { limits, open: Mutex::default() }))
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// A place for one connection.
    pub(crate) fn enter(&self) -> Result<Place, Busy> {
        let mut open = self.0.lock();
        if open.connections >= self.0.limits.connections {
            return Err(Busy::Connections);
        }
        open.connections += 1;
        Ok(Place { counts: self.0.clone(), address: None })
    }

    /// A place for one offer that waits.
    pub(crate) fn offer(&self) -> Result<OfferPlace, Busy> {
        let mut open = self.0.lock();
        if open.offers >= self.0.limits.offers {
            return Err(Busy::Offers);
        }
        open.offers += 1;
        Ok(OfferPlace(self.0.clone()))
    }

    /// Connections at this moment.
    pub(crate) fn connections(&self) -> usize {
        self.0.lock().connections
    }
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    counts: Arc<Counts>,
    address: Option<IpAddr>,
}

impl Place {
    /// Counts this connection for `address` as well, once that is known.
    pub(crate) fn at(&mut self, address: IpAddr) -> Result<(), Busy> {
        let address = address.to_canonical();
        if self.address == Some(address) {
            return Ok(());
        }
        let mut open = self.counts.lock();
        let count = open.addresses.get(&address).copied().unwrap_or(0);
        if count >= self.counts.limits.per_address {
            return Err(Busy::Address);
        }
        open.addresses.insert(address, count + 1);
        if let Some(before) = self.address.replace(address) {
            open.leave(before);
        }
        Ok(())
    }
}

impl Open {
    fn leave(&mut self, address: IpAddr) {
        if let Some(count) = self.addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.counts.lock();
        open.connections -= 1;
        if let Some(address) = self.address {
            open.leave(address);
        }
    }
}

/// One pending offer's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct OfferPlace(Arc<Counts>);

impl Drop for OfferPlace {
    fn drop(&mut self) {
        self.0.lock().offers -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let admission = Admission::new(Limits::default().with_connections(3).with_per_address(1));
        let ip = "192.0.2.1".parse().unwrap();
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        let mut first = admission.enter().unwrap();
        first.at(ip).unwrap();
        first.at(mapped).unwrap();
        let mut second = admission.enter().unwrap();
        assert_eq!(second.at(mapped), Err(Busy::Address));
        let _third = admission.enter().unwrap();
        assert_eq!(admission.enter().unwrap_err(), Busy::Connections);
        drop(first);
        second.at(ip).unwrap();
        assert_eq!(admission.connections(), 2);
    }

    #[test]
    fn offers_are_counted_apart() {
        let admission = Admission::new(Limits::default().with_offers(1));
        let offer = admission.offer().unwrap();
        assert_eq!(admission.offer().unwrap_err(), Busy::Offers);
        drop(offer);
        admission.offer().unwrap();
    }
}
