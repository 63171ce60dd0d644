//! The tracker over real sockets: who may speak, what gets through, who is thrown out.
#![allow(clippy::unwrap_used, reason = "tests")]

use futures_util::{SinkExt, StreamExt};
use manyhands_testkit::{Site, content};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn site() -> (tempfile::TempDir, Site, String) {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("big.zip"), content(0, 2 << 20)).unwrap();
    let site = Site::serve(files.path(), |_| {}).await;
    site.get("/big.zip", &[]).await;
    let (_, manifest) = site.manifest("/big.zip").await.unwrap();
    let hex = manifest["infohash"].as_str().unwrap().to_owned();
    let binary =
        (0..20).map(|at| char::from(u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()));
    let info_hash = binary.collect();
    (files, site, info_hash)
}

async fn connect(site: &Site) -> Socket {
    let url = format!("ws://{}/.well-known/manyhands/tracker", site.address);
    connect_async(url).await.unwrap().0
}

async fn send(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

/// The next JSON message; `None` when the other side closed.
async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return None,
        }
    }
}

fn announce(info_hash: &str, peer: char) -> Value {
    let peer_id: String = std::iter::repeat_n(peer, 20).collect();
    json!({"action": "announce", "info_hash": info_hash, "peer_id": peer_id, "left": 1, "event": "started"})
}

fn description(kind: &str) -> Value {
    let fingerprint = vec!["AB"; 32].join(":");
    let sdp = [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2113937151 192.168.1.5 5000 typ host",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        if kind == "offer" { "a=setup:actpass" } else { "a=setup:active" },
        "a=mid:0",
        "a=sctp-port:5000",
        "",
    ];
    json!({"type": kind, "sdp": sdp.join("\r\n")})
}

#[tokio::test]
async fn two_peers_are_introduced_and_the_manifest_counts_them() {
    let (_files, site, info_hash) = site().await;
    let (mut first, mut second) = (connect(&site).await, connect(&site).await);
    send(&mut first, &announce(&info_hash, 'a')).await;
    assert_eq!(next(&mut first).await.unwrap()["offers"], 0);
    send(&mut second, &announce(&info_hash, 'b')).await;
    assert_eq!(next(&mut second).await.unwrap()["offers"], 1);
    let (headers, _) = site.manifest("/big.zip").await.unwrap();
    assert_eq!(headers["manyhands-swarm"], "0/2");
    let page = site.get("/.well-known/manyhands/dashboard", &[]).await;
    let page = String::from_utf8(page.body().to_vec()).unwrap();
    let row = page.split("<tr data-key=\"/big.zip\">").nth(1).unwrap();
    for cell in ["Have it whole\">0<", "Take it now\">2<", "Introduced\">yes<"] {
        assert!(row.split("</tr>").next().unwrap().contains(cell), "{cell}: {row}");
    }

    let mut offering = announce(&info_hash, 'b');
    offering["event"] = Value::Null;
    offering["offers"] = json!([{"offer": description("offer"), "offer_id": "o".repeat(20)}]);
    send(&mut second, &offering).await;
    let offer = next(&mut first).await.unwrap();
    assert_eq!(offer["peer_id"], "b".repeat(20));
    assert!(offer["offer"]["sdp"].as_str().unwrap().contains("192.168.1.5"));
    let mut answer = announce(&info_hash, 'a');
    answer["to_peer_id"] = offer["peer_id"].clone();
    answer["offer_id"] = offer["offer_id"].clone();
    answer["answer"] = description("answer");
    send(&mut first, &answer).await;
    loop {
        let message = next(&mut second).await.unwrap();
        if message.get("answer").is_some() {
            assert_eq!(message["offer_id"], "o".repeat(20));
            break;
        }
    }

    second.close(None).await.unwrap();
    while next(&mut second).await.is_some() {}
    // The swarm forgets a peer with its socket.
    loop {
        let (headers, _) = site.manifest("/big.zip").await.unwrap();
        if headers["manyhands-swarm"] == "0/1" {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_swarm_this_site_did_not_issue_is_refused() {
    let (_files, site, _) = site().await;
    let mut socket = connect(&site).await;
    send(&mut socket, &announce(&"x".repeat(20), 'a')).await;
    assert!(next(&mut socket).await.unwrap().get("failure reason").is_some());
}

#[tokio::test]
async fn floods_large_messages_and_binary_ones_end_the_connection_and_not_the_tracker() {
    let (_files, site, info_hash) = site().await;
    let mut large = connect(&site).await;
    let _ = large.send(Message::text("x".repeat(1 << 20))).await;
    while next(&mut large).await.is_some() {}

    let mut binary = connect(&site).await;
    let _ = binary.send(Message::binary(vec![0; 10])).await;
    while next(&mut binary).await.is_some() {}

    let flood = connect(&site).await;
    let message = announce(&info_hash, 'f').to_string();
    let (mut sink, mut stream) = flood.split();
    tokio::spawn(async move { while sink.send(Message::text(message.clone())).await.is_ok() {} });
    while let Some(Ok(_)) = stream.next().await {}

    let mut honest = connect(&site).await;
    send(&mut honest, &announce(&info_hash, 'h')).await;
    assert_eq!(next(&mut honest).await.unwrap()["action"], "announce");
}

#[tokio::test]
async fn members_are_told_when_the_asset_changes() {
    let (files, site, info_hash) = site().await;
    let mut member = connect(&site).await;
    send(&mut member, &announce(&info_hash, 'a')).await;
    next(&mut member).await.unwrap();
    std::fs::write(files.path().join("new"), content(1, 2 << 20)).unwrap();
    std::fs::rename(files.path().join("new"), files.path().join("big.zip")).unwrap();
    let (_, manifest) = loop {
        // The next request finds the new file and has it hashed.
        site.get("/big.zip", &[]).await;
        if let Some(found) = site.manifest("/big.zip").await {
            break found;
        }
    };
    assert_ne!(manifest["infohash"].as_str().unwrap().len(), 0);
    assert!(next(&mut member).await.unwrap().get("failure reason").is_some());
}
