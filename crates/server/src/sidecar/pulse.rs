use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use manyhands_bridge::{BEAT, Lease, Swarms};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Handout;
use crate::engine::Engine;

/// How long an answer of ours may take before the lease is let go.
const PATIENCE: Duration = Duration::from_secs(1);
/// Most swarms that the module is told of; the smallest of more seem empty.
const MOST_SWARMS: usize = 10_000;

/// Renews the lease as long as this process answers on its own socket.
pub(super) async fn run(engine: &Engine, handout: &Handout, socket: &Path) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut lease, mut swarms) = (Vec::new(), Vec::new());
    let mut healthy = true;
    loop {
        beats.tick().await;
        let beaten = beat(engine, handout, socket, &mut lease, &mut swarms).await;
        match &beaten {
            Err(error) if healthy => tracing::error!(
                %error,
                socket = %socket.display(),
                "the lease is not renewed, and pages go out as they are"
            ),
            Ok(()) if !healthy => tracing::warn!("the lease is renewed again"),
            _ => {}
        }
        healthy = beaten.is_ok();
    }
}

async fn beat(
    engine: &Engine,
    handout: &Handout,
    socket: &Path,
    lease: &mut Vec<u8>,
    swarms: &mut Vec<u8>,
) -> io::Result<()> {
    timeout(PATIENCE, answers(socket, engine.policy().prefix())).await??;
    let sizes = engine.tracker().busiest(MOST_SWARMS).0.into_iter();
    let sizes = sizes.map(|(it, size)| (it, (size.complete, size.incomplete)));
    put(handout, Swarms::FILE, swarms, Swarms::new(sizes).to_json())?;
    put(handout, Lease::FILE, lease, engine.lease().to_json())?;
    File::open(handout.file(Lease::FILE))?.set_modified(SystemTime::now())
}

/// Replaces a document where it says something new, or somebody took it away.
fn put(handout: &Handout, name: &str, last: &mut Vec<u8>, json: Vec<u8>) -> io::Result<()> {
    if *last != json || !handout.file(name).exists() {
        handout.put(name, &json)?;
        *last = json;
    }
    Ok(())
}

/// Whether a request through the socket is answered.
async fn answers(socket: &Path, prefix: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!(
        "HEAD {prefix}/loader.js HTTP/1.1\r\nHost: localhost\r\nUser-Agent: manyhands\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    match &start {
        b"HTTP/1.1 200" => Ok(()),
        _ => Err(io::Error::other("another program answers there")),
    }
}
