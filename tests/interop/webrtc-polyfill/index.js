// webtorrent's own polyfill compiles a C++ library at installation; this one re-exports a prebuilt build of the same API.
import wrtc from '@roamhq/wrtc';

export default wrtc;
export const { RTCPeerConnection, RTCSessionDescription, RTCIceCandidate } = wrtc;
