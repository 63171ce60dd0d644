// The experiment with real visitors: what is counted is what the wire carried, held-out units are plain HTTP, and nobody is marked who
// need not be. What happened is read at the relay and in the browsers, never from what the client says of itself.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { analysis, bucketOf, crossover, rows, visitors } from './lib/experiment.mjs';
import { controlled, download, isAsset, isOurs, PREFIX, ready, site, status, stored } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const HELD = '/files/held.zip', SHARED = '/files/shared.zip', SIZE = { [HELD]: 2 * MiB, [SHARED]: 6 * MiB };
const RATE = 2_000_000;
const PATHS = [HELD, SHARED];
const files = async (root) => Object.fromEntries(await Promise.all(PATHS.map(async (path, n) => [path, (await makeAsset(join(root, path), SIZE[path], n)).sha256])));
const ofCrossover = { files, rate: RATE, config: (origin) => ({ experiment: crossover(origin, { held: [HELD], shared: [SHARED] }) }) };
/** A browser that says it is one: headless Chromium by its own words is a robot, and robots are in no arm. */
const PERSON = { flags: ['--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36'] };
const come = (s, options = {}) => s.visitor({ ...PERSON, ...options });
const open = async (t, options) => {
  const s = await site(t, options);
  // Through the relay, so that it has seen all that the server counts.
  for (const path of PATHS) await until(`${path} is shared`, async () => (await fetch(`${s.origin}${PREFIX}/manifest${path}?again`)).ok);
  return s;
};
const get = async (s, page, path, options) => assert.equal((await download(page, path, options)).sha256, s.files[path], path);
/** Ends a page view, so that it reports; the browser stays. */
const leave = (page) => page.goto('about:blank');

/**
 * What the relay saw of an asset, under the names of experiment.csv; `most`: what was asked for. Where a browser broke off, the server can
 * not know how much of what it gave to the connection was still on its way: it counts something between the two.
 */
function log(s, path) {
  const had = (match) => s.relay.find((e) => match(e) && e.method === 'GET' && (e.status === 200 || e.status === 206));
  const manifests = had((e) => e.path.split('?')[0] === `${PREFIX}/manifest${path}`), bytes = had(isAsset(path));
  const sum = (of, octets) => of.reduce((sum, e) => sum + octets(e), 0);
  const demand = s.relay.find((e) => e.path === `${PREFIX}/manifest${path}` && e.status !== 404).length;
  return {
    demand, demand_bytes: demand * SIZE[path], requests: bytes.length, overhead_bytes: sum(manifests, (e) => e.body),
    origin_bytes: sum(bytes, (e) => e.body), most: sum(bytes, (e) => e.length), broken: bytes.filter((e) => e.body < e.length).length,
  };
}

/** What the server has written down of each asset, some seconds after it happened at the latest: once it has all requests, and is at rest. */
async function written(s, expected) {
  const all = async () => Object.fromEntries((await rows(s.server)).map(({ experiment, block, unit, ...sums }) => [unit, sums]));
  const least = ['demand', 'requests', 'origin_bytes', 'overhead_bytes'];
  const enough = (of) => Object.entries(expected).every(([path, sums]) => least.every((name) => of[path]?.[name] >= sums[name]));
  await until('all requests are written', async () => enough(await all()), { timeout: 15_000 }).catch(() => { /* the comparison that follows says more */ });
  return all();
}

test('crossover: after twelve visits the raw sums are what the wire carried, and there is no verdict', { timeout: 300_000 }, async (t) => {
  const s = await open(t, ofCrossover);
  const host = await come(s);
  for (const path of PATHS) await get(s, host.page, path);
  for (let visit = 2; visit <= 11; visit++) {
    const { browser, page } = await come(s);
    await get(s, page, HELD);
    // Two surely meet the first visitor, who gives at most twice what he had; others as it happens.
    await Promise.all([get(s, page, SHARED), visit <= 3 && s.meet(page)]);
    await leave(page);
    await browser.close();
  }
  // The twelfth: the first visitor again, now through the worker, with one of the two in storage; and a part of each.
  await stored(host.page, SHARED);
  await host.page.goto(s.origin);
  await ready(host.page);
  await controlled(host.page);
  for (const path of PATHS) {
    await get(s, host.page, path, { through: 'page' });
    await host.page.evaluate((path) => fetch(path, { headers: { Range: 'bytes=100-299' } }).then((r) => r.arrayBuffer()), path);
  }
  await leave(host.page);

  const wire = Object.fromEntries(PATHS.map((path) => [path, log(s, path)]));
  for (const path of PATHS) assert.equal(wire[path].demand, 12, `${path}: one manifest request a page view`);
  t.diagnostic(JSON.stringify(wire));
  assert.ok(wire[HELD].origin_bytes >= 11 * SIZE[HELD], 'the first visitor had it in the cache of the browser at last');
  assert.ok(wire[SHARED].origin_bytes < 10 * SIZE[SHARED], 'visitors shared it');
  const counted = await written(s, wire);
  t.diagnostic(JSON.stringify(counted));
  for (const path of PATHS) {
    const { origin_bytes, most, broken, ...exact } = wire[path], { origin_bytes: octets, aborted, arm, ...sums } = counted[path];
    assert.equal(arm, path === HELD ? 'http' : 'p2p');
    assert.deepEqual(sums, { ...exact, failed: 0 }, path);
    assert.ok(octets >= origin_bytes && octets <= most, `${path}: ${octets} octets counted, ${origin_bytes} delivered, ${most} asked for`);
    assert.ok(aborted <= broken, `${path}: ${aborted} broken off, of ${broken}`);
  }
  assert.equal(wire[HELD].broken, 0, 'nobody breaks off plain HTTP, so all of it is exact');

  const result = await until('all reports are in', async () => {
    const found = await analysis(s.server);
    return found.arms.reduce((sum, { claimed }) => sum + claimed.reports, 0) >= 24 && found;
  });
  assert.equal(result.verdict, 'not_enough_data');
  assert.equal(result.estimate, null);
  const claimed = Object.fromEntries(result.arms.map(({ arm, claimed }) => [arm, claimed]));
  t.diagnostic(JSON.stringify(claimed));
  assert.equal(claimed.http.peer_bytes, 0);
  assert.equal(claimed.http.completed, 12);
  assert.equal(claimed.p2p.completed, 12);
  assert.ok(claimed.p2p.peer_bytes >= 11 * SIZE[SHARED] - wire[SHARED].origin_bytes, 'what did not come from here came from somebody');
});

test('crossover: of a held-out asset nobody is introduced to anybody', { timeout: 120_000 }, async (t) => {
  const s = await open(t, ofCrossover);
  const both = [await come(s), await come(s)];
  for (const { browser, page } of both) {
    await get(s, page, HELD);
    const seen = await browser.seen(page);
    assert.equal(seen.peerConnections, 0);
    assert.deepEqual(seen.webSockets, [], 'the manifest is enough: the tracker is not even asked');
    assert.deepEqual((await status(page)).received, { origin: 0, peers: 0, mirrors: 0 }, 'the browser itself fetched it');
  }
  // Nor does the tracker introduce whoever asks it in spite of the manifest, as it does for the other asset.
  const announced = async (path) => {
    const { infohash } = await (await fetch(`${s.origin}${PREFIX}/manifest${path}?again`)).json();
    const { tracker } = await (await fetch(`${s.origin}${PREFIX}/site.json`)).json();
    return Promise.all(both.map(({ page }, n) => page.evaluate(([tracker, infohash, n]) => new Promise((resolve, reject) => {
      const socket = new WebSocket(new URL(tracker, location.href.replace('http', 'ws')));
      socket.onopen = () => socket.send(JSON.stringify({
        action: 'announce', info_hash: infohash.replace(/../g, (hex) => String.fromCharCode(parseInt(hex, 16))), peer_id: `-XX0000-00000000000${n}`, numwant: 0,
        uploaded: 0, downloaded: 0, left: 1, event: 'started', offers: [],
      }));
      socket.onmessage = ({ data }) => resolve(JSON.parse(data));
      socket.onerror = () => reject(new Error('no socket'));
    }), [tracker, infohash, n])));
  };
  for (const answer of await announced(HELD)) assert.ok(answer['failure reason'], JSON.stringify(answer));
  for (const answer of await announced(SHARED)) assert.ok(answer.interval > 0, JSON.stringify(answer));
});

/** What a visit leaves in a browser, and under which names. */
async function traces({ browser, page }) {
  const cookies = (await browser.context.cookies()).map(({ name }) => name);
  const inPage = await page.evaluate(async () => {
    const names = [];
    for (const cache of await caches.keys()) for (const { url } of await (await caches.open(cache)).keys()) names.push(`${cache} ${new URL(url).pathname}`);
    const files = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) files.push(name);
    return { cookie: document.cookie, local: Object.keys(localStorage).sort(), session: Object.keys(sessionStorage), databases: await indexedDB.databases(), caches: names.sort(), files };
  });
  return { cookies, ...inPage };
}

test('crossover: no cookie, and nothing stored that would not be stored without an experiment', { timeout: 120_000 }, async (t) => {
  const visit = async (config) => {
    const s = await open(t, { ...ofCrossover, config });
    const visitor = await come(s);
    for (const path of PATHS) await get(s, visitor.page, path);
    await stored(visitor.page, SHARED);
    const reported = s.relay.find((e) => e.path.startsWith(`${PREFIX}/beacon`)).length;
    // A second view, after the first has reported.
    await leave(visitor.page);
    await visitor.page.goto(s.origin);
    await ready(visitor.page);
    return { reported, traces: await traces(visitor), cookies: visitor.browser.complaints };
  };
  // What is held out is not stored by us; to compare, nothing is held out here.
  const with_ = await visit((origin) => ({ experiment: crossover(origin, { shared: PATHS }) })), without = await visit({});
  assert.equal(without.reported, 0, 'no experiment, no diagnostics');
  assert.equal(with_.reported, 1, 'a token');
  assert.deepEqual(with_.traces, without.traces);
  assert.deepEqual(with_.traces.cookies, []);
  assert.equal(with_.traces.cookie, '');
  t.diagnostic(JSON.stringify(with_.traces));
});

const BUCKET = 'manyhands_b';
const ofVisitors = { files, rate: RATE, config: { experiment: visitors() } };
const bucket = async ({ browser }) => (await browser.context.cookies()).find(({ name }) => name === BUCKET);
const workers = (page) => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);

test('visitors: who is in a bucket is in its arm', { timeout: 240_000 }, async (t) => {
  const s = await open(t, ofVisitors);
  /** A visitor with a bucket of an arm; somebody of arm p2p is there all the time. */
  const of = async (arm) => {
    const browser = await s.browser(PERSON);
    await browser.context.addCookies([{ name: BUCKET, value: String(bucketOf(arm)), url: s.origin }]);
    const page = await browser.open(s.origin);
    await ready(page);
    return { browser, page };
  };
  const host = await of('p2p');
  await get(s, host.page, SHARED);

  const one = await of('p2p');
  await Promise.all([get(s, one.page, SHARED), s.meet(one.page)]);
  assert.ok((await status(one.page)).received.peers > 0);
  await one.browser.close();

  const http = await of('http');
  await controlled(http.page);
  await get(s, http.page, SHARED);
  await get(s, http.page, SHARED, { through: 'page' });
  assert.deepEqual(await http.browser.seen(http.page), { peerConnections: 0, webSockets: [] });

  const untouched = await of('untouched');
  assert.equal((await status(untouched.page)).reason, 'disabled');
  await get(s, untouched.page, SHARED, { through: 'page' });
  assert.equal(await workers(untouched.page), 0);
  assert.deepEqual(await untouched.browser.seen(untouched.page), { peerConnections: 0, webSockets: [] });

  for (const [visitor, arm] of [[host, 'p2p'], [http, 'http'], [untouched, 'untouched']]) {
    assert.equal((await bucket(visitor)).value, String(bucketOf(arm)), 'nobody is assigned anew');
    await leave(visitor.page);
  }
  // The relay knows who asked by the cookie, as the server does.
  const wire = Object.fromEntries(['p2p', 'http', 'untouched'].map((arm) => {
    const of = s.relay.find((e) => e.cookie?.includes(`${BUCKET}=${bucketOf(arm)}`)), octets = (match) => of.filter(match).reduce((sum, e) => sum + e.body, 0);
    const assets = of.filter((e) => isAsset(SHARED)(e) && e.method === 'GET' && [200, 206].includes(e.status));
    return [arm, {
      demand: of.filter((e) => e.path === '/').length, requests: assets.length, origin_bytes: assets.reduce((sum, e) => sum + e.body, 0), overhead_bytes: octets((e) => isOurs(e) && !e.upgrade),
      most: assets.reduce((sum, e) => sum + e.length, 0), sockets: of.filter((e) => e.upgrade).reduce((sum, e) => sum + e.sent + e.body, 0),
    }];
  }));
  t.diagnostic(JSON.stringify(wire));
  const counted = await written(s, Object.fromEntries(Object.entries(wire).map(([arm, sums]) => [bucketOf(arm), sums])));
  t.diagnostic(JSON.stringify(counted));
  for (const [arm, { origin_bytes, overhead_bytes, most, sockets, ...exact }] of Object.entries(wire)) {
    const { origin_bytes: octets, overhead_bytes: overhead, arm: as, aborted, ...sums } = counted[bucketOf(arm)];
    assert.equal(as, arm);
    assert.deepEqual(sums, { ...exact, demand_bytes: 0, failed: 0 }, arm);
    assert.ok(octets >= origin_bytes && octets <= most, `${arm}: ${octets} octets counted, ${origin_bytes} delivered, ${most} asked for`);
    // The relay counts the frames of WebSockets too, the server their payload.
    assert.ok(overhead >= overhead_bytes && overhead <= overhead_bytes + sockets, `${arm}: ${overhead} octets of overhead, ${overhead_bytes} and sockets of ${sockets} on the wire`);
  }
  assert.deepEqual(Object.keys(wire).map((arm) => wire[arm].demand), [2, 1, 1]);
  for (const arm of ['http', 'untouched']) assert.equal(wire[arm].origin_bytes, SIZE[SHARED], arm);
});

test('visitors: a bucket is drawn when sharing begins, kept, and deleted on refusal', { timeout: 180_000 }, async (t) => {
  const s = await open(t, { ...ofVisitors, config: { experiment: visitors(), consent: { mode: 'ask' } } });
  const visitor = await come(s);
  const { page } = visitor;
  assert.equal((await status(page)).state, 'asking');
  await get(s, page, SHARED);
  assert.equal(await bucket(visitor), undefined, 'nobody was asked yet');
  await page.evaluate(() => globalThis.manyhands.enable());
  await get(s, page, HELD);
  const { value, expires, sameSite, path } = await bucket(visitor);
  assert.ok(/^\d+$/.test(value) && Number(value) < 1024, value);
  assert.deepEqual([sameSite, path], ['Lax', '/']);
  assert.ok(Math.abs(expires - Date.now() / 1000 - 30 * 86_400) < 600);
  await page.goto(s.origin);
  await ready(page);
  await get(s, page, HELD);
  assert.equal((await bucket(visitor)).value, value);
  const first = s.relay.exchanges.findIndex((e) => e.path.startsWith(`${PREFIX}/manifest${HELD}`) && !e.path.includes('?'));
  assert.ok(s.relay.exchanges.slice(first).some((e) => e.path.startsWith(`${PREFIX}/beacon`)), 'reports begin after consent');
  assert.ok(!s.relay.exchanges.slice(0, first).some((e) => e.path.startsWith(`${PREFIX}/beacon`)), 'and not before');
  await page.evaluate(() => globalThis.manyhands.disable());
  assert.equal(await bucket(visitor), undefined);
  const reports = () => s.relay.find((e) => e.path.startsWith(`${PREFIX}/beacon`)).length;
  const before = reports();
  await leave(page);
  await page.goto(s.origin);
  await ready(page);
  assert.equal((await status(page)).reason, 'refused');
  await leave(page);
  await page.goto(s.origin);
  assert.equal(reports(), before, 'nothing is told after a refusal');
});

test('visitors: the page that draws a bucket of the arm untouched shares nothing, and the next one has no worker', { timeout: 180_000 }, async (t) => {
  const s = await open(t, ofVisitors);
  const host = await s.browser(PERSON);
  await host.context.addCookies([{ name: BUCKET, value: String(bucketOf('p2p')), url: s.origin }]);
  const there = await host.open(s.origin);
  await ready(there);
  await get(s, there, SHARED);
  // Fate.
  const drawn = `function () { const draw = crypto.getRandomValues.bind(crypto); crypto.getRandomValues = (into) => into instanceof Uint16Array ? into.fill(${bucketOf('untouched')}) : draw(into); }`;
  const visitor = await come(s, { scripts: [drawn] });
  const { browser, page } = visitor;
  await get(s, page, SHARED);
  assert.equal((await bucket(visitor)).value, String(bucketOf('untouched')));
  assert.deepEqual(await browser.seen(page), { peerConnections: 0, webSockets: [] });
  await get(s, page, SHARED, { through: 'page' });
  await page.goto(s.origin);
  await ready(page);
  assert.equal((await status(page)).reason, 'disabled');
  await until('the worker has gone', async () => (await workers(page)) === 0);
  assert.deepEqual(await page.evaluate(() => caches.keys()), []);
  assert.equal((await bucket(visitor)).value, String(bucketOf('untouched')), 'and stays in that arm');
  await get(s, page, SHARED, { through: 'page' });
  assert.deepEqual(browser.complaints, []);
});

test('a page that lies without measure moves no sum and no verdict', { timeout: 180_000 }, async (t) => {
  const s = await open(t, ofCrossover);
  const visitor = await come(s);
  for (const path of PATHS) await get(s, visitor.page, path);
  await leave(visitor.page);
  const wire = Object.fromEntries(PATHS.map((path) => [path, log(s, path)]));
  const before = { sums: await written(s, wire), ...(await analysis(s.server)) };
  const reports = (of) => of.arms.map(({ claimed }) => claimed.reports);

  const liar = await come(s);
  const answers = await liar.page.evaluate(async ([beacon, paths]) => {
    const post = (token, body) => fetch(`${beacon}?token=${token}`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } }).then((r) => r.status);
    const token = async () => (await (await fetch(beacon)).json()).token;
    const lie = JSON.stringify({ v: 1, lcp: 1e99, inp: -5, uploaded: 1e30, assets: paths.map((path) => ({ path, demand: true, size: 1, first: 1e9, done: 0, peers: 1e18, origin: -1e18, mirrors: 1e18, wasted: 1e18, stalls: 1e18, stalled: 1e18, fallback: 'x'.repeat(99) })) });
    const statuses = [];
    for (let n = 0; n < 20; n++) statuses.push(await post(await token(), lie));
    const used = await token();
    await post(used, lie);
    statuses.push(await post(used, lie), await post('made-up', lie), await post(await token(), 'no JSON'), await post(await token(), lie.padEnd(5000)));
    return statuses;
  }, [`${PREFIX}/beacon`, PATHS]);
  assert.deepEqual(answers, [...Array(20).fill(204), 409, 403, 400, 413]);
  const after = await until('the lies are written', async () => {
    const found = await analysis(s.server);
    return reports(found).some((count, n) => count > reports(before)[n]) && found;
  });
  assert.deepEqual([after.verdict, after.estimate, after.money], [before.verdict, before.estimate, before.money]);
  const sums = (of) => of.arms.map(({ claimed, return_rate, ...rest }) => rest);
  assert.deepEqual(sums(after), sums(before));
  assert.deepEqual(await written(s, wire), before.sums);
});
