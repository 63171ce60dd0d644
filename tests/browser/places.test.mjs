// Caches in front of a site may hand its pages, our script included, to places they were not made for: frames and other hosts.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, download, PREFIX, ready, site, status } from './lib/stage.mjs';

const prepare = { files: async (root) => {
  await writeFile(join(root, 'outer.html'), '<!doctype html><link rel="icon" href="data:,"><iframe src="/"></iframe>');
  return makeAsset(join(root, ASSET), MiB);
} };
const workers = (page) => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);

test('in a frame nothing happens', { timeout: 60_000 }, async (t) => {
  const s = await site(t, prepare);
  const browser = await s.browser();
  // The outer page without our script, so that whatever happened would be the frame's doing.
  await browser.context.route((url) => url.pathname === '/outer.html', (route) => route.fulfill({ contentType: 'text/html',
    body: `<!doctype html><link rel="icon" href="data:,"><iframe srcdoc='<script src="${PREFIX}/loader.js"></script>'></iframe>` }));
  const page = await browser.open(`${s.origin}/outer.html`);
  const frame = page.frames()[1];
  await ready(frame);
  const { state, reason } = await status(frame);
  assert.deepEqual([state, reason], ['off', 'framed']);
  assert.equal(await workers(page), 0);
});

/** A visitor of `host` who is told that the site is `origin`. */
async function visitorOf(s, host, origin) {
  const browser = await s.browser();
  await browser.context.route((url) => url.pathname === `${PREFIX}/site.json`, async (route) => {
    const settings = await (await fetch(`${s.origin}${PREFIX}/site.json`)).json();
    await route.fulfill({ json: { ...settings, origin } });
  });
  await browser.context.route((url) => url.pathname === '/here.html', (route) => route.fulfill({ contentType: 'text/html',
    body: `<!doctype html><link rel="icon" href="data:,"><a href="${ASSET}">a</a><script src="${PREFIX}/loader.js" defer></script>` }));
  const page = await browser.open(`http://${host}:${new URL(s.origin).port}/here.html`);
  await ready(page);
  return { page, ...(await status(page)) };
}

test('under another host than the site\'s nothing happens, and files are the network\'s', { timeout: 120_000 }, async (t) => {
  const s = await site(t, prepare);
  await s.server.shared(ASSET);
  const port = new URL(s.origin).port;
  for (const origin of ['https://example.org', `http://example.org:${port}`, 'http://127.0.0.1:1']) {
    const { page, state, reason } = await visitorOf(s, '127.0.0.1', origin);
    assert.deepEqual([state, reason], ['off', 'host'], origin);
    assert.equal(await workers(page), 0);
    assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  }
});

test('names of the loopback interface are one host; a server that does not know its origin is believed', { timeout: 120_000 }, async (t) => {
  const s = await site(t, prepare);
  const port = new URL(s.origin).port;
  for (const [host, origin] of [['localhost', `http://127.0.0.1:${port}`], ['127.0.0.1', `http://[::1]:${port}`], ['127.0.0.1', undefined]]) {
    assert.equal((await visitorOf(s, host, origin)).state, 'on', `${host}, ${origin}`);
  }
});
