import { ENOENT } from '../../../abi/errno.ts';
import { dtypeOf, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import type { AddressSpace } from '../../mm/filemap.ts';
import { deviceFileOps } from '../char_dev.ts';
import type { LockTable } from '../locks.ts';
import { isDir, lookupOne } from '../namei.ts';
import type { NotifyMark } from '../notify/fsnotify.ts';
import { pipeFifoOps } from '../pipe.ts';
import type { Dentry, FileOperations, Inode, SuperBlock, Timespec } from '../types.ts';
import { overlayFileOps } from './copy_up.ts';
import { overlayInodeOps } from './dir.ts';

// Inodes of an overlay, and the lookup through its layers.

export const OPAQUE = 'trusted.overlay.opaque';
export const XATTR_PREFIX = 'trusted.overlay.';
const YES = 'y'.charCodeAt(0);

/** A character device 0:0 hides what is below. */
export const isWhiteout = (inode: Inode) => (inode.mode & S_IFMT) === S_IFCHR && inode.rdev === 0;
export const isOpaque = (inode: Inode) => inode.xattrs?.get(OPAQUE)?.[0] === YES;

/** One overlay: its layers. */
export interface OverlayFs {
  readonly sb: SuperBlock;
  readonly upper: Dentry | null;
  readonly lowers: readonly Dentry[];
  /** workdir/work: keeps the whiteout that all removed names link to. */
  readonly work: Dentry | null;
  whiteout: Inode | null;
}

/**
 * What shows up for one object. Everything that belongs to the object itself is the real inode's; without an upper one nothing can be set, because whoever
 * changes something copies up first.
 */
export class OverlayInode implements Inode {
  readonly fs: OverlayFs;
  private readonly fixedIno: number | null;
  readonly op = overlayInodeOps;
  fop: FileOperations;
  /** Where it is in the upper layer; null = not copied up. */
  upper: Dentry | null;
  /** Where it is below: the layers of a directory from the top, or the one file. */
  lowers: readonly Dentry[];
  /** The directory and name it was found by. */
  parent: OverlayInode | null;
  name: string;
  private opens = 0;
  writers = 0;
  readers = 0;
  linkable = false;
  locks: LockTable | null = null;
  marks: NotifyMark[] | null = null;
  seals = -1;
  overlays: Inode[] | null = null;
  flags = 0;
  /** Of FIFOs: the pipe. */
  data: unknown;

  constructor(fs: OverlayFs, upper: Dentry | null, lowers: readonly Dentry[], parent: OverlayInode | null, name: string) {
    this.fs = fs;
    this.upper = upper;
    this.lowers = lowers;
    this.parent = parent;
    this.name = name;
    const { mode } = this.real;
    // What is copied up keeps its number from below, but a link that comes apart from its others is a new file.
    const below = lowers[0]?.inode;
    const apart = below !== undefined && !isDir(below) && below.nlink > 1;
    this.fixedIno = apart ? null : (below?.ino ?? this.real.ino);
    this.data = null;
    const type = mode & S_IFMT;
    this.fop = type === S_IFREG ? overlayFileOps : type === S_IFDIR ? { fsync: () => 0 } : {};
    if (type === S_IFCHR || type === S_IFBLK) this.fop = deviceFileOps;
    if (type === S_IFIFO) {
      this.fop = pipeFifoOps;
      this.data = this.real.data;
    }
  }
  get ino(): number {
    return this.fixedIno ?? this.real.ino;
  }
  get sb(): SuperBlock {
    return this.fs.sb;
  }
  /** The inode that is seen: the upper one, else the topmost lower one. */
  get real(): Inode {
    return (this.upper ?? this.lowers[0]).inode;
  }
  private get writable(): Inode | null {
    return this.upper?.inode ?? null;
  }
  /** Several directories make it up. */
  get merged(): boolean {
    return this.lowers.length + (this.upper === null ? 0 : 1) > 1;
  }
  /** Copied up: from now on `dentry` is what is seen. */
  setUpper(dentry: Dentry): void {
    const { opens } = this;
    this.openCount = 0;
    this.upper = dentry;
    this.openCount = opens;
    rememberOverlay(dentry.inode, this);
  }

  get openCount(): number {
    return this.opens;
  }
  set openCount(n: number) {
    this.real.openCount += n - this.opens;
    this.opens = n;
  }
  get mode(): number {
    return this.real.mode;
  }
  set mode(mode: number) {
    if (this.writable !== null) this.writable.mode = mode;
  }
  get uid(): number {
    return this.real.uid;
  }
  set uid(uid: number) {
    if (this.writable !== null) this.writable.uid = uid;
  }
  get gid(): number {
    return this.real.gid;
  }
  set gid(gid: number) {
    if (this.writable !== null) this.writable.gid = gid;
  }
  get nlink(): number {
    return this.merged && isDir(this.real) ? 1 : this.real.nlink;
  }
  set nlink(_n: number) {
    // The operation on the real directory counted already.
  }
  get rdev(): number {
    return this.real.rdev;
  }
  set rdev(_n: number) {
    // Never changes.
  }
  get atime(): Timespec {
    return this.real.atime;
  }
  set atime(t: Timespec) {
    if (this.writable !== null) this.writable.atime = t;
  }
  get mtime(): Timespec {
    return this.real.mtime;
  }
  set mtime(t: Timespec) {
    if (this.writable !== null) this.writable.mtime = t;
  }
  get ctime(): Timespec {
    return this.real.ctime;
  }
  set ctime(t: Timespec) {
    if (this.writable !== null) this.writable.ctime = t;
  }
  get btime(): Timespec {
    return this.real.btime;
  }
  set btime(_t: Timespec) {
    // Never changes.
  }
  get mapping(): AddressSpace | null {
    return this.real.mapping;
  }
  set mapping(_m: AddressSpace | null) {
    // It is the real inode's.
  }
  get size(): number {
    const { real } = this;
    if (isDir(real)) return real.sb.volatile ? (real.size ?? 0) : ((this.upper ?? this.lowers[0]).children.size + 2) * 20;
    return dtypeOf(real.mode) === 10 && typeof real.data === 'string' ? real.data.length : (real.size ?? 0);
  }
  get dead(): boolean {
    return this.real.dead;
  }
  set dead(_d: boolean) {
    // Removing the real directory said so.
  }
  get xattrs(): Map<string, Uint8Array> | null {
    return this.real.xattrs;
  }
  set xattrs(map: Map<string, Uint8Array> | null) {
    if (this.writable !== null) this.writable.xattrs = map;
  }
}

/** Overlay inodes over a real one: the same object is the same inode. */
function rememberOverlay(real: Inode, inode: OverlayInode): void {
  real.overlays ??= [];
  if (!real.overlays.includes(inode)) real.overlays.push(inode);
}
function known(fs: OverlayFs, real: Inode, match: (o: OverlayInode) => boolean): OverlayInode | null {
  const overlays = (real.overlays ?? []) as OverlayInode[];
  return overlays.find((o) => o.fs === fs && o.real === real && match(o)) ?? null;
}
export function overlayInodeOf(
  fs: OverlayFs,
  upper: Dentry | null,
  lowers: readonly Dentry[],
  parent: OverlayInode | null,
  name: string,
): OverlayInode {
  const key = (upper ?? lowers[0]).inode;
  // Links below come apart when one is copied up, so they are not one inode.
  const shared = upper !== null || isDir(key) || key.nlink <= 1;
  const old = known(fs, key, (o) => shared || (o.parent === parent && o.name === name));
  if (old !== null) {
    old.parent = parent;
    old.name = name;
    return old;
  }
  const inode = new OverlayInode(fs, upper, lowers, parent, name);
  rememberOverlay(key, inode);
  return inode;
}

/** `name` in a real directory: null when it is not there. */
export function realChild(k: Kernel, dir: Dentry, name: string): Dentry | null | number {
  const d = lookupOne(k, dir, name);
  return d === -ENOENT ? null : d;
}
/** Finds `name` through the layers of `dir` (ovl_lookup). */
export function overlayLookup(k: Kernel, dir: OverlayInode, name: string): OverlayInode | null | number {
  let upper: Dentry | null = null;
  const lowers: Dentry[] = [];
  if (dir.upper !== null) {
    const d = realChild(k, dir.upper, name);
    if (typeof d === 'number') return d;
    if (d !== null) {
      if (isWhiteout(d.inode)) return null;
      upper = d;
    }
  }
  const goOn = upper === null || (isDir(upper.inode) && !isOpaque(upper.inode));
  if (goOn) {
    const below = lowerChildren(k, dir, name);
    if (typeof below === 'number') return below;
    for (const d of below) {
      if (!isDir(d.inode) && (upper !== null || lowers.length > 0)) break;
      lowers.push(d);
      if (!isDir(d.inode)) break;
    }
  }
  if (upper === null && lowers.length === 0) return null;
  return overlayInodeOf(dir.fs, upper, lowers, dir, name);
}
/** What the lower layers have under `name`, down to the first that hides the rest. */
export function lowerChildren(k: Kernel, dir: OverlayInode, name: string): Dentry[] | number {
  const out: Dentry[] = [];
  for (const layer of dir.lowers) {
    const d = realChild(k, layer, name);
    if (typeof d === 'number') return d;
    if (d === null) continue;
    if (isWhiteout(d.inode)) break;
    out.push(d);
    if (!isDir(d.inode) || isOpaque(d.inode)) break;
  }
  return out;
}
/** Would something show through if the upper name went? (ovl_lower_positive) */
export function lowerPositive(k: Kernel, dir: OverlayInode, name: string): boolean {
  const below = lowerChildren(k, dir, name);
  return typeof below !== 'number' && below.length > 0;
}
export const isOverlay = (inode: Inode): inode is OverlayInode => inode instanceof OverlayInode;
/** Inode type bits of a symbolic link. */
export const isSymlink = (inode: Inode) => (inode.mode & S_IFMT) === S_IFLNK;
