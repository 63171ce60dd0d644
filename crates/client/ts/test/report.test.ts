import assert from "node:assert/strict";
import { test } from "node:test";
import { Interactions } from "../core/interactions";
import { MOST_ASSETS, MOST_OCTETS, Report, type TransferRecord } from "../core/report";
import { Stalls } from "../core/stalls";

interface Body {
  v: number;
  assets: Record<string, unknown>[];
  lcp: number | null;
  inp: number | null;
  uploaded: number;
}

const take = (report: Report): Body => {
  const text = report.take();
  assert.ok(Buffer.byteLength(text) <= MOST_OCTETS, `${Buffer.byteLength(text)} octets`);
  return JSON.parse(text) as Body;
};
const record = (path: string, peers: number, origin: number, more: Partial<TransferRecord> = {}): TransferRecord => ({ path, length: 1000, received: { origin, peers, mirrors: 0, wasted: 1 }, fallback: null, ...more });
const NOTHING = { v: 1, assets: [], lcp: null, inp: null, uploaded: 0 };

test("a report has all its fields", () => {
  const report = new Report();
  report.transfers([record("/a.iso", 600, 400)]);
  report.timed("/a.iso", 100, 112.34, 556.78);
  Object.assign(report, { lcp: 1234.56, inp: 56, uploaded: 7 });
  assert.deepEqual(take(report), {
    v: 1,
    assets: [{ path: "/a.iso", demand: true, size: 1000, first: 12.3, done: 456.8, peers: 600, origin: 400, mirrors: 0, wasted: 1, stalls: 0, stalled: 0, fallback: null }],
    lcp: 1234.6,
    inp: 56,
    uploaded: 7,
  });
});

test("a further report has the differences alone, and none follows where nothing happened", () => {
  const report = new Report();
  const transfer = record("/a.iso", 100, 50);
  report.transfers([transfer]);
  report.timed("/b.iso", 0, 5, 50, 3000);
  Object.assign(report, { lcp: 900, inp: 40, uploaded: 10 });
  take(report);
  assert.ok(!report.news);
  assert.deepEqual(take(report), NOTHING);

  transfer.received.peers += 30;
  transfer.fallback = "changed";
  report.transfers([transfer]);
  report.timed("/a.iso", 0, 10, 1000);
  Object.assign(report, { lcp: 950, inp: 80, uploaded: 15 });
  assert.ok(report.news);
  const { assets, ...page } = take(report);
  assert.deepEqual(assets, [{ path: "/a.iso", demand: false, size: 1000, first: 10, done: 1000, peers: 30, origin: 0, mirrors: 0, wasted: 0, stalls: 0, stalled: 0, fallback: "changed" }]);
  assert.deepEqual(page, { v: 1, lcp: null, inp: null, uploaded: 5 }, "a page has one paint and one slowest interaction");
  assert.ok(!report.news);
});

test("what several transfers of one asset brought is one sum, a transfer that was held out among them", () => {
  const report = new Report();
  report.transfers([record("/a.iso", 0, 0, { received: { origin: 0, peers: 0, mirrors: 0, wasted: 0 } }), record("/a.iso", 5, 6, { fallback: "network" }), record("/a.iso", 7, 8)]);
  const [asset] = take(report).assets;
  assert.deepEqual([asset!.peers, asset!.origin, asset!.wasted, asset!.fallback], [12, 14, 2, "network"]);
});

test("of every manifest that was had there is word, held out or not; of the rest only where there is something to say", () => {
  const report = new Report();
  report.transfers([record("/held.iso", 0, 0, { received: { origin: 0, peers: 0, mirrors: 0, wasted: 0 } })]);
  report.timed("/no-manifest.iso", 0, 1, 2);
  report.asset("/silent.iso");
  assert.deepEqual(take(report).assets.map(({ path, demand }) => [path, demand]), [["/held.iso", true], ["/no-manifest.iso", false]]);
  assert.ok(!report.news);
});

test("the first load of an asset has its times, whenever it becomes known; what was told stays", () => {
  const report = new Report();
  report.timed("/a.iso", 500, 501, 502);
  report.timed("/a.iso", 100, 150, 900);
  report.timed("/a.iso", 300, 301, 302);
  const [first] = take(report).assets;
  assert.deepEqual([first!.first, first!.done], [50, 800]);
  report.timed("/a.iso", 50, 51, 52);
  assert.ok(!report.news);
});

test("a player has a first octet and no last", () => {
  const report = new Report();
  report.timed("/film.mp4", 10, 30, null);
  const [film] = take(report).assets;
  assert.deepEqual([film!.first, film!.done], [20, null]);
  report.timed("/film.mp4", 5, 6, 7);
  assert.ok(!report.news);
});

test("at most sixteen assets go at once, those asked for first; the others follow", () => {
  const report = new Report();
  const paths = Array.from({ length: 40 }, (_, index) => `/${index}.iso`);
  report.transfers(paths.map((path) => record(path, 1, 1)));
  const sent = [take(report), take(report), take(report)].map(({ assets }) => assets.map(({ path }) => path));
  assert.deepEqual(sent.map(({ length }) => length), [MOST_ASSETS, MOST_ASSETS, 8]);
  assert.deepEqual(sent.flat(), paths);
  assert.deepEqual(take(report), NOTHING);
});

test("a report is never longer than the server reads: what has no room waits, what can never have any is left out", () => {
  const report = new Report();
  const long = `/${"n".repeat(MOST_OCTETS)}.iso`;
  const paths = Array.from({ length: 12 }, (_, index) => `/${"m".repeat(700)}${index}.iso`);
  report.transfers([long, ...paths].map((path) => record(path, 12_345_678, 87_654_321)));
  report.uploaded = 1;
  const sent: unknown[] = [];
  for (let turn = 0; report.news; turn++) {
    assert.ok(turn < 4);
    sent.push(...take(report).assets.map(({ path }) => path));
  }
  assert.deepEqual(sent, paths);
});

test("one interaction in fifty is an accident, and an interaction is as slow as its slowest event", () => {
  const some = new Interactions();
  assert.equal(some.inp(), null);
  some.add(7, 100);
  some.add(7, 300);
  some.add(7, 50);
  some.add(14, 200);
  assert.equal(some.inp(), 300);
  assert.equal(some.inp(49), 300);
  assert.equal(some.inp(50), 200);
  assert.equal(some.inp(5000), 200, "there is no faster one known");

  const many = new Interactions();
  for (let id = 1; id <= 120; id++) many.add(id, id);
  assert.equal(many.inp(), 118, "the third of 120");
  assert.equal(many.inp(1000), 111, "ten are kept");
});

test("a player stands still when it waits in the midst, not before it began nor while it seeks", () => {
  const noted = { stalls: 0, milliseconds: 0 };
  const stalls = new Stalls<string>((path, count, milliseconds) => {
    assert.equal(path, "/film.mp4");
    noted.stalls += count;
    noted.milliseconds += milliseconds;
  });
  const on = (event: string, now: number, underWay = true, player = "one"): void => stalls.on(player, event, "/film.mp4", underWay, now);
  on("waiting", 0, false);
  on("playing", 500);
  assert.deepEqual(noted, { stalls: 0, milliseconds: 0 });
  on("waiting", 1000);
  on("waiting", 1100);
  stalls.settle(1200);
  on("playing", 1500);
  on("pause", 1900);
  assert.deepEqual(noted, { stalls: 1, milliseconds: 500 });
  on("waiting", 2000);
  on("waiting", 2000, true, "other");
  on("seeking", 2100);
  on("emptied", 2300, false, "other");
  assert.deepEqual(noted, { stalls: 3, milliseconds: 900 });
});
