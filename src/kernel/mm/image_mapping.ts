import { page as PAGE } from '../../abi/layout/structs.ts';
import type { ImageLayer } from '../host.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from './address.ts';
import { AddressSpace } from './filemap.ts';
import { type VmArea, VM_SHARED } from './mm_struct.ts';
import { LRU_UNEVICTABLE } from './lru.ts';
import { PG_DIRTY, setPageFlags } from './page.ts';

/** Pages that a miss brings in at once when memory allows (Linux reads ahead up to 128 KiB). */
const READAHEAD = 16;

/** Contents of a file of the boot image: pages are read from it when they are used, and while nobody has written to them they can be dropped again. */
export class ImageMapping extends AddressSpace {
  override readonly shmem: boolean = false;
  private readonly layer: ImageLayer;
  private readonly blob: number;
  private readonly start: number;
  /** Bytes that the image still answers for; a truncation takes the rest away for good. */
  private backed: number;
  /** Pages below `backed` that were punched out. */
  private readonly holes = new Set<number>();
  /** A writable shared mapping was seen: its stores are not told of, so nothing here is clean for certain. */
  private tainted = false;

  constructor(layer: ImageLayer, where: readonly [blob: number, offset: number, size: number]) {
    super();
    this.layer = layer;
    [this.blob, this.start, this.backed] = where;
    this.size = this.backed;
  }
  /** Where the contents are in the image, when they are as they came. */
  get pristine(): readonly [number, number, number] | null {
    return !this.tainted && this.backed === this.size && this.holes.size === 0 && this.dirty.size === 0
      ? [this.blob, this.start, this.backed]
      : null;
  }
  /** Pages that were written. */
  private readonly dirty = new Set<number>();

  override addArea(vma: VmArea): void {
    super.addArea(vma);
    if ((vma.flags & VM_SHARED) !== 0) this.tainted = true;
  }
  private has(index: number): boolean {
    return index * PAGE_SIZE < this.backed && !this.holes.has(index);
  }
  override holds(index: number): boolean {
    return this.has(index) || super.holds(index);
  }
  override get allocatedPages(): number {
    let n = Math.ceil(this.backed / PAGE_SIZE) - this.holes.size;
    for (const index of this.pages.keys()) if (!this.has(index)) n++;
    return n;
  }
  override readPage(k: Kernel, index: number, pa: number): boolean {
    if (!this.has(index)) return true;
    const at = index * PAGE_SIZE;
    k.machine.invalidateCode(pa, PAGE_SIZE);
    const n = Math.min(PAGE_SIZE, this.backed - at);
    if (!this.layer.read(this.blob, this.start + at, k.ram.u8.subarray(pa, pa + n))) {
      k.printk.log(3, `image: cannot read blob ${this.layer.name(this.blob)} at ${this.start + at}`);
      return false;
    }
    return true;
  }
  override grab(k: Kernel, index: number, faulted = false): number {
    const known = this.pages.get(index);
    if (known !== undefined) return known;
    const pa = super.grab(k, index, faulted);
    if (pa === 0 || !this.has(index)) return pa;
    k.mm.imageMappings.add(this);
    const { freePages, watermarks } = k.mm.pages;
    if (freePages > watermarks.high * 2) {
      const from = index - (index % READAHEAD);
      for (let i = from; i < from + READAHEAD; i++) if (!this.pages.has(i) && this.has(i) && super.grab(k, i) === 0) break;
    }
    return pa;
  }
  protected override wrote(k: Kernel, index: number): void {
    this.dirty.add(index);
    const pa = this.pages.get(index);
    if (pa === undefined) return;
    setPageFlags(k.ram, k.mm.pages.pageStruct(pa), PG_DIRTY);
    // There is nowhere to write it to: it stays, like a page of ramfs.
    if (k.mm.lru.listOf(pa) !== LRU_UNEVICTABLE) k.mm.lru.move(pa, LRU_UNEVICTABLE);
  }
  override truncate(k: Kernel, size: number): void {
    if (size < this.backed) {
      // The last page must be here before its tail is cleared.
      if (size % PAGE_SIZE !== 0 && this.grab(k, Math.floor(size / PAGE_SIZE)) !== 0) this.wrote(k, Math.floor(size / PAGE_SIZE));
      this.backed = size;
    }
    super.truncate(k, size);
    for (const index of this.dirty) if (index * PAGE_SIZE >= size) this.dirty.delete(index);
  }
  override zeroPart(k: Kernel, from: number, to: number): void {
    const index = Math.floor(from / PAGE_SIZE);
    const ours = this.has(index) && this.grab(k, index) !== 0;
    super.zeroPart(k, from, to);
    if (ours) this.wrote(k, index);
  }
  override punchHole(k: Kernel, first: number, end: number): void {
    super.punchHole(k, first, end);
    const last = Math.min(end, Math.ceil(this.backed / PAGE_SIZE));
    for (let i = first; i < last; i++) this.holes.add(i);
  }
  override release(k: Kernel): void {
    super.release(k);
    this.backed = 0;
    k.mm.imageMappings.delete(this);
  }
  /** Drops up to `want` clean pages that nobody maps. How many went. */
  reclaim(k: Kernel, want: number): number {
    if (this.tainted) return 0;
    let done = 0;
    for (const [index, pa] of [...this.pages]) {
      if (done >= want) break;
      if (this.dirty.has(index) || !this.has(index) || k.ram.readS32(k.mm.pages.pageStruct(pa) + PAGE._refcount) !== 1) continue;
      this.drop(k, index, pa);
      done++;
    }
    if (this.pages.size === 0) k.mm.imageMappings.delete(this);
    return done;
  }
  override evict(k: Kernel, index: number, pa: number): boolean {
    if (this.tainted || this.dirty.has(index) || !this.has(index)) return false;
    this.drop(k, index, pa);
    if (this.pages.size === 0) k.mm.imageMappings.delete(this);
    return true;
  }
}

/** Frees clean pages of the image's files when memory runs short (the shrinking of the inactive file list): those used longest ago first, by file. */
export function reclaimImagePages(k: Kernel, want: number): number {
  let done = 0;
  for (const mapping of [...k.mm.imageMappings]) {
    if (done >= want) break;
    done += mapping.reclaim(k, want - done);
  }
  return done;
}
