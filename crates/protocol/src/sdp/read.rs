//! From text to the few facts that a data channel needs.

use super::address::Reach;
use super::candidate::{Candidate, is_ice, number};
use super::{SdpError, SdpKind};

/// What a description says, in slices of its text. Every slice has been checked character by
/// character.
#[derive(Debug)]
pub(super) struct Description<'a> {
    pub(super) session: u64,
    pub(super) version: u64,
    pub(super) mid: Option<&'a str>,
    pub(super) bundled: bool,
    pub(super) ufrag: &'a str,
    pub(super) pwd: &'a str,
    pub(super) ice_options: Vec<&'static str>,
    pub(super) fingerprints: Vec<Fingerprint<'a>>,
    pub(super) setup: &'static str,
    pub(super) sctp_port: Option<u16>,
    pub(super) max_message_size: Option<u64>,
    pub(super) sendrecv: bool,
    pub(super) candidates: Vec<Candidate<'a>>,
    pub(super) end_of_candidates: bool,
}

/// A certificate digest (RFC 8122 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint<'a> {
    pub(super) hash: &'static str,
    pub(super) value: &'a str,
}

/// How many fingerprints are kept; agents send one.
const MAX_FINGERPRINTS: usize = 2;

/// The options that browsers and native agents send (RFC 8838, RFC 8445 section 10, libwebrtc).
const ICE_OPTIONS: [&str; 3] = ["trickle", "ice2", "renomination"];

/// What a level (session or media) says. The media level wins, as RFC 8839 and RFC 8842 have it.
#[derive(Debug, Default)]
struct Level<'a> {
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    ice_options: Option<&'a str>,
    fingerprints: Vec<Fingerprint<'a>>,
    setup: Option<&'a str>,
}

/// What only the media section says.
#[derive(Debug, Default)]
struct Media<'a> {
    mid: Option<&'a str>,
    sctp_port: Option<u16>,
    max_message_size: Option<u64>,
    sendrecv: bool,
    candidates: Vec<Candidate<'a>>,
    end_of_candidates: bool,
}

impl<'a> Description<'a> {
    pub(super) fn read(
        sdp: &'a str,
        kind: SdpKind,
        reach: Reach,
        max_candidates: usize,
    ) -> Result<Self, SdpError> {
        let mut lines = Lines(sdp.split('\n'));
        if lines.next().transpose()? != Some(('v', "0")) {
            return Err(SdpError::Malformed);
        }
        let origin = match lines.next().transpose()? {
            Some(('o', value)) => read_origin(value).ok_or(SdpError::Malformed)?,
            _ => return Err(SdpError::Malformed),
        };
        let (mut session, mut in_media) = (Level::default(), Level::default());
        let mut media: Option<Media<'a>> = None;
        let mut bundled = false;
        for line in lines {
            match (line?, &mut media) {
                (('v' | 'o', _), _) => return Err(SdpError::Malformed),
                (('m', _), Some(_)) => return Err(SdpError::Section),
                (('m', value), None) if is_data_channel(value) => media = Some(Media::default()),
                (('m', _), None) => return Err(SdpError::Section),
                (('a', value), None) => {
                    bundled |= value.starts_with("group:BUNDLE ");
                    session.read(value)?;
                }
                (('a', value), Some(media)) => {
                    in_media.read(value)?;
                    media.read(value, reach, max_candidates)?;
                }
                _ => {}
            }
        }
        let media = media.ok_or(SdpError::Section)?;
        in_media.resolve(session, media, kind, origin, bundled)
    }
}

impl<'a> Level<'a> {
    fn read(&mut self, attribute: &'a str) -> Result<(), SdpError> {
        match split(attribute) {
            ("ice-ufrag", value) if is_ice(value, 4, 256) => {
                once(&mut self.ufrag, value, SdpError::Credentials)
            }
            ("ice-pwd", value) if is_ice(value, 22, 256) => {
                once(&mut self.pwd, value, SdpError::Credentials)
            }
            ("ice-ufrag" | "ice-pwd", _) => Err(SdpError::Credentials),
            ("ice-options", value) => once(&mut self.ice_options, value, SdpError::Malformed),
            ("setup", value) => once(&mut self.setup, value, SdpError::Setup),
            ("fingerprint", value) => {
                // A hash function we do not know is dropped, a malformed value of one we know is
                // refused.
                if let Some(fingerprint) = Fingerprint::read(value)?
                    && self.fingerprints.len() < MAX_FINGERPRINTS
                {
                    self.fingerprints.push(fingerprint);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn resolve(
        self,
        session: Self,
        media: Media<'a>,
        kind: SdpKind,
        (session_id, version): (u64, u64),
        bundled: bool,
    ) -> Result<Description<'a>, SdpError> {
        let fingerprints =
            if self.fingerprints.is_empty() { session.fingerprints } else { self.fingerprints };
        if fingerprints.is_empty() {
            return Err(SdpError::Fingerprint);
        }
        // `libdatachannel` separates options by commas, everyone else by spaces.
        let options = self.ice_options.or(session.ice_options).unwrap_or_default();
        Ok(Description {
            session: session_id,
            version,
            mid: media.mid,
            bundled: bundled && media.mid.is_some(),
            ufrag: self.ufrag.or(session.ufrag).ok_or(SdpError::Credentials)?,
            pwd: self.pwd.or(session.pwd).ok_or(SdpError::Credentials)?,
            ice_options: ICE_OPTIONS
                .into_iter()
                .filter(|known| options.split([' ', ',']).any(|option| option == *known))
                .collect(),
            fingerprints,
            setup: role(self.setup.or(session.setup), kind).ok_or(SdpError::Setup)?,
            sctp_port: media.sctp_port,
            max_message_size: media.max_message_size,
            sendrecv: media.sendrecv,
            candidates: media.candidates,
            end_of_candidates: media.end_of_candidates,
        })
    }
}

impl<'a> Media<'a> {
    fn read(
        &mut self,
        attribute: &'a str,
        reach: Reach,
        max_candidates: usize,
    ) -> Result<(), SdpError> {
        match split(attribute) {
            ("mid", value) if is_token(value, 32) => {
                return once(&mut self.mid, value, SdpError::Malformed);
            }
            ("sctp-port", value) => {
                let port = number(value).filter(|port| *port > 0).ok_or(SdpError::Malformed)?;
                return once(&mut self.sctp_port, port, SdpError::Malformed);
            }
            ("max-message-size", value) => {
                let size = number(value).ok_or(SdpError::Malformed)?;
                return once(&mut self.max_message_size, size, SdpError::Malformed);
            }
            ("mid", _) => return Err(SdpError::Malformed),
            ("candidate", value) if self.candidates.len() < max_candidates => {
                self.candidates.extend(Candidate::read(value, reach));
            }
            ("end-of-candidates", "") => self.end_of_candidates = true,
            ("sendrecv", "") => self.sendrecv = true,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Fingerprint<'a> {
    fn read(value: &'a str) -> Result<Option<Self>, SdpError> {
        let (name, digest) = value.split_once(' ').ok_or(SdpError::Fingerprint)?;
        let known = [("sha-256", 32), ("sha-384", 48), ("sha-512", 64)];
        let Some((hash, bytes)) =
            known.into_iter().find(|(hash, _)| name.eq_ignore_ascii_case(hash))
        else {
            return Ok(None);
        };
        let is_hex = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        let well_formed = digest.split(':').count() == bytes && digest.split(':').all(is_hex);
        if well_formed {
            Ok(Some(Self { hash, value: digest }))
        } else {
            Err(SdpError::Fingerprint)
        }
    }
}

/// `x=value` lines, ended by CRLF or LF. Empty lines are skipped: `simple-peer` leaves one where it
/// cuts `ice-options`.
struct Lines<'a>(std::str::Split<'a, char>);

impl<'a> Iterator for Lines<'a> {
    type Item = Result<(char, &'a str), SdpError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self
            .0
            .by_ref()
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
            .find(|line| !line.is_empty())?;
        // Bare carriage returns, NUL, tabs: what one parser takes for an end of line and another
        // does not.
        if !line.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Some(Err(SdpError::NotText));
        }
        let mut characters = line.chars();
        match (characters.next(), characters.next()) {
            (Some(name), Some('=')) if name.is_ascii_lowercase() => {
                Some(Ok((name, characters.as_str())))
            }
            _ => Some(Err(SdpError::Malformed)),
        }
    }
}

/// `o=<username> <session id> <version> <network> <address type> <address>`: the two numbers are
/// kept.
fn read_origin(value: &str) -> Option<(u64, u64)> {
    let mut words = value.split(' ');
    let (_username, session, version) = (words.next()?, words.next()?, words.next()?);
    (words.count() == 3).then_some(())?;
    Some((number(session)?, number(version)?))
}

/// `application <port> UDP/DTLS/SCTP webrtc-datachannel` (RFC 8841 section 4.4.1). Port 0 is a
/// rejected section.
fn is_data_channel(value: &str) -> bool {
    let mut words = value.split(' ');
    words.next() == Some("application")
        && words.next().and_then(number::<u16>).is_some_and(|port| port > 0)
        && matches!(words.next(), Some("UDP/DTLS/SCTP" | "TCP/DTLS/SCTP"))
        && words.next() == Some("webrtc-datachannel")
        && words.next().is_none()
}

/// RFC 8842 section 5.2 and RFC 4145 section 4.1: only an offer may leave the role to the other
/// side.
fn role(value: Option<&str>, kind: SdpKind) -> Option<&'static str> {
    match (value?, kind) {
        ("actpass", SdpKind::Offer) => Some("actpass"),
        ("active", _) => Some("active"),
        ("passive", _) => Some("passive"),
        _ => None,
    }
}

fn split(attribute: &str) -> (&str, &str) {
    attribute.split_once(':').unwrap_or((attribute, ""))
}

fn once<T>(slot: &mut Option<T>, value: T, twice: SdpError) -> Result<(), SdpError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice),
    }
}

/// `token` of RFC 8866 section 9.
fn is_token(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte))
}
