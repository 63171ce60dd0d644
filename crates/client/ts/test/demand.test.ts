/** What the server counts as demand: the first manifest request of a page for an asset, whatever becomes of it. */

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Assets } from "../assets";
import type { Site } from "../protocol";

const SITE = { assets: { extensions: ["zip"], minSize: 1 }, limits: { slack: 1, uploadRate: 1, uploadMonthly: null, cache: 0 }, tracker: "/tracker", stun: [], mirrors: [] } as unknown as Site;

/** A page of a site whose manifests say `swarm`; what it asked for, without the folder. */
const page = (t: TestContext, swarm: { value: string | number }) => {
  const asked: string[] = [];
  const timers: (() => void)[] = [];
  const manifest = (path: string) => ({ v: 1, path, length: 70_000, type: "application/zip", etag: '"1"', infohash: "00".repeat(20), pieceLength: 262_144, root: "00".repeat(32), unit: 65_536, digests: btoa("d".repeat(64)) });
  const fakes: Record<string, unknown> = {
    fetch: (url: string) => {
      const [, path] = /\/manifest(\/.*?)(\?.*)?$/.exec(url) ?? [];
      if (!path) return Promise.reject(new Error(url));
      asked.push(url.slice(url.indexOf("/manifest/") + 9));
      return Promise.resolve(typeof swarm.value === "number" ? new Response("", { status: swarm.value }) : Response.json(manifest(path), { headers: { "Manyhands-Swarm": swarm.value } }));
    },
    setTimeout: (run: () => void) => timers.push(run),
    setInterval: () => 0,
    document: new EventTarget(),
    location: { href: "http://localhost/" },
    WebSocket: class {
      close = (): void => undefined;
    },
    caches: { open: () => Promise.reject(new Error("no storage")) },
  };
  for (const [name, value] of Object.entries(fakes)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete (globalThis as Record<string, unknown>)[name]));
  }
  const minuteLater = (): void => timers.splice(0).forEach((run) => run());
  return { asked, minuteLater, assets: (former?: Assets) => new Assets(SITE, () => undefined, former) };
};

test("a held-out asset is asked about once for the count, and again later without counting", async (t) => {
  const swarm = { value: "off" };
  const { asked, minuteLater, assets } = page(t, swarm);
  const mine = assets();
  await Promise.all([mine.find("/held.zip"), mine.find("/held.zip")]);
  assert.deepEqual(asked, ["/held.zip"]);
  minuteLater();
  assert.equal(await mine.find("/held.zip"), undefined);
  minuteLater();
  swarm.value = "0/1";
  assert.ok(await mine.find("/held.zip"), "the block is over");
  assert.deepEqual(asked, ["/held.zip", "/held.zip?again", "/held.zip?again"]);
});

test("a shared asset is asked about once for the count: not after a failure, nor after sharing was turned off and on", async (t) => {
  const { asked, assets } = page(t, { value: "1/1" });
  const mine = assets();
  const asset = await mine.find("/shared.zip");
  await mine.find("/shared.zip");
  assert.deepEqual(asked, ["/shared.zip"]);
  asset!.transfer.close("unavailable");
  await mine.find("/shared.zip");
  mine.suspend();
  await assets(mine).find("/shared.zip");
  assert.deepEqual(asked, ["/shared.zip", "/shared.zip?again", "/shared.zip?again"]);
});

test("what is no asset yet is counted when it is one", async (t) => {
  const swarm: { value: string | number } = { value: 404 };
  const { asked, minuteLater, assets } = page(t, swarm);
  const mine = assets();
  await mine.find("/new.zip");
  minuteLater();
  swarm.value = "0/0";
  await mine.find("/new.zip");
  assert.deepEqual(asked, ["/new.zip", "/new.zip"]);
});
