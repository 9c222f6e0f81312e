import { EACCES, EINVAL, ENOENT, ENOTTY, EPERM, ESRCH } from '../../abi/errno.ts';
import { S_IFREG } from '../../abi/fs.ts';
import * as N from '../../abi/nsfs.ts';
import type { Kernel } from '../kernel.ts';
import { putUser32, putUserBig } from '../mm/uaccess.ts';
import { NS_FLAG, type NsCommon, type NsKind } from '../ns_common.ts';
import { holdNs, nsOfTask, putNs } from '../nsproxy.ts';
import { inPidNs, pidFromNs, pidNrNs, type PidNamespace } from '../pid_namespace.ts';
import { fromKidMunged, inUserNs, type UserNamespace } from '../user_namespace.ts';
import { ptraceMayAccess } from '../ptrace.ts';
import type { Task } from '../sched/task.ts';
import type { Dentry, File, FileOperations, Inode, Path } from './types.ts';

// Files that stand for namespaces: /proc/PID/ns/* and what their ioctls open (fs/nsfs.c, ioctl_ns(2)).

/** The inode of a namespace: made at first sight, the same as long as it is known. */
function nsInode(k: Kernel, ns: NsCommon): Inode {
  const known = k.nsInodes.get(ns);
  if (known !== undefined) return known;
  const inode: Inode = { ...k.vfs.newInode(k.vfs.nsfsSb, S_IFREG | 0o444, {}, nsFileOps), ino: ns.inum, data: ns };
  k.nsInodes.set(ns, inode);
  return inode;
}
export const nsName = (ns: NsCommon) => `${ns.kind}:[${ns.inum}]`;
/** The path that a link of /proc/PID/ns leads to (ns_get_path). */
export function nsPath(k: Kernel, ns: NsCommon): Path {
  const dentry = { name: nsName(ns), inode: nsInode(k, ns), children: new Map(), mounted: null, deleted: false } as unknown as Dentry;
  dentry.parent = dentry;
  return { mnt: k.vfs.anonMount, dentry };
}
/** A descriptor for `ns` (open_related_ns). */
export function installNs(k: Kernel, ns: NsCommon): number {
  const { files, signal } = k.current;
  const fd = files.allocFd(0, signal.rlimit(7));
  if (fd < 0) return fd;
  const file = k.vfs.newFile(nsPath(k, ns), nsFileOps, 0);
  nsFileOps.open?.(k, file.inode, file);
  files.install(fd, file, true);
  return fd;
}
/** The namespace that an open file stands for, or null. */
export function nsOfFile(file: File | null): NsCommon | null {
  return file !== null && file.op === nsFileOps ? (file.inode.data as NsCommon) : null;
}
/** The names in /proc/PID/ns, and what they lead to. */
export const NS_LINKS: readonly { readonly name: string; readonly of: (task: Task) => NsCommon }[] = [
  ...(['cgroup', 'ipc', 'mnt', 'net'] as const).map((kind) => ({ name: kind, of: (task: Task) => nsOfTask(task, kind) })),
  { name: 'pid', of: (task) => task.pidNs },
  { name: 'pid_for_children', of: (task) => task.nsproxy.pidForChildren },
  { name: 'time', of: (task) => task.nsproxy.time },
  { name: 'time_for_children', of: (task) => task.nsproxy.timeForChildren },
  ...(['user', 'uts'] as const).map((kind) => ({ name: kind, of: (task: Task) => nsOfTask(task, kind) })),
];
export function nsLink(k: Kernel, task: Task, name: string): NsCommon | number {
  if (!ptraceMayAccess(k, task)) return -EACCES;
  const link = NS_LINKS.find((l) => l.name === name);
  // A zombie is in no namespace but those of its pid and its credentials.
  if (link === undefined || (task.exitState !== 0 && name !== 'user' && name !== 'pid')) return -ENOENT;
  const ns = link.of(task);
  // A namespace for children without an init yet cannot be entered by name.
  if (name === 'pid_for_children' && (ns as PidNamespace).parent !== null && (ns as PidNamespace).childReaper === null) return -ENOENT;
  return ns;
}

function parentOf(k: Kernel, ns: NsCommon): NsCommon | number {
  if (ns.kind === 'pid') {
    const parent = (ns as PidNamespace).parent;
    return parent === null || !inPidNs(parent, k.current.pidNs) ? -EPERM : parent;
  }
  if (ns.kind === 'user') return ownerOf(k, ns);
  return -EINVAL;
}
function ownerOf(k: Kernel, ns: NsCommon): NsCommon | number {
  const owner = ns.owner as UserNamespace | null;
  return owner === null || !inUserNs(owner, k.current.cred.userNs) ? -EPERM : owner;
}
function translatePid(k: Kernel, ns: NsCommon, cmd: number, arg: number): number {
  if (ns.kind !== 'pid') return -EINVAL;
  const pidNs = ns as PidNamespace;
  const inside = cmd === N.NS_GET_PID_FROM_PIDNS || cmd === N.NS_GET_TGID_FROM_PIDNS;
  const global = inside ? pidFromNs(arg, pidNs) : pidFromNs(arg, k.current.pidNs);
  const task = global === 0 ? undefined : k.sched.find(global);
  if (task === undefined) return -ESRCH;
  const wantsTgid = cmd === N.NS_GET_TGID_FROM_PIDNS || cmd === N.NS_GET_TGID_IN_PIDNS;
  const nr = pidNrNs(wantsTgid ? task.tgid : task.pid, inside ? k.current.pidNs : pidNs);
  return nr === 0 ? -ESRCH : nr;
}
const nsFileOps: FileOperations = {
  open(k, inode) {
    holdNs(k, inode.data as NsCommon);
    return 0;
  },
  release(k, file) {
    putNs(k, file.inode.data as NsCommon);
  },
  ioctl(k, file, cmd, arg) {
    const ns = file.inode.data as NsCommon;
    switch (cmd) {
      case N.NS_GET_USERNS:
      case N.NS_GET_PARENT: {
        const other = cmd === N.NS_GET_USERNS ? ownerOf(k, ns) : parentOf(k, ns);
        return typeof other === 'number' ? other : installNs(k, other);
      }
      case N.NS_GET_NSTYPE:
        return NS_FLAG[ns.kind];
      case N.NS_GET_OWNER_UID:
        if (ns.kind !== 'user') return -EINVAL;
        return putUser32(k, arg, fromKidMunged(k.current.cred.userNs, 'uid', (ns as UserNamespace).uid));
      case N.NS_GET_MNTNS_ID:
        return ns.kind !== 'mnt' ? -EINVAL : putUserBig(k, arg, BigInt(ns.inum));
      case N.NS_GET_PID_FROM_PIDNS:
      case N.NS_GET_TGID_FROM_PIDNS:
      case N.NS_GET_PID_IN_PIDNS:
      case N.NS_GET_TGID_IN_PIDNS:
        return translatePid(k, ns, cmd, arg);
      default:
        return -ENOTTY;
    }
  },
};
/** PIDFD_GET_*_NAMESPACE: a descriptor for a namespace of the process. */
export function pidfdNamespace(k: Kernel, task: Task, kind: NsKind | 'pid_for_children' | 'time_for_children'): number {
  if (!ptraceMayAccess(k, task)) return -EPERM;
  if (task.exitState !== 0) return -ESRCH;
  if (kind === 'pid_for_children') return installNs(k, task.nsproxy.pidForChildren);
  if (kind === 'time_for_children') return installNs(k, task.nsproxy.timeForChildren);
  return installNs(k, nsOfTask(task, kind));
}
