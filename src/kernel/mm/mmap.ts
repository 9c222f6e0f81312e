import { enoughMemory } from './overcommit.ts';
import { EACCES, EAGAIN, EEXIST, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM } from '../../abi/errno.ts';
import {
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_TYPE,
  PROT_EXEC,
  PROT_WRITE,
} from '../../abi/mman.ts';
import { MS_NOEXEC } from '../../abi/mount.ts';
import type { File } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { anonJoinable, anonMergeable, takeAnon } from './anon_vma.ts';
import { PAGE_SIZE, pageAlign, TASK_SIZE } from './address.ts';
import { type AddressSpace, SharedAnon } from './filemap.ts';
import { freeTablesAround, STACK_GUARD_GAP, zapRange } from './memory.ts';
import {
  type MmStruct,
  VM_ACCESS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_LOCKED_MASK,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_PFNMAP,
  VM_READ,
  VM_SEALED,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
  type VmAreaSpec,
} from './mm_struct.ts';

// mmap, munmap, mprotect and brk (mm/mmap.c, mm/mprotect.c).

export { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.ts';

/** vm.mmap_min_addr. */
const MMAP_MIN_ADDR = 4096;
const CAP_SYS_RAWIO = 17;
const RLIMIT_DATA = 2;
const RLIMIT_MEMLOCK = 8;
const RLIMIT_AS = 9;
const CAP_IPC_LOCK = 14;
/** LEGACY_MAP_MASK (include/linux/mman.h) with the sizes of huge pages. */
const LEGACY_MAP_MASK = 0x7d97_f933;
const FMODE_READ = 1;
const FMODE_WRITE = 2;

/** Splits the area that contains `addr` so that one begins there. The upper part is the new one, or the lower: a driver is told. */
export function splitAt(mm: MmStruct, addr: number, newBelow = false): void {
  const vma = mm.vmas[mm.indexAbove(addr)];
  if (vma === undefined || vma.start >= addr) return;
  const upper: VmAreaSpec = { ...vma, start: addr, pgoff: vma.pgoff + (addr - vma.start) / PAGE_SIZE };
  mm.resize(vma, vma.start, addr);
  const made = mm.link(upper, vma.anon, vma.anonInherited);
  if (newBelow) vma.mapping?.splitBelow(vma, made);
}
/** May two neighbours be one area (can_vma_merge_after)? */
function mergeable(a: VmArea, b: VmArea): boolean {
  return (
    a.end === b.start &&
    a.flags === b.flags &&
    a.mapping === b.mapping &&
    a.file === b.file &&
    a.name === b.name &&
    (a.flags & VM_PFNMAP) === 0 &&
    a.mapping?.driver !== true &&
    a.pgoff + (a.end - a.start) / PAGE_SIZE === b.pgoff
  );
}
/** Joins an area that changed, or is new, with the neighbours that it fits (vma_merge_existing_range, vma_merge_new_range). */
export function mergeArea(mm: MmStruct, vma: VmArea): void {
  const i = mm.indexAbove(vma.start);
  const prev = mm.vmas[i - 1];
  const next = mm.vmas[i + 1];
  const left = prev !== undefined && mergeable(prev, vma) && anonMergeable(vma.anon, prev);
  const right = next !== undefined && mergeable(vma, next) && anonMergeable(vma.anon, next) && (!left || anonJoinable(prev, next));
  if (right) join(mm, vma, next);
  if (left) join(mm, prev, vma);
}
/** An area that grew joins the one behind it if they fit (vma_merge_extend). */
export function mergeBehind(mm: MmStruct, vma: VmArea): void {
  const next = mm.vmas[mm.indexAbove(vma.start) + 1];
  if (next !== undefined && mergeable(vma, next) && anonMergeable(vma.anon, next)) join(mm, vma, next);
}
function join(mm: MmStruct, a: VmArea, b: VmArea): void {
  if (a.anon === 0 && b.anon !== 0) {
    takeAnon(a, b);
    a.anonInherited = b.anonInherited;
  }
  if (a.run === null) [a.run, b.run] = [b.run, null];
  const { end } = b;
  mm.unlink(b);
  mm.resize(a, a.start, end);
}
/** Gives [from, to) of an area other flags: splits it, and joins the part with its neighbours (vma_modify). */
export function modifyArea(mm: MmStruct, from: number, to: number, flags: number): void {
  splitAt(mm, from, true);
  splitAt(mm, to);
  const part = mm.find(from);
  if (part === undefined) return;
  mm.setFlags(part, flags);
  mergeArea(mm, part);
}

/** Splits of a middle piece make two areas of one. */
function tooManyAreas(k: Kernel, mm: MmStruct, start: number, end: number): boolean {
  const first = mm.vmas[mm.indexAbove(start)];
  return first !== undefined && first.start < start && first.end > end && mm.vmas.length >= k.mm.maxMapCount;
}

/** Is any area of [start, end) sealed? */
export function isSealed(mm: MmStruct, start: number, end: number): boolean {
  for (let i = mm.indexAbove(start); i < mm.vmas.length && mm.vmas[i].start < end; i++)
    if ((mm.vmas[i].flags & VM_SEALED) !== 0) return true;
  return false;
}
/** mseal(2): from now on the areas of [start, start + length) stay as they are (mm/mseal.c). */
export function doMseal(mm: MmStruct, start: number, length: number, flags: number): number {
  if (flags !== 0 || start % PAGE_SIZE !== 0 || start < 0 || length < 0 || length > TASK_SIZE) return -EINVAL;
  const end = start + pageAlign(length);
  if (end === start) return 0;
  let at = start;
  for (let i = mm.indexAbove(start); at < end && i < mm.vmas.length && mm.vmas[i].start <= at; i++) at = mm.vmas[i].end;
  return at < end ? -ENOMEM : changeFlags(mm, start, end, (f) => f | VM_SEALED);
}

/** munmap of a page-aligned range. */
export function doMunmap(k: Kernel, mm: MmStruct, start: number, length: number): number {
  if (start % PAGE_SIZE !== 0 || start < 0 || length < 0 || length > TASK_SIZE || start > TASK_SIZE - length) return -EINVAL;
  const end = start + pageAlign(length);
  if (end === start) return -EINVAL;
  const first = mm.vmas[mm.indexAbove(start)];
  if (first === undefined || first.start >= end) return 0;
  if (isSealed(mm, start, end)) return -EPERM;
  if (tooManyAreas(k, mm, start, end)) return -ENOMEM;
  splitAt(mm, start, true);
  splitAt(mm, end);
  const from = mm.indexAbove(start);
  let last = from;
  while (last < mm.vmas.length && mm.vmas[last].end <= end) last++;
  for (const vma of mm.vmas.slice(from, last)) {
    zapRange(k, mm, vma, vma.start, vma.end);
    mm.unlink(vma);
  }
  freeTablesAround(k, mm, start, end);
  mm.publishCounts();
  return 0;
}

const lowOf = (vma: VmArea) => vma.start - ((vma.flags & VM_GROWSDOWN) !== 0 ? STACK_GUARD_GAP : 0);

/** A free range of `length` bytes at `hint` if that is free, else from mmap_base downwards (or upwards in the old layout), or -ENOMEM. */
export function getUnmappedArea(mm: MmStruct, hint: number, length: number): number {
  if (length > TASK_SIZE) return -ENOMEM;
  if (hint > 0) {
    const start = pageAlign(hint);
    const next = mm.vmas[mm.indexAbove(start)];
    if (start >= MMAP_MIN_ADDR && start + length <= TASK_SIZE && (next === undefined || lowOf(next) >= start + length)) return start;
  }
  if (mm.legacyLayout) return bottomUp(mm, mm.mmapBase, length);
  const { gaps } = mm;
  const known = length > gaps.max && gaps.below < mm.mmapBase;
  let end = known ? gaps.below : mm.mmapBase;
  let largest = known ? gaps.max : 0;
  for (let i = mm.indexAbove(end - 1); i >= 0; i--) {
    const vma = mm.vmas[i];
    if (vma === undefined || vma.start >= end) continue;
    if (end - vma.end >= length) {
      gaps.below = end;
      gaps.max = largest;
      return end - length;
    }
    largest = Math.max(largest, end - vma.end);
    end = Math.min(end, lowOf(vma));
  }
  if (end - MMAP_MIN_ADDR >= length) return end - length;
  // Below mmap_base everything is taken: look above it as well.
  return bottomUp(mm, pageAlign(2 ** 39 / 3), length);
}
function bottomUp(mm: MmStruct, base: number, length: number): number {
  let start = base;
  for (let i = mm.indexAbove(start); ; i++) {
    if (start + length > TASK_SIZE) return -ENOMEM;
    const next = mm.vmas[i];
    if (next === undefined || start + length <= lowOf(next)) return start;
    start = Math.max(start, next.end);
  }
}

/** Private writable memory that is not excused counts against what may be promised (accountable_mapping). */
function accountable(k: Kernel, flags: number): boolean {
  return (
    (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE ||
    (k.mm.overcommit.memory === 2 && (flags & (VM_SHARED | VM_WRITE)) === VM_WRITE)
  );
}

/** Limits of address space and data (may_expand_vm). */
export function mayExpand(k: Kernel, mm: MmStruct, flags: number, pages: number): boolean {
  const { signal } = k.current;
  if ((mm.totalPages + pages) * PAGE_SIZE > signal.rlimit(RLIMIT_AS)) return false;
  const data = (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE;
  return !data || (mm.dataPages + pages) * PAGE_SIZE <= signal.rlimit(RLIMIT_DATA);
}
/** May `bytes` more be locked (mlock_future_ok)? */
export function mayLockMore(k: Kernel, mm: MmStruct, flags: number, bytes: number): boolean {
  if ((flags & VM_LOCKED) === 0 || k.current.capable(CAP_IPC_LOCK)) return true;
  return mm.lockedPages * PAGE_SIZE + bytes <= k.current.signal.rlimit(RLIMIT_MEMLOCK);
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
  if (length === 0) return -EINVAL;
  if (!(length > 0 && length <= TASK_SIZE)) return -ENOMEM;
  if (offset % PAGE_SIZE !== 0) return -EINVAL;
  const len = pageAlign(length);
  // An offset is a 64-bit number of which only the page number must not wrap.
  if (!(offset >= 0 && offset + len <= Number.MAX_SAFE_INTEGER)) return -EOVERFLOW;
  if (mm.vmas.length > k.mm.maxMapCount) return -ENOMEM;

  const fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
  let start = addr;
  if (fixed) {
    if (addr < 0 || addr > TASK_SIZE - len) return -ENOMEM;
    if (addr % PAGE_SIZE !== 0) return -EINVAL;
    if (addr < MMAP_MIN_ADDR && !k.current.capable(CAP_SYS_RAWIO)) return -EPERM;
    const next = mm.vmas[mm.indexAbove(addr)];
    if ((flags & MAP_FIXED_NOREPLACE) !== 0 && next !== undefined && next.start < addr + len) return -EEXIST;
  } else {
    const hint = addr > 0 && addr <= TASK_SIZE - len ? Math.max(addr, MMAP_MIN_ADDR) : 0;
    start = getUnmappedArea(mm, hint, len);
    if (start < 0) return start;
  }

  const type = flags & MAP_TYPE;
  let vmFlags = (prot & VM_ACCESS) | mm.defFlags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if ((flags & MAP_LOCKED) !== 0) vmFlags |= VM_LOCKED;
  if (!mayLockMore(k, mm, vmFlags, len)) return -EAGAIN;
  if (file !== null) {
    const r = fileFlags(file, type, flags, prot, vmFlags);
    if (r < 0) return r;
    vmFlags = r;
  } else {
    if (type === MAP_SHARED) vmFlags |= VM_SHARED | VM_MAYSHARE;
    else if (type !== MAP_PRIVATE) return -EINVAL;
    if ((flags & MAP_GROWSDOWN) !== 0) {
      if (type === MAP_SHARED) return -EINVAL;
      vmFlags |= VM_GROWSDOWN;
    }
  }
  if ((flags & MAP_NORESERVE) !== 0 && k.mm.overcommit.memory !== 2) vmFlags |= VM_NORESERVE;
  return mmapRegion(k, mm, file, start, len, vmFlags, offset / PAGE_SIZE);
}

/** Flags of a file mapping, or -errno. */
function fileFlags(file: File, type: number, flags: number, prot: number, base: number): number {
  let vmFlags = base;
  if (type !== MAP_SHARED && type !== MAP_PRIVATE && type !== MAP_SHARED_VALIDATE) return -EINVAL;
  // Unlike MAP_SHARED it refuses what it does not know; MAP_SYNC is for persistent memory.
  if (type === MAP_SHARED_VALIDATE && (flags & ~LEGACY_MAP_MASK) !== 0) return -EOPNOTSUPP;
  if (type !== MAP_PRIVATE) {
    if ((prot & PROT_WRITE) !== 0 && (file.mode & FMODE_WRITE) === 0) return -EACCES;
    vmFlags |= VM_SHARED | VM_MAYSHARE;
    if ((file.mode & FMODE_WRITE) === 0) vmFlags &= ~(VM_MAYWRITE | VM_SHARED);
  }
  if ((file.mode & FMODE_READ) === 0) return -EACCES;
  if ((file.path.mnt.flags & MS_NOEXEC) !== 0) {
    if ((prot & PROT_EXEC) !== 0) return -EPERM;
    vmFlags &= ~VM_MAYEXEC;
  }
  if (file.op.mmap === undefined) return -ENODEV;
  return (flags & MAP_GROWSDOWN) !== 0 ? -EINVAL : vmFlags;
}

/** mmap_region: makes room, asks the file for its pages, and puts the area in. */
function mmapRegion(k: Kernel, mm: MmStruct, file: File | null, start: number, len: number, flags: number, pgoff: number): number {
  const end = start + len;
  const pages = len / PAGE_SIZE;
  let vmFlags = flags;
  const replaced = overlap(mm, start, end);
  if (!mayExpand(k, mm, vmFlags, pages - replaced)) return -ENOMEM;
  if (accountable(k, vmFlags)) {
    if (!enoughMemory(k, pages)) return -ENOMEM;
    vmFlags |= VM_ACCOUNT;
  }
  const shared = (vmFlags & VM_MAYSHARE) !== 0;
  let mapping: AddressSpace | null = null;
  if (file === null && shared && (vmFlags & VM_NORESERVE) === 0 && !enoughMemory(k, pages)) return -ENOMEM;
  if (replaced > 0) {
    const r = doMunmap(k, mm, start, len);
    if (r < 0) return r;
  }
  let made: VmArea;
  const spec = { start, end, flags: vmFlags, mapping, file: null as File | null, pgoff: start / PAGE_SIZE, name: '' };
  if (file !== null) {
    const draft: VmArea = { ...spec, file, pgoff, mm, anon: 0, anonInherited: false, root: null, run: null, touched: 0 };
    const answer = file.op.mmap?.(k, file, draft) ?? -ENODEV;
    if (typeof answer === 'number') {
      // Zero: the driver wants plain zeroed memory (/dev/zero, mapped privately).
      if (answer !== 0) return answer;
      if (shared) mapping = new SharedAnon(k, len);
    } else mapping = answer;
    made = mm.link({
      ...spec,
      flags: draft.flags,
      mapping,
      file: mapping === answer ? file : null,
      pgoff: mapping === answer ? draft.pgoff : shared ? 0 : spec.pgoff,
    });
  } else if (shared) made = mm.link({ ...spec, mapping: new SharedAnon(k, len), pgoff: 0, name: '/dev/zero (deleted)' });
  else made = mm.link(spec);
  mergeArea(mm, made);
  mm.publishCounts();
  return start;
}
/** Pages in [start, end) that are mapped already. */
function overlap(mm: MmStruct, start: number, end: number): number {
  let n = 0;
  for (let i = mm.indexAbove(start); i < mm.vmas.length && mm.vmas[i].start < end; i++) {
    n += (Math.min(end, mm.vmas[i].end) - Math.max(start, mm.vmas[i].start)) / PAGE_SIZE;
  }
  return n;
}

/** Adds an area where nothing is (the kernel's own: stack, heap, vdso), and joins it with its neighbours. */
export function insertVma(_k: Kernel, mm: MmStruct, vma: VmAreaSpec): void {
  mergeArea(mm, mm.link(vma));
  mm.publishCounts();
}

/** Gives every area in [start, end) the flags that `change` makes of its own, splitting and joining. -ENOMEM where there is a hole. */
export function changeFlags(mm: MmStruct, start: number, end: number, change: (flags: number) => number): number {
  let at = start;
  let r = 0;
  while (at < end) {
    const vma = mm.vmas[mm.indexAbove(at)];
    if (vma === undefined || vma.start >= end) {
      r = -ENOMEM;
      break;
    }
    if (vma.start > at) r = -ENOMEM;
    const from = Math.max(at, vma.start);
    const to = Math.min(end, vma.end);
    const flags = change(vma.flags);
    if (flags !== vma.flags) modifyArea(mm, from, to, flags);
    at = to;
  }
  mm.publishCounts();
  return r;
}

/** brk: returns the new break, or the old one when it cannot move. */
export function doBrk(k: Kernel, mm: MmStruct, want: number): number {
  if (!(want >= mm.startBrk && want <= TASK_SIZE)) return mm.brk;
  if (want - mm.startBrk + (mm.endData - mm.startData) > k.current.signal.rlimit(RLIMIT_DATA)) return mm.brk;
  const oldEnd = pageAlign(mm.brk);
  const newEnd = pageAlign(want);
  if (newEnd < oldEnd) {
    if (doMunmap(k, mm, newEnd, oldEnd - newEnd) < 0) return mm.brk;
  } else if (newEnd > oldEnd) {
    const next = mm.vmas[mm.indexAbove(oldEnd)];
    if (next !== undefined && lowOf(next) < newEnd + PAGE_SIZE) return mm.brk;
    const pages = (newEnd - oldEnd) / PAGE_SIZE;
    const flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT | (mm.defFlags & VM_LOCKED_MASK);
    if (!mayExpand(k, mm, flags, pages) || !mayLockMore(k, mm, flags, newEnd - oldEnd)) return mm.brk;
    if (mm.vmas.length > k.mm.maxMapCount || !enoughMemory(k, pages)) return mm.brk;
    insertVma(k, mm, { start: oldEnd, end: newEnd, flags, mapping: null, file: null, pgoff: oldEnd / PAGE_SIZE, name: '[heap]' });
  }
  mm.brk = want;
  mm.publishCounts();
  return want;
}
