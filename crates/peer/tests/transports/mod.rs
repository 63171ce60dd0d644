//! Pairs of channels of each kind, and what the suite measures with.

use std::sync::Arc;
use std::time::Duration;

use manyhands_peer::transport::limits::Limits;
use manyhands_peer::transport::tcp::Tcp;
use manyhands_peer::transport::webrtc::{Config, WebRtc};
use manyhands_peer::transport::{Channel, Transport, memory};
use rand::RngExt as _;
use rand::rngs::StdRng;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Memory,
    Tcp,
    WebRtc,
}

/// Two ends of one connection, and what must live as long.
pub(crate) struct Pair {
    pub(crate) left: Arc<dyn Channel>,
    pub(crate) right: Arc<dyn Channel>,
    #[allow(dead_code, reason = "held, not read")]
    pub(crate) keep: Vec<WebRtc>,
}

impl Pair {
    pub(crate) fn turned(self) -> Self {
        Self { left: self.right, right: self.left, keep: self.keep }
    }
}

impl Kind {
    pub(crate) async fn pair(self) -> Pair {
        match self {
            Self::Memory => {
                let (left, right) = memory::pair();
                Pair { left, right, keep: vec![] }
            }
            Self::Tcp => {
                let bind = || Tcp::bind("127.0.0.1:0".parse().unwrap(), Limits::default());
                let (client, server) = (bind().await.unwrap(), bind().await.unwrap());
                let (left, right) =
                    tokio::join!(client.connect(server.local_address().unwrap()), server.accept());
                Pair { left: left.unwrap(), right, keep: vec![] }
            }
            Self::WebRtc => {
                let (client, server) = (rtc(loopback()), rtc(loopback()));
                let (left, right) = connect_rtc(&client, &server).await;
                Pair { left, right, keep: vec![client, server] }
            }
        }
    }
}

pub(crate) fn loopback() -> Config {
    Config::new("127.0.0.1:0".parse().unwrap()).with_loopback(true)
}

pub(crate) fn rtc(config: Config) -> WebRtc {
    WebRtc::bind(config).unwrap()
}

pub(crate) async fn connect_rtc(
    client: &WebRtc,
    server: &WebRtc,
) -> (Arc<dyn Channel>, Arc<dyn Channel>) {
    let offer = client.offer().await.unwrap();
    let (answer, opening) = server.answer(offer.sdp()).await.unwrap();
    let (left, right) = tokio::join!(offer.complete(answer), opening);
    (left.unwrap(), right.unwrap())
}

/// Waits for a condition that comes by itself.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect(what);
}

/// Open descriptors of this process.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory of this process, in KiB.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A datagram that is nobody's: noise, or STUN that looks right and is not signed.
pub(crate) fn junk(rng: &mut StdRng, ufrag: &str) -> Vec<u8> {
    let mut body = vec![0; rng.random_range(0..1400)];
    rng.fill(&mut body[..]);
    if rng.random_bool(0.5) {
        let name =
            if rng.random_bool(0.5) { format!("{ufrag}:evil") } else { "who:evil".to_owned() };
        let mut attributes = vec![0, 6];
        attributes.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        attributes.extend(name.as_bytes());
        attributes.resize(attributes.len().next_multiple_of(4), 0);
        if rng.random_bool(0.5) {
            body.truncate(body.len() / 4 * 4);
            attributes.extend(&body);
        }
        let kind: u16 = if rng.random_bool(0.8) { 0x0001 } else { 0x0101 };
        body = kind.to_be_bytes().to_vec();
        body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        body.extend([0x21, 0x12, 0xa4, 0x42]);
        body.extend(rng.random::<[u8; 12]>());
        body.extend(attributes);
    }
    body
}

/// `sdp` with lines dropped, doubled, moved, cut and bytes changed.
pub(crate) fn mangle(rng: &mut StdRng, sdp: &str) -> String {
    let mut lines: Vec<String> = sdp.lines().map(str::to_owned).collect();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..lines.len());
        let to = rng.random_range(0..lines.len());
        match rng.random_range(0..5) {
            0 if lines.len() > 1 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            2 => lines.swap(at, to),
            3 => {
                let cut = rng.random_range(0..=lines[at].len());
                lines[at].truncate(cut);
            }
            _ => {
                let digits = ["0", "99999999999", "-1", "65535", "4294967295"];
                let digit = digits[rng.random_range(0..digits.len())];
                lines[at] = lines[at].replace(|c: char| c.is_ascii_digit(), digit);
            }
        }
    }
    lines.join("\r\n") + "\r\n"
}
