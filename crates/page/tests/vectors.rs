//! `tests/vectors/page.json`: the cases that every host must decide alike.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::collections::HashSet;
use std::fs;

use manyhands_metainfo::{AssetPath, Validator};
use manyhands_page::{
    Coding, Decision, HeaderEdit, HeaderEdits, Injector, Outcome, Policy, Reason, RequestHead,
    ResponseHead, asset_edits, plan, request_plan,
};
use serde_json::{Value, json};

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/page.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn policy(settings: &Value) -> Policy {
    let mut policy = Policy::default();
    for (name, value) in settings.as_object().into_iter().flatten() {
        policy = match (name.as_str(), value) {
            ("prefix", Value::String(prefix)) => policy.with_prefix(prefix).unwrap(),
            ("origin", Value::String(origin)) => policy.with_origin(origin).unwrap(),
            ("pages", Value::Bool(pages)) => policy.with_pages(*pages),
            ("nonce", Value::Bool(nonce)) => policy.with_nonce(*nonce),
            ("recompress", Value::Bool(recompress)) => policy.with_recompress(*recompress),
            ("public", list) => policy.with_public(strings(list)).unwrap(),
            ("exclude", list) => policy.with_exclude(strings(list)).unwrap(),
            ("immutable", list) => policy.with_immutable(strings(list)).unwrap(),
            ("queries", list) => policy.with_queries(strings(list)).unwrap(),
            _ => panic!("unknown setting {name}"),
        };
    }
    policy
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}

fn headers(value: &Value) -> Vec<(&str, &str)> {
    let lines = value.as_array().unwrap();
    lines.iter().map(|line| (line[0].as_str().unwrap(), line[1].as_str().unwrap())).collect()
}

fn edits(edits: &HeaderEdits) -> Value {
    edits
        .iter()
        .map(|edit| match edit {
            HeaderEdit::Remove(name) => json!(["remove", name.as_str()]),
            HeaderEdit::Set(name, value) => json!(["set", name.as_str(), value.to_str().unwrap()]),
            HeaderEdit::Append(name, value) => {
                json!(["append", name.as_str(), value.to_str().unwrap()])
            }
        })
        .collect()
}

/// The case with everything that is decided filled in anew.
fn decided(case: &Value) -> Value {
    let policy = policy(&case["policy"]);
    let (requested, responded) =
        (headers(&case["request"]["headers"]), headers(&case["response"]["headers"]));
    let target = case["request"]["target"].as_str().unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let method = case["request"]["method"].as_str().unwrap();
    let request = RequestHead { method, path, query, headers: &requested[..] };
    let status = case["response"]["status"].as_u64().unwrap().try_into().unwrap();
    let response = ResponseHead { status, headers: &responded[..] };

    let mut case = case.clone();
    if case.get("forward").is_some() {
        case["forward"] = edits(&request_plan(&request, &policy).edits);
    }
    let plan = plan(&request, &response, &policy, case["local"].as_bool().unwrap_or_default());
    case["edits"] = edits(&plan.edits);
    if case.get("restore").is_some() || plan.restore.is_some() {
        case["restore"] = plan.restore.map_or(
            Value::Null,
            |restore| json!({ "coding": restore.coding.as_str(), "edits": edits(&restore.edits) }),
        );
    }
    match plan.decision {
        Decision::Page(rewrite) => {
            case["decision"] = "page".into();
            case["tag"] = rewrite.tag.into();
            case["recompress"] = rewrite.recompress.map(Coding::as_str).into();
        }
        Decision::Asset(offer) => {
            case["decision"] = "asset".into();
            let mut asset = json!({
                "path": offer.path.as_str(),
                "length": offer.version.length,
                "type": offer.content_type,
                "teeable": offer.teeable,
            });
            match offer.version.validator {
                Validator::Etag(tag) => asset["etag"] = tag.into(),
                Validator::LastModified(date) => asset["last_modified"] = date.into(),
                Validator::Immutable => asset["immutable"] = true.into(),
            }
            case["asset"] = asset;
        }
        Decision::PassThrough(reason) => case["decision"] = reason.name().into(),
    }
    case
}

#[test]
fn every_case_is_decided_as_written() {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        assert_eq!(&decided(case), case, "{}", case["name"]);
    }
}

/// Reasons that only a body can give.
const OF_BODIES: [Reason; 2] = [Reason::AlreadyTagged, Reason::NoPlace];

#[test]
fn every_reason_has_a_case() {
    let vectors = vectors();
    let met: HashSet<_> = vectors["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["decision"].as_str().unwrap())
        .collect();
    let unmet: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !met.contains(reason.name()) && !OF_BODIES.contains(reason))
        .collect();
    // A control character cannot be written in a header that a host would pass on.
    assert_eq!(unmet, [&Reason::CspUnclear]);
}

#[test]
fn a_ready_asset_carries_what_is_written() {
    for ready in vectors()["ready"].as_array().unwrap() {
        let path = AssetPath::parse(ready["path"].as_str().unwrap()).unwrap();
        let sha256 = ready["sha256"].as_str().unwrap().parse().unwrap();
        let made = asset_edits(&path, &sha256, Policy::default().prefix());
        assert_eq!(edits(&made), ready["edits"]);
    }
}

#[test]
fn every_body_comes_out_as_written() {
    let vectors = vectors();
    let page = &vectors["cases"][0];
    for body in vectors["bodies"].as_array().unwrap() {
        let mut injector = Injector::new(page["tag"].as_str().unwrap());
        let mut out = Vec::new();
        for chunk in body["page"].as_str().unwrap().as_bytes().chunks(5) {
            injector.write(chunk, &mut out);
        }
        injector.end(&mut out);
        let outcome = match injector.outcome().unwrap() {
            Outcome::Injected => "injected",
            Outcome::AlreadyThere => "already_there",
            Outcome::NoPlace => "no_place",
        };
        assert_eq!(String::from_utf8(out).unwrap(), body["result"].as_str().unwrap());
        assert_eq!(outcome, body["outcome"].as_str().unwrap());
    }
}
