/**
 * Verified spans in the Cache API, which windows and the worker share: the worker answers complete assets without any window.
 * Assets go by least recent use.
 */

import { CACHE, noteUrl, spanUrl, type Note } from "../protocol";
import { concat, type Bytes } from "../core/bytes";
import type { Manifest, Store } from "../core/transfer";
import { Layout } from "../core/layout";

/** Drops the note and the spans it names; the note first, so that no half entry can ever be answered. */
const drop = async (cache: Cache, noteRequest: string, note: Note): Promise<void> => {
  await cache.delete(noteRequest);
  for (let span = 0; span * note.span < note.length; span++) await cache.delete(spanUrl(note.root, span));
};

const notes = async (cache: Cache): Promise<[string, Note][]> => {
  const found: [string, Note][] = [];
  for (const request of await cache.keys()) {
    const path = new URL(request.url).pathname;
    // Span entries have a double slash, which no asset path has.
    if (!path.startsWith(noteUrl("/")) || path.startsWith(noteUrl("//"))) continue;
    found.push([path, (await (await cache.match(request))!.json()) as Note]);
  }
  return found;
};

/** Removes spans that no note names: what an unfinished download of an earlier page left. */
export const sweep = async (): Promise<void> => {
  const cache = await caches.open(CACHE);
  const roots = new Set((await notes(cache)).map(([, note]) => note.root));
  for (const request of await cache.keys()) {
    const [, root] = /\/\/(\w+)\/\d+$/.exec(request.url) ?? [];
    if (root && !roots.has(root)) await cache.delete(request);
  }
};

/** Bytes we may use: the site's limit, and never more than a tenth of what the browser grants. */
const room = async (limit: number): Promise<number> => Math.min(limit, ((await navigator.storage.estimate()).quota ?? 0) / 10);

export class AssetStore implements Store {
  #allowed: Promise<boolean> | undefined;
  /** Consent was withdrawn: nothing is written any more. */
  closed = false;
  /** Header fields of the origin, from the first range answer. */
  headers: [string, string][] = [];

  constructor(
    private readonly manifest: Manifest,
    private readonly layout: Layout,
    private readonly limit: number,
  ) {}

  async read(span: number): Promise<Bytes | undefined> {
    const response = await (await caches.open(CACHE)).match(spanUrl(this.manifest.root, span));
    return response && new Uint8Array(await response.arrayBuffer());
  }

  async write(span: number, parts: Bytes[]): Promise<boolean> {
    if (!(await (this.#allowed ??= this.#makeRoom())) || this.closed) return false;
    const cache = await caches.open(CACHE);
    await cache.put(spanUrl(this.manifest.root, span), new Response(concat(parts)));
    return true;
  }

  async finish(): Promise<void> {
    const { path, root, length } = this.manifest;
    if (this.closed) return;
    const cache = await caches.open(CACHE);
    const note: Note = { root, length, span: this.layout.span, headers: this.headers, used: Date.now() };
    await cache.put(noteUrl(path), Response.json(note));
  }

  /** The note of an earlier visit, if all of this version is here. */
  async known(): Promise<Note | undefined> {
    const cache = await caches.open(CACHE);
    const url = noteUrl(this.manifest.path);
    const note = (await (await cache.match(url))?.json()) as Note | undefined;
    if (!note) return undefined;
    if (note.root !== this.manifest.root || note.length !== this.manifest.length) {
      await drop(cache, url, note);
      return undefined;
    }
    await cache.put(url, Response.json({ ...note, used: Date.now() }));
    return note;
  }

  async forget(): Promise<void> {
    const cache = await caches.open(CACHE);
    await drop(cache, noteUrl(this.manifest.path), { root: this.manifest.root, length: this.layout.length, span: this.layout.span, headers: [], used: 0 });
  }

  /** Lets the least recently used assets go until this one fits. */
  async #makeRoom(): Promise<boolean> {
    const total = await room(this.limit);
    if (this.layout.length > total) return false;
    const cache = await caches.open(CACHE);
    const old = await notes(cache);
    let used = old.reduce((sum, [, note]) => sum + note.length, 0);
    for (const [url, note] of old.sort(([, a], [, b]) => a.used - b.used)) {
      if (used + this.layout.length <= total) break;
      await drop(cache, url, note);
      used -= note.length;
    }
    return true;
  }
}
