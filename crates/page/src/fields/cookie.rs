//! `Cookie`.

use super::list;
use crate::Headers;

/// Whether a request carries a cookie that is not ours. What cannot be read is foreign.
pub(crate) fn has_foreign_cookie<H: Headers + ?Sized>(headers: &H, own: &str) -> bool {
    headers.values("cookie").any(|value| {
        value.split(|&byte| byte == b';').any(|pair| {
            let mut parts = list::trim(pair).splitn(2, |&byte| byte == b'=');
            !(parts.next() == Some(own.as_bytes()) && parts.next().is_some())
        })
    })
}

/// The value of our own cookie; `None` where there is none, or more than one.
pub(crate) fn own_cookie<'h, H: Headers + ?Sized>(headers: &'h H, own: &str) -> Option<&'h [u8]> {
    let mut values = headers.values("cookie").flat_map(|value| value.split(|&byte| byte == b';'));
    let mut values = values.by_ref().filter_map(|pair| {
        let mut parts = list::trim(pair).splitn(2, |&byte| byte == b'=');
        if parts.next() == Some(own.as_bytes()) { parts.next() } else { None }
    });
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(values: &[&str]) -> bool {
        let pairs: Vec<_> = values.iter().map(|value| ("cookie", *value)).collect();
        has_foreign_cookie(&pairs[..], "manyhands_b")
    }

    #[test]
    fn our_own_cookie_is_read_where_there_is_one() {
        let own = |values: &[&str]| {
            let pairs: Vec<_> = values.iter().map(|value| ("cookie", *value)).collect();
            own_cookie(&pairs[..], "manyhands_b").map(<[u8]>::to_vec)
        };
        assert_eq!(own(&["a=1; manyhands_b=512 ; b=2"]), Some(b"512".to_vec()));
        assert_eq!(own(&["a=1", "manyhands_b="]), Some(Vec::new()));
        for none in
            [&[][..], &["a=manyhands_b=1"], &["manyhands_b"], &["manyhands_b=1", "manyhands_b=1"]]
        {
            assert_eq!(own(none), None, "{none:?}");
        }
    }

    #[test]
    fn only_our_own_cookie_is_no_cookie() {
        assert!(!foreign(&[]));
        assert!(!foreign(&["manyhands_b=512"]));
        assert!(!foreign(&["manyhands_b=1; manyhands_b=2", " manyhands_b=3 "]));
        for values in [
            &["session=1"][..],
            &["manyhands_b=512; session=1"],
            &["manyhands_b=512", "session=1"],
            &["Manyhands_b=512"],
            &["manyhands_bb=1"],
            &["manyhands_b"],
            &[""],
            &["manyhands_b=1;"],
            &["=manyhands_b=1"],
        ] {
            assert!(foreign(values), "{values:?}");
        }
    }
}
