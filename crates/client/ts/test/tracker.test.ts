/** Tracker messages, also against the transcripts that the Rust side reads. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { binary, hex, unbinary } from "../core/bytes";
import { announce, answer, parse } from "../core/tracker";

interface Vectors {
  identifiers: { accepted: { json: string; hex: string }[] };
  transcripts: { steps: { message?: object; expect: { message?: Record<string, unknown> }[] }[] }[];
}
const vectors = JSON.parse(readFileSync(join(process.env.MANYHANDS_VECTORS!, "tracker.json"), "utf8")) as Vectors;
const state = { infoHash: "i".repeat(20), peerId: "p".repeat(20), uploaded: 1, downloaded: 2, left: 3 };
const reply = (infoHash: string): string => `{"action":"announce","interval":120,"info_hash":${infoHash}}`;

test("identifiers hold one byte a character", () => {
  for (const { json, hex: expected } of vectors.identifiers.accepted) {
    const message = parse(reply(json));
    assert.equal(hex(unbinary(message!.info_hash)), expected);
    assert.equal(binary(unbinary(message!.info_hash)), message!.info_hash);
  }
});

test("every message of the tracker's transcripts is understood", () => {
  let count = 0;
  for (const { steps } of vectors.transcripts) {
    for (const { expect } of steps) {
      for (const { message } of expect ?? []) {
        if (message?.action !== "announce") continue;
        const parsed = parse(JSON.stringify(message))!;
        assert.ok(parsed["failure reason"] || parsed.offer?.sdp || parsed.answer?.sdp || (parsed.interval! > 0 && parsed.complete + parsed.incomplete >= 0), JSON.stringify(message));
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

test("what makes no sense is nothing, or has no swarm's name", () => {
  for (const text of ["", "{", "null", "[]", "3", "{}", '{"action":"scrape"}', '{"action":"announce"}']) assert.equal(parse(text)?.info_hash, undefined, text);
});
