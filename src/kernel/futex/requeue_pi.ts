import { EAGAIN, EFAULT, EINVAL, ERESTARTNOINTR, ETIMEDOUT } from '../../abi/errno.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { userPage } from '../mm/uaccess.ts';
import { signalPending } from '../signal.ts';
import { type FutexQ, futexKey, futexRestart, resumeWait, sleepOn, wakeOne } from './core.ts';
import { lockPiAtomic, waitForPi } from './pi.ts';

// Waiting on a plain futex until moved to a PI lock, for condition variables (kernel/futex/requeue.c; Documentation/locking/futex-requeue-pi.rst).

/** FUTEX_WAIT_REQUEUE_PI: returns with the lock at `uaddr2` held. */
export function futexWaitRequeuePi(
  k: Kernel,
  uaddr: number,
  shared: boolean,
  val: number,
  deadline: number,
  bitset: number,
  uaddr2: number,
): number {
  if (uaddr === uaddr2 || bitset === 0) return -EINVAL;
  const task = k.current;
  const again = futexRestart(task);
  // Once it waits for the lock, the wait on the first futex is over and cannot start again.
  if (again !== null) {
    const result = resumeWait(k, again, again.q?.pi != null ? -EAGAIN : -ERESTARTNOINTR);
    if (result !== null) return result;
  }
  const to = futexKey(k, uaddr2, shared);
  if (typeof to === 'number') return to;
  const key = futexKey(k, uaddr, shared);
  if (typeof key === 'number') return key;
  const pa = userPage(k, uaddr, Access.READ);
  if (pa === 0) return -EFAULT;
  if (k.ram.read32(pa) !== val) return -EAGAIN;
  if (key === to) return -EINVAL;
  if (deadline <= k.time.now()) return -ETIMEDOUT;
  if (signalPending(task)) return -ERESTARTNOINTR;
  const q: FutexQ = { task, key, bitset: bitset >>> 0, woken: false, pi: null, requeueTo: to };
  k.futexes.enqueue(q);
  return sleepOn(k, q, deadline);
}

/** Gives the lock at `key` to a waiter, or makes it wait for that. 0 or -errno. */
function moveWaiter(k: Kernel, q: FutexQ, key: string, uaddr: number, setWaiters: boolean): number {
  const state = lockPiAtomic(k, key, uaddr, q.task, setWaiters);
  if (typeof state === 'number') return state;
  if (state === 'taken') {
    wakeOne(k, q);
    return 0;
  }
  k.futexes.remove(q);
  const from = q.key;
  q.key = key;
  const r = waitForPi(k, q, state);
  if (r < 0) {
    q.key = from;
    k.futexes.enqueue(q);
  }
  return r;
}

/** FUTEX_CMP_REQUEUE_PI: the first waiter gets the lock if it is free; it and up to `requeue` more wait for it otherwise. How many that were. */
export function futexCmpRequeuePi(
  k: Kernel,
  uaddr: number,
  shared: boolean,
  uaddr2: number,
  wake: number,
  requeue: number,
  expected: number,
): number {
  if (wake < 0 || requeue < 0 || uaddr === uaddr2 || wake !== 1) return -EINVAL;
  const from = futexKey(k, uaddr, shared);
  if (typeof from === 'number') return from;
  const to = futexKey(k, uaddr2, shared);
  if (typeof to === 'number') return to;
  if (from === to) return -EINVAL;
  const pa = userPage(k, uaddr, Access.READ);
  if (pa === 0) return -EFAULT;
  if (k.ram.read32(pa) !== expected) return -EAGAIN;
  let count = 0;
  for (const q of [...k.futexes.waiters(from)]) {
    if (count - wake >= requeue) break;
    if (q.pi !== null || q.requeueTo !== to) return -EINVAL;
    const r = moveWaiter(k, q, to, uaddr2, requeue > 0);
    if (r < 0) return count > 0 ? count : r;
    count++;
  }
  return count;
}
