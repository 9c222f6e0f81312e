import { EACCES, EEXIST, EFAULT, EINVAL, ENODEV, ENOMEM, EPERM } from '../../abi/errno.ts';
import type { File } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, pageAlign, TASK_SIZE } from './address.ts';
import { changeProtection, SharedAnon, shmPut, zapRange } from './memory.ts';
import {
  type MmStruct,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from './mm_struct.ts';
import { ptePointer, walkRange } from './pgtable.ts';

// mmap and its kin (mm/mmap.c, mm/mprotect.c, mm/mremap.c).

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
const PROT_GROWSDOWN = 0x0100_0000;
const PROT_GROWSUP = 0x0200_0000;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_SHARED_VALIDATE = 3;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
const MAP_GROWSDOWN = 0x100;
const MAP_FIXED_NOREPLACE = 0x10_0000;
/** vm.mmap_min_addr. */
const MMAP_MIN_ADDR = 4096;
/** stack_guard_gap. */
const STACK_GAP = 256 * PAGE_SIZE;
/** vm.max_map_count. */
const MAX_MAP_COUNT = 65530;

/** Splits the area that contains `addr` so that one begins there. */
function splitAt(mm: MmStruct, addr: number): void {
  const i = mm.indexAbove(addr);
  const vma = mm.vmas[i];
  if (vma === undefined || vma.start >= addr) return;
  const upper: VmArea = { ...vma, start: addr, pgoff: vma.pgoff + (addr - vma.start) / PAGE_SIZE };
  vma.end = addr;
  if (upper.file !== null) upper.file.refs++;
  else if (upper.mapping instanceof SharedAnon) upper.mapping.areas++;
  mm.vmas.splice(i + 1, 0, upper);
}
function dropBacking(k: Kernel, vma: VmArea): void {
  if (vma.file !== null) k.vfs.fput(vma.file);
  else if (vma.mapping !== null) shmPut(k, vma);
}
/** Joins neighbours that are one area in all but name (vma_merge). */
function mergeAround(k: Kernel, mm: MmStruct, from: number, to: number): void {
  let i = Math.max(1, mm.indexAbove(from) - 1);
  while (i < mm.vmas.length && mm.vmas[i - 1].end <= to) {
    const a = mm.vmas[i - 1];
    const b = mm.vmas[i];
    const follows = a.end === b.start && a.flags === b.flags && a.mapping === b.mapping && a.file === b.file && a.name === b.name;
    if (follows && (a.mapping === null || a.pgoff + (a.end - a.start) / PAGE_SIZE === b.pgoff)) {
      a.end = b.end;
      mm.vmas.splice(i, 1);
      dropBacking(k, b);
    } else i++;
  }
}

/** munmap of a page-aligned range. */
export function doMunmap(k: Kernel, mm: MmStruct, start: number, length: number): number {
  if (start % PAGE_SIZE !== 0 || start < 0 || length > TASK_SIZE || start > TASK_SIZE - length) return -EINVAL;
  const end = start + pageAlign(length);
  if (end === start) return -EINVAL;
  splitAt(mm, start);
  splitAt(mm, end);
  const first = mm.indexAbove(start);
  let last = first;
  while (last < mm.vmas.length && mm.vmas[last].end <= end) last++;
  if (last === first) return 0;
  for (const vma of mm.vmas.splice(first, last - first)) {
    zapRange(k, mm, vma, vma.start, vma.end);
    dropBacking(k, vma);
  }
  k.machine.flushTlb();
  return 0;
}

/** A free range of `length` bytes, top down from mmap_base, or -ENOMEM. */
export function getUnmappedArea(mm: MmStruct, hint: number, length: number): number {
  const free = (start: number): boolean => {
    const next = mm.vmas[mm.indexAbove(start)];
    const gap = next !== undefined && (next.flags & VM_GROWSDOWN) !== 0 ? STACK_GAP : 0;
    return start >= MMAP_MIN_ADDR && start + length <= TASK_SIZE && (next === undefined || next.start - gap >= start + length);
  };
  if (hint > 0) {
    const start = Math.ceil(hint / PAGE_SIZE) * PAGE_SIZE;
    if (free(start)) return start;
  }
  if (mm.legacyLayout) {
    let start = mm.mmapBase;
    for (let i = mm.indexAbove(start); ; i++) {
      if (start + length > TASK_SIZE) return -ENOMEM;
      const next = mm.vmas[i];
      if (next === undefined || start + length <= next.start - ((next.flags & VM_GROWSDOWN) !== 0 ? STACK_GAP : 0)) return start;
      start = Math.max(start, next.end);
    }
  }
  let end = mm.mmapBase;
  for (let i = mm.vmas.length - 1; i >= -1; i--) {
    const vma = mm.vmas[i];
    if (vma !== undefined && vma.start >= end) continue;
    const floor = vma === undefined ? MMAP_MIN_ADDR : vma.end;
    if (floor <= end && end - floor >= length) return end - length;
    if (vma === undefined) break;
    end = Math.min(end, vma.start);
  }
  return -ENOMEM;
}

/** do_mmap. `file` is borrowed; areas take their own reference. Returns the address or -errno. */
export function doMmap(
  k: Kernel,
  mm: MmStruct,
  file: File | null,
  addr: number,
  length: number,
  prot: number,
  flags: number,
  offset: number,
): number {
  if (length <= 0) return -EINVAL;
  const len = pageAlign(length);
  if (len > TASK_SIZE) return -ENOMEM;
  if (offset % PAGE_SIZE !== 0 || offset < 0) return -EINVAL;
  if (mm.vmas.length >= MAX_MAP_COUNT) return -ENOMEM;
  const type = flags & 3;
  if (type === 0) return -EINVAL;
  let start = addr;
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
    if (addr % PAGE_SIZE !== 0) return -EINVAL;
    if (addr < 0 || addr > TASK_SIZE - len) return -ENOMEM;
    if (addr < MMAP_MIN_ADDR && !k.current.capable(17)) return -EPERM;
    if ((flags & MAP_FIXED_NOREPLACE) !== 0) {
      const next = mm.vmas[mm.indexAbove(addr)];
      if (next !== undefined && next.start < addr + len) return -EEXIST;
    }
  } else {
    start = getUnmappedArea(mm, addr > 0 && addr <= TASK_SIZE - len ? addr : 0, len);
    if (start < 0) return start;
  }
  const shared = type !== MAP_PRIVATE;
  let vmFlags = (prot & 7) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if (file !== null) {
    const mode = file.mode;
    if ((mode & 1) === 0) return -EACCES;
    if (shared && (prot & PROT_WRITE) !== 0 && (mode & 2) === 0) return -EACCES;
    if (shared && (mode & 2) === 0) vmFlags &= ~VM_MAYWRITE;
  }
  if (shared) vmFlags |= VM_SHARED | VM_MAYSHARE;
  if ((flags & MAP_GROWSDOWN) !== 0) vmFlags |= VM_GROWSDOWN;
  const vma: VmArea = { start, end: start + len, flags: vmFlags, mapping: null, file: null, pgoff: offset / PAGE_SIZE, name: '' };
  if (file !== null) {
    const mapping = file.op.mmap?.(k, file, vma) ?? -ENODEV;
    if (typeof mapping === 'number') {
      if (mapping < 0) return mapping;
    } else {
      vma.mapping = mapping;
      vma.file = file;
    }
  } else if (shared) {
    const anon = new SharedAnon();
    anon.size = len;
    vma.mapping = anon;
    vma.pgoff = 0;
    vma.name = '/dev/zero (deleted)';
  }
  if (overcommitted(k, mm, vmFlags, len)) {
    return -ENOMEM;
  }
  const as = k.current.signal.rlimit(9);
  if (mm.totalPages * PAGE_SIZE + len > as) return -ENOMEM;
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) doMunmap(k, mm, start, len);
  if (vma.file !== null) vma.file.refs++;
  insertVma(k, mm, vma);
  return start;
}

/** Heuristic overcommit: only a single obvious overcommit is refused (mm/util.c, __vm_enough_memory). */
function overcommitted(k: Kernel, _mm: MmStruct, flags: number, length: number): boolean {
  if (k.mm.overcommitMemory === 1 || (flags & VM_WRITE) === 0 || (flags & VM_SHARED) !== 0) return false;
  return length / PAGE_SIZE > k.mm.pages.totalPages;
}

/** Adds an area where nothing is, and joins it with its neighbours. */
export function insertVma(k: Kernel, mm: MmStruct, vma: VmArea): void {
  mm.vmas.splice(mm.indexAbove(vma.start), 0, vma);
  mergeAround(k, mm, vma.start, vma.end);
}

/** Gives every area in [start, end) the flags that `change` makes of its own, splitting and joining. -ENOMEM where there is a hole. */
export function changeFlags(k: Kernel, mm: MmStruct, start: number, end: number, change: (flags: number) => number): number {
  splitAt(mm, start);
  splitAt(mm, end);
  let at = start;
  let r = 0;
  for (let i = mm.indexAbove(start); i < mm.vmas.length && mm.vmas[i].start < end; i++) {
    const vma = mm.vmas[i];
    if (vma.start > at) r = -ENOMEM;
    const next = change(vma.flags);
    const locked = ((next & VM_LOCKED) !== 0 ? 1 : 0) - ((vma.flags & VM_LOCKED) !== 0 ? 1 : 0);
    mm.lockedPages += (locked * (vma.end - vma.start)) / PAGE_SIZE;
    vma.flags = next;
    at = vma.end;
  }
  mergeAround(k, mm, start, end);
  return at < end ? -ENOMEM : r;
}

/** mprotect. */
export function doMprotect(k: Kernel, mm: MmStruct, start: number, length: number, prot: number): number {
  if (start % PAGE_SIZE !== 0 || (prot & ~(7 | PROT_GROWSDOWN | PROT_GROWSUP)) !== 0) return -EINVAL;
  if (length === 0) return 0;
  const end = start + pageAlign(length);
  if (start < 0 || end > TASK_SIZE || length < 0) return -ENOMEM;
  let at = start;
  for (let i = mm.indexAbove(start); at < end; i++) {
    const vma = mm.vmas[i];
    if (vma === undefined || vma.start > at) return -ENOMEM;
    if (((vma.flags >> 4) & 7 & prot) !== (prot & 7)) return -EACCES;
    at = vma.end;
  }
  splitAt(mm, start);
  splitAt(mm, end);
  for (let i = mm.indexAbove(start); i < mm.vmas.length && mm.vmas[i].start < end; i++) {
    const vma = mm.vmas[i];
    vma.flags = (vma.flags & ~(VM_READ | VM_WRITE | VM_EXEC)) | (prot & 7);
    changeProtection(k, mm, vma, vma.start, vma.end);
  }
  mergeAround(k, mm, start, end);
  return 0;
}

/** brk: returns the new break, or the old one when it cannot move. */
export function doBrk(k: Kernel, mm: MmStruct, want: number): number {
  if (want < mm.startBrk) return mm.brk;
  if (want - mm.startBrk > k.current.signal.rlimit(2)) return mm.brk;
  const oldEnd = pageAlign(mm.brk);
  const newEnd = pageAlign(want);
  if (newEnd < oldEnd) {
    doMunmap(k, mm, newEnd, oldEnd - newEnd);
  } else if (newEnd > oldEnd) {
    const next = mm.vmas[mm.indexAbove(oldEnd)];
    if (next !== undefined && next.start < newEnd + PAGE_SIZE) return mm.brk;
    if ((newEnd - oldEnd) / PAGE_SIZE > k.mm.pages.totalPages) return mm.brk;
    insertVma(k, mm, {
      start: oldEnd,
      end: newEnd,
      flags: VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC,
      mapping: null,
      file: null,
      pgoff: oldEnd / PAGE_SIZE,
      name: '[heap]',
    });
  }
  mm.brk = want;
  mm.publish();
  return want;
}

const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;

/** mremap of one whole or part of one area. */
export function doMremap(
  k: Kernel,
  mm: MmStruct,
  addr: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddr: number,
): number {
  if ((flags & ~7) !== 0 || addr % PAGE_SIZE !== 0 || newLength <= 0) return -EINVAL;
  if ((flags & MREMAP_FIXED) !== 0 && ((flags & MREMAP_MAYMOVE) === 0 || newAddr % PAGE_SIZE !== 0)) return -EINVAL;
  const oldLen = pageAlign(oldLength);
  const newLen = pageAlign(newLength);
  const vma = mm.find(addr);
  if (vma === undefined) return -EFAULT;
  if (oldLen === 0) return -EINVAL;
  if (addr + oldLen > vma.end) return -EFAULT;
  if ((flags & MREMAP_FIXED) === 0) {
    if (newLen < oldLen) {
      doMunmap(k, mm, addr + newLen, oldLen - newLen);
      return addr;
    }
    if (newLen === oldLen) return addr;
    const next = mm.vmas[mm.indexAbove(addr) + 1];
    if (addr + oldLen === vma.end && (next === undefined || next.start >= addr + newLen) && addr + newLen <= TASK_SIZE) {
      if (newLen / PAGE_SIZE > k.mm.pages.totalPages) return -ENOMEM;
      vma.end = addr + newLen;
      if (vma.mapping instanceof SharedAnon) vma.mapping.size = Math.max(vma.mapping.size, (vma.pgoff + newLen / PAGE_SIZE) * PAGE_SIZE);
      mergeAround(k, mm, vma.start, vma.end);
      return addr;
    }
    if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  }
  let to = newAddr;
  if ((flags & MREMAP_FIXED) !== 0) {
    if (to < 0 || to > TASK_SIZE - newLen) return -EINVAL;
    if (to < addr + oldLen && addr < to + newLen) return -EINVAL;
    doMunmap(k, mm, to, newLen);
    if (newLen < oldLen) doMunmap(k, mm, addr + newLen, oldLen - newLen);
  } else {
    to = getUnmappedArea(mm, 0, newLen);
    if (to < 0) return to;
  }
  const moveLen = Math.min(oldLen, newLen);
  splitAt(mm, addr);
  splitAt(mm, addr + moveLen);
  const source = mm.find(addr);
  if (source === undefined) return -EFAULT;
  mm.vmas.splice(mm.vmas.indexOf(source), 1);
  const ram = k.ram;
  walkRange(ram, mm.pgd, addr, addr + moveLen, (at, va) => {
    const target = ptePointer(ram, mm.pgd, va - addr + to, k.mm.pages);
    if (target !== 0) {
      ram.write32(target, ram.read32(at));
      ram.write32(at, 0);
    }
  });
  insertVma(k, mm, { ...source, start: to, end: to + newLen });
  k.machine.flushTlb();
  return to;
}
