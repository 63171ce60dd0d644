//! How messages become effects.

use manyhands_metainfo::InfoHash;

use crate::sdp::{SdpError, SdpKind};
use crate::tracker::swarm::Swarm;
use crate::tracker::{
    AnnounceReply, ConnectionId, Effect, Failure, SessionDescription, SwarmConfig, TrackerMessage,
};

pub(super) fn send(to: ConnectionId, message: &TrackerMessage, effects: &mut Vec<Effect>) {
    effects.push(Effect::Send(to, message.to_json()));
}

pub(super) fn fail(
    to: ConnectionId,
    action: Option<&str>,
    reason: &str,
    info_hash: Option<InfoHash>,
    effects: &mut Vec<Effect>,
) {
    let failure =
        Failure { action: action.map(str::to_owned), reason: reason.to_owned(), info_hash };
    send(to, &TrackerMessage::Failure(failure), effects);
}

/// The reply to an announce, which is also what a waiting peer gets unasked.
pub(super) fn reply(
    to: ConnectionId,
    info_hash: InfoHash,
    swarm: &Swarm,
    offers: usize,
    config: &SwarmConfig,
    effects: &mut Vec<Effect>,
) {
    let reply = AnnounceReply {
        info_hash,
        interval: config.interval.as_secs(),
        complete: swarm.complete() as u64,
        incomplete: swarm.incomplete() as u64,
        offers: Some(offers as u64),
    };
    send(to, &TrackerMessage::Announce(reply), effects);
}

/// Takes a description through the gate. One that is the other half of the exchange is refused.
pub(super) fn pass(
    config: &SwarmConfig,
    description: &SessionDescription,
    kind: SdpKind,
) -> Result<SessionDescription, SdpError> {
    if description.kind != kind {
        return Err(SdpError::Setup);
    }
    let sdp = config.gate.check(&description.sdp, kind)?;
    Ok(SessionDescription { kind, sdp })
}
