//! How many connections there may be: in all, and from one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections of a listener.
#[derive(Debug)]
pub(super) struct Seats {
    all: Arc<Semaphore>,
    most_an_address: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A place among the connections, kept until dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _one_of_all: OwnedSemaphorePermit,
    address: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Seats {
    pub(super) fn new(most: usize, most_an_address: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(most)), most_an_address, taken: Arc::default() }
    }

    /// Waits until there is room for one more.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        self.all.clone().acquire_owned().await.expect("this semaphore is never closed")
    }

    /// Seats a client; `None` when it has enough. Loopback is not bound: it is a proxy in front.
    pub(super) fn seat(&self, client: IpAddr, one_of_all: OwnedSemaphorePermit) -> Option<Seat> {
        let address = subscriber(client);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.most_an_address && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Seat { _one_of_all: one_of_all, address, taken: self.taken.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// What one subscriber can be assumed to hold: an IPv4 address, an IPv6 /64.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_client_has_its_share_and_leaves_the_rest_to_others() {
        let seats = Seats::new(100, 2);
        let seat = async |client: &str| seats.seat(client.parse().unwrap(), seats.room().await);
        let first = seat("2001:db8::1").await;
        let second = seat("2001:db8::2").await;
        assert!(first.is_some() && second.is_some());
        assert!(seat("2001:db8::3").await.is_none());
        assert!(seat("2001:db8:0:1::3").await.is_some());
        drop(second);
        assert!(seat("2001:db8::3").await.is_some());
        drop(first);
        assert!(seats.taken.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_proxy_on_this_machine_has_no_share() {
        let seats = Seats::new(100, 2);
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(seats.seat("127.0.0.1".parse().unwrap(), seats.room().await).unwrap());
        }
    }
}
