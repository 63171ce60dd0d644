// nginx with the module and its sidecar, before a directory or an origin, in a temporary directory; all of it ends with the test.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireNamespace } from '../../browser/lib/netns.mjs';
import { freePort, PREFIX, startSidecar } from '../../browser/lib/server.mjs';
import { until } from '../../browser/lib/until.mjs';
import { ask, decoded, header, NAVIGATION } from './http.mjs';
import { startNginx } from './nginx.mjs';
import { startOrigin } from './origin.mjs';

export { PREFIX };
/** What the module puts into pages. */
export const TAG = `<script defer src="${PREFIX}/loader.js"></script>`;
export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
/** The include that the module's users have. */
export const INCLUDE = `include ${join(REPOSITORY, 'nginx-module/conf/manyhands.conf')};`;

/** A page that gets the tag, by whose getting it a test knows that the sidecar's word has arrived. */
export const SMALL = '<!doctype html><html><head><meta charset="utf-8"><title>A page</title></head><body><p>Its text.</p></body></html>';
/** A page of about so many octets, each paragraph of which is another. */
export function pageOf(size) {
  const lines = [];
  for (let n = 0, length = 0; length < size; n++) length += lines[lines.push(`<p id="n${n}">Paragraph ${n}, which says ${(n * 2654435761 >>> 0).toString(36)}.</p>\n`) - 1].length;
  return Buffer.from(SMALL.replace('<p>', `${lines.join('')}<p>`));
}

/** A directory that is gone after the test; `after` takes what must end before that, last first. */
export async function workplace(t) {
  requireNamespace();
  const work = await mkdtemp(join(tmpdir(), 'manyhands-nginx-'));
  const endings = [() => rm(work, { recursive: true, force: true, maxRetries: 5 })];
  t.after(async () => {
    let failure;
    for (const end of endings.reverse()) await Promise.resolve().then(end).catch((error) => { failure ??= error; });
    if (failure) throw failure;
  });
  return { work, after: (end) => endings.push(end) };
}

/** The location of a site that nginx is a proxy for. */
export const proxied = (port, more = '') => `proxy_pass http://127.0.0.1:${port}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; ${more}`;

/**
 * A sidecar and nginx with the module before it, as `startServer` of the browser tests starts a server; its options are those and
 * @param {object} options
 * @param {(s: { root: string, work: string, port: number, ports: number[], upstream?: number }) => string} [options.server] what stands in `server { }` beside
 *   the port, the module's directives and the include
 * @param {(s: object) => string} [options.http] what stands in `http { }` beside that
 * @param {string} [options.manyhands] what stands in `server { }` in place of `manyhands on;`
 * @param {string} [options.listen] further parameters of `listen`
 * @param {boolean} [options.log] whether there is an access log with the module's variables
 * @param {object} [options.nginx] further options of `startNginx`
 */
export async function startBehind({ root, work, config = {}, host = '127.0.0.1', port, upstream, server, http = () => '', manyhands = 'manyhands on;', listen = '', log = true, nginx: options = {} }) {
  port ??= await freePort(host);
  const state = join(work, 'state'), socket = join(work, 'sidecar.sock'), origin = `http://${host}:${port}`;
  const settings = sections({ admission: { requests: 1, prefixes: 1 } }, config, { site: { origin, ...config.site }, state: { dir: state } });
  const sidecar = await startSidecar({ work, socket, through: origin, config: settings });
  const s = { root, work, port, upstream, state, socket, config: settings };
  server ??= () => (upstream ? `location / { ${proxied(upstream)} }` : `root ${root};`);
  const text = (ports) => `  log_format variables '$request_method|$request_uri|$status|$manyhands_reason|$manyhands_arm|$manyhands_infohash';
  ${http({ ...s, ports })}
  server {
    listen ${host}:${port} ${listen};
    ${log ? `access_log ${work}/access.log variables;` : ''}
    ${manyhands}
    manyhands_state ${state};
    manyhands_daemon unix:${socket};
    ${INCLUDE}
    ${server({ ...s, ports })}
  }`;
  let nginx;
  try {
    nginx = await startNginx(join(work, 'nginx'), { http: text, listens: 0, ...options });
  } catch (error) {
    await sidecar.stop();
    throw error;
  }
  const self = {
    ...s, origin, ports: nginx.ports, nginx, pid: sidecar.pid, sidecar, text,
    running: () => sidecar.running() && nginx.running(),
    /** Fields that say who the operator is. */
    operator: () => ({ authorization: `Bearer ${readFileSync(join(state, 'operator.key'), 'utf8').trim()}` }),
    /** The end of what both said. */
    output: () => [sidecar.output(), nginx.log()].map((text) => text.slice(-1500)).join('\n'),
    /** What the access log says of answers to a path: the last one, once there is one. */
    logged: (path) => until(`${path} is in the access log`, () => self.allLogged(path).at(-1), { every: 10, hint: self.output }),
    allLogged: (path) => readFileSync(join(work, 'access.log'), 'utf8').trim().split('\n').map((line) => line.split('|')).filter(([, target]) => target === path)
      .map(([method, target, status, reason, arm, infohash]) => ({ method, target, status: Number(status), reason, arm, infohash })),
    async shared(path, { timeout = 20_000 } = {}) {
      const manifest = `${origin}${config.site?.prefix ?? PREFIX}/manifest${path}?again`;
      await until(`${path} is shared`, async () => (await fetch(manifest)).ok, { timeout, hint: self.output });
      return (await fetch(manifest)).json();
    },
    async stop(signal) { await nginx.stop(); return sidecar.stop(signal); },
  };
  return self;
}

/** One configuration over another, section by section. */
function sections(...all) {
  const merged = {};
  for (const one of all) for (const [name, fields] of Object.entries(one)) merged[name] = { ...merged[name], ...fields };
  return merged;
}

/** Longer than a worker goes by what it saw of the lease, in milliseconds. */
const LOOK = 300;

/**
 * A site of a test: `startBehind` on a directory with `index.html`, `small.html` and what `files` writes, and where `origin` is a function, an origin that answers so.
 * At the end nginx has written nothing into its log that is an alert or worse.
 * @param {import('node:test').TestContext} t
 */
export async function site(t, { files = {}, origin, alerts = /^$/, waits = true, ...options } = {}) {
  const { work, after } = await workplace(t), root = join(work, 'site');
  await mkdir(root);
  for (const [name, content] of Object.entries({ 'index.html': SMALL, 'small.html': SMALL, ...files })) {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), content);
  }
  const behind = origin && await startOrigin(origin);
  if (behind) after(() => behind.close());
  const host = await startBehind({ root, work, upstream: behind?.port, ...options });
  after(() => host.stop());
  after(() => {
    const bad = ['alert', 'crit', 'emerg'].flatMap((level) => host.nginx.lines(level)).filter((line) => !alerts.test(line));
    assert.deepEqual(bad, [], 'nginx complains');
  });
  const self = Object.assign(host, {
    behind,
    /** One request as a visitor who goes to a page. */
    visit: (path, { headers = {}, ...more } = {}) => ask(host.port, path, { headers: { ...NAVIGATION, ...headers }, ...more }),
    ask: (path, more) => ask(host.port, path, more),
    /** Asks for an asset, which is enough here, and waits until it is shared and every worker says so; its manifest. */
    async sharing(path) {
      await ask(host.port, path);
      const manifest = await host.shared(path);
      await until(`${path} tells of its torrent`, async () => {
        const answers = await Promise.all(Array.from({ length: 8 }, () => ask(host.port, path, { method: 'HEAD' })));
        return answers.every((answer) => header(answer, 'link'));
      }, { timeout: 10_000, every: 20, hint: host.output });
      return manifest;
    },
    /** Waits until every worker gives pages the tag, or until none does: each looks at the lease four times a second, so it is so for longer than that. */
    injecting: (is = true, path = '/small.html', more = {}) => {
      let since;
      return until(`pages ${is ? 'have' : 'lack'} the tag`, async () => {
        const began = performance.now();
        // More connections than workers: which of them answers is chance.
        const answers = await Promise.all(Array.from({ length: 8 }, () => self.visit(path)));
        since = answers.every((answer) => decoded(answer).includes(TAG) === is) ? since ?? began : undefined;
        return since !== undefined && performance.now() - since > LOOK;
      }, { every: 20, timeout: 10_000, hint: host.output, ...more });
    },
  });
  if (waits) await self.injecting();
  return self;
}

/** Asserts that an answer is the page with the tag once, and otherwise octet by octet the page. */
export function injected(answer, page, what = '') {
  assert.equal(answer.status, 200, what);
  const body = decoded(answer), at = body.indexOf(TAG);
  assert.ok(at >= 0, `${what}: no tag in ${body.length} octets`);
  assert.equal(body.indexOf(TAG, at + 1), -1, `${what}: the tag twice`);
  identical(Buffer.concat([body.subarray(0, at), body.subarray(at + TAG.length)]), page, what);
  return at;
}

/** Asserts that an answer is the page as it was. */
export function untouched(answer, page, what = '') {
  assert.equal(answer.status, 200, what);
  identical(decoded(answer), page, what);
}

export function identical(got, wanted, what = '') {
  wanted = Buffer.from(wanted);
  if (got.equals(wanted)) return;
  let at = 0;
  while (at < got.length && at < wanted.length && got[at] === wanted[at]) at++;
  assert.fail(`${what}: ${got.length} octets instead of ${wanted.length}, other from ${at} on: ${JSON.stringify(got.toString('latin1', at, at + 60))}, not ${JSON.stringify(wanted.toString('latin1', at, at + 60))}`);
}
