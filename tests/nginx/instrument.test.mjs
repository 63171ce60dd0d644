// The tests' instruments: an HTTP client that believes nothing, an origin that does as told, nginx itself.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, header, parsed } from './lib/http.mjs';
import { check, descriptors, resident, startNginx } from './lib/nginx.mjs';
import { parts, randomSizes, startOrigin } from './lib/origin.mjs';
import { identical, pageOf, proxied, workplace } from './lib/stage.mjs';

const ANSWER = 'HTTP/1.1 200 OK\r\nA: b\r\n';

test('an answer without its end is none', () => {
  const good = (text, framing, body) => { const answer = parsed(Buffer.from(ANSWER + text)); assert.equal(answer.framing, framing); assert.equal(String(answer.body), body); return answer; };
  good('Content-Length: 3\r\n\r\nabc', 'length', 'abc');
  good('Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n', 'chunked', 'ab0123456789');
  assert.equal(String(good('Content-Length: 3\r\n\r\nabcde', 'length', 'abc').rest), 'de');
  for (const bad of ['Content-Length: 3\r\n\r\nab', 'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n', 'Transfer-Encoding: chunked\r\n\r\n3\r\nab\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n']) {
    assert.throws(() => parsed(Buffer.from(ANSWER + bad)), undefined, JSON.stringify(bad));
  }
});

test('an origin answers as told, and a client sees where it breaks off', async (t) => {
  const { after } = await workplace(t), page = pageOf(5_000);
  const answers = {
    '/chunks': { body: parts(page, randomSizes(1, 100)), chunked: true, headers: [['X-A', '1'], ['X-A', '2']] },
    '/cut': { body: page, headers: [['Content-Length', String(page.length + 1)]], abort: true },
    '/cut-chunks': { body: [page], chunked: true, abort: true },
  };
  const origin = await startOrigin(({ path }) => answers[path]);
  after(() => origin.close());
  const whole = await ask(origin.port, '/chunks');
  identical(whole.body, page);
  assert.equal(header(whole, 'x-a'), '1, 2');
  await assert.rejects(ask(origin.port, '/cut'), /cut off/);
  await assert.rejects(ask(origin.port, '/cut-chunks'), /cut off/);
});

test('nginx starts, reloads and ends', async (t) => {
  const { work, after } = await workplace(t), origin = await startOrigin(() => ({ body: 'from the origin' }));
  after(() => origin.close());
  const options = { module: false, http: ([port]) => `server { listen 127.0.0.1:${port}; location / { ${proxied(origin.port)} } }` };
  const nginx = await startNginx(join(work, 'nginx'), options);
  after(() => nginx.stop());
  assert.equal(String((await ask(nginx.port, '/')).body), 'from the origin');
  const workers = nginx.workers();
  assert.equal(workers.length, 2);
  await nginx.reload();
  assert.ok(nginx.workers().every((pid) => !workers.includes(pid)));
  assert.ok(resident(nginx.master()) > 500 && descriptors(nginx.master()) > 5);
  await nginx.stop();
  await assert.rejects(ask(nginx.port, '/'));
  assert.equal((await check(join(work, 'check'), { module: false, http: 'nothing;' })).status, 1);
});
