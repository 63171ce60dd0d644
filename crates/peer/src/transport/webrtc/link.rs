//! One connection of the stack: how it is made, watched and ended.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rand::distr::{Alphanumeric, SampleString};
use rtc::ice::mdns::MulticastDnsMode;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCCertificate,
    RTCConfigurationBuilder, RTCIceGatheringState, RTCPeerConnectionState, SettingEngineBuilder,
    StatsSelector,
};

use super::mux::{Line, Mux};
use super::runtime::MuxRuntime;
use crate::transport::limits::{Busy, Place};
use crate::transport::{ChannelStats, TransportError};

/// Bytes under way at once: at a short round trip half of a stock kernel's receive buffer; over a long one as much as 1 MiB, since what is under
/// way, divided by the round trip, is the rate.
const WINDOW: usize = 128 * 1024;
const WIDEST: usize = 1 << 20;

/// The round trip that [`WINDOW`] is right for; the window grows in proportion beyond it.
const SHORT: Duration = Duration::from_millis(10);

/// How much the other side may have under way to us.
const RECEIVE_WINDOW: u32 = 256 * 1024;

/// How often a connection is looked at, and for how long data may be under way without any arriving.
const LOOK: Duration = Duration::from_secs(5);
const STALLED: Duration = Duration::from_secs(30);

/// ICE: silence until "disconnected", and from there until "failed".
const ICE_SILENCE: Duration = Duration::from_secs(5);

/// Between connectivity checks: the stack's default of 200 ms only adds to the time to open.
const ICE_PACE: Duration = Duration::from_millis(20);

/// One connection. It lives until [`dead`](Self::dead) is cancelled, by whom ever; then its keeper closes it.
pub(super) struct Link {
    pub(super) connection: Arc<dyn PeerConnection>,
    pub(super) line: Arc<Line>,
    pub(super) dead: CancellationToken,
    place: Mutex<Option<Place>>,
    /// The one channel, once it is open.
    channel: OnceLock<Arc<dyn DataChannel>>,
    progress: Progress,
}

#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    outstanding: AtomicUsize,
    rtt_micros: AtomicU64,
}

/// What happens on a connection before there is a channel.
pub(super) struct Events {
    pub(super) gathered: watch::Receiver<bool>,
    pub(super) channels: mpsc::Receiver<Arc<dyn DataChannel>>,
}

struct Handler {
    dead: CancellationToken,
    gathered: watch::Sender<bool>,
    /// Takes one channel, of the answering side.
    channels: mpsc::Sender<Arc<dyn DataChannel>>,
    expected: AtomicUsize,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed) {
            self.dead.cancel();
        }
    }

    /// Called by the driver, so it must not wait.
    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let expected =
            self.expected.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        if expected.is_err() || self.channels.try_send(channel).is_err() {
            tracing::debug!("a peer opened a second channel: closed");
            self.dead.cancel();
        }
    }
}

impl Link {
    /// A connection on `mux` that accepts `channels` channels of the other side.
    pub(super) async fn make(
        mux: Arc<Mux>,
        certificate: RTCCertificate,
        place: Place,
        channels: usize,
    ) -> Result<(Arc<Self>, Events), TransportError> {
        let stack = |error: webrtc::error::Error| TransportError::Stack(error.to_string());
        let ufrag = Alphanumeric.sample_string(&mut rand::rng(), 16);
        let password = Alphanumeric.sample_string(&mut rand::rng(), 32);
        let dead = CancellationToken::new();
        // Until the link has a keeper, this ends what was begun when the future is dropped.
        let begun = dead.clone().drop_guard();
        let line = mux.line(&ufrag);
        let forget = Forget { mux: mux.clone(), line: line.clone() };
        let (gathered, on_gathered) = watch::channel(false);
        let (to_channels, on_channel) = mpsc::channel(1);
        let handler = Handler {
            dead: dead.clone(),
            gathered,
            channels: to_channels,
            expected: AtomicUsize::new(channels),
        };
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_ice_credentials(ufrag, password)
            .with_ice_timeouts(Some(ICE_SILENCE), Some(ICE_SILENCE), None)
            .with_ice_connection_attempts(Some(ICE_PACE), None)
            .with_sctp_max_receive_buffer_size(RECEIVE_WINDOW)
            .build();
        let local = match mux.local_address() {
            Ok(address) if address.is_ipv6() => "[::1]:0",
            _ => "127.0.0.1:0",
        };
        let runtime = MuxRuntime { mux, line: line.clone(), dead: dead.clone() };
        let connection = PeerConnectionBuilder::new()
            .with_configuration(
                RTCConfigurationBuilder::new().with_certificates(vec![certificate]).build(),
            )
            .with_setting_engine(settings)
            .with_runtime(Arc::new(runtime))
            .with_handler(Arc::new(handler))
            .with_udp_addrs(vec![local.to_owned()])
            .with_data_channel_send_buffer_limit(WIDEST)
            .build()
            .await
            .map_err(stack)?;
        let link = Arc::new(Self {
            connection: Arc::new(connection),
            line,
            dead,
            place: Mutex::new(Some(place)),
            channel: OnceLock::new(),
            progress: Progress::default(),
        });
        begun.disarm();
        tokio::spawn(keep(link.clone(), forget));
        Ok((link, Events { gathered: on_gathered, channels: on_channel }))
    }

    /// The connection is open: `channel` is watched from now on, and it counts for the address that the other side turned out to have.
    pub(super) fn settle(&self, channel: Arc<dyn DataChannel>) -> Result<(), Busy> {
        self.channel.get_or_init(|| channel);
        match (self.line.remote(), &mut *self.place.lock().unwrap_or_else(PoisonError::into_inner))
        {
            (Some(remote), Some(place)) => place.at(remote.ip()),
            _ => Ok(()),
        }
    }

    /// How many bytes may be under way.
    pub(super) fn window(&self) -> usize {
        let micros = self.progress.rtt_micros.load(Ordering::Relaxed);
        window(Duration::from_micros(micros))
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.progress.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.progress.outstanding.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn outstanding(&self, bytes: usize) {
        self.progress.outstanding.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> ChannelStats {
        let micros = self.progress.rtt_micros.load(Ordering::Relaxed);
        ChannelStats {
            received: 0,
            sent: self.progress.sent.load(Ordering::Relaxed),
            rtt: (micros > 0).then(|| Duration::from_micros(micros)),
            in_flight: self.progress.outstanding.load(Ordering::Relaxed) as u64,
            remote: self.line.remote(),
        }
    }

    /// Asks the stack for the round trip of the pair in use, and for what is under way.
    pub(super) async fn measure(&self) {
        if let Some(channel) = self.channel.get()
            && let Ok(outstanding) = channel.outstanding_bytes().await
        {
            self.outstanding(outstanding);
        }
        let report = self.connection.get_stats(Instant::now(), StatsSelector::None).await;
        let rtt = report
            .candidate_pairs()
            .map(|pair| pair.current_round_trip_time)
            .filter(|rtt| *rtt > 0.0 && rtt.is_finite())
            .reduce(f64::min);
        if let Some(rtt) = rtt.and_then(|rtt| Duration::try_from_secs_f64(rtt).ok()) {
            let micros = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
            self.progress.rtt_micros.store(micros, Ordering::Relaxed);
        }
    }
}

fn window(rtt: Duration) -> usize {
    let wanted = WINDOW as u128 * rtt.as_micros() / SHORT.as_micros();
    usize::try_from(wanted).unwrap_or(WIDEST).clamp(WINDOW, WIDEST)
}

/// Takes a line out of the tables, whatever happens.
struct Forget {
    mux: Arc<Mux>,
    line: Arc<Line>,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.mux.forget(&self.line);
    }
}

/// Watches a connection, and closes it when it is dead: the one place where that happens.
async fn keep(link: Arc<Link>, forget: Forget) {
    tokio::select! {
        () = link.dead.cancelled() => {}
        () = watch_progress(&link) => {
            tracing::debug!(remote = ?link.line.remote(), "a peer took nothing for 30 s: closed");
            link.dead.cancel();
        }
    }
    if let Err(error) = link.connection.close().await {
        tracing::debug!(%error, "closing a connection");
    }
    drop(forget);
    link.place.lock().unwrap_or_else(PoisonError::into_inner).take();
}

/// Ends when data is under way and nothing of it has arrived for [`STALLED`]. What was sent grows, what is outstanding shrinks: their difference is what
/// has arrived.
async fn watch_progress(link: &Link) {
    let arrived = || {
        let outstanding = link.progress.outstanding.load(Ordering::Relaxed);
        (link.progress.sent.load(Ordering::Relaxed).saturating_sub(outstanding as u64), outstanding)
    };
    let (mut last, mut since) = (arrived().0, tokio::time::Instant::now());
    loop {
        tokio::time::sleep(LOOK).await;
        link.measure().await;
        let (now, outstanding) = arrived();
        if now != last || outstanding == 0 {
            (last, since) = (now, tokio::time::Instant::now());
        } else if since.elapsed() >= STALLED {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_the_round_trip() {
        assert_eq!(window(Duration::ZERO), 128 * 1024);
        assert_eq!(window(Duration::from_millis(10)), 128 * 1024);
        assert_eq!(window(Duration::from_millis(40)), 512 * 1024);
        assert_eq!(window(Duration::from_secs(60)), 1 << 20);
    }
}
