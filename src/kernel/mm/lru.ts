import type { Ram } from '../../machine/ram.ts';
import { PAGE_SIZE } from './address.ts';
import type { PageAllocator } from './page_alloc.ts';
import { PG_ACTIVE, PG_LRU, PG_UNEVICTABLE, setPageFlags } from './page.ts';

// Lists of the pages of processes and files by when they were used last (include/linux/mmzone.h, mm/swap.c): an active and an inactive one for pages that
// would go to swap and for those of files, and one for pages that must stay. Each memory cgroup has its own five.

export const LRU_INACTIVE_ANON = 0;
export const LRU_ACTIVE_ANON = 1;
export const LRU_INACTIVE_FILE = 2;
export const LRU_ACTIVE_FILE = 3;
export const LRU_UNEVICTABLE = 4;
const NR_LRU = 5;
/** Added to a list of inactive pages: the active one of the kind. */
export const LRU_ACTIVE = 1;
const NO_LIST = 255;
const NONE = -1;

/** The lists of one cgroup (struct lruvec): frames, the newest first. */
export class LruVec {
  readonly head = new Int32Array(NR_LRU).fill(NONE);
  readonly last = new Int32Array(NR_LRU).fill(NONE);
  /** Pages on each. */
  readonly size: number[] = new Array<number>(NR_LRU).fill(0);
  /** What reclaiming cost lately, by kind: the balance between them (lru_note_cost). */
  anonCost = 0;
  fileCost = 0;
  /** Evictions and activations so far: the clock by which a page that comes back was away long or not (mm/workingset.c). */
  age = 0;
}

/** Flags of a page on a list. */
export function listFlags(list: number): number {
  if (list === LRU_UNEVICTABLE) return PG_LRU | PG_UNEVICTABLE;
  return list === LRU_ACTIVE_ANON || list === LRU_ACTIVE_FILE ? PG_LRU | PG_ACTIVE : PG_LRU;
}
/** Which list each frame is on, and which cgroup it is charged to. */
export class LruLists {
  private readonly ram: Ram;
  private readonly pages: PageAllocator;
  private readonly next: Int32Array;
  private readonly prev: Int32Array;
  private readonly where: Uint8Array;
  /** Number of the cgroup that pays for the frame; 0 = the root's. */
  readonly owner: Uint16Array;
  /** Areas that lock it, counted by their page table entries. */
  readonly locks: Uint16Array;
  /** By number of the cgroup. */
  readonly vecs: LruVec[] = [];
  /** Pages on each list, all cgroups together. */
  readonly size: number[] = new Array<number>(NR_LRU).fill(0);
  /** Pages that some area locks (NR_MLOCK). */
  mlocked = 0;

  constructor(ram: Ram, pages: PageAllocator) {
    this.ram = ram;
    this.pages = pages;
    const frames = Math.floor(ram.size / PAGE_SIZE);
    this.next = new Int32Array(frames);
    this.prev = new Int32Array(frames);
    this.where = new Uint8Array(frames).fill(NO_LIST);
    this.owner = new Uint16Array(frames);
    this.locks = new Uint16Array(frames);
    this.vecs[0] = new LruVec();
  }
  vecOf(pa: number): LruVec {
    return this.vecs[this.owner[pa / PAGE_SIZE]];
  }
  /** The list that a page is on, or -1. */
  listOf(pa: number): number {
    const list = this.where[pa / PAGE_SIZE];
    return list === NO_LIST ? -1 : list;
  }
  /** Puts a page that is on no list at the head of one. */
  add(pa: number, list: number): void {
    this.link(pa / PAGE_SIZE, list);
    setPageFlags(this.ram, this.pages.pageStruct(pa), listFlags(list), PG_ACTIVE | PG_UNEVICTABLE);
  }
  /** The same for a frame whose flags the caller writes. */
  link(pfn: number, list: number): void {
    const vec = this.vecs[this.owner[pfn]];
    const first = vec.head[list];
    this.next[pfn] = first;
    this.prev[pfn] = NONE;
    if (first === NONE) vec.last[list] = pfn;
    else this.prev[first] = pfn;
    vec.head[list] = pfn;
    vec.size[list]++;
    this.size[list]++;
    this.where[pfn] = list;
  }
  /** Takes it off its list; -1 when it is on none. */
  del(pa: number): number {
    const list = this.unlink(pa / PAGE_SIZE);
    if (list >= 0) setPageFlags(this.ram, this.pages.pageStruct(pa), 0, PG_LRU);
    return list;
  }
  /** The same for a frame that is being freed. */
  unlink(pfn: number): number {
    const list = this.where[pfn];
    if (list === NO_LIST) return -1;
    const vec = this.vecs[this.owner[pfn]];
    const n = this.next[pfn];
    const p = this.prev[pfn];
    if (p === NONE) vec.head[list] = n;
    else this.next[p] = n;
    if (n === NONE) vec.last[list] = p;
    else this.prev[n] = p;
    vec.size[list]--;
    this.size[list]--;
    this.where[pfn] = NO_LIST;
    return list;
  }
  move(pa: number, list: number): void {
    this.del(pa);
    this.add(pa, list);
  }
  /** The page of a list that was used longest ago; -1 when it is empty. */
  tail(vec: LruVec, list: number): number {
    const pfn = vec.last[list];
    return pfn === NONE ? -1 : pfn * PAGE_SIZE;
  }
  /** folio_activate. */
  activate(pa: number): boolean {
    const list = this.listOf(pa);
    if (list !== LRU_INACTIVE_ANON && list !== LRU_INACTIVE_FILE) return false;
    this.move(pa, list + LRU_ACTIVE);
    return true;
  }
  /** An entry of an area that locks its pages maps it, or (-1) does so no longer. The last lock leaves it where its use decides. */
  lock(pa: number, n: 1 | -1, file: boolean): void {
    const pfn = pa / PAGE_SIZE;
    this.locks[pfn] += n;
    if (n === 1 && this.locks[pfn] === 1) {
      this.mlocked++;
      if (this.where[pfn] !== NO_LIST) this.move(pa, LRU_UNEVICTABLE);
    } else if (n === -1 && this.locks[pfn] === 0) {
      this.mlocked--;
      if (this.where[pfn] === LRU_UNEVICTABLE) this.move(pa, file ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON);
    }
  }
}
