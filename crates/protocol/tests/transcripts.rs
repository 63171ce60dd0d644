//! Replays `tests/vectors/tracker.json`, which the browser client's suite reads too.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::net::IpAddr;
use std::time::Duration;

use manyhands_metainfo::InfoHash;
use manyhands_protocol::sdp::Gate;
use manyhands_protocol::tracker::{
    ClientMessage, ConnectionId, Effect, PeerId, SwarmConfig, Swarms, TrackerMessage,
};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/tracker.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn info_hash(binary: &Value) -> InfoHash {
    InfoHash::from_bytes(*PeerId::from_binary(binary.as_str().unwrap()).unwrap().as_bytes())
}

fn connection(id: &Value) -> ConnectionId {
    ConnectionId(id.as_u64().unwrap())
}

/// What was sent and closed, in an order that does not matter.
fn observed(effects: &[Effect]) -> Vec<String> {
    let mut all: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(ConnectionId(to), text) => {
                let message: Value = serde_json::from_str(text).unwrap();
                Some(json!({ "to": to, "message": message }).to_string())
            }
            Effect::Close(ConnectionId(to), reason) => {
                Some(json!({ "to": to, "close": reason.code() }).to_string())
            }
            Effect::Count(_) => None,
        })
        .collect();
    all.sort();
    all
}

fn expected(step: &Value) -> Vec<String> {
    let mut all: Vec<_> =
        step["expect"].as_array().unwrap().iter().map(|effect| effect.to_string()).collect();
    all.sort();
    all
}

fn replay(transcript: &Value, seed: u64) {
    let config = SwarmConfig::default()
        .with_min_prefixes(transcript["config"]["minPrefixes"].as_u64().unwrap() as usize)
        .with_gate(Gate::default().with_lan(transcript["config"]["lan"].as_bool().unwrap()));
    let mut swarms = Swarms::new(config, seed);
    for hash in transcript["issued"].as_array().unwrap() {
        swarms.issue(info_hash(hash));
    }
    for step in transcript["steps"].as_array().unwrap() {
        let now = Duration::from_millis(step["at"].as_u64().unwrap());
        let mut effects = Vec::new();
        if let Some(id) = step.get("connect") {
            let address: Option<IpAddr> = step["address"].as_str().map(|a| a.parse().unwrap());
            swarms.connect(now, connection(id), address.map(Into::into), &mut effects);
        } else if let Some(id) = step.get("from") {
            let text = match step.get("text") {
                Some(text) => text.as_str().unwrap().to_owned(),
                None => step["message"].to_string(),
            };
            swarms.handle(now, connection(id), &text, &mut effects);
        } else if let Some(id) = step.get("disconnect") {
            swarms.disconnect(now, connection(id), &mut effects);
        } else if let Some(hash) = step.get("withdraw") {
            swarms.withdraw(&info_hash(hash), &mut effects);
        } else {
            assert_eq!(step["timeout"], true);
            swarms.on_timeout(now, &mut effects);
        }
        assert_eq!(observed(&effects), expected(step), "{}: {step}", transcript["name"]);
    }
}

#[test]
fn transcripts_come_out_as_written_whatever_the_seed() {
    for transcript in vectors()["transcripts"].as_array().unwrap() {
        for seed in 0..20 {
            replay(transcript, seed);
        }
    }
}

#[test]
fn identifiers_are_exactly_twenty_bytes() {
    let identifiers = &vectors()["identifiers"];
    for accepted in identifiers["accepted"].as_array().unwrap() {
        let id: PeerId = serde_json::from_str(accepted["json"].as_str().unwrap()).unwrap();
        let hex: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, accepted["hex"]);
    }
    for refused in identifiers["refused"].as_array().unwrap() {
        let refused = refused.as_str().unwrap();
        assert!(serde_json::from_str::<PeerId>(refused).is_err(), "{refused}");
    }
}

/// Both ends of the protocol read what the other writes.
#[test]
fn every_message_survives_its_own_types() {
    for transcript in vectors()["transcripts"].as_array().unwrap() {
        for step in transcript["steps"].as_array().unwrap() {
            if let Some(message) = step.get("message")
                && let Ok(message) = ClientMessage::parse(&message.to_string())
            {
                assert_eq!(ClientMessage::parse(&message.to_json()).as_ref(), Ok(&message));
            }
            for effect in step["expect"].as_array().unwrap() {
                let Some(wire) = effect.get("message") else { continue };
                let message = TrackerMessage::parse(&wire.to_string()).unwrap();
                let written: Value = serde_json::from_str(&message.to_json()).unwrap();
                assert_eq!(&written, wire);
            }
        }
    }
}
