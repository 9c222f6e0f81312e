import { EACCES, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO, EPERM, EROFS, ETXTBSY } from '../../abi/errno.ts';
import {
  O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_TMPFILE, O_TRUNC, S_IFMT, S_IFREG, S_IFSOCK, S_ISGID,
} from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { addDentry, crossMounts, inodePermission, isDir, isLink, lookupOne, MAY_EXEC, MAY_READ, MAY_WRITE, pathParent, pathWalk } from './namei.ts';
import type { Dentry, File, Inode, Path } from './types.ts';
import { MS_RDONLY } from './vfs.ts';

// open and the changes of the name tree (fs/open.c, fs/namei.c).

const CAP_FOWNER = 3;

export function readOnlyFs(path: Path): boolean {
  return (path.mnt.flags & MS_RDONLY) !== 0 || path.dentry.inode.sb.readOnly;
}

/** The mode, group and owner that a new inode gets in `dir` (inode_init_owner). */
function initOwner(k: Kernel, dir: Inode, inode: Inode): void {
  inode.uid = k.current.cred.fsuid;
  inode.gid = k.current.cred.fsgid;
  if ((dir.mode & S_ISGID) !== 0) {
    inode.gid = dir.gid;
    if (isDir(inode)) inode.mode |= S_ISGID;
  }
}
function touchDir(k: Kernel, dir: Inode): void {
  dir.mtime = dir.ctime = k.vfs.now();
}
function mayCreate(k: Kernel, parent: Path): number {
  if (readOnlyFs(parent)) return -EROFS;
  return inodePermission(k.current, parent.dentry.inode, MAY_WRITE | MAY_EXEC);
}
/** May the caller remove or replace `victim` in `dir` (may_delete: write permission and the sticky bit)? */
function mayDelete(k: Kernel, parent: Path, victim: Dentry): number {
  const r = mayCreate(k, parent);
  if (r < 0) return r;
  const dir = parent.dentry.inode;
  const fsuid = k.current.cred.fsuid;
  if ((dir.mode & 0o1000) !== 0 && dir.uid !== fsuid && victim.inode.uid !== fsuid && !k.current.capable(CAP_FOWNER)) return -EPERM;
  return 0;
}

/** Makes a node of any type; -EEXIST when the name is taken. */
export function vfsMknod(k: Kernel, parent: Path, name: string, mode: number, rdev: number): Dentry | number {
  const existing = lookupOne(k, parent.dentry, name);
  if (typeof existing !== 'number') return -EEXIST;
  if (existing !== -ENOENT) return existing;
  const allowed = mayCreate(k, parent);
  if (allowed < 0) return allowed;
  const dir = parent.dentry.inode;
  if (parent.dentry.deleted) return -ENOENT;
  const inode = dir.op.create?.(k, dir, name, mode, rdev) ?? -EPERM;
  if (typeof inode === 'number') return inode === -EPERM && dir.sb.volatile ? -EACCES : inode;
  initOwner(k, dir, inode);
  if (isDir(inode)) dir.nlink++;
  touchDir(k, dir);
  return addDentry(parent.dentry, name, inode);
}

export function vfsSymlink(k: Kernel, parent: Path, name: string, target: string): number {
  const existing = lookupOne(k, parent.dentry, name);
  if (typeof existing !== 'number') return -EEXIST;
  if (existing !== -ENOENT) return existing;
  const allowed = mayCreate(k, parent);
  if (allowed < 0) return allowed;
  const dir = parent.dentry.inode;
  const inode = dir.op.symlink?.(k, dir, name, target) ?? -EPERM;
  if (typeof inode === 'number') return inode;
  initOwner(k, dir, inode);
  touchDir(k, dir);
  addDentry(parent.dentry, name, inode);
  return 0;
}

export function vfsLink(k: Kernel, from: Path, parent: Path, name: string): number {
  const existing = lookupOne(k, parent.dentry, name);
  if (typeof existing !== 'number') return -EEXIST;
  if (existing !== -ENOENT) return existing;
  const allowed = mayCreate(k, parent);
  if (allowed < 0) return allowed;
  const inode = from.dentry.inode;
  if (isDir(inode)) return -EPERM;
  if (inode.sb !== parent.dentry.inode.sb) return -18; // EXDEV
  if (inode.op.link === undefined) return -EPERM;
  inode.nlink++;
  inode.ctime = k.vfs.now();
  touchDir(k, parent.dentry.inode);
  addDentry(parent.dentry, name, inode);
  return 0;
}

function detach(k: Kernel, parent: Dentry, dentry: Dentry): void {
  parent.children.delete(dentry.name);
  dentry.deleted = true;
  dentry.inode.ctime = k.vfs.now();
  touchDir(k, parent.inode);
}
export function vfsUnlink(k: Kernel, parent: Path, name: string): number {
  const dentry = lookupOne(k, parent.dentry, name);
  if (typeof dentry === 'number') return dentry;
  const allowed = mayDelete(k, parent, dentry);
  if (allowed < 0) return allowed;
  if (isDir(dentry.inode)) return -EISDIR;
  const r = parent.dentry.inode.op.unlink?.(k, parent.dentry.inode, name, dentry.inode) ?? -EPERM;
  if (r < 0) return r;
  detach(k, parent.dentry, dentry);
  dentry.inode.nlink--;
  k.vfs.evict(dentry.inode);
  return 0;
}
export function vfsRmdir(k: Kernel, parent: Path, name: string): number {
  const dentry = lookupOne(k, parent.dentry, name);
  if (typeof dentry === 'number') return dentry;
  const allowed = mayDelete(k, parent, dentry);
  if (allowed < 0) return allowed;
  if (!isDir(dentry.inode)) return -ENOTDIR;
  if (dentry.mounted !== null) return -16; // EBUSY
  const dir = parent.dentry.inode;
  if (dir.op.unlink === undefined) return -EPERM;
  if (dentry.children.size > 0) return -39; // ENOTEMPTY
  const r = dir.op.unlink(k, dir, name, dentry.inode);
  if (r < 0) return r;
  detach(k, parent.dentry, dentry);
  dentry.inode.nlink = 0;
  dir.nlink--;
  return 0;
}

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
export function vfsRename(k: Kernel, from: Path, fromName: string, to: Path, toName: string, flags: number): number {
  if ((flags & ~3) !== 0 || flags === 3) return -EINVAL;
  const source = lookupOne(k, from.dentry, fromName);
  if (typeof source === 'number') return source;
  const target = lookupOne(k, to.dentry, toName);
  if (typeof target === 'number' && target !== -ENOENT) return target;
  if (source.inode.sb !== to.dentry.inode.sb || from.mnt !== to.mnt) return -18; // EXDEV
  const allowed = mayDelete(k, from, source);
  if (allowed < 0) return allowed;
  const into = typeof target === 'number' ? mayCreate(k, to) : mayDelete(k, to, target);
  if (into < 0) return into;
  if (source.inode.op.rename === undefined) return -EPERM;
  // A directory may not move below itself.
  for (let d = to.dentry; ; d = d.parent) {
    if (d === source) return -EINVAL;
    if (d === d.parent) break;
  }
  if (source.mounted !== null || (typeof target !== 'number' && target.mounted !== null)) return -16; // EBUSY
  if (flags === RENAME_EXCHANGE) {
    if (typeof target === 'number') return target;
    [source.parent, target.parent, source.name, target.name] = [target.parent, source.parent, target.name, source.name];
    source.parent.children.set(source.name, source);
    target.parent.children.set(target.name, target);
  } else {
    if (typeof target !== 'number') {
      if (target === source || target.inode === source.inode) return 0;
      if (flags === RENAME_NOREPLACE) return -EEXIST;
      if (isDir(source.inode) && !isDir(target.inode)) return -ENOTDIR;
      if (!isDir(source.inode) && isDir(target.inode)) return -EISDIR;
      if (isDir(target.inode)) {
        if (target.children.size > 0) return -39; // ENOTEMPTY
        target.inode.nlink = 0;
        to.dentry.inode.nlink--;
      } else target.inode.nlink--;
      detach(k, to.dentry, target);
      k.vfs.evict(target.inode);
    }
    from.dentry.children.delete(fromName);
    source.name = toName;
    source.parent = to.dentry;
    to.dentry.children.set(toName, source);
    if (isDir(source.inode) && from.dentry !== to.dentry) {
      from.dentry.inode.nlink--;
      to.dentry.inode.nlink++;
    }
  }
  source.inode.ctime = k.vfs.now();
  touchDir(k, from.dentry.inode);
  touchDir(k, to.dentry.inode);
  return 0;
}

export function vfsTruncate(k: Kernel, inode: Inode, size: number): number {
  if (isDir(inode)) return -EISDIR;
  if (inode.mapping === null || (inode.mode & S_IFMT) !== S_IFREG) return -EINVAL;
  const r = inode.op.setattr?.(k, inode, 'size') ?? -EPERM;
  if (r < 0) return r;
  inode.mapping.truncate(k, size);
  inode.mtime = inode.ctime = k.vfs.now();
  return 0;
}

/** open(2): a file description, -errno, or BLOCKED (a FIFO that waits). */
export function filpOpen(k: Kernel, start: Path, name: string, flags: number, mode: number): File | number {
  const acc = flags & O_ACCMODE;
  const creating = (flags & O_CREAT) !== 0;
  if ((flags & O_TMPFILE) === O_TMPFILE) return openTmpfile(k, start, name, flags, mode);
  let path: Path;
  let created = false;
  if (creating && (flags & O_PATH) === 0) {
    const found = openCreate(k, start, name, flags, mode, 0);
    if (typeof found === 'number') return found;
    path = found.path;
    created = found.created;
  } else {
    const r = pathWalk(k, start, name, (flags & O_NOFOLLOW) === 0);
    if (typeof r === 'number') return r;
    path = r;
  }
  const { inode } = path.dentry;
  if ((flags & O_DIRECTORY) !== 0 && !isDir(inode)) return -ENOTDIR;
  if ((flags & O_PATH) !== 0) return k.vfs.newFile(path, {}, flags);
  if (isLink(inode)) return -ELOOP;
  if (isDir(inode) && (acc !== 0 || creating)) return -EISDIR;
  if ((inode.mode & S_IFMT) === S_IFSOCK) return -ENXIO;
  if (!created) {
    const mask = (acc === 1 ? 0 : MAY_READ) | (acc === 0 ? 0 : MAY_WRITE) | ((flags & O_TRUNC) !== 0 ? MAY_WRITE : 0);
    const denied = inodePermission(k.current, inode, mask);
    if (denied < 0) return denied;
  }
  const regular = (inode.mode & S_IFMT) === S_IFREG;
  if (acc !== 0 && (regular || isDir(inode)) && readOnlyFs(path)) return -EROFS;
  if (acc !== 0 && regular && inode.mapping !== null && isExecuted(k, inode)) return -ETXTBSY;
  return finishOpen(k, path, flags & ~(O_CREAT | O_EXCL | O_TRUNC | 0o400), (flags & O_TRUNC) !== 0 && regular);
}
function isExecuted(k: Kernel, inode: Inode): boolean {
  for (const task of k.sched.tasks.values()) if (task.mm?.exeFile?.inode === inode) return true;
  return false;
}
function finishOpen(k: Kernel, path: Path, flags: number, truncate: boolean): File | number {
  const { inode } = path.dentry;
  const file = k.vfs.newFile(path, inode.fop, flags);
  const r = inode.fop.open?.(k, inode, file) ?? 0;
  if (r < 0) {
    k.vfs.openFiles--;
    inode.openCount--;
    return r;
  }
  if (truncate && (inode.mapping?.size ?? 0) > 0) vfsTruncate(k, inode, 0);
  return file;
}
function openCreate(k: Kernel, start: Path, name: string, flags: number, mode: number, depth: number): { path: Path; created: boolean } | number {
  const parent = pathParent(k, start, name);
  if (typeof parent === 'number') return parent;
  if (parent.last === '' || parent.last === '.' || parent.last === '..') return -EISDIR;
  const dentry = lookupOne(k, parent.path.dentry, parent.last);
  if (typeof dentry === 'number') {
    if (dentry !== -ENOENT) return dentry;
    if (parent.slash) return -EISDIR;
    const made = vfsMknod(k, parent.path, parent.last, S_IFREG | (mode & 0o7777 & ~k.current.fs.umask), 0);
    if (typeof made === 'number') return made;
    return { path: { mnt: parent.path.mnt, dentry: made }, created: true };
  }
  if ((flags & O_EXCL) !== 0) return -EEXIST;
  const path = crossMounts({ mnt: parent.path.mnt, dentry });
  if (isLink(path.dentry.inode)) {
    if ((flags & O_NOFOLLOW) !== 0) return -ELOOP;
    // A dangling link is created through.
    const target = path.dentry.inode.op.magicLink === undefined ? path.dentry.inode.op.readlink?.(k, path.dentry.inode) : undefined;
    if (typeof target === 'string') return depth > 40 ? -ELOOP : openCreate(k, parent.path, target, flags, mode, depth + 1);
    const r = pathWalk(k, start, name, true);
    return typeof r === 'number' ? r : { path: r, created: false };
  }
  return { path, created: false };
}
function openTmpfile(k: Kernel, start: Path, name: string, flags: number, mode: number): File | number {
  if ((flags & O_ACCMODE) === 0) return -EINVAL;
  const dir = pathWalk(k, start, name, true);
  if (typeof dir === 'number') return dir;
  if (!isDir(dir.dentry.inode)) return -ENOTDIR;
  const allowed = mayCreate(k, dir);
  if (allowed < 0) return allowed;
  const inode = dir.dentry.inode.op.create?.(k, dir.dentry.inode, '', S_IFREG | (mode & 0o7777 & ~k.current.fs.umask), 0) ?? -95;
  if (typeof inode === 'number') return inode;
  initOwner(k, dir.dentry.inode, inode);
  inode.nlink = 0;
  const dentry: Dentry = { name: `#${inode.ino}`, parent: dir.dentry, inode, children: new Map(), mounted: null, deleted: true };
  return finishOpen(k, { mnt: dir.mnt, dentry }, flags & ~(O_CREAT | O_EXCL), false);
}

/** Opens from inside the kernel with full rights (filp_open of kernel code: initramfs, execve of init). */
export function kernelOpen(k: Kernel, name: string, flags: number): File | number {
  return filpOpen(k, { mnt: k.vfs.rootMount, dentry: k.vfs.rootMount.root }, name, flags, 0o644);
}
