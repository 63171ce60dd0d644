/**
 * What a page tells of itself for the experiment: claims beside the server's own count, never part of it. Pure.
 *
 * A report holds only what is new since the one before it: there is no name under which the server could join two. All times
 * are milliseconds.
 */

/** Bounds of the server; what does not fit waits for the next report. */
export const MOST_ASSETS = 16;
export const MOST_OCTETS = 4096;

/** A transfer of this page view, in the order in which they were asked for; also where the asset was held out. */
export interface TransferRecord {
  path: string;
  length: number;
  received: { origin: number; peers: number; mirrors: number; wasted: number };
  /** Why plain HTTP had to go on. */
  fallback: string | null;
}

/** A `manyhands.fetch` of an asset, on the page's clock: answered by the client, or from `plain` on by the browser itself. */
export interface Load {
  path: string;
  start: number;
  first?: number;
  end?: number;
  plain?: number;
}

export interface Figures {
  /** The first word on what the server counted as demand. Not so: further reports, and what was had without a manifest. */
  demand: boolean;
  size: number;
  /** From the request to the first and to the last octet. */
  first: number | null;
  done: number | null;
  peers: number;
  origin: number;
  mirrors: number;
  wasted: number;
  stalls: number;
  stalled: number;
  fallback: string | null;
}

/** What is said once, as soon as it is known, and what is counted. */
const ONCE = ["first", "done", "fallback"] as const;
const COUNTED = ["peers", "origin", "mirrors", "wasted", "stalls", "stalled"] as const;

const none = (): Figures => ({ demand: false, size: 0, first: null, done: null, peers: 0, origin: 0, mirrors: 0, wasted: 0, stalls: 0, stalled: 0, fallback: null });

const tenth = (milliseconds: number): number => Math.round(milliseconds * 10) / 10;

/** What `now` has that `before` had not; nothing when that is nothing. */
const difference = (now: Figures, before: Figures): Figures | undefined => {
  const fresh = { ...now, demand: now.demand && !before.demand };
  for (const key of COUNTED) fresh[key] = Math.max(0, tenth(now[key] - before[key]));
  for (const key of ONCE) if (before[key] !== null) (fresh[key] as null) = null;
  return fresh.demand || COUNTED.some((key) => fresh[key]) || ONCE.some((key) => fresh[key] !== null) ? fresh : undefined;
};

export class Report {
  lcp: number | null = null;
  inp: number | null = null;
  /** Octets given to others. */
  uploaded = 0;
  readonly #assets = new Map<string, Figures>();
  readonly #told = new Map<string, Figures>();
  /** When the load began whose times an asset has. */
  readonly #began = new Map<string, number>();
  readonly #page = { lcp: false, inp: false, uploaded: 0 };

  asset(path: string): Figures {
    let figures = this.#assets.get(path);
    if (!figures) this.#assets.set(path, (figures = none()));
    return figures;
  }

  /** All transfers so far. */
  transfers(records: readonly TransferRecord[]): void {
    for (const { path, length } of records) Object.assign(this.asset(path), { demand: true, size: length, peers: 0, origin: 0, mirrors: 0, wasted: 0 });
    for (const { path, received, fallback } of records) {
      const figures = this.asset(path);
      for (const source of ["peers", "origin", "mirrors", "wasted"] as const) figures[source] += received[source];
      figures.fallback ??= fallback;
    }
  }

  /**
   * The times of a load that ended well: only its end tells of one that the browser made by itself, so it has to be so for all. The
   * first load of an asset in a page view counts, since any cache may answer a later one. It may become known last; what
   * was told stays. `end`: nothing for a player, which asks for parts.
   */
  timed(path: string, start: number, first: number, end: number | null, size = 0): void {
    const began = this.#began.get(path) ?? Infinity;
    const figures = this.asset(path);
    figures.size ||= size;
    if (start > began || this.#told.get(path)?.first != null) return;
    this.#began.set(path, start);
    figures.first = tenth(first - start);
    figures.done = end === null ? null : tenth(end - start);
  }

  /** Whether there is anything to tell. */
  get news(): boolean {
    return this.#compose().fresh;
  }

  /** The body of the next report, and from then on the past. */
  take(): string {
    const { body, assets, page } = this.#compose();
    for (const path of assets) this.#told.set(path, { ...this.asset(path) });
    this.#page.lcp ||= page.lcp !== null;
    this.#page.inp ||= page.inp !== null;
    this.#page.uploaded = this.uploaded;
    return body;
  }

  #compose(): { body: string; assets: string[]; page: { lcp: number | null; inp: number | null; uploaded: number }; fresh: boolean } {
    const page = {
      lcp: this.#page.lcp || this.lcp === null ? null : tenth(this.lcp),
      inp: this.#page.inp ? null : this.inp,
      uploaded: this.uploaded - this.#page.uploaded,
    };
    const whole = (texts: string[]): string => `{"v":1,"assets":[${texts.join()}],${JSON.stringify(page).slice(1)}`;
    const texts: string[] = [];
    const assets: string[] = [];
    let octets = whole([]).length;
    for (const [path, figures] of this.#assets) {
      const fresh = difference(figures, this.#told.get(path) ?? none());
      if (!fresh) continue;
      // Paths of URLs are ASCII: a character is an octet.
      const text = JSON.stringify({ path, ...fresh });
      if (octets + text.length + 1 > MOST_OCTETS) continue;
      octets += text.length + 1;
      texts.push(text);
      if (assets.push(path) === MOST_ASSETS) break;
    }
    return { body: whole(texts), assets, page, fresh: !!assets.length || page.lcp !== null || page.inp !== null || page.uploaded > 0 };
  }
}
