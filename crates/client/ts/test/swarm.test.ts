/** What a whole swarm does, with the code that browsers run. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { PIECE } from "../core/wire";
import { makeFile, MIB, Visitor, World, type VisitorOptions } from "./simulation";

const SIZE = 24 * MIB;
const file = await makeFile(SIZE);
const RATE = 4e6;

const download = async (options: VisitorOptions[], rate = RATE, connectAfter = 400) => {
  const world = new World(file, rate);
  const visitors = options.map((one) => new Visitor(world, file, one));
  for (const visitor of visitors) void visitor.read();
  world.after(connectAfter, () => world.connectAll());
  await world.until(() => visitors.every((visitor) => visitor.finished >= 0 || visitor.error !== undefined));
  return { world, visitors };
};

/** A complete visitor who gives and asks for nothing. */
const seed = (world: World, options: VisitorOptions = {}): Visitor => {
  const visitor = new Visitor(world, file, options);
  visitor.transfer.restore(true);
  // What storage holds is what reading it back would give.
  const store = (visitor.transfer as unknown as { host: { store: { spans: Map<number, Uint8Array> } } }).host.store;
  const { span } = visitor.transfer.layout;
  for (let index = 0; index * span < SIZE; index++) store.spans.set(index, file.data.slice(index * span, (index + 1) * span));
  return visitor;
};

test("one visitor alone takes the file exactly once, as fast as one request would", async () => {
  const { world, visitors } = await download([{}]);
  assert.ok(visitors[0]!.right);
  assert.equal(world.origin.sent, SIZE);
  assert.ok(world.origin.requests <= 3, `${world.origin.requests} requests`);
  assert.ok(visitors[0]!.finished <= (SIZE / RATE) * 1000 * 1.05, `${visitors[0]!.finished} ms`);
});

test("three at once take at most 1.2 times the file from the origin, and are all faster than without one another", async () => {
  const { world, visitors } = await download([{}, {}, {}]);
  for (const visitor of visitors) {
    assert.ok(visitor.right);
    assert.ok(visitor.finished < ((3 * SIZE) / RATE) * 1000 * 0.6, `${visitor.finished} ms`);
  }
  assert.ok(world.origin.sent <= 1.2 * SIZE, `${world.origin.sent / SIZE} times the file`);
});

test("twelve at once stay far below twelve files", async () => {
  const { world, visitors } = await download(Array.from({ length: 12 }, () => ({})));
  for (const visitor of visitors) assert.ok(visitor.right);
  assert.ok(world.origin.sent <= 2.5 * SIZE, `${world.origin.sent / SIZE} times the file`);
});

test("with uplinks too slow to be worth it, nobody takes longer than slack allows", async () => {
  // Plain HTTP would take 3 x 24 MiB / 4 MB/s = 18.9 s.
  const { visitors } = await download([1, 2, 3].map(() => ({ uploadRate: 50_000, uplink: 1e5 })));
  for (const visitor of visitors) {
    assert.ok(visitor.right);
    assert.ok(visitor.finished <= ((3 * SIZE) / RATE) * 1000 * 1.3, `${visitor.finished} ms`);
  }
});

test("a newcomer takes most from a complete peer, within slack", async () => {
  const world = new World(file, RATE);
  seed(world);
  const visitor = new Visitor(world, file);
  void visitor.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  assert.ok(world.origin.sent <= 0.4 * SIZE, `${world.origin.sent / SIZE} of the file`);
  assert.ok(visitor.finished <= (SIZE / RATE) * 1000 * 1.25, `${visitor.finished} ms`);
});

test("slack 1: speed first, both sources at full rate", async () => {
  const world = new World(file, RATE);
  seed(world, { uplink: 3e6 });
  const visitor = new Visitor(world, file, { slack: 1 });
  void visitor.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  assert.ok(visitor.finished <= (SIZE / RATE) * 1000 * 0.75, `${visitor.finished} ms`);
});

test("who has to part from all peers goes on from the origin without a gap", async () => {
  const world = new World(file, RATE);
  seed(world);
  const visitor = new Visitor(world, file);
  void visitor.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.transfer.received.peers > SIZE / 4);
  const before = world.origin.sent;
  visitor.stall = 0;
  visitor.transfer.dismiss();
  const { peers } = visitor.transfer.received;
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  assert.equal(visitor.transfer.received.peers, peers, "nothing more from peers");
  assert.ok(world.origin.sent > before);
  assert.ok(visitor.stall < 500, `${visitor.stall} ms`);
});

test("http: false takes everything from peers", async () => {
  const world = new World(file, RATE);
  seed(world);
  const visitor = new Visitor(world, file);
  world.connectAll();
  void visitor.read({ http: false });
  await world.until(() => visitor.finished >= 0, 60_000);
  assert.ok(visitor.right);
  assert.equal(world.origin.sent, 0);
  assert.ok(world.visitors[0]!.budget.given >= SIZE, "a leecher of a complete asset gets it whole");
});

test("a liar is banned at its first unit and nothing it sent is read", async () => {
  const world = new World(file, RATE);
  const liar = seed(world, {
    tamper: (bytes) => {
      if (bytes[4] !== PIECE || bytes.length < 1000) return bytes;
      const bad = bytes.slice();
      bad[bad.length - 1]! ^= 1;
      return bad;
    },
  });
  const visitor = new Visitor(world, file);
  void visitor.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  assert.equal(visitor.transfer.received.peers, 0);
  assert.equal(visitor.transfer.scheduler.peers.size, 0);
  assert.ok(visitor.finished <= (SIZE / RATE) * 1000 + 1000, `${visitor.finished} ms`);
  // It comes back under the same name: not let in.
  world.connect(visitor, liar);
  await world.until(() => visitor.transfer.scheduler.peers.size === 0 && world.now > visitor.finished + 500);
});

test("a peer that dies in mid-piece costs nothing but its share", async () => {
  const world = new World(file, RATE);
  const dying = seed(world);
  const visitor = new Visitor(world, file);
  void visitor.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.transfer.received.peers > 2 * MIB);
  dying.die();
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  assert.ok(visitor.finished <= (SIZE / RATE) * 1000 * 1.25, `${visitor.finished} ms`);
});

test("a peer that falls silent is snubbed, and its requests return to the pool", async () => {
  const world = new World(file, RATE);
  const silent = seed(world);
  const visitor = new Visitor(world, file);
  void visitor.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.transfer.received.peers > 2 * MIB);
  silent.tamper = () => undefined;
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  assert.ok(visitor.finished <= (SIZE / RATE) * 1000 * 1.25 + 3000, `${visitor.finished} ms`);
});

test("an owner that fetches nothing does not hold others up beyond slack", async () => {
  const world = new World(file, RATE);
  const idle = new Visitor(world, file);
  const visitor = new Visitor(world, file);
  void visitor.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.finished >= 0);
  assert.equal(idle.transfer.received.origin, 0);
  assert.ok(visitor.right);
  assert.ok(visitor.finished <= (SIZE / RATE) * 1000 * 1.3, `${visitor.finished} ms`);
});

test("the tail is raced: last units from a crawling peer do not hold up the end", async () => {
  const world = new World(file, RATE);
  const crawling = seed(world, { uplink: 5e6 });
  // So much slack that nothing else brings the origin in, and a peer just fast enough not to be given up.
  const visitor = new Visitor(world, file, { slack: 20 });
  void visitor.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.transfer.left < MIB);
  const before = world.now;
  (crawling as { uplink: number }).uplink = 50_000;
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  // From the peer alone 20 seconds: 1 MiB at 50 kB/s. Cutting it off for its small gain would take five.
  assert.ok(visitor.finished - before < 4500, `${visitor.finished - before} ms for the tail`);
  assert.ok(visitor.transfer.received.wasted <= 0.03 * SIZE, `${visitor.transfer.received.wasted} bytes wasted`);
});

test("the origin changes in mid-download: an error, not a mixture", async () => {
  const world = new World(file, RATE);
  const visitor = new Visitor(world, file);
  void visitor.read();
  await world.until(() => visitor.transfer.received.origin > 4 * MIB);
  world.origin.data = new Uint8Array(SIZE);
  await world.until(() => visitor.error !== undefined);
  assert.equal((visitor.error as { failure: string }).failure, "changed");
});

test("the origin goes away for a while: the download goes on where it was", async () => {
  const world = new World(file, RATE);
  const visitor = new Visitor(world, file);
  void visitor.read();
  await world.until(() => visitor.transfer.received.origin > 4 * MIB);
  world.origin.down = true;
  world.after(4000, () => (world.origin.down = false));
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  assert.ok(world.origin.sent < 1.02 * SIZE);
});

test("no storage: a window moves over the file, and peers are told what went", async () => {
  const big = await makeFile(80 * MIB);
  const world = new World(big, 4e7);
  const visitor = new Visitor(world, big, { store: 0 });
  const other = new Visitor(world, big, { store: 0 });
  void visitor.read();
  void other.read();
  world.after(300, () => world.connectAll());
  await world.until(() => visitor.finished >= 0 && other.finished >= 0);
  assert.ok(visitor.right && other.right);
  assert.ok(visitor.transfer.scheduler.have.count < big.data.length / 65536, "not all of it is kept");
});

test("upload stops at twice what was received, and at the month's cap", async () => {
  const world = new World(file, RATE);
  const giver = seed(world, { uploadMonthly: 3 * MIB });
  const visitor = new Visitor(world, file);
  world.connectAll();
  void visitor.read();
  await world.until(() => visitor.finished >= 0);
  assert.ok(visitor.right);
  assert.ok(giver.budget.given >= 2 * MIB && giver.budget.given <= 3 * MIB + 16384, `${giver.budget.given} given`);
});

test("a stored asset is credited when its month's count is gone, and only then", () => {
  const visitor = new Visitor(new World(file, RATE), file);
  visitor.transfer.restore(false);
  assert.ok(visitor.budget.exhausted);
  visitor.transfer.restore(true);
  assert.ok(visitor.budget.take(SIZE, 0) && visitor.budget.take(SIZE, 1e9));
  assert.ok(visitor.budget.exhausted);
});

test("a player starts at once, does not stall, and shares", async () => {
  // 1 MB/s of media for three viewers from an origin of 4 MB/s.
  const world = new World(file, RATE);
  const viewers = [1, 2, 3].map(() => new Visitor(world, file));
  for (const viewer of viewers) void viewer.read({ media: true }, 1e6);
  world.after(400, () => world.connectAll());
  await world.until(() => viewers.every((viewer) => viewer.finished >= 0));
  for (const viewer of viewers) {
    assert.ok(viewer.right);
    assert.ok(viewer.stall < 2000, `${viewer.stall} ms without a byte`);
  }
  assert.ok(world.origin.sent <= 2 * SIZE, `${world.origin.sent / SIZE} times the file`);
});

test("a viewer who leaves early costs no more than a read-ahead", async () => {
  const world = new World(file, RATE);
  const viewer = new Visitor(world, file);
  void viewer.read({ media: true }, 5e5);
  await world.until(() => world.now >= 6000);
  assert.ok(world.origin.sent < 10 * MIB, `${world.origin.sent} bytes for six seconds`);
});
