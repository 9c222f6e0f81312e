import { EACCES, EINVAL, EPERM } from '../../../abi/errno.ts';
import { dtypeOf, S_IFLNK, S_IFREG } from '../../../abi/fs.ts';
import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_SYS_TIME } from '../../../abi/sched.ts';
import { NSEC_PER_SEC } from '../../../abi/time.ts';
import type { Kernel } from '../../kernel.ts';
import { nsCapable } from '../../nsproxy.ts';
import type { Task } from '../../sched/task.ts';
import { type IdKind, showIdMap, writeIdMap } from '../../user_namespace.ts';
import { NS_LINKS, nsLink, nsName, nsPath } from '../nsfs.ts';
import type { Inode, InodeOperations } from '../types.ts';
import { newPidInode, type PidEntry, type ProcPid, pidOf } from './base.ts';

// /proc/PID/ns and the files that set namespaces up (fs/proc/namespaces.c, base.c).

interface ProcNs extends ProcPid {
  readonly ns: string;
}
const nsLinkOps: InodeOperations = {
  magicLink(k, inode) {
    const { task, ns } = inode.data as ProcNs;
    const found = nsLink(k, task, ns);
    return typeof found === 'number' ? found : nsPath(k, found);
  },
  readlink(k, inode) {
    const { task, ns } = inode.data as ProcNs;
    const found = nsLink(k, task, ns);
    return typeof found === 'number' ? found : nsName(found);
  },
};
export const nsDirOps: InodeOperations = {
  lookup(k, dir, name): Inode | null {
    const i = NS_LINKS.findIndex((l) => l.name === name);
    if (i < 0) return null;
    const { task, thread } = pidOf(dir);
    const data: ProcNs = { task, entry: null, thread, ns: name };
    return newPidInode(k, task, S_IFLNK | 0o777, data, nsLinkOps, {}, dir.ino * 64 + i);
  },
  entries: (_k, dir) => NS_LINKS.map(({ name }, i) => ({ name, ino: dir.ino * 64 + i, type: dtypeOf(S_IFLNK) })),
};

function storeMap(k: Kernel, task: Task, kind: IdKind, text: string): number {
  const { cred } = k.current;
  const ns = task.cred.userNs;
  if (ns.owner === null || !nsCapable(k.current, ns, CAP_SYS_ADMIN)) return -EPERM;
  if (cred.userNs !== ns && cred.userNs !== ns.owner) return -EPERM;
  const privileged = kind === 'projid' || nsCapable(k.current, ns.owner, kind === 'uid' ? CAP_SETUID : CAP_SETGID);
  return writeIdMap(ns, kind, text, { userNs: cred.userNs, euid: cred.euid, egid: cred.egid, privileged });
}
const mapEntry = (kind: IdKind): PidEntry => ({
  name: `${kind}_map`,
  mode: S_IFREG | 0o644,
  show: (k, t) => showIdMap(t.cred.userNs, kind, k.current.cred.userNs),
  store: (k, t, text) => storeMap(k, t, kind, text),
});
/** "deny" before gid_map is written gives setgroups up for good (proc_setgroups_write). */
function storeSetgroups(k: Kernel, task: Task, text: string): number {
  const ns = task.cred.userNs;
  if (!nsCapable(k.current, ns, CAP_SYS_ADMIN)) return -EPERM;
  const word = text.trimEnd();
  if (word !== 'allow' && word !== 'deny') return -EINVAL;
  if (word === 'deny') {
    if (ns.maps.gid !== null) return -EPERM;
    ns.setgroupsAllowed = false;
  } else if (!ns.setgroupsAllowed) return -EPERM;
  return 0;
}

const pad = (n: number, width: number) => String(n).padStart(width);
function showOffsets(_k: Kernel, task: Task): string {
  const { offsets } = task.nsproxy.timeForChildren;
  const line = (name: string, ns: number) => {
    const sec = Math.floor(ns / NSEC_PER_SEC);
    return `${name.padEnd(10)} ${pad(sec, 10)} ${pad(ns - sec * NSEC_PER_SEC, 9)}\n`;
  };
  return line('monotonic', offsets.monotonic) + line('boottime', offsets.boottime);
}
/** Lines "clock seconds nanoseconds" (timens_offsets_write). */
function storeOffsets(k: Kernel, task: Task, text: string): number {
  const ns = task.nsproxy.timeForChildren;
  const next = { ...ns.offsets };
  const lines = text.replace(/\n$/, '').split('\n');
  for (const line of lines) {
    const m = /^(monotonic|boottime|1|7)\s+(-?\d+)\s+(\d+)\s*$/.exec(line);
    if (m === null || Number(m[3]) >= NSEC_PER_SEC) return -EINVAL;
    next[m[1] === 'monotonic' || m[1] === '1' ? 'monotonic' : 'boottime'] = Number(m[2]) * NSEC_PER_SEC + Number(m[3]);
  }
  if (!nsCapable(k.current, ns.owner, CAP_SYS_TIME)) return -EPERM;
  if (ns.frozen) return -EACCES;
  for (const offset of [next.monotonic, next.boottime]) if (k.time.now() + offset < 0 || offset > KTIME_SEC_MAX * NSEC_PER_SEC) return -34; // ERANGE
  Object.assign(ns.offsets, next);
  return 0;
}
/** Half of what ktime_t holds, s. */
const KTIME_SEC_MAX = 9_223_372_036 / 2;

export const USER_NS_ENTRIES: readonly PidEntry[] = [
  mapEntry('uid'),
  mapEntry('gid'),
  mapEntry('projid'),
  { name: 'timens_offsets', mode: S_IFREG | 0o644, show: showOffsets, store: storeOffsets },
  {
    name: 'setgroups',
    mode: S_IFREG | 0o644,
    show: (_k, t) => (t.cred.userNs.setgroupsAllowed ? 'allow\n' : 'deny\n'),
    store: storeSetgroups,
  },
];
