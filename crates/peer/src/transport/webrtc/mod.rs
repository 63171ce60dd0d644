//! WebRTC data channels, all on one UDP port, with browsers and with other native peers.
//!
//! The stack is the `webrtc` crate. Around it: one port ([`mux`](self) says how packets find their connection), descriptions that pass the
//! project's own gate before the stack reads them, one channel a connection, a bound on what is under way, and one keeper task a connection that closes it
//! whatever happens. `docs/peer.md` has the reasons and figures.

mod channel;
mod link;
mod mux;
mod runtime;
mod sdp;
mod stun;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use manyhands_protocol::sdp::SdpKind;
use rtc::crypto::{self, SignatureScheme};
use rtc::peer_connection::certificate::CertificateParams;
use tokio::time::timeout;
use tokio_util::sync::DropGuard;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{RTCCertificate, RTCSessionDescription};

use self::channel::RtcChannel;
use self::link::{Events, Link};
use self::mux::Mux;
use self::sdp::Reach;
use super::limits::{Admission, Limits};
use super::{Channel, Opening, PendingOffer, Transport, TransportError};

/// The stack gathers one candidate, of a socket on loopback: at once, or never.
const GATHERING: Duration = Duration::from_secs(5);

/// How WebRTC is done.
#[derive(Debug, Clone)]
pub struct Config {
    listen: SocketAddr,
    advertise: Vec<SocketAddr>,
    limits: Limits,
    reach: Reach,
    own_ports: bool,
}

impl Config {
    /// One port for all connections at `listen` (port 0: a free one), of one IP version. With an address of an interface that is also what others are told; with the
    /// wildcard address [`with_advertise`](Self::with_advertise) is needed, unless all connections are with peers that can be reached from here.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            advertise: Vec::new(),
            limits: Limits::default(),
            reach: Reach { lan: false, loopback: false },
            own_ports: false,
        }
    }

    /// The addresses that others are told to reach us at, in order: the public ones, when a router or a container stands between. Port 0 stands for the port
    /// listened on. Default: the address listened on, if it is not a wildcard.
    #[must_use]
    pub fn with_advertise(mut self, addresses: Vec<SocketAddr>) -> Self {
        self.advertise = addresses;
        self
    }

    /// Bounds on connections.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Private addresses of the other side are tried. Default off: an offer must not be able to probe our network. Costs little, since browsers hide those.
    #[must_use]
    pub fn with_lan(mut self, lan: bool) -> Self {
        self.reach.lan = lan;
        self
    }

    /// Loopback addresses of the other side are tried. Default off; on for a demo on one machine, and for tests.
    #[must_use]
    pub fn with_loopback(mut self, loopback: bool) -> Self {
        self.reach.loopback = loopback;
        self
    }

    /// A port of its own for each connection, at the address listened on. Default off. On for one that connects many times to the same other port, as a load
    /// test does: between two shared ports there is one connection at a time, as with TCP.
    #[must_use]
    pub fn with_own_ports(mut self, own: bool) -> Self {
        self.own_ports = own;
        self
    }
}

/// The WebRTC transport: the port, the certificate, the limits.
pub struct WebRtc {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    mux: Arc<Mux>,
    certificate: RTCCertificate,
    admission: Admission,
}

impl WebRtc {
    /// Binds the port. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the port cannot be had, [`TransportError::Stack`] when no certificate can be made.
    pub fn bind(config: Config) -> Result<Self, TransportError> {
        let mux = Mux::bind(config.listen)?;
        let admission = Admission::new(config.limits);
        let certificate = certificate().map_err(TransportError::Stack)?;
        Ok(Self { inner: Arc::new(Inner { config, mux, certificate, admission }) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the system does not say.
    pub fn local_address(&self) -> Result<SocketAddr, TransportError> {
        local_address(&self.inner.mux)
    }

    /// Datagrams on the shared port that were nobody's or came too fast; none of them was answered.
    pub fn dropped(&self) -> u64 {
        self.inner.mux.dropped()
    }

    /// Connections at this moment, those that open or close included.
    pub fn connections(&self) -> usize {
        self.inner.admission.connections()
    }
}

fn local_address(mux: &Mux) -> Result<SocketAddr, TransportError> {
    mux.local_address()
        .map_err(|source| TransportError::Io { doing: "read the udp port's address", source })
}

/// One for all connections and as long as the process: a fresh one each would only cost time, since peers know a certificate by the description it came with.
fn certificate() -> Result<RTCCertificate, String> {
    let provider = crypto::default_provider().map_err(|error| error.to_string())?;
    let params =
        CertificateParams::new(vec!["manyhands".to_owned()]).map_err(|error| error.to_string())?;
    RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params)
        .map_err(|error| error.to_string())
}

fn stack(error: webrtc::error::Error) -> TransportError {
    TransportError::Stack(error.to_string())
}

/// A connection that is being made; dropped, it dies.
struct Begun {
    link: Arc<Link>,
    events: Events,
    guard: DropGuard,
    addresses: Vec<SocketAddr>,
}

impl Inner {
    async fn begin(&self, channels: usize) -> Result<Begun, TransportError> {
        let place = self.admission.enter()?;
        let mux = if self.config.own_ports {
            Mux::bind(SocketAddr::new(self.config.listen.ip(), 0))?
        } else {
            self.mux.clone()
        };
        let local = local_address(&mux)?;
        let mut addresses = self.config.advertise.clone();
        for address in &mut addresses {
            if address.port() == 0 {
                address.set_port(local.port());
            }
        }
        if addresses.is_empty() && !local.ip().is_unspecified() {
            addresses.push(local);
        }
        // A task, so that it is never left half-made: whoever stops waiting for it drops a whole connection, which closes it.
        let made = Link::make(mux, self.certificate.clone(), place, channels);
        let made = tokio::spawn(async move {
            let (link, events) = made.await?;
            let guard = link.dead.clone().drop_guard();
            Ok(Begun { link, events, guard, addresses })
        });
        made.await.unwrap_or(Err(TransportError::Ended))
    }
}

impl Begun {
    /// Sets `description` and gives it out as others should read it, complete.
    async fn describe(
        &mut self,
        description: RTCSessionDescription,
    ) -> Result<String, TransportError> {
        self.link.connection.set_local_description(description).await.map_err(stack)?;
        timeout(GATHERING, self.events.gathered.wait_for(|gathered| *gathered))
            .await
            .map_err(|_| TransportError::Deadline(GATHERING))?
            .map_err(|_| TransportError::Ended)?;
        let local = self.link.connection.local_description().await.ok_or(TransportError::Ended)?;
        Ok(sdp::write(&local.sdp, &self.addresses))
    }

    /// Waits for the channel: the given one, or the other side's.
    async fn open(
        mut self,
        ours: Option<Arc<dyn DataChannel>>,
        max_message: usize,
        deadline: Duration,
    ) -> Result<Arc<dyn Channel>, TransportError> {
        let link = self.link.clone();
        let opening = async {
            let channel = match ours {
                Some(channel) => channel,
                None => self.events.channels.recv().await.ok_or(TransportError::Ended)?,
            };
            let open = RtcChannel::open(channel.clone(), link.clone(), max_message).await?;
            link.settle(channel)?;
            link.measure().await;
            Ok::<_, TransportError>(open)
        };
        let opened = tokio::select! {
            biased;
            () = link.dead.cancelled() => return Err(TransportError::Ended),
            opened = timeout(deadline, opening) => opened,
        };
        let channel = opened.map_err(|_| TransportError::Deadline(deadline))??;
        // From here on the channel ends the connection when it is dropped.
        self.guard.disarm();
        Ok(Arc::new(channel))
    }
}

#[async_trait]
impl Transport for WebRtc {
    async fn offer(&self) -> Result<PendingOffer, TransportError> {
        let waiting = self.inner.admission.offer()?;
        let mut begun = self.inner.begin(0).await?;
        let channel =
            begun.link.connection.create_data_channel("manyhands", None).await.map_err(stack)?;
        let offer = begun.link.connection.create_offer(None).await.map_err(stack)?;
        let sdp = begun.describe(offer).await?;
        // Its age ends an offer that nobody drops; answered in time, the wait is over.
        let limits = *self.inner.admission.limits();
        let dead = begun.link.dead.clone();
        let aging = tokio::spawn(async move {
            if timeout(limits.offer_age(), dead.cancelled()).await.is_err() {
                dead.cancel();
            }
            drop(waiting);
        });
        let reach = self.inner.config.reach;
        Ok(PendingOffer::new(sdp, move |answer| {
            Box::pin(async move {
                aging.abort();
                let remote = sdp::read(&answer, SdpKind::Answer, reach)?;
                let answer = RTCSessionDescription::answer(remote.sdp).map_err(stack)?;
                begun.link.connection.set_remote_description(answer).await.map_err(stack)?;
                begun.open(Some(channel), remote.max_message, limits.open()).await
            })
        }))
    }

    async fn answer(&self, offer: &str) -> Result<(String, Opening), TransportError> {
        let remote = sdp::read(offer, SdpKind::Offer, self.inner.config.reach)?;
        let offer = RTCSessionDescription::offer(remote.sdp).map_err(stack)?;
        let mut begun = self.inner.begin(1).await?;
        begun.link.connection.set_remote_description(offer).await.map_err(stack)?;
        let answer = begun.link.connection.create_answer(None).await.map_err(stack)?;
        let sdp = begun.describe(answer).await?;
        let deadline = self.inner.admission.limits().open();
        Ok((sdp, Box::pin(begun.open(None, remote.max_message, deadline))))
    }
}
