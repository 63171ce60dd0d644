//! Taking a port, or saying in one line why not.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::tls::{TlsError, TlsFiles};

/// Why a port cannot be listened on: what, why, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The text names no address of this machine.
    #[error("`{0}` is no address to listen on: write it like 127.0.0.1:8080 or [::]:443")]
    Address(String),
    /// Somebody else has it.
    #[error(
        "cannot listen on {0}: the port is in use; stop the other program or choose another port"
    )]
    InUse(String),
    /// The system keeps it for the privileged.
    #[error("cannot listen on {0}: not permitted; ports below 1024 need the right to bind them")]
    NotPermitted(String),
    /// The machine has no such address.
    #[error("cannot listen on {0}: this machine has no such address")]
    NotOurs(String),
    /// Anything else.
    #[error("cannot listen on {address}: {cause}")]
    Other {
        /// As it was given.
        address: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// An open port, with TLS or without.
pub struct Listener {
    pub(crate) tcp: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tls = self.tls.is_some();
        formatter.debug_struct("Listener").field("tcp", &self.tcp).field("tls", &tls).finish()
    }
}

impl Listener {
    /// Takes the port at once. `address` is `host:port`; port 0 lets the system choose.
    ///
    /// # Errors
    /// In one line that a person can act on.
    pub async fn bind(address: &str) -> Result<Self, BindError> {
        let names = || address.to_owned();
        let has_port =
            address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if !has_port {
            return Err(BindError::Address(names()));
        }
        let tcp = TcpListener::bind(address).await.map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(names()),
            io::ErrorKind::PermissionDenied => BindError::NotPermitted(names()),
            io::ErrorKind::AddrNotAvailable => BindError::NotOurs(names()),
            // What a failed look-up of the name gives differs between systems.
            _ if address.parse::<SocketAddr>().is_err() => BindError::Address(names()),
            _ => BindError::Other { address: names(), cause },
        })?;
        Ok(Self { tcp, tls: None })
    }

    /// Speaks TLS on this port from now on, with HTTP/2 and HTTP/1.1 to choose from.
    ///
    /// # Errors
    /// When the files cannot be read or do not belong together.
    pub fn with_tls(mut self, files: &TlsFiles) -> Result<Self, TlsError> {
        self.tls = Some(files.acceptor()?);
        Ok(self)
    }

    /// The address, with the port that the system chose.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Whether it speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn why_not_in_one_line() {
        let first = Listener::bind("127.0.0.1:0").await.unwrap();
        let taken = first.local_address().unwrap().to_string();
        for (address, says) in [
            (&*taken, "in use"),
            ("192.0.2.1:8080", "no such address"),
            ("8080", "like 127.0.0.1:8080"),
            ("", "like 127.0.0.1:8080"),
            ("localhost", "like 127.0.0.1:8080"),
            ("127.0.0.1:99999", "like 127.0.0.1:8080"),
            ("127.0.0.1:http", "like 127.0.0.1:8080"),
        ] {
            let error = Listener::bind(address).await.unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(address), "{address}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
