/**
 * What pages load. Decides whether anything is to happen at all, and loads the rest only then. Before consent there is no worker,
 * no peer connection and no WebSocket.
 */

import { BUCKET } from "./core/bucket";
import { CACHE, CHOICE, PREFIX, WORKER, type Api, type Client, type Site } from "./protocol";

const nav = navigator as Navigator & {
  globalPrivacyControl?: boolean;
  connection?: { saveData?: boolean; type?: string; effectiveType?: string };
};
const workers = nav.serviceWorker as ServiceWorkerContainer | undefined;

/** Markup of the page can stand in this property's way (`<img name=currentScript>`): nothing is loaded from where that points. */
const trusted = document.currentScript instanceof HTMLScriptElement;

let state: "off" | "asking" | "on" = "off";
let reason: string | undefined;
let site: Site | undefined;
let client: Client | undefined;
let loading: Promise<Client | undefined> | undefined;

/** The visitor's answer, `on` or `off`; without storage it lasts for the page. */
let choice: string | null | undefined;
try {
  choice = localStorage.getItem(CHOICE);
} catch {
  // Denied: ask again next time.
}
const choose = (value: string): void => {
  choice = value;
  try {
    localStorage.setItem(CHOICE, value);
  } catch {
    // As above.
  }
};

const ours = (registration: ServiceWorkerRegistration): boolean =>
  !!(registration.active ?? registration.waiting ?? registration.installing)?.scriptURL.endsWith(WORKER);

/** Takes back all there is in this browser; code that is loaded stays, for a change of mind. */
const remove = async (): Promise<void> => {
  client?.stop();
  for (const registration of (await workers?.getRegistrations()) ?? []) if (ours(registration)) await registration.unregister();
  await caches.delete(CACHE);
};

/** Why nothing may happen here, if so. Where there are workers at all, the context is secure. */
const gate = (): string | undefined => {
  const { saveData, type, effectiveType } = nav.connection ?? {};
  if (self !== top) return "framed";
  if (!trusted || !workers) return "unsupported";
  if (nav.globalPrivacyControl) return "privacy";
  if (saveData || type === "cellular" || /[23]g/.test(effectiveType!)) return "metered";
  return choice === "off" ? "refused" : undefined;
};

/** Host and port; all names of the loopback interface are one. */
const host = (url: string): string => new URL(url).host.replace(/^(localhost|127[\d.]+|\[::1])/, "");

const candidate = (address: string): boolean => {
  try {
    const { origin, search, pathname } = new URL(address, document.baseURI);
    return origin === location.origin && !search && site!.assets.extensions.includes(pathname.split(".").pop()!.toLowerCase());
  } catch {
    return false;
  }
};

const load = (): Promise<Client | undefined> =>
  (loading ??= (import(PREFIX + "client.js") as Promise<{ start(site: Site, api: Api, wanted: typeof candidate): Client }>).then(
    ({ start }) => (client = start(site!, api, candidate)),
    () => undefined,
  ));

const go = async (): Promise<void> => {
  try {
    state = "off";
    reason = gate();
    if (reason) return;
    site ??= (await (await fetch(PREFIX + "site.json")).json()) as Site;
    if (site.disabled || site.v !== 1) {
      reason = "disabled";
      // Not waited for: browsers remove a worker when it is at rest.
      remove().catch(() => undefined);
    } else if (!self.RTCPeerConnection && !site.mirrors[0]) {
      reason = "unsupported";
    } else if (host(site.origin ?? location.href) !== host(location.href)) {
      // A cache in front may hand a page's bytes, and this script with them, to another site.
      reason = "host";
    } else if (choice === "on" || site.consent === "notice") {
      state = "on";
      // A worker that the site already has is never replaced.
      if ((await workers!.getRegistrations()).every(ours)) {
        workers!.register(PREFIX + WORKER, { scope: "/" }).catch(() => undefined);
      }
      client?.start();
    } else {
      reason = site.consent;
      if (reason === "ask") state = "asking";
    }
    if (state !== "off" && [...document.querySelectorAll("[href],[src]")].some((e) => candidate(e.getAttribute("href") ?? e.getAttribute("src")!))) {
      await load();
    }
  } catch {
    state = "off";
    reason = "unavailable";
  }
};

workers?.addEventListener("message", (event) => {
  if ((event.data as { manyhands?: string } | null)?.manyhands && state === "on") void load().then((it) => it?.relay(event));
});

const api: Api = {
  ready: go(),
  status: () => ({
    received: { origin: 0, peers: 0, mirrors: 0 },
    given: 0,
    peers: 0,
    ...client?.status(),
    state,
    ...(reason && { reason }),
  }),
  enable: () => {
    choose("on");
    return go();
  },
  disable: () => {
    choose("off");
    document.cookie = `${BUCKET}=;max-age=0;path=/`;
    // Ends at the gate, and says so.
    void go();
    return remove();
  },
  fetch: async (url, { http = true, signal } = {}) => {
    await api.ready;
    const response = state === "on" && candidate(url) && (await (await load())?.fetch(url, http, signal));
    if (response) return response;
    if (!http) throw TypeError("no peers");
    return fetch(url, { signal: signal! });
  },
};
(self as unknown as { manyhands: Api }).manyhands = api;
