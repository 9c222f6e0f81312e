import { E2BIG, EACCES, EBADF, EFAULT, EINVAL, ENOENT, ERANGE, EROFS, ETXTBSY, ENAMETOOLONG } from '../../abi/errno.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  FMODE_WRITE,
  O_WRONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFSOCK,
} from '../../abi/fs.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { changeMode, changeOwner, changeTimes, vfsTruncate } from '../fs/attr.ts';
import { breakLease } from '../fs/lease.ts';
import { touchAtime } from '../fs/inode.ts';
import { inodePermission, isDir, isLink, isReg, MAY_EXEC, MAY_WRITE } from '../fs/namei.ts';
import { isExecuted, mountNoExec, readOnlyFs } from '../fs/open.ts';
import { iterateDir } from '../fs/readdir.ts';
import { encodeStat, encodeStatfs, encodeStatx } from '../fs/stat.ts';
import type { Path, Timespec } from '../fs/types.ts';
import { getXattr, listXattr, removeXattr, setXattr, XATTR_NAME_MAX, XATTR_SIZE_MAX } from '../fs/xattr.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { copyFromUser, copyToUser, strncpyFromUser, viewFromUser } from '../mm/uaccess.ts';
import { fdGet, fdGetRaw, resolveAt, row } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// What is known of files and changes of it: stat, getdents, readlink, access, chmod, chown, times, sizes, extended attributes.

const AT_NO_AUTOMOUNT = 0x800;
const AT_STATX_SYNC_TYPE = 0x6000;
const STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
const STATX_RESERVED = 0x8000_0000;

/** As resolveAt; with AT_EMPTY_PATH a null name means the descriptor, too. */
function statPath(k: Kernel, dirfd: number, ptr: number, flags: number): Path | number {
  if (ptr === 0 && (flags & ~(AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE)) === AT_EMPTY_PATH && (dirfd | 0) >= 0)
    return fdGetRaw(k, dirfd)?.path ?? -EBADF;
  const path = resolveAt(k, dirfd, ptr, flags);
  if (typeof path !== 'number') path.dentry.inode.op.getattr?.(k, path.dentry.inode);
  return path;
}
function sysNewfstatat(k: Kernel, dirfd: number, ptr: number, buf: number, flags: number): number {
  if ((flags & ~STAT_FLAGS) !== 0) return -EINVAL;
  const path = statPath(k, dirfd, ptr, flags);
  return typeof path === 'number' ? path : copyToUser(k, buf, encodeStat(path, k.current.cred.userNs));
}
function sysFstat(k: Kernel, fd: number, buf: number): number {
  const file = fdGetRaw(k, fd);
  if (file === null) return -EBADF;
  file.inode.op.getattr?.(k, file.inode);
  return copyToUser(k, buf, encodeStat(file.path, k.current.cred.userNs));
}
function sysStatx(k: Kernel, dirfd: number, ptr: number, flags: number, mask: number, buf: number): number {
  if ((mask & STATX_RESERVED) !== 0 || (flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE || (flags & ~STAT_FLAGS) !== 0) return -EINVAL;
  const path = statPath(k, dirfd, ptr, flags);
  return typeof path === 'number' ? path : copyToUser(k, buf, encodeStatx(path, mask, k.current.cred.userNs));
}
function statfsOf(k: Kernel, path: Path | undefined | number, buf: number): number {
  if (path === undefined) return -EBADF;
  return typeof path === 'number' ? path : copyToUser(k, buf, encodeStatfs(k, path));
}

function sysGetdents64(k: Kernel, fd: number, buf: number, countArg: number): number {
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  const out = new Uint8Array(Math.min(countArg >>> 0, 65536));
  const v = new DataView(out.buffer);
  let at = 0;
  let last = -1;
  let full = false;
  const r = iterateDir(k, file, (name, ino, type, pos) => {
    const length = Math.ceil((19 + name.length + 1) / 8) * 8;
    if (at + length > out.length) {
      full = true;
      return false;
    }
    if (last >= 0) v.setBigInt64(last + 8, BigInt(pos), true);
    v.setBigUint64(at, BigInt(ino), true);
    v.setUint16(at + 16, length, true);
    v.setUint8(at + 18, type);
    out.set(bytesOf(name), at + 19);
    last = at;
    at += length;
    return true;
  });
  if (r < 0) return r;
  if (at === 0) return full ? -EINVAL : 0;
  v.setBigInt64(last + 8, BigInt(file.pos), true);
  return copyToUser(k, buf, out.subarray(0, at)) < 0 ? -EFAULT : at;
}

function sysReadlinkat(k: Kernel, dirfd: number, ptr: number, buf: number, size: number): number {
  if ((size | 0) <= 0) return -EINVAL;
  const path = resolveAt(k, dirfd, ptr, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  if (!isLink(inode) || inode.op.readlink === undefined) return strncpyFromUser(k, ptr, 2) === '' ? -ENOENT : -EINVAL;
  const text = inode.op.readlink(k, inode);
  if (typeof text === 'number') return text;
  touchAtime(k, path);
  const bytes = bytesOf(text).subarray(0, size | 0);
  const r = copyToUser(k, buf, bytes);
  return r < 0 ? r : bytes.length;
}

function sysFaccessat2(k: Kernel, dirfd: number, ptr: number, mode: number, flags: number): number {
  if ((mode & ~7) !== 0 || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const task = k.current;
  const cred = task.cred;
  // access(2) asks with the real IDs.
  const real = (flags & AT_EACCESS) === 0 && (cred.uid !== cred.fsuid || cred.gid !== cred.fsgid || cred.euid !== cred.uid);
  if (real) task.cred = { ...cred, fsuid: cred.uid, fsgid: cred.gid, capEffective: cred.uid === 0 ? cred.capPermitted : 0n };
  const r = accessPath(k, resolveAt(k, dirfd, ptr, flags), mode);
  if (real) task.cred = cred;
  return r;
}
function accessPath(k: Kernel, path: Path | number, mode: number): number {
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  if ((mode & MAY_EXEC) !== 0 && isReg(inode) && mountNoExec(path)) return -EACCES;
  const r = inodePermission(k.current, inode, mode);
  const type = inode.mode & S_IFMT;
  const special = type === S_IFCHR || type === S_IFBLK || type === S_IFIFO || type === S_IFSOCK;
  return r === 0 && (mode & MAY_WRITE) !== 0 && !special && readOnlyFs(path) ? -EROFS : r;
}

const fdPath = (k: Kernel, fd: number): Path | number => fdGet(k, fd)?.path ?? -EBADF;
const chmod = (k: Kernel, path: Path | number, mode: number) => (typeof path === 'number' ? path : changeMode(k, path, mode));
const chown = (k: Kernel, path: Path | number, uid: number, gid: number) =>
  typeof path === 'number' ? path : changeOwner(k, path, uid, gid);

const UTIME_NOW = 0x3fff_ffff;
const UTIME_OMIT = 0x3fff_fffe;
function sysUtimensat(k: Kernel, dirfd: number, ptr: number, times: number, flags: number): number {
  let stamps: [Timespec, Timespec] | null = null;
  if (times !== 0) {
    const v = viewFromUser(k, times, 32);
    if (typeof v === 'number') return v;
    const read = (at: number): Timespec => ({ sec: Number(v.getBigInt64(at, true)), nsec: Number(v.getBigInt64(at + 8, true)) });
    stamps = [read(0), read(16)];
    if (stamps[0].nsec === UTIME_OMIT && stamps[1].nsec === UTIME_OMIT) return 0;
  }
  let path: Path | number;
  if (ptr === 0 && (dirfd | 0) !== AT_FDCWD) {
    if (flags !== 0) return -EINVAL;
    path = fdPath(k, dirfd);
  } else {
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
    path = resolveAt(k, dirfd, ptr, flags);
  }
  if (typeof path === 'number') return path;
  if (stamps === null) return changeTimes(k, path, 'now', 'now');
  const [a, m] = stamps.map((t) => {
    if (t.nsec === UTIME_NOW) return 'now' as const;
    if (t.nsec === UTIME_OMIT) return null;
    return t.nsec < 0 || t.nsec > 999_999_999 ? undefined : t;
  });
  if (a === undefined || m === undefined) return -EINVAL;
  return changeTimes(k, path, a, m);
}
function sysTruncate(k: Kernel, ptr: number, size: number): number {
  if (size < 0) return -EINVAL;
  const path = resolveAt(k, AT_FDCWD, ptr, 0);
  if (typeof path === 'number') return path;
  const { inode } = path.dentry;
  if (isDir(inode) || !isReg(inode)) return vfsTruncate(k, path.dentry, size);
  if (readOnlyFs(path)) return -EROFS;
  const denied = inodePermission(k.current, inode, MAY_WRITE);
  if (denied < 0) return denied;
  const lease = breakLease(k, inode, O_WRONLY);
  if (lease !== 0) return lease;
  return isExecuted(k, inode) ? -ETXTBSY : vfsTruncate(k, path.dentry, size);
}
function sysFtruncate(k: Kernel, fd: number, size: number): number {
  if (size < 0) return -EINVAL;
  const file = fdGet(k, fd);
  if (file === null) return -EBADF;
  if ((file.mode & FMODE_WRITE) === 0 || !isReg(file.inode)) return -EINVAL;
  return vfsTruncate(k, file.path.dentry, size);
}

/** An attribute's name: -ERANGE when empty or too long. */
function xattrName(k: Kernel, ptr: number): string | number {
  const name = strncpyFromUser(k, ptr, XATTR_NAME_MAX + 1);
  return name === '' || name === -ENAMETOOLONG ? -ERANGE : name;
}
function setAttr(k: Kernel, where: () => Path | number, namePtr: number, valuePtr: number, size: number, flags: number): number {
  if ((flags & ~3) !== 0) return -EINVAL;
  const name = xattrName(k, namePtr);
  if (typeof name === 'number') return name;
  if (size < 0 || size > XATTR_SIZE_MAX) return -E2BIG;
  const value = size === 0 ? new Uint8Array(0) : copyFromUser(k, valuePtr, size);
  if (typeof value === 'number') return value;
  const path = where();
  return typeof path === 'number' ? path : setXattr(k, path, name, value, flags);
}
/** Size 0 asks for the size. */
function give(k: Kernel, bytes: Uint8Array | number, buf: number, size: number): number {
  if (typeof bytes === 'number') return bytes;
  if (size === 0) return bytes.length;
  if (bytes.length > size) return -ERANGE;
  return copyToUser(k, buf, bytes) < 0 ? -EFAULT : bytes.length;
}
function getAttr(k: Kernel, where: () => Path | number, namePtr: number, buf: number, size: number): number {
  const name = xattrName(k, namePtr);
  if (typeof name === 'number') return name;
  const path = where();
  return typeof path === 'number' ? path : give(k, getXattr(k, path, name), buf, size);
}
function listAttr(k: Kernel, path: Path | number, buf: number, size: number): number {
  return typeof path === 'number' ? path : give(k, listXattr(k, path), buf, size);
}
function removeAttr(k: Kernel, where: () => Path | number, namePtr: number): number {
  const name = xattrName(k, namePtr);
  if (typeof name === 'number') return name;
  const path = where();
  return typeof path === 'number' ? path : removeXattr(k, path, name);
}
const named = (k: Kernel, ptr: number, follow: boolean) => () => resolveAt(k, AT_FDCWD, ptr, follow ? 0 : AT_SYMLINK_NOFOLLOW);
const opened = (k: Kernel, fd: number) => () => fdPath(k, fd);

export const fsStatSyscalls: readonly SyscallRow[] = [
  row(NR.NR_newfstatat, 'newfstatat', sysNewfstatat),
  row(NR.NR_fstat, 'fstat', sysFstat),
  row(NR.NR_statx, 'statx', sysStatx),
  row(NR.NR_statfs, 'statfs', (k, ptr, buf) => statfsOf(k, resolveAt(k, AT_FDCWD, ptr, 0), buf)),
  row(NR.NR_fstatfs, 'fstatfs', (k, fd, buf) => statfsOf(k, fdGetRaw(k, fd)?.path, buf)),
  row(NR.NR_getdents64, 'getdents64', sysGetdents64),
  row(NR.NR_readlinkat, 'readlinkat', sysReadlinkat),
  row(NR.NR_faccessat, 'faccessat', (k, d, p, m) => sysFaccessat2(k, d, p, m, 0)),
  row(NR.NR_faccessat2, 'faccessat2', sysFaccessat2),
  row(NR.NR_fchmod, 'fchmod', (k, fd, mode) => chmod(k, fdPath(k, fd), mode)),
  row(NR.NR_fchmodat, 'fchmodat', (k, d, p, mode) => chmod(k, resolveAt(k, d, p, 0), mode)),
  row(NR.NR_fchmodat2, 'fchmodat2', (k, d, p, mode, flags) =>
    (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0 ? -EINVAL : chmod(k, resolveAt(k, d, p, flags), mode),
  ),
  row(NR.NR_fchown, 'fchown', (k, fd, u, g) => chown(k, fdPath(k, fd), u, g)),
  row(NR.NR_fchownat, 'fchownat', (k, d, p, u, g, flags) =>
    (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0 ? -EINVAL : chown(k, resolveAt(k, d, p, flags), u, g),
  ),
  row(NR.NR_utimensat, 'utimensat', sysUtimensat),
  row(NR.NR_truncate, 'truncate', sysTruncate),
  row(NR.NR_ftruncate, 'ftruncate', sysFtruncate),
  row(NR.NR_setxattr, 'setxattr', (k, p, n, v, s, f) => setAttr(k, named(k, p, true), n, v, s, f), 'no POSIX ACLs'),
  row(NR.NR_lsetxattr, 'lsetxattr', (k, p, n, v, s, f) => setAttr(k, named(k, p, false), n, v, s, f), 'no POSIX ACLs'),
  row(NR.NR_fsetxattr, 'fsetxattr', (k, fd, n, v, s, f) => setAttr(k, opened(k, fd), n, v, s, f), 'no POSIX ACLs'),
  row(NR.NR_getxattr, 'getxattr', (k, p, n, v, s) => getAttr(k, named(k, p, true), n, v, s)),
  row(NR.NR_lgetxattr, 'lgetxattr', (k, p, n, v, s) => getAttr(k, named(k, p, false), n, v, s)),
  row(NR.NR_fgetxattr, 'fgetxattr', (k, fd, n, v, s) => getAttr(k, opened(k, fd), n, v, s)),
  row(NR.NR_listxattr, 'listxattr', (k, p, b, s) => listAttr(k, named(k, p, true)(), b, s)),
  row(NR.NR_llistxattr, 'llistxattr', (k, p, b, s) => listAttr(k, named(k, p, false)(), b, s)),
  row(NR.NR_flistxattr, 'flistxattr', (k, fd, b, s) => listAttr(k, fdPath(k, fd), b, s)),
  row(NR.NR_removexattr, 'removexattr', (k, p, n) => removeAttr(k, named(k, p, true), n)),
  row(NR.NR_lremovexattr, 'lremovexattr', (k, p, n) => removeAttr(k, named(k, p, false), n)),
  row(NR.NR_fremovexattr, 'fremovexattr', (k, fd, n) => removeAttr(k, opened(k, fd), n)),
];
