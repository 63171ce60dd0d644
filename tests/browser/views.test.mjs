// The first view is not intercepted and costs nothing; from the second on, a complete asset is answered from storage.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, controlled, download, isAsset, ready, site, stored } from './lib/stage.mjs';

const SIZE = 4 * MiB;

test('first view: the page arrives before anything of ours is asked for, and completes without a worker', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const browser = await s.browser();
  const page = await browser.context.newPage();
  const order = [];
  page.on('request', (request) => order.push(new URL(request.url()).pathname));
  await page.goto(s.origin);
  assert.equal(order[0], '/');
  const worker = await page.evaluate(() => performance.getEntriesByType('navigation')[0].workerStart);
  assert.equal(worker, 0, 'the first navigation met no worker');
  await ready(page);
  await controlled(page);
  assert.deepEqual(browser.complaints, []);
});

test('second view: the file comes from storage, the origin sends none of it', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const { browser, page } = await s.visitor();
  await controlled(page);
  assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  await stored(page, ASSET);
  await page.goto(s.origin);
  await ready(page);
  await controlled(page);
  s.relay.reset();
  assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256);
  assert.equal(s.relay.body(isAsset(ASSET)), 0);
  assert.equal((await download(page, ASSET, { through: 'network' })).sha256, s.files.sha256);
  assert.equal(s.relay.body(isAsset(ASSET)), SIZE, 'who asks for the network gets the network');
  assert.deepEqual(browser.complaints, []);
});

test('what is stored is credited once a month, not at every page load', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const { page } = await s.visitor();
  const credited = () => page.evaluate(() => JSON.parse(localStorage.getItem('manyhands-month')).received);
  const again = async () => {
    await page.goto(s.origin);
    await ready(page);
    assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  };
  await download(page, ASSET);
  await stored(page, ASSET);
  assert.equal(await credited(), SIZE);
  await again();
  assert.equal(await credited(), SIZE);
  // Last used long ago, and a count of another month.
  await page.evaluate(async (name) => {
    const cache = await caches.open('manyhands'), note = await (await cache.match(name)).json();
    await cache.put(name, Response.json({ ...note, used: 0 }));
    localStorage.setItem('manyhands-month', JSON.stringify({ month: '1970-01', given: 7, received: 9 * note.length }));
  }, `/manyhands-store${ASSET}`);
  for (let load = 0; load < 2; load++) {
    await again();
    assert.equal(await credited(), SIZE);
  }
});

test('a hard reload, whose page no worker controls, works', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const { browser, page } = await s.visitor();
  await controlled(page);
  const cdp = await browser.context.newCDPSession(page);
  await Promise.all([page.waitForEvent('load'), cdp.send('Page.reload', { ignoreCache: true })]);
  await ready(page);
  assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256);
  assert.deepEqual(browser.complaints, []);
});

test('a worker that the site already has is left alone', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { files: async (root) => {
    await writeFile(join(root, 'theirs.js'), `addEventListener('install', () => skipWaiting()); addEventListener('activate', (e) => e.waitUntil(clients.claim()));
      addEventListener('fetch', (e) => { if (e.request.url.endsWith('/answer')) e.respondWith(new Response('theirs')); });`);
    return makeAsset(join(root, ASSET), SIZE);
  } });
  await s.server.shared(ASSET);
  const browser = await s.browser();
  // The site's own worker comes first, before our script was ever loaded.
  await browser.context.route((url) => url.pathname.endsWith('/loader.js'), (route) => route.abort());
  const page = await browser.open(s.origin);
  await page.evaluate(() => navigator.serviceWorker.register('/theirs.js'));
  await controlled(page);
  await browser.context.unrouteAll();
  await page.goto(s.origin);
  await ready(page);
  assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  const workers = await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).map((r) => new URL(r.active.scriptURL).pathname));
  assert.deepEqual(workers, ['/theirs.js']);
  assert.equal(await page.evaluate(() => fetch('/answer').then((r) => r.text())), 'theirs');
});
