/** Standstills of players: one wants to go on and has nothing to show. What the start or a seek waits for is none. */

export class Stalls<Player> {
  readonly #standing = new Map<Player, { path: string; since: number }>();

  constructor(private readonly note: (path: string, stalls: number, milliseconds: number) => void) {}

  /** An event of a player of an asset; `underWay`: it has played, and is not seeking. All but `waiting` end a standstill. */
  on(player: Player, event: string, path: string, underWay: boolean, now: number): void {
    if (event !== "waiting") {
      this.settle(now);
      this.#standing.delete(player);
    } else if (underWay && !this.#standing.has(player)) {
      this.#standing.set(player, { path, since: now });
      this.note(path, 1, 0);
    }
  }

  /** Counts those that last, so far. */
  settle(now: number): void {
    for (const one of this.#standing.values()) {
      this.note(one.path, 0, now - one.since);
      one.since = now;
    }
  }
}
