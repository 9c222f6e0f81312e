import { EAGAIN, EBADF, EINVAL, EPERM } from '../../abi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK, O_RDWR, POLLIN } from '../../abi/fs.ts';
import * as T from '../../abi/time.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOfBig, installAnon, noopLlseek } from './anon_inodes.ts';
import { WaitQueueHead, waitInterruptible, wakeUp } from '../sched/wait.ts';
import type { ItimerValue } from '../time/posix_timers.ts';
import { deadlineOf, type TimeValue } from '../time/time.ts';
import type { KernelTimer } from '../time/timekeeping.ts';
import type { File, FileOperations } from './types.ts';

// Timers that notify through file descriptors (fs/timerfd.c, timerfd_create(2)).

interface TimerFd {
  readonly clock: number;
  /** Virtual ns of the next expiry, Infinity = disarmed. */
  expires: number;
  interval: number;
  /** Expiries that nobody read yet. */
  ticks: number;
  timer: KernelTimer | null;
  readonly queue: WaitQueueHead;
}
const CLOCKS: readonly number[] = [T.CLOCK_REALTIME, T.CLOCK_MONOTONIC, T.CLOCK_BOOTTIME, T.CLOCK_REALTIME_ALARM, T.CLOCK_BOOTTIME_ALARM];
const TFD_TIMER_ABSTIME = 1;
const TFD_TIMER_CANCEL_ON_SET = 2;
const CAP_WAKE_ALARM = 35;

const timerfdOps: FileOperations = {
  llseek: noopLlseek,
  read(k, file, iter) {
    const t = file.data as TimerFd;
    if (iter.count < 8) return -EINVAL;
    if (t.ticks === 0) return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, t.queue);
    const n = iter.copyTo(k, bytesOfBig(BigInt(t.ticks)));
    if (n >= 0) t.ticks = 0;
    return n;
  },
  poll(_k, file, table) {
    const t = file.data as TimerFd;
    table?.add(t.queue);
    return t.ticks > 0 ? POLLIN : 0;
  },
  release(k, file) {
    const t = file.data as TimerFd;
    if (t.timer !== null) k.time.delTimer(t.timer);
    t.timer = null;
  },
};

function arm(k: Kernel, t: TimerFd): void {
  if (t.timer !== null) k.time.delTimer(t.timer);
  t.timer = t.expires === Number.POSITIVE_INFINITY ? null : { at: t.expires, kind: 'timerfd', data: { timerfd: t } };
  if (t.timer !== null) k.time.addTimer(t.timer);
}
/** The handler of kernel timers of kind 'timerfd'. */
export function timerfdExpired(k: Kernel, timer: KernelTimer): void {
  const t = timer.data['timerfd'] as TimerFd;
  const now = k.time.now();
  t.timer = null;
  if (t.interval > 0) {
    const missed = Math.max(0, Math.floor((now - t.expires) / t.interval));
    t.ticks += missed + 1;
    t.expires += (missed + 1) * t.interval;
  } else {
    t.ticks++;
    t.expires = Number.POSITIVE_INFINITY;
  }
  arm(k, t);
  wakeUp(k, t.queue);
}

export function timerfdCreate(k: Kernel, clock: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0 || !CLOCKS.includes(clock)) return -EINVAL;
  if (clock >= T.CLOCK_REALTIME_ALARM && !k.current.capable(CAP_WAKE_ALARM)) return -EPERM;
  const t: TimerFd = { clock, expires: Number.POSITIVE_INFINITY, interval: 0, ticks: 0, timer: null, queue: new WaitQueueHead() };
  return installAnon(k, 'anon_inode:[timerfd]', timerfdOps, t, O_RDWR | (flags & O_NONBLOCK), (flags & O_CLOEXEC) !== 0);
}
function timerfdOf(file: File | null): TimerFd | number {
  if (file === null) return -EBADF;
  return file.op === timerfdOps ? (file.data as TimerFd) : -EINVAL;
}
function remaining(k: Kernel, t: TimerFd): ItimerValue {
  if (t.expires === Number.POSITIVE_INFINITY) return { value: 0, interval: t.interval };
  return { value: Math.max(1, t.expires - k.time.now()), interval: t.interval };
}
export function timerfdSettime(k: Kernel, file: File | null, flags: number, value: TimeValue, interval: number): ItimerValue | number {
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0) return -EINVAL;
  const t = timerfdOf(file);
  if (typeof t === 'number') return t;
  const old = remaining(k, t);
  t.ticks = 0;
  t.interval = interval;
  t.expires =
    value.sec === 0 && value.nsec === 0 ? Number.POSITIVE_INFINITY : deadlineOf(k, t.clock, value, (flags & TFD_TIMER_ABSTIME) !== 0);
  arm(k, t);
  return old;
}
export function timerfdGettime(k: Kernel, file: File | null): ItimerValue | number {
  const t = timerfdOf(file);
  return typeof t === 'number' ? t : remaining(k, t);
}
