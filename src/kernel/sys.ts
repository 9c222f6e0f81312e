import { EINVAL, ENAMETOOLONG, EPERM } from '../abi/errno.ts';
import * as S from '../abi/sched.ts';
import { SECCOMP_MODE_FILTER, SECCOMP_MODE_STRICT, SECCOMP_SET_MODE_FILTER, SECCOMP_SET_MODE_STRICT } from '../abi/seccomp.ts';
import { NSIG } from '../abi/signal.ts';
import { SECBIT_KEEP_CAPS, SECBIT_KEEP_CAPS_LOCKED, SECBIT_NO_CAP_AMBIENT_RAISE, SECURE_ALL_LOCKS } from './cred.ts';
import type { Kernel } from './kernel.ts';
import { stringOf } from './lib/bytes.ts';
import { doSeccomp } from './seccomp.ts';
import { isRealTime } from './sched/core.ts';
import { nsCapable } from './nsproxy.ts';
import { copyFromUser, copyToUser, putUser32, putUser64, strncpyFromUser } from './mm/uaccess.ts';

// prctl(2) (kernel/sys.c).

const CAP_VALID = (n: number) => n >= 0 && n <= S.CAP_LAST_CAP;

export function prctl(k: Kernel, option: number, a2: number, a3: number, a4: number, a5: number): number {
  const task = k.current;
  switch (option) {
    case S.PR_SET_PDEATHSIG:
      if (!(a2 >= 0 && a2 <= NSIG)) return -EINVAL;
      task.pdeathSignal = a2;
      return 0;
    case S.PR_GET_PDEATHSIG:
      return putUser32(k, a2, task.pdeathSignal);
    case S.PR_GET_DUMPABLE:
      return task.dumpable ? 1 : 0;
    case S.PR_SET_DUMPABLE:
      if (a2 !== 0 && a2 !== 1) return -EINVAL;
      task.dumpable = a2 === 1;
      return 0;
    case S.PR_GET_KEEPCAPS:
      return (task.cred.securebits & SECBIT_KEEP_CAPS) !== 0 ? 1 : 0;
    case S.PR_SET_KEEPCAPS: {
      const { cred } = task;
      if (a2 !== 0 && a2 !== 1) return -EINVAL;
      if ((cred.securebits & SECBIT_KEEP_CAPS_LOCKED) !== 0) return -EPERM;
      task.cred = { ...cred, securebits: (cred.securebits & ~SECBIT_KEEP_CAPS) | (a2 === 1 ? SECBIT_KEEP_CAPS : 0) };
      return 0;
    }
    case S.PR_SET_NAME: {
      // Longer names are cut, so only a fault is an error.
      const name = strncpyFromUser(k, a2, 16);
      if (typeof name === 'number' && name !== -ENAMETOOLONG) return name;
      if (typeof name === 'string') task.comm = name;
      else {
        const bytes = copyFromUser(k, a2, 15);
        if (typeof bytes === 'number') return bytes;
        task.comm = stringOf(bytes);
      }
      return 0;
    }
    case S.PR_GET_NAME: {
      const bytes = new Uint8Array(16);
      for (let i = 0; i < Math.min(15, task.comm.length); i++) bytes[i] = task.comm.charCodeAt(i);
      return copyToUser(k, a2, bytes);
    }
    case S.PR_GET_SECCOMP:
      return task.seccomp?.mode ?? 0;
    case S.PR_CAPBSET_READ:
      return CAP_VALID(a2) ? Number((task.cred.capBounding >> BigInt(a2)) & 1n) : -EINVAL;
    case S.PR_CAPBSET_DROP:
      if (!nsCapable(task, task.cred.userNs, S.CAP_SETPCAP)) return -EPERM;
      if (!CAP_VALID(a2)) return -EINVAL;
      task.cred = { ...task.cred, capBounding: task.cred.capBounding & ~(1n << BigInt(a2)) };
      return 0;
    case S.PR_GET_SECUREBITS:
      return task.cred.securebits;
    case S.PR_SET_SECUREBITS:
      return setSecurebits(k, a2);
    case S.PR_SET_TIMERSLACK:
      if (!isRealTime(task)) task.timerSlackNs = a2 <= 0 ? task.defaultTimerSlackNs : a2;
      return 0;
    case S.PR_GET_TIMERSLACK:
      return isRealTime(task) ? 0 : task.timerSlackNs;
    case S.PR_SET_CHILD_SUBREAPER:
      task.signal.childSubreaper = a2 !== 0;
      return 0;
    case S.PR_GET_CHILD_SUBREAPER:
      return putUser32(k, a2, task.signal.childSubreaper ? 1 : 0);
    case S.PR_SET_NO_NEW_PRIVS:
      if (a2 !== 1 || a3 !== 0 || a4 !== 0 || a5 !== 0) return -EINVAL;
      task.noNewPrivs = true;
      return 0;
    case S.PR_GET_NO_NEW_PRIVS:
      if (a2 !== 0 || a3 !== 0 || a4 !== 0 || a5 !== 0) return -EINVAL;
      return task.noNewPrivs ? 1 : 0;
    case S.PR_GET_TID_ADDRESS:
      return putUser64(k, a2, task.clearChildTid);
    case S.PR_CAP_AMBIENT:
      return ambient(k, a2, a3, a4, a5);
    case S.PR_SET_SECCOMP:
      if (a2 === SECCOMP_MODE_STRICT) return doSeccomp(k, SECCOMP_SET_MODE_STRICT, 0, 0);
      return a2 === SECCOMP_MODE_FILTER ? doSeccomp(k, SECCOMP_SET_MODE_FILTER, 0, a3) : -EINVAL;
    default:
      return -EINVAL;
  }
}

/** PR_SET_SECUREBITS: locked bits stay, locks are not opened, and no bits are known beyond these (cap_task_prctl). */
function setSecurebits(k: Kernel, bits: number): number {
  const task = k.current;
  const { cred } = task;
  const old = cred.securebits;
  const locked = (old & SECURE_ALL_LOCKS) >> 1;
  if ((locked & (old ^ bits)) !== 0 || (old & SECURE_ALL_LOCKS & ~bits) !== 0) return -EPERM;
  if (!(bits >= 0 && bits <= 0xff) || !nsCapable(task, cred.userNs, S.CAP_SETPCAP)) return -EPERM;
  task.cred = { ...cred, securebits: bits };
  return 0;
}

function ambient(k: Kernel, what: number, cap: number, a4: number, a5: number): number {
  const task = k.current;
  const { cred } = task;
  if (a4 !== 0 || a5 !== 0) return -EINVAL;
  if (what === S.PR_CAP_AMBIENT_CLEAR_ALL) {
    if (cap !== 0) return -EINVAL;
    task.cred = { ...cred, capAmbient: 0n };
    return 0;
  }
  if (!CAP_VALID(cap)) return -EINVAL;
  const bit = 1n << BigInt(cap);
  switch (what) {
    case S.PR_CAP_AMBIENT_IS_SET:
      return (cred.capAmbient & bit) !== 0n ? 1 : 0;
    case S.PR_CAP_AMBIENT_RAISE:
      if ((cred.capPermitted & cred.capInheritable & bit) === 0n || (cred.securebits & SECBIT_NO_CAP_AMBIENT_RAISE) !== 0) return -EPERM;
      task.cred = { ...cred, capAmbient: cred.capAmbient | bit };
      return 0;
    case S.PR_CAP_AMBIENT_LOWER:
      task.cred = { ...cred, capAmbient: cred.capAmbient & ~bit };
      return 0;
    default:
      return -EINVAL;
  }
}
