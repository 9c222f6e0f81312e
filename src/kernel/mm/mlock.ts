import { EFAULT, ENOMEM } from '../../abi/errno.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, TASK_SIZE } from './address.ts';
import { Fault, handleMmFault, isSpecial } from './memory.ts';
import { changeFlags } from './mmap.ts';
import {
  type MmStruct,
  VM_EXEC,
  VM_IO,
  VM_LOCKED,
  VM_LOCKED_MASK,
  VM_LOCKONFAULT,
  VM_PFNMAP,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from './mm_struct.ts';
import { ptePa, ptePresent, walkRange } from './pgtable.ts';
import { kindOf } from './rmap.ts';

// Locking memory and faulting it in ahead of use (mm/mlock.c, mm_populate of mm/gup.c).

/** Sets the lock bits of the areas in the range to `bits`, up to the first hole: -ENOMEM when there is one (apply_vma_lock_flags). */
export function applyMlock(mm: MmStruct, start: number, length: number, bits: number): number {
  if (length === 0) return 0;
  const end = start + length;
  if (end > TASK_SIZE) return -ENOMEM;
  let mapped = start;
  for (let i = mm.indexAbove(start); i < mm.vmas.length && mm.vmas[i].start <= mapped && mapped < end; i++) mapped = mm.vmas[i].end;
  if (mapped === start) return -ENOMEM;
  countLocks(mm, start, Math.min(end, mapped), (bits & VM_LOCKED) !== 0);
  const r = changeFlags(mm, start, Math.min(end, mapped), (flags) => ((flags & (VM_IO | VM_PFNMAP)) !== 0 ? flags : (flags & ~VM_LOCKED_MASK) | bits));
  return mapped < end ? -ENOMEM : r;
}

/** The pages that are there already are locked from now on, or are not (mlock_vma_pages_range). */
function countLocks(mm: MmStruct, start: number, end: number, on: boolean): void {
  const { k } = mm;
  for (let i = mm.indexAbove(start); i < mm.vmas.length && mm.vmas[i].start < end; i++) {
    const vma = mm.vmas[i];
    if ((vma.flags & (VM_IO | VM_PFNMAP)) !== 0 || ((vma.flags & VM_LOCKED) !== 0) === on) continue;
    walkRange(k.ram, mm.pgd, Math.max(start, vma.start), Math.min(end, vma.end), (at) => {
      const pa = ptePa(k.ram.read32(at));
      if (!ptePresent(k.ram.read32(at)) || pa === k.mm.zeroPage || isSpecial(k, vma, pa)) return;
      k.mm.lru.lock(pa, on ? 1 : -1, kindOf(k, pa) === 'file');
    });
  }
}

/**
 * Faults in the pages of the areas in the range, for writing where that breaks copy-on-write. Where a page cannot be had it goes on with the next area
 * (mm_populate), or with `strict` ends: 0 or -errno of that page (__mm_populate for mlock).
 */
export function populate(k: Kernel, mm: MmStruct, start: number, length: number, strict = false): number {
  const end = start + length;
  for (let i = mm.indexAbove(start); i < mm.vmas.length && mm.vmas[i].start < end; i++) {
    const r = populateArea(k, mm, mm.vmas[i], start, end);
    if (r < 0 && strict) return r;
  }
  return 0;
}
/** populate_vma_page_range of what the area has of [start, end). */
function populateArea(k: Kernel, mm: MmStruct, vma: VmArea, start: number, end: number): number {
  if ((vma.flags & (VM_IO | VM_PFNMAP | VM_LOCKONFAULT)) !== 0) return 0;
  if ((vma.flags & (VM_READ | VM_WRITE | VM_EXEC)) === 0) return -EFAULT;
  // A shared area that can only be written is written to, too.
  const write = (vma.flags & VM_WRITE) !== 0 && (vma.flags & (VM_SHARED | VM_READ)) !== (VM_SHARED | VM_READ);
  const access = write ? Access.WRITE : (vma.flags & VM_READ) !== 0 ? Access.READ : Access.EXEC;
  for (let va = Math.max(start, vma.start); va < Math.min(end, vma.end); va += PAGE_SIZE) {
    if (k.machine.translate(mm.pgd, va, access, 0, false) >= 0) continue;
    const fault = handleMmFault(k, mm, va, access);
    if (fault !== Fault.DONE) return fault === Fault.OOM ? -ENOMEM : -EFAULT;
  }
  return 0;
}
