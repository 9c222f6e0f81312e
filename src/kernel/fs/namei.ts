import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from '../../abi/errno.ts';
import { NAME_MAX, S_IFDIR, S_IFLNK, S_IFMT } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import type { Task } from '../sched/task.ts';
import type { Dentry, Inode, Path } from './types.ts';

// Path resolution (fs/namei.c, path_resolution(7)).

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;
const CAP_DAC_OVERRIDE = 1;
const CAP_DAC_READ_SEARCH = 2;
const MAX_SYMLINKS = 40;

export const isDir = (inode: Inode) => (inode.mode & S_IFMT) === S_IFDIR;
export const isLink = (inode: Inode) => (inode.mode & S_IFMT) === S_IFLNK;

/** 0 or -EACCES for `mask` with the caller's fsuid and capabilities. */
export function inodePermission(task: Task, inode: Inode, mask: number): number {
  const cred = task.cred;
  let bits = inode.mode & 7;
  if (cred.fsuid === inode.uid) bits = (inode.mode >> 6) & 7;
  else if (cred.fsgid === inode.gid || cred.groups.includes(inode.gid)) bits = (inode.mode >> 3) & 7;
  if ((bits & mask) === mask) return 0;
  if (isDir(inode)) {
    if ((mask & MAY_WRITE) === 0 && task.capable(CAP_DAC_READ_SEARCH)) return 0;
    return task.capable(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
  }
  if (mask === MAY_READ && task.capable(CAP_DAC_READ_SEARCH)) return 0;
  // Execution needs at least one x bit even for the all-powerful.
  if (((mask & MAY_EXEC) === 0 || (inode.mode & 0o111) !== 0) && task.capable(CAP_DAC_OVERRIDE)) return 0;
  return -EACCES;
}

/** The dentry of `name` in `parent`: -ENOENT when there is none. */
export function lookupOne(k: Kernel, parent: Dentry, name: string): Dentry | number {
  if (name.length > NAME_MAX) return -ENAMETOOLONG;
  const dir = parent.inode;
  if (!isDir(dir)) return -ENOTDIR;
  const cached = parent.children.get(name);
  if (cached !== undefined && (!dir.sb.volatile || cached.mounted !== null)) return cached;
  if (dir.op.lookup === undefined) return -ENOENT;
  const inode = dir.op.lookup(k, dir, name);
  if (inode === null) return -ENOENT;
  if (typeof inode === 'number') return inode;
  return addDentry(parent, name, inode, dir.sb.volatile);
}
/** A dentry for `inode`; a volatile one does not enter the cache unless something gets mounted on it. */
export function addDentry(parent: Dentry, name: string, inode: Inode, volatile = false): Dentry {
  const dentry: Dentry = { name, parent, inode, children: new Map(), mounted: null, deleted: false };
  if (!volatile) parent.children.set(name, dentry);
  return dentry;
}

/** Down into whatever is mounted here. */
export function crossMounts(path: Path): Path {
  let { mnt, dentry } = path;
  while (dentry.mounted !== null) {
    mnt = dentry.mounted;
    dentry = mnt.root;
  }
  return { mnt, dentry };
}
/** `..`, stopping at the task's root. */
export function followDotDot(root: Path, path: Path): Path {
  let { mnt, dentry } = path;
  for (;;) {
    if (mnt === root.mnt && dentry === root.dentry) return { mnt, dentry };
    if (dentry !== mnt.root) return crossMounts({ mnt, dentry: dentry.parent });
    if (mnt.parent === null || mnt.mountpoint === null) return { mnt, dentry };
    dentry = mnt.mountpoint;
    mnt = mnt.parent;
  }
}

export interface WalkOptions {
  /** Follow a symbolic link in the last component. */
  readonly follow: boolean;
  /** Stop at the parent of the last component. */
  readonly parent?: boolean;
}
/** Result of a parent walk: `last` is the last component ('' for the root itself), `slash` that it was followed by one. */
export interface ParentPath {
  readonly path: Path;
  readonly last: string;
  readonly slash: boolean;
}

/** Resolves `name` from `start` (ignored for absolute names). */
export function pathWalk(k: Kernel, start: Path, name: string, follow: boolean): Path | number {
  const r = walk(k, start, name, follow, false, { links: 0 });
  return typeof r === 'number' || 'mnt' in r ? r : -ENOENT;
}
/** Resolves all but the last component. */
export function pathParent(k: Kernel, start: Path, name: string): ParentPath | number {
  const r = walk(k, start, name, false, true, { links: 0 });
  return typeof r === 'number' || 'last' in r ? r : -ENOENT;
}

function walk(k: Kernel, start: Path, name: string, follow: boolean, wantParent: boolean, depth: { links: number }): Path | ParentPath | number {
  if (name === '') return -ENOENT;
  const task = k.current;
  const root = task.fs.root;
  let at: Path = name.startsWith('/') ? root : start;
  at = crossMounts(at);
  const parts = name.split('/').filter((p) => p !== '');
  const slash = name.endsWith('/');
  if (parts.length === 0) return wantParent ? { path: at, last: '', slash } : at;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    const last = i === parts.length - 1;
    if (!isDir(at.dentry.inode)) return -ENOTDIR;
    const denied = inodePermission(task, at.dentry.inode, MAY_EXEC);
    if (denied < 0) return denied;
    if (last && wantParent) return { path: at, last: part, slash };
    if (part === '.') continue;
    if (part === '..') {
      at = followDotDot(root, at);
      continue;
    }
    const dentry = lookupOne(k, at.dentry, part);
    if (typeof dentry === 'number') return dentry;
    let next: Path = crossMounts({ mnt: at.mnt, dentry });
    if (isLink(next.dentry.inode) && (!last || follow || slash)) {
      const target = followLink(k, at, next.dentry.inode, depth);
      if (typeof target === 'number') return target;
      next = target;
    }
    at = next;
  }
  if (slash && !isDir(at.dentry.inode)) return -ENOTDIR;
  return at;
}

function followLink(k: Kernel, dir: Path, inode: Inode, depth: { links: number }): Path | number {
  if (++depth.links > MAX_SYMLINKS) return -ELOOP;
  if (inode.op.magicLink !== undefined) return inode.op.magicLink(k, inode);
  const target = inode.op.readlink?.(k, inode) ?? -ELOOP;
  if (typeof target === 'number') return target;
  const r = walk(k, dir, target, true, false, depth);
  return typeof r === 'number' || 'mnt' in r ? r : -ENOENT;
}

/** The absolute name of a path as the current task's root shows it (d_path); null when it lies outside. */
export function dPath(k: Kernel, path: Path, root = k.current.fs.root): string {
  let { mnt, dentry } = path;
  const parts: string[] = [];
  const deleted = dentry.deleted;
  for (;;) {
    if (mnt === root.mnt && dentry === root.dentry) break;
    if (dentry !== mnt.root && dentry !== dentry.parent) {
      parts.unshift(dentry.name);
      dentry = dentry.parent;
      continue;
    }
    if (mnt.parent === null || mnt.mountpoint === null) {
      if (mnt !== root.mnt && parts.length === 0) return dentry.name; // pipe:[5], anon_inode:...
      break;
    }
    dentry = mnt.mountpoint;
    mnt = mnt.parent;
  }
  return `/${parts.join('/')}${deleted ? ' (deleted)' : ''}`;
}
