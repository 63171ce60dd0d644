/** Exact ranges of one asset: from the origin, bound to one version of it, or from a mirror, whose bytes are checked anyway. */

import type { HttpSource, RangeSink } from "../core/transfer";

export interface Version {
  length: number;
  /** Strong entity tag as the manifest gives it; without one, what the first answer said counts. */
  etag: string | null;
}

/** Response heads are kept: a relayed answer carries the origin's own header fields. */
export type OnHead = (headers: Headers) => void;

const MAX_PER_ORIGIN = 4;
let active = 0;
const queue: (() => void)[] = [];

const slot = async (): Promise<void> => {
  if (active >= MAX_PER_ORIGIN) await new Promise<void>((resolve) => queue.push(resolve));
  active++;
};

const release = (): void => {
  active--;
  queue.shift()?.();
};

/** Seconds of a Retry-After field, in either of its forms. */
export const retryAfter = (value: string | null, now: number): number | undefined => {
  if (!value) return undefined;
  const seconds = /^\d+$/.test(value) ? +value : (Date.parse(value) - now) / 1000;
  return seconds > 0 ? Math.min(seconds, 3600) : undefined;
};

export class RangeFetcher implements HttpSource {
  #lastModified: string | null | undefined;

  constructor(
    private readonly url: string,
    private readonly version: Version,
    /** Of the origin; without it this is a mirror. */
    private readonly onHead?: OnHead,
  ) {}

  open(from: number, to: number, sink: RangeSink): () => void {
    const abort = new AbortController();
    void this.#run(from, to, sink, abort.signal);
    return () => abort.abort();
  }

  async #run(from: number, to: number, sink: RangeSink, signal: AbortSignal): Promise<void> {
    const { onHead } = this;
    if (onHead) await slot();
    try {
      if (signal.aborted) return;
      const { etag, length } = this.version;
      // no-store: the browser's cache would let parallel ranges of one URL wait for one another; it also makes the worker pass this by.
      const response = await fetch(this.url, {
        headers: { Range: `bytes=${from}-${to - 1}`, ...(onHead && etag && { "If-Range": etag }) },
        cache: "no-store",
        credentials: "same-origin",
        redirect: "error",
        ...(!onHead && { referrerPolicy: "no-referrer" as const }),
        signal,
      });
      if (signal.aborted) return;
      if (!this.#exact(response, from, to, length)) {
        const { status, headers } = response;
        await response.body?.cancel();
        // Overload and trouble pass; anything else means that this version can't be had by ranges.
        if (status === 429 || status >= 500) return sink.fail({ retryAfter: retryAfter(headers.get("Retry-After"), Date.now()) });
        return sink.fail({ changed: true });
      }
      onHead?.(response.headers);
      const reader = response.body!.getReader();
      let left = to - from;
      for (;;) {
        const { done, value } = await reader.read();
        if (signal.aborted) return;
        if (done) break;
        left -= value.length;
        if (left < 0) return sink.fail({ changed: true });
        sink.data(value);
      }
      if (left) sink.fail({});
      else sink.end();
    } catch {
      if (!signal.aborted) sink.fail({});
    } finally {
      if (onHead) release();
    }
  }

  #exact(response: Response, from: number, to: number, length: number): boolean {
    const { status, headers } = response;
    // Of a mirror not every field can be read.
    if (!this.onHead) return status === 206;
    if (status !== 206 || headers.get("Content-Encoding") || headers.get("Content-Range") !== `bytes ${from}-${to - 1}/${length}`) return false;
    if (this.version.etag) return headers.get("ETag") === this.version.etag;
    const modified = headers.get("Last-Modified");
    this.#lastModified ??= modified;
    return this.#lastModified === modified;
  }
}
