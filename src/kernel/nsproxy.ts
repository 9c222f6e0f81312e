import * as C from '../abi/clone.ts';
import { EINVAL, EMFILE, ENOSPC, EPERM, EUSERS } from '../abi/errno.ts';
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT } from '../abi/sched.ts';
import type { Cgroup } from './cgroup/cgroup.ts';
import { CAP_FULL_SET, type Cred } from './cred.ts';
import { copyMntNs, type MntNamespace, mntNsEnter, putMntNs } from './fs/mnt_namespace.ts';
import { copyIpcNs, putIpcNs } from './ipc/init.ts';
import type { IpcNamespace } from './ipc/namespace.ts';
import type { Kernel } from './kernel.ts';
import { CLONE_NS_ALL, INIT_INUM, NS_FLAG, type NsCommon, type NsKind } from './ns_common.ts';
import { inPidNs, initPidNamespace, MAX_PID_NS_LEVEL, newPidNamespace, type PidNamespace } from './pid_namespace.ts';
import type { Task } from './sched/task.ts';
import { countNs, mayMakeNs, uncountNs } from './ucount.ts';
import { INIT_USER_NS, inUserNs, MAX_USER_NS_LEVEL, newUserNamespace, type UserNamespace } from './user_namespace.ts';
import { vdsoJoinTimens } from './vdso/vdso.ts';

// The namespaces of a task, all but its user namespace (kernel/nsproxy.c, namespaces(7)). Tasks share the object; a change makes a new one.

export interface UtsNamespace extends NsCommon {
  readonly kind: 'uts';
  readonly owner: UserNamespace;
  hostname: string;
  domainname: string;
}
/** Clock offsets, ns. They can be set until the first process is in it (kernel/time/namespace.c). */
export interface TimeNamespace extends NsCommon {
  readonly kind: 'time';
  readonly owner: UserNamespace;
  readonly offsets: { monotonic: number; boottime: number };
  frozen: boolean;
}
export interface CgroupNamespace extends NsCommon {
  readonly kind: 'cgroup';
  readonly owner: UserNamespace;
  /** Where paths begin that its members see; null: at the root of all. */
  readonly root: Cgroup | null;
}
export interface NetNamespace extends NsCommon {
  readonly kind: 'net';
  readonly owner: UserNamespace;
}

export interface NsProxy {
  readonly uts: UtsNamespace;
  readonly ipc: IpcNamespace;
  readonly mnt: MntNamespace;
  readonly pidForChildren: PidNamespace;
  readonly net: NetNamespace;
  readonly cgroup: CgroupNamespace;
  readonly time: TimeNamespace;
  readonly timeForChildren: TimeNamespace;
}
export function initNsProxy(mnt: MntNamespace, ipc: IpcNamespace): NsProxy {
  const owner = INIT_USER_NS;
  const time: TimeNamespace = { kind: 'time', inum: INIT_INUM.time, owner, offsets: { monotonic: 0, boottime: 0 }, frozen: true };
  return {
    uts: { kind: 'uts', inum: INIT_INUM.uts, owner, hostname: '(none)', domainname: '(none)' },
    ipc,
    mnt,
    pidForChildren: initPidNamespace(),
    net: { kind: 'net', inum: INIT_INUM.net, owner },
    cgroup: { kind: 'cgroup', inum: INIT_INUM.cgroup, owner, root: null },
    time,
    timeForChildren: time,
  };
}

/** May `task` use capability `cap` in `ns`? Its own there, or it made a namespace above it (ns_capable). */
export function nsCapable(task: Task, ns: UserNamespace, cap: number): boolean {
  const { cred } = task;
  for (let at = ns; ; at = at.owner as UserNamespace) {
    if (at === cred.userNs) return ((cred.capEffective >> BigInt(cap)) & 1n) !== 0n;
    if (at.owner === null || at.level <= cred.userNs.level) return false;
    if (at.owner === cred.userNs && at.uid === cred.euid) return true;
  }
}

function nextInum(k: Kernel): number {
  return k.nextNsInum++;
}

/** Credentials in a new user namespace: every capability there (create_user_ns, set_cred_user_ns). */
export function createUserNs(k: Kernel, cred: Cred): Cred | number {
  const parent = cred.userNs;
  if (parent.level >= MAX_USER_NS_LEVEL) return -ENOSPC;
  if (!mayMakeNs(k, 'user', parent, cred.euid)) return -ENOSPC;
  // Numbers that mean nothing in the parent cannot own a child.
  if (parent.maps.uid === null || parent.maps.gid === null) return -EPERM;
  return inUserNsCred(cred, newUserNamespace(parent, nextInum(k), cred.euid, cred.egid));
}
function inUserNsCred(cred: Cred, userNs: UserNamespace): Cred {
  const full = CAP_FULL_SET;
  return { ...cred, userNs, securebits: 0, capInheritable: 0n, capPermitted: full, capEffective: full, capAmbient: 0n, capBounding: full };
}

/**
 * The namespaces that `flags` (CLONE_NEW*) asks for, made anew; the others are those of `task` (create_new_namespaces). `owner` is the user
 * namespace that they belong to. A new mount namespace moves `fs` into it.
 */
export function createNamespaces(k: Kernel, flags: number, task: Task, owner: UserNamespace, fs: Task['fs']): NsProxy | number {
  const old = task.nsproxy;
  const next: { -readonly [P in keyof NsProxy]: NsProxy[P] } = { ...old };
  const { euid } = task.cred;
  for (const kind of MADE_KINDS) {
    if ((flags & NS_FLAG[kind]) === 0) continue;
    if (kind === 'pid' && (!inUserNs(owner, task.pidNs.owner) || task.pidNs !== old.pidForChildren)) return -EINVAL;
    if (kind === 'pid' && task.pidNs.level >= MAX_PID_NS_LEVEL) return -ENOSPC;
    if (!mayMakeNs(k, kind, owner, euid)) return -ENOSPC;
  }
  const inum = () => nextInum(k);
  if ((flags & C.CLONE_NEWPID) !== 0) next.pidForChildren = newPidNamespace(task.pidNs, owner, inum());
  if ((flags & C.CLONE_NEWUTS) !== 0) next.uts = { ...old.uts, inum: inum(), owner };
  if ((flags & C.CLONE_NEWIPC) !== 0) next.ipc = copyIpcNs(k, owner, inum());
  if ((flags & C.CLONE_NEWCGROUP) !== 0) next.cgroup = { kind: 'cgroup', inum: inum(), owner, root: task.cgroup };
  if ((flags & C.CLONE_NEWNET) !== 0) next.net = { kind: 'net', inum: inum(), owner };
  if ((flags & C.CLONE_NEWTIME) !== 0)
    next.timeForChildren = { kind: 'time', inum: inum(), owner, offsets: { ...old.timeForChildren.offsets }, frozen: false };
  if ((flags & C.CLONE_NEWNS) !== 0) next.mnt = copyMntNs(k, old.mnt, owner, inum(), fs);
  for (const ns of membersOf(next)) if (!membersOf(old).includes(ns)) countNs(k, ns, euid);
  return next;
}
/** In the order in which create_new_namespaces makes them. */
const MADE_KINDS: readonly NsKind[] = ['mnt', 'uts', 'ipc', 'pid', 'cgroup', 'net', 'time'];

/** How many tasks and open files hold each namespace: what is in one goes with the last (put_nsproxy). */
export function holdNs(k: Kernel, ns: NsCommon): void {
  k.nsUsers.set(ns, (k.nsUsers.get(ns) ?? 0) + 1);
}
export function putNs(k: Kernel, ns: NsCommon): void {
  const left = (k.nsUsers.get(ns) ?? 1) - 1;
  if (left > 0) {
    k.nsUsers.set(ns, left);
    return;
  }
  k.nsUsers.delete(ns);
  if (ns.inum === INIT_INUM[ns.kind]) return;
  uncountNs(k, ns);
  if (ns.kind === 'mnt') putMntNs(k, ns as MntNamespace);
  else if (ns.kind === 'ipc') putIpcNs(k, ns as IpcNamespace);
}
const membersOf = (p: NsProxy): NsCommon[] => [p.uts, p.ipc, p.mnt, p.net, p.cgroup, p.time, p.timeForChildren, p.pidForChildren];

/** Gives `task` these namespaces instead of those it had (switch_task_namespaces). */
export function switchNamespaces(k: Kernel, task: Task, next: NsProxy): void {
  for (const ns of membersOf(next)) holdNs(k, ns);
  const old = task.nsproxy as NsProxy | undefined;
  task.nsproxy = next;
  if (old !== undefined) for (const ns of membersOf(old)) putNs(k, ns);
}
/** The task ends. Its nsproxy stays readable: what needs it of a zombie asks for exitState first. */
export function exitNamespaces(k: Kernel, task: Task): void {
  for (const ns of membersOf(task.nsproxy)) putNs(k, ns);
}
/** A new process goes into the time namespace that was made for it (timens_on_fork). */
export function forkTimeNs(proxy: NsProxy): NsProxy {
  if (proxy.time === proxy.timeForChildren) return proxy;
  proxy.timeForChildren.frozen = true;
  return { ...proxy, time: proxy.timeForChildren };
}

/** The namespace of `kind` that `task` is in; pid: its own, not that of its children. */
export function nsOfTask(task: Task, kind: NsKind): NsCommon {
  if (kind === 'user') return task.cred.userNs;
  if (kind === 'pid') return task.pidNs;
  return task.nsproxy[kind];
}

/** unshare(2). */
export function unshare(k: Kernel, flagsArg: number): number {
  let flags = flagsArg;
  const task = k.current;
  const known = C.CLONE_THREAD | C.CLONE_FS | C.CLONE_SIGHAND | C.CLONE_VM | C.CLONE_FILES | C.CLONE_SYSVSEM | C.CLONE_NEWUSER | CLONE_NS_ALL;
  if ((flags & C.CLONE_NEWUSER) !== 0) flags |= C.CLONE_THREAD | C.CLONE_FS;
  if ((flags & C.CLONE_VM) !== 0) flags |= C.CLONE_SIGHAND;
  if ((flags & C.CLONE_SIGHAND) !== 0) flags |= C.CLONE_THREAD;
  if ((flags & C.CLONE_NEWNS) !== 0) flags |= C.CLONE_FS;
  if ((flags & ~known) !== 0) return -EINVAL;
  if ((flags & (C.CLONE_THREAD | C.CLONE_SIGHAND | C.CLONE_VM)) !== 0 && task.signal.live > 1) return -EINVAL;
  if ((flags & (C.CLONE_SIGHAND | C.CLONE_VM)) !== 0 && task.sighand.users > 1) return -EINVAL;
  if ((flags & C.CLONE_VM) !== 0 && (task.mm?.users ?? 1) > 1) return -EINVAL;
  let cred = task.cred;
  if ((flags & C.CLONE_NEWUSER) !== 0) {
    const made = createUserNs(k, cred);
    if (typeof made === 'number') return made;
    cred = made;
  }
  const wantsNs = (flags & CLONE_NS_ALL) !== 0;
  if (wantsNs && !credCapable(cred, CAP_SYS_ADMIN)) return -EPERM;
  const copiesFiles = (flags & C.CLONE_FILES) !== 0 && task.files.users > 1;
  if (copiesFiles && Math.ceil(task.files.fds.length / 64) * 64 > k.vfs.nrOpen) return -EMFILE;
  const fs = (flags & C.CLONE_FS) !== 0 && task.fs.users > 1 ? task.fs.dup() : task.fs;
  const proxy = wantsNs ? createNamespaces(k, flags, task, cred.userNs, fs) : null;
  if (typeof proxy === 'number') return proxy;
  if (fs !== task.fs) {
    task.fs.users--;
    task.fs = fs;
  }
  if (copiesFiles) {
    task.files.users--;
    task.files = task.files.dup();
  }
  if (proxy !== null) switchNamespaces(k, task, proxy);
  if (cred !== task.cred) task.cred = cred;
  return 0;
}
const credCapable = (cred: Cred, cap: number) => ((cred.capEffective >> BigInt(cap)) & 1n) !== 0n;

/** setns(2) with one or more namespaces, the user namespace first. 0 or -errno with nothing changed. */
export function setns(k: Kernel, list: readonly NsCommon[]): number {
  const task = k.current;
  let cred = task.cred;
  const next: { -readonly [P in keyof NsProxy]: NsProxy[P] } = { ...task.nsproxy };
  const user = list.find((ns) => ns.kind === 'user') as UserNamespace | undefined;
  if (user !== undefined) {
    if (user === cred.userNs || task.signal.live > 1 || task.fs.users > 1) return -EINVAL;
    if (!nsCapable(task, user, CAP_SYS_ADMIN)) return -EPERM;
    cred = inUserNsCred(cred, user);
  }
  const may = (owner: UserNamespace, cap: number) =>
    (owner === cred.userNs ? credCapable(cred, cap) : nsCapable(task, owner, cap)) && credCapable(cred, cap);
  for (const ns of list) {
    if (ns.kind === 'user') continue;
    if (!may(ns.owner as UserNamespace, CAP_SYS_ADMIN)) return -EPERM;
    switch (ns.kind) {
      case 'mnt':
        if (!credCapable(cred, CAP_SYS_CHROOT)) return -EPERM;
        if (task.fs.users !== 1) return -EINVAL;
        next.mnt = ns as MntNamespace;
        break;
      case 'pid':
        // Only down, or back to its own.
        if (!inPidNs(ns as PidNamespace, task.pidNs)) return -EINVAL;
        next.pidForChildren = ns as PidNamespace;
        break;
      case 'time':
        if (task.signal.live > 1) return -EUSERS;
        (ns as TimeNamespace).frozen = true;
        next.time = next.timeForChildren = ns as TimeNamespace;
        break;
      default:
        Object.assign(next, { [ns.kind]: ns });
    }
  }
  if (next.mnt !== task.nsproxy.mnt || list.some((ns) => ns.kind === 'mnt')) mntNsEnter(next.mnt, task);
  if (next.time !== task.nsproxy.time && task.mm !== null) vdsoJoinTimens(k, task.mm, next.time);
  switchNamespaces(k, task, next);
  if (cred !== task.cred) task.cred = cred;
  return 0;
}
/** The namespaces of `task` that `flags` names, for setns with a pidfd. */
export function nsListOf(task: Task, flags: number): NsCommon[] {
  const kinds = (Object.keys(NS_FLAG) as NsKind[]).filter((kind) => (flags & NS_FLAG[kind]) !== 0);
  return kinds.map((kind) => (kind === 'pid' ? task.pidNs : nsOfTask(task, kind)));
}
