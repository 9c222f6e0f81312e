import { EAGAIN, EFAULT, EBADF, EBUSY, EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import { PATH_MAX } from '../../abi/fs.ts';
import * as M from '../../abi/mman.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { Access } from '../../machine/api.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE, pageAlign, pageFloor, TASK_SIZE } from '../mm/address.ts';
import { doMadvise } from '../mm/madvise.ts';
import { getMempolicy } from '../mm/mempolicy.ts';
import { pageState } from '../mm/memory.ts';
import { applyMlock, populate } from '../mm/mlock.ts';
import { doBrk, doMmap, doMseal, doMunmap, insertVma } from '../mm/mmap.ts';
import { doMprotect } from '../mm/mprotect.ts';
import { doMremap } from '../mm/mremap.ts';
import {
  type MmStruct,
  type VmArea,
  VM_EXEC,
  VM_LOCKED,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  VM_LOCKONFAULT,
  VM_LOCKED_MASK,
} from '../mm/mm_struct.ts';
import { swapoff, swapon } from '../mm/swapfile.ts';
import { copyToUser, strncpyFromUser } from '../mm/uaccess.ts';
import { fdGet } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// Decoding of the memory management calls; the mechanisms are in mm/.

const CAP_IPC_LOCK = 14;
const RLIMIT_MEMLOCK = 8;

function mmOf(k: Kernel): MmStruct {
  const mm = k.current.mm;
  if (mm === null) throw new Error('a kernel thread made a system call');
  return mm;
}

function sysMmap(k: Kernel, addr: number, length: number, prot: number, flags: number, fd: number, offset: number): number {
  const mm = mmOf(k);
  if (offset % PAGE_SIZE !== 0) return -EINVAL;
  if ((flags & M.MAP_HUGETLB) !== 0) return (flags & M.MAP_ANONYMOUS) !== 0 ? -ENOMEM : -EINVAL;
  let file = null;
  if ((flags & M.MAP_ANONYMOUS) === 0) {
    file = fdGet(k, fd);
    if (file === null) return -EBADF;
  }
  if ((flags & M.MAP_LOCKED) !== 0 && mayLock(k, mm, 0) === -EPERM) return -EPERM;
  const at = doMmap(k, mm, file, addr, length, prot | 0, flags | 0, offset);
  if (
    at >= 0 &&
    ((flags & M.MAP_LOCKED) !== 0 ||
      (flags & (M.MAP_POPULATE | 0x10000)) === M.MAP_POPULATE ||
      (mm.defFlags & VM_LOCKED_MASK) === VM_LOCKED)
  ) {
    populate(k, mm, at, pageAlign(length));
  }
  return at;
}

/** 0, -EPERM (no right to lock at all) or -ENOMEM (beyond RLIMIT_MEMLOCK). */
function mayLock(k: Kernel, mm: MmStruct, more: number): number {
  if (k.current.capable(CAP_IPC_LOCK)) return 0;
  const limit = k.current.signal.rlimit(RLIMIT_MEMLOCK);
  if (limit === 0) return -EPERM;
  return mm.lockedPages * PAGE_SIZE + more > limit ? -ENOMEM : 0;
}

/** Length of whole pages that [start, start + length) touches. */
function pagesTouched(start: number, length: number): number {
  return pageAlign(length + (start - pageFloor(start)));
}
/** A range that wraps or leaves the address space. */
function badRange(start: number, length: number): boolean {
  return !(start >= 0 && length >= 0 && start + length <= Number.MAX_SAFE_INTEGER);
}

function sysMlock(k: Kernel, start: number, length: number, flags: number): number {
  const mm = mmOf(k);
  if (badRange(start, length)) return length < 0 || start < 0 ? -ENOMEM : -EINVAL;
  const len = pagesTouched(start, length);
  const from = pageFloor(start);
  const denied = mayLock(k, mm, len);
  if (denied < 0) return denied;
  const r = applyMlock(mm, from, len, VM_LOCKED | ((flags & M.MLOCK_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0));
  if (r < 0) return r;
  // What POSIX names it (__mlock_posix_error_return).
  const populated = populate(k, mm, from, len, true);
  return populated === -EFAULT ? -ENOMEM : populated === -ENOMEM ? -EAGAIN : populated;
}

function sysMlockall(k: Kernel, flags: number): number {
  const mm = mmOf(k);
  if (flags === 0 || (flags & ~(M.MCL_CURRENT | M.MCL_FUTURE | M.MCL_ONFAULT)) !== 0 || flags === M.MCL_ONFAULT) return -EINVAL;
  const denied = mayLock(k, mm, (flags & M.MCL_CURRENT) !== 0 ? (mm.totalPages - mm.lockedPages) * PAGE_SIZE : 0);
  if (denied < 0) return denied;
  const bits = VM_LOCKED | ((flags & M.MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0);
  mm.defFlags = (flags & M.MCL_FUTURE) !== 0 ? bits : 0;
  if ((flags & M.MCL_CURRENT) === 0) return 0;
  for (const vma of [...mm.vmas]) applyMlock(mm, vma.start, vma.end - vma.start, bits);
  for (const vma of [...mm.vmas]) populate(k, mm, vma.start, vma.end - vma.start);
  return 0;
}

function sysMincore(k: Kernel, start: number, length: number, vec: number): number {
  const mm = mmOf(k);
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  if (badRange(start, length) || start + length > TASK_SIZE) return -ENOMEM;
  const pages = pageAlign(length) / PAGE_SIZE;
  const CHUNK = 4096;
  for (let done = 0; done < pages; done += CHUNK) {
    const out = new Uint8Array(Math.min(CHUNK, pages - done));
    for (let i = 0; i < out.length; i++) {
      const va = start + (done + i) * PAGE_SIZE;
      const vma = mm.find(va);
      if (vma === undefined) {
        return -ENOMEM;
      }
      out[i] = pageState(k, mm, vma, va) ? 1 : 0;
    }
    const r = copyToUser(k, vec + done, out);
    if (r < 0) return r;
  }
  return 0;
}

function sysMsync(k: Kernel, start: number, length: number, flags: number): number {
  const mm = mmOf(k);
  if ((flags & ~(M.MS_ASYNC | M.MS_INVALIDATE | M.MS_SYNC)) !== 0 || start % PAGE_SIZE !== 0) return -EINVAL;
  if ((flags & M.MS_ASYNC) !== 0 && (flags & M.MS_SYNC) !== 0) return -EINVAL;
  if (badRange(start, length)) return -ENOMEM;
  const end = start + pageAlign(length);
  if (end === start) return 0;
  let at = start;
  let hole = false;
  for (let i = mm.indexAbove(start); at < end; i++) {
    const vma = mm.vmas[i];
    if (vma === undefined) return -ENOMEM;
    if (vma.start > at) hole = true;
    if (vma.start >= end) break;
    if ((flags & M.MS_INVALIDATE) !== 0 && (vma.flags & VM_LOCKED) !== 0) return -EBUSY;
    // Shared mappings write straight into the page cache, which is all there is but for files of the host.
    if ((flags & M.MS_SYNC) !== 0 && (vma.flags & VM_SHARED) !== 0) {
      const r = vma.mapping?.writeback(k) ?? 0;
      if (r < 0) return r;
    }
    at = vma.end;
  }
  return hole ? -ENOMEM : 0;
}

/** Writes between the process's own code and its instruction stream: translations of what it can execute go. */
function sysFlushIcache(k: Kernel, start: number, end: number, flags: number): number {
  if ((flags & ~1) !== 0) return -EINVAL;
  const mm = mmOf(k);
  for (let va = pageFloor(Math.max(0, start)); va < Math.min(end, TASK_SIZE); va += PAGE_SIZE) {
    const vma = mm.vmas[mm.indexAbove(va)];
    if (vma === undefined) break;
    if (vma.start > va) {
      va = vma.start - PAGE_SIZE;
      continue;
    }
    const pa = k.machine.translate(mm.pgd, va, Access.EXEC, 0, false);
    if (pa >= 0) k.machine.invalidateCode(pageFloor(pa), PAGE_SIZE);
  }
  return 0;
}

function row(nr: number, name: string, handler: SyscallRow['handler'], note?: string): SyscallRow {
  return note === undefined ? { nr, name, handler, support: 'full' } : { nr, name, handler, support: 'partial', note };
}

/** The same for anonymous shared memory, which has no file here. */
function remapShared(k: Kernel, mm: MmStruct, first: VmArea, start: number, size: number, pgoff: number): number {
  const { mapping, flags, name } = first;
  if (mapping === null) return -EINVAL;
  // Stands for the area while there may be none, so that the pages stay.
  const hold: VmArea = { ...first };
  mapping.addArea(hold);
  const r = doMunmap(k, mm, start, size);
  if (r === 0) insertVma(k, mm, { start, end: start + size, flags, mapping, file: null, pgoff, name });
  mapping.removeArea(k, hold);
  return r;
}
/**
 * remap_file_pages(2), which Linux emulates since 4.0: the range is mapped anew from another place of its file. `prot` must be 0.
 */
function sysRemapFilePages(k: Kernel, startArg: number, sizeArg: number, prot: number, pgoff: number, flags: number): number {
  const mm = mmOf(k);
  if (prot !== 0 || badRange(startArg, sizeArg)) return -EINVAL;
  const start = pageFloor(startArg);
  const size = pageFloor(sizeArg);
  if (size === 0 || pgoff < 0 || pgoff + size / PAGE_SIZE > Number.MAX_SAFE_INTEGER / PAGE_SIZE) return -EINVAL;
  const first = mm.find(start);
  if (first === undefined || (first.flags & VM_SHARED) === 0) return -EINVAL;
  for (let vma = first; start + size > vma.end; ) {
    const next = mm.find(vma.end);
    // The range is one file's, without holes and with the same flags.
    if (next === undefined || next.mapping !== first.mapping || next.flags !== first.flags) return -EINVAL;
    vma = next;
  }
  const p =
    (first.flags & VM_READ ? M.PROT_READ : 0) | (first.flags & VM_WRITE ? M.PROT_WRITE : 0) | (first.flags & VM_EXEC ? M.PROT_EXEC : 0);
  if (first.file === null) return remapShared(k, mm, first, start, size, pgoff);
  const how = (flags & M.MAP_NONBLOCK) | M.MAP_SHARED | M.MAP_FIXED | M.MAP_POPULATE;
  // The area goes first, and its file must not go with it.
  const { file } = first;
  file.refs++;
  const at = doMmap(k, mm, file, start, size, p, how, pgoff * PAGE_SIZE);
  k.vfs.fput(file);
  return Math.min(at, 0);
}

function withName(k: Kernel, ptr: number, what: (name: string) => number): number {
  const name = strncpyFromUser(k, ptr, PATH_MAX);
  return typeof name === 'number' ? name : what(name);
}

export const mmSyscalls: readonly SyscallRow[] = [
  row(NR.NR_mseal, 'mseal', (k, start, length, flags) => doMseal(mmOf(k), start, length, flags)),
  row(NR.NR_swapon, 'swapon', (k, ptr, flags) => withName(k, ptr, (name) => swapon(k, name, flags)), 'files of host directories only'),
  row(NR.NR_swapoff, 'swapoff', (k, ptr) => withName(k, ptr, (name) => swapoff(k, name))),
  row(NR.NR_mmap, 'mmap', sysMmap, 'no huge pages'),
  row(NR.NR_munmap, 'munmap', (k, addr, length) => doMunmap(k, mmOf(k), addr, length)),
  row(NR.NR_mprotect, 'mprotect', (k, addr, length, prot) => doMprotect(k, mmOf(k), addr, length, prot)),
  row(NR.NR_pkey_mprotect, 'pkey_mprotect', (k, addr, length, prot, key) =>
    (key | 0) !== -1 ? -EINVAL : doMprotect(k, mmOf(k), addr, length, prot),
  ),
  row(NR.NR_mremap, 'mremap', (k, addr, oldLen, newLen, flags, newAddr) => doMremap(k, mmOf(k), addr, oldLen, newLen, flags, newAddr)),
  row(NR.NR_brk, 'brk', (k, addr) => doBrk(k, mmOf(k), addr)),
  row(NR.NR_madvise, 'madvise', (k, addr, length, advice) => doMadvise(k, mmOf(k), addr, length, advice | 0)),
  row(NR.NR_msync, 'msync', (k, addr, length, flags) => sysMsync(k, addr, length, flags | 0)),
  row(NR.NR_remap_file_pages, 'remap_file_pages', sysRemapFilePages),
  row(NR.NR_mincore, 'mincore', sysMincore),
  row(NR.NR_mlock, 'mlock', (k, addr, length) => sysMlock(k, addr, length, 0)),
  row(NR.NR_get_mempolicy, 'get_mempolicy', (k, policy, nodes, maxnode, addr, flags) => getMempolicy(k, mmOf(k), policy, nodes, maxnode, addr, flags)),
  row(NR.NR_mlock2, 'mlock2', (k, addr, length, flags) => ((flags & ~M.MLOCK_ONFAULT) !== 0 ? -EINVAL : sysMlock(k, addr, length, flags))),
  row(NR.NR_munlock, 'munlock', (k, addr, length) =>
    badRange(addr, length) ? -EINVAL : applyMlock(mmOf(k), pageFloor(addr), pagesTouched(addr, length), 0),
  ),
  row(NR.NR_mlockall, 'mlockall', (k, flags) => sysMlockall(k, flags | 0)),
  row(NR.NR_munlockall, 'munlockall', (k) => {
    const mm = mmOf(k);
    mm.defFlags = 0;
    for (const vma of [...mm.vmas]) applyMlock(mm, vma.start, vma.end - vma.start, 0);
    return 0;
  }),
  row(NR.NR_riscv_flush_icache, 'riscv_flush_icache', sysFlushIcache),
];
