import { EFAULT, EINVAL, EOPNOTSUPP, EPERM, ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS } from '../../abi/errno.ts';
import { CAP_SYS_TIME } from '../../abi/sched.ts';
import * as NR from '../../abi/syscall_nr.ts';
import * as T from '../../abi/time.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, viewFromUser } from '../mm/uaccess.ts';
import { BLOCKED, waitInterruptible } from '../sched/wait.ts';
import { cpuClock, readCpuClock } from '../time/posix_timers.ts';
import { deadlineOf, nsOf, readTimespec, timensOffset, type TimeValue, timevalIn, writeTimespec } from '../time/time.ts';
import { doAdjtimex } from '../time/adjtimex.ts';
import { TICK_NSEC } from '../time/timekeeping.ts';
import type { SyscallRow } from './table.ts';

// Clocks and sleeps (time(7), kernel/time/posix-timers.c).

const MONOTONIC: readonly number[] = [T.CLOCK_MONOTONIC, T.CLOCK_MONOTONIC_RAW, T.CLOCK_BOOTTIME];

const USEC_PER_SEC = 1_000_000;
/** 15 hours. */
const MAX_MINUTES_WEST = 15 * 60;

/** Reads a clock, or -EINVAL when there is no such clock. The alarm clocks need a real-time clock device. */
function clockNow(k: Kernel, clock: number): TimeValue | number {
  if (clock === T.CLOCK_REALTIME_COARSE) return k.time.coarseWall();
  if (clock === T.CLOCK_TAI) return k.time.tai();
  if (clock === T.CLOCK_REALTIME) return k.time.wall();
  if (clock === T.CLOCK_MONOTONIC_COARSE) {
    const now = k.time.now() + timensOffset(k, clock);
    return split(now - (now % TICK_NSEC));
  }
  if (MONOTONIC.includes(clock)) return split(k.time.now() + timensOffset(k, clock));
  const cpu = cpuClock(k, clock);
  if (typeof cpu === 'number') return cpu;
  return cpu === null ? -EINVAL : split(readCpuClock(k, cpu));
}
const split = (ns: number): TimeValue => ({ sec: Math.floor(ns / T.NSEC_PER_SEC), nsec: Math.floor(ns % T.NSEC_PER_SEC) });

/** Writes two 64-bit numbers: a timespec or a timeval. */
function putPair(k: Kernel, ptr: number, first: number, second: number): number {
  const out = new Uint8Array(16);
  const v = new DataView(out.buffer);
  v.setBigInt64(0, BigInt(first), true);
  v.setBigInt64(8, BigInt(Math.floor(second)), true);
  return copyToUser(k, ptr, out);
}
function sysClockGettime(k: Kernel, clock: number, ptr: number): number {
  const t = clockNow(k, clock | 0);
  return typeof t === 'number' ? t : putPair(k, ptr, t.sec, t.nsec);
}
function sysClockGetres(k: Kernel, clock: number, ptr: number): number {
  const t = clockNow(k, clock | 0);
  if (typeof t === 'number') return t;
  const coarse = clock === T.CLOCK_REALTIME_COARSE || clock === T.CLOCK_MONOTONIC_COARSE;
  return ptr === 0 ? 0 : putPair(k, ptr, 0, coarse ? TICK_NSEC : 1);
}
function setWall(k: Kernel, sec: number, nsec: number): number {
  if (!k.current.capable(CAP_SYS_TIME)) return -EPERM;
  k.time.setWall(sec, nsec);
  return 0;
}
function sysClockSettime(k: Kernel, clock: number, ptr: number): number {
  if ((clock | 0) !== T.CLOCK_REALTIME) return -EINVAL;
  const t = readTimespec(k, ptr);
  return typeof t === 'number' ? t : setWall(k, t.sec, t.nsec);
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
    if (writeTimespec(k, remaining, deadline - now) < 0) return -EFAULT;
  }
  return r === -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : r;
}
function sysNanosleep(k: Kernel, req: number, rem: number): number {
  const kept = k.current.restart?.['deadline'] as number | undefined;
  if (kept !== undefined) return sleepUntil(k, kept, rem);
  const t = readTimespec(k, req);
  return typeof t === 'number' ? t : sleepUntil(k, k.time.now() + nsOf(t), rem);
}
const SLEEPERS: readonly number[] = [T.CLOCK_REALTIME, T.CLOCK_MONOTONIC, T.CLOCK_BOOTTIME, T.CLOCK_TAI];
function sysClockNanosleep(k: Kernel, clockArg: number, flags: number, req: number, rem: number): number {
  const clock = clockArg | 0;
  const absolute = (flags & T.TIMER_ABSTIME) !== 0;
  const kept = k.current.restart?.['deadline'] as number | undefined;
  let deadline = kept ?? 0;
  if (kept === undefined) {
    const cpu = cpuClock(k, clock);
    if (typeof cpu === 'number') return cpu;
    const known = SLEEPERS.includes(clock) || (cpu !== null && clock !== T.CLOCK_THREAD_CPUTIME_ID);
    if (!known) return clock >= 0 && clock <= T.CLOCK_TAI && clock !== 10 ? -EOPNOTSUPP : -EINVAL;
    const t = readTimespec(k, req);
    if (typeof t === 'number') return t;
    if (cpu !== null) return nsOf(t) <= (absolute ? readCpuClock(k, cpu) : 0) ? 0 : -EOPNOTSUPP;
    deadline = deadlineOf(k, clock, t, absolute);
  }
  const r = sleepUntil(k, deadline, absolute ? 0 : rem);
  return absolute && r === -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND : r;
}
function sysGettimeofday(k: Kernel, tv: number, tz: number): number {
  const w = k.time.wall();
  if (tv !== 0 && putPair(k, tv, w.sec, w.nsec / 1000) < 0) return -EFAULT;
  if (tz === 0) return 0;
  const zone = new DataView(new ArrayBuffer(8));
  zone.setInt32(0, k.time.zone?.minutesWest ?? 0, true);
  zone.setInt32(4, k.time.zone?.dstTime ?? 0, true);
  return copyToUser(k, tz, new Uint8Array(zone.buffer));
}
/** do_sys_settimeofday64: the time zone first. */
function sysSettimeofday(k: Kernel, tv: number, tz: number): number {
  let wall: { sec: number; usec: number } | null = null;
  if (tv !== 0) {
    const v = viewFromUser(k, tv, 16);
    if (typeof v === 'number') return v;
    wall = timevalIn(v, 0);
    if (wall.usec < 0 || wall.usec > USEC_PER_SEC - 1) return -EINVAL;
  }
  const zone = tz === 0 ? null : viewFromUser(k, tz, 8);
  if (typeof zone === 'number') return zone;
  if (wall !== null && wall.sec < 0) return -EINVAL;
  if (!k.current.capable(CAP_SYS_TIME)) return -EPERM;
  if (zone !== null) {
    const minutesWest = zone.getInt32(0, true);
    if (Math.abs(minutesWest) > MAX_MINUTES_WEST) return -EINVAL;
    k.time.setZone(minutesWest, zone.getInt32(4, true), wall === null);
  }
  return wall === null ? 0 : setWall(k, wall.sec, wall.usec * 1000);
}
/** Only the wall clock can be disciplined. */
function sysClockAdjtime(k: Kernel, clock: number, ptr: number): number {
  if ((clock | 0) === T.CLOCK_REALTIME) return doAdjtimex(k, ptr);
  const known = clockNow(k, clock | 0);
  return typeof known === 'number' ? known : -EOPNOTSUPP;
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
  row(NR.NR_clock_gettime, 'clock_gettime', sysClockGettime),
  row(NR.NR_clock_getres, 'clock_getres', sysClockGetres),
  row(NR.NR_clock_settime, 'clock_settime', sysClockSettime),
  row(NR.NR_nanosleep, 'nanosleep', sysNanosleep),
  row(
    NR.NR_clock_nanosleep,
    'clock_nanosleep',
    sysClockNanosleep,
    'no sleep on CPU time; absolute CLOCK_REALTIME sleeps do not follow clock_settime',
  ),
  row(NR.NR_gettimeofday, 'gettimeofday', sysGettimeofday),
  row(NR.NR_settimeofday, 'settimeofday', sysSettimeofday),
  row(NR.NR_times, 'times', sysTimes),
  row(NR.NR_adjtimex, 'adjtimex', doAdjtimex, 'CLOCK_MONOTONIC keeps its pace; no leap seconds'),
  row(NR.NR_clock_adjtime, 'clock_adjtime', sysClockAdjtime, 'CLOCK_MONOTONIC keeps its pace; no leap seconds'),
];
