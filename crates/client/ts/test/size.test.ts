/** Sizes are promised; raise a number only in the change that grows it, with the reason. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { brotliCompressSync, constants } from "node:zlib";

const root = process.env.MANYHANDS_CLIENT!;
const budget = JSON.parse(readFileSync(join(root, "size-budget.json"), "utf8")) as Record<string, number>;

for (const [file, limit] of Object.entries(budget)) {
  test(`${file} is at most ${limit} bytes of brotli`, () => {
    const size = brotliCompressSync(readFileSync(join(root, "assets", file)), { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
    assert.ok(size <= limit, `${size}`);
  });
}
