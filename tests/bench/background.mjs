// What visitors notice of hashing: wrk's latencies with and without a file of 10 GiB being hashed, in interleaved rounds.
// node tests/bench/background.mjs [--short]
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeAsset, MiB } from '../browser/lib/assets.mjs';
import { freePort, PREFIX, startServer } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';
import { load, median, SHORT } from './lib.mjs';

const run = promisify(execFile), here = fileURLToPath(new URL('.', import.meta.url));
const ROUNDS = SHORT ? 2 : 5, SECONDS = SHORT ? 2 : 8, LARGE = (SHORT ? 3 : 10) * 1024 * MiB;
const LOADS = [
  { name: '1 KB page', path: '/page.html', size: 1_000, length: 0 },
  { name: '16 KiB range', path: '/asset.zip', size: 256 * MiB, length: 16 * 1024 },
];

/** Latencies in milliseconds under an open-ended load of few connections, and the answers a second. */
async function latencies(port, { path, size, length }) {
  const { stdout } = await run('wrk', ['-t1', '-c4', `-d${SECONDS}s`, '--latency', '-s', join(here, 'range.lua'), `http://127.0.0.1:${port}${path}`],
    { env: { ...process.env, SIZE: String(size), LENGTH: String(length) } });
  const percentile = (which) => {
    const [, value, unit] = new RegExp(`${which}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout);
    return Number(value) * { us: 0.001, ms: 1, s: 1_000 }[unit];
  };
  const [requests, , , errors] = /RESULT (\d+) (\d+) (\d+) (\d+)/.exec(stdout).slice(1).map(Number);
  assert.equal(errors, 0, stdout);
  return { p50: percentile(50), p99: percentile(99), rate: requests / SECONDS };
}

const work = await mkdtemp(join(tmpdir(), 'manyhands-bench-')), root = join(work, 'site');
const port = await freePort();
let server;
try {
  await makeAsset(join(root, 'asset.zip'), 256 * MiB, 'asset');
  await writeFile(join(root, 'page.html'), `<!doctype html><head><title>x</title></head><body>${'x'.repeat(930)}</body>`);
  server = await startServer({ root, work, port, config: { site: { origin: `http://127.0.0.1:${port}` } } });
  await server.shared('/asset.zip');
  const jobs = async () => (await (await fetch(`${server.origin}${PREFIX}/status.json`)).json()).pending;
  console.log(`${ROUNDS} rounds of ${SECONDS} s, 4 connections, load before: ${load()}`);
  let made = 0;
  for (const what of LOADS) {
    const seen = { idle: [], hashing: [] };
    for (let round = 0; round < ROUNDS; round++) {
      seen.idle.push(await latencies(port, what));
      // A new file each time: its first request has it hashed.
      const path = join(root, `large${made}.zip`), file = await open(path, 'w');
      await file.truncate(LARGE);
      await file.close();
      await until('the large file is being hashed', async () => {
        await fetch(`${server.origin}/large${made}.zip`, { headers: { range: 'bytes=0-0' } });
        return await jobs() > 0;
      }, { hint: server.output });
      seen.hashing.push(await latencies(port, what));
      assert.equal(await jobs(), 1, 'the file was hashed before the load ended: take a larger one');
      await rm(path);
      made += 1;
      await until('the large file is given up', async () => { await fetch(`${server.origin}/large${made - 1}.zip`); return await jobs() === 0; }, { timeout: 120_000 });
    }
    const middle = (when, key) => median(seen[when].map((one) => one[key]));
    const ratio = median(seen.hashing.map((one, round) => one.p99 / seen.idle[round].p99));
    for (const when of ['idle', 'hashing']) console.log(`${what.name.padEnd(13)} ${when.padEnd(8)} p50 ${middle(when, 'p50').toFixed(3)} ms, p99 ${middle(when, 'p99').toFixed(3)} ms, ${middle(when, 'rate').toFixed(0)} answers/s`);
    console.log(`${what.name.padEnd(13)} p99 hashing : idle ${ratio.toFixed(2)}`);
  }
} finally {
  await server?.stop();
  await rm(work, { recursive: true, force: true });
}
