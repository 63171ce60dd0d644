// A file replaced while it is shared: a visitor gets one version whole, or an error, never a mixture; the next visitor gets the new one.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, download, site } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

test('a file overwritten while it is shared is never mixed', { timeout: 240_000 }, async (t) => {
  const s = await site(t, { rate: 2_000_000, files: (root) => makeAsset(join(root, ASSET), 12 * MiB, 'old') });
  await s.server.shared(ASSET);
  const holder = await s.visitor();
  assert.equal((await download(holder.page, ASSET)).sha256, s.files.sha256);

  const visitor = await s.visitor();
  const running = download(visitor.page, ASSET).then((got) => got.sha256, (error) => error);
  await until('the download is under way', () => s.relay.find((e) => e.path === ASSET && e.body > MiB / 2).length > 0);
  const fresh = await makeAsset(join(s.root, ASSET), 12 * MiB + 4321, 'new');
  const got = await running;
  assert.ok(got instanceof Error || got === s.files.sha256 || got === fresh.sha256, `the page was given a mixture: ${got}`);

  const later = await s.visitor();
  assert.equal((await download(later.page, ASSET)).sha256, fresh.sha256, 'a later visitor gets the new version');
  // The one that still holds the old version asks again, as a person would by reloading.
  await holder.page.reload();
  await holder.page.waitForFunction(() => globalThis.manyhands);
  await holder.page.evaluate(() => globalThis.manyhands.ready);
  assert.equal((await download(holder.page, ASSET)).sha256, fresh.sha256, 'stored data of the old version is not served for the new');
});

test('a changed file is shared again as soon as somebody asks for it', { timeout: 180_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), 2 * MiB, 'old') });
  const old = await s.server.shared(ASSET);
  const fresh = await makeAsset(join(s.root, ASSET), 2 * MiB + 4321, 'new');
  await until('the new version is shared', async () => {
    // Somebody asks for the file, as visitors would, by the name of the site: demand is what makes a changed file known.
    await (await fetch(`${s.origin}${ASSET}`, { headers: { Range: 'bytes=0-0' } })).arrayBuffer();
    const manifest = await fetch(`${s.server.origin}/.well-known/manyhands/manifest${ASSET}`);
    return manifest.ok && (await manifest.json()).infohash !== old.infohash;
  }, { timeout: 30_000, hint: s.server.output });
  assert.equal((await s.server.shared(ASSET)).length, fresh.size);
});
