//! The body of an answer: a text in memory, a span of an open file, or zeros.
//!
//! A span is read 64 KiB at a time, without leaving the thread where the bytes are in memory and on the
//! blocking pool where they are not. After every read the handle is looked at again: a file that was
//! written to under way ends the body with an error, which a server turns into an aborted connection.
//! So nobody gets a mixture of two versions that looks whole.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::buffer::{Buffer, Buffers, CHUNK};
use crate::file::{FileState, OpenFile};

static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Why a body ended early. The connection must not end cleanly then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The file was written to while it was being sent. The client may ask again.
    #[error("the file changed while it was being sent")]
    Changed,
    /// The file system failed.
    #[error("reading the file failed")]
    Read(#[source] io::Error),
}

/// The body of every answer of [`StaticRoot`](crate::StaticRoot).
///
/// Dropping it stops reading. Memory held: one chunk of 64 KiB at most.
#[derive(Debug)]
pub struct FileBody(Content);

#[derive(Debug)]
enum Content {
    Empty,
    Text(Bytes),
    Span(Span),
    /// So many are still to come.
    Zeros(u64),
}

#[derive(Debug)]
struct Span {
    file: Arc<OpenFile>,
    buffers: Buffers,
    position: u64,
    remaining: u64,
    reading: Option<JoinHandle<io::Result<(Buffer, usize)>>>,
    sent: Sent,
}

/// Some bytes of the last chunk that was sent, and where they lie in the file.
#[derive(Debug, Default)]
struct Sent(Vec<(u64, [u8; SAMPLE])>);

const SAMPLE: usize = 64;

impl Sent {
    /// From the beginning, the middle and the end of a chunk; of a tiny one nothing.
    fn note(&mut self, chunk: &[u8], position: u64) {
        self.0.clear();
        let end = chunk.len().saturating_sub(SAMPLE);
        for at in [0, end / 2, end] {
            if let Some(bytes) = chunk.get(at..).and_then(|rest| rest.first_chunk()) {
                self.0.push((position.saturating_add(at as u64), *bytes));
            }
        }
    }

    /// Whether the file still says so. Nothing is no proof.
    fn stands_in(&self, file: &OpenFile) -> io::Result<bool> {
        for (position, expected) in &self.0 {
            let mut found = [0; SAMPLE];
            if file.read(&mut found, *position)? != SAMPLE || found != *expected {
                return Ok(false);
            }
        }
        Ok(!self.0.is_empty())
    }
}

impl FileBody {
    pub(crate) fn empty() -> Self {
        Self(Content::Empty)
    }

    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self(Content::Text(text.into()))
    }

    pub(crate) fn zeros(length: u64) -> Self {
        Self(Content::Zeros(length))
    }

    pub(crate) fn span(file: Arc<OpenFile>, buffers: Buffers, start: u64, length: u64) -> Self {
        Self(Content::Span(Span {
            file,
            buffers,
            position: start,
            remaining: length,
            reading: None,
            sent: Sent::default(),
        }))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.0 {
            Content::Empty => None,
            Content::Text(text) if text.is_empty() => None,
            Content::Text(text) => Some(Ok(std::mem::take(text))),
            Content::Span(span) => ready!(span.poll_chunk(context)),
            Content::Zeros(0) => None,
            Content::Zeros(remaining) => {
                let length = usize::try_from(*remaining).unwrap_or(CHUNK).min(CHUNK);
                *remaining -= length as u64;
                Some(Ok(Bytes::from_static(&ZEROS).slice(..length)))
            }
        };
        if matches!(next, Some(Err(_))) {
            self.0 = Content::Empty;
        }
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.0 {
            Content::Empty => 0,
            Content::Text(text) => text.len() as u64,
            Content::Span(span) => span.remaining,
            Content::Zeros(remaining) => *remaining,
        })
    }
}

impl Span {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if self.reading.is_none() {
            let mut buffer = self.buffers.take(self.wanted());
            match self.file.read_cached(buffer.space(), self.position) {
                Ok(Some(read)) => return Poll::Ready(Some(self.accept(buffer, read))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(BodyError::Read(error)))),
            }
            let (file, position) = (self.file.clone(), self.position);
            self.reading = Some(spawn_blocking(move || {
                let read = file.read(buffer.space(), position)?;
                Ok((buffer, read))
            }));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let outcome = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let outcome = outcome.unwrap_or_else(|error| Err(io::Error::other(error)));
        Poll::Ready(Some(match outcome {
            Ok((buffer, read)) => self.accept(buffer, read),
            Err(error) => Err(BodyError::Read(error)),
        }))
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.remaining).unwrap_or(CHUNK).min(CHUNK)
    }

    /// The kernel moves a file's timestamps before it copies the new bytes in, so a look after the
    /// read tells whether the read may have met a writer.
    fn accept(&mut self, buffer: Buffer, read: usize) -> Result<Bytes, BodyError> {
        match self.file.state().map_err(BodyError::Read)? {
            FileState::Same => {}
            // Unlinking moved the change time, and with it the proof that nobody wrote to the file before:
            // what was sent last must still be there.
            FileState::Unlinked if self.sent.stands_in(&self.file).map_err(BodyError::Read)? => {}
            FileState::Unlinked | FileState::Changed => return Err(BodyError::Changed),
        }
        // Ended before its length: truncated between opening and looking.
        if read == 0 {
            return Err(BodyError::Changed);
        }
        self.position = self.position.saturating_add(read as u64);
        self.remaining = self.remaining.saturating_sub(read as u64);
        let position = self.position - read as u64;
        let chunk = buffer.freeze(read);
        self.sent.note(&chunk, position);
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Opened;
    use http_body_util::BodyExt;

    fn file(content: &[u8]) -> (tempfile::NamedTempFile, Arc<OpenFile>) {
        let named = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(named.path(), content).unwrap();
        let handle = std::fs::File::open(named.path()).unwrap();
        let Opened::File(file) = OpenFile::from_descriptor(handle.into()).unwrap() else {
            panic!("not a file");
        };
        (named, Arc::new(file))
    }

    #[tokio::test]
    async fn a_span_comes_in_chunks_of_its_own_size_inline_or_not() {
        let content: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        for inline in [true, false] {
            let (_named, file) = file(&content);
            if !inline {
                file.always_wait();
            }
            let mut body = FileBody::span(file, Buffers::default(), 10, 150_000);
            assert_eq!(body.size_hint().exact(), Some(150_000));
            let mut sizes = Vec::new();
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let chunk = frame.unwrap().into_data().unwrap();
                sizes.push(chunk.len());
                bytes.extend_from_slice(&chunk);
            }
            assert!(bytes == content[10..150_010]);
            assert_eq!(sizes, [CHUNK, CHUNK, 150_000 - 2 * CHUNK], "inline: {inline}");
            assert!(body.is_end_stream());
        }
    }

    #[tokio::test]
    async fn a_file_that_ends_early_is_an_error_once_and_then_the_end() {
        for inline in [true, false] {
            let (named, file) = file(&[7; 100_000]);
            if !inline {
                file.always_wait();
            }
            let mut body = FileBody::span(file, Buffers::default(), 0, 100_000);
            assert!(body.frame().await.unwrap().is_ok());
            named.as_file().set_len(CHUNK as u64).unwrap();
            assert!(matches!(body.frame().await, Some(Err(BodyError::Changed))));
            assert!(body.frame().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_file_written_to_and_then_replaced_is_no_mixture() {
        let (named, file) = file(&[1; 2 * CHUNK]);
        let before = named.as_file().metadata().unwrap().modified().unwrap();
        let mut body = FileBody::span(file, Buffers::default(), 0, 2 * CHUNK as u64);
        assert!(body.frame().await.unwrap().is_ok());
        let writer = std::fs::File::options().write(true).open(named.path()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&writer, &[2; 2 * CHUNK], 0).unwrap();
        writer.set_modified(before).unwrap();
        std::fs::remove_file(named.path()).unwrap();
        assert!(matches!(body.frame().await, Some(Err(BodyError::Changed))));
    }
}
