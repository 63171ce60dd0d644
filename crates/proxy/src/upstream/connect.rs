//! Reaching the upstream: name, TCP and TLS within one limit.

use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tower_service::Service;

use super::error::ConfigError;
use crate::BoxError;

type Secure = HttpsConnector<HttpConnector>;

/// A connector that gives up in time.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    inner: Secure,
    limit: Duration,
}

impl Connector {
    /// With `http2`, TLS offers it; plain connections speak HTTP/1.1.
    pub(crate) fn new(
        scheme: &Scheme,
        http2: bool,
        limit: Duration,
        extra_roots: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        let roots =
            if *scheme == Scheme::HTTPS { roots(extra_roots)? } else { RootCertStore::empty() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ConfigError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let builder =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let inner = if http2 {
            builder.enable_all_versions().wrap_connector(http)
        } else {
            builder.enable_http1().wrap_connector(http)
        };
        Ok(Self { inner, limit })
    }
}

fn roots(extra: Option<&Path>) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if let Some(path) = extra {
        let refused = |cause: BoxError| ConfigError::ExtraRoots { path: path.to_owned(), cause };
        let pem = fs::read(path).map_err(|error| refused(error.into()))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| refused(error.to_string().into()))?;
            roots.add(certificate).map_err(|error| refused(error.into()))?;
        }
        if roots.len() == before {
            return Err(refused("there is no certificate in it".into()));
        }
    }
    if roots.is_empty() { Err(ConfigError::NoRoots) } else { Ok(roots) }
}

impl Service<Uri> for Connector {
    type Response = <Secure as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.inner.call(target);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}
