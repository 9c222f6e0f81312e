import { EBADF, EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, ERANGE } from '../../abi/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../../abi/fs.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { cwdPath } from '../fs/d_path.ts';
import { inodePermission, isDir, MAY_EXEC } from '../fs/namei.ts';
import {
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  vfsLink,
  vfsMknod,
  vfsRename,
  vfsRmdir,
  vfsSymlink,
  vfsUnlink,
} from '../fs/open.ts';
import type { Path } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { nsCapable } from '../nsproxy.ts';
import { bytesOf } from '../lib/bytes.ts';
import { copyToUser } from '../mm/uaccess.ts';
import { fdGetRaw, getName, isDots, parentAt, resolveAt, row } from './fs_args.ts';
import type { SyscallRow } from './table.ts';

// The tree of names: directories, links, renames, working and root directory (fs/namei.c, fs/open.c, fs/d_path.c).

const CAP_DAC_READ_SEARCH = 2;
const CAP_SYS_CHROOT = 18;
const CAP_MKNOD = 27;

function sysMkdirat(k: Kernel, dirfd: number, ptr: number, mode: number): number {
  const p = parentAt(k, dirfd, ptr);
  if (typeof p === 'number') return p;
  if (isDots(p.last)) return -EEXIST;
  const r = vfsMknod(k, p.path, p.last, S_IFDIR | (mode & 0o1777), 0, p.slash, k.current.fs.umask);
  return typeof r === 'number' ? r : 0;
}
function sysMknodat(k: Kernel, dirfd: number, ptr: number, mode: number, dev: number): number {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return -EPERM;
  if (type !== 0 && type !== S_IFREG && type !== S_IFCHR && type !== S_IFBLK && type !== S_IFIFO && type !== S_IFSOCK) return -EINVAL;
  const p = parentAt(k, dirfd, ptr);
  if (typeof p === 'number') return p;
  if (isDots(p.last)) return -EEXIST;
  const device = type === S_IFCHR || type === S_IFBLK;
  const r = vfsMknod(
    k,
    p.path,
    p.last,
    (type === 0 ? S_IFREG : type) | (mode & 0o7777),
    device ? dev >>> 0 : 0,
    p.slash,
    k.current.fs.umask,
  );
  return typeof r === 'number' ? r : 0;
}
function sysUnlinkat(k: Kernel, dirfd: number, ptr: number, flags: number): number {
  if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL;
  const p = parentAt(k, dirfd, ptr);
  if (typeof p === 'number') return p;
  if ((flags & AT_REMOVEDIR) === 0) return isDots(p.last) ? -EISDIR : vfsUnlink(k, p.path, p.last, p.slash);
  if (p.last === '..') return -ENOTEMPTY;
  if (p.last === '.') return -EINVAL;
  if (p.last === '') return -EBUSY;
  return vfsRmdir(k, p.path, p.last);
}
function sysSymlinkat(k: Kernel, target: number, dirfd: number, ptr: number): number {
  const text = getName(k, target);
  if (typeof text === 'number') return text;
  const p = parentAt(k, dirfd, ptr);
  if (typeof p === 'number') return p;
  if (isDots(p.last)) return -EEXIST;
  return vfsSymlink(k, p.path, p.last, text, p.slash);
}
function sysLinkat(k: Kernel, olddir: number, oldptr: number, newdir: number, newptr: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  if ((flags & AT_EMPTY_PATH) !== 0) {
    // Linking what a descriptor names needs the opener's credentials or power over all files.
    const name = getName(k, oldptr, true);
    const file = typeof name === 'number' || name.startsWith('/') ? null : fdGetRaw(k, olddir);
    if (file !== null && file.cred !== k.current.cred && !k.current.capable(CAP_DAC_READ_SEARCH)) return -ENOENT;
  }
  const from = resolveAt(k, olddir, oldptr, ((flags & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW) | (flags & AT_EMPTY_PATH));
  if (typeof from === 'number') return from;
  const p = parentAt(k, newdir, newptr);
  if (typeof p === 'number') return p;
  if (isDots(p.last)) return -EEXIST;
  return vfsLink(k, from, p.path, p.last, p.slash);
}
function sysRenameat2(k: Kernel, olddir: number, oldptr: number, newdir: number, newptr: number, flags: number): number {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return -EINVAL;
  if ((flags & RENAME_EXCHANGE) !== 0 && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0) return -EINVAL;
  const from = parentAt(k, olddir, oldptr);
  if (typeof from === 'number') return from;
  const to = parentAt(k, newdir, newptr);
  if (typeof to === 'number') return to;
  if ((flags & RENAME_WHITEOUT) !== 0 && !k.current.capable(CAP_MKNOD)) return -EPERM;
  return vfsRename(k, from, to, flags);
}

function sysGetcwd(k: Kernel, buf: number, size: number): number {
  if (k.current.fs.pwd.dentry.deleted) return -ENOENT;
  const name = cwdPath(k);
  if (size >= 0 && name.length + 1 > size) return -ERANGE;
  const r = copyToUser(k, buf, bytesOf(`${name}\0`));
  return r < 0 ? r : name.length + 1;
}
/** The directory a call wants to enter: -ENOTDIR, -EACCES. */
function enterable(k: Kernel, path: Path | number): Path | number {
  if (typeof path === 'number') return path;
  if (!isDir(path.dentry.inode)) return -ENOTDIR;
  const denied = inodePermission(k.current, path.dentry.inode, MAY_EXEC);
  return denied < 0 ? denied : path;
}
function changeDir(k: Kernel, target: Path | number): number {
  const path = enterable(k, target);
  if (typeof path === 'number') return path;
  k.current.fs.pwd = path;
  return 0;
}
function sysChroot(k: Kernel, ptr: number): number {
  const path = enterable(k, resolveAt(k, AT_FDCWD, ptr, 0, true));
  if (typeof path === 'number') return path;
  if (!nsCapable(k.current, k.current.cred.userNs, CAP_SYS_CHROOT)) return -EPERM;
  k.current.fs.root = path;
  return 0;
}

export const fsNameiSyscalls: readonly SyscallRow[] = [
  row(NR.NR_mkdirat, 'mkdirat', sysMkdirat),
  row(NR.NR_mknodat, 'mknodat', sysMknodat),
  row(NR.NR_unlinkat, 'unlinkat', sysUnlinkat),
  row(NR.NR_symlinkat, 'symlinkat', sysSymlinkat),
  row(NR.NR_linkat, 'linkat', sysLinkat),
  row(NR.NR_renameat2, 'renameat2', sysRenameat2),
  row(NR.NR_getcwd, 'getcwd', sysGetcwd),
  row(NR.NR_chdir, 'chdir', (k, ptr) => changeDir(k, resolveAt(k, AT_FDCWD, ptr, 0, true))),
  row(NR.NR_fchdir, 'fchdir', (k, fd) => changeDir(k, fdGetRaw(k, fd)?.path ?? -EBADF)),
  row(NR.NR_chroot, 'chroot', sysChroot),
  row(NR.NR_umask, 'umask', (k, mask) => {
    const old = k.current.fs.umask;
    k.current.fs.umask = mask & 0o777;
    return old;
  }),
];
