// A video plays and seeks through the worker, and the origin is not asked for more than plain playback would.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';
import { makeVideo } from './lib/assets.mjs';
import { controlled, isAsset, ready, site } from './lib/stage.mjs';

const PATH = '/films/film.mp4', SECONDS = 60;

/** Plays `path` from the start, then from each place; resolves with how far each played on. */
const play = (page, path, places) => page.evaluate(async ([path, places]) => {
  const video = globalThis.__video ?? document.createElement('video');
  const failed = new Promise((resolve, reject) => { video.addEventListener('error', () => reject(new Error(`media error ${video.error.code}: ${video.error.message}`))); });
  const event = (name) => new Promise((resolve) => { video.addEventListener(name, resolve, { once: true }); });
  const beyond = (time) => new Promise((resolve) => {
    const look = () => { if (video.currentTime > time) { video.removeEventListener('timeupdate', look); resolve(); } };
    video.addEventListener('timeupdate', look);
  });
  const run = async () => {
    if (!globalThis.__video) {
      globalThis.__video = video;
      video.muted = true;
      video.src = path;
      document.body.append(video);
      await video.play();
      await beyond(1);
    }
    for (const to of places) {
      const sought = event('seeked');
      video.currentTime = to;
      await sought;
      await beyond(to + 0.5);
    }
    return video.duration;
  };
  return Promise.race([run(), failed]);
}, [path, places]);
const PLACES = [0.8, 0.3, 0.95].map((part) => part * SECONDS);
const prepare = { rate: 2_000_000, files: async (root) => { await mkdir(join(root, 'films')); return makeVideo(join(root, PATH), SECONDS, 800); } };

test('a video plays and seeks through the worker', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare);
  await s.server.shared(PATH);
  const { browser, page } = await s.visitor();
  await controlled(page);
  // A page that the worker controls from its birth.
  await page.goto(s.origin);
  await ready(page);
  s.relay.reset();
  assert.ok(Math.abs((await play(page, PATH, PLACES)) - SECONDS) < 1);
  const asked = s.relay.body(isAsset(PATH));
  t.diagnostic(`${asked} octets of a video of ${s.files.size} for three seeks`);
  assert.ok(asked <= 1.25 * s.files.size, `${asked} octets asked for a video of ${s.files.size}`);
  const handled = await page.evaluate((path) => performance.getEntriesByType('resource').some((e) => e.name.endsWith(path) && e.workerStart > 0), PATH);
  assert.ok(handled, 'the worker saw the requests');
  assert.deepEqual(browser.complaints, []);
});

// Chromium fails a media element whose answers come partly from the network and partly from a worker: see docs/service-worker.md.
test('a video that began before the worker took control plays and seeks on', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare);
  await s.server.shared(PATH);
  const browser = await s.browser();
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  await browser.context.route((url) => url.pathname.endsWith('/sw.js'), async (route) => { await held; await route.continue(); });
  const page = await browser.open(s.origin);
  await play(page, PATH, []);
  assert.equal(await page.evaluate(() => navigator.serviceWorker.controller), null, 'no worker yet');
  release();
  await controlled(page);
  await play(page, PATH, PLACES);
  assert.deepEqual(browser.complaints, []);
});

test('a video goes on when its worker was stopped between two seeks', { timeout: 180_000 }, async (t) => {
  const s = await site(t, prepare);
  await s.server.shared(PATH);
  const { browser, page } = await s.visitor();
  await controlled(page);
  await page.goto(s.origin);
  await ready(page);
  for (const place of PLACES) {
    await play(page, PATH, [place]);
    await browser.stopWorkers(page);
  }
  await play(page, PATH, [1]);
  assert.deepEqual(browser.complaints, []);
});
