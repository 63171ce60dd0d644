//! `experiment.json` and `experiment.csv`: the experiment for programs, and its raw sums for whoever wants to
//! reckon for himself.

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use manyhands_experiment::analyse;

use super::{Asked, operator, plain, query};
use crate::engine::Engine;
use crate::ledger::{ArchiveError, Looked, Period};

/// Which form is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv,
}

/// `?from=` and `?until=` are seconds since the epoch; without them the whole experiment.
pub(super) fn answer(asked: &Asked<'_>, form: Form) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::refused(asked);
    }
    let mut response = match period(asked.uri.query().unwrap_or_default()) {
        None => plain(StatusCode::BAD_REQUEST, "from and until are seconds since the epoch"),
        Some(_) if asked.engine.ledger().assignment().is_none() => plain(
            StatusCode::NOT_FOUND,
            "no experiment runs here: set [experiment] design to have one",
        ),
        Some(period) => written(asked.engine, form, period).unwrap_or_else(|error| {
            // Not an error of the site's: for some seconds there is nothing yet.
            let status = match error {
                ArchiveError::Missing(_) => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            plain(status, &error.to_string())
        }),
    };
    operator::for_the_operator(&mut response);
    response
}

fn written(engine: &Engine, form: Form, period: Period) -> Result<Response<Bytes>, ArchiveError> {
    let id = engine.ledger().assignment().map(crate::ledger::Assignment::id);
    let (body, content_type) = match form {
        Form::Csv => {
            let mut text = Vec::new();
            let _in_memory = engine.keeper().archive()?.write_csv(id, period, &mut text)?;
            (text, "text/csv; charset=utf-8; header=present")
        }
        Form::Json if period == Period::default() => match engine.keeper().figures() {
            Looked::Known(figures) => {
                let json = serde_json::to_vec_pretty(&figures.analysis).unwrap_or_default();
                (json, "application/json")
            }
            Looked::Off | Looked::Pending => return Ok(not_yet()),
            Looked::Unreadable(why) => return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, &why)),
        },
        Form::Json => {
            let keeper = engine.keeper();
            let observations =
                keeper.archive()?.observations(id, period, keeper.terms().clone())?;
            let analysis = analyse(&observations);
            (serde_json::to_vec_pretty(&analysis).unwrap_or_default(), "application/json")
        }
    };
    let mut response = Response::new(body.into());
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if form == Form::Csv {
        let named = HeaderValue::from_static("attachment; filename=\"experiment.csv\"");
        fields.insert(CONTENT_DISPOSITION, named);
    }
    Ok(response)
}

fn not_yet() -> Response<Bytes> {
    plain(
        StatusCode::NOT_FOUND,
        "nothing is written yet, or it is being reckoned: ask again in a moment",
    )
}

fn period(text: &str) -> Option<Period> {
    let mut period = Period::default();
    for (name, value) in query::fields(text) {
        match name {
            "from" => period.from = Some(value.parse().ok()?),
            "until" => period.until = Some(value.parse().ok()?),
            _ => {}
        }
    }
    Some(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_read_or_refused() {
        let read = |text| period(text).map(|period| (period.from, period.until));
        assert_eq!(read(""), Some((None, None)));
        assert_eq!(read("from=5&x=1&until=9"), Some((Some(5), Some(9))));
        for bad in ["from=", "until=-1", "from=2026-01-01"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
