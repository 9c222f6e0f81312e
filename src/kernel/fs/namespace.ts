import { EAGAIN, EBUSY, EINVAL, ELOOP, ENODEV, ENOENT, ENOTDIR, EPERM } from '../../abi/errno.ts';
import { MS_RDONLY } from '../../abi/mount.ts';
import type { Kernel } from '../kernel.ts';
import { requestModule } from '../module/kmod.ts';
import { BLOCKED } from '../sched/wait.ts';
import { INIT_USER_NS } from '../user_namespace.ts';
import { treeRoot } from './mnt_namespace.ts';
import { isDir, mountOn } from './namei.ts';
import { changePropagation, isSubdir, makeShared, type Propagated, propagatedUmounts, propagateMount, type Propagation, propagationOf } from './pnode.ts';
import type { Dentry, Mount, Path, SuperBlock } from './types.ts';
import { fanotifyForget } from './notify/fanotify.ts';

// The tree of mounts and its changes (fs/namespace.c).

/** How a copy relates to the original (CL_*). */
export interface CopyFlags {
  /** It becomes its slave. */
  readonly slave?: boolean;
  readonly makeShared?: boolean;
  readonly private?: boolean;
  /** Shared mounts become slaves of the original (a namespace of another user). */
  readonly sharedToSlave?: boolean;
  /** Unbindable mounts come along (a new namespace). */
  readonly unbindable?: boolean;
}
/** Is it part of the caller's namespace? (check_mnt) */
export const checkMnt = (k: Kernel, m: Mount): boolean => treeRoot(m) === k.current.nsproxy.mnt.root;
/** `m` and everything mounted below it, parents first. */
export function mountsBelow(k: Kernel, m: Mount): Mount[] {
  const children = new Map<Mount, Mount[]>();
  for (const c of k.vfs.mounts) {
    if (c.parent === null) continue;
    const list = children.get(c.parent);
    if (list === undefined) children.set(c.parent, [c]);
    else list.push(c);
  }
  // Mounts may lie on each other in any number: no recursion.
  const out: Mount[] = [];
  const stack = [m];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    out.push(at);
    for (const c of (children.get(at) ?? []).reverse()) stack.push(c);
  }
  return out;
}

function cloneMnt(k: Kernel, old: Mount, root: Dentry, flags: CopyFlags): Mount {
  const m = k.vfs.attach(old.sb, root, null, old.source, old.flags);
  if (flags.slave || (flags.sharedToSlave && old.group !== 0)) m.master = old;
  else if (!flags.private) {
    m.group = old.group;
    m.master = old.master;
  }
  if (flags.makeShared && m.group === 0) makeShared(k, m);
  m.unbindable = old.unbindable && flags.unbindable === true;
  return m;
}
/** A copy of what is mounted at `root` of `m`, with all below it when `recursive`. Null when it may not be copied. */
export function copyTree(k: Kernel, m: Mount, root: Dentry, recursive: boolean, flags: CopyFlags): Mount | null {
  if (m.unbindable && flags.unbindable !== true) return null;
  const copies = new Map<Mount, Mount>([[m, cloneMnt(k, m, root, flags)]]);
  if (recursive) {
    for (const child of mountsBelow(k, m).slice(1)) {
      const parent = copies.get(child.parent as Mount);
      const at = child.mountpoint as Dentry;
      if (parent === undefined || (child.parent === m && !isSubdir(at, root))) continue;
      if (child.unbindable && flags.unbindable !== true) continue;
      const copy = cloneMnt(k, child, child.root, flags);
      k.vfs.hang(copy, { mnt: parent, dentry: at });
      copies.set(child, copy);
    }
  }
  return copies.get(m) ?? null;
}
/** Hangs a tree at a place and everywhere that hears of it (attach_recursive_mnt). */
function attachRecursive(k: Kernel, source: Mount, at: Path): void {
  const shared = at.mnt.group !== 0;
  let copies: Propagated[] = [];
  if (shared) {
    for (const m of mountsBelow(k, source)) makeShared(k, m);
    copies = propagateMount(k, at, source);
  }
  k.vfs.hang(source, at);
  source.detached = false;
  for (const { copy, at: place } of copies) {
    // What is mounted there already comes to lie on top.
    const above = mountOn(place.mnt, place.dentry);
    k.vfs.hang(copy, place);
    if (above === null) continue;
    k.vfs.unhang(above);
    k.vfs.hang(above, { mnt: copy, dentry: copy.root });
  }
}
const cannotMount = ({ dentry }: Path) => dentry.deleted || dentry.inode.dead || dentry.inode.op.cantMount === true;
/** Mounts a tree that hangs nowhere (graft_tree). */
function graftTree(k: Kernel, m: Mount, at: Path): number {
  if (isDir(m.root.inode) !== isDir(at.dentry.inode)) return -ENOTDIR;
  if (cannotMount(at)) return -ENOENT;
  attachRecursive(k, m, at);
  return 0;
}
/** Forgets a tree that was never hung. */
export function dropTree(k: Kernel, m: Mount): void {
  umountTree(k, m, false);
}

/** File system types that the root of a user namespace may mount (FS_USERNS_MOUNT). */
const USERNS_MOUNT = ['proc', 'sysfs', 'tmpfs', 'ramfs', 'devpts', 'mqueue', 'overlay', 'cgroup2'];
/** May the caller mount file systems of this type at all? (mount_capable) */
export const mountCapable = (k: Kernel, typeName: string) => k.current.cred.userNs === INIT_USER_NS || USERNS_MOUNT.includes(typeName);
/** A mounted super block of type `typeName`, hanging nowhere. */
export function makeSuper(k: Kernel, typeName: string, source: string, options: string): SuperBlock | number {
  return k.vfs.types.get(typeName)?.mount(k, source, options) ?? -ENODEV;
}
/** get_fs_type: a module may have it. 0, -ENODEV or BLOCKED. */
function requestFileSystem(k: Kernel, name: string): number {
  const r = requestModule(k, `fs-${name}`);
  if (r === BLOCKED) return BLOCKED;
  if (k.vfs.types.has(name)) return 0;
  if (r === 0) k.printk.log(4, `request_module fs-${name} succeeded, but still no fs?`);
  return -ENODEV;
}
/** mount(2) of a new file system. */
export function newMount(k: Kernel, typeName: string, source: string, at: Path, flags: number, options: string): number {
  if (!k.vfs.types.has(typeName)) {
    const r = requestFileSystem(k, typeName);
    if (r < 0) return r;
  }
  if (!mountCapable(k, typeName)) return -EPERM;
  const sb = makeSuper(k, typeName, source, options);
  if (typeof sb === 'number') return sb;
  // The read-only flag of a new mount goes to its super block as well.
  if ((flags & MS_RDONLY) !== 0) sb.readOnly = true;
  return placeNew(k, sb, source, at, flags);
}
function placeNew(k: Kernel, sb: SuperBlock, source: string, at: Path, flags: number): number {
  if (!checkMnt(k, at.mnt)) return -EINVAL;
  const m = k.vfs.attach(sb, sb.root, null, source, flags);
  const r = graftTree(k, m, at);
  if (r < 0) dropTree(k, m);
  return r;
}
/** MS_BIND: the tree at `from` also at `at`; with `recursive` the mounts below it too (do_loopback). */
export function bindMount(k: Kernel, from: Path, at: Path, recursive: boolean): number {
  if (!checkMnt(k, at.mnt)) return -EINVAL;
  const copy = cloneForBind(k, from, recursive);
  if (typeof copy === 'number') return copy;
  const r = graftTree(k, copy, at);
  if (r < 0) dropTree(k, copy);
  return r;
}
/** The copy that a bind mount or open_tree(OPEN_TREE_CLONE) makes. */
export function cloneForBind(k: Kernel, from: Path, recursive: boolean): Mount | number {
  const known = checkMnt(k, from.mnt) || from.dentry.inode.sb.type === 'nsfs' || treeRoot(from.mnt).detached;
  if (!known || from.mnt.unbindable) return -EINVAL;
  return copyTree(k, from.mnt, from.dentry, recursive, {}) ?? -EINVAL;
}
/** MS_MOVE and move_mount(2) (do_move_mount). */
export function moveMount(k: Kernel, from: Path, at: Path): number {
  const { mnt } = from;
  if (from.dentry !== mnt.root || !checkMnt(k, at.mnt)) return -EINVAL;
  const attached = mnt.parent !== null;
  if (attached ? !checkMnt(k, mnt) : !mnt.detached) return -EINVAL;
  if (isDir(mnt.root.inode) !== isDir(at.dentry.inode)) return -EINVAL;
  if (attached && mnt.parent?.group !== 0) return -EINVAL;
  if (at.mnt.group !== 0 && mountsBelow(k, mnt).some((m) => m.unbindable)) return -EINVAL;
  for (let m: Mount | null = at.mnt; m !== null; m = m.parent) if (m === mnt) return -ELOOP;
  if (cannotMount(at)) return -ENOENT;
  if (attached) k.vfs.unhang(mnt);
  attachRecursive(k, mnt, at);
  return 0;
}
/** move_mount(2) with MOVE_MOUNT_BENEATH: `from` goes under the mount whose root `at` is (can_move_mount_beneath). */
export function moveBeneath(k: Kernel, from: Path, at: Path): number {
  const top = at.mnt;
  if (at.dentry !== top.root || top.parent === null || top.mountpoint === null || !checkMnt(k, top)) return -EINVAL;
  // What is below the root of the caller or of the namespace would be out of reach.
  if (top === k.current.fs.root.mnt || top.parent === from.mnt) return -EINVAL;
  for (let m: Mount | null = top; m !== null; m = m.parent) if (m === from.mnt) return -EINVAL;
  const place: Path = { mnt: top.parent, dentry: top.mountpoint };
  // Where its parent is heard of, the new mount would lie on top instead.
  if (top.parent.group !== 0 && (propagationReaches(k, top.parent, top) || propagationReaches(k, top.parent, from.mnt))) return -EINVAL;
  const r = moveMount(k, from, place);
  if (r < 0) return r;
  k.vfs.unhang(top);
  k.vfs.hang(top, { mnt: from.mnt, dentry: from.mnt.root });
  return 0;
}
/** Does `m` itself hear of mounts below `parent`? (propagation_would_overmount) */
const propagationReaches = (k: Kernel, parent: Mount, m: Mount) => propagationOf(k, parent).some((p) => p.mount === m);
/** mount(2) with MS_SHARED and kin; mount_setattr. */
export function setPropagation(k: Kernel, path: Path, kind: Propagation, recursive: boolean): number {
  if (path.dentry !== path.mnt.root) return -EINVAL;
  const mounts = recursive ? mountsBelow(k, path.mnt) : [path.mnt];
  for (const m of mounts) changePropagation(k, m, kind);
  return 0;
}

/** Can `path` be reached from `root` going down? */
function isReachable(path: Path, root: Path): boolean {
  let { mnt, dentry } = path;
  while (mnt !== root.mnt && mnt.parent !== null && mnt.mountpoint !== null) {
    dentry = mnt.mountpoint;
    mnt = mnt.parent;
  }
  return mnt === root.mnt && isSubdir(dentry, root.dentry);
}
/** pivot_root(2): `next` becomes the root of everything, the old root hangs at `putOld`. */
export function pivotRoot(k: Kernel, next: Path, putOld: Path): number {
  const root = k.current.fs.root;
  if (putOld.mnt.group !== 0 || next.mnt.parent?.group || root.mnt.parent?.group) return -EINVAL;
  if (!checkMnt(k, root.mnt) || !checkMnt(k, next.mnt)) return -EINVAL;
  if (next.dentry.deleted) return -ENOENT;
  if (next.mnt === root.mnt || putOld.mnt === root.mnt) return -EBUSY;
  if (root.dentry !== root.mnt.root || next.dentry !== next.mnt.root) return -EINVAL;
  // The initramfs's rootfs has no parent and cannot be pivoted away.
  if (root.mnt.parent === null || next.mnt.parent === null) return -EINVAL;
  if (!isReachable(putOld, next) || !isReachable(next, root)) return -EINVAL;
  const place: Path = { mnt: root.mnt.parent, dentry: root.mnt.mountpoint as Dentry };
  k.vfs.unhang(next.mnt);
  k.vfs.unhang(root.mnt);
  k.vfs.hang(root.mnt, putOld);
  k.vfs.hang(next.mnt, place);
  for (const task of k.sched.tasks.values()) {
    const { fs } = task;
    if (fs === null || fs === undefined) continue;
    if (fs.root.mnt === root.mnt && fs.root.dentry === root.dentry) fs.root = next;
    if (fs.pwd.mnt === root.mnt && fs.pwd.dentry === root.dentry) fs.pwd = next;
  }
  return 0;
}

/** Takes a whole tree away (umount_tree); with `propagate` also where others heard of it. */
export function umountTree(k: Kernel, top: Mount, propagate: boolean): void {
  const going = mountsBelow(k, top);
  if (propagate) for (const m of [...going]) for (const p of propagatedUmounts(k, m)) if (!going.includes(p)) going.push(p);
  for (const m of going.reverse()) {
    changePropagation(k, m, 'private');
    // Slaves of it that are left lost their master there.
    k.vfs.unhang(m);
    const i = k.vfs.mounts.indexOf(m);
    if (i >= 0) k.vfs.mounts.splice(i, 1);
    fanotifyForget(k, m);
  }
  for (const m of going) k.vfs.putSuper(m);
}
export interface UmountFlags {
  readonly detach: boolean;
  readonly expire: boolean;
}
/** umount2(2). */
export function doUmount(k: Kernel, m: Mount, flags: UmountFlags): number {
  if (!checkMnt(k, m) || m.parent === null) return flags.detach || m !== treeRoot(m) ? -EINVAL : -EBUSY;
  const users = () => [m, ...propagatedUmounts(k, m)].some((x) => k.vfs.isBusy(x));
  if (flags.expire) {
    if (m === k.current.fs.root.mnt) return -EINVAL;
    if (mountsBelow(k, m).length > 1 || k.vfs.isBusy(m)) return -EBUSY;
    if (!m.expiry) {
      m.expiry = true;
      return -EAGAIN;
    }
  }
  if (!flags.detach && (mountsBelow(k, m).length > 1 || users())) return -EBUSY;
  umountTree(k, m, true);
  return 0;
}
