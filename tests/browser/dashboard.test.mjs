// The operator's dashboard in a real browser: it lives without a reload and takes nothing from whoever reads it, its switch and its purging
// work by keyboard, nothing is asked of anybody else, and it can be read by everybody: axe-core, 320 px, dark and light, no JavaScript.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { makeAsset, MiB } from './lib/assets.mjs';
import { ASSET, PREFIX, site } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PAGES = new URL('../vectors/pages/', import.meta.url);
const SAMPLES = ['dashboard.html', 'dashboard-early.html', 'report.html'];

/** A site with an asset, and the dashboard open in a browser that notes every request and every navigation. */
async function open(t, { config, context, path = `${PREFIX}/dashboard` } = {}) {
  const s = await site(t, { config, files: async (root) => {
    await writeFile(join(root, 'picture.png'), Buffer.alloc(2 * MiB, 1));
    return makeAsset(join(root, ASSET), 2 * MiB);
  } });
  await s.server.shared(ASSET);
  const browser = await s.browser({ context });
  const requests = [];
  browser.context.on('request', (request) => requests.push(request.url()));
  const page = await browser.open(s.origin + path);
  await page.evaluate(() => { globalThis.sameDocument = true; });
  return { s, browser, page, requests };
}

/** Asks for something that is left alone, so that the page has something new to say. */
const happen = (s) => fetch(`${s.origin}/picture.png`).then((response) => response.arrayBuffer());
const answers = (page) => page.evaluate(() => document.querySelector('[data-key="type"] .number')?.textContent ?? '0');

test('it lives without a reload and takes nothing from whoever reads it', { timeout: 120_000 }, async (t) => {
  const { s, browser, page, requests } = await open(t);
  const statuses = [];
  page.on('response', (response) => statuses.push(response.status()));
  await page.click('#controls >> text=Path, as it stands');
  await page.keyboard.type('/half-typed');
  const scrolled = await page.evaluate(() => scrollY);
  assert.ok(scrolled > 0);
  await happen(s);
  await until('the answer is shown', async () => await answers(page) === '1');
  const kept = await page.evaluate(() => ({
    same: globalThis.sameDocument, focus: document.activeElement.id, typed: document.activeElement.value,
    caret: document.activeElement.selectionStart, said: document.getElementById('said').textContent,
  }));
  assert.deepEqual(kept, { same: true, focus: 'path', typed: '/half-typed', caret: 11, said: '' }, 'and a screen reader hears nothing');
  // Where rows came in above, what is read stays where it was on the screen.
  const top = () => page.evaluate(() => document.getElementById('path').getBoundingClientRect().top);
  const before = await top();
  await until('nothing was new', () => statuses.includes(304));
  assert.equal(await top(), before);

  // Selected text is not pulled away from under whoever copies it, and comes up to date afterwards.
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector('#why h2')));
  await happen(s);
  await until('the count in another section is new', () => page.evaluate(() => document.getElementById('updated').textContent.startsWith('Live')));
  statuses.length = 0;
  await until('two answers came', () => statuses.length >= 2);
  assert.equal(await answers(page), '1');
  assert.equal(await page.evaluate(() => getSelection().toString()), 'Why is my file not shared?');
  await page.evaluate(() => getSelection().removeAllRanges());
  await until('it is up to date', async () => await answers(page) === '2');

  // Paused, it asks for nothing; hidden pages ask for nothing either, which headless browsers can't show.
  await page.click('#pause');
  assert.equal(await page.getAttribute('#pause', 'aria-pressed'), 'true');
  await page.waitForLoadState('networkidle');
  assert.deepEqual(requests.filter((url) => !url.startsWith(`${s.origin}/`) && !url.startsWith('data:')), []);
  assert.deepEqual(browser.complaints, []);
});

test('a row that goes away hands its focus to the heading, and a details element stays as it was put', { timeout: 120_000 }, async (t) => {
  const { page, browser } = await open(t);
  // The server's next answer, written here: what changed is what counts.
  const first = (await readFile(new URL('dashboard.html', PAGES), 'utf8'));
  const script = await page.evaluate(() => document.querySelector('body > script').textContent);
  assert.ok(first.includes(script), 'the sample is of this build');
  let html = first;
  await browser.context.route((url) => url.pathname === '/sample', (route) => route.fulfill({ contentType: 'text/html', body: html }));
  const sample = await browser.open(new URL('/sample', page.url()).href);
  await sample.click('#time summary >> nth=0');
  const link = sample.locator('#files table >> nth=0 >> a >> nth=1');
  await link.focus();
  const name = await link.textContent();
  html = first.replaceAll(/<tr data-key="\/maps\/planet[^]*?<\/tr>/g, '').replaceAll('41,220', '41,221');
  assert.notEqual(html, first);
  await until('the row is gone', () => sample.evaluate((name) => !document.getElementById('files').textContent.includes(name), name));
  assert.equal(await sample.evaluate(() => document.activeElement.id), 'files-title');
  assert.ok((await sample.textContent('#files')).includes('41,221'));
  assert.equal(await sample.evaluate(() => document.querySelector('#time details').open), true);
  // A new headline is told to a screen reader, once.
  html = first.replaceAll('would have to send is saved', 'would have to send is spared');
  await until('it is said', async () => (await sample.textContent('#said')).startsWith('New: '));
  // Rows change places, and the focus goes with its own.
  const moved = sample.locator('#files table >> nth=0 >> a >> nth=1');
  await moved.focus();
  const rows = first.match(/<tr data-key="\/(zim\/wikipedia|maps)[^]*?<\/tr>/g);
  html = first.replace(rows[0], '\u0000').replace(rows[1], rows[0]).replace('\u0000', rows[1]);
  await until('the rows have changed places', () => sample.evaluate(() => document.querySelector('#files tbody tr').dataset.key.startsWith('/maps')));
  assert.equal(await sample.evaluate(() => document.activeElement.textContent), 'planet-2026-11.osm.pbf');
  assert.deepEqual(browser.complaints, []);
});

test('by keyboard alone: sharing is switched off and on, a file is forgotten', { timeout: 120_000 }, async (t) => {
  const { s, browser, page } = await open(t);
  const tagged = async () => (await (await fetch(s.origin, { headers: { Accept: 'text/html' } })).text()).includes('/loader.js');
  const tabTo = async (text) => {
    for (let steps = 0; steps < 200; steps++) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate(() => ({ text: document.activeElement.textContent, id: document.activeElement.id,
        ring: getComputedStyle(document.activeElement).outlineStyle }));
      if (focused.text === text || focused.id === text) { assert.equal(focused.ring, 'solid', `${text} shows its focus`); return; }
    }
    throw new Error(`no way to ${text} by keyboard`);
  };
  await tabTo('Skip to the figures');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  assert.equal(await tagged(), true);
  await tabTo('Switch sharing off');
  await page.keyboard.press('Enter');
  await until('it is said', async () => await page.textContent('#said') === 'Sharing is now off.');
  assert.equal(await tagged(), false);
  await until('the page says so', () => page.evaluate(() => document.getElementById('sharing').textContent.startsWith('Sharing is switched off.')));
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Switch sharing on', 'the focus is where it was');
  await page.keyboard.press('Enter');
  await until('it is said', async () => await page.textContent('#said') === 'Sharing is now on.');
  assert.equal(await tagged(), true);

  await tabTo('path');
  await page.keyboard.type(ASSET);
  await page.keyboard.press('Enter');
  await until('it is said', async () => await page.textContent('#said') === 'Files forgotten: 1.');
  assert.equal((await fetch(`${s.origin}${PREFIX}/manifest${ASSET}`)).status, 404);
  assert.equal(await page.inputValue('#path'), '');
  await page.keyboard.type('/../x');
  await page.keyboard.press('Enter');
  await until('it is said', async () => (await page.textContent('#said')).startsWith('Not done: '));
  assert.equal(await page.evaluate(() => globalThis.sameDocument), true);
  assert.deepEqual(browser.complaints.filter((text) => !text.includes('400')), []);
});

test('with the key in the browser it opens, and does as much', { timeout: 120_000 }, async (t) => {
  const s = await site(t, { config: { site: { origin: 'https://example.org' } } });
  const key = (await readFile(join(s.work, 'state', 'operator.key'), 'utf8')).trim();
  const stranger = await s.browser();
  const refused = await stranger.context.newPage();
  const answer = await refused.goto(`${s.relay.origin}${PREFIX}/dashboard`).catch(() => undefined);
  assert.ok(!answer || answer.status() === 401);
  const operator = await s.browser({ context: { httpCredentials: { username: 'anybody', password: key } } });
  const page = await operator.open(`${s.relay.origin}${PREFIX}/dashboard`);
  assert.equal(await page.textContent('h1'), 'example.org');
  await page.click('text=Switch sharing off');
  await until('it is said', async () => await page.textContent('#said') === 'Sharing is now off.');
  await until('it is live', async () => (await page.textContent('#updated')).startsWith('Live'));
});

test('a site that goes away is said, once, and so is its return', { timeout: 120_000 }, async (t) => {
  const { s, page } = await open(t);
  const heard = [];
  await page.exposeFunction('heard', (text) => { if (text) heard.push(text); });
  await page.evaluate(() => new MutationObserver(() => globalThis.heard(document.getElementById('said').textContent))
    .observe(document.getElementById('said'), { childList: true }));
  await s.server.stop();
  await until('it is said', () => heard.length > 0);
  const updated = await page.textContent('#updated');
  assert.ok(updated.startsWith('Not live: '), updated);
  await s.restart();
  await until('it is live again', async () => (await page.textContent('#updated')).startsWith('Live'));
  assert.deepEqual(heard, [updated, 'Live again.']);
});

for (const colorScheme of ['light', 'dark']) {
  test(`everybody can read it, ${colorScheme}: axe finds nothing, and at 320 px nothing scrolls sideways`, { timeout: 180_000 }, async (t) => {
    const { browser, page, s, requests } = await open(t, { context: { colorScheme } });
    const samples = await Promise.all(SAMPLES.map((name) => readFile(new URL(name, PAGES), 'utf8')));
    await browser.context.route((url) => url.pathname.startsWith('/sample/'), (route) => route.fulfill({
      contentType: 'text/html', body: samples[SAMPLES.indexOf(new URL(route.request().url()).pathname.slice('/sample/'.length))],
    }));
    const pages = [page];
    for (const name of SAMPLES) pages.push(await browser.open(`${s.origin}/sample/${name}`));
    for (const shown of pages) {
      await shown.bringToFront();
      for (const width of [320, 1280]) {
        await shown.setViewportSize({ width, height: 800 });
        for (const opened of [false, true]) {
          await shown.evaluate((opened) => { for (const it of document.querySelectorAll('details')) it.open = opened; }, opened);
          const [wide, room] = await shown.evaluate(() => [document.scrollingElement.scrollWidth, document.documentElement.clientWidth]);
          assert.ok(wide <= room, `${shown.url()} at ${width}: ${wide} > ${room}`);
          // What fits by breaking words into letters does not fit: on a phone a cell has a line of its own.
          const narrow = await shown.evaluate((least) => [...document.querySelectorAll('.stack td, .stack th[scope=row], section p')]
            .filter((it) => it.offsetParent && it.offsetWidth < least).map((it) => it.textContent), width === 320 ? 200 : 60);
          assert.deepEqual(narrow, [], `${shown.url()} at ${width}`);
        }
        const found = await shown.evaluate(`${AXE}; axe.run(document, { resultTypes: ['violations'] })`);
        const violations = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; ')}`);
        assert.deepEqual(violations, [], `${shown.url()} at ${width}`);
        assert.ok(found.passes.length > 20, 'axe looked');
      }
    }
    assert.deepEqual(requests.filter((url) => !url.startsWith(`${s.origin}/`) && !url.startsWith('data:')), []);
    assert.deepEqual(browser.complaints, []);
  });
}

test('without JavaScript it is a plain page that says how it is done by hand', { timeout: 120_000 }, async (t) => {
  const s = await site(t);
  const browser = await s.browser({ context: { javaScriptEnabled: false } });
  const page = await browser.open(`${s.origin}${PREFIX}/dashboard`);
  assert.equal(await page.isVisible('h2 >> text=No saving can be stated'), true);
  assert.equal(await page.isVisible('button'), false, 'nothing that would not work');
  assert.equal(await page.isVisible('text=switch?sharing=off'), true);
});
