//! `switch`: the operator has sharing stopped, or taken up again, while the site runs.
//!
//! `POST switch?sharing=off` and `=on`: in the query and not in a body, as with `purge`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::{Asked, operator, plain, query};
use crate::engine::SwitchError;

pub(super) fn answer(asked: &Asked<'_>) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::refused(asked);
    }
    let mut response = if !operator::is_deliberate(asked.headers) {
        operator::not_deliberate("switch")
    } else {
        match wanted(asked.uri.query().unwrap_or_default()) {
            Some(on) => turned(asked, on),
            None => plain(StatusCode::BAD_REQUEST, "say switch?sharing=off or switch?sharing=on"),
        }
    };
    operator::for_the_operator(&mut response);
    response
}

fn turned(asked: &Asked<'_>, on: bool) -> Response<Bytes> {
    match asked.engine.switch(on) {
        Ok(sharing) => {
            let mut response =
                Response::new(format!("{{\"sharing\": \"{}\"}}\n", sharing.name()).into());
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error @ SwitchError::Disabled) => plain(StatusCode::CONFLICT, &error.to_string()),
        Err(error) => {
            tracing::error!(%error, "the kill switch");
            plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
        }
    }
}

/// The query says one thing, once: a switch that is turned by accident is none.
fn wanted(text: &str) -> Option<bool> {
    let mut fields = query::fields(text);
    match (fields.next(), fields.next()) {
        (Some(("sharing", "on")), None) => Some(true),
        (Some(("sharing", "off")), None) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_word_turns_the_switch() {
        assert_eq!(wanted("sharing=off"), Some(false));
        assert_eq!(wanted("sharing=on"), Some(true));
        for other in [
            "",
            "sharing",
            "sharing=",
            "sharing=ON",
            "off",
            "sharing=on&sharing=off",
            "x=1&sharing=on",
        ] {
            assert_eq!(wanted(other), None, "{other}");
        }
    }
}
