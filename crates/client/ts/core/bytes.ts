/** Byte helpers. No DOM, no Node: everything under `core/` runs anywhere. */

export type Bytes = Uint8Array<ArrayBuffer>;

export const concat = (parts: readonly Uint8Array[]): Bytes => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/**
 * One character a byte, as the WebTorrent tracker protocol and bencode keys want it. Not a TextDecoder: the web's
 * "latin1" label means windows-1252, which maps 0x80-0x9f elsewhere.
 */
export const binary = (bytes: Uint8Array): string => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
};

export const unbinary = (text: string): Bytes => Uint8Array.from(text, (c) => c.charCodeAt(0));

export const unhex = (hex: string): Bytes => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export const hex = (bytes: Uint8Array): string => {
  let text = "";
  for (const byte of bytes) text += (byte + 256).toString(16).slice(1);
  return text;
};

export const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
