//! The tokio half of Manyhands: hash workers, the asset store, the tracker's sockets, STUN and the
//! reserved prefix.
//!
//! Layer L2. Entry types: [`Config`], whose [`Config::check`] is the start of everything, and
//! [`Engine`], which a host (the tower layer, and through it the proxy) asks about every request.
//! Decisions on headers live in `manyhands-page`, rules of swarms in `manyhands-protocol`, admission in
//! `manyhands-catalog`: this crate gives them sockets, files, threads and a clock.
//!
//! | folder | story |
//! |---|---|
//! | `config/` | what an operator can set |
//! | `engine/` | the object behind all hosts |
//! | `assets/` | from bytes to metainfo, on disk and in memory |
//! | `mirrors/` | who else carries the files: asked, approved, probed, listed |
//! | `operator/` | what the operator sees: the dashboard and the report |
//! | `reserved/` | what is answered below `/.well-known/manyhands/` |
//! | `tracker/` | WebSockets around the swarms |
//! | `sidecar/` | what a web server's module is told, and tells |
//! | `stun/` | the binding responder |
//! | `ledger/` | what was sent, by unit of the experiment, down to the database |
//! | `torrents/` | torrents of files at hand, made and checked |

mod assets;
mod client;
mod config;
mod engine;
mod ledger;
mod mirrors;
mod operator;
mod reserved;
mod sidecar;
mod stun;
mod text;
mod torrents;
mod tracker;

pub use assets::{Fetch, FetchBody, Fetching, Ready, Tee};
pub use client::{Client, PeerAddress};
pub use config::{
    AdmissionSection, AssetsSection, BillingSection, CacheSection, Checked, Config, ConfigError,
    ConsentMode, ConsentSection, ExperimentDesign, ExperimentSection, Foreign, ListenSection,
    MirrorsSection, PageSection, PolicySection, Reseed, SiteSection, StateSection, StunSection,
    SwarmSection, UploadSection,
};
pub use engine::{Engine, Hashing, Offered, StartError, StateError};
pub use ledger::{Archive, ArchiveError, Meter, Period, Terms, Visitor};
pub use manyhands_experiment::BillingModel;
pub use manyhands_metainfo::{AssetPath, LocalFile};
pub use operator::Report;
pub use reserved::{Answer, AwaitedBody, Ours};
pub use sidecar::{Sidecar, events_socket};
pub use torrents::{
    ContentError, FileCheck, FileCheckState, LeftOut, MakeError, MakeOptions, STREAM_PIECE_LENGTH,
    TorrentCheck, TorrentContent, make_torrent, make_torrent_of_stream, verify_torrent,
};
