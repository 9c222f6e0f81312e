import { mm_struct as MM } from '../../abi/layout/structs.ts';
import type { File } from '../fs/types.ts';
import type { AioContext } from '../fs/aio_context.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, physToVirt, TASK_SIZE } from './address.ts';
import type { AddressSpace } from './filemap.ts';
import { endRun, type FrameRun } from './frame_runs.ts';
import { freeUserTables } from './pgtable.ts';
import type { AnonRoot } from './rmap.ts';

// vm_flags (include/linux/mm.h).
export const VM_READ = 1;
export const VM_WRITE = 2;
export const VM_EXEC = 4;
export const VM_SHARED = 8;
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
export const VM_GROWSDOWN = 0x100;
export const VM_PFNMAP = 0x400;
export const VM_LOCKED = 0x2000;
export const VM_IO = 0x4000;
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x1_0000;
export const VM_DONTCOPY = 0x2_0000;
export const VM_DONTEXPAND = 0x4_0000;
export const VM_LOCKONFAULT = 0x8_0000;
export const VM_ACCOUNT = 0x10_0000;
export const VM_NORESERVE = 0x20_0000;
export const VM_WIPEONFORK = 0x200_0000;
export const VM_DONTDUMP = 0x400_0000;
export const VM_MIXEDMAP = 0x1000_0000;
/** mseal(2): bit 63 in Linux, here one that nothing else uses. */
export const VM_SEALED = 0x4000_0000;
export const VM_LOCKED_MASK = VM_LOCKED | VM_LOCKONFAULT;
export const VM_ACCESS = VM_READ | VM_WRITE | VM_EXEC;

/** What an area is made from. */
export interface VmAreaSpec {
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  readonly mapping: AddressSpace | null;
  readonly file: File | null;
  readonly pgoff: number;
  readonly name: string;
  /** Of an area that it was part of, or a copy is made of. */
  readonly root?: AnonRoot | null;
}

/** A range of an address space with one protection and one backing (vm_area_struct). */
export interface VmArea {
  readonly mm: MmStruct;
  start: number;
  end: number;
  flags: number;
  /** Backing pages; null = anonymous private memory. */
  mapping: AddressSpace | null;
  /** The open file behind `mapping`, null for shared anonymous memory. */
  file: File | null;
  /** Offset into the mapping, in pages, of `start`; for anonymous memory the page number at which it was made. */
  pgoff: number;
  /** What /proc/PID/maps shows for areas without a file. */
  name: string;
  /** Number of its anon_vma; 0 = it never had a private page, so that fork need not copy its page table entries. */
  anon: number;
  /** It was forked: its pages may be its parent's as well. */
  anonInherited: boolean;
  /** Areas that may map its private pages; null before the first. */
  root: AnonRoot | null;
  /** Where its private pages get their frames (frame_runs.ts), and how many it got before there was such a place. */
  run: FrameRun | null;
  touched: number;
}

/** An address space (mm_struct). Areas are sorted by address and do not overlap. */
export class MmStruct {
  readonly k: Kernel;
  /** Physical address of its mm_struct, with the members that modules read. */
  readonly addr: number;
  readonly pgd: number;
  readonly vmas: VmArea[] = [];
  users = 1;
  mmapBase = TASK_SIZE - 0x1000_0000;
  /** Mappings grow upwards from mmapBase (unlimited stack, ADDR_COMPAT_LAYOUT). */
  legacyLayout = false;
  /** Flags of every new area (mlockall(MCL_FUTURE)). */
  defFlags = 0;
  startCode = 0;
  endCode = 0;
  startData = 0;
  endData = 0;
  startBrk = 0;
  brk = 0;
  startStack = 0;
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  /** Address of the [vdso] area. */
  vdso = 0;
  exeFile: File | null = null;
  /** Contexts of asynchronous I/O by id; null until the first (ioctx_table). */
  aio: Map<number, AioContext> | null = null;
  /** The auxiliary vector as execve made it (/proc/PID/auxv). */
  auxv: Uint8Array = new Uint8Array(0);
  /** Resident pages by kind: private, of files, of tmpfs and shared memory. */
  rssAnon = 0;
  rssFile = 0;
  rssShmem = 0;
  /** Pages that are in swap. */
  swapents = 0;
  hiwaterRss = 0;
  hiwaterVm = 0;
  /** Pages of all areas; of writable private ones, executable ones and stacks (total_vm, data_vm, exec_vm, stack_vm); locked. */
  totalPages = 0;
  dataPages = 0;
  execPages = 0;
  stackPages = 0;
  lockedPages = 0;
  /** MEMBARRIER_CMD_REGISTER_* commands given. */
  membarrier = 0;

  constructor(k: Kernel, addr: number, pgd: number) {
    this.k = k;
    this.addr = addr;
    this.pgd = pgd;
  }
  get rss(): number {
    return this.rssAnon + this.rssFile + this.rssShmem;
  }
  /** Index of the first area that ends above `addr`. */
  indexAbove(addr: number): number {
    let lo = 0;
    let hi = this.vmas.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.vmas[mid].end > addr) hi = mid;
      else lo = mid + 1;
    }
    return lo;
  }
  /** The area that contains `addr`, or undefined. */
  find(addr: number): VmArea | undefined {
    const vma = this.vmas[this.indexAbove(addr)];
    return vma !== undefined && vma.start <= addr ? vma : undefined;
  }

  /**
   * What the search for free addresses knows: between `below` and mmap_base no gap has more than `max` bytes, so that the next search for more
   * starts there. Areas that go or shrink raise it.
   */
  readonly gaps = { below: Number.POSITIVE_INFINITY, max: 0 };
  /** Something ended at `addr`, whose neighbour above begins at the end of a larger gap now. */
  private gapGrew(addr: number): void {
    if (this.gaps.below === Number.POSITIVE_INFINITY) return;
    const next = this.vmas[this.indexAbove(addr)];
    this.gaps.below = Math.max(this.gaps.below, next === undefined ? Number.POSITIVE_INFINITY : next.start);
  }

  /** Puts an area into the list; it takes over the references that its mapping and file need. */
  link(spec: VmAreaSpec, anon = 0, anonInherited = false): VmArea {
    const { start, end, flags, mapping, file, pgoff, name } = spec;
    const vma: VmArea = { mm: this, start, end, flags, mapping, file, pgoff, name, anon, anonInherited, root: anon === 0 ? null : (spec.root ?? null), run: null, touched: 0 };
    vma.root?.areas.add(vma);
    this.vmas.splice(this.indexAbove(start), 0, vma);
    if (vma.file !== null) vma.file.refs++;
    vma.mapping?.addArea(vma);
    this.account(vma.flags, (vma.end - vma.start) / PAGE_SIZE);
    return vma;
  }
  /** Takes an area out of the list and gives its references back. */
  unlink(vma: VmArea): void {
    const i = this.indexAbove(vma.start);
    if (this.vmas[i] === vma) this.vmas.splice(i, 1);
    this.gapGrew(vma.start);
    this.account(vma.flags, -(vma.end - vma.start) / PAGE_SIZE);
    vma.root?.areas.delete(vma);
    vma.mapping?.removeArea(this.k, vma);
    endRun(this.k, vma);
    if (vma.file !== null) this.k.vfs.fput(vma.file);
  }
  /** Moves an area's bounds; pgoff keeps step with start. */
  resize(vma: VmArea, start: number, end: number): void {
    this.account(vma.flags, (end - start - (vma.end - vma.start)) / PAGE_SIZE);
    vma.pgoff += (start - vma.start) / PAGE_SIZE;
    if (start > vma.start) this.gaps.below = Math.max(this.gaps.below, start);
    const shrinks = end < vma.end;
    vma.start = start;
    vma.end = end;
    if (shrinks) this.gapGrew(end);
  }
  setFlags(vma: VmArea, flags: number): void {
    const pages = (vma.end - vma.start) / PAGE_SIZE;
    this.account(vma.flags, -pages);
    vma.flags = flags;
    this.account(flags, pages);
  }
  /** vm_stat_account, locked_vm and the promise of memory. */
  private account(flags: number, pages: number): void {
    this.totalPages += pages;
    if ((flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) === VM_EXEC) this.execPages += pages;
    else if ((flags & VM_GROWSDOWN) !== 0) this.stackPages += pages;
    else if ((flags & (VM_WRITE | VM_SHARED)) === VM_WRITE) this.dataPages += pages;
    if ((flags & VM_LOCKED) !== 0) this.lockedPages += pages;
    if ((flags & VM_ACCOUNT) !== 0) this.k.mm.stat.committed += pages;
    if (this.totalPages > this.hiwaterVm) this.hiwaterVm = this.totalPages;
  }

  /** Copies what modules read into the mm_struct in RAM. */
  publish(): void {
    const { ram } = this.k;
    const at = this.addr;
    ram.write64(at + MM.start_code, this.startCode);
    ram.write64(at + MM.end_code, this.endCode);
    ram.write64(at + MM.start_data, this.startData);
    ram.write64(at + MM.end_data, this.endData);
    ram.write64(at + MM.start_brk, this.startBrk);
    ram.write64(at + MM.brk, this.brk);
    ram.write64(at + MM.start_stack, this.startStack);
    ram.write64(at + MM.arg_start, this.argStart);
    ram.write64(at + MM.arg_end, this.argEnd);
    ram.write64(at + MM.env_start, this.envStart);
    ram.write64(at + MM.env_end, this.envEnd);
    ram.write64(at + MM.mmap_base, this.mmapBase);
    ram.write64(at + MM.task_size, TASK_SIZE);
    ram.write64(at + MM.context_vdso, this.vdso);
    this.publishCounts();
  }
  /** The members that mmap and its kin change. */
  publishCounts(): void {
    const { ram } = this.k;
    const at = this.addr;
    ram.write32(at + MM.map_count, this.vmas.length);
    ram.write64(at + MM.total_vm, this.totalPages);
    ram.write64(at + MM.data_vm, this.dataPages);
    ram.write64(at + MM.exec_vm, this.execPages);
    ram.write64(at + MM.stack_vm, this.stackPages);
    ram.write64(at + MM.locked_vm, this.lockedPages);
    ram.write64(at + MM.brk, this.brk);
    ram.write32(at + MM.mm_users, this.users);
    ram.write32(at + MM.mm_count, 1);
  }
}

/** An empty address space with the kernel half mapped; null when memory is out. */
export function mmAlloc(k: Kernel): MmStruct | null {
  const { slab, swapperPgDir } = k.mm;
  const addr = slab.cacheAlloc(k.mm.mmCache);
  if (addr === 0) return null;
  const pgd = k.mm.allocTable();
  if (pgd === 0) {
    slab.cacheFree(k.mm.mmCache, addr);
    return null;
  }
  k.ram.u8.copyWithin(pgd + 2048, swapperPgDir + 2048, swapperPgDir + 4096);
  k.ram.write64(addr + MM.pgd, physToVirt(pgd));
  return new MmStruct(k, addr, pgd);
}

/** Frees tables and the mm_struct; areas must be gone. */
export function mmFree(mm: MmStruct): void {
  const { k } = mm;
  // The hart may still have this table loaded (exit, exec).
  const next = k.current.mm;
  k.machine.setPageTable(next === null || next === mm ? k.mm.swapperPgDir : next.pgd);
  freeUserTables(k.ram, mm.pgd, k.mm);
  k.mm.slab.cacheFree(k.mm.mmCache, mm.addr);
}
