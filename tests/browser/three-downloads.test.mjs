// Three visitors at once behind a narrow uplink: the reason for the project. File-order fetching would send the file three times.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, download, isAsset, site } from './lib/stage.mjs';

const SIZE = 24 * MiB, RATE = 2_000_000;

test('three simultaneous downloads share one copy from the origin', { timeout: 300_000 }, async (t) => {
  const s = await site(t, { rate: RATE, files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);

  // What plain HTTP does in the same minute on the same machine.
  const plain = await Promise.all([1, 2, 3].map(() => s.plainVisitor()));
  s.relay.reset();
  const before = await Promise.all(plain.map(({ page }) => download(page, ASSET, { through: 'network' })));
  for (const one of before) assert.equal(one.sha256, s.files.sha256);
  assert.ok(s.relay.body(isAsset(ASSET)) >= 3 * SIZE, 'plain HTTP asks for three copies');
  await Promise.all(plain.map(({ browser }) => browser.close()));

  const visitors = await Promise.all([1, 2, 3].map(() => s.visitor()));
  s.relay.reset();
  const after = await Promise.all(visitors.map(({ page }) => download(page, ASSET)));
  for (const one of after) assert.equal(one.sha256, s.files.sha256);
  const total = s.relay.down;
  t.diagnostic(`origin sent ${(total / SIZE).toFixed(3)} x the file; plain ${before.map((o) => Math.round(o.ms))} ms, shared ${after.map((o) => Math.round(o.ms))} ms`);
  assert.ok(total <= 1.35 * SIZE, `the origin sent ${total} octets, ${(total / SIZE).toFixed(3)} times the file`);
  const slowest = Math.max(...after.map((o) => o.ms)), fastestPlain = Math.min(...before.map((o) => o.ms));
  assert.ok(slowest < fastestPlain, `slowest shared download ${Math.round(slowest)} ms, fastest plain one ${Math.round(fastestPlain)} ms`);
  for (const { browser } of visitors) assert.deepEqual(browser.complaints, []);
});
