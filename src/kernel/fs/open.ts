import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  EMLINK,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  ETXTBSY,
  EXDEV,
} from '../../abi/errno.ts';
import {
  FMODE_WRITE,
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
} from '../../abi/fs.ts';
import { MS_NODEV, MS_NOEXEC, MS_RDONLY } from '../../abi/mount.ts';
import type { Kernel } from '../kernel.ts';
import { BLOCKED } from '../sched/wait.ts';
import { vfsTruncate } from './attr.ts';
import { isAppendOnly, isImmutable } from './fileattr.ts';
import { breakLease } from './lease.ts';
import { touchModified } from './inode.ts';
import { fsnotifyCreate, fsnotifyDelete, fsnotifyLinkCount, fsnotifyMove, fsnotifyOpen } from './notify/fsnotify.ts';
import { nameOpGoing } from './modfs/names.ts';
import {
  addDentry,
  inGroup,
  inodePermission,
  isDir,
  isReg,
  linkDentry,
  lookupOne,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  pathOpen,
  pathWalk,
} from './namei.ts';
import type { Dentry, File, Inode, Path } from './types.ts';

// open and the changes of the name tree (fs/open.c, fs/namei.c).

const CAP_FOWNER = 3;
const CAP_FSETID = 4;
const CAP_MKNOD = 27;
const O_TMPFILE_BIT = 0o20000000;
const O_PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
const OPEN_ONLY = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC;
const S_IXGRP = 0o10;
const MAX_LINKS = 0x7fff_ffff;

export function readOnlyFs(path: Path): boolean {
  return (path.mnt.flags & MS_RDONLY) !== 0 || path.dentry.inode.sb.readOnly;
}
export const mountNoExec = (path: Path) => (path.mnt.flags & MS_NOEXEC) !== 0;

/** Without rights over the directory's group a new executable file loses set-group-ID (mode_strip_sgid). */
function stripSgid(k: Kernel, dir: Inode, mode: number): number {
  if ((mode & S_IFMT) === S_IFDIR || (dir.mode & S_ISGID) === 0) return mode;
  if ((mode & (S_ISGID | S_IXGRP)) !== (S_ISGID | S_IXGRP)) return mode;
  return inGroup(k.current, dir.gid) || k.current.capable(CAP_FSETID) ? mode : mode & ~S_ISGID;
}
/** The mode, group and owner that a new inode gets in `dir` (inode_init_owner). */
function initOwner(k: Kernel, dir: Inode, inode: Inode): void {
  if (dir.sb.fixedOwners) return;
  inode.uid = k.current.cred.fsuid;
  inode.gid = k.current.cred.fsgid;
  if ((dir.mode & S_ISGID) !== 0) {
    inode.gid = dir.gid;
    if (isDir(inode)) inode.mode |= S_ISGID;
  }
}
function mayCreate(k: Kernel, parent: Path): number {
  if (parent.dentry.inode.dead) return -ENOENT;
  return inodePermission(k.current, parent.dentry.inode, MAY_WRITE | MAY_EXEC);
}
/** May the caller remove or replace `victim` in `parent` (may_delete: write permission, the sticky bit, the right type)? */
function mayDelete(k: Kernel, parent: Path, victim: Dentry, dirWanted: boolean): number {
  const dir = parent.dentry.inode;
  const r = inodePermission(k.current, dir, MAY_WRITE | MAY_EXEC);
  if (r < 0) return r;
  const fsuid = k.current.cred.fsuid;
  if ((dir.mode & 0o1000) !== 0 && dir.uid !== fsuid && victim.inode.uid !== fsuid && !k.current.capable(CAP_FOWNER)) return -EPERM;
  if (isAppendOnly(dir) || isAppendOnly(victim.inode) || isImmutable(victim.inode) || k.mm.swap.isSwapFile(victim.inode)) return -EPERM;
  if (dirWanted) {
    if (!isDir(victim.inode)) return -ENOTDIR;
  } else if (isDir(victim.inode)) return -EISDIR;
  return dir.dead ? -ENOENT : 0;
}
/** filename_create: 0 when `name` is free in a directory that can be written to. `slash`: a name followed by / can only be a directory. */
function filenameCreate(k: Kernel, parent: Path, name: string, slash: boolean): number {
  const existing = lookupOne(k, parent.dentry, name);
  if (typeof existing !== 'number') return -EEXIST;
  if (existing !== -ENOENT) return existing;
  if (slash || parent.dentry.inode.dead) return -ENOENT;
  return readOnlyFs(parent) ? -EROFS : 0;
}

/** Makes a node of any type; -EEXIST when the name is taken. */
export function vfsMknod(k: Kernel, parent: Path, name: string, mode: number, rdev: number, slash = false, umask = 0): Dentry | number {
  const going = nameOpGoing(k);
  if (going !== undefined) return going < 0 ? going : madeByModule(k, parent, name);
  const type = mode & S_IFMT;
  const free = filenameCreate(k, parent, name, slash && type !== S_IFDIR);
  if (free < 0) return free;
  const allowed = mayCreate(k, parent);
  if (allowed < 0) return allowed;
  // A 0:0 character device is a whiteout, which anyone may make.
  if (((type === S_IFCHR && rdev !== 0) || type === S_IFBLK) && !k.current.capable(CAP_MKNOD)) return -EPERM;
  return createIn(k, parent, name, stripSgid(k, parent.dentry.inode, mode) & ~umask, rdev);
}
function createIn(k: Kernel, parent: Path, name: string, mode: number, rdev: number): Dentry | number {
  const dir = parent.dentry.inode;
  const inode = dir.op.create?.(k, dir, name, mode, rdev) ?? (dir.sb.volatile ? -EACCES : -EPERM);
  if (typeof inode === 'number') return inode;
  initOwner(k, dir, inode);
  if (isDir(inode)) dir.nlink++;
  touchModified(k, dir);
  const dentry = addDentry(parent.dentry, name, inode, dir.sb.volatile);
  fsnotifyCreate(k, dir, dentry);
  return dentry;
}

/** What a module's file system has made under that name. */
function madeByModule(k: Kernel, parent: Path, name: string): Dentry | number {
  const dentry = parent.dentry.children.get(name);
  if (dentry === undefined) return -ENOENT;
  fsnotifyCreate(k, parent.dentry.inode, dentry);
  return dentry;
}
export function vfsSymlink(k: Kernel, parent: Path, name: string, target: string, slash = false): number {
  const going = nameOpGoing(k);
  if (going !== undefined) {
    const made = going < 0 ? going : madeByModule(k, parent, name);
    return typeof made === 'number' ? made : 0;
  }
  const free = filenameCreate(k, parent, name, slash);
  if (free < 0) return free;
  const allowed = mayCreate(k, parent);
  if (allowed < 0) return allowed;
  const dir = parent.dentry.inode;
  const inode = dir.op.symlink?.(k, dir, name, target) ?? -EPERM;
  if (typeof inode === 'number') return inode;
  initOwner(k, dir, inode);
  touchModified(k, dir);
  fsnotifyCreate(k, dir, addDentry(parent.dentry, name, inode, dir.sb.volatile));
  return 0;
}

/** fs.protected_hardlinks: others' files only when they are plain and could be read and written anyway. */
function mayLinkat(k: Kernel, inode: Inode): boolean {
  if (k.current.cred.fsuid === inode.uid || k.current.capable(CAP_FOWNER)) return true;
  if (!isReg(inode) || (inode.mode & S_ISUID) !== 0 || (inode.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) return false;
  return inodePermission(k.current, inode, MAY_READ | MAY_WRITE) === 0;
}
export function vfsLink(k: Kernel, from: Path, parent: Path, name: string, slash = false): number {
  const free = filenameCreate(k, parent, name, slash);
  if (free < 0) return free;
  if (from.mnt !== parent.mnt) return -EXDEV;
  const { inode } = from.dentry;
  const dir = parent.dentry.inode;
  if (k.vfs.protectedHardlinks && !mayLinkat(k, inode)) return -EPERM;
  const allowed = mayCreate(k, parent);
  if (allowed < 0) return allowed;
  if (inode.sb !== dir.sb) return -EXDEV;
  if (inode.op.link === undefined || dir.op.create === undefined || isDir(inode)) return -EPERM;
  if (isAppendOnly(inode) || isImmutable(inode)) return -EPERM;
  if (inode.nlink === 0 && !inode.linkable) return -ENOENT;
  if (inode.nlink >= MAX_LINKS) return -EMLINK;
  const r = inode.op.link(k, inode, dir, name);
  if (r < 0) return r;
  inode.nlink++;
  inode.linkable = false;
  inode.ctime = k.vfs.now();
  touchModified(k, dir);
  fsnotifyLinkCount(k, inode);
  fsnotifyCreate(k, dir, addDentry(parent.dentry, name, inode, dir.sb.volatile));
  return 0;
}

function detach(k: Kernel, parent: Dentry, dentry: Dentry): void {
  parent.children.delete(dentry.name);
  dentry.deleted = true;
  dentry.inode.ctime = k.vfs.now();
  touchModified(k, parent.inode);
}
export function vfsUnlink(k: Kernel, parent: Path, name: string, slash = false): number {
  const going = nameOpGoing(k);
  if (going !== undefined) return going;
  if (readOnlyFs(parent)) return -EROFS;
  const dentry = lookupOne(k, parent.dentry, name);
  if (typeof dentry === 'number') return dentry;
  if (slash) return isDir(dentry.inode) ? -EISDIR : -ENOTDIR;
  const allowed = mayDelete(k, parent, dentry, false);
  if (allowed < 0) return allowed;
  const dir = parent.dentry.inode;
  if (dir.op.unlink === undefined) return -EPERM;
  if (dentry.mounted !== null) return -EBUSY;
  const r = dir.op.unlink(k, dir, name, dentry.inode);
  if (r < 0) return r;
  detach(k, parent.dentry, dentry);
  dentry.inode.nlink--;
  fsnotifyLinkCount(k, dentry.inode);
  k.vfs.evict(dentry.inode);
  fsnotifyDelete(k, dir, dentry);
  return 0;
}
export function vfsRmdir(k: Kernel, parent: Path, name: string): number {
  const going = nameOpGoing(k);
  if (going !== undefined) return going;
  if (readOnlyFs(parent)) return -EROFS;
  const dentry = lookupOne(k, parent.dentry, name);
  if (typeof dentry === 'number') return dentry;
  const allowed = mayDelete(k, parent, dentry, true);
  if (allowed < 0) return allowed;
  const dir = parent.dentry.inode;
  if (dir.op.unlink === undefined) return -EPERM;
  if (dentry.mounted !== null) return -EBUSY;
  if (dentry.children.size > 0 && dir.sb.ofModule !== true) return -ENOTEMPTY;
  const r = dir.op.unlink(k, dir, name, dentry.inode);
  if (r < 0) return r;
  removeDirectory(k, parent.dentry, dentry);
  k.vfs.evict(dentry.inode);
  fsnotifyDelete(k, dir, dentry);
  return 0;
}
function removeDirectory(k: Kernel, parent: Dentry, dentry: Dentry): void {
  detach(k, parent, dentry);
  dentry.inode.nlink = 0;
  dentry.inode.dead = true;
  parent.inode.nlink--;
}

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;
/** A parent directory with the name in it, and whether slashes followed the name. */
export interface NamePlace {
  readonly path: Path;
  readonly last: string;
  readonly slash: boolean;
}
/** renameat2 after both parents are known (do_renameat2, vfs_rename). */
export function vfsRename(k: Kernel, from: NamePlace, to: NamePlace, flags: number): number {
  if (from.path.mnt !== to.path.mnt) return -EXDEV;
  if (isDots(from.last)) return -EBUSY;
  if (isDots(to.last)) return (flags & RENAME_NOREPLACE) !== 0 ? -EEXIST : -EBUSY;
  if (readOnlyFs(from.path)) return -EROFS;
  const source = lookupOne(k, from.path.dentry, from.last);
  if (typeof source === 'number') return source;
  const found = lookupOne(k, to.path.dentry, to.last);
  if (typeof found === 'number' && found !== -ENOENT) return found;
  const target = typeof found === 'number' ? null : found;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if ((flags & RENAME_NOREPLACE) !== 0 && target !== null) return -EEXIST;
  if (exchange) {
    if (target === null) return -ENOENT;
    if (!isDir(target.inode) && to.slash) return -ENOTDIR;
  }
  if (!isDir(source.inode) && (from.slash || (!exchange && to.slash))) return -ENOTDIR;
  if (isAncestor(source, to.path.dentry)) return -EINVAL;
  if (target !== null && isAncestor(target, from.path.dentry)) return exchange ? -EINVAL : -ENOTEMPTY;
  return doRename(k, from, to, source, target, flags);
}
const isDots = (name: string) => name === '' || name === '.' || name === '..';
/** Is `dentry` the directory `below` or one above it? */
function isAncestor(dentry: Dentry, below: Dentry): boolean {
  for (let d = below; ; d = d.parent) {
    // Dentries that are not kept are told by their inodes.
    if (d === dentry || d.inode === dentry.inode) return true;
    if (d === d.parent) return false;
  }
}
function doRename(k: Kernel, from: NamePlace, to: NamePlace, source: Dentry, target: Dentry | null, flags: number): number {
  if (target !== null && target.inode === source.inode) return 0;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const sourceDir = isDir(source.inode);
  let r = mayDelete(k, from.path, source, sourceDir);
  if (r < 0) return r;
  if (target === null) r = mayCreate(k, to.path);
  else r = mayDelete(k, to.path, target, exchange ? isDir(target.inode) : sourceDir);
  if (r < 0) return r;
  const oldDir = from.path.dentry;
  const newDir = to.path.dentry;
  if (oldDir.inode.op.rename === undefined) return -EPERM;
  if (oldDir !== newDir) {
    // Its .. changes.
    if (sourceDir) r = inodePermission(k.current, source.inode, MAY_WRITE);
    if (r === 0 && exchange && target !== null && isDir(target.inode)) r = inodePermission(k.current, target.inode, MAY_WRITE);
    if (r < 0) return r;
  }
  if (source.mounted !== null || (target !== null && target.mounted !== null)) return -EBUSY;
  if (!exchange && target !== null && isDir(target.inode) && target.children.size > 0) return -ENOTEMPTY;
  r = oldDir.inode.op.rename(
    k,
    { dir: oldDir.inode, name: from.last },
    { dir: newDir.inode, name: to.last },
    flags,
    source.inode,
    target?.inode ?? null,
  );
  if (r < 0) return r;
  if (exchange && target !== null) {
    exchangeDentries(source, target);
    target.inode.ctime = k.vfs.now();
    source.inode.ctime = k.vfs.now();
  } else {
    if (target !== null) {
      if (isDir(target.inode)) removeDirectory(k, newDir, target);
      else {
        detach(k, newDir, target);
        target.inode.nlink--;
      }
    }
    if ((flags & RENAME_WHITEOUT) !== 0) {
      const made = oldDir.inode.op.create?.(k, oldDir.inode, from.last, S_IFCHR, 0) ?? -EPERM;
      if (typeof made === 'number') return made;
      initOwner(k, oldDir.inode, made);
      oldDir.children.delete(from.last);
      addDentry(oldDir, from.last, made);
    } else oldDir.children.delete(from.last);
    source.name = to.last;
    if (newDir.inode.sb.volatile) source.parent = newDir;
    else linkDentry(newDir, source);
    source.inode.ctime = k.vfs.now();
    if (sourceDir && oldDir !== newDir) {
      oldDir.inode.nlink--;
      newDir.inode.nlink++;
    }
  }
  touchModified(k, oldDir.inode);
  touchModified(k, newDir.inode);
  fsnotifyMove(k, oldDir.inode, from.last, source, exchange || target === null ? null : target.inode);
  if (target !== null) {
    if (exchange) fsnotifyMove(k, newDir.inode, to.last, target, null);
    else k.vfs.evict(target.inode);
  }
  return 0;
}
function exchangeDentries(a: Dentry, b: Dentry): void {
  const dirs = Number(isDir(b.inode)) - Number(isDir(a.inode));
  const [aDir, bDir, aName, bName] = [a.parent, b.parent, a.name, b.name];
  aDir.inode.nlink += dirs;
  bDir.inode.nlink -= dirs;
  aDir.children.delete(aName);
  bDir.children.delete(bName);
  // Both become newest entries, the moved one last (__d_move).
  b.name = aName;
  linkDentry(aDir, b);
  a.name = bName;
  linkDentry(bDir, a);
}

export interface OpenHow {
  readonly flags: number;
  readonly mode: number;
  readonly resolve: number;
}
/** Rejects flags that contradict each other (build_open_flags): 0 or -EINVAL. */
export function checkOpenFlags(how: OpenHow): number {
  const { flags, mode } = how;
  const creates = (flags & (O_CREAT | O_TMPFILE_BIT)) !== 0;
  if (creates ? (mode & ~0o7777) !== 0 : mode !== 0) return -EINVAL;
  if ((flags & (O_DIRECTORY | O_CREAT)) === (O_DIRECTORY | O_CREAT)) return -EINVAL;
  if ((flags & O_TMPFILE_BIT) !== 0 && ((flags & O_TMPFILE) !== O_TMPFILE || (flags & O_ACCMODE) === 0)) return -EINVAL;
  if ((flags & O_PATH) !== 0 && (flags & ~O_PATH_FLAGS) !== 0) return -EINVAL;
  return 0;
}
/** ACC_MODE: 3 asks for both, though the file can then do neither. */
function accessMask(flags: number): number {
  const acc = flags & O_ACCMODE;
  return (acc === 1 ? MAY_WRITE : acc === 0 ? MAY_READ : MAY_READ | MAY_WRITE) | ((flags & O_TRUNC) !== 0 ? MAY_WRITE : 0);
}

/** open(2): a file description, -errno, or BLOCKED (a FIFO that waits). */
export function filpOpen(k: Kernel, start: Path, name: string, flagsAsked: number, modeAsked: number, resolve = 0): File | number {
  const opening = k.current.restart?.['opening'] as File | undefined;
  if (opening !== undefined) return callOpen(k, opening, opening.path, (flagsAsked & O_TRUNC) !== 0 && isReg(opening.inode));
  // open and openat ignore what they do not know; openat2 has checked before.
  const flags = (flagsAsked & O_PATH) !== 0 ? flagsAsked & O_PATH_FLAGS : flagsAsked;
  const mode = (flags & (O_CREAT | O_TMPFILE_BIT)) !== 0 ? modeAsked & 0o7777 : 0;
  const bad = checkOpenFlags({ flags, mode, resolve });
  if (bad < 0) return bad;
  if ((flags & O_TMPFILE_BIT) !== 0) return openTmpfile(k, start, name, flags, mode);
  const create = (flags & O_CREAT) !== 0;
  const exclusive = create && (flags & O_EXCL) !== 0;
  const follow = (flags & O_NOFOLLOW) === 0 && !exclusive;
  const found = pathOpen(k, start, name, { follow, directory: (flags & O_DIRECTORY) !== 0, create, resolve });
  if (typeof found === 'number') return found;
  if (found.missing !== null) return openNew(k, found.path, found.missing, flags, mode);
  const { path } = found;
  const { inode } = path.dentry;
  if ((flags & O_PATH) !== 0) return k.vfs.newFile(path, {}, flags);
  if (exclusive) return -EEXIST;
  if (create && isDir(inode)) return -EISDIR;
  const truncate = (flags & O_TRUNC) !== 0 && isReg(inode);
  if (truncate && readOnlyFs(path)) return -EROFS;
  const allowed = mayOpen(k, path, accessMask(flags), flags);
  if (allowed < 0) return allowed;
  return finishOpen(k, path, flags, truncate);
}
/** may_open: does the type allow it, does the caller have the right? */
function mayOpen(k: Kernel, path: Path, mask: number, flags: number): number {
  const { inode } = path.dentry;
  switch (inode.mode & S_IFMT) {
    case S_IFLNK:
      return -ELOOP;
    case S_IFDIR:
      if ((mask & MAY_WRITE) !== 0) return -EISDIR;
      break;
    case S_IFBLK:
    case S_IFCHR:
      if ((path.mnt.flags & MS_NODEV) !== 0) return -EACCES;
      break;
  }
  const denied = inodePermission(k.current, inode, mask);
  if (denied < 0) return denied;
  if (isAppendOnly(inode) && (mask & MAY_WRITE) !== 0 && ((flags & O_APPEND) === 0 || (flags & O_TRUNC) !== 0)) return -EPERM;
  if ((flags & O_NOATIME) !== 0 && k.current.cred.fsuid !== inode.uid && !k.current.capable(CAP_FOWNER)) return -EPERM;
  return 0;
}
function openNew(k: Kernel, parent: Path, name: string, flags: number, mode: number): File | number {
  const dir = parent.dentry.inode;
  if (readOnlyFs(parent)) return -EROFS;
  const denied = inodePermission(k.current, dir, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied;
  const made = createIn(k, parent, name, stripSgid(k, dir, S_IFREG | mode) & ~k.current.fs.umask, 0);
  if (typeof made === 'number') return made;
  const file = finishOpen(k, { mnt: parent.mnt, dentry: made }, flags, false);
  if (typeof file !== 'number') file.created = true;
  return file;
}
export function isExecuted(k: Kernel, inode: Inode): boolean {
  for (const task of k.sched.tasks.values()) if (task.mm?.exeFile?.inode === inode) return true;
  return false;
}
/** do_dentry_open. */
function finishOpen(k: Kernel, path: Path, flags: number, truncate: boolean): File | number {
  const { inode } = path.dentry;
  const file = k.vfs.newFile(path, inode.fop, flags | O_LARGEFILE);
  file.flags |= flags & OPEN_ONLY; // only the driver's open sees them
  return callOpen(k, file, path, truncate);
}
function callOpen(k: Kernel, file: File, path: Path, truncate: boolean): File | number {
  const { inode } = file;
  if (k.current.restart?.['opened'] === true) return truncateOpened(k, file, path);
  const r = openInode(k, file, path);
  // A module's open function has been started; the call, made again, comes back to this very file.
  if (r === BLOCKED && k.current.restart?.['opening'] === file) return BLOCKED;
  file.flags &= ~OPEN_ONLY;
  if (r < 0) {
    k.vfs.dropNewFile(file);
    return r;
  }
  fsnotifyOpen(k, file);
  if (!truncate) return file;
  if (inode.sb.ofModule === true) {
    // Its setattr may be waited for: the call, made again, comes back to here.
    k.current.restart = { ...k.current.restart, opening: file, opened: true };
    k.current.calls = [];
    k.current.callIndex = 0;
  }
  return truncateOpened(k, file, path);
}
/** handle_truncate. */
function truncateOpened(k: Kernel, file: File, path: Path): File | number {
  const t = isExecuted(k, file.inode) ? -ETXTBSY : vfsTruncate(k, path.dentry, 0);
  if (t === BLOCKED) return BLOCKED;
  if (file.inode.sb.ofModule === true) k.current.restart = null;
  if (t < 0) {
    k.vfs.fput(file);
    return t;
  }
  return file;
}
function openInode(k: Kernel, file: File, path: Path): number {
  const { inode } = file;
  const type = inode.mode & S_IFMT;
  if (type === S_IFSOCK) return -ENXIO;
  if ((file.mode & FMODE_WRITE) !== 0 && type === S_IFREG) {
    if (isExecuted(k, inode)) return -ETXTBSY;
    if (readOnlyFs(path)) return -EROFS;
  }
  const lease = breakLease(k, inode, file.flags | (file.mode === 0 ? O_RDWR : 0));
  if (lease !== 0) return lease;
  return file.op.open?.(k, inode, file) ?? 0;
}
function openTmpfile(k: Kernel, start: Path, name: string, flags: number, mode: number): File | number {
  const dir = pathWalk(k, start, name, (flags & O_NOFOLLOW) === 0, true);
  if (typeof dir === 'number') return dir;
  if (readOnlyFs(dir)) return -EROFS;
  const { inode: parent } = dir.dentry;
  const denied = inodePermission(k.current, parent, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied;
  if (parent.op.tmpfile === undefined) return -EOPNOTSUPP;
  const inode = parent.op.tmpfile(k, parent, stripSgid(k, parent, S_IFREG | mode) & ~k.current.fs.umask);
  if (typeof inode === 'number') return inode;
  initOwner(k, parent, inode);
  inode.nlink = 0;
  inode.linkable = (flags & O_EXCL) === 0;
  const dentry: Dentry = { name: `#${inode.ino}`, parent: dir.dentry, inode, children: new Map(), mounted: null, deleted: true };
  return finishOpen(k, { mnt: dir.mnt, dentry }, flags, false);
}

/** Opens what a path names already (do_file_open_root). */
export function openPath(k: Kernel, path: Path, flagsAsked: number): File | number {
  const flags = (flagsAsked & O_PATH) !== 0 ? flagsAsked & O_PATH_FLAGS : flagsAsked & ~(O_CREAT | O_EXCL);
  if ((flags & O_PATH) !== 0) return k.vfs.newFile(path, {}, flags);
  const truncate = (flags & O_TRUNC) !== 0 && isReg(path.dentry.inode);
  if (truncate && readOnlyFs(path)) return -EROFS;
  if ((flags & O_DIRECTORY) !== 0 && !isDir(path.dentry.inode)) return -ENOTDIR;
  const allowed = mayOpen(k, path, accessMask(flags), flags);
  return allowed < 0 ? allowed : finishOpen(k, path, flags, truncate);
}

/** Opens from inside the kernel, from the root of everything. */
export function kernelOpen(k: Kernel, name: string, flags: number): File | number {
  return filpOpen(k, { mnt: k.vfs.rootMount, dentry: k.vfs.rootMount.root }, name, flags, 0o644);
}
