import type { Kernel } from '../kernel.ts';
import { treeRoot } from './mnt_namespace.ts';
import { isDir, mountOn } from './namei.ts';
import { copyTree, type CopyFlags, mountsBelow } from './namespace.ts';
import type { Dentry, Mount, Path } from './types.ts';

// Propagation of mounts: peer groups, masters and slaves (fs/pnode.c, Documentation/filesystems/sharedsubtree.rst).

export type Propagation = 'shared' | 'private' | 'slave' | 'unbindable';

/** The other mounts of `m`'s peer group, beginning after it. */
export function peersOf(k: Kernel, m: Mount): Mount[] {
  if (m.group === 0) return [];
  const all = k.vfs.mounts.filter((x) => x.group === m.group);
  const i = all.indexOf(m);
  return [...all.slice(i + 1), ...all.slice(0, Math.max(i, 0))];
}
export const slavesOf = (k: Kernel, m: Mount): Mount[] => k.vfs.mounts.filter((x) => x.master === m);
/** The smallest group number that no mount has. */
export function newGroup(k: Kernel): number {
  const used = new Set(k.vfs.mounts.map((m) => m.group));
  let id = 1;
  while (used.has(id)) id++;
  return id;
}
export function makeShared(k: Kernel, m: Mount): void {
  if (m.group === 0) m.group = newGroup(k);
  m.unbindable = false;
}
/** It hears from its peers, but they do not hear from it (do_make_slave). */
function makeSlave(k: Kernel, m: Mount): void {
  const peers = peersOf(k, m);
  const wasShared = m.group !== 0;
  const slaves = slavesOf(k, m);
  const master = peers.length > 0 ? (peers.find((p) => p.root === m.root) ?? peers[0]) : m.master;
  if (wasShared) m.group = 0;
  for (const s of slaves) s.master = master;
  m.master = master;
}
/** change_mnt_propagation. */
export function changePropagation(k: Kernel, m: Mount, kind: Propagation): void {
  if (kind === 'shared') {
    makeShared(k, m);
    return;
  }
  makeSlave(k, m);
  if (kind === 'slave') return;
  m.master = null;
  m.unbindable = kind === 'unbindable';
}

const sameDentry = (a: Dentry, b: Dentry) => a === b || (a.inode.sb.volatile && isDir(a.inode) && a.inode === b.inode);
/** Is `d` below (or at) the root of what `m` shows? */
export function isSubdir(d: Dentry, top: Dentry): boolean {
  for (let at = d; ; at = at.parent) {
    if (sameDentry(at, top)) return true;
    if (at === at.parent) return false;
  }
}
/** Who gets what happens below `m`: its peers and all their slaves, in order; each with the one it hears from. */
export function propagationOf(k: Kernel, m: Mount): { mount: Mount; from: Mount; slave: boolean }[] {
  const out: { mount: Mount; from: Mount; slave: boolean }[] = [];
  const seen = new Set<Mount>([m]);
  const group = (first: Mount) => {
    const members = [first, ...peersOf(k, first)];
    for (const p of members) {
      if (seen.has(p)) continue;
      seen.add(p);
      out.push({ mount: p, from: first, slave: false });
    }
    for (const p of members) {
      for (const s of slavesOf(k, p)) {
        if (seen.has(s)) continue;
        seen.add(s);
        out.push({ mount: s, from: p, slave: true });
        group(s);
      }
    }
  };
  group(m);
  return out;
}
/** A copy that was made for one place of the propagation. */
export interface Propagated {
  readonly copy: Mount;
  readonly at: Path;
}
/** Copies of the tree of `source` for all who hear of a mount at `at` (propagate_mnt). They hang nowhere yet. */
export function propagateMount(k: Kernel, at: Path, source: Mount): Propagated[] {
  const out: Propagated[] = [];
  /** The copy that each receiver has, to copy the next from. */
  const copies = new Map<Mount, Mount>([[at.mnt, source]]);
  for (const { mount, from, slave } of propagationOf(k, at.mnt)) {
    // A copy that is only now being mounted hears of nothing yet (IS_MNT_NEW).
    if (treeRoot(mount) === source || !isSubdir(at.dentry, mount.root)) continue;
    const origin = copies.get(from) ?? source;
    const flags: CopyFlags = { slave, makeShared: !slave || mount.group !== 0 };
    const copy = copyTree(k, origin, origin.root, true, flags);
    if (copy === null) continue;
    copies.set(mount, copy);
    out.push({ copy, at: { mnt: mount, dentry: at.dentry } });
  }
  return out;
}
/** The mounts that go with `m` in the places that hear of its parent (propagate_umount). */
export function propagatedUmounts(k: Kernel, m: Mount): Mount[] {
  const { parent, mountpoint } = m;
  if (parent === null || mountpoint === null) return [];
  const out: Mount[] = [];
  for (const { mount } of propagationOf(k, parent)) {
    const child = mountOn(mount, mountpoint);
    if (child === null || child === m) continue;
    // One with mounts of its own stays.
    if (mountsBelow(k, child).length > 1) continue;
    out.push(child);
  }
  return out;
}
