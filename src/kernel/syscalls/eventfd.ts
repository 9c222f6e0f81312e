import { EFAULT, EINVAL } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { epollCreate1, epollCtl, epollWait } from '../fs/eventpoll.ts';
import { eventfd2 } from '../fs/eventfd.ts';
import { signalfd4 } from '../fs/signalfd.ts';
import { timerfdCreate, timerfdGettime, timerfdSettime } from '../fs/timerfd.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, getUserBig, viewFromUser } from '../mm/uaccess.ts';
import { BLOCKED } from '../sched/wait.ts';
import { setBlocked } from '../signal.ts';
import type { ItimerValue } from '../time/posix_timers.ts';
import { deadlineOf, nsOf, putTimespec, readTimespec, timespecIn } from '../time/time.ts';
import { CLOCK_MONOTONIC, NSEC_PER_SEC } from '../../abi/time.ts';
import type { SyscallRow } from './table.ts';

// eventfd, epoll, signalfd, timerfd.

const EPOLL_CTL_DEL = 2;

function sysEpollCtl(k: Kernel, epfd: number, op: number, fd: number, ptr: number): number {
  let event: { events: number; data: bigint } | null = null;
  if (op !== EPOLL_CTL_DEL) {
    const v = viewFromUser(k, ptr, 16);
    if (typeof v === 'number') return v;
    event = { events: v.getInt32(0, true), data: v.getBigInt64(8, true) };
  }
  return epollCtl(k, epfd | 0, op | 0, fd | 0, event);
}

/** The wait with a temporary signal mask: taken at the first attempt, given back when the call completes (a handler's frame does it on EINTR). */
function waitMasked(k: Kernel, epfd: number, events: number, max: number, timeout: number | null, sigmask: number, size: number): number {
  const task = k.current;
  let deadline = task.restart?.['deadline'] as number | undefined;
  deadline ??= timeout === null ? Number.POSITIVE_INFINITY : k.time.now() + timeout;
  if (sigmask !== 0 && task.savedSigmask === null) {
    if (size !== 8) return -EINVAL;
    const mask = getUserBig(k, sigmask);
    if (mask === null) return -EFAULT;
    task.savedSigmask = task.blocked;
    setBlocked(task, BigInt.asUintN(64, mask));
  }
  if (task.restart?.['deadline'] === undefined) task.restart = { ...task.restart, deadline };
  const r = epollWait(k, epfd | 0, events, max | 0, deadline);
  if (r !== BLOCKED && r !== -4 && task.savedSigmask !== null) {
    task.blocked = task.savedSigmask;
    task.savedSigmask = null;
  }
  return r;
}
function sysEpollPwait(k: Kernel, epfd: number, events: number, max: number, timeout: number, sigmask: number, size: number): number {
  const ms = timeout | 0;
  return waitMasked(k, epfd, events, max, ms < 0 ? null : ms * 1e6, sigmask, size);
}
function sysEpollPwait2(k: Kernel, epfd: number, events: number, max: number, timeout: number, sigmask: number, size: number): number {
  if (timeout === 0) return waitMasked(k, epfd, events, max, null, sigmask, size);
  const t = readTimespec(k, timeout);
  if (typeof t === 'number') return t;
  return waitMasked(k, epfd, events, max, deadlineOf(k, CLOCK_MONOTONIC, t, false) - k.time.now(), sigmask, size);
}

function sysSignalfd4(k: Kernel, fd: number, ptr: number, size: number, flags: number): number {
  if (size !== 8) return -EINVAL;
  const mask = getUserBig(k, ptr);
  return mask === null ? -EINVAL : signalfd4(k, fd | 0, BigInt.asUintN(64, mask), flags | 0);
}

function writeItimerspec(k: Kernel, ptr: number, t: ItimerValue): number {
  const bytes = new Uint8Array(32);
  const v = new DataView(bytes.buffer);
  putTimespec(v, 0, t.interval);
  putTimespec(v, 16, t.value);
  return copyToUser(k, ptr, bytes);
}
function sysTimerfdSettime(k: Kernel, fd: number, flags: number, next: number, old: number): number {
  const v = viewFromUser(k, next, 32);
  if (typeof v === 'number') return v;
  const interval = timespecIn(v, 0);
  const value = timespecIn(v, 16);
  if (typeof interval === 'number' || typeof value === 'number') return -EINVAL;
  const before = timerfdSettime(k, k.current.files.get(fd | 0), flags | 0, value, Math.min(nsOf(interval), 9e9 * NSEC_PER_SEC));
  if (typeof before === 'number') return before;
  return old !== 0 && writeItimerspec(k, old, before) < 0 ? -EFAULT : 0;
}
function sysTimerfdGettime(k: Kernel, fd: number, ptr: number): number {
  const t = timerfdGettime(k, k.current.files.get(fd | 0));
  return typeof t === 'number' ? t : writeItimerspec(k, ptr, t);
}

export const eventSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_eventfd2, name: 'eventfd2', handler: (k, count, flags) => eventfd2(k, count, flags | 0), support: 'full' },
  { nr: NR.NR_epoll_create1, name: 'epoll_create1', handler: (k, flags) => epollCreate1(k, flags | 0), support: 'full' },
  { nr: NR.NR_epoll_ctl, name: 'epoll_ctl', handler: sysEpollCtl, support: 'full' },
  { nr: NR.NR_epoll_pwait, name: 'epoll_pwait', handler: sysEpollPwait, support: 'partial', note: 'EPOLLEXCLUSIVE wakes all waiters' },
  { nr: NR.NR_epoll_pwait2, name: 'epoll_pwait2', handler: sysEpollPwait2, support: 'partial', note: 'EPOLLEXCLUSIVE wakes all waiters' },
  { nr: NR.NR_signalfd4, name: 'signalfd4', handler: sysSignalfd4, support: 'full' },
  {
    nr: NR.NR_timerfd_create,
    name: 'timerfd_create',
    handler: (k, clock, flags) => timerfdCreate(k, clock | 0, flags | 0),
    support: 'full',
  },
  {
    nr: NR.NR_timerfd_settime,
    name: 'timerfd_settime',
    handler: sysTimerfdSettime,
    support: 'partial',
    note: 'TFD_TIMER_CANCEL_ON_SET has no effect',
  },
  { nr: NR.NR_timerfd_gettime, name: 'timerfd_gettime', handler: sysTimerfdGettime, support: 'full' },
];
