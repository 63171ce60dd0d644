// The reserved prefix is the operator's choice, and may change while browsers hold a worker and stored files from before.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, controlled, download, isAsset, isOurs, peered, PREFIX, ready, site, status, stored } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const SIZE = 4 * MiB;
const workers = (page) => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).map((r) => new URL(r.active?.scriptURL ?? location).pathname));

test('another prefix: visitors exchange data, and nothing is asked for under the usual one', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { config: { site: { prefix: '/_shared' } }, files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const first = await s.visitor();
  await download(first.page, ASSET);
  await controlled(first.page);
  assert.deepEqual(await workers(first.page), ['/_shared/sw.js']);
  const second = await s.visitor();
  assert.equal((await download(second.page, ASSET, { http: false })).sha256, s.files.sha256);
  assert.ok((await status(second.page)).received.peers >= SIZE);
  await peered(first.page);
  assert.deepEqual(s.relay.find(isOurs), []);
  assert.deepEqual([...first.browser.complaints, ...second.browser.complaints], []);
});

test('a prefix that changes: the new worker takes the place of the old one, and what is stored still answers', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const { browser, page } = await s.visitor();
  await controlled(page);
  assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  await stored(page, ASSET);
  assert.deepEqual(await workers(page), [`${PREFIX}/sw.js`]);

  await s.restart({ site: { prefix: '/_shared' } });
  await s.server.shared(ASSET);
  // Another address, so that it is surely fetched anew.
  await page.goto(`${s.origin}/?again`);
  await ready(page);
  await until('the new worker is in place', async () => (await workers(page)).join() === '/_shared/sw.js');
  await page.goto(`${s.origin}/?again`);
  await controlled(page);
  s.relay.reset();
  assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256);
  assert.equal(s.relay.body(isAsset(ASSET)), 0, 'answered from storage');
  await page.evaluate(() => globalThis.manyhands.disable());
  assert.deepEqual(await workers(page), []);
  assert.deepEqual(browser.complaints, []);
});
