use std::net::IpAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use manyhands_protocol::mirrors::PublicKey;
use manyhands_protocol::tracker::{MAX_MESSAGE_BYTES, Prefix};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::Tracker;
use super::registry::Outgoing;
use crate::ledger::Meter;

/// A silent socket is pinged this often, and closed after three pings without a sign of life.
const PING: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(95);
/// Pings and pongs taken between two of our pings: the swarm's token bucket sees messages only.
const MOST_CONTROLS: u32 = 32;
/// A peer that does not take a message for this long is gone.
const WRITE: Duration = Duration::from_secs(10);

/// Speaks the tracker protocol on one upgraded connection until either side has had enough.
pub(super) async fn run<S>(
    tracker: &Tracker,
    stream: S,
    address: Option<IpAddr>,
    prefix: Option<Prefix>,
    mirror: Option<PublicKey>,
    meter: &mut Meter,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(256 << 10);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let Some((registration, mut inbox)) = tracker.register(address, prefix, mirror) else {
        let _ = timeout(WRITE, socket.close(None)).await;
        return;
    };
    let mut deadline = Instant::now() + SILENCE;
    let mut next_ping = Instant::now() + PING;
    let mut controls = 0;
    loop {
        tokio::select! {
            outgoing = inbox.recv() => {
                let message = match outgoing {
                    Some(Outgoing::Text(text)) => {
                        meter.sent(text.len());
                        Message::text(text)
                    }
                    Some(Outgoing::Close(reason)) => {
                        Message::Close(Some(close_frame(reason.code(), reason.sentence())))
                    }
                    // Going away (RFC 6455 section 7.4.1).
                    Some(Outgoing::SwitchedOff) => {
                        Message::Close(Some(close_frame(1001, "sharing is switched off")))
                    }
                    // Policy violation.
                    Some(Outgoing::Expelled) => {
                        Message::Close(Some(close_frame(1008, "this mirror is not approved")))
                    }
                    None => break,
                };
                let last = message.is_close();
                if !matches!(timeout(WRITE, socket.send(message)).await, Ok(Ok(()))) || last {
                    return;
                }
            }
            incoming = timeout_at(deadline, socket.next()) => match incoming {
                Ok(Some(Ok(Message::Text(text)))) => {
                    deadline = Instant::now() + SILENCE;
                    meter.sent(text.len());
                    registration.handle(&text);
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) if controls < MOST_CONTROLS => {
                    controls += 1;
                    deadline = Instant::now() + SILENCE;
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => break,
                // The protocol is text; a browser sends nothing else.
                Ok(Some(Ok(Message::Binary(_) | Message::Close(_) | Message::Frame(_)))) => break,
                Ok(Some(Err(Error::Capacity(_)))) => break,
                Ok(Some(Err(_)) | None) => return,
                Err(_elapsed) => break,
            },
            () = tokio::time::sleep_until(next_ping) => {
                next_ping = Instant::now() + PING;
                controls = 0;
                let ping = socket.send(Message::Ping(Bytes::new()));
                if !matches!(timeout(WRITE, ping).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
    let _ = timeout(WRITE, socket.close(None)).await;
}

fn close_frame(code: u16, sentence: &'static str) -> CloseFrame {
    CloseFrame { code: code.into(), reason: sentence.into() }
}
