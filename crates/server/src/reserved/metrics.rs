//! `metrics`: the counters since the start, in the text format of Prometheus.

use std::fmt::Write;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use super::{Asked, operator};
use crate::engine::{Family, Kind};

pub(super) fn answer(asked: &Asked<'_>) -> Response<Bytes> {
    if !operator::asks(asked) {
        return operator::refused(asked);
    }
    let mut response = Response::new(Bytes::from(exposition(&asked.engine.families())));
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    operator::for_the_operator(&mut response);
    response
}

/// Text exposition format 0.0.4. Names and labels are ours, so nothing has to be escaped.
fn exposition(families: &[Family]) -> String {
    let mut text = String::new();
    for Family { name, help, kind, samples } in families {
        let (kind, end) = match kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
        };
        let name = format!("manyhands_{name}{end}");
        let _in_memory = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (label, value) in samples {
            let _in_memory = match label {
                Some((label, of)) => writeln!(text, "{name}{{{label}=\"{of}\"}} {value}"),
                None => writeln!(text, "{name} {value}"),
            };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_a_head_and_a_line_a_sample() {
        let families = [
            Family {
                name: "sent_bytes",
                help: "Octets.",
                kind: Kind::Counter,
                samples: vec![(Some(("kind", "other")), 1), (Some(("kind", "overhead")), 2)],
            },
            Family {
                name: "connections",
                help: "Open.",
                kind: Kind::Gauge,
                samples: vec![(None, 3)],
            },
        ];
        assert_eq!(
            exposition(&families),
            "# HELP manyhands_sent_bytes_total Octets.\n# TYPE manyhands_sent_bytes_total counter\n\
             manyhands_sent_bytes_total{kind=\"other\"} 1\n\
             manyhands_sent_bytes_total{kind=\"overhead\"} 2\n\
             # HELP manyhands_connections Open.\n# TYPE manyhands_connections gauge\n\
             manyhands_connections 3\n"
        );
    }
}
