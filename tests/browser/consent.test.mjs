// No peer connection and no tracker socket before the visitor agreed, or where a signal says no.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, download, isAsset, PREFIX, ready, site, status } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const SIZE = 8 * MiB, RATE = 2_000_000;
const prepare = (mode) => ({ config: { consent: { mode } }, rate: RATE, files: (root) => makeAsset(join(root, ASSET), SIZE) });
const isTracker = (e) => e.path.startsWith(`${PREFIX}/tracker`);

/** A visitor who agreed and holds the whole file: somebody there to talk to, so that silence is not for want of company. */
async function holder(s) {
  const other = await s.visitor();
  await other.page.evaluate(() => globalThis.manyhands.enable());
  await download(other.page, ASSET);
  return other;
}

/** Downloads and checks that it was plain HTTP in every respect. */
async function downloadsInSilence(s, { browser, page }, again = false) {
  s.relay.reset();
  assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  const seen = await browser.seen(page);
  assert.equal(seen.peerConnections, 0, 'peer connections');
  assert.deepEqual(seen.webSockets, [], 'WebSockets');
  // The second time the browser's own cache may have it.
  if (!again) assert.equal(s.relay.body(isAsset(ASSET)), SIZE);
  assert.equal((await status(page)).received.peers, 0);
}

test('ask: nothing before an answer, nothing after a refusal, sharing after an acceptance', { timeout: 240_000 }, async (t) => {
  const s = await site(t, prepare('ask'));
  await s.server.shared(ASSET);
  await holder(s);

  const asked = await s.visitor();
  assert.equal((await status(asked.page)).state, 'asking');
  await downloadsInSilence(s, asked);

  const refused = await s.visitor();
  await refused.page.evaluate(() => globalThis.manyhands.disable());
  assert.equal((await status(refused.page)).state, 'off');
  await downloadsInSilence(s, refused);
  await refused.page.reload();
  await ready(refused.page);
  assert.equal((await status(refused.page)).state, 'off', 'a refusal is remembered');
  await downloadsInSilence(s, refused, true);

  const agreed = await s.visitor();
  await agreed.page.evaluate(() => globalThis.manyhands.enable());
  assert.equal((await status(agreed.page)).state, 'on');
  const [got] = await Promise.all([download(agreed.page, ASSET), s.meet(agreed.page)]);
  assert.equal(got.sha256, s.files.sha256);
  assert.ok((await browserSawPeers(agreed)) > 0);
  assert.ok((await status(agreed.page)).received.peers > 0, 'some of it came from a peer');
});

test('external: off until the page says so', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare('external'));
  await s.server.shared(ASSET);
  await holder(s);
  const visitor = await s.visitor();
  assert.equal((await status(visitor.page)).state, 'off');
  await downloadsInSilence(s, visitor);
});

/** Notes what the badge said at every WebSocket's construction. */
const watch = () => {
  globalThis.__told = [];
  globalThis.WebSocket = new Proxy(WebSocket, { construct(target, args, self) {
    globalThis.__told.push(document.querySelector('manyhands-badge')?.shadowRoot.textContent ?? 'nothing');
    return Reflect.construct(target, args, self);
  } });
};

test('notice: the badge is there before anything is connected, and turns sharing off and on', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare('notice'));
  await s.server.shared(ASSET);
  await holder(s);
  const { browser, page } = await s.visitor({ scripts: [watch] });
  const badge = page.locator('manyhands-badge');
  const words = () => badge.getByRole('status').innerText();
  const press = async (name, state) => {
    await badge.getByRole('button', { name, exact: true }).click();
    await until(`sharing is ${state}`, async () => (await status(page)).state === state && (await words()).startsWith(`Sharing: ${state}`));
  };

  const [got] = await Promise.all([download(page, ASSET), s.meet(page)]);
  assert.equal(got.sha256, s.files.sha256);
  const told = await page.evaluate(() => globalThis.__told);
  assert.ok(told.length > 0, 'a tracker socket was opened');
  for (const text of told) assert.match(text, /^Sharing: on .*Turn off$/);

  const before = await status(page);
  assert.ok(before.received.peers > 0, 'some of it came from a peer');
  await press('Turn off', 'off');
  const { received } = await status(page);
  assert.deepEqual(received, before.received, 'what was received is still told');
  assert.ok((await words()).includes(`${(received.peers / 1e6).toFixed(1)} MB from visitors`), await words());
  const seen = await browser.seen(page);
  assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  assert.deepEqual(await browser.seen(page), seen, 'nothing is connected while it is off');

  await press('Turn on', 'on');
  assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  assert.ok((await browser.seen(page)).webSockets.length > seen.webSockets.length, 'the tracker is asked again');
  const after = (await status(page)).received;
  assert.ok(after.origin + after.peers > received.origin + received.peers, 'the count goes on');
  assert.equal(await badge.count(), 1);

  await press('Turn off', 'off');
  await page.reload();
  await ready(page);
  assert.equal((await status(page)).reason, 'refused');
  await downloadsInSilence(s, { browser, page }, true);
  assert.equal(await badge.count(), 0);
  await page.evaluate(() => globalThis.manyhands.enable());
  assert.equal((await status(page)).state, 'on');
  assert.deepEqual(browser.complaints, []);
});

const signals = {
  'Global Privacy Control': () => Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true }),
  'Save-Data': () => Object.defineProperty(NetworkInformation.prototype, 'saveData', { get: () => true }),
  'a cellular line': () => Object.defineProperty(NetworkInformation.prototype, 'type', { get: () => 'cellular' }),
};
for (const [name, script] of Object.entries(signals)) {
  test(`${name} wins over the operator's settings`, { timeout: 180_000 }, async (t) => {
    const s = await site(t, prepare('notice'));
    await s.server.shared(ASSET);
    await holder(s);
    const visitor = await s.visitor({ scripts: [script] });
    assert.equal((await status(visitor.page)).state, 'off');
    await downloadsInSilence(s, visitor);
  });
}

test('disable() ends it at once: sockets close, worker and stored data go', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare('notice'));
  await s.server.shared(ASSET);
  const { page } = await holder(s);
  await until('the worker is registered', () => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length === 1));
  await page.evaluate(() => globalThis.manyhands.disable());
  const left = () => page.evaluate(async () => {
    const names = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
    return { workers: (await navigator.serviceWorker.getRegistrations()).length, caches: await caches.keys(), files: names };
  });
  await until('worker, caches and files are gone', async () => {
    const { workers, caches, files } = await left();
    return workers === 0 && caches.length === 0 && files.length === 0;
  }, { timeout: 20_000 });
  assert.equal((await status(page)).peers, 0);
  assert.ok(s.relay.find(isTracker).length > 0, 'there was a tracker socket to begin with');
});

async function browserSawPeers({ browser, page }) {
  return (await browser.seen(page)).peerConnections;
}
