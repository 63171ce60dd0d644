/**
 * Interaction to Next Paint: how long the page took to answer its visitor, at nearly the worst. One interaction in fifty is
 * taken for an accident.
 */

const PER_ACCIDENT = 50;
/** No page is used so much that more are needed. */
const KEPT = 10;

export class Interactions {
  readonly #slowest: { id: number; duration: number }[] = [];
  #last = 0;
  #seen = 0;

  /** An event of an interaction: one has several, and lasts as long as the longest. Ids grow. */
  add(id: number, duration: number): void {
    if (id > this.#last) {
      this.#last = id;
      this.#seen++;
    }
    const known = this.#slowest.find((one) => one.id === id);
    if (known) known.duration = Math.max(known.duration, duration);
    else this.#slowest.push({ id, duration });
    this.#slowest.sort((a, b) => b.duration - a.duration).splice(KEPT);
  }

  /** Milliseconds, or nothing without an interaction; `count`: all there were, also those too short to be told of. */
  inp(count = this.#seen): number | null {
    return this.#slowest[Math.min(this.#slowest.length - 1, Math.floor(count / PER_ACCIDENT))]?.duration ?? null;
  }
}
