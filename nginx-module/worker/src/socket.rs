//! The way to the daemon: datagrams over a unix socket, never waited for.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// A socket that is connected when there is something to send, and again after whatever went wrong.
#[derive(Debug)]
pub(crate) struct Socket {
    place: PathBuf,
    connected: Option<UnixDatagram>,
}

impl Socket {
    pub(crate) fn new(place: &Path) -> Self {
        Self { place: place.to_owned(), connected: None }
    }

    /// Whether somebody is there: connects if need be. What is sent next may fail all the same.
    pub(crate) fn is_open(&mut self) -> bool {
        if self.connected.is_none() {
            self.connected = connect(&self.place).ok();
        }
        self.connected.is_some()
    }

    /// Sends a datagram, or not: `false` when nobody is there, or too much is unread.
    pub(crate) fn send(&mut self, datagram: &[u8]) -> bool {
        // The second time to whoever is there now: a daemon that started anew has another socket.
        for _ in 0..2 {
            if !self.is_open() {
                return false;
            }
            let Some(socket) = &self.connected else { return false };
            match socket.send(datagram) {
                Ok(sent) => return sent == datagram.len(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => self.connected = None,
            }
        }
        false
    }
}

fn connect(place: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(place)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_daemon_that_comes_late_goes_and_comes_again_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("events");
        let mut socket = Socket::new(&place);
        assert!(!socket.send(b"nobody is there"));
        let mut received = [0; 16];
        for round in *b"123" {
            let daemon = UnixDatagram::bind(&place).unwrap();
            assert!(socket.send(&[round]));
            assert_eq!((daemon.recv(&mut received).unwrap(), received[0]), (1, round));
            fs::remove_file(&place).unwrap();
        }
        assert!(!socket.send(b"it is gone"));
    }

    #[test]
    fn a_daemon_that_does_not_read_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("events");
        let daemon = UnixDatagram::bind(&place).unwrap();
        let mut socket = Socket::new(&place);
        let sent = (0..10_000).take_while(|_| socket.send(&[7; 60_000])).count();
        assert!((1..10_000).contains(&sent), "{sent}");
        assert!(!socket.send(b"full"));
        daemon.recv(&mut [0; 60_000]).unwrap();
        assert!(socket.send(b"room again"));
    }
}
