//! Why a server could not be asked: at which stage, and what can be done.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// One failed attempt. Its text is one line, its remedy one sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the name {host} was not found ({error})")]
    Name { host: String, error: io::Error },
    #[error("{address} refused the connection")]
    Refused { address: SocketAddr },
    #[error("{address} cannot be reached ({error})")]
    Connect { address: SocketAddr, error: io::Error },
    #[error("{address} did not answer within {} s", limit.as_secs())]
    ConnectTimeout { address: SocketAddr, limit: Duration },
    #[error("TLS with {host} failed: {}", tls_reason(error))]
    Tls { host: String, error: io::Error },
    #[error("TLS with {host} took longer than {} s", limit.as_secs())]
    TlsTimeout { host: String, limit: Duration },
    #[error("there was no answer within {} s", limit.as_secs())]
    AnswerTimeout { limit: Duration },
    #[error("the answer paused for more than {} s", limit.as_secs())]
    Stalled { limit: Duration },
    #[error("what came back is no HTTP/1.1 answer ({0})")]
    NotHttp(hyper::Error),
    #[error("the connection was closed before the answer was complete ({0})")]
    BrokeOff(hyper::Error),
}

/// Where in reaching a server something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Address,
    Connection,
    Tls,
    Answer,
}

impl Failure {
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::Name { .. } => Stage::Address,
            Self::Refused { .. } | Self::Connect { .. } | Self::ConnectTimeout { .. } => {
                Stage::Connection
            }
            Self::Tls { .. } | Self::TlsTimeout { .. } => Stage::Tls,
            Self::AnswerTimeout { .. }
            | Self::Stalled { .. }
            | Self::NotHttp(_)
            | Self::BrokeOff(_) => Stage::Answer,
        }
    }

    /// A stable name in snake case.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name_not_found",
            Self::Refused { .. } => "connection_refused",
            Self::Connect { .. } => "not_reachable",
            Self::ConnectTimeout { .. } => "connection_timeout",
            Self::Tls { .. } => "tls",
            Self::TlsTimeout { .. } => "tls_timeout",
            Self::AnswerTimeout { .. } => "answer_timeout",
            Self::Stalled { .. } => "answer_stalled",
            Self::NotHttp(_) => "not_http",
            Self::BrokeOff(_) => "answer_broke_off",
        }
    }

    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Name { .. } => "check the spelling, and the DNS record of the name",
            Self::Refused { .. } => {
                "start the server, or correct the port; a firewall may refuse as well"
            }
            Self::Connect { .. } | Self::ConnectTimeout { .. } => {
                "check the network, the firewall and the address in DNS"
            }
            Self::Tls { error, .. } => tls_remedy(error),
            Self::TlsTimeout { .. } => "check what listens on that port: it may not speak TLS",
            Self::AnswerTimeout { .. } | Self::Stalled { .. } => {
                "see what keeps the server busy, or give it longer with --timeout"
            }
            Self::NotHttp(_) => "check the port and whether it is http or https",
            Self::BrokeOff(_) => "look into the log of the server: it or a proxy closed early",
        }
    }
}

fn tls_reason(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    use rustls::CertificateError as Bad;
    match inner {
        Some(rustls::Error::InvalidCertificate(bad)) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired".to_owned(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet".to_owned()
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name".to_owned()
            }
            Bad::UnknownIssuer => "no known authority vouches for its certificate".to_owned(),
            other => format!("its certificate is refused ({other})"),
        },
        Some(rustls::Error::InvalidMessage(_)) => "the other side does not speak TLS".to_owned(),
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}

fn tls_remedy(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => {
            "send the intermediate certificates too, or name your own authority with --ca; browsers \
             refuse the site as well"
        }
        Some(rustls::Error::InvalidCertificate(_)) => {
            "renew the certificate for this name; browsers refuse the site as well"
        }
        _ => "check that this port speaks TLS, or ask by http://",
    }
}
