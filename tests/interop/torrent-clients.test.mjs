// Stock BitTorrent clients complete from our .torrent by its web seed alone.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB, sha256File } from '../browser/lib/assets.mjs';
import { PREFIX, site } from '../browser/lib/stage.mjs';
import { until } from '../browser/lib/until.mjs';

// Not a multiple of anything, and a name that must be encoded in the web seed's address.
const SIZE = 9 * MiB + 12_345, PATH = '/files/a%20big%20file.zip', NAME = 'a big file.zip';

const clients = {
  aria2: (torrent, out) => ['aria2c', ['-q', '--enable-dht=false', '--enable-dht6=false', '--bt-enable-lpd=false', '--enable-peer-exchange=false', '--seed-time=0', '-d', out, torrent]],
  Transmission: (torrent, out, work) => ['transmission-cli', ['-g', join(work, 'transmission'), '-w', out, '-u', '0', '-M', torrent]],
};

for (const [name, command] of Object.entries(clients)) {
  for (const address of [`${PREFIX}/torrent${PATH}`, `${PATH}.torrent`]) {
    test(`${name} completes from ${address.startsWith(PREFIX) ? 'the torrent' : 'the suffix .torrent'}`, { timeout: 180_000 }, async (t) => {
      const s = await site(t, { config: { swarm: { foreign: 'mirrors' } }, files: (root) => makeAsset(join(root, 'files', NAME), SIZE) });
      await s.server.shared(PATH);
      const answer = await fetch(`${s.origin}${address}`);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('content-type'), 'application/x-bittorrent');
      const torrent = join(s.work, 'x.torrent'), out = join(s.work, 'out');
      await writeFile(torrent, Buffer.from(await answer.arrayBuffer()));
      await mkdir(out);

      const [program, args] = command(torrent, out, s.work);
      let output = '';
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const failed = once(child, 'error').then(([error]) => { throw error; });
      failed.catch(() => {});
      child.stdout.on('data', (d) => { output += d; });
      child.stderr.on('data', (d) => { output += d; });
      const gone = once(child, 'exit');
      t.after(() => child.kill('SIGKILL'));
      const file = join(out, NAME);
      // Transmission goes on seeding, so what ends the wait is the file itself.
      await Promise.race([failed, until(`${name} has the whole file`, async () => {
        const size = (await stat(file)).size;
        return size === SIZE && (await sha256File(file)) === s.files.sha256;
      }, { timeout: 150_000, every: 300, hint: () => output.slice(-2000) })]);
      child.kill('SIGTERM');
      await gone;
    });
  }
}
