import { ERESTARTSYS } from '../../abi/errno.ts';
import { type Fasync, killFasync } from '../fs/fasync.ts';
import type { File } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { signalPending, fatalSignalPending } from '../signal.ts';
import { TASK_INTERRUPTIBLE, TASK_KILLABLE, TASK_UNINTERRUPTIBLE, type Task } from './task.ts';
import { tryToWakeUp } from './core.ts';

/**
 * What a system call or exported function returns after it queued the current task: "not finished; do it again after the
 * wake-up" (design rule 3). Outside the range of errno values and of anything a call returns.
 */
export const BLOCKED = -0x4000_0000;
/** The same from an exported function that waits in place: the hart stays at the call and does nothing else meanwhile (a spinlock that another holds). */
export const SPINNING = BLOCKED - 1;

/** Linux's wait_queue_head for waits that no module can see: plain data, FIFO order. */
export class WaitQueueHead {
  readonly entries: WaitEntry[] = [];
  /** Wake-ups so far, with or without waiters: an edge for epoll. */
  wakes = 0;
  /** Files that want a signal when it is woken (O_ASYNC). */
  fasync: Fasync[] | null = null;
}

export interface WaitEntry {
  readonly task: Task;
  readonly queue: WaitQueueHead;
  /** Exclusive waiters are woken one at a time. */
  readonly exclusive: boolean;
  /** Waiter-chosen data that a waker can test (futex bitset, epoll item). */
  readonly key: number;
}

/** Adds a file's entry, or (null) takes it away. */
export function addFasyncQueue(queue: WaitQueueHead, file: File, entry: Fasync | null): void {
  const rest = (queue.fasync ?? []).filter((f) => f.file !== file);
  if (entry !== null) rest.push(entry);
  queue.fasync = rest.length > 0 ? rest : null;
}

/** Queues the current task on `queue` without changing its state. A task may be on several queues (poll). */
export function addWaitQueue(k: Kernel, queue: WaitQueueHead, exclusive = false, key = 0): void {
  const entry: WaitEntry = { task: k.current, queue, exclusive, key };
  queue.entries.push(entry);
  k.current.waitEntries.push(entry);
}

/** Takes `task` off every queue and cancels its timeout; the scheduler calls it when the task runs again. */
export function finishWait(task: Task): void {
  for (const entry of task.waitEntries) {
    const i = entry.queue.entries.indexOf(entry);
    if (i >= 0) entry.queue.entries.splice(i, 1);
  }
  task.waitEntries.length = 0;
}

/** Sleeps on `queue` until woken or signalled. The caller returns this value. */
export function waitInterruptible(k: Kernel, queue: WaitQueueHead | null, exclusive = false): number {
  if (signalPending(k.current)) return -ERESTARTSYS;
  if (queue !== null) addWaitQueue(k, queue, exclusive);
  k.current.state = TASK_INTERRUPTIBLE;
  return BLOCKED;
}

/** Sleeps until woken or killed. */
export function waitKillable(k: Kernel, queue: WaitQueueHead): number {
  if (fatalSignalPending(k.current)) return -ERESTARTSYS;
  addWaitQueue(k, queue);
  k.current.state = TASK_KILLABLE;
  return BLOCKED;
}

export function waitUninterruptible(k: Kernel, queue: WaitQueueHead): number {
  addWaitQueue(k, queue);
  k.current.state = TASK_UNINTERRUPTIBLE;
  return BLOCKED;
}

/** Wakes all non-exclusive waiters and up to `exclusive` exclusive ones (include/linux/wait.h, wake_up). Returns how many tasks. */
export function wakeUp(k: Kernel, queue: WaitQueueHead, exclusive = 1): number {
  queue.wakes++;
  if (queue.fasync !== null) killFasync(k, queue.fasync);
  let woken = 0;
  let budget = exclusive;
  for (const entry of [...queue.entries]) {
    if (entry.exclusive && budget <= 0) continue;
    if (tryToWakeUp(k, entry.task)) {
      woken++;
      if (entry.exclusive) budget--;
    }
  }
  return woken;
}

export function wakeUpAll(k: Kernel, queue: WaitQueueHead): number {
  return wakeUp(k, queue, Number.POSITIVE_INFINITY);
}
