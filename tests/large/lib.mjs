// What the tests on real input share: the site that `prepare` laid out, its files, a host of ours before it, and HTTP without a client's own ideas.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { requireNamespace } from '../browser/lib/netns.mjs';
import { freePort, startServer } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';

/** Where `prepare` has laid out what nobody here wrote. */
export const INPUTS = process.env.TEST_INPUTS ?? fileURLToPath(new URL('../../target/test-inputs', import.meta.url));
/** The site's directory. */
export const SITE = join(INPUTS, 'site');

/** Every file of the site, sorted, as paths below it. Not those with a dot in front: `manyhands serve` keeps them to itself. */
export async function allFiles() {
  if (!existsSync(SITE)) throw new Error(`no ${SITE}: run tests/large/prepare, or set TEST_INPUTS`);
  const entries = await readdir(SITE, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map((entry) => join(entry.parentPath, entry.name).slice(SITE.length + 1)).sort();
}

/** At most `count` of them, evenly spread. */
export const sample = (files, count) => (files.length <= count ? files : Array.from({ length: count }, (_, n) => files[Math.floor((n * files.length) / count)]));

export const isPage = (file) => file.endsWith('.html');

/** The path of a file's URL, as a link would have it: the plus sign of a package's version stays one, for `%2B` would be another path. */
export const urlPath = (file) => `/${file.split('/').map((segment) => encodeURI(segment).replaceAll('?', '%3F').replaceAll('#', '%23')).join('/')}`;

/** nginx as anybody would run it for static files, in one process. Returns its port. */
export async function startNginx(work, root) {
  const port = await freePort(), file = join(work, 'nginx.conf');
  await writeFile(file, `daemon off; master_process off; pid ${work}/nginx.pid; error_log stderr warn;
events { worker_connections 256; }
http {
  include /etc/nginx/mime.types; default_type application/octet-stream; access_log off; sendfile on; tcp_nopush on; etag on;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${work}/${name};`).join(' ')}
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`);
  // Debian keeps it where only root looks.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const child = spawn('nginx', ['-c', file, '-p', work, '-e', 'stderr'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { output += text; });
  const failed = once(child, 'error').then(([error]) => { throw error; });
  failed.catch(() => {});
  await Promise.race([failed, until('nginx answers', () => send(port, '/', { method: 'HEAD' }), { hint: () => output })]);
  return { port, pid: child.pid, async stop() { child.kill('SIGTERM'); if (child.exitCode === null && child.signalCode === null) await once(child, 'exit'); } };
}

/** `manyhands serve` on the site, or `manyhands proxy` in front of nginx on the site. Ends with the test. */
export async function host(t, kind, config = {}) {
  requireNamespace();
  const work = await mkdtemp(join(tmpdir(), 'manyhands-large-')), endings = [() => rm(work, { recursive: true, force: true, maxRetries: 5 })];
  t.after(async () => { for (const end of endings.reverse()) await end(); });
  let upstream;
  if (kind === 'proxy') {
    const nginx = await startNginx(work, SITE);
    endings.push(() => nginx.stop());
    upstream = nginx.port;
  }
  const port = await freePort();
  const server = await startServer({ root: SITE, work, port, upstream, config: { site: { origin: `http://127.0.0.1:${port}` }, ...config } });
  endings.push(() => server.stop());
  return { work, server, port };
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** One exchange: nothing is added to the request, nothing decoded in the answer. */
export function send(port, path, { method = 'GET', headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk)).on('error', reject)
        .on('end', () => (answer.complete ? resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }) : reject(new Error(`${path}: cut off`))));
    });
    asked.on('error', reject).end();
  });
}

/** An answer's body without its content coding. */
export function decoded({ headers, body }) {
  switch (headers['content-encoding']) {
    case undefined: return body;
    case 'gzip': return gunzipSync(body);
    case 'br': return brotliDecompressSync(body);
    default: throw new Error(`content coding ${headers['content-encoding']}`);
  }
}

/** Runs `work` on every item, a few at a time. */
export async function each(items, work, width = 4) {
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => { while (next < items.length) await work(items[next++], next - 1); }));
}
