import { page as PAGE } from '../../abi/layout/structs.ts';
import { EFAULT, EIO, ENOMEM, ENOSPC } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import { PAGE_SIZE } from './address.ts';
import { unmapMappingRange } from './memory.ts';
import type { VmArea } from './mm_struct.ts';
import { LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_FILE, LRU_UNEVICTABLE } from './lru.ts';
import { chargeSwap, countUse, frameForUser, payerOfEntry, Use } from './memcontrol.ts';
import { PG_DIRTY, PG_SWAPBACKED, PG_UPTODATE, setPageFlags } from './page.ts';
import { freeSwapEntry } from './swap_state.ts';
import { markAccessed, workingsetEviction, workingsetRefault } from './workingset.ts';

const ZEROS = new Uint8Array(PAGE_SIZE);

/** Frames that the inodes of one file system hold and may hold (tmpfs size=). */
export interface Quota {
  max: number;
  used: number;
}

/** The cached pages of one inode: frames by page index, each holding one reference (struct address_space, mm/filemap.c). */
export class AddressSpace {
  readonly pages = new Map<number, number>();
  /** Bytes of contents; accesses beyond the last page of it are SIGBUS. */
  size = 0;
  /** Areas that map it (i_mmap), in the order in which they came. */
  readonly areas = new Set<VmArea>();
  /** tmpfs, ramfs and shared memory: the pages are the only copy. */
  readonly shmem: boolean = true;
  /** Pages come from a driver, straight into page tables (mm/module_mapping.ts). */
  readonly driver: boolean = false;
  /** Pages that fallocate made and nobody has used: still holes to SEEK_HOLE (not PG_uptodate in Linux). */
  readonly unwritten = new Set<number>();
  /** Entries of pages that are in swap, by index. */
  readonly swapped = new Map<number, number>();
  /** May pages go to swap? Those of ramfs, and what the kernel itself maps, stay (mapping_unevictable). */
  swappable = false;
  /** The last page that could not be made could not be read; else there was no memory. */
  readFailed = false;
  /** When each page that was reclaimed went (shadow entries of mm/workingset.c). */
  private readonly shadows = new Map<number, number>();
  /** Its name in keys of futexes; 0 = it has none yet. */
  futexId = 0;
  /** Counts the frames against the file system's limit, when it has one. */
  readonly quota: Quota | null;

  constructor(quota: Quota | null = null) {
    this.quota = quota;
  }

  /** An area was split; the lower part is the new one. */
  splitBelow(_lower: VmArea, _upper: VmArea): void {}
  addArea(vma: VmArea): void {
    this.areas.add(vma);
  }
  removeArea(_k: Kernel, vma: VmArea): void {
    this.areas.delete(vma);
  }

  /** The frame of page `index`, made (zeroed, or filled by `readPage`) when missing. 0 = out of memory or an input error. */
  grab(k: Kernel, index: number, faulted = false): number {
    let pa = this.pages.get(index) ?? 0;
    if (this.unwritten.size > 0) this.unwritten.delete(index);
    if (pa !== 0) return pa;
    const entry = this.swapped.size > 0 ? (this.swapped.get(index) ?? 0) : 0;
    if (entry === 0 && this.quota !== null && this.quota.used >= this.quota.max) return 0;
    k.mm.pages.relieve();
    pa = entry === 0 ? frameForUser(k, true) : frameForUser(k, false, payerOfEntry(k, entry));
    this.readFailed = false;
    if (pa === 0) return 0;
    if (entry !== 0 ? !this.readSwap(k, index, entry, pa) : !this.readPage(k, index, pa)) {
      k.mm.pages.put(pa);
      this.readFailed = true;
      return 0;
    }
    this.pages.set(index, pa);
    if (this.quota !== null && entry === 0) this.quota.used++;
    const at = k.mm.pages.pageStruct(pa);
    setPageFlags(k.ram, at, PG_UPTODATE | (this.shmem ? PG_SWAPBACKED | PG_DIRTY : 0));
    k.ram.write64(at + PAGE.index, index);
    k.mm.ownerOf[pa / PAGE_SIZE] = this;
    k.mm.lru.add(pa, this.listFor(k, index, pa, faulted));
    k.mm.stat.filePages++;
    if (this.shmem) k.mm.stat.shmemPages++;
    this.count(k, pa, 1);
    return pa;
  }
  private count(k: Kernel, pa: number, n: 1 | -1): void {
    countUse(k, pa, Use.FILE, n);
    if (this.shmem) countUse(k, pa, Use.SHMEM, n);
  }
  /** Where a page that has come begins: pages that a fault wants and those of memory file systems are in use; one that was away for a short time was needed. */
  private listFor(k: Kernel, index: number, pa: number, faulted: boolean): number {
    if (this.shmem) return this.swappable ? LRU_ACTIVE_ANON : LRU_UNEVICTABLE;
    const gone = this.shadows.size > 0 ? this.shadows.get(index) : undefined;
    if (gone === undefined) return faulted ? LRU_ACTIVE_FILE : LRU_INACTIVE_FILE;
    this.shadows.delete(index);
    return workingsetRefault(k, pa, gone, true) || faulted ? LRU_ACTIVE_FILE : LRU_INACTIVE_FILE;
  }
  /** Brings a page back from its slot, which is free then (shmem_swapin_folio). */
  private readSwap(k: Kernel, index: number, entry: number, pa: number): boolean {
    k.machine.invalidateCode(pa, PAGE_SIZE);
    if (!k.mm.swap.read(entry, pa)) return false;
    this.swapped.delete(index);
    freeSwapEntry(k, entry);
    return true;
  }
  /** The frame of page `index` if it holds something: in memory, or brought back from swap. 0 = a hole; -1 = it cannot be brought back. */
  private present(k: Kernel, index: number): number {
    const pa = this.pages.get(index);
    if (pa !== undefined) return pa;
    if (!this.swapped.has(index)) return 0;
    return this.grab(k, index) || -1;
  }
  /**
   * Reclaim wants page `index`, which nobody maps or uses: false when it must stay. What has no other copy goes to swap (shmem_writepage).
   */
  evict(k: Kernel, index: number, pa: number): boolean {
    if (!this.swappable) return false;
    const entry = k.mm.swap.alloc();
    if (entry === 0) return false;
    if (!chargeSwap(k, pa, entry) || !k.mm.swap.write(entry, pa)) {
      k.mm.swap.release(entry);
      return false;
    }
    k.mm.swap.dup(entry);
    this.pages.delete(index);
    this.swapped.set(index, entry);
    k.mm.swappedMappings.add(this);
    k.mm.stat.filePages--;
    k.mm.stat.shmemPages--;
    this.count(k, pa, -1);
    k.mm.pages.put(pa);
    return true;
  }
  /** A clean page of a file goes: its place remembers when. */
  protected drop(k: Kernel, index: number, pa: number): void {
    this.shadows.set(index, workingsetEviction(k, pa));
    this.forget(k, index, pa);
  }
  /** File systems whose contents live elsewhere fill the frame here. False = it cannot be read. */
  readPage(_k: Kernel, _index: number, _pa: number): boolean {
    return true;
  }
  /** Is there something at page `index`, or is it a hole? */
  holds(index: number): boolean {
    return (this.pages.has(index) || this.swapped.has(index)) && !this.unwritten.has(index);
  }
  /** Pages that stat counts. */
  get allocatedPages(): number {
    return this.pages.size + this.swapped.size;
  }
  /** Forgets page `index`; mappings of it must be gone. */
  protected forget(k: Kernel, index: number, pa: number): void {
    this.pages.delete(index);
    this.unwritten.delete(index);
    if (this.quota !== null) this.quota.used--;
    k.mm.stat.filePages--;
    if (this.shmem) k.mm.stat.shmemPages--;
    this.count(k, pa, -1);
    k.mm.pages.put(pa);
  }

  /** Reads at `pos` into `into`; holes are zeros. The caller clips to size. */
  read(k: Kernel, pos: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      const at = pos + done;
      const offset = at % PAGE_SIZE;
      const n = Math.min(into.length - done, PAGE_SIZE - offset);
      const index = (at - offset) / PAGE_SIZE;
      const pa = this.shmem ? this.present(k, index) : this.grab(k, index);
      if (pa <= 0) into.fill(0, done, done + n);
      else into.set(k.ram.bytes(pa + offset, n), done);
      done += n;
    }
  }
  /** Writes and grows. Bytes written: fewer when memory ran out. */
  write(k: Kernel, pos: number, from: Uint8Array): number {
    let done = 0;
    while (done < from.length) {
      const at = pos + done;
      const offset = at % PAGE_SIZE;
      const n = Math.min(from.length - done, PAGE_SIZE - offset);
      const index = (at - offset) / PAGE_SIZE;
      const pa = this.grab(k, index);
      if (pa === 0) break;
      k.machine.invalidateCode(pa + offset, n);
      k.ram.u8.set(from.subarray(done, done + n), pa + offset);
      this.wrote(k, index);
      done += n;
    }
    if (done > 0 && pos + done > this.size) this.size = pos + done;
    return done;
  }
  /** Page `index` is not what it was on its file system. */
  protected wrote(_k: Kernel, _index: number): void {}

  /** Moves up to `length` bytes at `pos` to a reader; holes are zeros. Bytes moved, or -EFAULT or -EIO when not even one could be. The caller clips to size. */
  readTo(k: Kernel, pos: number, iter: IovIter, length: number): number {
    let done = 0;
    while (done < length) {
      const offset = (pos + done) % PAGE_SIZE;
      const n = Math.min(length - done, PAGE_SIZE - offset);
      const index = (pos + done - offset) / PAGE_SIZE;
      const pa = this.shmem ? this.present(k, index) : this.grab(k, index) || -1;
      if (pa < 0) return done > 0 ? done : this.readFailed ? -EIO : -ENOMEM;
      let moved: number;
      if (pa === 0) moved = iter.copyTo(k, ZEROS.subarray(0, n));
      else {
        // A fault in the reader's memory must not drop the page.
        markAccessed(k, pa);
        k.mm.pages.get(pa);
        moved = iter.copyPageTo(k, pa + offset, n);
        k.mm.pages.put(pa);
      }
      if (moved < 0) return done > 0 ? done : moved;
      done += moved;
      if (moved < n) break;
    }
    return done;
  }
  /** Takes up to `length` bytes from a writer and grows. Bytes written, or -EFAULT, -ENOSPC or -ENOMEM when not even one could be. */
  writeFrom(k: Kernel, pos: number, iter: IovIter, length: number): number {
    let done = 0;
    let error = 0;
    while (done < length) {
      const offset = (pos + done) % PAGE_SIZE;
      const n = Math.min(length - done, PAGE_SIZE - offset);
      if (!iter.faultIn(k)) {
        error = -EFAULT;
        break;
      }
      const index = (pos + done - offset) / PAGE_SIZE;
      const pa = this.grab(k, index);
      if (pa === 0) {
        error = this.quota !== null && this.quota.used >= this.quota.max ? -ENOSPC : -ENOMEM;
        break;
      }
      markAccessed(k, pa);
      k.mm.pages.get(pa);
      const moved = iter.copyPageFrom(k, pa + offset, n);
      k.mm.pages.put(pa);
      if (moved > 0) {
        this.wrote(k, index);
        done += moved;
      }
      if (moved < n) break;
    }
    if (done > 0 && pos + done > this.size) this.size = pos + done;
    return done > 0 ? done : error;
  }
  /** Makes the bytes [from, to) of one page zeros. */
  zeroPart(k: Kernel, from: number, to: number): void {
    const pa = this.present(k, Math.floor(from / PAGE_SIZE));
    if (pa <= 0) return;
    k.machine.invalidateCode(pa + (from % PAGE_SIZE), to - from);
    k.ram.fill(pa + (from % PAGE_SIZE), to - from);
  }
  /** Sets the size; drops pages beyond it (from page tables too) and zeroes the tail of the last one. */
  truncate(k: Kernel, size: number): void {
    if (size < this.size) {
      this.dropRange(k, Math.ceil(size / PAGE_SIZE), Number.POSITIVE_INFINITY);
      const tail = size % PAGE_SIZE;
      const pa = tail === 0 ? 0 : this.present(k, Math.floor(size / PAGE_SIZE));
      if (pa > 0) {
        k.machine.invalidateCode(pa + tail, PAGE_SIZE - tail);
        k.ram.fill(pa + tail, PAGE_SIZE - tail);
      }
    }
    this.size = size;
  }
  /** Drops the pages [first, end): they read as zeros again. */
  punchHole(k: Kernel, first: number, end: number): void {
    this.dropRange(k, first, end);
  }
  private dropRange(k: Kernel, first: number, end: number): void {
    for (const [index, entry] of [...this.swapped]) {
      if (index < first || index >= end) continue;
      this.swapped.delete(index);
      this.unwritten.delete(index);
      if (this.quota !== null) this.quota.used--;
      freeSwapEntry(k, entry);
    }
    for (const index of [...this.shadows.keys()]) if (index >= first && index < end) this.shadows.delete(index);
    if (this.pages.size === 0) return;
    unmapMappingRange(k, this, first, end);
    for (const [index, pa] of [...this.pages]) if (index >= first && index < end) this.forget(k, index, pa);
  }
  /** Contents that live elsewhere get what shared mappings changed. 0 or -errno. */
  writeback(_k: Kernel): number {
    return 0;
  }
  release(k: Kernel): void {
    this.dropRange(k, 0, Number.POSITIVE_INFINITY);
    this.size = 0;
  }
}

/** Contents of a file of tmpfs: they go to swap when memory is short. */
export class ShmemMapping extends AddressSpace {
  override swappable = true;
}

/** Pages of a MAP_SHARED | MAP_ANONYMOUS mapping (Linux: an unlinked shmem file); the last area frees them. */
export class SharedAnon extends AddressSpace {
  override swappable = true;
  /** Pages promised (VM_ACCOUNT of the shmem inode). */
  private readonly promised: number;
  readonly ino: number;

  constructor(k: Kernel, bytes: number) {
    super();
    this.size = bytes;
    this.promised = bytes / PAGE_SIZE;
    this.ino = k.mm.nextShmIno++;
    k.mm.stat.committed += this.promised;
  }
  override removeArea(k: Kernel, vma: VmArea): void {
    super.removeArea(k, vma);
    if (this.areas.size > 0) return;
    k.mm.stat.committed -= this.promised;
    this.release(k);
  }
}
