// A start over files that were hashed before, against hashing them: 2,000 sparse files of 8 MiB.   node tests/bench/restart.mjs [--short]
// From the start of the process until every file's metainfo is served again.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MiB } from '../browser/lib/assets.mjs';
import { freePort, PREFIX, startServer } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';
import { cpu, load, median, SHORT } from './lib.mjs';

const FILES = SHORT ? 200 : 2_000, ROUNDS = SHORT ? 3 : 5;
const name = (number) => `${String(number).padStart(4, '0')}.zip`;

/** Seconds, by the clock and of CPU, from the start of the process until the status counts all files as ready and nothing is waiting. */
async function ready(root, work, pause) {
  const started = performance.now();
  const server = await startServer({ root, work, port, config: { site: { origin: `http://127.0.0.1:${port}` } } });
  try {
    await until('all files are ready', async () => {
      // The assets themselves are listed up to the thousandth.
      const { pending, counts } = await (await fetch(`${server.origin}${PREFIX}/status.json`)).json();
      return pending === 0 && counts.ready === FILES;
    }, { timeout: 900_000, every: pause, hint: server.output });
    const taken = { wall: (performance.now() - started) / 1_000, cpu: cpu(server.pid) };
    return taken;
  } finally {
    await server.stop();
  }
}

/** What tells a record written anew from the old one. */
async function records(work) {
  const store = join(work, 'state', 'assets'), [site] = await readdir(store), found = {};
  for (const file of await readdir(join(store, site))) {
    if (file.endsWith('.asset')) { const { ino, mtimeMs } = await stat(join(store, site, file)); found[file] = `${ino} ${mtimeMs}`; }
  }
  return found;
}

// The same all the time: the store belongs to an origin.
const port = await freePort();
const work = await mkdtemp(join(tmpdir(), 'manyhands-bench-')), root = join(work, 'site');
try {
  await mkdir(root);
  for (let number = 0; number < FILES; number++) {
    const file = await open(join(root, name(number)), 'w');
    await file.truncate(8 * MiB);
    await file.close();
  }
  await sleep(2_500); // younger files are looked at twice
  console.log(`${FILES} sparse files of 8 MiB, load before: ${load()}`);
  const hashing = await ready(root, work, 500), before = await records(work), again = [];
  for (let round = 0; round < ROUNDS; round++) again.push(await ready(root, work, 5));
  assert.deepEqual(await records(work), before, 'a start over unchanged files wrote a record');
  for (const what of ['wall', 'cpu']) {
    const starts = again.map((one) => one[what]);
    console.log(`${what}: first start, all hashed, ${hashing[what].toFixed(2)} s; starts over the same files ${starts.map((seconds) => seconds.toFixed(2)).join(', ')} s; ratio ${(hashing[what] / median(starts)).toFixed(0)}`);
  }
} finally {
  await rm(work, { recursive: true, force: true });
}
