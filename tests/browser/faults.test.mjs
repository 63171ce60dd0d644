// Whatever fails, the visitor gets the same bytes: a peer that dies, a peer that lies, a tracker, worker or server that goes away.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, controlled, download, isAsset, PREFIX, site, status } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const SIZE = 12 * MiB, RATE = 1_500_000;
const prepare = (rate = RATE) => ({ rate, files: (root) => makeAsset(join(root, ASSET), SIZE) });

/** Starts a download without waiting for its end; the caller waits for `progress` before it breaks something. */
function begin(page, path, through = 'client') {
  return page.evaluate(([path, through]) => {
    globalThis.__got = 0;
    globalThis.__result = (async () => {
      const response = await (through === 'client' ? globalThis.manyhands.fetch(path) : fetch(path));
      const parts = [];
      for (let reader = response.body.getReader(); ;) {
        const { done, value } = await reader.read();
        if (done) break;
        globalThis.__got += value.length;
        parts.push(value);
      }
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer()));
      return Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join('');
    })();
    globalThis.__result.catch(() => {});
  }, [path, through]);
}
const result = (page) => page.evaluate(() => globalThis.__result);
const progress = (page, octets) => until(`${octets} octets have arrived`, async () => (await page.evaluate(() => globalThis.__got)) >= octets);

test('a peer killed in mid-piece costs nothing but time', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  const seed = await s.visitor();
  await download(seed.page, ASSET);
  const { browser, page } = await s.visitor();
  await begin(page, ASSET);
  await s.meet(page);
  await seed.browser.kill();
  assert.equal(await result(page), s.files.sha256);
  assert.deepEqual(browser.complaints, []);
});

/** Init script: every data message of this browser leaves with bits flipped, its protocol messages unharmed. */
function liar() {
  const send = RTCDataChannel.prototype.send;
  RTCDataChannel.prototype.send = function (data) {
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : undefined;
    if (bytes && bytes.length > 4096) {
      // A piece message is a head and a block: the block's last octets are changed.
      const bad = bytes.slice();
      for (let at = bad.length - 1024; at < bad.length; at++) bad[at] ^= 0x55;
      globalThis.__lies = (globalThis.__lies ?? 0) + 1;
      return send.call(this, bad);
    }
    return send.call(this, data);
  };
}

test('a peer that sends wrong bytes reaches neither the page nor the next peer', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  const bad = await s.visitor({ scripts: [liar] });
  await download(bad.page, ASSET);
  const { browser, page } = await s.visitor();
  const lies = () => bad.page.evaluate(() => globalThis.__lies ?? 0);
  const [got] = await Promise.all([download(page, ASSET), s.meet(page, async () => (await lies()) > 0)]);
  assert.equal(got.sha256, s.files.sha256);
  assert.ok((await lies()) > 0, 'the liar was asked and lied');
  assert.equal((await status(page)).received.peers, 0, 'nothing it sent counts as received');
  assert.deepEqual(browser.complaints, []);
});

test('tracker sockets cut and refused: the download goes on', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare(3_000_000));
  await s.server.shared(ASSET);
  const first = await s.visitor(), second = await s.visitor();
  await begin(first.page, ASSET);
  await begin(second.page, ASSET);
  await s.meet(first.page, () => s.relay.find((e) => e.upgrade).length >= 2);
  await Promise.all([progress(first.page, MiB), progress(second.page, MiB)]);
  // From here on every upgrade is refused and the sockets that exist are gone; plain HTTP still works.
  s.relay.refuse = (path) => path.startsWith(`${PREFIX}/tracker`);
  assert.ok(s.relay.cut((e) => e?.upgrade) > 0, 'there were tracker sockets');
  assert.equal(await result(first.page), s.files.sha256);
  assert.equal(await result(second.page), s.files.sha256);
});

test('the worker stopped in mid-stream: the page gets all bytes or an honest error, and the next request works', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  const { browser, page } = await s.visitor();
  await controlled(page);
  await begin(page, ASSET, 'page');
  await progress(page, MiB);
  await browser.stopWorkers(page);
  const end = await result(page).then((sha256) => ({ sha256 }), (error) => ({ error }));
  // Chromium fails a streamed answer whose worker is gone; what must never happen is a short body that looks complete.
  if (end.sha256) assert.equal(end.sha256, s.files.sha256, 'a short or wrong body looked complete');
  assert.equal((await download(page, ASSET, { through: 'page' })).sha256, s.files.sha256);
});

test('a download by the client itself does not depend on the worker', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  const { browser, page } = await s.visitor();
  await controlled(page);
  await begin(page, ASSET);
  await progress(page, MiB);
  await browser.stopWorkers(page);
  assert.equal(await result(page), s.files.sha256);
});

test('the server restarted in mid-download: the download completes', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  const { page } = await s.visitor();
  await begin(page, ASSET);
  await progress(page, MiB);
  await s.restart();
  assert.equal(await result(page), s.files.sha256);
  assert.ok(s.relay.body(isAsset(ASSET)) < 1.5 * SIZE, 'what had arrived was not fetched again');
});

test('a purge in the midst of a swarm: everybody parts at once, and the download goes on from the origin', { timeout: 180_000 }, async (t) => {
  // Peers give half a megabyte a second, so that the download is still under way when everybody has parted.
  const s = await site(t, { ...prepare(), config: { upload: { rate: 4_000_000 } } });
  await s.server.shared(ASSET);
  const seed = await s.visitor();
  await download(seed.page, ASSET);
  const { browser, page } = await s.visitor();
  await begin(page, ASSET);
  await s.meet(page);
  const purged = await fetch(`${s.server.origin}${PREFIX}/purge?path=${ASSET}`, { method: 'POST', headers: { 'Content-Type': 'application/json' } });
  assert.deepEqual(await purged.json(), { purged: 1 });
  await until('nobody is connected', async () => (await status(page)).peers === 0 && (await status(seed.page)).peers === 0);
  const before = { ...(await browser.seen(page)), peers: (await status(page)).received.peers, origin: s.relay.body(isAsset(ASSET)) };
  assert.ok((await page.evaluate(() => globalThis.__got)) < SIZE, 'the download is under way');
  assert.equal(await result(page), s.files.sha256);
  assert.equal((await status(page)).received.peers, before.peers, 'nothing more from peers');
  assert.ok(s.relay.body(isAsset(ASSET)) > before.origin, 'the origin gave the rest');
  assert.equal((await browser.seen(page)).peerConnections, before.peerConnections, 'nobody is connected anew');
  assert.deepEqual(browser.complaints, []);
});

/** Init script: whoever asks for a lock waits for its answer. */
function slowLocks() {
  const request = LockManager.prototype.request;
  LockManager.prototype.request = async function (...args) {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    return request.apply(this, args);
  };
}

test('a browser that takes its time over locks shares from its first download on', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare());
  await s.server.shared(ASSET);
  const seed = await s.visitor();
  await download(seed.page, ASSET);
  const { page } = await s.visitor({ scripts: [slowLocks] });
  assert.equal((await download(page, ASSET, { http: false })).sha256, s.files.sha256);
});
