import { enoughMemory } from '../mm/overcommit.ts';
import { EACCES, EFAULT, EINVAL, ENOMEM, ENOSPC, EPERM } from '../../abi/errno.ts';
import { O_RDWR, S_IFREG } from '../../abi/fs.ts';
import * as IPC from '../../abi/ipc.ts';
import { MAP_FIXED, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.ts';
import { genericFileOps } from '../fs/read_write.ts';
import type { File, FileOperations, Inode } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { hex } from '../lib/seq_file.ts';
import { PAGE_SIZE, pageAlign, TASK_SIZE } from '../mm/address.ts';
import { AddressSpace } from '../mm/filemap.ts';
import { doMmap, doMunmap } from '../mm/mmap.ts';
import type { VmArea } from '../mm/mm_struct.ts';
import { copyFromUser, copyToUser } from '../mm/uaccess.ts';
import type { IpcNamespace } from './namespace.ts';
import { type IpcPerm, ipcGet, ipcPerms, mayControl, newPerm, PERM_SIZE, putLong, putPerm, putTime, seconds, updatePerm } from './util.ts';

// System V shared memory: a file on the kernel's own tmpfs that has an identifier instead of a name (ipc/shm.c, shmop(2)).

const CAP_IPC_LOCK = 14;
const RLIMIT_MEMLOCK = 8;
const S_READ = 0o444;
const S_BOTH = 0o666;
const S_EXEC = 0o111;

export interface ShmSegment {
  readonly ns: IpcNamespace;
  readonly perm: IpcPerm;
  readonly size: number;
  readonly file: File;
  readonly mapping: ShmMapping;
  nattch: number;
  atime: number;
  dtime: number;
  ctime: number;
  readonly cpid: number;
  lpid: number;
}

/** Pages of a segment. Every area that maps it counts as attached (shm_open and shm_close of its areas). */
export class ShmMapping extends AddressSpace {
  override swappable = true;
  segment!: ShmSegment;
  /** Pages promised. */
  private readonly promised: number;
  private released = false;
  private readonly k: Kernel;

  constructor(k: Kernel, size: number, promised: number) {
    super(k.vfs.shmSb.quota);
    this.k = k;
    this.size = size;
    this.promised = promised;
    k.mm.stat.committed += promised;
  }
  override addArea(vma: VmArea): void {
    super.addArea(vma);
    const s = this.segment;
    s.nattch++;
    s.atime = seconds(this.k);
    s.lpid = this.k.current.tgid;
  }
  override removeArea(k: Kernel, vma: VmArea): void {
    super.removeArea(k, vma);
    const s = this.segment;
    s.nattch--;
    s.dtime = seconds(k);
    s.lpid = k.current.tgid;
    if (s.nattch === 0 && (s.perm.mode & IPC.SHM_DEST) !== 0) destroy(k, s);
  }
  override release(k: Kernel): void {
    if (!this.released) k.mm.stat.committed -= this.promised;
    this.released = true;
    super.release(k);
  }
}

/** Refuses what has gone with its last area (remap_file_pages maps again what it has unmapped); __shm_open. */
function shmMmap(_k: Kernel, file: File): AddressSpace | number {
  const mapping = file.inode.mapping as ShmMapping;
  const { nattch, perm } = mapping.segment;
  return nattch === 0 && (perm.mode & IPC.SHM_DEST) !== 0 ? -EINVAL : mapping;
}
const shmFileOps: FileOperations = { ...genericFileOps, mmap: shmMmap };

export function shmget(k: Kernel, key: number, size: number, flags: number): number {
  return ipcGet(
    k,
    k.ipc.shms,
    key,
    flags,
    () => newSegment(k, key, size, flags),
    (s) => (size < 0 || s.size < size ? -EINVAL : 0),
  );
}
function newSegment(k: Kernel, key: number, size: number, flags: number): number {
  const { ipc } = k;
  const wanted = BigInt.asUintN(64, BigInt(size));
  if (wanted < 1n || wanted > ipc.shmMax) return -EINVAL;
  // More pages than a number holds exactly are more than there can be.
  const pages = Math.ceil(Number(wanted) / PAGE_SIZE);
  if (size < 0 || !Number.isSafeInteger(pages * PAGE_SIZE)) return -ENOSPC;
  if (BigInt(ipc.shmTotal + pages) > ipc.shmAll) return -ENOSPC;
  // Huge pages are for the privileged, and none are set aside.
  if ((flags & IPC.SHM_HUGETLB) !== 0) return k.current.capable(CAP_IPC_LOCK) ? -ENOMEM : -EPERM;
  const account = (flags & IPC.SHM_NORESERVE) === 0 || k.mm.overcommit.memory === 2;
  if (account && !enoughMemory(k, pages)) return -ENOMEM;
  const mapping = new ShmMapping(k, size, account ? pages : 0);
  const base = k.vfs.newInode(k.vfs.shmSb, S_IFREG | (flags & 0o777), {}, shmFileOps);
  const perm = newPerm(k, key, flags);
  const inode: Inode = { ...base, nlink: 0, uid: k.current.cred.fsuid, gid: k.current.cred.fsgid, mapping };
  const file = k.vfs.anonFile(inode, `/SYSV${hex(key >>> 0, 8)} (deleted)`, O_RDWR);
  const s: ShmSegment = {
    ns: ipc,
    perm,
    size,
    file,
    mapping,
    nattch: 0,
    atime: 0,
    dtime: 0,
    ctime: seconds(k),
    cpid: k.current.tgid,
    lpid: 0,
  };
  mapping.segment = s;
  const id = ipc.shms.add(s, ipc.shmMni);
  if (id < 0) k.vfs.fput(file);
  else {
    // The inode's number is the identifier: programs read it in /proc/PID/maps.
    Object.assign(inode, { ino: id });
    ipc.shmTotal += pages;
  }
  return id;
}
function destroy(k: Kernel, s: ShmSegment): void {
  s.ns.shmTotal -= Math.ceil(s.size / PAGE_SIZE);
  if (!s.perm.deleted) s.ns.shms.remove(s);
  k.vfs.fput(s.file);
}
/** All segments of a namespace that ends. */
export function destroyShms(k: Kernel, ns: IpcNamespace): void {
  for (const s of [...ns.shms.all()]) destroy(k, s);
}

export function shmat(k: Kernel, id: number, addrArg: number, flags: number): number {
  const { mm } = k.current;
  if (id < 0 || mm === null) return -EINVAL;
  let addr = addrArg;
  let mapFlags = MAP_SHARED;
  if (addr !== 0) {
    if (addr % PAGE_SIZE !== 0) {
      if ((flags & IPC.SHM_RND) === 0) return -EINVAL;
      addr -= ((addr % PAGE_SIZE) + PAGE_SIZE) % PAGE_SIZE;
      if (addr === 0 && (flags & IPC.SHM_REMAP) !== 0) return -EINVAL;
    }
    mapFlags |= MAP_FIXED;
  } else if ((flags & IPC.SHM_REMAP) !== 0) return -EINVAL;
  const readOnly = (flags & IPC.SHM_RDONLY) !== 0;
  let prot = readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
  let access = readOnly ? S_READ : S_BOTH;
  if ((flags & IPC.SHM_EXEC) !== 0) {
    prot |= PROT_EXEC;
    access |= S_EXEC;
  }
  const s = k.ipc.shms.find(id);
  if (typeof s === 'number') return s;
  if (ipcPerms(k, s.perm, access) < 0) return -EACCES;
  if (addr !== 0 && (flags & IPC.SHM_REMAP) === 0) {
    if (addr < 0 || addr + s.size > TASK_SIZE) return addr < 0 ? -EINVAL : -ENOMEM;
    const next = mm.vmas[mm.indexAbove(addr)];
    if (next !== undefined && next.start < addr + s.size) return -EINVAL;
  }
  const file = k.vfs.newFile(s.file.path, s.file.op, readOnly ? 0 : O_RDWR);
  s.nattch++;
  const r = doMmap(k, mm, file, addr, s.size, prot, mapFlags, 0);
  s.nattch--;
  k.vfs.fput(file);
  return r;
}
/** The areas of one attachment go: that at `addr`, and the rest of the same file in the segment's length. */
export function shmdt(k: Kernel, addr: number): number {
  const { mm } = k.current;
  if (mm === null || addr % PAGE_SIZE !== 0 || addr < 0) return -EINVAL;
  const at = (vma: VmArea) => vma.start - addr === vma.pgoff * PAGE_SIZE;
  const first = mm.vmas.find((vma) => vma.start >= addr && vma.mapping instanceof ShmMapping && at(vma));
  if (first === undefined) return -EINVAL;
  const end = addr + pageAlign((first.mapping as ShmMapping).segment.size);
  const doomed = mm.vmas.filter((vma) => vma.file === first.file && vma.start >= first.start && vma.end <= end && at(vma));
  for (const vma of doomed) doMunmap(k, mm, vma.start, vma.end - vma.start);
  return 0;
}

export const residentPages = (s: ShmSegment) => s.mapping.pages.size;
function shmInfo(k: Kernel, ptr: number, now: boolean): number {
  const { ipc } = k;
  const b = new Uint8Array(now ? 48 : 72);
  const v = new DataView(b.buffer);
  if (now) {
    let rss = 0;
    let swapped = 0;
    for (const s of ipc.shms.all()) {
      rss += residentPages(s);
      swapped += s.mapping.swapped.size;
    }
    v.setInt32(0, ipc.shms.inUse, true);
    putLong(v, 8, ipc.shmTotal);
    putLong(v, 16, rss);
    putLong(v, 24, swapped);
  } else {
    for (const [i, n] of [ipc.shmMax, 1n, ipc.shmMni, ipc.shmMni, ipc.shmAll].entries()) putLong(v, i * 8, n);
  }
  return copyToUser(k, ptr, b) < 0 ? -EFAULT : ipc.shms.maxIndex;
}
function shmStat(k: Kernel, id: number, cmd: number, ptr: number): number {
  const byIndex = cmd !== IPC.IPC_STAT;
  const s = byIndex ? (k.ipc.shms.atIndex(id) ?? -EINVAL) : k.ipc.shms.find(id);
  if (typeof s === 'number') return s;
  if (cmd !== IPC.SHM_STAT_ANY && ipcPerms(k, s.perm, S_READ) < 0) return -EACCES;
  const b = new Uint8Array(112);
  const v = new DataView(b.buffer);
  putPerm(v, s.perm);
  putLong(v, PERM_SIZE, s.size);
  putTime(v, PERM_SIZE + 8, s.atime);
  putTime(v, PERM_SIZE + 16, s.dtime);
  putTime(v, PERM_SIZE + 24, s.ctime);
  v.setInt32(PERM_SIZE + 32, s.cpid, true);
  v.setInt32(PERM_SIZE + 36, s.lpid, true);
  putLong(v, PERM_SIZE + 40, s.nattch);
  if (copyToUser(k, ptr, b) < 0) return -EFAULT;
  return byIndex ? s.perm.id : 0;
}
function lock(k: Kernel, s: ShmSegment, on: boolean): number {
  const { current } = k;
  if (!current.capable(CAP_IPC_LOCK)) {
    const { euid } = current.cred;
    if (euid !== s.perm.uid && euid !== s.perm.cuid) return -EPERM;
    if (on && current.signal.rlimit(RLIMIT_MEMLOCK) === 0) return -EPERM;
  }
  s.perm.mode = on ? s.perm.mode | IPC.SHM_LOCKED : s.perm.mode & ~IPC.SHM_LOCKED;
  s.mapping.swappable = !on;
  return 0;
}
export function shmctl(k: Kernel, id: number, cmd: number, arg: number): number {
  if (cmd < 0 || id < 0) return -EINVAL;
  switch (cmd) {
    case IPC.IPC_INFO:
    case IPC.SHM_INFO:
      return shmInfo(k, arg, cmd === IPC.SHM_INFO);
    case IPC.IPC_STAT:
    case IPC.SHM_STAT:
    case IPC.SHM_STAT_ANY:
      return shmStat(k, id, cmd, arg);
    case IPC.SHM_LOCK:
    case IPC.SHM_UNLOCK: {
      const s = k.ipc.shms.find(id);
      return typeof s === 'number' ? s : lock(k, s, cmd === IPC.SHM_LOCK);
    }
    case IPC.IPC_SET:
    case IPC.IPC_RMID: {
      const bytes = cmd === IPC.IPC_SET ? copyFromUser(k, arg, 112) : null;
      if (typeof bytes === 'number') return bytes;
      const s = k.ipc.shms.find(id);
      if (typeof s === 'number') return s;
      const denied = mayControl(k, s.perm);
      if (denied < 0) return denied;
      if (bytes !== null) {
        const r = updatePerm(s.perm, new DataView(bytes.buffer));
        if (r === 0) s.ctime = seconds(k);
        return r;
      }
      if (s.nattch === 0) destroy(k, s);
      else {
        // It goes with its last attachment, and the key leads nowhere any more.
        s.perm.mode |= IPC.SHM_DEST;
        s.perm.key = IPC.IPC_PRIVATE;
      }
      return 0;
    }
  }
  return -EINVAL;
}
