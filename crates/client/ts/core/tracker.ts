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

export type TrackerMessage =
  | { kind: "reply"; infoHash: string; interval: number; complete: number; incomplete: number; offers: number }
  | { kind: "offer"; infoHash: string; peerId: string; offerId: string; sdp: string }
  | { kind: "answer"; infoHash: string; peerId: string; offerId: string; sdp: string }
  | { kind: "failure"; infoHash: string | undefined; reason: string };

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

const id = (value: unknown): value is string =>
  typeof value === "string" && value.length === 20 && !/[^\0-\xff]/.test(value);

const sdp = (value: unknown, type: string): string | undefined => {
  const description = value as { type?: unknown; sdp?: unknown } | undefined;
  return description && description.type === type && typeof description.sdp === "string" && description.sdp.length <= 65536
    ? description.sdp
    : undefined;
};

/** What the tracker said, or nothing when it makes no sense. */
export const parse = (text: string): TrackerMessage | undefined => {
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (!message || typeof message !== "object") return undefined;
  const infoHash = message.info_hash;
  const reason = message["failure reason"];
  if (typeof reason === "string") return { kind: "failure", infoHash: id(infoHash) ? infoHash : undefined, reason };
  if (message.action !== "announce" || !id(infoHash)) return undefined;
  const { peer_id: peerId, offer_id: offerId } = message;
  const offer = sdp(message.offer, "offer");
  const reply = sdp(message.answer, "answer");
  if (offer !== undefined || reply !== undefined) {
    if (!id(peerId) || !id(offerId)) return undefined;
    return offer !== undefined
      ? { kind: "offer", infoHash, peerId, offerId, sdp: offer }
      : { kind: "answer", infoHash, peerId, offerId, sdp: reply! };
  }
  if (typeof message.interval !== "number") return undefined;
  const count = (value: unknown): number => (typeof value === "number" ? Math.max(0, Math.floor(value)) : 0);
  return {
    kind: "reply",
    infoHash,
    interval: message.interval,
    complete: count(message.complete),
    incomplete: count(message.incomplete),
    offers: Math.min(5, count(message.offers)),
  };
};

/** First pause when others are there whom we have no connection to: an introduction may have failed. Doubles with each try. */
const RETRY = 5000;

/** Milliseconds until the next announce; `tries` counts those made in vain, nothing means that there is nobody to wait for. */
export const pause = (interval: number, tries: number | undefined, random: () => number): number =>
  (tries === undefined ? interval : Math.min(interval, RETRY * 2 ** tries)) * (0.8 + 0.4 * random());
