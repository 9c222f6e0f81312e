import { EFBIG, EFAULT, EINVAL, ENOSPC, ENXIO, ESPIPE } from '../../abi/errno.ts';
import { O_APPEND, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import type { IovIter } from '../lib/iov_iter.ts';
import type { File, FileOperations } from './types.ts';

const MAX_FILE = Number.MAX_SAFE_INTEGER;
const CHUNK = 65536;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** lseek for things with a size. */
export function genericLlseek(file: File, offset: number, whence: number, size: number): number {
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
      if (offset < 0 || offset >= size) return -ENXIO;
      pos = offset;
      break;
    case SEEK_HOLE:
      if (offset < 0 || offset >= size) return -ENXIO;
      pos = size;
      break;
    default:
      return -EINVAL;
  }
  if (pos < 0 || pos > MAX_FILE) return -EINVAL;
  file.pos = pos;
  return pos;
}

/** Regular files in the page cache. */
export const genericFileOps: FileOperations = {
  read(k, file, iter, pos) {
    const mapping = file.inode.mapping;
    if (mapping === null) return -EINVAL;
    let at = pos;
    let total = 0;
    while (iter.count > 0 && at < mapping.size) {
      const chunk = new Uint8Array(Math.min(iter.count, CHUNK, mapping.size - at));
      mapping.read(k, at, chunk);
      const n = iter.copyTo(k, chunk);
      if (n < 0) return total > 0 ? total : n;
      total += n;
      at += n;
      if (n < chunk.length) break;
    }
    if (total > 0) file.inode.atime = k.vfs.now();
    return total;
  },
  write(k, file, iter, pos) {
    const { inode } = file;
    const mapping = inode.mapping;
    if (mapping === null) return -EINVAL;
    let at = (file.flags & O_APPEND) !== 0 ? mapping.size : pos;
    const limit = k.current.signal.rlimit(1);
    let total = 0;
    while (iter.count > 0) {
      if (at >= limit || at > MAX_FILE) {
        if (total > 0) break;
        if (at >= limit) k.sched.sendSignal(k.current, 25); // SIGXFSZ
        return -EFBIG;
      }
      const bytes = iter.copyFrom(k, Math.min(CHUNK, limit - at));
      if (typeof bytes === 'number') return total > 0 ? total : -EFAULT;
      const n = mapping.write(k, at, bytes);
      total += n;
      at += n;
      if (n < bytes.length) {
        if (total === 0) return -ENOSPC;
        break;
      }
    }
    if (total > 0) {
      inode.mtime = inode.ctime = k.vfs.now();
      // A write by someone without CAP_FSETID drops set-user-ID bits.
      if ((inode.mode & 0o6000) !== 0 && !k.current.capable(4)) inode.mode &= ~0o6000;
    }
    if ((file.flags & O_APPEND) !== 0) file.pos = at - total;
    return total;
  },
  llseek: (_k, file, offset, whence) => genericLlseek(file, offset, whence, file.inode.mapping?.size ?? 0),
  mmap: (_k, file) => file.inode.mapping ?? -EINVAL,
};

/** Read and write of a file object at its position, as read(2) and write(2) do. */
export function vfsRead(k: Kernel, file: File, iter: IovIter): number {
  if (file.op.read === undefined) return -EINVAL;
  const n = file.op.read(k, file, iter, file.pos);
  if (n > 0 && file.op.llseek !== undefined) file.pos += n;
  return n;
}
export function vfsWrite(k: Kernel, file: File, iter: IovIter): number {
  if (file.op.write === undefined) return -EINVAL;
  const n = file.op.write(k, file, iter, file.pos);
  if (n > 0 && file.op.llseek !== undefined) file.pos += n;
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
