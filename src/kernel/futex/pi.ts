import { EAGAIN, EDEADLK, EFAULT, EINVAL, EPERM, ERESTARTNOINTR, ESRCH, ETIMEDOUT } from '../../abi/errno.ts';
import { FUTEX_BITSET_MATCH_ANY, FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from '../../abi/futex.ts';
import type { Kernel } from '../kernel.ts';
import { findTaskByVpid } from '../pid.ts';
import { pidNrNs } from '../pid_namespace.ts';
import { DEFAULT_PRIO, effectivePrio, MAX_RT_PRIO, publishPriority } from '../sched/core.ts';
import type { Task } from '../sched/task.ts';
import { signalPending } from '../signal.ts';
import { type FutexQ, futexKey, futexRestart, resumeWait, sleepOn, wakeOne, wordForWrite } from './core.ts';

// Futexes with priority inheritance (kernel/futex/pi.c, kernel/locking/rtmutex.c; futex(2), "Priority-inheritance futexes"). The word holds the
// owner's tid; while somebody waits, the kernel knows the owner and lends it the priority of the best waiter, along the chain of locks that
// owners themselves wait for.

/** A PI futex that has waiters (struct futex_pi_state and its rt_mutex). */
export class PiState {
  readonly key: string;
  /** Where the word is: an address in the process that all of them share, or a frame. */
  readonly word: { readonly uaddr: number; readonly pa: number };
  owner: Task;
  constructor(key: string, word: { readonly uaddr: number; readonly pa: number }, owner: Task) {
    this.key = key;
    this.word = word;
    this.owner = owner;
  }
}

/** Owners that wait for locks themselves, one after the other: /proc/sys/kernel/max_lock_depth. */
const MAX_LOCK_DEPTH = 1024;

const piWaiters = (k: Kernel, state: PiState) => k.futexes.waiters(state.key).filter((q) => q.pi === state);
/** Tasks that are not real-time ones are equal as waiters (__waiter_prio). */
function waiterPrio(task: Task): number {
  const prio = effectivePrio(task);
  return prio < MAX_RT_PRIO ? prio : DEFAULT_PRIO;
}
function topWaiter(k: Kernel, state: PiState): FutexQ | undefined {
  let top: FutexQ | undefined;
  for (const q of piWaiters(k, state)) if (top === undefined || waiterPrio(q.task) < waiterPrio(top.task)) top = q;
  return top;
}

/** Lends `owner` what its waiters have now; a change goes on to the owner of what it waits for (rt_mutex_adjust_prio_chain). */
export function adjustPrio(k: Kernel, owner: Task): void {
  let lent = Number.POSITIVE_INFINITY;
  for (const state of owner.piOwned) for (const q of piWaiters(k, state)) lent = Math.min(lent, effectivePrio(q.task));
  if (lent === owner.piPrio) return;
  owner.piPrio = lent;
  publishPriority(k, owner);
  adjustPi(k, owner);
}
/** The priority of `task` has changed: what it lends changes with it (rt_mutex_adjust_pi). A new nice value alone is not passed on. */
export function adjustPi(k: Kernel, task: Task): void {
  if (task.piBlockedOn !== null) adjustPrio(k, task.piBlockedOn.owner);
}

/** `q` waits for the lock of `state` from now on. */
function joinPi(k: Kernel, q: FutexQ, state: PiState): void {
  q.pi = state;
  q.task.piBlockedOn = state;
  state.owner.piOwned.add(state);
  k.futexes.enqueue(q);
  adjustPrio(k, state.owner);
}
/** It waits no more, and has been taken off the table. */
export function leavePi(k: Kernel, q: FutexQ, state: PiState): void {
  q.task.piBlockedOn = null;
  if (piWaiters(k, state).length === 0) state.owner.piOwned.delete(state);
  adjustPrio(k, state.owner);
}

/** Would `task` wait for itself, if it waited for `owner`? Chains that are too long count as such. */
function deadlocks(task: Task, owner: Task): boolean {
  let at: Task | undefined = owner;
  for (let depth = 0; at !== undefined; depth++) {
    if (at === task || depth > MAX_LOCK_DEPTH) return true;
    at = at.piBlockedOn?.owner;
  }
  return false;
}

/** Who holds the word's lock, for a `task` that wants it: `taken` when that is now itself, or -errno (futex_lock_pi_atomic). */
export function lockPiAtomic(k: Kernel, key: string, uaddr: number, task: Task, setWaiters: boolean): PiState | 'taken' | number {
  const pa = wordForWrite(k, uaddr);
  if (pa === 0) return -EFAULT;
  const word = k.ram.read32(pa);
  const tid = word & FUTEX_TID_MASK;
  const own = pidNrNs(task.pid, task.pidNs);
  if (tid === own) return -EDEADLK;
  const first = k.futexes.waiters(key)[0];
  if (first !== undefined) {
    // The word must say what the kernel knows, or user space has changed it.
    return first.pi === null || pidNrNs(first.pi.owner.pid, k.current.pidNs) !== tid ? -EINVAL : first.pi;
  }
  if (tid === 0) {
    k.ram.write32(pa, own | (word & FUTEX_OWNER_DIED) | (setWaiters ? FUTEX_WAITERS : 0));
    return 'taken';
  }
  k.ram.write32(pa, word | FUTEX_WAITERS);
  const owner = findTaskByVpid(k, tid);
  if (owner === undefined || owner.exitState !== 0) return -ESRCH;
  if (owner.isKernelThread) return -EPERM;
  return new PiState(key, { uaddr, pa: key.startsWith('pa ') ? pa : 0 }, owner);
}

/** Makes `q` (of a task that sleeps or is about to) a waiter of `state`. 0 or -EDEADLK. */
export function waitForPi(k: Kernel, q: FutexQ, state: PiState): number {
  if (deadlocks(q.task, state.owner)) return -EDEADLK;
  joinPi(k, q, state);
  return 0;
}

/** FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI. */
export function futexLockPi(k: Kernel, uaddr: number, shared: boolean, deadline: number, tryOnly: boolean): number {
  const task = k.current;
  const again = futexRestart(task);
  if (again !== null) {
    const result = resumeWait(k, again, -ERESTARTNOINTR);
    if (result !== null) return result;
  }
  const key = futexKey(k, uaddr, shared);
  if (typeof key === 'number') return key;
  const state = lockPiAtomic(k, key, uaddr, task, false);
  if (state === 'taken') return 0;
  if (typeof state === 'number') return state;
  if (tryOnly) return -EAGAIN;
  if (deadlocks(task, state.owner)) return -EDEADLK;
  if (deadline <= k.time.now()) return -ETIMEDOUT;
  if (signalPending(task)) return -ERESTARTNOINTR;
  const q: FutexQ = { task, key, bitset: FUTEX_BITSET_MATCH_ANY, woken: false, pi: state, requeueTo: null };
  joinPi(k, q, state);
  return sleepOn(k, q, deadline);
}

/** Hands the lock to the best waiter: in the word, which keeps FUTEX_WAITERS while the kernel may know the lock, and as owner. */
function passOn(k: Kernel, state: PiState, top: FutexQ, died: number): void {
  const old = state.owner;
  const pa = state.word.pa !== 0 ? state.word.pa : wordForWrite(k, state.word.uaddr);
  if (pa !== 0) k.ram.write32(pa, pidNrNs(top.task.pid, top.task.pidNs) | FUTEX_WAITERS | died);
  old.piOwned.delete(state);
  state.owner = top.task;
  top.task.piBlockedOn = null;
  wakeOne(k, top);
  if (piWaiters(k, state).length > 0) top.task.piOwned.add(state);
  adjustPrio(k, old);
  adjustPrio(k, top.task);
  if (top.task.schedRank > k.current.schedRank) k.current.needResched = true;
}

/** FUTEX_UNLOCK_PI. */
export function futexUnlockPi(k: Kernel, uaddr: number, shared: boolean): number {
  const key = futexKey(k, uaddr, shared);
  if (typeof key === 'number') return key;
  const pa = wordForWrite(k, uaddr);
  if (pa === 0) return -EFAULT;
  if ((k.ram.read32(pa) & FUTEX_TID_MASK) !== pidNrNs(k.current.pid, k.current.pidNs)) return -EPERM;
  const first = k.futexes.waiters(key)[0];
  if (first === undefined) {
    k.ram.write32(pa, 0);
    return 0;
  }
  const state = first.pi;
  if (state === null || state.owner !== k.current) return -EINVAL;
  const top = topWaiter(k, state);
  if (top !== undefined) passOn(k, state, top, 0);
  return 0;
}

/** The owner ends with locks that others wait for: they get them, marked (exit_pi_state_list). */
export function exitPiStates(k: Kernel, task: Task): void {
  for (const state of [...task.piOwned]) {
    const top = topWaiter(k, state);
    if (top !== undefined) passOn(k, state, top, FUTEX_OWNER_DIED);
  }
  task.piOwned.clear();
}
