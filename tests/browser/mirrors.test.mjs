// Volunteers carry the site: a first visitor, alone, without WebRTC, has nearly all of a file from mirrors that nobody needs to trust.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { BURST, startMirror } from './lib/mirror.mjs';
import { ASSET, download, isAsset, PREFIX, site, status } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const SIZE = 48 * MiB, RATE = 6_000_000;

/** A site, and mirrors of it that it lists. */
async function mirrored(t, rates, { size = SIZE, rate = RATE } = {}) {
  const mirrors = [];
  t.after(() => Promise.all(mirrors.map((mirror) => mirror.close())));
  const s = await site(t, {
    // Short ranges in bursts would tell a visitor of an origin far faster than it is.
    rate, burst: BURST, files: async (root) => {
      for (const rate of rates) mirrors.push(await startMirror({ root, rate }));
      return makeAsset(join(root, ASSET), size);
    },
    config: () => ({ mirrors: { urls: mirrors.map(({ url }) => url) } }),
  });
  await s.server.shared(ASSET);
  const listed = async () => (await (await fetch(`${s.origin}${PREFIX}/site.json`)).json()).mirrors;
  await until('the mirrors are listed', async () => (await listed()).length === mirrors.length, { hint: s.server.output });
  return { ...s, mirrors, listed };
}

/** Before a page's own scripts: a browser that has no WebRTC. */
const noWebRtc = () => { delete globalThis.RTCPeerConnection; };

test('one visitor, three mirrors, one of which lies, no WebRTC: a tenth from the origin at most, and within slack of plain HTTP', { timeout: 180_000 }, async (t) => {
  const s = await mirrored(t, [RATE / 2, RATE / 2, RATE / 2]), [, , liar] = s.mirrors;
  const { browser: before, page: plain } = await s.plainVisitor();
  const alone = await download(plain, ASSET, { through: 'network' });
  assert.equal(alone.sha256, s.files.sha256);
  await before.close();

  liar.lies = true;
  const { browser, page } = await s.visitor({ scripts: [noWebRtc] });
  s.relay.reset();
  const got = await download(page, ASSET);
  assert.equal(got.sha256, s.files.sha256);
  const { received } = await status(page), origin = s.relay.body(isAsset(ASSET));
  t.diagnostic(`origin ${(origin / SIZE).toFixed(3)} of the file, mirrors ${(received.mirrors / SIZE).toFixed(3)}; ${Math.round(got.ms)} ms, plain HTTP at the same rate ${Math.round(alone.ms)} ms (${(got.ms / alone.ms).toFixed(3)})`);
  assert.ok(origin <= 0.1 * SIZE, `${origin / SIZE} of the file from the origin`);
  // What is wanted is 1.05, and measured in docs/measurements.md; a busy machine is no failure of the client's before its own slack.
  assert.ok(got.ms <= 1.25 * alone.ms, `${got.ms / alone.ms} times plain HTTP`);
  assert.equal(received.peers, 0);
  assert.ok(received.mirrors >= 0.9 * SIZE);
  assert.equal((await browser.seen(page)).peerConnections, 0);
  // The liar was heard once, and told of; the site has looked for itself.
  assert.ok(liar.sent < 6 * MiB, `${liar.sent} octets of the liar`);
  const told = s.relay.find((e) => e.path.startsWith(`${PREFIX}/mirrors/doubt`));
  assert.deepEqual(told.map(({ status }) => status), [204]);
  await until('the liar is listed no more', async () => !(await s.listed()).includes(liar.url), { hint: s.server.output });
});

test('the origin\'s ranges stop in mid-download: the visitor goes on from mirrors, and one who comes then completes', { timeout: 180_000 }, async (t) => {
  const s = await mirrored(t, [RATE, RATE]);
  const { page } = await s.visitor();
  const going = download(page, ASSET);
  await until('a quarter is there', async () => (await status(page)).received.mirrors > SIZE / 4);
  s.relay.refuse = (path) => path.split('?')[0] === ASSET;
  assert.equal((await going).sha256, s.files.sha256);
  s.relay.reset();
  const { page: fresh } = await s.visitor({ scripts: [noWebRtc] });
  assert.equal((await download(fresh, ASSET)).sha256, s.files.sha256);
  assert.equal(s.relay.body(isAsset(ASSET)), 0);
  assert.equal((await status(fresh)).received.mirrors, SIZE);
});

test('mirrors that may not be read, are gone, or break off cost a visitor nothing', { timeout: 180_000 }, async (t) => {
  const size = 12 * MiB;
  for (const [name, spoil] of [['no CORS', (mirror) => { mirror.readable = false; }], ['gone', (mirror) => mirror.close()], ['breaks off', (mirror) => { mirror.cuts = true; }]]) {
    const s = await mirrored(t, [RATE], { size });
    await spoil(s.mirrors[0]);
    const { browser: before, page: plain } = await s.plainVisitor();
    const alone = await download(plain, ASSET, { through: 'network' });
    await before.close();
    const { page } = await s.visitor({ scripts: [noWebRtc] });
    s.relay.reset();
    const got = await download(page, ASSET);
    assert.equal(got.sha256, s.files.sha256, name);
    const origin = s.relay.body(isAsset(ASSET));
    t.diagnostic(`${name}: ${(origin / size).toFixed(3)} of the file from the origin, ${(got.ms / alone.ms).toFixed(3)} times plain HTTP`);
    assert.ok(origin <= 1.05 * size, `${name}: ${origin / size}`);
    assert.ok(got.ms <= 1.5 * alone.ms, `${name}: ${got.ms / alone.ms} times plain HTTP`);
  }
});
