use std::fmt;
use std::io::Write;

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use manyhands_page::Coding;

/// Brotli quality and window for pages made while a visitor waits: about the cost of gzip.
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW: u32 = 20;

/// A streaming content coder into memory.
pub(crate) enum Encoder {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

const IN_MEMORY: &str = "writing to memory does not fail";

impl Encoder {
    pub(crate) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Brotli => Self::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                4096,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
        }
    }

    /// Takes `data`; returns what is ready to go out, often nothing.
    pub(crate) fn write(&mut self, data: &[u8]) -> Bytes {
        match self {
            Self::Brotli(encoder) => encoder.write_all(data).expect(IN_MEMORY),
            Self::Gzip(encoder) => encoder.write_all(data).expect(IN_MEMORY),
        }
        self.take()
    }

    /// Everything written so far, so that the other side can decode all of it.
    pub(crate) fn flush(&mut self) -> Bytes {
        match self {
            Self::Brotli(encoder) => encoder.flush().expect(IN_MEMORY),
            Self::Gzip(encoder) => encoder.flush().expect(IN_MEMORY),
        }
        self.take()
    }

    /// Takes the last of the data and ends the stream.
    pub(crate) fn finish(mut self, data: &[u8]) -> Bytes {
        let start = self.write(data);
        let end = match self {
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Gzip(encoder) => encoder.finish().expect(IN_MEMORY),
        };
        if start.is_empty() { end.into() } else { [&start[..], &end].concat().into() }
    }

    fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        };
        std::mem::take(out).into()
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Brotli(_) => "Encoder::Brotli",
            Self::Gzip(_) => "Encoder::Gzip",
        })
    }
}
