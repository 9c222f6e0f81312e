import { EIO, ENOSPC, EROFS } from '../../../abi/errno.ts';
import { FMODE_WRITE } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import type { AddressSpace } from '../../mm/filemap.ts';
import { addDentry, isDir } from '../namei.ts';
import { genericFileOps } from '../read_write.ts';
import type { Dentry, FileOperations, Inode } from '../types.ts';
import { isSymlink, isOverlay, type OverlayInode, XATTR_PREFIX } from './inode.ts';

// Copy-up: before a lower object changes it is copied to the upper layer, its directories first.

/** Copies what is there; holes stay holes. False = no space. */
function copyContents(k: Kernel, from: AddressSpace, to: AddressSpace): boolean {
  for (let at = 0; at < from.size; at += PAGE_SIZE) {
    if (!from.holds(at / PAGE_SIZE)) continue;
    const page = new Uint8Array(Math.min(PAGE_SIZE, from.size - at));
    from.read(k, at, page);
    if (to.write(k, at, page) < page.length) return false;
  }
  to.size = from.size;
  return true;
}
function copyAttributes(from: Inode, to: Inode): void {
  to.mode = from.mode;
  to.uid = from.uid;
  to.gid = from.gid;
  [to.atime, to.mtime] = [from.atime, from.mtime];
  for (const [name, value] of from.xattrs ?? []) {
    if (name.startsWith(XATTR_PREFIX)) continue;
    to.xattrs ??= new Map();
    to.xattrs.set(name, value);
  }
}
/** The real inode of a new upper object like `from`, not in any directory yet. */
function makeLike(k: Kernel, dir: Inode, name: string, from: Inode): Inode | number {
  if (!isSymlink(from)) return dir.op.create?.(k, dir, name, from.mode, from.rdev) ?? -EROFS;
  const target = from.op.readlink?.(k, from) ?? -EIO;
  return typeof target === 'number' ? target : (dir.op.symlink?.(k, dir, name, target) ?? -EROFS);
}
/** Makes sure that `inode` is in the upper layer. 0 or -errno. */
export function copyUp(k: Kernel, inode: OverlayInode): number {
  if (inode.upper !== null) return 0;
  const { parent } = inode;
  if (inode.fs.upper === null || parent === null) return -EROFS;
  const r = copyUp(k, parent);
  if (r < 0) return r;
  const dir = parent.upper as Dentry;
  const from = inode.real;
  const made = makeLike(k, dir.inode, inode.name, from);
  if (typeof made === 'number') return made;
  copyAttributes(from, made);
  if (from.mapping !== null && made.mapping !== null && !copyContents(k, from.mapping, made.mapping)) {
    made.nlink = 0;
    k.vfs.evict(made);
    return -ENOSPC;
  }
  if (isDir(made)) dir.inode.nlink++;
  inode.setUpper(addDentry(dir, inode.name, made));
  return 0;
}
/** As a step of an operation that has no overlay inode in its hands for certain. */
export const copyUpAny = (k: Kernel, inode: Inode): number => (isOverlay(inode) ? copyUp(k, inode) : -EIO);

/** Contents are the real inode's pages; opening for writing copies up. */
export const overlayFileOps: FileOperations = {
  ...genericFileOps,
  open(k, inode, file) {
    return (file.mode & FMODE_WRITE) !== 0 ? copyUpAny(k, inode) : 0;
  },
};
