use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use manyhands_metainfo::InfoHash;
use manyhands_protocol::mirrors::PublicKey;
use manyhands_protocol::tracker::{
    Class, CloseReason, ConnectionId, Effect, Prefix, Scrape, SwarmConfig, Swarms,
};
use tokio::sync::mpsc;

/// Sockets at once from one IPv4 address or IPv6 /64; the swarm bounds them in all.
const MOST_CONNECTIONS_AN_ADDRESS: usize = 50;
/// Messages that may wait for a slow reader before it is dropped.
const OUTBOX: usize = 64;

/// All sockets of the tracker, and the swarms they announce to.
#[derive(Debug)]
pub(crate) struct Tracker {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    swarms: Swarms,
    outboxes: HashMap<ConnectionId, mpsc::Sender<Outgoing>>,
    addresses: HashMap<IpAddr, usize>,
    /// Sockets of mirrors.
    mirrors: HashMap<ConnectionId, PublicKey>,
    next: u64,
    effects: Vec<Effect>,
    /// Whether sockets are admitted.
    open: bool,
}

/// What a socket's task is told to do.
#[derive(Debug)]
pub(super) enum Outgoing {
    Text(String),
    Close(CloseReason),
    /// Close, because the operator switched sharing off.
    SwitchedOff,
    /// Close, because the mirror is approved no longer.
    Expelled,
}

/// A registered socket; dropping it leaves every swarm.
#[derive(Debug)]
pub(super) struct Registration<'a> {
    tracker: &'a Tracker,
    id: ConnectionId,
    address: Option<IpAddr>,
}

impl Tracker {
    pub(crate) fn new(config: SwarmConfig, seed: u64) -> Self {
        let state = State {
            swarms: Swarms::new(config, seed),
            outboxes: HashMap::new(),
            addresses: HashMap::new(),
            mirrors: HashMap::new(),
            next: 0,
            effects: Vec::new(),
            open: true,
        };
        Self { started: Instant::now(), state: Mutex::new(state) }
    }

    /// Lets swarms of this info-hash form.
    pub(crate) fn issue(&self, info_hash: InfoHash) {
        self.lock().swarms.issue(info_hash);
    }

    /// Ends a swarm: its members are told.
    pub(crate) fn withdraw(&self, info_hash: &InfoHash) {
        let mut state = self.lock();
        let State { swarms, effects, .. } = &mut *state;
        swarms.withdraw(info_hash, effects);
        state.deliver();
    }

    /// Admits sockets; or closes all there are and refuses new ones.
    pub(crate) fn set_open(&self, open: bool) {
        let mut state = self.lock();
        state.open = open;
        if !open {
            // Without its outbox a socket's task ends when it has sent what is in it, or finds it full.
            for (_, outbox) in state.outboxes.drain() {
                let _ = outbox.try_send(Outgoing::SwitchedOff);
            }
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// The value of `Manyhands-Swarm`: `<complete>/<incomplete>`, or `off`.
    pub(crate) fn swarm_header(&self, info_hash: &InfoHash) -> HeaderValue {
        let state = self.lock();
        let scrape = state.swarms.scrape(info_hash).filter(|_| state.open);
        drop(state);
        scrape
            .and_then(|scrape| format!("{}/{}", scrape.complete, scrape.incomplete).try_into().ok())
            .unwrap_or(HeaderValue::from_static("off"))
    }

    /// The largest swarms, and how many have anybody in them.
    pub(crate) fn busiest(&self, most: usize) -> (Vec<(InfoHash, Scrape)>, usize) {
        let mut active: Vec<_> = self.lock().swarms.active().collect();
        let all = active.len();
        // Equal ones in a fixed order, so that a page that shows them does not jump.
        active.sort_unstable_by_key(|(info_hash, size)| {
            (Reverse(size.complete + size.incomplete), *info_hash)
        });
        active.truncate(most);
        (active, all)
    }

    /// Sockets open now.
    pub(crate) fn connections(&self) -> usize {
        self.lock().outboxes.len()
    }

    /// Expires what has gone silent; called every few seconds.
    pub(crate) fn tick(&self) {
        let now = self.now();
        let mut state = self.lock();
        let State { swarms, effects, .. } = &mut *state;
        swarms.on_timeout(now, effects);
        state.deliver();
    }

    /// Closes all sockets of a mirror that is out.
    pub(crate) fn expel(&self, key: &PublicKey) {
        let mut state = self.lock();
        let State { mirrors, outboxes, .. } = &mut *state;
        for (id, _) in mirrors.iter().filter(|(_, of)| *of == key) {
            if let Some(outbox) = outboxes.remove(id) {
                let _ = outbox.try_send(Outgoing::Expelled);
            }
        }
    }

    /// Admits a socket, unless there are too many. `mirror`: of an approved mirror with this key.
    pub(super) fn register(
        &self,
        address: Option<IpAddr>,
        prefix: Option<Prefix>,
        mirror: Option<PublicKey>,
    ) -> Option<(Registration<'_>, mpsc::Receiver<Outgoing>)> {
        let now = self.now();
        let address = address.map(network);
        let mut state = self.lock();
        if !state.open {
            return None;
        }
        if let Some(address) = address {
            let open = state.addresses.entry(address).or_default();
            // Loopback is a proxy in front that was not declared trusted, or a developer.
            if *open >= MOST_CONNECTIONS_AN_ADDRESS && !address.is_loopback() {
                return None;
            }
            *open += 1;
        }
        let id = ConnectionId(state.next);
        state.next += 1;
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        state.outboxes.insert(id, outbox);
        let State { swarms, effects, .. } = &mut *state;
        let class = if mirror.is_some() { Class::Mirror } else { Class::Visitor };
        swarms.connect_as(now, id, prefix, class, effects);
        state.mirrors.extend(mirror.map(|key| (id, key)));
        state.deliver();
        Some((Registration { tracker: self, id, address }, inbox))
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration<'_> {
    /// One message from this socket.
    pub(super) fn handle(&self, message: &str) {
        let now = self.tracker.now();
        let mut state = self.tracker.lock();
        let State { swarms, effects, .. } = &mut *state;
        swarms.handle(now, self.id, message, effects);
        state.deliver();
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let now = self.tracker.now();
        let mut state = self.tracker.lock();
        let State { swarms, outboxes, addresses, mirrors, effects, .. } = &mut *state;
        outboxes.remove(&self.id);
        mirrors.remove(&self.id);
        swarms.disconnect(now, self.id, effects);
        if let Some(address) = self.address
            && let Some(open) = addresses.get_mut(&address)
        {
            *open -= 1;
            if *open == 0 {
                addresses.remove(&address);
            }
        }
        state.deliver();
    }
}

impl State {
    /// Hands effects to the sockets' tasks. A socket that reads too slowly for its outbox loses it, which
    /// ends its task.
    fn deliver(&mut self) {
        for effect in self.effects.drain(..) {
            let (id, outgoing) = match effect {
                Effect::Send(id, text) => (id, Outgoing::Text(text)),
                Effect::Close(id, reason) => (id, Outgoing::Close(reason)),
                Effect::Count(_) => continue,
            };
            if let Some(outbox) = self.outboxes.get(&id)
                && outbox.try_send(outgoing).is_err()
            {
                self.outboxes.remove(&id);
            }
        }
    }
}

/// What one subscriber can be assumed to hold: an IPv4 address, an IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6((u128::from(address) >> 64 << 64).into())
        }
        other => other,
    }
}
