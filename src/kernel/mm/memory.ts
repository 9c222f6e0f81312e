import { enoughMemory } from './overcommit.ts';
import { EFAULT, ENOMEM } from '../../abi/errno.ts';
import { Access, type AccessKind } from '../../machine/api.ts';
import { exitAio } from '../fs/aio_context.ts';
import type { Kernel } from '../kernel.ts';
import { anonVmaPrepare } from './anon_vma.ts';
import { PAGE_SIZE, TASK_SIZE } from './address.ts';
import type { AddressSpace } from './filemap.ts';
import { anonFrame } from './frame_runs.ts';
import {
  type MmStruct,
  mmAlloc,
  mmFree,
  VM_ACCESS,
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED_MASK,
  VM_MIXEDMAP,
  VM_PFNMAP,
  VM_READ,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
  type VmArea,
} from './mm_struct.ts';
import { isAnon, PG_DIRTY, setPageFlags } from './page.ts';
import {
  freePgtables,
  makePte,
  PMD_SIZE,
  PTE_A,
  PTE_D,
  PTE_PROT_NONE,
  PTE_R,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
  ptePa,
  ptePointer,
  ptePresent,
  setPte,
  walkRange,
} from './pgtable.ts';
import { currentMemcg, frameForUser } from './memcontrol.ts';
import { pageAddMapping, pageAddNewAnon, pageAddSwapped, pageRemoveMapping } from './rmap.ts';
import { freeSwapEntry, freeSwapOf, swapInPage } from './swap_state.ts';
import { entryType } from './swap_slots.ts';

// Page faults, copy-on-write and the copying and unmapping of page tables (mm/memory.c).

/** What a fault comes to; the SEGV ones are si_code values of SIGSEGV. DRIVER: vm_ops->fault of a module is to be called. */
export const Fault = { DONE: 0, MAPERR: 1, ACCERR: 2, SIGBUS: 3, OOM: 4, DRIVER: 5 } as const;

/** Gap that a growing stack keeps to the area below (stack_guard_gap): 256 pages. */
export const STACK_GUARD_GAP = 256 * PAGE_SIZE;
const RLIMIT_STACK = 3;
const RLIMIT_AS = 9;
/** fault_around_bytes: a read fault on a file maps the cached pages of the 64 KiB around it as well. */
const FAULT_AROUND = 16 * PAGE_SIZE;

/** PTE bits of an area's pages when they may not be written (yet). */
function protOf(vma: VmArea): number {
  if ((vma.flags & VM_ACCESS) === 0) return PTE_PROT_NONE;
  let prot = PTE_V | PTE_U | PTE_A;
  if ((vma.flags & (VM_READ | VM_WRITE)) !== 0) prot |= PTE_R;
  if ((vma.flags & VM_EXEC) !== 0) prot |= PTE_X;
  return prot;
}

/** Grows a stack area down to `addr` when the rules allow it (expand_downwards). */
function expandStack(k: Kernel, mm: MmStruct, addr: number): VmArea | undefined {
  const i = mm.indexAbove(addr);
  const vma = mm.vmas[i];
  if (vma === undefined || (vma.flags & VM_GROWSDOWN) === 0) return undefined;
  const start = addr - (addr % PAGE_SIZE);
  if (vma.end - start > k.current.signal.rlimit(RLIMIT_STACK)) return undefined;
  const below = mm.vmas[i - 1];
  if (below !== undefined && start - below.end < STACK_GUARD_GAP && (below.flags & VM_ACCESS) !== 0) return undefined;
  if (mm.totalPages * PAGE_SIZE + vma.start - start > k.current.signal.rlimit(RLIMIT_AS)) return undefined;
  mm.resize(vma, start, vma.end);
  mm.publishCounts();
  return vma;
}

/** Makes the page at `addr` accessible for `access`, as after a hardware page fault. One of Fault. */
export function handleMmFault(k: Kernel, mm: MmStruct, addr: number, access: AccessKind): number {
  k.mm.pages.relieve();
  const vma = mm.find(addr) ?? expandStack(k, mm, addr);
  if (vma === undefined) return Fault.MAPERR;
  const need = access === Access.WRITE ? VM_WRITE : access === Access.EXEC ? VM_EXEC : VM_READ | VM_WRITE;
  if ((vma.flags & need) === 0) return Fault.ACCERR;
  const at = ptePointer(k.ram, mm.pgd, addr, k.mm);
  if (at === 0) return Fault.OOM;
  const page = addr - (addr % PAGE_SIZE);
  const old = k.ram.read32(at);
  const write = access === Access.WRITE;
  k.mm.stat.pgfault++;
  if (k.mm.memcg.active) countFault(k, 'pgfault');
  k.current.minFlt++;
  if (ptePresent(old)) return presentFault(k, vma, at, page, old, write);
  if (old !== 0) return swapFault(k, vma, at, page, old, write);
  if (vma.mapping === null) return anonFault(k, vma, at, page, write);
  if (!vma.mapping.driver) return fileFault(k, vma, vma.mapping, at, page, write);
  if (mm === k.current.mm && k.machine.regs.mode === 0) k.current.driverFault = { page, write };
  return Fault.DRIVER;
}

function countFault(k: Kernel, which: 'pgfault' | 'pgmajfault'): void {
  const cg = currentMemcg(k);
  if (cg !== null) cg.vm[which]++;
}
/** A fault that had to read: a major one. */
function countMajor(k: Kernel): void {
  k.mm.stat.pgmajfault++;
  if (k.mm.memcg.active) countFault(k, 'pgmajfault');
  k.current.minFlt--;
  k.current.majFlt++;
}
/** The page is in swap (do_swap_page). It keeps its slot while it is only read, so that it can go again without being written. */
function swapFault(k: Kernel, vma: VmArea, at: number, page: number, entry: number, write: boolean): number {
  const { ram } = k;
  const { swap, pages } = k.mm;
  const cached = swap.cache.has(entry);
  const pa = swapInPage(k, entry);
  if (pa <= 0) return pa === 0 ? Fault.OOM : Fault.SIGBUS;
  if (cached) k.mm.lru.activate(pa);
  else countMajor(k);
  anonVmaPrepare(k, vma);
  pageAddSwapped(k, vma, page, pa);
  swap.drop(entry);
  vma.mm.swapents--;
  // The cache and this entry hold it, and nobody else has it in swap.
  const exclusive = swap.users(entry) === 0 && pages.refCount(pa) === 2;
  const own = exclusive && (vma.flags & VM_WRITE) !== 0;
  const pte = makePte(pa, protOf(vma) | (own ? PTE_W | (write ? PTE_D : 0) : 0));
  setPte(ram, at, pte);
  if (exclusive && (write || (vma.flags & VM_LOCKED_MASK) !== 0 || swap.isFull)) freeSwapOf(k, pa);
  return write && !own ? presentFault(k, vma, at, page, pte, true) : Fault.DONE;
}

/** Brings back what an area has in the swap area `type` (unuse_vma). False: memory is out. */
export function unuseArea(k: Kernel, vma: VmArea, type: number): boolean {
  const { ram } = k;
  const { swap } = k.mm;
  let ok = true;
  walkRange(ram, vma.mm.pgd, vma.start, vma.end, (at, va) => {
    if (!ok || ptePresent(ram.read32(at)) || entryType(ram.read32(at)) !== type) return;
    k.mm.pages.relieve();
    const entry = ram.read32(at);
    const pa = swapInPage(k, entry);
    if (pa <= 0) {
      ok = false;
      return;
    }
    anonVmaPrepare(k, vma);
    pageAddSwapped(k, vma, va, pa);
    swap.drop(entry);
    vma.mm.swapents--;
    setPte(ram, at, makePte(pa, protOf(vma)));
    freeSwapOf(k, pa);
  });
  return ok;
}

/** First touch of private memory: reads share one page of zeros. */
function anonFault(k: Kernel, vma: VmArea, at: number, page: number, write: boolean): number {
  if (!write) {
    setPte(k.ram, at, makePte(k.mm.zeroPage, protOf(vma)));
    return Fault.DONE;
  }
  const pa = anonFrame(k, vma, page);
  if (pa === 0) return Fault.OOM;
  anonVmaPrepare(k, vma);
  pageAddNewAnon(k, vma, page, pa);
  setPte(k.ram, at, makePte(pa, protOf(vma) | PTE_W | PTE_D));
  return Fault.DONE;
}

function fileFault(k: Kernel, vma: VmArea, mapping: AddressSpace, at: number, page: number, write: boolean): number {
  const { ram } = k;
  const index = vma.pgoff + (page - vma.start) / PAGE_SIZE;
  // Before it is known that there is a page: do_cow_fault prepares for one also behind the file's end.
  if (write && (vma.flags & (VM_SHARED | VM_PFNMAP)) === 0) anonVmaPrepare(k, vma);
  if (index * PAGE_SIZE >= mapping.size) return Fault.SIGBUS;
  const known = mapping.pages.has(index);
  const swapped = mapping.swapped.has(index);
  const cached = mapping.grab(k, index, true);
  if (cached === 0) return mapping.readFailed ? Fault.SIGBUS : Fault.OOM;
  if (swapped || (!known && !mapping.shmem)) countMajor(k);
  if ((vma.flags & VM_PFNMAP) !== 0) {
    setPte(ram, at, makePte(cached, protOf(vma)));
    return Fault.DONE;
  }
  if ((vma.flags & VM_SHARED) !== 0) {
    pageAddMapping(k, vma, cached);
    if (write) setPageFlags(ram, k.mm.pages.pageStruct(cached), PG_DIRTY);
    setPte(ram, at, makePte(cached, protOf(vma) | ((vma.flags & VM_WRITE) !== 0 ? PTE_W : 0) | (write ? PTE_D : 0)));
  } else if (write) {
    k.mm.pages.get(cached);
    const pa = frameForUser(k, false);
    if (pa !== 0) ram.u8.copyWithin(pa, cached, cached + PAGE_SIZE);
    k.mm.pages.put(cached);
    if (pa === 0) return Fault.OOM;
    pageAddNewAnon(k, vma, page, pa);
    setPte(ram, at, makePte(pa, protOf(vma) | PTE_W | PTE_D));
    return Fault.DONE;
  } else {
    pageAddMapping(k, vma, cached);
    setPte(ram, at, makePte(cached, protOf(vma)));
  }
  if (!write) faultAround(k, vma, mapping, at, page);
  return Fault.DONE;
}

/** Maps the neighbours that are in the page cache already (do_fault_around); `at` is the PTE of `page`. */
function faultAround(k: Kernel, vma: VmArea, mapping: AddressSpace, at: number, page: number): void {
  const { ram } = k;
  const from = Math.max(vma.start, page - (page % FAULT_AROUND));
  const to = Math.min(vma.end, page - (page % FAULT_AROUND) + FAULT_AROUND);
  const prot = protOf(vma) | ((vma.flags & (VM_SHARED | VM_WRITE)) === (VM_SHARED | VM_WRITE) ? PTE_W : 0);
  for (let va = from; va < to; va += PAGE_SIZE) {
    const pte = at + ((va - page) / PAGE_SIZE) * 8;
    if (ram.read32(pte) !== 0) continue;
    const index = vma.pgoff + (va - vma.start) / PAGE_SIZE;
    if (index * PAGE_SIZE >= mapping.size) return;
    const pa = mapping.pages.get(index);
    if (pa === undefined) continue;
    pageAddMapping(k, vma, pa);
    setPte(ram, pte, makePte(pa, prot));
  }
}

/** Is a private page this entry's alone? The swap cache lets go of it when it can (wp_can_reuse_anon_folio). */
function mayReuse(k: Kernel, pa: number): boolean {
  const count = k.mm.pages.refCount(pa);
  return count === 1 || (count === 2 && freeSwapOf(k, pa));
}
/** The PTE is there but did not allow the access: copy-on-write, or rights that grew since. */
function presentFault(k: Kernel, vma: VmArea, at: number, page: number, old: number, write: boolean): number {
  const { ram } = k;
  const { pages, zeroPage } = k.mm;
  let pa = ptePa(old);
  let prot = protOf(vma) | (old & PTE_D);
  if (write && (vma.flags & VM_SHARED) === 0 && (old & PTE_W) === 0) {
    if (pa !== zeroPage && isAnon(ram, pages.pageStruct(pa)) && mayReuse(k, pa)) k.mm.stat.pgreuse++;
    else {
      const copy = anonFrame(k, vma, page, pa === zeroPage);
      if (copy === 0) return Fault.OOM;
      if (pa !== zeroPage) ram.u8.copyWithin(copy, pa, pa + PAGE_SIZE);
      if (!isSpecial(k, vma, pa)) pageRemoveMapping(k, vma, pa);
      anonVmaPrepare(k, vma);
      pageAddNewAnon(k, vma, page, copy);
      pa = copy;
    }
  }
  if (write) prot |= PTE_W | PTE_D;
  else if ((old & PTE_W) !== 0 && (vma.flags & VM_WRITE) !== 0) prot |= PTE_W;
  if (write && (vma.flags & VM_SHARED) !== 0) setPageFlags(ram, pages.pageStruct(pa), PG_DIRTY);
  setPte(ram, at, makePte(pa, prot));
  k.machine.flushTlbPage(page);
  return Fault.DONE;
}

/**
 * Reads or writes another address space's memory, faulting pages in. 0 or -EFAULT. `force` (FOLL_FORCE): as a debugger does, past the protection
 * of private areas.
 */
export function accessRemote(k: Kernel, mm: MmStruct, addr: number, bytes: Uint8Array, write: boolean, force = false): number {
  let done = 0;
  while (done < bytes.length) {
    const va = addr + done;
    const pa = remotePage(k, mm, va, write) || (force ? forcePage(k, mm, va, write) : 0);
    if (pa === 0) return -EFAULT;
    const n = Math.min(bytes.length - done, PAGE_SIZE - (pa % PAGE_SIZE));
    if (write) {
      k.machine.invalidateCode(pa, n);
      k.ram.u8.set(bytes.subarray(done, done + n), pa);
    } else bytes.set(k.ram.bytes(pa, n), done);
    done += n;
  }
  return 0;
}
function remotePage(k: Kernel, mm: MmStruct, va: number, write: boolean): number {
  if (!(va >= 0 && va < TASK_SIZE)) return 0;
  const access = write ? Access.WRITE : Access.READ;
  let pa = k.machine.translate(mm.pgd, va, access, 0, false);
  if (pa < 0 && handleMmFault(k, mm, va, access) === Fault.DONE) pa = k.machine.translate(mm.pgd, va, access, 0, false);
  return Math.max(pa, 0);
}

/** The page of a private area whose protection forbids the access: given for a moment what it lacks. A write makes the page the area's own. */
function forcePage(k: Kernel, mm: MmStruct, va: number, write: boolean): number {
  const vma = va >= 0 && va < TASK_SIZE ? mm.find(va) : undefined;
  if (vma === undefined || (write && (vma.flags & VM_SHARED) !== 0)) return 0;
  const had = vma.flags;
  vma.flags |= VM_READ | (write ? VM_WRITE : 0);
  const page = va - (va % PAGE_SIZE);
  const pa = handleMmFault(k, mm, va, write ? Access.WRITE : Access.READ) === Fault.DONE ? remotePage(k, mm, va, write) : 0;
  vma.flags = had;
  changeProtection(k, mm, vma, page, page + PAGE_SIZE);
  return pa;
}

/** True when touching `va` would find its page in memory (mincore). */
export function pageState(k: Kernel, mm: MmStruct, vma: VmArea, va: number): boolean {
  const at = ptePointer(k.ram, mm.pgd, va, null);
  const pte = at === 0 ? 0 : k.ram.read32(at);
  if (ptePresent(pte)) return true;
  if (pte !== 0) return k.mm.swap.cache.has(pte);
  return vma.mapping?.pages.has(vma.pgoff + (va - vma.start) / PAGE_SIZE) ?? false;
}

/** Above this many pages one flush of everything is cheaper than one per page. */
const FLUSH_ALL = 32;
function flushRange(k: Kernel, start: number, end: number): void {
  if ((end - start) / PAGE_SIZE > FLUSH_ALL) k.machine.flushTlb();
  else for (let va = start; va < end; va += PAGE_SIZE) k.machine.flushTlbPage(va);
}

/** Drops the pages mapped in [start, end) of one area. */
export function zapRange(k: Kernel, mm: MmStruct, vma: VmArea, start: number, end: number): void {
  const { ram } = k;
  let any = false;
  walkRange(ram, mm.pgd, start, end, (at) => {
    const pte = ram.read32(at);
    setPte(ram, at, 0);
    any = true;
    if (!ptePresent(pte)) {
      mm.swapents--;
      freeSwapEntry(k, pte);
    } else if (!isSpecial(k, vma, ptePa(pte))) pageRemoveMapping(k, vma, ptePa(pte));
  });
  if (any) flushRange(k, start, end);
}
/** Frees the tables of a range that was unmapped, as far as the neighbouring areas do not use them. */
export function freeTablesAround(k: Kernel, mm: MmStruct, start: number, end: number): void {
  const i = mm.indexAbove(start);
  freePgtables(k.ram, mm.pgd, start, end, mm.vmas[i - 1]?.end ?? 0, mm.vmas[i]?.start ?? TASK_SIZE, k.mm);
}

/** Takes the pages [first, end) of a mapping out of every page table; private copies stay (unmap_mapping_range). */
export function unmapMappingRange(k: Kernel, mapping: AddressSpace, first: number, end: number): void {
  const { ram } = k;
  for (const vma of mapping.areas) {
    const from = Math.max(vma.start, vma.start + (first - vma.pgoff) * PAGE_SIZE);
    const to = Math.min(vma.end, vma.start + (end - vma.pgoff) * PAGE_SIZE);
    if (from >= to) continue;
    walkRange(ram, vma.mm.pgd, from, to, (at) => {
      const pte = ram.read32(at);
      const pa = ptePa(pte);
      if (!ptePresent(pte) || isAnon(ram, k.mm.pages.pageStruct(pa))) return;
      setPte(ram, at, 0);
      if (!isSpecial(k, vma, pa)) pageRemoveMapping(k, vma, pa);
    });
    flushRange(k, from, to);
  }
}

/** A frame of [vvar], or one that remap_pfn_range mapped: nobody counts who maps it (pte_special). Private copies of such are pages like others. */
export function isSpecial(k: Kernel, vma: VmArea, pa: number): boolean {
  return (vma.flags & VM_PFNMAP) !== 0 && !isAnon(k.ram, k.mm.pages.pageStruct(pa));
}

/** Applies an area's new protection to the PTEs that exist; what may not be written at once gets write access by faults. */
export function changeProtection(k: Kernel, mm: MmStruct, vma: VmArea, start: number, end: number): void {
  const { ram } = k;
  const { pages, zeroPage } = k.mm;
  const prot = protOf(vma);
  const writable = (vma.flags & VM_WRITE) !== 0;
  const shared = (vma.flags & VM_SHARED) !== 0;
  walkRange(ram, mm.pgd, start, end, (at) => {
    const pte = ram.read32(at);
    if (!ptePresent(pte)) return;
    const pa = ptePa(pte);
    const own = writable && pa !== zeroPage && (shared || (isAnon(ram, pages.pageStruct(pa)) && pages.refCount(pa) === 1));
    setPte(ram, at, makePte(pa, prot | (pte & PTE_D) | (own ? PTE_W : 0)));
  });
  flushRange(k, start, end);
}

/** fork's copy of an address space: areas, and page tables with private pages shared read-only (dup_mmap). Negative errno on failure. */
export function dupMm(k: Kernel, from: MmStruct): MmStruct | number {
  k.mm.pages.relieve();
  const mm = mmAlloc(k);
  if (mm === null) return -ENOMEM;
  for (const name of [
    'mmapBase',
    'legacyLayout',
    'startCode',
    'endCode',
    'startData',
    'endData',
    'startBrk',
    'brk',
    'startStack',
    'argStart',
    'argEnd',
    'envStart',
    'envEnd',
    'vdso',
  ] as const) {
    (mm as Record<typeof name, number | boolean>)[name] = from[name];
  }
  mm.auxv = from.auxv;
  mm.exeFile = from.exeFile;
  if (mm.exeFile !== null) mm.exeFile.refs++;
  for (const vma of from.vmas) {
    if ((vma.flags & VM_DONTCOPY) !== 0) continue;
    if ((vma.flags & VM_ACCOUNT) !== 0 && !enoughMemory(k, (vma.end - vma.start) / PAGE_SIZE)) {
      mmPut(k, mm);
      return -ENOMEM;
    }
    const wipe = (vma.flags & VM_WIPEONFORK) !== 0;
    const inherits = !wipe && vma.anon !== 0;
    // Locks are not inherited (mlock(2)).
    const copy = mm.link({ ...vma, flags: vma.flags & ~VM_LOCKED_MASK }, inherits ? k.mm.nextAnonVma++ : 0, inherits);
    // Pages that can be faulted in again from a mapping are not copied (vma_needs_copy).
    if (!inherits && (wipe || vma.mapping?.driver !== true || (vma.flags & (VM_PFNMAP | VM_MIXEDMAP)) === 0)) continue;
    if (!copyTables(k, from, mm, copy)) {
      mmPut(k, mm);
      return -ENOMEM;
    }
  }
  k.machine.flushTlb();
  mm.publish();
  return mm;
}
function copyTables(k: Kernel, from: MmStruct, to: MmStruct, vma: VmArea): boolean {
  const { ram } = k;
  let ok = true;
  // The last entry that was written: its neighbour needs no walk.
  let lastVa = -1;
  let target = 0;
  walkRange(ram, from.pgd, vma.start, vma.end, (at, va) => {
    let pte = ram.read32(at);
    if (!ok) return;
    target = va === lastVa + PAGE_SIZE && va % PMD_SIZE !== 0 ? target + 8 : ptePointer(ram, to.pgd, va, k.mm);
    lastVa = va;
    if (target === 0) {
      ok = false;
      return;
    }
    if (!ptePresent(pte)) {
      k.mm.swap.dup(pte);
      to.swapents++;
      setPte(ram, target, pte);
      return;
    }
    if ((pte & PTE_W) !== 0 && (vma.flags & VM_SHARED) === 0) {
      pte &= ~PTE_W;
      setPte(ram, at, pte);
    }
    if (!isSpecial(k, vma, ptePa(pte))) pageAddMapping(k, vma, ptePa(pte));
    setPte(ram, target, pte);
  });
  return ok;
}

/** Takes one user off; the last one frees everything (mmput, exit_mmap). */
export function mmPut(k: Kernel, mm: MmStruct): void {
  if (--mm.users > 0) return;
  if (mm.aio !== null) exitAio(k, mm.aio);
  // Drivers hear of the ends of their mappings from the lowest on; of others nobody hears: from the end, so that nothing has to move up.
  const drivers = mm.vmas.filter((vma) => vma.mapping?.driver === true);
  for (const vma of [...drivers, ...mm.vmas.filter((v) => v.mapping?.driver !== true).reverse()]) {
    zapRange(k, mm, vma, vma.start, vma.end);
    mm.unlink(vma);
  }
  if (mm.exeFile !== null) k.vfs.fput(mm.exeFile);
  mm.exeFile = null;
  mmFree(mm);
}
