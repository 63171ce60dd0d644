// The module beside what else a configuration may have. Each test says what happens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { freePort } from '../browser/lib/server.mjs';
import { certificates } from './lib/certificates.mjs';
import { ask, header, NAVIGATION } from './lib/http.mjs';
import { ask2 } from './lib/http2.mjs';
import { identical, injected, pageOf, PREFIX, proxied, site, SMALL, TAG, untouched, workplace } from './lib/stage.mjs';

const LARGE = pageOf(100_000), BIG = Buffer.alloc(2 << 20, 'octets of a file ');
const FILES = { 'large.html': LARGE, 'big.zip': BIG };
const HTML = ['Content-Type', 'text/html; charset=utf-8'];
const GZIP = { 'accept-encoding': 'gzip' };

/** A second server of the same site over TLS, with HTTP/2; `s.ports[0]` is its port. */
async function secure(t, more = '', options = {}) {
  const { work } = await workplace(t), keys = certificates(work), port = await freePort();
  const s = await site(t, {
    files: FILES, ...options,
    http: (s) => `server { listen 127.0.0.1:${port} ssl http2; ssl_certificate ${keys.server.certificate}; ssl_certificate_key ${keys.server.key};
      access_log ${s.work}/access.log variables; manyhands on; manyhands_state ${s.state}; manyhands_daemon unix:${s.socket}; ${more} root ${s.root}; }`
      .replace('AUTHORITY', keys.authority),
  });
  return { s, keys, port };
}

test('TLS: as without', async (t) => {
  const { keys, port } = await secure(t);
  const to = { port, tls: true, ca: keys.ca };
  injected(await ask(to, '/large.html', { headers: NAVIGATION }), LARGE);
  untouched(await ask(to, '/large.html'), LARGE);
  untouched(await ask(to, '/big.zip'), BIG);
});

test('TLS with a visitor\'s certificate: what it opens is not of anybody, and is not shared', async (t) => {
  const { s, keys, port } = await secure(t, 'ssl_client_certificate AUTHORITY; ssl_verify_client optional;');
  const to = { port, tls: true, ca: keys.ca };
  untouched(await ask({ ...to, ...keys.visitor }, '/big.zip'), BIG);
  assert.notEqual((await s.logged('/big.zip')).reason, '');
  injected(await ask({ ...to, ...keys.visitor }, '/large.html', { headers: NAVIGATION }), LARGE);
  untouched(await ask(to, '/big.zip'), BIG);
  assert.equal((await s.logged('/big.zip')).reason, '');
});

test('HTTP/2: pages and files at once over one connection', async (t) => {
  const { keys, port } = await secure(t);
  const requests = [
    { ':path': '/large.html', ...NAVIGATION }, { ':path': '/big.zip' }, { ':path': '/small.html', ...NAVIGATION }, { ':path': '/large.html' },
    { ':path': '/large.html', ':method': 'HEAD', ...NAVIGATION }, { ':path': '/big.zip', range: 'bytes=100-199' }, { ':path': '/missing', ...NAVIGATION },
  ];
  const [page, file, small, plain, head, part, missing] = await ask2(port, keys.ca, requests);
  injected(page, LARGE);
  untouched(file, BIG);
  injected(small, SMALL);
  untouched(plain, LARGE);
  assert.equal(header(head, 'etag'), header(page, 'etag'));
  assert.equal(part.status, 206);
  identical(part.body, BIG.subarray(100, 200));
  assert.equal(missing.status, 404);
});

test('proxy_cache: keeps the page as the origin sent it, and visitors get the tag from hit and miss alike', async (t) => {
  const s = await site(t, {
    origin: ({ path }) => ({ headers: [HTML, ['ETag', '"v1"'], ['Cache-Control', 'max-age=60'], ['Vary', 'Accept-Encoding']], body: path === '/small.html' ? SMALL : LARGE }),
    http: ({ work }) => `proxy_cache_path ${work}/cache keys_zone=pages:1m;`,
    server: ({ upstream }) => `location / { ${proxied(upstream)} } location /cached/ { ${proxied(`${upstream}/`)} proxy_cache pages; proxy_cache_revalidate on; add_header X-Cache $upstream_cache_status; }`,
  });
  for (const expected of ['MISS', 'HIT', 'HIT']) {
    const page = await s.visit('/cached/page.html');
    injected(page, LARGE, expected);
    assert.equal(header(page, 'x-cache'), expected);
    assert.equal(header(page, 'etag'), 'W/"v1"');
  }
  const again = await s.visit('/cached/page.html', { headers: { 'if-none-match': 'W/"v1"' } });
  assert.equal(again.status, 304);
  // A program's answer comes from the same cache, without the tag.
  untouched(await s.ask('/cached/page.html'), LARGE);
  assert.ok(s.behind.requests.filter(({ path }) => path === '/page.html').length <= 2, 'the origin is asked once a variant');
  const one = await s.visit('/cached/large.html', { headers: GZIP });
  injected(one, LARGE);
});

test('proxy_cache: ranges of an asset come from the cache, exact', async (t) => {
  const s = await site(t, {
    origin: ({ path }) => (path === '/big.zip' ? { headers: [['Content-Type', 'application/zip'], ['ETag', '"z"'], ['Cache-Control', 'max-age=60'], ['Accept-Ranges', 'bytes']], body: BIG } : { headers: [HTML], body: SMALL }),
    http: ({ work }) => `proxy_cache_path ${work}/cache keys_zone=files:1m;`,
    server: ({ upstream }) => `location / { ${proxied(upstream)} proxy_cache files; add_header X-Cache $upstream_cache_status; }`,
  });
  untouched(await s.ask('/big.zip'), BIG);
  await s.sharing('/big.zip');
  const whole = await s.ask('/big.zip'), part = await s.ask('/big.zip', { headers: { range: 'bytes=1000-1999' } });
  assert.equal(header(whole, 'x-cache'), 'HIT');
  assert.match(header(whole, 'link'), /torrent\/big\.zip/);
  assert.equal(part.status, 206);
  identical(part.body, BIG.subarray(1000, 2000));
});

test('gzip on: the page is compressed behind the tag', async (t) => {
  const s = await site(t, { files: FILES, origin: ({ path }) => ({ headers: [HTML], body: path === '/small.html' ? SMALL : LARGE }),
    server: ({ root, upstream }) => `gzip on; gzip_proxied any; gzip_vary on; location / { ${proxied(upstream)} } location /file/ { alias ${root}/; }` });
  for (const path of ['/large.html', '/file/large.html']) {
    const page = await s.visit(path, { headers: GZIP });
    assert.equal(header(page, 'content-encoding'), 'gzip', path);
    assert.equal(header(page, 'vary'), 'Accept-Encoding', path);
    injected(page, LARGE, path);
    const plain = await s.visit(path);
    assert.equal(header(plain, 'content-encoding'), undefined);
    injected(plain, LARGE, path);
    const head = await s.visit(path, { method: 'HEAD', headers: GZIP });
    assert.equal(header(head, 'content-length'), undefined);
  }
  assert.equal(s.behind.requests.findLast(({ path }) => path === '/large.html').header('accept-encoding'), 'identity');
});

test('gzip_static: a page that lies there compressed stays as it is, and the log says why', async (t) => {
  const s = await site(t, { files: { ...FILES, 'large.html.gz': gzipSync(LARGE) }, server: ({ root }) => `root ${root}; gzip_static on;` });
  const zipped = await s.visit('/large.html', { headers: GZIP });
  assert.equal(header(zipped, 'content-encoding'), 'gzip');
  untouched(zipped, LARGE);
  assert.equal((await s.logged('/large.html')).reason, 'encoded');
  injected(await s.visit('/large.html'), LARGE);
});

test('gunzip on, gzip_static always: compressed pages are unpacked by nginx for visitors without gzip, and get the tag', async (t) => {
  const s = await site(t, { files: { 'only.html.gz': gzipSync(LARGE) }, server: ({ root }) => `root ${root}; location = /only.html { gzip_static always; gunzip on; }` });
  const page = await s.visit('/only.html'), zipped = await s.visit('/only.html', { headers: GZIP });
  untouched(zipped, LARGE);
  assert.equal(header(page, 'content-encoding'), undefined);
  if (page.body.includes(TAG)) injected(page, LARGE); else untouched(page, LARGE);
  t.diagnostic(`unpacked by nginx: ${page.body.includes(TAG) ? 'with' : 'without'} the tag`);
});

test('SSI: the page is put together first, then gets the tag once', async (t) => {
  const part = '<p>a part</p>', ssi = LARGE.toString().replace('<body>', '<body><!--#include virtual="/part.html" --><!--#include virtual="/slow" -->').replace('<title>A page', '<title><!--#echo var="request_method" -->');
  const s = await site(t, { files: { 'ssi.html': ssi, 'part.html': part }, origin: ({ path }) => ({ headers: [HTML], body: path === '/small.html' ? SMALL : '<p>from the origin</p>' }),
    server: ({ root, upstream }) => `location / { root ${root}; } location = /ssi.html { root ${root}; ssi on; } location /slow { ${proxied(upstream)} }` });
  for (let round = 0; round < 4; round++) injected(await s.visit('/ssi.html'), ssi.replace('<!--#include virtual="/part.html" -->', part).replace('<!--#include virtual="/slow" -->', '<p>from the origin</p>').replace('<!--#echo var="request_method" -->', 'GET'));
});

test('sub_filter: both do their work, in this order', async (t) => {
  const s = await site(t, { files: FILES, server: ({ root }) => `root ${root}; location = /large.html { sub_filter 'Paragraph' 'Section'; sub_filter '</head>' '<meta name="x"></head>'; sub_filter_once off; }` });
  injected(await s.visit('/large.html'), LARGE.toString().replaceAll('Paragraph', 'Section').replace('</head>', '<meta name="x"></head>'));
});

test('sub_filter that puts our tag in already: it stays the only one', async (t) => {
  const s = await site(t, { files: FILES, server: ({ root }) => `root ${root}; location = /large.html { sub_filter '<head>' '<head>${TAG}'; }` });
  injected(await s.visit('/large.html'), LARGE);
  assert.equal((await s.logged('/large.html')).reason, 'already_tagged');
});

test('add_before_body, add_after_body, charset', async (t) => {
  const s = await site(t, { files: { ...FILES, 'after.html': '<p>after</p>' }, server: ({ root }) => `root ${root}; charset utf-8; location = /large.html { add_after_body /after.html; }` });
  injected(await s.visit('/large.html'), `${LARGE}<p>after</p>`);
});

test('add_header: a policy that nginx adds is obeyed', async (t) => {
  const s = await site(t, { files: FILES, server: ({ root }) => `root ${root}; location = /large.html { add_header Content-Security-Policy "script-src 'none'"; } location = /same.html { alias ${root}/large.html; add_header Content-Security-Policy "default-src 'self'"; }` });
  untouched(await s.visit('/large.html'), LARGE);
  assert.match((await s.logged('/large.html')).reason, /^csp_/);
  injected(await s.visit('/same.html'), LARGE);
});

test('auth_request: who may not gets the answer of nginx, who may gets the page', async (t) => {
  const s = await site(t, { files: FILES, origin: ({ path, header }) => (path === '/small.html' ? { headers: [HTML], body: SMALL } : { status: header('x-key') === 'right' ? 204 : 401 }),
    server: ({ root, upstream }) => `root ${root}; location /closed/ { auth_request /may; alias ${root}/; } location = /may { internal; ${proxied(upstream)} }` });
  const refused = await s.visit('/closed/large.html');
  assert.equal(refused.status, 401);
  assert.ok(!refused.body.includes(TAG));
  injected(await s.visit('/closed/large.html', { headers: { 'x-key': 'right' } }), LARGE);
  assert.equal((await s.ask('/closed/big.zip')).status, 401);
});

test('auth_basic: pages get the tag, files are not of anybody and are not shared', async (t) => {
  const s = await site(t, { files: { ...FILES, 'users': 'u:{PLAIN}p\n' }, server: ({ root }) => `root ${root}; location /closed/ { auth_basic x; auth_basic_user_file ${root}/users; alias ${root}/; }` });
  const key = { authorization: `Basic ${Buffer.from('u:p').toString('base64')}` };
  assert.equal((await s.visit('/closed/large.html')).status, 401);
  injected(await s.visit('/closed/large.html', { headers: key }), LARGE);
  untouched(await s.ask('/closed/big.zip', { headers: key }), BIG);
  assert.equal((await s.logged('/closed/big.zip')).reason, 'authorization');
});

test('limit_rate: pages and files at the rate, whole', { timeout: 60_000 }, async (t) => {
  const s = await site(t, { files: FILES, server: ({ root }) => `root ${root}; location = /large.html { limit_rate 100k; }  location /slow/ { alias ${root}/; limit_rate 1m; }` });
  const [page, file] = await Promise.all([s.visit('/large.html'), s.ask('/slow/big.zip')]);
  injected(page, LARGE);
  untouched(file, BIG);
  assert.ok(file.ms > 500, `2 MiB at 1 MiB/s in ${file.ms} ms`);
});

test('X-Accel-Redirect: the visitor\'s path counts, and the file behind it is nobody\'s to share by that', async (t) => {
  const s = await site(t, { files: { 'private/big.zip': BIG, 'private/page.html': LARGE },
    origin: ({ path }) => {
      if (path === '/small.html') return { headers: [HTML], body: SMALL };
      return { headers: [['Content-Type', path.endsWith('.zip') ? 'application/zip' : HTML[1]], ['X-Accel-Redirect', `/internal${path}`]] };
    },
    server: ({ root, upstream }) => `location / { ${proxied(upstream)} } location /internal/ { internal; alias ${root}/private/; }` });
  injected(await s.visit('/page.html'), LARGE);
  const file = await s.ask('/big.zip');
  untouched(file, BIG);
  // Nobody outside learns the inner path, whatever is decided of the outer one.
  assert.equal((await s.ask(`${PREFIX}/manifest/internal/big.zip?again`)).status, 404);
  assert.equal((await s.ask('/internal/big.zip')).status, 404);
  t.diagnostic(`reason for the file: '${(await s.logged('/big.zip')).reason}'`);
});

test('error_page: an error keeps its page and its status; one turned into 200 is a page like any', async (t) => {
  const s = await site(t, { files: { ...FILES, 'sorry.html': LARGE }, server: ({ root }) => `root ${root}; error_page 404 /sorry.html; location /turned/ { error_page 404 =200 /sorry.html; } location = /gone { return 410 '<html><head></head></html>'; default_type text/html; }` });
  const missing = await s.visit('/missing');
  assert.equal(missing.status, 404);
  identical(missing.body, LARGE);
  assert.equal((await s.logged('/missing')).reason, 'status');
  injected(await s.visit('/turned/missing'), LARGE);
  const gone = await s.visit('/gone');
  assert.equal(gone.status, 410);
  assert.equal(String(gone.body), '<html><head></head></html>');
});

test('return, empty_gif, autoindex, index: what makes pages itself', async (t) => {
  const text = '<!doctype html><html><head></head><body>said by nginx</body></html>';
  const s = await site(t, { files: { ...FILES, 'pub/a.txt': 'a' }, server: ({ root }) => `root ${root}; location = /said { default_type text/html; return 200 '${text}'; } location = /dot { empty_gif; } location /pub/ { autoindex on; }` });
  injected(await s.visit('/said'), text);
  const plain = await s.ask('/pub/'), list = await s.visit('/pub/');
  injected(list, plain.body);
  assert.equal((await s.visit('/dot')).body.length, 43);
});

test('mirror, limit_except', async (t) => {
  const s = await site(t, { files: FILES, origin: ({ path }) => (path === '/small.html' ? { headers: [HTML], body: SMALL } : { body: 'copied' }),
    server: ({ root, upstream }) => `root ${root}; location = /large.html { mirror /copy; limit_except GET { deny all; } } location = /copy { internal; ${proxied(upstream)} }` });
  injected(await s.visit('/large.html'), LARGE);
  assert.equal((await s.visit('/large.html', { method: 'POST', body: 'x' })).status, 403);
});

test('a page that is decoded by nobody: brotli from the origin', async (t) => {
  const zipped = brotliCompressSync(LARGE);
  const s = await site(t, { origin: ({ path }) => (path === '/small.html' ? { headers: [HTML], body: SMALL } : { headers: [HTML, ['Content-Encoding', 'br']], body: zipped }) });
  identical((await s.visit('/page.html', { headers: { 'accept-encoding': 'br' } })).body, zipped);
});
