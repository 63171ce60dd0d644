// The floor counts address prefixes, not visitors: a whole office behind one address is still one.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { chromiumPath } from './lib/browser.mjs';
import { BRIDGE_ADDRESS, clientNetwork } from './lib/netns.mjs';
import { ASSET, download, site, status } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

test('two visitors of one address prefix are not introduced; a third from another prefix opens the swarm', { timeout: 240_000 }, async (t) => {
  const scripts = await mkdtemp(join(tmpdir(), 'manyhands-'));
  const network = await clientNetwork(2, scripts);
  t.after(async () => { await network.close(); await rm(scripts, { recursive: true, force: true }); });
  const s = await site(t, { direct: BRIDGE_ADDRESS, config: { swarm: { min_prefixes: 2 } }, files: (root) => makeAsset(join(root, ASSET), 4 * MiB) });
  await s.server.shared(ASSET);
  // Addresses of a bridge are no secure origin for Chromium; this flag makes this one so, and only for the tests.
  const from = (client) => s.visitor({ executable: client.wrap(chromiumPath()), flags: [`--unsafely-treat-insecure-origin-as-secure=${s.origin}`] });

  const office = [await from(network.clients[0]), await from(network.clients[0])];
  for (const { page } of office) assert.equal((await download(page, ASSET)).sha256, s.files.sha256);
  for (const { browser, page } of office) assert.equal((await browser.seen(page)).peerConnections, 0, 'one prefix is below the floor');

  const other = await from(network.clients[1]);
  assert.equal((await download(other.page, ASSET, { http: false })).sha256, s.files.sha256);
  assert.ok((await status(other.page)).received.peers > 0);
  await until('somebody in the office was introduced', async () => (await Promise.all(office.map(({ browser, page }) => browser.seen(page)))).some((seen) => seen.peerConnections > 0));
});
