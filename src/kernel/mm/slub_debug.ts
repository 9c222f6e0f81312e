import { TAINT_BAD_PAGE } from '../../abi/module.ts';
import {
  OBJECT_POISON,
  POISON_END,
  POISON_FREE,
  POISON_INUSE,
  SLAB_POISON,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLUB_RED_ACTIVE,
  SLUB_RED_INACTIVE,
} from '../../abi/slab.ts';
import type { Kernel } from '../kernel.ts';
import { DUMP_PREFIX_ADDRESS, hexDump } from '../lib/hexdump.ts';
import { slotArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { sprintSymbol } from '../kallsyms.ts';
import { addTaint, printTainted } from '../panic.ts';
import { stackEntries } from '../stacktrace.ts';
import { warnAt } from '../traps.ts';
import { PAGE_SIZE, physToVirt } from './address.ts';
import { type KmemCache, type Slab, SlabPlace, TRACK_SIZE } from './slab_cache.ts';
import type { Slub } from './slub.ts';

// SLUB's checks: red zones, poison, who allocated and freed (mm/slub.c under CONFIG_SLUB_DEBUG), in the words of 6.12.

/** Page flags of a slab as %pGp names them: lastcpupid, and PG_workingset while the slab is on the node's list. */
const PAGE_FLAGS = 'node=0|zone=0|lastcpupid=0x7fff';
const KERN_ERR = 3;
const KERN_DEFAULT = 4;
const KERN_INFO = 6;
const RULE = '='.repeat(77);
const LINE = '-'.repeat(77);
/** enum track_item. */
export const TRACK_ALLOC = 0;
export const TRACK_FREE = 1;
/** struct track. */
const TRACK = { addr: 0, handle: 8, cpu: 12, pid: 16, when: 24 } as const;

/** Stacks by handle (lib/stackdepot.c); equal stacks share one. */
export class StackDepot {
  private readonly stacks: (readonly number[])[] = [];
  private readonly handles = new Map<string, number>();

  private ready = false;

  /** stack_depot_init, at the first cache that wants it: a table as large as suits the memory. */
  init(k: Kernel): void {
    if (this.ready) return;
    this.ready = true;
    const { managedPages, watermarks } = k.mm.pages;
    const entries = Math.min(2 ** 20, Math.max(2 ** 12, 2 ** Math.ceil(Math.log2(managedPages - watermarks.high)) / 4));
    k.printk.log(KERN_INFO, `stackdepot: allocating hash table of ${entries} entries via kvcalloc`);
  }
  /** stack_depot_early_init, when slab_debug= asks for tracks: an entry of 16 bytes for every 16 KiB of memory. */
  earlyInit(k: Kernel): void {
    this.ready = true;
    const entries = Math.min(2 ** 20, 2 ** Math.ceil(Math.log2(k.mm.pages.totalPages / 4)));
    k.printk.log(KERN_INFO, 'stackdepot: allocating hash table via alloc_large_system_hash');
    const order = Math.max(0, Math.log2((entries * 16) / PAGE_SIZE));
    k.printk.log(KERN_INFO, `stackdepot hash table entries: ${entries} (order: ${order}, ${entries * 16} bytes, linear)`);
  }
  save(stack: readonly number[]): number {
    const key = stack.join();
    let handle = this.handles.get(key);
    if (handle === undefined) {
      this.stacks.push(stack);
      handle = this.stacks.length;
      this.handles.set(key, handle);
    }
    return handle;
  }
  fetch(handle: number): readonly number[] {
    return this.stacks[handle - 1] ?? [];
  }
}

/** An address as %p shows it. */
export function hashed(k: Kernel, pa: number): string {
  return vsnprintf(k, '%p', slotArguments([pa === 0 ? 0n : BigInt(physToVirt(pa))]));
}
const err = (k: Kernel, text: string) => k.printk.log(KERN_ERR, text);

function trackPa(cache: KmemCache, obj: number, which: number): number {
  return obj + cache.infoEnd + which * TRACK_SIZE;
}
export function setTrack(s: Slub, cache: KmemCache, obj: number, which: number): void {
  const { k, ram } = s;
  const at = trackPa(cache, obj, which);
  const stack = k.machine.regs.mode === 0 ? [] : stackEntries(k, k.current);
  ram.fill(at, TRACK_SIZE);
  if (stack.length < 2) return;
  ram.write64(at + TRACK.addr, stack[1]);
  ram.write32(at + TRACK.handle, k.mm.stackDepot.save(stack));
  ram.write32(at + TRACK.cpu, k.cpu);
  ram.write32(at + TRACK.pid, k.current.pid);
  ram.write64(at + TRACK.when, k.time.jiffies);
}
/** What a cache asked for, where it remembers (get_orig_size). */
function originalSizePa(cache: KmemCache, obj: number): number {
  return obj + cache.infoEnd + 2 * TRACK_SIZE;
}
function originalSize(s: Slub, cache: KmemCache, obj: number): number {
  return cache.keepsOriginalSize ? s.ram.read32(originalSizePa(cache, obj)) : cache.objectSize;
}

/** init_object: red zones and poison of a free (0xbb) or allocated (0xcc) object. */
function initObject(s: Slub, cache: KmemCache, obj: number, value: number): void {
  const { ram } = s;
  let poison = cache.objectSize;
  let zone = cache.objectSize;
  if ((cache.flags & SLAB_RED_ZONE) !== 0) {
    ram.fill(obj - cache.redLeftPad, cache.redLeftPad, value);
    if (cache.keepsOriginalSize && value === SLUB_RED_ACTIVE) {
      zone = originalSize(s, cache, obj);
      poison = zone;
    }
  }
  if ((cache.flags & OBJECT_POISON) !== 0) {
    ram.fill(obj, poison - 1, POISON_FREE);
    ram.write8(obj + poison - 1, POISON_END);
  }
  if ((cache.flags & SLAB_RED_ZONE) !== 0) ram.fill(obj + zone, cache.inuse - zone, value);
}
/** A new slab: all of it poisoned, its objects marked free. */
export function setupSlabDebug(s: Slub, slab: Slab): void {
  const { cache } = slab;
  if ((cache.flags & SLAB_POISON) !== 0) s.ram.fill(slab.pa, PAGE_SIZE << cache.order, POISON_INUSE);
  for (let i = 0; i < cache.perSlab; i++) {
    const obj = cache.objectPa(slab, i);
    initObject(s, cache, obj, SLUB_RED_INACTIVE);
    if ((cache.flags & SLAB_STORE_USER) !== 0) s.ram.fill(trackPa(cache, obj, 0), 2 * TRACK_SIZE);
  }
}

function slabBug(s: Slub, cache: KmemCache, text: string): void {
  const { k } = s;
  err(k, RULE);
  err(k, `BUG ${cache.name} (${printTainted(k)}): ${text}`);
  err(k, `${LINE}\n`);
}
export function slabFix(s: Slub, cache: KmemCache, text: string): void {
  err(s.k, `FIX ${cache.name}: ${text}`);
}
function printTrack(s: Slub, what: string, at: number): void {
  const { k, ram } = s;
  const addr = ram.read64(at + TRACK.addr);
  if (addr === 0) return;
  const age = Math.max(0, k.time.jiffies - ram.read64(at + TRACK.when));
  err(k, `${what} in ${sprintSymbol(k, addr, 'S')} age=${age} cpu=${ram.read32(at + TRACK.cpu)} pid=${ram.readS32(at + TRACK.pid)}`);
  const stack = k.mm.stackDepot.fetch(ram.read32(at + TRACK.handle));
  if (stack.length === 0) err(k, 'object allocation/free stack trace missing');
  for (const pc of stack) k.printk.log(KERN_DEFAULT, ` ${sprintSymbol(k, pc, 'S')}`);
}
export function printTracking(s: Slub, cache: KmemCache, obj: number): void {
  if ((cache.flags & SLAB_STORE_USER) === 0) return;
  printTrack(s, 'Allocated', trackPa(cache, obj, TRACK_ALLOC));
  printTrack(s, 'Freed', trackPa(cache, obj, TRACK_FREE));
}
/** print_slab_info. `used` may run ahead of the books: the object that is being looked at. */
function printSlabInfo(s: Slub, slab: Slab): void {
  const { cache } = slab;
  const { k } = s;
  const onList = slab.place === SlabPlace.PARTIAL;
  const first = slab.freeCount === 0 ? 0 : cache.objectPa(slab, slab.free[slab.freeCount - 1]);
  const page = s.pages.pageStructVa(slab.pa);
  const text = vsnprintf(k, '0x%p', slotArguments([BigInt(page)]));
  err(
    k,
    `Slab ${text} objects=${cache.perSlab} used=${cache.perSlab - slab.freeCount} fp=0x${first === 0 ? '0'.repeat(16) : hashed(k, first)} flags=0xfffe0000000${onList ? '0200(workingset|' : '0000('}${PAGE_FLAGS})`,
  );
}
function printSection(s: Slub, text: string, pa: number, length: number): void {
  const how = { prefix: text, prefixType: DUMP_PREFIX_ADDRESS, rowSize: 16, groupSize: 1, ascii: true };
  for (const line of hexDump(s.ram.bytes(pa, length), how, (offset) => hashed(s.k, pa + offset))) err(s.k, line);
}
/** print_trailer: all that is known of an object. */
function printTrailer(s: Slub, slab: Slab, index: number): void {
  const { cache } = slab;
  const { k } = s;
  const obj = cache.objectPa(slab, index);
  const redZone = (cache.flags & SLAB_RED_ZONE) !== 0;
  const next = s.nextFree(slab, index);
  printTracking(s, cache, obj);
  printSlabInfo(s, slab);
  err(k, `Object 0x${hashed(k, obj)} @offset=${obj - slab.pa} fp=0x${next === 0 ? '0'.repeat(16) : hashed(k, next)}\n`);
  if (redZone) printSection(s, 'Redzone  ', obj - cache.redLeftPad, cache.redLeftPad);
  else if (obj > slab.pa + 16) printSection(s, 'Bytes b4 ', obj - 16, 16);
  printSection(s, 'Object   ', obj, Math.min(cache.objectSize, PAGE_SIZE));
  if (redZone) printSection(s, 'Redzone  ', obj + cache.objectSize, cache.inuse - cache.objectSize);
  const [from, to] = padding(cache);
  if (from < to) printSection(s, 'Padding  ', obj + from, to - from);
}
/** Where the padding behind an object begins and ends. */
function padding(cache: KmemCache): [number, number] {
  let off = cache.infoEnd;
  if ((cache.flags & SLAB_STORE_USER) !== 0) off += 2 * TRACK_SIZE;
  if (cache.keepsOriginalSize) off += 4;
  return [off, cache.size - cache.redLeftPad];
}
function objectErr(s: Slub, slab: Slab, index: number, reason: string): void {
  slabBug(s, slab.cache, reason);
  printTrailer(s, slab, index);
  addTaint(s.k, TAINT_BAD_PAGE, false);
  warnAt(s.k, 'mm/slub.c:1124');
}
function slabErr(s: Slub, slab: Slab, text: string): void {
  slabBug(s, slab.cache, text);
  printSlabInfo(s, slab);
  addTaint(s.k, TAINT_BAD_PAGE, false);
  warnAt(s.k, 'mm/slub.c:1149');
}
/** check_bytes_and_report: all `length` bytes are `value`; else it says so and puts them right. */
function checkBytes(s: Slub, slab: Slab, index: number, what: string, pa: number, value: number, length: number, full: boolean): boolean {
  const { ram, k } = s;
  let from = pa;
  let end = pa + length;
  while (from < end && ram.u8[from] === value) from++;
  if (from === end) return true;
  while (end > from && ram.u8[end - 1] === value) end--;
  const range = `0x${hashed(k, from)}-0x${hashed(k, end - 1)}`;
  err(k, `[${what} overwritten] ${range} @offset=${from - slab.pa}. First byte 0x${ram.u8[from].toString(16)} instead of 0x${value.toString(16)}`);
  if (full) objectErr(s, slab, index, 'Object corrupt');
  slabFix(s, slab.cache, `Restoring ${what} ${range}=0x${value.toString(16)}`);
  ram.fill(from, end - from, value);
  return false;
}
/** check_object: `value` is 0xbb for a free object, 0xcc for one in use. */
export function checkObject(s: Slub, slab: Slab, index: number, value: number): boolean {
  const { cache } = slab;
  const obj = cache.objectPa(slab, index);
  const { objectSize, inuse } = cache;
  let ok = true;
  const bytes = (what: string, pa: number, byte: number, length: number) => {
    if (!checkBytes(s, slab, index, what, pa, byte, length, ok)) ok = false;
  };
  if ((cache.flags & SLAB_RED_ZONE) !== 0) {
    bytes('Left Redzone', obj - cache.redLeftPad, value, cache.redLeftPad);
    bytes('Right Redzone', obj + objectSize, value, inuse - objectSize);
    if (cache.keepsOriginalSize && value === SLUB_RED_ACTIVE) {
      const size = originalSize(s, cache, obj);
      if (objectSize > size) bytes('kmalloc Redzone', obj + size, value, objectSize - size);
    }
  } else if ((cache.flags & SLAB_POISON) !== 0 && objectSize < inuse) bytes('Alignment padding', obj + objectSize, POISON_INUSE, inuse - objectSize);
  if ((cache.flags & SLAB_POISON) !== 0) {
    if (value !== SLUB_RED_ACTIVE && (cache.flags & OBJECT_POISON) !== 0) {
      bytes('Poison', obj, POISON_FREE, objectSize - 1);
      bytes('End Poison', obj + objectSize - 1, POISON_END, 1);
    }
    const [from, to] = padding(cache);
    if (from < to) bytes('Object padding', obj + from, POISON_INUSE, to - from);
  }
  if ((cache.linkOutside || value !== SLUB_RED_ACTIVE) && !linkValid(s, slab, index)) {
    objectErr(s, slab, index, 'Freepointer corrupt');
    s.repairLink(slab, index);
    ok = false;
  }
  return ok;
}
/** The link of an object in use is what it was when it was free: nobody has a reason to write there. */
function linkValid(s: Slub, slab: Slab, index: number): boolean {
  return slab.used[index] !== 0 || s.linkIntact(slab, index);
}
function checkSlab(s: Slub, slab: Slab): boolean {
  if (slab.place !== SlabPlace.DISABLED) return true;
  slabErr(s, slab, 'Slab disabled since SLUB metadata consistency check failed');
  return false;
}
/** alloc_debug_processing: the object is marked as in use; false when it or its slab is not to be trusted. */
export function allocDebug(s: Slub, slab: Slab, index: number, size: number): boolean {
  const { cache } = slab;
  const obj = cache.objectPa(slab, index);
  if (cache.checks) {
    slab.used[index] = 0; // for the look at its link
    slab.free[slab.freeCount++] = index;
    const link = s.linkIntact(slab, index);
    slab.used[index] = 1;
    slab.freeCount--;
    let good = checkSlab(s, slab) && checkObject(s, slab, index, SLUB_RED_INACTIVE);
    if (good && !link) {
      objectErr(s, slab, index, 'Freepointer corrupt');
      good = false;
    }
    if (!good) {
      slabFix(s, cache, 'Marking all objects used');
      return false;
    }
  }
  if (cache.keepsOriginalSize) s.ram.write32(originalSizePa(cache, obj), size);
  initObject(s, cache, obj, SLUB_RED_ACTIVE);
  return true;
}
/** free_debug_processing: true when the object may go back on the free list. */
export function freeDebug(s: Slub, slab: Slab, pa: number): boolean {
  const { cache } = slab;
  const { k } = s;
  const index = cache.indexOf(slab, pa);
  const good = () => {
    if (!cache.checks) return index >= 0 && slab.used[index] === 1;
    if (!checkSlab(s, slab)) return false;
    if (index < 0) {
      slabErr(s, slab, `Invalid object pointer 0x${hashed(k, pa)}`);
      return false;
    }
    if (slab.used[index] === 0) {
      objectErr(s, slab, index, 'Object already free');
      return false;
    }
    return checkObject(s, slab, index, SLUB_RED_ACTIVE);
  };
  if (!good()) {
    slabFix(s, cache, `Object at 0x${hashed(k, pa)} not freed`);
    return false;
  }
  if ((cache.flags & SLAB_STORE_USER) !== 0) setTrack(s, cache, pa, TRACK_FREE);
  initObject(s, cache, pa, SLUB_RED_INACTIVE);
  return true;
}
/** validate: every object of the cache is looked at. */
export function validateCache(s: Slub, cache: KmemCache): void {
  for (const slab of cache.slabs) {
    if (!checkSlab(s, slab)) continue;
    for (let i = 0; i < cache.perSlab; i++) checkObject(s, slab, i, slab.used[i] === 1 ? SLUB_RED_ACTIVE : SLUB_RED_INACTIVE);
  }
}
/** list_slab_objects: what is left in a slab when its cache is to go. */
export function reportRemaining(s: Slub, slab: Slab): void {
  const { cache } = slab;
  slabBug(s, cache, 'Objects remaining on __kmem_cache_shutdown()');
  for (let i = 0; i < cache.perSlab; i++) {
    if (slab.used[i] === 0) continue;
    const obj = cache.objectPa(slab, i);
    err(s.k, `Object 0x${hashed(s.k, obj)} @offset=${obj - slab.pa}`);
    printTracking(s, cache, obj);
  }
  printSlabInfo(s, slab);
  addTaint(s.k, TAINT_BAD_PAGE, false);
  warnAt(s.k, 'mm/slub.c:1149');
}
