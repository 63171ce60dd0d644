//! Ports, TLS and connections: from a socket to requests for a service.

mod bind;
mod connection;
mod guard;
mod scan;
mod seats;
mod serve;
mod tls;
mod unix;

use std::net::SocketAddr;

pub use bind::{BindError, Listener};
pub use serve::{ServeOptions, serve};
pub use tls::{TlsError, TlsFiles};
pub use unix::{SocketFile, UnixBindError, UnixMailbox, UnixPort, serve_unix};

/// How a request reached us: an extension of every request that [`serve`] hands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// The other end of the connection: the client, or a proxy in front.
    pub peer: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
}
