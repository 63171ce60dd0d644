// What most browser tests share: a site in a temporary directory, the real server behind the counting relay, and browsers, all taken down
// in the right order afterwards, also when the test failed.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBrowser } from './browser.mjs';
import { requireNamespace } from './netns.mjs';
import { Relay } from './relay.mjs';
import { freePort, PREFIX, startServer } from './server.mjs';
import { until } from './until.mjs';

export { PREFIX };

/** The asset of most tests, within the default extensions. */
export const ASSET = '/files/big.zip';

/** Requests for the asset itself, for our own files and sockets, and for anything else. */
export const isAsset = (path) => (e) => e.path.split('?')[0] === path;
export const isOurs = (e) => e.path.startsWith(`${PREFIX}/`);

/** Settings under which two visitors of one machine may exchange data at once, and nobody is asked. */
export const OPEN = {
  swarm: { min_prefixes: 1, lan: true, foreign: 'open' },
  consent: { mode: 'notice' },
  policy: { slack: 1.25 },
  // The tests measure shares, not how polite a visitor is by default.
  upload: { rate: 1_000_000_000 },
};

/** Octets a second: 6 MiB take longer than `meet` waits. */
const NARROW = 60_000;

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,"></head>
<body><h1>A site</h1><p id="text">Its text.</p></body></html>`;

/**
 * Starts a site. Everything ends with the test whose context is given.
 * @param {import('node:test').TestContext} t
 * @param {object} [options]
 * @param {(root: string) => Promise<T>} [options.files] writes the site's files; its result is `site.files`
 * @param {object | ((origin: string) => object)} [options.config] merged over OPEN, section by section; a function where it depends on the origin
 * @param {number} [options.rate] the relay's cap in octets a second, for assets only
 * @param {number} [options.burst] what the cap lets pass at once after a pause, in octets
 * @param {string} [options.direct] an address the server itself listens on, without the relay: for tests where it must see who asks
 * @param {(root: string) => Promise<number>} [options.upstream] starts an HTTP server and returns its port: then `manyhands proxy` stands before
 *   that instead of `manyhands serve` before the directory
 * @param {typeof startServer} [options.host] starts another server than those two, from the same options
 * @template T
 */
export async function site(t, { files = async () => undefined, config = {}, rate, burst, direct, upstream, host: startHost = startServer } = {}) {
  requireNamespace();
  const work = await mkdtemp(join(tmpdir(), 'manyhands-'));
  const root = join(work, 'site');
  const endings = [() => rm(work, { recursive: true, force: true, maxRetries: 5 })];
  t.after(async () => { for (const end of endings.reverse()) await end(); });

  await mkdir(root);
  await writeFile(join(root, 'index.html'), PAGE);
  const made = await files(root);
  const relay = await Relay.start({ rate, burst, capped: (path) => !path.startsWith(`${PREFIX}/`) && path.split('?')[0] !== '/' });
  endings.push(() => relay.close());
  const host = direct ?? '127.0.0.1', port = await freePort(host);
  const origin = direct ? `http://${direct}:${port}` : relay.origin;
  const merged = { site: { origin } };
  for (const source of [OPEN, typeof config === 'function' ? config(origin) : config]) for (const [name, fields] of Object.entries(source)) merged[name] = { ...merged[name], ...fields };
  relay.target = port;
  const behind = upstream && await upstream(root);
  const start = () => startHost({ root, work, config: merged, port, host, upstream: behind });
  const self = {
    work, root, relay, origin, files: made,
    server: await start(),
    /**
     * Lets `page`, whose download begins, meet a peer: until `met` the origin's line is so narrow that no download could be over before, however long the
     * machine takes to introduce two browsers. Then it is as wide as it was.
     */
    async meet(page, met = async () => (await status(page)).received.peers > 0) {
      relay.rate = NARROW;
      await until('a peer was met', met, { timeout: 90_000, hint: () => 'is [swarm] open, and does the namespace have an interface?' });
      relay.rate = rate;
    },
    /** Starts the server again on the same port, with the same state. */
    async restart(changes = {}) {
      await self.server.stop();
      for (const [name, fields] of Object.entries(changes)) merged[name] = { ...merged[name], ...fields };
      self.server = await start();
    },
    async browser(options = {}) {
      const browser = await startBrowser({ work, ...options });
      endings.push(() => browser.close());
      return browser;
    },
    /** A fresh browser that our files never reach: the site as it was before, for comparison. */
    async plainVisitor() {
      const browser = await self.browser({ context: { serviceWorkers: 'block' } });
      await browser.context.route((url) => url.pathname.startsWith(`${PREFIX}/`), (route) => route.abort());
      return { browser, page: await browser.open(origin) };
    },
    /** A fresh browser on a page of the site, its client ready. */
    async visitor(options = {}) {
      const browser = await self.browser(options);
      const page = await browser.open(`${origin}${options.path ?? '/'}`);
      await ready(page);
      return { browser, page };
    },
  };
  endings.push(() => self.server.stop());
  t.after(() => { if (!t.passed && process.env.TEST_VERBOSE) console.error(self.server.output()); });
  return self;
}

/** Waits until the page's client says it is ready. */
export async function ready(page) {
  await page.waitForFunction(() => globalThis.manyhands !== undefined);
  await page.evaluate(() => globalThis.manyhands.ready);
}

/** Waits until the page is controlled by our worker. */
export async function controlled(page) {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');
}

/**
 * Downloads a path in the page and digests it there.
 * @param {'client' | 'page' | 'network'} [options.through] `manyhands.fetch`; the page's own fetch, which the worker may answer; or one with
 *   `cache: 'no-store'`, which it must leave to the network
 * @returns {Promise<{sha256: string, size: number, ms: number, firstByte: number}>}
 */
export function download(page, path, { through = 'client', http = true } = {}) {
  return page.evaluate(async ([path, through, http]) => {
    const start = performance.now();
    const response = through === 'client' ? await globalThis.manyhands.fetch(path, { http }) : await fetch(path, { cache: through === 'network' ? 'no-store' : 'default' });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const parts = [], reader = response.body.getReader();
    let size = 0, firstByte;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      firstByte ??= performance.now() - start;
      size += value.length;
      parts.push(value);
    }
    const ms = performance.now() - start;
    const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
    return { sha256: Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join(''), size, ms, firstByte };
  }, [path, through, http]);
}

/** Waits until the browser has stored an asset: a download ends a moment before its last part is written, and leaving the page then loses it. */
export const stored = (page, path) => until(`${path} is stored`, () => page.evaluate(async (path) => !!(await (await caches.open('manyhands')).match(`/manyhands-store${path}`)), path));

/** What the page's client says of itself. */
export const status = (page) => page.evaluate(() => globalThis.manyhands.status());

/** Waits until the page's client has peers. */
export const peered = (page, count = 1) => until(`the client has ${count} peer(s)`, async () => (await status(page)).peers >= count,
  { hint: () => 'is [swarm] open, and does the namespace have an interface?' });

/** The middle one. */
export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
