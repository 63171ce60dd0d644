// Separate Chromium processes, each with a profile of its own, and the little that tests want to know from inside: how many peer
// connections and WebSockets a page made, what it complained about, and means to hurt its service worker.
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required'];

/** The Chromium to test with: TEST_CHROMIUM, else the first usual place. */
export function chromiumPath() {
  const places = [process.env.TEST_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].filter(Boolean);
  for (const place of places) {
    try { accessSync(place, constants.X_OK); return place; } catch { /* the next one */ }
  }
  throw new Error(`no Chromium: tried ${places.join(', ')}; set TEST_CHROMIUM`);
}

/** Runs in every page before its own scripts, in some documents twice. Counts, and changes nothing that a page could notice. */
function probe() {
  if (globalThis.__seen) return;
  const seen = { peerConnections: 0, webSockets: [] };
  Object.defineProperty(globalThis, '__seen', { value: seen });
  const counted = (name, note) => {
    const Original = globalThis[name];
    if (!Original) return;
    globalThis[name] = new Proxy(Original, { construct(target, args, self) { note(args); return Reflect.construct(target, args, self); } });
  };
  counted('RTCPeerConnection', () => { seen.peerConnections += 1; });
  counted('WebSocket', ([url]) => { seen.webSockets.push(String(url)); });
}

/**
 * Starts one Chromium process.
 * @param {object} options
 * @param {string} options.work directory under which the fresh profile is made
 * @param {string} [options.executable] instead of Chromium itself, for a wrapper that enters another namespace
 * @param {string[]} [options.flags] further command-line flags
 * @param {object} [options.context] further Playwright context options (javaScriptEnabled, extraHTTPHeaders, ...)
 * @param {Function[]} [options.scripts] further functions to run before a page's own scripts; not in about:blank, which lacks half of the platform
 */
export async function startBrowser({ work, executable = chromiumPath(), flags = [], context = {}, scripts = [] }) {
  const profile = await mkdtemp(join(work, 'profile-'));
  const launched = await chromium.launchPersistentContext(profile, {
    executablePath: executable, headless: true, args: [...FLAGS, ...flags], acceptDownloads: true, viewport: { width: 800, height: 600 }, ...context,
  });
  await launched.addInitScript(probe);
  for (const script of scripts) await launched.addInitScript({ content: `if (location.protocol !== 'about:') (${script})();` });
  const complaints = [];
  launched.on('console', (message) => { if (message.type() === 'error') complaints.push(`console: ${message.text()} ${message.location().url}`); });
  launched.on('weberror', (error) => complaints.push(`page: ${error.error()?.stack || error.error()}`));
  launched.setDefaultTimeout(60_000);
  return new Browser(launched, profile, complaints);
}

export class Browser {
  constructor(context, profile, complaints) { Object.assign(this, { context, profile, complaints }); }

  /** Opens a page and waits for its load event. */
  async open(url) {
    const page = await this.context.newPage();
    await page.goto(url);
    return page;
  }

  /** What the probe counted in one page. */
  seen(page) { return page.evaluate(() => globalThis.__seen); }

  /** Stops every service worker of the process at once, as memory pressure would. The next event starts them again. */
  async stopWorkers(page) {
    const cdp = await this.context.newCDPSession(page);
    await cdp.send('ServiceWorker.enable');
    await cdp.send('ServiceWorker.stopAllWorkers');
    await cdp.detach();
  }

  /** Octets of JavaScript heap and array buffers in use by a page, after a collection. */
  async heap(page) {
    const cdp = await this.context.newCDPSession(page);
    await cdp.send('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize } = await cdp.send('Runtime.getHeapUsage');
    await cdp.detach();
    return usedSize + backingStorageSize;
  }

  /** Kills the process without a word to anybody, as a crash or a dead battery would. */
  async kill() {
    const cdp = await this.context.newCDPSession(this.context.pages()[0] ?? await this.context.newPage());
    await Promise.race([cdp.send('Browser.crash').catch(() => {}), new Promise((resolve) => this.context.once('close', resolve))]);
  }

  async close() {
    await this.context.close().catch(() => {});
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
