import {
  OBJECT_POISON,
  SLAB_ACCOUNT,
  SLAB_CACHE_DMA,
  SLAB_CACHE_DMA32,
  SLAB_CONSISTENCY_CHECKS,
  SLAB_DEBUG_FLAGS,
  SLAB_HWCACHE_ALIGN,
  SLAB_KMALLOC,
  SLAB_NEVER_MERGE,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLAB_TYPESAFE_BY_RCU,
} from '../../abi/slab.ts';
import { PAGE_SIZE } from './address.ts';
import type { CheckedObject } from './memcheck.ts';

// What a cache of equal objects looks like: sizes, order, limits (calculate_sizes and its kin in mm/slub.c), and its slabs.

/** slub_max_order. */
const SLUB_MAX_ORDER = 3;
const MAX_ORDER = 10;
const CACHE_LINE = 64;
const WORD = 8;
/** struct track: address, handle of the stack, CPU, process, time. */
export const TRACK_SIZE = 32;

const alignUp = (n: number, a: number) => Math.ceil(n / a) * a;

export function getOrder(bytes: number): number {
  let order = 0;
  while (PAGE_SIZE << order < bytes) order++;
  return order;
}
/** Order of a cache's slabs: enough objects for the number of CPUs, and little waste (calculate_order). -1 when no block is large enough. */
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
  const order = getOrder(size);
  return order <= MAX_ORDER ? order : -1;
}
/** calculate_alignment: caches of small objects share cache lines evenly when SLAB_HWCACHE_ALIGN asks for it. */
export function calculateAlignment(flags: number, align: number, size: number): number {
  let a = align;
  if ((flags & SLAB_HWCACHE_ALIGN) !== 0) {
    let line = CACHE_LINE;
    while (size <= line / 2) line /= 2;
    a = Math.max(a, line);
  }
  return alignUp(Math.max(a, WORD), WORD);
}

/** Where a slab is now. */
export const SlabPlace = { NONE: 0, CPU: 1, CPU_PARTIAL: 2, PARTIAL: 3, DISABLED: 4 } as const;

/** One slab: a block of pages cut into objects. */
export interface Slab {
  readonly cache: KmemCache;
  readonly pa: number;
  /** Indices of free objects, a stack: the last is given out first. */
  readonly free: Uint16Array;
  freeCount: number;
  /** 1 = allocated. */
  readonly used: Uint8Array;
  /** SlabPlace. */
  place: number;
  /** Physical address of the CPU_SLAB that it is lent to (slub_cpu.ts), 0 = none. While it is, `free`, `freeCount` and `used` are as they were then. */
  lent: number;
  /** Objects that modules have, by index, while memory is checked; null = there was none. */
  checked: (CheckedObject | null)[] | null;
}
/** What each CPU has for itself (struct kmem_cache_cpu). */
export interface CpuSlabs {
  slab: Slab | null;
  /** Slabs with free objects that other allocations of this CPU will use. */
  partial: Slab[];
  /** The slab that is lent for frees; the one that the last free in TypeScript went to. */
  freed: Slab | null;
  lastFreed: Slab | null;
}

export interface CacheOptions {
  readonly align?: number;
  /** SLAB_*. */
  readonly flags?: number;
  /** Guest address of the constructor. */
  readonly ctor?: number;
  readonly useroffset?: number;
  readonly usersize?: number;
  /** Bytes between objects that memory checks want. */
  readonly gap?: number;
  /** Modules have objects of it: memory checks look at its slabs. */
  readonly shared?: boolean;
}

/** A cache of equal objects in guest frames. Sizes and offsets as in struct kmem_cache, whose image at `addr` modules can see. */
export class KmemCache {
  readonly name: string;
  objectSize: number;
  /** Distance between objects. */
  readonly size: number;
  inuse: number;
  readonly align: number;
  /** Where in a free object the link to the next free one lies. */
  readonly offset: number;
  readonly redLeftPad: number;
  readonly order: number;
  readonly perSlab: number;
  readonly flags: number;
  readonly ctor: number;
  readonly useroffset: number;
  readonly usersize: number;
  readonly shared: boolean;
  minPartial: number;
  /** Free objects and slabs that a CPU keeps at most. */
  cpuPartial = 0;
  cpuPartialSlabs = 0;
  /** Physical address of its struct kmem_cache. */
  addr = 0;
  /** Guest address of its per-CPU struct (CPU_SLAB); 0 = no slab was ever lent. */
  cpuSlab = 0;
  refcount = 1;
  /** Name of the cache that was merged into this one last; '' = none. */
  lastAlias = '';

  readonly cpus: CpuSlabs[];
  /** Slabs of the node with free objects, oldest first. */
  readonly partial = new Set<Slab>();
  readonly slabs = new Set<Slab>();
  /** Objects that callers hold; for lent slabs, when they were lent. */
  activeObjects = 0;

  constructor(name: string, objectSize: number, options: CacheOptions, cpus: number) {
    this.name = name;
    this.objectSize = objectSize;
    this.ctor = options.ctor ?? 0;
    this.useroffset = options.useroffset ?? 0;
    this.usersize = options.usersize ?? 0;
    this.shared = options.shared ?? false;
    let flags = options.flags ?? 0;
    this.align = calculateAlignment(flags, options.align ?? 0, objectSize);
    let size = alignUp(objectSize, WORD);
    if ((flags & SLAB_POISON) !== 0 && (flags & SLAB_TYPESAFE_BY_RCU) === 0 && this.ctor === 0) flags |= OBJECT_POISON;
    this.flags = flags;
    const redZone = (flags & SLAB_RED_ZONE) !== 0;
    if (redZone && size === objectSize) size += WORD;
    this.inuse = size;
    if (
      (flags & (SLAB_TYPESAFE_BY_RCU | SLAB_POISON)) !== 0 ||
      this.ctor !== 0 ||
      (redZone && (objectSize < WORD || this.keepsOriginalSize))
    ) {
      this.offset = size;
      size += WORD;
    } else this.offset = Math.floor(objectSize / 2 / WORD) * WORD;
    if ((flags & SLAB_STORE_USER) !== 0) size += 2 * TRACK_SIZE + ((flags & SLAB_KMALLOC) !== 0 ? 4 : 0);
    size += options.gap ?? 0;
    this.redLeftPad = redZone ? alignUp(WORD, this.align) : 0;
    if (redZone) size += WORD + this.redLeftPad;
    this.size = alignUp(size, this.align);
    this.order = calculateOrder(this.size, cpus);
    this.perSlab = this.order < 0 ? 0 : Math.floor((PAGE_SIZE << this.order) / this.size);
    this.minPartial = Math.min(10, Math.max(5, Math.floor(Math.log2(this.size) / 2)));
    if ((flags & SLAB_DEBUG_FLAGS) === 0) this.setCpuPartial(this.size >= PAGE_SIZE ? 6 : this.size >= 1024 ? 24 : this.size >= 256 ? 52 : 120);
    this.cpus = Array.from({ length: cpus }, () => ({ slab: null, partial: [], freed: null, lastFreed: null }));
  }
  setCpuPartial(objects: number): void {
    this.cpuPartial = objects;
    this.cpuPartialSlabs = this.perSlab === 0 ? 0 : Math.ceil((objects * 2) / this.perSlab);
  }
  /** kmem_cache_debug: every object goes through the checks. */
  get debug(): boolean {
    return (this.flags & SLAB_DEBUG_FLAGS) !== 0;
  }
  get checks(): boolean {
    return (this.flags & SLAB_CONSISTENCY_CHECKS) !== 0;
  }
  /** slub_debug_orig_size: a kmalloc cache that remembers what was asked for. */
  get keepsOriginalSize(): boolean {
    return (this.flags & SLAB_STORE_USER) !== 0 && (this.flags & SLAB_KMALLOC) !== 0;
  }
  get linkOutside(): boolean {
    return this.offset >= this.inuse;
  }
  /** End of what the allocator keeps after an object, before the tracks (get_info_end). */
  get infoEnd(): number {
    return this.linkOutside ? this.inuse + WORD : this.inuse;
  }
  get unmergeable(): boolean {
    return (this.flags & SLAB_NEVER_MERGE) !== 0 || this.ctor !== 0 || this.usersize !== 0;
  }
  get totalObjects(): number {
    return this.slabs.size * this.perSlab;
  }
  /** Free objects in partial slabs of the node; those of a CPU count as in use everywhere but here. */
  get partialFree(): number {
    let n = 0;
    for (const s of this.partial) n += s.freeCount;
    return n;
  }
  /** The name of its directory in /sys/kernel/slab (create_unique_id). */
  get uniqueId(): string {
    if (this.unmergeable) return this.name;
    const letter = (flag: number, c: string) => ((this.flags & flag) !== 0 ? c : '');
    const letters =
      letter(SLAB_CACHE_DMA, 'd') +
      letter(SLAB_CACHE_DMA32, 'D') +
      letter(SLAB_RECLAIM_ACCOUNT, 'a') +
      letter(SLAB_CONSISTENCY_CHECKS, 'F') +
      letter(SLAB_ACCOUNT, 'A');
    return `:${letters}${letters === '' ? '' : '-'}${String(this.size).padStart(7, '0')}`;
  }
  /** Physical address of object number `index`. */
  objectPa(slab: Slab, index: number): number {
    return slab.pa + index * this.size + this.redLeftPad;
  }
  /** Number of the object at `pa` (its start), or -1. */
  indexOf(slab: Slab, pa: number): number {
    const index = (pa - this.redLeftPad - slab.pa) / this.size;
    return Number.isInteger(index) && index >= 0 && index < this.perSlab ? index : -1;
  }
}
