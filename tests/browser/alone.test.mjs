// A visitor without company pays nothing: no more bytes than plain HTTP but for the fixed cost of our own files, and no more time.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, download, isAsset, isOurs, median, site } from './lib/stage.mjs';

const SIZE = 24 * MiB, RATE = 2_000_000, OVERHEAD = 40_000;

test('a single visitor costs the origin the file once, and little else', { timeout: 300_000 }, async (t) => {
  const s = await site(t, { rate: RATE, files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const { page: plainPage } = await s.plainVisitor();

  const plain = [], ours = [];
  for (let round = 0; round < 3; round++) {
    s.relay.reset();
    plain.push(await download(plainPage, ASSET, { through: 'network' }));
    // A profile of its own each round: a second visit would be answered from storage.
    s.relay.reset();
    const { browser, page } = await s.visitor();
    const one = await download(page, ASSET);
    assert.equal(one.sha256, s.files.sha256);
    const asset = s.relay.body(isAsset(ASSET)), overhead = s.relay.body(isOurs);
    assert.ok(asset <= SIZE, `${asset} octets of an asset of ${SIZE}`);
    assert.ok(overhead <= OVERHEAD, `${overhead} octets of scripts, manifests and tracker:\n${s.relay.find(isOurs).map((e) => `${e.body} ${e.path}`).join('\n')}`);
    assert.deepEqual(browser.complaints, []);
    ours.push(one);
    await browser.close();
  }
  const ratio = median(ours.map((o) => o.ms)) / median(plain.map((o) => o.ms));
  t.diagnostic(`time ${ratio.toFixed(3)} x plain; plain ${plain.map((o) => Math.round(o.ms))}, ours ${ours.map((o) => Math.round(o.ms))} ms`);
  assert.ok(ratio <= 1.1, `${ratio.toFixed(3)} times plain HTTP's time`);
});
