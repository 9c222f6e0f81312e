import { majorOf, minorOf } from '../../../abi/fs.ts';
import { MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_RELATIME } from '../../../abi/mount.ts';
import type { Kernel } from '../../kernel.ts';
import { mangle } from '../../lib/seq_file.ts';
import type { Task } from '../../sched/task.ts';
import { dentryPath, dPath } from '../d_path.ts';
import type { Mount, Path } from '../types.ts';

// mounts, mountinfo, mountstats (fs/proc_namespace.c).

/** Options of the mount itself, from ro/rw on. */
function mountOptions(m: Mount, readOnly: boolean): string {
  let s = readOnly ? 'ro' : 'rw';
  if ((m.flags & MS_NOSUID) !== 0) s += ',nosuid';
  if ((m.flags & MS_NODEV) !== 0) s += ',nodev';
  if ((m.flags & MS_NOEXEC) !== 0) s += ',noexec';
  if ((m.flags & MS_NOATIME) !== 0) s += ',noatime';
  if ((m.flags & MS_NODIRATIME) !== 0) s += ',nodiratime';
  if ((m.flags & MS_RELATIME) !== 0) s += ',relatime';
  return s;
}
/** Options of the file system, each with a comma before it. */
const superOptions = (m: Mount) => (m.sb.options === '' ? '' : `,${m.sb.options}`);

/** Mounts that `task` can see below its root, with their places. */
function visible(k: Kernel, task: Task): { m: Mount; place: string }[] {
  const { root } = task.fs;
  const out: { m: Mount; place: string }[] = [];
  for (const m of k.vfs.mounts) {
    for (let at: Mount | null = m; at !== null; at = at.parent) {
      if (at !== root.mnt) continue;
      out.push({ m, place: dPath(k, { mnt: m, dentry: m.root }, root) });
      break;
    }
  }
  return out;
}
/** What of its file system a mount shows; the object's own name for what has no tree. */
function innerPath(m: Mount): string {
  return m.root === m.root.parent && m.root !== m.sb.root ? m.root.name : `${dentryPath(m.root)}${m.root.deleted ? '//deleted' : ''}`;
}
/** The optional fields of mountinfo. */
function propagation(k: Kernel, m: Mount, task: Task): string {
  let s = m.group !== 0 ? ` shared:${m.group}` : '';
  if (m.master !== null) {
    s += ` master:${m.master.group}`;
    const from = dominatingGroup(k, m, task.fs.root);
    if (from !== 0 && from !== m.master.group) s += ` propagate_from:${from}`;
  }
  return m.unbindable ? `${s} unbindable` : s;
}
/** The nearest peer group under `root` that it hears from, through however many masters (get_dominating_id). */
function dominatingGroup(k: Kernel, mount: Mount, root: Path): number {
  for (let m = mount.master; m !== null; m = m.master) {
    const peers = m.group === 0 ? [m] : k.vfs.mounts.filter((x) => x.group === (m as Mount).group);
    for (const p of peers) for (let at: Mount | null = p; at !== null; at = at.parent) if (at === root.mnt) return p.group;
  }
  return 0;
}
const ownReadOnly = (m: Mount) => (m.flags & MS_RDONLY) !== 0;

export function showMounts(k: Kernel, task: Task): string {
  if (task.exitState !== 0) return '';
  return visible(k, task)
    .map(
      ({ m, place }) =>
        `${mangle(sourceOf(m), '#')} ${mangle(place)} ${m.sb.type} ${mountOptions(m, ownReadOnly(m) || m.sb.readOnly)}${superOptions(m)} 0 0\n`,
    )
    .join('');
}
const sourceOf = (m: Mount) => (m.sb.type === 'rootfs' ? 'rootfs' : m.source === '' ? 'none' : m.source);

export function showMountinfo(k: Kernel, task: Task): string {
  if (task.exitState !== 0) return '';
  return visible(k, task)
    .map(({ m, place }) => {
      const parent = m.parent?.id ?? m.id;
      const inner = innerPath(m);
      const superRw = m.sb.readOnly ? 'ro' : 'rw';
      return `${m.id} ${parent} ${majorOf(m.sb.dev)}:${minorOf(m.sb.dev)} ${mangle(inner)} ${mangle(place)} ${mountOptions(m, ownReadOnly(m))}${propagation(k, m, task)} - ${m.sb.type} ${mangle(sourceOf(m))} ${superRw}${superOptions(m)}\n`;
    })
    .join('');
}
export function showMountstats(k: Kernel, task: Task): string {
  if (task.exitState !== 0) return '';
  return visible(k, task)
    .map(({ m, place }) => `device ${mangle(sourceOf(m))} mounted on ${mangle(place)} with fstype ${m.sb.type}\n`)
    .join('');
}
