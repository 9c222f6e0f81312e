import type { Kernel } from '../kernel.ts';
import type { NsCommon } from '../ns_common.ts';
import type { Task } from '../sched/task.ts';
import type { UserNamespace } from '../user_namespace.ts';
import type { FsStruct } from './file_table.ts';
import { crossMounts } from './namei.ts';
import { copyTree, mountsBelow, umountTree } from './namespace.ts';
import type { Mount, Path } from './types.ts';

// Mount namespaces: trees of mounts that do not see each other (fs/namespace.c, mount_namespaces(7)).

export interface MntNamespace extends NsCommon {
  readonly kind: 'mnt';
  readonly owner: UserNamespace;
  readonly root: Mount;
}

/** The mount at the bottom of `mnt`'s tree. */
export function treeRoot(mnt: Mount): Mount {
  let at = mnt;
  while (at.parent !== null) at = at.parent;
  return at;
}

/** A copy of all mounts of `old`, with root and working directory of `fs` moved to the same places in it (copy_mnt_ns). */
export function copyMntNs(k: Kernel, old: MntNamespace, owner: UserNamespace, inum: number, fs: FsStruct): MntNamespace {
  const before = mountsBelow(k, old.root);
  const flags = { unbindable: true, sharedToSlave: owner !== old.owner };
  const root = copyTree(k, old.root, old.root.root, true, flags) as Mount;
  const after = mountsBelow(k, root);
  const copies = new Map(before.map((m, i) => [m, after[i]]));
  const moved = (p: Path): Path => ({ mnt: copies.get(p.mnt) ?? p.mnt, dentry: p.dentry });
  fs.root = moved(fs.root);
  fs.pwd = moved(fs.pwd);
  return { kind: 'mnt', inum, owner, root };
}

/** Root and working directory of a task that enters `ns`: the root of everything there (mntns_install). */
export function mntNsEnter(ns: MntNamespace, task: Task): void {
  const root = crossMounts({ mnt: ns.root, dentry: ns.root.root });
  task.fs.root = root;
  task.fs.pwd = root;
}

/** Nobody is in it any more: its mounts go (put_mnt_ns). */
export function putMntNs(k: Kernel, ns: MntNamespace): void {
  umountTree(k, ns.root, false);
}
