import { kmem_cache as CACHE } from '../../abi/layout/structs.ts';
import { GFP_ACCOUNT, GFP_RECLAIMABLE } from '../../abi/gfp.ts';
import {
  SLAB_ACCOUNT,
  SLAB_CONSISTENCY_CHECKS,
  SLAB_HWCACHE_ALIGN,
  SLAB_KMALLOC,
  SLAB_MERGE_SAME,
  SLAB_NEVER_MERGE,
  SLAB_NO_MERGE,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLAB_TRACE,
  SLAB_TYPESAFE_BY_RCU,
} from '../../abi/slab.ts';
import type { Ram } from '../../machine/ram.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, physToVirt } from './address.ts';
import type { PageAllocator } from './page_alloc.ts';
import { type CacheOptions, calculateAlignment, getOrder, KmemCache } from './slab_cache.ts';
import { reportRemaining } from './slub_debug.ts';
import { type SlabComplaint, Slub } from './slub.ts';
import { forgetCpuSlabs, isUsed, recallAll } from './slub_cpu.ts';
import { checksMemory } from './memcheck.ts';
import type { VmStat } from './vmstat.ts';

// The caches of a kernel and kmalloc on top of them (mm/slab_common.c). Addresses are physical.

/** Sizes of the kmalloc caches in the order of their creation (kmalloc_info: 96 and 192 come first). Above the last one, whole pages. */
export const KMALLOC_SIZES = [96, 192, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192] as const;
export const KMALLOC_MAX_CACHE_SIZE = 8192;
/** Largest request: a block of MAX_ORDER (KMALLOC_MAX_SIZE). */
export const KMALLOC_MAX_SIZE = 4 * 1024 * 1024;
/** KMALLOC_SHIFT_HIGH + 1 rows: cache of 1 << index bytes, with 96 and 192 at 1 and 2. */
export const KMALLOC_INDICES = 14;
/** enum kmalloc_cache_type. */
export const KmallocType = { NORMAL: 0, RECLAIM: 1, CGROUP: 2 } as const;
const TYPE_PREFIXES = ['kmalloc', 'kmalloc-rcl', 'kmalloc-cg'];
const MAX_PAGE_ORDER = 10;

/** kmalloc_index. */
export function kmallocIndex(size: number): number {
  if (size > 64 && size <= 96) return 1;
  if (size > 128 && size <= 192) return 2;
  return size <= 8 ? 3 : 32 - Math.clz32(size - 1);
}
/** kmalloc_type. */
export function kmallocType(gfp: number): number {
  if ((gfp & (GFP_RECLAIMABLE | GFP_ACCOUNT)) === 0) return KmallocType.NORMAL;
  return (gfp & GFP_RECLAIMABLE) !== 0 ? KmallocType.RECLAIM : KmallocType.CGROUP;
}
function sizeName(size: number): string {
  return size >= 1024 ? `${size / 1024}k` : `${size}`;
}

/** Largest object with a gap of so many bytes behind it (optimal_redzone of mm/kasan/generic.c). */
const GAPS: readonly (readonly [number, number])[] = [
  [64 - 16, 16],
  [128 - 32, 32],
  [512 - 64, 64],
  [4096 - 128, 128],
  [16384 - 256, 256],
];
function gapBehind(size: number): number {
  return GAPS.find(([most]) => size <= most)?.[1] ?? 512;
}

/** slab_debug=: what applies to which caches (parse_slub_debug_flags). */
export interface SlubDebugOption {
  readonly flags: number;
  /** Names, perhaps ending in *; empty = all. */
  readonly names: readonly string[];
}
const OPTION_FLAGS: Readonly<Record<string, number>> = {
  F: SLAB_CONSISTENCY_CHECKS,
  Z: SLAB_RED_ZONE,
  P: SLAB_POISON,
  U: SLAB_STORE_USER,
  T: SLAB_TRACE,
};
/** DEBUG_DEFAULT_FLAGS. */
const DEFAULT_DEBUG = SLAB_CONSISTENCY_CHECKS | SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER;

export function parseSlabDebug(text: string | null): readonly SlubDebugOption[] {
  if (text === null) return [];
  return text.split(';').map((block) => {
    const [letters, ...names] = block.split(',');
    let flags = letters === '' ? DEFAULT_DEBUG : 0;
    for (const c of letters.toUpperCase()) flags = c === '-' ? 0 : flags | (OPTION_FLAGS[c] ?? 0);
    return { flags, names: names.filter((n) => n !== '') };
  });
}
function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

export class SlabAllocator {
  private readonly ram: Ram;
  private readonly pages: PageAllocator;
  private readonly stat: VmStat;
  private readonly cpus: number;
  readonly slub: Slub;
  private readonly debugOptions: readonly SlubDebugOption[];
  private readonly noMerge: boolean;
  /** Memory checks are on. */
  private readonly checked: boolean;
  private readonly cacheOfCaches: KmemCache;
  private readonly byAddr = new Map<number, KmemCache>();
  /** kmalloc_caches[type][index]. */
  readonly kmallocCaches: readonly (readonly (KmemCache | null)[])[];
  /** In the order of their creation. */
  readonly caches: KmemCache[] = [];
  /** Orders of blocks that kmalloc took whole. */
  private readonly large = new Map<number, number>();
  /** Told of a free that is wrong, after nothing was done. */
  onComplaint: (cache: KmemCache | null, pa: number, what: SlabComplaint) => void = () => {};
  /** Told of caches that come and go. */
  onCache: (cache: KmemCache, there: boolean) => void = () => {};

  constructor(k: Kernel, pages: PageAllocator, stat: VmStat) {
    this.ram = k.ram;
    this.pages = pages;
    this.stat = stat;
    this.cpus = k.cpus;
    this.slub = new Slub(k, pages, stat);
    this.debugOptions = parseSlabDebug(k.param('slab_debug') ?? k.param('slub_debug'));
    this.checked = checksMemory(k);
    this.noMerge = this.checked || k.param('slab_nomerge') !== null || k.param('slub_nomerge') !== null;
    this.cacheOfCaches = this.makeCache('kmem_cache', CACHE.sizeof, { flags: SLAB_HWCACHE_ALIGN });
    this.publish(this.cacheOfCaches);
    const make = (type: number) => {
      const row = new Array<KmemCache | null>(KMALLOC_INDICES).fill(null);
      for (const size of KMALLOC_SIZES) {
        const kind = type === KmallocType.RECLAIM ? SLAB_RECLAIM_ACCOUNT : type === KmallocType.CGROUP ? SLAB_ACCOUNT : 0;
        // Aligned to the largest power of two that divides the size (ARCH_KMALLOC_MINALIGN is 8); all of it may be copied to user space.
        const options = { align: size & -size, flags: kind | SLAB_KMALLOC, usersize: size, shared: true };
        const cache = this.makeCache(`${TYPE_PREFIXES[type]}-${sizeName(size)}`, size, options);
        this.publish(cache);
        row[kmallocIndex(size)] = cache;
      }
      return row;
    };
    const normal = make(KmallocType.NORMAL);
    this.kmallocCaches = [normal, make(KmallocType.RECLAIM), make(KmallocType.CGROUP)];
    for (const cache of this.caches) this.nameCache(cache);
  }
  /** slab_debug= asks for tracks somewhere. */
  get tracksUsers(): boolean {
    return this.debugOptions.some((o) => (o.flags & SLAB_STORE_USER) !== 0);
  }
  /** kmem_cache_flags: what slab_debug= adds. */
  private flagsFor(name: string, flags: number): number {
    let add = 0;
    for (const o of this.debugOptions) {
      if (o.names.length === 0) add = o.flags;
      else if (o.names.some((n) => matches(n, name))) return flags | o.flags;
    }
    return flags | add;
  }
  private makeCache(name: string, objectSize: number, options: CacheOptions): KmemCache {
    const gap = this.checked ? gapBehind(objectSize) : 0;
    return new KmemCache(name, objectSize, { ...options, gap, flags: this.flagsFor(name, options.flags ?? 0) }, this.cpus);
  }
  /** find_mergeable: a cache whose objects serve as well. */
  private findMergeable(name: string, objectSize: number, options: CacheOptions): KmemCache | null {
    if (this.noMerge || (options.ctor ?? 0) !== 0 || (options.usersize ?? 0) !== 0) return null;
    const flags = this.flagsFor(name, options.flags ?? 0);
    if ((flags & SLAB_NEVER_MERGE) !== 0) return null;
    const word = Math.ceil(objectSize / 8) * 8;
    const align = calculateAlignment(flags, options.align ?? 0, word);
    const size = Math.ceil(word / align) * align;
    for (let i = this.caches.length - 1; i >= 0; i--) {
      const c = this.caches[i];
      if (c.unmergeable || size > c.size || (flags & SLAB_MERGE_SAME) !== (c.flags & SLAB_MERGE_SAME)) continue;
      if (c.size % align !== 0 || c.size - size >= 8) continue;
      return c;
    }
    return null;
  }
  /** kmem_cache_create: a cache, perhaps shared with another of the same size; null when its objects are too large or memory is short. */
  create(name: string, objectSize: number, options: CacheOptions = {}): KmemCache | null {
    const shared = this.findMergeable(name, objectSize, options);
    if (shared !== null) {
      recallAll(this.slub, shared); // the machine code knows the size of objects
      shared.refcount++;
      shared.objectSize = Math.max(shared.objectSize, objectSize);
      shared.inuse = Math.max(shared.inuse, Math.ceil(objectSize / 8) * 8);
      shared.lastAlias = name;
      this.writeStruct(shared);
      this.onCache(shared, true);
      return shared;
    }
    const cache = this.makeCache(name, objectSize, options);
    if (cache.order < 0 || !this.publish(cache)) return null;
    this.nameCache(cache);
    this.onCache(cache, true);
    return cache;
  }
  /** The same for the kernel's own caches, made at boot: there is memory. */
  createCache(name: string, objectSize: number, align = 0, flags = 0): KmemCache {
    const cache = this.create(name, objectSize, { align, flags: flags | SLAB_NO_MERGE });
    if (cache === null) throw new Error(`no memory for the cache ${name}`);
    return cache;
  }
  private publish(cache: KmemCache): boolean {
    cache.addr = cache === this.cacheOfCaches ? this.slub.alloc(cache, true) : this.slub.alloc(this.cacheOfCaches, true);
    if (cache.addr === 0) return false;
    this.caches.push(cache);
    this.byAddr.set(cache.addr, cache);
    this.writeStruct(cache);
    return true;
  }
  private writeStruct(cache: KmemCache): void {
    const { ram } = this;
    const { addr } = cache;
    ram.write32(addr + CACHE.flags, cache.flags);
    ram.write64(addr + CACHE.min_partial, cache.minPartial);
    ram.write32(addr + CACHE.size, cache.size);
    ram.write32(addr + CACHE.object_size, cache.objectSize);
    ram.write32(addr + CACHE.inuse, cache.inuse);
    ram.write32(addr + CACHE.align, cache.align);
    ram.write32(addr + CACHE.offset, cache.offset);
    ram.write32(addr + CACHE.red_left_pad, cache.redLeftPad);
    ram.write32(addr + CACHE.cpu_partial, cache.cpuPartial);
    ram.write32(addr + CACHE.cpu_partial_slabs, cache.cpuPartialSlabs);
    ram.write32(addr + CACHE.oo, (cache.order << 16) | cache.perSlab);
    const minOrder = getOrder(cache.size);
    ram.write32(addr + CACHE.min, (minOrder << 16) | Math.floor((PAGE_SIZE << minOrder) / cache.size));
    ram.write32(addr + CACHE.refcount, cache.refcount);
    ram.write64(addr + CACHE.ctor, cache.ctor);
    ram.write32(addr + CACHE.useroffset, cache.useroffset);
    ram.write32(addr + CACHE.usersize, cache.usersize);
  }
  private nameCache(cache: KmemCache): void {
    const name = this.kmalloc(cache.name.length + 1);
    for (let i = 0; i < cache.name.length && name !== 0; i++) this.ram.write8(name + i, cache.name.charCodeAt(i));
    this.ram.write64(cache.addr + CACHE.name, name === 0 ? 0 : physToVirt(name));
  }
  /** kmem_cache_destroy. False when objects are in use: they are reported, and cache and objects are lost. */
  destroyCache(cache: KmemCache): boolean {
    cache.refcount--;
    if (cache.refcount > 0) {
      this.ram.write32(cache.addr + CACHE.refcount, cache.refcount);
      return true;
    }
    forgetCpuSlabs(this.slub, cache);
    this.slub.shrink(cache);
    if (cache.activeObjects > 0) {
      for (const slab of cache.partial) reportRemaining(this.slub, slab);
      this.unlist(cache);
      return false;
    }
    this.unlist(cache);
    this.byAddr.delete(cache.addr);
    const name = this.ram.read64(cache.addr + CACHE.name);
    if (name !== 0) this.kfree(name - physToVirt(0));
    this.cacheFree(this.cacheOfCaches, cache.addr);
    return true;
  }
  private unlist(cache: KmemCache): void {
    const i = this.caches.indexOf(cache);
    if (i >= 0) this.caches.splice(i, 1);
    this.onCache(cache, false);
  }
  /** The cache whose struct kmem_cache lies at `addr`. */
  cacheAt(addr: number): KmemCache | null {
    return this.byAddr.get(addr) ?? null;
  }
  /** The cache that an object belongs to. */
  cacheOf(pa: number): KmemCache | null {
    return this.slub.slabAt(pa)?.cache ?? null;
  }
  cacheAlloc(cache: KmemCache, zero = true): number {
    return this.slub.alloc(cache, zero);
  }
  cacheFree(cache: KmemCache, pa: number): boolean {
    const slab = this.slub.slabAt(pa);
    const wrong = slab === null ? 'Page without slab' : this.slub.free(cache, slab, pa);
    if (wrong !== null) this.onComplaint(cache, pa, wrong);
    return wrong === null;
  }
  kmallocCache(size: number, gfp = 0): KmemCache | null {
    return size > KMALLOC_MAX_CACHE_SIZE ? null : this.kmallocCaches[kmallocType(gfp)][kmallocIndex(size)];
  }
  /** Physical address, or 0. */
  kmalloc(size: number, zero = true, gfp = 0): number {
    if (size <= KMALLOC_MAX_CACHE_SIZE) {
      const cache = this.kmallocCaches[kmallocType(gfp)][kmallocIndex(size)];
      return cache === null ? 0 : this.slub.alloc(cache, zero, size);
    }
    if (size > KMALLOC_MAX_SIZE) return 0;
    const order = getOrder(size);
    if (order > MAX_PAGE_ORDER) return 0;
    const pa = this.pages.alloc(order, zero || this.slub.initOnAlloc);
    if (pa !== 0) {
      this.pages.makeCompound(pa, order);
      this.adoptLarge(pa, order);
    }
    return pa;
  }
  /** A block of pages becomes an allocation of kmalloc. */
  adoptLarge(pa: number, order: number): void {
    this.large.set(pa, order);
    this.stat.slabUnreclaimable += 1 << order;
  }
  /** False when nothing was allocated there. */
  kfree(pa: number): boolean {
    const slab = this.slub.slabAt(pa);
    if (slab !== null) {
      const wrong = this.slub.free(slab.cache, slab, pa);
      if (wrong !== null) this.onComplaint(slab.cache, pa, wrong);
      return wrong === null;
    }
    const order = this.large.get(pa);
    if (order === undefined) {
      this.onComplaint(null, pa, 'Page without slab');
      return false;
    }
    this.large.delete(pa);
    this.stat.slabUnreclaimable -= 1 << order;
    this.pages.free(pa, order);
    return true;
  }
  /** Usable bytes of an allocation, 0 when unknown. */
  ksize(pa: number): number {
    const slab = this.slub.slabAt(pa);
    if (slab !== null) {
      const { cache } = slab;
      // slab_ksize: what lies behind an object with red zones or a track is not the caller's.
      if ((cache.flags & (SLAB_RED_ZONE | SLAB_POISON)) !== 0 || this.checked) return cache.objectSize;
      return (cache.flags & (SLAB_TYPESAFE_BY_RCU | SLAB_STORE_USER)) !== 0 ? cache.inuse : cache.size;
    }
    const order = this.large.get(pa);
    return order === undefined ? 0 : PAGE_SIZE << order;
  }
  /** Pages of large allocations, which are in no cache. */
  get largePages(): number {
    let n = 0;
    for (const order of this.large.values()) n += 1 << order;
    return n;
  }
  /** Whether a large allocation of kmalloc holds the frame at `pa`. */
  largeAt(pa: number): boolean {
    for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
      const start = pa - (pa % (PAGE_SIZE << order));
      if ((this.large.get(start) ?? -1) >= order) return true;
    }
    return false;
  }
  /** The allocation that contains `pa`, for checks of copies and of stray accesses. */
  objectAt(pa: number): { start: number; size: number; cache: string; allocated: boolean } | null {
    const slab = this.slub.slabAt(pa);
    if (slab !== null) {
      const { cache } = slab;
      const index = Math.floor((pa - slab.pa) / cache.size);
      if (index >= cache.perSlab) return null;
      return { start: cache.objectPa(slab, index), size: cache.objectSize, cache: cache.name, allocated: isUsed(this.slub, slab, index) };
    }
    for (const [start, order] of this.large) {
      if (pa >= start && pa < start + (PAGE_SIZE << order)) return { start, size: PAGE_SIZE << order, cache: '', allocated: true };
    }
    return null;
  }
}
