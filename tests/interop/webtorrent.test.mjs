// webtorrent, as published, against our browser client: both directions, over our own tracker.
import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { test } from 'node:test';
import WebTorrent from 'webtorrent';
import { makeAsset, MiB, sha256File } from '../browser/lib/assets.mjs';
import { ASSET, download, isAsset, PREFIX, site, status } from '../browser/lib/stage.mjs';

const SIZE = 8 * MiB;

/** A webtorrent that talks to nobody but the tracker it is told of. */
function webtorrent(t) {
  const client = new WebTorrent({ dht: false, lsd: false, natUpnp: false, natPmp: false, utp: false, utPex: false, tracker: { rtcConfig: { iceServers: [] } } });
  client.on('error', (error) => t.diagnostic(`webtorrent: ${error.message}`));
  t.after(() => new Promise((resolve) => { client.destroy(resolve); }));
  return client;
}

async function trackerUrl(s) {
  const settings = await (await fetch(`${s.origin}${PREFIX}/site.json`)).json();
  return new URL(settings.tracker, s.origin.replace('http', 'ws')).href;
}

test('webtorrent completes from our browser client, knowing only a magnet link', { timeout: 180_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  const manifest = await s.server.shared(ASSET);
  const magnet = await (await fetch(`${s.origin}${PREFIX}/magnet${ASSET}`)).text();
  assert.ok(magnet.startsWith(`magnet:?xt=urn:btih:${manifest.infohash}`));
  assert.match(magnet, /&tr=ws/, 'an open swarm names its tracker');
  const { browser, page } = await s.visitor();
  await download(page, ASSET);

  s.relay.reset();
  const client = webtorrent(t);
  // Without the web seed and the .torrent's address: metadata and data can come from the browser alone.
  const bare = magnet.trim().replace(/&(ws|xs)=[^&]*/g, '');
  const torrent = client.add(bare, { path: join(s.work, 'out') });
  await once(torrent, 'done');
  assert.equal(await sha256File(join(s.work, 'out', torrent.name)), s.files.sha256);
  assert.equal(torrent.name, 'big.zip');
  assert.equal(s.relay.body(isAsset(ASSET)), 0, 'the origin was not asked for it');
  assert.ok((await status(page)).given > 0);
  assert.deepEqual(browser.complaints, []);
});

test('our client completes from webtorrent without HTTP', { timeout: 180_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const metainfo = Buffer.from(await (await fetch(`${s.origin}${PREFIX}/torrent${ASSET}`)).arrayBuffer());
  const dir = join(s.work, 'seed');
  await mkdir(dir);
  await copyFile(s.files.path, join(dir, 'big.zip'));
  const client = webtorrent(t);
  const torrent = client.add(metainfo, { path: dir, announce: [await trackerUrl(s)] });
  await once(torrent, 'ready');
  if (!torrent.done) await once(torrent, 'done');

  const { browser, page } = await s.visitor();
  s.relay.reset();
  assert.equal((await download(page, ASSET, { http: false })).sha256, s.files.sha256);
  assert.equal(s.relay.body(isAsset(ASSET)), 0);
  assert.ok((await status(page)).received.peers >= SIZE);
  assert.ok(torrent.uploaded >= SIZE);
  assert.deepEqual(browser.complaints, []);
});
