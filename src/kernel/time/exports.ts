import { type DataExport, type FunctionExport, fn } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { NSEC_PER_SEC, TICK_NSEC } from './timekeeping.ts';

// What kernel/time exports: the tick counter and the clocks.

const NS_PER_SEC = 1_000_000_000n;
export const timeExports: readonly FunctionExport[] = [
  // struct timespec64 as a result: two registers.
  fn('ns_to_timespec64', (k) => {
    const ns = k.machine.regs.getBig(10);
    const rest = ((ns % NS_PER_SEC) + NS_PER_SEC) % NS_PER_SEC;
    k.machine.regs.set(11, Number(rest));
    return (ns - rest) / NS_PER_SEC;
  }),
  fn('ktime_get', (k) => BigInt(k.time.now())),
  fn('ktime_get_with_offset', (k, offset) => {
    // TK_OFFS_REAL, TK_OFFS_BOOT, TK_OFFS_TAI: the wall clock, and the clock that counts suspension (there is none).
    if (offset === 1) return BigInt(k.time.now());
    const w = k.time.wall();
    return BigInt(w.sec) * BigInt(NSEC_PER_SEC) + BigInt(w.nsec);
  }),
  fn('ktime_get_real_seconds', (k) => k.time.wall().sec),
  fn('ktime_get_seconds', (k) => Math.floor(k.time.now() / NSEC_PER_SEC)),
  fn('jiffies_to_msecs', (_k, j) => j * (TICK_NSEC / 1e6)),
];
export const timeDataExports: readonly DataExport[] = [
  {
    name: 'jiffies',
    place(k) {
      const addr = imageObject(k, 8, 8);
      k.time.publishJiffies(addr);
      return addr;
    },
  },
];
