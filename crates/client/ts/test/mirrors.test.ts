/** What mirrors do for a visitor, with the code that browsers run. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFile, MIB, Visitor, World } from "./simulation";

const SIZE = 48 * MIB;
const file = await makeFile(SIZE);
const RATE = 4e6;
/** What plain HTTP takes at that rate, in ms. */
const PLAIN = (SIZE / RATE) * 1000;

const flip = (data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => data.map((byte) => byte ^ 1);

const finished = async (world: World, visitor: Visitor): Promise<void> => {
  await world.until(() => visitor.finished >= 0 || visitor.error !== undefined);
  assert.equal(visitor.error, undefined);
  assert.ok(visitor.right);
};

test("one visitor and three mirrors, one of which lies: little from the origin, no slower than plain HTTP", async () => {
  const world = new World(file, RATE);
  const visitor = new Visitor(world, file);
  const [one, other, liar] = [world.mirror(file, RATE / 2), world.mirror(file, RATE / 2), world.mirror(file, RATE / 2, flip)];
  const told = [one, other, liar].map((mirror) => visitor.ask(mirror));
  void visitor.read();
  await finished(world, visitor);
  assert.ok(world.origin.sent <= 0.1 * SIZE, `${world.origin.sent / SIZE} of the file from the origin`);
  assert.ok(visitor.finished <= 1.05 * PLAIN, `${visitor.finished / PLAIN} times plain HTTP`);
  assert.deepEqual(told.map(({ wrong }) => wrong.length), [0, 0, 1], "the liar is found out once, and heard no more");
  assert.deepEqual(told.map(({ closed }) => closed), [false, false, true]);
  const { origin, mirrors, peers } = visitor.transfer.received;
  assert.equal(origin + mirrors, SIZE);
  assert.equal(peers, 0);
  // A range spans many units, or mirrors would answer one request after the other.
  assert.ok(one.requests + other.requests < (2 * SIZE) / MIB, `${one.requests} and ${other.requests} requests`);
});

test("the origin's ranges stop: who comes then has all of it from mirrors", async () => {
  const world = new World(file, RATE);
  world.origin.down = true;
  const visitor = new Visitor(world, file);
  const told = visitor.ask(world.mirror(file, RATE));
  void visitor.read();
  await finished(world, visitor);
  assert.equal(world.origin.sent, 0);
  assert.equal(visitor.transfer.received.mirrors, SIZE);
  assert.equal(told.closed, false);
});

test("mirrors that are slow, silent or break off cost no more than slack", async () => {
  for (const [name, mirror] of Object.entries({
    slow: (world: World) => world.mirror(file, 20_000),
    silent: (world: World) => world.mirror(file, RATE, undefined, 1e9),
    "far slower than the origin": (world: World) => world.mirror(file, RATE / 50),
  })) {
    const world = new World(file, RATE);
    const visitor = new Visitor(world, file);
    visitor.ask(mirror(world));
    void visitor.read();
    await finished(world, visitor);
    assert.ok(visitor.finished <= 1.3 * PLAIN, `${name}: ${visitor.finished / PLAIN} times plain HTTP`);
  }
});

test("a mirror that refuses is asked no more, and the others go on", async () => {
  const world = new World(file, RATE);
  const visitor = new Visitor(world, file);
  const [broken, whole] = [world.mirror(file, RATE), world.mirror(file, RATE)];
  const told = visitor.ask(broken);
  visitor.ask(whole);
  void visitor.read();
  await world.until(() => visitor.transfer.received.mirrors > SIZE / 4);
  broken.down = true;
  await world.until(() => told.closed);
  const { requests } = broken;
  await finished(world, visitor);
  assert.equal(broken.requests, requests);
  assert.deepEqual(told.wrong, []);
  assert.ok(world.origin.sent <= 0.1 * SIZE, `${world.origin.sent / SIZE} of the file from the origin`);
});

test("a film plays from a mirror without a stall, and little of it from the origin", async () => {
  const world = new World(file, RATE);
  const visitor = new Visitor(world, file);
  visitor.ask(world.mirror(file, RATE));
  void visitor.read({ media: true }, RATE / 4);
  await finished(world, visitor);
  assert.ok(visitor.stall < 1500, `${visitor.stall} ms`);
  assert.ok(world.origin.sent <= 0.25 * SIZE, `${world.origin.sent / SIZE} of the film from the origin`);
});

test("visitors with a mirror still give to one another", async () => {
  const world = new World(file, RATE);
  const mirror = world.mirror(file, RATE / 2);
  const visitors = [new Visitor(world, file), new Visitor(world, file), new Visitor(world, file)];
  for (const visitor of visitors) {
    visitor.ask(mirror);
    void visitor.read();
  }
  world.after(400, () => world.connectAll());
  await world.until(() => visitors.every((visitor) => visitor.finished >= 0 || visitor.error !== undefined));
  for (const visitor of visitors) assert.ok(visitor.right && visitor.transfer.received.peers > 0);
  assert.ok(world.origin.sent <= 1.2 * SIZE, `${world.origin.sent / SIZE} times the file from the origin`);
});
