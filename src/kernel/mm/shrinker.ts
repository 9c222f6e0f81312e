import { shrink_control as SC, shrinker as SHRINKER } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { initListHead } from '../lib/list.ts';
import { load32, load64, store32, store64 } from '../lib/guest_memory.ts';
import { askGuest, callAnswered, stackBlock } from '../module/call.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { BLOCKED, WaitQueueHead, waitUninterruptible, wakeUpAll } from '../sched/wait.ts';
import { GFP_KERNEL, GFP_ZERO } from '../../abi/gfp.ts';
import { kfree, kmalloc } from './slab_exports.ts';

// Caches of modules that can give memory back (mm/shrinker.c): each says how many objects it could free, and frees as many as it is told to.
// The functions are guest code, so a pass is an operation that sleeps: kswapd makes it, and the writer of drop_caches.

const SHRINKER_REGISTERED = 1 << 0;
const SHRINKER_ALLOCATED = 1 << 1;
const DEFAULT_SEEKS = 2;
/** SHRINK_BATCH: objects of one call. */
const BATCH = 128;
/** What the functions answer instead of a number, as signed words: give up; there is nothing. */
const SHRINK_STOP = -1;
const SHRINK_EMPTY = -2;

/** A shrinker that is registered. */
interface ShrinkerState {
  /** Passes that are in one of its functions. */
  busy: number;
  /** shrinker_free waits here until there are none. */
  readonly idle: WaitQueueHead;
}
/** Registered shrinkers by address, in the order in which they came. */
export type Shrinkers = Map<number, ShrinkerState>;

/** Progress of one pass; plain data, kept in task.restart while a function runs. */
interface Pass {
  readonly list: readonly number[];
  at: number;
  freed: number;
  /** Where the pass is with the shrinker at `at`; null = not counted yet. */
  now: { freeable: number; deferred: number; delta: number; total: number; scanned: number } | null;
}
const unsigned = (n: number) => (n < 0 ? n + 2 ** 64 : n);

/** Calls a function of a shrinker: its answer as a signed word and what the control block says was scanned; null: not yet. */
function call(k: Kernel, pass: Pass, offset: number, gfp: number, count: number): { result: number; scanned: number } | null {
  const shrinker = pass.list[pass.at];
  const state = k.mm.shrinkers.get(shrinker);
  const sc = stackBlock(k, SC.sizeof);
  const answered = callAnswered(k);
  if (!answered) {
    store32(k, sc + SC.gfp_mask, gfp);
    store32(k, sc + SC.nid, 0);
    store64(k, sc + SC.nr_to_scan, count);
    store64(k, sc + SC.nr_scanned, count);
    store64(k, sc + SC.memcg, 0);
    if (state !== undefined) state.busy++;
    k.current.restart = { ...k.current.restart, shrink: pass };
  }
  const result = askGuest(k, load64(k, shrinker + offset), shrinker, sc);
  if (result === null) return null;
  if (state !== undefined && --state.busy === 0) wakeUpAll(k, state.idle);
  return { result, scanned: unsigned(load64(k, sc + SC.nr_scanned)) };
}

/**
 * shrink_slab: lets each shrinker free its share, 1/2^priority of what it has, weighted by what its objects cost. How many objects were freed, or BLOCKED.
 */
export function shrinkSlab(k: Kernel, gfp: number, priority: number): number {
  const task = k.current;
  const pass = (task.restart?.['shrink'] as Pass | undefined) ?? { list: [...k.mm.shrinkers.keys()], at: 0, freed: 0, now: null };
  for (; pass.at < pass.list.length; pass.at++) if (!doShrinkSlab(k, pass, gfp, priority)) return BLOCKED;
  if (task.restart?.['shrink'] !== undefined) task.restart = { ...task.restart, shrink: undefined };
  return pass.freed;
}
/** do_shrink_slab for the shrinker at pass.at. False: one of its functions has been started. */
function doShrinkSlab(k: Kernel, pass: Pass, gfp: number, priority: number): boolean {
  const shrinker = pass.list[pass.at];
  const waiting = callAnswered(k);
  // It may have gone while another's function ran.
  if (!k.mm.shrinkers.has(shrinker) && !waiting) {
    pass.now = null;
    return true;
  }
  const nrDeferred = load64(k, shrinker + SHRINKER.nr_deferred);
  if (pass.now === null) {
    const counted = call(k, pass, SHRINKER.count_objects, gfp, 0);
    if (counted === null) return false;
    if (counted.result === 0 || counted.result === SHRINK_EMPTY) return true;
    const freeable = unsigned(counted.result);
    const seeks = load32(k, shrinker + SHRINKER.seeks) | 0;
    const share = Math.floor(freeable / 2 ** priority);
    const delta = seeks === 0 ? Math.floor(freeable / 2) : Math.floor((share * 4) / seeks);
    const deferred = nrDeferred === 0 ? 0 : load64(k, nrDeferred);
    if (nrDeferred !== 0) store64(k, nrDeferred, 0);
    const total = Math.min(Math.floor(deferred / 2 ** priority) + delta, 2 * freeable);
    pass.now = { freeable, deferred, delta, total, scanned: 0 };
  }
  const { now } = pass;
  const batch = load64(k, shrinker + SHRINKER.batch) || BATCH;
  while (now.total >= batch || now.total >= now.freeable) {
    const did = call(k, pass, SHRINKER.scan_objects, gfp, Math.min(batch, now.total));
    if (did === null) return false;
    if (did.result === SHRINK_STOP) break;
    pass.freed += unsigned(did.result);
    k.mm.stat.slabsScanned += did.scanned;
    now.total -= did.scanned;
    now.scanned += did.scanned;
    // A function that says it looked at nothing would be asked for ever.
    if (did.scanned === 0) break;
  }
  const left = Math.min(Math.max(now.deferred + now.delta - now.scanned, 0), 2 * now.freeable);
  if (nrDeferred !== 0) store64(k, nrDeferred, load64(k, nrDeferred) + left);
  pass.now = null;
  return true;
}
/** drop_slab: passes over everything, until one frees hardly anything. 0 or BLOCKED. */
export function dropSlab(k: Kernel): number {
  const task = k.current;
  for (let shift = (task.restart?.['dropShift'] as number | undefined) ?? 0; ; shift++) {
    task.restart = { ...task.restart, dropShift: shift };
    const freed = shrinkSlab(k, GFP_KERNEL, 0);
    if (freed === BLOCKED) return BLOCKED;
    if (Math.floor(freed / 2 ** shift) <= 1) break;
  }
  task.restart = { ...task.restart, dropShift: undefined };
  return 0;
}

function alloc(k: Kernel, flags: number): number {
  const at = kmalloc(k, SHRINKER.sizeof, GFP_KERNEL | GFP_ZERO);
  if (at === 0) return 0;
  const deferred = kmalloc(k, 8, GFP_KERNEL | GFP_ZERO);
  if (deferred === 0) {
    kfree(k, at);
    return 0;
  }
  store32(k, at + SHRINKER.flags, flags | SHRINKER_ALLOCATED);
  store32(k, at + SHRINKER.seeks, DEFAULT_SEEKS);
  store64(k, at + SHRINKER.nr_deferred, deferred);
  return at;
}
function register(k: Kernel, shrinker: number): void {
  const flags = load32(k, shrinker + SHRINKER.flags);
  if ((flags & SHRINKER_ALLOCATED) === 0) {
    k.printk.log(4, 'Must use shrinker_alloc() to dynamically allocate the shrinker');
    return;
  }
  initListHead(k, shrinker + SHRINKER.list);
  store32(k, shrinker + SHRINKER.flags, flags | SHRINKER_REGISTERED);
  store32(k, shrinker + SHRINKER.refcount, 1);
  k.mm.shrinkers.set(shrinker, { busy: 0, idle: new WaitQueueHead() });
}
function free(k: Kernel, shrinker: number): number {
  if (shrinker === 0) return 0;
  const state = k.mm.shrinkers.get(shrinker);
  if (state !== undefined) {
    if (state.busy > 0) return waitUninterruptible(k, state.idle);
    k.mm.shrinkers.delete(shrinker);
  }
  kfree(k, load64(k, shrinker + SHRINKER.nr_deferred));
  kfree(k, shrinker);
  return 0;
}

export const shrinkerExports: readonly FunctionExport[] = [
  // The name is for debugfs, which Debian's kernel leaves out (CONFIG_SHRINKER_DEBUG).
  fn('shrinker_alloc', alloc),
  fn('shrinker_register', register),
  fn('shrinker_free', free),
];
