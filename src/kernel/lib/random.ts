import type { Kernel } from '../kernel.ts';
import { load32, store32, storeBytes } from './guest_memory.ts';
import { type FunctionExport, fn } from '../module/export.ts';

// Random numbers for modules: the kernel's own, and the small generator whose state the caller keeps (drivers/char/random.c, lib/random32.c).

function random(k: Kernel, bytes: number): bigint {
  const b = new Uint8Array(8);
  k.host.entropy(b);
  return BigInt.asUintN(bytes * 8, new DataView(b.buffer).getBigUint64(0, true));
}
/** One step of a component of Tausworthe's generator (L'Ecuyer's taus113). */
const step = (s: number, a: number, b: number, c: number, d: number) => ((((s & c) << d) >>> 0) ^ ((((s << a) >>> 0) ^ s) >>> b)) >>> 0;
const STEPS = [
  [6, 13, 0xffff_fffe, 18],
  [2, 27, 0xffff_fff8, 2],
  [13, 21, 0xffff_fff0, 7],
  [3, 12, 0xffff_ff80, 13],
] as const;
/** prandom_u32_state: the four words of struct rnd_state go on by one step. */
function prandom(k: Kernel, state: number): number {
  let out = 0;
  STEPS.forEach(([a, b, c, d], i) => {
    const s = step(load32(k, state + i * 4), a, b, c, d);
    store32(k, state + i * 4, s);
    out ^= s;
  });
  return out | 0;
}
export const randomExports: readonly FunctionExport[] = [
  fn('get_random_bytes', (k, to, length) => {
    const out = new Uint8Array(Math.min(Math.max(length, 0), k.ram.size));
    k.host.entropy(out);
    storeBytes(k, to, out);
  }),
  fn('get_random_u8', (k) => random(k, 1)),
  fn('get_random_u16', (k) => random(k, 2)),
  // A u32 is sign-extended in its register (RISC-V psABI).
  fn('get_random_u32', (k) => BigInt.asIntN(32, random(k, 4))),
  fn('get_random_u64', (k) => BigInt.asIntN(64, random(k, 8))),
  fn('__get_random_u32_below', (k, ceil) => (ceil === 0 ? Number(random(k, 4)) | 0 : Number((random(k, 4) * BigInt(ceil >>> 0)) >> 32n) | 0)),
  fn('wait_for_random_bytes', () => 0),
  fn('rng_is_initialized', () => 1),
  fn('add_device_randomness', () => undefined),
  fn('prandom_u32_state', prandom),
  fn('prandom_bytes_state', (k, state, at, length) => {
    const out = new Uint8Array(Math.min(length, 2 ** 24));
    for (let i = 0; i < out.length; i += 4) {
      const word = prandom(k, state);
      for (let j = 0; j < 4 && i + j < out.length; j++) out[i + j] = word >>> (j * 8);
    }
    storeBytes(k, at, out);
  }),
];
