/** The kill switch, served at the worker's address: no fetch handler; takes over at once, deletes what is ours, and goes. */

import { CACHE } from "./protocol";

const worker = self as unknown as ServiceWorkerGlobalScope;

worker.addEventListener("install", () => void worker.skipWaiting());
worker.addEventListener("activate", (event) => {
  event.waitUntil(worker.caches.delete(CACHE).then(() => worker.registration.unregister()));
});
