/** The BEP 52 SHA-256 tree: leaves of 16 KiB, units of 64 KiB, the root. */

import { concat, type Bytes } from "./bytes";
import { BLOCK, UNIT } from "./layout";

export type Sha256 = (data: Bytes) => Promise<Bytes>;

const ZERO = new Uint8Array(32);

const fold = async (layer: readonly Uint8Array[], pad: Uint8Array, sha256: Sha256): Promise<Bytes[]> => {
  const next: Promise<Bytes>[] = [];
  for (let index = 0; index < layer.length; index += 2) {
    next.push(sha256(concat([layer[index] ?? pad, layer[index + 1] ?? pad])));
  }
  return Promise.all(next);
};

/**
 * Digest of one unit. Leaves past the end of the file are 32 zero bytes. A file of one unit is balanced only as far as it
 * reaches (BEP 52: its root), hence `lone`.
 */
export const unitDigest = async (data: Bytes, sha256: Sha256, lone = false): Promise<Bytes> => {
  const leaves: Promise<Bytes>[] = [];
  for (let at = 0; at < data.length; at += BLOCK) leaves.push(sha256(data.subarray(at, at + BLOCK) as Bytes));
  let layer = await Promise.all(leaves);
  for (let width = UNIT / BLOCK; width > 1 && !(lone && layer.length === 1); width /= 2) {
    layer = await fold(layer, width === 2 && layer.length & 1 ? await sha256(new Uint8Array(64)) : ZERO, sha256);
  }
  return layer[0]!;
};

/** Root over all unit digests of a file. */
export const merkleRoot = async (digests: readonly Uint8Array[], sha256: Sha256): Promise<Uint8Array> => {
  if (!digests.length) return ZERO;
  let pad = await sha256(new Uint8Array(64));
  pad = await sha256(concat([pad, pad]));
  let layer = digests;
  while (layer.length > 1) {
    layer = await fold(layer, pad, sha256);
    pad = await sha256(concat([pad, pad]));
  }
  return layer[0]!;
};
