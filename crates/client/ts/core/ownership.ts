/**
 * Rendezvous hashing of spans to peers. Visitors who arrive together and fetch in file order never have anything to give each
 * other; with this every one of them fetches another part from the origin, without a message.
 */

const fnv1a = (hash: number, bytes: Uint8Array): number => {
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
};

/** murmur3's finaliser. */
const fmix32 = (hash: number): number => {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

export const score = (infoHash: Uint8Array, peerId: Uint8Array, span: number): number =>
  fmix32(
    fnv1a(
      fnv1a(fnv1a(0x811c9dc5, infoHash), peerId),
      Uint8Array.of(span >>> 24, span >>> 16, span >>> 8, span),
    ),
  );

const greater = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index]) return a[index]! > (b[index] ?? 0);
  }
  return false;
};

/** The candidate with the greatest score; of equals, the greater peer id. */
export const owner = (infoHash: Uint8Array, candidates: readonly Uint8Array[], span: number): Uint8Array | undefined => {
  let best: Uint8Array | undefined;
  let bestScore = -1;
  for (const id of candidates) {
    const value = score(infoHash, id, span);
    if (value > bestScore || (value === bestScore && best && greater(id, best))) {
      best = id;
      bestScore = value;
    }
  }
  return best;
};
