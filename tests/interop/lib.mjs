// What the tests with other programs share: `manyhands torrent`, metainfo taken apart, and BitTorrent clients that have a web seed and nobody else.
import bencode from 'bencode';
import { createHash } from 'node:crypto';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256File } from '../browser/lib/assets.mjs';
import { binary } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';

const run = promisify(execFile);

/** `manyhands torrent create … --json`, read. */
export async function create(path, output, ...args) {
  const { stdout } = await run(binary(), ['torrent', 'create', '--json', '-o', output, ...args, '--', path], { maxBuffer: 64 << 20 });
  return JSON.parse(stdout);
}

/** The info-hash of metainfo, without the `private` key that transmission-create writes even where it says no. */
export function infohash(metainfo) {
  const { info } = bencode.decode(metainfo);
  if (info.private === 0) delete info.private;
  return createHash('sha1').update(bencode.encode(info)).digest('hex');
}

/** Every file below a directory, `{ 'path/below': sha256 }`; pads that a client wrote are none. */
export async function digests(root, below = '') {
  const found = {};
  for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== '.pad') Object.assign(found, await digests(root, path));
    } else if (!/\.(aria2|part)$/.test(entry.name)) {
      found[path] = await sha256File(join(root, path));
    }
  }
  return found;
}

const CLIENTS = {
  // Everything is switched off by which it could find peers; it ends by itself.
  aria2: (out, work, what) => ['aria2c', ['--enable-dht=false', '--enable-dht6=false', '--bt-enable-lpd=false', '--enable-peer-exchange=false', '--seed-time=0',
    '--bt-stop-timeout=60', '--summary-interval=0', '-d', out, what]],
  // It goes on seeding: what ends the wait is `whole`.
  Transmission: (out, work, what) => ['transmission-cli', ['-g', join(work, 'transmission'), '-w', out, '-u', '0', '-M', what]],
};

/** Lets a client fetch a torrent (or what else it takes) into `out`, until `whole` says so. */
export async function complete(t, client, { torrent, out, work, whole }) {
  await mkdir(out, { recursive: true });
  const [program, args] = CLIENTS[client](out, work, torrent);
  let output = '', ended = false;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { output += text; });
  const failed = once(child, 'error').then(([error]) => { throw error; });
  failed.catch(() => {});
  const gone = once(child, 'exit').then(() => { ended = true; });
  t.after(() => child.kill('SIGKILL'));
  const hint = () => output.slice(-2000);
  await Promise.race([failed, until(`${client} has it all`, async () => {
    // Looked at after the end once more, and then never again.
    const last = ended, is = await whole();
    if (last && !is) throw new Error(`${client} ended without it: ${hint()}`);
    return is;
  }, { timeout: 150_000, every: 300, hint, fatal: () => ended })]);
  if (!ended) child.kill('SIGTERM');
  await gone;
}
