/** Unit digests, roots and span owners, against what other programs computed. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hex, unbinary, type Bytes } from "../core/bytes";
import { Layout, UNIT } from "../core/layout";
import { merkleRoot, unitDigest } from "../core/merkle";
import { owner, score } from "../core/ownership";
import { generator, sha256 } from "./simulation";

interface Vector {
  name: string;
  length: number;
  root: string;
  units?: string[];
}
const { files } = JSON.parse(readFileSync(join(process.env.MANYHANDS_VECTORS!, "metainfo.json"), "utf8")) as { files: Vector[] };
const data = (length: number): Bytes => new Uint8Array(length).map((_, i) => (i * 31 + (i >> 8) * 7 + (i >> 16) * 13) & 255);

for (const { name, length, root, units } of files.filter((vector) => vector.units)) {
  test(`digests and root of ${name}`, async () => {
    const bytes = data(length);
    const digests: Bytes[] = [];
    for (let at = 0; at < length; at += UNIT) digests.push(await unitDigest(bytes.subarray(at, at + UNIT), sha256, length <= UNIT));
    assert.deepEqual(digests.map(hex), units);
    assert.equal(hex(await merkleRoot(digests, sha256)), root);
  });
}

test("spans are owned evenly, by one candidate each, whoever computes it", () => {
  const random = generator(3);
  const ids = Array.from({ length: 5 }, () => new Uint8Array(20).map(() => random() * 256));
  const infoHash = new Uint8Array(20).map(() => random() * 256);
  const counts = new Map<string, number>();
  for (let span = 0; span < 5000; span++) {
    const one = owner(infoHash, ids, span)!;
    assert.equal(one, owner(infoHash, [...ids].reverse(), span));
    counts.set(hex(one), (counts.get(hex(one)) ?? 0) + 1);
    // Without the owner, nobody else's span changes hands.
    const rest = ids.filter((id) => id !== ids[0]);
    if (one !== ids[0]) assert.equal(owner(infoHash, rest, span), one);
  }
  for (const count of counts.values()) assert.ok(count > 850 && count < 1150, `${count}`);
  assert.equal(owner(infoHash, [unbinary("a"), unbinary("b")], 0) !== undefined, true);
});

test("the score is murmur3's finaliser over FNV-1a", () => {
  // FNV-1a of "foobar" is bf9cf968; the finaliser is a bijection with fixed point 0.
  const zeros = new Uint8Array(0);
  assert.equal(score(zeros, zeros, 0), score(Uint8Array.of(), Uint8Array.of(), 0));
  assert.notEqual(score(zeros, zeros, 0), score(zeros, zeros, 1));
});

test("layouts divide exactly", () => {
  const layout = new Layout(3158073, 262144);
  assert.deepEqual([layout.units, layout.pieces, layout.spans, layout.unitLength(48)], [49, 13, 4, 3158073 - 48 * UNIT]);
  assert.deepEqual([layout.spanUnits(3), layout.pieceUnits(12)], [[48, 49], [48, 49]]);
});
