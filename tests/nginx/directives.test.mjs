// Each directive does what its paragraph in nginx-module/README.md says, and each bad value is one line that says what, why and what to do.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { crossover } from '../browser/lib/experiment.mjs';
import { PREFIX } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';
import { header } from './lib/http.mjs';
import { check } from './lib/nginx.mjs';
import { injected, proxied, site, SMALL, TAG, untouched, workplace } from './lib/stage.mjs';

const BIG = Buffer.alloc(2 << 20, 'octets of a file ');
const FILES = { 'big.zip': BIG };
/** Reads its files as another place would: `/NAME/` with more directives. */
const places = (all) => ({ root }) => `root ${root}; ${Object.entries(all).map(([name, directives]) => `location /${name}/ { alias ${root}/; ${directives} }`).join('\n')}`;

test('manyhands', async (t) => {
  const s = await site(t, { manyhands: 'manyhands off;', waits: false, server: places({ on: 'manyhands on;', off: '' }) });
  await s.injecting(true, '/on/small.html');
  injected(await s.visit('/on/small.html'), SMALL);
  untouched(await s.visit('/off/small.html'), SMALL);
  untouched(await s.visit('/small.html'), SMALL);
});

test('manyhands_state', async (t) => {
  const s = await site(t, { server: (s) => places({ other: `manyhands_state ${s.work}/nothing;`, relative: 'manyhands_state ../state;' })(s) });
  untouched(await s.visit('/other/small.html'), SMALL);
  injected(await s.visit('/relative/small.html'), SMALL);
});

test('manyhands_daemon', async (t) => {
  const s = await site(t, { alerts: /connect\(\) to unix:/ });
  const script = await s.ask(`${PREFIX}/loader.js`);
  assert.equal(script.status, 200);
  assert.match(header(script, 'content-type'), /javascript/);
  await s.nginx.reload({ http: (ports) => s.text(ports).replace(s.socket, `${s.socket}.other`) });
  assert.equal((await s.ask(`${PREFIX}/loader.js`)).status, 502);
});

test('manyhands_prefix', async (t) => {
  // The include is for the usual prefix; the owner copies it.
  const s = await site(t, { config: { site: { prefix: '/_mh' } }, manyhands: 'manyhands on; manyhands_prefix /_mh;', waits: false });
  const tag = TAG.replace(PREFIX, '/_mh');
  await until('the page has the tag', async () => (await s.visit('/small.html')).body.includes(tag), { hint: s.output });
  await s.nginx.reload({ http: (ports) => s.text(ports).replace('manyhands_prefix /_mh;', 'manyhands_prefix /elsewhere;') });
  for (let n = 0; n < 6; n++) untouched(await s.visit('/small.html'), SMALL);
  const errors = s.nginx.lines('error').filter((line) => /manyhands_prefix/.test(line));
  assert.ok(errors.length >= 1 && errors.length <= 2, `one line a worker at most:\n${errors.join('\n')}`);
});

test('manyhands_min_size and manyhands_max_size', async (t) => {
  const s = await site(t, {
    files: FILES,
    // Behind nginx: a file of nginx's own may be as large as it is.
    origin: ({ path }) => (path.endsWith('.zip') ? { headers: [['Content-Type', 'application/zip'], ['ETag', '"1"']], body: BIG } : { headers: [['Content-Type', 'text/html']], body: SMALL }),
    server: (s) => `location / { ${proxied(s.upstream)} } ${Object.entries({ small: 'manyhands_min_size 3m;', large: 'manyhands_max_size 2097151;', fits: 'manyhands_min_size 2m; manyhands_max_size 2048k;' })
      .map(([name, directives]) => `location /${name}/ { ${proxied(s.upstream)} ${directives} }`).join('\n')} location /file/ { alias ${s.root}/; manyhands_max_size 2097151; } location /little/ { alias ${s.root}/; manyhands_min_size 3m; }`,
  });
  for (const [path, reason] of [['/small/big.zip', 'too_small'], ['/large/big.zip', 'too_large'], ['/fits/big.zip', ''], ['/big.zip', ''], ['/file/big.zip', ''], ['/little/big.zip', 'too_small']]) {
    untouched(await s.ask(path), BIG);
    assert.equal((await s.logged(path)).reason, reason, path);
  }
});

test('manyhands_types', async (t) => {
  const s = await site(t, { files: { 'big.woff': BIG, ...FILES }, server: places({ fonts: 'manyhands_types font/woff;', videos: 'manyhands_types video/*;' }) });
  for (const [path, reason] of [['/fonts/big.woff', ''], ['/videos/big.woff', 'type'], ['/videos/big.zip', 'type'], ['/big.woff', 'type'], ['/big.zip', '']]) {
    untouched(await s.ask(path), BIG);
    assert.equal((await s.logged(path)).reason, reason, path);
  }
});

test('manyhands_preload', async (t) => {
  const config = { admission: { requests: 5, prefixes: 1 } };
  const s = await site(t, { files: { ...FILES, 'other.zip': BIG }, config, server: ({ root }) => `root ${root}; manyhands_preload /big.zip /nothing.zip;` });
  await s.ask('/other.zip');
  await s.sharing('/big.zip');
  assert.equal((await s.ask(`${PREFIX}/manifest/other.zip?again`)).status, 404);
});

test('manyhands_site', async (t) => {
  const s = await site(t, { server: ({ root, port }) => `root ${root}; manyhands_site http://127.0.0.1:${port};` });
  await s.nginx.reload({ http: (ports) => s.text(ports).replace(`manyhands_site http://127.0.0.1:${s.port};`, 'manyhands_site https://example.org;') });
  for (let n = 0; n < 6; n++) untouched(await s.visit('/small.html'), SMALL);
  const errors = s.nginx.lines('error').filter((line) => /manyhands_site/.test(line));
  assert.ok(errors.length >= 1 && errors.length <= 2, `one line a worker at most:\n${errors.join('\n')}`);
});

test('manyhands_consent', async (t) => {
  const mode = async () => JSON.parse((await s.ask(`${PREFIX}/site.json`)).body).consent;
  const s = await site(t, { config: { consent: { mode: 'ask' } }, server: ({ root }) => `root ${root}; manyhands_consent notice;` });
  const notice = await mode();
  await s.nginx.reload({ http: (ports) => s.text(ports).replace('manyhands_consent notice;', '') });
  const asked = await mode();
  assert.notDeepEqual(notice, asked);
  assert.match(JSON.stringify(notice), /notice/);
  assert.match(JSON.stringify(asked), /ask/);
});

test('manyhands_experiment', async (t) => {
  const port = await (await import('../browser/lib/server.mjs')).freePort(), experiment = crossover(`http://127.0.0.1:${port}`, { shared: ['/big.zip'], held: ['/held.zip'] });
  const s = await site(t, { port, files: { ...FILES, 'held.zip': BIG, 'apart.zip': BIG }, config: { experiment }, server: ({ root }) => `root ${root}; location = /apart.zip { manyhands_experiment off; }` });
  for (const [path, arm] of [['/big.zip', 'p2p'], ['/held.zip', 'http'], ['/apart.zip', '']]) {
    await s.sharing(path);
    await s.ask(path);
    assert.equal((await s.logged(path)).arm, arm, path);
  }
});

test('manyhands_inject', async (t) => {
  const s = await site(t, { files: FILES, server: places({ none: 'manyhands_inject off;' }) });
  injected(await s.visit('/small.html'), SMALL);
  untouched(await s.visit('/none/small.html'), SMALL);
  await s.sharing('/none/big.zip');
  assert.match(header(await s.ask('/none/big.zip'), 'link'), /torrent\/none\/big\.zip/);
});

test('manyhands_suffixes', async (t) => {
  const s = await site(t, { files: { ...FILES, 'own.zip': BIG, 'own.zip.sha256': 'the site\'s own' }, server: places({ with: 'manyhands_suffixes on;', without: 'manyhands_suffixes off;' }) });
  for (const path of ['/with/big.zip', '/without/big.zip', '/with/own.zip']) await s.sharing(path);
  for (const suffix of ['torrent', 'magnet', 'meta4', 'sha256']) {
    const direct = await s.ask(`${PREFIX}/${suffix}/with/big.zip`), beside = await s.ask(`/with/big.zip.${suffix}`), head = await s.ask(`/with/big.zip.${suffix}`, { method: 'HEAD' });
    assert.equal(beside.status, 200, suffix);
    assert.deepEqual(beside.body, direct.body, suffix);
    assert.equal(header(beside, 'content-type'), header(direct, 'content-type'), suffix);
    assert.equal(header(head, 'content-length'), String(beside.body.length), suffix);
    assert.equal((await s.ask(`/without/big.zip.${suffix}`)).status, 404, suffix);
    assert.equal((await s.ask(`/with/missing.zip.${suffix}`)).status, 404, suffix);
  }
  assert.equal(String((await s.ask('/with/own.zip.sha256')).body), "the site's own");
});

test('the variables', async (t) => {
  const s = await site(t, { files: FILES });
  const { infohash } = await s.sharing('/big.zip');
  await s.ask('/big.zip');
  assert.deepEqual(await s.logged('/big.zip'), { method: 'GET', target: '/big.zip', status: 200, reason: '', arm: '', infohash });
  await s.visit('/index.html');
  assert.deepEqual(await s.logged('/index.html'), { method: 'GET', target: '/index.html', status: 200, reason: '', arm: '', infohash: '' });
  await s.ask('/big.zip?x=1');
  assert.equal((await s.logged('/big.zip?x=1')).reason, 'query');
});

test('a configuration with all directives at all their levels', async (t) => {
  const { work } = await workplace(t);
  const anywhere = `manyhands on; manyhands_state /var/lib/x; manyhands_daemon unix:/run/x.sock; manyhands_min_size 1m; manyhands_max_size 4g; manyhands_types video/mp4 video/*;
    manyhands_preload /a%20b.zip; manyhands_experiment on; manyhands_inject on; manyhands_suffixes off;`;
  const servers = 'manyhands_prefix /.well-known/manyhands; manyhands_site https://example.org; manyhands_consent ask;';
  const { status, output } = await check(join(work, 'nginx'), { http: `${anywhere} ${servers} server { listen 127.0.0.1:1; ${anywhere} ${servers} location / { ${anywhere} } }` });
  assert.equal(status, 0, output);
  assert.doesNotMatch(output, /\[(emerg|alert|error|warn)\]/);
});

/** Directive, where it stands, and what the line says. */
const BAD = [
  ['manyhands yes;', 'location', '"manyhands": "yes" is neither on nor off; write "on" or "off"'],
  ['manyhands;', 'server', 'invalid number of arguments in "manyhands" directive'],
  ['manyhands on; manyhands off;', 'server', '"manyhands": it is there twice at this level; take one out'],
  ['manyhands_state "";', 'server', '"manyhands_state": the directory has no name; write the sidecar\'s [state] dir'],
  ['manyhands_state /a /b;', 'server', 'invalid number of arguments in "manyhands_state" directive'],
  ['manyhands_daemon 127.0.0.1:80;', 'http', '"manyhands_daemon": "127.0.0.1:80" is no unix socket; write unix: and the absolute path that `manyhands sidecar --socket` has'],
  ['manyhands_daemon unix:run.sock;', 'http', '"manyhands_daemon": "unix:run.sock" is no unix socket; write unix: and the absolute path that `manyhands sidecar --socket` has'],
  ['manyhands_daemon unix:/a:/b;', 'http', 'nginx ends the path of a unix socket at a colon, and "/a:/b" has one; move the socket'],
  [`manyhands_daemon unix:/${'a'.repeat(120)};`, 'http', /the path of a unix socket has at most 100 bytes here, and "\/a+" has 121; move the socket/],
  ['manyhands_prefix _mh;', 'server', /"manyhands_prefix": .*; write it like \/\.well-known\/manyhands, as in the include/],
  ['manyhands_prefix /;', 'server', /"manyhands_prefix": .*; write it like \/\.well-known\/manyhands, as in the include/],
  ['manyhands_prefix /_mh;', 'location', '"manyhands_prefix" directive is not allowed here'],
  ['manyhands_min_size big;', 'location', '"manyhands_min_size": "big" is no size; write bytes, or a number with k, m or g behind it'],
  ['manyhands_min_size -1;', 'location', '"manyhands_min_size": "-1" is no size; write bytes, or a number with k, m or g behind it'],
  ['manyhands_max_size 1t;', 'location', '"manyhands_max_size": "1t" is no size; write bytes, or a number with k, m or g behind it'],
  ['manyhands_max_size 99999999999g;', 'location', '"manyhands_max_size": "99999999999g" is no size; write bytes, or a number with k, m or g behind it'],
  ['manyhands_min_size 2m; manyhands_max_size 1m;', 'location', '"manyhands_min_size" (2097152 bytes) is greater than "manyhands_max_size" (1048576 bytes), so no file could be shared; lower the one or raise the other'],
  ['manyhands_types;', 'location', 'invalid number of arguments in "manyhands_types" directive'],
  ['manyhands_types video;', 'location', /"manyhands_types": .*; take it out of the list, or write it like video\/mp4 or video\/\*/],
  ['manyhands_types text/html;', 'location', /"manyhands_types": .*; take it out of the list, or write it like video\/mp4 or video\/\*/],
  ['manyhands_preload big.zip;', 'location', '"manyhands_preload": "big.zip" is not the path of a file; write it as in a URL, like /pub/big%20file.zip'],
  ['manyhands_preload /pub/;', 'location', '"manyhands_preload": "/pub/" is not the path of a file; write it as in a URL, like /pub/big%20file.zip'],
  ['manyhands_preload;', 'location', 'invalid number of arguments in "manyhands_preload" directive'],
  ['manyhands_site example.org;', 'server', /"manyhands_site": .*; write what visitors' browsers show, without a path/],
  ['manyhands_site https://example.org/path;', 'server', /"manyhands_site": .*; write what visitors' browsers show, without a path/],
  ['manyhands_site https://example.org;', 'location', '"manyhands_site" directive is not allowed here'],
  ['manyhands_consent maybe;', 'server', '"manyhands_consent": "maybe" is no way of asking visitors; write "ask", "notice" or "external"'],
  ['manyhands_consent ask;', 'location', '"manyhands_consent" directive is not allowed here'],
  ['manyhands_experiment half;', 'location', '"manyhands_experiment": "half" is neither on nor off; write "on" or "off"'],
  ['manyhands_inject 1;', 'location', '"manyhands_inject": "1" is neither on nor off; write "on" or "off"'],
  ['manyhands_suffixes torrent;', 'location', '"manyhands_suffixes": "torrent" is neither on nor off; write "on" or "off"'],
];

test('every bad value is refused with one line', async (t) => {
  const { work } = await workplace(t);
  for (const [directives, level, text] of BAD) {
    await t.test(`${directives.length > 80 ? `${directives.slice(0, 60)}…` : directives} in ${level}`, async () => {
      const at = (name) => (level === name ? directives : '');
      const { status, output } = await check(join(work, 'nginx'), { http: `${at('http')}\nserver { listen 127.0.0.1:1; ${at('server')}\nlocation / { ${at('location')} } }` });
      const lines = output.split('\n').filter((line) => line.includes('[emerg]'));
      assert.equal(status, 1, output);
      assert.equal(lines.length, 1, output);
      assert.ok(text instanceof RegExp ? text.test(lines[0]) : lines[0].includes(text), `${lines[0]}\nnot\n${text}`);
      assert.match(lines[0], /nginx\.conf:\d+$/);
    });
  }
});
