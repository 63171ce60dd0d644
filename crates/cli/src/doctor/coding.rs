//! Undoing `Content-Encoding`.

use std::io::Read;

use super::fetch::Answer;

/// The body as it was before it was compressed, as much of it as is there; `None` where the coding is
/// unknown or the bytes are not what they are said to be.
pub(crate) fn decoded(answer: &Answer, most: usize) -> Option<Vec<u8>> {
    let coding = answer.field("content-encoding").unwrap_or_default().to_ascii_lowercase();
    let body = answer.body.as_slice();
    match coding.trim() {
        "" | "identity" => Some(body.to_vec()),
        "gzip" | "x-gzip" => read(flate2::read::MultiGzDecoder::new(body), most, answer.whole),
        "br" => read(brotli::Decompressor::new(body, 4096), most, answer.whole),
        _ => None,
    }
}

/// A body that was cut on its way here ends early: what came before is good all the same.
fn read(decoder: impl Read, most: usize, whole: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let done = decoder.take(most as u64).read_to_end(&mut bytes);
    (done.is_ok() || (!whole && !bytes.is_empty())).then_some(bytes)
}
