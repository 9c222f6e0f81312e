import type { Kernel } from '../kernel.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { load32, store32, storeBytes } from './guest_memory.ts';

// The permutation of ChaCha (lib/crypto/chacha.c; RFC 8439): 16 words of 32 bits, the state is the caller's.

const rotl = (x: number, n: number) => (x << n) | (x >>> (32 - n));
function quarter(x: Int32Array, a: number, b: number, c: number, d: number): void {
  x[a] += x[b];
  x[d] = rotl(x[d] ^ x[a], 16);
  x[c] += x[d];
  x[b] = rotl(x[b] ^ x[c], 12);
  x[a] += x[b];
  x[d] = rotl(x[d] ^ x[a], 8);
  x[c] += x[d];
  x[b] = rotl(x[b] ^ x[c], 7);
}
function permute(x: Int32Array, rounds: number): void {
  for (let i = 0; i < Math.min(rounds, 20); i += 2) {
    for (let j = 0; j < 4; j++) quarter(x, j, 4 + j, 8 + j, 12 + j);
    for (let j = 0; j < 4; j++) quarter(x, j, 4 + ((j + 1) & 3), 8 + ((j + 2) & 3), 12 + ((j + 3) & 3));
  }
}
const stateAt = (k: Kernel, at: number) => Int32Array.from({ length: 16 }, (_, i) => load32(k, at + i * 4));

export const chachaExports: readonly FunctionExport[] = [
  // (state, stream, rounds): 64 bytes of key stream; the block counter goes on.
  fn('chacha_block_generic', (k, state, stream, rounds) => {
    const start = stateAt(k, state);
    const x = start.slice();
    permute(x, rounds);
    storeBytes(k, stream, new Uint8Array(x.map((v, i) => v + start[i]).buffer));
    store32(k, state + 12 * 4, start[12] + 1);
  }),
  // (state, out, rounds): the first and the last four words, without the addition.
  fn('hchacha_block_generic', (k, state, out, rounds) => {
    const x = stateAt(k, state);
    permute(x, rounds);
    storeBytes(k, out, new Uint8Array(Int32Array.of(...x.subarray(0, 4), ...x.subarray(12)).buffer));
  }),
];
