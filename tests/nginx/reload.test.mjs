// What nginx users do to it: reload, again and again, under load; and what must never happen but does: a worker that crashes.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { once } from 'node:events';
import { test } from 'node:test';
import { crossover, rows } from '../browser/lib/experiment.mjs';
import { freePort } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';
import { NAVIGATION, opened, parsed, requestOf } from './lib/http.mjs';
import { startLoad } from './lib/load.mjs';
import { descriptors, resident, startNginx } from './lib/nginx.mjs';
import { identical, injected, pageOf, site, workplace } from './lib/stage.mjs';

const LARGE = pageOf(100_000), BIG = Buffer.alloc(2 << 20, 'octets of a file ');
const CONNECTIONS = 16;

/** Reloads under load; what wrk saw, and memory and descriptors of master and workers after each. */
async function reloads(nginx, url, count) {
  const load = startLoad(url, { connections: CONNECTIONS, seconds: 300, headers: NAVIGATION }), seen = [];
  for (let n = 0; n < count; n++) {
    await nginx.reload();
    const workers = nginx.workers();
    seen.push({ master: resident(nginx.master()), open: descriptors(nginx.master()), worker: Math.max(...workers.map(resident)) });
  }
  load.stop();
  return { seen, ...await load.ended };
}

/** The middle of what some entries have. */
const middle = (list, name) => list.map((one) => one[name]).toSorted((a, b) => a - b)[list.length >> 1];

test('100 reloads under load: no error, no more cut connections than without the module, memory and descriptors flat', { timeout: 300_000 }, async (t) => {
  const { work, after } = await workplace(t);
  const s = await site(t, { files: { 'large.html': LARGE }, nginx: { workers: 2 } });
  const plain = await startNginx(join(work, 'plain'), { module: false, http: ([port]) => `server { listen 127.0.0.1:${port}; root ${s.root}; }` });
  after(() => plain.stop());
  const before = await reloads(plain, `${plain.origin}/large.html`, 25);
  const ours = await reloads(s.nginx, `${s.origin}/large.html`, 100);
  const tell = ({ requests, read, seen }) => `${requests} requests, ${read} read errors in ${seen.length} reloads, master ${seen[9].master} to ${seen.at(-1).master} KiB, worker ${seen[9].worker} to ${seen.at(-1).worker} KiB`;
  t.diagnostic(`without the module: ${tell(before)}`);
  t.diagnostic(`with the module: ${tell(ours)}`);
  assert.equal(ours.bad, 0, ours.text);
  assert.equal(ours.connect + ours.write + ours.timeout, 0, ours.text);
  // nginx closes the connections of workers that go: each connection once a reload, with the module or without.
  const rate = ({ read, seen }) => read / seen.length / CONNECTIONS;
  assert.ok(rate(ours) <= Math.max(1, rate(before)) * 1.1, `read errors a connection and reload: ${rate(ours)}, without the module ${rate(before)}`);
  // After the first ten, when every allocator has what it wants.
  const early = ours.seen.slice(10, 30), late = ours.seen.slice(-20);
  // At the least: those of workers that are about to go are open a moment longer.
  const least = (list) => Math.min(...list.map(({ open }) => open));
  assert.equal(least(late), least(early), 'descriptors of the master');
  for (const who of ['master', 'worker']) assert.ok(middle(late, who) <= middle(early, who) * 1.05 + 256, `${who}: ${middle(early, who)} KiB early, ${middle(late, who)} late`);
  injected(await s.visit('/large.html'), LARGE);
});

test('a worker serves for long without growing', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { files: { 'large.html': LARGE, 'big.zip': BIG }, nginx: { workers: 1 } });
  await s.sharing('/big.zip');
  const [worker] = s.nginx.workers(), seen = [];
  for (let round = 0; round < 4; round++) {
    for (const path of ['/large.html', '/big.zip', '/missing', '/.well-known/manyhands/manifest/big.zip']) {
      await startLoad(`${s.origin}${path}`, { seconds: 1, connections: 8, headers: NAVIGATION }).ended;
    }
    await until('connections are closed', () => descriptors(worker) <= (seen[0]?.open ?? 1000), { timeout: 5_000 }).catch(() => {});
    seen.push({ memory: resident(worker), open: descriptors(worker) });
  }
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen.at(-1).memory <= seen[1].memory * 1.05 + 512, 'memory');
  assert.ok(seen.at(-1).open <= seen[0].open + 2, 'descriptors');
  assert.deepEqual(s.nginx.workers(), [worker]);
});

/** A download that says which worker it is at, and goes on until told. */
async function slowly(s, path, headers = {}) {
  const socket = await opened(s.port), parts = [];
  socket.write(requestOf(path, { headers: { ...headers, connection: 'close' } }));
  socket.on('data', (part) => parts.push(part));
  const ended = once(socket, 'close');
  socket.on('error', () => {});
  await until('an answer begins', () => Buffer.concat(parts).includes('\r\n\r\n'));
  const worker = Number(/^x-worker: (\d+)\r$/im.exec(Buffer.concat(parts).toString('latin1'))[1]);
  return { worker, whole: async () => { await ended; return parsed(Buffer.concat(parts)); } };
}

test('a worker crashes: other workers\' visitors notice nothing, and what was counted is not lost', { timeout: 120_000 }, async (t) => {
  const port = await freePort(), experiment = crossover(`http://127.0.0.1:${port}`, { shared: ['/big.zip'] });
  const s = await site(t, {
    port, files: { 'large.html': LARGE, 'big.zip': BIG }, config: { experiment }, alerts: /exited on signal 11/,
    server: ({ root }) => `root ${root}; add_header X-Worker $pid always; location /slow/ { alias ${root}/; limit_rate 500k; add_header X-Worker $pid; }`,
  });
  await s.sharing('/big.zip');
  const sent = async () => (await rows(s)).filter(({ unit }) => unit === '/big.zip').reduce((sum, row) => sum + row.origin_bytes, 0);
  identical((await s.ask('/big.zip')).body, BIG);
  await until('all is counted', async () => await sent() >= BIG.length, { timeout: 20_000, hint: s.output });
  const before = await sent();

  // The daemon hears nothing for a while, so that everything is in nginx alone.
  process.kill(s.sidecar.pid, 'SIGSTOP');
  const ROUNDS = 12;
  for (let n = 0; n < ROUNDS; n++) identical((await s.ask('/big.zip')).body, BIG);
  let downloads = await Promise.all(Array.from({ length: 16 }, () => slowly(s, '/slow/big.zip')));
  const victim = downloads[0].worker, old = s.nginx.workers();
  assert.ok(old.includes(victim));
  downloads = downloads.filter(({ worker }) => worker !== victim);
  assert.ok(downloads.length > 0, 'all downloads are at one worker');
  process.kill(victim, 'SIGSEGV');
  for (const one of downloads) identical((await one.whole()).body, BIG);
  await until('another worker is there', () => s.nginx.workers().length === 2 && !s.nginx.workers().includes(victim));
  for (let n = 0; n < ROUNDS; n++) identical((await s.ask('/big.zip')).body, BIG);
  await s.nginx.reload();
  process.kill(s.sidecar.pid, 'SIGCONT');
  const expected = before + 2 * ROUNDS * BIG.length;
  await until('what was counted arrives', async () => await sent() >= expected, { timeout: 30_000, hint: s.output });
  assert.equal(await sent(), expected);
  await s.injecting();
});
