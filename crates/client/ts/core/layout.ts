/** How an asset divides into blocks, units, pieces and spans. */

/** What one request message asks for; stock clients refuse other sizes. */
export const BLOCK = 16384;
/** What is verified, kept or refused at a time. */
export const UNIT = 65536;

export class Layout {
  readonly units: number;
  readonly pieces: number;
  /** Units a piece. */
  readonly perPiece: number;
  /** What rendezvous hashing hands out and what storage keeps in one entry. */
  readonly span: number;
  readonly spans: number;

  constructor(
    readonly length: number,
    readonly pieceLength: number,
  ) {
    this.units = Math.ceil(length / UNIT);
    this.pieces = Math.ceil(length / pieceLength);
    this.perPiece = pieceLength / UNIT;
    this.span = Math.max(1 << 20, pieceLength);
    this.spans = Math.ceil(length / this.span);
  }

  unitLength(unit: number): number {
    return Math.min(UNIT, this.length - unit * UNIT);
  }

  pieceOf(unit: number): number {
    return Math.floor(unit / this.perPiece);
  }

  spanOf(unit: number): number {
    return Math.floor((unit * UNIT) / this.span);
  }

  /** The units of a span, as [first, end). */
  spanUnits(span: number): [number, number] {
    const per = this.span / UNIT;
    return [span * per, Math.min(this.units, (span + 1) * per)];
  }

  /** The units of a piece, as [first, end). */
  pieceUnits(piece: number): [number, number] {
    return [piece * this.perPiece, Math.min(this.units, (piece + 1) * this.perPiece)];
  }
}
