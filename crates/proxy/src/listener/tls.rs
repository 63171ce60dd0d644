//! A certificate and its key, from files.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The PEM files of a TLS server.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the site first, then those that lead to an authority.
    pub cert: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsFiles")
            .field("cert", &self.cert)
            .field("key", &self.key)
            .finish()
    }
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate file cannot be used.
    #[error("cannot use the certificate file `{}`: {reason}", .path.display())]
    Certificate {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key file cannot be used.
    #[error("cannot use the key file `{}`: {reason}", .path.display())]
    Key {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Each is fine, but not together.
    #[error("the certificate `{}` and the key `{}` do not belong together: {reason}", .files.cert.display(), .files.key.display())]
    Mismatch {
        /// As they were given.
        files: TlsFiles,
        /// What the library said.
        reason: rustls::Error,
    },
}

impl TlsFiles {
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let bad_certificate =
            |reason: String| TlsError::Certificate { path: self.cert.clone(), reason };
        let bad_key = |reason: String| TlsError::Key { path: self.key.clone(), reason };
        let certificates = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad_certificate(explain(&error)))?;
        if certificates.is_empty() {
            return Err(bad_certificate("there is no certificate in it".into()));
        }
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| bad_key(explain(&error)))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mismatch = |reason| TlsError::Mismatch { files: self.clone(), reason };
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(mismatch)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(mismatch)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn explain(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => {
            "there is no such item in it (PEM, and a key must not be encrypted)".into()
        }
        pem::Error::Io(error) => error.to_string(),
        other => format!("it is not PEM: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_files() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let one = rcgen::generate_simple_self_signed(["a.example".into()]).unwrap();
        let two = rcgen::generate_simple_self_signed(["b.example".into()]).unwrap();
        let cert = put("cert.pem", &one.cert.pem());
        let key = put("key.pem", &one.signing_key.serialize_pem());
        let other = put("other.pem", &two.signing_key.serialize_pem());
        let empty = put("empty.pem", "");
        let missing = directory.path().join("missing.pem");
        let outcome = |cert: &PathBuf, key: &PathBuf| {
            TlsFiles { cert: cert.clone(), key: key.clone() }.acceptor().map(|_| ())
        };
        outcome(&cert, &key).unwrap();
        for (cert, key, says) in [
            (&missing, &key, "missing.pem"),
            (&cert, &missing, "key file"),
            (&empty, &key, "no certificate"),
            (&cert, &empty, "no such item"),
            (&key, &key, "no certificate"),
            (&cert, &cert, "no such item"),
            (&cert, &other, "do not belong together"),
        ] {
            let error = outcome(cert, key).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains('\n'));
        }
    }
}
