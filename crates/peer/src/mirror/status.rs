//! How a mirror is, in figures and words: told to whoever asks at a socket in its directory.
//!
//! A socket and not a file: it says how things are now, needs no room on a full disk, and is silent
//! when nobody is there.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use manyhands_protocol::mirrors::{MirrorState, PublicKey};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

use super::Inner;
use super::announce::base_of;
use super::site::Site;
use crate::store::disk_space;

/// Version of the JSON form. Members may be added to it; none changes its meaning.
const VERSION: u32 = 1;
const SOCKET: &str = "status.sock";
/// Assets in the making that are told of, each site.
const MOST_UNDER_WAY: usize = 20;

/// State of a mirror. Its JSON form is stable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorStatus {
    v: u32,
    /// Its key: what operators approve.
    pub key: PublicKey,
    /// What operators see it called.
    pub name: String,
    /// Bytes of disk that it may take.
    pub budget: u64,
    /// Bytes of disk that all it has chosen to carry will take.
    pub chosen: u64,
    /// One for each site.
    pub sites: Vec<SiteStatus>,
}

/// State of one site at a mirror.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteStatus {
    /// Its origin.
    pub site: String,
    /// The key that its feed must be signed by, once one is trusted.
    pub site_key: Option<PublicKey>,
    /// What its operator has decided.
    pub state: Option<MirrorState>,
    /// How it stands with this site, a sentence.
    pub words: String,
    /// What is wrong now, a sentence each.
    pub troubles: Vec<String>,
    /// Seconds since the site was last heard of.
    pub heard: Option<u64>,
    /// Whether the feed still holds: otherwise nothing is served.
    pub fresh: bool,
    /// Number of the feed.
    pub sequence: u64,
    /// Assets that the feed lists.
    pub listed: u64,
    /// Assets chosen to be carried, and their bytes.
    pub chosen: u64,
    /// Bytes of these.
    pub chosen_bytes: u64,
    /// Assets that are whole.
    pub whole: u64,
    /// Bytes that are verified, of whole assets and others.
    pub held_bytes: u64,
    /// Where visitors find it.
    pub url: Option<String>,
    /// Bytes fetched since the start.
    pub fetched_bytes: u64,
    /// Bytes sent to visitors since the start.
    pub sent_bytes: u64,
    /// Answers to visitors since the start.
    pub answers: u64,
    /// Some of those begun and not whole.
    pub under_way: Vec<UnderWay>,
}

/// An asset that is in the making.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnderWay {
    /// Its path on the site.
    pub path: String,
    /// Its length.
    pub length: u64,
    /// Bytes of it that are verified.
    pub held_bytes: u64,
}

impl MirrorStatus {
    pub(super) fn of(inner: &Inner) -> Self {
        let key = inner.key.public();
        let sites: Vec<_> =
            inner.sites.iter().map(|site| SiteStatus::of(inner, site, &key)).collect();
        Self {
            v: VERSION,
            key,
            name: inner.settings.name.clone(),
            budget: inner.settings.budget,
            chosen: inner.sites.iter().map(|site| site.chosen_space()).sum(),
            sites,
        }
    }

    /// Asks the mirror that runs in a directory. `None` when none does.
    ///
    /// # Errors
    /// When what is there can't be asked or read.
    pub fn of_running(directory: &Path) -> io::Result<Option<Self>> {
        let mut socket = match BlockingStream::connect(directory.join(SOCKET)) {
            Ok(socket) => socket,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut json = Vec::new();
        socket.read_to_end(&mut json)?;
        serde_json::from_slice(&json).map(Some).map_err(io::Error::other)
    }
}

impl SiteStatus {
    fn of(inner: &Inner, site: &Site, key: &PublicKey) -> Self {
        let view = site.view();
        let mut seen = std::collections::HashSet::new();
        let (mut whole, mut held_bytes, mut chosen_bytes) = (0, 0, 0);
        let mut under_way = Vec::new();
        for listed in view.wanted.iter().filter(|it| seen.insert(it.root)) {
            chosen_bytes += listed.length;
            let Some(asset) = site.store.opened(&listed.root) else { continue };
            let held = asset.held_bytes();
            held_bytes += held;
            if asset.is_whole() {
                whole += 1;
            } else if under_way.len() < MOST_UNDER_WAY {
                under_way.push(UnderWay {
                    path: listed.path.to_string(),
                    length: listed.length,
                    held_bytes: held,
                });
            }
        }
        let reason = view.reason.as_deref().map(|it| format!(": {it}")).unwrap_or_default();
        let words = match view.standing {
            Some(MirrorState::Banned) => {
                format!("banned by the site's operator{reason}. Nothing of the site is served")
            }
            _ if !view.is_fresh && view.sequence > 0 => {
                "not heard of for a day: nothing of the site is served until it answers".to_owned()
            }
            Some(MirrorState::Approved) => format!("approved by the site's operator{reason}"),
            Some(MirrorState::Pending) => {
                format!("waits for the site's operator, who runs: manyhands mirrors approve {key}")
            }
            None => "not announced yet".to_owned(),
        };
        Self {
            site: site.origin().to_string(),
            site_key: view.key,
            state: view.standing,
            words,
            troubles: view.troubles,
            heard: view.contact.map(|ago| ago.as_secs()),
            fresh: view.is_fresh,
            sequence: view.sequence,
            listed: view.listed,
            chosen: seen.len() as u64,
            chosen_bytes,
            whole,
            held_bytes,
            url: base_of(&inner.settings, site),
            fetched_bytes: site.counts.fetched(),
            sent_bytes: site.counts.sent(),
            answers: site.counts.answers(),
            under_way,
        }
    }
}

impl Site {
    fn chosen_space(&self) -> u64 {
        let mut seen = std::collections::HashSet::new();
        let view = self.view();
        let wanted = view.wanted.iter().filter(|it| seen.insert(it.root));
        wanted.map(|it| disk_space(it.length)).sum()
    }
}

/// The socket's file, gone with the process.
#[derive(Debug)]
pub(super) struct StatusSocket {
    listener: UnixListener,
    place: PathBuf,
}

impl StatusSocket {
    /// The directory is locked, so a socket that is there is a dead process's.
    pub(super) fn bind(directory: &Path) -> io::Result<Self> {
        let place = directory.join(SOCKET);
        match std::fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { listener: UnixListener::bind(&place)?, place })
    }

    /// Tells everybody who connects, and hangs up.
    pub(super) async fn tell(&self, inner: &Inner) -> io::Result<()> {
        loop {
            let (mut socket, _) = self.listener.accept().await?;
            let json = serde_json::to_vec(&MirrorStatus::of(inner)).unwrap_or_default();
            // Who does not read is not waited for: others ask, too.
            let telling = async move {
                let _ = socket.write_all(&json).await;
                let _ = socket.shutdown().await;
            };
            let _ = tokio::time::timeout(Duration::from_secs(5), telling).await;
        }
    }
}

impl Drop for StatusSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.place);
    }
}
