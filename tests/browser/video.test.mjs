// A video plays and seeks through the worker, and the origin is not asked for more than plain playback would.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';
import { makeVideo } from './lib/assets.mjs';
import { controlled, isAsset, site } from './lib/stage.mjs';

const PATH = '/films/film.mp4', SECONDS = 60;

test('a video plays and seeks through the worker', { timeout: 180_000 }, async (t) => {
  const s = await site(t, { rate: 2_000_000, files: async (root) => { await mkdir(join(root, 'films')); return makeVideo(join(root, PATH), SECONDS, 800); } });
  await s.server.shared(PATH);
  const { browser, page } = await s.visitor();
  await controlled(page);
  s.relay.reset();
  const seen = await page.evaluate(async ([path, seconds]) => {
    const video = document.createElement('video');
    video.muted = true;
    video.src = path;
    document.body.append(video);
    const event = (name) => new Promise((resolve, reject) => {
      video.addEventListener(name, resolve, { once: true });
      video.addEventListener('error', () => reject(new Error(`media error ${video.error.code}: ${video.error.message}`)), { once: true });
    });
    const playing = (beyond) => new Promise((resolve) => {
      const look = () => { if (video.currentTime > beyond) { video.removeEventListener('timeupdate', look); resolve(); } };
      video.addEventListener('timeupdate', look);
    });
    await Promise.all([event('playing'), video.play()]);
    await playing(1);
    const places = [];
    for (const to of [0.8 * seconds, 0.3 * seconds, 0.95 * seconds]) {
      const sought = event('seeked');
      video.currentTime = to;
      await sought;
      await playing(to + 0.5);
      places.push(video.currentTime - to);
    }
    return { duration: video.duration, places, error: video.error?.message };
  }, [PATH, SECONDS]);
  assert.ok(Math.abs(seen.duration - SECONDS) < 1);
  assert.equal(seen.error, undefined);
  for (const beyond of seen.places) assert.ok(beyond >= 0.5);
  const asked = s.relay.body(isAsset(PATH));
  t.diagnostic(`${asked} octets of a video of ${s.files.size} for three seeks`);
  assert.ok(asked <= 1.25 * s.files.size, `${asked} octets asked for a video of ${s.files.size}`);
  const handled = await page.evaluate((path) => performance.getEntriesByType('resource').some((e) => e.name.endsWith(path) && e.workerStart > 0), PATH);
  assert.ok(handled, 'the worker saw the requests');
  assert.deepEqual(browser.complaints, []);
});
