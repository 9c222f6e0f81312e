import { EFAULT, ENOMEM } from '../../abi/errno.ts';
import { Access, type AccessKind } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, TASK_SIZE } from './address.ts';
import { AddressSpace } from './filemap.ts';
import {
  type MmStruct,
  mmAlloc,
  mmFree,
  VM_DONTCOPY,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_READ,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
  type VmArea,
} from './mm_struct.ts';
import { makePte, PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X, ptePa, ptePointer, walkRange } from './pgtable.ts';

// Page faults, copy-on-write and the copying and unmapping of page tables (mm/memory.c).

/** What a fault comes to; the SEGV ones are si_code values of SIGSEGV. */
export const Fault = { DONE: 0, MAPERR: 1, ACCERR: 2, SIGBUS: 3, OOM: 4 } as const;

/** Gap that a growing stack keeps to the area below (stack_guard_gap): 256 pages. */
const STACK_GUARD_GAP = 256 * PAGE_SIZE;

function protOf(vma: VmArea): number {
  let prot = PTE_V | PTE_U | PTE_A;
  if ((vma.flags & (VM_READ | VM_WRITE)) !== 0) prot |= PTE_R;
  if ((vma.flags & VM_EXEC) !== 0) prot |= PTE_X | PTE_R;
  return prot;
}

/** Grows a stack area down to `addr` when the rules allow it (expand_downwards). */
function expandStack(k: Kernel, mm: MmStruct, addr: number): VmArea | undefined {
  const i = mm.indexAbove(addr);
  const vma = mm.vmas[i];
  if (vma === undefined || (vma.flags & VM_GROWSDOWN) === 0) return undefined;
  const start = addr - (addr % PAGE_SIZE);
  if (vma.end - start > k.current.signal.rlimit(3)) return undefined;
  const below = mm.vmas[i - 1];
  if (below !== undefined && start - below.end < STACK_GUARD_GAP && (below.flags & (VM_READ | VM_WRITE | VM_EXEC)) !== 0) return undefined;
  vma.pgoff -= (vma.start - start) / PAGE_SIZE;
  vma.start = start;
  return vma;
}

/** Makes the page at `addr` accessible for `access`, as after a hardware page fault. One of Fault. */
export function handleMmFault(k: Kernel, mm: MmStruct, addr: number, access: AccessKind): number {
  const { ram } = k;
  const { pages } = k.mm;
  const vma = mm.find(addr) ?? expandStack(k, mm, addr);
  if (vma === undefined) return Fault.MAPERR;
  const need = access === Access.WRITE ? VM_WRITE : access === Access.EXEC ? VM_EXEC : VM_READ | VM_WRITE | VM_EXEC;
  if ((vma.flags & need) === 0) return Fault.ACCERR;
  const at = ptePointer(ram, mm.pgd, addr, pages);
  if (at === 0) return Fault.OOM;
  const page = addr - (addr % PAGE_SIZE);
  const old = ram.read32(at);
  const write = access === Access.WRITE;
  if ((old & PTE_V) !== 0) return writeProtectFault(k, mm, vma, at, page, old, write);

  k.current.minFlt++;
  if (vma.mapping === null) {
    const pa = pages.alloc();
    if (pa === 0) return Fault.OOM;
    setPte(k, at, makePte(pa, protOf(vma) | ((vma.flags & VM_WRITE) !== 0 ? PTE_W : 0) | (write ? PTE_D : 0)));
    mm.rssAnon++;
    return Fault.DONE;
  }
  const index = vma.pgoff + (page - vma.start) / PAGE_SIZE;
  if (index * PAGE_SIZE >= vma.mapping.size) return Fault.SIGBUS;
  const cached = vma.mapping.grab(k, index);
  if (cached === 0) return Fault.OOM;
  if ((vma.flags & VM_SHARED) !== 0) {
    pages.get(cached);
    setPte(k, at, makePte(cached, protOf(vma) | ((vma.flags & VM_WRITE) !== 0 ? PTE_W : 0) | (write ? PTE_D : 0)));
    mm.rssFile++;
  } else if (write) {
    const pa = pages.alloc(0, false);
    if (pa === 0) return Fault.OOM;
    ram.u8.copyWithin(pa, cached, cached + PAGE_SIZE);
    setPte(k, at, makePte(pa, protOf(vma) | PTE_W | PTE_D));
    mm.rssAnon++;
  } else {
    pages.get(cached);
    setPte(k, at, makePte(cached, protOf(vma)));
    mm.rssFile++;
  }
  return Fault.DONE;
}

/** The PTE is there but did not allow the access: copy-on-write, or rights that grew since. */
function writeProtectFault(k: Kernel, mm: MmStruct, vma: VmArea, at: number, page: number, old: number, write: boolean): number {
  const { ram } = k;
  const { pages } = k.mm;
  let pa = ptePa(old);
  let prot = protOf(vma) | (old & PTE_D);
  if ((vma.flags & VM_WRITE) !== 0 && (write || (old & PTE_W) !== 0)) {
    const shared = (vma.flags & VM_SHARED) !== 0;
    if (!shared && (old & PTE_W) === 0 && pages.refCount(pa) > 1) {
      const copy = pages.alloc(0, false);
      if (copy === 0) return Fault.OOM;
      ram.u8.copyWithin(copy, pa, pa + PAGE_SIZE);
      const cached = vma.mapping !== null && vma.mapping.pages.get(vma.pgoff + (page - vma.start) / PAGE_SIZE) === pa;
      if (cached) {
        mm.rssFile--;
        mm.rssAnon++;
      }
      pages.put(pa);
      pa = copy;
      k.current.minFlt++;
    }
    prot |= PTE_W | (write ? PTE_D : 0);
  }
  setPte(k, at, makePte(pa, prot));
  k.machine.flushTlbPage(page);
  return Fault.DONE;
}

/** Reads or writes another address space's memory whatever its protection, faulting pages in. 0 or -EFAULT. */
export function accessRemote(k: Kernel, mm: MmStruct, addr: number, bytes: Uint8Array, write: boolean): number {
  let done = 0;
  while (done < bytes.length) {
    const va = addr + done;
    const pa = remotePage(k, mm, va, write);
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
  return pa < 0 ? 0 : pa;
}

/** True when touching `va` would find its page in memory (mincore). */
export function pageState(k: Kernel, mm: MmStruct, vma: VmArea, va: number): boolean {
  const at = ptePointer(k.ram, mm.pgd, va, null);
  if (at !== 0 && (k.ram.read32(at) & PTE_V) !== 0) return true;
  return vma.mapping?.pages.has(vma.pgoff + (va - vma.start) / PAGE_SIZE) ?? false;
}

function setPte(k: Kernel, at: number, pte: number): void {
  k.ram.write32(at, pte);
  k.ram.write32(at + 4, 0);
}

/** Drops the pages mapped in [start, end) of one area. */
export function zapRange(k: Kernel, mm: MmStruct, vma: VmArea, start: number, end: number): void {
  const { ram } = k;
  walkRange(ram, mm.pgd, start, end, (at, va) => {
    const pte = ram.read32(at);
    if ((pte & PTE_V) === 0) return;
    ram.write32(at, 0);
    const pa = ptePa(pte);
    if (isFilePage(vma, va, pa)) mm.rssFile--;
    else mm.rssAnon--;
    k.mm.pages.put(pa);
  });
}
function isFilePage(vma: VmArea, va: number, pa: number): boolean {
  return vma.mapping !== null && vma.mapping.pages.get(vma.pgoff + (va - vma.start) / PAGE_SIZE) === pa;
}

/** Applies an area's new protection to the PTEs that exist; write access comes back by faults (so that COW is kept). */
export function changeProtection(k: Kernel, mm: MmStruct, vma: VmArea, start: number, end: number): void {
  const { ram } = k;
  const prot = protOf(vma);
  const none = (vma.flags & (VM_READ | VM_WRITE | VM_EXEC)) === 0;
  walkRange(ram, mm.pgd, start, end, (at) => {
    const pte = ram.read32(at);
    if ((pte & PTE_V) === 0) return;
    // PROT_NONE keeps the page but lets nobody in: an S-mode-only leaf.
    const base = none ? PTE_V | PTE_R | PTE_A : prot;
    ram.write32(at, makePte(ptePa(pte), base | (pte & PTE_D)));
  });
  k.machine.flushTlb();
}

/** fork's copy of an address space: areas, and page tables with private pages shared read-only (dup_mmap). Negative errno on failure. */
export function dupMm(k: Kernel, from: MmStruct): MmStruct | number {
  const mm = mmAlloc(k);
  if (mm === null) return -ENOMEM;
  const { ram } = k;
  const { pages } = k.mm;
  for (const name of [
    'mmapBase',
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
    mm[name] = from[name];
  }
  mm.auxv = from.auxv;
  mm.exeFile = from.exeFile;
  if (mm.exeFile !== null) mm.exeFile.refs++;
  for (const vma of from.vmas) {
    if ((vma.flags & VM_DONTCOPY) !== 0) continue;
    const copy: VmArea = { ...vma };
    mm.vmas.push(copy);
    if (copy.file !== null) copy.file.refs++;
    else if (copy.mapping instanceof SharedAnon) copy.mapping.areas++;
    if ((vma.flags & VM_WIPEONFORK) !== 0) continue;
    const shared = (vma.flags & VM_SHARED) !== 0;
    let failed = false;
    walkRange(ram, from.pgd, vma.start, vma.end, (at, va) => {
      let pte = ram.read32(at);
      if ((pte & PTE_V) === 0 || failed) return;
      const to = ptePointer(ram, mm.pgd, va, pages);
      if (to === 0) {
        failed = true;
        return;
      }
      if (!shared && (pte & PTE_W) !== 0) {
        pte &= ~PTE_W;
        ram.write32(at, pte);
      }
      pages.get(ptePa(pte));
      ram.write32(to, pte);
      if (isFilePage(vma, va, ptePa(pte))) mm.rssFile++;
      else mm.rssAnon++;
    });
    if (failed) {
      exitMmap(k, mm);
      return -ENOMEM;
    }
  }
  k.machine.flushTlb();
  mm.publish();
  return mm;
}

/** Takes one user off; the last one frees everything (mmput, exit_mmap). */
export function mmPut(k: Kernel, mm: MmStruct): void {
  if (--mm.users > 0) return;
  exitMmap(k, mm);
}

function exitMmap(k: Kernel, mm: MmStruct): void {
  for (const vma of mm.vmas) {
    zapRange(k, mm, vma, vma.start, vma.end);
    if (vma.file !== null) k.vfs.fput(vma.file);
    else if (vma.mapping !== null) shmPut(k, vma);
  }
  mm.vmas.length = 0;
  if (mm.exeFile !== null) k.vfs.fput(mm.exeFile);
  mm.exeFile = null;
  mmFree(mm);
}

/** Shared anonymous mappings count their areas; the last one frees the pages. */
export function shmPut(k: Kernel, vma: VmArea): void {
  if (vma.mapping instanceof SharedAnon && --vma.mapping.areas === 0) vma.mapping.release(k);
}

/** Pages of a MAP_SHARED | MAP_ANONYMOUS mapping (Linux: an unlinked shmem file). */
export class SharedAnon extends AddressSpace {
  areas = 1;
}
