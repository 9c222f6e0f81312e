import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS, EXDEV } from '../../abi/errno.ts';
import { FS_IMMUTABLE_FL, NAME_MAX, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import type { Task } from '../sched/task.ts';
import { fromKid, INIT_USER_NS } from '../user_namespace.ts';
import { touchAtime } from './inode.ts';
import type { Dentry, Inode, Mount, Path } from './types.ts';

// Path resolution (fs/namei.c, path_resolution(7)).

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;
const CAP_DAC_OVERRIDE = 1;
const CAP_DAC_READ_SEARCH = 2;
const MAX_SYMLINKS = 40;

// openat2's resolve (include/uapi/linux/openat2.h).
export const RESOLVE_NO_XDEV = 1;
export const RESOLVE_NO_MAGICLINKS = 2;
export const RESOLVE_NO_SYMLINKS = 4;
export const RESOLVE_BENEATH = 8;
export const RESOLVE_IN_ROOT = 16;

export const isDir = (inode: Inode) => (inode.mode & S_IFMT) === S_IFDIR;
export const isLink = (inode: Inode) => (inode.mode & S_IFMT) === S_IFLNK;
export const isReg = (inode: Inode) => (inode.mode & S_IFMT) === S_IFREG;

/** in_group_p: the fs group or a supplementary one. */
export function inGroup(task: Task, gid: number): boolean {
  return task.cred.fsgid === gid || task.cred.groups.includes(gid);
}

/** A capability of the task over an inode: its own namespace must know the owners (capable_wrt_inode_uidgid). */
export function capableWrtInode(task: Task, inode: Inode, cap: number): boolean {
  const { userNs, capEffective } = task.cred;
  if (((capEffective >> BigInt(cap)) & 1n) === 0n) return false;
  return userNs === INIT_USER_NS || (fromKid(userNs, 'uid', inode.uid) >= 0 && fromKid(userNs, 'gid', inode.gid) >= 0);
}

/** 0, -EACCES or -EROFS for `mask` with the caller's fsuid and capabilities (inode_permission). */
export function inodePermission(task: Task, inode: Inode, mask: number): number {
  if ((mask & MAY_WRITE) !== 0 && inode.sb.readOnly && (isReg(inode) || isDir(inode) || isLink(inode))) return -EROFS;
  if ((mask & MAY_WRITE) !== 0 && (inode.flags & FS_IMMUTABLE_FL) !== 0) return -EPERM;
  let bits = inode.mode & 7;
  if (task.cred.fsuid === inode.uid) bits = (inode.mode >> 6) & 7;
  else if (inGroup(task, inode.gid)) bits = (inode.mode >> 3) & 7;
  if ((bits & mask) === mask) return 0;
  if (isDir(inode)) {
    if ((mask & MAY_WRITE) === 0 && capableWrtInode(task, inode, CAP_DAC_READ_SEARCH)) return 0;
    return capableWrtInode(task, inode, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
  }
  if (mask === MAY_READ && capableWrtInode(task, inode, CAP_DAC_READ_SEARCH)) return 0;
  // Execution needs at least one x bit even for the all-powerful.
  if (((mask & MAY_EXEC) === 0 || (inode.mode & 0o111) !== 0) && capableWrtInode(task, inode, CAP_DAC_OVERRIDE)) return 0;
  return -EACCES;
}

/** The dentry of `name` in `parent`: -ENOENT when there is none. */
export function lookupOne(k: Kernel, parent: Dentry, name: string): Dentry | number {
  const dir = parent.inode;
  if (!isDir(dir)) return -ENOTDIR;
  const cached = parent.children.get(name);
  if (cached !== undefined) return cached;
  if (dir.dead) return -ENOENT;
  if (name.length > NAME_MAX) return -ENAMETOOLONG;
  if (dir.op.lookup === undefined) return -ENOENT;
  const inode = dir.op.lookup(k, dir, name);
  if (inode === null) return -ENOENT;
  if (typeof inode === 'number') return inode;
  return addDentry(parent, name, inode, dir.sb.volatile);
}
/** A dentry for `inode`; a volatile one stays out of the cache until something is mounted on or below it. */
export function addDentry(parent: Dentry, name: string, inode: Inode, volatile = false): Dentry {
  const dentry: Dentry = { name, parent, inode, children: new Map(), mounted: null, deleted: false };
  if (!volatile) linkDentry(parent, dentry);
  return dentry;
}
/** Enters `dentry` under its name as the newest entry of `parent`. */
export function linkDentry(parent: Dentry, dentry: Dentry): void {
  // Offsets 0 and 1 are . and .. (libfs DIR_OFFSET_MIN is 2).
  dentry.offset = parent.inode.sb.nextOffset++;
  dentry.parent = parent;
  parent.children.set(dentry.name, dentry);
}

/** The mount that covers `dentry` seen through `mnt` (lookup_mnt): the latest. */
export function mountOn(mnt: Mount, dentry: Dentry): Mount | null {
  return dentry.mounted?.get(mnt)?.at(-1) ?? null;
}
/** Down into whatever is mounted here. */
export function crossMounts(path: Path): Path {
  let { mnt, dentry } = path;
  for (let m = mountOn(mnt, dentry); m !== null; m = mountOn(mnt, dentry)) {
    mnt = m;
    dentry = m.root;
  }
  return mnt === path.mnt ? path : { mnt, dentry };
}
/** `..`, stopping at `root`. */
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

/** Where a walk stands (struct nameidata). */
interface Nameidata {
  readonly root: Path;
  readonly resolve: number;
  at: Path;
  links: number;
  /** Last component, not walked yet: '' when the name was only slashes; '.', '..'. */
  last: string;
  /** It was followed by a slash. */
  slash: boolean;
}

/** Result of a parent walk: `last` is the last component ('' for the root itself), `slash` that it was followed by one. */
export interface ParentPath {
  readonly path: Path;
  readonly last: string;
  readonly slash: boolean;
}

function startWalk(k: Kernel, start: Path, name: string, resolve: number): Nameidata | number {
  if (name === '') return -ENOENT;
  const root = (resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) !== 0 ? start : k.current.fs.root;
  const absolute = name.startsWith('/');
  if (absolute && (resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
  const at = absolute ? root : start;
  if (!isDir(at.dentry.inode)) return -ENOTDIR;
  return { root, resolve, at, links: 0, last: '', slash: false };
}

/** Walks all but the last component, which stays in `nd.last` (link_path_walk). */
function linkPathWalk(k: Kernel, nd: Nameidata, name: string): number {
  let pos = 0;
  nd.last = '';
  nd.slash = false;
  while (name[pos] === '/') pos++;
  while (pos < name.length) {
    const denied = inodePermission(k.current, nd.at.dentry.inode, MAY_EXEC);
    if (denied < 0) return denied;
    let end = name.indexOf('/', pos);
    if (end < 0) end = name.length;
    nd.last = name.slice(pos, end);
    pos = end;
    while (name[pos] === '/') pos++;
    nd.slash = pos > end;
    if (pos >= name.length) return 0;
    let target = walkComponent(k, nd, true);
    while (typeof target === 'string') {
      const r = linkPathWalk(k, nd, target);
      if (r < 0) return r;
      target = walkComponent(k, nd, true);
    }
    if (target < 0) return target;
    if (!isDir(nd.at.dentry.inode)) return -ENOTDIR;
  }
  return 0;
}
/** Steps into `nd.last`: 0, -errno, or the target of a link that must be followed, with `nd.at` where the target starts. */
function walkComponent(k: Kernel, nd: Nameidata, follow: boolean, trailing = false): number | string {
  const { last } = nd;
  if (last === '' || last === '.') return 0;
  if (last === '..') {
    if ((nd.resolve & RESOLVE_BENEATH) !== 0 && nd.at.dentry === nd.root.dentry && nd.at.mnt === nd.root.mnt) return -EXDEV;
    const up = followDotDot(nd.root, nd.at);
    if ((nd.resolve & RESOLVE_NO_XDEV) !== 0 && up.mnt !== nd.at.mnt) return -EXDEV;
    nd.at = up;
    return 0;
  }
  const dentry = lookupOne(k, nd.at.dentry, last);
  return typeof dentry === 'number' ? dentry : stepInto(k, nd, dentry, follow, trailing);
}
function stepInto(k: Kernel, nd: Nameidata, dentry: Dentry, follow: boolean, trailing: boolean): number | string {
  const next = crossMounts({ mnt: nd.at.mnt, dentry });
  if ((nd.resolve & RESOLVE_NO_XDEV) !== 0 && next.mnt !== nd.at.mnt) return -EXDEV;
  const { inode } = next.dentry;
  if (!follow || !isLink(inode)) {
    nd.at = next;
    return 0;
  }
  if (nd.links++ >= MAX_SYMLINKS || (nd.resolve & RESOLVE_NO_SYMLINKS) !== 0) return -ELOOP;
  if (trailing && !mayFollowLink(k, nd.at.dentry.inode, inode)) return -EACCES;
  touchAtime(k, next);
  if (inode.op.magicLink !== undefined) {
    if ((nd.resolve & RESOLVE_NO_MAGICLINKS) !== 0) return -ELOOP;
    if ((nd.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) return -EXDEV;
    const path = inode.op.magicLink(k, inode);
    if (typeof path === 'number') return path;
    nd.at = path;
    return 0;
  }
  const target = inode.op.readlink?.(k, inode) ?? -ELOOP;
  if (typeof target === 'number') return target;
  if (target === '') return -ENOENT;
  if (target.startsWith('/')) {
    if ((nd.resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
    nd.at = nd.root;
  }
  return target;
}

/** fs.protected_symlinks: in a sticky world-writable directory only one's own links and the directory owner's are followed. */
function mayFollowLink(k: Kernel, dir: Inode, link: Inode): boolean {
  const open = 0o1002;
  return !k.vfs.protectedSymlinks || link.uid === k.current.cred.fsuid || (dir.mode & open) !== open || dir.uid === link.uid;
}

/** Resolves `name` from `start` (ignored for absolute names). */
export function pathWalk(k: Kernel, start: Path, name: string, follow: boolean, directory = false, resolve = 0): Path | number {
  const nd = startWalk(k, start, name, resolve);
  if (typeof nd === 'number') return nd;
  let needDir = directory;
  let followSlash = false;
  let rest = name;
  for (;;) {
    const r = linkPathWalk(k, nd, rest);
    if (r < 0) return r;
    const slash = nd.slash && nd.last !== '.' && nd.last !== '..';
    needDir ||= slash;
    followSlash ||= slash;
    const target = walkComponent(k, nd, follow || followSlash, true);
    if (typeof target === 'string') {
      rest = target;
      continue;
    }
    if (target < 0) return target;
    return needDir && !isDir(nd.at.dentry.inode) ? -ENOTDIR : nd.at;
  }
}
/** Resolves all but the last component. */
export function pathParent(k: Kernel, start: Path, name: string): ParentPath | number {
  const nd = startWalk(k, start, name, 0);
  if (typeof nd === 'number') return nd;
  const r = linkPathWalk(k, nd, name);
  return r < 0 ? r : { path: nd.at, last: nd.last, slash: nd.slash };
}

/** What open does with the last component of a parent (lookup_open). */
export interface OpenLast {
  readonly follow: boolean;
  readonly directory: boolean;
  readonly create: boolean;
  readonly resolve: number;
}
/**
 * The walk of open(2) (path_openat): the file's path, or, when it is missing and `create` is set, the directory and name to make it.
 */
export function pathOpen(k: Kernel, start: Path, name: string, how: OpenLast): { path: Path; missing: string | null } | number {
  const nd = startWalk(k, start, name, how.resolve);
  if (typeof nd === 'number') return nd;
  let needDir = how.directory;
  let followSlash = false;
  let rest = name;
  for (;;) {
    const r = linkPathWalk(k, nd, rest);
    if (r < 0) return r;
    const normal = nd.last !== '' && nd.last !== '.' && nd.last !== '..';
    if (normal && nd.slash) {
      if (how.create) return -21; // EISDIR
      needDir = followSlash = true;
    }
    let target: number | string;
    if (!normal) target = walkComponent(k, nd, true);
    else {
      const dentry = lookupOne(k, nd.at.dentry, nd.last);
      if (typeof dentry === 'number') {
        if (dentry === -ENOENT && how.create && !nd.at.dentry.inode.dead) return { path: nd.at, missing: nd.last };
        return dentry;
      }
      target = stepInto(k, nd, dentry, how.follow || followSlash, true);
    }
    if (typeof target === 'string') {
      rest = target;
      continue;
    }
    if (target < 0) return target;
    return needDir && !how.create && !isDir(nd.at.dentry.inode) ? -ENOTDIR : { path: nd.at, missing: null };
  }
}
