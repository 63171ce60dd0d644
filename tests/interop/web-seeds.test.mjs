// Torrents of `manyhands torrent create` are completed from `manyhands serve` as web seed, with no peer at all.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from '../browser/lib/assets.mjs';
import { site } from '../browser/lib/stage.mjs';
import { complete, create, digests } from './lib.mjs';

const FILES = ['a big file.zip', 'b/é and 100%.bin', 'b/small', 'z'], SIZES = [3 * MiB + 12_345, MiB, 7, 262_145];

/** A served directory `shelf` that has the directory `the tree`. */
async function shelf(t) {
  const s = await site(t, { files: async (root) => {
    for (const [index, name] of FILES.entries()) await makeAsset(join(root, 'shelf/the tree', name), SIZES[index], index);
  } });
  return { ...s, tree: join(s.root, 'shelf/the tree'), url: `${s.origin}/shelf/` };
}

const CASES = [['aria2', false], ['aria2', true], ['Transmission', false]];

for (const [client, hybrid] of CASES) {
  const version = hybrid ? 'hybrid' : 'version 1', options = hybrid ? ['--hybrid'] : [];

  test(`${client} completes a directory, ${version}`, { timeout: 180_000 }, async (t) => {
    const s = await shelf(t), torrent = join(s.work, 'x.torrent'), out = join(s.work, 'out');
    const made = await create(s.tree, torrent, '--web-seed', s.url, ...options);
    assert.equal(made.infohashV2 !== null, hybrid);
    const expected = await digests(s.tree);
    await complete(t, client, { torrent, out, work: s.work, whole: async () => {
      assert.deepEqual(await digests(join(out, 'the tree')), expected);
      return true;
    } });
    const pads = s.relay.body((e) => e.path.includes('/.pad/'));
    t.diagnostic(`${pads} octets of pads were asked for`);
    // aria2 knows version 1 and takes pads for files.
    assert.equal(pads > 0, hybrid);
  });

  test(`${client} completes a single file, ${version}`, { timeout: 180_000 }, async (t) => {
    const s = await shelf(t), [name] = FILES, torrent = join(s.work, 'x.torrent'), out = join(s.work, 'out');
    await create(join(s.tree, name), torrent, '--web-seed', `${s.url}the%20tree/${encodeURIComponent(name)}`, ...options);
    const { [name]: expected } = await digests(s.tree);
    await complete(t, client, { torrent, out, work: s.work, whole: async () => (await digests(out))[name] === expected });
  });
}

test('the pads of a hybrid are there for a client that asks for them', { timeout: 60_000 }, async (t) => {
  const s = await shelf(t);
  const { files, pieceLength } = await create(s.tree, join(s.work, 'x.torrent'), '--hybrid', '--web-seed', s.url);
  for (const { length } of files.slice(0, -1)) {
    const pad = (pieceLength - (length % pieceLength)) % pieceLength;
    if (pad === 0) continue;
    const answer = await fetch(`${s.url}the%20tree/.pad/${pad}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.deepEqual([answer.status, bytes.length, bytes.every((byte) => byte === 0)], [200, pad, true]);
  }
  assert.equal((await fetch(`${s.url}the%20tree/.pad/`)).status, 404);
});

test('aria2 fetches a file by its Metalink', { timeout: 60_000 }, async (t) => {
  const s = await shelf(t), [name] = FILES, out = join(s.work, 'out');
  const path = `/shelf/the%20tree/${encodeURIComponent(name)}`;
  await s.server.shared(path);
  const { [name]: expected } = await digests(s.tree);
  await complete(t, 'aria2', { torrent: `${s.origin}${path}.meta4`, out, work: s.work, whole: async () => (await digests(out))[name] === expected });
});
