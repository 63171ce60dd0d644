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
  static made: Socket[] = [];
  readyState = 1;
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  constructor() {
    Socket.made.push(this);
    setImmediate(() => this.onopen?.());
  }
  send(text: string): void {
    const data = Socket.answer(text);
    setImmediate(() => this.onmessage?.({ data }));
  }
  close = (): void => {
    this.readyState = 3;
  };
}

/** Offers at once and never connects. */
class DeadConnection {
  static made: DeadConnection[] = [];
  iceGatheringState = "complete";
  connectionState = "new";
  localDescription = { sdp: "v=0" };
  createDataChannel = () => ({ readyState: "connecting" });
  createOffer = () => Promise.resolve({});
  setLocalDescription = () => Promise.resolve();
  setRemoteDescription = () => Promise.resolve();
  createAnswer = () => Promise.resolve({});
  constructor() {
    DeadConnection.made.push(this);
  }
  close = (): void => {
    this.connectionState = "closed";
  };
}

interface Sent {
  at: number;
  info_hash: string;
  event?: string;
  offers: unknown[];
}

/** A member of a swarm in which the tracker counts `others`, and holds the same pair back for 30 seconds. */
const member = async (t: TestContext, others: { complete: number; incomplete: number }, left = 1) => {
  const clock = new Clock();
  Socket.made = [];
  DeadConnection.made = [];
  for (const [name, value] of Object.entries({ WebSocket: Socket, RTCPeerConnection: DeadConnection, setTimeout: clock.set, clearTimeout: clock.clear })) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete (globalThis as Record<string, unknown>)[name]));
  }
  const peers = new Set<{ id: Uint8Array }>();
  const transfer = { infoHash: new Uint8Array(20).fill(7), left, received: { origin: 0, peers: 0 }, scheduler: { peers }, get others() { return [...peers]; } } as unknown as Transfer;
  const tracker = new Tracker(() => Promise.resolve("ws://localhost/"), [], new Uint8Array(20));
  const sent: Sent[] = [];
  /** Info-hashes that the tracker does not want now. */
  const refusing = new Set<string>();
  let offered = -Infinity;
  Socket.answer = (text) => {
    const message = { at: clock.now, ...(JSON.parse(text) as Omit<Sent, "at">) };
    sent.push(message);
    if (message.offers.length) offered = clock.now;
    if (refusing.has(message.info_hash)) return JSON.stringify({ action: "announce", info_hash: message.info_hash, "failure reason": "this torrent is no longer shared" });
    const offers = others.complete + others.incomplete > 1 && clock.now - offered >= 30_000 ? 1 : 0;
    return JSON.stringify({ action: "announce", info_hash: message.info_hash, interval: 120, ...others, offers });
  };
  tracker.join(transfer);
  return { clock, sent, peers, tracker, transfer, refusing };
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

/** The tracker says of itself that a swarm is over: held out by the experiment, or purged. */
const withdraw = (refusing: Set<string>, transfer: Transfer): void => {
  const hash = binary(transfer.infoHash);
  refusing.add(hash);
  Socket.made.at(-1)!.onmessage!({ data: JSON.stringify({ action: "announce", info_hash: hash, "failure reason": "this torrent is no longer shared" }) });
};
const open = (): number => DeadConnection.made.filter(({ connectionState }) => connectionState !== "closed").length;

test("a swarm that the tracker ends: every connection is closed, none is made, and about ten minutes later the tracker is asked again", async (t) => {
  const { clock, sent, transfer, refusing } = await member(t, { complete: 1, incomplete: 1 });
  await clock.pass(1000);
  assert.ok(open() > 0);
  withdraw(refusing, transfer);
  assert.equal(open(), 0);
  assert.equal(Socket.made.at(-1)!.readyState, 3, "nothing else to hear, so nothing is kept open");
  const [made, announced] = [DeadConnection.made.length, sent.length];
  const since = clock.now;
  await clock.pass(450_000);
  assert.equal(sent.length, announced);
  await clock.pass(300_000);
  assert.equal(sent.length, announced + 1);
  near(sent.at(-1)!.at - since, 600_000);
  assert.equal(sent.at(-1)!.event, "started");
  assert.equal(DeadConnection.made.length, made);

  refusing.clear();
  await clock.pass(760_000);
  assert.ok(sent.length > announced + 2, "back in the swarm, with its own rhythm");
  assert.ok(DeadConnection.made.length > made, "and connected again");
});

test("what is on its way when a swarm ends leads nowhere", async (t) => {
  const { clock, sent, transfer, tracker, refusing } = await member(t, { complete: 0, incomplete: 1 });
  // Another swarm, so that the socket stays.
  tracker.join({ ...transfer, infoHash: new Uint8Array(20).fill(8) } as unknown as Transfer);
  await clock.pass(1000);
  const hash = binary(transfer.infoHash);
  const about = (): number => sent.filter(({ info_hash }) => info_hash === hash).length;
  const offer = { action: "announce", info_hash: hash, peer_id: "p".repeat(20), offer_id: "o".repeat(20), offer: { sdp: "v=0" } };
  const say = Socket.made.at(-1)!.onmessage!;
  say({ data: JSON.stringify(offer) });
  assert.equal(open(), 1, "an answer is being made");
  const announced = about();
  withdraw(refusing, transfer);
  say({ data: JSON.stringify({ ...offer, offer_id: "q".repeat(20) }) });
  tracker.completed(transfer);
  await clock.pass(60_000);
  assert.equal(open(), 0);
  assert.equal(about(), announced, "neither answer nor announce");
});

test("the end of one swarm leaves the others and their socket alone", async (t) => {
  const { clock, sent, transfer, tracker, refusing } = await member(t, { complete: 1, incomplete: 1 });
  const other = { ...transfer, infoHash: new Uint8Array(20).fill(8) } as unknown as Transfer;
  tracker.join(other);
  await clock.pass(1000);
  withdraw(refusing, transfer);
  assert.equal(Socket.made.at(-1)!.readyState, 1);
  await clock.pass(100_000);
  const later = sent.filter(({ at }) => at > 1000).map(({ info_hash }) => info_hash);
  assert.ok(later.length > 0);
  assert.deepEqual([...new Set(later)], [binary(other.infoHash)]);
});
