/** The assets of this session: one transfer each, the swarm they share, and responses made of them. */

import type { Bytes } from "./core/bytes";
import { Layout } from "./core/layout";
import type { Load, TransferRecord } from "./core/report";
import { Transfer, TransferError, type Manifest, type Reader } from "./core/transfer";
import { UploadBudget, type Month } from "./core/upload";
import { RangeFetcher } from "./adapters/http";
import { joinMirrors } from "./adapters/mirrors";
import { fetchDigests, fetchInfo, fetchManifest, fetchSite, infoSize, sha256 } from "./adapters/site";
import { AssetStore } from "./adapters/store";
import { Tracker } from "./adapters/tracker";
import { MONTH, type RelayHead, type Site } from "./protocol";

/** Header fields of a range answer that say nothing about the asset itself. */
const OF_THE_RANGE = /^(content-range|content-length|content-encoding|connection|keep-alive|transfer-encoding|date|age|set-cookie|alt-svc)$/;
/** A hidden page gives for this long, then leaves. */
const HIDDEN_LIMIT = 60_000;

export interface Asset {
  readonly manifest: Manifest;
  readonly transfer: Transfer;
  readonly store: AssetStore;
  /** The origin's own header fields, once known. */
  headers: [string, string][] | undefined;
}

const monthOf = (time: number): string => new Date(time).toISOString().slice(0, 7);

/** Where there is no storage, the count lasts for the page. */
let tally = { month: "", given: 0, received: 0 };
const month: Month = {
  read() {
    const now = monthOf(Date.now());
    try {
      tally = { ...tally, ...(JSON.parse(localStorage.getItem(MONTH) ?? "") as Partial<typeof tally>) };
    } catch {
      // Nothing kept, or nothing sensible.
    }
    if (tally.month !== now) tally = { month: now, given: 0, received: 0 };
    return tally;
  },
  add(given, received) {
    month.read();
    tally.given += given;
    tally.received += received;
    try {
      localStorage.setItem(MONTH, JSON.stringify(tally));
    } catch {
      // As above.
    }
  },
};

export class Assets {
  readonly budget: UploadBudget;
  readonly #ownId: Bytes;
  readonly #tracker: Tracker;
  readonly #open = new Map<string, Promise<Asset | undefined>>();
  readonly #live = new Set<Asset>();
  #suspended = false;
  /** Every manifest of this page view, and what came of it. */
  readonly log: TransferRecord[];

  constructor(
    private readonly site: Site,
    private readonly changed: () => void,
    /** What this page view counted before. */
    former?: Assets,
  ) {
    this.log = former?.log ?? [];
    this.budget = former?.budget ?? new UploadBudget(site.limits, month);
    // Azureus style, so that stock clients know whom they deal with.
    this.#ownId = crypto.getRandomValues(new Uint8Array(20));
    this.#ownId.set(Uint8Array.from("-MH0100-", (c) => c.charCodeAt(0)));
    const address = async (failed: boolean): Promise<string> => {
      const { tracker } = failed ? await fetchSite() : site;
      const url = new URL(tracker, location.href);
      url.protocol = url.protocol.replace("http", "ws");
      return url.href;
    };
    this.#tracker = new Tracker(address, site.stun, this.#ownId);
    const timer = setInterval(() => {
      if (this.#suspended && !this.#live.size) clearInterval(timer);
      for (const { transfer } of this.#live) transfer.tick();
    }, 250);
    let hidden: ReturnType<typeof setTimeout> | undefined;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hidden);
      if (document.hidden) hidden = setTimeout(() => this.#rest(), HIDDEN_LIMIT);
      else for (const { transfer } of this.#live) this.#join(transfer);
    });
  }

  get received(): { origin: number; peers: number; mirrors: number } {
    const sum = { origin: 0, peers: 0, mirrors: 0 };
    for (const { received } of this.log) for (const source of ["origin", "peers", "mirrors"] as const) sum[source] += received[source];
    return sum;
  }

  get peers(): number {
    let count = 0;
    for (const { transfer } of this.#live) count += transfer.others.length;
    return count;
  }

  /** The asset of a path, if the site shares it now. */
  async get(path: string): Promise<Asset | undefined> {
    const asset = await this.find(path);
    // What is complete asks the origin for nothing any more, so it would never notice a new version.
    if (!asset?.transfer.complete) return asset;
    const { headers } = await fetch(path, { method: "HEAD", cache: "no-store" });
    const validator = (names: Headers): string | null => names.get("ETag") ?? names.get("Last-Modified");
    const known = asset.manifest.etag ?? validator(new Headers(asset.headers));
    if (known && known === validator(headers)) return asset;
    asset.transfer.close("changed");
    return undefined;
  }

  /** As `get`, unchecked: for giving, not for reading. Whoever asks while another is being told, is told the same. */
  find(path: string): Promise<Asset | undefined> {
    let opening = this.#open.get(path);
    if (!opening) {
      opening = this.#load(path).catch(() => undefined);
      this.#open.set(path, opening);
      // What is not shared now may be in a minute.
      void opening.then((asset) => asset || setTimeout(() => this.#open.delete(path), HIDDEN_LIMIT));
    }
    return opening;
  }

  /** Ends all peer connections and keeps nothing; what somebody still reads goes on from the origin alone. */
  suspend(): void {
    this.#suspended = true;
    for (const { transfer, store } of this.#live) {
      store.closed = true;
      this.#tracker.leave(transfer);
      if (transfer.scheduler.consumers.size) transfer.dismiss();
      else transfer.close();
    }
  }

  async #load(path: string): Promise<Asset | undefined> {
    const found = await fetchManifest(path);
    if (!found || this.#suspended || found.manifest.path !== path || found.manifest.length < this.site.assets.minSize) return undefined;
    const { manifest, swarm, mirrors } = found;
    const record: TransferRecord = { path, length: manifest.length, received: { origin: 0, peers: 0, mirrors: 0, wasted: 0 }, fallback: null };
    this.log.push(record);
    if (swarm === "off") return undefined;
    const layout = new Layout(manifest.length, manifest.pieceLength);
    const store = new AssetStore(manifest, layout, this.site.limits.cache);
    const asset: Asset = {
      manifest,
      store,
      headers: undefined,
      transfer: new Transfer(
        manifest,
        {
          now: () => performance.now(),
          random: Math.random,
          sha256,
          http: new RangeFetcher(path, manifest, (headers) => {
            asset.headers ??= store.headers = [...headers].filter(([name]) => !OF_THE_RANGE.test(name));
          }),
          store,
          digests: (page) => fetchDigests(manifest, page),
          info: () => fetchInfo(manifest),
          infoSize: infoSize(manifest),
          later: (milliseconds, run) => void setTimeout(run, milliseconds),
          changed: this.changed,
        },
        { slack: this.site.limits.slack, ownId: this.#ownId, budget: this.budget },
      ),
    };
    const { transfer } = asset;
    // Beside the first bytes, not before them: the digests came from the origin itself.
    void transfer.checkRoot().then((right) => right || transfer.close("changed"));
    const note = await store.known().catch(() => undefined);
    if (note) {
      // What was used this month was counted this month.
      transfer.restore(monthOf(note.used) !== monthOf(Date.now()));
      asset.headers = note.headers;
    }
    if (transfer.failed) return undefined;
    this.#live.add(asset);
    record.received = transfer.received;
    transfer.onEnd = (failure) => {
      this.#live.delete(asset);
      this.#open.delete(path);
      if (failure !== "aborted") record.fallback = failure === "changed" ? failure : "network";
      this.#tracker.leave(transfer);
      store.closed = true;
      if (failure === "changed") store.forget().catch(() => undefined);
    };
    transfer.onComplete = () => this.#tracker.completed(transfer);
    this.#join(transfer);
    joinMirrors(transfer, mirrors ?? this.site.mirrors, this.site);
    return asset;
  }

  #join(transfer: Transfer): void {
    if (!this.#suspended && !transfer.failed && "RTCPeerConnection" in globalThis && "WebSocket" in globalThis) this.#tracker.join(transfer);
  }

  #rest(): void {
    for (const { transfer } of this.#live) if (!transfer.scheduler.consumers.size) this.#tracker.leave(transfer);
  }
}

/** What a response of these bytes says of itself. */
export const headOf = (asset: Asset, start: number, end: number, partial: boolean): RelayHead => {
  const { type, etag, length } = asset.manifest;
  const headers: [string, string][] = (
    asset.headers ?? [
      ["content-type", type],
      ["x-content-type-options", "nosniff"],
      ["accept-ranges", "bytes"],
      ...(etag ? [["etag", etag] as [string, string]] : []),
    ]
  ).slice();
  headers.push(["content-length", String(end - start)]);
  if (partial) headers.push(["content-range", `bytes ${start}-${end - 1}/${length}`]);
  const validator = etag ?? headers.find(([name]) => name === "last-modified")?.[1] ?? null;
  return { status: partial ? 206 : 200, headers, start, end, length, validator };
};

/** A stream that is read on demand; an error of the transfer is an error of the stream, never a short end. */
export const streamOf = (reader: Reader, first: Bytes | undefined, load: Load): ReadableStream<Bytes> =>
  new ReadableStream<Bytes>(
    {
      start: (controller) => {
        if (first) controller.enqueue(first);
      },
      pull: async (controller) => {
        const chunk = await reader.pull();
        if (chunk) return controller.enqueue(chunk);
        load.end = performance.now();
        controller.close();
      },
      cancel: () => reader.cancel(),
    },
    { highWaterMark: 0 },
  );

/** A verified response; nothing when plain HTTP should answer instead. */
export const respond = async (assets: Assets, load: Load, http: boolean, signal?: AbortSignal): Promise<Response | undefined> => {
  const asset = await assets.get(load.path);
  if (!asset) return undefined;
  const { length } = asset.manifest;
  const reader = asset.transfer.read({ start: 0, end: length, http });
  signal?.addEventListener("abort", () => reader.cancel());
  try {
    const first = await reader.pull();
    load.first = performance.now();
    const { status, headers } = headOf(asset, 0, length, false);
    return new Response(streamOf(reader, first, load), { status, headers });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (http && error instanceof TransferError) return undefined;
    throw error;
  }
};
