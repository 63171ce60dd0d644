import type { Bytes } from "./bytes";

/** A set of indices in the wire's order: bit 7 of byte 0 is index 0. */
export class Bitfield {
  readonly bytes: Bytes;
  count = 0;

  constructor(readonly size: number) {
    this.bytes = new Uint8Array((size + 7) >> 3);
  }

  has(index: number): boolean {
    return (((this.bytes[index >> 3] ?? 0) << (index & 7)) & 128) !== 0;
  }

  /** True when the index was new. Indices outside are ignored. */
  add(index: number): boolean {
    if (index >= this.size || this.has(index)) return false;
    this.bytes[index >> 3]! |= 128 >> (index & 7);
    this.count++;
    return true;
  }

  delete(index: number): boolean {
    if (!this.has(index)) return false;
    this.bytes[index >> 3]! &= ~(128 >> (index & 7));
    this.count--;
    return true;
  }

  fill(): void {
    for (let index = 0; index < this.size; index++) this.add(index);
  }

  get complete(): boolean {
    return this.count === this.size;
  }

  /** Takes over a wire bitfield; false when its length is wrong or a spare bit is set (BEP 3: drop such a peer). */
  load(bytes: Uint8Array): boolean {
    if (bytes.length !== this.bytes.length) return false;
    const spare = this.bytes.length * 8 - this.size;
    if (spare && ((bytes[bytes.length - 1] ?? 0) & ((1 << spare) - 1)) !== 0) return false;
    this.bytes.set(bytes);
    this.count = 0;
    for (let index = 0; index < this.size; index++) if (this.has(index)) this.count++;
    return true;
  }
}
