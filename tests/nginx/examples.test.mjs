// The configurations that the documentation shows, as they are: nginx without the module, a static tree, kiwix-serve.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { freePort, startSidecar } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';
import { example, withModule } from './lib/examples.mjs';
import { ask, header, NAVIGATION, requestOf } from './lib/http.mjs';
import { startNginx } from './lib/nginx.mjs';
import { startOrigin } from './lib/origin.mjs';
import { identical, injected, pageOf, PREFIX, SMALL, TAG, untouched, workplace } from './lib/stage.mjs';

const LARGE = pageOf(100_000), BIG = Buffer.alloc((2 << 20) + 5, 'octets of a file ');
const HTML = ['Content-Type', 'text/html; charset=utf-8'];

/** A sidecar, and nginx with a configuration that is given where that is. */
async function stage(t, text, { files = {}, config = {}, module = true } = {}) {
  const { work, after } = await workplace(t), root = join(work, 'site'), port = await freePort(), state = join(work, 'state'), socket = join(work, 'sidecar.sock');
  for (const [name, content] of Object.entries({ 'index.html': SMALL, 'large.html': LARGE, 'big.zip': BIG, ...files })) {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), content);
  }
  const origin = `http://127.0.0.1:${port}`, s = { work, after, root, port, state, socket, origin };
  // nginx first: what is listed to be shared is asked for when the sidecar starts.
  const http = await text(s), nginx = await startNginx(join(work, 'nginx'), { module, listens: 0, http: () => http });
  after(() => nginx.stop());
  const sidecar = await startSidecar({ work, socket, through: origin, config: { site: { origin }, state: { dir: state }, admission: { requests: 1, prefixes: 1 }, ...config } });
  after(() => sidecar.stop());
  return { ...s, sidecar, nginx, visit: (path, headers = {}) => ask(port, path, { headers: { ...NAVIGATION, ...headers } }), ask: (path, more) => ask(port, path, more),
    shared: (path) => until(`${path} is shared`, async () => (await ask(port, `${PREFIX}/manifest${path}?again`)).status === 200, { hint: () => sidecar.output() + nginx.log().slice(-1500) }) };
}

/** A WebSocket handshake with the tracker, as a page of the site makes it; the status line of the answer. */
async function handshake(port) {
  const { tracker } = JSON.parse((await ask(port, `${PREFIX}/site.json`)).body), socket = connect(port, '127.0.0.1');
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', origin: `http://127.0.0.1:${port}` };
  socket.write(requestOf(tracker, { headers, host: `127.0.0.1:${port}` }));
  const [part] = await once(socket, 'data');
  socket.destroy();
  return part.toString('latin1').split('\r\n')[0];
}

/** The page with the tag where `sub_filter` puts it: before the first `</head>`. */
function substituted(answer, page) {
  const at = injected(answer, page);
  assert.equal(at, page.toString().toLowerCase().indexOf('</head>'));
}

test('stock.conf: nginx without the module', { timeout: 120_000 }, async (t) => {
  let origin;
  const comment = SMALL.replace('<head>', '<!-- </head> --><head>');
  const s = await stage(t, async ({ root, port, socket, after }) => {
    origin = await startOrigin(({ path, header }) => {
      const zipped = /gzip/.test(header('accept-encoding') ?? '');
      return { headers: [HTML, ...(zipped ? [['Content-Encoding', 'gzip']] : [])], body: zipped ? gzipSync(LARGE) : LARGE, path };
    });
    after(() => origin.close());
    const common = { 'listen 80;': `listen 127.0.0.1:${port};`, 'root /var/www/html;': `root ${root}; location = /behind.html { proxy_pass http://127.0.0.1:${origin.port}; SUBSTITUTE proxy_set_header Accept-Encoding ""; }
      location = /without.html { proxy_pass http://127.0.0.1:${origin.port}; SUBSTITUTE }`, 'unix:/run/manyhands/sidecar.sock': `unix:${socket}` };
    const text = example('stock.conf', common), substitute = /location \/ \{\n([^}]*?)gzip_static/.exec(text)[1];
    assert.match(text, /# proxy_set_header Accept-Encoding "";/, 'the line for proxied sites is there, as a comment');
    return text.replaceAll('SUBSTITUTE', substitute);
  }, { module: false, files: { 'comment.html': comment, 'none.html': '<p>no head' }, config: { assets: { preload: ['/big.zip'] } } });

  substituted(await s.visit('/'), Buffer.from(SMALL));
  substituted(await s.visit('/large.html'), LARGE);
  substituted(await s.visit('/behind.html', { 'accept-encoding': 'gzip' }), LARGE);
  // What it lacks, as the file says.
  untouched(await s.visit('/without.html', { 'accept-encoding': 'gzip' }), LARGE);
  assert.ok((await s.visit('/comment.html')).body.includes(`<!-- ${TAG}</head> -->`), 'the tag is in the comment');
  untouched(await s.visit('/none.html'), '<p>no head');
  substituted(await s.ask('/large.html'), LARGE);

  const script = await s.ask(`${PREFIX}/loader.js`);
  assert.equal(script.status, 200);
  assert.match(await handshake(s.port), /^HTTP\/1\.1 101 /);
  await s.shared('/big.zip');
  const file = await s.ask('/big.zip');
  untouched(file, BIG);
  assert.equal(header(file, 'link'), undefined);
  const part = await s.ask('/big.zip', { headers: { range: 'bytes=10-19' } });
  identical(part.body, BIG.subarray(10, 20));

  await s.sidecar.stop('SIGKILL');
  substituted(await s.visit('/large.html'), LARGE);
  const gone = await s.ask(`${PREFIX}/loader.js`);
  assert.equal(gone.status, 502);
});

test('static.conf: a tree of files', { timeout: 120_000 }, async (t) => {
  const s = await stage(t, ({ root, port, ...s }) => example('static.conf', { 'listen 80;': `listen 127.0.0.1:${port};`, 'root /srv/mirror;': `root ${root};`, ...withModule(s) }), { files: { 'pub/file.iso': BIG } });
  await until('pages have the tag', async () => (await s.visit('/')).body.includes(TAG), { hint: () => s.nginx.log().slice(-1500) });
  injected(await s.visit('/large.html'), LARGE);
  const listing = await s.ask('/pub/');
  injected(await s.visit('/pub/'), listing.body);
  await s.ask('/pub/file.iso');
  await s.shared('/pub/file.iso');
  const file = await s.ask('/pub/file.iso');
  untouched(file, BIG);
  assert.match(header(file, 'link'), /torrent\/pub\/file\.iso/);
  const torrent = await s.ask('/pub/file.iso.torrent');
  assert.equal(torrent.status, 200);
  assert.equal(header(torrent, 'content-type'), 'application/x-bittorrent');
  assert.match(await handshake(s.port), /^HTTP\/1\.1 101 /);
});

/** A small ZIM file. */
async function makeZim(work, path) {
  const tree = join(work, 'tree');
  await mkdir(tree, { recursive: true });
  for (const [name, text] of [['index', 'the first page'], ['second', 'another page']]) {
    await writeFile(join(tree, `${name}.html`), `<!DOCTYPE html><html><head><meta charset="utf-8"><title>${name}</title></head><body><p>${text}</p><a href="second.html">on</a></body></html>`);
  }
  // Of one colour, 48 by 48, which zimwriterfs insists on.
  const picture = spawnSync('ffmpeg', ['-loglevel', 'error', '-y', '-f', 'lavfi', '-i', 'color=c=blue:s=48x48', '-frames:v', '1', join(tree, 'illustration.png')], { encoding: 'utf8' });
  assert.equal(picture.status, 0, picture.stderr);
  await writeFile(join(tree, 'ballast.bin'), randomBytes(2 << 20));
  const done = spawnSync('zimwriterfs', ['--welcome', 'index.html', '--illustration', 'illustration.png', '--language', 'eng', '--title', 'A book', '--description', 'A book of the test',
    '--creator', 'test', '--publisher', 'test', '--name', 'book', '--withoutFTIndex', tree, path], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stdout + done.stderr);
}

test('kiwix.conf: a ZIM library', { timeout: 180_000 }, async (t) => {
  const kiwix = await freePort();
  const s = await stage(t, async ({ port, work, after, ...s }) => {
    const library = join(work, 'zim');
    await mkdir(library);
    await makeZim(work, join(library, 'book.zim'));
    const child = spawn('kiwix-serve', ['--address', '127.0.0.1', '--port', String(kiwix), '--urlRootLocation', '/zim', join(library, 'book.zim')], { stdio: ['ignore', 'ignore', 'inherit'] });
    after(async () => { if (child.exitCode === null) { child.kill('SIGKILL'); await once(child, 'exit'); } });
    await until('kiwix-serve answers', () => ask(kiwix, '/zim/', { version: '1.0' }));
    return example('kiwix.conf', { 'listen 80;': `listen 127.0.0.1:${port};`, 'proxy_pass http://127.0.0.1:8081;': `proxy_pass http://127.0.0.1:${kiwix};`, 'alias /srv/zim/;': `alias ${library}/;`, ...withModule(s) });
  });
  await until('pages have the tag', async () => (await s.visit('/zim/')).body.includes('loader.js'), { hint: () => s.nginx.log().slice(-1500) });
  const first = await s.visit('/');
  assert.equal(first.status, 302);
  // Its own pages differ from one request to the next in nothing but what is told by name.
  for (const path of ['/zim/', '/zim/book/A/index.html', '/zim/book/A/second.html']) {
    const plain = await s.ask(path), page = await s.visit(path);
    assert.equal(plain.status, page.status, path);
    if (page.status === 200) injected(page, plain.body, path);
    t.diagnostic(`${path}: ${page.status}`);
  }
  await s.ask('/files/book.zim');
  await s.shared('/files/book.zim');
  const file = await s.ask('/files/book.zim', { method: 'HEAD' });
  assert.equal(header(file, 'content-type'), 'application/x-zim');
  assert.match(header(file, 'link'), /torrent\/files\/book\.zim/);
  assert.equal((await s.ask('/files/book.zim.torrent')).status, 200);
});
