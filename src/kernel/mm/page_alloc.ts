import { page as PAGE } from '../../abi/layout/structs.ts';
import { RAM_BASE } from '../../machine/layout.ts';
import type { MachineApi } from '../../machine/api.ts';
import type { Ram } from '../../machine/ram.ts';
import { PAGE_SIZE } from './address.ts';

/** Largest block is 2^MAX_ORDER pages: 4 MiB (include/linux/mmzone.h, MAX_PAGE_ORDER). */
export const MAX_ORDER = 10;
const NONE = -1;
const NOT_FREE = 255;

/**
 * The binary buddy system over all frames (mm/page_alloc.c). Blocks of 2^order pages on one free list per order; a freed block merges with
 * its buddy while that is free. The struct page array in RAM carries each frame's reference count; the free lists are links by frame number.
 */
export class PageAllocator {
  private readonly ram: Ram;
  private readonly machine: MachineApi;
  /** Physical address of the struct page array (mem_map), one per frame from pfn 0. */
  readonly memMap: number;
  readonly totalPages: number;
  freePages = 0;
  private readonly head = new Int32Array(MAX_ORDER + 1).fill(NONE);
  readonly freeCount: number[] = new Array<number>(MAX_ORDER + 1).fill(0);
  private readonly next: Int32Array;
  private readonly prev: Int32Array;
  /** Order of the free block that starts at a frame, else NOT_FREE. */
  private readonly blockOrder: Uint8Array;
  private readonly endPfn: number;

  /** @param reservedEnd physical address below which everything is taken (machine, kernel image). */
  constructor(machine: MachineApi, reservedEnd: number) {
    this.machine = machine;
    this.ram = machine.ram;
    this.endPfn = this.ram.size / PAGE_SIZE;
    this.next = new Int32Array(this.endPfn);
    this.prev = new Int32Array(this.endPfn);
    this.blockOrder = new Uint8Array(this.endPfn).fill(NOT_FREE);
    this.memMap = Math.ceil(reservedEnd / 0x20_0000) * 0x20_0000;
    const start = Math.ceil((this.memMap + this.endPfn * PAGE.sizeof) / PAGE_SIZE);
    this.totalPages = this.endPfn - RAM_BASE / PAGE_SIZE;
    this.releaseRange(Math.ceil(reservedEnd / PAGE_SIZE), this.memMap / PAGE_SIZE);
    this.releaseRange(start, this.endPfn);
    this.managedPages = this.freePages;
  }
  /** Frames that the allocator ever had. */
  readonly managedPages: number;

  private releaseRange(from: number, to: number): void {
    let pfn = from;
    while (pfn < to) {
      let order = 0;
      while (order < MAX_ORDER && pfn % (2 << order) === 0 && pfn + (2 << order) <= to) order++;
      this.link(pfn, order);
      this.freePages += 1 << order;
      pfn += 1 << order;
    }
  }
  private link(pfn: number, order: number): void {
    const first = this.head[order];
    this.next[pfn] = first;
    this.prev[pfn] = NONE;
    if (first !== NONE) this.prev[first] = pfn;
    this.head[order] = pfn;
    this.blockOrder[pfn] = order;
    this.freeCount[order]++;
  }
  private unlink(pfn: number, order: number): void {
    const n = this.next[pfn];
    const p = this.prev[pfn];
    if (p === NONE) this.head[order] = n;
    else this.next[p] = n;
    if (n !== NONE) this.prev[n] = p;
    this.blockOrder[pfn] = NOT_FREE;
    this.freeCount[order]--;
  }

  /** Physical address of struct page for a frame. */
  pageStruct(pa: number): number {
    return this.memMap + Math.floor(pa / PAGE_SIZE) * PAGE.sizeof;
  }
  refCount(pa: number): number {
    return this.ram.readS32(this.pageStruct(pa) + PAGE._refcount);
  }
  private setRefCount(pa: number, n: number): void {
    this.ram.write32(this.pageStruct(pa) + PAGE._refcount, n);
  }

  /** 2^order contiguous frames with reference count 1, zeroed unless told otherwise. The physical address, or 0 when there is none. */
  alloc(order = 0, zero = true): number {
    let o = order;
    while (o <= MAX_ORDER && this.head[o] === NONE) o++;
    if (o > MAX_ORDER) return 0;
    const pfn = this.head[o];
    this.unlink(pfn, o);
    while (o > order) {
      o--;
      this.link(pfn + (1 << o), o);
    }
    this.freePages -= 1 << order;
    const pa = pfn * PAGE_SIZE;
    this.machine.invalidateCode(pa, PAGE_SIZE << order);
    if (zero) this.ram.fill(pa, PAGE_SIZE << order);
    this.setRefCount(pa, 1);
    return pa;
  }
  /** Gives a block back whatever its count. */
  free(pa: number, order = 0): void {
    let pfn = pa / PAGE_SIZE;
    let o = order;
    this.ram.fill(this.pageStruct(pa), PAGE.sizeof);
    this.freePages += 1 << order;
    while (o < MAX_ORDER) {
      const buddy = pfn ^ (1 << o);
      if (buddy >= this.endPfn || this.blockOrder[buddy] !== o) break;
      this.unlink(buddy, o);
      pfn = Math.min(pfn, buddy);
      o++;
    }
    this.link(pfn, o);
  }
  /** get_page and put_page for single frames. */
  get(pa: number): void {
    this.setRefCount(pa, this.refCount(pa) + 1);
  }
  put(pa: number): void {
    const n = this.refCount(pa) - 1;
    if (n <= 0) this.free(pa);
    else this.setRefCount(pa, n);
  }
}
