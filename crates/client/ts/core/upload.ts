/** Who gets bytes, how many and how fast. One for all assets of a visitor. */

import type { Peer } from "./peer";
import { TokenBucket } from "./rate";

export const SLOTS = 6;
const RECHOKE = 10_000;
/** Unsent bytes a channel may hold. */
export const BACKLOG = 262_144;

export interface Limits {
  /** Bytes a second. */
  uploadRate: number;
  /** Bytes a calendar month, or none. */
  uploadMonthly: number | null;
}

/** Bytes of the current calendar month, kept over visits. */
export interface Tally {
  given: number;
  /** Verified, from whatever source; and what was held from an earlier month, once. */
  received: number;
}

export interface Month {
  read(): Tally;
  add(given: number, received: number): void;
}

export class UploadBudget {
  readonly bucket: TokenBucket;
  /** In this session. */
  given = 0;

  constructor(
    private readonly limits: Limits,
    private readonly month: Month,
  ) {
    this.bucket = new TokenBucket(limits.uploadRate, Math.max(262_144, limits.uploadRate / 4));
  }

  get exhausted(): boolean {
    const { given, received } = this.month.read();
    return given >= Math.min(2 * received, this.limits.uploadMonthly ?? Infinity);
  }

  /** Is there nothing yet that could be given? */
  get empty(): boolean {
    return !this.month.read().received;
  }

  /** Twice as many may be given. */
  credit(bytes: number): void {
    this.month.add(0, bytes);
  }

  /** False when this block has to wait. */
  take(bytes: number, now: number): boolean {
    if (this.exhausted || !this.bucket.take(bytes, now)) return false;
    this.given += bytes;
    this.month.add(bytes, 0);
    return true;
  }
}

/** Unchokes a few: everyone while there are slots, then by turns, those who were given least first. */
export class Choker {
  #at = -Infinity;

  run(peers: Iterable<Peer>, budget: UploadBudget, now: number, random: () => number): void {
    const ready = [...peers].filter((peer) => peer.ready && !peer.closed);
    if (budget.exhausted && !budget.empty) {
      for (const peer of ready) peer.choke(true);
      return;
    }
    const open = ready.filter((peer) => !peer.choked);
    if (ready.length <= SLOTS) {
      for (const peer of ready) peer.choke(false);
    } else if (open.length < SLOTS || now - this.#at >= RECHOKE) {
      this.#at = now;
      // Interested ones first. Peers that give are kept: an owner that is choked fetches for itself alone.
      const rank = new Map(ready.map((peer) => [peer, (peer.interested ? 0 : 1e15) + peer.given - 2 * peer.meter.bytes + random()]));
      ready.sort((a, b) => rank.get(a)! - rank.get(b)!);
      ready.forEach((peer, index) => peer.choke(index >= SLOTS));
    }
  }
}
