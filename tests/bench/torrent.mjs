// What a version 1 torrent of a cached file costs: manyhands torrent create against mktorrent on one thread and on two.   node tests/bench/torrent.mjs [--short]
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAsset, MiB } from '../browser/lib/assets.mjs';
import { binary } from '../browser/lib/server.mjs';
import { infohash } from '../interop/lib.mjs';
import { load, median, SHORT, timeOf } from './lib.mjs';

const SIZE = (SHORT ? 256 : 2048) * MiB, ROUNDS = SHORT ? 3 : 7;

const work = await mkdtemp(join(tmpdir(), 'manyhands-bench-'));
try {
  const { path } = await makeAsset(join(work, 'large.zip'), SIZE);
  const torrent = join(work, 'x.torrent');
  const programs = {
    manyhands: [binary(), 'torrent', 'create', path, '-o', torrent, '--piece-length', '1MiB'],
    'mktorrent -t 1': ['mktorrent', '-d', '-t', '1', '-l', '20', '-o', torrent, path],
    'mktorrent -t 2': ['mktorrent', '-d', '-t', '2', '-l', '20', '-o', torrent, path],
  };
  const times = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
  const made = new Set();
  console.log(`load before: ${load()}`);
  // The first round warms the cache and is not counted.
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, command] of Object.entries(programs)) {
      const time = timeOf(...command);
      if (round >= 0) times[name].push(time);
      made.add(infohash(await readFile(torrent)));
      await rm(torrent);
    }
  }
  console.log(`load after: ${load()}`);
  assert.equal(made.size, 1, 'the torrents are not the same');

  const middle = (name, what) => median(times[name].map((time) => time[what]));
  for (const name of Object.keys(programs)) {
    const [cpu, wall] = ['cpu', 'wall'].map((what) => {
      const all = times[name].map((time) => time[what]);
      return `${middle(name, what).toFixed(3)} (${Math.min(...all).toFixed(3)} to ${Math.max(...all).toFixed(3)})`;
    });
    console.log(`${name}: ${SIZE / MiB} MiB, CPU ${cpu} s, elapsed ${wall} s`);
  }
  const ratio = (other, what) => middle('manyhands', what) / middle(other, what);
  for (const other of ['mktorrent -t 1', 'mktorrent -t 2']) {
    console.log(`manyhands : ${other}: CPU ${ratio(other, 'cpu').toFixed(2)}, elapsed ${ratio(other, 'wall').toFixed(2)}`);
  }
  assert.ok(ratio('mktorrent -t 1', 'cpu') < 1.5, 'a torrent costs far more CPU time than with mktorrent');
} finally {
  await rm(work, { recursive: true, force: true });
}
