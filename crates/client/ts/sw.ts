/**
 * The service worker. Answers complete assets from storage, relays others from the window that leads, and passes everything else
 * by. Any doubt ends at the network; a body is whole or it is an error, never short.
 *
 * No event is held by `waitUntil` while a body streams: Chromium ends a worker whose event lasts five minutes, but keeps one
 * whose response is still open.
 */

import { CACHE, DOWNLOAD, noteUrl, PEERS_ONLY, PREFIX, spanUrl, STORE, type Note, type RelayHead, type Site } from "./protocol";

declare const self: ServiceWorkerGlobalScope;

/** Static routing, which the type declarations do not know yet. */
interface RoutingEvent extends ExtendableEvent {
  addRoutes?(rules: object): Promise<void>;
}

type Next = () => Promise<Uint8Array | undefined>;

/** A relay that shows no sign of life for this long is given up: a window that is closed says nothing, nor does its port. */
const SILENCE = 3000;
const CREDITS = 4;
const RENEW = 600_000;
const SITE = `${PREFIX}site.json`;
/** Kept under this address: ids of windows that were open before a worker took control. */
const EARLY = `${STORE}//early`;

let site: Site | undefined;
let renewed = 0;
/** A window that is there says so within this time, in ms; adapts. */
let deadline = 400;
/** Requests in a row that no window cared for. */
let misses = 0;

const storage = (): Promise<Cache> => caches.open(CACHE);

/** What was noted under an address, if anything. */
const recall = async <T>(address: string): Promise<T | undefined> => (await (await storage()).match(address))?.json() as Promise<T> | undefined;
const remember = async (address: string, value: unknown): Promise<void> => (await storage()).put(address, Response.json(value));

const early = async (): Promise<string[]> => (await recall(EARLY)) ?? [];

const renew = async (): Promise<void> => {
  site = (await (await fetch(SITE, { cache: "no-cache" })).json()) as Site;
  renewed = Date.now();
  if (site.disabled) {
    await caches.delete(CACHE);
    // Not awaited: while this worker installs, its removal stands in line behind the installation.
    void self.registration.unregister();
  } else await remember(SITE, [site, renewed]);
};

/** The site's settings; nothing when it is switched off or the lease ran out. Renewed beside the answer, not before it. */
const lease = async (): Promise<Site | undefined> => {
  if (!site) [site, renewed] = (await recall<[Site, number]>(SITE)) ?? [undefined, 0];
  if (!site) await renew();
  else if (Date.now() - renewed > RENEW) renew().catch(() => 0);
  return site!.disabled || Date.now() - renewed > site!.lease * 1000 ? undefined : site;
};

/** Bytes of `head`: from `next` while it gives any, then from the origin, of the very same version. */
const respond = (path: string, head: RelayHead, next: Next, stop: () => void): Response => {
  const { status, headers, start, end, length, validator } = head;
  let at = start;
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const body = new ReadableStream(
    {
      async pull(controller) {
        let chunk = reader ? undefined : await next().catch(() => undefined);
        if (!chunk) {
          if (!reader) {
            stop();
            const rest = await fetch(path, { headers: { Range: `bytes=${at}-${end - 1}`, "If-Range": validator! }, cache: "no-store" });
            if (!validator || rest.headers.get("Content-Range") !== `bytes ${at}-${end - 1}/${length}`) throw 0;
            reader = rest.body!.getReader();
          }
          chunk = (await reader.read()).value;
        }
        // Throwing makes it an error. A close would look like a complete body, whatever Content-Length said.
        at += chunk!.length;
        if (at > end) throw 0;
        controller.enqueue(chunk);
        if (at === end) controller.close();
      },
      cancel: () => (reader ? void reader.cancel() : stop()),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status, headers });
};

/** A message to all windows, each with a port of its own. */
const tell = async (message: object, onAnswer?: (port: MessagePort, data: unknown) => void): Promise<number> => {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const client of windows) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => onAnswer?.(port1, data);
    client.postMessage(message, [port2]);
  }
  return windows.length;
};

/** A complete asset, if it is still what the origin has. */
const stored = async (path: string, range: string | null): Promise<Response | undefined> => {
  const note = await recall<Note>(noteUrl(path));
  if (!note) return undefined;
  const { length, root, span } = note;
  const headers = new Headers(note.headers);
  const validatorOf = (of: Headers): string | null => of.get("ETag") ?? of.get("Last-Modified");
  const validator = validatorOf(headers);
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "bytes=0-") ?? [];
  const start = +from!;
  const end = Math.min(length, to ? +to + 1 : length);
  // Anything odd, another version above all: the network knows.
  if (!(start < end) || !validator || validator !== validatorOf((await fetch(path, { method: "HEAD", cache: "no-store" })).headers)) throw 0;
  headers.set("Content-Length", `${end - start}`);
  if (range) headers.set("Content-Range", `bytes ${start}-${end - 1}/${length}`);
  void tell({ manyhands: "used", path });
  let at = start;
  const next: Next = async () => {
    const part = new Uint8Array(await (await (await storage()).match(spanUrl(root, Math.floor(at / span))))!.arrayBuffer()).subarray(at % span);
    const chunk = part.subarray(0, end - at);
    at += chunk.length;
    return chunk;
  };
  return respond(path, { status: range ? 206 : 200, headers: [...headers], start, end, length, validator }, next, () => 0);
};

const isMedia = ({ destination }: Request): boolean => /video|audio/.test(destination);

/** The leading window's answer; nothing when there is none in time. */
const relayed = (request: Request, path: string, patience: number): Promise<Response | undefined> =>
  new Promise((resolve) => {
    const since = Date.now();
    const queue: Uint8Array[] = [];
    let chosen: MessagePort | undefined;
    let wake: () => void = () => 0;
    let over = misses++ > 2;
    let timer: ReturnType<typeof setTimeout>;
    const end = (): void => {
      over = true;
      chosen?.postMessage(null);
      wake();
      resolve(undefined);
    };
    const watch = (time: number): void => {
      clearTimeout(timer);
      timer = setTimeout(end, time);
    };
    const next: Next = async () => {
      while (!queue[0] && !over) await new Promise<void>((go) => (wake = go));
      if (!over) chosen!.postMessage(1);
      return queue.shift();
    };
    watch(over ? 0 : patience);
    void tell(
      {
        manyhands: "get",
        path,
        range: request.headers.get("Range"),
        media: isMedia(request),
        http: !request.headers.has(PEERS_ONLY),
      },
      (port, data) => {
        if (!chosen) deadline = Math.max(200, Math.min(1000, 4 * (Date.now() - since)));
        chosen ??= port;
        misses = 0;
        if (over || chosen !== port) port.postMessage(null);
        else if (data === null) end();
        else {
          watch(SILENCE);
          if (data instanceof ArrayBuffer) {
            queue.push(new Uint8Array(data));
            wake();
          } else if (data) {
            port.postMessage(CREDITS);
            resolve(respond(path, data as RelayHead, next, end));
          }
        }
      },
    ).then((windows) => windows || end());
  });

const answer = async (request: Request, clientId: string): Promise<Response> => {
  const { pathname, hash } = new URL(request.url);
  let response: Response | undefined;
  try {
    // Chromium wants all answers to one media element to be of one kind: where the first came without a worker, the network's own; elsewhere
    // each one made here, and the network's wrapped.
    if (isMedia(request) && (await early()).includes(clientId)) return fetch(request);
    if (await lease()) response = (await stored(pathname, request.headers.get("Range"))) ?? (await relayed(request, pathname, hash ? SILENCE : deadline));
  } catch {
    // Whatever it was: the network.
  }
  if (!response && request.headers.has(PEERS_ONLY)) return Response.error();
  response ??= await fetch(request);
  if (!response.ok) return response;
  const { status, body } = response;
  const headers = new Headers(response.headers);
  if (hash && !headers.has("Content-Disposition")) {
    headers.set("Content-Disposition", `attachment; filename*=UTF-8''${hash.slice(DOWNLOAD.length)}`);
  }
  return new Response(body, { status, headers });
};

self.oninstall = (event) => {
  void self.skipWaiting();
  event.waitUntil(
    lease().then((it) =>
      // Everything else does not even start the worker, where the browser can do that.
      (event as RoutingEvent).addRoutes?.({
        condition: { not: { or: it!.assets.extensions.map((extension) => ({ urlPattern: { pathname: `/*.${extension}` } })) } },
        source: "network",
      }),
    ),
  );
};
const takeOver = async (): Promise<void> => {
  const controlled = new Set((await self.clients.matchAll()).map(({ id }) => id));
  const open = (await self.clients.matchAll({ includeUncontrolled: true })).map(({ id }) => id).filter((id) => !controlled.has(id));
  await remember(EARLY, [...open, ...(await early())].slice(0, 100));
  await self.clients.claim();
};

self.onactivate = (event) => event.waitUntil(takeOver().catch(() => self.clients.claim()));
self.onmessage = () => (misses = 0);
self.onfetch = (event) => {
  const { request } = event;
  const { pathname, origin, search, hash } = new URL(request.url);
  const extension = pathname.split(".").pop()!.toLowerCase();
  if (
    origin !== location.origin ||
    search ||
    pathname.startsWith(PREFIX) ||
    request.method !== "GET" ||
    request.cache === "no-store" ||
    (request.mode === "navigate" && !hash.startsWith(DOWNLOAD)) ||
    [...request.headers.keys()].some((name) => /^(authorization|if-)/.test(name)) ||
    (site && !site.assets.extensions.includes(extension))
  ) {
    return;
  }
  // Not known yet, and without static routes this may be any file of the site: let it pass, know next time.
  if (!site && !("InstallEvent" in self)) return void lease().catch(() => 0);
  event.respondWith(answer(request, event.clientId));
};
