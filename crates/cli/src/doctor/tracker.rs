//! Where visitors meet: the tracker's WebSocket, which a proxy in front must let through.

use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::fetch::{Answer, Ask, Client};
use super::presence::Presence;
use super::report::{Report, Section};
use super::target::Target;

const PROXY_REMEDY: &str = "let the proxy in front pass WebSockets on; nginx: proxy_http_version 1.1; \
     proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";";

pub(crate) async fn look(
    client: &Client,
    target: &Target,
    presence: &Presence,
    report: &mut Report,
) {
    if presence.site.disabled {
        return report.skip(Section::Peers, "tracker", "switched off");
    }
    match socket(client, target, presence).await {
        Ok(says) => report.ok(Section::Peers, "tracker", says),
        Err(Closed { reason, says, remedy }) => {
            report.refuse(Section::Peers, "tracker", reason, says, remedy);
        }
    }
}

struct Closed {
    reason: &'static str,
    says: String,
    remedy: &'static str,
}

/// Opens the WebSocket as a page of the site does, and asks for one sign of life.
async fn socket(client: &Client, target: &Target, presence: &Presence) -> Result<String, Closed> {
    let unclear = |says: String| Closed {
        reason: "tracker_unclear",
        says,
        remedy: "site.json must name the tracker: let nothing in between change it",
    };
    let target = target.join(&presence.site.tracker).map_err(unclear)?;
    let (key, origin) = (generate_key(), target.origin());
    let fields = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", &*key),
        ("origin", &*origin),
    ];
    let answer = client.ask(Ask::get(&target, &fields)).await.map_err(|failure| Closed {
        reason: failure.name(),
        says: format!("the WebSocket: {failure}"),
        remedy: PROXY_REMEDY,
    })?;
    let accepted = answer.field("sec-websocket-accept");
    if answer.status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(&answer));
    }
    if accepted.as_deref() != Some(&*derive_accept_key(key.as_bytes())) {
        return Err(Closed {
            reason: "tracker_accept",
            says: "101, but not to our handshake (Sec-WebSocket-Accept is wrong)".to_owned(),
            remedy: PROXY_REMEDY,
        });
    }
    let silent = || Closed {
        reason: "tracker_silent",
        says: "101, but nothing comes through the WebSocket after that".to_owned(),
        remedy: PROXY_REMEDY,
    };
    let stream = TokioIo::new(answer.upgraded.ok_or_else(silent)?);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    let alive = async {
        socket.send(Message::Ping("manyhands".into())).await.ok()?;
        loop {
            match socket.next().await?.ok()? {
                Message::Pong(_) => return Some(()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    };
    let alive = tokio::time::timeout(client.limit(), alive).await.ok().flatten();
    alive.ok_or_else(silent)?;
    let _ = tokio::time::timeout(client.limit(), socket.close(None)).await;
    Ok("the WebSocket opens (101) and answers".to_owned())
}

fn refused(answer: &Answer) -> Closed {
    let status = answer.status.as_u16();
    let (reason, says, remedy) = match status {
        426 => (
            "tracker_upgrade",
            "status 426: the tracker was reached, but the request to upgrade was lost on the way",
            PROXY_REMEDY,
        ),
        403 => (
            "tracker_refused",
            "status 403: the tracker takes this for another site",
            "set [site] origin to what visitors see; the token of site.json may be from a cache",
        ),
        429 | 503 => (
            "tracker_full",
            "the tracker, or a limit in front, takes no more connections",
            "raise the limit of connections",
        ),
        404 => ("tracker_missing", "status 404: nobody answers for the tracker", PROXY_REMEDY),
        _ => ("tracker_upgrade", "the answer is no 101", PROXY_REMEDY),
    };
    let says = if says.starts_with("status") {
        says.to_owned()
    } else {
        format!("status {status}: {says}")
    };
    Closed { reason, says, remedy }
}
