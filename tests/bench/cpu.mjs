// What the tag in a page and the hashes of a file cost in CPU time, against the obvious other ways.   node tests/bench/cpu.mjs [--short]
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAsset, MiB } from '../browser/lib/assets.mjs';
import { load, median, program, SHORT, timeOf } from './lib.mjs';

const SIZE = (SHORT ? 256 : 1024) * MiB;

/** Runs one of this folder's programs; its output as `{ 'words before the number': number }`. */
function figures(name, ...args) {
  const text = execFileSync(program(name), args, { encoding: 'utf8' });
  return Object.fromEntries(text.trim().split('\n').map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

const work = await mkdtemp(join(tmpdir(), 'manyhands-bench-'));
try {
  console.log(`load before: ${load()}`);

  const page = figures('bench-injection', SHORT ? '5' : '25');
  for (const size of [100_000, 1_000_000]) {
    const [ours, copying, whole] = ['injector', 'injector_copying', 'lol_html'].map((name) => page[`${name} ${size}`]);
    console.log(`page of ${size / 1000} KB: injector ${ours} us (${copying} us with the rest copied), lol_html ${whole} us: ${(whole / ours).toFixed(0)} times (${(whole / copying).toFixed(0)})`);
    // The reason for the early exit: the cost is that of the beginning, whatever the size.
    assert.ok(whole > 5 * copying, `the injector costs ${copying} us, lol_html ${whole} us`);
  }

  const { path } = await makeAsset(join(work, 'large.zip'), SIZE);
  const hashing = figures('bench-hashing', path, SHORT ? '3' : '5');
  const single = [];
  for (let round = 0; round < (SHORT ? 1 : 5); round++) {
    const torrent = join(work, 'x.torrent');
    single.push(timeOf('mktorrent', '-t', '1', '-l', '19', '-o', torrent, path).cpu);
    await rm(torrent);
  }
  const mktorrent = median(single);
  const seconds = (speed) => SIZE / 1e6 / speed;
  console.log(`hashing ${SIZE / MiB} MiB, decimal MB a CPU second: ${Object.entries(hashing).map(([name, speed]) => `${name} ${speed}`).join(', ')}`);
  console.log(`CPU seconds: Hasher (three hashes) ${seconds(hashing.hasher).toFixed(2)}, the same three by themselves ${seconds(hashing.sha1_sha2_sha2).toFixed(2)}, mktorrent (SHA-1 only) ${mktorrent.toFixed(2)}`);
  assert.ok(hashing.hasher > 0.7 * hashing.sha1_sha2_sha2, 'the Hasher costs more than its hashes');
} finally {
  await rm(work, { recursive: true, force: true });
}
