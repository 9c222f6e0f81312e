import { ENOMEM } from '../abi/errno.ts';
import { GFP_KERNEL, GFP_ZERO } from '../abi/gfp.ts';
import { kthread_delayed_work as DWORK, kthread_work as WORK, kthread_worker as WORKER, timer_list as TIMER } from '../abi/layout/structs.ts';
import type { Kernel } from './kernel.ts';
import { load32, load64, loadString, store32, store64, storeBytes } from './lib/guest_memory.ts';
import { initListHead, listAddTail, listDel, listEmpty, listInsert } from './lib/list.ts';
import { callArguments } from './lib/va_list.ts';
import { vsnprintf } from './lib/vsprintf.ts';
import { kthreadStop, kernelThread } from './kthread.ts';
import { kfree, kmalloc } from './mm/slab_exports.ts';
import { askGuest } from './module/call.ts';
import { type FunctionExport, fn, internal } from './module/export.ts';
import { symbolAddress } from './module/stubs.ts';
import { tryToWakeUp } from './sched/core.ts';
import { TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE } from './sched/task.ts';
import { addWaitQueue, BLOCKED, wakeUpAll } from './sched/wait.ts';
import { modTimer, timerDelete } from './time/timer.ts';

// Workers (kernel/kthread.c): a kernel thread that takes work off a list in guest memory, one piece after the other. Waiting for a piece of work is a piece
// of work behind it.

const linkOf = (work: number) => work + WORK.node;
const workerOf = (k: Kernel, work: number) => load64(k, work + WORK.worker);
const isQueued = (k: Kernel, work: number) => !listEmpty(k, linkOf(work));
const isCanceling = (k: Kernel, work: number) => (load32(k, work + WORK.canceling) | 0) > 0;

function initWorker(k: Kernel, worker: number): void {
  storeBytes(k, worker, new Uint8Array(WORKER.sizeof));
  initListHead(k, worker + WORKER.work_list);
  initListHead(k, worker + WORKER.delayed_work_list);
}
function wakeWorker(k: Kernel, worker: number): void {
  const task = k.sched.byAddress(load64(k, worker + WORKER.task));
  if (task !== null && load64(k, worker + WORKER.current_work) === 0) tryToWakeUp(k, task);
}
/** kthread_insert_work in front of `before`. */
function insert(k: Kernel, worker: number, work: number, before: number): void {
  listInsert(k, linkOf(work), load64(k, before + 8), before);
  store64(k, work + WORK.worker, worker);
  wakeWorker(k, worker);
}
function queue(k: Kernel, worker: number, work: number): boolean {
  if (isQueued(k, work) || isCanceling(k, work)) return false;
  insert(k, worker, work, worker + WORKER.work_list);
  return true;
}
/** kthread_worker_fn: the body of a worker's thread. */
function workerFn(k: Kernel, worker: number): number {
  const task = k.current;
  if (task.restart === null) store64(k, worker + WORKER.task, task.va);
  for (;;) {
    const work = task.restart?.['work'] as number | undefined;
    if (work !== undefined) {
      if (askGuest(k, task.restart?.['func'] as number, work) === null) return BLOCKED;
      store64(k, worker + WORKER.current_work, 0);
      task.restart = { idle: true };
      continue;
    }
    if (task.faulted) return 0;
    if (task.kthread?.shouldStop === true) {
      store64(k, worker + WORKER.task, 0);
      return 0;
    }
    const list = worker + WORKER.work_list;
    const link = load64(k, list);
    if (link === list) {
      task.restart = { idle: true };
      addWaitQueue(k, k.locks.at(worker));
      task.state = TASK_INTERRUPTIBLE;
      return BLOCKED;
    }
    const next = link - WORK.node;
    listDel(k, link);
    store64(k, worker + WORKER.current_work, next);
    task.restart = { work: next, func: load64(k, next + WORK.func) };
  }
}
function create(k: Kernel, name: string): number {
  const worker = kmalloc(k, WORKER.sizeof, GFP_KERNEL);
  if (worker === 0) return -ENOMEM;
  initWorker(k, worker);
  const task = kernelThread(k, name, 'kthread', symbolAddress(k, 'kthread_worker_fn'), worker);
  if (typeof task === 'number') {
    kfree(k, worker);
    return -ENOMEM;
  }
  store64(k, worker + WORKER.task, task.va);
  tryToWakeUp(k, task);
  return worker;
}
/** Waits until a piece of work that `place` puts in has been reached: BLOCKED until then. */
function flush(k: Kernel, place: (marker: number) => boolean): number | undefined {
  const task = k.current;
  let marker = task.restart?.['marker'] as number | undefined;
  if (marker === undefined) {
    marker = kmalloc(k, WORK.sizeof, GFP_KERNEL | GFP_ZERO);
    if (marker === 0) return undefined;
    initListHead(k, linkOf(marker));
    store64(k, marker + WORK.func, symbolAddress(k, 'kthread_flush_work_fn'));
    if (!place(marker)) {
      kfree(k, marker);
      return undefined;
    }
    task.restart = { ...task.restart, marker };
  } else if (load32(k, marker + WORK.canceling) !== 0) {
    kfree(k, marker);
    const { marker: _done, ...rest } = task.restart ?? {};
    task.restart = { ...rest, flushed: true };
    return undefined;
  }
  addWaitQueue(k, k.locks.at(marker));
  task.state = TASK_UNINTERRUPTIBLE;
  return BLOCKED;
}
/** kthread_flush_work: behind the work, or in front of everything when it runs now. */
function flushWork(k: Kernel, work: number): number | undefined {
  return flush(k, (marker) => {
    const worker = workerOf(k, work);
    if (worker === 0) return false;
    if (isQueued(k, work)) insert(k, worker, marker, load64(k, linkOf(work)));
    else if (load64(k, worker + WORKER.current_work) === work) insert(k, worker, marker, load64(k, worker + WORKER.work_list));
    else return false;
    return true;
  });
}
function flushWorker(k: Kernel, worker: number): number | undefined {
  return flush(k, (marker) => queue(k, worker, marker));
}
/** kthread_cancel_work_sync: 1 when it was waiting; a running one is waited for. */
function cancelSync(k: Kernel, work: number, delayed: boolean): number {
  const task = k.current;
  if (task.restart === null) {
    const worker = workerOf(k, work);
    if (worker === 0) return 0;
    if (delayed) timerDelete(k, work + DWORK.timer);
    const was = isQueued(k, work);
    if (was) listDel(k, linkOf(work));
    if (load64(k, worker + WORKER.current_work) !== work) return was ? 1 : 0;
    store32(k, work + WORK.canceling, load32(k, work + WORK.canceling) + 1);
    task.restart = { was };
  }
  if (flushWork(k, work) === BLOCKED) return BLOCKED;
  store32(k, work + WORK.canceling, load32(k, work + WORK.canceling) - 1);
  return task.restart?.['was'] === true ? 1 : 0;
}
function queueDelayed(k: Kernel, worker: number, work: number, delay: number): number {
  if (isQueued(k, work) || isCanceling(k, work)) return 0;
  startDelay(k, worker, work, delay);
  return 1;
}
function startDelay(k: Kernel, worker: number, work: number, delay: number): void {
  if (delay === 0) {
    insert(k, worker, work, worker + WORKER.work_list);
    return;
  }
  store64(k, work + WORK.worker, worker);
  listAddTail(k, linkOf(work), worker + WORKER.delayed_work_list);
  store64(k, work + DWORK.timer + TIMER.expires, k.time.jiffies + delay);
  modTimer(k, work + DWORK.timer, k.time.jiffies + delay);
}

export const kthreadWorkerExports: readonly FunctionExport[] = [
  fn('__kthread_init_worker', (k, worker) => initWorker(k, worker)),
  fn('kthread_worker_fn', workerFn),
  // kthread_create_worker(flags, fmt, ...)
  fn('kthread_create_worker', (k, _flags, fmt) => create(k, vsnprintf(k, loadString(k, fmt, 256), callArguments(k, 2)))),
  fn('kthread_queue_work', (k, worker, work) => (queue(k, worker, work) ? 1 : 0)),
  fn('kthread_queue_delayed_work', queueDelayed),
  fn('kthread_mod_delayed_work', (k, worker, work, delay) => {
    if (workerOf(k, work) === 0) {
      startDelay(k, worker, work, delay);
      return 0;
    }
    timerDelete(k, work + DWORK.timer);
    const was = isQueued(k, work);
    if (was) listDel(k, linkOf(work));
    if (isCanceling(k, work)) return was ? 1 : 0;
    startDelay(k, worker, work, delay);
    return was ? 1 : 0;
  }),
  fn('kthread_delayed_work_timer_fn', (k, timer) => {
    const work = timer - DWORK.timer;
    const worker = workerOf(k, work);
    if (worker === 0) return;
    if (isQueued(k, work)) listDel(k, linkOf(work));
    if (!isCanceling(k, work)) insert(k, worker, work, worker + WORKER.work_list);
  }),
  fn('kthread_flush_work', flushWork),
  fn('kthread_flush_worker', flushWorker),
  fn('kthread_cancel_work_sync', (k, work) => cancelSync(k, work, false)),
  fn('kthread_cancel_delayed_work_sync', (k, work) => cancelSync(k, work, true)),
  fn('kthread_destroy_worker', (k, worker) => {
    const task = load64(k, worker + WORKER.task);
    if (task === 0 && k.current.restart === null) return undefined;
    if (k.current.restart?.['flushed'] !== true && flushWorker(k, worker) === BLOCKED) return BLOCKED;
    const thread = (k.current.restart?.['thread'] as number | undefined) ?? task;
    k.current.restart = { ...k.current.restart, flushed: true, thread };
    if (kthreadStop(k, thread) === BLOCKED) return BLOCKED;
    kfree(k, worker);
    return undefined;
  }),
  internal('kthread_flush_work_fn', (k, marker) => {
    store32(k, marker + WORK.canceling, 1);
    const waiting = k.locks.waiters(marker);
    if (waiting !== null) wakeUpAll(k, waiting);
    return 0;
  }),
];
