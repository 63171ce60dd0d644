//! What can be wrong with the configuration, and whose fault a failed request is.

use std::error::Error;
use std::fmt::{self, Write};
use std::path::PathBuf;

use http::StatusCode;

/// Why an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The URL is not one of an upstream.
    #[error("`{url}` is no upstream: {reason}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file of extra certificate authorities cannot be used.
    #[error("cannot read certificate authorities from `{}`", .path.display())]
    ExtraRoots {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// `https` without anybody to trust.
    #[error("no certificate authority is known to this system: name a file of your own")]
    NoRoots,
    /// The TLS library refused.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// Why there is no answer to pass on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the request may not be passed on: {}", .0.reason)]
    Refused(crate::forward::Refusal),
    #[error("the client stopped sending its request")]
    ClientStalled,
    #[error("the client's request broke off")]
    ClientBrokeOff(#[source] hyper_util::client::legacy::Error),
    #[error("the upstream could not be reached")]
    Connect(#[source] hyper_util::client::legacy::Error),
    #[error("the upstream could not be reached in time")]
    ConnectTimeout(#[source] hyper_util::client::legacy::Error),
    #[error("the upstream broke off before it answered")]
    NoAnswer(#[source] hyper_util::client::legacy::Error),
    #[error("the upstream did not answer in time")]
    FirstByteTimeout,
    #[error("the upstream's answer cannot be passed on: {}", .0.0)]
    Broken(crate::forward::Broken),
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status,
            Self::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            Self::ClientBrokeOff(_) => StatusCode::BAD_REQUEST,
            Self::Connect(_) | Self::NoAnswer(_) | Self::Broken(_) => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout(_) | Self::FirstByteTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(crate) fn is_the_clients(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::ClientStalled | Self::ClientBrokeOff(_))
    }
}

/// An error and its causes in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        formatter.write_str(&last)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat the cause in the message.
            if !last.ends_with(&text) {
                formatter.write_str(": ")?;
                formatter.write_str(&text)?;
            }
            last = text;
            next = error.source();
        }
        formatter.write_char('.')
    }
}
