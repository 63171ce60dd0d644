//! From chunks of a file to its lines.

use memchr::memchr;

/// A longer line is cut here: servers limit what a request may hold far below.
const MAX_LINE: usize = 64 << 10;

/// Cuts chunks into lines, wherever the chunks end.
///
/// Lines come without `\n` or `\r\n`; empty ones do not come at all.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end is still to come.
    begun: Vec<u8>,
}

impl Lines {
    /// Calls `each` with every line that ends in `chunk`.
    pub fn push(&mut self, mut chunk: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', chunk) {
            let line = &chunk[..end];
            chunk = &chunk[end + 1..];
            if self.begun.is_empty() {
                give(line, &mut each);
            } else {
                self.begin(line);
                give(&self.begun, &mut each);
                self.begun.clear();
            }
        }
        self.begin(chunk);
    }

    /// The last line, where the file ends without an end of line.
    pub fn finish(self, mut each: impl FnMut(&[u8])) {
        give(&self.begun, &mut each);
    }

    fn begin(&mut self, part: &[u8]) {
        // One more than is given, so that a line of exactly that length and one that is cut are alike.
        let room = MAX_LINE.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&part[..part.len().min(room)]);
    }
}

fn give(line: &[u8], each: &mut impl FnMut(&[u8])) {
    let line = &line[..line.len().min(MAX_LINE)];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        each(line);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| out.push(line.to_vec()));
        }
        lines.finish(|line| out.push(line.to_vec()));
        out
    }

    #[test]
    fn ends_of_lines_are_dropped_and_empty_lines_too() {
        assert_eq!(lines([&b"a\r\n\nb\n\r\nc"[..]]), [b"a", b"b", b"c"]);
        assert!(lines([&b""[..]]).is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_is_whole() {
        let mut text = vec![b'x'; 3 * MAX_LINE];
        text.extend_from_slice(b"\ny\n");
        for size in [1 << 10, 1 << 16, 1 << 20] {
            let lines = lines(text.chunks(size));
            assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_LINE, 1], "{size}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            text in prop::collection::vec(prop::sample::select(b"ab\r\n ".to_vec()), 0..200),
            at in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<_> = at.iter().map(|at| at.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
            prop_assert_eq!(lines(chunks), lines([&text[..]]));
        }
    }
}
