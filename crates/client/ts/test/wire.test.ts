/** The codec under any split of the stream, and under garbage. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Bitfield } from "../core/bitfield";
import { decode, encode, encodeBytes, infoDictionary } from "../core/bencode";
import { concat, unbinary, type Bytes } from "../core/bytes";
import * as wire from "../core/wire";
import { generator } from "./simulation";

const random = generator(42);
const bytes = (length: number): Bytes => new Uint8Array(length).map(() => random() * 256);
const infoHash = bytes(20);
const peerId = bytes(20);

const collect = () => {
  const seen: unknown[] = [];
  const parser = new wire.Parser({
    onHandshake: (handshake) => seen.push(["handshake", handshake]),
    onMessage: (id, body) => seen.push([id, Buffer.from(body).toString("hex")]),
  });
  return { seen, parser };
};

const transcript = concat([
  wire.handshake(infoHash, peerId),
  wire.frame(wire.HAVE_NONE),
  new Uint8Array(4),
  wire.frame(wire.BITFIELD, bytes(77)),
  wire.requestFrame(wire.REQUEST, { piece: 7, offset: 16384, length: 16384 }),
  wire.frame(wire.PIECE, wire.u32(7, 16384), bytes(16384)),
  wire.frame(wire.EXTENDED, Uint8Array.of(0), encodeBytes({ m: { ut_metadata: 1 }, reqq: 512 })),
  wire.frame(wire.HAVE, wire.u32(4_000_000_000)),
]);

test("any split of a stream gives the same messages", () => {
  const whole = collect();
  assert.ok(whole.parser.push(transcript));
  assert.equal(whole.seen.length, 7);
  for (let round = 0; round < 300; round++) {
    const { seen, parser } = collect();
    for (let at = 0; at < transcript.length; ) {
      const size = round === 0 ? 1 : Math.ceil(random() ** 4 * transcript.length);
      assert.ok(parser.push(transcript.slice(at, at + size)));
      at += size;
    }
    assert.deepEqual(seen, whole.seen);
  }
});

test("the handshake says what we can, and is read back", () => {
  const { seen, parser } = collect();
  parser.push(wire.handshake(infoHash, peerId));
  assert.deepEqual(seen, [["handshake", { infoHash, peerId, fast: true, extended: true }]]);
});

test("a frame that is too long, or another protocol, is refused before it is buffered", () => {
  const { parser } = collect();
  assert.ok(parser.push(wire.handshake(infoHash, peerId)));
  assert.equal(parser.push(wire.u32(wire.MAX_FRAME + 1)), false);
  assert.equal(collect().parser.push(bytes(68)), false);
});

test("garbage never throws", () => {
  for (let round = 0; round < 500; round++) {
    const { parser } = collect();
    parser.push(wire.handshake(infoHash, peerId));
    for (let index = 0; index < 20; index++) if (!parser.push(bytes(Math.ceil(random() * 200)))) break;
    try {
      decode(bytes(40));
    } catch (error) {
      assert.equal((error as Error).message, "bencode");
    }
    infoDictionary(bytes(60));
  }
});

test("bencode: there and back, canonical, bounded", () => {
  const value = { a: [1, -2, "\0\xff"], b: { c: "" } };
  assert.deepEqual(decode(encodeBytes(value))[0], Object.assign(Object.create(null), { ...value, b: Object.assign(Object.create(null), value.b) }));
  assert.equal(encode({ b: 1, a: 2 }), "d1:ai2e1:bi1ee");
  for (const bad of ["i01e", "i-0e", "ie", "5:abc", "d1:a", "di1ei2ee", "l".repeat(20), "99999999999:"]) {
    assert.throws(() => decode(unbinary(bad)), /bencode/, bad);
  }
});

test("the info dictionary is cut out exactly as it stands", () => {
  const info = "d6:lengthi5e4:name1:x12:piece lengthi65536e6:pieces3:\0i\xffe";
  const torrent = unbinary(`d8:announce4:info13:creation datei1e4:info${info}8:url-list3:abce`);
  assert.deepEqual(infoDictionary(torrent), unbinary(info));
  assert.equal(infoDictionary(unbinary("d3:fooi1ee")), undefined);
});

test("bitfields keep to the wire's order and refuse spare bits", () => {
  const field = new Bitfield(10);
  assert.ok(field.add(0) && field.add(9) && !field.add(9) && !field.add(10));
  assert.deepEqual([...field.bytes], [0x80, 0x40]);
  const other = new Bitfield(10);
  assert.ok(other.load(field.bytes));
  assert.equal(other.count, 2);
  assert.equal(other.load(Uint8Array.of(0, 0x20)), false);
  assert.equal(other.load(Uint8Array.of(0)), false);
});
