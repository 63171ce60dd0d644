//! Text of strangers on a terminal: names in torrents, what servers answer, paths that visitors made up.
//!
//! Whatever is printed goes through here: [`printable`] for people, [`json`] for programs. Neither can move
//! the cursor, give the terminal orders, or show a name as another.

use std::fmt::Write;
use std::io::Write as _;

use anyhow::Context;
use serde::Serialize;

/// Prints an answer, with the end of its last line. Whoever reads it may have gone: that is an error, and no panic.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).context("cannot print the answer")?;
    if !text.ends_with('\n') {
        out.write_all(b"\n").context("cannot print the answer")?;
    }
    Ok(())
}

/// With U+FFFD for each character that a terminal acts on; line ends among them.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_order(c) { '\u{fffd}' } else { c }).collect()
}

/// Indented. Means the same as without the escapes.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|text| escaped(&text))
}

/// JSON with `\uXXXX` for each character that a terminal acts on. JSON has them in strings only, but for
/// the white space that lays it out.
pub(crate) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_order(c) && !matches!(c, '\n' | '\r' | '\t') {
            // All of them have 16 bits. Writing to a string does not fail.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// C0, DEL and C1 (U+009B begins a sequence as ESC [ does); line and paragraph separators; and all that
/// turns the direction of writing (Unicode `Bidi_Control`), by which a name can look like another.
fn is_order(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that must not reach a terminal, written out.
    fn orders() -> Vec<char> {
        let ranges = [
            0..=0x1f,
            0x7f..=0x9f,
            0x061c..=0x061c,
            0x200e..=0x200f,
            0x2028..=0x202e,
            0x2066..=0x2069,
        ];
        ranges.into_iter().flatten().map(|c| char::from_u32(c).unwrap()).collect()
    }

    #[test]
    fn nothing_printed_moves_the_cursor_or_turns_the_line() {
        assert_eq!(
            printable("a\x1b[2Jb\r\n\u{202e}fdp.exe"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}fdp.exe"
        );
        for c in '\0'..=char::MAX {
            let kept = printable(&c.to_string()) == c.to_string();
            assert_eq!(kept, !orders().contains(&c), "{c:?}");
        }
    }

    #[test]
    fn writing_of_any_script_stays() {
        // Hebrew, Persian with a joiner that is part of its spelling, and an emoji of several.
        for text in ["Übung שלום 'a b'", "می‌خواهم", "👩‍🚀"] {
            assert_eq!(printable(text), text);
            assert_eq!(json(&text).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn json_has_no_order_and_means_the_same() {
        let text: String = orders().into_iter().chain("\"\\a€𐍈".chars()).collect();
        let written = json(&[&text]).unwrap();
        assert!(written.chars().all(|c| !is_order(c) || c == '\n'), "{written:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&written).unwrap(), [text]);
        assert!(written.contains("\\u009b") && written.contains("\\u202e"), "{written}");
        // What others wrote keeps its layout.
        assert_eq!(escaped("{\r\n\t\"a\": \"\u{9b}\"}\n"), "{\r\n\t\"a\": \"\\u009b\"}\n");
        assert_eq!(escaped("\x1b]0;x\x07"), "\\u001b]0;x\\u0007");
    }
}
