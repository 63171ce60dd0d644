/** Just enough bencode (BEP 3) for extension messages and for cutting the info dictionary out of a .torrent. */

import { binary, unbinary, type Bytes } from "./bytes";

export type Value = number | string | Value[] | { [key: string]: Value };

/** Strings are binary strings: one character a byte. */
export const encode = (value: Value): string => {
  if (typeof value === "number") return `i${value}e`;
  if (typeof value === "string") return `${value.length}:${value}`;
  if (Array.isArray(value)) return `l${value.map(encode).join("")}e`;
  return `d${Object.keys(value)
    .sort()
    .map((key) => encode(key) + encode(value[key]!))
    .join("")}e`;
};

/** A value and the offset behind it. Throws on anything malformed or nested deeper than eight levels. */
export const decode = (bytes: Uint8Array, at = 0, depth = 0): [Value, number] => {
  const until = (end: number, limit: number): string => {
    const stop = bytes.indexOf(end, at);
    if (stop < 0 || stop - at > limit) throw new Error("bencode");
    const text = binary(bytes.subarray(at, stop));
    at = stop + 1;
    return text;
  };
  const integer = (text: string): number => {
    if (!/^(0|-?[1-9]\d*)$/.test(text)) throw new Error("bencode");
    return +text;
  };
  if (depth > 8) throw new Error("bencode");
  const kind = bytes[at];
  if (kind === 105) {
    at++;
    return [integer(until(101, 20)), at];
  }
  if (kind === 108 || kind === 100) {
    const list: Value[] = [];
    const dict: { [key: string]: Value } = Object.create(null) as { [key: string]: Value };
    at++;
    while (bytes[at] !== 101) {
      let value: Value;
      [value, at] = decode(bytes, at, depth + 1);
      if (kind === 108) list.push(value);
      else if (typeof value === "string") [dict[value], at] = decode(bytes, at, depth + 1);
      else throw new Error("bencode");
    }
    return [kind === 108 ? list : dict, at + 1];
  }
  const length = integer(until(58, 10));
  if (length < 0 || at + length > bytes.length) throw new Error("bencode");
  return [binary(bytes.subarray(at, at + length)), at + length];
};

/** The bytes of the top-level `info` value exactly as they stand: their SHA-1 is the info-hash. */
export const infoDictionary = (torrent: Uint8Array): Bytes | undefined => {
  try {
    let at = 1;
    while (torrent[0] === 100 && torrent[at] !== 101) {
      const [key, start] = decode(torrent, at);
      const [, end] = decode(torrent, start);
      if (key === "info") return torrent.slice(start, end) as Bytes;
      at = end;
    }
  } catch {
    // Malformed: as good as absent.
  }
  return undefined;
};

export const encodeBytes = (value: Value): Bytes => unbinary(encode(value));
