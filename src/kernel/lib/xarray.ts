import { EBUSY, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { GFP_ATOMIC, GFP_ZERO } from '../../abi/gfp.ts';
import { xa_node as NODE, xa_state as XAS, xarray as XA } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { kfree, kmalloc } from '../mm/slab_exports.ts';
import { type FunctionExport, fn, partial } from '../module/export.ts';
import { load32, load64, load8, loadBig, store32, store64, store8, storeBig } from './guest_memory.ts';
import { initListHead } from './list.ts';

// Arrays of pointers by index (lib/xarray.c): a tree in guest memory whose nodes have 64 slots, because modules walk it inline. An entry is a pointer, a
// value (lowest bit 1), or an internal one (lowest bits 10): a node below, or a reservation. Marks are bits beside the slots, and of the whole array in its
// flags. Not here: entries that cover several indices. In arrays that allocate, an index is free when nothing is there; Linux keeps a mark for it.

const CHUNK_SHIFT = 6;
const CHUNK_SIZE = 1 << CHUNK_SHIFT;
const CHUNK_MASK = BigInt(CHUNK_SIZE - 1);
const MAX_INDEX = (1n << 64n) - 1n;
const MARKS = [0, 1, 2] as const;
export const NO_ENTRY = 0n;
/** XA_ZERO_ENTRY: reserved, read as nothing. */
export const ZERO_ENTRY = (257n << 2n) | 2n;
/** xa_state.xa_node when it is none. */
const XAS_BOUNDS = 1;
const XAS_RESTART = 3;
const errorNode = (errno: number) => errno * 4 + 2;
const errorEntry = (errno: number) => BigInt(errno * 4 + 2);
const FLAG_TRACK_FREE = 4;
/** Index 0 is never given out. */
const FLAG_ZERO_BUSY = 8;
const FLAG_ALLOC_WRAPPED = 0x10;
/** __GFP_BITS_SHIFT: marks of the whole array lie above the GFP flags. */
const MARK_SHIFT = 25;
export const XA_PRESENT = 8;

const isNode = (entry: bigint) => (entry & 3n) === 2n && entry < 0n;
const toNode = (entry: bigint) => Number(entry - 2n);
const isAdvanced = (entry: bigint) => (entry & 3n) === 2n && (entry < 0n || entry < ZERO_ENTRY);
const isValue = (entry: bigint) => (entry & 1n) === 1n;
export const toNull = (entry: bigint) => (entry === ZERO_ENTRY ? NO_ENTRY : entry);
const shiftOf = (k: Kernel, node: number) => load8(k, node + NODE.shift);
const countOf = (k: Kernel, node: number) => load8(k, node + NODE.count);
const slotOf = (node: number, offset: number) => node + NODE.slots + offset * 8;
const parentOf = (k: Kernel, node: number) => load64(k, node + NODE.parent);
const headOf = (k: Kernel, xa: number) => loadBig(k, xa + XA.xa_head);
const flagsOf = (k: Kernel, xa: number) => load32(k, xa + XA.xa_flags);
const tracksFree = (k: Kernel, xa: number) => (flagsOf(k, xa) & FLAG_TRACK_FREE) !== 0;
/** The largest index that the tree has room for. */
const roomOf = (k: Kernel, head: bigint) => (isNode(head) ? (1n << BigInt(shiftOf(k, toNode(head)) + CHUNK_SHIFT)) - 1n : 0n);
const offsetIn = (k: Kernel, node: number, index: bigint) => Number((index >> BigInt(shiftOf(k, node))) & CHUNK_MASK);

/** A place: a slot of a node; node 0 is the head; XAS_BOUNDS is outside. */
interface Place {
  readonly node: number;
  readonly offset: number;
  readonly entry: bigint;
}
/** Down to the slot of an index, or to where the way ends. */
export function xaWalk(k: Kernel, xa: number, index: bigint): Place {
  const head = headOf(k, xa);
  if (index > roomOf(k, head)) return { node: XAS_BOUNDS, offset: 0, entry: NO_ENTRY };
  if (!isNode(head)) return { node: 0, offset: 0, entry: head };
  let node = toNode(head);
  for (;;) {
    const offset = offsetIn(k, node, index);
    const entry = loadBig(k, slotOf(node, offset));
    if (!isNode(entry) || shiftOf(k, node) === 0) return { node, offset, entry };
    node = toNode(entry);
  }
}
function newNode(k: Kernel, xa: number, shift: number, parent: number, offset: number): number {
  const node = kmalloc(k, NODE.sizeof, GFP_ATOMIC | GFP_ZERO);
  if (node === 0) return 0;
  store8(k, node + NODE.shift, shift);
  store8(k, node + NODE.offset, offset);
  store64(k, node + NODE.parent, parent);
  store64(k, node + NODE.array, xa);
  initListHead(k, node + NODE.private_list);
  if (parent !== 0) store8(k, parent + NODE.count, countOf(k, parent) + 1);
  return node;
}

const markAt = (node: number, mark: number) => node + NODE.marks + mark * 8;
const nodeMarked = (k: Kernel, node: number, offset: number, mark: number) => ((loadBig(k, markAt(node, mark)) >> BigInt(offset)) & 1n) !== 0n;
const anyMarked = (k: Kernel, node: number, mark: number) => loadBig(k, markAt(node, mark)) !== 0n;
function setNodeMark(k: Kernel, node: number, offset: number, mark: number, on: boolean): void {
  const bit = 1n << BigInt(offset);
  const old = BigInt.asUintN(64, loadBig(k, markAt(node, mark)));
  storeBig(k, markAt(node, mark), on ? old | bit : old & ~bit);
}
const rootMarked = (k: Kernel, xa: number, mark: number) => (flagsOf(k, xa) & (1 << (MARK_SHIFT + mark))) !== 0;
function setRootMark(k: Kernel, xa: number, mark: number, on: boolean): void {
  const bit = 1 << (MARK_SHIFT + mark);
  store32(k, xa + XA.xa_flags, on ? flagsOf(k, xa) | bit : flagsOf(k, xa) & ~bit);
}
function isMarked(k: Kernel, xa: number, { node, offset }: Place, mark: number): boolean {
  if (node === XAS_BOUNDS || mark >= MARKS.length) return false;
  return node === 0 ? rootMarked(k, xa, mark) : nodeMarked(k, node, offset, mark);
}
function setMark(k: Kernel, xa: number, place: Place, mark: number): void {
  let [node, offset] = [place.node, place.offset];
  if (node === XAS_BOUNDS || mark >= MARKS.length) return;
  while (node !== 0 && !k.current.faulted) {
    if (nodeMarked(k, node, offset, mark)) return;
    setNodeMark(k, node, offset, mark, true);
    offset = load8(k, node + NODE.offset);
    node = parentOf(k, node);
  }
  if (!rootMarked(k, xa, mark)) setRootMark(k, xa, mark, true);
}
function clearMark(k: Kernel, xa: number, place: Place, mark: number): void {
  let [node, offset] = [place.node, place.offset];
  if (node === XAS_BOUNDS || mark >= MARKS.length) return;
  while (node !== 0 && !k.current.faulted) {
    if (!nodeMarked(k, node, offset, mark)) return;
    setNodeMark(k, node, offset, mark, false);
    if (anyMarked(k, node, mark)) return;
    offset = load8(k, node + NODE.offset);
    node = parentOf(k, node);
  }
  if (rootMarked(k, xa, mark)) setRootMark(k, xa, mark, false);
}
/** The free mark of an array that allocates belongs to the whole. */
function clearMarks(k: Kernel, xa: number, place: Place): void {
  for (const mark of MARKS) if (mark !== 0 || !tracksFree(k, xa)) clearMark(k, xa, place, mark);
}

/** Makes the way to an index: its place, or null without memory. */
function create(k: Kernel, xa: number, index: bigint): Place | null {
  while (index > roomOf(k, headOf(k, xa))) {
    const head = headOf(k, xa);
    const shift = isNode(head) ? shiftOf(k, toNode(head)) + CHUNK_SHIFT : 0;
    if (head === NO_ENTRY) {
      // Straight to the height that the index needs.
      let needed = 0;
      while (index >> BigInt(needed + CHUNK_SHIFT) !== 0n) needed += CHUNK_SHIFT;
      const top = newNode(k, xa, needed, 0, 0);
      if (top === 0) return null;
      storeBig(k, xa + XA.xa_head, BigInt(top) + 2n);
      break;
    }
    const node = newNode(k, xa, shift, 0, 0);
    if (node === 0) return null;
    storeBig(k, slotOf(node, 0), head);
    store8(k, node + NODE.count, 1);
    if (isValue(head)) store8(k, node + NODE.nr_values, 1);
    for (const mark of MARKS) if (rootMarked(k, xa, mark) && (mark !== 0 || !tracksFree(k, xa))) setNodeMark(k, node, 0, mark, true);
    if (isNode(head)) {
      store8(k, toNode(head) + NODE.offset, 0);
      store64(k, toNode(head) + NODE.parent, node);
    }
    storeBig(k, xa + XA.xa_head, BigInt(node) + 2n);
  }
  for (;;) {
    const place = xaWalk(k, xa, index);
    if (place.node === 0 || shiftOf(k, place.node) === 0 || k.current.faulted) return place;
    const child = newNode(k, xa, shiftOf(k, place.node) - CHUNK_SHIFT, place.node, place.offset);
    if (child === 0) return null;
    storeBig(k, slotOf(place.node, place.offset), BigInt(child) + 2n);
  }
}
/** Frees nodes that hold nothing any more, and levels that hold one thing at index 0. */
function shrink(k: Kernel, xa: number, from: number): void {
  let node = from;
  while (node !== 0 && countOf(k, node) === 0) {
    const parent = parentOf(k, node);
    if (parent === 0) storeBig(k, xa + XA.xa_head, NO_ENTRY);
    else {
      storeBig(k, slotOf(parent, load8(k, node + NODE.offset)), NO_ENTRY);
      store8(k, parent + NODE.count, countOf(k, parent) - 1);
    }
    kfree(k, node);
    node = parent;
  }
  for (let head = headOf(k, xa); isNode(head) && !k.current.faulted; head = headOf(k, xa)) {
    const top = toNode(head);
    const first = loadBig(k, slotOf(top, 0));
    if (countOf(k, top) !== 1 || first === NO_ENTRY || (!isNode(first) && shiftOf(k, top) !== 0)) return;
    storeBig(k, xa + XA.xa_head, first);
    if (isNode(first)) store64(k, toNode(first) + NODE.parent, 0);
    kfree(k, top);
  }
}
/** Puts an entry at an index: the place, with what was there before; null without memory. */
export function xaPut(k: Kernel, xa: number, index: bigint, entry: bigint): Place | null {
  const place = entry === NO_ENTRY ? xaWalk(k, xa, index) : create(k, xa, index);
  if (place === null || place.node === XAS_BOUNDS || place.entry === entry) return place;
  if (entry === NO_ENTRY) clearMarks(k, xa, place);
  const { node, offset, entry: old } = place;
  storeBig(k, node === 0 ? xa + XA.xa_head : slotOf(node, offset), entry);
  if (node !== 0) {
    const by = (entry !== NO_ENTRY ? 1 : 0) - (old !== NO_ENTRY ? 1 : 0);
    store8(k, node + NODE.count, countOf(k, node) + by);
    store8(k, node + NODE.nr_values, load8(k, node + NODE.nr_values) + (isValue(entry) ? 1 : 0) - (isValue(old) ? 1 : 0));
    if (entry === NO_ENTRY) shrink(k, xa, node);
  }
  return place;
}

interface Found extends Place {
  readonly index: bigint;
}
/** The first place from `from` to `max` that `wanted` says yes to; whole subtrees are passed over by `below`. */
function search(
  k: Kernel,
  xa: number,
  from: bigint,
  max: bigint,
  wanted: (place: Place) => boolean,
  below: (node: number, offset: number) => boolean,
): Found | null {
  let index = from;
  while (index <= max && !k.current.faulted) {
    const place = xaWalk(k, xa, index);
    if (place.node === XAS_BOUNDS) return null;
    if (place.node === 0) return wanted(place) ? { ...place, index } : null;
    // Along the slots of the node in which the way ended.
    const shift = BigInt(shiftOf(k, place.node));
    for (let offset = place.offset; offset < CHUNK_SIZE; offset++) {
      const entry = loadBig(k, slotOf(place.node, offset));
      const at = { node: place.node, offset, entry };
      if (isNode(entry) && shift !== 0n) {
        if (below(place.node, offset)) break;
      } else if (wanted(at) && index <= max) return { ...at, index };
      index = ((index >> shift) + 1n) << shift;
      if (index > max) return null;
    }
  }
  return null;
}
const present = (k: Kernel, xa: number, from: bigint, max: bigint) => search(k, xa, from, max, (p) => p.entry !== NO_ENTRY, () => true);
const marked = (k: Kernel, xa: number, from: bigint, max: bigint, mark: number) =>
  search(k, xa, from, max, (p) => isMarked(k, xa, p, mark), (node, offset) => nodeMarked(k, node, offset, mark));
/** With reservations passed over. */
export function xaFind(k: Kernel, xa: number, from: bigint, max: bigint, filter: number): Found | null {
  for (let at = from; ; ) {
    const found = filter === XA_PRESENT ? present(k, xa, at, max) : marked(k, xa, at, max, filter);
    if (found === null || (found.entry !== ZERO_ENTRY && found.entry !== NO_ENTRY)) return found;
    at = found.index + 1n;
  }
}
/** The lowest index of the range with nothing there. */
export function xaLowestFree(k: Kernel, xa: number, min: bigint, max: bigint): bigint | null {
  let index = min === 0n && (flagsOf(k, xa) & FLAG_ZERO_BUSY) !== 0 ? 1n : min;
  while (index <= max && !k.current.faulted) {
    const { node, entry } = xaWalk(k, xa, index);
    if (entry === NO_ENTRY) return index;
    index = node > XAS_RESTART || node < 0 ? nextIn(k, node, index) : index + 1n;
  }
  return null;
}
/** The index behind a full leaf, or the next one. */
const nextIn = (k: Kernel, node: number, index: bigint) => (countOf(k, node) === CHUNK_SIZE ? (index | CHUNK_MASK) + 1n : index + 1n);

const register = (k: Kernel, i: number) => k.machine.regs.getBig(10 + i);
const indexArg = (k: Kernel) => BigInt.asUintN(64, register(k, 1));
function storeEntry(k: Kernel, xa: number, index: bigint, entry: bigint): bigint {
  if (isAdvanced(entry)) return errorEntry(-EINVAL);
  const place = xaPut(k, xa, index, entry === NO_ENTRY && tracksFree(k, xa) ? ZERO_ENTRY : entry);
  return place === null ? errorEntry(-ENOMEM) : toNull(place.entry);
}
/** __xa_alloc: `limit` is max in the low, min in the high half. */
function allocate(k: Kernel, xa: number, id: number, entry: bigint, min: bigint, max: bigint): number {
  if (isAdvanced(entry) || !tracksFree(k, xa)) return -EINVAL;
  const index = xaLowestFree(k, xa, min, max);
  if (index === null) return -EBUSY;
  if (xaPut(k, xa, index, entry === NO_ENTRY ? ZERO_ENTRY : entry) === null) return -ENOMEM;
  store32(k, id, Number(index));
  return 0;
}
const limits = (k: Kernel) => {
  const limit = BigInt.asUintN(64, register(k, 3));
  return { max: limit & 0xffff_ffffn, min: limit >> 32n };
};
function allocCyclic(k: Kernel, xa: number, id: number, next: number): number {
  const { min, max } = limits(k);
  const from = BigInt(load32(k, next));
  const entry = register(k, 2);
  let r = allocate(k, xa, id, entry, from > min ? from : min, max);
  if (r === 0 && (flagsOf(k, xa) & FLAG_ALLOC_WRAPPED) !== 0) {
    store32(k, xa + XA.xa_flags, flagsOf(k, xa) & ~FLAG_ALLOC_WRAPPED);
    r = 1;
  } else if (r < 0 && from > min) {
    r = allocate(k, xa, id, entry, min, max);
    if (r === 0) r = 1;
  }
  if (r >= 0) {
    store32(k, next, load32(k, id) + 1);
    if (load32(k, next) === 0) store32(k, xa + XA.xa_flags, flagsOf(k, xa) | FLAG_ALLOC_WRAPPED);
  }
  return r;
}
/** Empties an array. */
export function xaFree(k: Kernel, xa: number): void {
  freeNodes(k, headOf(k, xa));
  storeBig(k, xa + XA.xa_head, NO_ENTRY);
}
function freeNodes(k: Kernel, entry: bigint, depth = 0): void {
  if (!isNode(entry) || depth > 11) return;
  const node = toNode(entry);
  if (shiftOf(k, node) > 0) for (let i = 0; i < CHUNK_SIZE; i++) freeNodes(k, loadBig(k, slotOf(node, i)), depth + 1);
  kfree(k, node);
}
/** xa_find and xa_find_after: the index goes to *indexp. */
function findFrom(k: Kernel, xa: number, indexp: number, filter: number, after: boolean): bigint {
  const start = BigInt.asUintN(64, loadBig(k, indexp)) + (after ? 1n : 0n);
  if (start > MAX_INDEX) return NO_ENTRY;
  const found = xaFind(k, xa, start, BigInt.asUintN(64, register(k, 2)), filter);
  if (found === null) return NO_ENTRY;
  storeBig(k, indexp, found.index);
  return found.entry;
}

/** struct xa_state of a module that walks by itself. */
interface State {
  readonly xa: number;
  readonly index: bigint;
  readonly node: number;
  readonly offset: number;
}
function stateAt(k: Kernel, xas: number): State {
  return {
    xa: load64(k, xas + XAS.xa),
    index: BigInt.asUintN(64, loadBig(k, xas + XAS.xa_index)),
    node: load64(k, xas + XAS.xa_node),
    offset: load8(k, xas + XAS.xa_offset),
  };
}
const hasError = (s: State) => (s.node & 3) === 2;
/** Where it stands, when it stands in the array. */
const placeOf = (s: State): Place => ({ node: s.node === XAS_RESTART || hasError(s) ? XAS_BOUNDS : s.node, offset: s.offset, entry: NO_ENTRY });
function moveTo(k: Kernel, xas: number, place: Place, index?: bigint): bigint {
  store64(k, xas + XAS.xa_node, place.node);
  store8(k, xas + XAS.xa_offset, place.offset);
  if (index !== undefined) storeBig(k, xas + XAS.xa_index, index);
  return place.entry;
}
const outside: Place = { node: XAS_BOUNDS, offset: 0, entry: NO_ENTRY };
function xasFind(k: Kernel, xas: number, find: (s: State, from: bigint) => Found | null, max: bigint): bigint {
  const s = stateAt(k, xas);
  if (hasError(s) || s.node === XAS_BOUNDS) return NO_ENTRY;
  const found = find(s, s.node === XAS_RESTART ? s.index : s.index + 1n);
  return found === null ? moveTo(k, xas, outside, max + 1n) : moveTo(k, xas, found, found.index);
}
function xasMove(k: Kernel, xas: number, by: bigint): bigint {
  const s = stateAt(k, xas);
  const frozen = (s.node & 2) !== 0;
  const index = frozen ? s.index : BigInt.asUintN(64, s.index + by);
  return s.node === 0 && !frozen ? moveTo(k, xas, outside, index) : moveTo(k, xas, xaWalk(k, s.xa, index), index);
}
const unsigned = (k: Kernel, i: number) => BigInt.asUintN(64, register(k, i));

export const xarrayExports: readonly FunctionExport[] = [
  fn('xa_load', (k, xa) => toNull(xaWalk(k, xa, indexArg(k)).entry)),
  fn('xa_store', (k, xa) => storeEntry(k, xa, indexArg(k), register(k, 2))),
  fn('__xa_store', (k, xa) => storeEntry(k, xa, indexArg(k), register(k, 2))),
  fn('xa_erase', (k, xa) => toNull(xaPut(k, xa, indexArg(k), NO_ENTRY)?.entry ?? NO_ENTRY)),
  fn('__xa_erase', (k, xa) => toNull(xaPut(k, xa, indexArg(k), NO_ENTRY)?.entry ?? NO_ENTRY)),
  fn('__xa_cmpxchg', (k, xa) => {
    const here = xaWalk(k, xa, indexArg(k)).entry;
    if (here !== register(k, 2)) return toNull(here);
    const r = xaPut(k, xa, indexArg(k), register(k, 3));
    return r === null ? errorEntry(-ENOMEM) : toNull(r.entry);
  }),
  fn('__xa_insert', (k, xa) => {
    const entry = register(k, 2);
    if (isAdvanced(entry)) return -EINVAL;
    if (xaWalk(k, xa, indexArg(k)).entry !== NO_ENTRY) return -EBUSY;
    return xaPut(k, xa, indexArg(k), entry === NO_ENTRY ? ZERO_ENTRY : entry) === null ? -ENOMEM : 0;
  }),
  fn('__xa_alloc', (k, xa, id) => {
    const { min, max } = limits(k);
    return allocate(k, xa, id, register(k, 2), min, max);
  }),
  // (xa, id, entry, limit, next, gfp)
  fn('__xa_alloc_cyclic', (k, xa, id, _entry, _limit, next) => allocCyclic(k, xa, id, next)),
  fn('xa_get_mark', (k, xa, _index, mark) => (isMarked(k, xa, xaWalk(k, xa, indexArg(k)), mark) ? 1 : 0)),
  fn('xa_set_mark', (k, xa, _index, mark) => markEntry(k, xa, mark)),
  fn('__xa_set_mark', (k, xa, _index, mark) => markEntry(k, xa, mark)),
  fn('xa_clear_mark', (k, xa, _index, mark) => clearMark(k, xa, xaWalk(k, xa, indexArg(k)), mark)),
  fn('__xa_clear_mark', (k, xa, _index, mark) => clearMark(k, xa, xaWalk(k, xa, indexArg(k)), mark)),
  fn('xa_find', (k, xa, indexp, _max, filter) => findFrom(k, xa, indexp, filter, false)),
  fn('xa_find_after', (k, xa, indexp, _max, filter) => findFrom(k, xa, indexp, filter, true)),
  // xa_extract(xa, dst, start, max, n, filter)
  fn('xa_extract', (k, xa, dst, _start, _max, n, filter) => {
    let at = unsigned(k, 2);
    let i = 0;
    while (i < n >>> 0) {
      const found = xaFind(k, xa, at, unsigned(k, 3), filter);
      if (found === null) break;
      storeBig(k, dst + i++ * 8, found.entry);
      at = found.index + 1n;
    }
    return i;
  }),
  fn('xa_destroy', (k, xa) => {
    xaFree(k, xa);
    for (const mark of MARKS) setRootMark(k, xa, mark, mark === 0 && tracksFree(k, xa));
  }),
  fn('xas_load', (k, xas) => {
    const s = stateAt(k, xas);
    if (hasError(s)) return NO_ENTRY;
    return moveTo(k, xas, xaWalk(k, s.xa, s.index));
  }),
  partial('xas_store', 'entries of one index', (k, xas) => {
    const s = stateAt(k, xas);
    const entry = register(k, 1);
    if (hasError(s)) return NO_ENTRY;
    if (load8(k, xas + XAS.xa_shift) !== 0 || load8(k, xas + XAS.xa_sibs) !== 0) {
      store64(k, xas + XAS.xa_node, errorNode(-EINVAL));
      return NO_ENTRY;
    }
    const place = xaPut(k, s.xa, s.index, entry);
    if (place === null) {
      store64(k, xas + XAS.xa_node, errorNode(-ENOMEM));
      return NO_ENTRY;
    }
    // What was taken away may have taken its node along.
    moveTo(k, xas, entry === NO_ENTRY ? xaWalk(k, s.xa, s.index) : place);
    return place.entry;
  }),
  fn('xas_nomem', (k, xas) => {
    if (load64(k, xas + XAS.xa_node) === errorNode(-ENOMEM)) store64(k, xas + XAS.xa_node, XAS_RESTART);
    return 0;
  }),
  fn('xas_find', (k, xas) => xasFind(k, xas, (s, from) => present(k, s.xa, from, unsigned(k, 1)), unsigned(k, 1))),
  fn('xas_find_marked', (k, xas, _max, mark) => {
    if (load64(k, xas + XAS.xa_node) === XAS_BOUNDS) store64(k, xas + XAS.xa_node, XAS_RESTART);
    return xasFind(k, xas, (s, from) => marked(k, s.xa, from, unsigned(k, 1), mark), unsigned(k, 1));
  }),
  fn('__xas_next', (k, xas) => xasMove(k, xas, 1n)),
  fn('__xas_prev', (k, xas) => xasMove(k, xas, -1n)),
  fn('xas_pause', (k, xas) => {
    const s = stateAt(k, xas);
    if (hasError(s) || s.node === XAS_BOUNDS) return;
    const shift = s.node === 0 || s.node === XAS_RESTART ? 0n : BigInt(shiftOf(k, s.node));
    const index = s.node === XAS_RESTART ? s.index : ((s.index >> shift) + 1n) << shift;
    moveTo(k, xas, { node: index > MAX_INDEX ? XAS_BOUNDS : XAS_RESTART, offset: s.offset, entry: NO_ENTRY }, index);
  }),
  fn('xas_get_mark', (k, xas, mark) => {
    const s = stateAt(k, xas);
    return isMarked(k, s.xa, placeOf(s), mark) ? 1 : 0;
  }),
  fn('xas_set_mark', (k, xas, mark) => {
    const s = stateAt(k, xas);
    setMark(k, s.xa, placeOf(s), mark);
  }),
  fn('xas_clear_mark', (k, xas, mark) => {
    const s = stateAt(k, xas);
    clearMark(k, s.xa, placeOf(s), mark);
  }),
  fn('xas_init_marks', (k, xas) => {
    const s = stateAt(k, xas);
    clearMarks(k, s.xa, placeOf(s));
  }),
];
function markEntry(k: Kernel, xa: number, mark: number): void {
  const place = xaWalk(k, xa, indexArg(k));
  if (place.entry !== NO_ENTRY) setMark(k, xa, place, mark);
}
