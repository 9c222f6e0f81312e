import type { Kernel } from '../kernel.ts';
import type { NsCommon } from '../ns_common.ts';
import type { Task } from '../sched/task.ts';
import type { UserNamespace } from '../user_namespace.ts';
import type { FsStruct } from './file_table.ts';
import { crossMounts } from './namei.ts';
import type { Dentry, Mount, Path } from './types.ts';

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
  const copies = new Map<Mount, Mount>();
  const copyOf = (m: Mount): Mount => {
    const known = copies.get(m);
    if (known !== undefined) return known;
    const at: Path | null = m.parent === null ? null : { mnt: copyOf(m.parent), dentry: m.mountpoint as Dentry };
    const copy = k.vfs.attach(m.sb, m.root, at, m.source, m.flags);
    copies.set(m, copy);
    return copy;
  };
  for (const m of [...k.vfs.mounts]) if (treeRoot(m) === old.root) copyOf(m);
  const moved = (p: Path): Path => ({ mnt: copies.get(p.mnt) ?? p.mnt, dentry: p.dentry });
  fs.root = moved(fs.root);
  fs.pwd = moved(fs.pwd);
  return { kind: 'mnt', inum, owner, root: copyOf(old.root) };
}

/** Root and working directory of a task that enters `ns`: the root of everything there (mntns_install). */
export function mntNsEnter(ns: MntNamespace, task: Task): void {
  const root = crossMounts({ mnt: ns.root, dentry: ns.root.root });
  task.fs.root = root;
  task.fs.pwd = root;
}

/** Nobody is in it any more: its mounts go (put_mnt_ns). */
export function putMntNs(k: Kernel, ns: MntNamespace): void {
  for (const m of k.vfs.mounts.filter((x) => x.parent === ns.root)) k.vfs.umount(m, true);
  const i = k.vfs.mounts.indexOf(ns.root);
  if (i >= 0) k.vfs.mounts.splice(i, 1);
}
