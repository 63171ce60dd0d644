//! `Content-Disposition`: the name under which an answer is saved (RFC 6266).

use std::fmt::Write;

use http::HeaderValue;

/// Whether a browser shows an answer or saves it; the name counts for both.
#[derive(Debug, Clone, Copy)]
pub(super) enum Disposition {
    Inline,
    Attachment,
}

impl Disposition {
    /// The field's value for a file of this name.
    ///
    /// `filename` holds for clients of old; where it can't hold the name as it is, `filename*` (RFC 8187)
    /// does, and clients that know it prefer it.
    pub(super) fn named(self, name: &str) -> HeaderValue {
        let kind = match self {
            Self::Inline => "inline",
            Self::Attachment => "attachment",
        };
        let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let mut value = format!("{kind}; filename=\"{plain}\"");
        if plain != name {
            value.push_str("; filename*=UTF-8''");
            for byte in name.bytes() {
                if is_attr_char(byte) {
                    value.push(char::from(byte));
                } else {
                    let _ = write!(value, "%{byte:02X}");
                }
            }
        }
        HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(kind))
    }
}

/// What all clients read alike in a quoted string: no quote, no backslash, no percent sign (some decode
/// it), nothing that splits a list.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".-_ +~()@!".contains(c)
}

/// RFC 8187 section 3.2.1.
fn is_attr_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stand_as_they_are_and_others_in_both_forms() {
        for (name, expected) in [
            ("debian-12.iso", "filename=\"debian-12.iso\""),
            ("c++ (2).zip", "filename=\"c++ (2).zip\""),
            ("ä.zip", "filename=\"_.zip\"; filename*=UTF-8''%C3%A4.zip"),
            ("a\"b;c.zip", "filename=\"a_b_c.zip\"; filename*=UTF-8''a%22b%3Bc.zip"),
            ("100%.zip", "filename=\"100_.zip\"; filename*=UTF-8''100%25.zip"),
            (
                "日本 'x'*.zip",
                "filename=\"__ _x__.zip\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%20%27x%27%2A.zip",
            ),
        ] {
            let value = Disposition::Attachment.named(name);
            assert_eq!(value.to_str().unwrap(), format!("attachment; {expected}"));
        }
        assert_eq!(Disposition::Inline.named("a"), "inline; filename=\"a\"");
    }

    proptest::proptest! {
        #[test]
        fn any_name_comes_back_whole(name in "\\PC{1,40}") {
            let value = Disposition::Attachment.named(&name);
            let value = value.to_str().unwrap();
            let (plain, whole) = value.split_once("; filename*=UTF-8''").unwrap_or((value, ""));
            let quoted = plain.strip_prefix("attachment; filename=\"").and_then(|it| it.strip_suffix('"'));
            let quoted = quoted.unwrap();
            proptest::prop_assert!(!quoted.contains(['"', '\\']));
            let decoded = percent_encoding::percent_decode_str(whole).decode_utf8().unwrap();
            proptest::prop_assert_eq!(if whole.is_empty() { quoted } else { &*decoded }, name);
        }
    }
}
