// What reading a plain access log costs: manyhands estimate beside `wc -l`, which only counts lines, and goaccess, which analyses them.   node tests/bench/estimate.mjs [--short]
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MiB } from '../browser/lib/assets.mjs';
import { binary } from '../browser/lib/server.mjs';
import { load, median, SHORT, timeOf } from './lib.mjs';

const SIZE = (SHORT ? 48 : 1024) * MiB, ROUNDS = SHORT ? 3 : 5;

const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
  'Mozilla/5.0 (compatible; Examplebot/2.1; +https://bot.example/)',
  'Wget/1.21.4',
];

/** A site of many pages and some files, in nginx's Combined form: a line in ten is of a file. Returns the octets and the lines. */
function writeLog(path) {
  const file = openSync(path, 'w');
  let seed = 1, size = 0, lines = 0, second = 0;
  const below = (n) => { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; return Math.floor((seed / 2 ** 32) * n); };
  const two = (n) => String(n).padStart(2, '0');
  while (size < SIZE) {
    let text = '';
    for (let n = 0; n < 10_000; n++, lines++) {
      if (n % 20 === 0) second++;
      const day = Math.floor(second / 86_400), time = `${two(1 + (day % 28))}/Oct/2026:${two(Math.floor(second / 3600) % 24)}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)} +0000`;
      const asset = below(10) === 0;
      const target = asset ? `/pub/release-${below(200)}.iso` : below(2) ? `/wiki/article-${below(100_000)}.html` : `/static/img/picture-${below(1000)}.jpg`;
      const octets = asset ? 50_000_000 + below(100_000_000) : below(100_000);
      text += `${11 + below(200)}.${below(256)}.${below(256)}.${below(256)} - - [${time}] "GET ${target} HTTP/1.1" 200 ${octets} "https://example.org/" "${AGENTS[below(AGENTS.length)]}"\n`;
    }
    size += writeSync(file, text);
  }
  closeSync(file);
  return { size, lines };
}

const work = await mkdtemp(join(tmpdir(), 'manyhands-bench-'));
try {
  const log = join(work, 'access.log'), { size, lines } = writeLog(log);
  const programs = {
    manyhands: [binary(), 'estimate', '--json', log],
    'wc -l': ['wc', '-l', log],
    goaccess: ['goaccess', '--log-format=COMBINED', '--no-global-config', '--no-progress', '--no-query-string', '-o', join(work, 'report.json'), log],
  };
  const times = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
  console.log(`load before: ${load()}`);
  // The first round warms the cache and is not counted.
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, command] of Object.entries(programs)) {
      const time = timeOf(...command);
      if (round >= 0) times[name].push(time);
    }
  }
  console.log(`load after: ${load()}`);
  const said = JSON.parse(spawnSync(binary(), ['estimate', '--json', log], { encoding: 'utf8', maxBuffer: 1 << 26 }).stdout);
  assert.equal(said.log.requests, lines, 'not all lines were read');
  assert.ok(said.eligible.requests > lines / 12, 'no work for the model');

  const middle = (name) => median(times[name].map((time) => time.cpu));
  for (const name of Object.keys(programs)) {
    const all = times[name].map((time) => time.cpu);
    const rate = (seconds) => (size / 1e6 / Math.max(seconds, 0.001)).toFixed(0);
    console.log(`${name}: ${lines} lines, ${(size / 1e6).toFixed(0)} MB, CPU ${middle(name).toFixed(3)} s (${Math.min(...all).toFixed(3)} to ${Math.max(...all).toFixed(3)}), ${rate(middle(name))} MB a CPU second`);
  }
  console.log(`manyhands : goaccess: CPU ${(middle('manyhands') / middle('goaccess')).toFixed(3)}; manyhands : wc -l: CPU ${(middle('manyhands') / middle('wc -l')).toFixed(1)}`);
  assert.ok(middle('manyhands') < middle('goaccess'), 'reading a log costs more than with goaccess');
} finally {
  await rm(work, { recursive: true, force: true });
}
