//! Who asks: a browser, which can share; a download tool, which could ask a mirror; a robot.

use crate::is_robot;

/// What a `User-Agent` says of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    /// Can run the script.
    Browser,
    /// curl, package managers, players, browsers from before WebRTC.
    Tool,
    /// Reads the site for somebody who is not there.
    Robot,
    /// The log does not say.
    Unknown,
}

/// Browsers without WebRTC.
const BEFORE_WEBRTC: [&[u8]; 3] = [b"msie ", b"trident/", b"opera mini"];

impl Agent {
    pub(super) fn of(agent: Option<&[u8]>) -> Self {
        let Some(agent) = agent.filter(|agent| !matches!(*agent, b"" | b"-")) else {
            return Self::Unknown;
        };
        if is_robot(agent) {
            return Self::Robot;
        }
        let agent = agent.to_ascii_lowercase();
        let has = |word: &&[u8]| memchr::memmem::find(&agent, word).is_some();
        let browser = agent.starts_with(b"mozilla/") || agent.starts_with(b"opera/");
        match browser && !BEFORE_WEBRTC.iter().any(has) {
            true => Self::Browser,
            false => Self::Tool,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_what_they_call_themselves() {
        for (expected, agents) in [
            (
                Agent::Browser,
                &[
                    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0",
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                ][..],
            ),
            (
                Agent::Tool,
                &[
                    "curl/8.5.0",
                    "Wget/1.21.4",
                    "aria2/1.36.0",
                    "Debian APT-HTTP/1.3 (2.6.1)",
                    "VLC/3.0.20 LibVLC/3.0.20",
                    "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
                ],
            ),
            (
                Agent::Robot,
                &[
                    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
                    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0.0.0 Safari/537.36",
                    "facebookexternalhit/1.1",
                ],
            ),
            (Agent::Unknown, &["", "-"]),
        ] {
            for agent in agents {
                assert_eq!(Agent::of(Some(agent.as_bytes())), expected, "{agent}");
            }
        }
        assert_eq!(Agent::of(None), Agent::Unknown);
    }
}
