// A download that takes longer than the five minutes a worker's event may last. Playwright attaches devtools to workers, which switches their
// time-outs off, so this one starts Chromium without any and listens at the relay. Six minutes long: only with tests/run --large.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { chromiumPath } from './lib/browser.mjs';
import { ASSET, site } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const RATE = 65_536, SECONDS = 360;
const SCRIPT = `
const report = (text) => fetch('/report/' + encodeURIComponent(text));
(async () => {
  await manyhands.ready;
  while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 100));
  const parts = [];
  for (let reader = (await fetch('${ASSET}')).body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer()));
  return Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join('');
})().then(report, (error) => report('failed: ' + error));`;

test('a worker streams for longer than five minutes', { timeout: 900_000, skip: !process.env.TEST_LARGE && 'takes six minutes: tests/run --large' }, async (t) => {
  const s = await site(t, { rate: RATE, files: async (root) => {
    await writeFile(join(root, 'long.js'), SCRIPT);
    await writeFile(join(root, 'long.html'), '<!doctype html><html lang="en"><head><title>Long</title></head><body><script defer src="/long.js"></script></body></html>');
    return makeAsset(join(root, ASSET), RATE * SECONDS - (RATE * SECONDS) % MiB);
  } });
  await s.server.shared(ASSET);
  const chromium = spawn(chromiumPath(), ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--user-data-dir=${join(s.work, 'long')}`, `${s.origin}/long.html`], { stdio: 'ignore', detached: true });
  const gone = once(chromium, 'exit');
  t.after(async () => { try { process.kill(-chromium.pid, 'SIGKILL'); } catch { /* ended by itself */ } await gone; });
  const reported = () => s.relay.find((e) => e.path.startsWith('/report/'))[0];
  const { path } = await until('the page has reported', reported, { timeout: 600_000, every: 500, fatal: () => chromium.exitCode !== null });
  assert.equal(decodeURIComponent(path.slice('/report/'.length)), s.files.sha256);
});
