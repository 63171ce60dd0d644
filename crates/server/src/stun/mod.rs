//! The STUN binding responder (RFC 8489): tells a visitor the address it has outside its home, so that
//! two homes can connect without any third party.
//!
//! Front door: [`Responder`].

use std::io;
use std::net::{SocketAddr, UdpSocket};

use manyhands_protocol::stun::binding_response;

/// Largest datagram looked at; a binding request has a few dozen bytes.
const MOST_REQUEST: usize = 1_500;

/// A bound UDP socket that will answer binding requests.
#[derive(Debug)]
pub(crate) struct Responder {
    socket: UdpSocket,
}

impl Responder {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Answers until dropped.
    pub(crate) async fn run(self) -> io::Result<()> {
        let socket = tokio::net::UdpSocket::from_std(self.socket)?;
        let (mut request, mut response) = (vec![0; MOST_REQUEST], Vec::new());
        loop {
            // A send that failed shows up here as an error of the socket: no reason to stop.
            let Ok((length, from)) = socket.recv_from(&mut request).await else { continue };
            response.clear();
            let datagram = request.get(..length).unwrap_or_default();
            if binding_response(datagram, from, &mut response).is_ok() {
                let _ = socket.try_send_to(&response, from);
            }
        }
    }
}
