import { EINTR } from '../../abi/errno.ts';
import { mutex as MUTEX } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load64, store32, store64 } from '../lib/guest_memory.ts';
import { initListHead } from '../lib/list.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { fatalSignalPending, signalPending } from '../signal.ts';
import { TASK_INTERRUPTIBLE, TASK_KILLABLE, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, wakeUp } from '../sched/wait.ts';

// Mutexes (kernel/locking/mutex.c): the owner's task_struct in the lock, flags in its low bits; waiters get it in order of their coming.

const MUTEX_FLAG_WAITERS = 1;
const MUTEX_FLAGS = 7;

const ownerOf = (owner: number) => owner - (owner & MUTEX_FLAGS);

/** Takes it when it is free. */
export function mutexTrylock(k: Kernel, lock: number): boolean {
  const owner = load64(k, lock + MUTEX.owner);
  if (ownerOf(owner) !== 0) return false;
  const waiters = k.locks.waiters(lock) === null ? 0 : MUTEX_FLAG_WAITERS;
  store64(k, lock + MUTEX.owner, k.current.va + waiters);
  return true;
}
/** 0, -EINTR or BLOCKED. */
export function mutexLock(k: Kernel, lock: number, state: number): number {
  if (mutexTrylock(k, lock)) return 0;
  const task = k.current;
  if (state === TASK_INTERRUPTIBLE && signalPending(task)) return -EINTR;
  if (state === TASK_KILLABLE && fatalSignalPending(task)) return -EINTR;
  if (task.exitState !== 0) return 0;
  const owner = load64(k, lock + MUTEX.owner);
  store64(k, lock + MUTEX.owner, owner - (owner & MUTEX_FLAG_WAITERS) + MUTEX_FLAG_WAITERS);
  addWaitQueue(k, k.locks.at(lock), true);
  task.state = state;
  return BLOCKED;
}
export function mutexUnlock(k: Kernel, lock: number): void {
  store64(k, lock + MUTEX.owner, 0);
  const waiters = k.locks.waiters(lock);
  if (waiters === null) return;
  wakeUp(k, waiters, 1);
}
export function mutexInit(k: Kernel, lock: number): void {
  store64(k, lock + MUTEX.owner, 0);
  store32(k, lock + MUTEX.wait_lock, 0);
  store32(k, lock + MUTEX.osq, 0);
  initListHead(k, lock + MUTEX.wait_list);
}
/** atomic_dec_and_mutex_lock(counter, lock). */
const lockVoid = (k: Kernel, lock: number) => (mutexLock(k, lock, TASK_UNINTERRUPTIBLE) === BLOCKED ? BLOCKED : undefined);

export const mutexExports: readonly FunctionExport[] = [
  fn('__mutex_init', mutexInit),
  fn('mutex_is_locked', (k, lock) => (ownerOf(load64(k, lock + MUTEX.owner)) !== 0 ? 1 : 0)),
  fn('mutex_lock', lockVoid),
  fn('mutex_lock_io', lockVoid),
  fn('mutex_lock_interruptible', (k, lock) => mutexLock(k, lock, TASK_INTERRUPTIBLE)),
  fn('mutex_lock_killable', (k, lock) => mutexLock(k, lock, TASK_KILLABLE)),
  fn('mutex_trylock', (k, lock) => (mutexTrylock(k, lock) ? 1 : 0)),
  fn('mutex_unlock', mutexUnlock),
  fn('atomic_dec_and_mutex_lock', (k, counter, lock) => {
    const n = load64(k, counter) & 0xffff_ffff;
    if ((n | 0) !== 1) {
      store32(k, counter, n - 1);
      return 0;
    }
    const r = mutexLock(k, lock, TASK_UNINTERRUPTIBLE);
    if (r === BLOCKED) return BLOCKED;
    const left = ((load64(k, counter) & 0xffff_ffff) | 0) - 1;
    store32(k, counter, left);
    if (left === 0) return 1;
    mutexUnlock(k, lock);
    return 0;
  }),
  // struct rt_mutex_base: wait_lock 0, waiters 8 (rb_root_cached), owner 24.
  fn('rt_mutex_base_init', (k, lock) => {
    store32(k, lock, 0);
    for (const at of [8, 16, RT_OWNER]) store64(k, lock + at, 0);
  }),
  fn('rt_mutex_lock', (k, lock) => (rtLock(k, lock, TASK_UNINTERRUPTIBLE) === BLOCKED ? BLOCKED : undefined)),
  fn('rt_mutex_lock_interruptible', (k, lock) => rtLock(k, lock, TASK_INTERRUPTIBLE)),
  fn('rt_mutex_lock_killable', (k, lock) => rtLock(k, lock, TASK_KILLABLE)),
  fn('rt_mutex_trylock', (k, lock) => (load64(k, lock + RT_OWNER) === 0 ? rtTake(k, lock) : 0)),
  fn('rt_mutex_unlock', (k, lock) => {
    store64(k, lock + RT_OWNER, 0);
    const waiters = k.locks.waiters(lock);
    if (waiters !== null) wakeUp(k, waiters, 1);
  }),
];
const RT_OWNER = 24;
function rtTake(k: Kernel, lock: number): number {
  store64(k, lock + RT_OWNER, k.current.va);
  return 1;
}
function rtLock(k: Kernel, lock: number, state: number): number {
  if (load64(k, lock + RT_OWNER) === 0) {
    rtTake(k, lock);
    return 0;
  }
  if (state === TASK_INTERRUPTIBLE && signalPending(k.current)) return -EINTR;
  if (state === TASK_KILLABLE && fatalSignalPending(k.current)) return -EINTR;
  addWaitQueue(k, k.locks.at(lock), true);
  k.current.state = state;
  return BLOCKED;
}
