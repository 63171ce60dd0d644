// One origin, one table of cases (tests/vectors/page.json), two hosts: `manyhands proxy`, which is the tower layer (tests/tests/parity.rs), and nginx with the
// module. The bodies are equal octet by octet, the header fields and what the origin was asked too, but for what DIFFERENCES lists.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../browser/lib/server.mjs';
import { ask as send, header, NAVIGATION } from './lib/http.mjs';
import { parts, startOrigin } from './lib/origin.mjs';
import { identical, pageOf, PREFIX, SMALL, startBehind, workplace } from './lib/stage.mjs';
import { until } from '../browser/lib/until.mjs';

const { cases, bodies } = JSON.parse(await readFile(new URL('../vectors/page.json', import.meta.url)));

/** Fields that are the hop's or the clock's, each with the reason why the two hosts differ there. For readers in docs/testing.md. */
const FIELDS = {
  server: 'nginx names itself, and hides what the origin says unless told to pass it on (proxy_pass_header)',
  date: 'nginx writes its own, and hides the origin\'s',
  connection: 'of the hop',
  'keep-alive': 'of the hop',
  via: 'a proxy names itself; nginx does not',
  'manyhands-mirrors': 'nginx answers manifests from what is published on disk, which names no mirrors: browsers go by site.json then',
  'transfer-encoding': 'framing: nginx sends chunks where the length is not known; so does the proxy, of other sizes',
};

/** Cases in which nginx itself decides before the module, with what is decided then. */
const DIFFERENCES = {
  'a length twice': { because: 'nginx takes the last Content-Length and sends that one alone', decision: 'asset' },
  'two types': { because: 'nginx takes the last Content-Type and sends that one alone, so it is clear', decision: 'page' },
};

const HTML = 'text/html; charset=utf-8', HOST = 'site.test';
/** A request to the site by its name. */
const ask = (port, path, { headers = [], ...more } = {}) => send(port, path, { headers: [['host', HOST], ...(Array.isArray(headers) ? headers : Object.entries(headers))], ...more });

/** Sections of the configuration that stand for a policy of the table. */
function settings({ pages, prefix, nonce, origin, recompress: _, ...assets } = {}) {
  const known = { public: 1, exclude: 1, immutable: 1, queries: 1 };
  for (const name of Object.keys(assets)) assert.ok(known[name], `unknown setting ${name}`);
  return {
    site: { origin: origin ?? `https://${HOST}`, ...(prefix && { prefix }) },
    // nginx compresses by itself (`gzip on`); what the layer compresses is not compared here.
    page: { compress: false, ...(pages === false && { inject: false }), ...(nonce === false && { nonce }) },
    assets,
    // Nobody fetches anything of the origin beside the cases.
    admission: { requests: 1_000_000, prefixes: 1_000 },
  };
}

/** Both hosts before one origin. */
async function hosts(t, config, more = {}) {
  const { work, after } = await workplace(t), origin = await startOrigin(() => ({ headers: [['Content-Type', HTML]], body: SMALL }));
  after(() => origin.close());
  for (const name of ['proxy', 'nginx']) await mkdir(join(work, name));
  const proxy = await startServer({ root: work, work: join(work, 'proxy'), upstream: origin.port, config });
  after(() => proxy.stop());
  const nginx = await startBehind({ root: work, work: join(work, 'nginx'), upstream: origin.port, config, ...more });
  after(() => nginx.stop());
  if (config.page?.inject !== false) {
    await until('nginx gives pages the tag', async () => String((await ask(nginx.port, '/', { headers: NAVIGATION })).body).includes('loader.js'), { hint: nginx.output });
  }
  return { origin, proxy, nginx, each: (ask) => Promise.all([ask(proxy.port), ask(nginx.port)]) };
}

/** An answer as far as the hosts must agree. */
function comparable({ status, headers }) {
  return { status, headers: headers.filter(([name]) => !(name in FIELDS)).map(([name, value]) => `${name}: ${value}`).sort() };
}

/** The answer of an origin that a case describes. */
function described({ status, headers }) {
  const of = (name) => headers.find(([given]) => given === name)?.[1], page = pageOf(4_000);
  const length = of('content-length') ?? /bytes (\d+)-(\d+)\//.exec(of('content-range') ?? '')?.slice(1).reduce((first, last) => last - first + 1);
  if (status === 304) return { status, headers };
  if (length === undefined) return { status, headers, body: parts(page, () => 1_500), chunked: true };
  // Of a file that is too large a little will do.
  const size = Number(length), sent = Math.min(size, 8 << 20), body = Buffer.alloc(sent, /html/.test(of('content-type') ?? '') ? page : 'octets ');
  return { status, headers: of('content-length') ? headers : [...headers, ['content-length', String(size)]], body: [body], abort: sent < size };
}

const groups = new Map();
for (const one of cases) {
  const policy = JSON.stringify(one.policy ?? {});
  groups.set(policy, [...(groups.get(policy) ?? []), one]);
}

for (const [policy, group] of groups) {
  test(`the cases under the policy ${policy}`, { timeout: 120_000 }, async (t) => {
    const { origin, proxy, nginx } = await hosts(t, settings(JSON.parse(policy)));
    const failures = [];
    let compared = 0;
    for (const one of group) {
      // Of a file that lies where the server is: nginx and `serve` know some, proxies none.
      if (one.local) continue;
      const { method, target, headers } = one.request;
      // A page of our own is the daemon's, not the origin's.
      if (one.decision === 'reserved') continue;
      origin.answer = () => described(one.response);
      const seen = [], answers = [];
      for (const { port } of [proxy, nginx]) {
        origin.requests.length = 0;
        answers.push(await ask(port, target, { method, headers }).catch((error) => ({ cut: error.message })));
        seen.push(origin.requests.map((request) => ({ method: request.method, path: request.path, coding: request.header('accept-encoding') })));
      }
      compared += 1;
      try {
        const difference = DIFFERENCES[one.name], decision = difference?.decision ?? one.decision;
        if (answers[0].cut || answers[1].cut) {
          assert.ok(answers[0].cut && answers[1].cut, `one is cut off, the other not: ${answers.map(({ cut, status }) => cut ?? status).join(' / ')}`);
        } else if (!difference) {
          assert.deepEqual(comparable(answers[1]), comparable(answers[0]), 'the head, nginx against the proxy');
          identical(answers[1].body, answers[0].body, 'nginx against the proxy');
        }
        assert.deepEqual(seen[1], seen[0], 'what the origin was asked');
        const line = nginx.allLogged(target).at(-1);
        assert.equal(line?.reason, ['page', 'asset'].includes(decision) ? '' : decision, '$manyhands_reason');
      } catch (error) {
        failures.push(`${one.name}: ${error.message}`);
      }
    }
    t.diagnostic(`${compared} cases compared`);
    assert.equal(failures.length, 0, `${failures.length} of ${compared} cases differ:\n\n${failures.join('\n\n')}`);
  });
}

test('what the injector makes of a body', async (t) => {
  const { origin, each } = await hosts(t, settings());
  for (const { page, result } of bodies) for (const chunked of [false, true]) {
    const body = Buffer.from(page);
    origin.answer = () => ({ headers: [['Content-Type', HTML]], body: chunked ? parts(body, () => 1) : body, chunked });
    for (const answer of await each((port) => ask(port, '/', { headers: NAVIGATION }))) identical(answer.body, result, page);
  }
});

test('a shared file and all that is told of it', { timeout: 120_000 }, async (t) => {
  const file = Buffer.alloc((3 << 20) + 7, 'octets of a file '), tag = ['ETag', '"v1"'];
  const config = { ...settings(), admission: { requests: 1, prefixes: 1 } };
  config.site.suffixes = true;
  const { origin, proxy, nginx, each } = await hosts(t, config);
  origin.answer = ({ path, header }) => {
    if (path === '/big.zip.meta4') return { headers: [['Content-Type', 'text/plain']], body: "the site's own" };
    if (path !== '/big.zip') return { status: 404, headers: [['Content-Type', HTML]], body: SMALL };
    if (header('if-none-match') === tag[1]) return { status: 304, headers: [tag] };
    const range = /^bytes=(\d+)-(\d+)$/.exec(header('range') ?? '');
    const common = [['Content-Type', 'application/zip'], tag, ['Accept-Ranges', 'bytes']];
    if (!range) return { headers: common, body: file };
    const [from, to] = [Number(range[1]), Number(range[2])];
    return { status: 206, headers: [...common, ['Content-Range', `bytes ${from}-${to}/${file.length}`]], body: file.subarray(from, to + 1) };
  };
  await each((port) => ask(port, '/big.zip'));
  for (const host of [proxy, nginx]) {
    await until('it is shared', async () => (await ask(host.port, `${PREFIX}/manifest/big.zip?again`)).status === 200, { hint: host.output });
  }
  await until('the files carry it', async () => (await each((port) => ask(port, '/big.zip', { method: 'HEAD' }))).every((answer) => header(answer, 'link')));
  const html = { accept: 'text/html' };
  const requests = [
    ['GET', '/big.zip', {}], ['HEAD', '/big.zip', {}], ['GET', '/big.zip', { range: 'bytes=1000000-1999999' }], ['GET', '/big.zip', { 'if-none-match': '"v1"' }],
    ['GET', '/big.zip?x=1', {}], ['GET', '/big.zip', { cookie: 'a=b' }], ['GET', '/big.zip', { cookie: 'manyhands_b=7' }], ['GET', '/big.zip', { authorization: 'Basic eDp5' }],
    ...['loader.js', 'client.js', 'sw.js', 'nothing', 'manifest/nothing.zip', 'manifest/big.zip', 'torrent/big.zip', 'magnet/big.zip', 'meta4/big.zip', 'sha256/big.zip'].flatMap((path) => [
      ['GET', `${PREFIX}/${path}`, {}], ['HEAD', `${PREFIX}/${path}`, {}],
      // A manifest from nginx is compressed where nginx is told to (`gzip on`), as its pages are.
      ...(path === 'manifest/big.zip' ? [] : [['GET', `${PREFIX}/${path}`, { 'accept-encoding': 'gzip' }]])]),
    ['GET', `${PREFIX}/manifest/big.zip?again`, {}], ['GET', `${PREFIX}/torrent/big.zip`, { range: 'bytes=0-9' }], ['POST', `${PREFIX}/torrent/big.zip`, {}], ['GET', `${PREFIX}/torrent/big%2Ezip`, {}],
    ['GET', `${PREFIX}/manifest/../manifest/big.zip`, {}],
    ...['sha256', 'torrent', 'magnet', 'meta4'].flatMap((suffix) => [
      ['GET', `/big.zip.${suffix}`, {}], ['HEAD', `/big.zip.${suffix}`, {}], ['GET', `/big.zip.${suffix}`, { ...html, 'accept-encoding': 'gzip' }], ['GET', `/big.zip.${suffix}`, { range: 'bytes=0-9' }],
      ['POST', `/big.zip.${suffix}`, {}], ['GET', `/missing.zip.${suffix}`, html]]),
    ['GET', '/missing', html], ['POST', '/', {}],
  ];
  const failures = [];
  for (const [method, path, headers] of requests) {
    const what = `${method} ${path} ${JSON.stringify(headers)}`;
    try {
      const [ours, nginxs] = await each((port) => ask(port, path, { method, headers }));
      assert.deepEqual(comparable(nginxs), comparable(ours), 'the head, nginx against the proxy');
      identical(nginxs.body, ours.body, 'nginx against the proxy');
    } catch (error) {
      failures.push(`${what}: ${error.message}`);
    }
  }
  assert.equal(failures.length, 0, `${failures.length} of ${requests.length} requests differ:\n\n${failures.join('\n\n')}`);
});
