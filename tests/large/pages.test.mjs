// Thousands of pages that nobody here wrote, through both hosts: a page is the site's own page with one tag in its head, or untouched with the reason
// counted; and nobody but a visitor going to a page sees any difference.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { PREFIX } from '../browser/lib/server.mjs';
import { allFiles, decoded, each, host, isPage, sample, send, SITE, urlPath } from './lib.mjs';

const TAG = `<script defer src="${PREFIX}/loader.js"></script>`;
const files = await allFiles();
const pages = files.filter(isPage);
const others = sample(files.filter((file) => !isPage(file)), 400);

const CODINGS = [undefined, 'gzip', 'gzip, deflate, br'];
/** What a browser says when a visitor goes to a page; every third time without content coding, with gzip, with Brotli. */
const navigation = (n) => ({
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none',
  ...(CODINGS[n % 3] && { 'accept-encoding': CODINGS[n % 3] }),
});

const bytesOf = (file) => readFile(join(SITE, file));
const identical = (file, sent, wanted) => assert.ok(sent.equals(wanted), `${file}: ${sent.length} octets sent, ${wanted.length} in the file, or different ones`);

/** What a page's head means, apart from when and over which connection it was sent. */
function meaning({ status, headers }) {
  const { date, connection, 'keep-alive': alive, 'transfer-encoding': framing, ...rest } = headers;
  return { status, ...rest };
}

async function counted(port) {
  const { body } = await send(port, `${PREFIX}/status.json`);
  const { pages, passed_through: passed } = JSON.parse(body);
  return { pages, ...Object.fromEntries(passed.map(({ reason, answers }) => [reason, answers])) };
}

/** What was counted since, without zeros. */
function since(before, after) {
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]).filter(([, value]) => value !== 0));
}

for (const kind of ['serve', 'proxy']) {
  test(`manyhands ${kind}: real pages with one tag more, everything else as it is`, { timeout: 1_800_000 }, async (t) => {
    const { port } = await host(t, kind);

    await t.test('a visitor gets the page and one tag in its head, or the page and a reason', async (t) => {
      let tagged = 0;
      const untouched = [], places = new Map(), before = await counted(port), began = performance.now();
      await each(pages, async (file, n) => {
        const answer = await send(port, urlPath(file), { headers: navigation(n) }), original = await bytesOf(file), sent = decoded(answer);
        assert.equal(answer.status, 200, file);
        const at = sent.indexOf(TAG);
        if (at < 0) {
          identical(file, sent, original);
          untouched.push(file);
          return;
        }
        tagged += 1;
        assert.equal(original.indexOf(TAG), -1, file);
        identical(file, Buffer.concat([sent.subarray(0, at), sent.subarray(at + TAG.length)]), original);
        assert.equal(answer.headers['content-length'] ?? String(answer.body.length), String(answer.body.length), file);
        if (answer.headers.etag) assert.match(answer.headers.etag, /^W\//, file);
        const place = /<head( [^>]*)?>$/i.test(original.toString('latin1', 0, at)) ? 'behind <head>' : 'elsewhere';
        places.set(place, (places.get(place) ?? 0) + 1);
        if (n % 8) return;
        const head = await send(port, urlPath(file), { method: 'HEAD', headers: navigation(n) });
        assert.deepEqual(meaning(head), meaning(answer), `HEAD ${file}`);
      });
      const counts = since(before, await counted(port)), { pages: injected, head_of_page: heads = 0, ...reasons } = counts;
      const ms = Math.round(performance.now() - began);
      t.diagnostic(`${kind}: ${pages.length} pages in ${ms} ms: ${tagged} with the tag (${JSON.stringify(Object.fromEntries(places))}), ${untouched.length} untouched; counted ${JSON.stringify(counts)}`);
      if (untouched.length) t.diagnostic(`untouched: ${untouched.slice(0, 5).join(' ')}`);
      assert.equal(injected, tagged);
      assert.equal(Object.values(reasons).reduce((sum, n) => sum + n, 0), untouched.length, `reasons for the untouched pages: ${JSON.stringify(reasons)}`);
      assert.ok(tagged > 0.9 * pages.length, `only ${tagged} of ${pages.length} pages have the tag`);
    });

    await t.test('a program gets the page as it is, and HEAD agrees', async () => {
      await each(pages, async (file, n) => {
        const original = await bytesOf(file), answer = await send(port, urlPath(file));
        assert.equal(answer.status, 200, file);
        identical(file, answer.body, original);
        if (n % 4) return;
        const head = await send(port, urlPath(file), { method: 'HEAD' });
        assert.equal(head.body.length, 0, file);
        assert.deepEqual(meaning(head), meaning(answer), `HEAD ${file}`);
        assert.equal(head.headers['content-length'], String(original.length), file);
      });
    });

    await t.test('what is not HTML is identical for programs and visitors', async () => {
      await each([...new Set([...others, ...files.filter((file) => /\.(deb|zim)$/.test(file))])], async (file, n) => {
        const original = await bytesOf(file);
        for (const headers of [{}, navigation(n)]) {
          const answer = await send(port, urlPath(file), { headers });
          assert.equal(answer.status, 200, file);
          identical(file, decoded(answer), original);
          const head = await send(port, urlPath(file), { method: 'HEAD', headers });
          assert.deepEqual(meaning(head), meaning(answer), `HEAD ${file}`);
        }
        if (original.length < 10) return;
        const first = original.length >> 2, last = original.length >> 1;
        const part = await send(port, urlPath(file), { headers: { range: `bytes=${first}-${last}` } });
        assert.equal(part.status, 206, file);
        identical(file, part.body, original.subarray(first, last + 1));
      });
    });
  });
}
