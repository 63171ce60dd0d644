//! What the daemon (`manyhands sidecar`) and a web server's module tell each other.
//!
//! Layer L0: documents, read and written as bytes. Files and sockets are the business of both ends.
//!
//! | document | from, to | where |
//! |---|---|---|
//! | [`Lease`] | daemon to module | `<state>/nginx/lease.json` |
//! | [`Swarms`] | daemon to module | `<state>/nginx/swarms.json` |
//! | [`Published`] | daemon to module | `<state>/nginx/published/<SHA-256 of the asset's path>.json` |
//! | [`Report`] | module to daemon | datagrams to the socket of [`events_socket`] |
//!
//! Both ends are of one version, installed together, but not restarted together: what can't be read is refused
//! whole, and nothing is shared until both understand each other again.

mod lease;
mod published;
mod report;

pub use lease::{BEAT, Experiment, HOLDS, Lease};
pub use published::{Form, Published, Swarms};
pub use report::{Event, MAX_DATAGRAM, Network, Report, Unit, UnitCounts};

use std::path::{Path, PathBuf};

/// The version of all these documents.
const VERSION: u32 = 1;

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not JSON of this shape.
    #[error("not a document of this kind: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by another version of this software.
    #[error("written by another version of this software (format {0})")]
    Version(u32),
    /// Well-formed, but it can't be meant.
    #[error("{0}")]
    Contradiction(&'static str),
}

/// Where a daemon that answers HTTP on `socket` takes [`Report`]s.
#[must_use]
pub fn events_socket(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".events");
    name.into()
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, DocumentError> {
    /// The one field that every version has.
    #[derive(serde::Deserialize)]
    struct Header {
        v: u32,
    }
    let Header { v } = serde_json::from_slice(bytes)?;
    if v != VERSION {
        return Err(DocumentError::Version(v));
    }
    Ok(serde_json::from_slice(bytes)?)
}

fn write<T: serde::Serialize>(document: &T) -> Vec<u8> {
    serde_json::to_vec(document).expect("strings and numbers are always JSON")
}
