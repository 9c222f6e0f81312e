import { SLAB_ACCOUNT, SLAB_POISON, SLAB_RECLAIM_ACCOUNT, SLAB_STORE_USER, SLAB_TYPESAFE_BY_RCU } from '../../abi/slab.ts';
import { PageKind } from '../../machine/api.ts';
import type { Ram } from '../../machine/ram.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_OFFSET, PAGE_SIZE, physToVirt } from './address.ts';
import { NO_TYPE, PGTY_SLAB, setPageType } from './page.ts';
import { Migrate, type PageAllocator } from './page_alloc.ts';
import { type KmemCache, type Slab, SlabPlace } from './slab_cache.ts';
import { allocDebug, checkObject, freeDebug, setupSlabDebug, TRACK_ALLOC, setTrack } from './slub_debug.ts';
import { putLent, recall, recallFreed, takeLent } from './slub_cpu.ts';
import { chargeObject, unchargeObject } from './memcontrol.ts';
import type { VmStat } from './vmstat.ts';
import { SLUB_RED_INACTIVE } from '../../abi/slab.ts';

// Taking objects from slabs and giving them back (mm/slub.c). What a module can see is in guest RAM: the objects, and in a free object the
// link to the next. Which objects are free is TypeScript's own bookkeeping, so that no overflow in the guest can corrupt it.

/** Offset of `slab_cache` in struct slab, which lies over struct page. */
const SLAB_CACHE_OFFSET = 8;

/** What a free found wrong; the text is SLUB's. */
export type SlabComplaint = 'Object already free' | 'Invalid object pointer' | 'Page without slab' | 'Freelist corrupt';

const swap32 = (n: number) => ((n << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) >>> 0;

/** High word of an address in the direct map, and the same with its bytes turned around. */
const LINK_HIGH = PAGE_OFFSET / 2 ** 32;
const LINK_HIGH_SWAPPED = swap32(LINK_HIGH);
/** Objects up to this size are zeroed word by word: calling `fill` costs more. */
const SMALL_OBJECT = 256;

export class Slub {
  readonly k: Kernel;
  readonly ram: Ram;
  readonly pages: PageAllocator;
  private readonly stat: VmStat;
  /** Which slab a frame belongs to, by frame number. */
  private readonly slabOfFrame: (Slab | undefined)[];
  /** Key of the links in free objects (CONFIG_SLAB_FREELIST_HARDENED). */
  private readonly keyLo: number;
  private readonly keyHi: number;
  /** init_on_alloc=: Debian's kernel zeroes what it hands out. */
  readonly initOnAlloc: boolean;

  constructor(k: Kernel, pages: PageAllocator, stat: VmStat) {
    this.k = k;
    this.ram = k.ram;
    this.pages = pages;
    this.stat = stat;
    this.slabOfFrame = new Array<Slab | undefined>(Math.ceil(k.ram.size / PAGE_SIZE)).fill(undefined);
    this.keyLo = k.random32();
    this.keyHi = k.random32();
    const option = k.param('init_on_alloc');
    this.initOnAlloc = option === null || !/^(0|n|off|false)$/i.test(option);
  }
  slabAt(pa: number): Slab | null {
    return this.slabOfFrame[Math.floor(pa / PAGE_SIZE)] ?? null;
  }
  /** The link that a free object holds: the next free object's address (0 = none), scrambled with the key and the place where it lies. */
  writeLink(cache: KmemCache, obj: number, next: number): void {
    const at = obj + cache.offset;
    // The low words of kernel addresses are the physical addresses, the high ones are all the same.
    this.ram.write32(at, next ^ this.keyLo ^ LINK_HIGH_SWAPPED);
    this.ram.write32(at + 4, (next === 0 ? 0 : LINK_HIGH) ^ this.keyHi ^ swap32(at));
  }
  /** What the machine code makes links with: all that does not depend on the place and on the next object. */
  writeKey(at: number): void {
    this.ram.write32(at, this.keyLo ^ LINK_HIGH_SWAPPED);
    this.ram.write32(at + 4, this.keyHi);
  }
  /** Physical address of the free object that follows `index` on the free list, or 0. */
  nextFree(slab: Slab, index: number): number {
    for (let i = slab.freeCount - 1; i > 0; i--) if (slab.free[i] === index) return slab.cache.objectPa(slab, slab.free[i - 1]);
    return 0;
  }
  /** Whether the link in a free object is the one that was put there. */
  linkIntact(slab: Slab, index: number): boolean {
    const { cache } = slab;
    const obj = cache.objectPa(slab, index);
    const at = obj + cache.offset;
    const found = [this.ram.read32(at), this.ram.read32(at + 4)];
    this.writeLink(cache, obj, this.nextFree(slab, index));
    const good = found[0] === this.ram.read32(at) && found[1] === this.ram.read32(at + 4);
    if (!good) {
      this.ram.write32(at, found[0]);
      this.ram.write32(at + 4, found[1]);
    }
    return good;
  }
  repairLink(slab: Slab, index: number): void {
    this.writeLink(slab.cache, slab.cache.objectPa(slab, index), this.nextFree(slab, index));
  }

  /** A slab of its own, not yet part of the cache (allocate_slab), or null. */
  newSlab(cache: KmemCache): Slab | null {
    const { ram, pages } = this;
    const pa = cache.order < 0 ? 0 : pages.alloc(cache.order, this.initOnAlloc, (cache.flags & SLAB_RECLAIM_ACCOUNT) !== 0 ? Migrate.RECLAIMABLE : Migrate.UNMOVABLE);
    if (pa === 0) return null;
    const slab: Slab = {
      cache,
      pa,
      free: new Uint16Array(cache.perSlab),
      freeCount: cache.perSlab,
      used: new Uint8Array(cache.perSlab),
      place: SlabPlace.NONE,
      lent: 0,
      checked: null,
    };
    for (let p = 0; p < 1 << cache.order; p++) this.slabOfFrame[pa / PAGE_SIZE + p] = slab;
    pages.makeCompound(pa, cache.order);
    if (cache.shared && pages.onFrames !== null) pages.onFrames(pa, 1 << cache.order, PageKind.SHADOWED);
    const at = pages.pageStruct(pa);
    setPageType(ram, at, PGTY_SLAB);
    ram.write64(at + SLAB_CACHE_OFFSET, physToVirt(cache.addr));
    if (cache.debug) setupSlabDebug(this, slab);
    let next = 0;
    for (let i = 0; i < cache.perSlab; i++) {
      const index = cache.perSlab - 1 - i;
      const obj = cache.objectPa(slab, index);
      this.writeLink(cache, obj, next);
      slab.free[i] = index;
      next = obj;
    }
    return slab;
  }
  /** Makes a new slab part of its cache. */
  addSlab(slab: Slab): void {
    slab.cache.slabs.add(slab);
    this.count(slab.cache, 1);
  }
  private count(cache: KmemCache, sign: 1 | -1): void {
    const pages = sign * (1 << cache.order);
    if ((cache.flags & SLAB_RECLAIM_ACCOUNT) !== 0) this.stat.slabReclaimable += pages;
    else this.stat.slabUnreclaimable += pages;
  }
  /** Gives a slab's pages back (discard_slab). */
  private discard(slab: Slab): void {
    const { cache } = slab;
    if (cache.checks) for (let i = 0; i < cache.perSlab; i++) checkObject(this, slab, i, SLUB_RED_INACTIVE);
    cache.slabs.delete(slab);
    for (let p = 0; p < 1 << cache.order; p++) this.slabOfFrame[slab.pa / PAGE_SIZE + p] = undefined;
    this.count(cache, -1);
    setPageType(this.ram, this.pages.pageStruct(slab.pa), NO_TYPE);
    this.pages.free(slab.pa, cache.order);
  }

  /** The slab that the next allocation of this CPU will come from, or null: a new one is needed. */
  private refill(cache: KmemCache): Slab | null {
    recall(this, cache, this.k.cpu);
    recallFreed(this, cache);
    const c = cache.cpus[this.k.cpu];
    if (c.slab !== null) {
      if (c.slab.freeCount > 0) return c.slab;
      c.slab.place = SlabPlace.NONE;
      c.slab = null;
    }
    const own = c.partial.pop();
    if (own !== undefined) {
      own.place = SlabPlace.CPU;
      c.slab = own;
      return own;
    }
    // get_partial_node: one slab for now, and some for later.
    let taken = 0;
    for (const slab of cache.partial) {
      cache.partial.delete(slab);
      if (c.slab === null) {
        slab.place = SlabPlace.CPU;
        c.slab = slab;
        if (cache.cpuPartialSlabs === 0) break;
      } else {
        slab.place = SlabPlace.CPU_PARTIAL;
        c.partial.push(slab);
        if (++taken > cache.cpuPartialSlabs / 2) break;
      }
    }
    return c.slab;
  }
  /** Whether an allocation would need a new slab, whose objects must be constructed first. */
  needsSlab(cache: KmemCache): boolean {
    if (cache.debug) return cache.partial.size === 0;
    return this.refill(cache) === null;
  }
  /** Hands a new slab to this CPU. */
  installSlab(slab: Slab): void {
    const { cache } = slab;
    this.addSlab(slab);
    if (cache.debug) this.toPartial(slab);
    else {
      const c = cache.cpus[this.k.cpu];
      if (c.slab !== null) this.toPartial(slab);
      else {
        slab.place = SlabPlace.CPU;
        c.slab = slab;
      }
    }
  }
  private toPartial(slab: Slab): void {
    slab.place = SlabPlace.PARTIAL;
    slab.cache.partial.add(slab);
  }
  private leavePartial(slab: Slab): void {
    slab.place = SlabPlace.NONE;
    slab.cache.partial.delete(slab);
  }
  /** Physical address of an object, or 0. `size`: what a caller of kmalloc asked for. */
  alloc(cache: KmemCache, zero: boolean, size = cache.objectSize): number {
    const own = cache.cpus[this.k.cpu].slab;
    if (own !== null && own.lent !== 0) {
      const index = takeLent(this, own);
      if (index >= 0) return this.handOut(own, index, zero);
    }
    let slab = cache.debug ? null : this.refill(cache);
    if (slab === null) {
      if (cache.debug && cache.partial.size > 0) return this.allocChecked(cache, zero, size);
      slab = this.newSlab(cache);
      if (slab === null) return 0;
      this.installSlab(slab);
      if (cache.debug) return this.allocChecked(cache, zero, size);
    }
    const index = slab.free[--slab.freeCount];
    slab.used[index] = 1;
    cache.activeObjects++;
    return this.handOut(slab, index, zero);
  }
  private handOut(slab: Slab, index: number, zero: boolean): number {
    const { cache } = slab;
    const obj = slab.pa + index * cache.size + cache.redLeftPad;
    if (this.wantsZero(cache, zero)) this.clear(obj, cache.objectSize);
    if ((cache.flags & SLAB_ACCOUNT) !== 0) chargeObject(this.k, obj, cache.size, (cache.flags & SLAB_RECLAIM_ACCOUNT) !== 0);
    return obj;
  }
  private clear(obj: number, size: number): void {
    if (size > SMALL_OBJECT || ((obj | size) & 3) !== 0) {
      this.ram.u8.fill(0, obj, obj + size);
      return;
    }
    const { u32 } = this.ram;
    for (let i = obj >> 2; i < (obj + size) >> 2; i++) u32[i] = 0;
  }
  /** slab_want_init_on_alloc. */
  private wantsZero(cache: KmemCache, zero: boolean): boolean {
    if (zero || !this.initOnAlloc) return zero;
    return cache.ctor === 0 && (cache.flags & (SLAB_TYPESAFE_BY_RCU | SLAB_POISON)) === 0;
  }
  /** The way of a cache with checks: slabs stay on the node's list, each object is looked at (alloc_single_from_partial). */
  private allocChecked(cache: KmemCache, zero: boolean, size: number): number {
    for (;;) {
      let slab: Slab | null = null;
      for (const s of cache.partial) {
        slab = s;
        break;
      }
      if (slab === null) {
        slab = this.newSlab(cache);
        if (slab === null) return 0;
        this.installSlab(slab);
      }
      const index = slab.free[slab.freeCount - 1];
      slab.freeCount--;
      slab.used[index] = 1;
      if (!allocDebug(this, slab, index, size)) {
        cache.activeObjects += slab.freeCount + 1;
        slab.freeCount = 0;
        slab.used.fill(1);
        this.leavePartial(slab);
        slab.place = SlabPlace.DISABLED;
        continue;
      }
      cache.activeObjects++;
      if (slab.freeCount === 0) this.leavePartial(slab);
      const obj = cache.objectPa(slab, index);
      if ((cache.flags & SLAB_STORE_USER) !== 0) setTrack(this, cache, obj, TRACK_ALLOC);
      if (this.wantsZero(cache, zero)) this.ram.u8.fill(0, obj, obj + cache.objectSize);
      return obj;
    }
  }
  /** Null when done, else what is wrong with `pa`; nothing has changed then. */
  free(cache: KmemCache, slab: Slab, pa: number): SlabComplaint | null {
    const index = (pa - slab.pa - cache.redLeftPad) / cache.size;
    if (cache.debug) return this.freeChecked(cache, slab, pa);
    if (!Number.isInteger(index) || index < 0 || index >= cache.perSlab) return 'Invalid object pointer';
    if (slab.lent !== 0 && putLent(this, slab, index, pa)) return null;
    recallFreed(this, cache);
    if (slab.used[index] === 0) return 'Object already free';
    this.push(cache, slab, index, pa);
    const c = cache.cpus[this.k.cpu];
    // A CPU's own slabs stay with it, full or empty.
    if (slab === c.slab || slab.place === SlabPlace.CPU || slab.place === SlabPlace.CPU_PARTIAL) return null;
    if (slab.freeCount === 1 && slab.place === SlabPlace.NONE) {
      if (cache.cpuPartialSlabs > 0) this.putCpuPartial(slab);
      else this.toPartial(slab);
    } else if (slab.freeCount === cache.perSlab && cache.partial.size >= cache.minPartial) {
      this.leavePartial(slab);
      this.discard(slab);
    }
    return null;
  }
  private push(cache: KmemCache, slab: Slab, index: number, pa: number): void {
    const below = slab.freeCount === 0 ? 0 : cache.objectPa(slab, slab.free[slab.freeCount - 1]);
    slab.used[index] = 0;
    slab.free[slab.freeCount++] = index;
    cache.activeObjects--;
    if ((cache.flags & SLAB_ACCOUNT) !== 0) unchargeObject(this.k, pa);
    this.writeLink(cache, pa, below);
    if (cache.shared && this.pages.onFrames !== null) this.k.mm.check?.onObjectFree(slab, index);
  }
  private freeChecked(cache: KmemCache, slab: Slab, pa: number): SlabComplaint | null {
    if (!freeDebug(this, slab, pa)) return null; // it has said so, and the object stays as it is
    const index = cache.indexOf(slab, pa);
    this.push(cache, slab, index, pa);
    const drop = slab.freeCount === cache.perSlab && cache.partial.size >= cache.minPartial;
    if (drop) {
      this.leavePartial(slab);
      this.discard(slab);
    } else if (slab.place !== SlabPlace.PARTIAL) this.toPartial(slab);
    return null;
  }
  /** put_cpu_partial: when a CPU holds too many, all go to the node. */
  private putCpuPartial(slab: Slab): void {
    const c = slab.cache.cpus[this.k.cpu];
    if (c.partial.length >= slab.cache.cpuPartialSlabs) this.flushPartial(slab.cache, this.k.cpu);
    slab.place = SlabPlace.CPU_PARTIAL;
    c.partial.push(slab);
  }
  private flushPartial(cache: KmemCache, cpu: number): void {
    const c = cache.cpus[cpu];
    for (const slab of c.partial) this.unfreeze(slab);
    c.partial = [];
  }
  private unfreeze(slab: Slab): void {
    const { cache } = slab;
    slab.place = SlabPlace.NONE;
    if (slab.freeCount === cache.perSlab && cache.partial.size >= cache.minPartial) this.discard(slab);
    else if (slab.freeCount > 0) this.toPartial(slab);
  }
  /** Free objects in partial slabs of the node. */
  partialFree(cache: KmemCache): number {
    recallFreed(this, cache);
    return cache.partialFree;
  }
  /** flush_all: what CPUs keep goes to the node. */
  flush(cache: KmemCache): void {
    recallFreed(this, cache);
    cache.cpus.forEach((c, cpu) => {
      recall(this, cache, cpu);
      if (c.slab !== null) {
        const { slab } = c;
        c.slab = null;
        this.unfreeze(slab);
      }
      this.flushPartial(cache, cpu);
    });
  }
  /** Gives back every slab without objects in use (kmem_cache_shrink). The rest is sorted, fullest first. */
  shrink(cache: KmemCache): void {
    this.flush(cache);
    const rest: Slab[] = [];
    for (const slab of [...cache.partial]) {
      this.leavePartial(slab);
      if (slab.freeCount === cache.perSlab) this.discard(slab);
      else rest.push(slab);
    }
    for (const slab of rest.sort((a, b) => a.freeCount - b.freeCount)) this.toPartial(slab);
  }
}
