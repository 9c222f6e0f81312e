import { ENOMEM } from '../../abi/errno.ts';
import { percpu_counter as COUNTER } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { writeKernel32 } from '../mm/maccess.ts';
import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { load32, load64, loadBig, store32, store64, storeBig } from './guest_memory.ts';
import { initListHead } from './list.ts';

// Counters with a part on each CPU (lib/percpu_counter.c): a part goes over to the sum when it reaches the batch.

const S32 = 4;
/** percpu_counter_batch: 32, or twice the number of CPUs. */
const MIN_BATCH = 32;

/** Guest addresses of the parts. */
const parts = (k: Kernel, counter: number) => k.percpu.copies(load64(k, counter + COUNTER.counters));
const part = (k: Kernel, at: number) => BigInt(load32(k, at) | 0);
const argument = (k: Kernel, i: number) => k.machine.regs.getBig(10 + i);
const abs = (n: bigint) => (n < 0n ? -n : n);

function sum(k: Kernel, counter: number): bigint {
  return parts(k, counter).reduce((n, at) => n + part(k, at), loadBig(k, counter + COUNTER.count));
}
function addBatch(k: Kernel, counter: number, amount: bigint, limit: bigint): void {
  const mine = k.percpu.copies(load64(k, counter + COUNTER.counters))[k.cpu];
  const n = part(k, mine) + amount;
  if (abs(n) >= limit) {
    storeBig(k, counter + COUNTER.count, loadBig(k, counter + COUNTER.count) + n);
    store32(k, mine, 0);
  } else store32(k, mine, Number(n));
}
/** percpu_counter_init_many: the parts of all of them lie side by side. */
function initMany(k: Kernel, counter: number, amount: bigint, n: number): number {
  const stride = S32;
  const base = k.percpu.alloc(stride * (n >>> 0), S32);
  store64(k, counter + COUNTER.counters, base);
  if (base === 0) return -ENOMEM;
  for (let i = 0; i < n >>> 0; i++) {
    const at = counter + i * COUNTER.sizeof;
    store32(k, at + COUNTER.lock, 0);
    initListHead(k, at + COUNTER.list);
    storeBig(k, at + COUNTER.count, amount);
    store64(k, at + COUNTER.counters, base + i * stride);
  }
  return 0;
}

export const percpuCounterExports: readonly FunctionExport[] = [
  fn('__percpu_counter_init_many', (k, counter, _amount, _gfp, n) => initMany(k, counter, argument(k, 1), n)),
  fn('percpu_counter_destroy_many', (k, counter, n) => {
    const base = load64(k, counter + COUNTER.counters);
    if (base === 0) return;
    k.percpu.free(base);
    for (let i = 0; i < n >>> 0; i++) store64(k, counter + i * COUNTER.sizeof + COUNTER.counters, 0);
  }),
  fn('percpu_counter_add_batch', (k, counter, _amount, limit) => addBatch(k, counter, argument(k, 1), BigInt(limit | 0))),
  fn('percpu_counter_set', (k, counter) => {
    for (const at of parts(k, counter)) store32(k, at, 0);
    storeBig(k, counter + COUNTER.count, argument(k, 1));
  }),
  fn('percpu_counter_sync', (k, counter) => {
    const mine = parts(k, counter)[k.cpu];
    storeBig(k, counter + COUNTER.count, loadBig(k, counter + COUNTER.count) + part(k, mine));
    store32(k, mine, 0);
  }),
  fn('__percpu_counter_sum', (k, counter) => sum(k, counter)),
  // The rough count decides when no part can change the answer.
  fn('__percpu_counter_compare', (k, counter, _rhs, limit) => {
    const rhs = argument(k, 1);
    const rough = loadBig(k, counter + COUNTER.count);
    const room = BigInt(limit | 0) * BigInt(k.cpus);
    const n = abs(rough - rhs) > room ? rough : sum(k, counter);
    return n > rhs ? 1 : n < rhs ? -1 : 0;
  }),
];
export const percpuCounterDataExports: readonly DataExport[] = [
  {
    name: 'percpu_counter_batch',
    place(k) {
      const at = imageObject(k, 4, 4);
      writeKernel32(k, at, Math.max(MIN_BATCH, k.cpus * 2));
      return at;
    },
  },
];
