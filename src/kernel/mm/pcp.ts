import type { PageAllocator } from './page_alloc.ts';

// Single pages that each CPU keeps to hand (struct per_cpu_pages of mm/page_alloc.c), by migrate type: taken from the buddy lists and given back in batches. The page
// that was freed last is handed out first. They are free memory that belongs to no block; when blocks run short they go back.

/** Unmovable, movable, reclaimable: the types that have such lists. */
const TYPES = 3;
const NONE = -1;
const NO_LIST = 255;

/** Pages of one batch: about a thousandth of the zone, at most 1 MiB, a quarter of it, one less than a power of two (zone_batchsize). */
export function batchSize(managed: number): number {
  const quarter = Math.max(1, Math.floor(Math.min(Math.floor(managed / 1024), 256) / 4));
  return 2 ** Math.floor(Math.log2(quarter + Math.floor(quarter / 2))) - 1 || 1;
}

export class PerCpuPages {
  private readonly pages: PageAllocator;
  private readonly next: Int32Array;
  private readonly prev: Int32Array;
  /** The list that a frame is on: CPU * TYPES + type. */
  private readonly where: Uint8Array;
  private readonly head: Int32Array;
  private readonly last: Int32Array;
  /** Pages of each CPU, and of all. */
  readonly count: number[];
  total = 0;
  readonly batch: number;
  /** Pages that a CPU keeps at most: its share of the low watermark, and four batches at least (zone_highsize). */
  readonly high: number;

  constructor(pages: PageAllocator, cpus: number, frames: number) {
    this.pages = pages;
    this.next = new Int32Array(frames);
    this.prev = new Int32Array(frames);
    this.where = new Uint8Array(frames).fill(NO_LIST);
    this.head = new Int32Array(cpus * TYPES).fill(NONE);
    this.last = new Int32Array(cpus * TYPES).fill(NONE);
    this.count = new Array<number>(cpus).fill(0);
    this.batch = batchSize(pages.managedPages);
    this.high = Math.max(Math.floor(pages.watermarks.low / cpus), 4 * this.batch);
  }
  holds(pfn: number): boolean {
    return this.where[pfn] !== NO_LIST;
  }
  /** A page of a type for a CPU; -1 when there is none. */
  take(cpu: number, type: number): number {
    const list = cpu * TYPES + type;
    if (this.head[list] === NONE) this.pages.takeBulk(this.batch, type, (pfn, n) => this.append(pfn, n, cpu, list));
    const pfn = this.head[list];
    if (pfn === NONE) return NONE;
    const n = this.next[pfn];
    this.head[list] = n;
    if (n === NONE) this.last[list] = NONE;
    else this.prev[n] = NONE;
    this.where[pfn] = NO_LIST;
    this.count[cpu]--;
    this.total--;
    return pfn;
  }
  /** A page was freed. Too many: the ones that were freed first go back. */
  put(cpu: number, type: number, pfn: number): void {
    const list = cpu * TYPES + type;
    const first = this.head[list];
    this.next[pfn] = first;
    this.prev[pfn] = NONE;
    if (first === NONE) this.last[list] = pfn;
    else this.prev[first] = pfn;
    this.head[list] = pfn;
    this.where[pfn] = list;
    this.count[cpu]++;
    this.total++;
    if (this.count[cpu] > this.high) this.giveBack(cpu, this.batch);
  }
  /** `n` pages in a row go to the end of a list. */
  private append(first: number, n: number, cpu: number, list: number): void {
    let end = this.last[list];
    for (let pfn = first; pfn < first + n; pfn++) {
      this.prev[pfn] = end;
      if (end === NONE) this.head[list] = pfn;
      else this.next[end] = pfn;
      this.where[pfn] = list;
      end = pfn;
    }
    this.next[end] = NONE;
    this.last[list] = end;
    this.count[cpu] += n;
    this.total += n;
  }
  /** Takes one frame off its list. */
  remove(pfn: number): void {
    const list = this.where[pfn];
    const [n, p] = [this.next[pfn], this.prev[pfn]];
    if (p === NONE) this.head[list] = n;
    else this.next[p] = n;
    if (n === NONE) this.last[list] = p;
    else this.prev[n] = p;
    this.where[pfn] = NO_LIST;
    this.count[Math.floor(list / TYPES)]--;
    this.total--;
  }
  /** free_pcppages_bulk: the oldest of each type in turn. */
  private giveBack(cpu: number, n: number): void {
    for (let left = n, type = 0, empty = 0; left > 0 && empty < TYPES; type = (type + 1) % TYPES) {
      const pfn = this.last[cpu * TYPES + type];
      if (pfn === NONE) {
        empty++;
        continue;
      }
      empty = 0;
      left--;
      this.remove(pfn);
      this.pages.giveBlock(pfn, 0);
    }
  }
  /** drain_all_pages. */
  drain(): void {
    for (let cpu = 0; cpu < this.count.length; cpu++) this.giveBack(cpu, this.count[cpu]);
  }
  each(visit: (pfn: number) => void): void {
    for (const first of this.head) for (let pfn = first; pfn !== NONE; pfn = this.next[pfn]) visit(pfn);
  }
}
