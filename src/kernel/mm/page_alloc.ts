import { folio as FOLIO, page as PAGE } from '../../abi/layout/structs.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import { type MachineApi, PageKind } from '../../machine/api.ts';
import type { Ram } from '../../machine/ram.ts';
import { PAGE_SIZE, VMEMMAP_START } from './address.ts';
import { FLAGS_HIGH, NO_TYPE, PG_HEAD, PG_LRU, PG_RESERVED, PGTY_BUDDY, setPageFlags, setPageType } from './page.ts';
import { PerCpuPages } from './pcp.ts';

/** Largest block is 2^MAX_ORDER pages: 4 MiB (include/linux/mmzone.h, MAX_PAGE_ORDER). */
export const MAX_ORDER = 10;
/** 2^9 pages: pageblock_order with 2 MiB huge pages. */
export const PAGEBLOCK_PAGES = 512;
const THP_MIN_PAGES = (512 * 2 ** 20) / PAGE_SIZE;
/** Pages that one round of reclaim asks for (SWAP_CLUSTER_MAX). */
const RECLAIM_BATCH = 32;
/** Blocks of each size that frameOutside looks at. */
const OUTSIDE_TRIES = 4;
/** Frames. */
const STRETCH_GRAIN = 64;
const NONE = -1;
const NOT_FREE = 255;
const ORDERS = MAX_ORDER + 1;
/** Migrate types: what may be done with pages of a block decides where it lies, so that what cannot move does not stand between what can. */
export const Migrate = { UNMOVABLE: 0, MOVABLE: 1, RECLAIMABLE: 2 } as const;
const TYPES = 3;
/** Where to look when a type has no block left, in order (fallbacks of mm/page_alloc.c). */
const FALLBACKS: readonly (readonly number[])[] = [
  [Migrate.RECLAIMABLE, Migrate.MOVABLE],
  [Migrate.RECLAIMABLE, Migrate.UNMOVABLE],
  [Migrate.UNMOVABLE, Migrate.MOVABLE],
];
/** pageblock_order. */
const BLOCK_ORDER = 9;
/** Answers of fallback: a page block changed its type; there is no block at all. */
const CHANGED = -1;
const NOTHING = -2;
/** Page blocks below which memory is too small to be grouped (MIGRATE_TYPES of them; build_all_zonelists). */
const MIN_BLOCKS = 5;

/** Levels of free pages in a zone, in pages (/proc/zoneinfo). */
export interface Watermarks {
  readonly min: number;
  readonly low: number;
  readonly high: number;
  readonly promo: number;
}

/**
 * Watermarks of a zone of `managed` pages: min_free_kbytes is sqrt(16 * KiB), or what khugepaged asks for against fragmentation
 * (11 page blocks) but at most 5 % of memory; the levels above rise by a quarter of it, or by so many ten thousandths of the zone
 * (setup_per_zone_wmarks; watermark_scale_factor).
 */
export function watermarksFor(managed: number, minFreeKb = 0, scale = 10): Watermarks {
  const byRoot = Math.floor(Math.min(262144, Math.max(128, Math.floor(Math.sqrt(managed * 4 * 16)))) / 4);
  // With less than 512 MiB transparent huge pages are off, and khugepaged asks for nothing.
  const recommended = managed < THP_MIN_PAGES ? 0 : Math.min(PAGEBLOCK_PAGES * 11, Math.floor(managed / 20));
  const min = minFreeKb > 0 ? Math.floor(minFreeKb / 4) : Math.max(byRoot, recommended);
  const step = Math.max(Math.floor(min / 4), Math.floor((managed * scale) / 10000));
  return { min, low: min + step, high: min + 2 * step, promo: min + 3 * step };
}

/**
 * The binary buddy system over all frames (mm/page_alloc.c). Blocks of 2^order pages on a free list for each order and migrate type; a freed block merges with
 * its buddy while that is free. The struct page array in RAM carries each frame's state (reference count, page_type, order of free blocks);
 * the free lists are links by frame number.
 */
export class PageAllocator {
  private readonly ram: Ram;
  private readonly machine: MachineApi;
  /** Physical address of the struct page array (vmemmap), one per frame from pfn 0. */
  readonly memMap: number;
  /** Frames of the zone, reserved ones included. */
  readonly totalPages: number;
  /** Frames that the allocator ever had. */
  readonly managedPages: number;
  watermarks: Watermarks;
  freePages = 0;
  /** Free blocks by order, and by type and order. */
  readonly freeCount: number[] = new Array<number>(ORDERS).fill(0);
  readonly freeByType: number[] = new Array<number>(ORDERS * TYPES).fill(0);
  /** The type of each page block. */
  private readonly blockType: Uint8Array;
  /** The list that each free block is on. */
  private readonly listType: Uint8Array;
  /** Is memory grouped by migrate type? */
  readonly mobility: boolean;
  /** Lists of CPUs, once there are any; and which CPU asks. */
  pcp: PerCpuPages | null = null;
  private cpu: () => number = () => 0;
  /** Counters of /proc/vmstat, in pages. */
  allocated = 0;
  freed = 0;
  /** Called for a frame that is freed twice, or freed while still counted; the text is Linux's reason. */
  onBadPage: (pa: number, reason: string) => void = () => {};

  /** Called when an allocation finds too little: frees what can be had again, and says how many pages that was. */
  onShort: (pages: number) => number = () => 0;

  /** Called before memory is asked for where nothing is held that reclaim could take away: wakes kswapd, or reclaims itself. */
  onLow: () => void = () => {};

  /** The same for the limits of cgroups, when there are any. */
  onGroup: (() => void) | null = null;

  /** Told of each block that comes back. */
  onFree: (pa: number, pages: number) => void = () => {};

  /** Told of frames that were handed out or came back (memory checks). */
  onFrames: ((pa: number, pages: number, kind: number) => void) | null = null;

  private readonly head = new Int32Array(ORDERS * TYPES).fill(NONE);
  private readonly next: Int32Array;
  private readonly prev: Int32Array;
  /** Order of the free block that starts at a frame, else NOT_FREE. */
  private readonly blockOrder: Uint8Array;
  private readonly endPfn: number;

  /** @param reservedEnd physical address below which everything is taken (machine, kernel image). */
  constructor(machine: MachineApi, reservedEnd: number) {
    this.machine = machine;
    this.ram = machine.ram;
    this.endPfn = Math.floor(this.ram.size / PAGE_SIZE);
    this.next = new Int32Array(this.endPfn);
    this.prev = new Int32Array(this.endPfn);
    this.blockOrder = new Uint8Array(this.endPfn).fill(NOT_FREE);
    this.listType = new Uint8Array(this.endPfn);
    const blocks = Math.ceil(this.endPfn / PAGEBLOCK_PAGES);
    this.mobility = blocks >= MIN_BLOCKS;
    this.blockType = new Uint8Array(blocks).fill(this.mobility ? Migrate.MOVABLE : Migrate.UNMOVABLE);
    this.memMap = Math.ceil(reservedEnd / 0x20_0000) * 0x20_0000;
    const start = Math.ceil((this.memMap + this.endPfn * PAGE.sizeof) / PAGE_SIZE);
    this.totalPages = this.endPfn - RAM_BASE / PAGE_SIZE;
    const { ram, memMap } = this;
    for (let pfn = 0; pfn < this.endPfn; pfn++) {
      ram.write32(memMap + pfn * PAGE.sizeof + PAGE._mapcount, -1);
      ram.write32(memMap + pfn * PAGE.sizeof + PAGE.flags + 4, FLAGS_HIGH);
    }
    for (let pfn = 0; pfn < start; pfn++) {
      ram.write32(memMap + pfn * PAGE.sizeof + PAGE._refcount, 1);
      ram.write32(memMap + pfn * PAGE.sizeof + PAGE.flags, PG_RESERVED);
    }
    this.releaseRange(Math.ceil(reservedEnd / PAGE_SIZE), this.memMap / PAGE_SIZE);
    this.releaseRange(start, this.endPfn);
    this.managedPages = this.freePages;
    this.watermarks = watermarksFor(this.managedPages);
  }

  private releaseRange(from: number, to: number): void {
    let pfn = from;
    for (let p = from; p < to; p++) {
      this.ram.write32(this.memMap + p * PAGE.sizeof + PAGE._refcount, 0);
      this.ram.write32(this.memMap + p * PAGE.sizeof + PAGE.flags, 0);
    }
    while (pfn < to) {
      let order = 0;
      while (order < MAX_ORDER && pfn % (2 << order) === 0 && pfn + (2 << order) <= to) order++;
      this.link(pfn, order, this.typeOf(pfn));
      this.freePages += 1 << order;
      pfn += 1 << order;
    }
  }
  /** get_pfnblock_migratetype. */
  typeOf(pfn: number): number {
    return this.blockType[pfn >>> BLOCK_ORDER];
  }
  private link(pfn: number, order: number, type: number): void {
    const list = type * ORDERS + order;
    const first = this.head[list];
    this.next[pfn] = first;
    this.prev[pfn] = NONE;
    if (first !== NONE) this.prev[first] = pfn;
    this.head[list] = pfn;
    this.blockOrder[pfn] = order;
    this.listType[pfn] = type;
    this.freeCount[order]++;
    this.freeByType[list]++;
    const at = this.memMap + pfn * PAGE.sizeof;
    setPageType(this.ram, at, PGTY_BUDDY);
    this.ram.write32(at + PAGE.private, order);
  }
  private unlink(pfn: number, order: number): void {
    const list = this.listType[pfn] * ORDERS + order;
    const n = this.next[pfn];
    const p = this.prev[pfn];
    if (p === NONE) this.head[list] = n;
    else this.next[p] = n;
    if (n !== NONE) this.prev[n] = p;
    this.blockOrder[pfn] = NOT_FREE;
    this.freeCount[order]--;
    this.freeByType[list]--;
    const at = this.memMap + pfn * PAGE.sizeof;
    setPageType(this.ram, at, NO_TYPE);
    this.ram.write32(at + PAGE.private, 0);
  }

  /** Physical address of struct page for a frame. */
  pageStruct(pa: number): number {
    return this.memMap + Math.floor(pa / PAGE_SIZE) * PAGE.sizeof;
  }
  /** The same as modules see it, in vmemmap. */
  pageStructVa(pa: number): number {
    return VMEMMAP_START + Math.floor(pa / PAGE_SIZE) * PAGE.sizeof;
  }
  /** prep_compound_page: the frames of a block become one page with a head. */
  makeCompound(pa: number, order: number): void {
    if (order === 0) return;
    const { ram } = this;
    const head = this.pageStruct(pa);
    setPageFlags(ram, head, PG_HEAD);
    const link = this.pageStructVa(pa) + 1;
    for (let i = 1; i < 1 << order; i++) ram.write64(head + i * PAGE.sizeof + PAGE.compound_head, link);
    ram.write32(head + FOLIO._flags_1, order);
    ram.write32(head + FOLIO._large_mapcount, -1);
    ram.write32(head + FOLIO._entire_mapcount, -1);
    ram.write32(head + FOLIO._folio_nr_pages, 1 << order);
  }
  /** Order of the compound page whose head is at `pa`, 0 for a single page. */
  compoundOrder(pa: number): number {
    const at = this.pageStruct(pa);
    return (this.ram.read32(at + PAGE.flags) & PG_HEAD) !== 0 ? this.ram.read32(at + FOLIO._flags_1) & 0xff : 0;
  }
  /** split_page: a block becomes single pages, each counted once. */
  split(pa: number, order: number): void {
    for (let i = 0; i < 1 << order; i++) this.setRefCount(pa + i * PAGE_SIZE, 1);
  }
  refCount(pa: number): number {
    return this.ram.readS32(this.pageStruct(pa) + PAGE._refcount);
  }
  private setRefCount(pa: number, n: number): void {
    this.ram.write32(this.pageStruct(pa) + PAGE._refcount, n);
  }
  /** Calls `visit` for every free block. */
  eachFree(visit: (pa: number, pages: number) => void): void {
    for (const [list, first] of this.head.entries())
      for (let pfn = first; pfn !== NONE; pfn = this.next[pfn]) visit(pfn * PAGE_SIZE, 1 << (list % ORDERS));
    this.pcp?.each((pfn) => visit(pfn * PAGE_SIZE, 1));
  }
  /** Lists of CPUs from now on (setup_per_cpu_pageset). */
  enablePerCpu(cpus: number, cpu: () => number): void {
    this.pcp = new PerCpuPages(this, cpus, this.endPfn);
    this.cpu = cpu;
  }
  /** Pages in blocks: NR_FREE_PAGES, which does not count those of CPUs. */
  get buddyPages(): number {
    return this.freePages - (this.pcp?.total ?? 0);
  }
  /** Page blocks of each type. */
  countBlocks(): number[] {
    const n = new Array<number>(TYPES).fill(0);
    for (let b = RAM_BASE / PAGE_SIZE / PAGEBLOCK_PAGES; b < this.blockType.length; b++) n[this.blockType[b]]++;
    return n;
  }
  /** A frame inside a free block. */
  isFree(pa: number): boolean {
    const pfn = Math.floor(pa / PAGE_SIZE);
    if (this.pcp?.holds(pfn) === true) return true;
    for (let o = 0; o <= MAX_ORDER; o++) {
      const start = pfn - (pfn % (1 << o));
      if (this.blockOrder[start] === o) return true;
    }
    return false;
  }

  /** A place where it may be waited for memory. */
  relieve(): void {
    if (this.freePages < this.watermarks.low) this.onLow();
    if (this.onGroup !== null) this.onGroup();
  }
  /** 2^order contiguous frames with reference count 1, zeroed unless told otherwise. The physical address, or 0 when there is none. */
  alloc(order = 0, zero = true, type: number = Migrate.UNMOVABLE): number {
    const wanted = this.mobility ? type : Migrate.UNMOVABLE;
    let pfn = order === 0 && this.pcp !== null ? this.pcp.take(this.cpu(), wanted) : this.takeBlock(order, wanted);
    if (pfn === NONE && this.pcp !== null && this.pcp.total > 0) {
      this.pcp.drain();
      pfn = this.takeBlock(order, wanted);
    }
    if (pfn === NONE) return this.onShort(RECLAIM_BATCH << order) > 0 ? this.alloc(order, zero, type) : 0;
    return this.handOut(pfn, order, zero);
  }
  /** A block of a type off the lists: the smallest that is large enough, or one of another type (__rmqueue). -1 = none. */
  private takeBlock(order: number, type: number): number {
    for (;;) {
      for (let o = order; o <= MAX_ORDER; o++) {
        const pfn = this.head[type * ORDERS + o];
        if (pfn === NONE) continue;
        this.cut(pfn, o, order, type);
        return pfn;
      }
      const other = this.mobility ? this.fallback(order, type) : NOTHING;
      if (other >= 0) return other;
      if (other === NOTHING) return NONE;
    }
  }
  /** Takes the first 2^order pages of a free block; the rest is free, on the list of `type`. */
  private cut(pfn: number, from: number, order: number, type: number): void {
    this.unlink(pfn, from);
    for (let o = from; o > order; ) {
      o--;
      this.link(pfn + (1 << o), o, type);
    }
  }
  /**
   * Takes a large block of another type (__rmqueue_fallback): its page block becomes one of this type when most of it is free or alike, else only these pages
   * are taken; for movable pages of the smallest block that there is. The pages, CHANGED: look again, or NOTHING.
   */
  private fallback(order: number, type: number): number {
    for (let o = MAX_ORDER; o >= order; o--) {
      const from = FALLBACKS[type].find((t) => this.head[t * ORDERS + o] !== NONE);
      if (from === undefined) continue;
      const pfn = this.head[from * ORDERS + o];
      if (o >= BLOCK_ORDER) {
        for (let p = pfn; p < pfn + (1 << o); p += PAGEBLOCK_PAGES) this.blockType[p >>> BLOCK_ORDER] = type;
        this.cut(pfn, o, order, type);
        return pfn;
      }
      // Pages that cannot move take much at once, so that they need not spoil another block soon.
      if (type !== Migrate.MOVABLE || o >= BLOCK_ORDER / 2) {
        if (this.steal(pfn, type)) return CHANGED;
        this.cut(pfn, o, order, from);
        return pfn;
      }
      return this.smallest(order, type);
    }
    return NOTHING;
  }
  private smallest(order: number, type: number): number {
    for (let o = order; o <= MAX_ORDER; o++) {
      const from = FALLBACKS[type].find((t) => this.head[t * ORDERS + o] !== NONE);
      if (from === undefined) continue;
      const pfn = this.head[from * ORDERS + o];
      this.cut(pfn, o, order, from);
      return pfn;
    }
    return NOTHING;
  }
  /** steal_suitable_fallback: half of the page block is free or used for the like: all that is free of it changes its list. */
  private steal(pfn: number, type: number): boolean {
    const begin = pfn - (pfn % PAGEBLOCK_PAGES);
    const end = Math.min(begin + PAGEBLOCK_PAGES, this.endPfn);
    const old = this.typeOf(pfn);
    const free: number[] = [];
    let freePages = 0;
    let movable = 0;
    for (let p = begin; p < end; ) {
      const o = this.blockOrder[p];
      if (o === NOT_FREE) {
        if ((this.ram.read32(this.memMap + p * PAGE.sizeof + PAGE.flags) & PG_LRU) !== 0) movable++;
        p++;
      } else {
        free.push(p);
        freePages += 1 << o;
        p += 1 << o;
      }
    }
    const alike = type === Migrate.MOVABLE ? movable : old === Migrate.MOVABLE ? PAGEBLOCK_PAGES - freePages - movable : 0;
    if (freePages + alike < PAGEBLOCK_PAGES / 2) return false;
    for (const p of free) {
      const o = this.blockOrder[p];
      this.unlink(p, o);
      this.link(p, o, type);
    }
    this.blockType[pfn >>> BLOCK_ORDER] = type;
    return true;
  }
  /** rmqueue_bulk: up to `n` single pages of a type, in ascending order as far as blocks go. */
  takeBulk(n: number, type: number, take: (pfn: number, n: number) => void): void {
    for (let left = n; left > 0; ) {
      // As large a block as is wanted at once, when there is no smaller one.
      let order = 0;
      while (order < MAX_ORDER && 2 << order <= left && this.head[type * ORDERS + order] === NONE) order++;
      let pfn = this.takeBlock(order, type);
      if (pfn === NONE && order > 0) {
        order = 0;
        pfn = this.takeBlock(0, type);
      }
      if (pfn === NONE) return;
      take(pfn, 1 << order);
      left -= 1 << order;
    }
  }
  private handOut(pfn: number, order: number, zero: boolean): number {
    this.freePages -= 1 << order;
    this.allocated += 1 << order;
    const pa = pfn * PAGE_SIZE;
    this.machine.invalidateCode(pa, PAGE_SIZE << order);
    if (zero) this.ram.fill(pa, PAGE_SIZE << order);
    this.setRefCount(pa, 1);
    if (this.onFrames !== null) this.onFrames(pa, 1 << order, PageKind.ORDINARY);
    return pa;
  }
  /** One frame, the one at `pa`: 0 when it is not free, or memory is short (as for allocUser). */
  allocUserAt(pa: number, zero: boolean): number {
    const pfn = Math.floor(pa / PAGE_SIZE);
    if (pfn < 0 || pfn >= this.endPfn || this.freePages <= this.watermarks.min) return 0;
    const { pcp } = this;
    if (pcp?.holds(pfn) === true) {
      pcp.remove(pfn);
      return this.handOut(pfn, 0, zero);
    }
    for (let o = 0; o <= MAX_ORDER; o++) {
      let start = pfn - (pfn % (1 << o));
      if (this.blockOrder[start] !== o) continue;
      const type = this.listType[start];
      this.unlink(start, o);
      // The halves that the frame is not in stay free.
      while (o > 0) {
        o--;
        const upper = start + (1 << o);
        this.link(pfn < upper ? upper : start, o, type);
        if (pfn >= upper) start = upper;
      }
      return this.handOut(pfn, 0, zero);
    }
    return 0;
  }
  /** A free frame outside of [from, to) from one of the smallest blocks, -1 when those few that are looked at all lie inside. */
  frameOutside(from: number, to: number): number {
    for (let o = 0; o <= MAX_ORDER; o++)
      for (const type of [Migrate.MOVABLE, Migrate.RECLAIMABLE, Migrate.UNMOVABLE]) {
        let pfn = this.head[type * ORDERS + o];
        for (let i = 0; i < OUTSIDE_TRIES && pfn !== NONE; i++, pfn = this.next[pfn]) {
          const pa = pfn * PAGE_SIZE;
          if (pa + (PAGE_SIZE << o) <= from || pa >= to) return pa;
        }
      }
    return -1;
  }
  /**
   * Calls `visit` for the stretches of free frames [from, to), as physical addresses in ascending order, until it answers true. Stretches are seen in
   * pieces of STRETCH_GRAIN frames; what is smaller is not seen.
   */
  eachStretch(visit: (from: number, to: number) => boolean): void {
    // Single pages of CPUs would stand in between.
    this.pcp?.drain();
    let from = NONE;
    for (let pfn = 0; pfn < this.endPfn; ) {
      const o = this.blockOrder[pfn];
      const isFree = o !== NOT_FREE && 1 << o >= STRETCH_GRAIN;
      if (isFree && from === NONE) from = pfn;
      if (!isFree && from !== NONE) {
        if (visit(from * PAGE_SIZE, pfn * PAGE_SIZE)) return;
        from = NONE;
      }
      pfn += isFree ? 1 << o : STRETCH_GRAIN;
    }
    if (from !== NONE) visit(from * PAGE_SIZE, this.endPfn * PAGE_SIZE);
  }
  /** The same for memory that can wait for better times: leaves the reserve below the min watermark alone (GFP_USER). */
  allocUser(order = 0, zero = true, type: number = Migrate.UNMOVABLE): number {
    const short = () => this.freePages - (1 << order) < this.watermarks.min;
    return short() && (this.onShort(RECLAIM_BATCH << order) === 0 || short()) ? 0 : this.alloc(order, zero, type);
  }
  /** Gives a block back whatever its count. */
  free(pa: number, order = 0): void {
    const pfn = Math.floor(pa / PAGE_SIZE);
    const { ram } = this;
    const at = this.pageStruct(pa);
    // Whoever has a frame is counted.
    if (ram.readS32(at + PAGE._refcount) === 0 && this.isFree(pa)) {
      this.onBadPage(pa, 'page freed twice');
      return;
    }
    if (ram.readS32(at + PAGE._mapcount) !== -1 && ram.read32(at + PAGE.page_type) >>> 24 < PGTY_BUDDY) {
      this.onBadPage(pa, 'nonzero mapcount');
    }
    this.onFree(pa, 1 << order);
    for (let i = 0; i < 1 << order; i++) {
      ram.fill(at + i * PAGE.sizeof, PAGE.sizeof);
      setPageType(ram, at + i * PAGE.sizeof, NO_TYPE);
      ram.write32(at + i * PAGE.sizeof + PAGE.flags + 4, FLAGS_HIGH);
    }
    if (this.onFrames !== null) this.onFrames(pa, 1 << order, PageKind.SHOWN);
    this.freePages += 1 << order;
    this.freed += 1 << order;
    if (order === 0 && this.pcp !== null) this.pcp.put(this.cpu(), this.typeOf(pfn), pfn);
    else this.giveBlock(pfn, order);
  }
  /** __free_one_page: joins it with its buddies. Of two page blocks with different types the larger block has the one of the page that came. */
  giveBlock(first: number, order: number): void {
    let pfn = first;
    let o = order;
    const type = this.typeOf(pfn);
    while (o < MAX_ORDER) {
      const buddy = pfn ^ (1 << o);
      if (buddy >= this.endPfn || this.blockOrder[buddy] !== o) break;
      this.unlink(buddy, o);
      pfn = Math.min(pfn, buddy);
      o++;
    }
    if (o > BLOCK_ORDER) for (let p = pfn; p < pfn + (1 << o); p += PAGEBLOCK_PAGES) this.blockType[p >>> BLOCK_ORDER] = type;
    this.link(pfn, o, type);
  }
  /** get_page and put_page for single frames. */
  get(pa: number): void {
    this.setRefCount(pa, this.refCount(pa) + 1);
  }
  put(pa: number): void {
    const n = this.refCount(pa) - 1;
    if (n < 0) this.onBadPage(pa, 'nonzero _refcount');
    else if (n === 0) this.free(pa, this.compoundOrder(pa));
    else this.setRefCount(pa, n);
  }
}
