// The sidecar goes away, in every way a process can: within two seconds no page is touched any more, every page and file is served as ever, and nobody waits.
import assert from 'node:assert/strict';
import { renameSync, unlinkSync } from 'node:fs';
import { test } from 'node:test';
import { startSidecar } from '../browser/lib/server.mjs';
import { header } from './lib/http.mjs';
import { startLoad } from './lib/load.mjs';
import { identical, injected, pageOf, PREFIX, site, TAG, untouched } from './lib/stage.mjs';

const LARGE = pageOf(100_000), BIG = Buffer.alloc(2 << 20, 'octets of a file ');
/** Milliseconds that a request takes here at most, with a busy machine's leave. */
const AT_ONCE = 1_000;

const again = (s) => startSidecar({ work: s.work, socket: s.socket, through: s.origin, config: s.config });

/** How it goes, and how it comes back. */
const WAYS = {
  stopped: [async (s) => { await s.sidecar.stop(); }, async (s) => { s.revived = await again(s); }],
  killed: [async (s) => { await s.sidecar.stop('SIGKILL'); }, async (s) => { s.revived = await again(s); }],
  hung: [(s) => { process.kill(s.sidecar.pid, 'SIGSTOP'); }, (s) => { process.kill(s.sidecar.pid, 'SIGCONT'); }],
  'without its socket': [(s) => renameSync(s.socket, `${s.socket}.away`), (s) => renameSync(`${s.socket}.away`, s.socket)],
  'without its socket for ever': [(s) => unlinkSync(s.socket), async (s) => { await s.sidecar.stop(); s.revived = await again(s); }],
};

for (const [how, [leave, back]] of Object.entries(WAYS)) {
  test(`the sidecar is ${how}`, { timeout: 120_000 }, async (t) => {
    // What the include says of an unreachable socket is an entry of its own.
    const s = await site(t, { files: { 'large.html': LARGE, 'big.zip': BIG }, alerts: /connect\(\) to unix:/ });
    t.after(() => s.revived?.stop());
    await s.sharing('/big.zip');
    const asset = await s.ask('/big.zip'), torrent = await s.ask(`${PREFIX}/torrent/big.zip`);
    assert.equal(torrent.status, 200);
    assert.match(header(asset, 'link'), /torrent/);
    injected(await s.visit('/large.html'), LARGE);

    await leave(s);
    const gone = performance.now();
    let last = 0, slowest = 0, page;
    do {
      page = await s.visit('/large.html');
      slowest = Math.max(slowest, page.ms);
      if (page.body.includes(TAG)) { injected(page, LARGE); last = performance.now() - gone; } else untouched(page, LARGE);
      const file = await s.ask('/big.zip');
      slowest = Math.max(slowest, file.ms);
      untouched(file, BIG);
    } while (performance.now() - gone < 3_500);
    t.diagnostic(`${how}: the last page with the tag after ${Math.round(last)} ms, the slowest answer took ${Math.round(slowest)} ms`);
    assert.ok(last < 2_000, `pages had the tag for ${last} ms`);
    assert.ok(slowest < AT_ONCE, `an answer took ${slowest} ms`);

    // Files stay what they are, and what was published stays.
    assert.equal(header(await s.ask('/big.zip'), 'link'), header(asset, 'link'));
    const still = await s.ask(`${PREFIX}/torrent/big.zip`);
    assert.equal(still.status, 200);
    identical(still.body, torrent.body);
    assert.ok(still.ms < AT_ONCE);
    // Pages that a visitor still has ask for its script: an answer comes, soon, and it is no page.
    const script = await s.ask(`${PREFIX}/loader.js`);
    t.diagnostic(`${how}: its script: ${script.status} after ${Math.round(script.ms)} ms`);
    assert.ok(script.status >= 500 && script.ms < 4_000, `${script.status} after ${script.ms} ms`);

    const load = await startLoad(`${s.origin}/large.html`, { seconds: 1, connections: 8, headers: { accept: 'text/html' } }).ended;
    assert.equal(load.bad + load.read + load.timeout, 0, load.text);

    await back(s);
    await s.injecting();
    injected(await s.visit('/large.html'), LARGE);
  });
}

test('nginx starts without a sidecar, and finds it when it comes', { timeout: 60_000 }, async (t) => {
  const s = await site(t, { files: { 'large.html': LARGE }, alerts: /connect\(\) to unix:/ });
  t.after(() => s.revived?.stop());
  await s.sidecar.stop();
  await s.injecting(false);
  await s.nginx.reload();
  untouched(await s.visit('/large.html'), LARGE);
  s.revived = await again(s);
  await s.injecting();
});

test('the kill switch: no page is touched while sharing is off', { timeout: 60_000 }, async (t) => {
  const s = await site(t, { files: { 'large.html': LARGE, 'big.zip': BIG } });
  await s.sharing('/big.zip');
  const turned = (to) => s.ask(`${PREFIX}/switch?sharing=${to}`, { method: 'POST', headers: { ...s.operator(), 'content-type': 'application/json' }, body: '{}' });
  const off = await turned('off');
  assert.ok(off.status < 400, `${off.status} ${off.body}`);
  await s.injecting(false);
  untouched(await s.visit('/large.html'), LARGE);
  assert.equal(header(await s.ask(`${PREFIX}/manifest/big.zip?again`), 'manyhands-swarm') ?? 'off', 'off');
  assert.ok((await turned('on')).status < 400);
  await s.injecting();
});
