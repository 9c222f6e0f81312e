import { store32 } from './guest_memory.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { warnAt } from '../traps.ts';

// What refcount_t's inline code calls when a count goes wrong (lib/refcount.c). Each kind is told once.

const SATURATED = 0xc000_0000;
/** enum refcount_saturation_type. */
const REPORTS = [
  'saturated; leaking memory.',
  'saturated; leaking memory.',
  'addition on 0; use-after-free.',
  'underflow; use-after-free.',
  'decrement hit 0; leaking memory.',
];
const LINES = [19, 22, 25, 28, 31];
export const refcountExports: readonly FunctionExport[] = [
  fn('refcount_warn_saturate', (k, count, type) => {
    store32(k, count, SATURATED);
    const report = REPORTS[type] ?? 'unknown saturation event!?.';
    if ((k.warnedOnce & (1 << (type & 7))) !== 0) return;
    k.warnedOnce |= 1 << (type & 7);
    warnAt(k, `lib/refcount.c:${LINES[type] ?? 34} refcount_warn_saturate`, `refcount_t: ${report}`);
  }),
];
