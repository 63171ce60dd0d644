//! A data channel as a stream of chunks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::sync::Mutex;
use webrtc::data_channel::{DataChannel, DataChannelEvent};

use super::link::Link;
use crate::transport::{Channel, ChannelStats, Closed, MAX_CHUNK, TransportError};

/// Looked again at the room when nothing was heard for this long.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// An open data channel, the only one of its connection.
pub(super) struct RtcChannel {
    channel: Arc<dyn DataChannel>,
    link: Arc<Link>,
    max_message: usize,
    /// What came before the stack said that the channel is open.
    early: Mutex<Option<Bytes>>,
    sending: Mutex<()>,
    received: AtomicU64,
}

impl RtcChannel {
    /// Waits until `channel` is open. One that is not ordered and reliable is no stream.
    pub(super) async fn open(
        channel: Arc<dyn DataChannel>,
        link: Arc<Link>,
        max_message: usize,
    ) -> Result<Self, TransportError> {
        let early = loop {
            match channel.poll().await {
                Some(DataChannelEvent::OnOpen) => break None,
                Some(DataChannelEvent::OnMessage(message)) if !message.is_string => {
                    break Some(message.data.freeze());
                }
                None
                | Some(
                    DataChannelEvent::OnClose
                    | DataChannelEvent::OnClosing
                    | DataChannelEvent::OnMessage(_),
                ) => {
                    return Err(TransportError::Ended);
                }
                Some(_) => {}
            }
        };
        let stream = channel.ordered().await.is_ok_and(|ordered| ordered)
            && channel.max_retransmits().await.is_ok_and(|most| most.is_none())
            && channel.max_packet_life_time().await.is_ok_and(|most| most.is_none());
        if !stream {
            return Err(TransportError::Stack(
                "the peer's channel is not ordered and reliable".into(),
            ));
        }
        Ok(Self {
            channel,
            link,
            max_message,
            early: Mutex::new(early),
            sending: Mutex::new(()),
            received: AtomicU64::new(0),
        })
    }

    /// Waits for room for `length` bytes. What is under way is bounded by the link's window, or one message.
    async fn room(&self, length: usize) -> Result<(), Closed> {
        loop {
            let taken = self.link.line.taken.notified();
            let outstanding = self.channel.outstanding_bytes().await.map_err(|_| Closed)?;
            self.link.outstanding(outstanding);
            if outstanding == 0 || outstanding + length <= self.link.window() {
                return Ok(());
            }
            // Acknowledgements arrive as datagrams, which the line knows of.
            let _ = tokio::time::timeout(LOOK_AGAIN, taken).await;
        }
    }

    async fn write(&self, mut bytes: Bytes) -> Result<(), Closed> {
        let _sending = self.sending.lock().await;
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(self.max_message));
            self.room(chunk.len()).await?;
            let length = chunk.len();
            self.channel.send(BytesMut::from(chunk)).await.map_err(|_| Closed)?;
            self.link.sent(length);
        }
        Ok(())
    }

    async fn read(&self) -> Option<Bytes> {
        if let Some(early) = self.early.lock().await.take() {
            return Some(early);
        }
        loop {
            match self.channel.poll().await? {
                DataChannelEvent::OnMessage(message) => {
                    if message.is_string || message.data.len() > MAX_CHUNK {
                        return None;
                    }
                    if !message.data.is_empty() {
                        return Some(message.data.freeze());
                    }
                }
                DataChannelEvent::OnClose | DataChannelEvent::OnClosing => return None,
                _ => {}
            }
        }
    }
}

#[async_trait]
impl Channel for RtcChannel {
    async fn send(&self, bytes: Bytes) -> Result<(), Closed> {
        let sent = tokio::select! {
            biased;
            () = self.link.dead.cancelled() => Err(Closed),
            sent = self.write(bytes) => sent,
        };
        if sent.is_err() {
            self.link.dead.cancel();
        }
        sent
    }

    async fn recv(&self) -> Option<Bytes> {
        let chunk = tokio::select! {
            biased;
            // What has arrived is handed out before the end is told.
            chunk = self.read() => chunk,
            () = self.link.dead.cancelled() => None,
        };
        match &chunk {
            Some(bytes) => {
                self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            None => self.link.dead.cancel(),
        }
        chunk
    }

    async fn close(&self) {
        self.link.dead.cancel();
    }

    fn stats(&self) -> ChannelStats {
        ChannelStats { received: self.received.load(Ordering::Relaxed), ..self.link.stats() }
    }
}

impl Drop for RtcChannel {
    fn drop(&mut self) {
        self.link.dead.cancel();
    }
}
