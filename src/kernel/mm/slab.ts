import type { Ram } from '../../machine/ram.ts';
import { PAGE_SIZE } from './address.ts';
import type { PageAllocator } from './page_alloc.ts';

/** Sizes of the kmalloc caches (mm/slab_common.c, kmalloc_info). Above the last one, whole pages. */
export const KMALLOC_SIZES = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192] as const;
/** Largest request: a block of MAX_ORDER (KMALLOC_MAX_SIZE). */
export const KMALLOC_MAX_SIZE = 4 * 1024 * 1024;

/** One slab: a block of pages cut into objects. */
interface Slab {
  readonly pa: number;
  readonly order: number;
  /** Indices of free objects, last in first out. */
  readonly free: number[];
  inUse: number;
}

/** A cache of equal objects in guest frames (kmem_cache). Free objects keep no metadata inside themselves. */
export class KmemCache {
  readonly name: string;
  readonly objectSize: number;
  /** Distance between objects. */
  readonly size: number;
  readonly order: number;
  readonly perSlab: number;
  private readonly partial: Slab[] = [];
  private readonly slabs = new Map<number, Slab>();
  activeObjects = 0;

  constructor(name: string, objectSize: number, align: number) {
    this.name = name;
    this.objectSize = objectSize;
    this.size = Math.ceil(objectSize / align) * align;
    let order = 0;
    while (order < 3 && (PAGE_SIZE << order) < this.size * 8) order++;
    while ((PAGE_SIZE << order) < this.size) order++;
    this.order = order;
    this.perSlab = Math.floor((PAGE_SIZE << order) / this.size);
  }
  get slabCount(): number {
    return this.slabs.size;
  }

  /** Physical address of an object, or 0. */
  alloc(pages: PageAllocator, ram: Ram, zero: boolean): number {
    let slab = this.partial[this.partial.length - 1];
    if (slab === undefined) {
      const pa = pages.alloc(this.order, false);
      if (pa === 0) return 0;
      const free: number[] = [];
      for (let i = this.perSlab - 1; i >= 0; i--) free.push(i);
      slab = { pa, order: this.order, free, inUse: 0 };
      for (let p = 0; p < 1 << this.order; p++) this.slabs.set(pa + p * PAGE_SIZE, slab);
      this.partial.push(slab);
    }
    const index = slab.free.pop() as number;
    slab.inUse++;
    if (slab.free.length === 0) this.partial.splice(this.partial.indexOf(slab), 1);
    this.activeObjects++;
    const pa = slab.pa + index * this.size;
    if (zero) ram.fill(pa, this.size);
    return pa;
  }
  /** False when `pa` is not an object of this cache in use. */
  free(pages: PageAllocator, pa: number): boolean {
    const slab = this.slabs.get(pa - (pa % PAGE_SIZE));
    if (slab === undefined) return false;
    const index = (pa - slab.pa) / this.size;
    if (!Number.isInteger(index) || index >= this.perSlab || slab.free.includes(index)) return false;
    if (slab.free.length === 0) this.partial.push(slab);
    slab.free.push(index);
    slab.inUse--;
    this.activeObjects--;
    if (slab.inUse === 0 && this.partial.length > 1) {
      this.partial.splice(this.partial.indexOf(slab), 1);
      for (let p = 0; p < 1 << slab.order; p++) this.slabs.delete(slab.pa + p * PAGE_SIZE);
      pages.free(slab.pa, slab.order);
    }
    return true;
  }
  owns(pa: number): boolean {
    return this.slabs.has(pa - (pa % PAGE_SIZE));
  }
}

/** kmalloc and named caches on top of the page allocator. */
export class SlabAllocator {
  private readonly ram: Ram;
  private readonly pages: PageAllocator;
  readonly kmallocCaches: readonly KmemCache[];
  readonly caches: KmemCache[] = [];
  /** Orders of blocks that kmalloc took whole. */
  private readonly large = new Map<number, number>();

  constructor(ram: Ram, pages: PageAllocator) {
    this.ram = ram;
    this.pages = pages;
    this.kmallocCaches = KMALLOC_SIZES.map((size) => new KmemCache(`kmalloc-${size >= 1024 ? `${size / 1024}k` : size}`, size, size === 96 ? 32 : Math.min(size, 64)));
    this.caches.push(...this.kmallocCaches);
  }
  createCache(name: string, objectSize: number, align = 8): KmemCache {
    const cache = new KmemCache(name, objectSize, Math.max(8, align));
    this.caches.push(cache);
    return cache;
  }
  cacheAlloc(cache: KmemCache, zero = true): number {
    return cache.alloc(this.pages, this.ram, zero);
  }
  cacheFree(cache: KmemCache, pa: number): boolean {
    return cache.free(this.pages, pa);
  }
  kmallocCache(size: number): KmemCache | null {
    return this.kmallocCaches.find((c) => c.objectSize >= size) ?? null;
  }
  /** Physical address, or 0. */
  kmalloc(size: number, zero = true): number {
    if (size > KMALLOC_MAX_SIZE) return 0;
    const cache = this.kmallocCache(size);
    if (cache !== null) return cache.alloc(this.pages, this.ram, zero);
    const order = Math.max(0, Math.ceil(Math.log2(size / PAGE_SIZE)));
    const pa = this.pages.alloc(order, zero);
    if (pa !== 0) this.large.set(pa, order);
    return pa;
  }
  /** False when nothing was allocated there. */
  kfree(pa: number): boolean {
    const order = this.large.get(pa);
    if (order !== undefined) {
      this.large.delete(pa);
      this.pages.free(pa, order);
      return true;
    }
    const cache = this.caches.find((c) => c.owns(pa));
    return cache?.free(this.pages, pa) ?? false;
  }
  /** Usable bytes of an allocation, 0 when unknown. */
  ksize(pa: number): number {
    const order = this.large.get(pa);
    if (order !== undefined) return PAGE_SIZE << order;
    return this.caches.find((c) => c.owns(pa))?.size ?? 0;
  }
}
