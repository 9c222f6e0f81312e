import { EACCES, EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import { PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ, PROT_WRITE } from '../../abi/mman.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, pageAlign, TASK_SIZE } from './address.ts';
import { changeProtection } from './memory.ts';
import { populate } from './mlock.ts';
import { mayExpand, modifyArea } from './mmap.ts';
import {
  type MmStruct,
  VM_ACCESS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_SEALED,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from './mm_struct.ts';
import { enoughMemory } from './overcommit.ts';

// mprotect(2) (mm/mprotect.c).

/** mprotect. Areas change one after the other: an error in the middle leaves the first ones changed, as in Linux. */
export function doMprotect(k: Kernel, mm: MmStruct, addr: number, length: number, prot: number): number {
  const grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL;
  if (addr % PAGE_SIZE !== 0) return -EINVAL;
  if (length === 0) return 0;
  if (addr < 0 || length < 0 || addr + pageAlign(length) > TASK_SIZE) return -ENOMEM;
  if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | 8 | PROT_GROWSDOWN | PROT_GROWSUP)) !== 0) return -EINVAL;
  const end = addr + pageAlign(length);
  const first = mm.vmas[mm.indexAbove(addr)];
  if (first === undefined) return -ENOMEM;
  let start = addr;
  if ((grows & PROT_GROWSDOWN) !== 0) {
    if (first.start >= end) return -ENOMEM;
    start = first.start;
    if ((first.flags & VM_GROWSDOWN) === 0) return -EINVAL;
  } else {
    if (first.start > start) return -ENOMEM;
    if (grows !== 0) return -EINVAL;
  }
  let at = start;
  while (at < end) {
    const vma = mm.vmas[mm.indexAbove(at)];
    if (vma === undefined || vma.start > at) return -ENOMEM;
    const r = protectArea(k, mm, vma, at, Math.min(end, vma.end), prot & VM_ACCESS);
    if (r < 0) return r;
    at = r;
  }
  return 0;
}
/** One area's part. Its end, or -errno. */
function protectArea(k: Kernel, mm: MmStruct, vma: VmArea, from: number, to: number, access: number): number {
  let flags = (vma.flags & ~VM_ACCESS) | access;
  if ((vma.flags & VM_SEALED) !== 0) return -EPERM;
  if (((flags >> 4) & access & VM_ACCESS) !== access) return -EACCES;
  if (flags === vma.flags) return to;
  const pages = (to - from) / PAGE_SIZE;
  if ((access & VM_WRITE) !== 0 && (vma.flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE)) === 0) {
    if (!mayExpand(k, mm, flags, 0) || !enoughMemory(k, pages)) return -ENOMEM;
    flags |= VM_ACCOUNT;
  } else if ((flags & VM_WRITE) === 0 && (vma.flags & VM_ACCOUNT) !== 0 && vma.mapping === null && vma.anon === 0) flags &= ~VM_ACCOUNT; // no page of it is there
  if ((vma.start < from || vma.end > to) && mm.vmas.length + (vma.start < from && vma.end > to ? 1 : 0) >= k.mm.maxMapCount) return -ENOMEM;
  const wasLocked = (vma.flags & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED;
  modifyArea(mm, from, to, flags);
  const part = mm.find(from);
  if (part === undefined) return -ENOMEM;
  changeProtection(k, mm, part, from, to);
  mm.publishCounts();
  // Locked private memory must not fault later for copies of its own.
  if (wasLocked && (flags & VM_WRITE) !== 0) populate(k, mm, from, to - from);
  return to;
}
