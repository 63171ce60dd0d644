//! From a URL to a connection, stage by stage: name, TCP, TLS.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::target::Target;

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 6;

/// A connection, secured or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

pub(crate) type Connection = Pin<Box<dyn Stream>>;

pub(crate) struct Connector {
    tls: TlsConnector,
    limit: Duration,
    /// Addresses that answered: asked first from then on, so that a dead one costs its time once.
    good: Mutex<HashMap<(String, u16), SocketAddr>>,
}

impl Connector {
    /// `limit` is for each stage; `ca` names further authorities (PEM).
    pub(crate) fn new(ca: Option<&Path>, limit: Duration) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?
            .with_root_certificates(roots(ca)?)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(tls).into(), limit, good: Mutex::default() })
    }

    /// The addresses of the host, the one that answered before first.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let host = target.host().trim_matches(['[', ']']);
        let not_found = |error| Failure::Name { host: host.to_owned(), error };
        let found =
            tokio::time::timeout(self.limit, tokio::net::lookup_host((host, target.port())));
        let found = found.await.map_err(|_| not_found(io::ErrorKind::TimedOut.into()))?;
        let mut found: Vec<SocketAddr> = found.map_err(not_found)?.collect();
        found.dedup();
        found.truncate(MOST_ADDRESSES);
        if found.is_empty() {
            return Err(not_found(io::Error::other("it has no address")));
        }
        let known = self.lock().get(&key(target)).copied();
        // False sorts first; the order is kept otherwise.
        found.sort_by_key(|address| Some(*address) != known);
        Ok(found)
    }

    /// Connects to the first address that answers; the failures of those before it come along.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<(Connection, SocketAddr, Vec<Failure>), Failure> {
        let mut failures = Vec::new();
        for &address in addresses {
            match self.tcp(address).await {
                Ok(stream) => {
                    self.lock().insert(key(target), address);
                    return Ok((self.secured(target, stream).await?, address, failures));
                }
                Err(failure) => failures.push(failure),
            }
        }
        let none = || Failure::Name {
            host: target.host().to_owned(),
            error: io::Error::other("it has no address"),
        };
        // The first address is the one that a browser would ask first.
        Err(failures.into_iter().next().unwrap_or_else(none))
    }

    async fn tcp(&self, address: SocketAddr) -> Result<TcpStream, Failure> {
        match tokio::time::timeout(self.limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(Failure::Refused { address })
            }
            Ok(Err(error)) => Err(Failure::Connect { address, error }),
            Err(_) => Err(Failure::ConnectTimeout { address, limit: self.limit }),
        }
    }

    async fn secured(&self, target: &Target, stream: TcpStream) -> Result<Connection, Failure> {
        if !target.is_secure() {
            return Ok(Box::pin(stream));
        }
        let host = target.host().trim_matches(['[', ']']).to_owned();
        let name = match ServerName::try_from(host.clone()) {
            Ok(name) => name,
            Err(error) => return Err(Failure::Tls { host, error: io::Error::other(error) }),
        };
        match tokio::time::timeout(self.limit, self.tls.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::pin(stream)),
            Ok(Err(error)) => Err(Failure::Tls { host, error }),
            Err(_) => Err(Failure::TlsTimeout { host, limit: self.limit }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, u16), SocketAddr>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(target: &Target) -> (String, u16) {
    (target.host().to_owned(), target.port())
}

fn roots(ca: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // None at all is found out when a certificate is checked: plain http needs none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let before = roots.len();
        let read = || format!("cannot read certificate authorities from {}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
            roots.add(certificate.with_context(read)?).with_context(read)?;
        }
        if roots.len() == before {
            bail!("{} holds no certificate; --ca wants a PEM file", path.display());
        }
    }
    Ok(roots)
}

/// Whether strangers on the internet can have this address: not this machine, not a local network.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            // RFC 6598: addresses between a provider and its customers.
            let shared = a == 100 && (64..128).contains(&b);
            !(address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || shared)
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_can_reach() {
        for public in ["93.184.216.34", "100.63.255.255", "2606:2800::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }
}
