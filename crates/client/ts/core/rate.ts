/** Rates measured over busy time only: an idle source keeps the rate it last showed. */

export class Meter {
  /** Bytes a second, smoothed over about two seconds of work; 0 before anything was measured. */
  rate = 0;
  bytes = 0;
  /** Milliseconds of work. */
  busy = 0;
  #pending = 0;
  #since = -1;

  /** Work began or goes on. */
  start(now: number): void {
    if (this.#since < 0) this.#since = now;
  }

  add(bytes: number, now: number): void {
    this.start(now);
    this.bytes += bytes;
    this.#pending += bytes;
    if (now - this.#since >= 250) this.#fold(now);
  }

  stop(now: number): void {
    if (this.#since < 0) return;
    if (now > this.#since) this.#fold(now);
    this.#since = -1;
  }

  #fold(now: number): void {
    const span = now - this.#since;
    const weight = this.busy < 250 ? 1 : Math.min(1, span / 2000);
    this.rate += ((this.#pending * 1000) / span - this.rate) * weight;
    this.busy += span;
    this.#pending = 0;
    this.#since = now;
  }

  /** Mean over all busy time: the honest baseline, which no single quiet moment of the origin can raise. */
  get mean(): number {
    return this.busy ? (this.bytes * 1000) / this.busy : 0;
  }
}

export class TokenBucket {
  #tokens: number;
  #at = 0;

  constructor(
    public rate: number,
    private readonly burst = Math.max(rate, 65536) / 2,
  ) {
    this.#tokens = this.burst;
  }

  /** Takes `amount`, going into debt for at most one take; false when there is debt. */
  take(amount: number, now: number): boolean {
    this.#tokens = Math.min(this.burst, this.#tokens + (Math.max(0, now - this.#at) * this.rate) / 1000);
    this.#at = now;
    if (this.#tokens <= 0) return false;
    this.#tokens -= amount;
    return true;
  }
}
