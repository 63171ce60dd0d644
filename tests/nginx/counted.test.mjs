// What leaves nginx is counted by what it was, to the octet, however short it was and whatever was done to it on the way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../browser/lib/until.mjs';
import { PREFIX, site } from './lib/stage.mjs';

const CSS = Buffer.from('p { color: red }\n'.repeat(60)), PLAIN = { accept: '*/*' };

/** Octets by kind, and answers by the reason they were left alone for, as the operator sees them. */
async function counted(s) {
  const get = async (path) => (await fetch(`${s.origin}${PREFIX}/${path}`, { headers: s.operator() })).text();
  const sent = Object.fromEntries([...(await get('metrics')).matchAll(/^manyhands_sent_bytes_total\{kind="(\w+)"\} (\d+)$/gm)].map(([, kind, octets]) => [kind, Number(octets)]));
  const reasons = Object.fromEntries(JSON.parse(await get('status.json')).passed_through.map(({ reason, answers }) => [reason, answers]));
  return { ...sent, reasons };
}

test('short answers that are left alone are counted once, with the octets that were sent', { timeout: 60_000 }, async (t) => {
  const server = ({ root }) => `root ${root}; location /gzip/ { alias ${root}/; gzip on; gzip_min_length 1; gzip_types text/css; }
    location /sub/ { alias ${root}/; sub_filter_types text/css; sub_filter red blue; sub_filter_once off; }
    location /more/ { alias ${root}/; add_header X-More 1; } location /typed/ { alias ${root}/; types { } default_type "text/css; charset=utf-8"; }
    location /charset/ { alias ${root}/; charset utf-8; charset_types text/css; } location /back/ { proxy_pass http://127.0.0.1:$server_port/a.css; }
    location = /moved.css { error_page 404 = /a.css; return 404; }`;
  const s = await site(t, { files: { 'a.css': CSS, 'none.css': '' }, server, log: true });
  // What came before is told by now: nothing more comes, while a worker tells what it has five times a second.
  let before, same = 0;
  await until('all from before is counted', async () => {
    const last = before;
    before = await counted(s);
    same = last?.other === before.other ? same + 1 : 0;
    return same === 5;
  }, { every: 200, hint: s.output });
  let octets = 0, answers = 0;
  const ask = async (path, more, status = 200, reason = 'type') => {
    const answer = await s.ask(path, { headers: PLAIN, ...more });
    assert.equal(answer.status, status, path);
    octets += answer.body.length;
    if (reason === 'type') answers++;
    assert.equal((await s.logged(path)).reason, reason, path);
    return answer;
  };
  for (let n = 0; n < 3; n++) await ask('/a.css');
  await ask('/a.css', { version: '1.0' });
  await ask('/a.css?x', { method: 'HEAD' });
  await ask('/none.css');
  await ask('/a.css?part', { headers: { range: 'bytes=10-29' } }, 206);
  await ask('/a.css?parts', { headers: { range: 'bytes=0-9,100-109' } }, 206);
  for (const place of ['more', 'typed', 'charset']) assert.deepEqual((await ask(`/${place}/a.css`)).body, CSS);
  assert.deepEqual((await ask('/moved.css')).body, CSS);
  // What is made another on its way is counted as it went.
  const zipped = await ask('/gzip/a.css', { headers: { 'accept-encoding': 'gzip' } });
  assert.ok(zipped.body.length < CSS.length / 2);
  assert.ok(String((await ask('/sub/a.css')).body).includes('blue'));
  // An answer that nginx makes for itself: once by this visitor, once by nginx.
  await ask('/back/a.css');
  octets += CSS.length;
  answers++;
  await ask('/a.css?not', { headers: { range: 'bytes=5000-' } }, 416);
  const now = await until('all that is counted', async () => {
    const now = await counted(s);
    return now.reasons.type - (before.reasons.type ?? 0) >= answers && now.other - before.other >= octets && now;
  }, { hint: s.output });
  assert.equal(now.reasons.type - (before.reasons.type ?? 0), answers);
  assert.equal(now.other - before.other, octets);
});
