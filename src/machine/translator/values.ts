import { destination } from './analysis.ts';

// Registers as constant distances from what registers held at one place (the head of a loop or block), followed through `addi` and `mv`.

/** For each register: the register whose value at the head it derives from (-1: not known), and what was added. */
export interface Values {
  readonly roots: Int8Array;
  readonly more: Int32Array;
}

/** Sums stay so small that they are exact and mean what 64-bit arithmetic means. */
const MAX_MORE = 1 << 20;

export function atHead(): Values {
  const values = { roots: new Int8Array(32), more: new Int32Array(32) };
  for (let r = 0; r < 32; r++) values.roots[r] = r;
  return values;
}

/** What is known where control comes together; a predecessor that is not known has not been looked at. */
export function join(from: readonly (Values | undefined)[]): Values {
  const values = { roots: new Int8Array(32), more: new Int32Array(32) };
  const first = from[0];
  for (let r = 0; r < 32; r++) {
    const agree = first !== undefined && from.every((v) => v !== undefined && v.roots[r] === first.roots[r] && v.more[r] === first.more[r]);
    values.roots[r] = agree ? first.roots[r] : -1;
    values.more[r] = agree ? first.more[r] : 0;
  }
  return values;
}

const OP_IMM = 0x13;

/** The register that the word's result is a constant distance from (`addi`, and `add` with x0: distance 0); 0 = none. */
export function movedFrom(word: number): number {
  const rs1 = (word >>> 15) & 31;
  const rs2 = (word >>> 20) & 31;
  if ((word & 0x707f) === OP_IMM) return rs1;
  return (word & 0xfe00707f) === 0x33 && (rs1 === 0 || rs2 === 0) ? rs1 + rs2 : 0;
}
export const distanceOf = (word: number) => ((word & 0x7f) === OP_IMM ? word >> 20 : 0);

/** One instruction. */
export function step(values: Values, word: number): void {
  const rd = destination(word);
  if (rd <= 0 || rd >= 32) return;
  const from = movedFrom(word);
  const root = from === 0 ? -1 : values.roots[from];
  const sum = root < 0 ? 0 : values.more[from] + distanceOf(word);
  values.roots[rd] = Math.abs(sum) > MAX_MORE ? -1 : root;
  values.more[rd] = sum;
}
