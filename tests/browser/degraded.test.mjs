// With a piece of the platform missing the site works exactly as before.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB, sha256File } from './lib/assets.mjs';
import { ASSET, download, isAsset, isOurs, ready, site, status } from './lib/stage.mjs';

const SIZE = 4 * MiB;
const prepare = { rate: 4_000_000, files: (root) => makeAsset(join(root, ASSET), SIZE) };

test('without JavaScript the page and the file are there', { timeout: 120_000 }, async (t) => {
  const s = await site(t, prepare);
  const browser = await s.browser({ context: { javaScriptEnabled: false } });
  const page = await browser.open(s.origin);
  assert.equal(await page.textContent('#text'), 'Its text.');
  const waiting = page.waitForEvent('download');
  await page.goto(`${s.origin}${ASSET}`).catch(() => {});
  assert.equal(await sha256File(await (await waiting).path()), s.files.sha256);
  assert.deepEqual(s.relay.find(isOurs), [], 'none of our files was asked for');
});

const missing = {
  'service workers': () => { delete Navigator.prototype.serviceWorker; },
  'a worker that may not register': () => { ServiceWorkerContainer.prototype.register = () => Promise.reject(new DOMException('denied', 'SecurityError')); },
  WebRTC: () => { delete globalThis.RTCPeerConnection; delete globalThis.RTCDataChannel; delete globalThis.webkitRTCPeerConnection; },
  WebSockets: () => { delete globalThis.WebSocket; },
  'the private file system': () => { StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('denied', 'SecurityError')); },
  'any storage': () => {
    StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('denied', 'SecurityError'));
    CacheStorage.prototype.open = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) Object.defineProperty(globalThis, name, { get() { throw new DOMException('denied', 'SecurityError'); } });
  },
  'Web Locks': () => { delete Navigator.prototype.locks; },
  'broadcast channels': () => { delete globalThis.BroadcastChannel; },
};
for (const [name, script] of Object.entries(missing)) {
  test(`${name} missing: the page is whole and the file identical`, { timeout: 120_000 }, async (t) => {
    const s = await site(t, prepare);
    await s.server.shared(ASSET);
    const { browser, page } = await s.visitor({ scripts: [script] });
    assert.equal(await page.textContent('#text'), 'Its text.');
    s.relay.reset();
    assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
    assert.ok(s.relay.body(isAsset(ASSET)) <= SIZE);
    assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256);
    assert.ok(['on', 'off'].includes((await status(page)).state));
    assert.deepEqual(browser.complaints, []);
  });
}

test('our own files not to be had: the page works and says nothing', { timeout: 120_000 }, async (t) => {
  const s = await site(t, prepare);
  for (const gone of ['client.js', 'sw.js', 'site.json']) {
    const browser = await s.browser();
    await browser.context.route((url) => url.pathname.endsWith(`/${gone}`), (route) => route.fulfill({ status: 503, body: 'no' }));
    const page = await browser.open(s.origin);
    await ready(page);
    assert.equal((await download(page, ASSET)).sha256, s.files.sha256, `without ${gone}`);
    assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256, `without ${gone}`);
    // The browser itself notes the failed request; nothing else may complain.
    assert.deepEqual(browser.complaints.filter((line) => !line.includes(gone) && !line.includes('503')), []);
    await browser.close();
  }
});
