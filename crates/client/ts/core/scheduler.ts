/**
 * Decides which unit comes from where. Time comes in as an argument; peers are asked directly, ranges go out as actions.
 *
 * - Nothing waits for peers: the origin serves the first needed byte at once, and everything while nobody else is there.
 * - With others on the way, each fetches the spans that rendezvous hashing gives it and takes the rest from them.
 * - The origin helps beyond that only when the download would otherwise end later than `slack` times what plain HTTP needs,
 *   or when a player is about to run dry.
 */

import { Bitfield } from "./bitfield";
import { UNIT, type Layout } from "./layout";
import { owner } from "./ownership";
import type { Peer } from "./peer";
import { Meter } from "./rate";

const MIB = 1 << 20;
/** Longest range while nobody else is there: one request is as good as plain HTTP then. */
const LONG_RANGE = 16 * MIB;
const MAX_RANGE = 4 * MIB;
const MAX_RANGES = 2;
/** How much of a download is taken in order before the rarest pieces come first. */
const NEAR = 2 * MIB;
/**
 * Read-ahead for a player, which buffers by itself: this much while nobody else is there, since plain playback would not fetch
 * more either, and up to 20 seconds of play, within bounds, where others have it.
 */
const MIN_AHEAD = 4 * MIB;
const MAX_AHEAD = 32 * MIB;
const AHEAD_SECONDS = 20;
/** Units a peer may have in flight: about a second's worth, within these bounds. */
const MIN_PIPELINE = 4;
const MAX_PIPELINE = 96;
const TAIL = MIB;
const TAIL_UNITS = 8;
const RETRY_BASE = 1000;
const RETRY_MAX = 60_000;

export interface Settings {
  layout: Layout;
  infoHash: Uint8Array;
  ownId: Uint8Array;
  /** A download may take this many times what plain HTTP needs. */
  slack: number;
  random(): number;
}

/** Somebody reads the bytes [position, end). */
export interface Consumer {
  position: number;
  readonly start: number;
  readonly end: number;
  readonly since: number;
  /** A player: has deadlines, and must not pull more than it plays. */
  readonly media: boolean;
  /** May the origin be asked? */
  readonly http: boolean;
}

export interface Range {
  /** Bytes; unit aligned at both ends, but for the end of the file. `to` may shrink. */
  readonly from: number;
  to: number;
  at: number;
  readonly since: number;
}

/** Starts or aborts a range. */
export interface Action {
  open: boolean;
  range: Range;
}

/** Bytes a second that a player takes. */
const appetite = ({ position, start, since }: Consumer, now: number): number => ((position - start) * 1000) / Math.max(1000, now - since);

export class Scheduler {
  readonly have: Bitfield;
  /** Units whose bytes are here but whose digest is still being computed. */
  readonly checking = new Set<number>();
  readonly consumers = new Set<Consumer>();
  readonly peers = new Set<Peer>();
  readonly ranges = new Set<Range>();
  readonly http = new Meter();
  /** Time to first byte of ranges, smoothed, in ms. */
  firstByte = 100;
  /** How far ahead of a reader units may be kept. */
  reach = Infinity;
  /** No P2P downloads any more: they gained too little. Uploads go on. */
  cut = false;

  #now = 0;
  /** Answers of `relaxed` within one plan. */
  readonly #calm = new Map<Consumer, boolean>();
  readonly #owners = new Map<number, boolean>();
  #ownersOf = "";
  #retryAt = 0;
  #failures = 0;
  #gainSince = -1;
  #gainBytes = 0;

  constructor(private readonly settings: Settings) {
    this.have = new Bitfield(settings.layout.units);
  }

  /** All that should be done now. */
  plan(now: number): Action[] {
    const actions: Action[] = [];
    if (!this.consumers.size) {
      for (const range of this.ranges) this.#close(range, now, actions);
      return actions;
    }
    this.#now = now;
    this.#calm.clear();
    this.#refreshOwners(now);
    this.#judgePeers(now);
    this.#trimRanges(now, actions);
    this.#openRanges(now, actions, true);
    if (!this.cut) for (const peer of this.peers) this.#fillPipeline(peer, now);
    this.#openRanges(now, actions, false);
    return actions;
  }

  onRangeBytes(range: Range, bytes: number, now: number): void {
    if (range.at === range.from) {
      this.firstByte = this.firstByte * 0.7 + (now - range.since) * 0.3;
      this.#failures = 0;
    }
    range.at += bytes;
    this.http.add(bytes, now);
  }

  /** A range ended, of itself or by an error; a refusal by the origin stops further ranges for a while. */
  onRangeEnd(range: Range, now: number, error?: { retryAfter?: number | undefined }): void {
    this.ranges.delete(range);
    if (!this.ranges.size) this.http.stop(now);
    if (!error) return;
    const backoff = Math.min(RETRY_MAX, RETRY_BASE * 2 ** this.#failures++) * (0.5 + this.settings.random());
    this.#retryAt = now + Math.max(backoff, (error.retryAfter ?? 0) * 1000);
  }

  /** Ranges that failed in a row without one byte in between. */
  get httpFailures(): number {
    return this.#failures;
  }

  /** When the origin may be asked again. */
  get httpRetryAt(): number {
    return this.#retryAt;
  }

  /** Somebody usable has the unit. */
  available(unit: number): boolean {
    const piece = this.settings.layout.pieceOf(unit);
    if (!this.cut) for (const peer of this.peers) if (peer.usable && !peer.snubbed && peer.pieces.has(piece)) return true;
    return false;
  }

  missing(unit: number): boolean {
    return !this.have.has(unit) && !this.checking.has(unit);
  }

  #peerFor(unit: number): Peer | undefined {
    for (const peer of this.peers) if (peer.pending.has(unit)) return peer;
    return undefined;
  }

  #rangeFor(unit: number): Range | undefined {
    for (const range of this.ranges) if (unit * UNIT >= range.from && unit * UNIT < range.to && (unit + 1) * UNIT > range.at) return range;
    return undefined;
  }

  #p2pRate(): number {
    let rate = 0;
    for (const peer of this.peers) if (peer.usable && peer.proven && !peer.snubbed) rate += peer.meter.rate;
    return rate;
  }

  /** Others who will fetch a share of what is missing. */
  #partners(now: number): Peer[] {
    const { layout } = this.settings;
    const patience = Math.max(5000, (4000 * layout.pieceLength) / Math.max(1, this.http.mean || 1e6));
    return [...this.peers].filter(
      (peer) => peer.usable && !peer.complete && !peer.snubbed && now - peer.progressAt < patience && !this.cut,
    );
  }

  #refreshOwners(now: number): void {
    const partners = this.#partners(now);
    const key = partners.map((peer) => peer.id.join()).join(";");
    if (key === this.#ownersOf && this.#owners.size) return;
    this.#ownersOf = key;
    this.#owners.clear();
    const { layout, infoHash, ownId } = this.settings;
    const candidates = [ownId, ...partners.map((peer) => peer.id)];
    for (let span = 0; span < layout.spans; span++) this.#owners.set(span, owner(infoHash, candidates, span) === ownId);
  }

  #owned(unit: number): boolean {
    return this.#owners.get(this.settings.layout.spanOf(unit)) ?? true;
  }

  get #alone(): boolean {
    return this.cut || ![...this.peers].some((peer) => peer.usable);
  }

  /** The end of what a consumer wants now. */
  #horizon(consumer: Consumer): number {
    const ahead = consumer.media ? Math.max(MIN_AHEAD, this.#alone ? 0 : Math.min(MAX_AHEAD, AHEAD_SECONDS * appetite(consumer, this.#now))) : this.reach;
    return Math.min(consumer.end, consumer.position + ahead);
  }

  /** The end of what must not wait for anybody: about a second of play, or the first unit of a download. */
  #panicEnd(consumer: Consumer): number {
    if (!consumer.media) return consumer.position === consumer.start ? consumer.position + 1 : consumer.position;
    const seconds = Math.max(1, (2 * this.firstByte) / 1000);
    return Math.min(consumer.end, consumer.position + Math.max(4 * UNIT, seconds * appetite(consumer, this.#now)));
  }

  /**
   * True while the origin need not help with what others own or have: all of it could still be fetched over HTTP within
   * `slack` times the time that plain HTTP would have taken.
   */
  #relaxed(consumer: Consumer, now: number): boolean {
    if (consumer.media) return true;
    const known = this.#calm.get(consumer);
    if (known !== undefined) return known;
    const calm = this.#calmFor(consumer, now);
    this.#calm.set(consumer, calm);
    return calm;
  }

  #calmFor(consumer: Consumer, now: number): boolean {
    // Speed first, or too little measured to know what plain HTTP would do.
    if (this.settings.slack <= 1) return false;
    if (this.http.busy < 1000 && this.http.bytes < MIB) return false;
    const rate = this.http.mean;
    let missing = 0;
    const { layout } = this.settings;
    const last = Math.ceil(consumer.end / UNIT);
    for (let unit = Math.floor(consumer.position / UNIT); unit < last; unit++) if (this.missing(unit)) missing += layout.unitLength(unit);
    const elapsed = now - consumer.since;
    const budget = (this.settings.slack * (consumer.end - consumer.start) * 1000) / rate;
    return elapsed + this.firstByte + (missing * 1000) / (rate + this.#p2pRate() / 2) < budget;
  }

  /** Requests that take far longer than elsewhere return to the pool. If every source is slow, it is us: no penalty. */
  #judgePeers(now: number): void {
    const busy = [...this.peers].filter((peer) => peer.pending.size);
    for (const peer of busy) {
      const others = busy.filter((other) => other !== peer && other.unitTime).map((other) => other.unitTime);
      if (this.http.rate) others.push((UNIT * 1000) / this.http.rate);
      others.sort((a, b) => a - b);
      const median = others[others.length >> 1];
      if (now - peer.headSince <= Math.max(2000, median === undefined ? 10_000 : 3 * median)) continue;
      peer.snubbed = true;
      for (const unit of [...peer.pending.keys()]) peer.cancel(unit);
    }
    // Do no harm: a WebRTC byte costs a dozen HTTP bytes of processor time.
    const got = [...this.peers].reduce((sum, peer) => sum + peer.meter.bytes, 0);
    const asking = busy.some((peer) => peer.proven);
    if (!asking || this.#gainSince < 0) {
      this.#gainSince = now;
      this.#gainBytes = got;
    } else if (now - this.#gainSince > 5000) {
      const origin = [...this.consumers].every((consumer) => consumer.http) ? this.http.mean : 0;
      if ((got - this.#gainBytes) / 5 < origin / 20) {
        this.cut = true;
        for (const peer of busy) for (const unit of [...peer.pending.keys()]) peer.cancel(unit);
      }
      this.#gainSince = now;
      this.#gainBytes = got;
    }
  }

  #close(range: Range, now: number, actions: Action[]): void {
    actions.push({ open: false, range });
    this.onRangeEnd(range, now);
  }

  /** Long ranges end where somebody else's part begins, or where nobody reads any more. */
  #trimRanges(now: number, actions: Action[]): void {
    const { layout } = this.settings;
    const calm = [...this.consumers].every((consumer) => this.#relaxed(consumer, now) || !consumer.http);
    for (const range of this.ranges) {
      let to = range.to;
      const first = Math.floor(range.at / UNIT);
      if (!this.#alone) {
        // At least the piece under way is finished, so that it can be given.
        const [, settled] = layout.pieceUnits(layout.pieceOf(first));
        for (let unit = settled; unit * UNIT < to; unit++) {
          if (!this.missing(unit) || (calm && (!this.#owned(unit) || this.available(unit)))) {
            to = unit * UNIT;
            break;
          }
        }
      }
      // Nothing left that is not here already or about to be.
      let useful = false;
      for (let unit = first; unit * UNIT < to && !useful; unit++) useful = this.missing(unit) && this.#wanted(unit);
      if (!useful) this.#close(range, now, actions);
      else if (range.at >= to) this.#close(range, now, actions);
      else range.to = to;
    }
  }

  #wanted(unit: number): boolean {
    const at = unit * UNIT;
    for (const c of this.consumers) if (at + UNIT > c.position && at < Math.max(this.#horizon(c), c.position + MAX_RANGE)) return true;
    return false;
  }

  #openRanges(now: number, actions: Action[], panic: boolean): void {
    if (now < this.#retryAt) return;
    for (const consumer of this.consumers) {
      if (!consumer.http) continue;
      while (this.ranges.size < MAX_RANGES) {
        // A second range only where the first is about to end, or to get at bytes needed now.
        const lead = Math.max(2 * this.firstByte, 100);
        const idle = [...this.ranges].every((r) => ((r.to - r.at) * 1000) / Math.max(1, this.http.rate) < lead && r.at > r.from);
        if (!panic && !idle) break;
        const span = this.#nextHttp(consumer, now, panic);
        if (!span) break;
        const range: Range = { from: span[0] * UNIT, at: span[0] * UNIT, to: Math.min(span[1] * UNIT, this.settings.layout.length), since: now };
        this.ranges.add(range);
        actions.push({ open: true, range });
      }
    }
  }

  /** The next run of units for the origin, as [first, end). */
  #nextHttp(consumer: Consumer, now: number, panic: boolean): [number, number] | undefined {
    const alone = this.#alone;
    const relaxed = !alone && this.#relaxed(consumer, now);
    const first = Math.floor(consumer.position / UNIT);
    const end = Math.ceil(this.#horizon(consumer) / UNIT);
    const panicEnd = this.#panicEnd(consumer);
    const free = (unit: number): boolean => this.missing(unit) && !this.#peerFor(unit) && !this.#rangeFor(unit);
    const eligible = (unit: number, help: boolean): boolean => {
      if (!free(unit)) return panic && this.missing(unit) && !this.#rangeFor(unit) && this.#late(unit, consumer, now);
      return help || unit * UNIT < panicEnd || (this.#owned(unit) && !this.available(unit));
    };
    const stop = panic ? Math.ceil(panicEnd / UNIT) : end;
    // Own spans first; what others have or own only where time presses.
    let help = alone;
    let start = first;
    for (;;) {
      while (start < stop && !eligible(start, help)) start++;
      if (start < stop || help || relaxed || panic) break;
      help = true;
      start = first;
    }
    if (start >= stop) return panic || alone ? undefined : this.#tail(consumer, now);
    // A player's window moves by little steps; ranges should not.
    if (consumer.media && !panic && start * UNIT - consumer.position > MIN_AHEAD / 2) return undefined;
    const size = alone ? LONG_RANGE : Math.max(this.settings.layout.pieceLength, Math.min(MAX_RANGE, 2 * this.http.rate));
    const last = Math.min(consumer.media ? end : Math.ceil(consumer.end / UNIT), start + Math.max(1, Math.ceil(size / UNIT)));
    let to = start + 1;
    while (to < last && eligible(to, help)) to++;
    return [start, to];
  }

  /** Will a unit that a peer is sending miss a player's deadline? */
  #late(unit: number, consumer: Consumer, now: number): boolean {
    const peer = this.#peerFor(unit);
    if (!peer) return false;
    const due = ((unit * UNIT - consumer.position) * 1000) / Math.max(UNIT, appetite(consumer, now));
    return 1.5 * this.#eta(peer, unit, now) > due + 200;
  }

  /** When a requested unit should be here, in ms from now. */
  #eta(peer: Peer, unit: number, now: number): number {
    let ahead = 0;
    for (const other of peer.pending.keys()) {
      ahead++;
      if (other === unit) break;
    }
    // A unit that takes long already is the best guess for those behind it.
    const elapsed = now - peer.headSince;
    return Math.max(0, ahead * Math.max(peer.unitTime || 500, elapsed) - elapsed);
  }

  /** The tail is raced: when all that is missing is in flight, the origin doubles what comes late. The slower copy is cancelled. */
  #tail(consumer: Consumer, now: number): [number, number] | undefined {
    const last = Math.ceil(consumer.end / UNIT);
    const slow = this.firstByte + (UNIT * 1000) / Math.max(1, this.http.rate);
    const bound = Math.max(700, 2 * slow);
    let count = 0;
    const slowest = new Map<number, number>();
    for (let unit = Math.floor(consumer.position / UNIT); unit < last; unit++) {
      if (!this.missing(unit) || this.#rangeFor(unit)) continue;
      const peer = this.#peerFor(unit);
      // Deep pipelines are no tail: racing them would cost the origin what they save.
      if (!peer || ++count > TAIL / UNIT) return undefined;
      const eta = this.#eta(peer, unit, now);
      if (eta > bound) slowest.set(unit, eta);
    }
    // The slowest one and its slow neighbours before it, as one range.
    const [worst] = [...slowest].sort((a, b) => b[1] - a[1])[0] ?? [];
    if (worst === undefined) return undefined;
    let from = worst;
    while (slowest.has(from - 1) && worst - from < TAIL_UNITS - 1) from--;
    return [from, worst + 1];
  }

  #fillPipeline(peer: Peer, now: number): void {
    if (!peer.usable) return;
    const { layout } = this.settings;
    // A peer that has proved nothing yet, or has stalled, gets one piece's worth at most.
    const depth = peer.snubbed
      ? 1
      : peer.proven
        ? Math.min(MAX_PIPELINE, Math.max(MIN_PIPELINE, Math.ceil(peer.meter.rate / UNIT)))
        : Math.min(MIN_PIPELINE, layout.perPiece);
    if (peer.snubbed && now - peer.headSince < 3000) return;
    let room = depth - peer.pending.size;
    while (room-- > 0) {
      const unit = this.#pickUnit(peer);
      if (unit === undefined) return;
      peer.request(unit);
    }
  }

  /** A mirror gets spans that nobody else has begun, from end to end, so that few ranges do; first those that are ours to fetch. */
  #nextOfRun(peer: Peer, from: number, end: number, free: (unit: number) => boolean): number | undefined {
    const { layout } = this.settings;
    const next = [...peer.pending.keys()].pop()! + 1;
    if (next < end && free(next) && layout.spanOf(next) === layout.spanOf(next - 1)) return next;
    for (const any of [false, true]) {
      for (let span = layout.spanOf(from); span < layout.spans; span++) {
        if (!any && !this.#owners.get(span)) continue;
        const [start, stop] = layout.spanUnits(span);
        if (start >= end) break;
        let first: number | undefined;
        let begun = false;
        for (let unit = Math.max(start, from); unit < Math.min(stop, end) && !begun; unit++) {
          const other = this.#peerFor(unit);
          begun = !!other && other !== peer;
          if (first === undefined && free(unit)) first = unit;
        }
        if (first !== undefined && !begun) return first;
      }
    }
    return undefined;
  }

  #pickUnit(peer: Peer): number | undefined {
    const { layout } = this.settings;
    const free = (unit: number): boolean => this.missing(unit) && !this.#peerFor(unit) && !this.#rangeFor(unit);
    for (const consumer of this.consumers) {
      const horizon = this.#horizon(consumer);
      // A peer that has proved nothing is not trusted with what is needed within a second.
      const from = Math.ceil((peer.proven || !consumer.http ? consumer.position - UNIT + 1 : this.#panicEnd(consumer)) / UNIT);
      const end = Math.ceil(horizon / UNIT);
      if (peer.mirror) {
        const next = this.#nextOfRun(peer, Math.max(0, from), end, free);
        if (next !== undefined) return next;
      }
      const near = Math.min(end, Math.ceil((consumer.position + NEAR) / UNIT));
      for (let unit = Math.max(0, from); unit < (consumer.media ? end : near); unit++) {
        if (peer.pieces.has(layout.pieceOf(unit)) && free(unit)) return unit;
      }
      if (consumer.media) continue;
      // Rarest first: what few have is soon had by many. Started pieces go before, since only whole pieces can be given.
      let best: number | undefined;
      let bestRank = Infinity;
      const firstPiece = layout.pieceOf(Math.max(0, from));
      const pieces = Math.ceil(end / layout.perPiece) - firstPiece;
      const shift = pieces > 0 ? (peer.id[19]! * 256 + this.settings.ownId[19]!) % pieces : 0;
      for (let index = 0; index < pieces; index++) {
        const piece = firstPiece + ((index + shift) % pieces);
        if (!peer.pieces.has(piece)) continue;
        const [start, stop] = layout.pieceUnits(piece);
        let unit = Math.max(start, from);
        const begun = !free(unit);
        while (unit < stop && !free(unit)) unit++;
        if (unit >= Math.min(stop, end)) continue;
        let rank = begun ? 0 : 1;
        for (const other of this.peers) if (other.pieces.has(piece)) rank += 2;
        if (rank < bestRank) [best, bestRank] = [unit, rank];
      }
      if (best !== undefined) return best;
      // Nothing else to do: race a range that is slow.
      for (const range of this.ranges) {
        for (let at = range.to - UNIT; at > range.at + UNIT; at -= UNIT) {
          const unit = Math.ceil(at / UNIT);
          const eta = ((at - range.at) * 1000) / Math.max(1, this.http.rate);
          if (eta < 1000 + 3 * peer.unitTime) break;
          if (peer.proven && this.missing(unit) && !this.#peerFor(unit) && peer.pieces.has(layout.pieceOf(unit))) return unit;
        }
      }
    }
    return undefined;
  }
}
