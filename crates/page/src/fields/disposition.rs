//! `Content-Disposition` (RFC 6266).

use super::{Unclear, list, single};
use crate::Headers;

/// What the recipient is to do with the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    Inline,
    Attachment,
}

impl Disposition {
    /// An absent field means inline. Other types, and malformed fields, are unclear.
    pub(crate) fn read<H: Headers + ?Sized>(headers: &H) -> Result<Self, Unclear> {
        let Some(value) = single(headers, "content-disposition")? else { return Ok(Self::Inline) };
        let parts = list::split(value, b';')?;
        let (disposition, parameters) = parts.split_first().ok_or(Unclear)?;
        list::parameters(parameters)?;
        match &*list::token(disposition)? {
            "inline" => Ok(Self::Inline),
            "attachment" => Ok(Self::Attachment),
            _ => Err(Unclear),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_are_told_from_doubt() {
        let read = |value: &str| Disposition::read(&[("content-disposition", value)][..]);

        assert_eq!(read("inline"), Ok(Disposition::Inline));
        assert_eq!(read("Attachment; filename=\"a;b.zip\""), Ok(Disposition::Attachment));
        assert_eq!(read("attachment; filename*=UTF-8''a%20b"), Ok(Disposition::Attachment));
        for value in ["", "form-data; name=a", "attachment; filename=a b", "attachment; a=1; a=2"] {
            assert_eq!(read(value), Err(Unclear), "{value}");
        }
    }
}
