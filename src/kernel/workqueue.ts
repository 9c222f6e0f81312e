import { delayed_work as DWORK, work_struct as WORK } from '../abi/layout/structs.ts';
import { interruptKind, raise } from './irq/interrupt.ts';
import type { Kernel } from './kernel.ts';
import { kernelThread } from './kthread.ts';
import { load32, load64, loadString, store32, store64 } from './lib/guest_memory.ts';
import { callArguments } from './lib/va_list.ts';
import { vsnprintf } from './lib/vsprintf.ts';
import { physToVirt } from './mm/address.ts';
import { writeKernel64 } from './mm/maccess.ts';
import { callGuest } from './module/call.ts';
import { type DataExport, type FunctionExport, fn, partial } from './module/export.ts';
import { imageObject } from './module/stubs.ts';
import { TASK_UNINTERRUPTIBLE, type Task } from './sched/task.ts';
import { addWaitQueue, BLOCKED, WaitQueueHead, wakeUp, wakeUpAll } from './sched/wait.ts';
import { wakeUpState } from './sched/core.ts';
import { modTimer, timerDelete } from './time/timer.ts';
import type { PendingWork, Worker, WorkerPool, Workqueue } from './workqueue_state.ts';

// Workqueues (kernel/workqueue.c): works of modules run on kernel threads kworker/CPU:N and kworker/uN:N, one at a time on each CPU as long as none of them
// sleeps; a sleeping worker is stood in for by another. Bit 0 of work->data, which modules test inline, says "pending".

const WORK_PENDING = 1;
const WQ_UNBOUND = 2;
const WQ_HIGHPRI = 0x10;
const WQ_BH = 1;
const WQ_ORDERED = 0x2_0000;
const WQ_DFL_ACTIVE = 256;
const WORK_BUSY_PENDING = 1;
const WORK_BUSY_RUNNING = 2;
/** enum wq_misc_consts, WORK_CPU_UNBOUND: any CPU. */
const WORK_CPU_UNBOUND = 128;
const TASK_IDLE = TASK_UNINTERRUPTIBLE | 0x400;

function poolFor(k: Kernel, wq: Workqueue, cpu: number): WorkerPool {
  const high = (wq.flags & WQ_HIGHPRI) !== 0;
  const where = (wq.flags & WQ_UNBOUND) !== 0 ? -1 : cpu;
  const key = `${where}${high ? 'H' : ''}`;
  let pool = k.workqueues.pools.get(key);
  if (pool === undefined) {
    pool = { cpu: where, high, queue: [], workers: [], made: 0 };
    k.workqueues.pools.set(key, pool);
  }
  return pool;
}
function setPending(k: Kernel, work: number, on: boolean): void {
  const data = load64(k, work + WORK.data);
  const low = load32(k, work + WORK.data);
  if (((low & WORK_PENDING) !== 0) !== on) store64(k, work + WORK.data, on ? data + WORK_PENDING : data - WORK_PENDING);
}
const isPending = (k: Kernel, work: number) => (load32(k, work + WORK.data) & WORK_PENDING) !== 0;

/** A worker of a pool that has nothing to do, made when there is none. */
function idleWorker(k: Kernel, pool: WorkerPool): Worker | null {
  const idle = pool.workers.find((w) => w.current === null);
  if (idle !== undefined) return idle;
  const n = pool.made++;
  const name = pool.cpu < 0 ? `kworker/u${k.cpus * 2}:${n}` : `kworker/${pool.cpu}:${n}${pool.high ? 'H' : ''}`;
  const task = kernelThread(k, name, 'worker_thread');
  if (typeof task === 'number') return null;
  if (pool.cpu >= 0) task.affinity = 1 << pool.cpu;
  const worker: Worker = { task, pool, idle: new WaitQueueHead(), current: null };
  pool.workers.push(worker);
  k.workqueues.workers.set(task, worker);
  wakeUpState(k, task, TASK_UNINTERRUPTIBLE);
  return worker;
}
/** Is one of the pool's workers running, or about to? Then it will come to what is queued. */
function busy(pool: WorkerPool): boolean {
  return pool.workers.some((w) => w.task.state === 0 && (w.current !== null || w.idle.entries.length === 0));
}
function kick(k: Kernel, pool: WorkerPool): void {
  if (pool.queue.length === 0 || (pool.cpu >= 0 && busy(pool))) return;
  const worker = idleWorker(k, pool);
  if (worker !== null) wakeUp(k, worker.idle);
}
/** Called when a worker is about to sleep in its work (wq_worker_sleeping). */
export function workerSleeps(k: Kernel, task: Task): void {
  const worker = k.workqueues.workers.get(task);
  if (worker !== undefined && worker.current !== null) kick(k, worker.pool);
}

function insert(k: Kernel, p: PendingWork): void {
  const { wq } = p;
  if (wq.active >= wq.maxActive) {
    wq.inactive.push(p);
    return;
  }
  wq.active++;
  if ((wq.flags & WQ_BH) !== 0) {
    raise(k, p.cpu, 'soft', 'bh_work', { work: p.work, wq: wq.addr });
    return;
  }
  const pool = poolFor(k, wq, p.cpu);
  pool.queue.push(p);
  kick(k, pool);
}

/** queue_work_on: 1 when it was not queued already. */
export function queueWork(k: Kernel, cpu: number, wqAddr: number, work: number): number {
  const wq = k.workqueues.byAddr.get(wqAddr);
  if (wq === undefined || isPending(k, work) || k.workqueues.disabled.has(work)) return 0;
  setPending(k, work, true);
  insert(k, { work, wq, cpu: cpu >= WORK_CPU_UNBOUND || cpu < 0 || cpu >= k.cpus ? k.cpu : cpu });
  return 1;
}
function queueDelayed(k: Kernel, cpu: number, wq: number, dwork: number, delay: number): number {
  if (isPending(k, dwork) || k.workqueues.disabled.has(dwork)) return 0;
  if (delay === 0) return queueWork(k, cpu, wq, dwork);
  setPending(k, dwork, true);
  store64(k, dwork + DWORK.wq, wq);
  store32(k, dwork + DWORK.cpu, cpu);
  modTimer(k, dwork + DWORK.timer, k.time.jiffies + delay);
  return 1;
}
/** Takes a pending work off its queue or timer. True when it was pending. */
function grab(k: Kernel, work: number, delayed: boolean): boolean {
  if (!isPending(k, work)) return false;
  setPending(k, work, false);
  if (delayed && timerDelete(k, work + DWORK.timer) === 1) return true;
  for (const pool of k.workqueues.pools.values()) {
    const i = pool.queue.findIndex((p) => p.work === work);
    if (i < 0) continue;
    const [p] = pool.queue.splice(i, 1);
    finished(k, p.wq);
    return true;
  }
  for (const wq of k.workqueues.byAddr.values()) {
    const i = wq.inactive.findIndex((p) => p.work === work);
    if (i >= 0) wq.inactive.splice(i, 1);
  }
  return true;
}
/** One work less that counts for max_active; flushers look again. */
function finished(k: Kernel, wq: Workqueue): void {
  wq.active--;
  k.workqueues.finished++;
  const next = wq.inactive.shift();
  if (next !== undefined) insert(k, next);
  wakeUpAll(k, k.workqueues.done);
}
const runningOn = (k: Kernel, work: number) => [...k.workqueues.workers.values()].find((w) => w.current?.work === work) ?? null;

/** The lowest frame of a worker. */
function workerThread(k: Kernel): number {
  const worker = k.workqueues.workers.get(k.current);
  if (worker === undefined) return 0;
  for (;;) {
    if (worker.current !== null) {
      const { work, wq } = worker.current;
      const func = k.current.restart?.['func'] as number;
      if (callGuest(k, func, work) === null) return BLOCKED;
      worker.current = null;
      k.current.restart = null;
      k.current.calls = [];
      k.current.callIndex = 0;
      finished(k, wq);
    }
    // A work that runs already (it queued itself) waits for that run.
    const at = worker.pool.queue.findIndex((p) => runningOn(k, p.work) === null);
    if (at < 0) break;
    const [p] = worker.pool.queue.splice(at, 1);
    setPending(k, p.work, false);
    worker.current = p;
    k.current.restart = { func: load64(k, p.work + WORK.func) };
  }
  addWaitQueue(k, worker.idle);
  k.current.state = TASK_IDLE;
  return BLOCKED;
}
interruptKind('bh_work', {
  begin(k, data) {
    setPending(k, data['work'], false);
    return { fn: load64(k, data['work'] + WORK.func), args: [data['work']] };
  },
  end(k, data) {
    const wq = k.workqueues.byAddr.get(data['wq']);
    if (wq !== undefined) finished(k, wq);
  },
});

/** Waits until `idle` says that there is nothing to wait for. 1 when it had to wait, 0, or BLOCKED. */
function waitFor(k: Kernel, idle: () => boolean): number {
  const waited = k.current.restart?.['waited'] === true;
  if (idle() || k.current.exitState !== 0) return waited ? 1 : 0;
  k.current.restart = { waited: true };
  addWaitQueue(k, k.workqueues.done);
  k.current.state = TASK_UNINTERRUPTIBLE;
  return BLOCKED;
}
const isQueued = (k: Kernel, work: number) =>
  [...k.workqueues.pools.values()].some((pool) => pool.queue.some((p) => p.work === work)) ||
  [...k.workqueues.byAddr.values()].some((wq) => wq.inactive.some((p) => p.work === work));
const settled = (k: Kernel, work: number) => !isQueued(k, work) && (runningOn(k, work)?.task ?? k.current) === k.current;
const flushWork = (k: Kernel, work: number) => waitFor(k, () => settled(k, work));
function flushDelayed(k: Kernel, dwork: number): number {
  if (k.current.restart === null && timerDelete(k, dwork + DWORK.timer) === 1) {
    setPending(k, dwork, false);
    queueWork(k, load32(k, dwork + DWORK.cpu), load64(k, dwork + DWORK.wq), dwork);
  }
  return flushWork(k, dwork);
}
/** cancel_*_sync: 1 when it was pending. */
function cancelSync(k: Kernel, work: number, delayed: boolean): number {
  const was = k.current.restart?.['was'] === true || grab(k, work, delayed);
  const r = waitFor(k, () => (runningOn(k, work)?.task ?? k.current) === k.current);
  if (r === BLOCKED) {
    k.current.restart = { waited: true, was };
    return BLOCKED;
  }
  // It may have queued itself anew while it ended.
  if (k.current.restart !== null) grab(k, work, delayed);
  return was ? 1 : 0;
}
function flushQueue(k: Kernel, wq: number): number {
  const queue = k.workqueues.byAddr.get(wq);
  const own = k.workqueues.workers.get(k.current)?.current?.wq === queue ? 1 : 0;
  return waitFor(k, () => queue === undefined || queue.active <= own);
}
const quiet = (r: number) => (r === BLOCKED ? BLOCKED : undefined);

function makeQueue(k: Kernel, name: string, flags: number, maxActive: number, at?: number): number {
  const pa = at === undefined ? k.mm.slab.kmalloc(256) : 0;
  if (at === undefined && pa === 0) return 0;
  const addr = at ?? physToVirt(pa);
  const ordered = (flags & WQ_ORDERED) !== 0;
  k.workqueues.byAddr.set(addr, {
    addr,
    name,
    flags,
    maxActive: ordered ? 1 : maxActive <= 0 ? WQ_DFL_ACTIVE : maxActive,
    ordered,
    active: 0,
    inactive: [],
    destroying: false,
  });
  return addr;
}
function disable(k: Kernel, work: number): void {
  k.workqueues.disabled.set(work, (k.workqueues.disabled.get(work) ?? 0) + 1);
}
/** 1 when it may be queued again. */
function enable(k: Kernel, work: number): number {
  const left = (k.workqueues.disabled.get(work) ?? 1) - 1;
  if (left > 0) k.workqueues.disabled.set(work, left);
  else k.workqueues.disabled.delete(work);
  return left > 0 ? 0 : 1;
}

export const workqueueExports: readonly FunctionExport[] = [
  { ...fn('worker_thread', workerThread), internal: true },
  fn('alloc_workqueue', (k, fmt, flags, maxActive) => makeQueue(k, vsnprintf(k, loadString(k, fmt, 256), callArguments(k, 3)), flags, maxActive | 0)),
  fn('destroy_workqueue', (k, wq) => {
    const queue = k.workqueues.byAddr.get(wq);
    if (queue === undefined) return undefined;
    if (flushQueue(k, wq) === BLOCKED) return BLOCKED;
    k.workqueues.byAddr.delete(wq);
    k.mm.slab.kfree(wq - physToVirt(0));
    return undefined;
  }),
  fn('queue_work_on', queueWork),
  fn('queue_work_node', (k, _node, wq, work) => queueWork(k, WORK_CPU_UNBOUND, wq, work)),
  fn('queue_delayed_work_on', queueDelayed),
  fn('mod_delayed_work_on', (k, cpu, wq, dwork, delay) => {
    const was = grab(k, dwork, true);
    queueDelayed(k, cpu, wq, dwork, delay);
    return was ? 1 : 0;
  }),
  fn('delayed_work_timer_fn', (k, timer) => {
    const dwork = timer - DWORK.timer;
    setPending(k, dwork, false);
    queueWork(k, load32(k, dwork + DWORK.cpu), load64(k, dwork + DWORK.wq), dwork);
  }),
  fn('flush_work', flushWork),
  fn('flush_delayed_work', flushDelayed),
  fn('__flush_workqueue', (k, wq) => quiet(flushQueue(k, wq))),
  fn('drain_workqueue', (k, wq) => quiet(flushQueue(k, wq))),
  fn('cancel_work', (k, work) => (grab(k, work, false) ? 1 : 0)),
  fn('cancel_work_sync', (k, work) => cancelSync(k, work, false)),
  fn('cancel_delayed_work', (k, dwork) => (grab(k, dwork, true) ? 1 : 0)),
  fn('cancel_delayed_work_sync', (k, dwork) => cancelSync(k, dwork, true)),
  fn('disable_work', (k, work) => {
    disable(k, work);
    return grab(k, work, false) ? 1 : 0;
  }),
  fn('disable_work_sync', (k, work) => {
    if (k.current.restart === null) disable(k, work);
    return cancelSync(k, work, false);
  }),
  fn('enable_work', enable),
  fn('disable_delayed_work', (k, dwork) => {
    disable(k, dwork);
    return grab(k, dwork, true) ? 1 : 0;
  }),
  fn('disable_delayed_work_sync', (k, dwork) => {
    if (k.current.restart === null) disable(k, dwork);
    return cancelSync(k, dwork, true);
  }),
  fn('enable_delayed_work', enable),
  fn('work_busy', (k, work) => (isPending(k, work) ? WORK_BUSY_PENDING : 0) | (runningOn(k, work) !== null ? WORK_BUSY_RUNNING : 0)),
  fn('current_work', (k) => k.workqueues.workers.get(k.current)?.current?.work ?? 0),
  fn('workqueue_set_max_active', (k, wq, n) => {
    const queue = k.workqueues.byAddr.get(wq);
    if (queue !== undefined && !queue.ordered) queue.maxActive = Math.max(1, n);
  }),
  fn('workqueue_congested', (k, _cpu, wq) => ((k.workqueues.byAddr.get(wq)?.inactive.length ?? 0) > 0 ? 1 : 0)),
  partial('set_worker_desc', 'the text is not shown', () => undefined),
];
/** The queues that everybody shares: a variable each that points to one. */
const SYSTEM_QUEUES: readonly (readonly [string, string, number])[] = [
  ['system_wq', 'events', 0],
  ['system_highpri_wq', 'events_highpri', WQ_HIGHPRI],
  ['system_long_wq', 'events_long', 0],
  ['system_unbound_wq', 'events_unbound', WQ_UNBOUND],
  ['system_freezable_wq', 'events_freezable', 4],
  ['system_power_efficient_wq', 'events_power_efficient', 0x80],
  ['system_freezable_power_efficient_wq', 'events_freezable_pwr_efficient', 0x84],
  ['system_bh_wq', 'events_bh', WQ_BH],
  ['system_bh_highpri_wq', 'events_bh_highpri', WQ_BH | WQ_HIGHPRI],
];
export const workqueueDataExports: readonly DataExport[] = SYSTEM_QUEUES.map(([symbol, name, flags]) => ({
  name: symbol,
  place(k) {
    const variable = imageObject(k, 8, 8);
    writeKernel64(k, variable, makeQueue(k, name, flags, 0, imageObject(k, 64, 64)));
    return variable;
  },
}));
