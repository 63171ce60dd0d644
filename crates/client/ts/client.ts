/**
 * The peer-to-peer client of one window. Of all windows of an origin one leads: it alone talks to tracker and peers; the worker
 * brings its bytes to the others.
 */

import { Assets, respond } from "./assets";
import { sweep } from "./adapters/store";
import { handleLinks } from "./links";
import { PEERS_ONLY, type Api, type Client, type RelayRequest, type Site, type UsedNotice } from "./protocol";
import { relay } from "./relay";
import { ask, badge } from "./ui";

const LOCK = "manyhands";
const TELL_EVERY = 1000;

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

  const begin = (): void => {
    if (release) return;
    dismiss?.();
    unlink = handleLinks(candidate);
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
      if (navigator.locks) navigator.locks.request(LOCK, hold).catch(() => undefined);
      else void hold();
      // Another window leads: no need to wait for it to go.
      setTimeout(resolve, 200);
    });
  };

  const client: Client = {
    start: begin,
    stop: () => {
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
      await lead;
      if (assets) return respond(assets, url.pathname, http, signal);
      if (http || !navigator.serviceWorker.controller) return undefined;
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

  if (api.status().state === "on") begin();
  else if (api.status().state === "asking") dismiss = ask(api);
  return client;
};
