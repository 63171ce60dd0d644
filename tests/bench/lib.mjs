// What the benchmarks share: the release build, the middle one, and the load that explains an odd figure.
import { existsSync } from 'node:fs';
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
