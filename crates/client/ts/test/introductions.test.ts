/** The tracker's client under a virtual clock: a socket that records, connections that open when the test says so. */

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Tracker } from "../adapters/tracker";
import { binary } from "../core/bytes";
import type { Transfer } from "../core/transfer";

class Clock {
  now = 0;
  private timers: { at: number; run: () => void }[] = [];
  readonly set = (run: () => void, milliseconds = 0): object => {
    const timer = { at: this.now + milliseconds, run };
    this.timers.push(timer);
    return timer;
  };
  readonly clear = (timer: object): void => {
    this.timers = this.timers.filter((other) => other !== timer);
  };
  /** Lets time pass, every timer at its own moment. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      const [next] = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.now = next.at;
      this.clear(next);
      next.run();
    }
    this.now = end;
  }
}

class Socket {
  /** What the tracker says to a message. */
  static answer: (text: string) => string;
  readyState = 1;
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  constructor() {
    setImmediate(() => this.onopen?.());
  }
  send(text: string): void {
    const data = Socket.answer(text);
    setImmediate(() => this.onmessage?.({ data }));
  }
  close = (): void => undefined;
}

/** Offers at once and never connects. */
class DeadConnection {
  iceGatheringState = "complete";
  connectionState = "new";
  localDescription = { sdp: "v=0" };
  createDataChannel = () => ({ readyState: "connecting" });
  createOffer = () => Promise.resolve({});
  setLocalDescription = () => Promise.resolve();
  close = (): void => undefined;
}

interface Sent {
  at: number;
  event?: string;
  offers: unknown[];
}

/** A member of a swarm in which the tracker counts `others`, and holds the same pair back for 30 seconds. */
const member = async (t: TestContext, others: { complete: number; incomplete: number }, left = 1) => {
  const clock = new Clock();
  for (const [name, value] of Object.entries({ WebSocket: Socket, RTCPeerConnection: DeadConnection, setTimeout: clock.set, clearTimeout: clock.clear })) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete (globalThis as Record<string, unknown>)[name]));
  }
  const peers = new Set<{ id: Uint8Array }>();
  const transfer = { infoHash: new Uint8Array(20).fill(7), left, received: { origin: 0, peers: 0 }, scheduler: { peers } } as unknown as Transfer;
  const tracker = new Tracker(() => Promise.resolve("ws://localhost/"), [], new Uint8Array(20));
  const sent: Sent[] = [];
  let offered = -Infinity;
  Socket.answer = (text) => {
    const message = { at: clock.now, ...(JSON.parse(text) as Omit<Sent, "at">) };
    sent.push(message);
    if (message.offers.length) offered = clock.now;
    const offers = others.complete + others.incomplete > 1 && clock.now - offered >= 30_000 ? 1 : 0;
    return JSON.stringify({ action: "announce", info_hash: binary(transfer.infoHash), interval: 120, ...others, offers });
  };
  tracker.join(transfer);
  return { clock, sent, peers, tracker, transfer };
};

const near = (actual: number, expected: number): void => assert.ok(actual >= 0.8 * expected && actual <= 1.2 * expected, `${actual}, not about ${expected}`);
/** Announces that came of themselves, without those that only carry the offers asked for. */
const times = (sent: Sent[]): number[] => sent.filter(({ offers }) => !offers.length).map(({ at }) => at);

test("an introduction that fails is tried again after about 5, 15 and 35 seconds, with as many offers as the tracker takes", async (t) => {
  const { clock, sent } = await member(t, { complete: 1, incomplete: 1 });
  await clock.pass(43_000);
  const [first, second, third, fourth, ...more] = times(sent);
  assert.equal(first, 0);
  near(second!, 5000);
  near(third!, 15_000);
  near(fourth!, 35_000);
  assert.deepEqual(more, []);
  const offers = sent.filter((message) => message.offers.length);
  assert.deepEqual(offers.map((message) => message.offers.length), [1, 1], "none while the tracker holds the pair back");
  assert.equal(offers[1]!.at, fourth);
  const before = times(sent).length;
  await clock.pass(3_600_000);
  const later = times(sent).length - before;
  assert.ok(later >= 24 && later <= 40, `${later} announces in an hour: pauses grow to the tracker's own interval`);
});

test("who is connected to all there are keeps to the tracker's interval", async (t) => {
  for (const [others, connected, left] of [[{ complete: 1, incomplete: 1 }, 1, 1], [{ complete: 3, incomplete: 0 }, 0, 0], [{ complete: 90, incomplete: 10 }, 16, 1]] as const) {
    await t.test(JSON.stringify(others), async (t) => {
      const { clock, sent, peers } = await member(t, others, left);
      for (let count = 0; count < connected; count++) peers.add({ id: new Uint8Array(20) });
      await clock.pass(90_000);
      assert.equal(times(sent).length, 1);
      await clock.pass(60_000);
      assert.equal(times(sent).length, 2);
    });
  }
});

test("a connection that comes about in time spares the early announce", async (t) => {
  const { clock, sent, peers } = await member(t, { complete: 1, incomplete: 1 });
  await clock.pass(1000);
  peers.add({ id: new Uint8Array(20) });
  await clock.pass(90_000);
  assert.equal(times(sent).length, 1);
});

test("who left announces no more", async (t) => {
  const { clock, sent, tracker, transfer } = await member(t, { complete: 1, incomplete: 1 });
  await clock.pass(1000);
  tracker.leave(transfer);
  const count = sent.length;
  await clock.pass(600_000);
  assert.equal(sent.length, count);
});
