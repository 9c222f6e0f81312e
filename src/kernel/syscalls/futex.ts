import { EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from '../../abi/errno.ts';
import * as F from '../../abi/futex.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { futexLockPi, futexRequeue, futexUnlockPi, futexWait, futexWake, futexWakeOp } from '../futex.ts';
import type { Kernel } from '../kernel.ts';
import { putUser64 } from '../mm/uaccess.ts';
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
    default:
      return -ENOSYS;
  }
}

function sysSetRobustList(k: Kernel, head: number, length: number): number {
  if (length !== F.ROBUST_LIST_HEAD_SIZE) return -EINVAL;
  k.current.robustList = head;
  return 0;
}
function sysGetRobustList(k: Kernel, pid: number, headPtr: number, lengthPtr: number): number {
  const task = (pid | 0) === 0 ? k.current : k.sched.tasks.get(pid | 0);
  if (task === undefined) return -ESRCH;
  // ptrace_may_access(PTRACE_MODE_READ_REALCREDS): the same user, or CAP_SYS_PTRACE.
  if (task.groupLeader !== k.current.groupLeader && task.cred.uid !== k.current.cred.uid && !k.current.capable(19)) return -EPERM;
  if (putUser64(k, lengthPtr, F.ROBUST_LIST_HEAD_SIZE) < 0 || putUser64(k, headPtr, task.robustList) < 0) return -EFAULT;
  return 0;
}

export const futexSyscalls: readonly SyscallRow[] = [
  {
    nr: NR.NR_futex,
    name: 'futex',
    handler: sysFutex,
    support: 'partial',
    note: 'PI locks do not raise the priority of their owner; FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI are missing',
  },
  { nr: NR.NR_set_robust_list, name: 'set_robust_list', handler: sysSetRobustList, support: 'full' },
  { nr: NR.NR_get_robust_list, name: 'get_robust_list', handler: sysGetRobustList, support: 'full' },
];
