// A file far larger than what a page may hold streams through without being held. Only with tests/run --large.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, site } from './lib/stage.mjs';

const SIZE = 768 * MiB, LIMIT = 160 * MiB;

test('a large download stays within bounded memory', { timeout: 600_000, skip: !process.env.TEST_LARGE && 'large: tests/run --large' }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const { browser, page } = await s.visitor();
  let done = false, most = 0;
  const running = page.evaluate(async (path) => {
    let size = 0;
    for (let reader = (await globalThis.manyhands.fetch(path)).body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return size;
      size += value.length;
    }
  }, ASSET).finally(() => { done = true; });
  while (!done) most = Math.max(most, await browser.heap(page));
  assert.equal(await running, SIZE);
  t.diagnostic(`at most ${Math.round(most / MiB)} MiB`);
  assert.ok(most <= LIMIT, `${Math.round(most / MiB)} MiB held`);
});
