import { EAGAIN, EFAULT, EINVAL, ENOSYS, ERESTARTSYS, ETIMEDOUT } from '../../abi/errno.ts';
import { FUTEX_OP_ADD, FUTEX_OP_ANDN, FUTEX_OP_OPARG_SHIFT, FUTEX_OP_OR, FUTEX_OP_SET, FUTEX_OP_XOR } from '../../abi/futex.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, TASK_SIZE } from '../mm/address.ts';
import { VM_SHARED } from '../mm/mm_struct.ts';
import { userPage } from '../mm/uaccess.ts';
import { MAX_RT_PRIO, normalPrio, tryToWakeUp } from '../sched/core.ts';
import { TASK_INTERRUPTIBLE, type Task } from '../sched/task.ts';
import { BLOCKED } from '../sched/wait.ts';
import { signalPending } from '../signal.ts';
import { leavePi, type PiState } from './pi.ts';

// Fast user-space locking (kernel/futex/core.c, waitwake.c, requeue.c; futex(2)). A waiter is plain data in a table by key; the call that sleeps is made again after the
// wake-up (design rule 3) and finds in `task.restart` what it waits with.

/** One sleeping waiter (struct futex_q). */
export interface FutexQ {
  readonly task: Task;
  key: string;
  readonly bitset: number;
  /** A waker took it off: the wait is over. */
  woken: boolean;
  /** The PI lock that it waits for: the unlocker made it the owner when `woken`. */
  pi: PiState | null;
  /** FUTEX_WAIT_REQUEUE_PI: the key of the PI futex to which it waits to be moved. */
  readonly requeueTo: string | null;
}

/** All waiters by key: real-time tasks by priority, then the others, in order of arrival each (futex_q.list is a plist). */
export class FutexTable {
  private readonly buckets = new Map<string, FutexQ[]>();

  enqueue(q: FutexQ): void {
    const bucket = this.buckets.get(q.key);
    if (bucket === undefined) {
      this.buckets.set(q.key, [q]);
      return;
    }
    const rank = listRank(q.task);
    const after = bucket.findIndex((other) => listRank(other.task) > rank);
    if (after < 0) bucket.push(q);
    else bucket.splice(after, 0, q);
  }
  remove(q: FutexQ): void {
    const bucket = this.buckets.get(q.key);
    const i = bucket?.indexOf(q) ?? -1;
    if (bucket === undefined || i < 0) return;
    bucket.splice(i, 1);
    if (bucket.length === 0) this.buckets.delete(q.key);
  }
  waiters(key: string): readonly FutexQ[] {
    return this.buckets.get(key) ?? [];
  }
  /** What `task` waits with. */
  waitsOf(task: Task): FutexQ[] {
    return [...this.buckets.values()].flatMap((bucket) => bucket.filter((q) => q.task === task));
  }
  get size(): number {
    return this.buckets.size;
  }
}

/** Real-time tasks (and those with a deadline) before all others, which are equal. */
const listRank = (task: Task) => Math.min(normalPrio(task), MAX_RT_PRIO);
/** Takes a waiter off its futex (futex_unqueue); the owner of a PI lock is no longer what it was for it. */
export function unqueue(k: Kernel, q: FutexQ): void {
  k.futexes.remove(q);
  if (q.pi !== null) leavePi(k, q, q.pi);
}

/**
 * Names the futex at `uaddr` (get_futex_key). Process-private words go by address space and address; words in shared mappings by
 * the physical address, which all sharers have in common and which stays while the page cache holds the page.
 */
export function futexKey(k: Kernel, uaddr: number, shared: boolean): string | number {
  if (uaddr % 4 !== 0) return -EINVAL;
  const { mm } = k.current;
  if (mm === null || !(uaddr >= 0 && uaddr + 4 <= TASK_SIZE)) return -EFAULT;
  if (shared) {
    const pa = userPage(k, uaddr, Access.READ);
    if (pa === 0) return -EFAULT;
    const vma = mm.find(uaddr);
    if (vma !== undefined && (vma.flags & VM_SHARED) !== 0 && vma.mapping !== null) {
      // The page may go to swap and come back elsewhere: the file and the place in it are the word's name.
      if (vma.mapping.futexId === 0) vma.mapping.futexId = k.mm.nextFutexId++;
      return `map ${vma.mapping.futexId} ${vma.pgoff * PAGE_SIZE + (uaddr - vma.start)}`;
    }
  }
  return `mm ${mm.addr} ${uaddr}`;
}

/** Physical address of a futex word, faulted in for writing; 0 when it cannot be. */
export function wordForWrite(k: Kernel, uaddr: number): number {
  const pa = uaddr % 4 === 0 ? userPage(k, uaddr, Access.WRITE) : 0;
  if (pa !== 0) k.machine.invalidateCode(pa, 4);
  return pa;
}

/** What futex_wait keeps between its attempts. */
export interface FutexRestart {
  readonly q: FutexQ | null;
  /** Virtual ns, Infinity = none. */
  readonly deadline: number;
}
/** The restart record of a futex call that waits now, or null on the first attempt. */
export function futexRestart(task: Task): FutexRestart | null {
  return (task.restart?.['futex'] as FutexRestart | undefined) ?? null;
}

/** Puts the current task to sleep; `q` is in the table. */
export function sleepOn(k: Kernel, q: FutexQ, deadline: number): number {
  const task = k.current;
  task.restart = { futex: { q, deadline } };
  return sleepAgain(k, deadline);
}
function sleepAgain(k: Kernel, deadline: number): number {
  const task = k.current;
  task.timedOut = false;
  k.sched.scheduleTimeout(task, deadline);
  task.state = TASK_INTERRUPTIBLE;
  return BLOCKED;
}
/** The second and later attempts of a wait: a result, or null when the call starts over (a signal without a handler came). */
export function resumeWait(k: Kernel, again: FutexRestart, interrupted: number): number | null {
  const task = k.current;
  const { q, deadline } = again;
  if (q === null) return null;
  if (q.woken) return 0;
  if (deadline <= k.time.now()) {
    unqueue(k, q);
    return -ETIMEDOUT;
  }
  if (signalPending(task)) {
    unqueue(k, q);
    // The deadline of a relative wait survives a call that is made again without a handler.
    task.restart = { futex: { q: null, deadline } };
    return interrupted;
  }
  return sleepAgain(k, deadline);
}

/** FUTEX_WAIT, FUTEX_WAIT_BITSET. `deadline` in virtual ns of the first attempt. */
export function futexWait(k: Kernel, uaddr: number, shared: boolean, val: number, deadline: number, bitset: number): number {
  if (bitset === 0) return -EINVAL;
  const again = futexRestart(k.current);
  if (again !== null) {
    const result = resumeWait(k, again, -ERESTARTSYS);
    if (result !== null) return result;
  }
  const key = futexKey(k, uaddr, shared);
  if (typeof key === 'number') return key;
  const pa = userPage(k, uaddr, Access.READ);
  if (pa === 0) return -EFAULT;
  if (k.ram.read32(pa) !== val >>> 0) return -EAGAIN;
  const until = again?.deadline ?? deadline;
  if (until <= k.time.now()) return -ETIMEDOUT;
  if (signalPending(k.current)) return -ERESTARTSYS;
  const q: FutexQ = { task: k.current, key, bitset: bitset >>> 0, woken: false, pi: null, requeueTo: null };
  k.futexes.enqueue(q);
  return sleepOn(k, q, until);
}

/** One word of futex_waitv. */
export interface FutexVector {
  readonly uaddr: number;
  readonly val: number;
  readonly shared: boolean;
}
/** futex_waitv: waits on several words at once; the index of one that was woken, or -errno. */
export function futexWaitMultiple(k: Kernel, words: readonly FutexVector[], deadline: number): number {
  const task = k.current;
  const queued = task.restart?.['futexv'] as readonly FutexQ[] | undefined;
  if (queued !== undefined) {
    // The last one woken is reported, as Linux does (futex_unqueue_multiple).
    let woken = -1;
    queued.forEach((q, i) => {
      if (q.woken) woken = i;
    });
    const result = woken >= 0 ? woken : deadline <= k.time.now() ? -ETIMEDOUT : signalPending(task) ? -ERESTARTSYS : null;
    if (result === null) return sleepAgain(k, deadline);
    for (const q of queued) k.futexes.remove(q);
    task.restart = null;
    return result;
  }
  const list: FutexQ[] = [];
  for (const w of words) {
    const key = futexKey(k, w.uaddr, w.shared);
    if (typeof key === 'number') return key;
    list.push({ task, key, bitset: 0xffff_ffff, woken: false, pi: null, requeueTo: null });
  }
  for (const w of words) {
    const pa = userPage(k, w.uaddr, Access.READ);
    if (pa === 0) return -EFAULT;
    if (k.ram.read32(pa) !== w.val) return -EAGAIN;
  }
  if (deadline <= k.time.now()) return -ETIMEDOUT;
  if (signalPending(task)) return -ERESTARTSYS;
  for (const q of list) k.futexes.enqueue(q);
  task.restart = { futexv: list };
  return sleepAgain(k, deadline);
}

export function wakeOne(k: Kernel, q: FutexQ): void {
  k.futexes.remove(q);
  q.woken = true;
  tryToWakeUp(k, q.task);
}
function wakeKey(k: Kernel, key: string, count: number, bitset: number): number {
  let woken = 0;
  for (const q of [...k.futexes.waiters(key)]) {
    if (q.pi !== null || q.requeueTo !== null) return -EINVAL;
    if ((q.bitset & bitset) === 0) continue;
    wakeOne(k, q);
    if (++woken >= count) break;
  }
  return woken;
}
/** FUTEX_WAKE, FUTEX_WAKE_BITSET: wakes up to `count` waiters, at least one. */
export function futexWake(k: Kernel, uaddr: number, shared: boolean, count: number, bitset: number): number {
  if (bitset === 0) return -EINVAL;
  const key = futexKey(k, uaddr, shared);
  return typeof key === 'number' ? key : wakeKey(k, key, count, bitset);
}

/** The wake-up that a kernel write to a user word owes (clear_child_tid): any mapping of the word counts. */
export function futexWakeAddress(k: Kernel, uaddr: number, count: number): number {
  const woken = futexWake(k, uaddr, true, count, 0xffff_ffff);
  return Math.max(0, woken);
}

/** FUTEX_REQUEUE, FUTEX_CMP_REQUEUE (`expected` not null): wakes some, moves others to a second futex. */
export function futexRequeue(
  k: Kernel,
  uaddr: number,
  shared: boolean,
  uaddr2: number,
  wake: number,
  requeue: number,
  expected: number | null,
): number {
  if (wake < 0 || requeue < 0) return -EINVAL;
  const from = futexKey(k, uaddr, shared);
  if (typeof from === 'number') return from;
  const to = futexKey(k, uaddr2, shared);
  if (typeof to === 'number') return to;
  if (expected !== null) {
    const pa = userPage(k, uaddr, Access.READ);
    if (pa === 0) return -EFAULT;
    if (k.ram.read32(pa) !== expected >>> 0) return -EAGAIN;
  }
  let count = 0;
  for (const q of [...k.futexes.waiters(from)]) {
    if (count - wake >= requeue) break;
    if (q.pi !== null || q.requeueTo !== null) return -EINVAL;
    if (++count <= wake) {
      wakeOne(k, q);
    } else if (from !== to) {
      k.futexes.remove(q);
      q.key = to;
      k.futexes.enqueue(q);
    }
  }
  return count;
}

/** Does FUTEX_WAKE_OP's operation on the word at `pa`; true when its comparison holds of the old value, or -errno. */
function wakeOperation(k: Kernel, pa: number, encoded: number): boolean | number {
  const op = (encoded >>> 28) & 7;
  const cmp = (encoded >>> 24) & 15;
  let arg = (encoded << 8) >> 20;
  const cmpArg = (encoded << 20) >> 20;
  if (((encoded >>> 28) & FUTEX_OP_OPARG_SHIFT) !== 0) arg = 1 << (arg & 31);
  const old = k.ram.readS32(pa);
  let value: number;
  switch (op) {
    case FUTEX_OP_SET:
      value = arg;
      break;
    case FUTEX_OP_ADD:
      value = old + arg;
      break;
    case FUTEX_OP_OR:
      value = old | arg;
      break;
    case FUTEX_OP_ANDN:
      value = old & ~arg;
      break;
    case FUTEX_OP_XOR:
      value = old ^ arg;
      break;
    default:
      return -ENOSYS;
  }
  k.ram.write32(pa, value);
  switch (cmp) {
    case 0:
      return old === cmpArg;
    case 1:
      return old !== cmpArg;
    case 2:
      return old < cmpArg;
    case 3:
      return old <= cmpArg;
    case 4:
      return old > cmpArg;
    case 5:
      return old >= cmpArg;
    default:
      return -ENOSYS;
  }
}
export function futexWakeOp(
  k: Kernel,
  uaddr: number,
  shared: boolean,
  uaddr2: number,
  wake: number,
  wake2: number,
  encoded: number,
): number {
  const key = futexKey(k, uaddr, shared);
  if (typeof key === 'number') return key;
  const key2 = futexKey(k, uaddr2, shared);
  if (typeof key2 === 'number') return key2;
  const pa = wordForWrite(k, uaddr2);
  if (pa === 0) return -EFAULT;
  const holds = wakeOperation(k, pa, encoded);
  if (typeof holds === 'number') return holds;
  const woken = wakeKey(k, key, wake, 0xffff_ffff);
  if (woken < 0 || !holds) return woken;
  const more = wakeKey(k, key2, wake2, 0xffff_ffff);
  return more < 0 ? more : woken + more;
}
