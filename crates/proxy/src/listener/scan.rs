//! Where requests begin and end in the bytes of an HTTP/1.1 connection.
//!
//! The HTTP library repairs a request that has both `Content-Length` and `Transfer-Encoding`, or the same
//! length twice, before a service can see it. Repaired here may mean understood differently further on
//! (RFC 9112 11.2), so such a request is refused instead: the last byte of its head is spoilt, which the
//! library answers with 400 and a closed connection. The scanner keeps no bytes and decides nothing
//! else: where it loses the thread it goes blind, and so does the library, which then closes.

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longer names are none that matter.
const NAME: usize = "transfer-encoding".len();

/// Where in a connection the next byte belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Nothing came that would tell HTTP/1.1 from HTTP/2.
    Opening,
    /// Before the first byte of a request.
    Between,
    Head,
    Body,
    /// Not HTTP/1.1, or not understood.
    Blind,
}

#[derive(Debug)]
enum State {
    Opening { matched: usize },
    Between,
    Head(Head),
    Counted { left: u64 },
    ChunkSize { size: u64, digits: u8, in_extension: bool },
    ChunkData { left: u64 },
    ChunkEnd,
    Trailers { line_is_empty: bool },
    Blind,
}

#[derive(Debug, Default)]
struct Head {
    /// Of the current line, lower case, until its colon.
    name: [u8; NAME],
    name_length: usize,
    line: Line,
    is_request_line_over: bool,
    lengths: u32,
    length: Option<u64>,
    is_chunked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Line {
    #[default]
    Empty,
    Name,
    Length,
    Other,
}

#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    heads: u64,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self { state: State::Opening { matched: 0 }, heads: 0 }
    }

    /// How many heads have begun.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    pub(crate) fn place(&self) -> Place {
        match self.state {
            State::Opening { .. } => Place::Opening,
            State::Between => Place::Between,
            State::Head(_) => Place::Head,
            State::Blind => Place::Blind,
            _ => Place::Body,
        }
    }

    /// Follows bytes from the client, and spoils the head of a request that is not to be understood.
    pub(crate) fn follow(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while let Some(byte) = bytes.get_mut(at) {
            let left = match &mut self.state {
                State::Blind => return,
                State::Counted { left } | State::ChunkData { left } => left,
                _ => {
                    if self.step(*byte) {
                        *byte = 0;
                    }
                    at += 1;
                    continue;
                }
            };
            let here = (bytes.len() - at) as u64;
            let skipped = here.min(*left);
            *left -= skipped;
            at += usize::try_from(skipped).unwrap_or(bytes.len());
            if *left == 0 {
                self.state = match self.state {
                    State::Counted { .. } => State::Between,
                    _ => State::ChunkEnd,
                };
            }
        }
    }

    /// One byte outside of bodies. `true`: it ends a head that is to be spoilt.
    fn step(&mut self, byte: u8) -> bool {
        let next = match &mut self.state {
            State::Opening { matched } if HTTP2_PREFACE.get(*matched) == Some(&byte) => {
                *matched += 1;
                if *matched == HTTP2_PREFACE.len() { State::Blind } else { return false }
            }
            State::Opening { matched } => {
                // What looked like HTTP/2 so far was the start of a request line.
                let head = &HTTP2_PREFACE[..*matched];
                self.state = State::Between;
                let mut spoils = false;
                for &earlier in head {
                    spoils |= self.step(earlier);
                }
                return self.step(byte) || spoils;
            }
            State::Between if matches!(byte, b'\r' | b'\n') => return false,
            State::Between => {
                self.heads += 1;
                State::Head(Head { line: Line::Other, ..Head::default() })
            }
            State::Head(head) => match head.step(byte) {
                Step::On => return false,
                Step::Ended { spoil: true } => {
                    self.state = State::Blind;
                    return true;
                }
                Step::Ended { spoil: false } => head.body(),
                Step::Lost => State::Blind,
            },
            State::ChunkSize { size, digits, in_extension } => match (byte, &in_extension) {
                (b'\n', _) if *digits == 0 => State::Blind,
                (b'\n', _) if *size == 0 => State::Trailers { line_is_empty: true },
                (b'\n', _) => State::ChunkData { left: *size },
                (_, true) | (b'\r', _) => return false,
                (b';' | b' ' | b'\t', false) => {
                    *in_extension = true;
                    return false;
                }
                (_, false) => match char::from(byte).to_digit(16) {
                    Some(digit) if *digits < 16 => {
                        *size = *size << 4 | u64::from(digit);
                        *digits += 1;
                        return false;
                    }
                    _ => State::Blind,
                },
            },
            State::ChunkEnd => match byte {
                b'\r' => return false,
                b'\n' => State::ChunkSize { size: 0, digits: 0, in_extension: false },
                _ => State::Blind,
            },
            State::Trailers { line_is_empty } => match byte {
                b'\r' => return false,
                b'\n' if *line_is_empty => State::Between,
                _ => {
                    *line_is_empty = byte == b'\n';
                    return false;
                }
            },
            State::Counted { .. } | State::ChunkData { .. } | State::Blind => return false,
        };
        self.state = next;
        false
    }
}

enum Step {
    On,
    Ended { spoil: bool },
    Lost,
}

impl Head {
    fn step(&mut self, byte: u8) -> Step {
        match (self.line, byte) {
            (_, b'\r') => {}
            (Line::Empty, b'\n') if self.is_request_line_over => {
                let spoil = self.lengths > 1 || (self.lengths > 0 && self.is_chunked);
                return Step::Ended { spoil };
            }
            (_, b'\n') => {
                self.is_request_line_over = true;
                self.line = Line::Empty;
                self.name_length = 0;
            }
            (Line::Empty | Line::Name, b':') => self.on_name(),
            (Line::Empty | Line::Name, _) => match self.name.get_mut(self.name_length) {
                Some(place) => {
                    *place = byte.to_ascii_lowercase();
                    self.name_length += 1;
                    self.line = Line::Name;
                }
                None => self.line = Line::Other,
            },
            (Line::Length, b'0'..=b'9') => {
                let digit = u64::from(byte - b'0');
                let sum = self.length.unwrap_or(0).checked_mul(10);
                let Some(sum) = sum.and_then(|sum| sum.checked_add(digit)) else {
                    return Step::Lost;
                };
                self.length = Some(sum);
            }
            (Line::Length, b' ' | b'\t') | (Line::Other, _) => {}
            (Line::Length, _) => return Step::Lost,
        }
        Step::On
    }

    fn on_name(&mut self) {
        self.line = Line::Other;
        match self.name.get(..self.name_length) {
            Some(b"content-length") => {
                self.lengths += 1;
                self.length = None;
                self.line = Line::Length;
            }
            Some(b"transfer-encoding") => self.is_chunked = true,
            _ => {}
        }
    }

    fn body(&self) -> State {
        if self.is_chunked {
            return State::ChunkSize { size: 0, digits: 0, in_extension: false };
        }
        match self.length {
            None | Some(0) => State::Between,
            Some(left) => State::Counted { left },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const COUNTED: &str = "POST /x HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nhello";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;a=b\r\nhello\r\nA\r\n\n\r\n\r\n\r\nGET\r\n0\r\nX: y\r\n\r\n";
    const TWO_LENGTHS: &str = "POST / HTTP/1.1\r\nContent-Length: 5\r\nCONTENT-LENGTH: 5\r\n\r\n";
    const BOTH: &str = "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding:chunked\r\n\r\n";
    const BOTH_BARE: &str = "POST / HTTP/1.1\nTransfer-Encoding: x\nContent-Length: 5\n\n";

    /// The places of the spoilt bytes, however the stream is cut.
    fn spoilt(stream: &[u8], cuts: &[usize]) -> (Vec<usize>, Place) {
        let mut scanner = Scanner::new();
        let mut copy = stream.to_vec();
        let mut from = 0;
        for cut in cuts.iter().map(|cut| cut % (stream.len() + 1)).chain([stream.len()]) {
            if cut > from {
                scanner.follow(&mut copy[from..cut]);
                from = cut;
            }
        }
        let places = (0..stream.len()).filter(|&at| copy[at] != stream[at]).collect();
        (places, scanner.place())
    }

    #[test]
    fn good_requests_pass_untouched_and_leave_the_scanner_between() {
        for stream in [
            PLAIN.to_owned(),
            COUNTED.to_owned(),
            CHUNKED.to_owned(),
            format!("\r\n{PLAIN}{COUNTED}{CHUNKED}{PLAIN}\r\n{COUNTED}"),
            "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
            "PRI / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "P / HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ] {
            assert_eq!(spoilt(stream.as_bytes(), &[]), (vec![], Place::Between), "{stream}");
        }
    }

    #[test]
    fn a_request_with_two_lengths_is_spoilt_at_the_end_of_its_head() {
        for bad in [TWO_LENGTHS, BOTH, BOTH_BARE] {
            for before in ["", PLAIN, COUNTED, CHUNKED] {
                let stream = format!("{before}{bad}hello");
                let end = stream.len() - "hello".len() - 1;
                assert_eq!(spoilt(stream.as_bytes(), &[]), (vec![end], Place::Blind), "{stream}");
            }
        }
    }

    #[test]
    fn bodies_are_not_read_as_requests() {
        let stream =
            format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BOTH}{PLAIN}", BOTH.len());
        assert_eq!(spoilt(stream.as_bytes(), &[]), (vec![], Place::Between));
        let stream = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{BOTH}\r\n0\r\n\r\n",
            BOTH.len()
        );
        assert_eq!(spoilt(stream.as_bytes(), &[]), (vec![], Place::Between));
    }

    #[test]
    fn the_places_of_a_connection() {
        let mut scanner = Scanner::new();
        let mut feed = |bytes: &str| {
            scanner.follow(&mut bytes.as_bytes().to_vec());
            scanner.place()
        };
        assert_eq!(feed(""), Place::Opening);
        assert_eq!(feed("P"), Place::Opening);
        assert_eq!(feed("OST / HTTP/1.1\r\nContent-Length: 2\r\n\r"), Place::Head);
        assert_eq!(feed("\na"), Place::Body);
        assert_eq!(feed("b"), Place::Between);
        assert_eq!(
            feed("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n"),
            Place::Blind
        );

        let mut scanner = Scanner::new();
        scanner.follow(&mut HTTP2_PREFACE.to_vec());
        assert_eq!(scanner.place(), Place::Blind);
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            which in proptest::collection::vec(0_usize..6, 1..6),
            cuts in proptest::collection::vec(any::<usize>(), 0..8),
        ) {
            let parts = [PLAIN, COUNTED, CHUNKED, TWO_LENGTHS, BOTH, BOTH_BARE];
            let stream: String = which.iter().map(|at| parts[*at]).collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
            cuts.sort_unstable();
            prop_assert_eq!(spoilt(stream.as_bytes(), &cuts), spoilt(stream.as_bytes(), &[]));
        }

        #[test]
        fn never_panics(mut bytes in any::<Vec<u8>>()) {
            Scanner::new().follow(&mut bytes);
        }

        #[test]
        fn never_panics_on_almost_requests(text in "[PRI*HT/2.0 \r\nContentLgh:0-9a-f;-]{0,200}") {
            Scanner::new().follow(&mut text.into_bytes());
        }
    }
}
