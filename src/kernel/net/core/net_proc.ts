import type { Kernel } from '../../kernel.ts';
import { hex } from '../../lib/seq_file.ts';

/** What %pK prints for a kernel address: a hash of 32 bits (here of the socket's number and the run's seed). */
export function hashedPointer(k: Kernel, sk: { readonly cookie: number }): string {
  let h = (sk.cookie * 0x9e37_79b1 + k.seed) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35) >>> 0;
  return hex((h ^ (h >>> 16)) >>> 0, 16);
}
