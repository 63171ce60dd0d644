/** Serves the worker: bytes of an asset through a message port, as many chunks as it gives credits for. */

import { headOf, type Assets } from "./assets";
import type { Reader } from "./core/transfer";
import type { RelayRequest } from "./protocol";

const ALIVE = 1000;
/** A worker that was stopped says nothing and its port does not close: without credits for this long, nothing more is fetched for it. */
const PARK = 30_000;

/** The asked-for bytes as [start, end), or nothing when it is not one plain range. */
const parseRange = (range: string | null, length: number): [number, number] | undefined => {
  if (range === null) return [0, length];
  const match = /^bytes=(\d+)-(\d*)$/.exec(range);
  if (!match) return undefined;
  const start = +match[1]!;
  const end = Math.min(length, match[2] ? +match[2] + 1 : length);
  return start < end ? [start, end] : undefined;
};

export const relay = async (assets: Assets, { path, range, media, http }: RelayRequest, port: MessagePort): Promise<void> => {
  let credits = 0;
  let reader: Reader | undefined;
  let cancelled = false;
  let wake: (() => void) | undefined;
  const alive = setInterval(() => port.postMessage(0), ALIVE);
  port.onmessage = ({ data }) => {
    if (data === null) {
      cancelled = true;
      reader?.cancel();
    } else credits += data as number;
    wake?.();
  };
  port.postMessage(0);
  try {
    const asset = await assets.get(path);
    const span = asset && parseRange(range, asset.manifest.length);
    if (!asset || !span || cancelled) return port.postMessage(null);
    let [at, end] = span;
    const open = (): Reader => (reader ??= asset.transfer.read({ start: at, end, media, http }));
    let chunk = await open().pull();
    const head = headOf(asset, at, end, range !== null);
    // The origin gives this asset no validator: were this window closed, the worker could not go on by itself. The network's own answer can.
    if (asset.headers && !head.validator) return port.postMessage(null);
    port.postMessage(head);
    while (chunk && !cancelled) {
      while (!credits && !cancelled) {
        const park = setTimeout(() => {
          reader?.cancel();
          reader = undefined;
        }, PARK);
        await new Promise<void>((resolve) => (wake = resolve));
        clearTimeout(park);
      }
      if (cancelled) return;
      credits--;
      at += chunk.length;
      port.postMessage(chunk.buffer, [chunk.buffer]);
      chunk = at < end ? await open().pull() : undefined;
    }
  } catch {
    if (!cancelled) port.postMessage(null);
  } finally {
    clearInterval(alive);
    reader?.cancel();
  }
};
