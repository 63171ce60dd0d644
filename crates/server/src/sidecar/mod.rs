//! The daemon behind a web server's module: what the module is told, and what it tells.
//!
//! Front door: [`Sidecar`]. The documents are `manyhands-bridge`'s; here they meet files, sockets and the engine.
//!
//! | file | story |
//! |---|---|
//! | `handout.rs` | the files that the module reads |
//! | `pulse.rs` | the lease, renewed as long as this process answers |
//! | `intake.rs` | the reports that the module sends |

mod handout;
mod intake;
mod pulse;

pub(crate) use handout::Handout;
pub use manyhands_bridge::events_socket;

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::UnixDatagram;

use crate::engine::Engine;

/// The daemon's side of the bridge.
#[derive(Debug)]
pub struct Sidecar {
    engine: Engine,
    /// Where HTTP is answered.
    socket: PathBuf,
    events: UnixDatagram,
}

impl Sidecar {
    /// `socket` is where this process answers HTTP for the same engine, `events` where modules report to.
    ///
    /// What a former process handed out is taken back: it is handed out again as it is confirmed.
    ///
    /// # Errors
    /// When the state directory can't be written.
    pub fn open(engine: Engine, socket: &Path, events: UnixDatagram) -> io::Result<Self> {
        engine.hand_out()?;
        Ok(Self { engine, socket: socket.to_owned(), events })
    }

    /// Runs until it is dropped: renews the lease, hands out what is shown, takes reports.
    pub async fn run(self) {
        let Self { engine, socket, events } = self;
        let Some(handout) = engine.handout() else { return };
        tokio::join!(
            pulse::run(&engine, handout, &socket),
            handout.run(&engine),
            intake::run(&engine, &events),
        );
    }
}
