//! The gate as a whole.

use proptest::prelude::*;

use super::samples::SAMPLES;
use super::{Gate, SdpError, SdpKind};

/// A description that passes, with one line of a level or the whole replaced in tests.
fn offer_with(session: &str, media: &str) -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{session}\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 {}\r\n\
         a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n{media}",
        ["AB"; 32].join(":")
    )
}

fn check(sdp: &str) -> Result<String, SdpError> {
    Gate::default().check(sdp, SdpKind::Offer)
}

fn candidates(sdp: &str) -> usize {
    sdp.matches("a=candidate:").count()
}

#[test]
fn what_agents_write_passes_and_is_stable() {
    for sample in SAMPLES {
        for (gate, expected) in
            [(Gate::default(), sample.public), (Gate::default().with_lan(true), sample.lan)]
        {
            let written = gate.check(sample.sdp, sample.kind).expect(sample.agent);
            assert_eq!(candidates(&written), expected, "{}\n{written}", sample.agent);
            assert_eq!(gate.check(&written, sample.kind).as_ref(), Ok(&written), "not stable");
            for kept in ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:", "a=sctp-port:"]
            {
                let line = |sdp: &str| sdp.lines().find(|l| l.starts_with(kept)).map(str::to_owned);
                assert_eq!(line(&written), line(sample.sdp), "{}", sample.agent);
            }
            for leak in ["192.168.0.87 rport", "mozilla", "network", "extmap", "msid", "127.0.0.1"]
            {
                assert!(!written.contains(leak), "{leak} in\n{written}");
            }
            assert!(written.lines().all(|line| !line.is_empty()));
            assert_eq!(written.matches('\n').count(), written.matches("\r\n").count());
        }
    }
}

#[test]
fn a_whole_description_is_written_like_this() {
    let sdp = "v=0\no=alice 42 7 IN IP4 192.168.1.5\ns=secret\nc=IN IP4 192.168.1.5\nt=0 0\n\
               a=group:BUNDLE data\na=tool:x\n\
               m=application 50000 UDP/DTLS/SCTP webrtc-datachannel\nc=IN IP4 192.168.1.5\n\
               a=candidate:1 1 UDP 2122260223 192.168.1.5 50000 typ host generation 0\n\
               a=candidate:2 1 UDP 1686052607 203.0.113.5 50000 typ srflx raddr 192.168.1.5 rport 50000\n\
               a=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\n\
               a=fingerprint:SHA-256 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff\n\
               a=ice-options:trickle google-ice\na=setup:actpass\na=mid:data\na=sctp-port:5000\n\
               a=max-message-size:262144\na=x-unknown:1\n";
    let written = "v=0\r\no=- 42 7 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE data\r\n\
                   m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
                   a=candidate:2 1 udp 1686052607 203.0.113.5 50000 typ srflx raddr 0.0.0.0 rport 0\r\n\
                   a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=ice-options:trickle\r\n\
                   a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff\r\n\
                   a=setup:actpass\r\na=mid:data\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";
    assert_eq!(check(sdp).as_deref(), Ok(written));
}

#[test]
fn refusals_name_their_reason() {
    let good = offer_with("", "");
    assert!(check(&good).is_ok());
    let cases = [
        (SdpError::Malformed, String::new()),
        (SdpError::Malformed, "v=1\r\n".to_owned()),
        (SdpError::Malformed, good.replace("v=0\r\n", "")),
        (SdpError::Malformed, good.replace("o=- 1 2 IN IP4 127.0.0.1\r\n", "")),
        (SdpError::Malformed, good.replace("o=- 1 2", "o=- 1 x")),
        (SdpError::Malformed, good.replace("o=- 1 2", "o=- 99999999999999999999 2")),
        (SdpError::Malformed, good.replace("s=-", "hello")),
        (SdpError::Malformed, good.replace("s=-", "v=0")),
        (SdpError::Malformed, good.replace("a=mid:0", "a=mid:0 1")),
        (SdpError::Malformed, good.replace("a=mid:0", "a=mid:0\r\na=mid:1")),
        (SdpError::Malformed, good.replace("sctp-port:5000", "sctp-port:0")),
        (SdpError::Malformed, good.replace("sctp-port:5000", "sctp-port:70000")),
        (SdpError::Malformed, offer_with("", "a=max-message-size:1e9\r\n")),
        (SdpError::NotText, good.replace("s=-", "s=\u{e9}")),
        (SdpError::NotText, good.replace("s=-", "s=\0")),
        (SdpError::NotText, good.replace("a=mid:0", "a=mid:0\ra=candidate:1")),
        (SdpError::NotText, good.replace("s=-", "s=\u{2028}a=x")),
        (SdpError::Section, good.replace("m=application", "m=audio")),
        (SdpError::Section, good.replace("application 9", "application 0")),
        (SdpError::Section, good.replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000")),
        (SdpError::Section, good.replace("webrtc-datachannel", "webrtc-datachannel x")),
        (SdpError::Section, offer_with("", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n")),
        (SdpError::Section, offer_with("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "")),
        (SdpError::Section, format!("{good}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")),
        (SdpError::Section, good.split("m=").next().unwrap().to_owned()),
        (SdpError::Fingerprint, good.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1")),
        (SdpError::Fingerprint, good.replace("sha-256 AB:", "sha-256 ")),
        (SdpError::Fingerprint, good.replace("sha-256 AB:", "sha-256 AG:")),
        (SdpError::Fingerprint, good.replace("a=fingerprint:", "a=thumbprint:")),
        (SdpError::Credentials, good.replace("ice-ufrag:abcd", "ice-ufrag:abc")),
        (SdpError::Credentials, good.replace("ice-ufrag:abcd", "ice-ufrag:ab cd")),
        (SdpError::Credentials, good.replace("a=ice-pwd", "a=ice-word")),
        (SdpError::Credentials, offer_with("", "a=ice-ufrag:other\r\n")),
        (SdpError::Setup, good.replace("setup:actpass", "setup:holdconn")),
        (SdpError::Setup, good.replace("a=setup:actpass\r\n", "")),
        (SdpError::TooLong, offer_with("", &"a=x\r\n".repeat(16 * 1024 / 5))),
    ];
    for (error, sdp) in cases {
        assert_eq!(check(&sdp), Err(error), "{sdp:?}");
    }
    assert_eq!(Gate::default().check(&good, SdpKind::Answer), Err(SdpError::Setup));
}

#[test]
fn candidates_are_capped_and_only_those_that_pass_count() {
    let bad = "a=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\n".repeat(40);
    let good: String = (0..40)
        .map(|i| format!("a=candidate:{i} 1 udp 1 203.0.113.{i} 5000 typ host\r\n"))
        .collect();
    let written = check(&offer_with("", &format!("{bad}{good}"))).unwrap();
    assert_eq!(candidates(&written), 16);
    assert!(written.contains("203.0.113.0 5000") && !written.contains("203.0.113.16 5000"));
}

#[test]
fn session_level_candidates_are_dropped() {
    let line = "a=candidate:1 1 udp 1 203.0.113.1 5000 typ host\r\n";
    assert_eq!(candidates(&check(&offer_with(line, "")).unwrap()), 0);
    assert_eq!(candidates(&check(&offer_with("", line)).unwrap()), 1);
}

/// The promise behind everything: whatever comes in, only lines of these forms come out.
fn assert_only_known_lines(written: &str) {
    for line in written.split_terminator("\r\n") {
        let known = [
            "v=0",
            "o=- ",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE ",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "c=IN IP4 0.0.0.0",
            "a=candidate:",
            "a=end-of-candidates",
            "a=ice-ufrag:",
            "a=ice-pwd:",
            "a=ice-options:",
            "a=fingerprint:sha-",
            "a=setup:",
            "a=mid:",
            "a=sendrecv",
            "a=sctp-port:",
            "a=max-message-size:",
        ];
        assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line:?}");
    }
}

proptest! {
    #[test]
    fn never_panics_on_any_text(sdp in "(?s).{0,400}") {
        let _ = check(&sdp);
    }

    #[test]
    fn mutations_of_real_descriptions_are_refused_or_written_safely(
        which in 0..SAMPLES.len(),
        at in 0.0..1.0_f64,
        cut in 0..40_usize,
        insert in "[ -~\r\n]{0,60}",
        lan: bool,
    ) {
        let sample = &SAMPLES[which];
        let mut sdp = sample.sdp.to_owned();
        let start = (at * sdp.len() as f64) as usize;
        sdp.replace_range(start..(start + cut).min(sdp.len()), &insert);
        let gate = Gate::default().with_lan(lan);
        if let Ok(written) = gate.check(&sdp, sample.kind) {
            assert_only_known_lines(&written);
            prop_assert_eq!(gate.check(&written, sample.kind), Ok(written));
        }
    }

    #[test]
    fn no_address_of_a_closed_range_ever_comes_out(
        v4 in any::<[u8; 4]>(),
        v6 in any::<[u16; 8]>(),
        port: u16,
        protocol in prop::sample::select(vec!["udp", "UDP", "tcp"]),
        kind in prop::sample::select(vec!["host", "srflx", "prflx", "relay"]),
    ) {
        for address in [
            std::net::IpAddr::from(v4),
            std::net::IpAddr::from([10, v4[1], v4[2], v4[3]]),
            std::net::IpAddr::from([127, v4[1], v4[2], v4[3]]),
            std::net::IpAddr::from(v6),
        ] {
            let line = format!(
                "a=candidate:1 1 {protocol} 1 {address} {port} typ {kind} raddr {address} rport {port} tcptype passive\r\n"
            );
            let written = check(&offer_with("", &line)).unwrap();
            if let Some(candidate) = written.lines().find(|line| line.contains("candidate")) {
                let words: Vec<_> = candidate.split(' ').collect();
                let ip: std::net::IpAddr = words[4].parse().unwrap();
                let closed = match ip {
                    std::net::IpAddr::V4(ip) => ip.is_private() || ip.is_loopback()
                        || ip.is_link_local() || ip.is_multicast() || ip.is_unspecified(),
                    std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_multicast()
                        || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local(),
                };
                prop_assert!(!closed);
                prop_assert!(port >= 1024 || port == 443);
                let address = address.to_string();
                prop_assert_eq!(candidate.matches(address.as_str()).count(), 1);
            }
        }
    }
}
