import { EINVAL, ENOSPC } from '../../abi/errno.ts';
import { ida as IDA, idr as IDR, ratelimit_state as RS, xarray as XA } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load32, load64, loadString, store32, store64 } from './guest_memory.ts';
import { callGuest } from '../module/call.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { BLOCKED } from '../sched/wait.ts';
import { warnInExport } from '../traps.ts';

// Numbers for objects (lib/idr.c) and rate limits (lib/ratelimit.c). What a struct idr or ida holds is kept here by its address; modules only look whether
// it is empty, by the head of its tree.

const INT_MAX = 0x7fff_ffff;
/** The numbers of the tree whose struct xarray lies at `xa`: a head of 0 means that it was made anew. */
function tree(k: Kernel, xa: number): Map<number, number> {
  let map = k.idTrees.get(xa);
  if (map === undefined || load64(k, xa + XA.xa_head) === 0) {
    map = new Map();
    k.idTrees.set(xa, map);
  }
  return map;
}
/** Brings the head in line: modules test it for 0. */
function changed(k: Kernel, xa: number, map: Map<number, number>): void {
  store64(k, xa + XA.xa_head, map.size === 0 ? 0 : xa);
  if (map.size === 0) k.idTrees.delete(xa);
}
/** The lowest free number from `from` to `to`, or -ENOSPC. */
function lowestFree(map: ReadonlyMap<number, number>, from: number, to: number): number {
  for (let id = from; id <= to; id++) if (!map.has(id)) return id;
  return -ENOSPC;
}
const sortedIds = (map: ReadonlyMap<number, number>) => [...map.keys()].sort((a, b) => a - b);
function idrAlloc(k: Kernel, idr: number, ptr: number, start: number, end: number): number {
  if ((start | 0) < 0) {
    warnInExport(k, '');
    return -EINVAL;
  }
  const map = tree(k, idr + IDR.idr_rt);
  const id = lowestFree(map, start | 0, (end | 0) > 0 ? (end | 0) - 1 : INT_MAX);
  if (id < 0) return id;
  map.set(id, ptr);
  changed(k, idr + IDR.idr_rt, map);
  return id;
}
function idrAllocCyclic(k: Kernel, idr: number, ptr: number, start: number, end: number): number {
  const next = load32(k, idr + IDR.idr_next) | 0;
  let id = idrAlloc(k, idr, ptr, Math.max(next, start | 0), end);
  if (id === -ENOSPC && next > (start | 0)) id = idrAlloc(k, idr, ptr, start, end);
  if (id >= 0) store32(k, idr + IDR.idr_next, id + 1);
  return id;
}
function idrForEach(k: Kernel, idr: number, callback: number, data: number): number {
  const map = tree(k, idr + IDR.idr_rt);
  const ids = (k.current.restart?.['ids'] as readonly number[] | undefined) ?? sortedIds(map);
  k.current.restart = { ids };
  for (const id of ids) {
    const r = callGuest(k, callback, id, map.get(id) ?? 0, data);
    if (r === null) return BLOCKED;
    if ((r | 0) !== 0) return r | 0;
  }
  return 0;
}
function getNext(k: Kernel, idr: number, nextId: number): number {
  const map = tree(k, idr + IDR.idr_rt);
  const from = load32(k, nextId) | 0;
  const id = sortedIds(map).find((n) => n >= from);
  if (id === undefined) return 0;
  store32(k, nextId, id);
  return map.get(id) ?? 0;
}

/** ___ratelimit(state, function): 1 when the message may go out. */
function ratelimit(k: Kernel, rs: number, func: number): number {
  const interval = load32(k, rs + RS.interval) | 0;
  if (interval === 0) return 1;
  const now = k.time.jiffies;
  const begin = load64(k, rs + RS.begin);
  if (begin === 0) store64(k, rs + RS.begin, now);
  else if (begin + interval < now) {
    const missed = load32(k, rs + RS.missed) | 0;
    const onRelease = (load32(k, rs + RS.flags) & 1) !== 0;
    if (missed !== 0 && !onRelease) {
      k.printk.log(4, `${loadString(k, func, 256)}: ${missed} callbacks suppressed`);
      store32(k, rs + RS.missed, 0);
    }
    store64(k, rs + RS.begin, now);
    store32(k, rs + RS.printed, 0);
  }
  const printed = load32(k, rs + RS.printed) | 0;
  if ((load32(k, rs + RS.burst) | 0) > printed) {
    store32(k, rs + RS.printed, printed + 1);
    return 1;
  }
  store32(k, rs + RS.missed, (load32(k, rs + RS.missed) | 0) + 1);
  return 0;
}

export const idrExports: readonly FunctionExport[] = [
  fn('idr_alloc', idrAlloc),
  fn('idr_alloc_cyclic', idrAllocCyclic),
  fn('idr_alloc_u32', (k, idr, ptr, nextId, max) => {
    const id = lowestFree(tree(k, idr + IDR.idr_rt), load32(k, nextId), max >>> 0);
    if (id < 0) return id;
    const map = tree(k, idr + IDR.idr_rt);
    map.set(id, ptr);
    changed(k, idr + IDR.idr_rt, map);
    store32(k, nextId, id);
    return 0;
  }),
  fn('idr_find', (k, idr, id) => tree(k, idr + IDR.idr_rt).get(id) ?? 0),
  fn('idr_remove', (k, idr, id) => {
    const map = tree(k, idr + IDR.idr_rt);
    const ptr = map.get(id) ?? 0;
    map.delete(id);
    changed(k, idr + IDR.idr_rt, map);
    return ptr;
  }),
  fn('idr_replace', (k, idr, ptr, id) => {
    const map = tree(k, idr + IDR.idr_rt);
    const old = map.get(id);
    if (old === undefined) return -2; // -ENOENT as a pointer
    map.set(id, ptr);
    return old;
  }),
  fn('idr_for_each', idrForEach),
  fn('idr_get_next', getNext),
  fn('idr_get_next_ul', (k, idr, nextId) => getNext(k, idr, nextId)),
  fn('idr_preload', () => undefined),
  fn('idr_destroy', (k, idr) => changed(k, idr + IDR.idr_rt, new Map())),
  // idr_is_empty(): is there room? The root's tags lie above the GFP bits; an idr has only IDR_FREE, and numbers enough.
  partial('radix_tree_tagged', 'of an idr only', (k, root) => (load32(k, root + XA.xa_flags) >>> 24 !== 0 ? 1 : 0)),
  fn('ida_alloc_range', (k, ida, min, max) => {
    const map = tree(k, ida + IDA.xa);
    if ((min | 0) < 0) return -ENOSPC;
    const id = lowestFree(map, min | 0, (max | 0) < 0 ? INT_MAX : max | 0);
    if (id < 0) return id;
    map.set(id, 1);
    changed(k, ida + IDA.xa, map);
    return id;
  }),
  fn('ida_free', (k, ida, id) => {
    const map = tree(k, ida + IDA.xa);
    if (!map.delete(id)) warnInExport(k, `ida_free called for id=${id | 0} which is not allocated.`);
    changed(k, ida + IDA.xa, map);
  }),
  fn('ida_destroy', (k, ida) => changed(k, ida + IDA.xa, new Map())),
  fn('___ratelimit', ratelimit),
];
