//! `tests/vectors/page.json`: the cases that every host must decide alike; and `docs/eligibility.md`, held against
//! them.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

use std::collections::HashSet;
use std::fs;

use manyhands_metainfo::{AssetPath, Validator};
use manyhands_page::{
    Coding, Decision, HeaderEdit, HeaderEdits, Injector, Outcome, Policy, Reason, RequestHead,
    ResponseHead, Verdict, asset_edits, examine, plan, request_plan,
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

/// The cells of each table row of the document, by section: pages and files share some names of gates.
fn documented() -> Vec<(String, Vec<String>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/eligibility.md");
    let text = fs::read_to_string(path).unwrap();
    let mut section = "";
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.split(':').next().unwrap();
        }
        if line.starts_with("| `") {
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
            rows.push((section.to_owned(), cells.collect()));
        }
    }
    rows
}

#[test]
fn every_gate_and_every_reason_is_documented() {
    let rows = documented();
    let row = |section: &str, gate: &str| {
        let named =
            |row: &&(String, Vec<String>)| row.0 == section && row.1[0] == format!("`{gate}`");
        &rows.iter().find(named).unwrap_or_else(|| panic!("no row for {gate} under {section}")).1
    };
    let mut met = HashSet::new();
    for case in vectors()["cases"].as_array().unwrap() {
        let policy = policy(&case["policy"]);
        let asked = headers(&case["request"]["headers"]);
        let answered = headers(&case["response"]["headers"]);
        let target = case["request"]["target"].as_str().unwrap();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let method = case["request"]["method"].as_str().unwrap();
        let request = RequestHead { method, path, query, headers: &asked[..] };
        let status = case["response"]["status"].as_u64().unwrap().try_into().unwrap();
        let response = ResponseHead { status, headers: &answered[..] };
        let examination = examine(&request, &response, &policy, case["local"] == true);

        let page = examination.gates.iter().any(|gate| gate.name == "navigation");
        for (at, gate) in examination.gates.iter().enumerate() {
            let section = match at {
                0..4 => "Every response",
                _ if page => "Pages",
                _ => "Files",
            };
            let cells = row(section, gate.name);
            assert_eq!(cells[1], gate.passes_when, "{}", gate.name);
            assert!(!cells[3].is_empty(), "{}", gate.name);
            if let Verdict::Failed(reason) = gate.verdict {
                let name = format!("`{}`", reason.name());
                assert!(cells[2].split(' ').any(|cell| cell == name), "{name} of {}", gate.name);
                met.insert(name);
            }
        }
    }
    // Nothing is documented that there is not.
    let all: HashSet<_> = Reason::ALL.iter().map(|reason| format!("`{}`", reason.name())).collect();
    let written: HashSet<_> = rows
        .iter()
        .flat_map(|(_, cells)| cells[2].split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let of_bodies: HashSet<_> = OF_BODIES.iter().map(|it| format!("`{}`", it.name())).collect();
    assert_eq!(written, all.difference(&of_bodies).cloned().collect());
    // A control character cannot be written in a header that a host would pass on.
    let unmet: Vec<_> = written.difference(&met).collect();
    assert_eq!(unmet, ["`csp_unclear`"]);
    assert_eq!(rows.len(), 4 + 18 + 18);
}
