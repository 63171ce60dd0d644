// Below [swarm] min_prefixes no address is exchanged: visitors of too small a crowd must not learn of one another.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, download, isAsset, site, status } from './lib/stage.mjs';

test('below the floor there is plain HTTP and not one peer connection', { timeout: 180_000 }, async (t) => {
  const size = 6 * MiB;
  const s = await site(t, { config: { swarm: { min_prefixes: 2 } }, rate: 4_000_000, files: (root) => makeAsset(join(root, ASSET), size) });
  await s.server.shared(ASSET);
  const visitors = await Promise.all([s.visitor(), s.visitor()]);
  s.relay.reset();
  const got = await Promise.all(visitors.map(({ page }) => download(page, ASSET)));
  for (const one of got) assert.equal(one.sha256, s.files.sha256);
  assert.equal(s.relay.body(isAsset(ASSET)), 2 * size, 'every octet came from the origin, once for each visitor');
  for (const { browser, page } of visitors) {
    assert.equal((await browser.seen(page)).peerConnections, 0);
    assert.equal((await status(page)).received.peers, 0);
    assert.deepEqual(browser.complaints, []);
  }
});
