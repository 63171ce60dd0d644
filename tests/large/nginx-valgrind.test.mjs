// The module under valgrind: every kind of answer, reloads, a sidecar that goes and comes; no error is the module's. nginx's pools hide from valgrind what is used after
// its time within a pool, so this finds less than it seems to.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startSidecar } from '../browser/lib/server.mjs';
import { ask, NAVIGATION, opened, requestOf } from '../nginx/lib/http.mjs';
import { parts, randomSizes } from '../nginx/lib/origin.mjs';
import { injected, pageOf, PREFIX, proxied, site, SMALL, untouched } from '../nginx/lib/stage.mjs';

const LARGE = pageOf(100_000), BIG = Buffer.alloc(2 << 20, 'octets of a file ');
const HTML = ['Content-Type', 'text/html; charset=utf-8'];

/** The errors that valgrind wrote down, those whose stack passes through the module. */
function errors(dir) {
  return readdirSync(dir).filter((name) => name.startsWith('valgrind.')).flatMap((name) => readFileSync(join(dir, name), 'utf8').split(/^==\d+== $/m))
    .filter((block) => /manyhands/.test(block) && /Invalid|uninitialised|definitely lost|Mismatched|overlap/.test(block));
}

test('every kind of answer under valgrind: no error in the module', { timeout: 900_000 }, async (t) => {
  const logs = mkdtempSync(join(tmpdir(), 'manyhands-valgrind-'));
  t.after(() => rmSync(logs, { recursive: true, force: true }));
  const s = await site(t, {
    files: { 'large.html': LARGE, 'big.zip': BIG, 'ssi.html': SMALL.replace('<p>', '<!--#include virtual="/small.html" --><p>') }, waits: false, alerts: /connect\(\) to unix:/,
    origin: ({ path }) => {
      if (path.endsWith('/parts')) return { headers: [HTML], body: parts(LARGE, randomSizes(3, 3_000)), chunked: true };
      if (path.endsWith('/octets')) return { headers: [HTML], body: parts(pageOf(2_000), () => 1), chunked: true };
      if (path.endsWith('/cut')) return { headers: [HTML], body: [LARGE.subarray(0, 50_000)], chunked: true, abort: true };
      return { headers: [HTML], body: SMALL };
    },
    server: ({ root, upstream }) => `root ${root}; manyhands_suffixes on; location /proxied/ { ${proxied(upstream)} } location /unbuffered/ { ${proxied(upstream, 'proxy_buffering off;')} } location = /ssi.html { ssi on; }
      location /zipped/ { alias ${root}/; gzip on; gzip_min_length 1; }`,
    nginx: { workers: 1, under: ['valgrind', '--trace-children=yes', '--leak-check=full', '--show-leak-kinds=definite', '--num-callers=40', '-q', `--log-file=${logs}/valgrind.%p`] },
  });
  await s.injecting(true, '/small.html', { timeout: 120_000 });
  await s.ask('/big.zip');
  await s.shared('/big.zip', { timeout: 120_000 });

  const round = async () => {
    for (const path of ['/small.html', '/large.html', '/zipped/large.html', '/proxied/parts', '/unbuffered/parts', '/unbuffered/octets', '/ssi.html']) {
      assert.equal((await s.visit(path, { headers: { 'accept-encoding': 'gzip' } })).status, 200, path);
      await s.visit(path, { method: 'HEAD' });
      await s.ask(path);
    }
    await assert.rejects(s.visit('/proxied/cut'));
    injected(await s.visit('/large.html'), LARGE);
    untouched(await s.ask('/big.zip'), BIG);
    for (const path of ['/big.zip', '/big.zip.torrent', '/big.zip.sha256', '/missing', '/missing.zip.torrent', ...['torrent', 'manifest', 'magnet', 'meta4', 'sha256'].map((name) => `${PREFIX}/${name}/big.zip`), `${PREFIX}/loader.js`, `${PREFIX}/nothing`]) {
      for (const headers of [{}, { range: 'bytes=0-99' }, { 'accept-encoding': 'gzip', cookie: 'a=b; manyhands_b=7' }, { 'if-none-match': '*' }]) {
        await s.ask(path, { headers });
        await s.ask(path, { method: 'HEAD', headers });
      }
      await s.ask(path, { method: 'POST', body: 'x' });
    }
    for (const path of ['/large.html', '/big.zip']) {
      const socket = await opened(s.port);
      socket.write(requestOf(path, { headers: NAVIGATION }));
      await new Promise((resolve) => socket.once('data', resolve));
      socket.destroy();
    }
  };
  await round();
  await s.nginx.reload();
  await round();
  await s.sidecar.stop();
  await s.injecting(false, '/small.html', { timeout: 60_000 });
  await ask(s.port, '/large.html', { headers: NAVIGATION });
  const revived = await startSidecar({ work: s.work, socket: s.socket, through: s.origin, config: s.config });
  t.after(() => revived.stop());
  await s.injecting(true, '/small.html', { timeout: 60_000 });
  await round();
  // Quietly, so that workers clean up and leaks are told.
  await s.nginx.stop('SIGQUIT');
  assert.ok(readdirSync(logs).length >= 3, 'valgrind watched the master and its workers');
  const found = errors(logs);
  assert.equal(found.length, 0, found.slice(0, 3).join('\n'));
});
