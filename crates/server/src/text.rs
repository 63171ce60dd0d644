//! Text that strangers chose, such as names of files, on its way to a person's eyes.

use std::fmt::{self, Display, Write};

use manyhands_metainfo::AssetPath;

/// The text, with what would turn its order around shown as a replacement character: it would show
/// `a<here>gpj.zip` as `apiz.jpg`. Nothing is escaped: that is for whoever writes the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visible<'a>(pub(crate) &'a str);

impl Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(visible(c)))
    }
}

/// The path as a person reads it.
pub(crate) fn decoded(path: &AssetPath) -> String {
    path.decoded_segments().fold(String::new(), |text, segment| text + "/" + &segment)
}

/// One character of such text.
pub(crate) fn visible(c: char) -> char {
    match c {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_turns_the_order_of_its_letters_around() {
        let text = "a\u{202e}gpj.\u{2066}zip é";
        assert_eq!(Visible(text).to_string(), "a\u{fffd}gpj.\u{fffd}zip é");
    }
}
