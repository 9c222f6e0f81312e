import { EFAULT, EINVAL } from '../../abi/errno.ts';
import { CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_REALTIME, CLOCK_REALTIME_ALARM, CLOCK_TAI, NSEC_PER_SEC } from '../../abi/time.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, viewFromUser } from '../mm/uaccess.ts';

// Conversions between user-space times and virtual nanoseconds (kernel/time/time.c).

export interface TimeValue {
  readonly sec: number;
  readonly nsec: number;
}

/** A struct timespec64 that passes timespec64_valid, -EFAULT or -EINVAL. Seconds beyond 2^53 are as good as for ever. */
export function readTimespec(k: Kernel, uaddr: number): TimeValue | number {
  const v = viewFromUser(k, uaddr, 16);
  return typeof v === 'number' ? v : timespecIn(v, 0);
}
export function timespecIn(v: DataView, at: number): TimeValue | number {
  const sec = Number(v.getBigInt64(at, true));
  const nsec = Number(v.getBigInt64(at + 8, true));
  return sec < 0 || nsec < 0 || nsec >= NSEC_PER_SEC ? -EINVAL : { sec, nsec };
}
/** A struct timeval, not yet validated. */
export function timevalIn(v: DataView, at: number): { sec: number; usec: number } {
  return { sec: Number(v.getBigInt64(at, true)), usec: Number(v.getBigInt64(at + 8, true)) };
}
export function putTimespec(v: DataView, at: number, ns: number): void {
  v.setBigInt64(at, BigInt(Math.floor(ns / NSEC_PER_SEC)), true);
  v.setBigInt64(at + 8, BigInt(Math.floor(ns % NSEC_PER_SEC)), true);
}
export function putTimeval(v: DataView, at: number, ns: number): void {
  v.setBigInt64(at, BigInt(Math.floor(ns / NSEC_PER_SEC)), true);
  v.setBigInt64(at + 8, BigInt(Math.floor((ns % NSEC_PER_SEC) / 1000)), true);
}
/** Writes an interval as a struct timespec. 0 or -EFAULT. */
export function writeTimespec(k: Kernel, uaddr: number, ns: number): number {
  const bytes = new Uint8Array(16);
  putTimespec(new DataView(bytes.buffer), 0, Math.max(0, ns));
  return copyToUser(k, uaddr, bytes) < 0 ? -EFAULT : 0;
}

export function nsOf(t: TimeValue): number {
  return t.sec * NSEC_PER_SEC + t.nsec;
}

/** Does `clock` follow the wall clock? */
export function isWallClock(clock: number): boolean {
  return clock === CLOCK_REALTIME || clock === CLOCK_REALTIME_ALARM || clock === CLOCK_TAI;
}
/** What the caller's time namespace adds to a clock, ns (timens_add_monotonic, timens_add_boottime). */
export function timensOffset(k: Kernel, clock: number): number {
  const { offsets } = k.current.nsproxy.time;
  return clock === CLOCK_BOOTTIME || clock === CLOCK_BOOTTIME_ALARM ? offsets.boottime : offsets.monotonic;
}
/** The virtual time (ns since boot) at which `t` on `clock` is reached; relative times count from now. */
export function deadlineOf(k: Kernel, clock: number, t: TimeValue, absolute: boolean): number {
  const now = k.time.now();
  if (!absolute) return now + nsOf(t);
  if (!isWallClock(clock)) return Math.max(0, nsOf(t) - timensOffset(k, clock));
  const wall = clock === CLOCK_TAI ? k.time.tai() : k.time.wall();
  // Differences first: nanoseconds since the epoch are not exact in a number.
  return now + (t.sec - wall.sec) * NSEC_PER_SEC + (t.nsec - wall.nsec);
}
