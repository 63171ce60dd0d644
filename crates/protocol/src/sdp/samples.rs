//! Descriptions as agents write them; addresses replaced.

use super::SdpKind;

pub(super) struct Sample {
    pub(super) agent: &'static str,
    pub(super) kind: SdpKind,
    pub(super) sdp: &'static str,
    /// Candidates that pass with private addresses off and on.
    pub(super) public: usize,
    pub(super) lan: usize,
}

pub(super) const SAMPLES: &[Sample] = &[
    Sample {
        agent: "chromium offer, non-trickle",
        kind: SdpKind::Offer,
        public: 2,
        lan: 3,
        sdp: "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
              a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
              m=application 54400 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 203.0.113.9\r\n\
              a=candidate:1799062443 1 udp 2113937151 6b1d9ff5-3e0b-4c0a-9d3c-1a2b3c4d5e6f.local 54400 typ host generation 0 network-cost 999\r\n\
              a=candidate:842163049 1 udp 1677729535 203.0.113.9 54400 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999\r\n\
              a=candidate:2103353535 1 udp 1677732095 2001:db8:1::9 54401 typ srflx raddr :: rport 0 generation 0 network-cost 999\r\n\
              a=ice-ufrag:HV+9\r\na=ice-pwd:lXFoY146a9MTNk3vQdUIUyPi\r\na=ice-options:trickle\r\n\
              a=fingerprint:sha-256 DF:48:DF:79:DC:12:9C:63:E1:A5:CE:08:6A:70:4A:12:88:34:7B:A3:1E:6F:77:42:B3:69:A4:20:4C:DF:43:2E\r\n\
              a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n",
    },
    Sample {
        agent: "simple-peer on chromium: ice-options cut out",
        kind: SdpKind::Offer,
        public: 0,
        lan: 1,
        sdp: "v=0\r\no=- 7793204826810525586 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
              a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
              m=application 57011 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
              a=candidate:352893498 1 udp 2113937151 0b5f1f0e-8d2f-4b7e-9a36-7b0e2a1c4d5e.local 57011 typ host generation 0 network-cost 999\r\n\
              a=ice-ufrag:5wyY\r\na=ice-pwd:ajvC1o4yPqwdsrKdnUtbdfgI\r\n\
              a=fingerprint:sha-256 48:02:42:51:DB:16:39:D1:93:9F:CA:4D:D7:7C:B2:7E:B3:4B:19:87:33:8D:6B:AB:0D:FF:AB:93:39:12:5B:30\r\n\
              a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n",
    },
    Sample {
        agent: "firefox offer: session-level fingerprint, active tcp, relay",
        kind: SdpKind::Offer,
        public: 3,
        lan: 4,
        sdp: "v=0\r\no=mozilla...THIS_IS_SDPARTA-85.0 3557286024538408905 0 IN IP4 0.0.0.0\r\n\
              s=-\r\nt=0 0\r\na=sendrecv\r\n\
              a=fingerprint:sha-256 4E:30:EC:12:81:CC:A2:A0:87:C7:1E:B4:78:6F:79:9B:72:6D:04:1B:08:07:DB:27:70:C7:2C:DC:61:ED:F9:AB\r\n\
              a=group:BUNDLE 0\r\na=ice-options:trickle\r\na=msid-semantic:WMS *\r\n\
              m=application 59261 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 198.51.100.3\r\n\
              a=candidate:0 1 UDP 2122252543 7ecb62fa-800f-4ed3-a2a5-943f72c0ea00.local 52465 typ host\r\n\
              a=candidate:4 1 TCP 2105524479 7ecb62fa-800f-4ed3-a2a5-943f72c0ea00.local 9 typ host tcptype active\r\n\
              a=candidate:5 1 UDP 8331263 198.51.100.3 46016 typ relay raddr 198.51.100.3 rport 46016\r\n\
              a=candidate:1 1 UDP 1686052863 203.0.113.184 52465 typ srflx raddr 0.0.0.0 rport 0\r\n\
              a=candidate:3 1 UDP 92217087 198.51.100.3 59261 typ relay raddr 198.51.100.3 rport 59261\r\n\
              a=sendrecv\r\na=end-of-candidates\r\na=ice-pwd:34dfb654996bd42f78e0feeadd7122bd\r\n\
              a=ice-ufrag:b590d940\r\na=mid:0\r\na=setup:actpass\r\na=sctp-port:5000\r\n\
              a=max-message-size:1073741823\r\n",
    },
    Sample {
        agent: "firefox answer",
        kind: SdpKind::Answer,
        public: 1,
        lan: 2,
        sdp: "v=0\r\no=mozilla...THIS_IS_SDPARTA-128.0 1193921304398721931 0 IN IP4 0.0.0.0\r\n\
              s=-\r\nt=0 0\r\na=fingerprint:sha-256 DA:8A:82:85:C7:41:3B:38:1B:78:FB:84:F7:FF:1B:21:28:82:A8:E5:00:E4:FC:5C:F6:70:FB:1D:E4:81:82:AD\r\n\
              a=group:BUNDLE 0\r\na=ice-options:trickle\r\na=msid-semantic:WMS *\r\n\
              m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
              a=candidate:0 1 UDP 2122252543 192.168.1.23 40123 typ host\r\n\
              a=candidate:1 1 UDP 1686052863 203.0.113.23 40123 typ srflx raddr 192.168.1.23 rport 40123\r\n\
              a=sendrecv\r\na=end-of-candidates\r\na=ice-pwd:7d6fa8fd92707c1f8b62be23c447ffc2\r\n\
              a=ice-ufrag:25549086\r\na=mid:0\r\na=setup:active\r\na=sctp-port:5000\r\n\
              a=max-message-size:1073741823\r\n",
    },
    Sample {
        agent: "safari offer",
        kind: SdpKind::Offer,
        public: 2,
        lan: 4,
        sdp: "v=0\r\no=- 8148572839875102105 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
              a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
              m=application 61015 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 203.0.113.208\r\n\
              b=AS:30\r\n\
              a=candidate:3317362580 1 udp 2113937151 192.168.0.87 61015 typ host generation 0 network-cost 999\r\n\
              a=candidate:3103151263 1 udp 2113939711 2001:db8:151:dc10:a8cb:5e93:9627:557c 61016 typ host generation 0 network-cost 999\r\n\
              a=candidate:842163049 1 udp 1677729535 203.0.113.208 61015 typ srflx raddr 192.168.0.87 rport 61015 generation 0 network-cost 999\r\n\
              a=candidate:3103151264 1 udp 2113939711 fd12:3456:789a::1 61017 typ host generation 0 network-cost 999\r\n\
              a=ice-ufrag:XSmV\r\na=ice-pwd:Ss5xY4RMFEJASRvK5TIPgLN9\r\na=ice-options:trickle renomination\r\n\
              a=fingerprint:sha-256 F2:68:A5:17:E7:85:D6:4E:23:F1:5D:02:39:9E:0F:B5:EA:C0:BD:FC:F5:27:3E:38:9B:BA:4E:AF:8B:35:AF:89\r\n\
              a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n",
    },
    Sample {
        agent: "@roamhq/wrtc offer: passive tcp, loopback",
        kind: SdpKind::Offer,
        public: 2,
        lan: 4,
        sdp: "v=0\r\no=- 8294978729931629626 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
              a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
              m=application 49553 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 192.0.2.2\r\n\
              a=candidate:3077952869 1 udp 2122265343 fd00::2 44143 typ host generation 0 network-id 2\r\n\
              a=candidate:3229573512 1 udp 2122194687 192.0.2.2 49553 typ host generation 0 network-id 1\r\n\
              a=candidate:559267639 1 udp 2122136831 ::1 45906 typ host generation 0 network-id 4\r\n\
              a=candidate:1510613869 1 udp 2122063615 127.0.0.1 49755 typ host generation 0 network-id 3\r\n\
              a=candidate:4193659285 1 tcp 1518285567 fd00::2 53661 typ host tcptype passive generation 0 network-id 2\r\n\
              a=candidate:2398920056 1 tcp 1518214911 192.0.2.2 56551 typ host tcptype passive generation 0 network-id 1\r\n\
              a=candidate:1876313031 1 tcp 1518157055 ::1 37399 typ host tcptype passive generation 0 network-id 4\r\n\
              a=candidate:344579997 1 tcp 1518083839 127.0.0.1 55089 typ host tcptype passive generation 0 network-id 3\r\n\
              a=ice-ufrag:3qrE\r\na=ice-pwd:zOm1oE4EUqi/mDUQQvpBZG2F\r\na=ice-options:trickle\r\n\
              a=fingerprint:sha-256 DF:48:DF:79:DC:12:9C:63:E1:A5:CE:08:6A:70:4A:12:88:34:7B:A3:1E:6F:77:42:B3:69:A4:20:4C:DF:43:2E\r\n\
              a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n",
    },
    Sample {
        agent: "@roamhq/wrtc answer",
        kind: SdpKind::Answer,
        public: 1,
        lan: 2,
        sdp: "v=0\r\no=- 6982806616582973011 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
              a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
              m=application 43409 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 192.0.2.2\r\n\
              a=candidate:3077952869 1 udp 2122265343 fd00::2 53072 typ host generation 0 network-id 2\r\n\
              a=candidate:3229573512 1 udp 2122194687 192.0.2.2 43409 typ host generation 0 network-id 1\r\n\
              a=candidate:559267639 1 udp 2122136831 ::1 46499 typ host generation 0 network-id 4\r\n\
              a=candidate:1510613869 1 udp 2122063615 127.0.0.1 55007 typ host generation 0 network-id 3\r\n\
              a=ice-ufrag:WqDa\r\na=ice-pwd:e6LsYI0X+v3QoiJ0/ODj1j9N\r\na=ice-options:trickle\r\n\
              a=fingerprint:sha-256 48:02:42:51:DB:16:39:D1:93:9F:CA:4D:D7:7C:B2:7E:B3:4B:19:87:33:8D:6B:AB:0D:FF:AB:93:39:12:5B:30\r\n\
              a=setup:active\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n",
    },
    Sample {
        agent: "libdatachannel offer",
        kind: SdpKind::Offer,
        public: 2,
        lan: 3,
        sdp: "v=0\r\no=rtc 2521501153 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
              a=group:LS 0\r\na=msid-semantic:WMS *\r\na=setup:actpass\r\na=ice-ufrag:OHap\r\n\
              a=ice-pwd:bEbJc1dOVAMqDXR2n8hGrC\r\na=ice-options:ice2,trickle\r\n\
              a=fingerprint:sha-256 2D:F5:8A:6A:0F:0E:E1:A3:29:95:0C:BE:CE:14:8D:6E:AD:D8:0A:B3:B2:F1:C5:0B:07:90:57:40:A7:5D:5B:7E\r\n\
              m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
              a=sendrecv\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n\
              a=candidate:1 1 UDP 2122317823 10.0.0.5 40001 typ host\r\n\
              a=candidate:1 1 UDP 2122315767 2001:db8:5::5 40001 typ host\r\n\
              a=candidate:2 1 UDP 1686109951 203.0.113.55 40001 typ srflx raddr 0.0.0.0 rport 0\r\n\
              a=end-of-candidates\r\n",
    },
    Sample {
        agent: "webrtc-rs offer: each candidate for two components",
        kind: SdpKind::Offer,
        public: 1,
        lan: 2,
        sdp: "v=0\r\no=- 1797583247063098121 361471000 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
              a=fingerprint:sha-256 A8:17:77:1E:02:7E:D1:2B:53:92:70:A6:8E:F9:02:CC:21:72:3A:92:5D:F4:97:5F:27:C4:5E:75:D4:F4:31:89\r\n\
              a=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
              c=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=sctp-port:5000\r\n\
              a=ice-ufrag:KTSaEbLkPDCojtTG\r\na=ice-pwd:ZsKQpIsIuNVqcqLaVlJcQqRYwgYZGnFh\r\n\
              a=candidate:167090039 1 udp 2130706431 10.10.1.7 41111 typ host\r\n\
              a=candidate:167090039 2 udp 2130706431 10.10.1.7 41111 typ host\r\n\
              a=candidate:3498147984 1 udp 1694498815 203.0.113.77 41111 typ srflx raddr 0.0.0.0 rport 41111\r\n\
              a=candidate:3498147984 2 udp 1694498815 203.0.113.77 41111 typ srflx raddr 0.0.0.0 rport 41111\r\n\
              a=end-of-candidates\r\n",
    },
    Sample {
        agent: "webrtc-rs answer: media-level fingerprint, sha-512",
        kind: SdpKind::Answer,
        public: 1,
        lan: 1,
        sdp: "v=0\r\no=- 7208124583211829283 1784024921 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
              a=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
              c=IN IP4 0.0.0.0\r\n\
              a=fingerprint:sha-512 A8:17:77:1E:02:7E:D1:2B:53:92:70:A6:8E:F9:02:CC:21:72:3A:92:5D:F4:97:5F:27:C4:5E:75:D4:F4:31:89:A8:17:77:1E:02:7E:D1:2B:53:92:70:A6:8E:F9:02:CC:21:72:3A:92:5D:F4:97:5F:27:C4:5E:75:D4:F4:31:89\r\n\
              a=setup:active\r\na=mid:0\r\na=sendrecv\r\na=sctp-port:5000\r\n\
              a=max-message-size:65535\r\na=ice-ufrag:YwapWySn6fE6L9i4\r\n\
              a=ice-pwd:7PhlB6X4gzNXcgFsYwapWySn6fE6L9i4\r\n\
              a=candidate:1467250027 1 udp 1467250027 203.0.113.4 443 typ host\r\n",
    },
];
