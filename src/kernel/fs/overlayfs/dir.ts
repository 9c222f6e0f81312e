import { EINVAL, EIO, ENOTEMPTY, EPERM, EROFS, EXDEV } from '../../../abi/errno.ts';
import { S_IFCHR, S_IFMT } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { addDentry, isDir, linkDentry } from '../namei.ts';
import type { Dentry, Inode, InodeOperations, NameIn } from '../types.ts';
import { copyUp } from './copy_up.ts';
import {
  isOverlay,
  isWhiteout,
  lowerPositive,
  OPAQUE,
  type OverlayFs,
  type OverlayInode,
  overlayInodeOf,
  overlayLookup,
  realChild,
} from './inode.ts';
import { overlayEntries } from './readdir.ts';

// Changes of names in an overlay (fs/overlayfs/dir.c). The VFS has checked everything against the overlay's inodes; here the upper layer follows.

const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;

const asOverlay = (inode: Inode): OverlayInode => {
  if (!isOverlay(inode)) throw new Error('not an overlay inode');
  return inode;
};
/** The upper directory of `dir`, copied up if need be. */
function upperDir(k: Kernel, dir: OverlayInode): Dentry | number {
  const r = copyUp(k, dir);
  return r < 0 ? r : (dir.upper ?? -EROFS);
}
const touch = (k: Kernel, dir: Inode) => {
  dir.mtime = dir.ctime = k.vfs.now();
};
/** Takes a name out of an upper directory. */
function dropUpper(k: Kernel, dir: Dentry, victim: Dentry): number {
  const r = dir.inode.op.unlink?.(k, dir.inode, victim.name, victim.inode) ?? -EPERM;
  if (r < 0) return r;
  dir.children.delete(victim.name);
  victim.deleted = true;
  victim.inode.ctime = k.vfs.now();
  if (isDir(victim.inode)) {
    victim.inode.nlink = 0;
    victim.inode.dead = true;
    dir.inode.nlink--;
  } else victim.inode.nlink--;
  touch(k, dir.inode);
  k.vfs.evict(victim.inode);
  return 0;
}
/** A whiteout of its own (RENAME_WHITEOUT of the upper file system). */
function newWhiteout(k: Kernel, dir: Dentry, name: string): number {
  const made = dir.inode.op.create?.(k, dir.inode, name, S_IFCHR, 0) ?? -EPERM;
  if (typeof made === 'number') return made;
  addDentry(dir, name, made);
  touch(k, dir.inode);
  return 0;
}
/** A link to the overlay's one whiteout, which lies in workdir (ovl_whiteout). */
function whiteout(k: Kernel, fs: OverlayFs, dir: Dentry, name: string): number {
  const { work } = fs;
  if (work === null) return -EROFS;
  if (fs.whiteout === null || fs.whiteout.nlink === 0) {
    const made = work.inode.op.create?.(k, work.inode, '#0', S_IFCHR, 0) ?? -EPERM;
    if (typeof made === 'number') return made;
    addDentry(work, `#${made.ino}`, made);
    fs.whiteout = made;
  }
  const r = fs.whiteout.op.link?.(k, fs.whiteout, dir.inode, name) ?? -EPERM;
  if (r < 0) return r;
  fs.whiteout.nlink++;
  addDentry(dir, name, fs.whiteout);
  touch(k, dir.inode);
  return 0;
}
/** The whiteout that a new name takes the place of goes. True when there was one. */
function clearWhiteout(k: Kernel, dir: Dentry, name: string): boolean | number {
  const there = realChild(k, dir, name);
  if (typeof there === 'number') return there;
  if (there === null || !isWhiteout(there.inode)) return false;
  const r = dropUpper(k, dir, there);
  return r < 0 ? r : true;
}
const setOpaque = (inode: Inode) => {
  inode.xattrs ??= new Map();
  inode.xattrs.set(OPAQUE, Uint8Array.of('y'.charCodeAt(0)));
};
/** A new upper object under `name`, made by `make`. */
function createUpper(k: Kernel, dirInode: Inode, name: string, make: (dir: Inode) => Inode | number): Inode | number {
  const dir = asOverlay(dirInode);
  const at = upperDir(k, dir);
  if (typeof at === 'number') return at;
  const covered = clearWhiteout(k, at, name);
  if (typeof covered === 'number') return covered;
  const made = make(at.inode);
  if (typeof made === 'number') return made;
  const dentry = addDentry(at, name, made);
  if (isDir(made)) {
    at.inode.nlink++;
    if (covered) setOpaque(made);
  }
  touch(k, at.inode);
  return overlayInodeOf(dir.fs, dentry, [], dir, name);
}
/** A directory that looks empty may hold whiteouts: they go with it. */
function clearDirectory(k: Kernel, dir: OverlayInode): number {
  const list = overlayEntries(k, dir);
  if (typeof list === 'number') return list;
  if (list.length > 0) return -ENOTEMPTY;
  for (const d of [...(dir.upper?.children.values() ?? [])]) {
    const r = dropUpper(k, dir.upper as Dentry, d);
    if (r < 0) return r;
  }
  return 0;
}
function unlink(k: Kernel, dirInode: Inode, name: string, victimInode: Inode): number {
  const dir = asOverlay(dirInode);
  const victim = asOverlay(victimInode);
  const at = upperDir(k, dir);
  if (typeof at === 'number') return at;
  if (isDir(victim)) {
    const r = clearDirectory(k, victim);
    if (r < 0) return r;
  }
  const covers = lowerPositive(k, dir, name);
  const upper = realChild(k, at, name);
  if (typeof upper === 'number') return upper;
  if (upper !== null) {
    const r = dropUpper(k, at, upper);
    if (r < 0) return r;
  }
  return covers ? whiteout(k, dir.fs, at, name) : 0;
}
/** Renaming a directory that shows through from below would need a redirect. */
const tiedBelow = (inode: OverlayInode) => isDir(inode) && inode.lowers.length > 0;

function rename(k: Kernel, from: NameIn, to: NameIn, flags: number, sourceInode: Inode, targetInode: Inode | null): number {
  if ((flags & RENAME_WHITEOUT) !== 0) return -EINVAL;
  const source = asOverlay(sourceInode);
  const target = targetInode === null ? null : asOverlay(targetInode);
  const oldDir = asOverlay(from.dir);
  const newDir = asOverlay(to.dir);
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (tiedBelow(source) || (exchange && target !== null && tiedBelow(target))) return -EXDEV;
  for (const inode of [source, oldDir, newDir, ...(exchange && target !== null ? [target] : [])]) {
    const r = copyUp(k, inode);
    if (r < 0) return r;
  }
  const [a, b] = [oldDir.upper as Dentry, newDir.upper as Dentry];
  const moved = source.upper as Dentry;
  if (exchange && target !== null) {
    exchangeUpper(k, moved, target.upper as Dentry, a, b);
    if (isDir(source) && lowerPositive(k, newDir, to.name)) setOpaque(source.real);
    if (isDir(target) && lowerPositive(k, oldDir, from.name)) setOpaque(target.real);
    [target.parent, target.name] = [oldDir, from.name];
  } else {
    const r = replaceUpper(k, moved, a, b, to.name, target);
    if (r < 0) return r;
    if (isDir(source) && lowerPositive(k, newDir, to.name)) setOpaque(source.real);
    if (lowerPositive(k, oldDir, from.name)) {
      const w = newWhiteout(k, a, from.name);
      if (w < 0) return w;
    }
  }
  [source.parent, source.name] = [newDir, to.name];
  touch(k, a.inode);
  touch(k, b.inode);
  return 0;
}
function replaceUpper(k: Kernel, moved: Dentry, a: Dentry, b: Dentry, name: string, target: OverlayInode | null): number {
  if (target !== null && isDir(target)) {
    const r = clearDirectory(k, target);
    if (r < 0) return r;
  }
  const there = realChild(k, b, name);
  if (typeof there === 'number') return there;
  if (there !== null) {
    const r = dropUpper(k, b, there);
    if (r < 0) return r;
  }
  a.children.delete(moved.name);
  moved.name = name;
  linkDentry(b, moved);
  moved.inode.ctime = k.vfs.now();
  if (isDir(moved.inode) && a !== b) {
    a.inode.nlink--;
    b.inode.nlink++;
  }
  return 0;
}
function exchangeUpper(k: Kernel, x: Dentry, y: Dentry, a: Dentry, b: Dentry): void {
  const dirs = Number(isDir(y.inode)) - Number(isDir(x.inode));
  a.inode.nlink += dirs;
  b.inode.nlink -= dirs;
  const [xName, yName] = [x.name, y.name];
  a.children.delete(xName);
  b.children.delete(yName);
  y.name = xName;
  linkDentry(a, y);
  x.name = yName;
  linkDentry(b, x);
  x.inode.ctime = y.inode.ctime = k.vfs.now();
}

export const overlayInodeOps: InodeOperations = {
  lookup: (k, dir, name) => overlayLookup(k, asOverlay(dir), name),
  create: (k, dir, name, mode, rdev) => {
    if ((mode & S_IFMT) === S_IFCHR && rdev === 0) return -EPERM; // it would be a whiteout
    return createUpper(k, dir, name, (d) => d.op.create?.(k, d, name, mode, rdev) ?? -EPERM);
  },
  symlink: (k, dir, name, target) => createUpper(k, dir, name, (d) => d.op.symlink?.(k, d, name, target) ?? -EPERM),
  link(k, inode, dir, name) {
    const source = asOverlay(inode);
    const up = copyUp(k, source);
    if (up < 0) return up;
    const real = source.real;
    const made = createUpper(k, dir, name, (d) => {
      const r = real.op.link?.(k, real, d, name) ?? -EPERM;
      return r < 0 ? r : real;
    });
    if (typeof made === 'number') return made;
    real.nlink++;
    return 0;
  },
  unlink,
  rename,
  readlink: (k, inode) => {
    const { real } = asOverlay(inode);
    return real.op.readlink?.(k, real) ?? -EIO;
  },
  setattr(k, inode, change) {
    const o = asOverlay(inode);
    const r = copyUp(k, o);
    return r < 0 ? r : (o.real.op.setattr?.(k, o.real, change) ?? 0);
  },
  entries: (k, dir) => overlayEntries(k, asOverlay(dir)),
  tmpfile(k, dir, mode) {
    const at = upperDir(k, asOverlay(dir));
    if (typeof at === 'number') return at;
    const made = at.inode.op.tmpfile?.(k, at.inode, mode) ?? -EPERM;
    if (typeof made === 'number') return made;
    const dentry: Dentry = { name: `#${made.ino}`, parent: at, inode: made, children: new Map(), mounted: null, deleted: true };
    return overlayInodeOf(asOverlay(dir).fs, dentry, [], asOverlay(dir), dentry.name);
  },
};
