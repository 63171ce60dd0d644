// CPU time a request, `manyhands serve` against nginx and axum's usual ServeDir: the same cached files, the same requests by wrk, in interleaved
// rounds. Of the page, ours is also asked for as a visitor does, who gets the tag.   node tests/bench/ranges.mjs [--short]
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeAsset, MiB } from '../browser/lib/assets.mjs';
import { freePort, startServer } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';
import { send, startNginx } from '../large/lib.mjs';
import { cpu, load as machineLoad, median, program, SHORT } from './lib.mjs';

const ROUNDS = SHORT ? 3 : 5, SECONDS = SHORT ? 1 : 2;
const FILES = { '/large.zip': (SHORT ? 256 : 1024) * MiB, '/ten.zip': 10_000_000, '/page.html': 1_000 };
const PAGE = '<!doctype html><html><head><title>x</title></head><body></body></html>';
const LOADS = [
  { name: '16 KiB range', path: '/large.zip', length: 16 * 1024, connections: 16 },
  { name: '1 MiB range', path: '/large.zip', length: MiB, connections: 4 },
  { name: 'whole 10 MB', path: '/ten.zip', length: 0, connections: 4 },
  { name: '1 KB page', path: '/page.html', length: 0, connections: 16 },
  { name: '1 KB, visitor', path: '/page.html', length: 0, connections: 16, accept: 'text/html' },
];
// A regression must show; what a busy machine does to a ratio must not.
const MOST = 2;

const here = fileURLToPath(new URL('.', import.meta.url));
const run = promisify(execFile);
async function startServeDir(root) {
  const port = await freePort(), child = spawn(program('bench-serve-dir'), [`127.0.0.1:${port}`, root], { stdio: 'inherit' });
  await until('ServeDir answers', () => send(port, '/', { method: 'HEAD' }));
  return { port, pid: child.pid, async stop() { child.kill(); await once(child, 'exit'); } };
}

/** One run of wrk against a server. */
async function measure({ port, pid }, { path, length, connections, accept = '*/*' }) {
  const before = cpu(pid);
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${SECONDS}s`, '-s', join(here, 'range.lua'), `http://127.0.0.1:${port}${path}`],
    { env: { ...process.env, SIZE: String(FILES[path]), LENGTH: String(length), ACCEPT: accept } });
  const seconds = cpu(pid) - before;
  const [requests, bytes, , errors] = /RESULT (\d+) (\d+) (\d+) (\d+)/.exec(stdout).slice(1).map(Number);
  assert.equal(errors, 0, stdout);
  assert.ok(requests > 0, stdout);
  // Of large answers the end cuts some off, which cost CPU too: those are counted by octets, heads included, which weigh nothing there.
  const wanted = length || FILES[path], answers = wanted < 100_000 ? requests : bytes / wanted;
  return { micros: (seconds * 1e6) / answers, rate: answers / SECONDS };
}

const work = await mkdtemp(join(tmpdir(), 'manyhands-bench-')), root = join(work, 'site'), servers = {};
try {
  for (const [path, size] of Object.entries(FILES)) {
    if (path.endsWith('.zip')) await makeAsset(join(root, path), size, path);
    else await writeFile(join(root, path), PAGE.replace('<body>', `<body>${'x'.repeat(size - PAGE.length)}`));
  }
  const port = await freePort();
  servers.manyhands = await startServer({ root, work, port, config: { site: { origin: `http://127.0.0.1:${port}` } } });
  for (const path of Object.keys(FILES)) if (path.endsWith('.zip')) await servers.manyhands.shared(path);
  servers.nginx = await startNginx(work, root);
  servers.ServeDir = await startServeDir(root);

  console.log(`${ROUNDS} rounds of ${SECONDS} s, load before: ${machineLoad()}`);
  console.log('CPU a request in microseconds: median (least to most); ratio of medians of the same rounds');
  let worst = 0;
  for (const load of LOADS) {
    const seen = Object.fromEntries(Object.keys(servers).map((name) => [name, []]));
    for (const server of Object.values(servers)) await measure(server, load);
    for (let round = 0; round < ROUNDS; round++) for (const [name, server] of Object.entries(servers)) seen[name].push(await measure(server, load));
    const micros = (name) => seen[name].map((one) => one.micros);
    for (const name of Object.keys(servers)) {
      const all = micros(name), [least, most] = [Math.min(...all), Math.max(...all)];
      console.log(`${load.name.padEnd(13)} ${name.padEnd(10)} ${median(all).toFixed(1)} (${least.toFixed(1)} to ${most.toFixed(1)}), ${median(seen[name].map((one) => one.rate)).toFixed(0)} requests/s`);
    }
    const ratio = (name) => median(micros('manyhands').map((ours, round) => ours / seen[name][round].micros));
    console.log(`${load.name.padEnd(13)} manyhands : nginx ${ratio('nginx').toFixed(2)}, manyhands : ServeDir ${ratio('ServeDir').toFixed(2)}`);
    worst = Math.max(worst, ratio('ServeDir'));
  }
  assert.ok(worst <= MOST, `manyhands takes ${worst.toFixed(2)} times the CPU of ServeDir`);
} finally {
  for (const server of Object.values(servers)) await server.stop();
  await rm(work, { recursive: true, force: true });
}
