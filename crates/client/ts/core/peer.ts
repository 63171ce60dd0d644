/** One connection to another peer: what it has, who chokes whom, extension messages. Decides nothing about what to fetch. */

import { Bitfield } from "./bitfield";
import { decode, encodeBytes, type Value } from "./bencode";
import { binary, concat, type Bytes } from "./bytes";
import { BLOCK, UNIT, type Layout } from "./layout";
import { Meter } from "./rate";
import * as wire from "./wire";

/** The way out; `backlog` is what the channel still holds unsent. */
export interface Channel {
  send(bytes: Bytes): void;
  backlog(): number;
  close(): void;
  /** A mirror's: a unit of it was not the asset's. */
  wrong?(unit: number): void;
}

export interface PeerEvents {
  /** The handshake is over and right; the peer's pieces may follow. */
  onReady(peer: Peer): void;
  /** Something changed that the plan depends on: pieces, choking, interest. */
  onChange(peer: Peer): void;
  /** A whole unit arrived, exactly as asked for. */
  onUnit(peer: Peer, unit: number, data: Bytes): void;
  /** The peer will not send this unit. */
  onRefused(peer: Peer, unit: number): void;
  onRequest(peer: Peer, request: wire.Request): void;
  onClose(peer: Peer): void;
}

/** A unit on its way: blocks arrive in any order. */
interface Pending {
  data: Bytes;
  missing: number;
  askedAt: number;
}

/** Our numbers for extension messages (BEP 10). */
const UT_METADATA = 1;
const LT_DONTHAVE = 2;

const METADATA_BLOCK = 16384;

export class Peer {
  id: Bytes = new Uint8Array(20);
  readonly pieces: Bitfield;
  ready = false;
  /** It chokes us. */
  choking = true;
  /** We choke it. */
  choked = true;
  interested = false;
  interesting = false;
  /** At least one unit from it was verified. */
  proven = false;
  /** A request of it timed out and nothing came since. */
  snubbed = false;
  closed = false;
  /** When it last told of a new piece: an owner that makes no progress owns nothing. */
  progressAt: number;
  /** Bytes we sent to it. */
  given = 0;
  readonly meter = new Meter();
  /** Smoothed time it takes for a unit, in ms. */
  unitTime = 0;
  /** When the unit now being served began to be served. */
  headSince = 0;
  readonly pending = new Map<number, Pending>();
  /** What it asked of us, oldest first. */
  readonly queue: wire.Request[] = [];

  #fast = false;
  readonly #parser: wire.Parser;
  #remoteMetadata = 0;
  #remoteDontHave = 0;

  constructor(
    private readonly layout: Layout,
    private readonly infoHash: Bytes,
    private readonly ownId: Bytes,
    private readonly have: Bitfield,
    private readonly channel: Channel,
    private readonly events: PeerEvents,
    private readonly now: () => number,
    /** Our info dictionary, when somebody wants it (BEP 9). */
    private readonly info: () => Promise<Bytes | undefined>,
    private readonly infoSize: number,
  ) {
    this.pieces = new Bitfield(layout.pieces);
    this.progressAt = now();
    this.#parser = new wire.Parser({
      onHandshake: (handshake) => this.#greet(handshake),
      onMessage: (id, body) => {
        if (!this.closed) this.#handle(id, body);
      },
    });
    channel.send(wire.handshake(infoHash, ownId));
  }

  push(bytes: Uint8Array): void {
    if (!this.closed && !this.#parser.push(bytes)) this.close();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.channel.close();
    this.events.onClose(this);
  }

  get complete(): boolean {
    return this.pieces.complete;
  }

  /** An HTTP mirror behind the channel, nobody's browser. */
  get mirror(): boolean {
    return !!this.channel.wrong;
  }

  /** It sent a unit that is not the asset's: the last that is heard of it. */
  lied(unit: number): void {
    if (this.closed) return;
    this.channel.wrong?.(unit);
    this.close();
  }

  /** May be asked for units. */
  get usable(): boolean {
    return this.ready && !this.choking && !this.closed;
  }

  backlog(): number {
    return this.channel.backlog();
  }

  choke(choked: boolean): void {
    if (choked === this.choked) return;
    this.choked = choked;
    this.#send(choked ? wire.CHOKE : wire.UNCHOKE);
    if (choked) while (this.queue.length) this.reject(this.queue.shift()!);
  }

  wants(interesting: boolean): void {
    if (interesting === this.interesting) return;
    this.interesting = interesting;
    this.#send(interesting ? wire.INTERESTED : wire.NOT_INTERESTED);
  }

  announceHave(piece: number): void {
    if (this.ready) this.#send(wire.HAVE, wire.u32(piece));
  }

  announceDontHave(piece: number): void {
    if (this.ready && this.#remoteDontHave) this.#send(wire.EXTENDED, Uint8Array.of(this.#remoteDontHave), wire.u32(piece));
  }

  request(unit: number): void {
    const now = this.now();
    if (!this.pending.size) this.headSince = now;
    this.meter.start(now);
    const length = this.layout.unitLength(unit);
    this.pending.set(unit, { data: new Uint8Array(length), missing: length, askedAt: now });
    this.#blocks(unit, wire.REQUEST);
  }

  /** Takes a request back; what still arrives of it is ignored. */
  cancel(unit: number): void {
    if (!this.pending.delete(unit)) return;
    this.#blocks(unit, wire.CANCEL);
    this.#settle();
  }

  sendBlock(request: wire.Request, data: Uint8Array): void {
    this.given += data.length;
    this.#send(wire.PIECE, wire.u32(request.piece, request.offset), data);
  }

  reject(request: wire.Request): void {
    if (this.#fast) this.channel.send(wire.requestFrame(wire.REJECT, request));
  }

  #send(id: number, ...body: Uint8Array[]): void {
    if (!this.closed) this.channel.send(wire.frame(id, ...body));
  }

  #blocks(unit: number, message: number): void {
    const start = unit * UNIT;
    const end = start + this.layout.unitLength(unit);
    for (let at = start; at < end; at += BLOCK) {
      const piece = Math.floor(at / this.layout.pieceLength);
      const request = { piece, offset: at - piece * this.layout.pieceLength, length: Math.min(BLOCK, end - at) };
      if (!this.closed) this.channel.send(wire.requestFrame(message, request));
    }
  }

  #greet(handshake: wire.Handshake): void {
    const { infoHash, peerId } = handshake;
    if (binary(infoHash) !== binary(this.infoHash) || binary(peerId) === binary(this.ownId)) return this.close();
    this.id = peerId;
    this.#fast = handshake.fast;
    if (handshake.extended) {
      this.#send(
        wire.EXTENDED,
        Uint8Array.of(0),
        encodeBytes({
          m: { lt_donthave: LT_DONTHAVE, ut_metadata: UT_METADATA },
          ...(this.infoSize && { metadata_size: this.infoSize }),
          reqq: wire.REQUEST_QUEUE,
          v: "Manyhands",
        }),
      );
    }
    if (this.#fast && this.have.complete) this.#send(wire.HAVE_ALL);
    else if (this.#fast && !this.have.count) this.#send(wire.HAVE_NONE);
    else if (this.have.count) this.#send(wire.BITFIELD, this.have.bytes);
    this.ready = true;
    this.events.onReady(this);
  }

  #handle(id: number, body: Bytes): void {
    switch (id) {
      case wire.CHOKE:
      case wire.UNCHOKE:
        this.choking = id === wire.CHOKE;
        // Without the fast extension a choke drops everything asked for, silently.
        if (this.choking && !this.#fast) for (const unit of [...this.pending.keys()]) this.#refuse(unit);
        break;
      case wire.INTERESTED:
      case wire.NOT_INTERESTED:
        this.interested = id === wire.INTERESTED;
        break;
      case wire.HAVE:
        if (this.pieces.add(wire.readU32(body))) this.progressAt = this.now();
        break;
      case wire.BITFIELD:
        if (!this.pieces.load(body)) return this.close();
        this.progressAt = this.now();
        break;
      case wire.HAVE_ALL:
        this.pieces.fill();
        break;
      case wire.HAVE_NONE:
        break;
      case wire.REQUEST: {
        const request = wire.readRequest(body);
        if (!request || !wire.allowed(request.length)) return this.close();
        if (this.choked || this.queue.length >= wire.REQUEST_QUEUE) this.reject(request);
        else this.queue.push(request);
        this.events.onRequest(this, request);
        return;
      }
      case wire.CANCEL:
      case wire.REJECT: {
        const request = wire.readRequest(body);
        if (!request) return this.close();
        if (id === wire.REJECT) return this.#refuse(Math.floor((request.piece * this.layout.pieceLength + request.offset) / UNIT));
        const index = this.queue.findIndex(
          (entry) => entry.piece === request.piece && entry.offset === request.offset && entry.length === request.length,
        );
        if (index >= 0) this.reject(this.queue.splice(index, 1)[0]!);
        return;
      }
      case wire.PIECE:
        return this.#block(body);
      case wire.EXTENDED:
        return this.#extended(body);
      default:
        // 13 (suggest) and 17 (allowed fast) are hints; anything else is not for us.
        return;
    }
    this.events.onChange(this);
  }

  #block(body: Bytes): void {
    const at = wire.readU32(body) * this.layout.pieceLength + wire.readU32(body.subarray(4) as Bytes);
    const data = body.subarray(8);
    const unit = Math.floor(at / UNIT);
    const entry = this.pending.get(unit);
    this.meter.add(data.length, this.now());
    // Only whole blocks on our own boundaries count: anything else was not asked for.
    if (!entry || at % BLOCK || data.length !== Math.min(BLOCK, this.layout.length - at)) return;
    entry.data.set(data, at - unit * UNIT);
    entry.missing -= data.length;
    if (entry.missing > 0) return;
    const now = this.now();
    const took = now - Math.max(entry.askedAt, this.headSince);
    this.unitTime = this.unitTime ? this.unitTime * 0.75 + took * 0.25 : took;
    this.snubbed = false;
    this.pending.delete(unit);
    this.#settle();
    this.events.onUnit(this, unit, entry.data);
  }

  #refuse(unit: number): void {
    if (!this.pending.delete(unit)) return;
    this.#settle();
    this.events.onRefused(this, unit);
  }

  #settle(): void {
    this.headSince = this.now();
    if (!this.pending.size) this.meter.stop(this.headSince);
  }

  #extended(body: Bytes): void {
    if (body[0] === LT_DONTHAVE) {
      if (this.pieces.delete(wire.readU32(body.subarray(1) as Bytes))) this.events.onChange(this);
      return;
    }
    try {
      const dict = decode(body, 1)[0] as { [key: string]: Value };
      if (body[0] === 0) {
        const m = dict.m as { [key: string]: Value } | undefined;
        if (typeof m?.ut_metadata === "number") this.#remoteMetadata = m.ut_metadata;
        if (typeof m?.lt_donthave === "number") this.#remoteDontHave = m.lt_donthave;
      } else if (body[0] === UT_METADATA && dict.msg_type === 0 && typeof dict.piece === "number") this.#giveMetadata(dict.piece);
    } catch {
      this.close();
    }
  }

  /** A block of the info dictionary (BEP 9), for those who came by a magnet link. We ask nobody for it: the manifest says as much. */
  #giveMetadata(piece: number): void {
    void this.info().then((info) => {
      const part = info?.subarray(piece * METADATA_BLOCK, (piece + 1) * METADATA_BLOCK);
      const head = part?.length ? { msg_type: 1, piece, total_size: info!.length } : { msg_type: 2, piece };
      this.#send(wire.EXTENDED, Uint8Array.of(this.#remoteMetadata), concat([encodeBytes(head), ...(part ? [part] : [])]));
    });
  }
}
