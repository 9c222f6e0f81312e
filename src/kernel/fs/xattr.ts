import { E2BIG, EEXIST, EINVAL, ENODATA, EOPNOTSUPP, EPERM, EROFS } from '../../abi/errno.ts';
import { S_ISVTX } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { isAppendOnly, isImmutable } from './fileattr.ts';
import { inodePermission, isDir, isReg, MAY_READ, MAY_WRITE } from './namei.ts';
import { fsnotifyAttrib } from './notify/fsnotify.ts';
import { readOnlyFs } from './open.ts';
import type { Inode, Path } from './types.ts';

// Extended attributes (fs/xattr.c): memory file systems keep user.*, trusted.* and security.*.

const CAP_FOWNER = 3;
const CAP_SYS_ADMIN = 21;
export const XATTR_SIZE_MAX = 65536;
export const XATTR_NAME_MAX = 255;
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const ACL_NAMES = ['system.posix_acl_access', 'system.posix_acl_default'];

function permission(k: Kernel, path: Path, name: string, mask: number): number {
  const { inode } = path.dentry;
  const task = k.current;
  const write = (mask & MAY_WRITE) !== 0;
  if (write && readOnlyFs(path)) return -EROFS;
  if (write && (isImmutable(inode) || isAppendOnly(inode))) return -EPERM;
  if (name.startsWith('security.') || name.startsWith('system.')) return 0;
  if (name.startsWith('trusted.')) return task.capable(CAP_SYS_ADMIN) ? 0 : write ? -EPERM : -ENODATA;
  if (name.startsWith('user.')) {
    if (!isReg(inode) && !isDir(inode)) return write ? -EPERM : -ENODATA;
    if (write && isDir(inode) && (inode.mode & S_ISVTX) !== 0 && task.cred.fsuid !== inode.uid && !task.capable(CAP_FOWNER)) return -EPERM;
  }
  return inodePermission(task, inode, mask);
}
/** An overlay keeps its own attributes to itself. */
const visible = (inode: Inode, name: string) => inode.sb.type !== 'overlay' || !name.startsWith('trusted.overlay.');
/** 0 when the file system keeps attributes of this name. */
function supported(inode: Inode, name: string): number {
  if (!inode.sb.hasXattr) return -EOPNOTSUPP;
  const prefix = ['user.', 'trusted.', 'security.'].find((p) => name.startsWith(p));
  if (prefix === undefined) return -EOPNOTSUPP;
  return name === prefix ? -EINVAL : 0;
}

export function setXattr(k: Kernel, path: Path, name: string, value: Uint8Array, flags: number): number {
  const { inode } = path.dentry;
  if (ACL_NAMES.includes(name)) return inode.sb.hasXattr ? (value.length < 4 ? -EINVAL : -EOPNOTSUPP) : -EOPNOTSUPP;
  const denied = permission(k, path, name, MAY_WRITE);
  if (denied < 0) return denied;
  if (name.startsWith('security.') && !k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  const bad = supported(inode, name);
  if (bad < 0) return bad;
  if (value.length > XATTR_SIZE_MAX) return -E2BIG;
  const has = inode.xattrs?.has(name) ?? false;
  if (has && (flags & XATTR_CREATE) !== 0) return -EEXIST;
  if (!has && (flags & XATTR_REPLACE) !== 0) return -ENODATA;
  const r = inode.op.setattr?.(k, inode, { what: 'xattr' }) ?? 0;
  if (r < 0) return r;
  inode.xattrs ??= new Map();
  inode.xattrs.set(name, value);
  inode.ctime = k.vfs.now();
  fsnotifyAttrib(k, path.dentry);
  return 0;
}
export function getXattr(k: Kernel, path: Path, name: string): Uint8Array | number {
  const { inode } = path.dentry;
  if (ACL_NAMES.includes(name)) return inode.sb.hasXattr ? -ENODATA : -EOPNOTSUPP;
  const denied = permission(k, path, name, MAY_READ);
  if (denied < 0) return denied;
  const bad = supported(inode, name);
  if (bad < 0) return bad;
  return visible(inode, name) ? (inode.xattrs?.get(name) ?? -ENODATA) : -ENODATA;
}
/** The names, each ended by a NUL, in the order of Linux's tree (descending). */
export function listXattr(k: Kernel, path: Path): Uint8Array {
  const names = [...(path.dentry.inode.xattrs?.keys() ?? [])]
    .filter((n) => visible(path.dentry.inode, n))
    .filter((n) => !n.startsWith('trusted.') || k.current.capable(CAP_SYS_ADMIN));
  names.sort((a, b) => (a < b ? 1 : -1));
  return bytesOf(names.map((n) => `${n}\0`).join(''));
}
export function removeXattr(k: Kernel, path: Path, name: string): number {
  const { inode } = path.dentry;
  if (ACL_NAMES.includes(name)) return inode.sb.hasXattr ? 0 : -EOPNOTSUPP;
  const denied = permission(k, path, name, MAY_WRITE);
  if (denied < 0) return denied;
  if (name.startsWith('security.') && !k.current.capable(CAP_SYS_ADMIN)) return -EPERM;
  const bad = supported(inode, name);
  if (bad < 0) return bad;
  if (inode.xattrs?.has(name) !== true) return -ENODATA;
  const r = inode.op.setattr?.(k, inode, { what: 'xattr' }) ?? 0;
  if (r < 0) return r;
  inode.xattrs?.delete(name);
  inode.ctime = k.vfs.now();
  fsnotifyAttrib(k, path.dentry);
  return 0;
}
