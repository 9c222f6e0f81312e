import { mempool_s as POOL } from '../../abi/layout/structs.ts';
import { ENOMEM } from '../../abi/errno.ts';
import { GFP_DIRECT_RECLAIM, GFP_IO, GFP_KERNEL, GFP_NOMEMALLOC, GFP_NORETRY, GFP_NOWARN, GFP_ZERO } from '../../abi/gfp.ts';
import type { Kernel } from '../kernel.ts';
import { load32, load64, store32, store64 } from '../lib/guest_memory.ts';
import { initListHead } from '../lib/list.ts';
import { askGuest } from '../module/call.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { jiffiesDeadline } from '../sched/exports.ts';
import { TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { addWaitQueue, BLOCKED, WaitQueueHead, wakeUp } from '../sched/wait.ts';
import { HZ } from '../time/timekeeping.ts';
import { allocPagesFor, freePagesAt } from './page_exports.ts';
import { allocFrom, freeTo, kfree, kmalloc, kvfree, kvmalloc } from './slab_exports.ts';

// Pools that keep some elements back for when memory is out (mm/mempool.c). The pool is a structure of the module at Linux's layout; its functions are
// guest addresses, the ready-made ones among them stubs of the kernel's own.

/** An allocation that may sleep and found nothing looks again after this long if no element came back. */
const RETRY = 5 * HZ;

const minNr = (k: Kernel, pool: number) => load32(k, pool + POOL.min_nr) | 0;
const currNr = (k: Kernel, pool: number) => load32(k, pool + POOL.curr_nr) | 0;
const slot = (k: Kernel, pool: number, i: number) => load64(k, pool + POOL.elements) + i * 8;
function addElement(k: Kernel, pool: number, element: number): void {
  const n = currNr(k, pool);
  store64(k, slot(k, pool, n), element);
  store32(k, pool + POOL.curr_nr, n + 1);
}
function removeElement(k: Kernel, pool: number): number {
  const n = currNr(k, pool) - 1;
  store32(k, pool + POOL.curr_nr, n);
  return load64(k, slot(k, pool, n));
}
/** One element from the pool's own function; null: it has been started. `state` is kept meanwhile. */
function allocElement(k: Kernel, pool: number, gfp: number, state: Readonly<Record<string, unknown>>): number | null {
  k.current.restart = { ...k.current.restart, ...state };
  return askGuest(k, load64(k, pool + POOL.alloc), gfp, load64(k, pool + POOL.pool_data));
}
/** Gives one to the pool's own function. False: it has been started. */
function freeElement(k: Kernel, pool: number, element: number): boolean {
  return askGuest(k, load64(k, pool + POOL.free), element, load64(k, pool + POOL.pool_data)) !== null;
}
/** Takes out and frees elements until `keep` are left. False: not yet. One that is on its way is remembered, as it is in no pool. */
function drain(k: Kernel, pool: number, keep: number): boolean {
  const task = k.current;
  for (;;) {
    const held = task.restart?.['leaving'] as number | undefined;
    if (held === undefined && currNr(k, pool) <= keep) return true;
    const element = held ?? removeElement(k, pool);
    task.restart = { ...task.restart, leaving: element };
    if (!freeElement(k, pool, element)) return false;
    task.restart = { ...task.restart, leaving: undefined };
  }
}
/** Fills it up to min_nr: 0, -ENOMEM or BLOCKED. */
function fill(k: Kernel, pool: number, gfp: number): number {
  while (currNr(k, pool) < minNr(k, pool)) {
    const element = allocElement(k, pool, gfp, {});
    if (element === null) return BLOCKED;
    if (element === 0) return -ENOMEM;
    addElement(k, pool, element);
  }
  return 0;
}
/** mempool_exit: what it holds is freed; the structure stays. */
function exit(k: Kernel, pool: number): number {
  if (!drain(k, pool, 0)) return BLOCKED;
  kfree(k, load64(k, pool + POOL.elements));
  store64(k, pool + POOL.elements, 0);
  k.mm.mempoolWaiters.delete(pool);
  return 0;
}
function init(k: Kernel, pool: number, min: number, alloc: number, free: number, data: number, gfp: number): number {
  const task = k.current;
  if (task.restart?.['stage'] === undefined) {
    store32(k, pool + POOL.lock, 0);
    store32(k, pool + POOL.min_nr, min);
    store32(k, pool + POOL.curr_nr, 0);
    store64(k, pool + POOL.pool_data, data);
    store64(k, pool + POOL.alloc, alloc);
    store64(k, pool + POOL.free, free);
    store32(k, pool + POOL.wait, 0);
    initListHead(k, pool + POOL.wait + 8);
    const elements = kmalloc(k, (min | 0) * 8, gfp);
    store64(k, pool + POOL.elements, elements);
    if (elements === 0) return -ENOMEM;
    task.restart = { ...task.restart, stage: 'fill' };
  }
  if (task.restart?.['stage'] === 'fill') {
    const r = fill(k, pool, gfp);
    if (r === BLOCKED || r === 0) return r;
    task.restart = { ...task.restart, stage: 'undo' };
  }
  return exit(k, pool) === BLOCKED ? BLOCKED : -ENOMEM;
}
function create(k: Kernel, min: number, alloc: number, free: number, data: number, gfp: number): number {
  const task = k.current;
  let pool = task.restart?.['pool'] as number | undefined;
  if (pool === undefined) {
    pool = kmalloc(k, POOL.sizeof, gfp | GFP_ZERO);
    if (pool === 0) return 0;
    task.restart = { ...task.restart, pool };
  }
  const r = init(k, pool, min, alloc, free, data, gfp);
  if (r === BLOCKED) return BLOCKED;
  if (r === 0) return pool;
  kfree(k, pool);
  return 0;
}
function destroy(k: Kernel, pool: number): number {
  if (pool === 0) return 0;
  if (load64(k, pool + POOL.elements) !== 0 && exit(k, pool) === BLOCKED) return BLOCKED;
  kfree(k, pool);
  return 0;
}
function resize(k: Kernel, pool: number, min: number): number {
  const task = k.current;
  if (task.restart?.['grown'] === undefined) {
    if (min <= minNr(k, pool)) {
      if (!drain(k, pool, min)) return BLOCKED;
      store32(k, pool + POOL.min_nr, min);
      return 0;
    }
    const elements = kmalloc(k, min * 8, GFP_KERNEL);
    if (elements === 0) return -ENOMEM;
    const old = load64(k, pool + POOL.elements);
    for (let i = 0; i < currNr(k, pool); i++) store64(k, elements + i * 8, load64(k, old + i * 8));
    kfree(k, old);
    store64(k, pool + POOL.elements, elements);
    store32(k, pool + POOL.min_nr, min);
    task.restart = { ...task.restart, grown: true };
  }
  // Elements that are not to be had come with later frees.
  return fill(k, pool, GFP_KERNEL) === BLOCKED ? BLOCKED : 0;
}
function takePreallocated(k: Kernel, pool: number): number {
  return currNr(k, pool) > 0 ? removeElement(k, pool) : 0;
}
/** mempool_alloc: from the function without waiting, then from the reserve, then from the function again, then when an element comes back. */
function alloc(k: Kernel, pool: number, gfpMask: number): number {
  const task = k.current;
  const gfp = gfpMask | GFP_NOMEMALLOC | GFP_NORETRY | GFP_NOWARN;
  const gentle = gfp & ~(GFP_DIRECT_RECLAIM | GFP_IO);
  const state = task.restart as { readonly again?: boolean; readonly slept?: boolean } | null;
  let again = state?.again ?? false;
  if (state?.slept === true) task.restart = { again };
  for (;;) {
    const element = allocElement(k, pool, again ? gfp : gentle, { again });
    if (element === null) return BLOCKED;
    if (element !== 0) return element;
    const kept = takePreallocated(k, pool);
    if (kept !== 0) return kept;
    if (again || gentle === gfp) break;
    again = true;
  }
  if ((gfp & GFP_DIRECT_RECLAIM) === 0) return 0;
  let waiters = k.mm.mempoolWaiters.get(pool);
  if (waiters === undefined) {
    waiters = new WaitQueueHead();
    k.mm.mempoolWaiters.set(pool, waiters);
  }
  addWaitQueue(k, waiters, true);
  task.state = TASK_UNINTERRUPTIBLE;
  task.restart = { again, slept: true };
  k.sched.scheduleTimeout(task, jiffiesDeadline(k, RETRY));
  return BLOCKED;
}
function free(k: Kernel, element: number, pool: number): number {
  if (element === 0) return 0;
  if (currNr(k, pool) >= minNr(k, pool)) return freeElement(k, pool, element) ? 0 : BLOCKED;
  addElement(k, pool, element);
  const waiters = k.mm.mempoolWaiters.get(pool);
  if (waiters !== undefined) wakeUp(k, waiters);
  return 0;
}
export const mempoolExports: readonly FunctionExport[] = [
  // The seventh argument is the node: there is one.
  fn('mempool_init_node', (k, pool, min, a, f, data) => init(k, pool, min, a, f, data, k.machine.regs.get(15))),
  fn('mempool_init_noprof', (k, pool, min, a, f, data) => init(k, pool, min, a, f, data, GFP_KERNEL)),
  fn('mempool_create_node_noprof', create),
  fn('mempool_exit', exit),
  fn('mempool_destroy', destroy),
  fn('mempool_resize', resize),
  fn('mempool_alloc_noprof', alloc),
  fn('mempool_alloc_preallocated', takePreallocated),
  fn('mempool_free', free),
  fn('mempool_alloc_slab', (k, gfp, cache) => allocFrom(k, cache, gfp)),
  fn('mempool_free_slab', (k, element, cache) => freeTo(k, cache, element)),
  fn('mempool_kmalloc', (k, gfp, size) => kmalloc(k, size, gfp)),
  fn('mempool_kfree', kfree),
  fn('mempool_kvmalloc', (k, gfp, size) => kvmalloc(k, size, gfp)),
  fn('mempool_kvfree', kvfree),
  fn('mempool_alloc_pages', (k, gfp, order) => allocPagesFor(k, gfp, order)),
  fn('mempool_free_pages', (k, page, order) => freePagesAt(k, page, order)),
];
