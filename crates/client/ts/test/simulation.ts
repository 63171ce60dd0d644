/**
 * A small world with a virtual clock: an origin with a capped uplink, visitors that run the real core, links between them.
 * Nothing here knows how the scheduler decides.
 */

import { createHash } from "node:crypto";
import { concat, type Bytes } from "../core/bytes";
import { Layout, UNIT } from "../core/layout";
import { merkleRoot, unitDigest } from "../core/merkle";
import { MirrorChannel } from "../core/mirror";
import type { Channel, Peer } from "../core/peer";
import { Transfer, type Manifest, type RangeSink, type ReadOptions, type Store } from "../core/transfer";
import { UploadBudget } from "../core/upload";
import { hex } from "../core/bytes";

export const MIB = 1 << 20;
const STEP = 10;

export const sha256 = (data: Uint8Array): Promise<Bytes> => Promise.resolve(new Uint8Array(createHash("sha256").update(data).digest()));

/** A generator as good as needed here, the same every run. */
export const generator = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

export interface File {
  data: Bytes;
  manifest: Manifest;
  digests: Bytes;
}

export const makeFile = async (length: number, pieceLength = 262144, seed = 1): Promise<File> => {
  const words = new Uint32Array(Math.ceil(length / 4));
  const random = generator(seed);
  for (let index = 0; index < words.length; index++) words[index] = random() * 2 ** 32;
  const data = new Uint8Array(words.buffer, 0, length);
  const digests: Bytes[] = [];
  for (let at = 0; at < length; at += UNIT) digests.push(await unitDigest(data.subarray(at, at + UNIT), sha256));
  const root = hex(await merkleRoot(digests, sha256));
  return {
    data,
    digests: concat(digests),
    manifest: { path: "/f", length, type: "application/zip", etag: '"1"', infohash: root.slice(0, 40), pieceLength, root, digests: concat(digests.slice(0, 1024)) },
  };
};

/** What a mirror makes of the file's bytes. */
type Tamper = (data: Bytes, at: number) => Bytes;

interface Flow {
  at: number;
  to: number;
  start: number;
  visitor: Visitor;
  sink: RangeSink;
  alive: boolean;
}

/** Serves ranges; its uplink is shared evenly by all open ones. */
export class Origin {
  sent = 0;
  requests = 0;
  down = false;
  data: Bytes;
  private flows: Flow[] = [];
  constructor(
    file: File,
    /** Bytes a second. */
    readonly rate: number,
    readonly latency = 40,
    readonly tamper: Tamper = (data) => data,
  ) {
    this.data = file.data;
  }

  open(visitor: Visitor, now: number, from: number, to: number, sink: RangeSink): () => void {
    this.requests++;
    const flow: Flow = { at: from, to, start: now + this.latency, visitor, sink, alive: true };
    this.flows.push(flow);
    return () => (flow.alive = false);
  }

  step(now: number): void {
    this.flows = this.flows.filter((flow) => flow.alive);
    if (this.down) {
      for (const flow of this.flows.splice(0)) flow.sink.fail({});
      return;
    }
    const active = this.flows.filter((flow) => flow.start <= now);
    for (const flow of active) {
      const share = Math.min(this.rate / active.length, flow.visitor.downlink / active.filter((f) => f.visitor === flow.visitor).length);
      const size = Math.min(flow.to - flow.at, Math.max(1, Math.floor((share * STEP) / 1000)));
      const chunk = this.tamper(this.data.slice(flow.at, flow.at + size), flow.at);
      flow.at += size;
      this.sent += size;
      if (flow.alive) flow.sink.data(chunk);
      if (flow.alive && flow.at === flow.to) {
        flow.alive = false;
        flow.sink.end();
      }
    }
  }
}

class Link implements Channel {
  other!: Link;
  peer: Peer | undefined;
  open = true;
  private readonly queue: { data: Uint8Array; at: number }[] = [];
  private waiting = 0;
  constructor(
    readonly visitor: Visitor,
    private readonly world: World,
  ) {}
  send(bytes: Bytes): void {
    const data = this.visitor.tamper ? this.visitor.tamper(bytes) : bytes;
    if (data && this.open) {
      this.queue.push({ data, at: this.world.now + 15 });
      this.waiting += data.length;
    }
  }
  backlog(): number {
    return this.waiting;
  }
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.other.open = false;
    this.world.after(5, () => this.other.peer?.close());
  }
  /** Delivers what the uplink allows; returns the bytes used. */
  step(allowance: number): number {
    let used = 0;
    while (this.open && this.queue.length && this.queue[0]!.at <= this.world.now && used < allowance) {
      const { data } = this.queue.shift()!;
      used += data.length;
      this.waiting -= data.length;
      this.other.peer?.push(data);
    }
    return used;
  }
}

class MemoryStore implements Store {
  readonly spans = new Map<number, Bytes>();
  constructor(private readonly capacity: number) {}
  read(span: number): Promise<Bytes | undefined> {
    return Promise.resolve(this.spans.get(span));
  }
  write(span: number, parts: Bytes[]): Promise<boolean> {
    if (this.spans.size >= this.capacity) return Promise.resolve(false);
    this.spans.set(span, concat(parts));
    return Promise.resolve(true);
  }
  finish(): Promise<void> {
    return Promise.resolve();
  }
}

export interface VisitorOptions {
  downlink?: number;
  uplink?: number;
  uploadRate?: number;
  uploadMonthly?: number | null;
  slack?: number;
  /** Spans the store takes; 0: no storage. */
  store?: number;
  /** Changes, or with nothing swallows, what it sends. */
  tamper?: (bytes: Bytes) => Uint8Array | undefined;
}

export class Visitor {
  readonly transfer: Transfer;
  readonly links = new Set<Link>();
  readonly budget: UploadBudget;
  readonly downlink: number;
  readonly uplink: number;
  tamper: VisitorOptions["tamper"];
  body: Bytes[] = [];
  finished = -1;
  error: unknown;
  /** Longest time between two chunks, in ms. */
  stall = 0;
  private credit = 0;

  constructor(
    readonly world: World,
    readonly file: File,
    options: VisitorOptions = {},
  ) {
    this.downlink = options.downlink ?? Infinity;
    this.uplink = options.uplink ?? 6e6;
    this.tamper = options.tamper;
    const month = { given: 0, received: 0 };
    this.budget = new UploadBudget(
      { uploadRate: options.uploadRate ?? 2e7, uploadMonthly: options.uploadMonthly ?? null },
      {
        read: () => month,
        add: (given, received) => {
          month.given += given;
          month.received += received;
        },
      },
    );
    const ownId = new Uint8Array(20).map(() => Math.floor(world.random() * 256));
    this.transfer = new Transfer(
      file.manifest,
      {
        now: () => world.now,
        random: world.random,
        sha256,
        http: { open: (from, to, sink) => world.origin.open(this, world.now, from, to, sink) },
        store: options.store === 0 ? undefined : new MemoryStore(options.store ?? Infinity),
        digests: (page) => Promise.resolve(file.digests.slice(page * 32768, (page + 1) * 32768)),
        info: () => Promise.resolve(undefined),
        infoSize: 0,
        later: (milliseconds, run) => world.after(milliseconds, run),
        changed: () => undefined,
      },
      { slack: options.slack ?? 1.25, ownId, budget: this.budget },
    );
    world.visitors.push(this);
  }

  /** Downloads, or plays when `rate` bytes a second are given. */
  async read(options: Partial<ReadOptions> = {}, rate?: number): Promise<void> {
    const reader = this.transfer.read({ start: 0, end: this.file.data.length, ...options });
    let last = this.world.now;
    const began = this.world.now;
    let taken = 0;
    try {
      for (;;) {
        const chunk = await reader.pull();
        if (!chunk) break;
        this.body.push(chunk);
        taken += chunk.length;
        this.stall = Math.max(this.stall, this.world.now - last);
        if (rate) {
          const due = began + (taken / rate) * 1000 - 2000;
          if (due > this.world.now) await new Promise<void>((resolve) => this.world.after(due - this.world.now, resolve));
        }
        last = this.world.now;
      }
      this.finished = this.world.now;
    } catch (error) {
      this.error = error;
    }
  }

  get right(): boolean {
    return Buffer.compare(concat(this.body), this.file.data) === 0;
  }

  /** Has a mirror asked as well; what came of it. */
  ask(mirror: Origin): { wrong: number[]; closed: boolean; peer: Peer } {
    const told = { wrong: [] as number[], closed: false };
    const source = { open: (from: number, to: number, sink: RangeSink) => mirror.open(this, this.world.now, from, to, sink) };
    const channel = new MirrorChannel(this.transfer.layout, source, { onWrong: (unit) => told.wrong.push(unit), onClose: () => (told.closed = true) });
    const peer = this.transfer.addPeer(channel);
    channel.begin(peer, this.transfer.infoHash, new Uint8Array(20).map(() => Math.floor(this.world.random() * 256)));
    return Object.assign(told, { peer });
  }

  /** Vanishes: links break, nothing is said. */
  die(): void {
    this.transfer.close();
  }

  step(): void {
    this.credit = Math.min(this.credit, 0) + (this.uplink * STEP) / 1000;
    for (const link of this.links) this.credit -= link.step(Math.max(0, this.credit));
  }
}

export class World {
  now = 0;
  readonly visitors: Visitor[] = [];
  origin: Origin;
  readonly mirrors: Origin[] = [];
  readonly random = generator(7);
  private timers: { at: number; run: () => void }[] = [];

  constructor(file: File, rate: number) {
    this.origin = new Origin(file, rate);
  }

  after(milliseconds: number, run: () => void): void {
    this.timers.push({ at: this.now + milliseconds, run });
  }

  /** A mirror with an uplink of its own. */
  mirror(file: File, rate: number, tamper?: Tamper, latency = 40): Origin {
    const mirror = new Origin(file, rate, latency, tamper);
    this.mirrors.push(mirror);
    return mirror;
  }

  connect(a: Visitor, b: Visitor): void {
    const [left, right] = [new Link(a, this), new Link(b, this)];
    left.other = right;
    right.other = left;
    a.links.add(left);
    b.links.add(right);
    left.peer = a.transfer.addPeer(left);
    right.peer = b.transfer.addPeer(right);
  }

  connectAll(): void {
    this.visitors.forEach((a, index) => this.visitors.slice(index + 1).forEach((b) => this.connect(a, b)));
  }

  /** Lets time pass until the condition holds; the virtual time it took, or a throw after `limit` ms. */
  async until(condition: () => boolean, limit = 300_000): Promise<number> {
    const start = this.now;
    while (!condition()) {
      if (this.now - start > limit) throw new Error(`nothing after ${limit} ms`);
      this.now += STEP;
      const due = this.timers.filter((timer) => timer.at <= this.now);
      this.timers = this.timers.filter((timer) => timer.at > this.now);
      for (const { run } of due) run();
      for (const place of [this.origin, ...this.mirrors]) place.step(this.now);
      for (const visitor of this.visitors) visitor.step();
      if (this.now % 250 === 0) for (const visitor of this.visitors) visitor.transfer.tick();
      // All promises of this step settle before the next one.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return this.now - start;
  }
}

export const layoutOf = (file: File): Layout => new Layout(file.manifest.length, file.manifest.pieceLength);
