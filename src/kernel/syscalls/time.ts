import { EFAULT, EINVAL, EOPNOTSUPP, EPERM, ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, viewFromUser } from '../mm/uaccess.ts';
import { BLOCKED, waitInterruptible } from '../sched/wait.ts';
import type { SyscallRow } from './table.ts';

const NSEC = 1e9;

export function putTimespec(k: Kernel, ptr: number, sec: number, nsec: number): number {
  const out = new Uint8Array(16);
  const v = new DataView(out.buffer);
  v.setBigInt64(0, BigInt(sec), true);
  v.setBigInt64(8, BigInt(Math.floor(nsec)), true);
  return copyToUser(k, ptr, out);
}
/** A timespec as nanoseconds, -EFAULT or -EINVAL. */
export function readTimespec(k: Kernel, ptr: number): number {
  const v = viewFromUser(k, ptr, 16);
  if (typeof v === 'number') return v;
  const sec = Number(v.getBigInt64(0, true));
  const nsec = Number(v.getBigInt64(8, true));
  if (sec < 0 || nsec < 0 || nsec > 999_999_999) return -EINVAL;
  return Math.min(sec, 9e9) * NSEC + nsec;
}

/** Nanoseconds of a clock, or null when there is no such clock. */
function clockNow(k: Kernel, clock: number): { sec: number; nsec: number } | null {
  const split = (ns: number) => ({ sec: Math.floor(ns / NSEC), nsec: Math.floor(ns % NSEC) });
  switch (clock) {
    case 0: // CLOCK_REALTIME
    case 5: // _COARSE
    case 8: // _ALARM
      return k.time.wall();
    case 11: // CLOCK_TAI
      return k.time.wall();
    case 1: // CLOCK_MONOTONIC
    case 4: // _RAW
    case 6: // _COARSE
    case 7: // CLOCK_BOOTTIME
    case 9:
      return split(k.time.now());
    case 2: // CLOCK_PROCESS_CPUTIME_ID
      return split(k.current.threads.reduce((n, t) => n + t.utime + t.stime, 0));
    case 3: // CLOCK_THREAD_CPUTIME_ID
      return split(k.current.utime + k.current.stime);
    default:
      return null;
  }
}
function sysClockGettime(k: Kernel, clock: number, ptr: number): number {
  const t = clockNow(k, clock | 0);
  return t === null ? -EINVAL : putTimespec(k, ptr, t.sec, t.nsec);
}
function sysClockSettime(k: Kernel, clock: number, ptr: number): number {
  if (clock !== 0) return -EINVAL;
  const v = viewFromUser(k, ptr, 16);
  if (typeof v === 'number') return v;
  const sec = Number(v.getBigInt64(0, true));
  const nsec = Number(v.getBigInt64(8, true));
  if (sec < 0 || nsec < 0 || nsec > 999_999_999) return -EINVAL;
  if (!k.current.capable(25)) return -EPERM;
  k.time.setWall(sec, nsec);
  return 0;
}

/** Sleeps until `deadline` (virtual ns since boot); the deadline survives restarts. */
function sleepUntil(k: Kernel, deadline: number, remaining: number): number {
  const task = k.current;
  const now = k.time.now();
  if (now >= deadline) return 0;
  const r = waitInterruptible(k, null);
  if (r === BLOCKED) {
    task.restart = { deadline };
    k.sched.scheduleTimeout(task, deadline);
    return BLOCKED;
  }
  if (remaining !== 0) {
    const left = deadline - now;
    if (putTimespec(k, remaining, Math.floor(left / NSEC), left % NSEC) < 0) return -EFAULT;
  }
  return r === -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : r;
}
function sysNanosleep(k: Kernel, req: number, rem: number): number {
  const kept = k.current.restart?.['deadline'] as number | undefined;
  if (kept !== undefined) return sleepUntil(k, kept, rem);
  const ns = readTimespec(k, req);
  if (ns < 0) return ns;
  return sleepUntil(k, k.time.now() + ns, rem);
}
const TIMER_ABSTIME = 1;
function sysClockNanosleep(k: Kernel, clock: number, flags: number, req: number, rem: number): number {
  if (![0, 1, 7, 2, 11].includes(clock)) return clock === 3 ? -EINVAL : [4, 5, 6].includes(clock) ? -EOPNOTSUPP : -EINVAL;
  const absolute = (flags & TIMER_ABSTIME) !== 0;
  const kept = k.current.restart?.['deadline'] as number | undefined;
  if (kept !== undefined) {
    const r = sleepUntil(k, kept, absolute ? 0 : rem);
    return absolute && r === -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND : r;
  }
  const ns = readTimespec(k, req);
  if (ns < 0) return ns;
  if (!absolute) return sleepUntil(k, k.time.now() + ns, rem);
  let deadline = ns;
  if (clock === 0 || clock === 11) {
    const w = k.time.wall();
    deadline = k.time.now() + (ns - (w.sec * NSEC + w.nsec));
  }
  const r = sleepUntil(k, deadline, 0);
  return r === -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND : r;
}
function sysGettimeofday(k: Kernel, tv: number, tz: number): number {
  const w = k.time.wall();
  if (tv !== 0 && putTimespec(k, tv, w.sec, w.nsec / 1000) < 0) return -EFAULT;
  return tz !== 0 ? copyToUser(k, tz, new Uint8Array(8)) : 0;
}
function sysTimes(k: Kernel, buf: number): number {
  const ticks = (ns: number) => BigInt(Math.floor(ns / 1e7));
  if (buf !== 0) {
    const out = new Uint8Array(32);
    const v = new DataView(out.buffer);
    const { signal } = k.current;
    v.setBigInt64(0, ticks(k.current.threads.reduce((n, t) => n + t.utime, 0)), true);
    v.setBigInt64(8, ticks(k.current.threads.reduce((n, t) => n + t.stime, 0)), true);
    v.setBigInt64(16, ticks(signal.cutime), true);
    v.setBigInt64(24, ticks(signal.cstime), true);
    if (copyToUser(k, buf, out) < 0) return -EFAULT;
  }
  return Math.floor(k.time.now() / 1e7) + 429496730;
}

const row = (nr: number, name: string, handler: SyscallRow['handler'], note?: string): SyscallRow =>
  note === undefined ? { nr, name, handler, support: 'full' } : { nr, name, handler, support: 'partial', note };

export const timeSyscalls: readonly SyscallRow[] = [
  row(NR.NR_clock_gettime, 'clock_gettime', sysClockGettime, 'no per-process clocks of others'),
  row(NR.NR_clock_settime, 'clock_settime', sysClockSettime),
  row(NR.NR_clock_getres, 'clock_getres', (k, clock, ptr) =>
    clockNow(k, clock | 0) === null ? -EINVAL : ptr === 0 ? 0 : putTimespec(k, ptr, 0, clock === 5 || clock === 6 ? 4_000_000 : 1),
  ),
  row(NR.NR_nanosleep, 'nanosleep', sysNanosleep),
  row(NR.NR_clock_nanosleep, 'clock_nanosleep', sysClockNanosleep),
  row(NR.NR_gettimeofday, 'gettimeofday', sysGettimeofday),
  row(NR.NR_settimeofday, 'settimeofday', (k, tv) => {
    if (tv === 0) return 0;
    const v = viewFromUser(k, tv, 16);
    if (typeof v === 'number') return v;
    if (!k.current.capable(25)) return -EPERM;
    k.time.setWall(Number(v.getBigInt64(0, true)), Number(v.getBigInt64(8, true)) * 1000);
    return 0;
  }),
  row(NR.NR_times, 'times', sysTimes),
];
