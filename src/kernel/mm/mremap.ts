import { enoughMemory } from './overcommit.ts';
import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from '../../abi/mman.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, pageAlign, TASK_SIZE } from './address.ts';
import { freeTablesAround } from './memory.ts';
import { doMunmap, getUnmappedArea, mayExpand, mayLockMore, mergeArea, mergeBehind, splitAt } from './mmap.ts';
import {
  type MmStruct,
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_GROWSDOWN,
  VM_LOCKED_MASK,
  VM_MAYSHARE,
  VM_PFNMAP,
  type VmArea,
  VM_SEALED,
} from './mm_struct.ts';
import { ptePointer, setPte, walkRange } from './pgtable.ts';

// mremap (mm/mremap.c).

export function doMremap(
  k: Kernel,
  mm: MmStruct,
  addr: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddr: number,
): number {
  if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return -EINVAL;
  if ((flags & MREMAP_FIXED) !== 0 && (flags & MREMAP_MAYMOVE) === 0) return -EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && ((flags & MREMAP_MAYMOVE) === 0 || oldLength !== newLength)) return -EINVAL;
  if (addr % PAGE_SIZE !== 0) return -EINVAL;
  if (!(oldLength >= 0 && oldLength <= Number.MAX_SAFE_INTEGER)) return -EINVAL;
  const oldLen = pageAlign(oldLength);
  const newLen = pageAlign(newLength);
  if (newLen === 0 || newLength < 0) return -EINVAL;
  if (addr < 0) return -EFAULT;
  const vma = mm.find(addr);
  if (vma === undefined) return -EFAULT;
  if ((vma.flags & VM_SEALED) !== 0) return -EPERM;

  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return mremapTo(k, mm, addr, oldLen, newLen, flags, newAddr);
  if (oldLen >= newLen) {
    if (oldLen > newLen) {
      const r = doMunmap(k, mm, addr + newLen, oldLen - newLen);
      if (r < 0) return r;
    }
    return addr;
  }
  const bad = cannotResize(k, mm, vma, addr, oldLen, newLen);
  if (bad < 0) return bad;
  if (oldLen === vma.end - addr && canExpandHere(mm, vma, newLen - oldLen)) {
    mm.resize(vma, vma.start, vma.end + newLen - oldLen);
    mergeBehind(mm, vma);
    mm.publishCounts();
    return addr;
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  const to = getUnmappedArea(mm, 0, newLen);
  return to < 0 ? to : moveArea(k, mm, addr, oldLen, newLen, to, false);
}

/** What keeps the area at `addr` from becoming `newLen` long (vma_to_resize). */
function cannotResize(k: Kernel, mm: MmStruct, vma: VmArea, addr: number, oldLen: number, newLen: number): number {
  // Length 0 makes a second mapping of something shared.
  if (oldLen === 0 && (vma.flags & VM_MAYSHARE) === 0) return -EINVAL;
  if (oldLen > vma.end - addr) return -EFAULT;
  if (newLen <= oldLen) return 0;
  if ((vma.flags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return -EFAULT;
  const more = newLen - oldLen;
  if (!mayLockMore(k, mm, vma.flags, more)) return -EAGAIN;
  if (!mayExpand(k, mm, vma.flags, more / PAGE_SIZE)) return -ENOMEM;
  if ((vma.flags & VM_ACCOUNT) !== 0 && !enoughMemory(k, more / PAGE_SIZE)) return -ENOMEM;
  return 0;
}
function canExpandHere(mm: MmStruct, vma: VmArea, more: number): boolean {
  const end = vma.end + more;
  if (end > TASK_SIZE) return false;
  const next = mm.vmas[mm.vmas.indexOf(vma) + 1];
  return next === undefined || next.start - ((next.flags & VM_GROWSDOWN) !== 0 ? 256 * PAGE_SIZE : 0) >= end;
}
/** MREMAP_FIXED or MREMAP_DONTUNMAP. */
function mremapTo(k: Kernel, mm: MmStruct, addr: number, oldLength: number, newLen: number, flags: number, newAddr: number): number {
  let oldLen = oldLength;
  const fixed = (flags & MREMAP_FIXED) !== 0;
  if (newAddr % PAGE_SIZE !== 0 && fixed) return -EINVAL;
  if (newLen > TASK_SIZE || (fixed && (newAddr < 0 || newAddr > TASK_SIZE - newLen))) return -EINVAL;
  if (fixed && addr + oldLen > newAddr && newAddr + newLen > addr) return -EINVAL;
  if (mm.vmas.length + 2 >= k.mm.maxMapCount - 3) return -ENOMEM;
  if (fixed) {
    const r = doMunmap(k, mm, newAddr, newLen);
    if (r < 0) return r;
  }
  if (oldLen > newLen) {
    const r = doMunmap(k, mm, addr + newLen, oldLen - newLen);
    if (r < 0) return r;
    oldLen = newLen;
  }
  const vma = mm.find(addr);
  if (vma === undefined) return -EFAULT;
  const bad = cannotResize(k, mm, vma, addr, oldLen, newLen);
  if (bad < 0) return bad;
  const dontUnmap = (flags & MREMAP_DONTUNMAP) !== 0;
  if (dontUnmap && (vma.flags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return -EINVAL;
  if (dontUnmap && !mayExpand(k, mm, vma.flags, oldLen / PAGE_SIZE)) return -ENOMEM;
  const to = fixed ? newAddr : getUnmappedArea(mm, Math.max(newAddr, 0), newLen);
  return to < 0 ? to : moveArea(k, mm, addr, oldLen, newLen, to, dontUnmap);
}

/** Moves [addr, addr + oldLen) and its pages to `to`, where `newLen` bytes are free (move_vma). */
function moveArea(k: Kernel, mm: MmStruct, addr: number, oldLen: number, newLen: number, to: number, keepOld: boolean): number {
  const { ram } = k;
  if (mm.vmas.length >= k.mm.maxMapCount - 3) return -ENOMEM;
  if (oldLen > 0 && !keepOld) {
    splitAt(mm, addr);
    splitAt(mm, addr + oldLen);
  }
  const source = mm.find(addr);
  if (source === undefined) return -EFAULT;
  // Private memory that was never touched takes the page offset of its new place; touched memory keeps its own.
  const inArea = (addr - source.start) / PAGE_SIZE;
  const pgoff = source.mapping === null && source.anon === 0 ? to / PAGE_SIZE : source.pgoff + inArea;
  const made = mm.link({ ...source, start: to, end: to + newLen, pgoff }, source.anon, source.anonInherited);
  let failed = false;
  if (oldLen > 0) {
    walkRange(ram, mm.pgd, addr, addr + oldLen, (at, va) => {
      const target = failed ? 0 : ptePointer(ram, mm.pgd, va - addr + to, k.mm);
      if (target === 0) {
        failed = true;
        return;
      }
      setPte(ram, target, ram.read32(at));
      setPte(ram, at, 0);
    });
    k.machine.flushTlb();
    if (failed) {
      // Out of memory for tables: what moved stays reachable at the new place, the rest is given up with the old area.
      doMunmap(k, mm, addr, oldLen);
      return -ENOMEM;
    }
    if (keepOld) {
      mm.setFlags(source, source.flags & ~VM_LOCKED_MASK);
      if (source.start === addr && source.end === addr + oldLen) {
        source.anon = 0;
        source.root?.areas.delete(source);
        source.root = null;
      }
    }
    if (!keepOld) mm.unlink(source);
    freeTablesAround(k, mm, addr, addr + oldLen);
  }
  // Signal handlers return through it wherever it is (vdso_mremap).
  if (source.mapping !== null && source.mapping === k.vdso?.vdso) {
    mm.vdso = to;
    mm.publish();
  }
  mergeArea(mm, made);
  mm.publishCounts();
  return to;
}
