/** When a page tells something, and what of all that the browser knows; the browser is made up. */

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { observe, type Sources } from "../diagnostics";
import { PREFIX } from "../protocol";

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};

class Player extends EventTarget {
  currentSrc = "http://localhost/film.mp4";
  played = { length: 1 };
  seeking = false;
}

const browser = (t: TestContext, changes: Partial<Sources> = {}, { refusing = false, most = Infinity } = {}) => {
  const tokens: string[] = [];
  const sent: { token: string; body: Promise<{ assets: Record<string, unknown>[]; lcp: number | null; inp: number | null; uploaded: number }> }[] = [];
  const observers = new Map<string, (entries: object[]) => void>();
  const timers: { run: () => void; after: number }[] = [];
  let now = 0;
  const document = Object.assign(new EventTarget(), { hidden: false, baseURI: "http://localhost/page" });
  const window = new EventTarget();
  const post = (url: string, body: Blob): boolean => {
    assert.equal(body.type, "application/json");
    sent.push({ token: url.slice(`${PREFIX}beacon?token=`.length), body: body.text().then((text) => JSON.parse(text)) });
    return true;
  };
  const fakes: Record<string, unknown> = {
    document,
    addEventListener: window.addEventListener.bind(window),
    navigator: { sendBeacon: (url: string, body: Blob) => !refusing && post(url, body) },
    setTimeout: (run: () => void, after: number) => timers.push({ run, after }),
    performance: { now: () => now, getEntriesByType: () => [] },
    fetch: (url: string, init: { method?: string; body: Blob; keepalive?: boolean; cache?: string }) => {
      if (init.method === "POST") {
        assert.ok(init.keepalive);
        return Promise.resolve(post(url, init.body));
      }
      assert.equal(url, `${PREFIX}beacon`);
      assert.equal(init.cache, "no-store");
      tokens.push(`token ${tokens.length}`);
      return Promise.resolve(tokens.length > most ? new Response("", { status: 503 }) : Response.json({ token: tokens.at(-1) }));
    },
    PerformanceObserver: class {
      constructor(private readonly callback: (list: { getEntries: () => object[] }) => void) {}
      observe({ type, buffered }: { type: string; buffered: boolean }): void {
        assert.ok(buffered);
        observers.set(type, (entries) => this.callback({ getEntries: () => entries }));
      }
      takeRecords = () => [];
    },
  };
  for (const [name, value] of Object.entries(fakes)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete (globalThis as Record<string, unknown>)[name]));
  }
  const sources: Sources = { since: 0, loads: [], assets: () => undefined, candidate: (address) => /^http:\/\/localhost\/.*\.(iso|mp4)$/.test(address), site: { assets: { extensions: [], minSize: 1000 } }, ...changes };
  observe(sources);
  return {
    sources, tokens, sent, timers,
    at: (time: number) => (now = time),
    entry: (type: string, ...entries: object[]) => observers.get(type)!(entries),
    load: (name: string, startTime: number, more: object = {}) =>
      observers.get("resource")!([{ name, startTime, responseStart: startTime + 10, responseEnd: startTime + 100, initiatorType: "fetch", responseStatus: 200, decodedBodySize: 5000, ...more }]),
    player: (player: Player, type: string) => {
      const event = new Event(type);
      Object.defineProperty(event, "target", { value: player });
      document.dispatchEvent(event);
    },
    news: async () => (window.dispatchEvent(new Event("manyhands")), settle()),
    leave: async () => (window.dispatchEvent(new Event("pagehide")), settle()),
    hide: async (hidden: boolean) => {
      document.hidden = hidden;
      document.dispatchEvent(new Event("visibilitychange"));
      await settle();
    },
  };
};

test("one token, one report when the page is hidden, also where there is nothing to tell; the next after news", async (t) => {
  let given = 0;
  const b = browser(t, { assets: () => ({ log: [], budget: { given } }) });
  await settle();
  assert.deepEqual(b.tokens, ["token 0"]);
  assert.equal(b.sent.length, 0, "nothing before the page is hidden");
  await b.hide(true);
  await b.leave();
  assert.deepEqual(b.sent.map(({ token }) => decodeURIComponent(token)), ["token 0"]);
  assert.deepEqual(await b.sent[0]!.body, { v: 1, assets: [], lcp: null, inp: null, uploaded: 0 });
  await b.hide(false);
  await b.news();
  assert.equal(b.tokens.length, 1, "no token without news");
  given = 5;
  await b.news();
  await b.news();
  assert.equal(b.tokens.length, 2);
  given = 8;
  await b.leave();
  assert.equal((await b.sent[1]!.body).uploaded, 8);
  await b.leave();
  assert.equal(b.sent.length, 2);
});

test("a browser that takes no beacon gets a fetch that outlives the page", async (t) => {
  const b = browser(t, {}, { refusing: true });
  await settle();
  await b.leave();
  assert.equal(b.sent.length, 1);
});

test("what page and players ask for is timed, whoever answers; our own requests and what broke off are not", async (t) => {
  const b = browser(t);
  await settle();
  b.load("http://localhost/whole.iso", 50);
  b.load("http://localhost/film.mp4", 20, { initiatorType: "video", responseStatus: 0 });
  b.load("http://localhost/ranges.iso", 1, { responseStatus: 0 });
  b.load("http://localhost/partial.iso", 1, { responseStatus: 206 });
  b.load("http://localhost/head.iso", 1, { decodedBodySize: 0 });
  b.load("http://localhost/failed.mp4", 1, { initiatorType: "video", responseStart: 0 });
  b.load(`http://localhost${PREFIX}manifest/whole.iso`, 1);
  b.load("http://elsewhere/other.iso", 1);
  await b.hide(true);
  const { assets } = await b.sent[0]!.body;
  assert.deepEqual(assets.map(({ path, size, first, done }) => [path, size, first, done]), [["/whole.iso", 5000, 10, 100], ["/film.mp4", 0, 10, null]]);
});

test("manyhands.fetch is timed from its call, whether the client answers or the browser", async (t) => {
  const shared = { path: "/shared.iso", start: 100, first: 130, end: 700 };
  const under_way = { path: "/slow.iso", start: 100, first: 130 };
  const held = { path: "/held.iso", start: 100, plain: 140 };
  const b = browser(t, { loads: [shared, under_way, held] });
  await settle();
  b.load("http://localhost/held.iso", 140.2);
  await b.hide(true);
  const { assets } = await b.sent[0]!.body;
  assert.deepEqual(assets.map(({ path, first, done }) => [path, first, done]), [["/held.iso", 50.2, 140.2], ["/shared.iso", 30, 600]]);
});

test("a request of the page's own that comes later does not begin with an earlier manyhands.fetch", async (t) => {
  const b = browser(t, { loads: [{ path: "/held.iso", start: 100, plain: 140 }] });
  await settle();
  b.load("http://localhost/held.iso", 5000);
  await b.hide(true);
  assert.equal((await b.sent[0]!.body).assets[0]!.first, 10);
});

test("bytes, standstills, paint and interactions are told", async (t) => {
  const b = browser(t, {
    assets: () => ({ log: [{ path: "/film.mp4", length: 9000, received: { origin: 10, peers: 20, mirrors: 0, wasted: 3 }, fallback: null }], budget: { given: 0 } }),
  });
  await settle();
  const player = new Player();
  b.at(1000);
  b.player(player, "waiting");
  b.at(1250);
  b.player(player, "playing");
  player.seeking = true;
  b.player(player, "waiting");
  player.currentSrc = "http://elsewhere/film.mp4";
  player.seeking = false;
  b.player(player, "waiting");
  b.entry("largest-contentful-paint", { startTime: 300 }, { startTime: 800 });
  b.entry("event", { interactionId: 1, duration: 40 }, { interactionId: 0, duration: 500 }, { interactionId: 2, duration: 64 });
  b.entry("first-input", { interactionId: 1, duration: 48 });
  await b.hide(true);
  const { assets, ...page } = await b.sent[0]!.body;
  assert.deepEqual(assets, [{ path: "/film.mp4", demand: true, size: 9000, first: null, done: null, peers: 20, origin: 10, mirrors: 0, wasted: 3, stalls: 1, stalled: 250, fallback: null }]);
  assert.deepEqual(page, { v: 1, lcp: 800, inp: 64, uploaded: 0 });
});

test("a paint after the page was hidden says nothing", async (t) => {
  const b = browser(t);
  await settle();
  await b.hide(true);
  await b.hide(false);
  b.entry("largest-contentful-paint", { startTime: 1e9 });
  await settle();
  assert.equal(b.tokens.length, 1);
});

test("while the visitor does not share nothing is noted, asked for or sent", async (t) => {
  const b = browser(t, { since: Infinity });
  const all = b.sent;
  await settle();
  await b.news();
  b.load("http://localhost/before.iso", 50);
  await b.hide(true);
  assert.deepEqual([b.tokens, b.sent], [[], []]);
  await b.hide(false);
  b.sources.since = 100;
  await b.news();
  b.load("http://localhost/long-ago.iso", 99);
  b.load("http://localhost/after.iso", 101);
  b.sources.since = Infinity;
  await b.hide(true);
  assert.deepEqual(b.sent, [], "refused meanwhile");
  b.sources.since = 200;
  await b.leave();
  const [report] = b.sent as typeof all;
  assert.deepEqual((await report!.body).assets.map(({ path }) => path), ["/after.iso"]);
});

test("a server without tokens is asked again after a minute at the earliest", async (t) => {
  const b = browser(t, {}, { most: 0 });
  await settle();
  await b.news();
  await b.news();
  assert.equal(b.tokens.length, 1);
  assert.deepEqual(b.timers.map(({ after }) => after), [60_000]);
  b.timers[0]!.run();
  await b.news();
  assert.equal(b.tokens.length, 2);
  await b.leave();
  assert.deepEqual(b.sent, []);
});
