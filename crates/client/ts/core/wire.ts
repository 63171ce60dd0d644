/** The peer wire (BEP 3, 6 and 10) over a byte stream: message bytes out, a stream parser in. */

import { concat, type Bytes } from "./bytes";
import { BLOCK } from "./layout";

export const CHOKE = 0;
export const UNCHOKE = 1;
export const INTERESTED = 2;
export const NOT_INTERESTED = 3;
export const HAVE = 4;
export const BITFIELD = 5;
export const REQUEST = 6;
export const PIECE = 7;
export const CANCEL = 8;
export const HAVE_ALL = 14;
export const HAVE_NONE = 15;
export const REJECT = 16;
export const EXTENDED = 20;

/** Longest frame taken: a stock client's largest block plus its head, which also bounds a bitfield. */
export const MAX_FRAME = 131072 + 13;
/** Requests a peer may have queued with us; sent as `reqq`. */
export const REQUEST_QUEUE = 512;

export interface Request {
  piece: number;
  offset: number;
  length: number;
}

const PROTOCOL = Uint8Array.from("\x13BitTorrent protocol", (c) => c.charCodeAt(0));

export const handshake = (infoHash: Uint8Array, peerId: Uint8Array): Bytes =>
  // Reserved bits: extension protocol (BEP 10) and fast extension (BEP 6).
  concat([PROTOCOL, Uint8Array.of(0, 0, 0, 0, 0, 0x10, 0, 0x04), infoHash, peerId]);

export const frame = (id: number, ...body: Uint8Array[]): Bytes => {
  const out = concat([new Uint8Array(5), ...body]);
  new DataView(out.buffer).setUint32(0, out.length - 4);
  out[4] = id;
  return out;
};

export const u32 = (...values: number[]): Bytes => {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => view.setUint32(index * 4, value));
  return new Uint8Array(view.buffer);
};

/** `request`, `cancel` and `reject` share a body. */
export const requestFrame = (id: number, { piece, offset, length }: Request): Bytes => frame(id, u32(piece, offset, length));

export interface Handshake {
  infoHash: Bytes;
  peerId: Bytes;
  fast: boolean;
  extended: boolean;
}

export interface WireEvents {
  onHandshake(handshake: Handshake): void;
  /** One whole message; `body` excludes length and id and is a copy of its own. */
  onMessage(id: number, body: Bytes): void;
}

/** Messages may be split or coalesced by the channel, so bytes are collected until a frame is whole. */
export class Parser {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #greeted = false;

  constructor(private readonly events: WireEvents) {}

  /** False on a violation of the protocol: the peer is to be dropped. */
  push(chunk: Uint8Array): boolean {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (!this.#greeted) {
      if (this.#size < 68) return true;
      const head = this.#take(68);
      if (PROTOCOL.some((byte, index) => byte !== head[index])) return false;
      this.#greeted = true;
      this.events.onHandshake({
        infoHash: head.slice(28, 48),
        peerId: head.slice(48),
        fast: (head[27]! & 4) !== 0,
        extended: (head[25]! & 0x10) !== 0,
      });
    }
    while (this.#size >= 4) {
      const head = this.#peek();
      const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
      if (length > MAX_FRAME) return false;
      if (this.#size < 4 + length) return true;
      const message = this.#take(4 + length);
      if (length) this.events.onMessage(message[4]!, message.subarray(5));
    }
    return true;
  }

  /** A view of at least the first four bytes. */
  #peek(): Uint8Array {
    if (this.#chunks[0]!.length < 4) this.#chunks = [concat(this.#chunks)];
    return this.#chunks[0]!;
  }

  #take(length: number): Bytes {
    const out = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const chunk = this.#chunks[0]!;
      const part = chunk.subarray(0, length - at);
      out.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#size -= length;
    return out;
  }
}

/** The request of a three-number body, or nothing when the body has another size. */
export const readRequest = (body: Bytes): Request | undefined => {
  if (body.length !== 12) return undefined;
  const view = new DataView(body.buffer, body.byteOffset);
  return { piece: view.getUint32(0), offset: view.getUint32(4), length: view.getUint32(8) };
};

export const readU32 = (body: Bytes): number =>
  body.length >= 4 ? new DataView(body.buffer, body.byteOffset).getUint32(0) : 0xffffffff;

/** A block a peer may ask for: not empty, not larger than stock clients allow. */
export const allowed = (length: number): boolean => length > 0 && length <= 8 * BLOCK;
