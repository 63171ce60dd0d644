// A volunteer's own program, from its first word to the site until nothing is left of a purged file: the site's operator approves it once, visitors have the bytes from it, nobody has to trust it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { makeAsset, MiB } from './lib/assets.mjs';
import { binary, freePort, startMirrorProgram } from './lib/server.mjs';
import { ASSET, download, isAsset, PREFIX, site, status } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const SIZE = 24 * MiB;

test('a volunteer asks, is approved, carries a visitor, and drops what is purged', { timeout: 300_000 }, async (t) => {
  const s = await site(t, { files: (root) => makeAsset(join(root, ASSET), SIZE) });
  await s.server.shared(ASSET);
  const port = await freePort(), dir = join(s.work, 'mirror');
  const mirror = startMirrorProgram({ work: s.work, args: [s.origin, '--dir', dir, '--listen', `127.0.0.1:${port}`, '--public-url', `http://127.0.0.1:${port}/`, '--name', 'a library'] });
  t.after(() => mirror.stop());
  const state = () => promisify(execFile)(binary(), ['mirror', '--dir', dir, '--status', '--json']).then(({ stdout }) => JSON.parse(stdout), () => undefined);
  const operator = { authorization: `Bearer ${readFileSync(join(s.work, 'state/operator.key'), 'utf8').trim()}` };
  const post = (path) => fetch(`${s.origin}${PREFIX}/${path}`, { method: 'POST', headers: { ...operator, 'content-type': 'application/json' } });
  const base = `http://127.0.0.1:${port}/${new URL(s.origin).host}/`, at = base + ASSET.slice(1);

  // Nobody is let in by asking, and nothing is carried before.
  const { key } = await until('it waits for the operator', async () => { const now = await state(); return now?.sites[0].state === 'pending' && now; }, { hint: mirror.output });
  assert.deepEqual((await (await fetch(`${s.origin}${PREFIX}/site.json`)).json()).mirrors, []);
  assert.equal((await post(`mirrors/decide?mirror=${key}&state=approved`)).ok, true);
  await until('it has the file', async () => (await state())?.sites[0].whole === 1, { timeout: 150_000, hint: mirror.output });
  await until('the site lists it', async () => (await (await fetch(`${s.origin}${PREFIX}/site.json`)).json()).mirrors.includes(base), { timeout: 150_000, hint: () => `${mirror.output()}\n${s.server.output()}` });

  const { browser, page } = await s.visitor({ scripts: [() => { delete globalThis.RTCPeerConnection; }] });
  s.relay.reset();
  const got = await download(page, ASSET);
  assert.equal(got.sha256, s.files.sha256);
  const origin = s.relay.body(isAsset(ASSET)), { received } = await status(page);
  t.diagnostic(`origin ${(origin / SIZE).toFixed(3)} of the file, the volunteer ${(received.mirrors / SIZE).toFixed(3)}`);
  assert.ok(received.mirrors > 0 && received.mirrors + received.origin >= SIZE);
  assert.deepEqual(browser.complaints, []);

  // Part of a file, as any download program asks for it; and the file's own address says where else it is.
  const part = await fetch(at, { headers: { range: 'bytes=1000-1999' } });
  assert.deepEqual([part.status, part.headers.get('content-range'), part.headers.get('access-control-allow-origin')], [206, `bytes 1000-1999/${SIZE}`, '*']);
  assert.equal((await part.arrayBuffer()).byteLength, 1000);
  assert.match((await fetch(`${s.origin}${ASSET}`, { method: 'HEAD' })).headers.get('link'), new RegExp(`<${at}>; rel="?duplicate`));

  const purged = performance.now();
  assert.equal((await post(`purge?path=${encodeURIComponent(ASSET)}`)).ok, true);
  await until('the mirror has dropped it', async () => (await fetch(at, { method: 'HEAD' })).status === 404, { timeout: 60_000, hint: mirror.output });
  t.diagnostic(`gone from the mirror ${Math.round((performance.now() - purged) / 1000)} s after the purge`);
});
