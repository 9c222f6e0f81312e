import { EACCES, EFAULT, EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import * as M from '../../abi/mman.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, pageAlign, TASK_SIZE } from './address.ts';
import { Fault, handleMmFault, zapRange } from './memory.ts';
import { changeFlags } from './mmap.ts';
import { adviseOut } from './vmscan.ts';
import {
  type MmStruct,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_IO,
  VM_LOCKED,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SEALED,
  VM_SHARED,
  VM_WIPEONFORK,
  VM_WRITE,
  type VmArea,
} from './mm_struct.ts';

// madvise (mm/madvise.c).

/** Advice that only changes how an area is treated: bits to clear and to set. */
const FLAG_ADVICE: Readonly<Record<number, readonly [number, number]>> = {
  [M.MADV_NORMAL]: [VM_RAND_READ | VM_SEQ_READ, 0],
  [M.MADV_SEQUENTIAL]: [VM_RAND_READ, VM_SEQ_READ],
  [M.MADV_RANDOM]: [VM_SEQ_READ, VM_RAND_READ],
  [M.MADV_DONTFORK]: [0, VM_DONTCOPY],
  [M.MADV_DOFORK]: [VM_DONTCOPY, 0],
  [M.MADV_WIPEONFORK]: [0, VM_WIPEONFORK],
  [M.MADV_KEEPONFORK]: [VM_WIPEONFORK, 0],
  [M.MADV_DONTDUMP]: [0, VM_DONTDUMP],
  [M.MADV_DODUMP]: [VM_DONTDUMP, 0],
};
/** Hints that ask for no change of areas; those for mechanisms that are not here (same-page merging, huge pages) do nothing. */
const HINTS = new Set<number>([
  M.MADV_WILLNEED,
  M.MADV_MERGEABLE,
  M.MADV_UNMERGEABLE,
  M.MADV_HUGEPAGE,
  M.MADV_NOHUGEPAGE,
  M.MADV_COLD,
  M.MADV_PAGEOUT,
]);
const DROPS = new Set<number>([M.MADV_DONTNEED, M.MADV_DONTNEED_LOCKED, M.MADV_FREE, M.MADV_REMOVE]);
const DISCARDS = new Set<number>([...DROPS, M.MADV_DONTFORK, M.MADV_WIPEONFORK]);
const POPULATES = new Set<number>([M.MADV_POPULATE_READ, M.MADV_POPULATE_WRITE]);

export function doMadvise(k: Kernel, mm: MmStruct, start: number, length: number, advice: number): number {
  const flagChange = FLAG_ADVICE[advice];
  if (flagChange === undefined && !HINTS.has(advice) && !DROPS.has(advice) && !POPULATES.has(advice)) return -EINVAL;
  if (start % PAGE_SIZE !== 0 || length < 0 || start < 0) return -EINVAL;
  const end = start + pageAlign(length);
  if (end === start) return 0;
  if (POPULATES.has(advice)) return populateRange(k, mm, start, end, advice === M.MADV_POPULATE_WRITE);
  let at = start;
  let hole = false;
  // Splitting changes the list: collect first.
  const areas: { vma: VmArea; from: number; to: number }[] = [];
  for (let i = mm.indexAbove(start); i < mm.vmas.length && mm.vmas[i].start < end; i++) {
    const vma = mm.vmas[i];
    if (vma.start > at) hole = true;
    areas.push({ vma, from: Math.max(start, vma.start), to: Math.min(end, vma.end) });
    at = vma.end;
  }
  if (at < end) hole = true;
  for (const { vma, from, to } of areas) {
    const r = adviseArea(k, mm, vma, from, to, advice, flagChange);
    if (r < 0) return r;
  }
  return hole || end > TASK_SIZE ? -ENOMEM : 0;
}

function adviseArea(
  k: Kernel,
  mm: MmStruct,
  vma: VmArea,
  from: number,
  to: number,
  advice: number,
  change: readonly [number, number] | undefined,
): number {
  // What may not be written may not be thrown away either, when it is sealed (can_modify_vma_madv).
  if ((vma.flags & VM_SEALED) !== 0 && DISCARDS.has(advice) && vma.mapping === null && (vma.flags & (VM_SHARED | VM_WRITE)) === 0) return -EPERM;
  if (change !== undefined) {
    if (advice === M.MADV_DOFORK && (vma.flags & VM_IO) !== 0) return -EINVAL;
    if (advice === M.MADV_WIPEONFORK && (vma.mapping !== null || (vma.flags & VM_SHARED) !== 0)) return -EINVAL;
    if (advice === M.MADV_DODUMP && (vma.flags & VM_PFNMAP) !== 0) return -EINVAL;
    return changeFlags(mm, from, to, (flags) => (flags & ~change[0]) | change[1]);
  }
  switch (advice) {
    case M.MADV_DONTNEED:
    case M.MADV_DONTNEED_LOCKED:
      if ((vma.flags & VM_PFNMAP) !== 0 || (advice === M.MADV_DONTNEED && (vma.flags & VM_LOCKED) !== 0)) return -EINVAL;
      zapRange(k, mm, vma, from, to);
      k.machine.flushTlb();
      return 0;
    case M.MADV_FREE:
      if (vma.mapping !== null || (vma.flags & VM_LOCKED) !== 0) return -EINVAL;
      zapRange(k, mm, vma, from, to);
      k.machine.flushTlb();
      return 0;
    case M.MADV_REMOVE:
      return removePages(k, mm, vma, from, to);
    case M.MADV_COLD:
    case M.MADV_PAGEOUT:
      if ((vma.flags & (VM_LOCKED | VM_PFNMAP)) !== 0) return -EINVAL;
      adviseOut(k, vma, from, to, advice === M.MADV_PAGEOUT);
      return 0;
    default:
      return 0;
  }
}

/** Punches a hole into a shared mapping's object. */
function removePages(k: Kernel, mm: MmStruct, vma: VmArea, from: number, to: number): number {
  if ((vma.flags & VM_LOCKED) !== 0 || vma.mapping === null) return -EINVAL;
  if ((vma.flags & (VM_SHARED | VM_WRITE)) !== (VM_SHARED | VM_WRITE)) return -EACCES;
  zapRange(k, mm, vma, from, to);
  k.machine.flushTlb();
  const first = vma.pgoff + (from - vma.start) / PAGE_SIZE;
  vma.mapping.punchHole(k, first, first + (to - from) / PAGE_SIZE);
  return 0;
}

/** Faults pages in from the first on, up to the first that cannot be: -ENOMEM in a hole (madvise_populate). */
function populateRange(k: Kernel, mm: MmStruct, start: number, end: number, write: boolean): number {
  for (let at = start; at < end; ) {
    const vma = mm.find(at);
    if (vma === undefined) return -ENOMEM;
    const r = populateArea(k, mm, vma, at, Math.min(end, vma.end), write);
    if (r < 0) return r;
    at = vma.end;
  }
  return 0;
}
function populateArea(k: Kernel, mm: MmStruct, vma: VmArea, from: number, to: number, write: boolean): number {
  if ((vma.flags & (VM_PFNMAP | VM_IO)) !== 0) return -EINVAL;
  const access = write ? Access.WRITE : Access.READ;
  for (let va = from; va < to; va += PAGE_SIZE) {
    if (k.machine.translate(mm.pgd, va, access, 0, false) >= 0) continue;
    switch (handleMmFault(k, mm, va, access)) {
      case Fault.DONE:
        break;
      case Fault.OOM:
        return -ENOMEM;
      case Fault.SIGBUS:
        return -EFAULT;
      default:
        return -EINVAL;
    }
  }
  return 0;
}
