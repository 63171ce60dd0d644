/**
 * An HTTP mirror, met as a peer is that has everything and wants nothing: it is asked, measured, verified and banned by the same
 * code. This is the channel to it: it understands the requests that a peer is sent, and answers with blocks out of ranges.
 */

import { concat, type Bytes } from "./bytes";
import { BLOCK, type Layout } from "./layout";
import type { Channel, Peer } from "./peer";
import type { HttpSource } from "./transfer";
import * as wire from "./wire";

/** Ranges under way at once: while one's head is awaited, another's body comes. */
const RANGES = 2;
/** Blocks a range has at most. */
const LONGEST = (4 << 20) / BLOCK;

interface Open {
  /** Blocks still wanted of it. */
  wanted: Set<number>;
  abort(): void;
}

export interface MirrorEvents {
  /** It sent a unit that is not the asset's. */
  onWrong(unit: number): void;
  onClose(): void;
}

export class MirrorChannel implements Channel {
  #peer: Peer | undefined;
  /** Blocks asked for, in the order of asking. */
  readonly #wanted = new Set<number>();
  readonly #open = new Set<Open>();
  #planned = false;
  #closed = false;

  constructor(
    private readonly layout: Layout,
    private readonly source: HttpSource,
    private readonly events: MirrorEvents,
  ) {}

  /** Speaks for the mirror what a peer would say of itself. */
  begin(peer: Peer, infoHash: Bytes, id: Bytes): void {
    this.#peer = peer;
    for (const message of [wire.handshake(infoHash, id), wire.frame(wire.HAVE_ALL), wire.frame(wire.UNCHOKE)]) peer.push(message);
  }

  send(message: Bytes): void {
    const kind = message[4];
    if (message.length !== 17 || (kind !== wire.REQUEST && kind !== wire.CANCEL)) return;
    const { piece, offset } = wire.readRequest(message.subarray(5) as Bytes)!;
    const block = (piece * this.layout.pieceLength + offset) / BLOCK;
    if (kind === wire.REQUEST) this.#wanted.add(block);
    else {
      this.#wanted.delete(block);
      for (const open of this.#open) {
        if (open.wanted.delete(block) && !open.wanted.size) {
          open.abort();
          this.#open.delete(open);
        }
      }
    }
    // What is asked for one after the other becomes one range.
    if (this.#planned) return;
    this.#planned = true;
    void Promise.resolve().then(() => {
      this.#planned = false;
      this.#fill();
    });
  }

  backlog(): number {
    return 0;
  }

  wrong(unit: number): void {
    this.events.onWrong(unit);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { abort } of this.#open) abort();
    this.events.onClose();
  }

  #fill(): void {
    while (!this.#closed && this.#open.size < RANGES && this.#wanted.size) {
      const [first] = this.#wanted as Set<number> & [number];
      const wanted = new Set<number>();
      for (let block = first; wanted.size < LONGEST && this.#wanted.delete(block); block++) wanted.add(block);
      this.#start(first, first + wanted.size, wanted);
    }
  }

  #start(first: number, end: number, wanted: Set<number>): void {
    const { length, pieceLength } = this.layout;
    let parts: Uint8Array[] = [];
    let size = 0;
    let block = first;
    const open: Open = { wanted, abort: () => undefined };
    this.#open.add(open);
    const over = (): void => {
      this.#open.delete(open);
      this.#fill();
    };
    open.abort = this.source.open(first * BLOCK, Math.min(end * BLOCK, length), {
      data: (chunk) => {
        let rest = chunk;
        while (rest.length && !this.#closed) {
          const part = rest.subarray(0, Math.min(BLOCK, length - block * BLOCK) - size);
          rest = rest.subarray(part.length);
          parts.push(part);
          size += part.length;
          if (size < Math.min(BLOCK, length - block * BLOCK)) break;
          const at = block * BLOCK;
          const piece = Math.floor(at / pieceLength);
          // The last of them may be the end of what is wanted: then the range is over before its stream says so.
          if (wanted.delete(block++)) this.#peer!.push(wire.frame(wire.PIECE, wire.u32(piece, at - piece * pieceLength), concat(parts)));
          parts = [];
          size = 0;
        }
      },
      end: over,
      // Whatever it is, others have the same bytes.
      fail: () => this.#peer!.close(),
    });
  }
}
