// Real Chromium with nginx in front: of the static tree, of an origin behind it, and without the module. The same shares as with `manyhands serve`
// (three-downloads.test.mjs, alone.test.mjs): what the origin sends is counted at the relay.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from '../browser/lib/assets.mjs';
import { ASSET, controlled, download, isAsset, isOurs, site } from '../browser/lib/stage.mjs';
import { startStock } from './lib/examples.mjs';
import { startNginx } from './lib/nginx.mjs';
import { startBehind } from './lib/stage.mjs';

const SIZE = 16 * MiB, RATE = 4_000_000, OVERHEAD = 40_000;

/** The places: nginx with the module before files, and before another nginx, which has them; nginx without the module, before files. */
const PLACES = {
  'a static tree': {},
  'a proxied origin': { upstream: async (root, t) => {
    const origin = await startNginx(join(root, '../origin'), { module: false, workers: 1, http: ([port]) => `server { listen 127.0.0.1:${port}; root ${root}; gzip on; }` });
    t.after(() => origin.stop());
    return origin.port;
  } },
  'no module': { host: startStock, config: { assets: { preload: [ASSET] } } },
};

const open = (t, { upstream, host = startBehind, config }) => site(t, { rate: RATE, host, config, files: (root) => makeAsset(join(root, ASSET), SIZE), upstream: upstream && ((root) => upstream(root, t)) });

/** Asks for the asset, by the name that the site has, and waits until it is shared. */
async function sharing(s) {
  await (await fetch(`${s.origin}${ASSET}`)).arrayBuffer();
  await s.server.shared(ASSET);
}

for (const [name, options] of Object.entries(PLACES)) {
  test(`${name}: three simultaneous downloads share one copy, and a single visitor costs one`, { timeout: 300_000 }, async (t) => {
    const s = await open(t, options);
    await sharing(s);
    const { page: plainPage } = await s.plainVisitor();
    s.relay.reset();
    const plain = await download(plainPage, ASSET, { through: 'network' });
    assert.equal(plain.sha256, s.files.sha256);

    // Alone: no more than the file, and little of ours.
    s.relay.reset();
    const alone = await s.visitor(), one = await download(alone.page, ASSET);
    assert.equal(one.sha256, s.files.sha256);
    const asset = s.relay.body(isAsset(ASSET)), overhead = s.relay.body(isOurs);
    assert.ok(asset <= SIZE, `${asset} octets of an asset of ${SIZE}`);
    assert.ok(overhead <= OVERHEAD, `${overhead} octets of scripts, manifests and tracker:\n${s.relay.find(isOurs).map((e) => `${e.body} ${e.path}`).join('\n')}`);
    assert.deepEqual(alone.browser.complaints, []);
    // The page once more, now under the worker's control.
    await alone.page.reload();
    await controlled(alone.page);
    await alone.browser.close();

    const visitors = await Promise.all([1, 2, 3].map(() => s.visitor()));
    s.relay.reset();
    const after = await Promise.all(visitors.map(({ page }) => download(page, ASSET)));
    for (const each of after) assert.equal(each.sha256, s.files.sha256);
    const total = s.relay.down;
    t.diagnostic(`${name}: the origin sent ${(total / SIZE).toFixed(3)} x the file to three, ${(asset / SIZE).toFixed(3)} x and ${overhead} octets of ours to one; plain ${Math.round(plain.ms)} ms, alone ${Math.round(one.ms)} ms, three ${after.map((o) => Math.round(o.ms))} ms`);
    assert.ok(total <= 1.35 * SIZE, `the origin sent ${total} octets, ${(total / SIZE).toFixed(3)} times the file`);
    const slowest = Math.max(...after.map((o) => o.ms));
    assert.ok(slowest < 3 * plain.ms, `slowest shared download ${Math.round(slowest)} ms, a plain one alone ${Math.round(plain.ms)} ms`);
    for (const { browser } of visitors) assert.deepEqual(browser.complaints, []);
  });
}
