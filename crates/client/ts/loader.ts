/**
 * What pages load. Decides whether anything is to happen at all, and loads the rest only then. Before consent there is no worker,
 * no peer connection and no WebSocket.
 */

import { CACHE, CHOICE, PREFIX, type Api, type Client, type Site } from "./protocol";

const nav = navigator as Navigator & {
  globalPrivacyControl?: boolean;
  connection?: { saveData?: boolean; type?: string; effectiveType?: string };
};
const workers = nav.serviceWorker as ServiceWorkerContainer | undefined;

let state: "off" | "asking" | "on" = "off";
let reason: string | undefined;
let site: Site | undefined;
let client: Client | undefined;
let loading: Promise<Client | undefined> | undefined;

/** The visitor's answer, `on` or `off`; without storage it lasts for the page. */
let choice: string | null = null;
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
  !!(registration.active ?? registration.waiting ?? registration.installing)?.scriptURL.endsWith(`${PREFIX}sw.js`);

/** Takes back all there is in this browser. */
const remove = async (): Promise<void> => {
  client?.stop();
  client = loading = undefined;
  for (const registration of (await workers?.getRegistrations()) ?? []) if (ours(registration)) await registration.unregister();
  await caches.delete(CACHE);
};

/** Why nothing may happen here, if so. */
const gate = (): string | undefined => {
  const { saveData, type, effectiveType } = nav.connection ?? {};
  return !isSecureContext || !workers || !self.RTCPeerConnection || !self.WebSocket
    ? "unsupported"
    : nav.globalPrivacyControl
      ? "privacy"
      : saveData || type === "cellular" || /[23]g/.test(effectiveType ?? "")
        ? "metered"
        : choice === "off"
          ? "refused"
          : undefined;
};

const candidate = (address: string | null): boolean => {
  const url = new URL(address ?? "", document.baseURI);
  return (
    url.origin === location.origin && !url.search && site!.assets.extensions.includes(url.pathname.split(".").pop()!.toLowerCase())
  );
};

const load = (): Promise<Client | undefined> =>
  (loading ??= (import(`${PREFIX}client.js`) as Promise<{ start(site: Site, api: Api): Client }>).then(
    ({ start }) => (client = start(site!, api)),
    () => undefined,
  ));

const go = async (): Promise<void> => {
  try {
    reason = gate();
    state = "off";
    if (reason) return;
    site ??= (await (await fetch(`${PREFIX}site.json`)).json()) as Site;
    if (site.disabled || site.v !== 1) {
      reason = "disabled";
      return await remove();
    }
    if (choice !== "on" && site.consent !== "notice") {
      reason = site.consent;
      if (site.consent === "ask") state = "asking";
    } else {
      state = "on";
      reason = undefined;
      // A worker that the site already has is never replaced.
      if ((await workers!.getRegistrations()).every(ours)) {
        workers!.register(`${PREFIX}sw.js`, { scope: "/", updateViaCache: "none" }).catch(() => undefined);
      }
      client?.start();
    }
    if (reason !== "external" && [...document.querySelectorAll("[href],[src]")].some((e) => candidate(e.getAttribute(e.matches("[href]") ? "href" : "src")))) {
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
    state = "off";
    reason = "refused";
    return remove();
  },
  fetch: async (url, { http = true, signal } = {}) => {
    await api.ready;
    const init = signal ? { signal } : {};
    const response = state === "on" && candidate(url) && (await (await load())?.fetch(url, http, signal));
    if (response) return response;
    if (!http) throw new TypeError("no peers");
    return fetch(url, init);
  },
};
(self as unknown as { manyhands: Api }).manyhands = api;
