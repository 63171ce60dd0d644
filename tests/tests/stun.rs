//! A visitor learns its own address from the site, and from nobody else.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::UdpSocket;
use std::time::Duration;

use manyhands_testkit::Site;

#[tokio::test(flavor = "multi_thread")]
async fn binding_requests_are_answered_where_a_public_host_is_named() {
    let files = tempfile::tempdir().unwrap();
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::serve(files.path(), |config| {
        config.stun.listen = free;
        config.stun.host = Some("stun.example.org".to_owned());
    })
    .await;
    let json = site.get("/.well-known/manyhands/site.json", &[]).await;
    let json: serde_json::Value = serde_json::from_slice(json.body()).unwrap();
    assert_eq!(json["stun"], serde_json::json!([format!("stun:stun.example.org:{}", free.port())]));

    // RFC 8489: a binding request of no attributes.
    let mut request = vec![0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42];
    request.extend_from_slice(b"transaction!");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = [0; 100];
    let length = tokio::task::spawn_blocking({
        let socket = socket.try_clone().unwrap();
        move || {
            socket.send_to(&request, free).unwrap();
            socket.recv(&mut answer).map(|length| (length, answer))
        }
    });
    let (length, answer) = length.await.unwrap().unwrap();
    let answer = &answer[..length];
    assert_eq!((&answer[..2], &answer[8..20]), (&[0x01, 0x01][..], &b"transaction!"[..]));
    // XOR-MAPPED-ADDRESS: the port is xored with the first half of the magic cookie.
    let at = answer.windows(2).position(|pair| pair == [0x00, 0x20]).unwrap();
    let port = u16::from_be_bytes([answer[at + 6], answer[at + 7]]) ^ 0x2112;
    assert_eq!(port, socket.local_addr().unwrap().port());
}

#[tokio::test]
async fn without_a_public_host_there_is_no_stun() {
    let files = tempfile::tempdir().unwrap();
    let site = Site::serve(files.path(), |_| {}).await;
    let json = site.get("/.well-known/manyhands/site.json", &[]).await;
    let json: serde_json::Value = serde_json::from_slice(json.body()).unwrap();
    assert_eq!(json["stun"], serde_json::json!([]));
}
