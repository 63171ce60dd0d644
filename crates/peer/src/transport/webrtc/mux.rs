//! One UDP port for all connections.
//!
//! Each connection of the stack believes to own a socket ([`Port`]); all of them are this one. What arrives is handed out by
//! - a binding request: the ufrag in its USERNAME, which we chose at random;
//! - a response: the transaction, which the connection's own agent began;
//! - anything else: the source address.
//!
//! A ufrag travels in the clear, so it must not be enough to take an address over. A connection comes by an address in two ways only: its agent
//! **answered with success** from there (MESSAGE-INTEGRITY held, so the other side knows our password), or its agent got a success back to a request
//! it sent there. And an address that a living connection has stays with it.
//!
//! Nothing unknown is ever answered, logged or remembered: junk costs one look into a map. Queues are bounded; what does not fit is lost, as UDP may.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::stun::{Kind, Transaction, classify};
use crate::transport::TransportError;

/// What we ask the kernel for, each way. Bursts of all connections meet here; with the usual 208 KiB a single one lost packets and fell from
/// 93 to 7 MB/s.
const SOCKET_BUFFER: usize = 4 << 20;

/// Datagrams that wait for one connection: twice what the SCTP window of 256 KiB allows in flight.
const QUEUE: usize = 512;

/// Addresses of one connection: the other side's candidates that answered.
const ADDRESSES: usize = 8;

/// Requests of one connection whose answers are awaited; older ones are forgotten.
const TRANSACTIONS: usize = 64;

/// The longest datagram taken; DTLS records of the stack stay below 1,300 bytes.
const LONGEST: usize = 2048;

/// The shared socket, until the last handle of it is gone.
#[derive(Debug)]
pub(super) struct Mux {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

/// The socket and who is behind which address.
#[derive(Debug)]
pub(super) struct Shared {
    socket: UdpSocket,
    tables: Mutex<Tables>,
    /// Senders that found the socket full.
    blocked: Mutex<Vec<Waker>>,
    full: Notify,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Tables {
    ufrags: HashMap<String, Arc<Line>>,
    addresses: HashMap<SocketAddr, Arc<Line>>,
    transactions: HashMap<Transaction, Arc<Line>>,
}

/// One connection's side of the mux.
#[derive(Debug)]
pub(super) struct Line {
    ufrag: String,
    inbox: Mutex<Inbox>,
    /// Told when the stack has taken all that had arrived: what was acknowledged is known now.
    pub(super) taken: Notify,
}

#[derive(Debug, Default)]
struct Inbox {
    queue: VecDeque<(SocketAddr, Bytes)>,
    waker: Option<Waker>,
    taking: bool,
    addresses: Vec<SocketAddr>,
    transactions: VecDeque<Transaction>,
    /// Where the last datagram that was not STUN came from.
    remote: Option<SocketAddr>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other side's address, once DTLS came from it.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.lock().remote
    }
}

impl Mux {
    /// Binds `address` and starts to hand out.
    pub(super) fn bind(address: SocketAddr) -> Result<Arc<Self>, TransportError> {
        let socket = open(address).map_err(|source| TransportError::Io {
            doing: "open the udp port for peers",
            source,
        })?;
        let shared = Arc::new(Shared {
            socket,
            tables: Mutex::default(),
            blocked: Mutex::default(),
            full: Notify::new(),
            dropped: AtomicU64::new(0),
        });
        let stop = CancellationToken::new();
        tokio::spawn(run(shared.clone(), stop.clone()));
        Ok(Arc::new(Self { shared, stop }))
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::ops::Deref for Mux {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Datagrams that were nobody's, or found a full queue.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line for the connection whose agent has `ufrag`.
    pub(super) fn line(&self, ufrag: &str) -> Arc<Line> {
        let line = Arc::new(Line {
            ufrag: ufrag.to_owned(),
            inbox: Mutex::default(),
            taken: Notify::new(),
        });
        self.tables().ufrags.insert(ufrag.to_owned(), line.clone());
        line
    }

    /// Takes everything of `line` out of the tables.
    pub(super) fn forget(&self, line: &Arc<Line>) {
        let mut tables = self.tables();
        let mut inbox = line.lock();
        tables.ufrags.remove(&line.ufrag);
        for address in inbox.addresses.drain(..) {
            tables.addresses.remove(&address);
        }
        for transaction in inbox.transactions.drain(..) {
            tables.transactions.remove(&transaction);
        }
        inbox.queue = VecDeque::new();
    }

    fn arrived(&self, from: SocketAddr, datagram: &[u8]) {
        if !self.hand_out(from, datagram) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn hand_out(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        let mut tables = self.tables();
        let (line, stun) = match classify(datagram) {
            Kind::Request { ufrag, .. } => (tables.ufrags.get(ufrag).cloned(), true),
            Kind::Response { success, transaction } => {
                let line = tables.transactions.get(&transaction).cloned();
                if let Some(line) = &line
                    && success
                {
                    tables.give(line, from);
                }
                (line, true)
            }
            Kind::Other => (tables.addresses.get(&from).cloned(), false),
            Kind::Junk => (None, true),
        };
        drop(tables);
        let Some(line) = line else { return false };
        let mut inbox = line.lock();
        if inbox.queue.len() >= QUEUE {
            return false;
        }
        if !stun {
            inbox.remote = Some(from);
        }
        inbox.queue.push_back((from, Bytes::copy_from_slice(datagram)));
        if let Some(waker) = inbox.waker.take() {
            drop(inbox);
            waker.wake();
        }
        true
    }

    /// Learns from what the agent of `line` sends.
    fn leaving(&self, line: &Arc<Line>, to: SocketAddr, datagram: &[u8]) {
        match classify(datagram) {
            Kind::Request { transaction, .. } => self.tables().await_answer(line, transaction),
            Kind::Response { success: true, .. } => self.tables().give(line, to),
            Kind::Response { success: false, .. } | Kind::Other | Kind::Junk => {}
        }
    }
}

impl Tables {
    fn give(&mut self, line: &Arc<Line>, address: SocketAddr) {
        let mut inbox = line.lock();
        if self.ufrags.contains_key(&line.ufrag)
            && inbox.addresses.len() < ADDRESSES
            && !self.addresses.contains_key(&address)
        {
            inbox.addresses.push(address);
            self.addresses.insert(address, line.clone());
        }
    }

    fn await_answer(&mut self, line: &Arc<Line>, transaction: Transaction) {
        let mut inbox = line.lock();
        if !self.ufrags.contains_key(&line.ufrag) || self.transactions.contains_key(&transaction) {
            return;
        }
        if inbox.transactions.len() >= TRANSACTIONS
            && let Some(oldest) = inbox.transactions.pop_front()
        {
            self.transactions.remove(&oldest);
        }
        inbox.transactions.push_back(transaction);
        self.transactions.insert(transaction, line.clone());
    }
}

/// Hands out what arrives and wakes senders, until the last handle of the mux is gone.
async fn run(mux: Arc<Shared>, stop: CancellationToken) {
    let mut buffer = vec![0; LONGEST + 1];
    loop {
        let blocked = async {
            mux.full.notified().await;
            mux.socket.writable().await
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ready = mux.socket.readable() => if ready.is_err() { return },
            _ = blocked => {}
        }
        for waker in
            std::mem::take(&mut *mux.blocked.lock().unwrap_or_else(PoisonError::into_inner))
        {
            waker.wake();
        }
        // An ICMP error of one peer shows up as an error of the socket: pass over it. At most a burst, then others run.
        for _ in 0..64 {
            match mux.socket.try_recv_from(&mut buffer) {
                Ok((length, from)) if length <= LONGEST => {
                    mux.arrived(from, buffer.get(..length).unwrap_or_default());
                }
                Ok(_) => {
                    mux.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    // The kernel tells twice what it grants.
    let granted = socket.recv_buffer_size()? / 2;
    static TOLD: AtomicBool = AtomicBool::new(false);
    if granted < SOCKET_BUFFER && !TOLD.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            granted,
            wanted = SOCKET_BUFFER,
            "the kernel grants a small udp receive buffer: packets will be lost when many peers send at once; \
             set `sysctl net.core.rmem_max={SOCKET_BUFFER}`"
        );
    }
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// What the stack takes for a socket of its own.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) mux: Arc<Mux>,
    pub(super) line: Arc<Line>,
    /// The address of the socket that the stack had bound: its key for this one.
    pub(super) name: SocketAddr,
}

impl AsyncUdpSocket for Port {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.name)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.mux.leaving(&self.line, transmit.destination, transmit.contents);
        match self.mux.socket.try_send_to(transmit.contents, transmit.destination) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut blocked = self.mux.blocked.lock().unwrap_or_else(PoisonError::into_inner);
                blocked.push(cx.waker().clone());
                self.mux.full.notify_one();
                Poll::Pending
            }
            // Unreachable, refused: that path is not there, which is for ICE to find out.
            Err(_) => Poll::Ready(Ok(transmit.contents.len())),
            sent => Poll::Ready(sent),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inbox = self.line.lock();
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(meta) {
            let Some((from, datagram)) = inbox.queue.pop_front() else { break };
            let length = datagram.len().min(buffer.len());
            if let (Some(room), Some(bytes)) = (buffer.get_mut(..length), datagram.get(..length)) {
                room.copy_from_slice(bytes);
            }
            *meta = RecvMeta::default();
            meta.addr = from;
            meta.len = length;
            meta.stride = length.max(1);
            count += 1;
        }
        if count > 0 {
            inbox.taking = true;
            return Poll::Ready(Ok(count));
        }
        inbox.waker = Some(cx.waker().clone());
        let taken = std::mem::take(&mut inbox.taking);
        drop(inbox);
        if taken {
            self.line.taken.notify_waiters();
        }
        Poll::Pending
    }
}
