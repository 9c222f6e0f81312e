import { EINVAL, ENOENT, ENOMEM, ENOSPC } from '../../abi/errno.ts';
import { ida as IDA, idr as IDR, xarray as XA } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { load32, load64, store32, store64 } from './guest_memory.ts';
import { askGuest } from '../module/call.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { BLOCKED } from '../sched/wait.ts';
import { warnInExport } from '../traps.ts';
import { NO_ENTRY, toNull, XA_PRESENT, xaFind, xaFree, xaLowestFree, xaPut, xaWalk, ZERO_ENTRY } from './xarray.ts';

// Numbers for objects (lib/idr.c), in the xarray that every struct idr and ida has.

const INT_MAX = 0x7fff_ffff;
const treeOf = (idr: number) => idr + IDR.idr_rt;
const baseOf = (k: Kernel, idr: number) => load32(k, idr + IDR.idr_base);
/** An id's index; those below the base have none. */
const indexOf = (k: Kernel, idr: number, id: number) => BigInt(id - baseOf(k, idr));
/** The lowest free number from `from` to `max` (ids), taken for the pointer; -ENOSPC or -ENOMEM. */
function take(k: Kernel, idr: number, ptr: bigint, from: number, max: number): number {
  const base = baseOf(k, idr);
  if (from > max) return -ENOSPC;
  const index = xaLowestFree(k, treeOf(idr), BigInt(Math.max(0, from - base)), BigInt(max - base));
  if (index === null) return -ENOSPC;
  // A number without a pointer is taken all the same.
  return xaPut(k, treeOf(idr), index, ptr === NO_ENTRY ? ZERO_ENTRY : ptr) === null ? -ENOMEM : Number(index) + base;
}
const pointer = (k: Kernel) => k.machine.regs.getBig(11);
function idrAlloc(k: Kernel, idr: number, start: number, end: number): number {
  if ((start | 0) < 0) {
    warnInExport(k, '');
    return -EINVAL;
  }
  return take(k, idr, pointer(k), start | 0, (end | 0) > 0 ? (end | 0) - 1 : INT_MAX);
}
function idrAllocCyclic(k: Kernel, idr: number, start: number, end: number): number {
  const next = load32(k, idr + IDR.idr_next) | 0;
  let id = idrAlloc(k, idr, Math.max(next, start | 0), end);
  if (id === -ENOSPC && next > (start | 0)) id = idrAlloc(k, idr, start, end);
  if (id >= 0) store32(k, idr + IDR.idr_next, id + 1);
  return id;
}
/** idr_for_each(idr, callback, data): until the callback returns something else than 0. */
function idrForEach(k: Kernel, idr: number, callback: number, data: number): number {
  let from = (k.current.restart?.['next'] as bigint | undefined) ?? 0n;
  for (;;) {
    const found = xaFind(k, treeOf(idr), from, BigInt(INT_MAX), XA_PRESENT);
    if (found === null) return 0;
    k.current.restart = { next: from };
    const r = askGuest(k, callback, Number(found.index) + baseOf(k, idr), found.entry, data);
    if (r === null) return BLOCKED;
    if ((r | 0) !== 0) return r | 0;
    from = found.index + 1n;
  }
}
function getNext(k: Kernel, idr: number, from: number): { readonly id: number; readonly entry: bigint } | null {
  const base = baseOf(k, idr);
  const found = xaFind(k, treeOf(idr), BigInt(Math.max(0, from - base)), BigInt(INT_MAX), XA_PRESENT);
  return found === null ? null : { id: Number(found.index) + base, entry: found.entry };
}

export const idrExports: readonly FunctionExport[] = [
  fn('idr_alloc', (k, idr, _ptr, start, end) => idrAlloc(k, idr, start, end)),
  fn('idr_alloc_cyclic', (k, idr, _ptr, start, end) => idrAllocCyclic(k, idr, start, end)),
  fn('idr_alloc_u32', (k, idr, _ptr, nextId, max) => {
    const id = take(k, idr, pointer(k), load32(k, nextId), max >>> 0);
    if (id < 0) return id;
    store32(k, nextId, id);
    return 0;
  }),
  fn('idr_find', (k, idr, id) => (id < baseOf(k, idr) ? NO_ENTRY : toNull(xaWalk(k, treeOf(idr), indexOf(k, idr, id)).entry))),
  fn('idr_remove', (k, idr, id) => {
    if (id < baseOf(k, idr)) return NO_ENTRY;
    return toNull(xaPut(k, treeOf(idr), indexOf(k, idr, id), NO_ENTRY)?.entry ?? NO_ENTRY);
  }),
  fn('idr_replace', (k, idr, _ptr, id) => {
    const old = id < baseOf(k, idr) ? NO_ENTRY : xaWalk(k, treeOf(idr), indexOf(k, idr, id)).entry;
    if (old === NO_ENTRY) return -ENOENT;
    const ptr = pointer(k);
    xaPut(k, treeOf(idr), indexOf(k, idr, id), ptr === NO_ENTRY ? ZERO_ENTRY : ptr);
    return toNull(old);
  }),
  fn('idr_for_each', idrForEach),
  fn('idr_get_next', (k, idr, nextId) => {
    const next = getNext(k, idr, load32(k, nextId) | 0);
    if (next === null) return NO_ENTRY;
    store32(k, nextId, next.id);
    return next.entry;
  }),
  fn('idr_get_next_ul', (k, idr, nextId) => {
    const next = getNext(k, idr, load64(k, nextId));
    if (next === null) return NO_ENTRY;
    store64(k, nextId, next.id);
    return next.entry;
  }),
  fn('idr_preload', () => undefined),
  fn('idr_destroy', (k, idr) => xaFree(k, treeOf(idr))),
  // idr_is_empty(): is there room? The root's tags lie above the GFP bits; an idr has only IDR_FREE, and numbers enough.
  partial('radix_tree_tagged', 'of an idr only', (k, root) => (load32(k, root + XA.xa_flags) >>> 24 !== 0 ? 1 : 0)),
  fn('ida_alloc_range', (k, ida, min, max) => {
    const [from, to] = [min | 0, (max | 0) < 0 ? INT_MAX : max | 0];
    if (from < 0 || from > to) return -ENOSPC;
    const id = xaLowestFree(k, ida + IDA.xa, BigInt(from), BigInt(to));
    if (id === null) return -ENOSPC;
    return xaPut(k, ida + IDA.xa, id, TAKEN) === null ? -ENOMEM : Number(id);
  }),
  fn('ida_free', (k, ida, id) => {
    const old = (id | 0) < 0 ? null : xaPut(k, ida + IDA.xa, BigInt(id | 0), NO_ENTRY);
    if (old === null || old.entry === NO_ENTRY) warnInExport(k, `ida_free called for id=${id | 0} which is not allocated.`);
  }),
  fn('ida_destroy', (k, ida) => xaFree(k, ida + IDA.xa)),
];
/** A value entry: the number is taken. */
const TAKEN = 1n;
