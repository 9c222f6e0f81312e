import { kmem_cache as CACHE, kmem_cache_args as ARGS, page as PAGE } from '../../abi/layout/structs.ts';
import { EINVAL, ENOMEM } from '../../abi/errno.ts';
import { GFP_COMP, GFP_DIRECT_RECLAIM, GFP_NOFAIL, GFP_NORETRY, GFP_NOWARN, GFP_RETRY_MAYFAIL, GFP_ZERO } from '../../abi/gfp.ts';
import { SLAB_FLAGS_PERMITTED, SLAB_PANIC, SLAB_STORE_USER } from '../../abi/slab.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { sprintSymbol } from '../kallsyms.ts';
import { bytesOf } from '../lib/bytes.ts';
import { callArguments, type VaList, vaListArguments } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { callGuest } from '../module/call.ts';
import { type DataExport, fast, type FunctionExport, fn, partial } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { BLOCKED } from '../sched/wait.ts';
import { dumpStack } from '../stacktrace.ts';
import { faultInExport, warnAt } from '../traps.ts';
import { KERNEL_LINK_ADDR, PAGE_SIZE, physToVirt, virtToImage, virtToPhys, VMEMMAP_START } from './address.ts';
import { kernelBytes, kernelString, readKernel32, readKernel64, writeKernel64, writeKernelBytes } from './maccess.ts';
import type { ObjectKind } from './memcheck.ts';
import { allocPages } from './page_exports.ts';
import { KMALLOC_INDICES, KMALLOC_MAX_SIZE, kmallocType } from './slab.ts';
import { getOrder, type KmemCache } from './slab_cache.ts';
import { lend } from './slub_cpu.ts';
import { printTracking } from './slub_debug.ts';
import { cacheAllocText, cacheFreeText, kfreeText, kmallocText } from './slub_fast.ts';
import { isVmallocAddress, vfree, vmallocFor } from './vmalloc.ts';
import { warnAlloc } from './show_mem.ts';

// What mm/slub.c, mm/slab_common.c and the string functions of mm/util.c export.

/** Above all objects of a slab, below the struct pages: the address that kmalloc(0) gives (ZERO_SIZE_PTR). */
const ZERO_SIZE_PTR = 16;
const NAME_MAX = 256;
const INT_MAX = 0x7fff_ffff;

const KMALLOC_KINDS: readonly ObjectKind[] = ['slab', 'large'];
/** Sizes come as signed numbers. */
const unsigned = (n: number) => (n < 0 ? n + 2 ** 64 : n);
const zeroOrNull = (va: number) => va >= 0 && va <= ZERO_SIZE_PTR;

/** kmalloc: the guest address of the object, or 0. */
export function kmalloc(k: Kernel, size: number, gfp: number): number {
  const bytes = unsigned(size);
  if (bytes === 0) return ZERO_SIZE_PTR;
  const zero = (gfp & GFP_ZERO) !== 0;
  const { slab } = k.mm;
  const cache = slab.kmallocCache(bytes, gfp);
  if (cache !== null) {
    const pa = slab.slub.alloc(cache, zero, bytes);
    if (pa === 0) outOfSlabs(k, gfp, cache);
    else k.mm.check?.onAlloc(physToVirt(pa), bytes, cache.objectSize, 'slab', cache.name, cache.objectSize, zero);
    return pa === 0 ? 0 : physToVirt(pa);
  }
  const order = bytes > KMALLOC_MAX_SIZE ? Math.ceil(Math.log2(bytes / PAGE_SIZE)) : getOrder(bytes);
  const pa = allocPages(k, gfp | GFP_COMP, order);
  if (pa === 0) return 0;
  slab.adoptLarge(pa, order);
  k.mm.check?.onAlloc(physToVirt(pa), bytes, PAGE_SIZE << order, 'large', '', 0, zero);
  return physToVirt(pa);
}
/** A cache could not get a slab (slab_out_of_memory). */
function outOfSlabs(k: Kernel, gfp: number, cache: KmemCache): void {
  warnAlloc(k, gfp, cache.order);
}
/** Physical address of an object that a caller names, or -1: the fault in virt_to_folio has been taken. */
function objectPa(k: Kernel, va: number): number {
  const pa = virtToPhys(va);
  if (pa >= RAM_BASE && pa < k.ram.size) return pa;
  // Where the struct page of that address would be: virt_to_folio reads its compound_head.
  const frame = Math.floor((va < KERNEL_LINK_ADDR ? pa : virtToImage(va)) / PAGE_SIZE);
  faultInExport(k, VMEMMAP_START + frame * PAGE.sizeof + PAGE.compound_head, Access.READ);
  return -1;
}
export function kfree(k: Kernel, va: number): undefined {
  if (zeroOrNull(va) || k.mm.check?.onFree(va, KMALLOC_KINDS) === true) return;
  const pa = objectPa(k, va);
  if (pa >= 0) k.mm.slab.kfree(pa);
}
function ksize(k: Kernel, va: number): number {
  if (zeroOrNull(va)) return 0;
  const pa = objectPa(k, va);
  return pa < 0 ? 0 : k.mm.slab.ksize(pa);
}
function cacheAt(k: Kernel, va: number): KmemCache | null {
  const cache = k.mm.slab.cacheAt(virtToPhys(va));
  if (cache === null) faultInExport(k, va + CACHE.flags, Access.READ);
  return cache;
}
/** One object of a cache: its guest address, 0, or BLOCKED while a constructor runs over the objects of a new slab. */
function cacheAlloc(k: Kernel, cache: KmemCache, gfp: number): number {
  const task = k.current;
  const { slub } = k.mm.slab;
  if (cache.ctor !== 0) {
    let pa = (task.restart?.slab as number | undefined) ?? 0;
    if (pa === 0 && slub.needsSlab(cache)) {
      pa = slub.newSlab(cache)?.pa ?? 0;
      if (pa === 0) {
        outOfSlabs(k, gfp, cache);
        return 0;
      }
      task.restart = { ...task.restart, slab: pa };
    }
    const slab = pa === 0 ? null : slub.slabAt(pa);
    if (slab !== null) {
      // Until all are constructed the slab belongs to nobody: no other task can be given one of its objects.
      for (let i = 0; i < cache.perSlab; i++) if (callGuest(k, cache.ctor, physToVirt(cache.objectPa(slab, i))) === null) return BLOCKED;
      slub.installSlab(slab);
      task.restart = { ...task.restart, slab: 0 };
    }
  }
  const zero = (gfp & GFP_ZERO) !== 0;
  const pa = slub.alloc(cache, zero);
  if (pa === 0) outOfSlabs(k, gfp, cache);
  else k.mm.check?.onAlloc(physToVirt(pa), cache.objectSize, cache.objectSize, 'slab', cache.name, cache.objectSize, zero || cache.ctor !== 0);
  return pa === 0 ? 0 : physToVirt(pa);
}
export function allocFrom(k: Kernel, va: number, gfp: number): number {
  const cache = cacheAt(k, va);
  return cache === null ? 0 : cacheAlloc(k, cache, gfp);
}
/** cache_from_obj: an object goes back to the cache that it came from, whatever the caller says. */
export function freeTo(k: Kernel, cacheVa: number, va: number): undefined {
  if (va === 0) return;
  const cache = cacheAt(k, cacheVa);
  const pa = cache === null ? -1 : objectPa(k, va);
  if (cache === null || pa < 0) return;
  const { slab } = k.mm;
  const own = slab.cacheOf(pa);
  if (own !== null && own !== cache) {
    warnAt(k, 'mm/slub.c:4750', `cache_from_obj: Wrong slab cache. ${cache.name} but object is from ${own.name}`);
    printTracking(slab.slub, own, pa);
  }
  if (k.mm.check?.onFree(va, KMALLOC_KINDS) === true) return;
  slab.kfree(pa);
}
function createCache(k: Kernel, nameVa: number, size: number, argsVa: number, flags: number): number {
  const name = kernelString(k, nameVa, NAME_MAX) ?? '';
  const word = (offset: number) => readKernel32(k, argsVa + offset) ?? 0;
  const options = {
    align: word(ARGS.align),
    useroffset: word(ARGS.useroffset),
    usersize: word(ARGS.usersize),
    ctor: readKernel64(k, argsVa + ARGS.ctor) ?? 0,
    flags,
    shared: true,
  };
  const bad = (flags & ~SLAB_FLAGS_PERMITTED) !== 0 || size <= 0 || size > KMALLOC_MAX_SIZE;
  if ((flags & SLAB_STORE_USER) !== 0) k.mm.stackDepot.init(k);
  const cache = bad ? null : k.mm.slab.create(name, size, options);
  if (cache !== null) return physToVirt(cache.addr);
  const error = bad ? EINVAL : ENOMEM;
  if ((flags & SLAB_PANIC) !== 0) k.panic(`__kmem_cache_create_args: Failed to create slab '${name}'. Error -${error}`);
  k.printk.log(4, `__kmem_cache_create_args(${name}) failed with error -${error}`);
  dumpStack(k, k.current);
  return 0;
}
function destroyCache(k: Kernel, va: number): undefined {
  const cache = va === 0 ? null : cacheAt(k, va);
  if (cache === null) return;
  k.mm.check?.drain(cache.name);
  if (k.mm.slab.destroyCache(cache)) return;
  const caller = sprintSymbol(k, k.machine.regs.get(1), 'S');
  warnAt(k, 'mm/slab_common.c:521', `kmem_cache_destroy ${cache.name}: Slab cache still has objects when called from ${caller}`);
}
/** The first `n` guest words at `va`, or null: the fault has been taken. */
function words(k: Kernel, va: number, n: number): number[] | null {
  const out: number[] = [];
  for (let i = 0; i < n; i++) {
    const w = readKernel64(k, va + i * 8);
    if (w === null) {
      faultInExport(k, va + i * 8, Access.READ);
      return null;
    }
    out.push(w);
  }
  return out;
}
function allocBulk(k: Kernel, cacheVa: number, gfp: number, count: number, array: number): number {
  const cache = cacheAt(k, cacheVa);
  if (cache === null) return 0;
  const task = k.current;
  for (let i = (task.restart?.got as number | undefined) ?? 0; i < count; i++) {
    const va = cacheAlloc(k, cache, gfp);
    if (va === BLOCKED) return BLOCKED;
    if (va === 0 || !writeKernel64(k, array + i * 8, va)) {
      for (const held of words(k, array, i) ?? []) freeTo(k, cacheVa, held);
      return 0;
    }
    task.restart = { ...task.restart, got: i + 1 };
    task.calls = [];
    task.callIndex = 0;
  }
  return count;
}
/** __do_krealloc: in place while it fits. */
function krealloc(k: Kernel, va: number, size: number, gfp: number): number {
  if (size === 0) {
    kfree(k, va);
    return ZERO_SIZE_PTR;
  }
  const have = ksize(k, va);
  const want = unsigned(size);
  if (have >= want) {
    if ((gfp & GFP_ZERO) !== 0 || k.mm.slab.slub.initOnAlloc) k.ram.fill(virtToPhys(va) + want, have - want);
    k.mm.check?.onResize(va, want);
    return va;
  }
  const to = kmalloc(k, size, gfp);
  if (to === 0) return 0;
  if (have > 0) k.ram.u8.copyWithin(virtToPhys(to), virtToPhys(va), virtToPhys(va) + have);
  k.mm.check?.wrote(to);
  kfree(k, va);
  return to;
}
/** kmalloc_gfp_adjust: a first try that gives up early, because vmalloc can do it as well. */
export function kvmalloc(k: Kernel, size: number, gfp: number): number {
  const bytes = unsigned(size);
  let flags = gfp;
  if (bytes > PAGE_SIZE) {
    flags |= GFP_NOWARN;
    if ((flags & GFP_RETRY_MAYFAIL) === 0) flags |= GFP_NORETRY;
    flags &= ~GFP_NOFAIL;
  }
  const va = kmalloc(k, size, flags);
  if (va !== 0 || bytes <= PAGE_SIZE || (gfp & GFP_DIRECT_RECLAIM) === 0) return va;
  if (bytes > INT_MAX) {
    if ((gfp & GFP_NOWARN) === 0) warnAt(k, 'mm/util.c:668');
    return 0;
  }
  const zero = (gfp & GFP_ZERO) !== 0;
  const at = vmallocFor(k, bytes, gfp, { caller: k.machine.regs.get(1), zero });
  if (at !== 0) k.mm.check?.onAlloc(at, bytes, Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE, 'vmalloc', '', 0, zero);
  return at;
}
export function kvfree(k: Kernel, va: number): undefined {
  if (!isVmallocAddress(va)) kfree(k, va);
  else if (k.mm.check?.onFree(va, ['vmalloc']) !== true) vfree(k, va);
}
export function duplicate(k: Kernel, bytes: Uint8Array, gfp: number): number {
  const to = kmalloc(k, bytes.length, gfp);
  if (!zeroOrNull(to)) writeKernelBytes(k, to, bytes);
  k.mm.check?.wrote(to);
  return to;
}
function text(k: Kernel, va: number, max: number): string | null {
  const s = kernelString(k, va, max);
  if (s === null) faultInExport(k, va, Access.READ);
  return s;
}
function stringCopy(k: Kernel, va: number, max: number, gfp: number): number {
  const s = va === 0 ? null : text(k, va, max);
  return s === null ? 0 : duplicate(k, bytesOf(`${s}\0`), gfp);
}
function printed(k: Kernel, gfp: number, fmtVa: number, args: VaList): number {
  const fmt = text(k, fmtVa, INT_MAX);
  return fmt === null ? 0 : duplicate(k, bytesOf(`${vsnprintf(k, fmt, args)}\0`), gfp);
}
/** kmalloc_size_roundup. */
function roundUp(k: Kernel, size: number): number {
  const bytes = unsigned(size);
  const cache = bytes === 0 ? null : k.mm.slab.kmallocCache(bytes);
  if (cache !== null) return cache.objectSize;
  return bytes > 0 && bytes <= KMALLOC_MAX_SIZE ? PAGE_SIZE << getOrder(bytes) : size;
}
/** Constants that kernel images hold are not copied (is_kernel_rodata). Ours holds no strings of modules. */
const STRING_MAX = 2 ** 22;

/** What machine code could not do is done, and the next can, if there is a slab for it. */
function thenLend(k: Kernel, cache: KmemCache | null, freed = 0): void {
  if (cache !== null) lend(k.mm.slab.slub, cache, freed);
}
function kmallocSlow(k: Kernel, size: number, gfp: number): number {
  const va = kmalloc(k, size, gfp);
  thenLend(k, k.mm.slab.kmallocCache(unsigned(size), gfp));
  return va;
}
function allocSlow(k: Kernel, cacheVa: number, gfp: number): number {
  const va = allocFrom(k, cacheVa, gfp);
  thenLend(k, k.mm.slab.cacheAt(virtToPhys(cacheVa)));
  return va;
}
function kfreeSlow(k: Kernel, va: number): void {
  const cache = k.mm.slab.cacheOf(virtToPhys(va));
  kfree(k, va);
  thenLend(k, cache, virtToPhys(va));
}
function freeToSlow(k: Kernel, cacheVa: number, va: number): void {
  const cache = k.mm.slab.cacheOf(virtToPhys(va));
  freeTo(k, cacheVa, va);
  thenLend(k, cache, virtToPhys(va));
}

export const slabExports: readonly FunctionExport[] = [
  fast('__kmalloc_noprof', kmallocText, kmallocSlow),
  fn('__kmalloc_large_noprof', kmalloc),
  fn('__kmalloc_large_node_noprof', kmalloc),
  fn('__kmalloc_node_noprof', (k, size, _buckets, gfp) => kmalloc(k, size, gfp)),
  fn('__kmalloc_node_track_caller_noprof', (k, size, _buckets, gfp) => kmalloc(k, size, gfp)),
  fast('__kmalloc_cache_noprof', cacheAllocText, allocSlow),
  fn('__kmalloc_cache_node_noprof', allocFrom),
  fn('__kvmalloc_node_noprof', (k, size, _buckets, gfp) => kvmalloc(k, size, gfp)),
  fn('kvfree', kvfree),
  fast('kfree', kfreeText, kfreeSlow),
  fn('kfree_const', kfree),
  fn('kfree_sensitive', (k, va) => {
    const size = ksize(k, va);
    if (size > 0) k.ram.fill(virtToPhys(va), size);
    kfree(k, va);
  }),
  fn('ksize', ksize),
  fn('krealloc_noprof', krealloc),
  fn('kvrealloc_noprof', (k, va, size, gfp) => {
    if (!isVmallocAddress(va)) {
      // What kmalloc can still give stays there.
      const to = krealloc(k, va, size, gfp | GFP_NOWARN | GFP_NORETRY);
      if (to !== 0) return to;
    }
    const have = isVmallocAddress(va) ? (k.mm.vmalloc.find(va)?.pages ?? 0) * PAGE_SIZE : ksize(k, va);
    if (unsigned(size) <= have) return va;
    const to = kvmalloc(k, size, gfp);
    if (to === 0) return 0;
    const bytes = kernelBytes(k, va, have);
    if (bytes !== null) writeKernelBytes(k, to, bytes);
    kvfree(k, va);
    return to;
  }),
  fn('kmalloc_size_roundup', roundUp),
  fast('kmem_cache_alloc_noprof', cacheAllocText, allocSlow),
  fn('kmem_cache_alloc_node_noprof', allocFrom),
  fn('kmem_cache_alloc_lru_noprof', (k, cache, _lru, gfp) => allocFrom(k, cache, gfp)),
  fn('kmem_cache_alloc_bulk_noprof', allocBulk),
  fast('kmem_cache_free', cacheFreeText, freeToSlow),
  fn('kmem_cache_free_bulk', (k, cache, count, array) => {
    for (const va of words(k, array, count) ?? []) {
      if (cache === 0) kfree(k, va);
      else freeTo(k, cache, va);
    }
  }),
  fn('__kmem_cache_create_args', createCache),
  fn('kmem_cache_destroy', destroyCache),
  fn('kmem_cache_shrink', (k, va) => {
    const cache = cacheAt(k, va);
    if (cache === null) return 0;
    k.mm.check?.drain(cache.name);
    k.mm.slab.slub.shrink(cache);
    return cache.slabs.size > 0 ? 1 : 0;
  }),
  fn('kmem_cache_size', (k, va) => cacheAt(k, va)?.objectSize ?? 0),
  partial('kmem_cache_charge', 'an object that exists already is not charged to a memory cgroup', () => 1),
  fn('kmemdup_noprof', (k, from, size, gfp) => {
    const bytes = kernelBytes(k, from, unsigned(size));
    if (bytes !== null) return duplicate(k, bytes, gfp);
    faultInExport(k, from, Access.READ);
    return 0;
  }),
  fn('kstrdup', (k, va, gfp) => stringCopy(k, va, STRING_MAX, gfp)),
  fn('kstrdup_const', (k, va, gfp) => stringCopy(k, va, STRING_MAX, gfp)),
  fn('kstrndup', (k, va, max, gfp) => stringCopy(k, va, Math.min(unsigned(max), STRING_MAX), gfp)),
  fn('kmemdup_nul', (k, va, length, gfp) => {
    const bytes = va === 0 ? null : kernelBytes(k, va, unsigned(length));
    return bytes === null ? 0 : duplicate(k, Uint8Array.from([...bytes, 0]), gfp);
  }),
  fn('kasprintf', (k, gfp, fmt) => printed(k, gfp, fmt, callArguments(k, 2))),
  fn('kvasprintf', (k, gfp, fmt, ap) => printed(k, gfp, fmt, vaListArguments(k, ap))),
];

export const slabDataExports: readonly DataExport[] = [
  {
    name: 'kmalloc_caches',
    place(k) {
      // The fourth row (KMALLOC_NO_OBJ_EXT) holds the caches of the first.
      const rows = [...k.mm.slab.kmallocCaches, k.mm.slab.kmallocCaches[kmallocType(0)]];
      const addr = imageObject(k, rows.length * KMALLOC_INDICES * 8, 8);
      rows.forEach((row, type) => {
        row.forEach((cache, index) => {
          if (cache !== null) writeKernel64(k, addr + (type * KMALLOC_INDICES + index) * 8, physToVirt(cache.addr));
        });
      });
      return addr;
    },
  },
];
