import { type FunctionExport, fn } from '../module/export.ts';
import { load } from './access.ts';
import { storeBytes } from './guest_memory.ts';

// Decompression of an LZ4 block (lib/lz4/lz4_decompress.c; the format is LZ4's own block format description).

const MIN_MATCH = 4;
/** The contents, or where in the input it went wrong. */
export function lz4Decompress(input: Uint8Array, room: number): Uint8Array | number {
  const out = new Uint8Array(room);
  let [at, to] = [0, 0];
  const length = (start: number): number => {
    let n = start;
    if (start === 15) {
      let b: number;
      do {
        if (at >= input.length) return -1;
        b = input[at++];
        n += b;
      } while (b === 255);
    }
    return n;
  };
  while (at < input.length) {
    const token = input[at++];
    const literals = length(token >> 4);
    if (literals < 0 || at + literals > input.length || to + literals > room) return at;
    out.set(input.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    // The last sequence is literals only.
    if (at === input.length) return out.subarray(0, to);
    if (at + 2 > input.length) return at;
    const offset = input[at] | (input[at + 1] << 8);
    at += 2;
    const rest = length(token & 15);
    if (rest < 0 || offset === 0 || offset > to || to + rest + MIN_MATCH > room) return at;
    for (let i = 0; i < rest + MIN_MATCH; i++, to++) out[to] = out[to - offset];
  }
  return at;
}
export const lz4Exports: readonly FunctionExport[] = [
  // (source, dest, compressed size, room): bytes written, or a negative number.
  fn('LZ4_decompress_safe', (k, source, dest, length, room) => {
    if ((length | 0) <= 0 || (room | 0) < 0) return -1;
    const out = lz4Decompress(load(k, source, length | 0), room | 0);
    if (typeof out === 'number') return -out - 1;
    storeBytes(k, dest, out);
    return out.length;
  }),
];
