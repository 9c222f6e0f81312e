import { EBADF, EINVAL, ENOENT, ENOTDIR } from '../../abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_PATH, PATH_MAX } from '../../abi/fs.ts';
import { isDir, pathParent, type ParentPath, pathWalk } from '../fs/namei.ts';
import type { File, Path } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { IovIter } from '../lib/iov_iter.ts';
import { strncpyFromUser, viewFromUser } from '../mm/uaccess.ts';
import type { SyscallRow } from './table.ts';

// Decoding of the arguments that calls on files share.

export const MAX_RW = 0x7fff_f000;
export const UIO_MAXIOV = 1024;
const RLIMIT_NOFILE = 7;

/** Any open file (fdget_raw). */
export function fdGetRaw(k: Kernel, fd: number): File | null {
  return k.current.files.get(fd | 0);
}
/** An open file that is more than an O_PATH handle (fdget). */
export function fdGet(k: Kernel, fd: number): File | null {
  const file = k.current.files.get(fd | 0);
  return file === null || (file.flags & O_PATH) !== 0 ? null : file;
}

/** getname: a path name from user space; -ENOENT when empty unless `empty` allows that. */
export function getName(k: Kernel, ptr: number, empty = false): string | number {
  const name = strncpyFromUser(k, ptr, PATH_MAX);
  return name === '' && !empty ? -ENOENT : name;
}
/** The directory that a *at call starts from. */
export function startDir(k: Kernel, dirfd: number, name: string): Path | number {
  if (name.startsWith('/') || (dirfd | 0) === AT_FDCWD) return k.current.fs.pwd;
  const file = fdGetRaw(k, dirfd);
  if (file === null) return -EBADF;
  return isDir(file.inode) ? file.path : -ENOTDIR;
}
/** Resolves a *at name; AT_EMPTY_PATH with '' names the descriptor itself. */
export function resolveAt(k: Kernel, dirfd: number, ptr: number, flags: number, directory = false): Path | number {
  const name = getName(k, ptr, (flags & AT_EMPTY_PATH) !== 0);
  if (typeof name === 'number') return name;
  if (name === '') {
    if ((dirfd | 0) === AT_FDCWD) return k.current.fs.pwd;
    return fdGetRaw(k, dirfd)?.path ?? -EBADF;
  }
  const start = startDir(k, dirfd, name);
  if (typeof start === 'number') return start;
  return pathWalk(k, start, name, (flags & AT_SYMLINK_NOFOLLOW) === 0, directory);
}
/** Resolves a name from user space up to its last component. */
export function parentAt(k: Kernel, dirfd: number, ptr: number): ParentPath | number {
  const name = getName(k, ptr);
  if (typeof name === 'number') return name;
  const start = startDir(k, dirfd, name);
  if (typeof start === 'number') return start;
  return pathParent(k, start, name);
}
export const isDots = (name: string) => name === '' || name === '.' || name === '..';

/** Gives `file` the lowest free descriptor; on failure the file is released. */
export function installFile(k: Kernel, file: File, cloexec: boolean): number {
  const fd = k.current.files.allocFd(0, k.current.signal.rlimit(RLIMIT_NOFILE));
  if (fd < 0) {
    k.vfs.fput(file);
    return fd;
  }
  k.current.files.install(fd, file, cloexec);
  return fd;
}
export function importIovec(k: Kernel, ptr: number, count: number): IovIter | number {
  if (count < 0 || count > UIO_MAXIOV) return -EINVAL;
  const segments: { base: number; length: number }[] = [];
  const v = viewFromUser(k, ptr, count * 16);
  if (typeof v === 'number') return v;
  let left = MAX_RW;
  for (let i = 0; i < count; i++) {
    const base = Number(v.getBigInt64(i * 16, true));
    const length = Number(v.getBigInt64(i * 16 + 8, true));
    if (length < 0) return -EINVAL;
    const n = Math.min(length, left);
    segments.push({ base, length: n });
    left -= n;
  }
  return IovIter.vector(segments);
}

export const row = (nr: number, name: string, handler: SyscallRow['handler'], note?: string): SyscallRow =>
  note === undefined ? { nr, name, handler, support: 'full' } : { nr, name, handler, support: 'partial', note };
