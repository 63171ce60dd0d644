/** Tracker messages, also against the transcripts that the Rust side reads. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { binary, hex, unbinary } from "../core/bytes";
import { announce, answer, parse } from "../core/tracker";

interface Vectors {
  identifiers: { accepted: { json: string; hex: string }[]; refused: string[] };
  transcripts: { steps: { message?: object; expect: { message?: Record<string, unknown> }[] }[] }[];
}
const vectors = JSON.parse(readFileSync(join(process.env.MANYHANDS_VECTORS!, "tracker.json"), "utf8")) as Vectors;
const state = { infoHash: "i".repeat(20), peerId: "p".repeat(20), uploaded: 1, downloaded: 2, left: 3 };
const reply = (infoHash: string): string => `{"action":"announce","interval":120,"info_hash":${infoHash}}`;

test("identifiers hold one byte a character", () => {
  for (const { json, hex: expected } of vectors.identifiers.accepted) {
    const message = parse(reply(json));
    assert.equal(message?.kind, "reply", json);
    assert.equal(hex(unbinary(message!.infoHash!)), expected);
    assert.equal(binary(unbinary(message!.infoHash!)), message!.infoHash);
  }
  for (const json of vectors.identifiers.refused) assert.equal(parse(reply(json)), undefined, json);
});

test("every message of the tracker's transcripts is understood", () => {
  let count = 0;
  for (const { steps } of vectors.transcripts) {
    for (const { expect } of steps) {
      for (const { message } of expect ?? []) {
        if (message?.action !== "announce" || "failure reason" in message) continue;
        const parsed = parse(JSON.stringify(message));
        assert.ok(parsed, JSON.stringify(message));
        assert.equal(parsed.kind, message.offer ? "offer" : message.answer ? "answer" : "reply");
        if (parsed.kind === "reply") assert.deepEqual([parsed.offers, parsed.complete, parsed.incomplete], [message.offers ?? 0, message.complete ?? 0, message.incomplete ?? 0]);
        count++;
      }
    }
  }
  assert.ok(count > 10);
});

test("announces and answers have the fields that trackers want", () => {
  const offer = { offer: { type: "offer" as const, sdp: "v=0" }, offer_id: "o".repeat(20) };
  assert.deepEqual(JSON.parse(announce(state, "started", [offer])), {
    action: "announce",
    info_hash: state.infoHash,
    peer_id: state.peerId,
    numwant: 1,
    uploaded: 1,
    downloaded: 2,
    left: 3,
    event: "started",
    offers: [offer],
  });
  const message = JSON.parse(answer(state, "t".repeat(20), "o".repeat(20), "v=0")) as Record<string, unknown>;
  assert.deepEqual([message.to_peer_id, message.offer_id, message.answer], ["t".repeat(20), "o".repeat(20), { type: "answer", sdp: "v=0" }]);
});

test("what makes no sense is nothing", () => {
  for (const text of ["", "null", "[]", "3", "{}", '{"action":"scrape"}', '{"action":"announce"}', `{"action":"announce","info_hash":"${"i".repeat(20)}","offer":{"type":"answer","sdp":"x"}}`]) {
    assert.equal(parse(text), undefined, text);
  }
  assert.deepEqual(parse('{"failure reason":"no"}'), { kind: "failure", infoHash: undefined, reason: "no" });
});
