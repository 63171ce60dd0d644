// What a newcomer sees first: `manyhands serve --demo`, by its own pages and buttons, with no setting of ours.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256File } from './lib/assets.mjs';
import { startBrowser } from './lib/browser.mjs';
import { requireNamespace } from './lib/netns.mjs';
import { startDemo } from './lib/server.mjs';
import { controlled, ready, status, stored } from './lib/stage.mjs';

const ARCHIVE = '/files/library.tar', SEEK = 300;

/** The demo and a means to visit it; all of it ends with the test. */
async function demo(t) {
  requireNamespace();
  const work = await mkdtemp(join(tmpdir(), 'manyhands-'));
  const endings = [() => rm(work, { recursive: true, force: true, maxRetries: 5 })];
  t.after(async () => { for (const end of endings.reverse()) await end(); });
  const server = await startDemo(work);
  endings.push(() => server.stop());
  return {
    ...server,
    async visitor() {
      const browser = await startBrowser({ work });
      endings.push(() => browser.close());
      const page = await browser.open(server.origin);
      await ready(page);
      await controlled(page);
      return { browser, page };
    },
  };
}

/** Presses the page's own button and returns the digest of what was saved. */
async function save(page) {
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByText('Download library.tar', { exact: true }).click()]);
  assert.equal(await saved.failure(), null);
  assert.equal(saved.suggestedFilename(), 'library.tar');
  return sha256File(await saved.path());
}

test('the demo: the second visitor has most of the archive from the first, and the film plays and seeks', { timeout: 300_000 }, async (t) => {
  const d = await demo(t);
  const printed = /listening on (\S+)/.exec(d.output())[1];
  assert.equal(printed, d.origin);
  const answer = await fetch(printed);
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /Many hands make light work/);

  const sha256 = await sha256File(join(d.state, 'demo', ARCHIVE));
  const first = await d.visitor();
  assert.equal(await save(first.page), sha256);
  await stored(first.page, ARCHIVE);
  const second = await d.visitor();
  assert.equal(await save(second.page), sha256);
  const { received } = await status(second.page);
  t.diagnostic(`the second visitor received ${JSON.stringify(received)}`);
  assert.ok(received.peers > received.origin, `${received.peers} octets from peers, ${received.origin} from the origin`);
  await first.browser.close();

  const { browser, page } = second;
  await page.goto(`${d.origin}/watch.html`);
  await ready(page);
  const time = await page.evaluate(async (to) => {
    const video = document.querySelector('video');
    const failed = new Promise((resolve, reject) => {
      const fail = () => reject(new Error(`media error ${video.error.code}: ${video.error.message}`));
      if (video.error) fail();
      video.addEventListener('error', fail);
    });
    const beyond = (time) => new Promise((resolve) => {
      const look = () => { if (video.currentTime > time) { video.removeEventListener('timeupdate', look); resolve(); } };
      video.addEventListener('timeupdate', look);
    });
    const run = async () => {
      video.muted = true;
      await video.play();
      await beyond(1);
      const sought = new Promise((resolve) => { video.addEventListener('seeked', resolve, { once: true }); });
      video.currentTime = to;
      await sought;
      await beyond(to + 1);
      return video.currentTime;
    };
    return Promise.race([run(), failed]);
  }, SEEK);
  assert.ok(time > SEEK + 1);
  assert.deepEqual([...first.browser.complaints, ...browser.complaints], []);
});
