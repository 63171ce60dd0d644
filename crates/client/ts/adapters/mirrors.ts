/** The site's mirrors: which are asked for an asset, in which order, and which no more. What they did for one asset counts for the next. */

import { MirrorChannel } from "../core/mirror";
import type { Transfer } from "../core/transfer";
import type { Site } from "../protocol";
import { RangeFetcher } from "./http";

/** Mirrors that one asset is asked of at once. */
const MOST = 4;
/** Times that one may fail in this page view, and how long it is let alone after the first, in ms. */
const FAILURES = 3;
const PAUSE = 5000;

/** Bytes a second that each last showed; those that failed, and how often. One that lied is never asked again. */
const rates = new Map<string, number>();
const failures = new Map<string, number>();

/** Has a transfer ask mirrors, as long as it runs; `urls` in the site's order. */
export const joinMirrors = (transfer: Transfer, urls: readonly string[], site: Site): void => {
  const { layout, manifest } = transfer;
  const asked = new Set<string>();
  const fill = (): void => {
    if (transfer.failed || transfer.complete) return;
    const good = urls.filter((url) => (failures.get(url) ?? 0) < FAILURES);
    // One that was not tried yet may be the best.
    good.sort((a, b) => (rates.get(b) ?? Infinity) - (rates.get(a) ?? Infinity) || 0);
    for (const url of good) if (!asked.has(url) && asked.size < MOST) ask(url);
  };
  const ask = (url: string): void => {
    asked.add(url);
    const began = transfer.received.mirrors;
    const channel = new MirrorChannel(layout, new RangeFetcher(url + manifest.path.slice(1), manifest), {
      onWrong: (unit) => {
        failures.set(url, FAILURES);
        const body = JSON.stringify({ v: 1, mirror: url, path: manifest.path, unit });
        fetch(site.tracker.replace("/tracker", "/mirrors/doubt"), { method: "POST", body, keepalive: true }).catch(() => undefined);
      },
      onClose: () => {
        rates.set(url, peer.meter.mean);
        // A transfer that is over closes them all.
        if (transfer.failed || transfer.complete) return;
        const count = (failures.get(url) ?? 0) + 1;
        failures.set(url, count);
        setTimeout(() => {
          asked.delete(url);
          fill();
        }, PAUSE * count);
        if (began === transfer.received.mirrors) fill();
      },
    });
    const peer = transfer.addPeer(channel);
    channel.begin(peer, transfer.infoHash, crypto.getRandomValues(new Uint8Array(20)));
  };
  fill();
};
