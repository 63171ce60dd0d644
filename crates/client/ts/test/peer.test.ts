/** Two ends of a connection: handshake, info dictionaries, refusals. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encodeBytes, type Value } from "../core/bencode";
import { Bitfield } from "../core/bitfield";
import { unbinary, type Bytes } from "../core/bytes";
import { Layout } from "../core/layout";
import { Peer, type Channel, type PeerEvents } from "../core/peer";
import * as wire from "../core/wire";

const layout = new Layout(1 << 20, 262144);
const infoHash = new Uint8Array(20).fill(7);
const id = (byte: number): Bytes => new Uint8Array(20).fill(byte);

interface End {
  peer: Peer;
  log: string[];
  sent: Bytes[];
}

/** Both ends, joined without delay; `info` is what each can serve. */
const pair = (info?: Bytes, hashes: [Bytes, Bytes] = [infoHash, infoHash]): [End, End] => {
  const ends: End[] = [];
  const queue: (() => void)[] = [];
  for (const index of [0, 1]) {
    const log: string[] = [];
    const sent: Bytes[] = [];
    const channel: Channel = {
      send: (bytes) => {
        sent.push(bytes);
        queue.push(() => ends[1 - index]!.peer.push(bytes));
      },
      backlog: () => 0,
      close: () => log.push("closed"),
    };
    const events: PeerEvents = {
      onReady: () => log.push("ready"),
      onChange: () => log.push("change"),
      onUnit: (_, unit) => log.push(`unit ${unit}`),
      onRefused: (_, unit) => log.push(`refused ${unit}`),
      onRequest: () => log.push("request"),
      onClose: () => log.push("gone"),
    };
    const peer = new Peer(layout, hashes[index]!, id(index + 1), new Bitfield(4), channel, events, () => 0, () => Promise.resolve(info), info?.length ?? 0);
    ends.push({ peer, log, sent });
  }
  drain = () => {
    while (queue.length) queue.shift()!();
  };
  drain();
  return ends as [End, End];
};
let drain = (): void => undefined;
const settle = async (): Promise<void> => {
  for (let round = 0; round < 10; round++) {
    drain();
    await new Promise((resolve) => setImmediate(resolve));
  }
};

test("both ends are ready after the handshake and know each other", () => {
  const [a, b] = pair();
  assert.ok(a.peer.ready && b.peer.ready);
  assert.deepEqual([...a.peer.id], [...id(2)]);
});

test("another info-hash ends the connection", () => {
  const [a, b] = pair(undefined, [infoHash, id(9)]);
  assert.ok(a.peer.closed && b.peer.closed);
});

/** What a peer answers to requests for blocks of the info dictionary: the head's fields and the block. */
const askInfo = async ({ peer, sent }: End, pieces: number[]): Promise<[Record<string, Value>, Uint8Array][]> => {
  const before = sent.length;
  for (const piece of pieces) peer.push(wire.frame(wire.EXTENDED, Uint8Array.of(1), encodeBytes({ msg_type: 0, piece })));
  await settle();
  return sent.slice(before).map((bytes) => {
    assert.deepEqual([...bytes.subarray(4, 6)], [wire.EXTENDED, 1]);
    const [head, end] = decode(bytes, 6);
    return [{ ...(head as Record<string, Value>) }, bytes.subarray(end)];
  });
};

test("an info dictionary is served in blocks, to those who came by a magnet link", async () => {
  const info = new Uint8Array(40_000).map((_, index) => index * 7);
  const [a] = pair(info);
  const answers = await askInfo(a, [0, 1, 2, 3, -1]);
  for (const piece of [0, 1, 2]) assert.deepEqual(answers[piece], [{ msg_type: 1, piece, total_size: 40_000 }, info.subarray(piece * 16384, (piece + 1) * 16384)]);
  assert.deepEqual(answers.slice(3).map(([head]) => head), [{ msg_type: 2, piece: 3 }, { msg_type: 2, piece: -1 }]);
});

test("an info dictionary that is not to be had is refused", async () => {
  const [a] = pair(undefined);
  assert.deepEqual((await askInfo(a, [0])).map(([head]) => head), [{ msg_type: 2, piece: 0 }]);
});

test("a request while choked is rejected, and the unit returns to the pool", () => {
  const [a, b] = pair();
  a.peer.request(3);
  drain();
  assert.equal(b.peer.queue.length, 0);
  assert.deepEqual(a.log.filter((line) => line.startsWith("refused")), ["refused 3"]);
  assert.equal(a.peer.pending.size, 0);
});

test("a unit arrives when its blocks have, in any order; others are ignored", () => {
  const [a, b] = pair();
  b.peer.choke(false);
  drain();
  a.peer.request(5);
  drain();
  assert.equal(b.peer.queue.length, 4);
  b.peer.sendBlock({ piece: 0, offset: 0, length: wire.MAX_FRAME }, new Uint8Array(16384));
  for (const request of b.peer.queue.splice(0).reverse()) b.peer.sendBlock(request, new Uint8Array(request.length));
  drain();
  assert.deepEqual(a.log.filter((line) => line.startsWith("unit")), ["unit 5"]);
});

test("a queue has an end, and an oversized request ends the connection", () => {
  const [a, b] = pair();
  b.peer.choke(false);
  for (let index = 0; index < 200; index++) a.peer.request(index % 16);
  drain();
  assert.equal(b.peer.queue.length, wire.REQUEST_QUEUE);
  b.peer.push(wire.requestFrame(wire.REQUEST, { piece: 0, offset: 0, length: 1 << 20 }));
  assert.ok(b.peer.closed);
});

test("lt_donthave takes a piece back", () => {
  const [a, b] = pair();
  b.peer.announceHave(2);
  drain();
  assert.ok(a.peer.pieces.has(2));
  b.peer.announceDontHave(2);
  drain();
  assert.ok(!a.peer.pieces.has(2));
});

test("garbage in an extension message closes, and does not throw", () => {
  const [a] = pair();
  a.peer.push(wire.frame(wire.EXTENDED, Uint8Array.of(0), unbinary("d1:m")));
  assert.ok(a.peer.closed);
});
