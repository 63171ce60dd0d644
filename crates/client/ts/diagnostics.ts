/**
 * Diagnostics for the experiment: what the browser's own timing, the client and the players say, sent when the page is hidden.
 * Loaded only where site.json names an experiment, and only when the visitor shares. Nothing here tells visitors apart.
 *
 * Times are taken in the same way whether an asset is shared or held out: Resource Timing knows what page and players ask for,
 * whoever answers, and `manyhands.fetch` is timed from its call.
 */

import { Interactions } from "./core/interactions";
import { Report, type Load, type TransferRecord } from "./core/report";
import { Stalls } from "./core/stalls";
import { PREFIX, type Site } from "./protocol";

const BEACON = `${PREFIX}beacon`;
/** Until a token is asked for again, after there was none. */
const PAUSE = 60_000;
/** Between the client's passing and the request that follows. */
const HANDOVER = 100;
/** Events of a player that begin and end a standstill. */
const PLAYER = ["waiting", "playing", "seeking", "pause", "ended", "emptied", "error"];

/** What the client knows. */
export interface Sources {
  /** Since when the visitor shares, on the page's clock. Infinity while not: nothing is noted then, and nothing sent. */
  since: number;
  readonly loads: Load[];
  /** Every transfer of this page view, and the octets given to others. */
  assets(): { readonly log: readonly TransferRecord[]; readonly budget: { readonly given: number } } | undefined;
  candidate(address: string): boolean;
  readonly site: Pick<Site, "assets">;
}

export const observe = (sources: Sources): void => {
  const report = new Report();
  const interactions = new Interactions();
  const pending: (() => void)[] = [];
  const answered = new Set<Load>();
  /** When nobody looked for the first time: a paint after that says nothing. */
  let hidden = performance.getEntriesByType("visibility-state").find(({ name }) => name === "hidden")?.startTime ?? (document.hidden ? 0 : Infinity);
  let token: string | undefined;
  let asking = false;
  let told = false;

  const off = (): boolean => sources.since === Infinity;

  const stalls = new Stalls<EventTarget>((path, count, milliseconds) => {
    if (off()) return;
    const figures = report.asset(path);
    figures.stalls += count;
    figures.stalled += milliseconds;
  });

  const pathOf = (address: string): string | undefined => {
    const { pathname } = new URL(address, document.baseURI);
    return sources.candidate(address) && !pathname.startsWith(PREFIX) ? pathname : undefined;
  };

  /** All that is known by now. */
  const collect = (): void => {
    for (const take of pending) take();
    for (const { path, start, first, end } of sources.loads) if (end) report.timed(path, start, first!, end);
    const { log = [], budget } = sources.assets() ?? {};
    report.transfers(log);
    stalls.settle(performance.now());
    report.inp = interactions.inp((performance as { interactionCount?: number }).interactionCount);
    report.uploaded = budget?.given ?? 0;
  };

  /** Gets a token before it is needed, since a page that goes has no time: the first at once, further ones when there is news. */
  const look = async (): Promise<void> => {
    if (token || asking || off()) return;
    if (told) {
      collect();
      if (!report.news) return;
    }
    asking = true;
    try {
      const response = await fetch(BEACON, { cache: "no-store" });
      ({ token } = (await response.json()) as { token: string });
      asking = false;
    } catch {
      setTimeout(() => (asking = false), PAUSE);
    }
  };

  const tell = (): void => {
    if (!token || off()) return;
    collect();
    const url = `${BEACON}?token=${encodeURIComponent(token)}`;
    const body = new Blob([report.take()], { type: "application/json" });
    token = undefined;
    told = true;
    if (!navigator.sendBeacon?.(url, body)) fetch(url, { method: "POST", body, keepalive: true }).catch(() => undefined);
  };

  const watch = <Entry extends PerformanceEntry>(type: string, take: (entry: Entry) => void, options?: object): void => {
    const each = (entries: PerformanceEntry[]): void => (entries as Entry[]).forEach(take);
    const observer = new PerformanceObserver((list) => {
      each(list.getEntries());
      void look();
    });
    observer.observe({ type, buffered: true, ...options });
    pending.push(() => each(observer.takeRecords()));
  };

  watch("resource", (entry: PerformanceResourceTiming) => {
    const { name, startTime, responseStart, responseEnd, initiatorType, responseStatus, decodedBodySize } = entry;
    const path = pathOf(name);
    if (!path || !responseStart || startTime < sources.since) return;
    // A player asks for parts, and stops when it has enough.
    if (/video|audio/.test(initiatorType)) return report.timed(path, startTime, responseStart, null);
    // Neither the parts that the client itself asks for, nor a HEAD, nor what broke off.
    if (responseStatus !== 200 || decodedBodySize < sources.site.assets.minSize) return;
    // The browser's own answer to a `manyhands.fetch` follows at once where the client had none.
    const load = sources.loads.find((one) => one.path === path && Math.abs(one.plain! - startTime) < HANDOVER && !answered.has(one));
    if (load) answered.add(load);
    report.timed(path, load?.start ?? startTime, responseStart, responseEnd, decodedBodySize);
  });

  const { activationStart = 0 } = (performance.getEntriesByType("navigation")[0] ?? {}) as { activationStart?: number };
  watch("largest-contentful-paint", ({ startTime }) => {
    if (startTime < hidden) report.lcp = Math.max(0, startTime - activationStart);
  });

  const onInteraction = ({ interactionId, duration }: PerformanceEntry & { interactionId?: number }): void => {
    if (interactionId) interactions.add(interactionId, duration);
  };
  watch("event", onInteraction, { durationThreshold: 16 });
  watch("first-input", onInteraction);

  const onPlayer = ({ type, target }: Event): void => {
    const player = target as HTMLMediaElement;
    const path = player.currentSrc && pathOf(player.currentSrc);
    if (path) stalls.on(player, type, path, player.played.length > 0 && !player.seeking, performance.now());
  };
  // These do not bubble.
  for (const name of PLAYER) document.addEventListener(name, onPlayer, true);

  document.addEventListener("visibilitychange", ({ timeStamp }) => {
    if (!document.hidden) return;
    hidden = Math.min(hidden, timeStamp);
    tell();
  });
  addEventListener("pagehide", tell);
  addEventListener("manyhands", () => void look());
  void look();
};
