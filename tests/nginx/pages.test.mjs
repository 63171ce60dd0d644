// Pages, however nginx holds and sends them: the tag once, the rest octet by octet as it was, the framing whole.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { header, NAVIGATION, opened, parsed, requestOf } from './lib/http.mjs';
import { parts, randomSizes } from './lib/origin.mjs';
import { identical, injected, pageOf, proxied, site, SMALL, TAG, untouched } from './lib/stage.mjs';

const LARGE = pageOf(100_000), HUGE = pageOf(6_000_000);
const HTML = ['Content-Type', 'text/html; charset=utf-8'];

test('a static page, by every way nginx reads a file', { timeout: 120_000 }, async (t) => {
  const ways = { plain: 'sendfile off;', sendfile: 'sendfile on;', 'tcp_nopush': 'sendfile on; tcp_nopush on;', 'sendfile in steps': 'sendfile on; sendfile_max_chunk 16k;',
    threads: 'sendfile on; aio threads;', 'threads without sendfile': 'sendfile off; aio threads;', directio: 'directio 4k; directio_alignment 512;', 'few buffers': 'sendfile on; output_buffers 1 4k;',
    'cached descriptors': 'sendfile on; open_file_cache max=10;', 'postponed': 'sendfile on; postpone_output 0;' };
  const names = Object.keys(ways);
  const s = await site(t, {
    files: { 'large.html': LARGE, 'plain.txt': LARGE, 'huge.html': HUGE },
    server: ({ root }) => `location / { root ${root}; } ${names.map((name, n) => `location /way${n}/ { alias ${root}/; ${ways[name]} }`).join('\n')}`,
  });
  for (const [n, name] of names.entries()) {
    for (let round = 0; round < 3; round++) injected(await s.visit(`/way${n}/large.html`), LARGE, name);
    injected(await s.visit(`/way${n}/huge.html`), HUGE, `${name}, huge`);
    untouched(await s.visit(`/way${n}/plain.txt`), LARGE, `${name}, not HTML`);
    untouched(await s.ask(`/way${n}/large.html`), LARGE, `${name}, to a program`);
    const old = await s.visit(`/way${n}/large.html`, { version: '1.0' });
    injected(old, LARGE, `${name}, HTTP/1.0`);
  }
});

test('several requests on one connection', async (t) => {
  const s = await site(t, { files: { 'large.html': LARGE } });
  const socket = await opened(s.port), kinds = [['/large.html', NAVIGATION], ['/small.html', NAVIGATION], ['/large.html', {}], ['/missing', NAVIGATION], ['/large.html', NAVIGATION]];
  // All at once: what one answer loses or adds, the next would show.
  socket.write(kinds.map(([path, headers], n) => requestOf(path, { headers: n === kinds.length - 1 ? { ...headers, connection: 'close' } : headers })).join(''));
  const chunks = [];
  for await (const chunk of socket) chunks.push(chunk);
  let octets = Buffer.concat(chunks);
  const answers = kinds.map(() => { const answer = parsed(octets); octets = answer.rest; return answer; });
  assert.equal(octets.length, 0);
  injected(answers[0], LARGE);
  injected(answers[1], SMALL);
  untouched(answers[2], LARGE);
  assert.equal(answers[3].status, 404);
  injected(answers[4], LARGE);
});

test('a page of 6 MB to a slow visitor', { timeout: 120_000 }, async (t) => {
  const s = await site(t, {
    files: { 'huge.html': HUGE }, listen: 'sndbuf=4k',
    origin: ({ path }) => (path === '/chunked.html' ? { headers: [HTML], chunked: true, body: parts(HUGE, () => 30_000) } : { headers: [HTML], body: path === '/small.html' ? SMALL : HUGE }),
    server: ({ root, upstream }) => `location / { ${proxied(upstream)} } location /unbuffered/ { ${proxied(`${upstream}/`, 'proxy_buffering off;')} }
      location /tiny/ { ${proxied(`${upstream}/`, 'proxy_buffers 4 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 8k; proxy_max_temp_file_size 0;')} }
      location /file/ { alias ${root}/; sendfile on; }`,
  });
  const paths = ['/huge.html', '/chunked.html', '/unbuffered/huge.html', '/tiny/huge.html', '/file/huge.html'];
  const answers = await Promise.all(paths.map((path) => s.visit(path, { pause: 4, timeout: 100_000 })));
  for (const [n, answer] of answers.entries()) injected(answer, HUGE, paths[n]);
  t.diagnostic(`ms: ${answers.map((answer) => Math.round(answer.ms)).join(' ')}`);
});

test('a proxied page, however it arrives', { timeout: 300_000 }, async (t) => {
  const ways = {
    buffered: '', unbuffered: 'proxy_buffering off;', 'tiny buffers': 'proxy_buffers 4 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 8k;',
    'tiny buffers without a file': 'proxy_buffers 4 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 8k; proxy_max_temp_file_size 0;', 'HTTP/1.0 upstream': 'proxy_http_version 1.0;',
  };
  const sizes = { one: () => 1, random: randomSizes(7, 5_000), some: () => 333, many: () => 50_000 }, small = pageOf(4_000);
  const s = await site(t, {
    origin: ({ path }) => {
      const [, kind, size] = path.split('/'), page = size === 'one' ? small : LARGE;
      if (kind === 'small.html') return { headers: [HTML], body: SMALL };
      return { headers: kind === 'length' ? [HTML, ['Content-Length', String(page.length)]] : [HTML], body: parts(page, sizes[size]), chunked: kind === 'chunked', close: kind === 'close' };
    },
    server: ({ upstream }) => `location / { ${proxied(upstream)} }
      ${Object.values(ways).map((way, n) => `location /way${n}/ { ${proxied(`${upstream}/`, '').replace('proxy_http_version 1.1;', way.includes('version') ? '' : 'proxy_http_version 1.1;')} ${way} }`).join('\n')}`,
  });
  const cases = [];
  for (const [n, way] of Object.keys(ways).entries()) for (const kind of ['length', 'chunked', 'close']) {
    // nginx asks an HTTP/1.0 origin for no chunks.
    if (kind === 'chunked' && way === 'HTTP/1.0 upstream') continue;
    for (const size of Object.keys(sizes)) cases.push([`/way${n}/${kind}/${size}`, `${way}, ${kind}, ${size}`, size]);
  }
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let next; (next = cases.pop());) injected(await s.visit(next[0]), next[2] === 'one' ? small : LARGE, next[1]);
  }));
});

test('where the tag goes', async (t) => {
  const H = '<!doctype html><html><head>', at = (before, after) => [before + after, before];
  // Page, and what stands before the tag; null where the page has no place for it.
  const pages = {
    ordinary: at(H, '<title>x</title></head><body></body></html>'),
    'upper case': at('<!DOCTYPE HTML><HTML><HEAD>', '<TITLE>x</TITLE></HEAD><BODY></BODY></HTML>'),
    attributes: at('<!doctype html><html><head lang="a>b" data-x=\'</head>\'>', '<title>x</title></head>'),
    'in a comment first': at('<!doctype html><!-- <head></head> --><html><head>', '<title>x</title></head>'),
    'in a script later': at(H, '<script>var a = "<head></head>";</script></head>'),
    'in an attribute first': at('<!doctype html><html title="<head>"><head>', '</head>'),
    'no head, a body': at('<!doctype html><html>', '<body>text</body></html>'),
    'no head, a title': at('<!doctype html>\n', '<title>no head</title><p>x'),
    'at the very end': at(H, ''),
    'a fragment': ['<p>a fragment</p>', null],
    'text before the head': ['<!doctype html>text<head>', null],
    'a comment without end': ['<!doctype html><!-- <head> ', null],
    'an AMP page': ['<html amp><head><p>', null],
    'a feed called HTML': ['<?xml version="1.0"?><rss></rss>', null],
    'an open tag at the end': ['<!doctype html><html><hea', null],
    empty: ['', null],
    'a blank': [' ', null],
  };
  const s = await site(t, {
    files: Object.fromEntries(Object.values(pages).map(([page], n) => [`${n}.html`, page])),
    origin: ({ path }) => {
      if (path === '/small.html') return { headers: [HTML], body: SMALL };
      const [, kind, n] = path.split('/'), page = Buffer.from(Object.values(pages)[n][0]);
      return kind === 'whole' ? { headers: [HTML], body: page } : { headers: [HTML], body: parts(page, () => 1), chunked: true };
    },
    server: ({ root, upstream }) => `location / { ${proxied(upstream, 'proxy_buffering off;')} } location /file/ { rewrite ^/file/(.*) /$1.html break; root ${root}; }`,
  });
  for (const [n, [name, [page, before]]] of Object.entries(pages).entries()) for (const kind of ['file', 'whole', 'octets']) {
    const answer = await s.visit(`/${kind}/${n}`), what = `${name}, ${kind}`;
    if (before === null) untouched(answer, page, what);
    else assert.equal(injected(answer, page, what), before.length, what);
  }
});

test('a page that never gives a place is passed on as it comes', { timeout: 60_000 }, async (t) => {
  // 2 MB of comment: nobody reads on for ever.
  const page = Buffer.from(`<!doctype html><!--${' a comment'.repeat(200_000)}--><html><head></head></html>`);
  const s = await site(t, { files: { 'comment.html': page } });
  const answer = await s.visit('/comment.html');
  if (answer.body.includes(TAG)) injected(answer, page); else untouched(answer, page);
});

test('HEAD, conditions and ranges of a page', async (t) => {
  const s = await site(t, { files: { 'large.html': LARGE } });
  const page = await s.visit('/large.html'), head = await s.visit('/large.html', { method: 'HEAD' });
  injected(page, LARGE);
  assert.equal(head.status, 200);
  const compared = ({ headers }) => headers.filter(([name]) => !['date', 'transfer-encoding', 'connection'].includes(name)).sort();
  assert.deepEqual(compared(head), compared(page));
  assert.equal(header(page, 'content-length'), undefined);
  assert.equal(header(page, 'accept-ranges'), undefined);
  assert.match(header(page, 'etag'), /^W\/"/);
  assert.ok(header(page, 'last-modified'));

  const etag = header(page, 'etag'), again = await s.visit('/large.html', { headers: { 'if-none-match': etag } });
  assert.equal(again.status, 304);
  assert.equal(header(again, 'etag'), etag);
  assert.equal((await s.visit('/large.html', { headers: { 'if-modified-since': header(page, 'last-modified') } })).status, 304);
  injected(await s.visit('/large.html', { headers: { 'if-none-match': '"other"' } }), LARGE);

  const part = await s.visit('/large.html', { headers: { range: 'bytes=100-199' } });
  t.diagnostic(`a range of a page: ${part.status}`);
  // The whole page with the tag, or the part of the page as it lies there: never a part of something else.
  if (part.status === 206) { identical(part.body, LARGE.subarray(100, 200)); } else injected(part, LARGE);
  const program = await s.ask('/large.html', { headers: { range: 'bytes=100-199' } });
  assert.equal(program.status, 206);
  identical(program.body, LARGE.subarray(100, 200));
});

test('to a program, a frame and a form a page is as it was, its head too', async (t) => {
  const s = await site(t, { files: { 'large.html': LARGE } }), plain = await s.ask('/large.html');
  untouched(plain, LARGE);
  assert.equal(header(plain, 'content-length'), String(LARGE.length));
  assert.equal(header(plain, 'accept-ranges'), 'bytes');
  assert.match(header(plain, 'etag'), /^"/);
  for (const headers of [{ accept: '*/*' }, { accept: 'text/html', 'sec-fetch-dest': 'iframe' }, { accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' }]) {
    const answer = await s.ask('/large.html', { headers });
    untouched(answer, LARGE);
    assert.equal(header(answer, 'etag'), header(plain, 'etag'));
  }
});

test('an origin is asked for a page as it is, and for nothing else so', async (t) => {
  const s = await site(t, { origin: ({ path, header }) => {
    const kind = { headers: [path.endsWith('.html') ? HTML : ['Content-Type', 'text/css']], body: path === '/small.html' ? SMALL : LARGE };
    if (!/gzip/.test(header('accept-encoding') ?? '') && path !== '/forced.html') return kind;
    return { headers: [...kind.headers, ['Content-Encoding', 'gzip'], ['Vary', 'Accept-Encoding']], body: gzipSync(kind.body) };
  } });
  const sent = (path) => s.behind.requests.findLast((request) => request.path === path).header('accept-encoding');
  const zipped = { headers: { 'accept-encoding': 'gzip, deflate, br' } };
  injected(await s.visit('/page.html', zipped), LARGE);
  assert.equal(sent('/page.html'), 'identity');
  const style = await s.ask('/style.css', { headers: { 'accept-encoding': 'gzip, deflate, br', 'sec-fetch-dest': 'style', accept: 'text/css,*/*;q=0.1' } });
  assert.equal(header(style, 'content-encoding'), 'gzip');
  untouched(style, LARGE);
  assert.equal(sent('/style.css'), 'gzip, deflate, br');
  // It compresses whatever it is asked: then the page stays as it is.
  const forced = await s.visit('/forced.html', zipped);
  assert.equal(header(forced, 'content-encoding'), 'gzip');
  untouched(forced, LARGE);
});

test('an origin that breaks off: the visitor sees it too', async (t) => {
  const s = await site(t, { origin: ({ path }) => {
    if (path === '/small.html') return { headers: [HTML], body: SMALL };
    return path === '/length.html' ? { headers: [HTML, ['Content-Length', String(LARGE.length)]], body: LARGE.subarray(0, 50_000), abort: true }
      : { headers: [HTML], body: [LARGE.subarray(0, 50_000)], chunked: true, abort: true };
  } });
  for (const path of ['/length.html', '/chunked.html']) await assert.rejects(s.visit(path), /cut off/);
  injected(await s.visit('/small.html'), SMALL);
});

test('a visitor who leaves in the middle harms nobody', { timeout: 60_000 }, async (t) => {
  const s = await site(t, { files: { 'huge.html': HUGE }, listen: 'sndbuf=4k' });
  const before = s.nginx.workers();
  await Promise.all(Array.from({ length: 50 }, async () => {
    const socket = await opened(s.port);
    socket.write(requestOf('/huge.html', { headers: NAVIGATION }));
    await once(socket, 'data');
    socket.destroy();
  }));
  injected(await s.visit('/huge.html'), HUGE);
  assert.deepEqual(s.nginx.workers(), before);
});

test('subrequests and internal redirects', async (t) => {
  const part = '<!doctype html><html><head></head><body>a part</body></html>';
  const s = await site(t, {
    files: { 'ssi.html': SMALL.replace('<p>', '<!--#include virtual="/part.html" --><p>'), 'part.html': part, 'before.html': part, 'large.html': LARGE, 'd/index.html': SMALL },
    server: ({ root }) => `root ${root}; location = /ssi.html { ssi on; } location = /added.html { alias ${root}/small.html; add_after_body /part.html; }
      location /try/ { try_files /nothing /small.html; } location /moved/ { rewrite ^ /large.html last; } location @named { rewrite ^ /small.html break; } location = /named { try_files /nothing @named; }`,
  });
  // Only the page itself has the tag, not what is put into it.
  injected(await s.visit('/ssi.html'), SMALL.replace('<p>', `${part}<p>`), 'ssi');
  injected(await s.visit('/added.html'), SMALL + part, 'add_after_body');
  injected(await s.visit('/try/x'), SMALL, 'try_files');
  injected(await s.visit('/moved/x'), LARGE, 'rewrite');
  injected(await s.visit('/d/'), SMALL, 'index');
  const moved = await s.visit('/d');
  assert.equal(moved.status, 301);
  assert.ok(!moved.body.includes(TAG));
});
