// What the benchmarks share: the release build, the middle one, and the load that explains an odd figure.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUILT = join(process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url)), 'release');
process.env.TEST_BINARY ??= join(BUILT, 'manyhands');

/** Path of one of this folder's programs. */
export function program(name) {
  const path = join(BUILT, name);
  if (!existsSync(path)) throw new Error(`no ${path}: cargo build --release -p manyhands-bench`);
  return path;
}

/** A short form: smaller files, fewer rounds. */
export const SHORT = process.argv.includes('--short');

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
export const load = () => loadavg().map((value) => value.toFixed(1)).join(' ');

const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU seconds a process has used, in user and kernel mode. */
export function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

/** Seconds a command takes: CPU, user and kernel together, and elapsed; by the shell's own `time`. */
export function timeOf(...command) {
  const done = spawnSync('bash', ['-c', 'TIMEFORMAT="TIME %U %S %R"; time "$@" >/dev/null', 'bash', ...command], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  const [user, system, wall] = /TIME (\S+) (\S+) (\S+)/.exec(done.stderr).slice(1).map(Number);
  return { cpu: user + system, wall };
}
