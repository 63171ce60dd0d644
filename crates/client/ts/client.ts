/**
 * The peer-to-peer client of one window. Of all windows of an origin one leads: it alone talks to tracker and peers; the worker
 * brings its bytes to the others.
 */

import { Assets, respond } from "./assets";
import { bucketCookie, bucketOf } from "./core/bucket";
import { sweep } from "./adapters/store";
import type { observe, Sources } from "./diagnostics";
import type { Load } from "./core/report";
import { handleLinks } from "./links";
import { PEERS_ONLY, PREFIX, type Api, type Client, type RelayRequest, type Site, type UsedNotice } from "./protocol";
import { relay } from "./relay";
import { ask, badge } from "./ui";

const LOCK = "manyhands";
const TELL_EVERY = 1000;
/** How long a page waits for the one before it to let go of the lock, in ms. */
const HANDOVER = 200;

export const start = (site: Site, api: Api, candidate: (address: string) => boolean): Client => {
  let assets: Assets | undefined;
  /** What was counted before sharing was turned off. */
  let former: Assets | undefined;
  let dismiss: (() => void) | undefined;
  let unlink: (() => void) | undefined;
  let sign: ReturnType<typeof badge> | undefined;
  let telling = false;
  let release: (() => void) | undefined;
  let lead: Promise<void> = Promise.resolve();
  /** Where there is an experiment, and once sharing began. */
  let diagnostics: Sources | undefined;

  const show = (): void => sign?.(client.status(), !!release);

  /** Tells the page, at most once a second. Who agreed sees the badge once there are peers. */
  const changed = (): void => {
    if (telling) return;
    telling = true;
    setTimeout(() => {
      telling = false;
      if (!assets) return;
      const status = api.status();
      if (status.peers) sign ??= badge(api);
      show();
      dispatchEvent(new CustomEvent("manyhands", { detail: status }));
    }, TELL_EVERY);
  };

  const leading = (): void => {
    assets = new Assets(site, changed, former);
    sweep().catch(() => undefined);
    navigator.serviceWorker.controller?.postMessage({ manyhands: "here" });
  };

  const begin = (since: number): void => {
    if (release) return;
    dismiss?.();
    // Before anything is asked of the server that depends on it.
    if (site.experiment === "visitors" && bucketOf(document.cookie) === undefined) {
      document.cookie = bucketCookie(crypto.getRandomValues(new Uint16Array(1))[0]!, location.protocol === "https:");
    }
    unlink = handleLinks(candidate);
    if (site.experiment) {
      if (!diagnostics) {
        diagnostics = { since, loads: [], assets: () => assets ?? former, candidate, site };
        import(PREFIX + "diagnostics.js").then((script: { observe: typeof observe }) => script.observe(diagnostics!), () => undefined);
      }
      // What was before the visitor agreed does not count.
      diagnostics.since = since;
    }
    lead = new Promise((resolve) => {
      const hold = (): Promise<void> => {
        if (!release) return Promise.resolve();
        leading();
        resolve();
        return new Promise((done) => (release = done));
      };
      release = resolve;
      // Who was not asked is told before anything is connected.
      if (site.consent === "notice") sign ??= badge(api);
      show();
      if (!navigator.locks) return void hold();
      navigator.locks
        .request(LOCK, { ifAvailable: true }, (lock) => {
          if (lock) return hold();
          // Another window leads. The one before this, perhaps, which is about to go; any other need not be waited for.
          setTimeout(resolve, HANDOVER);
          navigator.locks.request(LOCK, hold).catch(() => undefined);
          return undefined;
        })
        .catch(resolve);
    });
  };

  const client: Client = {
    start: () => begin(performance.now()),
    stop: () => {
      if (diagnostics) diagnostics.since = Infinity;
      dismiss?.();
      unlink?.();
      assets?.suspend();
      former = assets ?? former;
      assets = undefined;
      release?.();
      release = undefined;
      show();
    },
    status: () => ({
      received: (assets ?? former)?.received ?? { origin: 0, peers: 0, mirrors: 0 },
      given: (assets ?? former)?.budget.given ?? 0,
      peers: assets?.peers ?? 0,
    }),
    fetch: async (address, http, signal) => {
      const url = new URL(address, document.baseURI);
      const load: Load = { path: url.pathname, start: performance.now() };
      await lead;
      if (http) diagnostics?.loads.push(load);
      const response = assets && (await respond(assets, load, http, signal));
      if (response) return response;
      load.plain = performance.now();
      if (assets || http || !navigator.serviceWorker.controller) return undefined;
      return fetch(url, { headers: { [PEERS_ONLY]: "1" }, signal: signal ?? null });
    },
    relay: ({ data, ports }) => {
      const message = data as RelayRequest | UsedNotice;
      void lead.then(() => {
        if (!assets) return;
        if (message.manyhands === "used") void assets.find(message.path);
        else void relay(assets, message, ports[0]!);
      });
    },
  };

  // From a fixed line to a metered one: over, for this page.
  const line = (navigator as { connection?: EventTarget & { saveData?: boolean; type?: string } }).connection;
  line?.addEventListener?.("change", () => {
    if (line.saveData || line.type === "cellular") client.stop();
  });

  // A site's consent manager may have called just now.
  if (api.status().state === "on") begin(site.consent === "external" ? performance.now() : 0);
  else if (api.status().state === "asking") dismiss = ask(api);
  return client;
};
