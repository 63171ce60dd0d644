/** The WebTorrent tracker protocol: JSON text, binary strings with one character a byte. */

export interface Offer {
  offer: { type: "offer"; sdp: string };
  offer_id: string;
}

export interface AnnounceState {
  infoHash: string;
  peerId: string;
  uploaded: number;
  downloaded: number;
  left: number;
}

/** What the site's tracker says. `offers`: how many offers it has takers for now. */
export interface TrackerMessage {
  info_hash: string;
  "failure reason"?: string;
  /** With an offer or an answer: who sent it, and which it is. */
  peer_id: string;
  offer_id: string;
  offer?: { sdp: string };
  answer?: { sdp: string };
  /** In a reply to an announce: seconds, and counts of peers. */
  interval?: number;
  complete: number;
  incomplete: number;
  offers: number;
}

/** An announce. Without offers it asks how many are wanted; `stopped` and `completed` never carry any. */
export const announce = (state: AnnounceState, event?: string, offers: Offer[] = []): string =>
  JSON.stringify({
    action: "announce",
    info_hash: state.infoHash,
    peer_id: state.peerId,
    numwant: offers.length,
    uploaded: state.uploaded,
    downloaded: state.downloaded,
    left: state.left,
    event,
    offers,
  });

export const answer = (state: AnnounceState, to: string, offerId: string, sdp: string): string =>
  JSON.stringify({
    action: "announce",
    info_hash: state.infoHash,
    peer_id: state.peerId,
    to_peer_id: to,
    offer_id: offerId,
    answer: { type: "answer", sdp },
  });

/** What the tracker said, or nothing when that is no JSON object. Swarms and offers are looked up by the names it gives: odd ones are not found. */
export const parse = (text: string): TrackerMessage | undefined => {
  try {
    return Object(JSON.parse(text)) as TrackerMessage;
  } catch {
    return undefined;
  }
};

/** First pause when others are there whom we have no connection to: an introduction may have failed. Doubles with each try. */
const RETRY = 5000;

/** Milliseconds until the next announce; `tries` counts those made in vain, nothing means that there is nobody to wait for. */
export const pause = (interval: number, tries: number | undefined, random: () => number): number =>
  (tries === undefined ? interval : Math.min(interval, RETRY * 2 ** tries)) * (0.8 + 0.4 * random());
