/**
 * One asset on its way: glues scheduler, peers, verification and storage together. Still pure: clock, randomness, hashing,
 * HTTP and storage are injected, so that tests run the very code that browsers run.
 */

import { Bitfield } from "./bitfield";
import { concat, equal, hex, unhex, type Bytes } from "./bytes";
import { Layout, UNIT } from "./layout";
import { merkleRoot, unitDigest, type Sha256 } from "./merkle";
import { Peer, type Channel, type PeerEvents } from "./peer";
import { Scheduler, type Consumer, type Range } from "./scheduler";
import { BACKLOG, Choker, type UploadBudget } from "./upload";
import type { Request } from "./wire";

export interface Manifest {
  path: string;
  length: number;
  type: string;
  etag: string | null;
  infohash: string;
  pieceLength: number;
  root: string;
  /** The first 1,024 unit digests, 32 bytes each. */
  digests: Bytes;
}

export const DIGESTS_PER_PAGE = 1024;
const MEMORY = 32 << 20;
const PLAN_EVERY = 25;
/** Failed ranges in a row, with growing pauses, before a download under way is given up. */
const PATIENCE = 7;

/** Why a transfer ended early. `changed`: the origin no longer has this version; the caller starts over with plain HTTP. */
export type Failure = "changed" | "unavailable" | "aborted";

export class TransferError extends Error {
  constructor(readonly failure: Failure) {
    super(failure);
  }
}

export interface RangeSink {
  data(chunk: Uint8Array): void;
  end(): void;
  /** `changed`: the answer was not exactly the asked-for part of the manifest's version. */
  fail(error: { changed?: boolean; retryAfter?: number | undefined }): void;
}

/** A place that serves ranges of the asset: the origin, or a mirror. */
export interface HttpSource {
  /** Starts a range [from, to); the returned function aborts it silently. */
  open(from: number, to: number, sink: RangeSink): () => void;
}

/** Verified spans, as whole entries. */
export interface Store {
  read(span: number): Promise<Bytes | undefined>;
  /** False when there is no room. */
  write(span: number, parts: Bytes[]): Promise<boolean>;
  /** All units are stored: the entry is complete. */
  finish(): Promise<void>;
}

export interface Host {
  now(): number;
  random(): number;
  sha256: Sha256;
  http: HttpSource;
  store: Store | undefined;
  /** Page `page` >= 1 of unit digests. */
  digests(page: number): Promise<Bytes>;
  /** The info dictionary, checked against the info-hash. */
  info(): Promise<Bytes | undefined>;
  /** Its size, known beforehand. */
  infoSize: number;
  /** Calls back later; nothing is cancelled, the callee checks. */
  later(milliseconds: number, run: () => void): void;
  /** Something a person may see changed. */
  changed(): void;
}

export interface Options {
  slack: number;
  ownId: Bytes;
  budget: UploadBudget;
}

export interface ReadOptions {
  start: number;
  end: number;
  media?: boolean;
  http?: boolean;
}

export interface Reader {
  /** The next verified bytes, at most 256 KiB; nothing at the end. Rejects with a `TransferError`. */
  pull(): Promise<Bytes | undefined>;
  cancel(): void;
}

interface Waiter extends Consumer {
  wake: (() => void) | undefined;
}

export class Transfer implements PeerEvents {
  readonly layout: Layout;
  readonly scheduler: Scheduler;
  readonly pieces: Bitfield;
  readonly infoHash: Bytes;
  /** Verified bytes by source. `wasted` arrived twice or was refused. */
  readonly received = { origin: 0, peers: 0, mirrors: 0, stored: 0, wasted: 0 };
  failed: Failure | undefined;
  onEnd: (failure: Failure) => void = () => undefined;
  onComplete: () => void = () => undefined;

  readonly #units = new Map<number, Bytes>();
  readonly #stored: Bitfield;
  readonly #flushing = new Set<number>();
  readonly #digestPages = new Map<number, Promise<Bytes>>();
  readonly #banned = new Set<string>();
  readonly #aborts = new Map<Range, () => void>();
  readonly #choker = new Choker();
  readonly #reading = new Map<number, Promise<boolean>>();
  #store: Store | undefined;
  #planned = -Infinity;
  #scheduled = false;
  #pumping = false;

  constructor(
    readonly manifest: Manifest,
    private readonly host: Host,
    private readonly options: Options,
  ) {
    this.layout = new Layout(manifest.length, manifest.pieceLength);
    this.infoHash = unhex(manifest.infohash);
    this.scheduler = new Scheduler({
      layout: this.layout,
      infoHash: this.infoHash,
      ownId: options.ownId,
      slack: options.slack,
      random: host.random,
    });
    this.pieces = new Bitfield(this.layout.pieces);
    this.#stored = new Bitfield(this.layout.spans);
    this.#store = host.store;
    if (!this.#store) this.scheduler.reach = MEMORY;
    this.#digestPages.set(0, Promise.resolve(manifest.digests));
  }

  /** Where the manifest holds all digests, they must add up to its root. */
  async checkRoot(): Promise<boolean> {
    const { digests, root } = this.manifest;
    if (this.layout.units > DIGESTS_PER_PAGE) return digests.length === DIGESTS_PER_PAGE * 32;
    if (digests.length !== this.layout.units * 32) return false;
    const layer: Bytes[] = [];
    for (let at = 0; at < digests.length; at += 32) layer.push(digests.subarray(at, at + 32) as Bytes);
    return hex(await merkleRoot(layer, this.host.sha256)) === root;
  }

  get complete(): boolean {
    return this.scheduler.have.complete;
  }

  get left(): number {
    return this.layout.length - Math.min(this.layout.length, this.scheduler.have.count * UNIT);
  }

  /** The asset is in storage already, verified by an earlier session; `credit`: in an earlier month, whose count is gone. */
  restore(credit: boolean): void {
    const { layout, scheduler } = this;
    for (let unit = 0; unit < layout.units; unit++) scheduler.have.add(unit);
    this.pieces.fill();
    this.#stored.fill();
    this.received.stored = layout.length;
    if (credit) this.options.budget.credit(layout.length);
  }

  read({ start, end, media = false, http = true }: ReadOptions): Reader {
    const consumer: Waiter = {
      position: start,
      start,
      end,
      since: this.host.now(),
      media,
      http,
      wake: undefined,
    };
    this.scheduler.consumers.add(consumer);
    this.replan();
    const stop = (): void => {
      this.scheduler.consumers.delete(consumer);
      consumer.wake?.();
      this.replan();
    };
    const pull = async (): Promise<Bytes | undefined> => {
      while (consumer.position < consumer.end) {
        if (this.failed) throw new TransferError(this.failed);
        if (!this.scheduler.consumers.has(consumer)) throw new TransferError("aborted");
        const chunk = await this.#slice(consumer);
        if (chunk) {
          consumer.position += chunk.length;
          if (consumer.position >= consumer.end) stop();
          else if (media || this.scheduler.reach < Infinity) this.replan();
          return chunk;
        }
        await new Promise<void>((resolve) => (consumer.wake = resolve));
        consumer.wake = undefined;
      }
      return undefined;
    };
    return { pull, cancel: stop };
  }

  /** Other visitors that are connected. */
  get others(): Peer[] {
    return [...this.scheduler.peers].filter((peer) => !peer.mirror);
  }

  addPeer(channel: Channel): Peer {
    const { host, options } = this;
    return new Peer(this.layout, this.infoHash, options.ownId, this.pieces, channel, this, host.now, () => host.info(), host.infoSize);
  }

  /** Parts from all peers. */
  dismiss(): void {
    for (const peer of [...this.scheduler.peers]) peer.close();
  }

  /** Ends everything: sources, peers, readers. */
  close(failure: Failure = "aborted"): void {
    if (this.failed) return;
    this.failed = failure;
    for (const abort of this.#aborts.values()) abort();
    this.#aborts.clear();
    this.dismiss();
    this.#wake();
    this.onEnd(failure);
  }

  // What peers tell.

  onReady(peer: Peer): void {
    const known = [...this.scheduler.peers].some((other) => equal(other.id, peer.id));
    if (known || this.#banned.has(hex(peer.id)) || this.failed) return peer.close();
    this.scheduler.peers.add(peer);
    this.host.changed();
    this.onChange(peer);
  }

  onChange(peer: Peer): void {
    if (!this.scheduler.peers.has(peer)) return;
    this.#choker.run(this.scheduler.peers, this.options.budget, this.host.now(), this.host.random);
    if (!this.complete) {
      let interesting = false;
      for (let piece = 0; piece < this.layout.pieces && !interesting; piece++) interesting = peer.pieces.has(piece) && !this.pieces.has(piece);
      peer.wants(interesting);
    }
    this.replan();
  }

  onUnit(peer: Peer, unit: number, data: Bytes): void {
    void this.#verify(unit, data, peer);
    if (!peer.pending.size) this.replan(true);
    else this.replan();
  }

  onRefused(): void {
    this.replan();
  }

  onRequest(): void {
    void this.#pump();
  }

  onClose(peer: Peer): void {
    if (!this.scheduler.peers.delete(peer)) return;
    peer.pending.clear();
    this.host.changed();
    this.replan(true);
  }

  // Planning.

  /** Makes and carries out a plan, soon; at once when a source may be idle. */
  replan(urgent = false): void {
    if (this.failed) return;
    const now = this.host.now();
    if (urgent || now - this.#planned >= PLAN_EVERY) return this.#plan(now);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.host.later(PLAN_EVERY, () => {
      this.#scheduled = false;
      this.#plan(this.host.now());
    });
  }

  /** To be called about four times a second: time-outs and deadlines pass without any event. */
  tick(): void {
    if (this.failed) return;
    this.#choker.run(this.scheduler.peers, this.options.budget, this.host.now(), this.host.random);
    this.replan(true);
    void this.#pump();
  }

  #plan(now: number): void {
    if (this.failed) return;
    this.#planned = now;
    for (const action of this.scheduler.plan(now)) {
      if (action.open) this.#open(action.range);
      else {
        this.#aborts.get(action.range)?.();
        this.#aborts.delete(action.range);
      }
    }
  }

  #open(range: Range): void {
    let parts: Uint8Array[] = [];
    let size = 0;
    let unit = range.from / UNIT;
    const { host, scheduler } = this;
    const abort = host.http.open(range.from, range.to, {
      data: (chunk) => {
        if (!scheduler.ranges.has(range)) return;
        let rest = chunk;
        while (rest.length) {
          const need = this.layout.unitLength(unit) - size;
          const part = rest.subarray(0, need);
          rest = rest.subarray(part.length);
          parts.push(part);
          size += part.length;
          if (part.length < need) break;
          const data = concat(parts);
          parts = [];
          size = 0;
          void this.#verify(unit++, data);
        }
        scheduler.onRangeBytes(range, chunk.length, host.now());
        if (range.at >= range.to || size === 0) this.replan(range.at >= range.to);
      },
      end: () => {
        this.#aborts.delete(range);
        scheduler.onRangeEnd(range, host.now(), range.at < range.to ? {} : undefined);
        this.replan(true);
      },
      fail: (error) => {
        this.#aborts.delete(range);
        scheduler.onRangeEnd(range, host.now(), error);
        if (error.changed) return this.close("changed");
        // Nobody else to turn to: a plain request shows the visitor what the origin has to say.
        if (!scheduler.peers.size && scheduler.httpFailures > (scheduler.have.count ? PATIENCE : 0)) return this.close("unavailable");
        this.replan();
      },
    });
    this.#aborts.set(range, abort);
  }

  // Units.

  async #expected(unit: number): Promise<Bytes> {
    const page = Math.floor(unit / DIGESTS_PER_PAGE);
    let digests = this.#digestPages.get(page);
    if (!digests) {
      digests = this.host.digests(page);
      this.#digestPages.set(page, digests);
    }
    const at = (unit % DIGESTS_PER_PAGE) * 32;
    return (await digests).subarray(at, at + 32) as Bytes;
  }

  async #verify(unit: number, data: Bytes, peer?: Peer): Promise<void> {
    const { scheduler, received } = this;
    if (!scheduler.missing(unit)) {
      received.wasted += data.length;
      return;
    }
    scheduler.checking.add(unit);
    let right = false;
    try {
      const [digest, expected] = await Promise.all([
        unitDigest(data, this.host.sha256, this.layout.units === 1),
        this.#expected(unit),
      ]);
      right = equal(digest, expected);
    } catch {
      // No digest page, after retries: nothing can be verified any more.
      return this.close("unavailable");
    }
    scheduler.checking.delete(unit);
    if (this.failed) return;
    if (!right) {
      received.wasted += data.length;
      // The origin itself sent something else: what the manifest describes is gone.
      if (!peer) return this.close("changed");
      this.#banned.add(hex(peer.id));
      return peer.lied(unit);
    }
    if (peer) {
      peer.proven = true;
      received[peer.mirror ? "mirrors" : "peers"] += data.length;
    } else received.origin += data.length;
    this.options.budget.credit(data.length);
    this.#keep(unit, data);
  }

  #keep(unit: number, data: Bytes): void {
    const { scheduler, layout } = this;
    this.#units.set(unit, data);
    scheduler.have.add(unit);
    for (const peer of scheduler.peers) if (peer.pending.has(unit)) peer.cancel(unit);
    const piece = layout.pieceOf(unit);
    const [start, end] = layout.pieceUnits(piece);
    let whole = true;
    for (let other = start; other < end && whole; other++) whole = scheduler.have.has(other);
    if (whole && this.pieces.add(piece)) {
      for (const peer of scheduler.peers) {
        peer.announceHave(piece);
        if (this.complete) peer.wants(false);
      }
      if (this.complete) this.onComplete();
    }
    void this.#flush(layout.spanOf(unit));
    this.#wake();
    this.host.changed();
  }

  #wake(): void {
    for (const consumer of this.scheduler.consumers as Set<Waiter>) {
      if (this.failed || this.scheduler.have.has(Math.floor(consumer.position / UNIT))) consumer.wake?.();
    }
  }

  /** Writes a whole span out, once, then lets go of memory that is not needed. */
  async #flush(span: number): Promise<void> {
    const { layout, scheduler } = this;
    const [start, end] = layout.spanUnits(span);
    for (let unit = start; unit < end; unit++) if (!this.#units.has(unit)) return this.#relieve();
    if (!this.#store || this.#stored.has(span) || this.#flushing.has(span)) return this.#relieve();
    this.#flushing.add(span);
    const parts: Bytes[] = [];
    for (let unit = start; unit < end; unit++) parts.push(this.#units.get(unit)!);
    const written = await this.#store.write(span, parts).catch(() => false);
    this.#flushing.delete(span);
    if (written) this.#stored.add(span);
    else {
      this.#store = undefined;
      scheduler.reach = MEMORY;
    }
    if (this.#stored.complete) await this.#store?.finish();
    this.#relieve();
  }

  /** Memory above the bound goes: first what storage has, then what every reader has passed, which peers are told. */
  #relieve(): void {
    const { layout, scheduler } = this;
    let excess = this.#units.size - MEMORY / UNIT;
    if (excess <= 0) return;
    const behind = Math.min(...[...scheduler.consumers].map((consumer) => consumer.position), Infinity);
    for (const stored of [true, false]) {
      for (const unit of this.#units.keys()) {
        if (excess <= 0) return;
        if (this.#stored.has(layout.spanOf(unit)) !== stored || (!stored && (this.#store || (unit + 1) * UNIT > behind))) continue;
        this.#units.delete(unit);
        excess--;
        if (!stored) this.#lose(unit);
      }
    }
  }

  #lose(unit: number): void {
    this.scheduler.have.delete(unit);
    const piece = this.layout.pieceOf(unit);
    if (this.pieces.delete(piece)) for (const peer of this.scheduler.peers) peer.announceDontHave(piece);
  }

  /** Brings a unit into memory; false when it is not here any more. */
  async #load(unit: number): Promise<boolean> {
    if (this.#units.has(unit)) return true;
    const span = this.layout.spanOf(unit);
    if (!this.#stored.has(span)) {
      this.#lose(unit);
      return false;
    }
    let job = this.#reading.get(span);
    if (!job) {
      job = this.#loadSpan(span).finally(() => this.#reading.delete(span));
      this.#reading.set(span, job);
    }
    return job;
  }

  async #loadSpan(span: number): Promise<boolean> {
    const [start, end] = this.layout.spanUnits(span);
    const data = await this.host.store?.read(span).catch(() => undefined);
    if (data?.length !== Math.min(this.layout.span, this.layout.length - span * this.layout.span)) {
      // The browser evicted it behind our back.
      this.#stored.delete(span);
      for (let unit = start; unit < end; unit++) if (!this.#units.has(unit)) this.#lose(unit);
      return false;
    }
    for (let unit = start; unit < end; unit++) {
      this.#units.set(unit, data.subarray((unit - start) * UNIT, (unit - start + 1) * UNIT) as Bytes);
    }
    this.#relieve();
    return true;
  }

  /** The bytes at a reader's position, as far as they are here, up to 256 KiB; a copy. */
  async #slice(consumer: Consumer): Promise<Bytes | undefined> {
    const parts: Uint8Array[] = [];
    let at = consumer.position;
    while (at < consumer.end && at - consumer.position < 4 * UNIT) {
      const unit = Math.floor(at / UNIT);
      if (!this.scheduler.have.has(unit)) break;
      if (!(await this.#load(unit))) continue;
      const offset = at - unit * UNIT;
      const part = this.#units.get(unit)?.subarray(offset, Math.min(offset + consumer.end - at, 4 * UNIT - (at - consumer.position) + offset));
      if (!part) break;
      parts.push(part);
      at += part.length;
    }
    return parts.length ? concat(parts) : undefined;
  }

  // Giving.

  /** Sends what was asked for, turn by turn, as far as budget and channels allow. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    const { host, options, scheduler } = this;
    try {
      for (let busy = true; busy && !this.failed; ) {
        busy = false;
        for (const peer of scheduler.peers) {
          const request = peer.queue[0];
          if (!request || peer.backlog() > BACKLOG) continue;
          const data = await this.#block(request);
          if (peer.queue[0] !== request) {
            busy = true;
            continue;
          }
          if (!data) peer.reject(peer.queue.shift()!);
          else if (options.budget.take(data.length, host.now())) peer.sendBlock(peer.queue.shift()!, data);
          else return;
          busy = true;
        }
      }
    } finally {
      this.#pumping = false;
      if (!this.failed && [...scheduler.peers].some((peer) => peer.queue.length)) host.later(20, () => void this.#pump());
    }
  }

  /** Only verified, whole pieces are given. */
  async #block({ piece, offset, length }: Request): Promise<Bytes | undefined> {
    const at = piece * this.layout.pieceLength + offset;
    const end = at + length;
    if (!this.pieces.has(piece) || offset + length > this.layout.pieceLength || end > this.layout.length) return undefined;
    const parts: Uint8Array[] = [];
    for (let unit = Math.floor(at / UNIT); unit * UNIT < end; unit++) {
      if (!(await this.#load(unit))) return undefined;
      const data = this.#units.get(unit);
      if (!data) return undefined;
      parts.push(data.subarray(Math.max(0, at - unit * UNIT), Math.min(UNIT, end - unit * UNIT)));
    }
    return concat(parts);
  }
}
