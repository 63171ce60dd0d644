// Links that save a file: `<a download>` never reaches a worker by itself, and `<a href>` to a file is a navigation.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { makeAsset, MiB, sha256File } from './lib/assets.mjs';
import { ASSET, controlled, download, isAsset, ready, site, status } from './lib/stage.mjs';

const SIZE = 8 * MiB;
const links = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Links</title><link rel="icon" href="data:,"></head><body>
<a id="named" href="${ASSET}" download="their-name.zip">named</a> <a id="unnamed" href="${ASSET}" download>unnamed</a>
<a id="plain" href="${ASSET}">plain</a> <a id="blank" href="${ASSET}" target="_blank">blank</a></body></html>`;
const prepare = (rate) => ({ rate, files: async (root) => {
  await writeFile(join(root, 'links.html'), links);
  return makeAsset(join(root, ASSET), SIZE);
} });

/** Clicks a link and returns the saved file's name and digest. */
async function save(browser, page, id) {
  const waiting = new Promise((resolve) => {
    const listen = (p) => p.on('download', resolve);
    browser.context.pages().forEach(listen);
    browser.context.on('page', listen);
  });
  await page.click(`#${id}`);
  const saved = await waiting;
  assert.equal(await saved.failure(), null);
  return { name: saved.suggestedFilename(), sha256: await sha256File(await saved.path()) };
}

test('every kind of link saves the right bytes under the right name, once from the origin', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  for (const [id, name] of [['named', 'their-name.zip'], ['unnamed', 'big.zip'], ['plain', 'big.zip'], ['blank', 'big.zip']]) {
    const { browser, page } = await s.visitor({ path: '/links.html' });
    await controlled(page);
    s.relay.reset();
    assert.deepEqual(await save(browser, page, id), { name, sha256: s.files.sha256 }, id);
    assert.ok(s.relay.body(isAsset(ASSET)) <= SIZE, `${id}: the origin sent ${s.relay.body(isAsset(ASSET))} octets`);
    assert.ok(page.url().endsWith('/links.html'), `${id}: the page stayed`);
    assert.deepEqual(browser.complaints, []);
    await browser.close();
  }
});

test('a saved link takes from a peer what a peer has', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare(1_000_000));
  await s.server.shared(ASSET);
  const holder = await s.visitor();
  assert.equal((await download(holder.page, ASSET)).sha256, s.files.sha256);
  const { browser, page } = await s.visitor({ path: '/links.html' });
  await controlled(page);
  s.relay.reset();
  const [saved] = await Promise.all([save(browser, page, 'named'), s.meet(page)]);
  assert.equal(saved.sha256, s.files.sha256);
  assert.ok((await status(page)).received.peers > 0);
  assert.ok(s.relay.body(isAsset(ASSET)) < SIZE);
});

/** Init script: what the worker says is heard two seconds late, as by a page whose thread is busy. */
function busy() {
  const listen = ServiceWorkerContainer.prototype.addEventListener;
  ServiceWorkerContainer.prototype.addEventListener = function (type, listener, ...rest) {
    return listen.call(this, type, type === 'message' ? (event) => setTimeout(listener, 2_000, event) : listener, ...rest);
  };
}

test('a page that is busy when its link is clicked serves it all the same', { timeout: 120_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  const { browser, page } = await s.visitor({ path: '/links.html', scripts: [busy] });
  await controlled(page);
  assert.equal((await save(browser, page, 'named')).sha256, s.files.sha256);
  assert.equal((await status(page)).received.origin, SIZE, 'not by plain HTTP');
});

test('before the worker controls the page, a link is left to the browser', { timeout: 120_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  const browser = await s.browser();
  await browser.context.route((url) => url.pathname.endsWith('/sw.js'), (route) => route.fulfill({ status: 404 }));
  const page = await browser.open(`${s.origin}/links.html`);
  await ready(page);
  assert.deepEqual(await save(browser, page, 'named'), { name: 'their-name.zip', sha256: s.files.sha256 });
});
