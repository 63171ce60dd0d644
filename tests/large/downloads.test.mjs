// The large files of the real site: shared by themselves under `serve`, on request behind `proxy`; whole for a stock BitTorrent client from the web seed
// alone; and from visitor to visitor.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { sha256File } from '../browser/lib/assets.mjs';
import { PREFIX } from '../browser/lib/server.mjs';
import { download, isAsset, site, status } from '../browser/lib/stage.mjs';
import { allFiles, host, send, SITE, urlPath } from './lib.mjs';

const large = (await allFiles()).filter((file) => /\.(deb|zim)$/.test(file));
const [deb] = large.filter((file) => file.startsWith('rust-doc'));
const run = promisify(execFile);

/** Runs aria2 with everything switched off by which it could find peers. Resolves when it has ended by itself with the file whole. */
const aria2 = (torrent, out) => run('aria2c', ['--quiet', '--enable-dht=false', '--enable-dht6=false', '--bt-enable-lpd=false',
  '--enable-peer-exchange=false', '--seed-time=0', '--bt-stop-timeout=60', '--dir', out, torrent]);

for (const kind of ['serve', 'proxy']) {
  test(`manyhands ${kind}: packages and a ZIM file complete in aria2 from the web seed alone`, { timeout: 300_000 }, async (t) => {
    assert.ok(large.length >= 3, `large files: ${large}`);
    const { server, port, work } = await host(t, kind, kind === 'proxy' ? { assets: { preload: large.map(urlPath) } } : {});
    for (const file of large) {
      const path = urlPath(file);
      // A proxy learns of a file when an answer with its bytes passes.
      assert.equal((await send(port, path)).status, 200);
      const manifest = await server.shared(path);
      assert.equal(manifest.length, (await stat(join(SITE, file))).size);
      const answer = await send(port, `${PREFIX}/torrent${path}`);
      assert.equal(answer.status, 200);
      assert.ok(!answer.body.includes('8:announce'), 'the torrent names no tracker');
      const torrent = join(work, `${file}.torrent`), out = join(work, 'out', file);
      await writeFile(torrent, answer.body);
      await mkdir(out, { recursive: true });
      const began = performance.now();
      await aria2(torrent, out);
      assert.equal(await sha256File(join(out, basename(file))), await sha256File(join(SITE, file)));
      t.diagnostic(`${kind}: ${file}, ${manifest.length} octets, ${Math.round(performance.now() - began)} ms`);
    }
  });
}

test('a second visitor of a real page gets the package mostly from the first', { timeout: 300_000 }, async (t) => {
  const size = (await stat(join(SITE, deb))).size, sha256 = await sha256File(join(SITE, deb)), path = urlPath(deb);
  const s = await site(t, { rate: 2_000_000, config: { upload: { rate: 1_000_000_000 } }, files: async (root) => {
    await cp(join(SITE, deb), join(root, deb));
    await cp(join(SITE, 'python-doc'), join(root, 'python-doc'), { recursive: true });
  } });
  await s.server.shared(path);
  const got = [];
  for (const who of ['first', 'second']) {
    const { page } = await s.visitor({ path: '/python-doc/library/index.html' });
    s.relay.reset();
    const { sha256: received, ms } = await download(page, path);
    assert.equal(received, sha256, who);
    const [origin, { received: { peers } }] = [s.relay.body(isAsset(path)), await status(page)];
    got.push({ origin, peers });
    t.diagnostic(`${who} visitor: ${(origin / size).toFixed(3)} of ${size} octets from the origin, ${(peers / size).toFixed(3)} from peers, ${Math.round(ms)} ms`);
  }
  const [first, second] = got;
  assert.ok(first.origin <= 1.05 * size, `the first visitor cost the origin ${first.origin} octets`);
  assert.ok(second.origin < 0.5 * size, `the second visitor cost the origin ${second.origin} of ${size} octets`);
});
