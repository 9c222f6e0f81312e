import { BLOCKED } from '../sched/wait.ts';
import { EFBIG, EINVAL, ENOSPC, ENOTTY, ENXIO, EOPNOTSUPP, EPERM, ESPIPE } from '../../abi/errno.ts';
import { O_APPEND, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import { PAGE_SIZE } from '../mm/address.ts';
import type { AddressSpace } from '../mm/filemap.ts';
import { VM_MAYSHARE, VM_MAYWRITE, VM_WRITE } from '../mm/mm_struct.ts';
import { putUser32 } from '../mm/uaccess.ts';
import { F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_WRITE, removePrivs } from './attr.ts';
import { noopLlseek } from './anon_inodes.ts';
import { fsnotifyAccess, fsnotifyModify } from './notify/fsnotify.ts';
import { fileAccessed, touchModified } from './inode.ts';
import type { File, FileOperations } from './types.ts';

/** Largest file offset (MAX_LFS_FILESIZE is 2^63-1; here what a number holds exactly). */
const MAX_LFS = Number.MAX_SAFE_INTEGER;
export const RLIMIT_FSIZE = 1;
const SIGXFSZ = 25;
const FIONREAD = 0x541b;
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** lseek for things with a size; `mapping` tells data from holes. */
export function genericLlseek(file: File, offset: number, whence: number, size: number, mapping: AddressSpace | null = null): number {
  let pos: number;
  switch (whence) {
    case 0:
      pos = offset;
      break;
    case 1:
      pos = file.pos + offset;
      break;
    case 2:
      pos = size + offset;
      break;
    case SEEK_DATA:
    case SEEK_HOLE: {
      if (offset < 0 || offset >= size) return -ENXIO;
      if (mapping === null) pos = whence === SEEK_DATA ? offset : size;
      else pos = seekHoleData(mapping, offset, whence === SEEK_DATA);
      if (pos < 0) return pos;
      break;
    }
    default:
      return -EINVAL;
  }
  if (pos < 0 || pos > MAX_LFS) return -EINVAL;
  file.pos = pos;
  return pos;
}
/** A page that was never written is a hole (mapping_seek_hole_data). */
function seekHoleData(mapping: AddressSpace, offset: number, data: boolean): number {
  const has = (index: number) => mapping.holds(index);
  const first = Math.floor(offset / PAGE_SIZE);
  if (has(first) === data) return offset;
  const end = Math.ceil(mapping.size / PAGE_SIZE);
  let best = end;
  if (data) {
    if (mapping.shmem) {
      for (const index of mapping.pages.keys()) if (index > first && index < best && has(index)) best = index;
    } else for (best = first + 1; best < end && !has(best); best++);
    return best >= end ? -ENXIO : best * PAGE_SIZE;
  }
  for (best = first; best < end && has(best); best++);
  return Math.min(best * PAGE_SIZE, mapping.size);
}

/** Regular files in the page cache. */
export const genericFileOps: FileOperations = {
  read(k, file, iter, pos) {
    const mapping = file.inode.mapping;
    if (mapping === null) return -EINVAL;
    if (iter.count === 0) return 0;
    const total = pos < mapping.size ? mapping.readTo(k, pos, iter, Math.min(iter.count, mapping.size - pos)) : 0;
    if (total < 0) return total;
    fileAccessed(k, file);
    return total;
  },
  write(k, file, iter, pos) {
    const { inode } = file;
    const mapping = inode.mapping;
    if (mapping === null) return -EINVAL;
    if (iter.count === 0) return 0;
    const start = (file.flags & O_APPEND) !== 0 ? mapping.size : pos;
    const limit = k.current.signal.rlimit(RLIMIT_FSIZE);
    if (start >= limit) {
      k.sched.sendSignal(k.current, SIGXFSZ);
      return -EFBIG;
    }
    if (start >= MAX_LFS) return -EFBIG;
    if (inode.seals > 0) {
      if ((inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM;
      if ((inode.seals & F_SEAL_GROW) !== 0 && start + iter.count > mapping.size) return -EPERM;
    }
    removePrivs(k, inode);
    touchModified(k, inode);
    const done = mapping.writeFrom(k, start, iter, Math.min(iter.count, Math.min(limit, MAX_LFS) - start));
    if (done < 0) return done;
    if ((file.flags & O_APPEND) !== 0) file.pos = start;
    return done;
  },
  llseek: (_k, file, offset, whence) => genericLlseek(file, offset, whence, file.inode.mapping?.size ?? 0, file.inode.mapping),
  fsync: () => 0,
  fallocate: memFallocate,
  ioctl: (k, file, cmd, arg) => (cmd === FIONREAD ? putUser32(k, arg, (file.inode.mapping?.size ?? 0) - file.pos) : -ENOTTY),
  mmap(_k, file, vma) {
    const { seals, mapping } = file.inode;
    // A file sealed against writing cannot be mapped shared and writable, now or later (memfd_check_seals_mmap).
    if (seals > 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0 && (vma.flags & VM_MAYSHARE) !== 0) {
      if ((vma.flags & VM_WRITE) !== 0) return -EPERM;
      vma.flags &= ~VM_MAYWRITE;
    }
    return mapping ?? -EINVAL;
  },
};
/** Makes the bytes [start, end) a hole: whole pages go, the edges become zeros. */
function punch(k: Kernel, mapping: AddressSpace, start: number, end: number): void {
  const zero = (from: number, to: number) => {
    if (to > from) mapping.zeroPart(k, from, to);
  };
  const first = Math.ceil(start / PAGE_SIZE);
  const last = Math.floor(end / PAGE_SIZE);
  if (first > last) {
    zero(start, end);
    return;
  }
  zero(start, first * PAGE_SIZE);
  zero(last * PAGE_SIZE, end);
  if (first < last) mapping.punchHole(k, first, last);
}
/** fallocate on a memory file: allocate or punch (shmem_fallocate). */
function memFallocate(k: Kernel, file: File, mode: number, offset: number, length: number): number {
  const { inode } = file;
  const { mapping } = inode;
  if (mapping === null || inode.sb.type === 'ramfs' || (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE)) !== 0) return -EOPNOTSUPP;
  const end = offset + length;
  if ((mode & FALLOC_PUNCH_HOLE) !== 0) {
    if (inode.seals > 0 && (inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM;
    punch(k, mapping, offset, end);
  } else {
    const limit = k.current.signal.rlimit(RLIMIT_FSIZE);
    if ((mode & FALLOC_KEEP_SIZE) === 0 && end > mapping.size) {
      if (end > limit) {
        k.sched.sendSignal(k.current, SIGXFSZ);
        return -EFBIG;
      }
      if (inode.seals > 0 && (inode.seals & F_SEAL_GROW) !== 0) return -EPERM;
    }
    const first = Math.floor(offset / PAGE_SIZE);
    const pages = Math.ceil(end / PAGE_SIZE) - first;
    if (pages > k.mm.pages.freePages || pages > (mapping.quota?.max ?? pages)) return -ENOSPC;
    const made: number[] = [];
    for (let i = 0; i < pages; i++) {
      const had = mapping.pages.has(first + i) || mapping.holds(first + i);
      if (mapping.grab(k, first + i) === 0) {
        // All or nothing.
        for (const index of made) mapping.punchHole(k, index, index + 1);
        return -ENOSPC;
      }
      if (!had) {
        made.push(first + i);
        mapping.unwritten.add(first + i);
      }
    }
    if ((mode & FALLOC_KEEP_SIZE) === 0 && end > mapping.size) mapping.size = end;
  }
  removePrivs(k, inode);
  touchModified(k, inode);
  return 0;
}

/** Moves the position by what a read or write did. */
function advance(k: Kernel, file: File, n: number): void {
  if (file.op.advance !== undefined) {
    if (n >= 0) file.op.advance(k, file);
  } else if (n > 0 && file.op.llseek !== undefined && file.op.llseek !== noopLlseek) file.pos += n;
}
/** Whether pread and pwrite may be used (FMODE_PREAD). */
export function mayPread(file: File): boolean {
  return file.op.pread ?? file.op.llseek !== undefined;
}
/** Read and write of a file object at its position, as read(2) and write(2) do. */
export function vfsRead(k: Kernel, file: File, iter: IovIter): number {
  if (file.op.read === undefined) return -EINVAL;
  const n = file.op.read(k, file, iter, file.pos);
  advance(k, file, n);
  if (n > 0) fsnotifyAccess(k, file);
  const { io } = k.current;
  if (n !== BLOCKED) io.syscr++;
  if (n > 0) io.rchar += n;
  return n;
}
export function vfsWrite(k: Kernel, file: File, iter: IovIter): number {
  if (file.op.write === undefined) return -EINVAL;
  const n = file.op.write(k, file, iter, file.pos);
  advance(k, file, n);
  if (n > 0) fsnotifyModify(k, file);
  const { io } = k.current;
  if (n !== BLOCKED) io.syscw++;
  if (n > 0) io.wchar += n;
  return n;
}
export function isRegular(file: File): boolean {
  return (file.inode.mode & S_IFMT) === S_IFREG;
}
export const noSeek = -ESPIPE;

/** File operations of something whose whole text is made at open and read from there (single_open of seq_file). */
export function textFile(show: (k: Kernel, file: File) => string, store?: (k: Kernel, text: string, file: File) => number): FileOperations {
  return {
    read(k, file, iter, pos) {
      if (pos === 0 || typeof file.data !== 'string') file.data = show(k, file);
      const text = file.data as string;
      if (pos >= text.length) return 0;
      const end = Math.min(text.length, pos + iter.count);
      const bytes = new Uint8Array(end - pos);
      for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(pos + i);
      return iter.copyTo(k, bytes);
    },
    write(k, file, iter) {
      if (store === undefined) return -EINVAL;
      const bytes = iter.copyFrom(k, Math.min(iter.count, 4096));
      if (typeof bytes === 'number') return bytes;
      let text = '';
      for (const b of bytes) text += String.fromCharCode(b);
      const r = store(k, text, file);
      return r < 0 ? r : bytes.length;
    },
    llseek: (_k, file, offset, whence) => (whence === 2 ? -EINVAL : genericLlseek(file, offset, whence, 0)),
  };
}
