import type { Kernel } from '../kernel.ts';
import { type FunctionExport, partial } from '../module/export.ts';
import { warnInExport } from '../traps.ts';
import { load, size } from './access.ts';
import { storeBytes } from './guest_memory.ts';

// What xor.ko and raid6_pq.ko import of the vector unit (arch/riscv/lib/xor.S, kernel/kernel_mode_vector.c). This machine has none, and they ask first.

/** p1 becomes the exclusive or of all blocks. */
function xorBlocks(k: Kernel, bytes: number, blocks: readonly number[]): void {
  const out = load(k, blocks[0], size(bytes));
  for (const at of blocks.slice(1)) load(k, at, size(bytes)).forEach((b, i) => {
      out[i] ^= b;
    });
  storeBytes(k, blocks[0], out);
}
const NO_VECTOR = 'there is no vector unit; the result is the same';
export const xorExports: readonly FunctionExport[] = [
  partial('xor_regs_2_', NO_VECTOR, (k, n, a, b) => xorBlocks(k, n, [a, b])),
  partial('xor_regs_3_', NO_VECTOR, (k, n, a, b, c) => xorBlocks(k, n, [a, b, c])),
  partial('xor_regs_4_', NO_VECTOR, (k, n, a, b, c, d) => xorBlocks(k, n, [a, b, c, d])),
  partial('xor_regs_5_', NO_VECTOR, (k, n, a, b, c, d, e) => xorBlocks(k, n, [a, b, c, d, e])),
  partial('kernel_vector_begin', 'there is no vector unit: a WARN', (k) => warnInExport(k, '')),
  partial('kernel_vector_end', 'there is no vector unit: a WARN', (k) => warnInExport(k, '')),
];
