//! From facts to text, in the order that browsers write them.

use std::fmt::Write as _;

use super::read::Description;

/// Writes a description. Addresses in `o=` and `c=` and the port in `m=` are placeholders: with ICE
/// only candidates count.
pub(super) fn write(description: &Description<'_>) -> String {
    let mut out = Sdp(String::with_capacity(1024));
    let Description { session, version, .. } = description;
    out.line(format_args!("v=0"));
    out.line(format_args!("o=- {session} {version} IN IP4 0.0.0.0"));
    out.line(format_args!("s=-"));
    out.line(format_args!("t=0 0"));
    if let (true, Some(mid)) = (description.bundled, description.mid) {
        out.line(format_args!("a=group:BUNDLE {mid}"));
    }
    out.line(format_args!("m=application 9 UDP/DTLS/SCTP webrtc-datachannel"));
    out.line(format_args!("c=IN IP4 0.0.0.0"));
    for candidate in &description.candidates {
        out.line(format_args!("a=candidate:{candidate}"));
    }
    if description.end_of_candidates {
        out.line(format_args!("a=end-of-candidates"));
    }
    out.line(format_args!("a=ice-ufrag:{}", description.ufrag));
    out.line(format_args!("a=ice-pwd:{}", description.pwd));
    if !description.ice_options.is_empty() {
        out.line(format_args!("a=ice-options:{}", description.ice_options.join(" ")));
    }
    for fingerprint in &description.fingerprints {
        out.line(format_args!("a=fingerprint:{} {}", fingerprint.hash, fingerprint.value));
    }
    out.line(format_args!("a=setup:{}", description.setup));
    if let Some(mid) = description.mid {
        out.line(format_args!("a=mid:{mid}"));
    }
    if description.sendrecv {
        out.line(format_args!("a=sendrecv"));
    }
    if let Some(port) = description.sctp_port {
        out.line(format_args!("a=sctp-port:{port}"));
    }
    if let Some(size) = description.max_message_size {
        out.line(format_args!("a=max-message-size:{size}"));
    }
    out.0
}

struct Sdp(String);

impl Sdp {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        write!(self.0, "{line}\r\n").expect("writing to a String cannot fail");
    }
}
