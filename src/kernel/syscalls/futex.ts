import { EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from '../../abi/errno.ts';
import * as F from '../../abi/futex.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { futexRequeue, type FutexVector, futexWait, futexWaitMultiple, futexWake, futexWakeOp } from '../futex/core.ts';
import { futexLockPi, futexUnlockPi } from '../futex/pi.ts';
import { futexCmpRequeuePi, futexWaitRequeuePi } from '../futex/requeue_pi.ts';
import type { Kernel } from '../kernel.ts';
import { taskByVpid } from '../pid.ts';
import { putUser64, viewFromUser } from '../mm/uaccess.ts';
import { deadlineOf, readTimespec } from '../time/time.ts';
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from '../../abi/time.ts';
import type { SyscallRow } from './table.ts';

// futex(2), set_robust_list(2), get_robust_list(2).

const TIMED: readonly number[] = [F.FUTEX_WAIT, F.FUTEX_LOCK_PI, F.FUTEX_LOCK_PI2, F.FUTEX_WAIT_BITSET, F.FUTEX_WAIT_REQUEUE_PI];

function sysFutex(k: Kernel, uaddr: number, opArg: number, valArg: number, utime: number, uaddr2: number, val3: number): number {
  const op = opArg | 0;
  const cmd = op & F.FUTEX_CMD_MASK;
  const shared = (op & F.FUTEX_PRIVATE_FLAG) === 0;
  const realtime = (op & F.FUTEX_CLOCK_REALTIME) !== 0;
  const val = valArg >>> 0;
  // Calls without a timeout take a second number in its place.
  const val2 = utime | 0;
  let deadline = Number.POSITIVE_INFINITY;
  if (utime !== 0 && TIMED.includes(cmd)) {
    const t = readTimespec(k, utime);
    if (typeof t === 'number') return t;
    // FUTEX_LOCK_PI is the only one whose default clock is CLOCK_REALTIME.
    const clock = realtime || cmd === F.FUTEX_LOCK_PI ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    deadline = deadlineOf(k, clock, t, cmd !== F.FUTEX_WAIT);
  }
  if (realtime && cmd !== F.FUTEX_WAIT_BITSET && cmd !== F.FUTEX_WAIT_REQUEUE_PI && cmd !== F.FUTEX_LOCK_PI2) return -ENOSYS;
  switch (cmd) {
    case F.FUTEX_WAIT:
      return futexWait(k, uaddr, shared, val, deadline, F.FUTEX_BITSET_MATCH_ANY);
    case F.FUTEX_WAIT_BITSET:
      return futexWait(k, uaddr, shared, val, deadline, val3 >>> 0);
    case F.FUTEX_WAKE:
      return futexWake(k, uaddr, shared, val | 0, F.FUTEX_BITSET_MATCH_ANY);
    case F.FUTEX_WAKE_BITSET:
      return futexWake(k, uaddr, shared, val | 0, val3 >>> 0);
    case F.FUTEX_REQUEUE:
      return futexRequeue(k, uaddr, shared, uaddr2, val | 0, val2, null);
    case F.FUTEX_CMP_REQUEUE:
      return futexRequeue(k, uaddr, shared, uaddr2, val | 0, val2, val3 >>> 0);
    case F.FUTEX_WAKE_OP:
      return futexWakeOp(k, uaddr, shared, uaddr2, val | 0, val2, val3 | 0);
    case F.FUTEX_LOCK_PI:
    case F.FUTEX_LOCK_PI2:
      return futexLockPi(k, uaddr, shared, deadline, false);
    case F.FUTEX_TRYLOCK_PI:
      return futexLockPi(k, uaddr, shared, deadline, true);
    case F.FUTEX_UNLOCK_PI:
      return futexUnlockPi(k, uaddr, shared);
    case F.FUTEX_WAIT_REQUEUE_PI:
      return futexWaitRequeuePi(k, uaddr, shared, val, deadline, F.FUTEX_BITSET_MATCH_ANY, uaddr2);
    case F.FUTEX_CMP_REQUEUE_PI:
      return futexCmpRequeuePi(k, uaddr, shared, uaddr2, val | 0, val2, val3 >>> 0);
    default:
      return -ENOSYS;
  }
}

/** Flags of the futex2 calls: whether the word is shared, or -EINVAL. Only 32-bit words, no NUMA (futex_flags_valid). */
function sharedOf(flags: number): boolean | number {
  if ((flags & ~(F.FUTEX2_SIZE_MASK | F.FUTEX2_PRIVATE)) !== 0 || (flags & F.FUTEX2_SIZE_MASK) !== F.FUTEX2_SIZE_U32) return -EINVAL;
  return (flags & F.FUTEX2_PRIVATE) === 0;
}
function absoluteDeadline(k: Kernel, timeout: number, clock: number): number {
  if (timeout === 0) return Number.POSITIVE_INFINITY;
  if (clock !== CLOCK_MONOTONIC && clock !== CLOCK_REALTIME) return -EINVAL;
  const t = readTimespec(k, timeout);
  return typeof t === 'number' ? t : Math.max(0, deadlineOf(k, clock, t, true));
}
/** struct futex_waitv: value, address, flags, reserved. */
const WAITV_SIZE = 24;
function readWaitv(k: Kernel, ptr: number, count: number): FutexVector[] | number {
  const v = viewFromUser(k, ptr, count * WAITV_SIZE);
  if (typeof v === 'number') return v;
  const words: FutexVector[] = [];
  for (let at = 0; at < count * WAITV_SIZE; at += WAITV_SIZE) {
    const shared = sharedOf(v.getUint32(at + 16, true));
    const val = v.getBigUint64(at, true);
    if (typeof shared === 'number' || v.getUint32(at + 20, true) !== 0 || val >> 32n !== 0n) return -EINVAL;
    words.push({ uaddr: Number(v.getBigInt64(at + 8, true)), val: Number(val), shared });
  }
  return words;
}
function sysFutexWaitv(k: Kernel, ptr: number, count: number, flags: number, timeout: number, clock: number): number {
  if (flags >>> 0 !== 0 || count >>> 0 === 0 || count >>> 0 > F.FUTEX_WAITV_MAX || ptr === 0) return -EINVAL;
  const deadline = absoluteDeadline(k, timeout, clock | 0);
  if (deadline < 0) return deadline;
  const words = readWaitv(k, ptr, count >>> 0);
  return typeof words === 'number' ? words : futexWaitMultiple(k, words, deadline);
}
function sysFutexWait(k: Kernel, uaddr: number, val: number, mask: number, flags: number, timeout: number, clock: number): number {
  const shared = sharedOf(flags >>> 0);
  if (typeof shared === 'number' || val > 0xffff_ffff || val < 0 || mask > 0xffff_ffff || mask < 0) return -EINVAL;
  const deadline = absoluteDeadline(k, timeout, clock | 0);
  return deadline < 0 ? deadline : futexWait(k, uaddr, shared, val, deadline, mask);
}
function sysFutexWake(k: Kernel, uaddr: number, mask: number, count: number, flags: number): number {
  const shared = sharedOf(flags >>> 0);
  if (typeof shared === 'number' || mask > 0xffff_ffff || mask < 0) return -EINVAL;
  // Unlike FUTEX_WAKE it wakes none when told so.
  return (count | 0) === 0 ? 0 : futexWake(k, uaddr, shared, count | 0, mask);
}

function sysSetRobustList(k: Kernel, head: number, length: number): number {
  if (length !== F.ROBUST_LIST_HEAD_SIZE) return -EINVAL;
  k.current.robustList = head;
  return 0;
}
function sysGetRobustList(k: Kernel, pid: number, headPtr: number, lengthPtr: number): number {
  const task = taskByVpid(k, pid | 0);
  if (task === undefined) return -ESRCH;
  // ptrace_may_access(PTRACE_MODE_READ_REALCREDS): the same user, or CAP_SYS_PTRACE.
  if (task.groupLeader !== k.current.groupLeader && task.cred.uid !== k.current.cred.uid && !k.current.capable(19)) return -EPERM;
  if (putUser64(k, lengthPtr, F.ROBUST_LIST_HEAD_SIZE) < 0 || putUser64(k, headPtr, task.robustList) < 0) return -EFAULT;
  return 0;
}

export const futexSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_futex, name: 'futex', handler: sysFutex, support: 'full' },
  { nr: NR.NR_futex_waitv, name: 'futex_waitv', handler: sysFutexWaitv, support: 'full' },
  { nr: NR.NR_futex_wait, name: 'futex_wait', handler: sysFutexWait, support: 'full' },
  { nr: NR.NR_futex_wake, name: 'futex_wake', handler: sysFutexWake, support: 'full' },
  { nr: NR.NR_set_robust_list, name: 'set_robust_list', handler: sysSetRobustList, support: 'full' },
  { nr: NR.NR_get_robust_list, name: 'get_robust_list', handler: sysGetRobustList, support: 'full' },
];
