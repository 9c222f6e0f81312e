import type { Kernel } from '../kernel.ts';
import { store64, storeBytes } from '../lib/guest_memory.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { HZ, NSEC_PER_SEC, TICK_NSEC } from './timekeeping.ts';

// Waiting in place, clocks and conversions that modules import (arch/riscv/lib/delay.c, kernel/time/timekeeping.c, time.c).

/** The CPU turns in place for so long: other CPUs go on, timers run when it is over. */
function delay(k: Kernel, ns: number): void {
  k.time.burn(Math.min(Math.max(0, ns), NSEC_PER_SEC));
  k.time.updateJiffies();
}
const realNow = (k: Kernel): bigint => {
  const w = k.time.wall();
  return BigInt(w.sec) * BigInt(NSEC_PER_SEC) + BigInt(w.nsec);
};
/** struct timespec64. */
function putTimespec(k: Kernel, at: number, sec: number, nsec: number): void {
  store64(k, at, sec);
  store64(k, at + 8, nsec);
}
function monotonicTs(k: Kernel, at: number): void {
  const now = k.time.now();
  putTimespec(k, at, Math.floor(now / NSEC_PER_SEC), Math.floor(now % NSEC_PER_SEC));
}
function realTs(k: Kernel, at: number): void {
  const w = k.time.wall();
  putTimespec(k, at, w.sec, w.nsec);
}
/** Days since the epoch of a civil date (the proleptic Gregorian calendar). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yoe = y - era * 400;
  const doy = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146097 + yoe * 365 + Math.floor(yoe / 4) - Math.floor(yoe / 100) + doy - 719468;
}
/** time64_to_tm(seconds, offset, struct tm *): sec min hour mday mon (int), year (long, since 1900), wday yday. */
function toTm(k: Kernel, total: number, offset: number, at: number): void {
  const t = total + offset;
  const days = Math.floor(t / 86400);
  const rem = t - days * 86400;
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const doe = z - era * 146097;
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365);
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  const year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  const view = new DataView(new ArrayBuffer(40));
  const ints = [rem % 60, Math.floor(rem / 60) % 60, Math.floor(rem / 3600), doy - Math.floor((153 * mp + 2) / 5) + 1, month - 1];
  for (const [i, n] of ints.entries()) view.setInt32(i * 4, n, true);
  view.setBigInt64(24, BigInt(year - 1900), true);
  view.setInt32(32, (((days + 4) % 7) + 7) % 7, true);
  view.setInt32(36, days - daysFromCivil(year, 1, 1), true);
  storeBytes(k, at, new Uint8Array(view.buffer));
}

export const delayExports: readonly FunctionExport[] = [
  fn('udelay', (k, us) => delay(k, us * 1000)),
  fn('ndelay', (k, ns) => delay(k, ns)),
  // Loops, one a tick of the 10 MHz time base.
  fn('__delay', (k, loops) => delay(k, loops * 100)),
  fn('ktime_get_mono_fast_ns', (k) => BigInt(Math.floor(k.time.now()))),
  fn('ktime_get_raw_fast_ns', (k) => BigInt(Math.floor(k.time.now()))),
  fn('ktime_get_boot_fast_ns', (k) => BigInt(Math.floor(k.time.now()))),
  fn('ktime_get_real_fast_ns', realNow),
  { ...fn('ktime_get_real', realNow), internal: true },
  fn('ktime_get_raw', (k) => BigInt(Math.floor(k.time.now()))),
  fn('ktime_get_coarse_with_offset', (k, offset) => (offset === 1 ? BigInt(Math.floor(k.time.now())) : realNow(k))),
  fn('ktime_get_resolution_ns', () => 1),
  fn('ktime_get_ts64', monotonicTs),
  fn('ktime_get_raw_ts64', monotonicTs),
  fn('ktime_get_coarse_ts64', monotonicTs),
  fn('ktime_get_real_ts64', realTs),
  fn('ktime_get_coarse_real_ts64', realTs),
  fn('ktime_mono_to_any', (k, t, offset) => (offset === 1 ? t : BigInt(t) + realNow(k) - BigInt(Math.floor(k.time.now())))),
  // mktime64(year, month, day, hour, minute, second)
  fn('mktime64', (_k, year, month, day, hour, min, sec) => daysFromCivil(year, month, day) * 86400 + hour * 3600 + min * 60 + sec),
  fn('time64_to_tm', toTm),
  fn('jiffies_to_usecs', (_k, j) => j * (TICK_NSEC / 1000)),
  fn('jiffies_to_clock_t', (_k, j) => Math.floor((j * 100) / HZ)),
  fn('jiffies_64_to_clock_t', (_k, j) => Math.floor((j * 100) / HZ)),
  fn('clock_t_to_jiffies', (_k, t) => t * (HZ / 100)),
  fn('jiffies64_to_nsecs', (_k, j) => j * TICK_NSEC),
  fn('jiffies64_to_msecs', (_k, j) => j * (TICK_NSEC / 1e6)),
  fn('nsecs_to_jiffies', (_k, ns) => Math.floor(ns / TICK_NSEC)),
  fn('nsecs_to_jiffies64', (_k, ns) => Math.floor(ns / TICK_NSEC)),
  fn('jiffies_to_timespec64', (k, j, at) => putTimespec(k, at, Math.floor(j / HZ), (j % HZ) * TICK_NSEC)),
  fn('sched_clock', (k) => BigInt(Math.floor(k.time.now()))),
];
