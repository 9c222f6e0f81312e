import { kmem_cache as CACHE } from '../../abi/layout/structs.ts';
import type { Ram } from '../../machine/ram.ts';
import { PAGE_SIZE, physToVirt } from './address.ts';
import { PGTY_SLAB, setPageType } from './page.ts';
import type { PageAllocator } from './page_alloc.ts';
import type { VmStat } from './vmstat.ts';

// Caches of equal objects (mm/slub.c, slab_common.c). What a module can see is in guest RAM: the objects, struct kmem_cache, and in a free
// object the (scrambled) link that SLUB keeps in its middle. Which objects are free is TypeScript's own bookkeeping, so that no overflow in
// the guest can corrupt it; freeing something twice, or something that was never allocated, is found at once.

/** Sizes of the kmalloc caches (mm/slab_common.c, kmalloc_info). Above the last one, whole pages. */
export const KMALLOC_SIZES = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192] as const;
/** Largest request: a block of MAX_ORDER (KMALLOC_MAX_SIZE). */
export const KMALLOC_MAX_SIZE = 4 * 1024 * 1024;
/** slub_max_order. */
const SLUB_MAX_ORDER = 3;
const MAX_PAGE_ORDER = 10;
const CACHE_LINE = 64;

/** Flags of kmem_cache_create (include/linux/slab.h). */
export const SLAB_HWCACHE_ALIGN = 1 << 2;
export const SLAB_PANIC = 1 << 6;
export const SLAB_RECLAIM_ACCOUNT = 1 << 9;

export function getOrder(bytes: number): number {
  let order = 0;
  while (PAGE_SIZE << order < bytes) order++;
  return order;
}
/** Order of a cache's slabs: enough objects for the number of CPUs, and little waste (calculate_order). */
export function calculateOrder(size: number, cpus: number): number {
  const wanted = 4 * (Math.floor(Math.log2(cpus)) + 2);
  const fits = Math.max(1, Math.floor((PAGE_SIZE << SLUB_MAX_ORDER) / size));
  const minOrder = getOrder(Math.min(wanted, fits) * size);
  for (let fraction = 16; fraction > 1; fraction /= 2) {
    for (let order = minOrder; order <= SLUB_MAX_ORDER; order++) {
      const bytes = PAGE_SIZE << order;
      if (bytes % size <= bytes / fraction) return order;
    }
  }
  return getOrder(size);
}

/** One slab: a block of pages cut into objects. */
interface Slab {
  readonly pa: number;
  /** Indices of free objects, last in first out. */
  readonly free: number[];
  /** 1 = allocated. */
  readonly used: Uint8Array;
}

/** What a free found wrong; the text is SLUB's. */
export type SlabComplaint = 'Object already free' | 'Invalid object pointer' | 'Page without slab';

/** A cache of equal objects in guest frames. */
export class KmemCache {
  readonly name: string;
  readonly objectSize: number;
  /** Distance between objects. */
  readonly size: number;
  readonly align: number;
  readonly order: number;
  readonly perSlab: number;
  readonly flags: number;
  /** Physical address of its struct kmem_cache. */
  addr = 0;
  /** Guest address of the constructor, 0 = none. */
  readonly ctor: number;
  refcount = 1;
  /** The slab that allocations come from (SLUB's CPU slab), and others with free objects. */
  private current: Slab | null = null;
  private readonly partial: Slab[] = [];
  private readonly slabs = new Map<number, Slab>();
  activeObjects = 0;
  slabCount = 0;

  constructor(name: string, objectSize: number, align: number, flags: number, ctor: number, cpus: number) {
    this.name = name;
    this.objectSize = objectSize;
    this.flags = flags;
    this.ctor = ctor;
    let a = Math.max(8, align);
    if ((flags & SLAB_HWCACHE_ALIGN) !== 0) {
      let line = CACHE_LINE;
      while (objectSize <= line / 2) line /= 2;
      a = Math.max(a, line);
    }
    this.align = a;
    // With a constructor the free object's link cannot lie inside it.
    const bytes = Math.ceil(objectSize / 8) * 8 + (ctor !== 0 ? 8 : 0);
    this.size = Math.ceil(bytes / a) * a;
    this.order = calculateOrder(this.size, cpus);
    this.perSlab = Math.floor((PAGE_SIZE << this.order) / this.size);
  }
  /** Where in a free object its link lies (kmem_cache.offset). */
  get linkOffset(): number {
    return this.ctor !== 0 ? Math.ceil(this.objectSize / 8) * 8 : Math.floor(this.objectSize / 2 / 8) * 8;
  }
  /** Objects that /proc/slabinfo counts as active: all but the free ones of partial slabs. */
  get slabinfoActive(): number {
    let free = 0;
    for (const s of this.partial) free += s.free.length;
    return this.slabCount * this.perSlab - free;
  }

  /** Physical addresses of a new slab's objects, for a constructor; the last allocation made it when not empty. */
  freshObjects: number[] = [];

  /** Physical address of an object, or 0. */
  alloc(pages: PageAllocator, ram: Ram, stat: VmStat, zero: boolean): number {
    this.freshObjects = [];
    if (this.current === null || this.current.free.length === 0) this.current = this.partial.pop() ?? this.newSlab(pages, ram, stat);
    const slab = this.current;
    if (slab === null) return 0;
    const index = slab.free.pop() as number;
    slab.used[index] = 1;
    this.activeObjects++;
    const pa = slab.pa + index * this.size;
    if (zero && this.ctor === 0) ram.fill(pa, this.size);
    return pa;
  }
  private newSlab(pages: PageAllocator, ram: Ram, stat: VmStat): Slab | null {
    const pa = pages.alloc(this.order, true);
    if (pa === 0) return null;
    const free: number[] = [];
    for (let i = this.perSlab - 1; i >= 0; i--) free.push(i);
    const slab: Slab = { pa, free, used: new Uint8Array(this.perSlab) };
    for (let p = 0; p < 1 << this.order; p++) {
      this.slabs.set(pa + p * PAGE_SIZE, slab);
      setPageType(ram, pages.pageStruct(pa + p * PAGE_SIZE), PGTY_SLAB);
    }
    this.slabCount++;
    stat.slabUnreclaimable += 1 << this.order;
    for (let i = 0; i < this.perSlab; i++) this.freshObjects.push(pa + i * this.size);
    return slab;
  }
  /** The object that contains `pa`: its start, or null when `pa` is in no slab of this cache. */
  objectAt(pa: number): { start: number; allocated: boolean } | null {
    const slab = this.slabs.get(pa - (pa % PAGE_SIZE));
    if (slab === undefined) return null;
    const index = Math.floor((pa - slab.pa) / this.size);
    if (index >= this.perSlab) return null;
    return { start: slab.pa + index * this.size, allocated: slab.used[index] === 1 };
  }
  /** Null when done, else what is wrong with `pa`; nothing has changed then. */
  free(pages: PageAllocator, ram: Ram, stat: VmStat, pa: number): SlabComplaint | null {
    const slab = this.slabs.get(pa - (pa % PAGE_SIZE));
    if (slab === undefined) return 'Page without slab';
    const index = (pa - slab.pa) / this.size;
    if (!Number.isInteger(index) || index >= this.perSlab) return 'Invalid object pointer';
    if (slab.used[index] === 0) return 'Object already free';
    slab.used[index] = 0;
    const last = slab.free.length === 0 ? 0 : slab.free[slab.free.length - 1];
    // The link, scrambled as SLAB_FREELIST_HARDENED does it (with the address as the key): a stale reader sees garbage here.
    const at = pa + this.linkOffset;
    ram.write32(at, (slab.pa + last * this.size) ^ Math.imul(at, 0x9e3779b1));
    ram.write32(at + 4, Math.imul(pa, 0x85ebca6b));
    slab.free.push(index);
    this.activeObjects--;
    if (slab === this.current) return null;
    if (slab.free.length === 1) this.partial.push(slab);
    if (slab.free.length === this.perSlab && this.partial.length > 5) this.dropSlab(pages, ram, stat, slab);
    return null;
  }
  private dropSlab(pages: PageAllocator, ram: Ram, stat: VmStat, slab: Slab): void {
    const i = this.partial.indexOf(slab);
    if (i >= 0) this.partial.splice(i, 1);
    for (let p = 0; p < 1 << this.order; p++) {
      this.slabs.delete(slab.pa + p * PAGE_SIZE);
      setPageType(ram, pages.pageStruct(slab.pa + p * PAGE_SIZE), 0xffff_ffff);
    }
    this.slabCount--;
    stat.slabUnreclaimable -= 1 << this.order;
    pages.free(slab.pa, this.order);
  }
  /** Gives back every slab without objects in use (kmem_cache_shrink). */
  shrink(pages: PageAllocator, ram: Ram, stat: VmStat): void {
    if (this.current !== null && this.current.free.length === this.perSlab) {
      this.partial.push(this.current);
      this.current = null;
    }
    for (const slab of [...this.partial]) if (slab.free.length === this.perSlab) this.dropSlab(pages, ram, stat, slab);
  }
  owns(pa: number): boolean {
    return this.slabs.has(pa - (pa % PAGE_SIZE));
  }
}

/** kmalloc and named caches on top of the page allocator. Addresses are physical. */
export class SlabAllocator {
  private readonly ram: Ram;
  private readonly pages: PageAllocator;
  private readonly stat: VmStat;
  private readonly cpus: number;
  private readonly cacheOfCaches: KmemCache;
  readonly kmallocCaches: readonly KmemCache[];
  readonly caches: KmemCache[] = [];
  /** Orders of blocks that kmalloc took whole. */
  private readonly large = new Map<number, number>();
  /** Told of a free that is wrong, after nothing was done. */
  onComplaint: (cache: KmemCache | null, pa: number, what: SlabComplaint) => void = () => {};

  constructor(ram: Ram, pages: PageAllocator, stat: VmStat, cpus: number) {
    this.ram = ram;
    this.pages = pages;
    this.stat = stat;
    this.cpus = cpus;
    this.cacheOfCaches = new KmemCache('kmem_cache', CACHE.sizeof, 0, SLAB_HWCACHE_ALIGN, 0, cpus);
    this.publish(this.cacheOfCaches);
    this.kmallocCaches = KMALLOC_SIZES.map((size) => {
      const name = `kmalloc-${size >= 1024 ? `${size / 1024}k` : size}`;
      // Aligned to the largest power of two that divides the size (ARCH_KMALLOC_MINALIGN is 8).
      return this.createCache(name, size, size & -size);
    });
  }
  /** `flags`: SLAB_*; `ctor`: guest address of a constructor. Throws away nothing on failure: a cache without memory has addr 0. */
  createCache(name: string, objectSize: number, align = 8, flags = 0, ctor = 0): KmemCache {
    const cache = new KmemCache(name, objectSize, align, flags, ctor, this.cpus);
    this.publish(cache);
    return cache;
  }
  private publish(cache: KmemCache): void {
    const { ram } = this;
    const addr = this.cacheOfCaches.alloc(this.pages, ram, this.stat, true);
    cache.addr = addr;
    this.caches.push(cache);
    if (addr === 0) return;
    ram.write32(addr + CACHE.flags, cache.flags);
    ram.write32(addr + CACHE.size, cache.size);
    ram.write32(addr + CACHE.object_size, cache.objectSize);
    ram.write32(addr + CACHE.inuse, Math.ceil(cache.objectSize / 8) * 8);
    ram.write32(addr + CACHE.align, cache.align);
    ram.write32(addr + CACHE.offset, cache.linkOffset);
    ram.write32(addr + CACHE.oo, (cache.order << 16) | cache.perSlab);
    ram.write32(addr + CACHE.min, (cache.order << 16) | cache.perSlab);
    ram.write32(addr + CACHE.refcount, cache.refcount);
    ram.write64(addr + CACHE.ctor, cache.ctor);
    ram.write64(addr + CACHE.min_partial, 5);
    const name = this.kmalloc0(cache.name.length + 1);
    for (let i = 0; i < cache.name.length && name !== 0; i++) ram.write8(name + i, cache.name.charCodeAt(i));
    ram.write64(addr + CACHE.name, name === 0 ? 0 : physToVirt(name));
  }
  /** Names of the first caches come before the kmalloc caches exist: they stay unnamed in RAM. */
  private kmalloc0(size: number): number {
    return this.kmallocCaches === undefined ? 0 : this.kmalloc(size);
  }
  /** kmem_cache_destroy. False, and the cache stays, while objects are in use. */
  destroyCache(cache: KmemCache): boolean {
    cache.shrink(this.pages, this.ram, this.stat);
    if (cache.activeObjects > 0) return false;
    const i = this.caches.indexOf(cache);
    if (i >= 0) this.caches.splice(i, 1);
    const name = this.ram.read64(cache.addr + CACHE.name);
    if (name !== 0) this.kfree(name - physToVirt(0));
    this.cacheOfCaches.free(this.pages, this.ram, this.stat, cache.addr);
    return true;
  }
  /** The cache whose struct kmem_cache lies at `addr`. */
  cacheAt(addr: number): KmemCache | null {
    return this.caches.find((c) => c.addr === addr) ?? null;
  }
  /** The cache that an object belongs to. */
  cacheOf(pa: number): KmemCache | null {
    return this.caches.find((c) => c.owns(pa)) ?? null;
  }
  cacheAlloc(cache: KmemCache, zero = true): number {
    return cache.alloc(this.pages, this.ram, this.stat, zero);
  }
  cacheFree(cache: KmemCache, pa: number): boolean {
    const wrong = cache.free(this.pages, this.ram, this.stat, pa);
    if (wrong !== null) this.onComplaint(cache, pa, wrong);
    return wrong === null;
  }
  kmallocCache(size: number): KmemCache | null {
    return this.kmallocCaches.find((c) => c.objectSize >= size) ?? null;
  }
  /** Physical address, or 0. */
  kmalloc(size: number, zero = true): number {
    if (size > KMALLOC_MAX_SIZE) return 0;
    const cache = this.kmallocCache(size);
    if (cache !== null) return cache.alloc(this.pages, this.ram, this.stat, zero);
    const order = getOrder(size);
    if (order > MAX_PAGE_ORDER) return 0;
    const pa = this.pages.alloc(order, zero);
    if (pa !== 0) {
      this.large.set(pa, order);
      this.stat.slabUnreclaimable += 1 << order;
    }
    return pa;
  }
  /** False when nothing was allocated there. */
  kfree(pa: number): boolean {
    const order = this.large.get(pa);
    if (order !== undefined) {
      this.large.delete(pa);
      this.stat.slabUnreclaimable -= 1 << order;
      this.pages.free(pa, order);
      return true;
    }
    const cache = this.cacheOf(pa);
    if (cache !== null) return this.cacheFree(cache, pa);
    this.onComplaint(null, pa, 'Page without slab');
    return false;
  }
  /** Usable bytes of an allocation, 0 when unknown. */
  ksize(pa: number): number {
    const order = this.large.get(pa);
    if (order !== undefined) return PAGE_SIZE << order;
    return this.cacheOf(pa)?.objectSize ?? 0;
  }
  /** The allocation that contains `pa`, for checks of copies and of stray accesses. */
  objectAt(pa: number): { start: number; size: number; cache: string; allocated: boolean } | null {
    const cache = this.cacheOf(pa);
    const object = cache?.objectAt(pa) ?? null;
    if (cache !== null && object !== null)
      return { start: object.start, size: cache.objectSize, cache: cache.name, allocated: object.allocated };
    for (const [start, order] of this.large) {
      if (pa >= start && pa < start + (PAGE_SIZE << order)) return { start, size: PAGE_SIZE << order, cache: '', allocated: true };
    }
    return null;
  }
}
