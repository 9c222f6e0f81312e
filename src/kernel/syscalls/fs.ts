import {
  EACCES,
  EBADF,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENODEV,
  ENOENT,
  ENOTDIR,
  ENOTTY,
  ENODATA,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  EROFS,
  ESPIPE,
} from '../../abi/errno.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  dtypeOf,
  FMODE_READ,
  FMODE_WRITE,
  majorOf,
  minorOf,
  O_APPEND,
  O_CLOEXEC,
  O_NONBLOCK,
  O_PATH,
  PATH_MAX,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../../abi/fs.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { crossMounts, dPath, inodePermission, isDir, MAY_WRITE, pathParent, pathWalk } from '../fs/namei.ts';
import { filpOpen, readOnlyFs, vfsLink, vfsMknod, vfsRename, vfsRmdir, vfsSymlink, vfsTruncate, vfsUnlink } from '../fs/open.ts';
import { createPipe, pipeSize } from '../fs/pipe.ts';
import { vfsRead, vfsWrite } from '../fs/read_write.ts';
import { memInode } from '../fs/tmpfs.ts';
import { conflict, F_UNLCK, type FileLock, setLock } from '../fs/locks.ts';
import type { DirEntry, File, Inode, Path, Timespec } from '../fs/types.ts';
import { MS_BIND, MS_MOVE, MS_RDONLY, MS_REMOUNT } from '../fs/vfs.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { IovIter } from '../lib/iov_iter.ts';
import { copyFromUser, copyToUser, getUser32, getUser64, putUser64, strncpyFromUser, viewFromUser } from '../mm/uaccess.ts';
import { BLOCKED } from '../sched/wait.ts';
import type { SyscallRow } from './table.ts';

// System calls on files (section 2 of the manual): decode, one call into fs/, encode.

const MAX_RW = 0x7fff_f000;

function fileOf(k: Kernel, fd: number): File | null {
  return k.current.files.get(fd | 0);
}
/** The directory that a *at call starts from. */
function startDir(k: Kernel, dirfd: number, name: string): Path | number {
  if (name.startsWith('/') || (dirfd | 0) === AT_FDCWD) return k.current.fs.pwd;
  const file = fileOf(k, dirfd);
  if (file === null) return -EBADF;
  return isDir(file.inode) ? file.path : -ENOTDIR;
}
function userPath(k: Kernel, ptr: number): string | number {
  const name = strncpyFromUser(k, ptr, PATH_MAX);
  return name;
}
/** Resolves a *at name; AT_EMPTY_PATH with '' names the descriptor itself. */
function resolveAt(k: Kernel, dirfd: number, ptr: number, flags: number): Path | number {
  const name = userPath(k, ptr);
  if (typeof name === 'number') return name;
  if (name === '' && (flags & AT_EMPTY_PATH) !== 0) {
    if ((dirfd | 0) === AT_FDCWD) return k.current.fs.pwd;
    return fileOf(k, dirfd)?.path ?? -EBADF;
  }
  const start = startDir(k, dirfd, name);
  if (typeof start === 'number') return start;
  return pathWalk(k, start, name, (flags & AT_SYMLINK_NOFOLLOW) === 0);
}
function parentAt(k: Kernel, dirfd: number, ptr: number) {
  const name = userPath(k, ptr);
  if (typeof name === 'number') return name;
  const start = startDir(k, dirfd, name);
  if (typeof start === 'number') return start;
  return pathParent(k, start, name);
}
function installFile(k: Kernel, file: File, cloexec: boolean): number {
  const fd = k.current.files.allocFd(0, k.current.signal.rlimit(7));
  if (fd < 0) {
    k.vfs.fput(file);
    return fd;
  }
  k.current.files.install(fd, file, cloexec);
  return fd;
}

function sysOpenat(k: Kernel, dirfd: number, ptr: number, flags: number, mode: number): number {
  const name = userPath(k, ptr);
  if (typeof name === 'number') return name;
  const start = startDir(k, dirfd, name);
  if (typeof start === 'number') return start;
  const free = k.current.files.allocFd(0, k.current.signal.rlimit(7));
  if (free < 0) return free;
  const file = filpOpen(k, start, name, flags | 0, mode);
  return typeof file === 'number' ? file : installFile(k, file, (flags & O_CLOEXEC) !== 0);
}
function sysOpenat2(k: Kernel, dirfd: number, ptr: number, how: number, size: number): number {
  if (size < 24) return -EINVAL;
  const v = viewFromUser(k, how, 24);
  if (typeof v === 'number') return v;
  if (v.getBigUint64(16, true) !== 0n) return -EINVAL;
  return sysOpenat(k, dirfd, ptr, v.getUint32(0, true), v.getUint32(8, true));
}

function sysRead(k: Kernel, fd: number, buf: number, count: number): number {
  const file = fileOf(k, fd);
  if (file === null || (file.mode & FMODE_READ) === 0) return -EBADF;
  if (isDir(file.inode)) return -EISDIR;
  if (count < 0) return -EINVAL;
  return vfsRead(k, file, IovIter.user(buf, Math.min(count, MAX_RW)));
}
function sysWrite(k: Kernel, fd: number, buf: number, count: number): number {
  const file = fileOf(k, fd);
  if (file === null || (file.mode & FMODE_WRITE) === 0) return -EBADF;
  if (count < 0) return -EINVAL;
  return vfsWrite(k, file, IovIter.user(buf, Math.min(count, MAX_RW)));
}
function importIovec(k: Kernel, ptr: number, count: number): IovIter | number {
  if (count < 0 || count > 1024) return -EINVAL;
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
function sysReadv(k: Kernel, fd: number, iov: number, count: number): number {
  const file = fileOf(k, fd);
  if (file === null || (file.mode & FMODE_READ) === 0) return -EBADF;
  const iter = importIovec(k, iov, count);
  return typeof iter === 'number' ? iter : vfsRead(k, file, iter);
}
function sysWritev(k: Kernel, fd: number, iov: number, count: number): number {
  const file = fileOf(k, fd);
  if (file === null || (file.mode & FMODE_WRITE) === 0) return -EBADF;
  const iter = importIovec(k, iov, count);
  return typeof iter === 'number' ? iter : vfsWrite(k, file, iter);
}
function positioned(k: Kernel, fd: number, write: boolean, pos: number, iter: IovIter | number): number {
  const file = fileOf(k, fd);
  if (file === null || (file.mode & (write ? FMODE_WRITE : FMODE_READ)) === 0) return -EBADF;
  if (typeof iter === 'number') return iter;
  if (pos < 0) return -EINVAL;
  if (file.op.llseek === undefined) return -ESPIPE;
  const op = write ? file.op.write : file.op.read;
  if (op === undefined) return isDir(file.inode) ? -EISDIR : -EINVAL;
  const saved = file.pos;
  const n = op(k, file, iter, pos);
  file.pos = saved;
  return n;
}

function sysLseek(k: Kernel, fd: number, offset: number, whence: number): number {
  const file = fileOf(k, fd);
  if (file === null) return -EBADF;
  if (isDir(file.inode)) {
    if (whence === 0) file.pos = offset;
    else if (whence === 1) file.pos += offset;
    else return -EINVAL;
    file.data = null;
    return file.pos;
  }
  return file.op.llseek?.(k, file, offset, whence) ?? -ESPIPE;
}

/** dup, dup3, F_DUPFD. */
function dupTo(k: Kernel, fd: number, from: number, cloexec: boolean): number {
  const file = fileOf(k, fd);
  if (file === null) return -EBADF;
  const to = k.current.files.allocFd(from, k.current.signal.rlimit(7));
  if (to < 0) return to;
  file.refs++;
  k.current.files.install(to, file, cloexec);
  return to;
}
function sysDup3(k: Kernel, oldfd: number, newfd: number, flags: number): number {
  const o = oldfd | 0;
  const n = newfd | 0;
  if ((flags & ~O_CLOEXEC) !== 0 || o === n) return -EINVAL;
  if (n < 0 || n >= k.current.signal.rlimit(7)) return -EBADF;
  const file = fileOf(k, o);
  if (file === null) return -EBADF;
  file.refs++;
  if (k.current.files.get(n) !== null) k.current.files.close(k, n);
  k.current.files.install(n, file, (flags & O_CLOEXEC) !== 0);
  return n;
}

const SETFL_MASK = O_APPEND | O_NONBLOCK | 0o20000 | 0o40000 | 0o1000000;
function sysFcntl(k: Kernel, fd: number, cmd: number, arg: number): number {
  const file = fileOf(k, fd);
  if (file === null) return -EBADF;
  const files = k.current.files;
  switch (cmd) {
    case 0: // F_DUPFD
    case 1030: // F_DUPFD_CLOEXEC
      if ((arg | 0) < 0 || arg >= k.current.signal.rlimit(7)) return -EINVAL;
      return dupTo(k, fd, arg | 0, cmd === 1030);
    case 1: // F_GETFD
      return files.closeOnExec[fd] ? 1 : 0;
    case 2:
      files.closeOnExec[fd] = (arg & 1) !== 0;
      return 0;
    case 3: // F_GETFL
      return file.flags & ~O_CLOEXEC;
    case 4:
      file.flags = (file.flags & ~SETFL_MASK) | (arg & SETFL_MASK);
      return 0;
    case 5: // F_GETLK
    case 6: // F_SETLK
    case 7: // F_SETLKW
    case 36: // F_OFD_GETLK
    case 37:
    case 38:
      return fcntlLock(k, file, cmd, arg);
    case 8: // F_SETOWN
      file.owner = arg | 0;
      return 0;
    case 9:
      return file.owner;
    case 1031: // F_SETPIPE_SZ
      return pipeSize(file, arg);
    case 1032:
      return pipeSize(file, null);
    case 1024: // F_SETLEASE
      return -EINVAL;
    case 1033: // F_ADD_SEALS
    case 1034: // F_GET_SEALS
      return -EINVAL;
    default:
      return -EINVAL;
  }
}
function fcntlLock(k: Kernel, file: File, cmd: number, arg: number): number {
  const bytes = copyFromUser(k, arg, 32);
  if (typeof bytes === 'number') return bytes;
  const v = new DataView(bytes.buffer);
  const ofd = cmd >= 36;
  const type = v.getInt16(0, true);
  const whence = v.getInt16(2, true);
  let start = Number(v.getBigInt64(8, true));
  const len = Number(v.getBigInt64(16, true));
  if (ofd && v.getInt32(24, true) !== 0) return -EINVAL;
  if (whence === 1) start += file.pos;
  else if (whence === 2) start += file.inode.mapping?.size ?? 0;
  else if (whence !== 0) return -EINVAL;
  let end = len > 0 ? start + len : len === 0 ? Number.POSITIVE_INFINITY : start;
  if (len < 0) [start, end] = [start + len, start];
  if (start < 0) return -EINVAL;
  const want: FileLock = { owner: ofd ? file : k.current.files, pid: ofd ? -1 : k.current.tgid, flock: false, type, start, end };
  if (cmd === 5 || cmd === 36) {
    if (type === F_UNLCK) return -EINVAL;
    const c = conflict(file.inode, want);
    if (c === null) v.setInt16(0, F_UNLCK, true);
    else {
      v.setInt16(0, c.type, true);
      v.setInt16(2, 0, true);
      v.setBigInt64(8, BigInt(c.start), true);
      v.setBigInt64(16, c.end === Number.POSITIVE_INFINITY ? 0n : BigInt(c.end - c.start), true);
      v.setInt32(24, c.pid, true);
    }
    return copyToUser(k, arg, bytes);
  }
  if (type === 0 && (file.mode & FMODE_READ) === 0) return -EBADF;
  if (type === 1 && (file.mode & FMODE_WRITE) === 0) return -EBADF;
  return setLock(k, file.inode, want, cmd === 7 || cmd === 38);
}
function sysFlock(k: Kernel, fd: number, op: number): number {
  const file = fileOf(k, fd);
  if (file === null) return -EBADF;
  const kind = op & ~4;
  const type = kind === 1 ? 0 : kind === 2 ? 1 : kind === 8 ? F_UNLCK : -1;
  if (type < 0) return -EINVAL;
  return setLock(
    k,
    file.inode,
    { owner: file, pid: k.current.tgid, flock: true, type, start: 0, end: Number.POSITIVE_INFINITY },
    (op & 4) === 0,
  );
}
function sysIoctl(k: Kernel, fd: number, cmdArg: number, arg: number): number {
  const file = fileOf(k, fd);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  const cmd = cmdArg >>> 0;
  switch (cmd) {
    case 0x5451: // FIOCLEX
      k.current.files.closeOnExec[fd] = true;
      return 0;
    case 0x5450: // FIONCLEX
      k.current.files.closeOnExec[fd] = false;
      return 0;
    case 0x5421: {
      // FIONBIO
      const on = getUser32(k, arg);
      if (on < 0) return on;
      file.flags = on !== 0 ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK;
      return 0;
    }
  }
  return file.op.ioctl?.(k, file, cmd, arg) ?? -ENOTTY;
}

export function inodeSize(inode: Inode): number {
  if (inode.mapping !== null) return inode.mapping.size;
  if (typeof inode.data === 'string' && dtypeOf(inode.mode) === 10) return inode.data.length;
  return inode.size ?? 0;
}
function sizeOfPath(path: Path): number {
  const { inode } = path.dentry;
  // tmpfs counts 20 bytes an entry and two for the directory itself (BOGO_DIRENT_SIZE).
  if (isDir(inode) && !inode.sb.volatile) return (path.dentry.children.size + 2) * 20;
  return inodeSize(inode);
}
function encodeStat(path: Path): Uint8Array {
  const { inode } = path.dentry;
  const bytes = new Uint8Array(128);
  const v = new DataView(bytes.buffer);
  const size = sizeOfPath(path);
  v.setBigUint64(0, BigInt(inode.sb.dev), true);
  v.setBigUint64(8, BigInt(inode.ino), true);
  v.setUint32(16, inode.mode, true);
  v.setUint32(20, inode.nlink, true);
  v.setUint32(24, inode.uid, true);
  v.setUint32(28, inode.gid, true);
  v.setBigUint64(32, BigInt(inode.rdev), true);
  v.setBigInt64(48, BigInt(size), true);
  v.setInt32(56, 4096, true);
  v.setBigInt64(64, BigInt((inode.mapping?.pages.size ?? 0) * 8), true);
  const time = (at: number, t: Timespec) => {
    v.setBigInt64(at, BigInt(t.sec), true);
    v.setBigInt64(at + 8, BigInt(t.nsec), true);
  };
  time(72, inode.atime);
  time(88, inode.mtime);
  time(104, inode.ctime);
  return bytes;
}
function sysNewfstatat(k: Kernel, dirfd: number, ptr: number, buf: number, flags: number): number {
  const path = resolveAt(k, dirfd, ptr, flags);
  return typeof path === 'number' ? path : copyToUser(k, buf, encodeStat(path));
}
function sysFstat(k: Kernel, fd: number, buf: number): number {
  const file = fileOf(k, fd);
  return file === null ? -EBADF : copyToUser(k, buf, encodeStat(file.path));
}
function sysStatx(k: Kernel, dirfd: number, ptr: number, flags: number, mask: number, buf: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | 0x800 | 0x6000)) !== 0 || mask < 0) return -EINVAL;
  const path = resolveAt(k, dirfd, ptr, flags);
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  const bytes = new Uint8Array(256);
  const v = new DataView(bytes.buffer);
  v.setUint32(0, 0x17ff | 0x1000, true); // STATX_BASIC_STATS | BTIME | MNT_ID
  v.setUint32(4, 4096, true);
  v.setUint32(16, inode.nlink, true);
  v.setUint32(20, inode.uid, true);
  v.setUint32(24, inode.gid, true);
  v.setUint16(28, inode.mode, true);
  v.setBigUint64(32, BigInt(inode.ino), true);
  v.setBigUint64(40, BigInt(sizeOfPath(path)), true);
  v.setBigUint64(48, BigInt((inode.mapping?.pages.size ?? 0) * 8), true);
  const time = (at: number, t: Timespec) => {
    v.setBigInt64(at, BigInt(t.sec), true);
    v.setUint32(at + 8, t.nsec, true);
  };
  time(64, inode.atime);
  time(80, inode.btime);
  time(96, inode.ctime);
  time(112, inode.mtime);
  v.setUint32(128, majorOf(inode.rdev), true);
  v.setUint32(132, minorOf(inode.rdev), true);
  v.setUint32(136, majorOf(inode.sb.dev), true);
  v.setUint32(140, minorOf(inode.sb.dev), true);
  v.setBigUint64(144, BigInt(path.mnt.id), true);
  return copyToUser(k, buf, bytes);
}
function encodeStatfs(k: Kernel, path: Path): Uint8Array {
  const { sb } = path.dentry.inode;
  const bytes = new Uint8Array(120);
  const v = new DataView(bytes.buffer);
  const set = (i: number, n: number) => v.setBigInt64(i * 8, BigInt(n), true);
  const half = Math.floor(k.mm.pages.managedPages / 2);
  set(0, sb.magic);
  set(1, 4096);
  if (!sb.volatile) {
    set(2, half);
    set(3, Math.min(half, k.mm.pages.freePages));
    set(4, Math.min(half, k.mm.pages.freePages));
    set(5, half);
    set(6, Math.max(0, half - sb.nextIno));
  }
  v.setInt32(56, sb.dev, true);
  set(8, 255);
  set(9, 4096);
  set(10, 0x20 | path.mnt.flags);
  return bytes;
}
function sysStatfs(k: Kernel, ptr: number, buf: number): number {
  const path = resolveAt(k, AT_FDCWD, ptr, 0);
  return typeof path === 'number' ? path : copyToUser(k, buf, encodeStatfs(k, path));
}
function sysFstatfs(k: Kernel, fd: number, buf: number): number {
  const file = fileOf(k, fd);
  return file === null ? -EBADF : copyToUser(k, buf, encodeStatfs(k, file.path));
}

/** All entries of an open directory, . and .. first; taken anew at offset 0. */
function dirEntries(k: Kernel, file: File): DirEntry[] | number {
  const { dentry, mnt } = file.path;
  const dir = dentry.inode;
  const up = dentry === mnt.root ? (mnt.mountpoint?.parent.inode.ino ?? dir.ino) : dentry.parent.inode.ino;
  const list: DirEntry[] = [
    { name: '.', ino: dir.ino, type: 4 },
    { name: '..', ino: up, type: 4 },
  ];
  if (dir.op.entries !== undefined) {
    const own = dir.op.entries(k, dir);
    if (typeof own === 'number') return own;
    list.push(...own);
  } else {
    // Linux's memory file systems list the newest entry first.
    const own = [...dentry.children.values()].map((d) => ({ name: d.name, ino: d.inode.ino, type: dtypeOf(d.inode.mode) }));
    list.push(...own.reverse());
  }
  return list;
}
function sysGetdents64(k: Kernel, fd: number, buf: number, count: number): number {
  const file = fileOf(k, fd);
  if (file === null) return -EBADF;
  if (!isDir(file.inode)) return -ENOTDIR;
  if (file.path.dentry.deleted) return -ENOENT;
  if (file.pos === 0 || !Array.isArray(file.data)) {
    const list = dirEntries(k, file);
    if (typeof list === 'number') return list;
    file.data = list;
  }
  const list = file.data as DirEntry[];
  const out = new Uint8Array(Math.min(Math.max(count, 0), 65536));
  const v = new DataView(out.buffer);
  let at = 0;
  while (file.pos < list.length) {
    const e = list[file.pos];
    const length = Math.ceil((19 + e.name.length + 1) / 8) * 8;
    if (at + length > out.length) {
      if (at === 0) return -EINVAL;
      break;
    }
    v.setBigUint64(at, BigInt(e.ino), true);
    v.setBigInt64(at + 8, BigInt(file.pos + 1), true);
    v.setUint16(at + 16, length, true);
    v.setUint8(at + 18, e.type);
    out.set(bytesOf(e.name), at + 19);
    at += length;
    file.pos++;
  }
  const r = copyToUser(k, buf, out.subarray(0, at));
  return r < 0 ? r : at;
}

function sysGetcwd(k: Kernel, buf: number, size: number): number {
  if (k.current.fs.pwd.dentry.deleted) return -ENOENT;
  const name = dPath(k, k.current.fs.pwd);
  if (name.length + 1 > size) return -ERANGE;
  const r = copyToUser(k, buf, bytesOf(`${name}\0`));
  return r < 0 ? r : name.length + 1;
}
function changeDir(k: Kernel, path: Path | number, set: (p: Path) => void): number {
  if (typeof path === 'number') return path;
  if (!isDir(path.dentry.inode)) return -ENOTDIR;
  const denied = inodePermission(k.current, path.dentry.inode, 1);
  if (denied < 0) return denied;
  set(path);
  return 0;
}
function sysChdir(k: Kernel, ptr: number): number {
  return changeDir(k, resolveAt(k, AT_FDCWD, ptr, 0), (p) => {
    k.current.fs.pwd = p;
  });
}
function sysFchdir(k: Kernel, fd: number): number {
  const file = fileOf(k, fd);
  if (file === null) return -EBADF;
  return changeDir(k, file.path, (p) => {
    k.current.fs.pwd = p;
  });
}
function sysChroot(k: Kernel, ptr: number): number {
  const path = resolveAt(k, AT_FDCWD, ptr, 0);
  if (typeof path !== 'number' && isDir(path.dentry.inode) && !k.current.capable(18)) return -EPERM;
  return changeDir(k, path, (p) => {
    k.current.fs.root = p;
  });
}

const lastIsDots = (name: string) => name === '' || name === '.' || name === '..';
function sysMkdirat(k: Kernel, dirfd: number, ptr: number, mode: number): number {
  const p = parentAt(k, dirfd, ptr);
  if (typeof p === 'number') return p;
  if (lastIsDots(p.last)) return -EEXIST;
  const r = vfsMknod(k, p.path, p.last, S_IFDIR | (mode & 0o1777 & ~k.current.fs.umask), 0);
  return typeof r === 'number' ? r : 0;
}
function sysMknodat(k: Kernel, dirfd: number, ptr: number, mode: number, dev: number): number {
  const p = parentAt(k, dirfd, ptr);
  if (typeof p === 'number') return p;
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return -EPERM;
  if (type !== 0 && type !== S_IFREG && type !== S_IFCHR && type !== S_IFBLK && type !== S_IFIFO && type !== S_IFSOCK) return -EINVAL;
  if ((type === S_IFCHR || type === S_IFBLK) && !k.current.capable(27)) return -EPERM;
  if (lastIsDots(p.last)) return -EEXIST;
  if (p.slash) return -ENOENT;
  const r = vfsMknod(k, p.path, p.last, (type === 0 ? S_IFREG : type) | (mode & 0o7777 & ~k.current.fs.umask), dev >>> 0);
  return typeof r === 'number' ? r : 0;
}
function sysUnlinkat(k: Kernel, dirfd: number, ptr: number, flags: number): number {
  if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL;
  const p = parentAt(k, dirfd, ptr);
  if (typeof p === 'number') return p;
  if ((flags & AT_REMOVEDIR) !== 0) {
    if (p.last === '..') return -39; // ENOTEMPTY
    if (p.last === '.') return -EINVAL;
    if (p.last === '') return -EBUSY;
    return vfsRmdir(k, p.path, p.last);
  }
  if (lastIsDots(p.last)) return -EISDIR;
  const r = vfsUnlink(k, p.path, p.last);
  return r === 0 || !p.slash ? r : r === -EISDIR ? -EISDIR : r === -ENOENT ? -ENOENT : -ENOTDIR;
}
function sysSymlinkat(k: Kernel, target: number, dirfd: number, ptr: number): number {
  const text = userPath(k, target);
  if (typeof text === 'number') return text;
  if (text === '') return -ENOENT;
  const p = parentAt(k, dirfd, ptr);
  if (typeof p === 'number') return p;
  if (lastIsDots(p.last)) return -EEXIST;
  if (p.slash) return -ENOENT;
  return vfsSymlink(k, p.path, p.last, text);
}
function sysLinkat(k: Kernel, olddir: number, oldptr: number, newdir: number, newptr: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const from = resolveAt(k, olddir, oldptr, ((flags & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW) | (flags & AT_EMPTY_PATH));
  if (typeof from === 'number') return from;
  const p = parentAt(k, newdir, newptr);
  if (typeof p === 'number') return p;
  if (lastIsDots(p.last)) return -EEXIST;
  return vfsLink(k, from, p.path, p.last);
}
function sysRenameat2(k: Kernel, olddir: number, oldptr: number, newdir: number, newptr: number, flags: number): number {
  const from = parentAt(k, olddir, oldptr);
  if (typeof from === 'number') return from;
  const to = parentAt(k, newdir, newptr);
  if (typeof to === 'number') return to;
  if (lastIsDots(from.last) || lastIsDots(to.last)) return -EBUSY;
  return vfsRename(k, from.path, from.last, to.path, to.last, flags);
}
function sysReadlinkat(k: Kernel, dirfd: number, ptr: number, buf: number, size: number): number {
  if ((size | 0) <= 0) return -EINVAL;
  const path = resolveAt(k, dirfd, ptr, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  if (inode.op.readlink === undefined || (inode.mode & S_IFMT) !== 0o120000) return -EINVAL;
  const text = inode.op.readlink(k, inode);
  if (typeof text === 'number') return text;
  const bytes = bytesOf(text).subarray(0, size);
  const r = copyToUser(k, buf, bytes);
  return r < 0 ? r : bytes.length;
}
function accessAt(k: Kernel, dirfd: number, ptr: number, mode: number, flags: number): number {
  if ((mode & ~7) !== 0 || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const task = k.current;
  const cred = task.cred;
  // access(2) asks with the real IDs.
  if ((flags & AT_EACCESS) === 0 && (cred.uid !== cred.fsuid || cred.gid !== cred.fsgid)) {
    task.cred = { ...cred, fsuid: cred.uid, fsgid: cred.gid, capEffective: cred.uid === 0 ? cred.capPermitted : 0n };
  }
  const path = resolveAt(k, dirfd, ptr, flags);
  let r = typeof path === 'number' ? path : inodePermission(task, path.dentry.inode, mode);
  if (r === 0 && (mode & MAY_WRITE) !== 0 && typeof path !== 'number' && readOnlyFs(path)) r = -EROFS;
  task.cred = cred;
  return r;
}

const CAP_FOWNER = 3;
function changeMode(k: Kernel, path: Path | number, mode: number): number {
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  if (readOnlyFs(path)) return -EROFS;
  if (k.current.cred.fsuid !== inode.uid && !k.current.capable(CAP_FOWNER)) return -EPERM;
  if ((inode.mode & S_IFMT) === 0o120000) return -EOPNOTSUPP;
  const r = inode.op.setattr?.(k, inode, 'mode') ?? -EPERM;
  if (r < 0) return r;
  inode.mode = (inode.mode & S_IFMT) | (mode & 0o7777);
  inode.ctime = k.vfs.now();
  return 0;
}
function changeOwner(k: Kernel, path: Path | number, uid: number, gid: number): number {
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  if (readOnlyFs(path)) return -EROFS;
  const cred = k.current.cred;
  const newUid = (uid | 0) === -1 ? inode.uid : uid >>> 0;
  const newGid = (gid | 0) === -1 ? inode.gid : gid >>> 0;
  if (!k.current.capable(0)) {
    if (newUid !== inode.uid || cred.fsuid !== inode.uid) return -EPERM;
    if (newGid !== inode.gid && newGid !== cred.fsgid && !cred.groups.includes(newGid)) return -EPERM;
  }
  const r = inode.op.setattr?.(k, inode, 'owner') ?? -EPERM;
  if (r < 0) return r;
  inode.uid = newUid;
  inode.gid = newGid;
  if (!isDir(inode)) inode.mode &= (inode.mode & 0o10) !== 0 ? ~0o6000 : ~0o4000;
  inode.ctime = k.vfs.now();
  return 0;
}
function sysUtimensat(k: Kernel, dirfd: number, ptr: number, times: number, flags: number): number {
  let path: Path | number;
  if (ptr === 0) path = fileOf(k, dirfd)?.path ?? -EBADF;
  else path = resolveAt(k, dirfd, ptr, flags);
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  const now = k.vfs.now();
  let atime: Timespec | null = now;
  let mtime: Timespec | null = now;
  let explicit = false;
  if (times !== 0) {
    const v = viewFromUser(k, times, 32);
    if (typeof v === 'number') return v;
    const read = (at: number): Timespec | null | number => {
      const nsec = Number(v.getBigInt64(at + 8, true));
      if (nsec === 0x3fff_ffff) return now; // UTIME_NOW
      if (nsec === 0x3fff_fffe) return null; // UTIME_OMIT
      if (nsec < 0 || nsec > 999_999_999) return -EINVAL;
      explicit = true;
      return { sec: Number(v.getBigInt64(at, true)), nsec };
    };
    const a = read(0);
    const m = read(16);
    if (typeof a === 'number' || typeof m === 'number') return -EINVAL;
    atime = a;
    mtime = m;
    if (a === null && m === null) return 0;
  }
  if (readOnlyFs(path)) return -EROFS;
  const owner = k.current.cred.fsuid === inode.uid || k.current.capable(CAP_FOWNER);
  if (!owner) {
    if (explicit) return -EPERM;
    const denied = inodePermission(k.current, inode, MAY_WRITE);
    if (denied < 0) return -EACCES;
  }
  const r = inode.op.setattr?.(k, inode, 'times') ?? -EPERM;
  if (r < 0) return r;
  if (atime !== null) inode.atime = atime;
  if (mtime !== null) inode.mtime = mtime;
  inode.ctime = now;
  return 0;
}
function sysTruncate(k: Kernel, ptr: number, size: number): number {
  if (size < 0) return -EINVAL;
  const path = resolveAt(k, AT_FDCWD, ptr, 0);
  if (typeof path === 'number') return path;
  if (isDir(path.dentry.inode)) return -EISDIR;
  const denied = inodePermission(k.current, path.dentry.inode, MAY_WRITE);
  return denied < 0 ? denied : vfsTruncate(k, path.dentry.inode, size);
}
function sysFtruncate(k: Kernel, fd: number, size: number): number {
  if (size < 0) return -EINVAL;
  const file = fileOf(k, fd);
  if (file === null) return -EBADF;
  if ((file.mode & FMODE_WRITE) === 0) return -EINVAL;
  if (size > k.current.signal.rlimit(1)) return -27; // EFBIG
  return vfsTruncate(k, file.inode, size);
}
function sysFallocate(k: Kernel, fd: number, mode: number, offset: number, length: number): number {
  const file = fileOf(k, fd);
  if (file === null || (file.mode & FMODE_WRITE) === 0) return -EBADF;
  if (offset < 0 || length <= 0) return -EINVAL;
  const mapping = file.inode.mapping;
  if (mapping === null) return (file.inode.mode & S_IFMT) === S_IFIFO ? -ESPIPE : -ENODEV;
  if ((mode & ~3) !== 0) return -EOPNOTSUPP;
  const end = offset + length;
  if ((mode & 2) !== 0) {
    // FALLOC_FL_PUNCH_HOLE (with KEEP_SIZE): whole pages go, edges are zeroed.
    if (mode !== 3) return -EOPNOTSUPP;
    const zeros = new Uint8Array(Math.max(0, Math.min(end, mapping.size) - offset));
    if (zeros.length > 0) mapping.write(k, offset, zeros);
    return 0;
  }
  if (end - mapping.size > k.mm.pages.freePages * 4096) return -28; // ENOSPC
  for (let i = Math.floor(offset / 4096); i * 4096 < end; i++) if (mapping.grab(k, i) === 0) return -28;
  if ((mode & 1) === 0 && end > mapping.size) mapping.size = end;
  return 0;
}
function sysPipe2(k: Kernel, fds: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | 0o40000)) !== 0) return -EINVAL;
  const [r, w] = createPipe(k, flags);
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const a = installFile(k, r, cloexec);
  if (a < 0) {
    k.vfs.fput(w);
    return a;
  }
  const b = installFile(k, w, cloexec);
  if (b < 0) {
    k.current.files.close(k, a);
    return b;
  }
  const out = new Uint8Array(8);
  const v = new DataView(out.buffer);
  v.setInt32(0, a, true);
  v.setInt32(4, b, true);
  if (copyToUser(k, fds, out) < 0) {
    k.current.files.close(k, a);
    k.current.files.close(k, b);
    return -EFAULT;
  }
  return 0;
}
function sysSendfile(k: Kernel, outFd: number, inFd: number, offsetPtr: number, count: number): number {
  const input = fileOf(k, inFd);
  const output = fileOf(k, outFd);
  if (input === null || (input.mode & FMODE_READ) === 0 || output === null || (output.mode & FMODE_WRITE) === 0) return -EBADF;
  if (input.inode.mapping === null) return -EINVAL;
  return copyBetween(k, input, offsetPtr, output, 0, count);
}
/** Moves bytes from file to file through a kernel buffer; stops early rather than block half way. */
function copyBetween(k: Kernel, input: File, inPtr: number, output: File, outPtr: number, count: number): number {
  let inPos = input.pos;
  let outPos = output.pos;
  if (inPtr !== 0) {
    const p = getUser64(k, inPtr);
    if (p === null) return -EFAULT;
    if (p < 0) return -EINVAL;
    inPos = p;
  }
  if (outPtr !== 0) {
    const p = getUser64(k, outPtr);
    if (p === null) return -EFAULT;
    outPos = p;
  }
  let total = 0;
  while (total < count) {
    const size = input.inode.mapping?.size ?? 0;
    const n = Math.min(count - total, 32768, size - inPos);
    if (n <= 0) break;
    const buffer = new Uint8Array(n);
    input.inode.mapping?.read(k, inPos, buffer);
    const w = output.op.write?.(k, output, IovIter.kernel(buffer), outPos) ?? -EINVAL;
    if (w < 0) {
      if (total > 0 && w !== BLOCKED) break;
      if (w === BLOCKED && total > 0) {
        k.current.state = 0;
        break;
      }
      return w;
    }
    total += w;
    inPos += w;
    outPos += w;
    if (w < n) break;
  }
  if (inPtr === 0) input.pos = inPos;
  else putUser64(k, inPtr, inPos);
  if (outPtr === 0) {
    if (output.op.llseek !== undefined) output.pos = outPos;
  } else putUser64(k, outPtr, outPos);
  return total;
}
function sysCopyFileRange(k: Kernel, inFd: number, inPtr: number, outFd: number, outPtr: number, count: number, flags: number): number {
  const input = fileOf(k, inFd);
  const output = fileOf(k, outFd);
  if (flags !== 0) return -EINVAL;
  if (input === null || (input.mode & FMODE_READ) === 0 || output === null || (output.mode & FMODE_WRITE) === 0) return -EBADF;
  if (isDir(input.inode) || isDir(output.inode)) return -EISDIR;
  if (input.inode.mapping === null || output.inode.mapping === null) return -EINVAL;
  return copyBetween(k, input, inPtr, output, outPtr, count);
}
function sysMemfdCreate(k: Kernel, ptr: number, flags: number): number {
  const name = strncpyFromUser(k, ptr, 250);
  if (typeof name === 'number') return name === -ENAMETOOLONG ? -EINVAL : name;
  if ((flags & ~0xf) !== 0) return -EINVAL;
  const inode = memInode(k, k.vfs.anonSb, S_IFREG | 0o777, 0);
  inode.nlink = 0;
  return installFile(k, k.vfs.anonFile(inode, `memfd:${name} (deleted)`, 2), (flags & 1) !== 0);
}
function sysMount(k: Kernel, source: number, target: number, typePtr: number, flagsArg: number, dataPtr: number): number {
  if (!k.current.capable(21)) return -EPERM;
  const flags = flagsArg & 0xffff_ffff;
  const path = resolveAt(k, AT_FDCWD, target, 0);
  if (typeof path === 'number') return path;
  const src = source === 0 ? 'none' : userPath(k, source);
  if (typeof src === 'number') return src;
  const options = dataPtr === 0 ? '' : strncpyFromUser(k, dataPtr, 4096);
  if (typeof options === 'number') return options;
  const keep = flags & (MS_RDONLY | 2 | 4 | 8 | 1024 | 2048 | (1 << 21));
  if ((flags & MS_REMOUNT) !== 0) {
    if (path.dentry !== path.mnt.root) return -EINVAL;
    path.mnt.flags = keep;
    return 0;
  }
  // Propagation types (shared, private, slave, unbindable) change nothing with one mount namespace.
  if ((flags & ((1 << 20) | (1 << 18) | (1 << 19) | (1 << 17))) !== 0) return 0;
  if ((flags & MS_MOVE) !== 0) return -EINVAL;
  if ((flags & MS_BIND) !== 0) {
    const from = pathWalk(k, k.current.fs.pwd, src, true);
    if (typeof from === 'number') return from;
    if (isDir(from.dentry.inode) !== isDir(path.dentry.inode)) return -ENOTDIR;
    k.vfs.attach(from.dentry.inode.sb, from.dentry, path, from.mnt.source, from.mnt.flags);
    return 0;
  }
  const type = typePtr === 0 ? -EINVAL : userPath(k, typePtr);
  if (typeof type === 'number') return type;
  return k.vfs.doMount(type, src, path, keep, options);
}
function sysUmount2(k: Kernel, target: number, flags: number): number {
  if (!k.current.capable(21)) return -EPERM;
  const path = resolveAt(k, AT_FDCWD, target, (flags & 8) !== 0 ? AT_SYMLINK_NOFOLLOW : 0);
  if (typeof path === 'number') return path;
  const top = crossMounts(path);
  if (top.dentry !== top.mnt.root) return -EINVAL;
  return k.vfs.umount(top.mnt, (flags & 2) !== 0);
}
/** Extended attributes: memory file systems here keep none. */
function noXattr(k: Kernel, pathOrFd: Path | number, value: number): number {
  void k;
  return typeof pathOrFd === 'number' ? pathOrFd : value;
}
const pathArg = (k: Kernel, ptr: number, follow: boolean) => resolveAt(k, AT_FDCWD, ptr, follow ? 0 : AT_SYMLINK_NOFOLLOW);
const fdArg = (k: Kernel, fd: number) => fileOf(k, fd)?.path ?? -EBADF;

function sysCloseRange(k: Kernel, first: number, last: number, flags: number): number {
  const lo = first >>> 0;
  const hi = last >>> 0;
  if ((flags & ~6) !== 0 || lo > hi) return -EINVAL;
  const { files } = k.current;
  for (let fd = lo; fd <= hi && fd < files.fds.length; fd++) {
    if (files.get(fd) === null) continue;
    if ((flags & 4) !== 0) files.closeOnExec[fd] = true;
    else files.close(k, fd);
  }
  return 0;
}

const row = (nr: number, name: string, handler: SyscallRow['handler'], note?: string): SyscallRow =>
  note === undefined ? { nr, name, handler, support: 'full' } : { nr, name, handler, support: 'partial', note };

export const fsSyscalls: readonly SyscallRow[] = [
  row(NR.NR_openat, 'openat', sysOpenat),
  row(NR.NR_openat2, 'openat2', sysOpenat2, 'no RESOLVE_ flags'),
  row(NR.NR_close, 'close', (k, fd) => k.current.files.close(k, fd | 0)),
  row(NR.NR_close_range, 'close_range', sysCloseRange),
  row(NR.NR_read, 'read', sysRead),
  row(NR.NR_write, 'write', sysWrite),
  row(NR.NR_readv, 'readv', sysReadv),
  row(NR.NR_writev, 'writev', sysWritev),
  row(NR.NR_pread64, 'pread64', (k, fd, buf, n, pos) =>
    positioned(k, fd, false, pos, n < 0 ? -EINVAL : IovIter.user(buf, Math.min(n, MAX_RW))),
  ),
  row(NR.NR_pwrite64, 'pwrite64', (k, fd, buf, n, pos) =>
    positioned(k, fd, true, pos, n < 0 ? -EINVAL : IovIter.user(buf, Math.min(n, MAX_RW))),
  ),
  row(NR.NR_preadv, 'preadv', (k, fd, iov, n, pos) => positioned(k, fd, false, pos, importIovec(k, iov, n))),
  row(NR.NR_pwritev, 'pwritev', (k, fd, iov, n, pos) => positioned(k, fd, true, pos, importIovec(k, iov, n))),
  row(NR.NR_lseek, 'lseek', sysLseek),
  row(NR.NR_dup, 'dup', (k, fd) => dupTo(k, fd, 0, false)),
  row(NR.NR_dup3, 'dup3', sysDup3),
  row(NR.NR_fcntl, 'fcntl', sysFcntl, 'no leases, seals or signals for I/O'),
  row(NR.NR_flock, 'flock', sysFlock),
  row(NR.NR_ioctl, 'ioctl', sysIoctl),
  row(NR.NR_newfstatat, 'newfstatat', sysNewfstatat),
  row(NR.NR_fstat, 'fstat', sysFstat),
  row(NR.NR_statx, 'statx', sysStatx),
  row(NR.NR_statfs, 'statfs', sysStatfs),
  row(NR.NR_fstatfs, 'fstatfs', sysFstatfs),
  row(NR.NR_getdents64, 'getdents64', sysGetdents64),
  row(NR.NR_getcwd, 'getcwd', sysGetcwd),
  row(NR.NR_chdir, 'chdir', sysChdir),
  row(NR.NR_fchdir, 'fchdir', sysFchdir),
  row(NR.NR_chroot, 'chroot', sysChroot),
  row(NR.NR_mkdirat, 'mkdirat', sysMkdirat),
  row(NR.NR_mknodat, 'mknodat', sysMknodat),
  row(NR.NR_unlinkat, 'unlinkat', sysUnlinkat),
  row(NR.NR_symlinkat, 'symlinkat', sysSymlinkat),
  row(NR.NR_linkat, 'linkat', sysLinkat),
  row(NR.NR_renameat2, 'renameat2', sysRenameat2, 'no RENAME_WHITEOUT'),
  row(NR.NR_readlinkat, 'readlinkat', sysReadlinkat),
  row(NR.NR_faccessat, 'faccessat', (k, d, p, m) => accessAt(k, d, p, m, 0)),
  row(NR.NR_faccessat2, 'faccessat2', accessAt),
  row(NR.NR_fchmod, 'fchmod', (k, fd, mode) => changeMode(k, fdArg(k, fd), mode)),
  row(NR.NR_fchmodat, 'fchmodat', (k, d, p, mode) => changeMode(k, resolveAt(k, d, p, 0), mode)),
  row(NR.NR_fchmodat2, 'fchmodat2', (k, d, p, mode, flags) => changeMode(k, resolveAt(k, d, p, flags), mode)),
  row(NR.NR_fchown, 'fchown', (k, fd, u, g) => changeOwner(k, fdArg(k, fd), u, g)),
  row(NR.NR_fchownat, 'fchownat', (k, d, p, u, g, flags) => changeOwner(k, resolveAt(k, d, p, flags), u, g)),
  row(NR.NR_utimensat, 'utimensat', sysUtimensat),
  row(NR.NR_truncate, 'truncate', sysTruncate),
  row(NR.NR_ftruncate, 'ftruncate', sysFtruncate),
  row(NR.NR_fallocate, 'fallocate', sysFallocate, 'allocate and punch hole'),
  row(NR.NR_umask, 'umask', (k, mask) => {
    const old = k.current.fs.umask;
    k.current.fs.umask = mask & 0o777;
    return old;
  }),
  row(NR.NR_sync, 'sync', () => 0),
  row(NR.NR_fsync, 'fsync', (k, fd) => (fileOf(k, fd) === null ? -EBADF : fileOf(k, fd)?.inode.mapping === null ? -EINVAL : 0)),
  row(NR.NR_fdatasync, 'fdatasync', (k, fd) => (fileOf(k, fd) === null ? -EBADF : fileOf(k, fd)?.inode.mapping === null ? -EINVAL : 0)),
  row(NR.NR_syncfs, 'syncfs', (k, fd) => (fileOf(k, fd) === null ? -EBADF : 0)),
  row(NR.NR_fadvise64, 'fadvise64', (k, fd) => (fileOf(k, fd) === null ? -EBADF : fileOf(k, fd)?.inode.mapping === null ? -ESPIPE : 0)),
  row(NR.NR_readahead, 'readahead', (k, fd) => (fileOf(k, fd) === null ? -EBADF : 0)),
  row(NR.NR_pipe2, 'pipe2', sysPipe2),
  row(NR.NR_sendfile, 'sendfile', sysSendfile),
  row(NR.NR_copy_file_range, 'copy_file_range', sysCopyFileRange),
  row(NR.NR_memfd_create, 'memfd_create', sysMemfdCreate, 'no sealing'),
  row(NR.NR_mount, 'mount', sysMount, 'no MS_MOVE, no propagation'),
  row(NR.NR_umount2, 'umount2', sysUmount2),
  row(NR.NR_setxattr, 'setxattr', (k, p) => noXattr(k, pathArg(k, p, true), -EOPNOTSUPP), 'no attributes are kept'),
  row(NR.NR_lsetxattr, 'lsetxattr', (k, p) => noXattr(k, pathArg(k, p, false), -EOPNOTSUPP), 'no attributes are kept'),
  row(NR.NR_fsetxattr, 'fsetxattr', (k, fd) => noXattr(k, fdArg(k, fd), -EOPNOTSUPP), 'no attributes are kept'),
  row(NR.NR_getxattr, 'getxattr', (k, p) => noXattr(k, pathArg(k, p, true), -ENODATA), 'no attributes are kept'),
  row(NR.NR_lgetxattr, 'lgetxattr', (k, p) => noXattr(k, pathArg(k, p, false), -ENODATA), 'no attributes are kept'),
  row(NR.NR_fgetxattr, 'fgetxattr', (k, fd) => noXattr(k, fdArg(k, fd), -ENODATA), 'no attributes are kept'),
  row(NR.NR_listxattr, 'listxattr', (k, p) => noXattr(k, pathArg(k, p, true), 0), 'no attributes are kept'),
  row(NR.NR_llistxattr, 'llistxattr', (k, p) => noXattr(k, pathArg(k, p, false), 0), 'no attributes are kept'),
  row(NR.NR_flistxattr, 'flistxattr', (k, fd) => noXattr(k, fdArg(k, fd), 0), 'no attributes are kept'),
];
