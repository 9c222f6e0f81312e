import { EFAULT, EINVAL } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { NSEC_PER_SEC, NSEC_PER_USEC, TIMER_ABSTIME } from '../../abi/time.ts';
import type { Kernel } from '../kernel.ts';
import { copyToUser, putUser32, viewFromUser } from '../mm/uaccess.ts';
import {
  getItimer,
  type ItimerValue,
  type PosixTimer,
  setItimer,
  timerCreate,
  timerDelete,
  timerGettime,
  timerSettime,
} from '../time/posix_timers.ts';
import { nsOf, putTimespec, putTimeval, timespecIn, timevalIn } from '../time/time.ts';
import type { SyscallRow } from './table.ts';

// getitimer(2), timer_create(2) and their kin.

/** struct itimerval: interval, value. */
function writeItimerval(k: Kernel, ptr: number, t: ItimerValue): number {
  const bytes = new Uint8Array(32);
  const v = new DataView(bytes.buffer);
  putTimeval(v, 0, t.interval);
  putTimeval(v, 16, t.value);
  return copyToUser(k, ptr, bytes);
}
function sysGetitimer(k: Kernel, which: number, ptr: number): number {
  const t = getItimer(k, k.current.signal, which | 0);
  return typeof t === 'number' ? t : writeItimerval(k, ptr, t);
}
function sysSetitimer(k: Kernel, which: number, next: number, old: number): number {
  let value = 0;
  let interval = 0;
  // A null pointer disarms: an old habit that Linux still honours.
  if (next !== 0) {
    const v = viewFromUser(k, next, 32);
    if (typeof v === 'number') return v;
    const i = timevalIn(v, 0);
    const t = timevalIn(v, 16);
    if (i.sec < 0 || i.usec < 0 || i.usec >= 1e6 || t.sec < 0 || t.usec < 0 || t.usec >= 1e6) return -EINVAL;
    interval = i.sec * NSEC_PER_SEC + i.usec * NSEC_PER_USEC;
    value = t.sec * NSEC_PER_SEC + t.usec * NSEC_PER_USEC;
  }
  const before = setItimer(k, k.current.signal, which | 0, { value, interval });
  if (typeof before === 'number') return before;
  return old !== 0 && writeItimerval(k, old, before) < 0 ? -EFAULT : 0;
}

function find(k: Kernel, id: number): PosixTimer | null {
  return k.current.signal.timers.posix.get(id | 0) ?? null;
}
function sysTimerCreate(k: Kernel, clock: number, sevp: number, idPtr: number): number {
  const id = timerCreate(k, clock | 0, sevp);
  if (id < 0) return id;
  if (putUser32(k, idPtr, id) === 0) return 0;
  const t = find(k, id);
  if (t !== null) timerDelete(k, k.current.signal, t);
  return -EFAULT;
}
function writeItimerspec(k: Kernel, ptr: number, t: ItimerValue): number {
  const bytes = new Uint8Array(32);
  const v = new DataView(bytes.buffer);
  putTimespec(v, 0, t.interval);
  putTimespec(v, 16, t.value);
  return copyToUser(k, ptr, bytes);
}
function sysTimerSettime(k: Kernel, id: number, flags: number, next: number, old: number): number {
  if (next === 0) return -EINVAL;
  const v = viewFromUser(k, next, 32);
  if (typeof v === 'number') return v;
  const interval = timespecIn(v, 0);
  const value = timespecIn(v, 16);
  if (typeof interval === 'number' || typeof value === 'number') return -EINVAL;
  const t = find(k, id);
  if (t === null) return -EINVAL;
  const before = timerSettime(k, k.current.signal, t, (flags & TIMER_ABSTIME) !== 0, value, nsOf(interval));
  return old !== 0 && writeItimerspec(k, old, before) < 0 ? -EFAULT : 0;
}
function sysTimerGettime(k: Kernel, id: number, ptr: number): number {
  const t = find(k, id);
  return t === null ? -EINVAL : writeItimerspec(k, ptr, timerGettime(k, k.current.signal, t));
}
function sysTimerGetoverrun(k: Kernel, id: number): number {
  return find(k, id)?.overrun ?? -EINVAL;
}
function sysTimerDelete(k: Kernel, id: number): number {
  const t = find(k, id);
  if (t === null) return -EINVAL;
  timerDelete(k, k.current.signal, t);
  return 0;
}

export const timerSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_getitimer, name: 'getitimer', handler: sysGetitimer, support: 'full' },
  { nr: NR.NR_setitimer, name: 'setitimer', handler: sysSetitimer, support: 'full' },
  { nr: NR.NR_timer_create, name: 'timer_create', handler: sysTimerCreate, support: 'full' },
  {
    nr: NR.NR_timer_settime,
    name: 'timer_settime',
    handler: sysTimerSettime,
    support: 'partial',
    note: 'absolute CLOCK_REALTIME timers do not follow clock_settime',
  },
  { nr: NR.NR_timer_gettime, name: 'timer_gettime', handler: sysTimerGettime, support: 'full' },
  { nr: NR.NR_timer_getoverrun, name: 'timer_getoverrun', handler: sysTimerGetoverrun, support: 'full' },
  { nr: NR.NR_timer_delete, name: 'timer_delete', handler: sysTimerDelete, support: 'full' },
];
