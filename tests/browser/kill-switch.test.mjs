// The operator can take a worker back, even a broken one, and even after the software was removed.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, controlled, download, isAsset, PREFIX, site } from './lib/stage.mjs';
import { freePort } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const registrations = (page) => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);

test('a worker of ours that breaks every request is healed by the kill switch in one reload', { timeout: 180_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), 2 * MiB) });
  const browser = await s.browser();
  // A worker as a broken release would have left it: at our URL, in our scope, failing every request but its own update.
  await browser.context.route((url) => url.pathname === `${PREFIX}/sw.js`, (route) => route.fulfill({
    contentType: 'text/javascript', headers: { 'Service-Worker-Allowed': '/', 'Cache-Control': 'no-cache' },
    body: `addEventListener('install', () => skipWaiting()); addEventListener('activate', (e) => e.waitUntil(clients.claim()));
      addEventListener('fetch', (e) => { if (!e.request.url.includes('${PREFIX}/')) e.respondWith(Response.error()); });`,
  }));
  await browser.context.route((url) => url.pathname === '/broken', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  const page = await browser.open(`${s.origin}/broken`);
  await page.evaluate((url) => navigator.serviceWorker.register(url, { scope: '/' }), `${PREFIX}/sw.js?manyhands`);
  await controlled(page);
  await browser.context.unrouteAll();
  await assert.rejects(page.evaluate((path) => fetch(path), ASSET), 'the broken worker breaks the site');

  await s.restart({ site: { disabled: true } });
  // One reload, which may well fail. Chromium looks for a new worker a second after a navigation, and each further navigation puts that off.
  await page.goto(s.origin).catch(() => {});
  await until('the new worker was fetched', () => s.relay.find(isAsset(`${PREFIX}/sw.js`)).length > 0);
  await until('the worker has taken itself back', async () => (await page.goto(s.origin), await registrations(page)) === 0, { every: 2_000 });
  assert.equal(await page.textContent('#text'), 'Its text.');
  assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256);
});

test('switched off, a page shares nothing and removes the worker it had', { timeout: 180_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), 2 * MiB) });
  await s.server.shared(ASSET);
  const { browser, page } = await s.visitor();
  await controlled(page);
  await s.restart({ site: { disabled: true } });
  await page.goto(s.origin);
  await until('the worker is gone', async () => (await registrations(page)) === 0);
  await page.goto(s.origin);
  assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256);
  const seen = await browser.seen(page);
  assert.equal(seen.peerConnections, 0);
  assert.deepEqual(seen.webSockets, []);
});

test('the software removed from the site: pages and files work under the worker that was left behind', { timeout: 180_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), 2 * MiB) });
  await s.server.shared(ASSET);
  const { page } = await s.visitor();
  await controlled(page);
  await s.server.stop();
  // The bare site on the same origin: no reserved prefix, no injected script.
  const port = await freePort();
  const bare = createServer(async (request, response) => {
    const path = request.url === '/' ? '/index.html' : request.url;
    const body = await readFile(join(s.root, path)).catch(() => undefined);
    if (!body) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': path.endsWith('.html') ? 'text/html' : 'application/zip', ETag: '"bare"' }).end(body);
  });
  await new Promise((resolve) => bare.listen(port, '127.0.0.1', resolve));
  t.after(() => { bare.close(); bare.closeAllConnections(); });
  s.relay.target = port;
  s.relay.cut();
  await page.goto(s.origin);
  assert.equal(await page.textContent('#text'), 'Its text.');
  assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256);
});
